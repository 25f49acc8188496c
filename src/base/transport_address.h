// IP addresses, transport addresses (address and port), port pairs and address ranges: plain
// values, IPv4 and IPv6 alike. Textual forms are those of RFC 5952; a transport address with IPv6
// is written [2001:db8::1]:5060.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <cstring>
#include <functional>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/result.h"

namespace sallyport {

class IpAddress {
 public:
  constexpr IpAddress() = default;  // the IPv4 wildcard, 0.0.0.0
  static IpAddress v4(std::array<std::uint8_t, 4> octets);
  static IpAddress v6(std::array<std::uint8_t, 16> octets);
  static IpAddress any_v4() { return {}; }
  static IpAddress any_v6() { return v6({}); }
  // "192.0.2.1", "2001:db8::1", and "[2001:db8::1]" as URIs have it. An IPv4-mapped IPv6 address
  // becomes the IPv4 address that it means.
  static Result<IpAddress> parse(std::string_view text);
  // 4 or 16 octets, network byte order.
  static Result<IpAddress> from_octets(Bytes octets);

  bool is_v4() const { return v4_; }
  bool is_v6() const { return !v4_; }
  // 4 or 16 octets, network byte order, borrowed from this object.
  Bytes octets() const { return Bytes{octets_}.first(v4_ ? 4 : 16); }
  // The same with zeros behind an IPv4 address, for tables that hash a fixed number of octets.
  const std::array<std::uint8_t, 16>& padded_octets() const { return octets_; }

  bool is_unspecified() const;
  bool is_loopback() const;
  bool is_link_local() const;  // 169.254/16 (with it the clouds' metadata address), fe80::/10
  bool is_multicast() const;
  // Addresses that a public network does not route: RFC 1918, RFC 6598 (100.64/10), fc00::/7, and
  // unspecified, loopback and link-local ones.
  bool is_private() const;

  std::string to_string() const;
  friend auto operator<=>(const IpAddress&, const IpAddress&) = default;

 private:
  std::array<std::uint8_t, 16> octets_{};  // IPv4 uses the first 4, the others are zero
  bool v4_ = true;
};

struct TransportAddress {
  IpAddress ip;
  std::uint16_t port = 0;

  // "192.0.2.1:5060", "[2001:db8::1]:5060". Port 0 to 65535.
  static Result<TransportAddress> parse(std::string_view text);
  std::string to_string() const;
  friend auto operator<=>(const TransportAddress&, const TransportAddress&) = default;
};

// RTP on an even port n, RTCP on n + 1 (RFC 3550 section 11).
struct PortPair {
  std::uint16_t rtp = 0;
  std::uint16_t rtcp() const { return static_cast<std::uint16_t>(rtp + 1); }
  friend auto operator<=>(const PortPair&, const PortPair&) = default;
};

// An address range in CIDR notation: "10.1.1.0/24", "2001:db8::/32"; a bare address is a range of
// one.
struct IpRange {
  IpAddress base;
  std::uint8_t prefix = 0;  // length in bits, 0 to 32 or 128

  static Result<IpRange> parse(std::string_view text);
  bool contains(const IpAddress& address) const;
  std::string to_string() const;
  friend auto operator<=>(const IpRange&, const IpRange&) = default;
};

}  // namespace sallyport

template <>
struct std::hash<sallyport::IpAddress> {
  std::size_t operator()(const sallyport::IpAddress& address) const noexcept;
};
template <>
struct std::hash<sallyport::TransportAddress> {
  std::size_t operator()(const sallyport::TransportAddress& address) const noexcept {
    return std::hash<sallyport::IpAddress>{}(address.ip) * 0x9e3779b97f4a7c15U + address.port;
  }
};
