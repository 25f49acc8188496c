// Commands for tests of what acts on no edge by itself: time that stands still until it is moved,
// edges that are there or not and swallow everything.
#pragma once

#include <cstdlib>
#include <set>
#include <string>

#include "adapter/adapter.h"
#include "edge/test_silent_edge.h"

namespace sallyport::adapter {

class FakeCommands final : public Commands {
 public:
  TimePoint now() const override { return steady; }
  WallTime wall_now() const override { return wall; }
  edge::Edge* edge(Place place) override { return away.contains(place) ? nullptr : &edge_; }
  std::uint64_t new_id() override { return ++last_id_; }
  TimerId new_timer() override { return {++last_id_}; }
  void start_timer(TimerId, Duration) override {}
  void stop_timer(TimerId) override {}
  MediaPaths& media() override { std::abort(); }  // nobody who uses this has media

  void advance(Duration by) {
    steady += by;
    wall += std::chrono::duration_cast<WallTime::duration>(by);
  }

  TimePoint steady{std::chrono::hours{1}};
  WallTime wall{seconds{1'700'000'000}};
  std::set<Place> away;

 private:
  edge::test::SilentEdge edge_;
  std::uint64_t last_id_ = 0;
};

}  // namespace sallyport::adapter
