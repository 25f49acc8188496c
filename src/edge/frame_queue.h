// The frames (media_frames.h) that wait at a media stream, oldest first, with since when. Its
// memory is taken once; where that is full the oldest ones go.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/bytes.h"
#include "base/time.h"
#include "edge/media_frames.h"

namespace sallyport::edge {

class FrameQueue {
 public:
  // More than a connection that is worth it carries in the time that a packet may wait.
  static constexpr std::size_t kOctets = 256 * 1024;
  static constexpr std::size_t kMost = 2048;

  explicit FrameQueue(std::size_t octets = kOctets, std::size_t most = kMost)
      : octets_(octets), waiting_(most) {}

  bool empty() const { return count_ == 0; }
  // Puts the datagram's frame behind the others. Returns how many had to go for it.
  std::size_t push(Bytes datagram, TimePoint now) {
    const std::size_t size = kFrameHead + datagram.size();
    std::size_t dropped = 0;
    for (; count_ == waiting_.size() || !fits(size); ++dropped) pop();
    Waiting& it = waiting_[(first_ + count_) % waiting_.size()];
    it = {.begin = place_for(size), .size = size, .since = now};
    write_frame(MutableBytes{octets_}.subspan(it.begin, size), datagram);
    end_ = it.begin + size;
    ++count_;
    return dropped;
  }
  // Of one that is not empty.
  Bytes front() const {
    return Bytes{octets_}.subspan(waiting_[first_].begin, waiting_[first_].size);
  }
  TimePoint front_since() const { return waiting_[first_].since; }
  void pop() {
    first_ = (first_ + 1) % waiting_.size();
    if (--count_ == 0) end_ = 0;
  }
  void clear() { count_ = end_ = 0; }

 private:
  struct Waiting {
    std::size_t begin = 0;
    std::size_t size = 0;
    TimePoint since;
  };
  // A frame lies in one piece: behind the last one, or at the beginning again.
  bool at_the_end(std::size_t size) const { return end_ + size <= octets_.size(); }
  std::size_t place_for(std::size_t size) const { return at_the_end(size) ? end_ : 0; }
  bool fits(std::size_t size) const {
    if (count_ == 0) return true;
    const std::size_t oldest = waiting_[first_].begin;
    if (end_ <= oldest) return end_ + size <= oldest;  // it has begun again
    return at_the_end(size) || size <= oldest;
  }

  Buffer octets_;
  std::vector<Waiting> waiting_;
  std::size_t first_ = 0;
  std::size_t count_ = 0;
  std::size_t end_ = 0;  // of the newest
};

}  // namespace sallyport::edge
