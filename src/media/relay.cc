#include "media/relay.h"

#include <algorithm>
#include <utility>

#include "media/carriage_bound.h"
#include "media/datagram_type.h"

namespace sallyport::media {
namespace {

static_assert(BoundCarriage::kOverhead <= kHeadroom);

// path_changed: so many flows are probed in a millisecond, not all of an agent's at once.
constexpr std::size_t kProbesPerMillisecond = 32;
// How long what comes from the server's former address is taken: until it has moved the flow, too.
constexpr Duration kMovingTime = seconds{2};

}  // namespace

Relay::Relay(const RelayOptions& options, Random& random, OnEvent on_event)
    : options_(options),
      on_event_(std::move(on_event)),
      flows_(random, options.challenge_key),
      holding_(options.holding_slots),
      pleases_(options.pleases_per_second),
      offload_(options.fast_path),
      channels_(random.u64()),
      reassembly_(kHeadroom),
      directory_(random.u64()) {
  if (options.neighbours != nullptr)
    flows_.watch_sources(
        [this](const AwaitingComponent& flow, bool bound) { on_source(flow, bound); });
}

// ---- Commands ----

Result<void> Relay::add_server_socket(SocketId socket) {
  if (socket.value == 0 || socket.value >= kMaxSockets)
    return fail(Errc::BadValue, "socket number out of range");
  if (socket.value >= sockets_.size()) sockets_.resize(socket.value + 1);
  SocketUse& use = sockets_[socket.value];
  if (use.kind != SocketUse::Kind::None) return fail(Errc::BadValue, "socket in use");
  use.kind = SocketUse::Kind::Server;
  return {};
}

void Relay::remove_server_socket(SocketId socket) {
  if (socket.value >= sockets_.size()) return;
  if (sockets_[socket.value].kind != SocketUse::Kind::Server) return;
  sockets_[socket.value] = {};
  for (FlowTable::Place place = 0; place < flows_.places(); ++place) {
    if (!flows_[place].used || flows_[place].socket != socket) continue;
    take_back(flows_[place].end);
    flows_.release(place);
  }
}

Result<void> Relay::add_port(MediaId id, std::span<const SocketId> sockets, std::uint8_t dscp) {
  const auto end = new_end(id, sockets.size(), sockets, dscp);
  if (!end) return tl::make_unexpected(end.error());
  PortComponents components;
  for (std::size_t i = 0; i < sockets.size(); ++i) components.at(i) = PortComponent{sockets[i]};
  ends_[*end].kind = components;
  use_sockets(*end, SocketUse::Kind::Port, sockets);
  return {};
}

Result<void> Relay::add_flow(MediaId id, const FlowSpec& spec, std::span<const SocketId> sockets) {
  const bool probing = spec.end == FlowEnd::Probing;
  const std::size_t count = spec.count();
  const std::size_t own_sockets = probing && !spec.tagged() ? count : 0;
  if (sockets.size() != own_sockets || (own_sockets != 0 && spec.server.size() != count))
    return fail(Errc::BadValue, "a socket and a server address for each component");
  const auto end = new_end(id, count, sockets, spec.dscp);
  if (!end) return tl::make_unexpected(end.error());
  if (spec.tagged()) {
    const auto places = add_tagged(*end, spec);
    if (!places) {
      free_end(*end);
      return tl::make_unexpected(places.error());
    }
    ends_[*end].kind = *places;
    return {};
  }
  if (!probing) {
    const auto places = add_awaiting(*end, spec);
    if (!places) {
      free_end(*end);
      return tl::make_unexpected(places.error());
    }
    ends_[*end].kind = *places;
    return {};
  }
  ProbingComponents components;
  for (std::size_t i = 0; i < count; ++i) {
    components.at(i).prober = Prober{spec.components[i], spec.keepalive};
    components.at(i).socket = sockets[i];
    components.at(i).server = spec.server[i];
  }
  ends_[*end].kind = std::move(components);
  use_sockets(*end, SocketUse::Kind::Probing, sockets);
  return {};
}

Result<Relay::AwaitingPlaces> Relay::add_awaiting(std::uint32_t end, const FlowSpec& spec) {
  AwaitingPlaces places{};
  for (std::size_t i = 0; i < spec.components.size(); ++i) {
    const auto place = flows_.add(spec.components[i], end, static_cast<std::uint8_t>(i));
    if (!place) {
      for (std::size_t added = 0; added < i; ++added) flows_.remove(places.at(added));
      return tl::make_unexpected(place.error());
    }
    places.at(i) = *place;
  }
  return places;
}

Result<std::uint32_t> Relay::new_end(MediaId id, std::size_t components,
                                     std::span<const SocketId> sockets, std::uint8_t dscp) {
  if (!id || by_id_.contains(id.value)) return fail(Errc::BadValue, "id in use");
  if (components < 1 || components > kMaxComponents)
    return fail(Errc::BadValue, "an end has one or two components");
  if (by_id_.size() >= options_.max_ends) return fail(Errc::Exhausted, "media ends");
  for (std::size_t i = 0; i < sockets.size(); ++i) {
    const std::uint32_t socket = sockets[i].value;
    if (socket == 0 || socket >= kMaxSockets || (i == 1 && sockets[0] == sockets[1]))
      return fail(Errc::BadValue, "socket number");
    if (socket < sockets_.size() && sockets_[socket].kind != SocketUse::Kind::None)
      return fail(Errc::BadValue, "socket in use");
  }
  if (free_ends_.empty()) {
    free_ends_.push_back(static_cast<std::uint32_t>(ends_.size()));
    ends_.emplace_back();
    deadlines_.reserve(ends_.size() * kMaxComponents);
    offload_.reserve(ends_.size() * kMaxComponents);
  }
  const std::uint32_t end = free_ends_.back();
  free_ends_.pop_back();
  by_id_.emplace(id.value, end);
  ends_[end].id = id;
  ends_[end].components = static_cast<std::uint8_t>(components);
  ends_[end].dscp = dscp;
  return end;
}

void Relay::use_sockets(std::uint32_t end, SocketUse::Kind kind,
                        std::span<const SocketId> sockets) {
  for (std::size_t i = 0; i < sockets.size(); ++i) {
    const std::uint32_t socket = sockets[i].value;
    if (socket >= sockets_.size()) sockets_.resize(socket + 1);
    sockets_[socket] = {kind, static_cast<std::uint8_t>(i), end};
  }
}

void Relay::free_end(std::uint32_t end) {
  if (std::holds_alternative<StandIn>(ends_[end].kind)) --stand_ins_;
  by_id_.erase(ends_[end].id.value);
  ends_[end] = End{};
  free_ends_.push_back(end);
}

std::uint32_t Relay::find(MediaId id) const {
  const auto it = by_id_.find(id.value);
  return it == by_id_.end() ? kNone : it->second;
}

void Relay::set_remote(MediaId id, const RemoteSpec& remote, TimePoint now) {
  const std::uint32_t found = find(id);
  if (found == kNone) return;
  take_back(found);
  End& end = ends_[found];
  const std::size_t count = std::min<std::size_t>(end.components, remote.addresses.size());
  if (auto* port = std::get_if<PortComponents>(&end.kind)) {
    for (std::size_t i = 0; i < count; ++i) {
      port->at(i).set_remote(remote.addresses[i], remote.accept, remote.rtp);
      if (!port->at(i).waiting.empty())
        deadlines_.arm(place_of(found, static_cast<std::uint8_t>(i)), now);
      port->at(i).gate.set(remote.most);
    }
  } else if (auto* probing = std::get_if<ProbingComponents>(&end.kind)) {
    for (std::size_t i = 0; i < count; ++i) {
      ProbingComponent& flow = probing->at(i);
      if (flow.server == remote.addresses[i]) continue;
      const bool back = flow.moving && flow.former == remote.addresses[i];  // it did not answer
      if (!flow.moving) flow.former = flow.server;
      flow.server = remote.addresses[i];
      flow.former_until = now + kMovingTime;
      flow.moving = !back && flow.prober.was_confirmed();
      flow.doubted = true;
      path_is_new(found, !flow.server.ip.is_v4());
      if (!flow.prober.started()) continue;
      flow.prober.start(now);
      rearm(found, static_cast<std::uint8_t>(i));
    }
  }
}

void Relay::join(MediaId a, MediaId b) {
  const std::uint32_t first = find(a);
  const std::uint32_t second = find(b);
  if (first == kNone || second == kNone || first == second) return;
  detach(first);
  detach(second);
  ends_[first].joined = second;
  ends_[second].joined = first;
  begin_offload(first);
  begin_offload(second);
  forget_idle_stand_ins();
}

void Relay::leave(MediaId id) {
  const std::uint32_t end = find(id);
  if (end == kNone) return;
  detach(end);
  forget_idle_stand_ins();
}

void Relay::detach(std::uint32_t end) {
  take_back(end);
  const auto note = [this](std::uint32_t of) {
    if (of != kNone && std::holds_alternative<StandIn>(ends_[of].kind)) left_.push_back(of);
  };
  const auto forget_other = [this, &note](std::uint32_t of) {
    if (const std::uint32_t other = std::exchange(ends_[of].also_from, kNone); other != kNone) {
      ends_[other].joined = kNone;
      note(other);
    }
  };
  note(end);
  forget_other(end);
  const std::uint32_t joined = std::exchange(ends_[end].joined, kNone);
  note(joined);
  if (joined == kNone) return;
  if (ends_[joined].also_from == end) {  // one way only: the two that are joined stay so
    ends_[joined].also_from = kNone;
    return;
  }
  ends_[joined].joined = kNone;
  forget_other(joined);
}

void Relay::replace(MediaId old, MediaId by, ReplaceStep step) {
  const std::uint32_t before = find(old);
  const std::uint32_t after = find(by);
  if (before == kNone || after == kNone || before == after) return;
  const std::uint32_t partner = ends_[before].joined;
  if (partner == kNone || partner == after || ends_[partner].joined != before) return;
  detach(after);
  take_back(partner);
  if (const std::uint32_t other = ends_[partner].also_from; other != kNone) detach(other);
  ends_[after].joined = partner;
  ends_[partner].also_from = after;
  begin_offload(after);
  if (step == ReplaceStep::Send) {
    ends_[partner].joined = after;
    ends_[partner].also_from = before;
    begin_offload(partner);
  }
  forget_idle_stand_ins();
}

void Relay::probe(MediaId id, TimePoint now) {
  const std::uint32_t end = find(id);
  if (end == kNone) return;
  auto* probing = std::get_if<ProbingComponents>(&ends_[end].kind);
  if (probing == nullptr) return;
  for (std::uint8_t i = 0; i < ends_[end].components; ++i) {
    probing->at(i).prober.start(now);
    probing->at(i).doubted = true;
    rearm(end, i);
  }
}

void Relay::path_changed(TimePoint now) {
  while (!offload_.active().empty()) take_back(offload_.active().back() / kMaxComponents);
  std::size_t started = 0;
  for (std::uint32_t end = 0; end < ends_.size(); ++end) {
    auto* probing = std::get_if<ProbingComponents>(&ends_[end].kind);
    if (probing == nullptr) continue;
    for (std::uint8_t i = 0; i < ends_[end].components; ++i) {
      Prober& prober = probing->at(i).prober;
      if (!prober.started()) continue;
      path_is_new(end, !probing->at(i).server.ip.is_v4());
      prober.start(now + milliseconds{started++ / kProbesPerMillisecond});
      rearm(end, i);
    }
  }
}

void Relay::close(MediaId id) {
  const std::uint32_t end = find(id);
  if (end == kNone) return;
  detach(end);
  const std::uint8_t count = ends_[end].components;
  for (std::uint8_t i = 0; i < kMaxComponents; ++i) deadlines_.disarm(place_of(end, i));
  if (ends_[end].trunk != kNone) remove_trunk(ends_[end].trunk);
  if (auto* port = std::get_if<PortComponents>(&ends_[end].kind)) {
    for (std::uint8_t i = 0; i < count; ++i) {
      drop_waiting(port->at(i).waiting);
      forget_socket(port->at(i).socket());
    }
  } else if (auto* probing = std::get_if<ProbingComponents>(&ends_[end].kind)) {
    for (std::uint8_t i = 0; i < count; ++i) {
      drop_waiting(probing->at(i).waiting);
      forget_socket(probing->at(i).socket);
    }
  } else if (const auto* awaiting = std::get_if<AwaitingPlaces>(&ends_[end].kind)) {
    for (std::uint8_t i = 0; i < count; ++i) {
      drop_waiting(flows_[awaiting->at(i)].waiting);
      flows_.remove(awaiting->at(i));
    }
  } else if (const auto* tagged = std::get_if<TaggedPlaces>(&ends_[end].kind)) {
    remove_tagged(*tagged, count);
  }
  free_end(end);
  forget_idle_stand_ins();
}

void Relay::forget_socket(SocketId socket) { sockets_[socket.value] = {}; }

std::optional<Counts> Relay::count(MediaId id, TimePoint now) {
  const std::uint32_t found = find(id);
  if (found == kNone || std::holds_alternative<StandIn>(ends_[found].kind)) return std::nullopt;
  End& end = ends_[found];
  Counts out;
  for (std::uint8_t i = 0; i < end.components; ++i) {
    read_back(found, i);
    for (const std::uint32_t other : {end.joined, end.also_from})
      if (other != kNone) read_back(other, i);
    out.components.push_back(meter_of(end, i).read(now, delay(end, i)));
  }
  return out;
}

Meter& Relay::meter_of(End& end, std::uint8_t component) {
  if (auto* port = std::get_if<PortComponents>(&end.kind)) return port->at(component).meter;
  if (auto* probing = std::get_if<ProbingComponents>(&end.kind))
    return probing->at(component).meter;
  if (const auto* awaiting = std::get_if<AwaitingPlaces>(&end.kind))
    return flows_[awaiting->at(component)].meter;
  return channels_[std::get<TaggedPlaces>(end.kind).channels.at(component)].meter;
}

// A trunk's is that of all that rides on it.
PathDelay Relay::delay(const End& end, std::uint8_t component) const {
  if (const auto* probing = std::get_if<ProbingComponents>(&end.kind))
    return probing->at(component).prober.delay();
  const auto* tagged = std::get_if<TaggedPlaces>(&end.kind);
  if (tagged == nullptr) return {};
  const std::uint32_t trunk = channels_[tagged->channels.at(component)].trunk;
  if (trunk == TaggedComponent::kNoTrunk) return {};
  return delay(ends_[trunks_[trunk]->end], 0);
}

// ---- The packet path: in ----

void Relay::on_datagram(SocketId socket, const TransportAddress& source, MutableBytes datagram,
                        TimePoint now, Sender& sender, Ecn ecn) {
  ++totals_.received;
  if (datagram.empty()) return drop(Drop::Runt);
  if (socket.value >= sockets_.size()) return drop(Drop::UnknownSocket);
  Turn turn{now, sender, socket, source, ecn};
  const SocketUse use = sockets_[socket.value];
  switch (use.kind) {
    case SocketUse::Kind::None:
      return drop(Drop::UnknownSocket);
    case SocketUse::Kind::Server:
      return on_server_datagram(socket, source, datagram, turn);
    case SocketUse::Kind::Port:
      return on_port_datagram(use, source, datagram, turn);
    case SocketUse::Kind::Probing:
      return on_probing_datagram(use, source, datagram, turn);
  }
}

void Relay::on_server_datagram(SocketId socket, const TransportAddress& source,
                               MutableBytes datagram, Turn& turn) {
  if (pass_if_steered_elsewhere(datagram, turn)) return;
  const auto type = static_cast<DatagramType>(datagram.front());
  if (type == DatagramType::Probe) return on_probe(socket, source, datagram, turn);
  const bool sealed = is_sealed(datagram.front());
  if (is_ours(datagram.front()) && type != DatagramType::Tagged && !sealed)
    return drop(Drop::Unsupported);
  const FlowTable::Place place = flows_.find(socket, source);
  if (place == PlaceIndex::kNone) {
    if (pass_to_holder(datagram, turn)) return;
    return on_unknown_source(socket, source, datagram, turn);
  }
  AwaitingComponent& flow = flows_[place];
  if (ends_[flow.end].trunk != kNone) return on_trunk_datagram(flow.end, datagram, turn);
  if (sealed) return drop(Drop::Unsupported);
  const auto inner = BoundCarriage::unwrap(datagram);
  if (!inner) return drop(inner.error());
  flow.meter.in(*inner, turn.now);
  forward(flow.end, flow.component, *inner, turn);
}

void Relay::on_probe(SocketId socket, const TransportAddress& source, Bytes datagram, Turn& turn) {
  const auto probe = parse_probe(datagram);
  if (!probe) return drop(probe.error());
  if (pass_by_token(probe->token, datagram, turn)) return;
  const FlowTable::OnProbe done = flows_.on_probe(socket, source, *probe, datagram, turn.now,
                                                  is_held_elsewhere(probe->token, turn));
  if (done.place == PlaceIndex::kNone) return drop(Drop::UnknownToken);
  AwaitingComponent& flow = flows_[done.place];
  switch (done.outcome) {
    case FlowTable::Outcome::UnknownToken:
      return drop(Drop::UnknownToken);
    case FlowTable::Outcome::BadTag:
      flow.meter.refuse();
      return drop(Drop::BadTag);
    case FlowTable::Outcome::Replayed:
      flow.meter.refuse();
      return drop(Drop::Replayed);
    case FlowTable::Outcome::Bound:
    case FlowTable::Outcome::Moved:
      take_back(flow.end);
      if (done.taken_from != PlaceIndex::kNone) take_back(flows_[done.taken_from].end);
      tell(flow.end,
           done.outcome == FlowTable::Outcome::Bound ? EventKind::FlowBound : EventKind::FlowMoved,
           flow.component, source);
      path_is_new(flow.end, !source.ip.is_v4());
      break;
    case FlowTable::Outcome::Confirmed:
    case FlowTable::Outcome::Challenged:
      break;
  }
  ++totals_.handled;
  ++totals_.confirmations_sent;
  turn.sender.send_copy(socket, source, ends_[flow.end].dscp, done.confirmation);
  if (flow.bound()) let_go(flow, turn);
}

void Relay::on_unknown_source(SocketId socket, const TransportAddress& source, Bytes datagram,
                              Turn& turn) {
  drop(Drop::UnknownSource);
  // Never more than what caused it; and what could itself be such an answer does not come here.
  if (datagram.size() < kProbePleaseSize ||
      !pleases_.permits(flows_.source_hash(socket, source), turn.now))
    return;
  ++totals_.probe_pleases_sent;
  turn.sender.send_copy(socket, source, 0, encode_probe_please());
}

void Relay::on_port_datagram(const SocketUse& use, const TransportAddress& source,
                             MutableBytes datagram, Turn& turn) {
  PortComponent& port = std::get<PortComponents>(ends_[use.end].kind).at(use.component);
  if (port.may_be_early(source)) return wait_for_remote(use, port, datagram, turn);
  take_from_port(use.end, use.component, source, datagram, turn);
}

void Relay::take_from_port(std::uint32_t end, std::uint8_t component,
                           const TransportAddress& source, MutableBytes datagram, Turn& turn) {
  PortComponent& port = std::get<PortComponents>(ends_[end].kind).at(component);
  switch (port.judge(source, datagram)) {
    case PortComponent::Verdict::WrongSource:
      port.meter.refuse();
      return drop(Drop::WrongSource);
    case PortComponent::Verdict::Implausible:
      port.meter.refuse();
      return drop(Drop::Implausible);
    case PortComponent::Verdict::NoRemote:
      port.meter.refuse();
      return drop(Drop::NoRemote);
    case PortComponent::Verdict::Taken:
      break;
  }
  if (!port.gate.admits(datagram.size(), turn.now)) {
    port.meter.refuse();
    return drop(Drop::RateLimited);
  }
  port.meter.in(datagram, turn.now);
  if (!port.told_first_packet) {
    port.told_first_packet = true;
    tell(end, EventKind::FirstPacket, component, source);
  }
  forward(end, component, datagram, turn);
}

void Relay::wait_for_remote(const SocketUse& use, PortComponent& port, Bytes datagram, Turn& turn) {
  if (!holding_.hold(port.waiting, datagram, turn.ecn, turn.now)) {
    port.meter.refuse();
    return drop(Drop::NoRemote);
  }
  ++totals_.waiting;
  if (port.waiting.count == 1)
    deadlines_.arm(place_of(use.end, use.component), turn.now + kLongestWait);
}

// The remote was told, or will not be in time.
void Relay::on_port_time(std::uint32_t end, std::uint8_t component, Turn& turn) {
  PortComponent& port = std::get<PortComponents>(ends_[end].kind).at(component);
  if (!port.knows_early()) return drop_waiting(port.waiting);
  const MutableBytes room = MutableBytes{unpacked_}.subspan(kHeadroom);
  while (!port.waiting.empty()) {
    const Bytes held = holding_.oldest(port.waiting);
    std::copy(held.begin(), held.end(), room.begin());
    Turn early{.now = turn.now,
               .sender = turn.sender,
               .ecn = holding_.oldest_ecn(port.waiting),
               .transient = true};
    holding_.drop_oldest(port.waiting);
    --totals_.waiting;
    take_from_port(end, component, port.early_source(), room.first(held.size()), early);
  }
}

void Relay::on_probing_datagram(const SocketUse& use, const TransportAddress& source,
                                MutableBytes datagram, Turn& turn) {
  ProbingComponent& flow = std::get<ProbingComponents>(ends_[use.end].kind).at(use.component);
  if (source != flow.server && (source != flow.former || turn.now > flow.former_until)) {
    flow.meter.refuse();
    return drop(Drop::WrongSource);
  }
  const auto type = static_cast<DatagramType>(datagram.front());
  if (type == DatagramType::Confirmation) return on_confirmation(use, datagram, turn);
  if (type == DatagramType::ProbePlease) return on_probe_please(use, datagram, turn);
  if (ends_[use.end].trunk != kNone) return on_trunk_datagram(use.end, datagram, turn);
  if (is_ours(datagram.front()) && type != DatagramType::Tagged) return drop(Drop::Unsupported);
  const auto inner = BoundCarriage::unwrap(datagram);
  if (!inner) return drop(inner.error());
  flow.meter.in(*inner, turn.now);
  if (flow.prober.on_received(turn.now)) rearm(use.end, use.component);
  forward(use.end, use.component, *inner, turn);
}

void Relay::on_confirmation(const SocketUse& use, Bytes datagram, Turn& turn) {
  const auto confirmation = parse_confirmation(datagram);
  if (!confirmation) return drop(confirmation.error());
  End& end = ends_[use.end];
  ProbingComponent& flow = std::get<ProbingComponents>(end.kind).at(use.component);
  switch (flow.prober.on_confirmation(*confirmation, datagram, turn.now, tags_)) {
    case Prober::Outcome::BadTag:
      flow.meter.refuse();
      return drop(Drop::BadTag);
    case Prober::Outcome::Replayed:
      flow.meter.refuse();
      return drop(Drop::Replayed);
    case Prober::Outcome::Confirmed:
      flow.doubted = false;
      tell(use.end, EventKind::FlowBound, use.component, flow.server);
      let_go(use.end, flow, turn);
      break;
    case Prober::Outcome::Reconfirmed:
      if (std::exchange(flow.doubted, false) && end.trunk != kNone)
        tell(use.end, EventKind::Answered, use.component, flow.server);
      break;
    case Prober::Outcome::Challenged:
      break;
  }
  ++totals_.handled;
  on_probing_time(use.end, use.component, turn);  // sends the echo, if one is asked for
  flow.moving = false;
}

void Relay::on_probe_please(const SocketUse& use, Bytes datagram, Turn& turn) {
  if (const auto parsed = parse_probe_please(datagram); !parsed) return drop(parsed.error());
  std::get<ProbingComponents>(ends_[use.end].kind)
      .at(use.component)
      .prober.on_probe_please(turn.now);
  ++totals_.handled;
  on_probing_time(use.end, use.component, turn);
}

// ---- The packet path: out ----

void Relay::forward(std::uint32_t end, std::uint8_t component, MutableBytes datagram, Turn& turn) {
  const std::uint32_t joined = ends_[end].joined;
  if (joined == kNone) return drop(Drop::Unjoined);
  if (component >= ends_[joined].components) return drop(Drop::NoComponent);
  if (const auto due = offload_.on_relayed(place_of(end, component), turn.now);
      due != Offload::Due::Nothing)
    on_offload(end, component, due, turn);
  send_at(joined, component, datagram, turn);
}

void Relay::send_at(std::uint32_t end, std::uint8_t component, MutableBytes datagram, Turn& turn) {
  End& to = ends_[end];
  if (std::holds_alternative<PortComponents>(to.kind))
    return send_from_port(to, component, datagram, turn);
  if (std::holds_alternative<AwaitingPlaces>(to.kind))
    return send_on_awaiting(to, component, datagram, turn);
  if (std::holds_alternative<TaggedPlaces>(to.kind))
    return send_on_tagged(to, component, datagram, turn);
  if (std::holds_alternative<StandIn>(to.kind)) return pass(to, component, datagram, turn);
  send_on_probing(end, component, datagram, turn);
}

void Relay::send_from_port(End& to, std::uint8_t component, Bytes datagram, Turn& turn) {
  PortComponent& port = std::get<PortComponents>(to.kind).at(component);
  if (port.target().port == 0) return drop(Drop::NoRemote);
  port.meter.out(datagram.size());
  ++totals_.relayed;
  send(port.socket(), port.target(), to, datagram, turn);
}

void Relay::send(SocketId from, const TransportAddress& to, const End& as, Bytes datagram,
                 Turn& turn) {
  if (turn.transient) return turn.sender.send_copy(from, to, {as.dscp, turn.ecn}, datagram);
  turn.sender.send(from, to, {as.dscp, turn.ecn}, datagram);
}

void Relay::send_on_awaiting(End& to, std::uint8_t component, MutableBytes datagram, Turn& turn) {
  AwaitingComponent& flow = flows_[std::get<AwaitingPlaces>(to.kind).at(component)];
  const MutableBytes wrapped = BoundCarriage::wrap(datagram);
  if (flow.bound()) {
    flow.meter.out(datagram.size());
    ++totals_.relayed;
    return send(flow.socket, flow.source, to, wrapped, turn);
  }
  wait_for_probe(flow.end, component, flow, wrapped, turn);
}

void Relay::wait_for_probe(std::uint32_t end, std::uint8_t component, AwaitingComponent& flow,
                           Bytes wrapped, Turn& turn) {
  if (!flow.asked_probe) {
    flow.asked_probe = true;
    tell(end, EventKind::WantsProbe, component);
  }
  // The newest are worth most: they are what a listener hears next.
  if (flow.waiting.count == kMostWaiting) {
    holding_.drop_oldest(flow.waiting);
    --totals_.waiting;
    drop(Drop::HeldTooLong);
  }
  if (!holding_.hold(flow.waiting, wrapped, turn.ecn, turn.now)) return drop(Drop::NoRoom);
  ++totals_.waiting;
  if (flow.waiting.count == 1) deadlines_.arm(place_of(end, component), turn.now + kLongestWait);
}

void Relay::send_on_probing(std::uint32_t end, std::uint8_t component, MutableBytes datagram,
                            Turn& turn) {
  End& to = ends_[end];
  ProbingComponent& flow = std::get<ProbingComponents>(to.kind).at(component);
  // The probe goes ahead of the packet.
  if (flow.prober.on_local_packet(turn.now)) on_probing_time(end, component, turn);
  const MutableBytes wrapped = BoundCarriage::wrap(datagram);
  if (wait_for_confirmation(end, component, flow, wrapped, turn)) return;
  flow.meter.out(datagram.size());
  ++totals_.relayed;
  send(flow.socket, flow.target(turn.now), to, wrapped, turn);
}

bool Relay::wait_for_confirmation(std::uint32_t end, std::uint8_t component, ProbingComponent& flow,
                                  Bytes wrapped, Turn& turn) {
  if (flow.prober.was_confirmed() || flow.waited_enough) return false;
  if (holding_.hold(flow.waiting, wrapped, turn.ecn, turn.now)) {
    ++totals_.waiting;
    if (flow.waiting.count == 1) rearm(end, component);
    return true;
  }
  let_go(end, flow, turn);  // no more room to wait: this one goes too, in its turn
  flow.waited_enough = true;
  return false;
}

void Relay::let_go(std::uint32_t end, ProbingComponent& flow, Turn& turn) {
  const End& from = ends_[end];
  for (; !flow.waiting.empty(); holding_.drop_oldest(flow.waiting)) {
    const Bytes packet = holding_.oldest(flow.waiting);
    const Ecn ecn = holding_.oldest_ecn(flow.waiting);
    --totals_.waiting;
    if (from.trunk != kNone) {
      put_waiting(from.trunk, packet, ecn, turn);
      continue;
    }
    flow.meter.out(BoundCarriage::inner_size(packet));
    ++totals_.relayed;
    turn.sender.send_copy(flow.socket, flow.target(turn.now), {from.dscp, ecn}, packet);
  }
}

void Relay::let_go(AwaitingComponent& flow, Turn& turn) {
  const End& from = ends_[flow.end];
  for (; !flow.waiting.empty(); holding_.drop_oldest(flow.waiting)) {
    const Bytes packet = holding_.oldest(flow.waiting);
    const Ecn ecn = holding_.oldest_ecn(flow.waiting);
    --totals_.waiting;
    if (from.trunk != kNone) {
      put_waiting(from.trunk, packet, ecn, turn);
      continue;
    }
    flow.meter.out(BoundCarriage::inner_size(packet));
    ++totals_.relayed;
    turn.sender.send_copy(flow.socket, flow.source, {from.dscp, ecn}, packet);
  }
}

void Relay::drop_waiting(WaitingLine& line) {
  for (; !line.empty(); holding_.drop_oldest(line)) {
    --totals_.waiting;
    drop(Drop::HeldTooLong);
  }
}

// ---- Time ----

std::optional<TimePoint> Relay::next_deadline() const {
  std::optional<TimePoint> due = deadlines_.next();
  for (const auto other : {offload_.deadline(), reassembly_.deadline()})
    if (other && (!due || *other < *due)) due = other;
  return due;
}

void Relay::on_time(TimePoint now, Sender& sender) {
  // First: a deadline may be that of a packet which the fast path has sent.
  if (const auto tick = offload_.deadline(); tick && *tick <= now) {
    read_back();
    offload_.on_tick(now);
  }
  Turn turn{now, sender};
  while (const auto key = deadlines_.expire(now)) {
    const std::uint32_t end = *key / kMaxComponents;
    const auto component = static_cast<std::uint8_t>(*key % kMaxComponents);
    if (component == kTrunkTimer && ends_[end].trunk != kNone)
      on_trunk_time(ends_[end].trunk, turn);
    else if (const auto* awaiting = std::get_if<AwaitingPlaces>(&ends_[end].kind))
      on_awaiting_time(flows_[awaiting->at(component)], now);
    else if (std::holds_alternative<PortComponents>(ends_[end].kind))
      on_port_time(end, component, turn);
    else
      on_probing_time(end, component, turn);
  }
  for (std::size_t gone = reassembly_.expire(now); gone > 0; --gone) {
    --totals_.waiting;
    drop(Drop::HeldTooLong);
  }
}

void Relay::on_probing_time(std::uint32_t end, std::uint8_t component, Turn& turn) {
  End& to = ends_[end];
  ProbingComponent& flow = std::get<ProbingComponents>(to.kind).at(component);
  const Prober::Due due = flow.prober.on_time(turn.now);
  if (due.probe) {
    ++totals_.probes_sent;
    turn.sender.send_copy(flow.socket, flow.server, to.dscp,
                          flow.prober.next_probe(turn.now, tags_));
  }
  if (due.silent || due.unconfirmed) flow.doubted = true;
  if (due.silent) tell(end, EventKind::Silent, component);
  if (due.unconfirmed) tell(end, EventKind::Unconfirmed, component);
  if (!flow.waiting.empty() && turn.now - holding_.oldest_since(flow.waiting) >= kLongestWait) {
    flow.waited_enough = true;
    let_go(end, flow, turn);
  }
  rearm(end, component);
}

void Relay::on_awaiting_time(AwaitingComponent& flow, TimePoint now) {
  while (!flow.waiting.empty() && now - holding_.oldest_since(flow.waiting) >= kLongestWait) {
    holding_.drop_oldest(flow.waiting);
    --totals_.waiting;
    drop(Drop::HeldTooLong);
  }
  if (!flow.waiting.empty())
    deadlines_.arm(place_of(flow.end, flow.component),
                   holding_.oldest_since(flow.waiting) + kLongestWait);
}

void Relay::rearm(std::uint32_t end, std::uint8_t component) {
  const ProbingComponent& flow = std::get<ProbingComponents>(ends_[end].kind).at(component);
  std::optional<TimePoint> due = flow.prober.deadline();
  if (!flow.waiting.empty()) {
    const TimePoint enough = holding_.oldest_since(flow.waiting) + kLongestWait;
    due = due ? std::min(*due, enough) : enough;
  }
  if (due)
    deadlines_.arm(place_of(end, component), *due);
  else
    deadlines_.disarm(place_of(end, component));
}

void Relay::drop(const Error& malformed) {
  drop(malformed.code == Errc::Truncated ? Drop::Runt : Drop::Unsupported);
}

void Relay::tell(std::uint32_t end, EventKind kind, std::uint8_t component,
                 const TransportAddress& source) {
  on_event_(ends_[end].id, Event{.kind = kind, .component = component, .source = source});
}

}  // namespace sallyport::media
