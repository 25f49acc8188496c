#include "load/churn.h"

#include <stdexcept>

namespace sallyport::bench {
namespace {

// What is on its way when a call is hung up is not lost: it has so long to arrive.
constexpr Duration kLastWords = milliseconds{300};
constexpr Duration kBetweenCalls = milliseconds{500};

}  // namespace

void pair(const Call& call, const std::vector<std::unique_ptr<Site>>& sites, Generator& generator,
          std::size_t& caller_flow, std::size_t& callee_flow) {
  const auto one = sites[call.caller_site]->plane().flow_behind(call.caller_media);
  const auto other = sites[call.callee_site]->plane().flow_behind(call.callee_media);
  if (!one || !other) throw std::runtime_error("a call without its media flows");
  generator.streams()[*one].peer = static_cast<std::uint32_t>(*other);
  generator.streams()[*other].peer = static_cast<std::uint32_t>(*one);
  caller_flow = *one;
  callee_flow = *other;
}

Churn::Churn(Generator& generator, Flows& flows, const std::vector<std::unique_ptr<Site>>& sites,
             std::vector<Call>& calls, Random& random, Duration hold, TimePoint now)
    : generator_(generator),
      flows_(flows),
      sites_(sites),
      calls_(calls),
      random_(random),
      hold_(hold),
      places_(calls.size()) {
  for (Stream& stream : generator.streams()) stream.silent = true;
  // They begin one after another, as they will end.
  for (std::size_t i = 0; i < places_.size(); ++i)
    places_[i].until =
        now + hold_ / 2 * static_cast<std::int64_t>(i) / static_cast<std::int64_t>(places_.size());
}

void Churn::on_time(TimePoint now) {
  for (std::size_t number = 0; number < places_.size(); ++number) step(number, now);
}

void Churn::step(std::size_t number, TimePoint now) {
  Place& place = places_[number];
  const Call& call = calls_[number];
  switch (place.phase) {
    case Phase::Free:
      if (now >= place.until && !winding_up_) begin(number, now);
      return;
    case Phase::Ringing:
      if (call.refused_with != 0) {
        ++counts_.refused;
        return free(place, now);
      }
      if (!call.answered) return;
      ++counts_.answered;
      pair(call, sites_, generator_, place.caller_flow, place.callee_flow);
      place.phase = Phase::Binding;
      return;
    case Phase::Binding:
      if (!flows_.confirmed(place.caller_flow) || !flows_.confirmed(place.callee_flow)) return;
      set_silent(place, false);
      place.phase = Phase::Talking;
      place.until = now + about(hold_);
      return;
    case Phase::Talking:
      if (now < place.until && !winding_up_) return;
      set_silent(place, true);
      place.phase = Phase::Silent;
      place.until = now + kLastWords;
      return;
    case Phase::Silent:
      if (now < place.until) return;
      sites_[call.caller_site]->phone().hang_up(number);
      place.phase = Phase::Ending;
      return;
    case Phase::Ending:
      if (!call.over) return;
      ++counts_.ended;
      return free(place, now);
  }
}

void Churn::begin(std::size_t number, TimePoint now) {
  // An agent closes a call's flows when it is told to, a little after the call is over.
  if (flows_.in_use() + 2 > 2 * places_.size()) return;
  const std::size_t caller = random_.u64() % sites_.size();
  const std::size_t callee = (caller + 1 + random_.u64() % (sites_.size() - 1)) % sites_.size();
  calls_[number] = {};
  ++counts_.begun;
  places_[number].phase = Phase::Ringing;
  sites_[caller]->phone().call(number, callee, now);
}

void Churn::set_silent(const Place& place, bool silent) {
  generator_.streams()[place.caller_flow].silent = silent;
  generator_.streams()[place.callee_flow].silent = silent;
}

void Churn::free(Place& place, TimePoint now) {
  place = {};
  place.until = now + about(kBetweenCalls);
}

Duration Churn::about(Duration time) {
  return time / 2 + time * static_cast<std::int64_t>(random_.u64() % 1024) / 1024;
}

}  // namespace sallyport::bench
