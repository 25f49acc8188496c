// What crosses from one side of a call to the other, in order, and how it looks there.
#include <algorithm>
#include <utility>

#include "adapter/h323/call_signalling.h"
#include "adapter/h323/control_messages.h"
#include "adapter/h323/features.h"
#include "adapter/h323/tree.h"
#include "codec/addresses/address_scan.h"
#include "codec/h323/addresses.h"

namespace sallyport::adapter::h323 {
namespace {

namespace per = codec::per;
namespace q931 = codec::q931;
namespace h225 = codec::h225;
namespace h245 = codec::h245;
using codec::h323::set_address;
using q931::MessageType;

constexpr std::size_t kMaxInbox = 64;
// Q.931 table 9-1. T310 is what a gatekeeper may take to find a callee.
constexpr Duration kProceedingLimit = std::chrono::minutes{2};

constexpr std::string_view kFastStart = "fastStart";
constexpr std::string_view kControlAddress = "h245Address";

// Fast connect and H.245 are looked after where their channels are known.
bool has_home_elsewhere(std::string_view name) {
  return name == kFastStart || name == kControlAddress || name == "h245Control" ||
         name == "parallelH245Control";
}

// A Facility that is there for the H.245 in it and says nothing else.
bool is_carriage_only(const CallMessage& message) {
  using Pdu = h225::H323UUPDU;
  if (message.type() != MessageType::Facility || !message.is_empty()) return false;
  for (auto each = message.pdu().first_child(); each; each = each.next())
    if (each.member() != Pdu::kH323MessageBody.kIndex &&
        each.member() != Pdu::kH245Tunneling.kIndex && each.member() != Pdu::kH245Control.kIndex)
      return false;
  return true;
}

bool is_start_of_control(const CallMessage& message) {
  using Facility = h225::FacilityUUIE;
  const auto facility = message.body().as<Facility>();
  return facility[Facility::kReason].has(h225::FacilityReason::kStartH245);
}

// The end that this message makes, if it makes one. In H.225.0 a call ends by ReleaseComplete;
// who says Disconnect or Release means no less.
bool is_release(MessageType type) {
  return type == MessageType::ReleaseComplete || type == MessageType::Release ||
         type == MessageType::Disconnect;
}

bool is_answer(MessageType type) {
  switch (type) {
    case MessageType::CallProceeding:
    case MessageType::Alerting:
    case MessageType::Connect:
    case MessageType::SetupAcknowledge:
      return true;
    default:
      return false;
  }
}

// The text with our address in place of each one of that side's network; nothing if it has none.
std::optional<std::string> without_addresses(std::string_view text, const Leg& theirs,
                                             const IpAddress& ours) {
  const auto found = codec::find_addresses(text, [&](const IpAddress& ip) {
    return ip.is_private() || (!theirs.hop.place.is_outside() && ip == theirs.hop.remote.ip);
  });
  if (found.empty()) return std::nullopt;
  std::string out;
  std::size_t at = 0;
  for (const codec::FoundAddress& each : found) {
    if (each.offset < at) continue;  // finds may overlap
    out += text.substr(at, each.offset - at);
    out += ours.to_string();
    at = each.offset + each.size;
  }
  return out += text.substr(at);
}

// What a CallProceeding said, in a Progress: the caller has had one CallProceeding, of ours or of
// another callee.
CallMessage as_progress(const CallMessage& proceeding) {
  CallMessage progress{MessageType::Progress, "progress", {}};
  // H.225.0 table 16 wants one: "call is not end-to-end ISDN".
  progress.q931().set(q931::ElementId::ProgressIndicator, Buffer{0x80, 0x81});
  for (auto each = proceeding.body().first_child(); each; each = each.next())
    if (auto same = progress.edit(each.name())) same->copy(each);
  const auto body = h225::H323UUPDU::kH323MessageBody.kIndex;
  for (auto each = proceeding.pdu().first_child(); each; each = each.next())
    if (each.member() != body)
      progress.tree().edit(per::Node{progress.pdu()}).member(each.member()).copy(each);
  return progress;
}

}  // namespace

// ---- in ----

void CallSignalling::on_message(const CallPtr& call, Side from, Bytes octets, Commands& out) {
  Leg& leg = call->legs[from];
  call->audit.heard = true;
  auto message = CallMessage::parse(octets);
  if (!message) {
    // Q.931 5.8.6.2, 5.8.7: what cannot be read is not acted on; its sender is told.
    stack_.counters.add("message_malformed");
    return say_status(*call, from, q931::CauseValue::InvalidElementContents, out);
  }
  note_tunnelling(*call, from, *message, out);
  if (from == kCallee && !std::exchange(leg.signalled, true)) leg.control->on_signalling(out);
  if (call->is_over()) return;
  const MessageType type = message->type();
  if (from == kCaller && call->phase == Call::Phase::Overlap && type == MessageType::Information)
    return on_digits(call, *message, out);
  Incoming incoming;
  incoming.message = std::move(*message);
  // Nothing that waits matters any more.
  if (is_release(type)) return pass_release(call, from, std::move(incoming), out);
  enqueue(call, from, std::move(incoming), out);
}

void CallSignalling::on_control(const CallPtr& call, Side from, Bytes octets, Commands& out) {
  call->audit.heard = true;
  Incoming incoming;
  incoming.controls.push_back(read_control(*call, from, octets, out));
  enqueue(call, from, std::move(incoming), out);
}

Control CallSignalling::read_control(Call& call, Side from, Bytes octets, Commands& out) {
  Control control;
  control.tree = std::make_unique<per::Message>();
  const auto read =
      codec::h323::decode<h245::MultimediaSystemControlMessage>(*control.tree, octets);
  if (!read) {
    stack_.counters.add("h245_malformed");
    control.tree.reset();
    call.legs[from].control->send(function_not_supported(), out);
  }
  return control;
}

void CallSignalling::enqueue(const CallPtr& call, Side from, Incoming incoming, Commands& out) {
  Leg& leg = call->legs[from];
  if (leg.inbox.size() >= kMaxInbox) {
    stack_.counters.add("too_many_messages");
    return release(call, kCongestion, "too many messages", out);
  }
  leg.inbox.push_back(std::move(incoming));
  pump(call, from, out);
}

void CallSignalling::pump(CallId id, Commands& out) {
  const CallPtr call = find_call(id);
  if (!call) return;
  for (const Side side : {kCaller, kCallee}) pump(call, side, out);
}

void CallSignalling::pump(const CallPtr& call, Side from, Commands& out) {
  Leg& leg = call->legs[from];
  if (leg.pumping) return;  // what it waits for has come while it asked
  leg.pumping = true;
  while (!call->is_over() && !leg.inbox.empty()) {
    Incoming& front = leg.inbox.front();
    const bool is_setup = front.message && front.message->type() == MessageType::Setup;
    if (from == kCaller && call->phase < Call::Phase::Calling && !is_setup) break;
    if (!std::exchange(front.prepared, true)) prepare(*call, from, front, out);
    if (call->is_over() || !is_ready(*call, from, front, out)) break;
    Incoming incoming = std::move(front);
    leg.inbox.pop_front();
    pass(call, from, std::move(incoming), out);
  }
  leg.pumping = false;
}

void CallSignalling::prepare(Call& call, Side from, Incoming& incoming, Commands& out) {
  if (incoming.message && incoming.message->type() == MessageType::CallProceeding &&
      call.proceeding_said)
    incoming.message = as_progress(*incoming.message);
  if (incoming.message) {
    const auto role =
        from == kCaller ? LogicalChannels::Role::Proposal : LogicalChannels::Role::Answer;
    incoming.fast_start =
        call.channels->prepare(from, incoming.message->field(kFastStart), role, out);
    for (const per::Node node : incoming.message->controls())
      incoming.controls.push_back(read_control(call, from, node.octets(), out));
  }
  for (Control& control : incoming.controls)
    if (control.tree)
      control.needs =
          call.channels->prepare(from, control.tree->root(), LogicalChannels::Role::Control, out);
}

bool CallSignalling::is_ready(Call& call, Side from, const Incoming& incoming, Commands& out) {
  if (!incoming.fast_start.is_ready()) return false;
  for (const Control& control : incoming.controls)
    if (!control.needs.is_ready()) return false;
  if (!incoming.message) return true;
  if (incoming.message->type() == MessageType::Setup && !call.dialled) return false;
  const Side toward = other_side(from);
  if (!wants_control_address(call, toward, *incoming.message)) return true;
  ControlChannel& control = *call.legs[toward].control;
  control.listen(out);
  return !control.is_listening_soon();
}

// ---- across ----

void CallSignalling::pass(const CallPtr& call, Side from, Incoming incoming, Commands& out) {
  const Side toward = other_side(from);
  Leg& to = call->legs[toward];
  auto controls = pass_controls(*call, from, incoming, out);
  std::vector<Buffer> behind;  // H.245 that goes another way than the message it came in
  bool tells = incoming.message && on_passing(call, from, incoming, out);
  if (call->is_over()) return;
  if (tells) {
    CallMessage& message = *incoming.message;
    pass_control_address(*call, from, message);
    pass_fast_start(*call, from, incoming, out);
    dress(*call, from, message);
    behind = place_controls(*call, from, message, std::move(controls));
    tells = !is_carriage_only(message) || !message.controls().empty();
  } else {
    for (auto& control : controls)
      if (control) behind.push_back(std::move(*control));
  }
  if (tells) say(to, *incoming.message, out);
  for (const Buffer& control : behind)
    if (to.control) to.control->send(control, out);
  if (tells) on_passed(call, from, incoming.message->type(), out);
}

// What a message means for us before it goes on. False: it does not.
bool CallSignalling::on_passing(const CallPtr& call, Side from, Incoming& incoming, Commands& out) {
  CallMessage& message = *incoming.message;
  const MessageType type = message.type();
  if (from == kCaller && is_answer(type)) {
    stack_.counters.add("message_out_of_place");
    say_status(*call, from, q931::CauseValue::MessageNotCompatibleWithState, out);
    return false;
  }
  switch (type) {
    case MessageType::Setup:
      dress_setup(*call, message);
      return true;
    case MessageType::Facility:
      if (from == kCallee && redirect(call, message, out)) return false;
      if (!is_start_of_control(message)) return true;
      // Each side's way of H.245 is between it and us.
      note_control_address(*call, from, message);
      call->legs[from].control->dial(out);
      return false;
    case MessageType::Status:
      // An answer to our own question, unless the other side has asked.
      return !std::exchange(call->audit.asked[from], false);
    case MessageType::CallProceeding:
    case MessageType::Alerting:
    case MessageType::Connect:
    case MessageType::SetupAcknowledge:
    case MessageType::Progress:
    case MessageType::UserInformation:
    case MessageType::Notify:
    case MessageType::Information:
    case MessageType::StatusInquiry:
    case MessageType::ConnectAcknowledge:
      return true;
    default:
      stack_.counters.add("message_type_unknown");
      say_status(*call, from, q931::CauseValue::MessageTypeNotImplemented, out);
      return false;
  }
}

void CallSignalling::on_passed(const CallPtr& call, Side from, MessageType type, Commands& out) {
  if (from == kCaller) {
    if (type != MessageType::Setup) return;
    set_phase(*call, Call::Phase::Calling, out);
    return guard_setup(call, out);
  }
  stack_.timers.stop(std::exchange(call->proceeding_timer, {}));
  call->proceeding_said = true;
  if (call->phase >= Call::Phase::Established) return;
  switch (type) {
    case MessageType::Connect:
      stack_.timers.stop(std::exchange(call->guard_timer, {}));
      call_limits_.answer(call->id);
      call->setup.clear();
      call->later.clear();
      set_phase(*call, Call::Phase::Established, out);
      return start_audit(call, out);
    case MessageType::Alerting:
      set_phase(*call, Call::Phase::Ringing, out);
      return guard(call, stack_.config.ringing_limit, kNoAnswer, out);
    default:
      if (call->phase == Call::Phase::Ringing) return;
      set_phase(*call, Call::Phase::Proceeding, out);
      return guard(call, kProceedingLimit, kNoResponse, out);
  }
}

// The call ends; the other side is told as this one told it.
void CallSignalling::pass_release(const CallPtr& call, Side from, Incoming incoming,
                                  Commands& out) {
  const Side toward = other_side(from);
  Leg& to = call->legs[toward];
  call->legs[from].over = true;
  CallMessage& message = *incoming.message;
  const bool knows = toward == kCaller || call->phase >= Call::Phase::Calling;
  if (knows && !to.over && message.type() == MessageType::ReleaseComplete && call->channels) {
    for (const per::Node node : message.controls())
      incoming.controls.push_back(read_control(*call, from, node.octets(), out));
    auto controls = pass_controls(*call, from, incoming, out);
    dress(*call, from, message);
    const auto behind = place_controls(*call, from, message, std::move(controls));
    for (const Buffer& control : behind) to.control->send(control, out);
    say(to, message, out);
    to.over = true;
  } else if (message.type() != MessageType::ReleaseComplete) {
    call->legs[from].over = false;
    release_leg(*call, from, kNormalClearing, out);
  }
  release(call, kNormalClearing, from == kCaller ? "caller hung up" : "callee hung up", out);
}

// ---- tunnelling, and where H.245 connects ----

void CallSignalling::note_tunnelling(Call& call, Side from, const CallMessage& message,
                                     Commands& out) {
  const auto& control = call.legs[from].control;
  if (!control || !message.has_uuie()) return;
  // "Provisional": it will be said later.
  if (message.pdu().has(h225::H323UUPDU::kProvisionalRespToH245Tunneling)) return;
  const auto tunnels = message.tunnels();
  if (tunnels || !message.is_empty()) control->on_tunnelling(tunnels.value_or(false), out);
}

void CallSignalling::note_control_address(Call& call, Side from, const CallMessage& message) {
  const auto theirs = codec::h323::address(message.field(kControlAddress));
  if (!theirs) return;
  const Leg& leg = call.legs[from];
  const bool permitted = theirs->port != 0 && LogicalChannels::is_permitted(
                                                  call.channels->streams().party(from), theirs->ip);
  if (!permitted) return stack_.counters.add("h245_address_refused");
  leg.control->on_address(*theirs);
}

// Is this message to tell where we take a connection for H.245?
bool CallSignalling::wants_control_address(const Call& call, Side toward,
                                           const CallMessage& message) const {
  const ControlChannel& control = *call.legs[toward].control;
  const per::Node body = message.body();
  if (!body || !member_named(body.type(), kControlAddress)) return false;
  if (control.is_open() || control.tunnels()) return false;
  // Because the sender tells its own; or because it is the answer, and without it there is no way.
  return message.field(kControlAddress) ||
         (message.type() == MessageType::Connect && control.lacks_way());
}

void CallSignalling::pass_control_address(Call& call, Side from, CallMessage& message) {
  const Side toward = other_side(from);
  const bool wanted = wants_control_address(call, toward, message);
  note_control_address(call, from, message);
  ControlChannel& control = *call.legs[toward].control;
  if (!wanted || !control.own_address()) return message.remove(kControlAddress);
  const TransportAddress own{call.legs[toward].ours.ip, control.own_address()->port};
  if (auto said = message.edit(kControlAddress)) set_address(*said, own);
  control.on_told();
}

// ---- media ----

void CallSignalling::pass_fast_start(Call& call, Side from, Incoming& incoming, Commands& out) {
  CallMessage& message = *incoming.message;
  const per::Node list = message.field(kFastStart);
  if (!list) return;
  const Leg& to = call.legs[other_side(from)];
  const auto role =
      from == kCaller ? LogicalChannels::Role::Proposal : LogicalChannels::Role::Answer;
  const auto refused = call.channels->pass(from, message.tree(), list, role, incoming.fast_start,
                                           {to.ours.ip, 0}, out);
  // What is refused was never proposed, or never taken; nor was what cannot be read.
  std::vector<per::Node> gone;
  for (auto each = list.first_child(); each; each = each.next())
    if (!each.contents() || std::any_of(refused.begin(), refused.end(), [&](const auto& channel) {
          return channel.node == each.contents().index();
        }))
      gone.push_back(each);
  if (gone.size() == list.child_count()) return message.remove(kFastStart);
  for (const per::Node each : gone) message.tree().remove(each);
}

// Each H.245 message as the other side is to have it; nothing where it is not to.
std::vector<std::optional<Buffer>> CallSignalling::pass_controls(Call& call, Side from,
                                                                 Incoming& incoming,
                                                                 Commands& out) {
  std::vector<std::optional<Buffer>> passed;
  for (Control& control : incoming.controls) {
    passed.emplace_back();
    if (!control.tree || !call.channels) continue;
    const Leg& to = call.legs[other_side(from)];
    const auto refused =
        call.channels->pass(from, *control.tree, control.tree->root(),
                            LogicalChannels::Role::Control, control.needs, {to.ours.ip, 0}, out);
    Buffer octets;
    if (!refused.empty())
      passed.back() = refuse_channel(call, from, refused.front(), out);
    else if (control.tree->encode(octets))
      passed.back() = std::move(octets);
    else
      stack_.counters.add("message_not_encodable");
  }
  return passed;
}

// A channel that is not opened: whoever asked is told. An answer with an address that is not its
// sender's becomes a refusal, and the sender, which thinks the channel open, is asked to close it.
std::optional<Buffer> CallSignalling::refuse_channel(Call& call, Side from,
                                                     const LogicalChannels::Refused& refused,
                                                     Commands& out) {
  Buffer reject = open_reject(refused.number, refused.why);
  ControlChannel& back = *call.legs[from].control;
  if (!refused.was_answer) {
    back.send(reject, out);
    return std::nullopt;
  }
  back.send(close_channel(refused.number), out);
  call.channels->erase(other_side(from), refused.number, out);
  return reject;
}

// Puts H.245 into the message if it can go in there; what cannot is to go by itself, behind it.
std::vector<Buffer> CallSignalling::place_controls(Call& call, Side from, CallMessage& message,
                                                   std::vector<std::optional<Buffer>> controls) {
  ControlChannel& control = *call.legs[other_side(from)].control;
  const bool is_setup = message.type() == MessageType::Setup;
  const bool tunnels = is_setup ? control.may_tunnel() : control.tunnels();
  if (const auto said = message.tunnels(); said && *said != control.takes_tunnelled())
    message.set_tunnels(control.takes_tunnelled());
  std::vector<Buffer> all;
  if (tunnels && !is_setup) all = control.take_waiting();
  const bool as_it_came = tunnels && all.empty() &&
                          std::all_of(controls.begin(), controls.end(),
                                      [](const auto& each) { return each.has_value(); });
  const auto nodes = message.controls();
  for (std::size_t i = 0; i < controls.size(); ++i) {
    if (as_it_came && as_text(nodes[i].octets()) != as_text(*controls[i]))
      message.tree().edit(nodes[i]).set_octets(*controls[i]);
    if (controls[i]) all.push_back(std::move(*controls[i]));
  }
  if (!tunnels) {
    message.remove_controls();
    return all;
  }
  if (!as_it_came) {
    message.remove_controls();
    for (const Buffer& each : all) message.add_control(each);
  }
  if (is_setup) control.remember(std::move(all));
  return {};
}

void CallSignalling::say_controls(Call& call, Side toward, const std::vector<Buffer>& controls,
                                  Commands& out) {
  Leg& leg = call.legs[toward];
  CallMessage facility = message_to(leg, MessageType::Facility, "empty");
  for (const Buffer& control : controls) facility.add_control(control);
  say(leg, facility, out);
}

void CallSignalling::say_start(Call& call, Side toward, const TransportAddress& own,
                               Commands& out) {
  Leg& leg = call.legs[toward];
  CallMessage facility = message_to(leg, MessageType::Facility, "facility");
  auto uuie = facility.tree().edit(facility.body().as<h225::FacilityUUIE>());
  uuie[h225::FacilityUUIE::kReason][h225::FacilityReason::kStartH245];
  set_address(uuie[h225::FacilityUUIE::kH245Address], {leg.ours.ip, own.port});
  say(leg, facility, out);
}

// ---- as the other side sees it ----

// Every address and identifier of this side becomes ours, wherever it stands: in texts, too.
void CallSignalling::dress(const Call& call, Side from, CallMessage& message) const {
  const Leg& theirs = call.legs[from];
  const Leg& ours = call.legs[other_side(from)];
  per::Message& tree = message.tree();
  decline_features(tree);
  std::vector<per::Node> addresses;
  std::vector<per::Node> identifiers;
  std::vector<per::Node> texts;
  for_each_below(tree.root(), [&](per::Node node) {
    if (has_home_elsewhere(node.name())) return false;
    if (codec::h323::is_address(node)) addresses.push_back(node);
    if (node.is<h225::GloballyUniqueID>()) identifiers.push_back(node);
    if (node.type().kind == per::Kind::CharacterString) texts.push_back(node);
    return true;
  });
  for (const per::Node node : addresses) {
    const bool is_callee = node.name() == "destCallSignalAddress" && ours.called;
    set_address(tree.edit(node), is_callee ? ours.hop.remote : ours.ours);
  }
  for (const per::Node node : identifiers) {
    const auto is = [&](const Guid& guid) { return std::ranges::equal(node.octets(), guid); };
    if (theirs.call != ours.call && is(theirs.call))
      tree.edit(node).set_octets(ours.call);
    else if (theirs.conference != ours.conference && is(theirs.conference))
      tree.edit(node).set_octets(ours.conference);
  }
  for (const per::Node node : texts)
    if (const auto text = without_addresses(node.text(), theirs, ours.ours.ip))
      tree.edit(node).set_text(*text);
  if (const auto display = message.q931().contents(q931::ElementId::Display))
    if (const auto text = without_addresses(as_text(*display), theirs, ours.ours.ip);
        text && text->size() <= 0xff)
      message.q931().set(q931::ElementId::Display, as_bytes(*text));
  // Tokens of this kind are between a side and its gatekeeper. We keep no connection for later.
  if (message.type() != MessageType::Setup) message.remove("cryptoTokens");
  for (const std::string_view name : {"multipleCalls", "maintainConnection"})
    if (const per::Node said = message.field(name); said.boolean()) tree.edit(said).set(0);
}

}  // namespace sallyport::adapter::h323
