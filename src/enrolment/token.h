// The token that `sallyport invite` prints and `sallyport join` reads: where the server is, which
// key it must show, and the secret that lets one agent in, once. A value.
//
//   "sallyport1." base64url( | version (1) = 1 | expires (8) | pin (32) | secret (16) |
//                            | count (1) | count times: length (1), host:port | check (4) | )
//
// Integers are in network byte order; `expires` is in seconds since 1970; `check` is the first four
// octets of the SHA-256 over what stands before it, so that a token that was cut or mistyped is
// told from one that is refused. docs/PROTOCOL.md, "Enrolment".
#pragma once

#include <array>
#include <string>
#include <string_view>
#include <vector>

#include "base/host_port.h"
#include "base/result.h"
#include "base/time.h"
#include "net/pki.h"

namespace sallyport::enrolment {

using Secret = std::array<std::uint8_t, 16>;
using SecretHash = std::array<std::uint8_t, 32>;

constexpr std::size_t kMaxServers = 8;

struct Token {
  std::vector<HostPort> servers;  // one to kMaxServers, to be tried in order
  net::SpkiPin pin{};
  Secret secret{};
  WallTime expires{};  // whole seconds; the server's clock decides
  friend bool operator==(const Token&, const Token&) = default;
};

std::string encode(const Token& token);
// Spaces and line ends around and inside are skipped (mail breaks lines). BadValue when it is no
// token, or damaged; Unsupported when a newer server made it.
Result<Token> parse_token(std::string_view text);

// SHA-256: what a server keeps of a secret.
SecretHash hash_of(const Secret& secret);

}  // namespace sallyport::enrolment
