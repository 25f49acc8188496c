// What the SIP adapter is told at its start. Values with defaults; the configuration file fills
// them in.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "adapter/limits.h"
#include "adapter/marks.h"
#include "base/time.h"
#include "base/transport_address.h"
#include "edge/edge.h"

namespace sallyport::adapter::sip {

// Where SIP is listened to on one kind of edge; port 0: not at all.
struct Listening {
  std::uint16_t udp = 5060;
  std::uint16_t tcp = 5060;
  std::uint16_t tls = 5061;
  std::vector<IpAddress> addresses = {IpAddress::any_v4()};  // one listener each
  std::string certificate;                                   // by name at that edge
};

struct Config {
  Listening inside;
  Listening outside;
  Marks inside_marks;  // to terminals, and between agent and server
  Marks outside_marks;
  const Marks& marks(bool to_outside) const { return to_outside ? outside_marks : inside_marks; }
  // What the public sees of the server: in Via, Contact and SDP. At most one of each family; empty:
  // the address that the edge itself reports.
  std::vector<IpAddress> advertised;
  // The domain that stands for the enterprise in identities; empty: our own address does.
  std::string domain;
  // Public addresses of the enterprises behind the agents: never shown outside, in no field.
  std::vector<IpRange> hidden;
  bool verify_tls_outside = true;  // dialling out with TLS: the chain must hold and carry the name

  // Limits on what strangers can fill.
  Limits limits;
  std::size_t max_transactions = 100000;
  std::size_t max_transaction_octets = std::size_t{128} << 20U;  // of their messages
  std::size_t max_connections_outside = 8192;
  std::size_t max_connections_inside = 2048;          // per agent
  Duration stranger_idle = std::chrono::seconds{60};  // a connection that never said anything valid
  Duration connection_idle = std::chrono::hours{2};
  Duration ringing_limit = std::chrono::minutes{3};  // Timer C, RFC 3261 16.6 step 11
  // A call's parties that have neither signalled nor sent media for so long are asked whether they
  // are still there.
  Duration ask_after = std::chrono::minutes{5};
};

}  // namespace sallyport::adapter::sip
