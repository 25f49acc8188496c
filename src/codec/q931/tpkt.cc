#include "codec/q931/tpkt.h"

#include <cassert>

namespace sallyport::codec::q931 {
namespace {

constexpr std::uint8_t kVersion = 3;

}  // namespace

void TpktReader::push(Bytes octets) {
  // What has been read is let go when it is the larger part: each octet moves once on average.
  if (start_ > buffer_.size() / 2) {
    buffer_.erase(buffer_.begin(), buffer_.begin() + static_cast<std::ptrdiff_t>(start_));
    start_ = 0;
  }
  buffer_.insert(buffer_.end(), octets.begin(), octets.end());
}

Result<Bytes> TpktReader::next() {
  for (;;) {
    const Bytes left = Bytes{buffer_}.subspan(start_);
    if (!left.empty() && left[0] != kVersion) return fail(Errc::BadValue, "not TPKT", start_);
    if (left.size() < kTpktHeader) return fail(Errc::Truncated, "more octets are needed");
    Reader in{left};
    in.skip(2);
    const std::size_t length = in.u16();
    if (length < kTpktHeader) return fail(Errc::BadValue, "TPKT shorter than its header", start_);
    if (left.size() < length) return fail(Errc::Truncated, "more octets are needed");
    start_ += length;
    if (length > kTpktHeader) return left.subspan(kTpktHeader, length - kTpktHeader);
  }
}

Buffer encode_tpkt(Bytes payload) {
  assert(payload.size() <= kMaxTpktPayload);
  Buffer out;
  out.reserve(kTpktHeader + payload.size());
  Writer{out}
      .u8(kVersion)
      .u8(0)
      .u16(static_cast<std::uint16_t>(kTpktHeader + payload.size()))
      .bytes(payload);
  return out;
}

}  // namespace sallyport::codec::q931
