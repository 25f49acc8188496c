// The adapter's many timers on one timer of the brain: each is a function that runs once.
#pragma once

#include <functional>
#include <unordered_map>

#include "adapter/adapter.h"

namespace sallyport::adapter {

class Timers {
 public:
  using Function = std::function<void(Commands&)>;
  TimerId start(Duration after, Function function, Commands& out);
  void stop(TimerId id);  // nothing if it has run or is no timer
  // False when that timer is not ours.
  bool on_timer(TimerId id, Commands& out);
  std::size_t size() const { return functions_.size(); }

 private:
  void arm(Commands& out);

  TimerQueue queue_;
  std::unordered_map<TimerId, Function> functions_;
  std::uint64_t next_ = 0;
  TimerId brain_timer_;
  std::optional<TimePoint> armed_;
};

}  // namespace sallyport::adapter
