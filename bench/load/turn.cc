#include "load/turn.h"

namespace sallyport::bench::turn {
namespace {

// RFC 8489 section 5, RFC 8656 sections 17 and 18.
constexpr std::uint32_t kMagic = 0x2112a442;
constexpr std::uint16_t kAllocate = 0x0003;
constexpr std::uint16_t kChannelBind = 0x0009;
constexpr std::uint16_t kSuccess = 0x0100;
constexpr std::uint16_t kError = 0x0110;
constexpr std::uint16_t kChannelNumber = 0x000c;
constexpr std::uint16_t kXorPeerAddress = 0x0012;
constexpr std::uint16_t kXorRelayedAddress = 0x0016;
constexpr std::uint16_t kRequestedTransport = 0x0019;
constexpr std::uint8_t kUdp = 17;
constexpr std::uint16_t kIpv4 = 1;

Buffer request(std::uint16_t method, std::uint32_t transaction, const Buffer& attributes) {
  Buffer out;
  Writer to{out};
  to.u16(method).u16(static_cast<std::uint16_t>(attributes.size())).u32(kMagic);
  to.u32(transaction).u32(transaction).u32(transaction).bytes(attributes);
  return out;
}

}  // namespace

Buffer allocate_request(std::uint32_t transaction) {
  Buffer attributes;
  Writer{attributes}.u16(kRequestedTransport).u16(4).u32(std::uint32_t{kUdp} << 24U);
  return request(kAllocate, transaction, attributes);
}

Buffer channel_bind_request(std::uint32_t transaction, const TransportAddress& peer) {
  Buffer attributes;
  Writer to{attributes};
  to.u16(kChannelNumber).u16(4).u32(std::uint32_t{kChannel} << 16U);
  to.u16(kXorPeerAddress).u16(8).u16(kIpv4);
  to.u16(static_cast<std::uint16_t>(peer.port ^ (kMagic >> 16U)));
  to.u32(Reader{peer.ip.octets()}.u32() ^ kMagic);
  return request(kChannelBind, transaction, attributes);
}

std::optional<Response> parse_response(Bytes datagram) {
  Reader in{datagram};
  const std::uint16_t type = in.u16();
  in.skip(2);
  if (in.u32() != kMagic) return std::nullopt;
  in.skip(12);
  if (type == (kChannelBind | kSuccess))
    return Response{.kind = Response::Kind::ChannelBound, .relayed = {}};
  if ((type & kError) == kError) return Response{};
  if (type != (kAllocate | kSuccess)) return std::nullopt;
  while (in.ok() && in.left() >= 4) {
    const std::uint16_t attribute = in.u16();
    const std::uint16_t length = in.u16();
    if (attribute != kXorRelayedAddress) {
      in.skip((length + 3U) & ~3U);
      continue;
    }
    in.skip(2);
    Response out{.kind = Response::Kind::Allocated, .relayed = {}};
    out.relayed.port = static_cast<std::uint16_t>(in.u16() ^ (kMagic >> 16U));
    Buffer ip;
    Writer{ip}.u32(in.u32() ^ kMagic);
    out.relayed.ip = *IpAddress::from_octets(ip);
    return out;
  }
  return std::nullopt;
}

}  // namespace sallyport::bench::turn
