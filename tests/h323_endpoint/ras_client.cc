#include "h323_endpoint/ras_client.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "codec/h323/addresses.h"
#include "h323_endpoint/proof.h"

namespace sallyport::h323_endpoint {

namespace h225 = codec::h225;
namespace per = codec::per;
using codec::h323::address;
using codec::h323::set_address;

namespace {

constexpr Duration kRepeatAfter = seconds{2};
constexpr unsigned kTries = 4;
constexpr std::uint32_t kBandwidth = 1280;

// Every answer has its request's number as its first component.
std::uint16_t number_of(per::Node body) {
  return static_cast<std::uint16_t>(body.first_child().integer());
}

std::string reason_of(per::Node body) {
  for (per::Node node = body.first_child(); node; node = node.next())
    if (node.name() == "rejectReason") return std::string{node.chosen().name()};
  return std::string{body.name()};
}

}  // namespace

RasClient::RasClient(net::Network& network, const IpAddress& own, const Settings& settings,
                     Random& random, OnEvent on_event)
    : network_(network),
      own_(own),
      settings_(settings),
      random_(random),
      on_event_(std::move(on_event)) {}

void RasClient::start() {
  if (!socket_) {
    auto socket = network_.open_datagrams(
        {own_, settings_.ras_port}, {},
        [this](const TransportAddress& from, const IpAddress&, Bytes b) { on_datagram(from, b); });
    if (!socket) return on_event_("complaint", "the RAS port is taken");
    socket_ = std::move(*socket);
  }
  gatekeeper_ = *settings_.gatekeeper;
  settings_.discovers ? discover() : send_registration(false);
}

// ---- Requests ----

void RasClient::discover() {
  using T = h225::GatekeeperRequest;
  const std::uint16_t number = next_number_++;
  per::Message message;
  auto request = message.make<RasMessage>()[RasMessage::kGatekeeperRequest];
  request[T::kRequestSeqNum].set(number);
  request[T::kProtocolIdentifier].set_octets(protocol_identifier(settings_));
  set_address(request[T::kRasAddress], {own_, socket_->local().port});
  write_endpoint_type(request[T::kEndpointType], settings_);
  write_alias(request[T::kEndpointAlias].append(), settings_.name);
  write_capability(request, settings_);
  send(number, std::move(message), [this](per::View<RasMessage> answer) {
    using Confirm = h225::GatekeeperConfirm;
    const auto confirm = answer[RasMessage::kGatekeeperConfirm];
    if (!confirm) return on_event_("not-registered", reason_of(answer.chosen()));
    if (const auto ras = address(confirm[Confirm::kRasAddress])) gatekeeper_ = *ras;
    gatekeeper_identifier_ = confirm[Confirm::kGatekeeperIdentifier].text();
    on_event_("discovered", gatekeeper_identifier_);
    send_registration(false);
  });
}

void RasClient::send_registration(bool keep_alive) {
  using T = h225::RegistrationRequest;
  const std::uint16_t number = next_number_++;
  per::Message message;
  auto request = message.make<RasMessage>()[RasMessage::kRegistrationRequest];
  request[T::kRequestSeqNum].set(number);
  request[T::kProtocolIdentifier].set_octets(protocol_identifier(settings_));
  request[T::kDiscoveryComplete].set(settings_.discovers ? 1 : 0);
  set_address(request[T::kCallSignalAddress].append(), {own_, settings_.call_port});
  set_address(request[T::kRasAddress].append(), {own_, socket_->local().port});
  write_endpoint_type(request[T::kTerminalType], settings_);
  auto vendor = request[T::kEndpointVendor][h225::VendorIdentifier::kVendor];
  vendor[h225::H221NonStandard::kT35CountryCode].set(9);
  vendor[h225::H221NonStandard::kT35Extension].set(0);
  vendor[h225::H221NonStandard::kManufacturerCode].set(61);
  if (!gatekeeper_identifier_.empty())
    request[T::kGatekeeperIdentifier].set_text(gatekeeper_identifier_);
  if (!keep_alive) {
    write_alias(request[T::kTerminalAlias].append(), settings_.name);
    for (const std::string& digits : settings_.numbers)
      write_alias(request[T::kTerminalAlias].append(), digits);
    if (!settings_.url.empty()) write_alias(request[T::kTerminalAlias].append(), settings_.url);
  }
  if (settings_.version >= 2) {
    request[T::kTimeToLive].set(settings_.time_to_live);
    request[T::kKeepAlive].set(keep_alive ? 1 : 0);
    if (keep_alive) request[T::kEndpointIdentifier].set_text(endpoint_);
    request[T::kWillSupplyUUIEs].set(0);
    if (settings_.version >= 4) request[T::kMaintainConnection].set(0);
  }
  send(number, std::move(message), [this](per::View<RasMessage> answer) {
    using Confirm = h225::RegistrationConfirm;
    const auto confirm = answer[RasMessage::kRegistrationConfirm];
    if (!confirm) {
      const bool was_registered = registered();
      endpoint_.clear();
      on_event_("not-registered", reason_of(answer.chosen()));
      if (was_registered) send_registration(false);  // fullRegistrationRequired
      return;
    }
    const bool was_registered = registered();
    endpoint_ = confirm[Confirm::kEndpointIdentifier].text();
    if (const auto id = confirm[Confirm::kGatekeeperIdentifier]) gatekeeper_identifier_ = id.text();
    if (const auto to = address(confirm[Confirm::kCallSignalAddress].at(0))) call_address_ = *to;
    using Grant = Confirm::PreGrantedARQ;
    const auto grant = confirm[Confirm::kPreGrantedARQ];
    granted_to_call_ = grant[Grant::kMakeCall].boolean() &&
                       grant[Grant::kUseGKCallSignalAddressToMakeCall].boolean();
    granted_to_answer_ = grant[Grant::kAnswerCall].boolean();
    const auto time_to_live = confirm[Confirm::kTimeToLive].integer();
    if (time_to_live > 0) keep_registered(static_cast<std::uint32_t>(time_to_live));
    if (!was_registered) on_event_("registered", endpoint_);
  });
}

void RasClient::keep_registered(std::uint32_t time_to_live) {
  if (!keep_timer_) keep_timer_ = network_.make_timer();
  keep_timer_->start(network_.now() + milliseconds{500} * time_to_live,
                     [this] { send_registration(true); });
}

void RasClient::unregister() {
  if (!registered()) return;
  using T = h225::UnregistrationRequest;
  const std::uint16_t number = next_number_++;
  per::Message message;
  auto request = message.make<RasMessage>()[RasMessage::kUnregistrationRequest];
  request[T::kRequestSeqNum].set(number);
  set_address(request[T::kCallSignalAddress].append(), {own_, settings_.call_port});
  request[T::kEndpointIdentifier].set_text(endpoint_);
  keep_timer_.reset();
  send(number, std::move(message), [this](per::View<RasMessage>) {
    endpoint_.clear();
    on_event_("unregistered", "");
  });
}

void RasClient::admit(const Call& call, std::function<void(const Admission&)> on_answer) {
  if (!registered()) return on_answer({});
  const bool granted = call.is_caller() ? granted_to_call_ : granted_to_answer_;
  if (granted || !settings_.asks_admission)
    return on_answer({.granted = true, .address = call_address_, .refusal = {}});
  using T = h225::AdmissionRequest;
  const std::uint16_t number = next_number_++;
  per::Message message;
  auto request = message.make<RasMessage>()[RasMessage::kAdmissionRequest];
  request[T::kRequestSeqNum].set(number);
  request[T::kCallType][h225::CallType::kPointToPoint];
  request[T::kEndpointIdentifier].set_text(endpoint_);
  if (!call.called().empty()) write_alias(request[T::kDestinationInfo].append(), call.called());
  if (call.target()) set_address(request[T::kDestCallSignalAddress], *call.target());
  write_alias(request[T::kSrcInfo].append(),
              call.is_caller() || call.calling().empty() ? settings_.name : call.calling());
  request[T::kBandWidth].set(kBandwidth);
  request[T::kCallReferenceValue].set(call.reference());
  request[T::kConferenceID].set_octets(call.conference());
  request[T::kActiveMC].set(0);
  request[T::kAnswerCall].set(call.is_caller() ? 0 : 1);
  if (settings_.version >= 2) {
    request[T::kCanMapAlias].set(1);
    request[T::kCallIdentifier][h225::CallIdentifier::kGuid].set_octets(call.identifier());
    request[T::kWillSupplyUUIEs].set(0);
  }
  send(number, std::move(message),
       [on_answer = std::move(on_answer)](per::View<RasMessage> answer) {
         using Confirm = h225::AdmissionConfirm;
         const auto confirm = answer[RasMessage::kAdmissionConfirm];
         if (!confirm)
           return on_answer(
               {.granted = false, .address = {}, .refusal = reason_of(answer.chosen())});
         on_answer({.granted = true,
                    .address = address(confirm[Confirm::kDestCallSignalAddress]),
                    .refusal = {}});
       });
}

void RasClient::disengage(const Call& call) {
  if (!registered()) return;
  using T = h225::DisengageRequest;
  const std::uint16_t number = next_number_++;
  per::Message message;
  auto request = message.make<RasMessage>()[RasMessage::kDisengageRequest];
  request[T::kRequestSeqNum].set(number);
  request[T::kEndpointIdentifier].set_text(endpoint_);
  request[T::kConferenceID].set_octets(call.conference());
  request[T::kCallReferenceValue].set(call.reference());
  request[T::kDisengageReason][h225::DisengageReason::kNormalDrop];
  if (settings_.version >= 2) {
    request[T::kCallIdentifier][h225::CallIdentifier::kGuid].set_octets(call.identifier());
    request[T::kAnsweredCall].set(call.is_caller() ? 0 : 1);
  }
  send(number, std::move(message), [this](per::View<RasMessage> answer) {
    on_event_("disengaged", std::string{answer.chosen().name()});
  });
}

void RasClient::request_bandwidth(const Call& call, std::uint32_t bandwidth) {
  using T = h225::BandwidthRequest;
  const std::uint16_t number = next_number_++;
  per::Message message;
  auto request = message.make<RasMessage>()[RasMessage::kBandwidthRequest];
  request[T::kRequestSeqNum].set(number);
  request[T::kEndpointIdentifier].set_text(endpoint_);
  request[T::kConferenceID].set_octets(call.conference());
  request[T::kCallReferenceValue].set(call.reference());
  request[T::kBandWidth].set(bandwidth);
  if (settings_.version >= 2) {
    request[T::kCallIdentifier][h225::CallIdentifier::kGuid].set_octets(call.identifier());
    request[T::kAnsweredCall].set(call.is_caller() ? 0 : 1);
  }
  send(number, std::move(message), [this](per::View<RasMessage> answer) {
    on_event_("bandwidth", std::string{answer.chosen().name()});
  });
}

// ---- On the wire ----

void RasClient::send(std::uint16_t number, per::Message message, OnAnswer on_answer) {
  Pending& pending = pending_[number];
  pending.message = std::move(message);
  pending.on_answer = std::move(on_answer);
  pending.timer = network_.make_timer();
  transmit(number);
}

void RasClient::transmit(std::uint16_t number) {
  const auto it = pending_.find(number);
  if (it == pending_.end()) return;
  if (it->second.tries++ == kTries) {
    const per::View<RasMessage> nothing;
    const auto on_answer = std::move(it->second.on_answer);
    pending_.erase(it);
    on_event_("unanswered", std::to_string(number));
    return on_answer(nothing);
  }
  // Anew each time: a token is good for one message.
  per::Message message = it->second.message;
  const Buffer octets =
      prove(message, settings_, gatekeeper_identifier_, network_.wall_now(), random_);
  if (octets.empty()) return on_event_("complaint", "a RAS message could not be encoded");
  it->second.timer->start(network_.now() + kRepeatAfter, [this, number] { transmit(number); });
  socket_->send({}, gatekeeper_, octets);
}

void RasClient::reply(per::Message& message) {
  const Buffer octets =
      prove(message, settings_, gatekeeper_identifier_, network_.wall_now(), random_);
  socket_->send({}, gatekeeper_, octets);
}

void RasClient::on_datagram(const TransportAddress& /*source*/, Bytes octets) {
  per::Message message;
  if (!codec::h323::decode<RasMessage>(message, octets))
    return on_event_("complaint", "a RAS message that cannot be read");
  const auto root = message.root<RasMessage>();
  if (root[RasMessage::kUnregistrationRequest] || root[RasMessage::kDisengageRequest] ||
      root[RasMessage::kInfoRequest])
    return on_request(root);
  const auto it = pending_.find(number_of(root.chosen()));
  if (it == pending_.end()) return;
  if (const auto progress = root[RasMessage::kRequestInProgress]) {
    it->second.timer->start(
        network_.now() + milliseconds{progress[h225::RequestInProgress::kDelay].integer()},
        [this, number = it->first] { transmit(number); });
    return;
  }
  const auto on_answer = std::move(it->second.on_answer);
  pending_.erase(it);
  on_answer(root);
}

void RasClient::on_request(per::View<RasMessage> message) {
  const std::uint16_t number = number_of(message.chosen());
  per::Message out;
  auto answer = out.make<RasMessage>();
  on_event_("ras-request", std::string{message.chosen().name()});
  if (message[RasMessage::kUnregistrationRequest]) {
    answer[RasMessage::kUnregistrationConfirm][h225::UnregistrationConfirm::kRequestSeqNum].set(
        number);
    endpoint_.clear();
    reply(out);
    return send_registration(false);
  }
  if (message[RasMessage::kDisengageRequest]) {
    answer[RasMessage::kDisengageConfirm][h225::DisengageConfirm::kRequestSeqNum].set(number);
    return reply(out);
  }
  using T = h225::InfoRequestResponse;
  auto response = answer[RasMessage::kInfoRequestResponse];
  response[T::kRequestSeqNum].set(number);
  write_endpoint_type(response[T::kEndpointType], settings_);
  response[T::kEndpointIdentifier].set_text(endpoint_);
  set_address(response[T::kRasAddress], {own_, socket_->local().port});
  set_address(response[T::kCallSignalAddress].append(), {own_, settings_.call_port});
  response[T::kNeedResponse].set(0);
  reply(out);
}

}  // namespace sallyport::h323_endpoint
