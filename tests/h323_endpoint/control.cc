#include "h323_endpoint/control.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "codec/h323/addresses.h"
#include "h323_endpoint/capabilities.h"

namespace sallyport::h323_endpoint {

namespace h245 = codec::h245;
namespace per = codec::per;
using codec::h323::address;
using codec::h323::set_address;
using h245::OpenLogicalChannel;
using h245::OpenLogicalChannelAck;
using Forward = OpenLogicalChannel::ForwardLogicalChannelParameters;
using Reverse = OpenLogicalChannel::ReverseLogicalChannelParameters;
using Rtp = h245::H2250LogicalChannelParameters;
using RtpAck = h245::H2250LogicalChannelAckParameters;

namespace {

constexpr std::uint8_t kTerminalType = 50;  // H.323 table 1: a terminal without an MC
constexpr std::uint32_t kDeterminationModulus = 1U << 24U;
constexpr std::uint8_t kFirstChosenSession = 32;  // of those that the master chooses

Buffer encoded(const per::Message& message) {
  Buffer out;
  (void)message.encode(out);
  return out;
}

void write_rtp(per::Edit<Rtp> out, std::uint8_t session, Kind kind,
               const std::optional<TransportAddress>& rtp, const TransportAddress& rtcp) {
  out[Rtp::kSessionID].set(session);
  if (rtp) set_address(out[Rtp::kMediaChannel], *rtp);
  out[Rtp::kMediaGuaranteedDelivery].set(0);
  if (kind != Kind::Fax) set_address(out[Rtp::kMediaControlChannel], rtcp);
  if (kind == Kind::Slides) out[Rtp::kDynamicRTPPayloadType].set(96);
  if (kind == Kind::Camera) out[Rtp::kDynamicRTPPayloadType].set(97);
}

void write_stack(per::Edit<h245::NetworkAccessParameters> out, const TransportAddress& listens) {
  using Stack = h245::NetworkAccessParameters;
  set_address(out[Stack::kNetworkAddress][Stack::NetworkAddress::kLocalAreaAddress], listens);
  out[Stack::kAssociateConference].set(0);
}

std::optional<TransportAddress> read_stack(per::View<h245::NetworkAccessParameters> stack) {
  using Stack = h245::NetworkAccessParameters;
  return address(stack[Stack::kNetworkAddress][Stack::NetworkAddress::kLocalAreaAddress]);
}

std::uint16_t number_of(per::Node node) { return static_cast<std::uint16_t>(node.integer()); }

}  // namespace

Control::Control(const Settings& settings, Media& media, Random& random, bool calls, Wiring wiring)
    : settings_(settings),
      media_(media),
      random_(random),
      calls_(calls),
      wiring_(std::move(wiring)) {}

void Control::send(const per::Message& message) {
  Buffer out = encoded(message);
  if (out.empty()) return wiring_.on_complaint("an H.245 message could not be encoded");
  wiring_.send(std::move(out));
}

void Control::start() {
  if (started_) return;
  started_ = true;
  send_capabilities();
  send_determination();
}

void Control::restart() {
  started_ = determined_ = capabilities_taken_ = false;
  status_ = Status::Unknown;
  far_kinds_.reset();
}

void Control::send_capabilities() {
  per::Message message;
  auto set = message.make<Root>()[Root::kRequest][h245::RequestMessage::kTerminalCapabilitySet];
  write_capabilities(set, held_ ? std::vector<Kind>{} : settings_.channels, ++capability_sequence_);
  capabilities_taken_ = false;
  send(message);
}

void Control::send_determination() {
  using T = h245::MasterSlaveDetermination;
  determination_number_ = static_cast<std::uint32_t>(random_.below(kDeterminationModulus));
  per::Message message;
  auto request =
      message.make<Root>()[Root::kRequest][h245::RequestMessage::kMasterSlaveDetermination];
  request[T::kTerminalType].set(kTerminalType);
  request[T::kStatusDeterminationNumber].set(determination_number_);
  send(message);
}

void Control::on_message(Bytes octets) {
  per::Message message;
  if (!codec::h323::decode<Root>(message, octets))
    return wiring_.on_complaint("an H.245 message that cannot be read");
  const auto root = message.root<Root>();
  if (const auto request = root[Root::kRequest]) return on_request(request);
  if (const auto response = root[Root::kResponse]) return on_response(response);
  if (const auto command = root[Root::kCommand]) {
    if (command[h245::CommandMessage::kEndSessionCommand]) wiring_.on_session_ended();
    return;
  }
  const auto indication = root[Root::kIndication];
  if (const auto input = indication[h245::IndicationMessage::kUserInput])
    return on_user_input(input);
  for (const auto& refusal :
       {per::Node{indication[h245::IndicationMessage::kFunctionNotUnderstood]},
        per::Node{indication[h245::IndicationMessage::kFunctionNotSupported]}})
    if (refusal) wiring_.on_complaint("the other side did not understand an H.245 message");
}

void Control::on_request(View<h245::RequestMessage> request) {
  using R = h245::RequestMessage;
  if (const auto it = request[R::kMasterSlaveDetermination]) return on_determination(it);
  if (const auto it = request[R::kTerminalCapabilitySet]) return on_capabilities(it);
  if (const auto it = request[R::kOpenLogicalChannel]) return on_open(it);
  if (const auto it = request[R::kCloseLogicalChannel]) return on_close(it);
  if (const auto it = request[R::kRoundTripDelayRequest]) {
    per::Message message;
    message
        .make<Root>()[Root::kResponse][h245::ResponseMessage::kRoundTripDelayResponse]
                     [h245::RoundTripDelayResponse::kSequenceNumber]
        .set(it[h245::RoundTripDelayRequest::kSequenceNumber].integer());
    return send(message);
  }
  wiring_.on_event("h245-request", std::string{request.chosen().name()});
}

void Control::on_response(View<h245::ResponseMessage> response) {
  using R = h245::ResponseMessage;
  if (response[R::kMasterSlaveDeterminationAck]) {
    determined_ = true;
  } else if (response[R::kMasterSlaveDeterminationReject]) {
    return send_determination();
  } else if (const auto taken = response[R::kTerminalCapabilitySetAck]) {
    if (taken[h245::TerminalCapabilitySetAck::kSequenceNumber].integer() == capability_sequence_)
      capabilities_taken_ = true;
  } else if (const auto ack = response[R::kOpenLogicalChannelAck]) {
    return on_open_ack(ack);
  } else if (const auto reject = response[R::kOpenLogicalChannelReject]) {
    using T = h245::OpenLogicalChannelReject;
    const auto it = outgoing_.find(number_of(reject[T::kForwardLogicalChannelNumber]));
    if (it == outgoing_.end())
      return wiring_.on_complaint("a channel is refused that nobody asked for");
    wiring_.on_event("channel-refused", fmt::format("{} {}", name(it->second.kind),
                                                    reject[T::kCause].chosen().name()));
    outgoing_.erase(it);
    return;
  } else if (response[R::kRoundTripDelayResponse]) {
    wiring_.on_event("round-trip", "");
  } else if (response[R::kTerminalCapabilitySetReject]) {
    wiring_.on_complaint("the capability set was refused");
  }
  open_missing_channels();
}

// H.245 C.2: the larger terminal type is master; of two alike, the number that is ahead of the
// other by less than half of all numbers.
void Control::on_determination(View<h245::MasterSlaveDetermination> determination) {
  using T = h245::MasterSlaveDetermination;
  start();
  const std::int64_t type = determination[T::kTerminalType].integer();
  const auto ahead =
      (static_cast<std::uint32_t>(determination[T::kStatusDeterminationNumber].integer()) -
       determination_number_) %
      kDeterminationModulus;
  per::Message message;
  auto response = message.make<Root>()[Root::kResponse];
  if (type == kTerminalType && (ahead == 0 || ahead == kDeterminationModulus / 2)) {
    using Reject = h245::MasterSlaveDeterminationReject;
    response[h245::ResponseMessage::kMasterSlaveDeterminationReject][Reject::kCause]
            [Reject::Cause::kIdenticalNumbers];
    return send(message);
  }
  const bool master =
      type != kTerminalType ? type < kTerminalType : ahead < kDeterminationModulus / 2;
  status_ = master ? Status::Master : Status::Slave;
  using Ack = h245::MasterSlaveDeterminationAck;
  auto decision = response[h245::ResponseMessage::kMasterSlaveDeterminationAck][Ack::kDecision];
  // What the other side is.
  if (master)
    decision[Ack::Decision::kSlave];
  else
    decision[Ack::Decision::kMaster];
  send(message);
  open_missing_channels();
}

void Control::on_capabilities(View<h245::TerminalCapabilitySet> capabilities) {
  using T = h245::TerminalCapabilitySet;
  start();
  far_kinds_ = kinds_of(capabilities);
  per::Message message;
  message
      .make<Root>()[Root::kResponse][h245::ResponseMessage::kTerminalCapabilitySetAck]
                   [h245::TerminalCapabilitySetAck::kSequenceNumber]
      .set(capabilities[T::kSequenceNumber].integer());
  send(message);
  // H.323 8.4.6: paused, it closes what it sends; resumed, it begins H.245 anew.
  if (capabilities[T::kCapabilityTable].is_absent()) {
    paused_ = true;
    for (const Kind kind : kKinds) close_channel(kind);
    wiring_.on_event("paused", "");
  } else if (paused_) {
    paused_ = false;
    determined_ = false;
    send_determination();
    wiring_.on_event("resumed", "");
  }
  open_missing_channels();
}

bool Control::is_ready() const {
  return far_kinds_ && capabilities_taken_ && determined_ && status_ != Status::Unknown && !paused_;
}

bool Control::sends(Kind kind) const {
  return std::any_of(outgoing_.begin(), outgoing_.end(), [&](const auto& entry) {
    return entry.second.kind == kind && entry.second.open;
  });
}

bool Control::receives(Kind kind) const {
  return std::any_of(incoming_.begin(), incoming_.end(),
                     [&](const auto& entry) { return entry.second == kind; });
}

void Control::open_missing_channels() {
  if (!is_ready()) return;
  for (const Kind kind : settings_.channels) {
    const bool asked = std::any_of(outgoing_.begin(), outgoing_.end(),
                                   [&](const auto& entry) { return entry.second.kind == kind; });
    if (asked || !far_kinds_->contains(kind)) continue;
    if (kind == Kind::Data && (!calls_ || receives(kind))) continue;
    open_channel(kind);
  }
}

// H.245 B.14.1: those of audio, video and data are fixed; the master chooses the others, the slave
// says 0.
std::uint8_t Control::session_of(Kind kind) const {
  switch (kind) {
    case Kind::Audio:
      return 1;
    case Kind::Video:
      return 2;
    case Kind::Camera:
    case Kind::Data:
      return 3;
    case Kind::Slides:
      return is_master() ? kFirstChosenSession : 0;
    case Kind::Fax:
      break;
  }
  return is_master() ? kFirstChosenSession + 1 : 0;
}

void Control::open_channel(Kind kind) {
  const std::uint16_t number = next_channel_++;
  outgoing_[number] = {.kind = kind, .open = false, .by_fast_connect = false};
  per::Message message;
  auto open = message.make<Root>()[Root::kRequest][h245::RequestMessage::kOpenLogicalChannel];
  open[OpenLogicalChannel::kForwardLogicalChannelNumber].set(number);
  auto forward = open[OpenLogicalChannel::kForwardLogicalChannelParameters];
  write_data_type(forward[Forward::kDataType], kind);
  auto parameters = forward[Forward::kMultiplexParameters]
                           [Forward::MultiplexParameters::kH2250LogicalChannelParameters];
  if (kind == Kind::Data) {
    parameters[Rtp::kSessionID].set(session_of(kind));
    auto reverse = open[OpenLogicalChannel::kReverseLogicalChannelParameters];
    write_data_type(reverse[Reverse::kDataType], kind);
    if (settings_.data_opener_listens)
      write_stack(open[OpenLogicalChannel::kSeparateStack], media_.listen());
  } else {
    write_rtp(parameters, session_of(kind), kind, {}, media_.open(kind).rtcp);
  }
  send(message);
}

void Control::on_open(View<OpenLogicalChannel> open) {
  const std::uint16_t number = number_of(open[OpenLogicalChannel::kForwardLogicalChannelNumber]);
  const auto forward = open[OpenLogicalChannel::kForwardLogicalChannelParameters];
  const auto kind = kind_of(forward[Forward::kDataType]);
  per::Message message;
  auto response = message.make<Root>()[Root::kResponse];
  const auto& can = settings_.channels;
  if (!kind || std::find(can.begin(), can.end(), *kind) == can.end()) {
    using Reject = h245::OpenLogicalChannelReject;
    auto reject = response[h245::ResponseMessage::kOpenLogicalChannelReject];
    reject[Reject::kForwardLogicalChannelNumber].set(number);
    reject[Reject::kCause][Reject::Cause::kDataTypeNotSupported];
    return send(message);
  }
  incoming_[number] = *kind;
  auto ack = response[h245::ResponseMessage::kOpenLogicalChannelAck];
  ack[OpenLogicalChannelAck::kForwardLogicalChannelNumber].set(number);
  if (*kind == Kind::Data) {
    ack[OpenLogicalChannelAck::kReverseLogicalChannelParameters]
       [OpenLogicalChannelAck::ReverseLogicalChannelParameters::kReverseLogicalChannelNumber]
           .set(next_channel_++);
    if (const auto far = read_stack(open[OpenLogicalChannel::kSeparateStack]))
      media_.connect(*far);
    else
      write_stack(ack[OpenLogicalChannelAck::kSeparateStack], media_.listen());
  } else {
    const auto rtp = forward[Forward::kMultiplexParameters]
                            [Forward::MultiplexParameters::kH2250LogicalChannelParameters];
    media_.send_to(*kind, {}, address(rtp[Rtp::kMediaControlChannel]));
    const Media::Addresses own = media_.open(*kind);
    auto parameters = ack
        [OpenLogicalChannelAck::kForwardMultiplexAckParameters]
        [OpenLogicalChannelAck::ForwardMultiplexAckParameters::kH2250LogicalChannelAckParameters];
    const auto session = rtp[Rtp::kSessionID].integer();
    parameters[RtpAck::kSessionID].set(session != 0 ? session : session_of(*kind));
    set_address(parameters[RtpAck::kMediaChannel], own.rtp);
    if (*kind != Kind::Fax) set_address(parameters[RtpAck::kMediaControlChannel], own.rtcp);
    parameters[RtpAck::kFlowControlToZero].set(0);
  }
  send(message);
  wiring_.on_event("receives", std::string{name(*kind)});
}

void Control::on_open_ack(View<OpenLogicalChannelAck> ack) {
  const auto it =
      outgoing_.find(number_of(ack[OpenLogicalChannelAck::kForwardLogicalChannelNumber]));
  if (it == outgoing_.end())
    return wiring_.on_complaint("a channel is acknowledged that nobody asked for");
  const Kind kind = it->second.kind;
  it->second.open = true;
  if (kind == Kind::Data) {
    if (const auto far = read_stack(ack[OpenLogicalChannelAck::kSeparateStack]))
      media_.connect(*far);
    else if (!settings_.data_opener_listens)
      wiring_.on_complaint("nobody listens for T.120");
  } else {
    const auto parameters = ack
        [OpenLogicalChannelAck::kForwardMultiplexAckParameters]
        [OpenLogicalChannelAck::ForwardMultiplexAckParameters::kH2250LogicalChannelAckParameters];
    const auto rtp = address(parameters[RtpAck::kMediaChannel]);
    if (!rtp) return wiring_.on_complaint("a channel is acknowledged without an address");
    media_.send_to(kind, rtp, address(parameters[RtpAck::kMediaControlChannel]));
  }
  wiring_.on_event("sends", std::string{name(kind)});
}

void Control::on_close(View<h245::CloseLogicalChannel> close) {
  const std::uint16_t number =
      number_of(close[h245::CloseLogicalChannel::kForwardLogicalChannelNumber]);
  per::Message message;
  message
      .make<Root>()[Root::kResponse][h245::ResponseMessage::kCloseLogicalChannelAck]
                   [h245::CloseLogicalChannelAck::kForwardLogicalChannelNumber]
      .set(number);
  send(message);
  const auto it = incoming_.find(number);
  if (it == incoming_.end()) return;
  wiring_.on_event("receives-no-more", std::string{name(it->second)});
  incoming_.erase(it);
}

void Control::close_channel(Kind kind) {
  using T = h245::CloseLogicalChannel;
  for (auto it = outgoing_.begin(); it != outgoing_.end();) {
    if (it->second.kind != kind) {
      ++it;
      continue;
    }
    media_.stop_sending(kind);
    per::Message message;
    auto close = message.make<Root>()[Root::kRequest][h245::RequestMessage::kCloseLogicalChannel];
    close[T::kForwardLogicalChannelNumber].set(it->first);
    close[T::kSource][T::Source::kUser];
    it = outgoing_.erase(it);
    send(message);
  }
}

void Control::reopen_channel(Kind kind) {
  if (is_ready() && !sends(kind)) open_channel(kind);
}

void Control::hold(bool held) {
  if (held == held_) return;
  held_ = held;
  send_capabilities();
}

void Control::request_round_trip() {
  per::Message message;
  message
      .make<Root>()[Root::kRequest][h245::RequestMessage::kRoundTripDelayRequest]
                   [h245::RoundTripDelayRequest::kSequenceNumber]
      .set(1);
  send(message);
}

void Control::send_digit(char digit) {
  per::Message message;
  message
      .make<Root>()[Root::kIndication][h245::IndicationMessage::kUserInput]
                   [h245::UserInputIndication::kAlphanumeric]
      .set_octets(Bytes{reinterpret_cast<const std::uint8_t*>(&digit), 1});
  send(message);
}

void Control::on_user_input(View<h245::UserInputIndication> input) {
  using T = h245::UserInputIndication;
  std::string text{as_text(input[T::kAlphanumeric].octets())};
  if (const auto signal = input[T::kSignal]) text = signal[T::Signal::kSignalType].text();
  digits_ += text;
  wiring_.on_event("digit", text);
}

void Control::end_session() {
  if (!started_) return;
  per::Message message;
  message.make<Root>()[Root::kCommand][h245::CommandMessage::kEndSessionCommand]
                      [h245::EndSessionCommand::kDisconnect];
  send(message);
}

// ---- Fast connect: H.323 8.1.7 ----

// For each kind what this side would send, and what it would receive.
std::vector<Buffer> Control::offer() {
  std::vector<Buffer> out;
  for (const Kind kind : settings_.channels) {
    if (kind != Kind::Audio && kind != Kind::Video) continue;
    const Media::Addresses own = media_.open(kind);
    const std::uint8_t session = session_of(kind);
    {
      const std::uint16_t number = next_channel_++;
      offered_[kind] = number;
      per::Message message;
      auto open = message.make<OpenLogicalChannel>();
      open[OpenLogicalChannel::kForwardLogicalChannelNumber].set(number);
      auto forward = open[OpenLogicalChannel::kForwardLogicalChannelParameters];
      write_data_type(forward[Forward::kDataType], kind);
      write_rtp(forward[Forward::kMultiplexParameters]
                       [Forward::MultiplexParameters::kH2250LogicalChannelParameters],
                session, kind, {}, own.rtcp);
      out.push_back(encoded(message));
    }
    {
      per::Message message;
      auto open = message.make<OpenLogicalChannel>();
      open[OpenLogicalChannel::kForwardLogicalChannelNumber].set(next_channel_++);
      auto forward = open[OpenLogicalChannel::kForwardLogicalChannelParameters];
      forward[Forward::kDataType][h245::DataType::kNullData];
      forward[Forward::kMultiplexParameters][Forward::MultiplexParameters::kNone];
      auto reverse = open[OpenLogicalChannel::kReverseLogicalChannelParameters];
      write_data_type(reverse[Reverse::kDataType], kind);
      write_rtp(reverse[Reverse::kMultiplexParameters]
                       [Reverse::MultiplexParameters::kH2250LogicalChannelParameters],
                session, kind, own.rtp, own.rtcp);
      out.push_back(encoded(message));
    }
  }
  return out;
}

void Control::await_fast_connect(bool awaited) {
  fast_connect_awaited_ = awaited;
  open_missing_channels();
}

std::vector<Buffer> Control::accept_offer(const std::vector<Buffer>& offer) {
  std::vector<Buffer> out;
  std::set<Kind> taken_forward, taken_reverse;
  for (const Buffer& element : offer) {
    per::Message message;
    if (!codec::h323::decode<OpenLogicalChannel>(message, element)) {
      wiring_.on_complaint("a fastStart element that cannot be read");
      continue;
    }
    const auto open = message.root<OpenLogicalChannel>();
    const auto reverse = open[OpenLogicalChannel::kReverseLogicalChannelParameters];
    const auto forward = open[OpenLogicalChannel::kForwardLogicalChannelParameters];
    const auto kind = kind_of(reverse ? reverse[Reverse::kDataType] : forward[Forward::kDataType]);
    if (!kind || std::find(settings_.channels.begin(), settings_.channels.end(), *kind) ==
                     settings_.channels.end())
      continue;
    if (!(reverse ? taken_reverse : taken_forward).insert(*kind).second) continue;
    const Media::Addresses own = media_.open(*kind);
    if (reverse) {  // what this side sends
      const auto rtp = reverse[Reverse::kMultiplexParameters]
                              [Reverse::MultiplexParameters::kH2250LogicalChannelParameters];
      media_.send_to(*kind, address(rtp[Rtp::kMediaChannel]),
                     address(rtp[Rtp::kMediaControlChannel]));
      const std::uint16_t number = next_channel_++;
      outgoing_[number] = {.kind = *kind, .open = true, .by_fast_connect = true};
      message.edit(open)[OpenLogicalChannel::kForwardLogicalChannelNumber].set(number);
      message.edit(rtp).remove(Rtp::kMediaChannel);  // it is the caller's
      set_address(message.edit(rtp)[Rtp::kMediaControlChannel], own.rtcp);
    } else {
      const auto rtp = forward[Forward::kMultiplexParameters]
                              [Forward::MultiplexParameters::kH2250LogicalChannelParameters];
      incoming_[number_of(open[OpenLogicalChannel::kForwardLogicalChannelNumber])] = *kind;
      media_.send_to(*kind, {}, address(rtp[Rtp::kMediaControlChannel]));
      set_address(message.edit(rtp)[Rtp::kMediaChannel], own.rtp);
      set_address(message.edit(rtp)[Rtp::kMediaControlChannel], own.rtcp);
    }
    out.push_back(encoded(message));
  }
  return out;
}

void Control::take_answer(const std::vector<Buffer>& answer) {
  for (const Buffer& element : answer) {
    per::Message message;
    if (!codec::h323::decode<OpenLogicalChannel>(message, element)) {
      wiring_.on_complaint("a fastStart element that cannot be read");
      continue;
    }
    const auto open = message.root<OpenLogicalChannel>();
    const std::uint16_t number = number_of(open[OpenLogicalChannel::kForwardLogicalChannelNumber]);
    if (const auto reverse = open[OpenLogicalChannel::kReverseLogicalChannelParameters]) {
      const auto kind = kind_of(reverse[Reverse::kDataType]);
      if (!kind) continue;
      const auto rtp = reverse[Reverse::kMultiplexParameters]
                              [Reverse::MultiplexParameters::kH2250LogicalChannelParameters];
      media_.send_to(*kind, {}, address(rtp[Rtp::kMediaControlChannel]));
      incoming_[number] = *kind;
      continue;
    }
    const auto forward = open[OpenLogicalChannel::kForwardLogicalChannelParameters];
    const auto kind = kind_of(forward[Forward::kDataType]);
    if (!kind || !offered_.contains(*kind)) continue;
    const auto rtp = forward[Forward::kMultiplexParameters]
                            [Forward::MultiplexParameters::kH2250LogicalChannelParameters];
    const auto to = address(rtp[Rtp::kMediaChannel]);
    if (!to) {
      wiring_.on_complaint("an answer to fast connect without an address");
      continue;
    }
    if (answer_taken_) {
      if (media_.target(*kind) != *to)
        wiring_.on_complaint("an answer to fast connect that says something else than before");
      continue;
    }
    media_.send_to(*kind, to, address(rtp[Rtp::kMediaControlChannel]));
    outgoing_[offered_.at(*kind)] = {.kind = *kind, .open = true, .by_fast_connect = true};
  }
  answer_taken_ = true;
}

}  // namespace sallyport::h323_endpoint
