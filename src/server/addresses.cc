#include "server/addresses.h"

#include <algorithm>

namespace sallyport::server {
namespace {

// Somewhere out in the world (RFC 5737, RFC 3849): only the route toward it counts.
const char* const kFarV4 = "192.0.2.1";
const char* const kFarV6 = "2001:db8::1";

bool has_family(net::Network& network, bool v4) {
  const IpAddress any = v4 ? IpAddress::any_v4() : IpAddress::any_v6();
  return network.open_datagrams({any, 0}, {}, [](const auto&, const auto&, Bytes) {}).has_value();
}

}  // namespace

Addresses find_addresses(const config::ServerConfig& config, net::Network& network,
                         std::string& problem) {
  Addresses out;
  std::vector<IpAddress> by_route;
  for (const char* far : {kFarV4, kFarV6})
    if (const auto local = network.local_address_for(*IpAddress::parse(far)))
      by_route.push_back(*local);

  config::Problems problems;
  out.advertised = config::advertised_addresses(config, by_route, problems);
  if (!problems.empty()) problem = problems.front().what;

  const auto add_shown = [&](const IpAddress& bound) {
    for (const IpAddress& ip : out.advertised)
      if (ip.is_v4() == bound.is_v4() && ip != bound) out.shown[bound] = ip;
  };
  for (const IpAddress& ip : by_route) add_shown(ip);

  const bool has_v4 = has_family(network, true);
  const bool has_v6 = has_family(network, false);
  // An address that the file names must be there; a wildcard is for the families that are.
  const auto usable = [&](const IpAddress& ip) {
    return !ip.is_unspecified() || (ip.is_v4() ? has_v4 : has_v6);
  };
  for (const TransportAddress& address : config.multiplex.listen)
    if (usable(address.ip)) out.multiplex.push_back(address);
  for (const IpAddress& ip : config.media.listen) {
    if (!usable(ip)) continue;
    if (!ip.is_unspecified()) add_shown(ip);
    out.media_sockets.push_back({ip, config.media.x});
    if (!config.media.one_port()) out.media_sockets.push_back({ip, config.media.y});
    if (config.media.alternative_port != 0)
      out.media_sockets.push_back({ip, config.media.alternative_port});
  }
  for (const IpAddress& ip : out.advertised) {
    out.media.rtp.push_back({ip, config.media.x});
    out.media.rtcp.push_back({ip, config.media.y});
  }
  out.media.alternative_port = config.media.alternative_port;
  out.dial = config::multiplex_addresses(config, out.advertised);
  return out;
}

}  // namespace sallyport::server
