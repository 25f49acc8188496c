#include "adapter/h323/gatekeeper.h"

#include <algorithm>
#include <utility>

#include "adapter/h323/ras_messages.h"
#include "adapter/h323/tree.h"
#include "codec/h323/addresses.h"
#include "codec/h323/messages.h"

namespace sallyport::adapter::h323 {

namespace per = codec::per;
namespace h225 = codec::h225;
using h225::RasMessage;

namespace {

// A datagram that nobody needs to send. The largest that real endpoints send have a few hundred
// octets, with many aliases and tokens a few thousand.
constexpr per::Limits kReadLimits{.octets = std::size_t{16} * 1024, .nodes = 2048, .depth = 24};
constexpr std::size_t kMostEchoed = 1024;
constexpr Duration kHold = seconds{10};  // asked for by RIP

bool is_request(std::uint16_t kind) {
  switch (kind) {
    case RasMessage::kGatekeeperRequest.kIndex:
    case RasMessage::kRegistrationRequest.kIndex:
    case RasMessage::kUnregistrationRequest.kIndex:
    case RasMessage::kAdmissionRequest.kIndex:
    case RasMessage::kBandwidthRequest.kIndex:
    case RasMessage::kDisengageRequest.kIndex:
    case RasMessage::kLocationRequest.kIndex:
    case RasMessage::kInfoRequest.kIndex:
    case RasMessage::kInfoRequestResponse.kIndex:
    case RasMessage::kNonStandardMessage.kIndex:
    case RasMessage::kResourcesAvailableIndicate.kIndex:
    case RasMessage::kServiceControlIndication.kIndex:
      return true;
    default:
      return kind > RasMessage::kAdmissionConfirmSequence.kIndex;  // of a later version
  }
}

// Of a reject: what is said when there is too much of everything.
std::optional<std::uint16_t> reason_for_load(std::uint16_t request) {
  switch (request) {
    case RasMessage::kGatekeeperRequest.kIndex:
      return h225::GatekeeperRejectReason::kResourceUnavailable.kIndex;
    case RasMessage::kRegistrationRequest.kIndex:
      return h225::RegistrationRejectReason::kResourceUnavailable.kIndex;
    case RasMessage::kAdmissionRequest.kIndex:
      return h225::AdmissionRejectReason::kResourceUnavailable.kIndex;
    case RasMessage::kLocationRequest.kIndex:
      return h225::LocationRejectReason::kResourceUnavailable.kIndex;
    default:
      return std::nullopt;
  }
}

// The alternative of a request's reject, if it has one.
std::optional<std::uint16_t> reject_of(std::uint16_t request) {
  switch (request) {
    case RasMessage::kGatekeeperRequest.kIndex:
    case RasMessage::kRegistrationRequest.kIndex:
    case RasMessage::kUnregistrationRequest.kIndex:
    case RasMessage::kAdmissionRequest.kIndex:
    case RasMessage::kBandwidthRequest.kIndex:
    case RasMessage::kDisengageRequest.kIndex:
    case RasMessage::kLocationRequest.kIndex:
      return static_cast<std::uint16_t>(request + 2);
    default:
      return std::nullopt;
  }
}

}  // namespace

Gatekeeper::Gatekeeper(Stack& stack, Endpoints& endpoints, const brain::Users& users,
                       Destinations& destinations, H235& h235, RasRequests& requests,
                       Relays& relays, SendRas send, Throttle::Limits throttle)
    : stack_(stack),
      endpoints_(endpoints),
      users_(users),
      destinations_(destinations),
      send_(std::move(send)),
      h235_(h235),
      requests_(requests),
      relays_(relays),
      throttle_(throttle) {
  relays_.set_on_lost([this](const std::string& endpoint, Commands& out) {
    dismiss(endpoint, h225::UnregRequestReason::kReregistrationRequired.kIndex, out);
  });
}

// ---- What comes ----

void Gatekeeper::on_datagram(const Hop& from, bool multicast, Bytes datagram, Commands& out) {
  if (!stack_.guard.hears(from, out.now())) return stack_.counters.add("ras_not_heard");
  if (!codec::h323::decode<RasMessage>(message_, datagram, kReadLimits))
    return multicast ? stack_.counters.add("ras_malformed") : on_unreadable(from, datagram, out);
  const Node body = message_.root().chosen();
  const std::int64_t sequence = child_named(body, "requestSeqNum").integer();
  if (requests_.on_message(message_, datagram, from, out)) return;

  Request request{
      .message = message_, .body = body, .octets = datagram, .multicast = multicast, .asked = {}};
  request.asked.from = from;
  request.asked.reply_to = from.remote;
  request.asked.kind = body.member();
  request.asked.sequence = static_cast<std::uint16_t>(sequence);
  request.asked.key = {from.place, from.remote, request.asked.sequence};
  if (!is_request(request.asked.kind)) return stack_.counters.add("ras_unexpected_answers");
  switch (answers_.on_request(request.asked.key, datagram, out.now())) {
    case RasAnswers::Seen::Answered:
      stack_.counters.add("ras_repetitions");
      // Empty: it was one that is not answered.
      if (const Bytes before = answers_.answer(request.asked.key); !before.empty())
        send_(from, before, out);
      return;
    case RasAnswers::Seen::Waiting:
      stack_.counters.add("ras_repetitions");
      return put_on_hold(request.asked, out);
    case RasAnswers::Seen::New:
      break;
  }
  switch (stack_.guard.admits(from, request.asked.kind == RasMessage::kAdmissionRequest.kIndex,
                              out.now())) {
    case RateGuard::Verdict::Drop:
      return stack_.counters.add("ras_dropped");
    case RateGuard::Verdict::Refuse:
      stack_.counters.add("ras_over_rate");
      if (const auto reason = reason_for_load(request.asked.kind))
        reject(request.asked, *reason, out);
      return;
    case RateGuard::Verdict::Pass:
      break;
  }
  dispatch(request, out);
}

void Gatekeeper::dispatch(Request& request, Commands& out) {
  Message from_us;
  if (relays_.on_request(request.asked.from, request.body, request.asked.sequence, from_us, out))
    return answer(request.asked, from_us, out);
  switch (request.asked.kind) {
    case RasMessage::kGatekeeperRequest.kIndex:
      return on_discovery(request, out);
    case RasMessage::kRegistrationRequest.kIndex:
      return on_registration(request, out);
    case RasMessage::kUnregistrationRequest.kIndex:
      return on_unregistration(request, out);
    case RasMessage::kAdmissionRequest.kIndex:
      return on_admission(request, out);
    case RasMessage::kBandwidthRequest.kIndex:
      return on_bandwidth(request, out);
    case RasMessage::kDisengageRequest.kIndex:
      return on_disengage(request, out);
    case RasMessage::kLocationRequest.kIndex:
      return on_location(request, out);
    case RasMessage::kInfoRequestResponse.kIndex:
      return on_info_response(request, out);
    case RasMessage::kResourcesAvailableIndicate.kIndex:
      return on_resources(request, out);
    case RasMessage::kServiceControlIndication.kIndex:
      return on_service_control(request, out);
    default:
      return on_unknown(request.asked, request.octets, out);
  }
}

// A message that cannot be read, or is of none that a gatekeeper is sent.
void Gatekeeper::on_unreadable(const Hop& from, Bytes datagram, Commands& out) {
  stack_.counters.add("ras_malformed");
  if (stack_.guard.admits(from, false, out.now()) != RateGuard::Verdict::Pass) return;
  Asked asked;
  asked.from = from;
  asked.reply_to = from.remote;
  asked.sequence = 1;  // what it was is not known
  on_unknown(asked, datagram, out);
}

void Gatekeeper::on_unknown(const Asked& asked, Bytes datagram, Commands& out) {
  stack_.counters.add("ras_not_understood");
  Message message;
  auto response = begin_ras(message, RasMessage::kUnknownMessageResponse, asked.sequence);
  response[h225::UnknownMessageResponse::kMessageNotUnderstood].set_octets(
      datagram.first(std::min(datagram.size(), kMostEchoed)));
  answer(asked, message, out);
}

// ---- What is answered ----

void Gatekeeper::answer(const Asked& asked, Message& message, Commands& out) {
  Buffer octets;
  const Node body = message.root().chosen();
  const Result<void> encoded =
      asked.sealing ? h235_.seal(message, body, *asked.sealing, out.wall_now(), octets)
                    : message.encode(octets);
  if (!encoded) {
    stack_.log.error("ras answer cannot be encoded",
                     {{"message", body.name()}, {"why", encoded.error().what}});
    return;
  }
  answers_.on_answered(asked.key, octets);
  Hop to = asked.from;
  to.remote = asked.reply_to;
  if (!send_(to, octets, out)) stack_.counters.add("ras_answers_not_sent");
}

void Gatekeeper::ignore(const Asked& asked) { answers_.on_answered(asked.key, {}); }

void Gatekeeper::reject(const Asked& asked, std::uint16_t reason, Commands& out) {
  Message message;
  if (!reject_of(asked.kind)) return ignore(asked);
  begin_reject(message, asked, reason);
  answer(asked, message, out);
}

per::NodeEdit Gatekeeper::begin_reject(Message& message, const Asked& asked, std::uint16_t reason) {
  const std::uint16_t kind = *reject_of(asked.kind);
  per::NodeEdit body = begin_ras(message, kind, asked.sequence);
  per::NodeEdit chosen =
      body.member(*member_named(body.node().type(), "rejectReason")).member(reason);
  stack_.counters.add(std::string{RasMessage::kSchema->members[kind].name} + "_" +
                      std::string{chosen.node().name()});
  return chosen;
}

// The answer waits for somebody else: whoever asks is told to be patient (H.225.0 7.16).
void Gatekeeper::put_on_hold(const Asked& asked, Commands& out) {
  Message message;
  auto progress = begin_ras(message, RasMessage::kRequestInProgress, asked.sequence);
  progress[h225::RequestInProgress::kDelay].set(
      std::chrono::duration_cast<milliseconds>(kHold).count());
  Buffer octets;
  if (!message.encode(octets)) return;
  Hop to = asked.from;
  to.remote = asked.reply_to;
  send_(to, octets, out);
}

// H.225.0 7.2.2 and H.460.1: who needs what we have not is told so. We have none of H.460; what is
// merely supported or desired is declined by not being mentioned.
bool Gatekeeper::needs_feature(const Request& request) const {
  return !child_named(child_named(request.body, "featureSet"), "neededFeatures")
              .first_child()
              .is_absent();
}

// ---- Who says it ----

Gatekeeper::Sender Gatekeeper::check_sender(Request& request, const Endpoint*& endpoint,
                                            Commands& out) {
  std::string id = child_named(request.body, "endpointIdentifier").text();
  while (!id.empty() && id.back() == '\0') id.pop_back();
  const Hop& from = request.asked.from;
  endpoint = endpoints_.find(id);
  // URQ may name it by its address instead (H.225.0 7.10.1).
  if (endpoint == nullptr && id.empty())
    if (const auto address =
            codec::h323::address(child_named(request.body, "callSignalAddress").first_child()))
      endpoint = endpoints_.find_at(from.place, *address);
  if (endpoint == nullptr || endpoint->place != from.place) return Sender::Unknown;
  const bool from_there =
      from.remote.ip == endpoint->ras.ip || from.remote.ip == endpoint->signalling.ip;
  const Proof proof = prove(request, {endpoint->user}, out);
  const bool proven = proof.state == Proof::State::Good && proof.user == endpoint->user;
  if (proven) request.asked.sealing = proof.sealing;
  // What signs everything leaves nothing unsigned; other tokens are for registration first of all.
  if (!proven && (endpoint->sealing || proof.state == Proof::State::Wrong)) return Sender::Denied;
  return proven || from_there ? Sender::Known : Sender::Unknown;
}

// Guessing is slowed down.
Proof Gatekeeper::prove(const Request& request, const std::vector<std::string>& known_as,
                        Commands& out) {
  Proof proof =
      h235_.check(request.message, request.body, request.octets, known_as, out.wall_now());
  if (proof.state != Proof::State::Good && proof.state != Proof::State::Wrong) return proof;
  const Hop& from = request.asked.from;
  const Suspect suspect = suspect_of(throttled_as(proof.user), from);
  if (throttle_.blocked(suspect, out.now())) {
    proof.state = Proof::State::Wrong;
  } else if (proof.state == Proof::State::Good) {
    throttle_.on_success(suspect);
  } else if (throttle_.on_failure(suspect, out.now())) {
    stack_.log.warning("h323 user is blocked for a while after wrong passwords",
                       {{"user", proof.user},
                        {"agent", from.place.agent.value},
                        {"remote", from.remote.to_string()}});
  }
  return proof;
}

bool Gatekeeper::is_registered(const Hop& from) const {
  return endpoints_.is_host(from.place, from.remote.ip);
}

}  // namespace sallyport::adapter::h323
