// Timers without a clock: handles that are due at a time. Whoever owns the loop asks
// next_deadline() and calls expire() with the time; so adapters, sessions and flows run in real and
// in virtual time alike. One thread.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <unordered_map>
#include <utility>

#include "base/ids.h"
#include "base/time.h"

namespace sallyport {

using TimerId = Id<struct TimerTag>;

class TimerQueue {
 public:
  // Starting a timer that runs moves it.
  void start(TimerId id, TimePoint due);
  void stop(TimerId id);
  bool running(TimerId id) const { return due_.contains(id); }
  std::optional<TimePoint> next_deadline() const;
  std::size_t size() const { return due_.size(); }

  // The earliest timer that is due at `now`, stopped; nothing if there is none. Called in a loop,
  // so that what one timer's handler starts or stops counts for the next.
  std::optional<TimerId> expire(TimePoint now);

 private:
  // Ordered by time, then by start order, so that virtual time is deterministic.
  using Key = std::pair<TimePoint, std::uint64_t>;
  std::map<Key, TimerId> queue_;
  std::unordered_map<TimerId, Key> due_;
  std::uint64_t next_sequence_ = 0;
};

}  // namespace sallyport
