#include "adapter/sip/refusals.h"

#include <fmt/format.h>

#include <algorithm>

#include "adapter/claimant.h"
#include "codec/sip/headers.h"

namespace sallyport::adapter::sip {
namespace {

constexpr std::string_view kRegistration = "register_";
constexpr std::size_t kLongestIdentity = 128;
constexpr std::size_t kLongestPhrase = 64;

std::string identity_in(const wire::Message& request, wire::HeaderName header) {
  const auto address = wire::NameAddr::parse(request.find(header).value_or(std::string_view{}));
  return address ? std::string{address->uri.text.substr(0, kLongestIdentity)} : std::string{};
}

std::string words(std::string_view counter) {
  if (counter.starts_with(kRegistration)) counter.remove_prefix(kRegistration.size());
  std::string out{counter};
  std::replace(out.begin(), out.end(), '_', ' ');
  return out;
}

}  // namespace

std::string_view Refusals::name_of(Place place) const {
  const auto agent = agents_.find(place);
  return agent == agents_.end() ? std::string_view{"outside"} : agent->second;
}

void Refusals::registration(std::string_view counter, const wire::Message& request, const Hop& from,
                            TimePoint now) {
  counters_.add(counter);
  const std::string identity = identity_in(request, wire::HeaderName::To);
  const std::string source = source_network(from.remote.ip).to_string();
  LogLimiter& limiter = from.place.is_outside() ? registrations_outside_ : registrations_inside_;
  const auto left_out = limiter.may_log(
      fmt::format("{} {} {} {}", counter, identity, from.place.agent.value, source), now);
  if (!left_out) return;
  log_.warning("registration refused", {{"identity", identity},
                                        {"agent", name_of(from.place)},
                                        {"address", from.remote.to_string()},
                                        {"why", words(counter)},
                                        {"more_before", *left_out}});
}

LogLimiter& Refusals::call_log(const Hop& from) {
  if (!from.place.is_outside()) return calls_inside_;
  return is_upstream(upstreams_, from) ? calls_of_upstreams_ : calls_of_strangers_;
}

void Refusals::call(const Call& refused, TimePoint now) {
  const bool ours = !refused.why.empty();
  const std::string counter =
      ours ? std::string{refused.why} : fmt::format("other_side_{}", refused.status);
  calls_.add(counter);
  // As it was dialled: that may not be what the caller calls it.
  const std::string to{refused.request.request_uri().substr(0, kLongestIdentity)};
  const std::string caller = identity_in(refused.request, wire::HeaderName::From);
  const Hop& from = refused.from;
  const std::string source = source_network(from.remote.ip).to_string();
  const auto left_out = call_log(from).may_log(
      fmt::format("{} {} {} {} {}", counter, caller, to, from.place.agent.value, source), now);
  if (!left_out) return;
  log_.info(refused.is_change ? "change of a call refused" : "call refused",
            {{"from", caller},
             {"to", to},
             {"agent", name_of(from.place)},
             {"address", from.remote.to_string()},
             {"status", refused.status},
             {"why", ours ? words(refused.why)
                          : fmt::format("the other side says: {}",
                                        refused.phrase.substr(0, kLongestPhrase))},
             {"more_before", *left_out}});
}

}  // namespace sallyport::adapter::sip
