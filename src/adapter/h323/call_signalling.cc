#include "adapter/h323/call_signalling.h"

#include <algorithm>

namespace sallyport::adapter::h323 {

namespace {
constexpr Duration kReleaseFollows = seconds{1};
}  // namespace

namespace q931 = codec::q931;

CallSignalling::CallSignalling(Stack& stack, Destinations& destinations, Admissions& admissions)
    : stack_(stack),
      destinations_(destinations),
      admissions_(admissions),
      connections_(stack),
      call_limits_(stack.config.limits),
      bandwidth_limits_(stack.config.limits.bandwidth, stack.config.limits.bandwidth_per_agent,
                        stack.config.limits.bandwidth_per_call),
      next_reference_(static_cast<std::uint16_t>(stack.random.u64() & 0x7fffU)) {}

std::vector<CallInfo> CallSignalling::calls() const {
  std::vector<CallInfo> out;
  for (const auto& [id, call] : calls_) {
    CallInfo info{.id = id,
                  .protocol = "h323",
                  .state = state_of(call->phase),
                  .from = call->from,
                  .to = call->to,
                  .places = {call->legs[kCaller].hop.place, call->legs[kCallee].hop.place},
                  .since = call->since,
                  .media = {}};
    if (call->channels)
      for (const Side side : {kCaller, kCallee})
        info.media[side] = call->channels->streams().ends(side);
    out.push_back(std::move(info));
  }
  return out;
}

bool CallSignalling::end_call(CallId id, Commands& out) {
  const CallPtr call = find_call(id);
  if (!call) return false;
  release(call, kNormalClearing, "ended by command", out);
  return true;
}

std::size_t CallSignalling::size() const {
  return calls_.size() + carriers_.size() + connections_.size() + call_limits_.size() +
         by_endpoint_.size() + by_destination_.size();
}

CallPtr CallSignalling::find_call(CallId id) const {
  const auto it = calls_.find(id);
  return it == calls_.end() ? nullptr : it->second;
}

CallPtr CallSignalling::find_call(const std::string& endpoint, const CallIdentifier& id) const {
  const auto it = by_endpoint_.find(endpoint);
  if (it == by_endpoint_.end()) return nullptr;
  for (const CallId each : it->second) {
    const CallPtr call = find_call(each);
    for (const Leg& leg : call->legs)
      if (leg.endpoint == endpoint && leg.call == id) return call;
  }
  return nullptr;
}

TransportAddress CallSignalling::shown(Place place, const TransportAddress& local) const {
  TransportAddress shown = local;
  if (place.is_outside())
    for (const IpAddress& ip : stack_.config.advertised)
      if (ip.is_v6() == local.ip.is_v6()) shown.ip = ip;
  return shown;
}

// ---- from the gatekeeper ----

bool CallSignalling::rings(const std::string& endpoint, const CallIdentifier& id) const {
  const CallPtr call = find_call(endpoint, id);
  return call && call->legs[kCallee].endpoint == endpoint && call->phase >= Call::Phase::Calling;
}

void CallSignalling::on_disengaged(const std::string& endpoint, const CallIdentifier& id,
                                   Commands& out) {
  const CallPtr call = find_call(endpoint, id);
  if (!call || call->disengage_timer) return;
  // Its ReleaseComplete, which says why, goes over TCP, and this has come over UDP.
  call->disengage_timer = stack_.timers.start(
      kReleaseFollows,
      [this, call](Commands& later) { release(call, kNormalClearing, "disengaged", later); }, out);
}

void CallSignalling::on_endpoint_gone(const std::string& endpoint, Commands& out) {
  const auto it = by_endpoint_.find(endpoint);
  if (it == by_endpoint_.end()) return;
  for (const CallId id : std::set<CallId>{it->second})
    if (const CallPtr call = find_call(id)) release(call, kLost, "endpoint gone", out);
}

// ---- connections ----

void CallSignalling::on_accepted(Place place, edge::ListenerId id, edge::ConnectionId connection,
                                 const edge::Arrival& arrival, Commands& out) {
  if (connections_.listens(id))
    return connections_.on_accepted(place, id, connection, arrival, out);
  if (!connections_.adopt(place, connection, arrival, Connections::Framing::Tpkt, carrier_handler(),
                          out))
    return;
  Carrier& carrier = carriers_[connection];
  carrier.place = place;
  carrier.listener = id;
  carrier.idle = stack_.timers.start(
      stack_.config.stranger_idle,
      [this, connection](Commands& later) {
        stack_.counters.add("idle_connection_closed");
        carriers_.erase(connection);
        connections_.close(connection, later);
      },
      out);
}

bool CallSignalling::on_listening(Place, edge::ListenerId id, const TransportAddress& local,
                                  Commands& out) {
  return connections_.on_listening(id, local, out);
}

void CallSignalling::on_connected(Place, edge::ConnectionId id, const edge::Addresses& addresses,
                                  Commands& out) {
  connections_.on_connected(id, addresses, out);
}

void CallSignalling::on_received(Place, edge::ConnectionId id, Bytes octets, Commands& out) {
  connections_.on_received(id, octets, out);
}

void CallSignalling::on_half_closed(Place, edge::ConnectionId id, Commands& out) {
  connections_.on_half_closed(id, out);
}

void CallSignalling::on_closed(Place, edge::ConnectionId id, const Error& why, Commands& out) {
  connections_.on_closed(id, why.code, out);
}

bool CallSignalling::on_refused(Place, std::uint64_t id, Errc code, const std::string&,
                                Commands& out) {
  return connections_.on_refused(id, code, out);
}

void CallSignalling::on_edge_lost(Place place, Commands& out) {
  // First those that were still to be dialled there; the others learn it by their connections.
  connections_.on_edge_lost(place, out);
  std::vector<CallPtr> lost;
  for (const auto& [id, call] : calls_)
    if (call->legs[kCaller].hop.place == place ||
        (call->destination && call->destination->hop.place == place))
      lost.push_back(call);
  for (const CallPtr& call : lost) release(call, kLost, "edge lost", out);
}

void CallSignalling::on_shutdown(Commands& out) {
  std::vector<CallPtr> all;
  for (const auto& [id, call] : calls_) all.push_back(call);
  for (const CallPtr& call : all) release(call, kLost, "shutdown", out);
}

Connections::Handler CallSignalling::carrier_handler() {
  Connections::Handler handler;
  handler.on_open = [this](edge::ConnectionId id, const edge::Addresses& addresses, Commands& at) {
    const auto it = carriers_.find(id);
    if (it == carriers_.end() || it->second.calls.empty()) return;
    if (const CallPtr call = find_call(it->second.calls.begin()->second.first))
      on_dialled(call, addresses, at);
  };
  handler.on_payload = [this](edge::ConnectionId id, Bytes octets, Commands& at) {
    on_payload(id, octets, at);
  };
  handler.on_gone = [this](edge::ConnectionId id, Errc, Commands& at) { on_carrier_gone(id, at); };
  return handler;
}

void CallSignalling::on_payload(edge::ConnectionId id, Bytes octets, Commands& out) {
  const auto header = q931::Message::parse_header(octets);
  if (!header) return stack_.counters.add("q931_malformed");
  const auto carrier = carriers_.find(id);
  if (carrier == carriers_.end()) return;
  const q931::CallReference& reference = header->call_reference;
  const auto known = carrier->second.calls.find({reference.value, reference.from_destination});
  if (known != carrier->second.calls.end()) {
    const auto [call_id, side] = known->second;
    const CallPtr call = find_call(call_id);
    if (!call) return;
    if (header->type == q931::MessageType::Setup)
      return stack_.counters.add("setup_repeated");  // Q.931 5.1.1: the network ignores it
    return on_message(call, side, octets, out);
  }
  const auto hop = connections_.hop(id);
  if (!hop || !stack_.guard.hears(*hop, out.now())) return stack_.counters.add("flood_unheard");
  if (header->type == q931::MessageType::Setup && !reference.from_destination &&
      reference.value != 0)
    return on_setup(id, octets, *header, out);
  on_stray(id, *header, out);
}

// Q.931 5.8.3.2: of a call that is not there.
void CallSignalling::on_stray(edge::ConnectionId id, const q931::Header& header, Commands& out) {
  stack_.counters.add("call_reference_unknown");
  switch (header.type) {
    case q931::MessageType::Setup:  // a reference that is not its sender's, or global
    case q931::MessageType::ReleaseComplete:
    case q931::MessageType::Status:
      return;
    default:
      break;
  }
  if (header.call_reference.value == 0) return;
  q931::CallReference reference = header.call_reference;
  reference.from_destination = !reference.from_destination;
  refuse(id, reference, kBadReference, out);
}

void CallSignalling::on_carrier_gone(edge::ConnectionId id, Commands& out) {
  const auto it = carriers_.find(id);
  if (it == carriers_.end()) return;
  const Carrier carrier = std::move(it->second);
  stack_.timers.stop(carrier.idle);
  carriers_.erase(it);
  for (const auto& [reference, whose] : carrier.calls)
    if (const CallPtr call = find_call(whose.first)) on_lost(call, whose.second, out);
}

void CallSignalling::attach(Call& call, Side side, edge::ConnectionId id) {
  Leg& leg = call.legs[side];
  leg.hop.connection = id;
  Carrier& carrier = carriers_[id];
  carrier.calls[{leg.reference, leg.called}] = {call.id, side};
  stack_.timers.stop(std::exchange(carrier.idle, {}));
}

// The last call on a connection takes it along: we say maintainConnection to nobody.
void CallSignalling::detach(Call& call, Side side, Commands& out) {
  Leg& leg = call.legs[side];
  const edge::ConnectionId id = std::exchange(leg.hop.connection, {});
  const auto it = carriers_.find(id);
  if (it == carriers_.end()) return;
  it->second.calls.erase({leg.reference, leg.called});
  if (!it->second.calls.empty()) return;
  stack_.timers.stop(it->second.idle);
  carriers_.erase(it);
  connections_.finish(id, out);
}

CallMessage CallSignalling::message_to(const Leg& leg, q931::MessageType type,
                                       std::string_view body) const {
  CallMessage message{type, body, leg.call};
  message.set_tunnels(leg.control && leg.control->takes_tunnelled());
  return message;
}

void CallSignalling::say(Leg& leg, CallMessage& message, Commands& out) {
  message.q931().set_call_reference(reference_of(leg));
  const auto octets = message.encode();
  if (!octets || octets->size() > q931::kMaxTpktPayload)
    return stack_.counters.add("message_not_encodable");
  connections_.send(leg.hop.connection, *octets, out);
  // A caller has said something before we do.
  if (leg.called || leg.signalled) return;
  leg.signalled = true;
  if (leg.control) leg.control->on_signalling(out);
}

}  // namespace sallyport::adapter::h323
