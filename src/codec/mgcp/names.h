// The names that MGCP writes with '@' (RFC 3435 2.1.2, 3.2.1.3): of endpoints, whose local part may
// hold wildcards, and of call agents, as NotifiedEntity has them. And the ranges of transaction-ids
// that ResponseAck has. Views into the text that was parsed. Values; no I/O; fuzzed.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "codec/mgcp/message.h"

namespace sallyport::codec::mgcp {

// "aaln/1@gw.example.net", "*@[192.0.2.4]", "ca@ca.example.net:5678", "ca.example.net".
struct Name {
  std::string_view local;   // before the last '@'; of a call agent it may be empty
  std::string_view domain;  // a name, or an address with the brackets that it has
  std::uint16_t port = 0;   // 0: none was written

  // An endpoint has a local part; a call agent need not.
  static Result<Name> parse(std::string_view text);
  static Result<Name> parse_endpoint(std::string_view text);
  // The domain without brackets: a host name or an IP address.
  std::string_view host() const;
};

// Does `name` lie within `pattern`? Terms are separated by '/'; "*" and "$" in the pattern stand
// for any term, the last one for any number of them. In any case (RFC 3435 2.1.2).
bool matches(std::string_view pattern, std::string_view name);
bool has_wildcard(std::string_view local);

// RFC 3435 3.2.2.1: "6234-6257, 6259". Empty text: no ranges.
constexpr std::size_t kMaxAcknowledged = 256;  // ranges in one ResponseAck
using IdRange = std::pair<TransactionId, TransactionId>;
Result<std::vector<IdRange>> parse_acknowledged(std::string_view text);
std::string to_text(const std::vector<TransactionId>& acknowledged);

}  // namespace sallyport::codec::mgcp
