#include "adapter/h323/ras_requests.h"

#include <utility>
#include <vector>

#include "adapter/claimant.h"
#include "adapter/h323/tree.h"

namespace sallyport::adapter::h323 {

namespace per = codec::per;
using codec::h225::RasMessage;

namespace {

struct Timing {
  Duration patience;
  unsigned repetitions;
};

// H.225.0 Table 6.
Timing timing_of(std::uint16_t kind) {
  switch (kind) {
    case RasMessage::kGatekeeperRequest.kIndex:
    case RasMessage::kAdmissionRequest.kIndex:
    case RasMessage::kLocationRequest.kIndex:
      return {seconds{5}, 2};
    case RasMessage::kUnregistrationRequest.kIndex:
    case RasMessage::kInfoRequest.kIndex:
      return {seconds{3}, 1};
    default:
      return {seconds{3}, 2};
  }
}

// Confirm and reject stand behind each request; IRQ is answered by IRR.
bool answers(std::uint16_t request, std::uint16_t answer) {
  if (request == RasMessage::kInfoRequest.kIndex)
    return answer == RasMessage::kInfoRequestResponse.kIndex;
  if (request == RasMessage::kResourcesAvailableIndicate.kIndex)
    return answer == RasMessage::kResourcesAvailableConfirm.kIndex;
  return answer == request + 1 || answer == request + 2 ||
         answer == RasMessage::kUnknownMessageResponse.kIndex;
}

}  // namespace

void RasRequests::send(per::Message& message, const Hop& to, const std::optional<Sealing>& sealing,
                       Commands& out, OnAnswer on_answer) {
  if (open_.size() >= kMost) {
    stack_.counters.add("ras_requests_too_many");
    return on_answer(nullptr, out);
  }
  // Not one after another: whoever could guess the next one could answer it in another's name.
  std::uint16_t number = 0;
  while (number == 0 || open_.contains(number))
    number = static_cast<std::uint16_t>(stack_.random.below(65536));
  const per::Node request = message.root().chosen();
  const auto sequence = member_named(request.type(), "requestSeqNum");
  message.edit(request).member(*sequence).set(number);

  Request made{.octets = {},
               .to = to,
               .kind = request.member(),
               .left = timing_of(request.member()).repetitions,
               .patience = timing_of(request.member()).patience,
               .sealing = sealing,
               .on_answer = std::move(on_answer)};
  const Result<void> encoded =
      sealing ? h235_.seal(message, request, *sealing, out.wall_now(), made.octets)
              : message.encode(made.octets);
  if (!encoded || !send_(to, made.octets, out)) {
    stack_.counters.add("ras_requests_not_sent");
    return made.on_answer(nullptr, out);
  }
  const Duration patience = made.patience;
  open_.emplace(number, std::move(made));
  wait(number, patience, out);
}

void RasRequests::wait(std::uint16_t number, Duration patience, Commands& out) {
  Request& request = open_.at(number);
  stack_.timers.stop(request.timer);
  request.timer = stack_.timers.start(
      patience, [this, number](Commands& commands) { on_silence(number, commands); }, out);
}

void RasRequests::on_silence(std::uint16_t number, Commands& out) {
  const auto it = open_.find(number);
  if (it == open_.end()) return;
  Request& request = it->second;
  if (request.left == 0 || !send_(request.to, request.octets, out)) {
    stack_.counters.add("ras_requests_unanswered");
    return finish(number, nullptr, out);
  }
  --request.left;
  wait(number, request.patience, out);
}

void RasRequests::finish(std::uint16_t number, const per::Message* answer, Commands& out) {
  auto node = open_.extract(number);
  stack_.timers.stop(node.mapped().timer);
  node.mapped().on_answer(answer, out);
}

bool RasRequests::on_message(const per::Message& message, Bytes octets, const Hop& from,
                             Commands& out) {
  const per::Node answer = message.root().chosen();
  const auto number = static_cast<std::uint16_t>(child_named(answer, "requestSeqNum").integer());
  const auto it = open_.find(number);
  // Whoever has several sockets may answer from another port; and an LRQ that was passed on is
  // answered by another gatekeeper, if it is one that we know.
  const bool anybody = it != open_.end() &&
                       it->second.kind == RasMessage::kLocationRequest.kIndex &&
                       is_upstream(stack_.config.limits.upstreams, from);
  if (it == open_.end() || it->second.to.place != from.place ||
      (!anybody && it->second.to.remote.ip != from.remote.ip))
    return false;
  const bool progress = answer.member() == RasMessage::kRequestInProgress.kIndex;
  if (!progress && !answers(it->second.kind, answer.member())) return false;
  if (it->second.sealing) {
    const Proof proof = h235_.check(message, answer, octets, {}, out.wall_now());
    if (proof.state == Proof::State::Wrong) {
      stack_.counters.add("ras_answers_forged");
      return true;
    }
  }
  if (!progress) {
    finish(number, &message, out);
    return true;
  }
  const auto delay =
      codec::per::View<codec::h225::RequestInProgress>{
          answer}[codec::h225::RequestInProgress::kDelay]
          .integer();
  wait(number, milliseconds{delay} + it->second.patience, out);
  return true;
}

void RasRequests::on_edge_lost(Place place, Commands& out) {
  std::vector<std::uint16_t> lost;
  for (const auto& [number, request] : open_)
    if (request.to.place == place) lost.push_back(number);
  for (const std::uint16_t number : lost) finish(number, nullptr, out);
}

}  // namespace sallyport::adapter::h323
