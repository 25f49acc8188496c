// Commands for tests of what acts on no edge by itself: time that stands still until it is moved,
// edges that are there or not and swallow everything.
#pragma once

#include <algorithm>
#include <cstdlib>
#include <map>
#include <optional>
#include <set>
#include <string>

#include "adapter/adapter.h"
#include "edge/test_silent_edge.h"

namespace sallyport::adapter {

class FakeCommands final : public Commands {
 public:
  TimePoint now() const override { return steady; }
  WallTime wall_now() const override { return wall; }
  edge::Edge* edge(Place place) override {
    if (away.contains(place)) return nullptr;
    return place.is_outside() && outside != nullptr ? outside : &edge_;
  }
  std::uint64_t new_id() override { return ++last_id_; }
  TimerId new_timer() override { return {++last_id_}; }
  void start_timer(TimerId id, Duration after) override { timers_[id] = steady + after; }
  void stop_timer(TimerId id) override { timers_.erase(id); }
  MediaPaths& media() override { std::abort(); }  // nobody who uses this has media

  void advance(Duration by) {
    steady += by;
    wall += std::chrono::duration_cast<WallTime::duration>(by);
  }

  // A timer that has run out by now.
  std::optional<TimerId> take_due() {
    const auto due = std::find_if(timers_.begin(), timers_.end(),
                                  [&](const auto& timer) { return timer.second <= steady; });
    if (due == timers_.end()) return std::nullopt;
    return timers_.extract(due).key();
  }

  TimePoint steady{std::chrono::hours{1}};
  WallTime wall{seconds{1'700'000'000}};
  std::set<Place> away;
  edge::Edge* outside = nullptr;  // if it is another one

 private:
  edge::test::SilentEdge edge_;
  std::map<TimerId, TimePoint> timers_;
  std::uint64_t last_id_ = 0;
};

}  // namespace sallyport::adapter
