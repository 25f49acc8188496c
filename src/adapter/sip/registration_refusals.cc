#include "adapter/sip/registration_refusals.h"

#include <fmt/format.h>

#include <algorithm>

#include "adapter/throttle.h"
#include "codec/sip/headers.h"

namespace sallyport::adapter::sip {
namespace {

constexpr std::string_view kPrefix = "register_";
constexpr std::size_t kLongestIdentity = 128;

// Whom it wanted to register, as it said so.
std::string identity_of(const wire::Message& request) {
  const auto to =
      wire::NameAddr::parse(request.find(wire::HeaderName::To).value_or(std::string_view{}));
  return to ? std::string{to->uri.text.substr(0, kLongestIdentity)} : std::string{};
}

std::string words(std::string_view counter) {
  if (counter.starts_with(kPrefix)) counter.remove_prefix(kPrefix.size());
  std::string out{counter};
  std::replace(out.begin(), out.end(), '_', ' ');
  return out;
}

}  // namespace

void RegistrationRefusals::add(std::string_view counter, const wire::Message& request,
                               const Hop& from, TimePoint now) {
  counters_.add(counter);
  const std::string identity = identity_of(request);
  LogLimiter& limiter = from.place.is_outside() ? outside_ : inside_;
  const std::string source = suspect_of({}, from).host.to_string();
  const auto left_out = limiter.may_log(
      fmt::format("{} {} {} {}", counter, identity, from.place.agent.value, source), now);
  if (!left_out) return;
  const auto agent = agents_.find(from.place);
  log_.warning("registration refused",
               {{"identity", identity},
                {"agent", agent == agents_.end() ? std::string_view{"outside"} : agent->second},
                {"address", from.remote.to_string()},
                {"why", words(counter)},
                {"more_before", *left_out}});
}

}  // namespace sallyport::adapter::sip
