// How much may come in a second: from an agent's network, from an upstream, from one stranger's
// address. Whoever says more is refused some of it and not heard for the rest, so that its
// flood costs the others no time. Two questions, each a few additions: one before a message is even
// parsed, one for a request that would begin something. The table is bounded: strangers that find
// no place in it are one. An adapter's; brain's thread.
#pragma once

#include <cstdint>
#include <map>
#include <string_view>
#include <utility>

#include "adapter/claimant.h"
#include "adapter/limits.h"
#include "base/log.h"
#include "base/time.h"
#include "base/token_bucket.h"

namespace sallyport::adapter {

class RateGuard {
 public:
  // All must outlive it. `protocol` is for people: whose requests they are.
  RateGuard(const Limits& limits, std::string_view protocol, Log& log)
      : limits_(limits), protocol_(protocol), log_(log) {}

  // Is this message, whatever it is, to be looked at? Requests beyond what admits() lets pass are,
  // since refusing them is better than silence; but not without end.
  bool hears(const Hop& from, TimePoint now);

  enum class Verdict : std::uint8_t { Pass, Refuse, Drop };
  // A request that is no repetition. New calls are counted for themselves: who makes too many can
  // still end those that it has.
  Verdict admits(const Hop& from, bool new_call, TimePoint now);

  std::size_t size() const { return sources_.size(); }

 private:
  // Whoever forges datagrams of an upstream takes nothing from what comes over its connections.
  using Key = std::pair<Claimant, bool>;
  struct Source {
    double part = 1;  // of an agent's rate
    TokenBucket messages, requests, calls, refusals;
    TimePoint last{};     // something came
    TimePoint refused{};  // something was refused or dropped; none: not in a flood
  };

  Source& source(const Hop& from, TimePoint now);
  void sweep(TimePoint now);
  void on_flood(Source& source, const Hop& from, TimePoint now);

  const Limits& limits_;
  std::string_view protocol_;
  Log& log_;
  std::map<Key, Source> sources_;
  TimePoint swept_{};
};

}  // namespace sallyport::adapter
