// Values of single SIP headers that need more than text: views over the text they were read from.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "codec/sip/uri.h"

namespace sallyport::codec::sip {

// Via (RFC 3261 20.42, RFC 3581 rport): SIP/2.0/UDP host:port;branch=...
struct Via {
  std::string_view transport;  // "UDP", "TCP", "TLS"
  std::string_view host;       // name, IPv4, or [IPv6]
  std::uint16_t port = 0;      // 0: none, the default of the transport
  Parameters parameters;
  static Result<Via> parse(std::string_view text);
  std::string_view branch() const { return parameters.find("branch").value_or(std::string_view{}); }
  bool magic() const { return branch().starts_with("z9hG4bK"); }  // RFC 3261 8.1.1.7
};

// CSeq (RFC 3261 20.16): number below 2^31, method.
struct CSeq {
  std::uint32_t number = 0;
  std::string_view method;
  static Result<CSeq> parse(std::string_view text);
};

// RAck (RFC 3262 7.2): RSeq, CSeq number, method.
struct RAck {
  std::uint32_t rseq = 0;
  std::uint32_t cseq = 0;
  std::string_view method;
  static Result<RAck> parse(std::string_view text);
};

// A challenge or credentials: scheme and name=value list (RFC 3261 20.7, 20.44; RFC 8760).
struct AuthValue {
  std::string_view scheme;  // "Digest"
  struct Item {
    std::string_view name, value;  // quotes taken off
    bool quoted = false;
  };
  std::vector<Item> items;
  static Result<AuthValue> parse(std::string_view text);
  std::optional<std::string_view> find(std::string_view name) const;  // without case
};

// Replaces (RFC 3891), Join (RFC 3911) and the ids inside Refer-To's headers.
struct DialogId {
  std::string_view call_id, to_tag, from_tag;
  bool early_only = false;
  static Result<DialogId> parse(std::string_view text);
};

// A plain number header: Max-Forwards, Expires, Min-Expires, RSeq. BadValue if not all digits;
// values above 2^32-1 are taken as 2^32-1.
Result<std::uint32_t> parse_number(std::string_view text);
// Number before any parameters: "1800;refresher=uac", "60 ;x".
Result<std::uint32_t> parse_leading_number(std::string_view text);

// %-escapes of a URI's user part or headers taken off / put on.
std::string unescape(std::string_view text);
std::string escape_header(std::string_view text);

}  // namespace sallyport::codec::sip
