#include "config/values.h"

#include <algorithm>
#include <optional>

#include "base/hex.h"

namespace sallyport::config {
namespace {

struct Name {
  edge::Transport transport;
  std::string_view text;
};
constexpr Name kTransports[] = {
    {edge::Transport::Udp, "udp"}, {edge::Transport::Tcp, "tcp"}, {edge::Transport::Tls, "tls"}};

}  // namespace

Result<ListenAddress> ListenAddress::parse(std::string_view text) {
  for (const Name& name : kTransports) {
    if (!text.starts_with(name.text) || text.substr(name.text.size(), 1) != ":") continue;
    const auto address = TransportAddress::parse(text.substr(name.text.size() + 1));
    if (!address) return tl::make_unexpected(address.error());
    return ListenAddress{name.transport, *address};
  }
  return fail(Errc::BadValue, "does not begin with udp:, tcp: or tls:");
}

std::string ListenAddress::to_string() const {
  for (const Name& name : kTransports)
    if (name.transport == transport) return std::string{name.text} + ":" + address.to_string();
  return {};
}

namespace {

// RFC 3986 section 2.3: what needs no escape.
bool is_unreserved(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
         c == '.' || c == '_' || c == '~';
}

std::string escape(std::string_view text) {
  std::string out;
  for (const char c : text)
    out += is_unreserved(c) ? std::string{c} : "%" + to_hex(as_bytes({&c, 1}));
  return out;
}

std::optional<std::string> unescape(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      out += text[i];
      continue;
    }
    const auto octet = from_hex(text.substr(i + 1, 2));
    if (!octet || octet->size() != 1) return std::nullopt;
    out += static_cast<char>(octet->front());
    i += 2;
  }
  return out;
}

}  // namespace

Result<ProxyAddress> ProxyAddress::parse(std::string_view text) {
  constexpr std::string_view kScheme = "http://";
  if (!text.starts_with(kScheme))
    return fail(Errc::BadValue, "does not begin with http://, which is how proxies are spoken to");
  text.remove_prefix(kScheme.size());
  if (text.ends_with('/')) text.remove_suffix(1);
  ProxyAddress out;
  if (const std::size_t at = text.rfind('@'); at != std::string_view::npos) {
    const auto user = unescape(text.substr(0, at));
    if (!user || user->empty()) return fail(Errc::BadValue, "no user before the @");
    if (user->find(':') != std::string::npos)
      return fail(Errc::BadValue, "the password belongs into multiplex.proxy_password_file");
    if (std::any_of(user->begin(), user->end(), [](char c) { return c >= 0 && c < ' '; }))
      return fail(Errc::BadValue, "a control character in the user");
    out.user = *user;
    text.remove_prefix(at + 1);
  }
  const auto address = HostPort::parse(text);
  if (!address) return tl::make_unexpected(address.error());
  out.address = *address;
  return out;
}

std::string ProxyAddress::to_string() const {
  if (address.host.empty()) return {};
  return "http://" + (user.empty() ? "" : escape(user) + "@") + address.to_string();
}

}  // namespace sallyport::config
