// Handing over: ends of one core's relay become another's, with all that they are. What a flow's
// source sends comes first to the core that it is steered to; with the flow there, nothing of it is
// passed on any more.
#include "media/relay.h"

namespace sallyport::media {
namespace {

// Far more than a core takes to learn where a flow is.
constexpr Duration kGivenAwayFor = seconds{1};

}  // namespace

// ---- Taking out ----

Relay::Moving Relay::take(std::span<const MediaId> ids, Core to, TimePoint now) {
  forget_given_away(now);
  Moving out;
  std::vector<std::uint32_t> ends;
  for (const MediaId id : ids) {
    const std::uint32_t end = find(id);
    if (end != kNone && ends_[end].trunk == kNone &&
        !std::holds_alternative<TaggedPlaces>(ends_[end].kind) &&
        !std::holds_alternative<StandIn>(ends_[end].kind))
      ends.push_back(end);
  }
  out.joined = ends.size() == 2 && ends_[ends[0]].joined == ends[1];
  for (const std::uint32_t end : ends) detach(end);
  for (const std::uint32_t end : ends) out.ends.push_back(take_end(end, to, now));
  forget_idle_stand_ins();
  return out;
}

Relay::MovingEnd Relay::take_end(std::uint32_t end, Core to, TimePoint now) {
  MovingEnd out{.end = std::move(ends_[end]), .awaiting = {}, .waiting = {}};
  for (std::uint8_t i = 0; i < kMaxComponents; ++i) deadlines_.disarm(place_of(end, i));
  for (std::uint8_t i = 0; i < out.end.components; ++i) {
    if (auto* port = std::get_if<PortComponents>(&out.end.kind)) {
      out.waiting.at(i) = take_waiting(port->at(i).waiting);
      forget_socket(port->at(i).socket());
    } else if (auto* probing = std::get_if<ProbingComponents>(&out.end.kind)) {
      out.waiting.at(i) = take_waiting(probing->at(i).waiting);
      forget_socket(probing->at(i).socket);
    } else {
      const FlowTable::Place place = std::get<AwaitingPlaces>(out.end.kind).at(i);
      out.waiting.at(i) = take_waiting(flows_[place].waiting);
      AwaitingComponent& flow = out.awaiting.at(i);
      flow = flows_[place];
      directory_.redirect(flow.secret.token, to);
      if (flow.bound()) {
        const Directory::Holder holder{.flow = name_of(flow), .core = to};
        directory_.set(flow.socket, flow.source, holder);
        given_away_.push_back({flow.socket, flow.source, holder, now + kGivenAwayFor});
      }
      handing_over_ = true;
      flows_.remove(place);
      handing_over_ = false;
    }
  }
  free_end(end);
  return out;
}

std::vector<Relay::WaitingPacket> Relay::take_waiting(WaitingLine& line) {
  std::vector<WaitingPacket> out;
  for (; !line.empty(); holding_.drop_oldest(line)) {
    out.push_back({.octets = to_buffer(holding_.oldest(line)), .ecn = holding_.oldest_ecn(line)});
    --totals_.waiting;
    ++totals_.passed;
  }
  line = {};
  return out;
}

// The source's own core knows by now; if that is this one, it has been told anew.
void Relay::forget_given_away(TimePoint now) {
  while (!given_away_.empty() && given_away_.front().until <= now) {
    const GivenAway& it = given_away_.front();
    if (steered_by_source(it.source, options_.neighbours->cores()) != options_.core)
      directory_.release(it.socket, it.source, it.holder);
    given_away_.pop_front();
  }
}

// ---- Putting in ----

void Relay::put(Moving&& moving, TimePoint now) {
  for (MovingEnd& one : moving.ends) put_end(one, now);
  if (moving.joined) join(moving.ends[0].end.id, moving.ends[1].end.id);
}

void Relay::put_end(MovingEnd& moving, TimePoint now) {
  End& from = moving.end;
  close(from.id);  // something may still have stood in for it
  const auto made = new_end(from.id, from.components, {}, from.dscp);
  if (!made) return;  // ids and their number are the owner's
  const std::uint32_t end = *made;
  if (auto* port = std::get_if<PortComponents>(&from.kind)) {
    std::array<SocketId, kMaxComponents> sockets;
    for (std::uint8_t i = 0; i < from.components; ++i) sockets.at(i) = port->at(i).socket();
    use_sockets(end, SocketUse::Kind::Port, std::span{sockets}.first(from.components));
    ends_[end].kind = *port;
    for (std::uint8_t i = 0; i < from.components; ++i) {
      if (moving.waiting.at(i).empty()) continue;
      put_waiting(moving.waiting.at(i), std::get<PortComponents>(ends_[end].kind).at(i).waiting,
                  now);
      deadlines_.arm(place_of(end, i), now + (port->at(i).was_told() ? Duration{} : kLongestWait));
    }
  } else if (auto* probing = std::get_if<ProbingComponents>(&from.kind)) {
    std::array<SocketId, kMaxComponents> sockets;
    for (std::uint8_t i = 0; i < from.components; ++i) sockets.at(i) = probing->at(i).socket;
    use_sockets(end, SocketUse::Kind::Probing, std::span{sockets}.first(from.components));
    ends_[end].kind = std::move(*probing);
    for (std::uint8_t i = 0; i < from.components; ++i) {
      put_waiting(moving.waiting.at(i), std::get<ProbingComponents>(ends_[end].kind).at(i).waiting,
                  now);
      rearm(end, i);
    }
  } else {
    AwaitingPlaces places{};
    for (std::uint8_t i = 0; i < from.components; ++i) {
      AwaitingComponent& before = moving.awaiting.at(i);
      before.end = end;
      // Another flow may have been bound to its source on the way: it is that one's.
      const auto* const holder = directory_.find(before.socket, before.source);
      if (holder != nullptr && holder->flow != name_of(before)) before.socket = {};
      const auto place = flows_.restore(moving.awaiting.at(i), end);
      if (!place) continue;  // likewise
      places.at(i) = *place;
      directory_.forget(moving.awaiting.at(i).secret.token);
      AwaitingComponent& flow = flows_[*place];
      put_waiting(moving.waiting.at(i), flow.waiting, now);
      if (!flow.waiting.empty()) deadlines_.arm(place_of(end, i), now + kLongestWait);
    }
    ends_[end].kind = places;
  }
}

void Relay::put_waiting(const std::vector<WaitingPacket>& packets, WaitingLine& line,
                        TimePoint now) {
  for (const WaitingPacket& packet : packets) {
    ++totals_.taken;
    if (holding_.hold(line, packet.octets, packet.ecn, now))
      ++totals_.waiting;
    else
      drop(Drop::NoRoom);
  }
}

}  // namespace sallyport::media
