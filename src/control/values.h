// Values of the control protocol (proto/control.proto) to and from ours. What a network sent is
// checked here, once: an address that is no address, a port beyond 65535, a token of the wrong
// length fail with BadValue. Only control's .cc files include this: protobuf stays out of headers.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "base/transport_address.h"
#include "control.pb.h"
#include "edge/edge.h"
#include "media/media.h"

namespace sallyport::control {

void encode(const TransportAddress& from, wire::Address& to);
std::string encode(const IpAddress& from);
Result<TransportAddress> decode(const wire::Address& from);
Result<IpAddress> decode_ip(const std::string& octets);
// Empty octets: nothing.
Result<std::optional<IpAddress>> decode_optional_ip(const std::string& octets);

template <typename Repeated>
void encode_all(const std::vector<TransportAddress>& from, Repeated& to) {
  for (const TransportAddress& address : from) encode(address, *to.Add());
}
template <typename Repeated>
Result<std::vector<TransportAddress>> decode_all(const Repeated& from, std::size_t most) {
  if (static_cast<std::size_t>(from.size()) > most)
    return fail(Errc::BadValue, "too many addresses");
  std::vector<TransportAddress> out;
  for (const wire::Address& address : from) {
    const auto value = decode(address);
    if (!value) return tl::make_unexpected(value.error());
    out.push_back(*value);
  }
  return out;
}

wire::Transport encode(edge::Transport from);
Result<edge::Transport> decode(wire::Transport from);
void encode(const edge::TlsSpec& from, wire::Tls& to);
edge::TlsSpec decode(const wire::Tls& from);
Result<std::uint8_t> decode_dscp(std::uint32_t from);

void encode(const edge::Record& from, wire::Record& to);
Result<edge::Record> decode(const wire::Record& from);
Errc decode_code(std::uint32_t from);

void encode(const media::Quality& from, wire::Quality& to);
media::Quality decode(const wire::Quality& from);
void encode(const media::ComponentCounts& from, wire::ComponentCounts& to);
media::ComponentCounts decode(const wire::ComponentCounts& from);

}  // namespace sallyport::control
