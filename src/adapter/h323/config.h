// What the H.323 adapter is told at its start. Values with defaults; the configuration file fills
// them in.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "adapter/limits.h"
#include "adapter/marks.h"
#include "base/host_port.h"
#include "base/time.h"
#include "base/transport_address.h"

namespace sallyport::adapter::h323 {

constexpr std::uint16_t kPortRas = 1719;
constexpr std::uint16_t kPortDiscovery = 1718;
constexpr std::uint16_t kPortCall = 1720;

// Where H.323 is listened to on one kind of edge; port 0: not at all.
struct Listening {
  std::uint16_t ras = kPortRas;                              // UDP
  std::uint16_t call = kPortCall;                            // TCP
  std::vector<IpAddress> addresses = {IpAddress::any_v4()};  // one listener each
  // UDP, gatekeeper discovery at kDiscoveryGroup.
  std::uint16_t discovery = 0;
};
// H.225.0 7.2: "the Discovery Multicast Address".
inline const IpAddress kDiscoveryGroup = IpAddress::v4({224, 0, 1, 41});

// A gatekeeper elsewhere that registrations and calls are relayed to: of endpoints with an alias in
// one of these domains, or a number that begins so.
struct Relay {
  std::string name;  // whose users hold the password that it wants
  HostPort gatekeeper;
  std::vector<std::string> domains;   // in lower case
  std::vector<std::string> prefixes;  // digits
  std::string user;                   // empty: nothing is signed
};

struct Config {
  Listening inside{.discovery = kPortDiscovery};
  Listening outside;
  Marks inside_marks;  // to terminals, and between agent and server
  Marks outside_marks;
  const Marks& marks(bool to_outside) const { return to_outside ? outside_marks : inside_marks; }
  // What the public sees of the server. At most one of each family; empty: the address that the
  // edge itself reports.
  std::vector<IpAddress> advertised;

  std::string gatekeeper = "sallyport";  // our gatekeeperIdentifier
  std::string domain;                    // whose users register, and which h323 URLs are ours
  std::vector<std::string> domains;      // those URLs' other hosts
  Duration min_time_to_live = seconds{30};
  Duration max_time_to_live = std::chrono::hours{1};
  Duration default_time_to_live = std::chrono::minutes{5};
  bool authenticate = true;  // inside; from outside nobody registers without a password
  bool accept_md5 = false;   // cryptoEPPwdHash, which needs the password itself
  bool accept_cat = false;   // Cisco access tokens, which do too
  Duration clock_tolerance = std::chrono::minutes{10};  // of what tokens say of the time
  bool pre_grant = true;                                // terminals may call without asking by ARQ

  std::vector<HostPort> neighbours;  // gatekeepers that are asked for names not known here
  std::vector<Relay> relays;
  // Where calls for relayed terminals are taken, one port for each.
  std::uint16_t first_relay_port = 21000;
  std::uint16_t last_relay_port = 21999;

  Limits limits;
  std::size_t max_endpoints = 100'000;
  std::size_t max_endpoints_per_agent = 2'000;
  std::size_t max_aliases = 32;  // of one endpoint, prefixes too
  std::size_t max_connections_outside = 8192;
  std::size_t max_connections_inside = 2048;          // per agent
  Duration stranger_idle = std::chrono::seconds{60};  // a connection that never said anything valid
  Duration ringing_limit = std::chrono::minutes{3};
  // A call's parties that have neither signalled nor sent media for so long are asked whether they
  // are still there.
  Duration ask_after = std::chrono::minutes{5};
};

}  // namespace sallyport::adapter::h323
