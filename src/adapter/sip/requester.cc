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
  const auto node = requests_.extract(id);
  if (!node.empty() && node.mapped().handler.on_failed) node.mapped().handler.on_failed(why, out);
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
  const Hop hop = request.hops[request.next++];
  request.client = transactions_.request(
      hop, text,
      {.on_response = [this, id](const wire::Message& response,
                                 Commands& at) { on_response(id, response, at); },
       .on_failed =
           [this, id, hop](Errc error, Commands& at) {
             // Exhausted: it is we who could not.
             if (error != Errc::Exhausted) avoid(hop, kAvoidTime, at);
             try_next(id, error, at);
           }},
      out, request.branch_suffix);
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

void Requester::on_response(RequestId id, const wire::Message& response, Commands& out) {
  const auto it = requests_.find(id);
  if (it == requests_.end()) return;
  Request& request = it->second;
  const int status = response.status();
  const Hop& hop = request.hops[request.next - 1];
  if (status != 503) avoided_.erase(key_of(hop));
  // RFC 3263 4.3: the next server is tried when one says that it cannot.
  if (status == 503 && request.next < request.hops.size() && !request.cancelled) {
    counters_.add("failover");
    // RFC 3261 21.5.4: it says for how long, or means this request only.
    const auto pause =
        wire::parse_leading_number(response.find(wire::HeaderName::RetryAfter).value_or(""));
    if (pause) avoid(hop, std::min<Duration>(seconds{*pause}, kAvoidTime), out);
    return try_next(id, Errc::Unreachable, out);
  }
  const auto on_response = request.handler.on_response;
  if (status >= 200) {
    // More 2xx may follow an INVITE's first.
    const bool more = status < 300 && response.method() == wire::Method::Invite;
    if (!more) {
      requests_.erase(it);
    } else if (!std::exchange(request.accepted, true)) {
      timers_.start(
          k64T1, [this, id](Commands&) { requests_.erase(id); }, out);
    }
  }
  if (on_response) on_response(response, out);
}

void Requester::cancel(RequestId id, Commands& out, std::string_view reason) {
  const auto it = requests_.find(id);
  if (it == requests_.end() || it->second.accepted) return;
  it->second.cancelled = true;
  if (it->second.client) transactions_.cancel(it->second.client, out, reason);
}

void Requester::forget(RequestId id) {
  const auto it = requests_.find(id);
  if (it == requests_.end()) return;
  transactions_.forget(it->second.client);
  requests_.erase(it);
}

const Hop* Requester::destination(RequestId id) const {
  const auto it = requests_.find(id);
  return it == requests_.end() ? nullptr : transactions_.destination(it->second.client);
}

}  // namespace sallyport::adapter::sip
