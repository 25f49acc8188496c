#include "adapter/rate_guard.h"

#include <algorithm>

namespace sallyport::adapter {
namespace {

constexpr double kBurst = 2.0;  // seconds' worth at once, and one at least
// Messages of all kinds (responses, ACKs, repetitions), and refusals, for each request that may
// come.
constexpr double kMessages = 4.0;
constexpr double kRefusals = 0.2;
constexpr double kStranger = 0.2;           // its part of what an agent may
constexpr std::size_t kMaxSources = 10000;  // a stranger can make up as many as he likes
constexpr Duration kForget = seconds{2};    // all buckets are as new: see kBurst
constexpr Duration kCalm = seconds{60};     // without a refusal for so long, a flood is over

bool take(TokenBucket& bucket, double a_second, TimePoint now) {
  return bucket.take(a_second, std::max(1.0, a_second * kBurst), now);
}

}  // namespace

RateGuard::Source& RateGuard::source(const Hop& from, TimePoint now) {
  Key key{claimant_of(limits_.upstreams, from, Place::outside()), is_reliable(from.transport)};
  const bool stranger = from.place.is_outside() && key.first.host.is_unspecified();
  if (stranger) key.first.host = source_network(from.remote.ip);
  if (!from.place.is_outside()) key.second = false;
  auto it = sources_.find(key);
  if (it == sources_.end()) {
    if (sources_.size() >= kMaxSources) sweep(now);
    if (stranger && sources_.size() >= kMaxSources) key.first.host = {};
    it = sources_.try_emplace(key).first;
    if (stranger) it->second.part = kStranger;
  }
  it->second.last = now;
  return it->second;
}

void RateGuard::sweep(TimePoint now) {
  if (now - swept_ < kForget) return;
  swept_ = now;
  std::erase_if(sources_, [&](const auto& entry) {
    const Source& source = entry.second;
    return now - source.last > (source.refused == TimePoint{} ? kForget : kCalm);
  });
}

void RateGuard::on_flood(Source& source, const Hop& from, TimePoint now) {
  const bool known = source.refused != TimePoint{} && now - source.refused < kCalm;
  source.refused = now;
  // What a stranger sends is counted, not logged.
  if (known || source.part < 1) return;
  log_.warning("requests over the limit, refused until there are fewer",
               {{"protocol", protocol_},
                {"agent", from.place.agent.value},
                {"remote", from.remote.to_string()}});
}

bool RateGuard::hears(const Hop& from, TimePoint now) {
  Source& here = source(from, now);
  if (take(here.messages, here.part * limits_.requests_a_second * kMessages, now)) return true;
  on_flood(here, from, now);
  return false;
}

RateGuard::Verdict RateGuard::admits(const Hop& from, bool new_call, TimePoint now) {
  Source& here = source(from, now);
  const double requests = here.part * limits_.requests_a_second;
  if ((!new_call || take(here.calls, here.part * limits_.new_calls_a_second, now)) &&
      take(here.requests, requests, now))
    return Verdict::Pass;
  on_flood(here, from, now);
  return take(here.refusals, requests * kRefusals, now) ? Verdict::Refuse : Verdict::Drop;
}

}  // namespace sallyport::adapter
