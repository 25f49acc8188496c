#include "adapter/sip/stun.h"

namespace sallyport::adapter::sip {
namespace {

constexpr std::uint32_t kMagicCookie = 0x2112A442;  // RFC 8489 section 5
constexpr std::size_t kHeader = 20;
constexpr std::uint16_t kBindingRequest = 0x0001;
constexpr std::uint16_t kBindingSuccess = 0x0101;
constexpr std::uint16_t kXorMappedAddress = 0x0020;

}  // namespace

bool is_stun(Bytes datagram) {
  if (datagram.size() < kHeader || (datagram[0] & 0xC0U) != 0) return false;
  Reader in{datagram};
  in.skip(4);
  return in.u32() == kMagicCookie;
}

std::optional<Buffer> stun_answer(Bytes datagram, const TransportAddress& source) {
  Reader in{datagram};
  if (in.u16() != kBindingRequest) return std::nullopt;
  if (in.u16() != datagram.size() - kHeader) return std::nullopt;
  const Bytes cookie_and_id = in.take(16);
  if (!in.ok()) return std::nullopt;

  //  | 0x0101 | length | cookie (4) | transaction id (12) |
  //  | 0x0020 | 8 or 20 | 0 | family | port ^ cookie | address ^ cookie and id |
  const Bytes address = source.ip.octets();
  Buffer out;
  Writer to{out};
  to.u16(kBindingSuccess).u16(static_cast<std::uint16_t>(8 + address.size()));
  to.bytes(cookie_and_id);
  to.u16(kXorMappedAddress).u16(static_cast<std::uint16_t>(4 + address.size()));
  to.u8(0).u8(source.ip.is_v4() ? 1 : 2);
  to.u16(static_cast<std::uint16_t>(source.port ^ (kMagicCookie >> 16U)));
  for (std::size_t i = 0; i < address.size(); ++i)
    to.u8(static_cast<std::uint8_t>(address[i] ^ cookie_and_id[i]));
  return out;
}

}  // namespace sallyport::adapter::sip
