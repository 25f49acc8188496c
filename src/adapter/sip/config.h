// What the SIP adapter is told at its start. Values with defaults; the configuration file fills
// them in.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

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

// How packets are marked on one side (DSCP, RFC 4594).
struct Marks {
  edge::Dscp signalling = edge::kDscpSignalling;
  edge::Dscp audio = edge::kDscpVoice;  // and fax
  edge::Dscp video = edge::kDscpVideo;
  edge::Dscp other = edge::kDscpVideo;  // presentation, camera control
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
  std::size_t max_transactions = 100000;
  std::size_t max_transaction_octets = std::size_t{128} << 20U;  // of their messages
  std::size_t max_calls = 20000;
  std::size_t max_calls_per_agent = 1000;
  std::size_t max_unanswered_of_source = 30;        // calls of one stranger outside
  std::uint64_t max_bandwidth = ~std::uint64_t{0};  // bits a second; see bandwidth_limits.h
  std::uint64_t max_bandwidth_per_agent = ~std::uint64_t{0};
  std::uint64_t max_bandwidth_per_call = ~std::uint64_t{0};
  // In a second, from an agent's network or an upstream; see rate_guard.h.
  unsigned max_requests_a_second = 500;
  unsigned max_new_calls_a_second = 50;
  // Outside, what carries the calls of many (providers, PBXs, other servers): no strangers.
  std::vector<IpRange> upstreams;
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
