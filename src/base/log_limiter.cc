#include "base/log_limiter.h"

#include <utility>

namespace sallyport {

std::optional<std::uint64_t> LogLimiter::may_log(const std::string& key, TimePoint now) {
  if (now - period_began_ >= limits_.every) {
    period_began_ = now;
    lines_ = 0;
  }
  const auto found = by_key_.find(key);
  const bool known = found != by_key_.end();
  if (lines_ >= limits_.lines || (known && now - found->second->written < limits_.every)) {
    if (known) ++found->second->left_out;
    return std::nullopt;
  }
  ++lines_;
  if (known) {
    entries_.splice(entries_.begin(), entries_, found->second);
  } else {
    if (entries_.size() >= limits_.keys) {
      by_key_.erase(entries_.back().key);
      entries_.pop_back();
    }
    entries_.push_front({key, now, 0});
    by_key_.emplace(key, entries_.begin());
  }
  entries_.front().written = now;
  return std::exchange(entries_.front().left_out, 0);
}

}  // namespace sallyport
