#include "media/port_component.h"

namespace sallyport::media {

bool plausible_rtp(Bytes datagram) {
  Reader in{datagram};
  const std::uint8_t first = in.u8();
  const std::uint8_t second = in.u8();
  if (first >= 128 && first <= 191) {  // RFC 3550 5.1: version 2
    // RFC 5761 section 4: 192 to 223 in the second octet is RTCP, whose shortest packet has 8
    // octets; an RTP header has 12.
    const bool rtcp = second >= 192 && second <= 223;
    return datagram.size() >= (rtcp ? 8 : 12);
  }
  if (first <= 3) {  // RFC 8489 section 5: 20 octets, with the magic cookie behind type and length
    in.skip(2);
    return in.u32() == 0x2112a442 && datagram.size() >= 20;
  }
  if (first >= 20 && first <= 63)  // RFC 6347 4.1: 13 octets, and version {254, 253 or 255}
    return datagram.size() >= 13 && second == 254;
  if (first >= 16 && first <= 19) {  // RFC 6189 5.1: magic cookie "ZRTP"
    in.skip(2);
    return in.u32() == 0x5a525450 && datagram.size() >= 12;
  }
  return false;
}

void PortComponent::set_remote(const TransportAddress& address, Accept accept, bool rtp) {
  if (address != remote_ || accept != accept_) {
    locked_ = false;
    told_first_packet = false;
  }
  was_told_ = true;
  remote_ = address;
  accept_ = accept;
  rtp_ = rtp;
}

PortComponent::Verdict PortComponent::judge_unlocked(const TransportAddress& source,
                                                     Bytes datagram) {
  if (remote_.port == 0) return Verdict::NoRemote;  // not told yet, or not wanted
  switch (accept_) {
    case Accept::SignalledAddress:
      return source == remote_ ? Verdict::Taken : Verdict::WrongSource;
    case Accept::SignalledHost:
      return source.ip == remote_.ip ? Verdict::Taken : Verdict::WrongSource;
    case Accept::FirstPlausible:
      break;
  }
  if (rtp_ && !plausible_rtp(datagram)) return Verdict::Implausible;
  learnt_ = source;
  locked_ = true;
  return Verdict::Taken;
}

}  // namespace sallyport::media
