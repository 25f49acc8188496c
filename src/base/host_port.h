// Where something is reached by name or by address: "server.example.org:2776", "192.0.2.1:2776",
// "[2001:db8::1]:2776". A plain value; resolving the name is its user's business.
#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "base/transport_address.h"

namespace sallyport {

struct HostPort {
  std::string host;        // a host name, or an IP address without brackets
  std::uint16_t port = 0;  // 0: none was written, and none is implied

  // Without `default_port` the port must be written; 0: it may be left open. BadValue on anything
  // that is neither a host name of RFC 1123 (letters, digits, hyphens, dots; at most 253 octets)
  // nor an IP address.
  static Result<HostPort> parse(std::string_view text,
                                std::optional<std::uint16_t> default_port = std::nullopt);
  std::string to_string() const;
  // The address, when the host is written as one.
  std::optional<TransportAddress> literal() const;
  friend auto operator<=>(const HostPort&, const HostPort&) = default;
};

}  // namespace sallyport
