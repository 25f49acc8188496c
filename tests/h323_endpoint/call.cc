#include "h323_endpoint/call.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "codec/h323/addresses.h"

namespace sallyport::h323_endpoint {

namespace h225 = codec::h225;
namespace per = codec::per;
namespace q931 = codec::q931;
using codec::h323::address;
using codec::h323::set_address;
using q931::CauseValue;
using q931::ElementId;
using q931::MessageType;

namespace {

constexpr Duration kClosesAfter = seconds{2};  // the far side has closed the connection by then

template <class List>
std::vector<Buffer> elements_of(const List& list) {
  std::vector<Buffer> out;
  for (const auto element : list) out.push_back(to_buffer(element.octets()));
  return out;
}

template <class List>
void write_elements(List list, const std::vector<Buffer>& elements) {
  for (const Buffer& element : elements) list.append().set_octets(element);
}

bool is_digits(const std::string& text) {
  return !text.empty() && text.find_first_not_of("0123456789*#,") == std::string::npos;
}

}  // namespace

void write_alias(per::Edit<h225::AliasAddress> out, const std::string& text) {
  if (is_digits(text))
    out[h225::AliasAddress::kDialedDigits].set_text(text);
  else if (text.starts_with("h323:"))
    out[h225::AliasAddress::kUrlID].set_text(text);
  else
    out[h225::AliasAddress::kH323ID].set_text(text);
}

void write_endpoint_type(per::Edit<h225::EndpointType> out, const Settings& settings) {
  using T = h225::EndpointType;
  if (settings.prefixes.empty()) {
    out[T::kTerminal];
  } else {
    auto voice =
        out[T::kGateway][h225::GatewayInfo::kProtocol].append()[h225::SupportedProtocols::kVoice];
    for (const std::string& prefix : settings.prefixes)
      write_alias(
          voice[h225::VoiceCaps::kSupportedPrefixes].append()[h225::SupportedPrefix::kPrefix],
          prefix);
  }
  out[T::kMc].set(0);
  out[T::kUndefinedNode].set(0);
}

Buffer protocol_identifier(const Settings& settings) {
  return {0x00, 0x08, 0x91, 0x4a, 0x00, static_cast<std::uint8_t>(settings.version)};
}

// A message of call signalling on its way out.
struct Call::Outgoing {
  Outgoing(MessageType type, const Call& call)
      : q931({.call_reference = {.value = call.reference_, .from_destination = !call.caller_},
              .type = type}),
        pdu(message.make<UserInformation>()[UserInformation::kH323UuPdu]),
        body(pdu[Pdu::kH323MessageBody]) {}

  per::Message message;
  q931::Message q931;
  Edit<Pdu> pdu;
  Edit<Body> body;
};

Call::Call(CallHost& host, std::uint64_t id) : host_(host), settings_(host.settings()), id_(id) {
  reference_ = settings_.call_reference.value_or(
      static_cast<std::uint16_t>(1 + host.random().below(0x7ffe)));
  identifier_ = host.random().array<16>();
  conference_ = settings_.conference.value_or(host.random().array<16>());
  tunnels_ = settings_.tunnels && settings_.version >= 2;
  prepare();
}

Call::Call(CallHost& host, std::uint64_t id, std::unique_ptr<net::Stream> stream)
    : host_(host), settings_(host.settings()), id_(id), caller_(false) {
  prepare();
  use(std::move(stream));
}

Call::~Call() = default;

void Call::prepare() {
  media_ = std::make_unique<Media>(host_.network(), host_.own(), settings_, host_.next_port(),
                                   [this](std::string what) { complain(std::move(what)); });
  control_ = std::make_unique<Control>(
      settings_, *media_, host_.random(), caller_,
      Control::Wiring{
          .send = [this](Buffer message) { send_control(std::move(message)); },
          .on_event = [this](const std::string& what,
                             const std::string& detail) { host_.on_event(*this, what, detail); },
          .on_complaint = [this](std::string what) { complain(std::move(what)); },
          .on_session_ended = [this] { host_.on_event(*this, "session-ended", ""); }});
}

void Call::complain(std::string what) {
  host_.on_event(*this, "complaint", what);
  complaints_.push_back(std::move(what));
}

// ---- The connection ----

void Call::use(std::unique_ptr<net::Stream> stream) {
  stream_ = std::move(stream);
  stream_->set_handler({.on_connected = {},
                        .on_received = [this](Bytes octets) { on_received(octets); },
                        .on_half_closed = [this] { end("the connection was closed"); },
                        .on_closed = [this](const Error&) { end("the connection was lost"); },
                        .on_drained = {}});
}

void Call::on_received(Bytes octets) {
  reader_.push(octets);
  for (;;) {
    const auto packet = reader_.next();
    if (packet) {
      on_message(to_buffer(*packet));
    } else {
      if (packet.error().code != Errc::Truncated) complain("no TPKT");
      return;
    }
  }
}

void Call::send(Outgoing& out) {
  if (settings_.version >= 2) out.pdu[Pdu::kH245Tunneling].set(tunnels_ ? 1 : 0);
  if (tunnels_ && !tunnelled_.empty()) {
    write_elements(out.pdu[Pdu::kH245Control], tunnelled_);
    tunnelled_.clear();
  }
  Buffer user_user;
  if (const auto written = out.message.encode(user_user); !written)
    return complain(fmt::format("a message could not be encoded: {}", written.error().what));
  out.q931.set_user_user(user_user);
  write(q931::encode_tpkt(out.q931.encode()));
}

void Call::write(Bytes packet) {
  pending_.insert(pending_.end(), packet.begin(), packet.end());
  if (settings_.collects == Duration{}) return flush();
  if (collect_timer_) return;
  collect_timer_ = host_.network().make_timer();
  collect_timer_->start(host_.network().now() + settings_.collects, [this] { flush(); });
}

void Call::flush() {
  collect_timer_.reset();
  const Buffer octets = std::exchange(pending_, {});
  if (!stream_) return;
  const std::size_t piece = settings_.cuts_into != 0 ? settings_.cuts_into : octets.size();
  for (std::size_t begin = 0; begin < octets.size(); begin += piece)
    stream_->send(Bytes{octets}.subspan(begin, std::min(piece, octets.size() - begin)));
}

// ---- What goes out ----

template <class T>
void Call::write_common(Edit<T> body) const {
  body[T::kProtocolIdentifier].set_octets(protocol_identifier(settings_));
  if (settings_.version >= 2)
    body[T::kCallIdentifier][h225::CallIdentifier::kGuid].set_octets(identifier_);
  if constexpr (requires { T::kMultipleCalls; }) {
    if (settings_.version >= 3) {
      body[T::kMultipleCalls].set(0);
      body[T::kMaintainConnection].set(0);
    }
  }
}

template <class T>
void Call::write_choices(At at, Outgoing& /*out*/, Edit<T> body) {
  if (!offered_.empty() && settings_.fast_answer.contains(at)) {
    if (fast_answer_.empty()) fast_answer_ = control_->accept_offer(offered_);
    if (!fast_answer_.empty()) {
      write_elements(body[T::kFastStart], fast_answer_);
      fast_connected_ = true;
      gathers_control_ = true;
      control_->await_fast_connect(false);
      gathers_control_ = false;
    }
  }
  if (settings_.control != at || control_->started()) return;
  if (tunnels_) {
    gathers_control_ = true;
    control_->start();
    gathers_control_ = false;
  } else if (!control_stream_) {
    listen_for_control();
    set_address(body[T::kH245Address], {host_.own(), control_listener_->local().port});
  }
}

void Call::dial(const std::string& name, const std::optional<TransportAddress>& address) {
  called_ = name;
  target_ = address;
  host_.admit(*this, [this](const Admission& admission) {
    if (state_ == State::Ended) return;
    if (!admission.granted) {
      refusal_ = admission.refusal;
      return end("not admitted: " + refusal_);
    }
    send_setup(admission.address ? admission.address : target_);
  });
}

void Call::send_setup(const std::optional<TransportAddress>& to) {
  if (!to) return end("nowhere to call");
  state_ = State::Calling;
  stream_ = host_.network().connect(
      *to, {},
      {.on_connected = {},
       .on_received = [this](Bytes octets) { on_received(octets); },
       .on_half_closed = [this] { end("the connection was closed"); },
       .on_closed = [this](const Error& error) { end(std::string{error.what}); },
       .on_drained = {}});

  using T = h225::SetupUUIE;
  Outgoing out{MessageType::Setup, *this};
  out.q931.set(ElementId::BearerCapability, q931::encode(q931::BearerCapability{}));
  if (is_digits(called_))
    out.q931.set(ElementId::CalledPartyNumber, q931::encode(q931::make_party_number(called_)));
  auto setup = out.body[Body::kSetup];
  write_common(setup);
  write_alias(setup[T::kSourceAddress].append(), settings_.name);
  for (const std::string& number : settings_.numbers)
    write_alias(setup[T::kSourceAddress].append(), number);
  write_endpoint_type(setup[T::kSourceInfo], settings_);
  if (!called_.empty()) write_alias(setup[T::kDestinationAddress].append(), called_);
  set_address(setup[T::kDestCallSignalAddress], target_.value_or(*to));
  setup[T::kActiveMC].set(0);
  setup[T::kConferenceID].set_octets(conference_);
  setup[T::kConferenceGoal][T::ConferenceGoal::kCreate];
  setup[T::kCallType][h225::CallType::kPointToPoint];
  if (settings_.version >= 2) {
    set_address(setup[T::kSourceCallSignalAddress], {host_.own(), settings_.call_port});
    if (settings_.offers_fast_connect) {
      offered_ = control_->offer();
      if (!offered_.empty()) {
        write_elements(setup[T::kFastStart], offered_);
        control_->await_fast_connect(true);
      }
    }
    setup[T::kMediaWaitForConnect].set(0);
    setup[T::kCanOverlapSend].set(0);
  }
  if (settings_.control == At::Setup) {
    if (!tunnels_) {
      listen_for_control();
      set_address(setup[T::kH245Address], {host_.own(), control_listener_->local().port});
    } else {
      gathers_control_ = true;
      control_->start();
      gathers_control_ = false;
      // H.323 8.2.4: beside fast connect H.245 does not go into h245Control, which would end it.
      if (!offered_.empty() && settings_.version >= 4)
        write_elements(setup[T::kParallelH245Control], std::exchange(tunnelled_, {}));
    }
  }
  setup_at_ = host_.network().now();
  send(out);
}

void Call::answer() {
  if (caller_ || state_ == State::Connected || state_ == State::Ended) return;
  answer_timer_.reset();
  state_ = State::Connected;
  connected_at_ = host_.network().now();
  using T = h225::ConnectUUIE;
  Outgoing out{MessageType::Connect, *this};
  auto connect = out.body[Body::kConnect];
  write_common(connect);
  write_endpoint_type(connect[T::kDestinationInfo], settings_);
  connect[T::kConferenceID].set_octets(conference_);
  write_choices(At::Connect, out, connect);
  if (!offered_.empty() && fast_answer_.empty() && settings_.version >= 4)
    connect[T::kFastConnectRefused];
  send(out);
  host_.on_event(*this, "connected", "");
  begin_control_after_connect();
}

void Call::begin_control_after_connect() {
  if (settings_.control != At::AfterConnect || settings_.caller_begins_control != caller_) return;
  if (control_->started()) return;
  if (tunnels_)
    control_->start();
  else if (!control_stream_ && !control_listener_)
    send_control_address();
}

void Call::send_control_address() {
  using T = h225::FacilityUUIE;
  listen_for_control();
  Outgoing out{MessageType::Facility, *this};
  auto facility = out.body[Body::kFacility];
  write_common(facility);
  facility[T::kConferenceID].set_octets(conference_);
  facility[T::kReason][h225::FacilityReason::kStartH245];
  set_address(facility[T::kH245Address], {host_.own(), control_listener_->local().port});
  send(out);
}

void Call::send_facility_with_control() {
  if (tunnelled_.empty() || !stream_ || state_ == State::Ended) return;
  using T = h225::FacilityUUIE;
  Outgoing out{MessageType::Facility, *this};
  if (settings_.tunnels_in_body) {
    auto facility = out.body[Body::kFacility];
    write_common(facility);
    facility[T::kReason][h225::FacilityReason::kTransportedInformation];
  } else {
    out.body[Body::kEmpty];
  }
  send(out);
}

void Call::send_keypad(char digit) {
  Outgoing out{MessageType::Information, *this};
  out.q931.set(ElementId::KeypadFacility, Bytes{reinterpret_cast<const std::uint8_t*>(&digit), 1});
  write_common(out.body[Body::kInformation]);
  send(out);
}

void Call::hang_up() {
  if (state_ == State::Ended) return;
  if (state_ == State::Connected) {
    gathers_control_ = tunnels_;
    control_->end_session();
    gathers_control_ = false;
  }
  send_release(CauseValue::NormalCallClearing);
  end("");
}

void Call::reject(CauseValue cause) {
  send_release(cause);
  end("");
}

void Call::send_release(CauseValue cause) {
  cause_ = cause;
  if (!stream_) return;
  using T = h225::ReleaseCompleteUUIE;
  Outgoing out{MessageType::ReleaseComplete, *this};
  out.q931.set(ElementId::Cause, q931::encode(q931::Cause{.value = cause}));
  auto release = out.body[Body::kReleaseComplete];
  write_common(release);
  release[T::kReason][h225::ReleaseCompleteReason::kUndefinedReason];
  send(out);
  flush();
}

void Call::hold(bool held) { control_->hold(held); }
void Call::send_digit(char digit) { control_->send_digit(digit); }

// The media stop at once; the connections stay until what was said last has gone.
void Call::end(const std::string& why) {
  if (state_ == State::Ended) return;
  state_ = State::Ended;
  answer_timer_.reset();
  if (!why.empty() && !cause_ && refusal_.empty()) refusal_ = why;
  media_->close();
  control_listener_.reset();
  if (control_stream_) control_stream_->half_close();
  if (stream_) stream_->half_close();
  close_timer_ = host_.network().make_timer();
  close_timer_->start(host_.network().now() + kClosesAfter, [this] {
    control_stream_.reset();
    stream_.reset();
  });
  host_.disengage(*this);
  host_.on_event(*this, "ended",
                 cause_ ? std::to_string(static_cast<unsigned>(*cause_)) : refusal_);
}

// ---- What comes in ----

void Call::on_message(Bytes packet) {
  if (state_ == State::Ended) return;
  const auto message = q931::Message::parse(packet);
  if (!message) return complain("a Q.931 message that cannot be read");
  if (caller_ && message->call_reference().value != reference_)
    return complain("a message of another call");
  const auto octets = message->user_user();
  per::Message user_user;
  if (!octets || !codec::h323::decode<UserInformation>(user_user, *octets))
    return complain("no H.225.0 that can be read");
  const auto pdu = user_user.root<UserInformation>()[UserInformation::kH323UuPdu];
  const auto body = pdu[Pdu::kH323MessageBody];
  host_.on_event(*this, "message", std::string{name(message->type())});

  if (const auto setup = body[Body::kSetup]) return on_setup(*message, setup, pdu);
  if (tunnels_ && message->type() != MessageType::ReleaseComplete &&
      !pdu[Pdu::kH245Tunneling].boolean()) {
    tunnels_ = false;
    tunnelled_.clear();
    control_->restart();
  }
  gathers_control_ = true;  // what is said to this goes together
  if (const auto it = body[Body::kCallProceeding]) {
    if (state_ == State::Calling) state_ = State::Proceeding;
    take_choices(it);
  } else if (const auto alerting = body[Body::kAlerting]) {
    state_ = State::Ringing;
    take_choices(alerting);
    host_.on_event(*this, "ringing", "");
  } else if (const auto progress = body[Body::kProgress]) {
    take_choices(progress);
  } else if (const auto connect = body[Body::kConnect]) {
    take_choices(connect);
    on_connect();
  } else if (const auto facility = body[Body::kFacility]) {
    on_facility(facility);
  } else if (message->type() == MessageType::Information) {
    if (const auto digit = message->contents(ElementId::KeypadFacility)) {
      keypad_ += q931::text(*digit);
      host_.on_event(*this, "keypad", std::string{q931::text(*digit)});
    }
  }
  take_tunnelled(pdu);
  gathers_control_ = false;
  if (message->type() == MessageType::ReleaseComplete) {
    if (const auto contents = message->contents(ElementId::Cause))
      if (const auto cause = q931::parse_cause(*contents)) cause_ = cause->value;
    return end("released");
  }
  send_facility_with_control();
}

void Call::take_tunnelled(View<Pdu> pdu) {
  if (!tunnels_) return;
  for (const auto element : pdu[Pdu::kH245Control]) control_->on_message(element.octets());
}

template <class T>
void Call::take_choices(View<T> body) {
  if constexpr (requires { T::kFastStart; }) {
    if (caller_ && body[T::kFastStart] && !offered_.empty()) {
      control_->take_answer(elements_of(body[T::kFastStart]));
      control_->await_fast_connect(false);
      if (!fast_connected_) host_.on_event(*this, "fast-connected", "");
      fast_connected_ = true;
    }
  }
  if (const auto to = address(body[T::kH245Address])) connect_control(*to);
}

void Call::on_facility(View<h225::FacilityUUIE> facility) { take_choices(facility); }

void Call::on_connect() {
  state_ = State::Connected;
  control_->await_fast_connect(false);
  connected_at_ = host_.network().now();
  host_.on_event(*this, "connected", "");
  if (settings_.control == At::AfterConnect)
    begin_control_after_connect();
  else if (tunnels_)
    control_->start();
}

void Call::on_setup(const q931::Message& message, View<h225::SetupUUIE> setup, View<Pdu> pdu) {
  using T = h225::SetupUUIE;
  if (caller_ || setup_at_) return complain("a second Setup");
  setup_at_ = host_.network().now();
  reference_ = message.call_reference().value;
  conference_ = Reader{setup[T::kConferenceID].octets()}.array<16>();
  identifier_ = Reader{setup[T::kCallIdentifier][h225::CallIdentifier::kGuid].octets()}.array<16>();
  calling_ = setup[T::kSourceAddress].at(0).chosen().text();
  called_ = setup[T::kDestinationAddress].at(0).chosen().text();
  tunnels_ = settings_.tunnels && settings_.version >= 2 && pdu[Pdu::kH245Tunneling].boolean();
  if (settings_.version >= 2) offered_ = elements_of(setup[T::kFastStart]);
  control_->await_fast_connect(!offered_.empty() && !settings_.fast_answer.empty());
  state_ = State::Proceeding;
  host_.on_event(*this, "incoming", calling_);

  gathers_control_ = true;
  if (const auto to = address(setup[T::kH245Address])) connect_control(*to);
  if (tunnels_)
    for (const Buffer& element : elements_of(setup[T::kParallelH245Control]))
      control_->on_message(element);
  take_tunnelled(pdu);
  gathers_control_ = false;

  if (settings_.proceeds) {
    using Proceeding = h225::CallProceedingUUIE;
    Outgoing out{MessageType::CallProceeding, *this};
    auto body = out.body[Body::kCallProceeding];
    write_common(body);
    write_endpoint_type(body[Proceeding::kDestinationInfo], settings_);
    write_choices(At::CallProceeding, out, body);
    send(out);
  }
  host_.admit(*this, [this](const Admission& admission) { on_admitted_to_answer(admission); });
}

void Call::on_admitted_to_answer(const Admission& admission) {
  if (state_ == State::Ended) return;
  if (!admission.granted) {
    refusal_ = admission.refusal;
    return reject(CauseValue::CallRejected);
  }
  if (settings_.rejects_with) return reject(static_cast<CauseValue>(*settings_.rejects_with));
  if (settings_.alerts) {
    using T = h225::AlertingUUIE;
    state_ = State::Ringing;
    Outgoing out{MessageType::Alerting, *this};
    auto body = out.body[Body::kAlerting];
    write_common(body);
    write_endpoint_type(body[T::kDestinationInfo], settings_);
    write_choices(At::Alerting, out, body);
    send(out);
  }
  if (!settings_.answers) return;
  if (settings_.answers_after == Duration{}) return answer();
  answer_timer_ = host_.network().make_timer();
  answer_timer_->start(host_.network().now() + settings_.answers_after, [this] { answer(); });
}

// ---- H.245's ways ----

void Call::send_control(Buffer message) {
  if (!tunnels_) {
    if (!control_connected_) return complain("H.245 has no connection");
    return control_stream_->send(q931::encode_tpkt(message));
  }
  tunnelled_.push_back(std::move(message));
  if (!gathers_control_) send_facility_with_control();
}

void Call::listen_for_control() {
  if (control_listener_) return;
  for (int i = 0; i < 1000 && !control_listener_; ++i) {
    const std::uint16_t port = host_.next_port();
    host_.next_port() = static_cast<std::uint16_t>(port + 2);
    auto listener =
        host_.network().listen({host_.own(), port}, {}, [this](std::unique_ptr<net::Stream> s) {
          if (control_stream_) return complain("a second connection for H.245");
          control_connected_ = true;
          use_control(std::move(s));
          control_->start();
        });
    if (listener) control_listener_ = std::move(*listener);
  }
  if (!control_listener_) complain("no port is free for H.245");
}

net::Stream::Handler Call::control_handler() {
  return {.on_connected =
              [this] {
                control_connected_ = true;
                control_->start();
              },
          .on_received =
              [this](Bytes octets) {
                control_reader_.push(octets);
                for (auto packet = control_reader_.next(); packet;
                     packet = control_reader_.next()) {
                  const Buffer message = to_buffer(*packet);
                  if (state_ != State::Ended) control_->on_message(message);
                }
              },
          .on_half_closed = {},
          .on_closed =
              [this](const Error& error) {
                if (!control_connected_) complain(fmt::format("H.245: {}", error.what));
                control_connected_ = false;
              },
          .on_drained = {}};
}

void Call::connect_control(const TransportAddress& to) {
  if (tunnels_ || control_stream_) return;
  control_stream_ = host_.network().connect(to, {}, control_handler());
}

void Call::use_control(std::unique_ptr<net::Stream> stream) {
  control_stream_ = std::move(stream);
  control_stream_->set_handler(control_handler());
}

}  // namespace sallyport::h323_endpoint
