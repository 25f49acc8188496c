#include "base/timer_queue.h"

namespace sallyport {

void TimerQueue::start(TimerId id, TimePoint due) {
  stop(id);
  const Key key{due, next_sequence_++};
  queue_.emplace(key, id);
  due_.emplace(id, key);
}

void TimerQueue::stop(TimerId id) {
  const auto it = due_.find(id);
  if (it == due_.end()) return;
  queue_.erase(it->second);
  due_.erase(it);
}

std::optional<TimePoint> TimerQueue::next_deadline() const {
  if (queue_.empty()) return std::nullopt;
  return queue_.begin()->first.first;
}

std::optional<TimerId> TimerQueue::expire(TimePoint now) {
  if (queue_.empty() || queue_.begin()->first.first > now) return std::nullopt;
  const TimerId id = queue_.begin()->second;
  stop(id);
  return id;
}

}  // namespace sallyport
