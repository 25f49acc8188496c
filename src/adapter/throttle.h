// Slows down whoever guesses passwords: after a few failures a suspect (identity and source
// together, so that nobody can lock another's terminal out) is blocked for a while, and for longer
// each time. The table is bounded; who has not failed for the longest time is forgotten first.
// Brain's thread.
#pragma once

#include <compare>
#include <cstddef>
#include <list>
#include <map>
#include <string>
#include <vector>

#include "adapter/hop.h"
#include "base/time.h"

namespace sallyport::adapter {

// Whom a password is guessed for, and from where.
struct Suspect {
  std::string identity;
  Place place;
  IpAddress host;  // for IPv6 its /64, which one subscriber has whole
  friend auto operator<=>(const Suspect&, const Suspect&) = default;
};
Suspect suspect_of(std::string identity, const Hop& from);

class Throttle {
 public:
  struct Limits {
    unsigned failures = 3;  // the last of these blocks
    Duration block = seconds{30};
    Duration longest_block = seconds{900};
    Duration memory = seconds{1800};  // without a failure for so long: a clean slate
    std::size_t suspects = 10'000;
  };

  explicit Throttle(Limits limits) : limits_(limits) {}

  bool blocked(const Suspect& suspect, TimePoint now) const;
  // Is it blocked from now on?
  bool on_failure(const Suspect& suspect, TimePoint now);
  void on_success(const Suspect& suspect);
  // A clean slate for this identity, wherever it came from. Whether it was blocked somewhere.
  bool forget(const std::string& identity, TimePoint now);

  struct Blocked {
    Suspect suspect;
    unsigned failures = 0;
    Duration left{};
  };
  std::vector<Blocked> all_blocked(TimePoint now) const;  // whoever failed last first
  std::size_t size() const { return entries_.size(); }

 private:
  struct Entry {
    Suspect suspect;
    unsigned failures = 0;
    Duration next_block{};
    TimePoint blocked_until{}, last{};
  };
  using Entries = std::list<Entry>;

  Limits limits_;
  Entries entries_;  // the one that failed last stands first
  std::map<Suspect, Entries::iterator> by_suspect_;
};

}  // namespace sallyport::adapter
