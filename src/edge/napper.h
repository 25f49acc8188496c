// When a media thread naps. At a high rate each packet would wake it alone: a wake-up costs more
// than the packet. So, when it has done all there was and much has come lately, it sleeps a moment
// before it looks again, and then finds a batch. What comes meanwhile waits that long at most;
// where little comes, nothing does. Owned by the thread; no clock of its own.
#pragma once

#include <algorithm>
#include <cstddef>
#include <optional>

#include "base/time.h"

namespace sallyport::edge {

class Napper {
 public:
  // So many datagrams within kWindow are much: a nap then saves several wake-ups.
  static constexpr std::size_t kMuch = 10;
  static constexpr Duration kWindow = milliseconds{1};

  explicit Napper(Duration longest) : longest_(longest) {}

  // Rounds that took nothing need not be told.
  void on_taken(std::size_t datagrams, TimePoint now) {
    if (now - began_ >= kWindow) {
      before_ = now - began_ >= 2 * kWindow ? 0 : count_;  // after a pause nothing counts
      count_ = 0;
      began_ = now;
    }
    count_ += datagrams;
  }

  // How long to sleep now that nothing is left to do; `due`: what the nap may not miss.
  Duration nap(TimePoint now, std::optional<TimePoint> due) const {
    if (longest_ == Duration{} || now - began_ >= 2 * kWindow || std::max(before_, count_) < kMuch)
      return {};
    if (!due) return longest_;
    return std::clamp<Duration>(*due - now, {}, longest_);
  }

 private:
  Duration longest_;
  TimePoint began_{};       // the window
  std::size_t count_ = 0;   // in it
  std::size_t before_ = 0;  // in the one before
};

}  // namespace sallyport::edge
