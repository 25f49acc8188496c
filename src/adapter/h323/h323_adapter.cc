#include "adapter/h323/h323_adapter.h"

#include <utility>

namespace sallyport::adapter::h323 {

H323Adapter::H323Adapter(Config config, const Stores& stores, Throttle::Limits throttle,
                         Random& random, Log& log)
    : config_(std::move(config)),
      log_(log),
      guard_(config_.limits, "h323", log),
      stack_{config_, guard_, timers_, counters_, random, log},
      endpoints_(config_, stores.registrations),
      h235_(config_, stores.users, random),
      requests_(stack_, h235_, sender()),
      relays_(stack_, stores.users, requests_),
      router_(stack_, endpoints_, stores.registrations, stores.routes, requests_, relays_),
      gatekeeper_(stack_, endpoints_, stores.users, router_, h235_, requests_, relays_, sender(),
                  throttle),
      calls_(stack_, router_, gatekeeper_) {
  gatekeeper_.set_calls(calls_);
}

SendRas H323Adapter::sender() {
  return
      [this](const Hop& to, Bytes datagram, Commands& out) { return send_ras(to, datagram, out); };
}

// ---- Listening ----

void H323Adapter::on_edge_up(Place place, const std::string& /*name*/, Commands& out) {
  if (place.is_outside()) gatekeeper_.on_start(out);
  const Listening& listening = place.is_outside() ? config_.outside : config_.inside;
  for (const IpAddress& address : listening.addresses) {
    if (listening.ras != 0) listen(place, Use::Ras, {address, listening.ras}, out);
    if (listening.call != 0) listen(place, Use::Call, {address, listening.call}, out);
  }
  if (listening.discovery != 0)
    listen(place, Use::Discovery, {kDiscoveryGroup, listening.discovery}, out);
}

void H323Adapter::listen(Place place, Use use, const TransportAddress& at, Commands& out) {
  edge::Edge* edge = out.edge(place);
  if (edge == nullptr) return;
  const edge::ListenerId id{out.new_id()};
  listeners_[id] = {place, use, at.ip};
  edge::ListenSpec spec;
  spec.transport = use == Use::Call ? edge::Transport::Tcp : edge::Transport::Udp;
  spec.address = at;
  if (use == Use::Discovery) spec.multicast_groups = {at.ip};
  spec.dscp = config_.marks(place.is_outside()).signalling;
  spec.protocol = protocol();
  edge->listen(id, spec);
}

std::string_view H323Adapter::name(Use use) {
  switch (use) {
    case Use::Ras:
      return "ras";
    case Use::Discovery:
      return "discovery";
    case Use::Call:
      break;
  }
  return "call signalling";
}

void H323Adapter::on_edge_lost(Place place, Commands& out) {
  std::erase_if(listeners_, [&](const auto& entry) { return entry.second.place == place; });
  calls_.on_edge_lost(place, out);
  requests_.on_edge_lost(place, out);
  router_.on_edge_lost(place, out);
}

void H323Adapter::on_listening(Place place, edge::ListenerId id, const TransportAddress& local,
                               Commands& out) {
  if (calls_.on_listening(place, id, local, out) || relays_.on_listening(id, out)) return;
  const auto it = listeners_.find(id);
  if (it != listeners_.end() && it->second.use == Use::Call)
    calls_.set_signalling_port(place, local.port);
}

void H323Adapter::on_refused(Place place, std::uint64_t id, Errc code, const std::string& what,
                             Commands& out) {
  if (router_.on_refused(id, out) || relays_.on_refused(id, out) ||
      calls_.on_refused(place, id, code, what, out))
    return;
  const auto it = listeners_.find(edge::ListenerId{id});
  if (it == listeners_.end()) return;
  log_.warning("h323 listener refused",
               {{"agent", place.agent.value}, {"listener", name(it->second.use)}, {"why", what}});
  listeners_.erase(it);
}

// ---- RAS ----

void H323Adapter::on_datagram(Place place, edge::ListenerId id, const edge::Addresses& addresses,
                              Bytes datagram, Commands& out) {
  const auto it = listeners_.find(id);
  if (it == listeners_.end() || it->second.place != place) return;
  Hop from;
  from.place = place;
  from.remote = addresses.remote;
  from.local = addresses.local;
  gatekeeper_.on_datagram(from, it->second.use == Use::Discovery, datagram, out);
}

// From the port of RAS, what came to a multicast group, too; of several listeners from the one that
// the other side knows.
bool H323Adapter::send_ras(const Hop& to, Bytes datagram, Commands& out) {
  edge::Edge* edge = out.edge(to.place);
  if (edge == nullptr) return false;
  const std::pair<const edge::ListenerId, Listener>* best = nullptr;
  for (const auto& entry : listeners_) {
    const Listener& listener = entry.second;
    if (listener.place != to.place || listener.use != Use::Ras ||
        listener.address.is_v4() != to.remote.ip.is_v4())
      continue;
    if (best == nullptr || listener.address == to.local.ip) best = &entry;
  }
  if (best == nullptr || to.remote.port == 0) return false;
  const std::uint16_t port = to.place.is_outside() ? config_.outside.ras : config_.inside.ras;
  edge->send_datagram(best->first, {.local = {to.local.ip, port}, .remote = to.remote}, datagram);
  return true;
}

// ---- Call signalling ----

void H323Adapter::on_accepted(Place place, edge::ListenerId id, edge::ConnectionId connection,
                              const edge::Arrival& arrival, Commands& out) {
  calls_.on_accepted(place, id, connection, arrival, out);
}

void H323Adapter::on_connected(Place place, edge::ConnectionId id, const edge::Addresses& addresses,
                               Commands& out) {
  calls_.on_connected(place, id, addresses, out);
}

void H323Adapter::on_received(Place place, edge::ConnectionId id, Bytes octets, Commands& out) {
  calls_.on_received(place, id, octets, out);
}

void H323Adapter::on_half_closed(Place place, edge::ConnectionId id, Commands& out) {
  calls_.on_half_closed(place, id, out);
}

void H323Adapter::on_closed(Place place, edge::ConnectionId id, const Error& why, Commands& out) {
  calls_.on_closed(place, id, why, out);
}

void H323Adapter::on_shutdown(Commands& out) { calls_.on_shutdown(out); }

// ---- Questions and timers ----

void H323Adapter::on_resolved(Place /*place*/, edge::QueryId id,
                              const std::vector<edge::Record>& records, Commands& out) {
  if (!router_.on_resolved(id, records, out)) relays_.on_resolved(id, records, out);
}

void H323Adapter::on_local_address(Place /*place*/, edge::QueryId /*id*/,
                                   const IpAddress& /*local*/, Commands& /*out*/) {}

void H323Adapter::on_timer(TimerId id, Commands& out) { timers_.on_timer(id, out); }

}  // namespace sallyport::adapter::h323
