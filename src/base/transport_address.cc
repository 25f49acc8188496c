#include "base/transport_address.h"

#include <arpa/inet.h>

#include <charconv>

namespace sallyport {
namespace {

// Decimal digits only, no sign, at most `most`.
Result<unsigned> number(std::string_view text, unsigned most) {
  unsigned value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || error != std::errc{} || end != text.data() + text.size() || value > most)
    return fail(Errc::BadValue, "number out of range");
  return value;
}

}  // namespace

IpAddress IpAddress::v4(std::array<std::uint8_t, 4> octets) {
  IpAddress out;
  std::copy(octets.begin(), octets.end(), out.octets_.begin());
  return out;
}

IpAddress IpAddress::v6(std::array<std::uint8_t, 16> octets) {
  IpAddress out;
  out.octets_ = octets;
  out.v4_ = false;
  return out;
}

Result<IpAddress> IpAddress::from_octets(Bytes octets) {
  if (octets.size() == 4) return v4(Reader{octets}.array<4>());
  if (octets.size() == 16) return v6(Reader{octets}.array<16>());
  return fail(Errc::BadValue, "an IP address has 4 or 16 octets");
}

Result<IpAddress> IpAddress::parse(std::string_view text) {
  if (text.size() >= 2 && text.front() == '[' && text.back() == ']')
    text = text.substr(1, text.size() - 2);
  std::array<char, INET6_ADDRSTRLEN> terminated{};
  if (text.empty() || text.size() >= terminated.size())
    return fail(Errc::BadValue, "not an IP address");
  std::copy(text.begin(), text.end(), terminated.begin());
  std::array<std::uint8_t, 16> octets{};
  if (::inet_pton(AF_INET, terminated.data(), octets.data()) == 1)
    return v4({octets[0], octets[1], octets[2], octets[3]});
  if (::inet_pton(AF_INET6, terminated.data(), octets.data()) != 1)
    return fail(Errc::BadValue, "not an IP address");
  static constexpr std::array<std::uint8_t, 12> kMapped{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
  if (std::equal(kMapped.begin(), kMapped.end(), octets.begin()))
    return v4({octets[12], octets[13], octets[14], octets[15]});
  return v6(octets);
}

bool IpAddress::is_unspecified() const {
  return std::all_of(octets_.begin(), octets_.end(), [](std::uint8_t o) { return o == 0; });
}

bool IpAddress::is_loopback() const {
  if (v4_) return octets_[0] == 127;
  return octets_[15] == 1 &&
         std::all_of(octets_.begin(), octets_.end() - 1, [](std::uint8_t o) { return o == 0; });
}

bool IpAddress::is_link_local() const {
  if (v4_) return octets_[0] == 169 && octets_[1] == 254;
  return octets_[0] == 0xfe && (octets_[1] & 0xc0U) == 0x80;
}

bool IpAddress::is_multicast() const {
  return v4_ ? (octets_[0] & 0xf0U) == 0xe0 : octets_[0] == 0xff;
}

bool IpAddress::is_private() const {
  if (is_unspecified() || is_loopback() || is_link_local()) return true;
  if (!v4_) return (octets_[0] & 0xfeU) == 0xfc;
  return octets_[0] == 10 || (octets_[0] == 172 && (octets_[1] & 0xf0U) == 16) ||
         (octets_[0] == 192 && octets_[1] == 168) ||
         (octets_[0] == 100 && (octets_[1] & 0xc0U) == 64);
}

std::string IpAddress::to_string() const {
  std::array<char, INET6_ADDRSTRLEN> text{};
  ::inet_ntop(v4_ ? AF_INET : AF_INET6, octets_.data(), text.data(), text.size());
  return text.data();
}

Result<TransportAddress> TransportAddress::parse(std::string_view text) {
  const std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) return fail(Errc::BadValue, "no port");
  const std::string_view host = text.substr(0, colon);
  const bool bracketed = host.size() >= 2 && host.front() == '[' && host.back() == ']';
  if (!bracketed && host.find(':') != std::string_view::npos)
    return fail(Errc::BadValue, "an IPv6 address with a port is written in brackets");
  const auto ip = IpAddress::parse(host);
  if (!ip) return tl::make_unexpected(ip.error());
  const auto port = number(text.substr(colon + 1), 65535);
  if (!port) return fail(Errc::BadValue, "port is not 0 to 65535", colon + 1);
  return TransportAddress{*ip, static_cast<std::uint16_t>(*port)};
}

std::string TransportAddress::to_string() const {
  const std::string host = ip.to_string();
  return (ip.is_v4() ? host : "[" + host + "]") + ":" + std::to_string(port);
}

Result<IpRange> IpRange::parse(std::string_view text) {
  const std::size_t slash = text.find('/');
  const auto base = IpAddress::parse(text.substr(0, slash));
  if (!base) return tl::make_unexpected(base.error());
  const unsigned most = base->is_v4() ? 32 : 128;
  if (slash == std::string_view::npos) return IpRange{*base, static_cast<std::uint8_t>(most)};
  const auto prefix = number(text.substr(slash + 1), most);
  if (!prefix) return fail(Errc::BadValue, "prefix length out of range", slash + 1);
  return IpRange{*base, static_cast<std::uint8_t>(*prefix)};
}

bool IpRange::contains(const IpAddress& address) const {
  if (address.is_v4() != base.is_v4()) return false;
  const Bytes a = base.octets();
  const Bytes b = address.octets();
  const std::size_t whole = prefix / 8;
  if (!std::equal(a.begin(), a.begin() + static_cast<std::ptrdiff_t>(whole), b.begin()))
    return false;
  const unsigned bits = prefix % 8;
  return bits == 0 || (a[whole] ^ b[whole]) >> (8 - bits) == 0;
}

std::string IpRange::to_string() const { return base.to_string() + "/" + std::to_string(prefix); }

}  // namespace sallyport

std::size_t std::hash<sallyport::IpAddress>::operator()(
    const sallyport::IpAddress& address) const noexcept {
  // Two 64-bit words, mixed (the finaliser of murmur3): an address is chosen by strangers, so the
  // tables that a stranger can fill are bounded as well.
  std::uint64_t h = address.is_v4() ? 0x51a9f3c7U : 0x2776U;
  for (const std::uint8_t octet : address.octets()) h = (h ^ octet) * 0x100000001b3U;
  h ^= h >> 33U;
  h *= 0xff51afd7ed558ccdU;
  h ^= h >> 33U;
  return h;
}
