// Slows down whoever guesses passwords: after a few failures a key (identity and source together,
// so that nobody can lock another's terminal out) is blocked for a while, and for longer each time.
// The table is bounded; the key that has not failed for the longest time is forgotten first.
// Brain's thread.
#pragma once

#include <cstddef>
#include <list>
#include <string>
#include <unordered_map>

#include "base/time.h"

namespace sallyport::adapter::sip {

class Throttle {
 public:
  struct Limits {
    unsigned failures = 3;  // the last of these blocks
    Duration block = seconds{30};
    Duration longest_block = seconds{900};
    Duration memory = seconds{1800};  // without a failure for so long: a clean slate
    std::size_t keys = 10'000;
  };

  explicit Throttle(Limits limits) : limits_(limits) {}

  bool blocked(const std::string& key, TimePoint now) const;
  // Is it blocked from now on?
  bool on_failure(const std::string& key, TimePoint now);
  void on_success(const std::string& key);
  std::size_t size() const { return entries_.size(); }

 private:
  struct Entry {
    std::string key;
    unsigned failures = 0;
    Duration next_block{};
    TimePoint blocked_until{}, last{};
  };
  using Entries = std::list<Entry>;

  Limits limits_;
  Entries entries_;  // the one that failed last stands first
  std::unordered_map<std::string, Entries::iterator> by_key_;
};

}  // namespace sallyport::adapter::sip
