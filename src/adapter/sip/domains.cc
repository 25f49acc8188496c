#include "adapter/sip/domains.h"

#include <algorithm>

namespace sallyport::adapter::sip {

std::string lower_case(std::string_view text) {
  std::string out{text};
  for (char& c : out)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + 32);
  return out;
}

std::string uri_of(const brain::Upstream& upstream) {
  const bool v6 = upstream.host.find(':') != std::string::npos;
  std::string out = "sip:" + (v6 ? "[" + upstream.host + "]" : upstream.host);
  if (upstream.port != 0) out += ":" + std::to_string(upstream.port);
  if (upstream.transport) out += ";transport=" + lower_case(name(*upstream.transport));
  return out;
}

Domains::Domains(const RegistrationConfig& config)
    : config_(config), default_(lower_case(config.default_domain)) {
  for (const std::string& domain : config.domains) own_.insert(lower_case(domain));
  if (!default_.empty() && relay(default_) == nullptr) own_.insert(default_);
}

std::optional<std::string> Domains::find(std::string_view host, Place place) const {
  std::string name = lower_case(host);
  if (!name.empty() && name.back() == '.') name.pop_back();  // a name may be written as absolute
  if (own_.contains(name) || relay(name) != nullptr) return name;
  if (!default_.empty() && is_address(name, place)) return default_;
  return std::nullopt;
}

const RelayDomain* Domains::relay(std::string_view domain) const {
  const auto found =
      std::find_if(config_.relays.begin(), config_.relays.end(),
                   [&](const RelayDomain& one) { return lower_case(one.domain) == domain; });
  return found != config_.relays.end() ? &*found : nullptr;
}

bool Domains::is_address(std::string_view host, Place place) const {
  const auto ip = IpAddress::parse(host);
  return ip && is_own_address_ && is_own_address_(place, *ip);
}

bool Domains::is_ours(std::string_view host) const {
  return std::any_of(places_.begin(), places_.end(),
                     [&](Place place) { return find(host, place) || is_address(host, place); });
}

}  // namespace sallyport::adapter::sip
