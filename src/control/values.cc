#include "control/values.h"

#include <algorithm>

namespace sallyport::control {

std::string encode(const IpAddress& from) { return std::string{as_text(from.octets())}; }

void encode(const TransportAddress& from, wire::Address& to) {
  to.set_ip(encode(from.ip));
  to.set_port(from.port);
}

Result<IpAddress> decode_ip(const std::string& octets) {
  if (octets.empty()) return IpAddress::any_v4();
  return IpAddress::from_octets(as_bytes(octets));
}

Result<std::optional<IpAddress>> decode_optional_ip(const std::string& octets) {
  if (octets.empty()) return std::optional<IpAddress>{};
  const auto ip = IpAddress::from_octets(as_bytes(octets));
  if (!ip) return tl::make_unexpected(ip.error());
  return std::optional<IpAddress>{*ip};
}

Result<TransportAddress> decode(const wire::Address& from) {
  const auto ip = decode_ip(from.ip());
  if (!ip) return tl::make_unexpected(ip.error());
  if (from.port() > 65535) return fail(Errc::BadValue, "port is not 0 to 65535");
  return TransportAddress{*ip, static_cast<std::uint16_t>(from.port())};
}

wire::Transport encode(edge::Transport from) {
  switch (from) {
    case edge::Transport::Udp:
      return wire::UDP;
    case edge::Transport::Tcp:
      return wire::TCP;
    case edge::Transport::Tls:
      return wire::TLS;
  }
  return wire::UDP;
}

Result<edge::Transport> decode(wire::Transport from) {
  switch (from) {
    case wire::UDP:
      return edge::Transport::Udp;
    case wire::TCP:
      return edge::Transport::Tcp;
    case wire::TLS:
      return edge::Transport::Tls;
    default:
      return fail(Errc::Unsupported, "unknown transport");
  }
}

void encode(const edge::TlsSpec& from, wire::Tls& to) {
  to.set_certificate(from.certificate);
  to.set_server_name(from.server_name);
  to.set_verify_peer(from.verify_peer);
}

edge::TlsSpec decode(const wire::Tls& from) {
  return {.certificate = from.certificate(),
          .server_name = from.server_name(),
          .verify_peer = from.verify_peer()};
}

Result<std::uint8_t> decode_dscp(std::uint32_t from) {
  if (from > 63) return fail(Errc::BadValue, "DSCP is not 0 to 63");
  return static_cast<std::uint8_t>(from);
}

void encode(const edge::Record& from, wire::Record& to) {
  to.set_type(static_cast<wire::RecordType>(from.type));
  if (from.type == edge::RecordType::Address) to.set_address(encode(from.address));
  to.set_priority(from.priority);
  to.set_weight(from.weight);
  to.set_port(from.port);
  to.set_target(from.target);
  to.set_service(from.service);
  to.set_flags(from.flags);
}

Result<edge::Record> decode(const wire::Record& from) {
  if (from.type() > wire::NAPTR || from.type() < wire::ADDRESS || from.priority() > 65535 ||
      from.weight() > 65535 || from.port() > 65535)
    return fail(Errc::BadValue, "DNS record");
  const auto address = decode_ip(from.address());
  if (!address) return tl::make_unexpected(address.error());
  return edge::Record{.type = static_cast<edge::RecordType>(from.type()),
                      .address = *address,
                      .priority = static_cast<std::uint16_t>(from.priority()),
                      .weight = static_cast<std::uint16_t>(from.weight()),
                      .port = static_cast<std::uint16_t>(from.port()),
                      .target = from.target(),
                      .service = from.service(),
                      .flags = from.flags()};
}

Errc decode_code(std::uint32_t from) {
  // A code of a later version is still a failure; System is the one that claims the least.
  if (from > static_cast<std::uint32_t>(Errc::System)) return Errc::System;
  return static_cast<Errc>(from);
}

}  // namespace sallyport::control
