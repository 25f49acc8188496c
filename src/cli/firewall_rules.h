// The rules of Table 1 (WO 02/45373 p. 37): all that a firewall between an agent and its server has
// to let through, whatever calls are made.
//
//   1  out  TCP  agent, any port  ->  server, Z
//   2  in   TCP  server, Z        ->  agent, any port   (answers to 1)
//   3  out  UDP  agent, any port  ->  server, X
//   4  in   UDP  server, X        ->  agent, any port
//   5  out  UDP  agent, any port  ->  server, Y
//   6  in   UDP  server, Y        ->  agent, any port
//
// In one-port mode (X = Y) 5 and 6 are 3 and 4 again and are left out. Text only; no state.
#pragma once

#include <boost/json/array.hpp>
#include <optional>
#include <string>
#include <vector>

#include "base/transport_address.h"
#include "config/server_config.h"

namespace sallyport::cli {

struct FirewallServer {
  IpAddress address;
  std::uint16_t z = config::kPortZ;
  friend bool operator==(const FirewallServer&, const FirewallServer&) = default;
};

struct FirewallSite {
  std::vector<FirewallServer> servers;
  std::uint16_t x = config::kPortX;
  std::uint16_t y = config::kPortY;
  std::vector<IpRange> agents;  // none of a server's family: any address
};

// The same rules as data, for whoever configures firewalls by program. A port that may be any is
// left out, an address that may be any is "any".
boost::json::array agent_rules(const FirewallSite& site);
boost::json::array server_rules(const config::ServerConfig& config);

enum class FirewallFormat : std::uint8_t { Nftables, Iptables, Cisco, Pf };

// For the firewall between agent and server. Nftables: a script for `nft -f`; with `drop` a chain
// of its own in the forward hook that lets nothing else through, otherwise rules that are put in
// front of those in the chain `forward` of the table `inet filter`, which is made if need be.
std::string agent_firewall(const FirewallSite& site, FirewallFormat format, bool drop);

// For the server's own host: what agents, destinations and media need. With `drop` everything else
// that comes in is refused, ssh excepted.
std::string server_firewall(const config::ServerConfig& config, FirewallFormat format, bool drop);

}  // namespace sallyport::cli
