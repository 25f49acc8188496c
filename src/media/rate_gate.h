// How much of a stream is let through: a token bucket that holds one second, for packets and octets
// together, kept as one time (the generic cell rate algorithm, ITU-T I.371 annex A). What comes
// faster for longer is refused, so that one flooding terminal takes nothing from the others. Used
// by Relay, on its thread.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "base/time.h"
#include "media/media.h"

namespace sallyport::media {

class RateGate {
 public:
  void set(const Rate& most) {
    packet_ = most.packets == 0 ? 0 : kSecond / most.packets;
    octet_ = most.octets == 0 ? 0 : kSecond * kFine / most.octets;
  }

  bool admits(std::size_t octets, TimePoint now) {
    const std::int64_t at = ticks(now);
    const std::int64_t begin = std::max(full_, at);
    if (begin - at > kSecond) return false;
    full_ = begin + cost(1, octets);
    return true;
  }
  // So much has passed elsewhere. Whether that was still within the rate.
  bool charge(std::uint64_t packets, std::uint64_t octets, TimePoint now) {
    const std::int64_t at = ticks(now);
    full_ = std::max(full_, at) + cost(packets, octets);
    return full_ - at <= kSecond;
  }

 private:
  static constexpr std::int64_t kSecond = 1'000'000'000;
  static constexpr std::int64_t kFine = 256;  // parts of a nanosecond, for what an octet takes

  static std::int64_t ticks(TimePoint time) {
    return std::chrono::duration_cast<std::chrono::nanoseconds>(time.time_since_epoch()).count();
  }
  std::int64_t cost(std::uint64_t packets, std::uint64_t octets) const {
    return std::max(static_cast<std::int64_t>(packets) * packet_,
                    static_cast<std::int64_t>(octets) * octet_ / kFine);
  }

  std::int64_t packet_ = 0;  // nanoseconds that one takes; 0: no limit
  std::int64_t octet_ = 0;
  std::int64_t full_ = 0;  // until then what has passed counts
};

}  // namespace sallyport::media
