#include "base/host_port.h"

#include <algorithm>
#include <charconv>

namespace sallyport {
namespace {

bool is_letter_or_digit(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

// RFC 1123 section 2.1: labels of letters, digits and hyphens, 1 to 63 octets, 255 in all. An
// underscore is let through, since names in private zones have it.
bool is_host_name(std::string_view text) {
  if (text.empty() || text.size() > 253) return false;
  std::size_t label = 0;
  for (const char c : text) {
    if (c == '.') {
      if (label == 0) return false;
      label = 0;
      continue;
    }
    if (!is_letter_or_digit(c) && c != '-' && c != '_') return false;
    if (c == '-' && label == 0) return false;
    if (++label > 63) return false;
  }
  // A name that ends in digits only is a mistyped IPv4 address (RFC 3986 section 3.2.2).
  const std::size_t dot = text.rfind('.');
  const std::string_view last = dot == std::string_view::npos ? text : text.substr(dot + 1);
  return last.empty() ||
         !std::all_of(last.begin(), last.end(), [](char c) { return c >= '0' && c <= '9'; });
}

}  // namespace

Result<HostPort> HostPort::parse(std::string_view text, std::optional<std::uint16_t> default_port) {
  HostPort out;
  std::string_view host = text;
  std::string_view port;
  bool has_port = false;
  if (!text.empty() && text.front() == '[') {
    const std::size_t end = text.find(']');
    if (end == std::string_view::npos) return fail(Errc::BadValue, "no ']' after the address");
    host = text.substr(0, end + 1);
    std::string_view rest = text.substr(end + 1);
    if (!rest.empty()) {
      if (rest.front() != ':') return fail(Errc::BadValue, "not a port after ']'", end + 1);
      port = rest.substr(1);
      has_port = true;
    }
  } else if (const std::size_t colon = text.rfind(':');
             colon != std::string_view::npos && text.find(':') == colon) {
    host = text.substr(0, colon);
    port = text.substr(colon + 1);
    has_port = true;
  }

  if (const auto ip = IpAddress::parse(host)) {
    out.host = ip->to_string();
  } else if (is_host_name(host)) {
    out.host = host;
  } else {
    return fail(Errc::BadValue, "neither a host name nor an IP address");
  }
  if (!has_port) {
    if (!default_port) return fail(Errc::BadValue, "no port");
    out.port = *default_port;
    return out;
  }
  const auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), out.port);
  if (error != std::errc{} || end != port.data() + port.size() || out.port == 0)
    return fail(Errc::BadValue, "a port is 1 to 65535");
  return out;
}

std::string HostPort::to_string() const {
  const bool v6 = host.find(':') != std::string::npos;
  std::string out = v6 ? "[" + host + "]" : host;
  if (port != 0) out += ":" + std::to_string(port);
  return out;
}

std::optional<TransportAddress> HostPort::literal() const {
  const auto ip = IpAddress::parse(host);
  if (!ip) return std::nullopt;
  return TransportAddress{*ip, port};
}

}  // namespace sallyport
