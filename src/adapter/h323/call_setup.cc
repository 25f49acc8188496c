// From a caller's Setup to the callee's: who may, where to, over which connection, and what the
// Setup says there.
#include <algorithm>
#include <utility>

#include "adapter/h323/alias_codec.h"
#include "adapter/h323/call_signalling.h"
#include "adapter/h323/features.h"
#include "adapter/h323/tree.h"
#include "codec/h323/addresses.h"

namespace sallyport::adapter::h323 {
namespace {

namespace per = codec::per;
namespace q931 = codec::q931;
namespace h225 = codec::h225;
using Setup = h225::SetupUUIE;

// Before the caller's T303 (4 s, Q.931 table 9-1) runs out.
constexpr Duration kProceedingAfter = seconds{2};
constexpr Duration kDigitsLimit = seconds{15};  // T302
constexpr unsigned kMaxRedirections = 5;
constexpr std::size_t kMaxDigits = 128;
constexpr std::int64_t kHops = 31;  // the most that hopCount can say

Guid guid_of(per::Node node) {
  Guid guid{};
  const Bytes octets = node.octets();
  std::copy_n(octets.begin(), std::min(octets.size(), guid.size()), guid.begin());
  return guid;
}

std::optional<std::string> digits_of(const q931::Message& message, q931::ElementId id) {
  const auto contents = message.contents(id);
  const auto number = contents ? q931::parse_party_number(*contents) : std::nullopt;
  if (!number || number->digits.empty()) return std::nullopt;
  return number->digits;
}

// The number in Q.931 is one more alias, unless the UUIE says it, too.
void add_number(std::vector<Alias>& aliases, std::optional<std::string> digits) {
  if (!digits) return;
  const bool said = std::any_of(aliases.begin(), aliases.end(),
                                [&](const Alias& alias) { return alias.value == *digits; });
  if (!said) aliases.push_back({Alias::Kind::DialedDigits, std::move(*digits)});
}

std::string for_people(const std::vector<Alias>& aliases) {
  return aliases.empty() ? std::string{} : aliases.front().value;
}

// The digits that the first alias that has any dials: what the number in Q.931 is to say.
std::optional<std::string> number_of(const std::vector<Alias>& aliases) {
  for (const Alias& alias : aliases)
    if (auto digits = digits_of(alias)) return digits;
  return std::nullopt;
}

// A token as it came from a gatekeeper; what cannot be read is left out.
template <class T>
void add_encoded(per::Edit<T> to, Bytes octets) {
  per::Message token;
  if (token.decode<T>(octets)) to.copy(token.root());
}

void set_number(q931::Message& message, q931::ElementId id, const std::vector<Alias>& aliases) {
  const auto contents = message.contents(id);
  auto number = contents ? q931::parse_party_number(*contents) : std::nullopt;
  const auto digits = number_of(aliases);
  if (!number || !digits || number->digits == *digits) return;
  number->digits = *digits;
  message.set(id, q931::encode(*number));
}

}  // namespace

// ---- a Setup has come ----

std::optional<Release> CallSignalling::read_setup(const CallMessage& message, const Hop& from,
                                                  edge::ListenerId listener,
                                                  CallQuery& query) const {
  const auto setup = message.body().as<Setup>();
  if (!setup) return kNoUuie;
  if (const auto hops = setup[Setup::kHopCount]; hops && hops.integer() <= 1) return kTooManyHops;
  if (needs_declined_feature(message.tree())) return kNeedsFeature;
  query.from = from;
  query.listener = listener;
  query.called = read_aliases(setup[Setup::kDestinationAddress]);
  add_number(query.called, digits_of(message.q931(), q931::ElementId::CalledPartyNumber));
  query.caller = read_aliases(setup[Setup::kSourceAddress]);
  add_number(query.caller, digits_of(message.q931(), q931::ElementId::CallingPartyNumber));
  query.address = codec::h323::address(setup[Setup::kDestCallSignalAddress]);
  query.endpoint = setup[Setup::kEndpointIdentifier].text();
  query.call = guid_of(setup[Setup::kCallIdentifier].first_child());
  query.can_overlap = setup[Setup::kCanOverlapSend].boolean() &&
                      !message.q931().has(q931::ElementId::SendingComplete);
  return std::nullopt;
}

void CallSignalling::on_setup(edge::ConnectionId id, Bytes octets, const q931::Header& header,
                              Commands& out) {
  const auto hop = connections_.hop(id);
  if (!hop) return;
  const q931::CallReference answer{.value = header.call_reference.value, .from_destination = true};
  const auto turn_down = [&](std::string_view counter, const Release& why) {
    stack_.counters.add(counter);
    refuse(id, answer, why, out);
  };
  switch (stack_.guard.admits(*hop, true, out.now())) {
    case RateGuard::Verdict::Pass:
      break;
    case RateGuard::Verdict::Refuse:
      return turn_down("flood_refused", kCongestion);
    case RateGuard::Verdict::Drop:
      return stack_.counters.add("flood_dropped");
  }
  auto setup = CallMessage::parse(octets);
  if (!setup) return turn_down("setup_malformed", kBadUuie);
  const auto call = std::make_shared<Call>();
  if (const auto why = read_setup(*setup, *hop, carriers_[id].listener, call->query))
    return turn_down("setup_refused", *why);
  call->id = CallId{++next_call_};
  const auto verdict = call_limits_.begin(call->id, *hop);
  if (verdict != CallLimits::Verdict::Admitted) return turn_down(name(verdict), kCongestion);

  call->since = out.wall_now();
  call->from = for_people(call->query.caller);
  call->to = for_people(call->query.called);
  call->setup = to_buffer(octets);
  Leg& caller = call->legs[kCaller];
  caller.hop = *hop;
  caller.reference = header.call_reference.value;
  caller.ours = shown(hop->place, hop->local);
  caller.call = call->query.call;
  const per::Node body = setup->body();
  caller.conference = guid_of(child_named(body, "conferenceID"));
  calls_[call->id] = call;
  attach(*call, kCaller, id);
  make_control(call, kCaller);
  note_tunnelling(*call, kCaller, *setup, out);
  call->proceeding_timer = stack_.timers.start(
      kProceedingAfter, [this, call](Commands& later) { say_proceeding(call, later); }, out);
  route(call, out);
}

// Where to? Asked again when digits have come, or the callee has sent the call elsewhere.
void CallSignalling::route(const CallPtr& call, Commands& out) {
  set_phase(*call, Call::Phase::Routing, out);
  destinations_.find(call->query, out, [this, id = call->id](const Found& found, Commands& at) {
    const CallPtr found_for = find_call(id);
    if (found_for && found_for->phase == Call::Phase::Routing) on_found(found_for, found, at);
  });
}

void CallSignalling::on_found(const CallPtr& call, const Found& found, Commands& out) {
  Leg& caller = call->legs[kCaller];
  if (!found.endpoint.empty() && caller.endpoint.empty()) {
    caller.endpoint = found.endpoint;
    by_endpoint_[found.endpoint].insert(call->id);
  }
  if (found.destinations.empty()) {
    const Refusal refusal = found.refusal.value_or(Refusal::Unreachable);
    if (refusal == Refusal::IncompleteAddress && call->query.can_overlap)
      return ask_for_digits(call, out);
    if (!found.counter.empty()) stack_.counters.add(found.counter);
    return release(call, release_for(refusal), "refused", out);
  }
  call->later = found.destinations;
  try_next(call, kUnreachable, out);
}

// ---- overlap sending ----

void CallSignalling::ask_for_digits(const CallPtr& call, Commands& out) {
  Leg& caller = call->legs[kCaller];
  const bool first = !std::exchange(call->digits_asked, true);
  set_phase(*call, Call::Phase::Overlap, out);
  stack_.timers.stop(std::exchange(call->proceeding_timer, {}));
  guard(call, kDigitsLimit, release_for(Refusal::IncompleteAddress), out);
  if (!first) return;
  CallMessage more = message_to(caller, q931::MessageType::SetupAcknowledge, "setupAcknowledge");
  say(caller, more, out);
}

void CallSignalling::on_digits(const CallPtr& call, const CallMessage& information, Commands& out) {
  auto digits = digits_of(information.q931(), q931::ElementId::CalledPartyNumber);
  if (!digits) {
    const auto keypad = information.q931().contents(q931::ElementId::KeypadFacility);
    if (!keypad) return;
    digits = std::string{q931::text(*keypad)};
  }
  auto& called = call->query.called;
  auto dialled = std::find_if(called.begin(), called.end(), [](const Alias& alias) {
    return alias.kind == Alias::Kind::DialedDigits;
  });
  if (dialled == called.end())
    dialled = called.insert(called.begin(), {Alias::Kind::DialedDigits, {}});
  dialled->value += *digits;
  call->to = for_people(called);
  if (information.q931().has(q931::ElementId::SendingComplete)) call->query.can_overlap = false;
  if (dialled->value.size() > kMaxDigits)
    return release(call, release_for(Refusal::AddressUnusable), "too many digits", out);
  route(call, out);
}

// ---- where it goes ----

void CallSignalling::try_next(const CallPtr& call, const Release& otherwise, Commands& out) {
  if (call->later.empty()) return release(call, otherwise, "nobody reached", out);
  call->destination = std::move(call->later.front());
  call->later.erase(call->later.begin());
  const Hop& hop = call->destination->hop;
  const auto verdict = call_limits_.ring(call->id, hop.place,
                                         call->destination->called.empty()
                                             ? hop.remote.to_string()
                                             : identity_of(call->destination->called.front()));
  auto setup = CallMessage::parse(call->setup);
  if (verdict != CallLimits::Verdict::Admitted || !setup) {
    stack_.counters.add(name(verdict));
    leave_destination(call, out);
    return try_next(call, kCongestion, out);
  }

  set_phase(*call, Call::Phase::Dialling, out);
  Leg& callee = call->legs[kCallee];
  callee = {};
  callee.called = true;
  callee.hop = hop;
  callee.endpoint = call->destination->endpoint;
  if (!callee.endpoint.empty()) by_endpoint_[callee.endpoint].insert(call->id);
  next_reference_ = static_cast<std::uint16_t>(next_reference_ % 0x7fffU + 1U);
  callee.reference = next_reference_;
  choose_identifiers(*call);
  by_destination_[{hop.place, hop.remote}].insert(call->id);
  make_channels(call);
  make_control(call, kCallee);
  const edge::ConnectionId id =
      connections_.dial(hop.place, hop.remote, Connections::Framing::Tpkt, carrier_handler(), out);
  carriers_[id].place = hop.place;
  attach(*call, kCallee, id);
  // Before whatever the caller has said since.
  Incoming first;
  first.message = std::move(*setup);
  call->legs[kCaller].inbox.push_front(std::move(first));
  pump(call, kCaller, out);  // ports open while the connection does
}

void CallSignalling::on_dialled(const CallPtr& call, const edge::Addresses& addresses,
                                Commands& out) {
  Leg& callee = call->legs[kCallee];
  callee.hop.local = addresses.local;
  callee.ours = shown(callee.hop.place, addresses.local);
  const auto port = ports_.find(callee.hop.place);
  callee.ours.port = port == ports_.end() ? std::uint16_t{0} : port->second;
  if (call->destination->source) callee.ours = *call->destination->source;
  callee.control->set_place(callee.hop.place, addresses.local.ip);
  call->channels->set_local(kCallee, addresses.local.ip);
  call->dialled = true;
  pump(call, kCaller, out);
}

// The connection did not come to be, or nothing came over it.
void CallSignalling::on_undialled(const CallPtr& call, Commands& out) {
  stack_.counters.add("destination_unreachable");
  leave_destination(call, out);
  try_next(call, kUnreachable, out);
}

// What was begun for this destination ends; the caller does not notice.
void CallSignalling::leave_destination(const CallPtr& call, Commands& out) {
  if (!call->destination) return;
  Leg& callee = call->legs[kCallee];
  detach(*call, kCallee, out);
  callee.inbox.clear();
  if (callee.control) callee.control->close(out);
  if (call->channels) call->channels->close_all(out);
  auto& inbox = call->legs[kCaller].inbox;
  if (!inbox.empty() && inbox.front().message &&
      inbox.front().message->type() == q931::MessageType::Setup)
    inbox.pop_front();
  unlist(*call);
  admissions_.on_call_over(*call->destination, callee.call, out);
  call->destination.reset();
  call->dialled = false;
  // They may be at work just now.
  retire(std::shared_ptr<ControlChannel>{std::move(callee.control)}, out);
  retire(std::shared_ptr<LogicalChannels>{std::move(call->channels)}, out);
}

void CallSignalling::choose_identifiers(Call& call) {
  const Leg& caller = call.legs[kCaller];
  Leg& callee = call.legs[kCallee];
  callee.call = caller.call;
  callee.conference = caller.conference;
  // Two sites may number alike. Whoever has a call of this identifier, or of this conference, from
  // us already would take the two for one.
  const auto others = by_destination_.find({callee.hop.place, callee.hop.remote});
  if (others == by_destination_.end()) return;
  for (const CallId id : others->second) {
    const CallPtr other = find_call(id);
    if (!other) continue;
    if (other->legs[kCallee].call == callee.call) callee.call = stack_.random.array<16>();
    if (other->legs[kCallee].conference == callee.conference)
      callee.conference = stack_.random.array<16>();
  }
}

void CallSignalling::make_channels(const CallPtr& call) {
  const CallId id = call->id;
  const Place caller = call->legs[kCaller].hop.place;
  const Place callee = call->legs[kCallee].hop.place;
  call->channels = std::make_unique<LogicalChannels>(
      stack_, connections_,
      LogicalChannels::User{.on_change = [this, id](Commands& at) { pump(id, at); },
                            .admits =
                                [this, id, caller, callee](std::uint64_t bits) {
                                  return bandwidth_limits_.offer(id, caller, callee, bits);
                                },
                            .settled =
                                [this, id, caller, callee](std::uint64_t bits) {
                                  bandwidth_limits_.settled(id, caller, callee, bits);
                                }});
  for (const Side side : {kCaller, kCallee}) {
    const Leg& leg = call->legs[side];
    call->channels->streams().set_party(side,
                                        {.place = leg.hop.place,
                                         .signalling = leg.hop.remote.ip,
                                         .behind_nat = false,
                                         .marks = stack_.config.marks(leg.hop.place.is_outside())});
    call->channels->set_local(side, leg.hop.local.ip);
  }
}

void CallSignalling::make_control(const CallPtr& call, Side side) {
  const CallId id = call->id;
  Leg& leg = call->legs[side];
  const auto with_call = [this, id](auto act) {
    if (const CallPtr found = find_call(id)) act(found);
  };
  ControlChannel::User user;
  user.on_control = [this, with_call, side](Bytes control, Commands& at) {
    with_call([&](const CallPtr& found) { on_control(found, side, control, at); });
  };
  user.on_open = [with_call, side](Commands& at) {
    with_call([&](const CallPtr& found) {
      const auto& other = found->legs[other_side(side)].control;
      if (other) other->open(at);
    });
  };
  user.on_listening = [this, id](Commands& at) { pump(id, at); };
  user.on_closed = [with_call, side](Commands& at) {
    with_call([&](const CallPtr& found) {
      const auto& other = found->legs[other_side(side)].control;
      if (other) other->hang_up(at);
    });
  };
  user.tunnel = [this, with_call, side](const std::vector<Buffer>& controls, Commands& at) {
    with_call([&](const CallPtr& found) { say_controls(*found, side, controls, at); });
  };
  user.ask = [this, with_call, side](const TransportAddress& own, Commands& at) {
    with_call([&](const CallPtr& found) { say_start(*found, side, own, at); });
  };
  leg.control = std::make_unique<ControlChannel>(stack_, connections_, std::move(user));
  leg.control->set_place(leg.hop.place, leg.hop.local.ip);
}

// ---- what the callee is told ----

// The Setup as the callee is to have it, but for what dress() does to every message.
void CallSignalling::dress_setup(Call& call, CallMessage& message) {
  const Destination& to = *call.destination;
  auto setup = message.tree().edit(message.body().as<Setup>());
  const auto set_names = [](per::Edit<AliasList> names, const std::vector<Alias>& aliases) {
    names.clear();
    write_aliases(names, aliases);
  };
  if (!to.called.empty() && to.called != read_aliases(setup.view()[Setup::kDestinationAddress]))
    set_names(setup[Setup::kDestinationAddress], to.called);
  if (!to.caller.empty() && to.caller != read_aliases(setup.view()[Setup::kSourceAddress]))
    set_names(setup[Setup::kSourceAddress], to.caller);
  set_number(message.q931(), q931::ElementId::CalledPartyNumber, to.called);
  set_number(message.q931(), q931::ElementId::CallingPartyNumber, to.caller);
  // Those are between the caller and us.
  setup.remove(Setup::kEndpointIdentifier);
  setup.remove(Setup::kCryptoTokens);
  // Only outside can a call come round to us again.
  if (const auto hops = setup.view()[Setup::kHopCount])
    setup[Setup::kHopCount].set(hops.integer() - 1);
  else if (to.hop.place.is_outside())
    setup[Setup::kHopCount].set(kHops);
  for (const Buffer& token : to.tokens)
    add_encoded<codec::h235::ClearToken>(setup[Setup::kTokens].append(), token);
  for (const Buffer& token : to.crypto_tokens)
    add_encoded<h225::CryptoH323Token>(setup[Setup::kCryptoTokens].append(), token);
}

void CallSignalling::say_proceeding(const CallPtr& call, Commands& out) {
  if (call->is_over() || std::exchange(call->proceeding_said, true)) return;
  Leg& caller = call->legs[kCaller];
  CallMessage proceeding = message_to(caller, q931::MessageType::CallProceeding, "callProceeding");
  say(caller, proceeding, out);
}

// ---- sent elsewhere ----

// The callee says that the call is to go to another, or through its gatekeeper or conference: that
// is for us to do (H.323 8.4.3.5). False: the caller is told.
bool CallSignalling::redirect(const CallPtr& call, const CallMessage& message, Commands& out) {
  using Facility = h225::FacilityUUIE;
  const auto facility = message.body().as<Facility>();
  const auto reason = facility[Facility::kReason];
  const bool elsewhere = reason.has(h225::FacilityReason::kCallForwarded) ||
                         reason.has(h225::FacilityReason::kRouteCallToGatekeeper) ||
                         reason.has(h225::FacilityReason::kRouteCallToMC);
  if (!elsewhere || call->phase < Call::Phase::Calling || call->phase >= Call::Phase::Established)
    return false;
  CallQuery query = call->query;
  const auto aliases = read_aliases(facility[Facility::kAlternativeAliasAddress]);
  const auto address = codec::h323::address(facility[Facility::kAlternativeAddress]);
  if (aliases.empty() && !address) return false;
  if (!aliases.empty()) {
    query.called = aliases;
    query.address.reset();
  } else {
    // An address means something in its own network only: it is called from there.
    query.address = address;
    query.from = call->legs[kCallee].hop;
    query.listener = {};
    query.endpoint = call->legs[kCallee].endpoint;
  }
  query.can_overlap = false;
  stack_.counters.add("call_redirected");
  if (++call->redirections > kMaxRedirections) {
    release(call, kTooManyHops, "redirected too often", out);
    return true;
  }
  release_leg(*call, kCallee, {q931::CauseValue::NormalCallClearing, "facilityCallDeflection"},
              out);
  leave_destination(call, out);
  call->query = std::move(query);
  call->to = for_people(call->query.called);
  call->later.clear();
  route(call, out);
  return true;
}

}  // namespace sallyport::adapter::h323
