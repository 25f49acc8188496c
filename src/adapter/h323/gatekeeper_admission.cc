// Who may call whom: admission, bandwidth, the end of calls, location, and what endpoints tell
// meanwhile.
#include <algorithm>
#include <memory>
#include <utility>

#include "adapter/h323/alias_codec.h"
#include "adapter/h323/gatekeeper.h"
#include "adapter/h323/ras_messages.h"
#include "codec/h323/addresses.h"

namespace sallyport::adapter::h323 {

namespace per = codec::per;
namespace h225 = codec::h225;
using h225::RasMessage;
using Reason = h225::AdmissionRejectReason;

namespace {

constexpr unsigned kMostHops = 8;

std::string trimmed(std::string text) {
  while (!text.empty() && text.back() == '\0') text.pop_back();
  return text;
}

CallIdentifier call_of(per::Node body) {
  CallIdentifier out{};
  const Bytes guid = child_named(child_named(body, "callIdentifier"), "guid").octets();
  if (guid.size() == out.size()) std::copy(guid.begin(), guid.end(), out.begin());
  return out;
}

std::uint16_t admission_reason(Refusal refusal) {
  switch (refusal) {
    case Refusal::CalledPartyNotRegistered:
    case Refusal::CalledPartyAway:
      return Reason::kCalledPartyNotRegistered.kIndex;
    case Refusal::CallerNotRegistered:
      return Reason::kCallerNotRegistered.kIndex;
    case Refusal::NotPermitted:
      return Reason::kInvalidPermission.kIndex;
    case Refusal::SecurityDenial:
      return Reason::kSecurityDenial.kIndex;
    case Refusal::IncompleteAddress:
      return Reason::kIncompleteAddress.kIndex;
    case Refusal::AddressUnusable:
      return Reason::kRequestDenied.kIndex;
    case Refusal::NoResources:
      return Reason::kResourceUnavailable.kIndex;
    case Refusal::Unreachable:
      break;
  }
  return Reason::kNoRouteToDestination.kIndex;
}

std::uint16_t location_reason(Refusal refusal) {
  using Location = h225::LocationRejectReason;
  switch (refusal) {
    case Refusal::NotPermitted:
      return Location::kInvalidPermission.kIndex;
    case Refusal::SecurityDenial:
      return Location::kSecurityDenial.kIndex;
    case Refusal::IncompleteAddress:
      return Location::kIncompleteAddress.kIndex;
    case Refusal::NoResources:
      return Location::kResourceUnavailable.kIndex;
    case Refusal::Unreachable:
      return Location::kNoRouteToDestination.kIndex;
    default:
      return Location::kNotRegistered.kIndex;
  }
}

}  // namespace

// ---- Admission ----

void Gatekeeper::on_admission(Request& request, Commands& out) {
  using Asks = h225::AdmissionRequest;
  const per::View<Asks> asks{request.body};
  const Endpoint* endpoint = nullptr;
  switch (check_sender(request, endpoint, out)) {
    case Sender::Unknown:
      return reject(request.asked, Reason::kCallerNotRegistered.kIndex, out);
    case Sender::Denied:
      return reject(request.asked, Reason::kSecurityDenial.kIndex, out);
    case Sender::Known:
      break;
  }
  if (needs_feature(request))
    return reject(request.asked, Reason::kNeededFeatureNotSupported.kIndex, out);
  const std::int64_t bandwidth = asks[Asks::kBandWidth].integer();
  if (asks[Asks::kAnswerCall].boolean()) {
    // A call that does not come through us has to (H.323 8.1.5).
    if (calls_ == nullptr || !calls_->rings(endpoint->id, call_of(request.body)))
      return reject(request.asked, Reason::kRouteCallToGatekeeper.kIndex, out);
    return admit(request.asked, bandwidth, out);
  }

  CallQuery query;
  query.from = request.asked.from;
  query.called = read_aliases(asks[Asks::kDestinationInfo]);
  query.address = codec::h323::address(asks[Asks::kDestCallSignalAddress]);
  if (query.address == our_call_address(query.from)) query.address.reset();
  query.caller = read_aliases(asks[Asks::kSrcInfo]);
  query.endpoint = endpoint->id;
  query.call = call_of(request.body);
  query.can_overlap = true;
  find(request.asked, query, out,
       [this, bandwidth](const Asked& asked, const Found& found, Commands& commands) {
         if (!found.destinations.empty()) return admit(asked, bandwidth, commands);
         const Refusal why = found.refusal.value_or(Refusal::CalledPartyNotRegistered);
         reject(asked, admission_reason(why), commands);
       });
}

// Asks where it goes, and tells whoever asks to be patient if that takes a while.
void Gatekeeper::find(const Asked& asked, const CallQuery& query, Commands& out,
                      const OnFoundFor& on_found) {
  const auto answered = std::make_shared<bool>(false);
  destinations_.find(query, out,
                     [asked, answered, on_found](const Found& found, Commands& commands) {
                       *answered = true;
                       on_found(asked, found, commands);
                     });
  if (!*answered) put_on_hold(asked, out);
}

void Gatekeeper::admit(const Asked& asked, std::int64_t bandwidth, Commands& out) {
  using Confirm = h225::AdmissionConfirm;
  Message message;
  auto confirm = begin_ras(message, RasMessage::kAdmissionConfirm, asked.sequence);
  confirm[Confirm::kBandWidth].set(allowed_bandwidth(bandwidth));
  (void)confirm[Confirm::kCallModel][h225::CallModel::kGatekeeperRouted];
  codec::h323::set_address(confirm[Confirm::kDestCallSignalAddress], our_call_address(asked.from));
  confirm[Confirm::kWillRespondToIRR].set(1);
  // It reports nothing: we see every message.
  auto reports = confirm[Confirm::kUuiesRequested];
  for (std::uint16_t i = 0; i < h225::UUIEsRequested::kSchema->root_count; ++i)
    static_cast<per::NodeEdit&>(reports).member(i).set(0);
  answer(asked, message, out);
}

// In units of 100 bit/s, both directions together (H.225.0 7.11.1).
std::int64_t Gatekeeper::allowed_bandwidth(std::int64_t asked) const {
  const std::uint64_t most = stack_.config.limits.bandwidth_per_call;
  if (most >= std::uint64_t{1} << 40U) return asked;
  return std::min(asked, static_cast<std::int64_t>(most / 50));
}

void Gatekeeper::on_bandwidth(Request& request, Commands& out) {
  using Asks = h225::BandwidthRequest;
  using Why = h225::BandRejectReason;
  const std::int64_t asked = per::View<Asks>{request.body}[Asks::kBandWidth].integer();
  const std::int64_t allowed = allowed_bandwidth(asked);
  const auto refuse = [&](std::uint16_t reason) {
    Message message;
    begin_reject(message, request.asked, reason);
    const auto body = message.root<RasMessage>()[RasMessage::kBandwidthReject];
    message.edit(body)[h225::BandwidthReject::kAllowedBandWidth].set(allowed);
    answer(request.asked, message, out);
  };
  const Endpoint* endpoint = nullptr;
  switch (check_sender(request, endpoint, out)) {
    case Sender::Unknown:
      return refuse(Why::kNotBound.kIndex);
    case Sender::Denied:
      return refuse(Why::kSecurityDenial.kIndex);
    case Sender::Known:
      break;
  }
  if (allowed < asked) return refuse(Why::kInsufficientResources.kIndex);
  Message message;
  auto confirm = begin_ras(message, RasMessage::kBandwidthConfirm, request.asked.sequence);
  confirm[h225::BandwidthConfirm::kBandWidth].set(asked);
  answer(request.asked, message, out);
}

// ---- The end of calls ----

void Gatekeeper::on_disengage(Request& request, Commands& out) {
  using Why = h225::DisengageRejectReason;
  const Endpoint* endpoint = nullptr;
  switch (check_sender(request, endpoint, out)) {
    case Sender::Unknown:
      return reject(request.asked, Why::kNotRegistered.kIndex, out);
    case Sender::Denied:
      return reject(request.asked, Why::kSecurityDenial.kIndex, out);
    case Sender::Known:
      break;
  }
  const std::string id = endpoint->id;
  Message message;
  begin_ras(message, RasMessage::kDisengageConfirm, request.asked.sequence);
  answer(request.asked, message, out);
  if (calls_ != nullptr) calls_->on_disengaged(id, call_of(request.body), out);
}

void Gatekeeper::disengage(const std::string& id, const CallIdentifier& call,
                           std::uint16_t call_reference, Commands& out) {
  const Endpoint* endpoint = endpoints_.find(id);
  if (endpoint == nullptr) return;
  using Asks = h225::DisengageRequest;
  Message message;
  auto request = begin_ras(message, RasMessage::kDisengageRequest, 1);
  request[Asks::kEndpointIdentifier].set_text(id);
  request[Asks::kConferenceID].set_octets(call);
  request[Asks::kCallReferenceValue].set(call_reference);
  (void)request[Asks::kDisengageReason][h225::DisengageReason::kForcedDrop];
  request[Asks::kCallIdentifier][h225::CallIdentifier::kGuid].set_octets(call);
  request[Asks::kGatekeeperIdentifier].set_text(stack_.config.gatekeeper);
  request[Asks::kAnsweredCall].set(0);
  requests_.send(message, hop_to(*endpoint), endpoint->sealing, out,
                 [](const Message*, Commands&) {});
}

void Gatekeeper::on_call_over(const Destination& destination, const CallIdentifier& /*call*/,
                              Commands& out) {
  relays_.give_back(destination.grant, out);
}

// ---- Location ----

void Gatekeeper::on_location(Request& request, Commands& out) {
  using Asks = h225::LocationRequest;
  const per::View<Asks> asks{request.body};
  using Why = h225::LocationRejectReason;
  const auto hops = asks[Asks::kHopCount].integer(kMostHops);
  const auto reply = codec::h323::address(asks[Asks::kReplyAddress]);
  // One that was passed on is answered where it began, if that is known to us.
  if (reply && reply->port != 0 &&
      (reply->ip == request.asked.from.remote.ip ||
       is_upstream(stack_.config.limits.upstreams, request.asked.from)))
    request.asked.reply_to = *reply;
  if (needs_feature(request))
    return reject(request.asked, Why::kNeededFeatureNotSupported.kIndex, out);
  if (hops <= 0) return reject(request.asked, Why::kHopCountExceeded.kIndex, out);

  CallQuery query;
  query.from = request.asked.from;
  query.called = read_aliases(asks[Asks::kDestinationInfo]);
  query.caller = read_aliases(asks[Asks::kSourceInfo]);
  query.endpoint = trimmed(asks[Asks::kEndpointIdentifier].text());
  const bool multicast = request.multicast;
  find(request.asked, query, out,
       [this, multicast](const Asked& asked, const Found& found, Commands& commands) {
         if (found.destinations.empty()) {
           // H.225.0 7.13.3: whoever cannot help does not answer a multicast.
           if (multicast) return ignore(asked);
           const Refusal why = found.refusal.value_or(Refusal::CalledPartyNotRegistered);
           return reject(asked, location_reason(why), commands);
         }
         using Confirm = h225::LocationConfirm;
         Message message;
         auto confirm = begin_ras(message, RasMessage::kLocationConfirm, asked.sequence);
         codec::h323::set_address(confirm[Confirm::kCallSignalAddress],
                                  our_call_address(asked.from));
         codec::h323::set_address(confirm[Confirm::kRasAddress], our_ras_address(asked.from));
         answer(asked, message, commands);
       });
}

// ---- What endpoints tell ----

void Gatekeeper::on_info_response(Request& request, Commands& out) {
  using Asks = h225::InfoRequestResponse;
  const per::View<Asks> asks{request.body};
  if (!asks[Asks::kNeedResponse].boolean()) return ignore(request.asked);
  const Endpoint* endpoint = nullptr;
  const Sender sender = check_sender(request, endpoint, out);
  Message message;
  if (sender == Sender::Known) {
    begin_ras(message, RasMessage::kInfoRequestAck, request.asked.sequence);
    return answer(request.asked, message, out);
  }
  auto refusal = begin_ras(message, RasMessage::kInfoRequestNak, request.asked.sequence);
  auto reason = refusal[h225::InfoRequestNak::kNakReason];
  using Why = h225::InfoRequestNakReason;
  if (sender == Sender::Denied) {
    (void)reason[Why::kSecurityDenial];
  } else {
    (void)reason[Why::kNotRegistered];
  }
  answer(request.asked, message, out);
}

// A gateway that is almost full is not called until it says otherwise.
void Gatekeeper::on_resources(Request& request, Commands& out) {
  using Asks = h225::ResourcesAvailableIndicate;
  const per::View<Asks> asks{request.body};
  const Endpoint* endpoint = nullptr;
  // There is no reject for it.
  if (check_sender(request, endpoint, out) != Sender::Known) return ignore(request.asked);
  endpoints_.find(endpoint->id)->exhausted = asks[Asks::kAlmostOutOfResources].boolean();
  Message message;
  begin_ras(message, RasMessage::kResourcesAvailableConfirm, request.asked.sequence);
  answer(request.asked, message, out);
}

void Gatekeeper::on_service_control(Request& request, Commands& out) {
  Message message;
  auto response = begin_ras(message, RasMessage::kServiceControlResponse, request.asked.sequence);
  using Result = h225::ServiceControlResponse::Result;
  (void)response[h225::ServiceControlResponse::kResult][Result::kNotAvailable];
  answer(request.asked, message, out);
}

}  // namespace sallyport::adapter::h323
