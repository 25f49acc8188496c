// Which of many alike events are written to the log: the first of each key, then one in a while
// with how many were left out, and so many in all. So what strangers can repeat at will fills
// neither the log nor memory. Whoever logs owns one; one thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <list>
#include <optional>
#include <string>
#include <unordered_map>

#include "base/time.h"

namespace sallyport {

class LogLimiter {
 public:
  struct Limits {
    Duration every = std::chrono::minutes{1};
    unsigned lines = 20;  // in that time, of all keys together
    std::size_t keys =
        1'000;  // that are remembered; the one that was written longest ago goes first
  };

  LogLimiter() : LogLimiter(Limits{}) {}
  explicit LogLimiter(const Limits& limits) : limits_(limits) {}

  // Nothing: the event is not to be written now. Else: how many of this key were not since the last
  // one that was.
  std::optional<std::uint64_t> may_log(const std::string& key, TimePoint now);
  std::size_t size() const { return entries_.size(); }

 private:
  struct Entry {
    std::string key;
    TimePoint written;
    std::uint64_t left_out = 0;
  };
  using Entries = std::list<Entry>;

  Limits limits_;
  TimePoint period_began_{};
  unsigned lines_ = 0;  // in this period
  Entries entries_;     // the one that was written last stands first
  std::unordered_map<std::string, Entries::iterator> by_key_;
};

}  // namespace sallyport
