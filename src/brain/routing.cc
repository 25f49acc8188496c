#include "brain/routing.h"

#include <utility>

namespace sallyport::brain {
namespace {

std::string lower(std::string_view text) {
  std::string out{text};
  for (char& c : out)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + 32);
  return out;
}

// How well a route's domain fits: 0 not at all, more is better.
std::size_t fit(std::string_view wanted, std::string_view domain) {
  if (wanted == domain) return std::string_view::npos;
  const bool below = wanted.starts_with("*.") && domain.ends_with(wanted.substr(1));
  return below ? wanted.size() : 0;
}

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
    // As it may have been written: "+49 (0) 30". One that is no number matches nothing.
    if (!route.prefix.empty()) route.prefix = as_number(route.prefix).value_or("none");
  }
}

Route Routing::find(std::string_view user, std::string_view domain, adapter::Place from) const {
  // From outside nothing goes outside again, whatever the routes say: who pays for a call to a
  // provider is who stands inside.
  if (from.is_outside()) return {domain.empty() ? RouteKind::Unknown : RouteKind::Forbidden, {}};
  const std::string wanted = lower(domain);
  const auto number = as_number(user);
  const StaticRoute* best = nullptr;
  std::size_t best_fit = 0;
  for (const StaticRoute& route : config_.routes) {
    const std::size_t here = fit(route.domain, wanted);
    if (here == 0 || here < best_fit) continue;
    if (!route.prefix.empty() && (!number || !number->starts_with(route.prefix))) continue;
    if (here == best_fit && route.prefix.size() <= best->prefix.size()) continue;
    best = &route;
    best_fit = here;
  }
  if (best != nullptr) return {RouteKind::Upstream, best->upstreams};
  if (domain.empty()) return {RouteKind::Unknown, {}};
  return {config_.allow_dns ? RouteKind::Dns : RouteKind::Forbidden, {}};
}

}  // namespace sallyport::brain
