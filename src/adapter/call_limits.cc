#include "adapter/call_limits.h"

#include <algorithm>

namespace sallyport::adapter {

// A handful of sources must not make up the half that all strangers have of a small site.
CallLimits::CallLimits(const Limits& limits)
    : limits_(limits),
      of_source_(
          std::clamp<std::size_t>(limits.calls_per_agent / 8, 1, limits.unanswered_of_source)),
      in_all_(limits.calls) {}

CallLimits::Verdict CallLimits::begin(CallId call, const Hop& from) {
  Entry entry{.from = from,
              .stranger = from.place.is_outside() && !is_upstream(limits_.upstreams, from),
              .places = {},
              .callees = {}};
  const Claimant caller = claimant(from, Place::outside());
  if (in_all_.left() == 0) return Verdict::Full;
  if (!in_all_.allows(caller)) return Verdict::OverShare;
  const IpAddress source = source_network(from.remote.ip);
  if (const auto known = sources_.find(source); entry.stranger && known != sources_.end())
    if (known->second.unanswered >= of_source_ + known->second.answered)
      return Verdict::SourceTooMany;
  if (const Verdict verdict = enter(entry, from.place); verdict != Verdict::Admitted)
    return verdict;
  in_all_.take(caller);
  if (entry.stranger) ++sources_[source].unanswered;
  calls_.emplace(call, std::move(entry));
  return Verdict::Admitted;
}

CallLimits::Verdict CallLimits::enter(Entry& entry, Place place) {
  if (place.is_outside() ||
      std::find(entry.places.begin(), entry.places.end(), place) != entry.places.end())
    return Verdict::Admitted;
  if (const auto known = agents_.find(place); known != agents_.end()) {
    if (known->second.left() == 0) return Verdict::AgentFull;
    if (!entry.answered && !known->second.allows(claimant(entry.from, place)))
      return Verdict::OverShare;
  }
  if (entry.answered) {
    agent(place).take_settled();
  } else {
    agent(place).take(claimant(entry.from, place));
  }
  entry.places.push_back(place);
  return Verdict::Admitted;
}

CallLimits::Verdict CallLimits::ring(CallId call, Place place, const std::string& uri) {
  const auto it = calls_.find(call);
  if (it == calls_.end()) return Verdict::Admitted;  // it has ended
  Entry& entry = it->second;
  if (!entry.stranger || entry.answered) return enter(entry, place);
  const Callee callee{place, uri};
  if (std::find(entry.callees.begin(), entry.callees.end(), callee) != entry.callees.end())
    return enter(entry, place);
  const IpAddress source = source_network(entry.from.remote.ip);
  const auto known = callees_.find(callee);
  if (known != callees_.end() && !known->second.allows(source)) return Verdict::CalleeTooMany;
  if (const Verdict verdict = enter(entry, place); verdict != Verdict::Admitted) return verdict;
  callees_.try_emplace(callee, 2 * of_source_).first->second.take(source);
  entry.callees.push_back(callee);
  return Verdict::Admitted;
}

// It is held against nobody any more.
void CallLimits::settle(Entry& entry) {
  if (std::exchange(entry.answered, true)) return;
  in_all_.settle(claimant(entry.from, Place::outside()));
  for (const Place place : entry.places) agent(place).settle(claimant(entry.from, place));
  if (!entry.stranger) return;
  const IpAddress source = source_network(entry.from.remote.ip);
  Source& count = sources_[source];
  --count.unanswered;
  ++count.answered;
  for (const Callee& callee : entry.callees)
    if (const auto it = callees_.find(callee); it != callees_.end()) {
      it->second.give_back(source);
      if (it->second.empty()) callees_.erase(it);
    }
}

void CallLimits::answer(CallId call) {
  if (const auto it = calls_.find(call); it != calls_.end()) settle(it->second);
}

void CallLimits::leave(CallId call) {
  const auto it = calls_.find(call);
  if (it == calls_.end()) return;
  Entry& entry = it->second;
  settle(entry);
  in_all_.give_back_settled();
  for (const Place place : entry.places) {
    agent(place).give_back_settled();
    if (agent(place).empty()) agents_.erase(place);
  }
  if (entry.stranger) {
    const auto source = sources_.find(source_network(entry.from.remote.ip));
    if (--source->second.answered == 0 && source->second.unanswered == 0) sources_.erase(source);
  }
  calls_.erase(it);
}

}  // namespace sallyport::adapter
