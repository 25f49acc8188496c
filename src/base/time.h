// Time as values. Nothing below net/ reads a clock: the time of an event is handed in with it.
#pragma once

#include <chrono>

namespace sallyport {

using Clock = std::chrono::steady_clock;  // for timers and durations
using TimePoint = Clock::time_point;
using Duration = Clock::duration;
using WallTime = std::chrono::system_clock::time_point;  // for expiry dates, logs and certificates

using std::chrono::milliseconds;
using std::chrono::seconds;

// Both clocks, handed in: the operating system's (net::Network) or a simulation's.
class Clocks {
 public:
  Clocks() = default;
  Clocks(const Clocks&) = delete;
  Clocks& operator=(const Clocks&) = delete;
  virtual ~Clocks() = default;

  virtual TimePoint now() const = 0;
  virtual WallTime wall_now() const = 0;
};

}  // namespace sallyport
