#include "adapter/sip/requester.h"

#include <algorithm>
#include <utility>

#include "adapter/sip/transport.h"
#include "codec/sip/headers.h"

namespace sallyport::adapter::sip {
namespace {

// RFC 3261 18.1.1: a larger request goes over a transport with congestion control.
constexpr std::size_t kLargestDatagram = 1300;
// What did not answer is tried last for so long; RFC 3263 4.3 leaves the time open.
constexpr Duration kAvoidTime = std::chrono::minutes{5};
constexpr std::size_t kMaxAvoided = 256;
// RFC 3261 17.2.1: whoever is there says 100 to an INVITE within 200 ms. This is four transmissions
// (0, 0.5, 1.5, 3.5 s) and the time to answer the last.
constexpr Duration kSilence = 8 * kT1;

}  // namespace

RequestId Requester::begin(Build build, Transactions::ResponseHandler handler,
                           std::string branch_suffix) {
  const RequestId id{++next_id_};
  Request& request = requests_[id];
  request.build = std::move(build);
  request.handler = std::move(handler);
  request.branch_suffix = std::move(branch_suffix);
  return id;
}

RequestId Requester::request(const Target& target, Build build,
                             Transactions::ResponseHandler handler, Commands& out,
                             std::string branch_suffix) {
  const RequestId id = begin(std::move(build), std::move(handler), std::move(branch_suffix));
  locator_.locate(target, out,
                  [this, id](std::vector<Hop> hops, Commands& at) { go(id, std::move(hops), at); });
  return id;
}

RequestId Requester::request(std::vector<Hop> hops, Build build,
                             Transactions::ResponseHandler handler, Commands& out,
                             std::string branch_suffix) {
  const RequestId id = begin(std::move(build), std::move(handler), std::move(branch_suffix));
  go(id, std::move(hops), out);
  return id;
}

void Requester::go(RequestId id, std::vector<Hop> hops, Commands& out) {
  const auto it = requests_.find(id);
  if (it == requests_.end()) return;
  std::stable_partition(hops.begin(), hops.end(), [&](const Hop& hop) {
    const auto avoided = avoided_.find(key_of(hop));
    return avoided == avoided_.end() || avoided->second <= out.now();
  });
  it->second.hops = std::move(hops);
  if (!it->second.hops.empty() && !it->second.cancelled)
    return try_next(id, Errc::Unreachable, out);
  // Not from within request(): its caller does not have the id yet.
  timers_.start(
      Duration::zero(), [this, id](Commands& later) { fail_request(id, Errc::Unreachable, later); },
      out);
}

void Requester::fail_request(RequestId id, Errc why, Commands& out) {
  const auto it = requests_.find(id);
  if (it == requests_.end()) return;
  const auto on_failed = it->second.handler.on_failed;
  end(id, it->second.abandoned_any, out);
  if (on_failed) on_failed(why, out);
}

void Requester::avoid(const Hop& hop, Duration time, Commands& out) {
  if (avoided_.size() >= kMaxAvoided)
    std::erase_if(avoided_, [&](const auto& item) { return item.second <= out.now(); });
  if (avoided_.size() < kMaxAvoided) avoided_[key_of(hop)] = out.now() + time;
}

void Requester::try_next(RequestId id, Errc why, Commands& out) {
  const auto it = requests_.find(id);
  if (it == requests_.end()) return;
  Request& request = it->second;
  if (request.cancelled || request.next >= request.hops.size()) return fail_request(id, why, out);
  std::string text = request.build(request.hops[request.next], out);
  if (const auto other = reliable_instead(request, text.size())) {
    // RFC 3261 18.1.1; the hop itself comes next, should this one fail.
    counters_.add("tcp_for_size");
    request.tried_reliable = true;
    request.hops.insert(request.hops.begin() + static_cast<std::ptrdiff_t>(request.next), *other);
    text = request.build(*other, out);
  }
  const Hop& hop = request.hops[request.next++];
  const std::size_t attempt = request.clients.size();
  request.client = transactions_.request(
      hop, text,
      {.on_response = [this, id, attempt](const wire::Message& response,
                                          Commands& at) { on_response(id, attempt, response, at); },
       .on_failed = [this, id, attempt](Errc error,
                                        Commands& at) { on_failed(id, attempt, error, at); }},
      out, request.branch_suffix);
  request.clients.push_back(request.client);
  request.current = attempt;
  timers_.stop(request.silence_timer);
  if (request.next < request.hops.size() && text.starts_with("INVITE "))
    request.silence_timer = timers_.start(
        kSilence, [this, id](Commands& later) { on_silence(id, later); }, out);
}

// It goes on to the next hop. The silent one may wake up: it is told CANCEL then (RFC 3261 9.1),
// and a 2xx that is quicker than that is one of a fork to whoever asked.
void Requester::on_silence(RequestId id, Commands& out) {
  const auto it = requests_.find(id);
  if (it == requests_.end() || it->second.cancelled || it->second.answered) return;
  Request& request = it->second;
  counters_.add("failover_silent");
  avoid(request.hops[request.current], kAvoidTime, out);
  request.abandoned_any = true;
  transactions_.abandon(request.client, out);
  try_next(id, Errc::NotFound, out);
}

void Requester::on_failed(RequestId id, std::size_t attempt, Errc why, Commands& out) {
  const auto it = requests_.find(id);
  if (it == requests_.end() || it->second.answered || attempt != it->second.current) return;
  // Exhausted: it is we who could not.
  if (why != Errc::Exhausted) avoid(it->second.hops[attempt], kAvoidTime, out);
  try_next(id, why, out);
}

// Outside only: inside, a terminal that has registered by UDP listens to nothing else.
std::optional<Hop> Requester::reliable_instead(const Request& request, std::size_t size) const {
  const Hop& hop = request.hops[request.next];
  if (request.tried_reliable || size <= kLargestDatagram || !hop.place.is_outside() ||
      hop.transport != edge::Transport::Udp)
    return std::nullopt;
  Hop other = hop;
  other.transport = edge::Transport::Tcp;
  if (transport_.has_connection(hop.place, other.transport, hop.remote)) return other;
  for (const Hop& candidate : request.hops)
    if (candidate.transport == other.transport && candidate.remote.ip == hop.remote.ip)
      return candidate;
  return std::nullopt;
}

void Requester::on_response(RequestId id, std::size_t attempt, const wire::Message& response,
                            Commands& out) {
  const auto it = requests_.find(id);
  if (it == requests_.end()) return;
  Request& request = it->second;
  const int status = response.status();
  const Hop& hop = request.hops[attempt];
  if (status != 503) avoided_.erase(key_of(hop));
  const bool accepts = status >= 200 && status < 300;
  if (!accepts && (attempt != request.current || request.answered)) return;
  timers_.stop(request.silence_timer);
  // RFC 3263 4.3: the next server is tried when one says that it cannot.
  if (status == 503 && request.next < request.hops.size() && !request.cancelled) {
    counters_.add("failover");
    // RFC 3261 21.5.4: it says for how long, or means this request only.
    const auto pause =
        wire::parse_leading_number(response.find(wire::HeaderName::RetryAfter).value_or(""));
    if (pause) avoid(hop, std::min<Duration>(seconds{*pause}, kAvoidTime), out);
    return try_next(id, Errc::Unreachable, out);
  }
  if (attempt != request.current && !request.answered) {
    transactions_.cancel(request.clients[request.current], out);
    request.current = attempt;
  }
  request.client = request.clients[attempt];
  const auto on_response = request.handler.on_response;
  // More 2xx may follow an INVITE's first.
  const bool invite = response.method() == wire::Method::Invite;
  if (status >= 200) end(id, (accepts && invite) || request.abandoned_any, out);
  if (on_response) on_response(response, out);
}

// The request is answered or has failed. It is forgotten now or, where a 2xx may come yet, when
// none can.
void Requester::end(RequestId id, bool more_may_come, Commands& out) {
  const auto it = requests_.find(id);
  if (it == requests_.end() || std::exchange(it->second.answered, true)) return;
  timers_.stop(it->second.silence_timer);
  if (!more_may_come) {
    requests_.erase(it);
    return;
  }
  timers_.start(
      k64T1, [this, id](Commands&) { requests_.erase(id); }, out);
}

void Requester::cancel(RequestId id, Commands& out, std::string_view reason) {
  const auto it = requests_.find(id);
  if (it == requests_.end() || it->second.answered) return;
  it->second.cancelled = true;
  if (it->second.client) transactions_.cancel(it->second.client, out, reason);
}

void Requester::forget(RequestId id) {
  const auto it = requests_.find(id);
  if (it == requests_.end()) return;
  for (const ClientId client : it->second.clients) transactions_.forget(client);
  timers_.stop(it->second.silence_timer);
  requests_.erase(it);
}

const Hop* Requester::destination(RequestId id) const {
  const auto it = requests_.find(id);
  return it == requests_.end() ? nullptr : transactions_.destination(it->second.client);
}

std::string_view Requester::sent(RequestId id) const {
  const auto it = requests_.find(id);
  return it == requests_.end() ? std::string_view{} : transactions_.sent(it->second.client);
}

}  // namespace sallyport::adapter::sip
