#include "config/values.h"

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

}  // namespace sallyport::config
