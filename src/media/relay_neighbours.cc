// The relay as one of several, each on a core: what it passes on to the others, and takes from
// them.
#include "media/relay.h"

namespace sallyport::media {
namespace {

// A flow that is being handed over is two cores further than its source at most. What comes round
// more often is nobody's.
constexpr std::uint8_t kMostPasses = 4;

}  // namespace

// ---- Datagrams at server sockets ----

bool Relay::pass_if_steered_elsewhere(Bytes datagram, Turn& turn) {
  if (options_.neighbours == nullptr || turn.passes > 0) return false;
  const Core to = steered(datagram, turn.source, options_.neighbours->cores());
  if (to == options_.core) return false;  // as nearly always: the kernel knows as well
  pass(to, {}, datagram, turn);
  return true;
}

bool Relay::pass_to_holder(Bytes datagram, Turn& turn) {
  if (options_.neighbours == nullptr) return false;
  const Directory::Holder* const holder = directory_.find(turn.socket, turn.source);
  if (holder == nullptr) return false;
  pass(holder->core, {}, datagram, turn);
  return true;
}

bool Relay::pass_by_token(const Token& token, Bytes datagram, Turn& turn) {
  if (options_.neighbours == nullptr || flows_.find(token) != PlaceIndex::kNone) return false;
  const Core to =
      directory_.find(token).value_or(first_core_of(token, options_.neighbours->cores()));
  if (to == options_.core) return false;
  pass(to, holder_of_source(turn), datagram, turn);
  return true;
}

bool Relay::is_held_elsewhere(const Token& token, const Turn& turn) const {
  if (options_.neighbours == nullptr) return false;
  const FlowTable::Place place = flows_.find(token);
  const ComponentName holder = holder_of_source(turn);
  return holder.id && (place == PlaceIndex::kNone || holder != name_of(flows_[place]));
}

// The source's core says so, and whoever is passed the datagram is told.
ComponentName Relay::holder_of_source(const Turn& turn) const {
  if (turn.holder.id ||
      steered_by_source(turn.source, options_.neighbours->cores()) != options_.core)
    return turn.holder;
  const FlowTable::Place place = flows_.find(turn.socket, turn.source);
  if (place != PlaceIndex::kNone) return name_of(flows_[place]);
  const Directory::Holder* const holder = directory_.find(turn.socket, turn.source);
  return holder == nullptr ? ComponentName{} : holder->flow;
}

void Relay::pass(Core to, const ComponentName& holder, Bytes datagram, Turn& turn) {
  const Arrival arrival{.socket = turn.socket,
                        .source = turn.source,
                        .holder = holder,
                        .ecn = turn.ecn,
                        .passes = static_cast<std::uint8_t>(turn.passes + 1)};
  if (turn.passes == kMostPasses || !options_.neighbours->pass(to, arrival, datagram))
    return drop(Drop::NotPassed);
  ++totals_.passed;
}

void Relay::on_passed(const Arrival& arrival, MutableBytes datagram, TimePoint now,
                      Sender& sender) {
  ++totals_.taken;
  const std::uint32_t socket = arrival.socket.value;
  if (socket >= sockets_.size() || sockets_[socket].kind != SocketUse::Kind::Server)
    return drop(Drop::UnknownSocket);
  Turn turn{.now = now,
            .sender = sender,
            .socket = arrival.socket,
            .source = arrival.source,
            .ecn = arrival.ecn,
            .passes = arrival.passes,
            .holder = arrival.holder};
  on_server_datagram(arrival.socket, arrival.source, datagram, turn);
}

// ---- Packets for ends of other cores ----

void Relay::stand_in(MediaId id, Core core) {
  std::uint32_t end = find(id);
  if (end == kNone) {
    const auto made = new_end(id, kMaxComponents, {}, 0);
    if (!made) return;
    end = *made;
    ++stand_ins_;
  } else if (!std::holds_alternative<StandIn>(ends_[end].kind)) {
    return;
  }
  ends_[end].kind = StandIn{.core = core};
}

bool Relay::is_joined(MediaId id) const {
  const std::uint32_t end = find(id);
  return end != kNone && ends_[end].joined != kNone;
}

// Stand-ins serve the ends that lead to them, or to which they lead.
void Relay::forget_idle_stand_ins() {
  for (const std::uint32_t end : left_)
    if (std::holds_alternative<StandIn>(ends_[end].kind) && ends_[end].joined == kNone &&
        ends_[end].also_from == kNone)
      free_end(end);
  left_.clear();
}

void Relay::pass(const End& stand_in, std::uint8_t component, Bytes packet, Turn& turn) {
  const Departure departure{.end = {.id = stand_in.id, .component = component},
                            .ecn = turn.ecn,
                            .passes = static_cast<std::uint8_t>(turn.passes + 1)};
  if (turn.passes == kMostPasses ||
      !options_.neighbours->pass(std::get<StandIn>(stand_in.kind).core, departure, packet))
    return drop(Drop::NotPassed);
  ++totals_.passed;
}

void Relay::on_passed(const Departure& departure, MutableBytes packet, TimePoint now,
                      Sender& sender) {
  ++totals_.taken;
  const std::uint32_t end = find(departure.end.id);
  if (end == kNone) return drop(Drop::Unjoined);  // it has been closed
  if (departure.end.component >= ends_[end].components) return drop(Drop::NoComponent);
  Turn turn{
      .now = now, .sender = sender, .ecn = departure.ecn, .passes = departure.passes, .holder = {}};
  send_at(end, departure.end.component, packet, turn);
}

// ---- Who is bound to which source ----

void Relay::on_source(const AwaitingComponent& flow, bool bound) {
  if (handing_over_) return;  // it stays bound, elsewhere
  const Core core = steered_by_source(flow.source, options_.neighbours->cores());
  if (core != options_.core) {
    const auto what = bound ? SourceNote::What::Bound : SourceNote::What::Released;
    return options_.neighbours->tell(
        core, {.what = what, .socket = flow.socket, .source = flow.source, .flow = name_of(flow)});
  }
  if (!bound) return;
  const auto before = directory_.take(flow.socket, flow.source);
  if (before && before->flow != name_of(flow))
    options_.neighbours->tell(before->core, {.what = SourceNote::What::Taken,
                                             .socket = flow.socket,
                                             .source = flow.source,
                                             .flow = before->flow});
}

void Relay::on_told(Core from, const SourceNote& note) {
  switch (note.what) {
    case SourceNote::What::Bound: {
      const FlowTable::Place place = flows_.find(note.socket, note.source);
      if (place != PlaceIndex::kNone)
        release_holder(note.socket, note.source, name_of(flows_[place]));
      const auto before =
          directory_.set(note.socket, note.source, {.flow = note.flow, .core = from});
      if (before && before->flow != note.flow)
        options_.neighbours->tell(before->core, {.what = SourceNote::What::Taken,
                                                 .socket = note.socket,
                                                 .source = note.source,
                                                 .flow = before->flow});
      return;
    }
    case SourceNote::What::Released:
      return directory_.release(note.socket, note.source, {.flow = note.flow, .core = from});
    case SourceNote::What::Taken:
      return release_holder(note.socket, note.source, note.flow);
  }
}

void Relay::release_holder(SocketId socket, const TransportAddress& source,
                           const ComponentName& of) {
  const FlowTable::Place place = flows_.find(socket, source);
  if (place == PlaceIndex::kNone || name_of(flows_[place]) != of) return;
  take_back(flows_[place].end);
  flows_.release(place);
}

}  // namespace sallyport::media
