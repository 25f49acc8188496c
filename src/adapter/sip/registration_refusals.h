// Why phones do not register, for people: every refusal is counted by its reason, and the first of
// each name and source is logged, then one a minute (base/log_limiter.h). Sources outside have a
// share of the log of their own, so that strangers do not hide what phones at the agents do wrong.
// Brain's thread.
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "adapter/counters.h"
#include "adapter/sip/hop.h"
#include "base/log.h"
#include "base/log_limiter.h"

namespace sallyport::adapter::sip {

class RegistrationRefusals {
 public:
  RegistrationRefusals(Counters& counters, Log& log) : counters_(counters), log_(log) {}

  void on_edge_up(Place place, const std::string& agent) { agents_[place] = agent; }
  void on_edge_lost(Place place) { agents_.erase(place); }

  // `counter` is "register_wrong_password"; the log says "wrong password".
  void add(std::string_view counter, const wire::Message& request, const Hop& from, TimePoint now);

 private:
  Counters& counters_;
  Log& log_;
  std::map<Place, std::string> agents_;  // names, of those that are here
  LogLimiter inside_, outside_;
};

}  // namespace sallyport::adapter::sip
