#include "control/values.h"

#include <algorithm>

namespace sallyport::control {
namespace {

constexpr std::uint64_t kMicrosecondsOfAYear = 31'536'000'000'000;

std::uint64_t to_microseconds(Duration duration) {
  const auto count = std::chrono::duration_cast<std::chrono::microseconds>(duration).count();
  return count > 0 ? static_cast<std::uint64_t>(count) : 0;
}
// What the clock could not hold is cut.
Duration from_microseconds(std::uint64_t count) {
  return std::chrono::microseconds{std::min(count, kMicrosecondsOfAYear)};
}

}  // namespace

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

void encode(const media::Quality& from, wire::Quality& to) {
  to.set_rtp_packets(from.rtp_packets);
  to.set_lost(from.lost);
  to.set_reordered(from.reordered);
  to.set_duplicates(from.duplicates);
  to.set_ssrc_changes(from.ssrc_changes);
  to.set_pauses(from.pauses);
  to.set_clock_rate(from.clock_rate);
  to.set_jitter_us(to_microseconds(from.jitter));
  to.set_largest_gap_us(to_microseconds(from.largest_gap));
  if (from.silence)
    to.set_silence_us(to_microseconds(*from.silence));
  else
    to.set_never(true);
}

media::Quality decode(const wire::Quality& from) {
  media::Quality out;
  out.rtp_packets = from.rtp_packets();
  out.lost = from.lost();
  out.reordered = from.reordered();
  out.duplicates = from.duplicates();
  out.ssrc_changes = from.ssrc_changes();
  out.pauses = from.pauses();
  out.clock_rate = from.clock_rate();
  out.jitter = from_microseconds(from.jitter_us());
  out.largest_gap = from_microseconds(from.largest_gap_us());
  if (!from.never()) out.silence = from_microseconds(from.silence_us());
  return out;
}

void encode(const media::ComponentCounts& from, wire::ComponentCounts& to) {
  to.set_packets_in(from.packets_in);
  to.set_octets_in(from.octets_in);
  to.set_packets_out(from.packets_out);
  to.set_octets_out(from.octets_out);
  to.set_refused(from.refused);
  encode(from.in, *to.mutable_in());
  if (from.round_trip) to.set_round_trip_us(to_microseconds(*from.round_trip));
  if (!from.to_server || !from.to_agent) return;
  to.mutable_delay()->set_to_server_us(to_microseconds(*from.to_server));
  to.mutable_delay()->set_to_agent_us(to_microseconds(*from.to_agent));
}

media::ComponentCounts decode(const wire::ComponentCounts& from) {
  media::ComponentCounts out;
  out.packets_in = from.packets_in();
  out.octets_in = from.octets_in();
  out.packets_out = from.packets_out();
  out.octets_out = from.octets_out();
  out.refused = from.refused();
  if (from.has_in()) out.in = decode(from.in());
  if (from.round_trip_us() != 0) out.round_trip = from_microseconds(from.round_trip_us());
  if (from.has_delay()) {
    out.to_server = from_microseconds(from.delay().to_server_us());
    out.to_agent = from_microseconds(from.delay().to_agent_us());
  }
  return out;
}

}  // namespace sallyport::control
