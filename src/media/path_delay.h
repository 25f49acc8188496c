// How long what agent and server send each other is under way, there and back: what a probe and its
// confirmation tell. The confirmation says when, by the server's clock, the probe came; so there
// are three times of two clocks of which nobody knows how they differ.
//
// The round trip needs one clock only. To share it out between the two directions, this takes the
// probe with the shortest round trip of the latest four for one that met no queue, and its way
// there for as long as its way back (as NTP does, RFC 5905 section 10). So a one-way delay is half
// of the shortest round trip, and in addition whatever its own direction was slower since: that
// part is measured. That the shortest ways are of one length is assumed.
//
// Used by Prober, on its thread: values only.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "base/time.h"

namespace sallyport::media {

class PathDelay {
 public:
  static constexpr std::size_t kSamples = 4;
  // Clocks that have moved so far apart since the probe before have not drifted: one of them was
  // set anew, or it is another one.
  static constexpr Duration kJump = seconds{1};

  // `server_clock`: microseconds of any clock that runs evenly; 0: it was not told.
  void on_answer(TimePoint sent, std::uint64_t server_clock, TimePoint answered);

  // Of the latest probe that was answered.
  std::optional<Duration> round_trip() const;
  std::optional<Duration> to_server() const;
  std::optional<Duration> to_agent() const;

 private:
  struct Sample {  // microseconds
    std::int32_t round_trip = 0;
    std::int32_t there = 0;  // the server's clock, less when the probe was sent by ours
  };
  const Sample& latest() const { return samples_.at((count_ - 1) % kSamples); }
  // The latest probe's way there, by clocks that agree.
  std::chrono::microseconds there() const;

  std::array<Sample, kSamples> samples_{};
  std::uint64_t origin_ = 0;  // of `there`: so that it is a small number
  std::uint32_t count_ = 0;   // of samples by this clock
  bool clock_told_ = false;
};

}  // namespace sallyport::media
