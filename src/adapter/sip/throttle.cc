#include "adapter/sip/throttle.h"

#include <algorithm>

namespace sallyport::adapter::sip {

bool Throttle::blocked(const std::string& key, TimePoint now) const {
  const auto found = by_key_.find(key);
  return found != by_key_.end() && now < found->second->blocked_until;
}

bool Throttle::on_failure(const std::string& key, TimePoint now) {
  const auto found = by_key_.find(key);
  if (found != by_key_.end()) {
    entries_.splice(entries_.begin(), entries_, found->second);
  } else {
    if (entries_.size() >= limits_.keys) {
      by_key_.erase(entries_.back().key);
      entries_.pop_back();
    }
    entries_.push_front({key, 0, limits_.block, {}, now});
    by_key_.emplace(key, entries_.begin());
  }
  Entry& entry = entries_.front();
  if (now - entry.last > limits_.memory) entry = {key, 0, limits_.block, {}, now};
  entry.last = now;
  if (++entry.failures < limits_.failures) return false;
  // Every failure after a block blocks again, for twice as long.
  entry.blocked_until = now + entry.next_block;
  entry.next_block = std::min(entry.next_block * 2, limits_.longest_block);
  return true;
}

void Throttle::on_success(const std::string& key) {
  const auto found = by_key_.find(key);
  if (found == by_key_.end()) return;
  entries_.erase(found->second);
  by_key_.erase(found);
}

}  // namespace sallyport::adapter::sip
