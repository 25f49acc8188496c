// Why phones do not register and calls are refused, for people: every refusal is counted by its
// reason, and the first of each name and source is logged, then one a minute (base/log_limiter.h).
// Sources outside have a share of the log of their own, so that strangers do not hide what phones
// at the agents do wrong, nor upstreams' calls; calls and registrations do not hide each other.
// Brain's thread.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "adapter/counters.h"
#include "adapter/sip/hop.h"
#include "base/log.h"
#include "base/log_limiter.h"

namespace sallyport::adapter::sip {

class Refusals {
 public:
  // All outlive it. `upstreams`: who outside is no stranger.
  Refusals(const std::vector<IpRange>& upstreams, Counters& counters, Log& log)
      : upstreams_(upstreams), counters_(counters), log_(log) {}

  void on_edge_up(Place place, const std::string& agent) { agents_[place] = agent; }
  void on_edge_lost(Place place) { agents_.erase(place); }

  // `counter` is "register_wrong_password"; the log says "wrong password".
  void registration(std::string_view counter, const wire::Message& request, const Hop& from,
                    TimePoint now);

  // A call, or the change of one, was answered with this status.
  struct Call {
    const wire::Message& request;
    const Hop& from;
    int status = 0;
    // By us, as a counter's name; empty: the other side has refused it, with this phrase.
    std::string_view why;
    std::string_view phrase;
    bool is_change = false;
  };
  void call(const Call& refused, TimePoint now);
  // By reason; what the other side refused as "other_side_486".
  const Counters& calls() const { return calls_; }

 private:
  // Lines a minute for what all strangers together call in vain: scanners do little else.
  static constexpr unsigned kStrangersCalls = 5;

  std::string_view name_of(Place place) const;
  LogLimiter& call_log(const Hop& from);

  const std::vector<IpRange>& upstreams_;
  Counters& counters_;
  Log& log_;
  Counters calls_;
  std::map<Place, std::string> agents_;  // names, of those that are here
  LogLimiter registrations_inside_, registrations_outside_;
  LogLimiter calls_inside_, calls_of_upstreams_;
  LogLimiter calls_of_strangers_{LogLimiter::Limits{.lines = kStrangersCalls}};
};

}  // namespace sallyport::adapter::sip
