// Octets in a row: put in at the back, looked at and dropped at the front, always contiguous. An
// empty one holds no memory, so a thousand idle channels cost nothing. Values only.
#pragma once

#include <cassert>
#include <cstddef>
#include <utility>

#include "base/bytes.h"

namespace sallyport::mux {

class ByteQueue {
 public:
  std::size_t size() const { return octets_.size() - head_; }
  bool empty() const { return size() == 0; }
  Bytes view() const { return Bytes{octets_}.subspan(head_); }

  void push(Bytes more) {
    // Half of it is dropped octets: moving the rest costs no more than was dropped.
    if (head_ > octets_.size() / 2) {
      octets_.erase(octets_.begin(), octets_.begin() + static_cast<std::ptrdiff_t>(head_));
      head_ = 0;
    }
    octets_.insert(octets_.end(), more.begin(), more.end());
  }
  // Drops the first n octets; n is at most size().
  void pop(std::size_t n) {
    assert(n <= size());
    head_ += n;
    if (head_ == octets_.size()) clear();
  }
  void clear() {
    Buffer{}.swap(octets_);
    head_ = 0;
  }
  // Everything, taken out.
  Buffer take() {
    octets_.erase(octets_.begin(), octets_.begin() + static_cast<std::ptrdiff_t>(head_));
    head_ = 0;
    return std::exchange(octets_, {});
  }

 private:
  Buffer octets_;
  std::size_t head_ = 0;
};

}  // namespace sallyport::mux
