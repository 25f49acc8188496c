#include "edge/policy.h"

#include <algorithm>

namespace sallyport::edge {
namespace {

IpRange range(const char* text) { return *IpRange::parse(text); }

}  // namespace

PolicyRules Policy::inside_default() {
  PolicyRules rules;
  for (const char* text :
       {"10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "fc00::/7"})
    rules.reachable.push_back(range(text));
  return rules;
}

PolicyRules Policy::outside_default(const std::vector<IpRange>& also_reachable) {
  PolicyRules rules;
  rules.reachable = also_reachable;
  rules.reachable.push_back(range("0.0.0.0/0"));
  rules.reachable.push_back(range("::/0"));
  rules.max_sockets = 60000;
  return rules;
}

bool Policy::reachable(const IpAddress& address) const {
  if (address.is_unspecified() || address.is_multicast()) return false;
  return std::any_of(rules_.reachable.begin(), rules_.reachable.end(), [&](const IpRange& r) {
    // The whole Internet is not the host itself, its neighbours, or a cloud's metadata service:
    // these must be named by a range of their own.
    if (r.prefix == 0 && address.is_private()) return false;
    return r.contains(address);
  });
}

std::optional<std::string> Policy::refuse_address(const IpAddress& address) const {
  if (reachable(address)) return std::nullopt;
  return address.to_string() + " is not an address that this edge's policy lets calls reach";
}

std::optional<std::string> Policy::refuse_listen(const ListenSpec& spec) const {
  if (!rules_.protocols.empty() && !rules_.protocols.contains(spec.protocol))
    return "protocol '" + spec.protocol + "' is not permitted here";
  const std::uint16_t port = spec.address.port;
  if (port != 0 && !rules_.listen_ports.empty() && !rules_.listen_ports.contains(port))
    return "listening on port " + std::to_string(port) + " is not permitted here";
  return std::nullopt;
}

std::optional<std::string> Policy::refuse_connect(const ConnectSpec& spec) const {
  if (!rules_.protocols.empty() && !rules_.protocols.contains(spec.protocol))
    return "protocol '" + spec.protocol + "' is not permitted here";
  return refuse_address(spec.remote.ip);
}

std::optional<std::string> Policy::refuse_flow(const IpAddress& server) const {
  if (!reachable(server) && !server.is_loopback() && !server.is_link_local() &&
      !server.is_multicast())
    return std::nullopt;
  return server.to_string() + " is no address that this edge's policy lets media flows go to";
}

std::optional<std::string> Policy::refuse_sockets(std::size_t in_use) const {
  if (in_use < rules_.max_sockets) return std::nullopt;
  return "all " + std::to_string(rules_.max_sockets) +
         " sockets that the policy permits are in use";
}

}  // namespace sallyport::edge
