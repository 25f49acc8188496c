#include "adapter/timers.h"

#include <utility>

namespace sallyport::adapter {

TimerId Timers::start(Duration after, Function function, Commands& out) {
  const TimerId id{++next_};
  functions_.emplace(id, std::move(function));
  queue_.start(id, out.now() + after);
  arm(out);
  return id;
}

void Timers::stop(TimerId id) {
  if (functions_.erase(id) != 0) queue_.stop(id);
}

bool Timers::on_timer(TimerId id, Commands& out) {
  if (id != brain_timer_) return false;
  armed_.reset();
  while (const auto due = queue_.expire(out.now())) {
    const auto node = functions_.extract(*due);
    if (!node.empty()) node.mapped()(out);
  }
  arm(out);
  return true;
}

void Timers::arm(Commands& out) {
  const auto next = queue_.next_deadline();
  // A timer that was stopped leaves the brain's timer running: it then wakes for nothing, once.
  if (!next || (armed_ && *armed_ <= *next)) return;
  if (!brain_timer_) brain_timer_ = out.new_timer();
  armed_ = next;
  const Duration after = *next - out.now();
  out.start_timer(brain_timer_, after > Duration::zero() ? after : Duration::zero());
}

}  // namespace sallyport::adapter
