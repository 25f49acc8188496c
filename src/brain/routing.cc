#include "brain/routing.h"

#include <algorithm>
#include <utility>

namespace sallyport::brain {
namespace {

std::string lower(std::string_view text) {
  std::string out{text};
  for (char& c : out)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + 32);
  return out;
}

Route to(const StaticRoute& route) { return {RouteKind::Upstream, route.upstream}; }

}  // namespace

std::optional<std::string> as_number(std::string_view dialled) {
  const std::string_view number = dialled.substr(0, dialled.find(';'));
  std::string out;
  for (const char c : number) {
    if ((c >= '0' && c <= '9') || (c == '+' && out.empty())) {
      out += c;
    } else if (c != '-' && c != '.' && c != '(' && c != ')') {
      return std::nullopt;
    }
  }
  if (out.empty() || out == "+") return std::nullopt;
  return out;
}

Routing::Routing(Config config) : config_(std::move(config)) {
  for (StaticRoute& route : config_.routes) {
    route.domain = lower(route.domain);
    // "+49 (0)" as somebody may have written it; a prefix that is no number matches nothing.
    if (!route.prefix.empty()) route.prefix = as_number(route.prefix).value_or("none");
  }
}

Route Routing::find(std::string_view user, std::string_view domain, adapter::Place from) const {
  // From outside nothing goes outside again, whatever the routes say: who pays for a call to a
  // provider is who stands inside.
  if (from.is_outside()) return {domain.empty() ? RouteKind::Unknown : RouteKind::Forbidden, {}};
  if (domain.empty()) {
    const auto number = as_number(user);
    const StaticRoute* route = number ? by_number(*number) : nullptr;
    return route != nullptr ? to(*route) : Route{RouteKind::Unknown, {}};
  }
  if (const StaticRoute* route = by_domain(lower(domain))) return to(*route);
  return {config_.allow_dns ? RouteKind::Dns : RouteKind::Forbidden, {}};
}

// The longest prefix wins; of equals the first.
const StaticRoute* Routing::by_number(std::string_view number) const {
  const StaticRoute* best = nullptr;
  for (const StaticRoute& route : config_.routes) {
    if (!route.any_number && (route.prefix.empty() || !number.starts_with(route.prefix))) continue;
    if (best == nullptr || route.prefix.size() > best->prefix.size()) best = &route;
  }
  return best;
}

// The domain itself before a pattern, a longer pattern before a shorter one.
const StaticRoute* Routing::by_domain(std::string_view domain) const {
  const StaticRoute* best = nullptr;
  for (const StaticRoute& route : config_.routes) {
    if (route.domain.empty()) continue;
    if (route.domain == domain) return &route;
    const bool below = route.domain.starts_with("*.") &&
                       domain.ends_with(std::string_view{route.domain}.substr(1));
    if (below && (best == nullptr || route.domain.size() > best->domain.size())) best = &route;
  }
  return best;
}

}  // namespace sallyport::brain
