#include "media/rtp_compression.h"

#include <algorithm>

namespace sallyport::media {
namespace {

constexpr std::uint16_t kMarkerBit = 1U << 10U;

void put(MutableBytes at, std::uint32_t value, std::size_t octets) {
  for (std::size_t i = 0; i < octets; ++i)
    at[i] = static_cast<std::uint8_t>(value >> (8 * (octets - 1 - i)));
}

std::uint16_t head(std::uint8_t generation, bool marker, std::uint16_t offset) {
  return static_cast<std::uint16_t>(unsigned{generation} << 11U | (marker ? kMarkerBit : 0U) |
                                    offset);
}

}  // namespace

// RTP without CSRC, extension and padding (RFC 3550 section 5.1), and not RTCP (RFC 5761 section 4:
// types 64 to 95 are RTCP's on a shared port).
std::optional<RtpCompressor::Header> RtpCompressor::read(Bytes packet) {
  if (packet.size() < kRtpHeader || packet[0] != 0x80) return std::nullopt;
  Reader in{packet.subspan(1)};
  const std::uint8_t second = in.u8();
  Header out{.marker = (second & 0x80U) != 0, .type = static_cast<std::uint8_t>(second & 0x7fU)};
  if (out.type >= 64 && out.type <= 95) return std::nullopt;
  out.sequence = in.u16();
  out.timestamp = in.u32();
  out.ssrc = in.u32();
  return out;
}

std::optional<std::uint16_t> RtpCompressor::offset_of(const Header& header) const {
  if (!has_reference_ || header.ssrc != point_.ssrc || header.type != point_.type)
    return std::nullopt;
  const auto offset = static_cast<std::uint16_t>(header.sequence - point_.sequence);
  if (offset > kMostOffset || header.timestamp != point_.timestamp + offset * step_)
    return std::nullopt;
  return offset;
}

// The step is known when two packets in a row have shown it; a stream that pauses keeps it.
bool RtpCompressor::learn_step(const Header& header) {
  const bool same = has_last_ && last_.ssrc == header.ssrc && last_.type == header.type;
  if (!same) has_step_ = false;
  const bool next = same && static_cast<std::uint16_t>(header.sequence - last_.sequence) == 1;
  if (next && !header.marker) {  // a marked packet comes after a pause, or ends a picture
    next_step_ = header.timestamp - last_.timestamp;
    has_step_ = true;
  }
  has_last_ = true;
  last_ = header;
  return has_step_;
}

// Soon after it was set, then more and more rarely: a few lost datagrams must not leave the other
// end without it for long.
bool RtpCompressor::is_repeated(TimePoint now) const {
  const bool power_of_two = (sent_ & (sent_ - 1)) == 0;
  return (sent_ <= 64 && power_of_two) || sent_ % 64 == 0 || now - referred_at_ >= kRepeatAfter;
}

RtpCompressor::Plan RtpCompressor::plan(Bytes packet, TimePoint now) {
  Plan out{.size = packet.size()};
  const auto header = read(packet);
  if (!header) return out;
  const bool has_step = learn_step(*header);
  auto offset = offset_of(*header);
  if (!offset) {
    // A packet that overtook, or one before the reference, is no reason for a new one.
    const bool late = has_reference_ && header->ssrc == point_.ssrc &&
                      static_cast<std::int16_t>(header->sequence - point_.sequence) < 0;
    if (!has_step || late || now - set_at_ < kBetweenReferences) return out;
    generation_ = static_cast<std::uint8_t>((generation_ + 1) % kGenerations);
    has_reference_ = true;
    point_ = *header;
    step_ = next_step_;
    sent_ = 0;
    set_at_ = now;
    offset = std::uint16_t{0};
  }
  if (is_repeated(now)) {
    out.how = How::Reference;
    out.size = kReferenceHead + packet.size();
    out.head = head(generation_, false, *offset);
    out.step = step_;
    referred_at_ = now;
  } else {
    out.how = How::Compressed;
    out.size = packet.size() - kRtpHeader;
    out.head = head(generation_, header->marker, *offset);
  }
  ++sent_;
  return out;
}

void RtpCompressor::write(const Plan& plan, Bytes packet, MutableBytes out) {
  switch (plan.how) {
    case How::Whole:
      break;
    case How::Reference:
      put(out, plan.head, 2);
      put(out.subspan(2), plan.step, 4);
      out = out.subspan(kReferenceHead);
      break;
    case How::Compressed:
      packet = packet.subspan(kRtpHeader);
      break;
  }
  std::copy(packet.begin(), packet.end(), out.begin());
}

Result<MutableBytes> RtpDecompressor::on_reference(MutableBytes body, TimePoint now) {
  Reader in{body};
  const std::uint16_t head = in.u16();
  const std::uint32_t step = in.u32();
  const std::uint8_t first = in.u8();
  const std::uint8_t second = in.u8();
  const std::uint16_t sequence = in.u16();
  const std::uint32_t timestamp = in.u32();
  const std::uint32_t ssrc = in.u32();
  if (!in.ok() || first != 0x80) return fail(Errc::BadValue, "a reference that is not plain RTP");
  const auto offset = static_cast<std::uint16_t>(head & kMostOffset);
  const Reference it{.valid = true,
                     .generation = static_cast<std::uint8_t>(head >> 11U),
                     .type = static_cast<std::uint8_t>(second & 0x7fU),
                     .sequence = static_cast<std::uint16_t>(sequence - offset),
                     .timestamp = timestamp - offset * step,
                     .ssrc = ssrc,
                     .step = step,
                     .heard = now};
  const auto known = std::find_if(references_.begin(), references_.end(), [&](const auto& each) {
    return each.valid && each.generation == it.generation;
  });
  // A new one takes the place of the one that was heard the longest ago.
  const auto place =
      known != references_.end()
          ? known
          : std::min_element(references_.begin(), references_.end(),
                             [](const auto& a, const auto& b) {
                               return a.valid != b.valid ? !a.valid : a.heard < b.heard;
                             });
  *place = it;
  return body.subspan(kReferenceHead);
}

Result<std::size_t> RtpDecompressor::on_compressed(std::uint16_t head, Bytes payload, TimePoint now,
                                                   MutableBytes out) const {
  const auto generation = static_cast<std::uint8_t>(head >> 11U);
  const auto it = std::find_if(references_.begin(), references_.end(), [&](const auto& each) {
    return each.valid && each.generation == generation && now - each.heard < kReferenceLives;
  });
  if (it == references_.end()) return fail(Errc::NotFound, "a generation that is not known");
  if (out.size() < kRtpHeader + payload.size()) return fail(Errc::Exhausted, "no room to unpack");
  const auto offset = static_cast<std::uint16_t>(head & kMostOffset);
  out[0] = 0x80;
  out[1] = static_cast<std::uint8_t>(((head & kMarkerBit) != 0 ? 0x80U : 0U) | it->type);
  put(out.subspan(2), static_cast<std::uint16_t>(it->sequence + offset), 2);
  put(out.subspan(4), it->timestamp + offset * it->step, 4);
  put(out.subspan(8), it->ssrc, 4);
  std::copy(payload.begin(), payload.end(), out.begin() + kRtpHeader);
  return kRtpHeader + payload.size();
}

}  // namespace sallyport::media
