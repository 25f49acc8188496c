// How often data from unknown sources is answered with "probe please": each source at most every
// half second, all together at most so many a second. Memory is fixed: sources share slots by hash,
// so that a stranger can at worst keep another unknown source from being asked; that one's agent
// probes by its own schedule.
#pragma once

#include <array>
#include <cstdint>

#include "base/time.h"

namespace sallyport::media {

class PleaseLimiter {
 public:
  explicit PleaseLimiter(std::uint32_t per_second) : per_second_(per_second) {
    last_.fill(kLongAgo);
  }

  bool permits(std::uint32_t source_hash, TimePoint now) {
    if (now - second_began_ >= seconds{1}) {
      second_began_ = now;
      answered_ = 0;
    }
    if (answered_ >= per_second_) return false;
    TimePoint& last = last_[source_hash % last_.size()];
    if (now - last < kPerSource) return false;
    last = now;
    ++answered_;
    return true;
  }

 private:
  static constexpr TimePoint kLongAgo{-std::chrono::hours{24}};
  static constexpr Duration kPerSource = milliseconds{500};

  std::uint32_t per_second_;
  std::uint32_t answered_ = 0;
  TimePoint second_began_ = kLongAgo;
  std::array<TimePoint, 4096> last_{};
};

}  // namespace sallyport::media
