// The datagrams of a media stream (edge/media_stream.h) on their connection: for each its length (2
// octets, network order, 1 to kLongestFrame), then the datagram. Sans I/O; fuzzed.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "base/bytes.h"

namespace sallyport::edge {

constexpr std::size_t kLongestFrame = 2048;

constexpr std::size_t kFrameHead = 2;

// Of a datagram of 1 to kLongestFrame octets; `at` has kFrameHead more.
inline void write_frame(MutableBytes at, Bytes datagram) {
  at[0] = static_cast<std::uint8_t>(datagram.size() >> 8U);
  at[1] = static_cast<std::uint8_t>(datagram.size());
  std::copy(datagram.begin(), datagram.end(), at.begin() + kFrameHead);
}
inline Buffer media_frame(Bytes datagram) {
  Buffer frame{static_cast<std::uint8_t>(datagram.size() >> 8U),
               static_cast<std::uint8_t>(datagram.size())};
  frame.insert(frame.end(), datagram.begin(), datagram.end());
  return frame;
}

class MediaFrameReader {
 public:
  // Calls on_datagram(Bytes) for each one that has come whole. False: what comes are no frames;
  // read no further.
  template <typename OnDatagram>
  bool feed(Bytes octets, OnDatagram&& on_datagram) {
    partial_.insert(partial_.end(), octets.begin(), octets.end());
    Bytes rest = partial_;
    while (rest.size() >= 2) {
      const std::size_t size = static_cast<std::size_t>(rest[0]) << 8U | rest[1];
      if (size == 0 || size > kLongestFrame) return false;
      if (rest.size() < 2 + size) break;
      on_datagram(rest.subspan(2, size));
      rest = rest.subspan(2 + size);
    }
    partial_.erase(partial_.begin(), partial_.end() - static_cast<std::ptrdiff_t>(rest.size()));
    return true;
  }
  // Of a frame that has not come whole.
  std::size_t waiting() const { return partial_.size(); }

 private:
  Buffer partial_;
};

}  // namespace sallyport::edge
