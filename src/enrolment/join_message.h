// The join exchange, on a TLS connection to port Z with ALPN sallyport-join/1: the agent sends one
// line, the server answers with one line, both JSON objects in UTF-8 that end in a line feed, and
// the server closes. Parsing and encoding only; docs/PROTOCOL.md, "Enrolment", is normative.
//
//   {"secret":"<32 hex digits>","request":"<PKCS #10, PEM>","software":"sallyport 0.1.0"}
//   {"agent":7,"name":"branch","certificate":"<X.509, PEM>","servers":["192.0.2.1:2776"],
//    "x":2776,"y":2777}
//   {"refused":"expired","what":"this invitation expired 2 hours ago"}
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/host_port.h"
#include "base/ids.h"
#include "base/result.h"
#include "enrolment/token.h"

namespace sallyport::enrolment {

constexpr std::string_view kJoinAlpn = "sallyport-join/1";
constexpr std::size_t kMaxLine = 16384;  // octets, the line feed not counted

struct JoinRequest {
  Secret secret{};
  std::string signing_request;  // PKCS #10, PEM: proves that the agent holds the key
  std::string software;         // for people
  friend bool operator==(const JoinRequest&, const JoinRequest&) = default;
};

enum class JoinRefusal : std::uint8_t {
  Malformed,   // the request cannot be read, or its signature is not by its key
  BadToken,    // no invitation has this secret
  Used,        // an agent has joined with it already
  Expired,     // it came too late
  Overloaded,  // too many joins at once: try again
  Internal,    // the server could not write its disk
};
std::string_view name(JoinRefusal refusal);  // "bad_token"

struct Refused {
  JoinRefusal code = JoinRefusal::Malformed;
  std::string what;  // for people
  friend bool operator==(const Refused&, const Refused&) = default;
};

// Where a server is reached, as it tells agents: what to dial, and the ports that a firewall is
// to let media through to.
struct Site {
  std::vector<HostPort> servers;  // one to kMaxServers, to be tried in order
  std::uint16_t x = 2776;
  std::uint16_t y = 2777;
  friend bool operator==(const Site&, const Site&) = default;
};

struct Joined {
  AgentId id;
  std::string name;
  std::string certificate;  // X.509, PEM
  Site site;
  friend bool operator==(const Joined&, const Joined&) = default;
};

using JoinReply = std::variant<Joined, Refused>;

// One line, with its line feed.
std::string encode(const JoinRequest& request);
std::string encode(const JoinReply& reply);

// `line` without its line feed. BadValue when it cannot be read; members that are not known are
// skipped, so that a later version may add some.
Result<JoinRequest> parse_join_request(std::string_view line);
Result<JoinReply> parse_join_reply(std::string_view line);

}  // namespace sallyport::enrolment
