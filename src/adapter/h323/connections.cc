#include "adapter/h323/connections.h"

#include <utility>
#include <vector>

namespace sallyport::adapter::h323 {
namespace {

constexpr Duration kDialLimit = seconds{5};
constexpr Duration kFinishLimit = seconds{2};
constexpr std::size_t kMaxWaiting = std::size_t{256} * 1024;  // octets behind what is not open yet

}  // namespace

Connections::ConnectionPtr Connections::add(Place place, edge::ConnectionId id, Framing framing,
                                            Handler handler) {
  auto made = std::make_shared<Connection>();
  made->place = place;
  made->framing = framing;
  made->handler = std::move(handler);
  connections_[id] = made;
  ++count_[place];
  return made;
}

Connections::ConnectionPtr Connections::find(edge::ConnectionId id) const {
  const auto it = connections_.find(id);
  return it == connections_.end() ? nullptr : it->second;
}

void Connections::forget(edge::ConnectionId id) {
  const auto it = connections_.find(id);
  if (it == connections_.end()) return;
  stack_.timers.stop(it->second->timer);
  if (--count_[it->second->place] == 0) count_.erase(it->second->place);
  connections_.erase(it);
}

edge::ConnectionId Connections::dial(Place place, const TransportAddress& remote, Framing framing,
                                     Handler handler, Commands& out) {
  const edge::ConnectionId id{out.new_id()};
  const ConnectionPtr connection = add(place, id, framing, std::move(handler));
  connection->addresses.remote = remote;
  edge::Edge* edge = out.edge(place);
  // Whoever dials looks at what it got before it hears that it failed.
  const Duration limit = edge == nullptr ? Duration{} : kDialLimit;
  connection->timer = stack_.timers.start(
      limit, [this, id](Commands& later) { drop(id, Errc::Unreachable, later); }, out);
  if (edge != nullptr)
    edge->connect(id, {.transport = edge::Transport::Tcp,
                       .remote = remote,
                       .dscp = stack_.config.marks(place.is_outside()).signalling,
                       .protocol = "h323"});
  return id;
}

bool Connections::adopt(Place place, edge::ConnectionId id, const edge::Arrival& arrival,
                        Framing framing, Handler handler, Commands& out) {
  edge::Edge* edge = out.edge(place);
  if (edge == nullptr) return false;
  const std::size_t limit = place.is_outside() ? stack_.config.max_connections_outside
                                               : stack_.config.max_connections_inside;
  const auto count = count_.find(place);
  if (count != count_.end() && count->second >= limit) {
    stack_.counters.add("connection_refused");
    edge->close(id);
    return false;
  }
  const ConnectionPtr connection = add(place, id, framing, std::move(handler));
  connection->addresses = arrival.addresses;
  connection->open = true;
  return true;
}

edge::ListenerId Connections::listen(Place place, const IpAddress& local,
                                     std::optional<Duration> limit, ListenHandler handler,
                                     Commands& out) {
  const edge::ListenerId id{out.new_id()};
  edge::Edge* edge = out.edge(place);
  if (edge == nullptr) limit = Duration{};
  TimerId timer;
  if (limit)
    timer = stack_.timers.start(
        *limit, [this, id](Commands& later) { fail_listener(id, later); }, out);
  listeners_[id] = {place, std::move(handler), timer};
  if (edge != nullptr)
    edge->listen(id, {.transport = edge::Transport::Tcp,
                      .address = {local, 0},
                      .dscp = stack_.config.marks(place.is_outside()).signalling,
                      .protocol = "h323"});
  return id;
}

void Connections::send(edge::ConnectionId id, Bytes payload, Commands& out) {
  const ConnectionPtr connection = find(id);
  if (!connection || connection->finishing) return;
  const bool framed = connection->framing == Framing::Tpkt;
  Buffer packet;
  if (framed) packet = codec::q931::encode_tpkt(payload);
  const Bytes octets = framed ? Bytes{packet} : payload;
  if (connection->open) {
    if (edge::Edge* edge = out.edge(connection->place)) edge->send(id, octets);
    return;
  }
  if (connection->waiting.size() + octets.size() > kMaxWaiting) {
    stack_.counters.add("connection_queue_full");
    return drop(id, Errc::Exhausted, out);
  }
  connection->waiting.insert(connection->waiting.end(), octets.begin(), octets.end());
}

void Connections::close(edge::ConnectionId id, Commands& out) {
  const ConnectionPtr connection = find(id);
  if (!connection) return;
  forget(id);
  if (edge::Edge* edge = out.edge(connection->place)) edge->close(id);
}

void Connections::finish(edge::ConnectionId id, Commands& out) {
  const ConnectionPtr connection = find(id);
  if (!connection || connection->finishing) return;
  edge::Edge* edge = out.edge(connection->place);
  if (!connection->open || edge == nullptr) return close(id, out);
  connection->finishing = true;
  edge->half_close(id);
  connection->timer = stack_.timers.start(
      kFinishLimit, [this, id](Commands& later) { close(id, later); }, out);
}

void Connections::close(edge::ListenerId id, Commands& out) {
  const auto it = listeners_.find(id);
  if (it == listeners_.end()) return;
  const Place place = it->second.place;
  stack_.timers.stop(it->second.timer);
  listeners_.erase(it);
  if (edge::Edge* edge = out.edge(place)) edge->close(id);
}

std::optional<edge::Addresses> Connections::addresses(edge::ConnectionId id) const {
  const ConnectionPtr connection = find(id);
  if (!connection) return std::nullopt;
  return connection->addresses;
}

std::optional<Hop> Connections::hop(edge::ConnectionId id) const {
  const ConnectionPtr connection = find(id);
  if (!connection) return std::nullopt;
  return Hop{.place = connection->place,
             .transport = edge::Transport::Tcp,
             .remote = connection->addresses.remote,
             .local = connection->addresses.local,
             .connection = id,
             .server_name = {}};
}

// ---- what the edges tell ----

void Connections::on_accepted(Place place, edge::ListenerId id, edge::ConnectionId connection,
                              const edge::Arrival& arrival, Commands& out) {
  const auto it = listeners_.find(id);
  if (it == listeners_.end()) {
    if (edge::Edge* edge = out.edge(place)) edge->close(connection);
    return;
  }
  const auto on_accepted = std::move(it->second.handler.on_accepted);
  close(id, out);
  on_accepted(connection, arrival, out);
}

bool Connections::on_listening(edge::ListenerId id, const TransportAddress& local, Commands& out) {
  const auto it = listeners_.find(id);
  if (it == listeners_.end()) return false;
  const auto on_listening = std::move(it->second.handler.on_listening);
  if (on_listening) on_listening(local, out);
  return true;
}

void Connections::on_connected(edge::ConnectionId id, const edge::Addresses& addresses,
                               Commands& out) {
  const ConnectionPtr connection = find(id);
  if (!connection || connection->open) return;
  connection->open = true;
  connection->addresses = addresses;
  stack_.timers.stop(std::exchange(connection->timer, {}));
  const Buffer waiting = std::exchange(connection->waiting, {});
  edge::Edge* edge = out.edge(connection->place);
  if (!waiting.empty() && edge != nullptr) edge->send(id, waiting);
  if (connection->handler.on_open) connection->handler.on_open(id, addresses, out);
}

void Connections::on_received(edge::ConnectionId id, Bytes octets, Commands& out) {
  const ConnectionPtr connection = find(id);  // held while its handler may close it
  if (!connection || connection->finishing) return;
  if (connection->framing == Framing::None) {
    if (connection->handler.on_payload) connection->handler.on_payload(id, octets, out);
    return;
  }
  connection->reader.push(octets);
  while (find(id) == connection && !connection->finishing) {
    const auto payload = connection->reader.next();
    if (payload) {
      if (connection->handler.on_payload) connection->handler.on_payload(id, *payload, out);
      continue;
    }
    if (payload.error().code == Errc::Truncated) return;
    stack_.counters.add("tpkt_malformed");
    return drop(id, Errc::BadValue, out);
  }
}

void Connections::on_half_closed(edge::ConnectionId id, Commands& out) {
  // H.225.0 and H.245 know no half: who will say no more has left.
  drop(id, Errc::Closed, out);
}

void Connections::on_closed(edge::ConnectionId id, Errc why, Commands& out) {
  const ConnectionPtr connection = find(id);
  if (!connection) return;
  forget(id);
  if (!connection->finishing && connection->handler.on_gone)
    connection->handler.on_gone(id, why, out);
}

void Connections::drop(edge::ConnectionId id, Errc why, Commands& out) {
  const ConnectionPtr connection = find(id);
  if (!connection) return;
  close(id, out);
  if (!connection->finishing && connection->handler.on_gone)
    connection->handler.on_gone(id, why, out);
}

void Connections::fail_listener(edge::ListenerId id, Commands& out) {
  const auto it = listeners_.find(id);
  if (it == listeners_.end()) return;
  const auto on_failed = std::move(it->second.handler.on_failed);
  close(id, out);
  if (on_failed) on_failed(out);
}

bool Connections::on_refused(std::uint64_t id, Errc why, Commands& out) {
  if (listeners_.contains(edge::ListenerId{id})) {
    fail_listener(edge::ListenerId{id}, out);
    return true;
  }
  if (!connections_.contains(edge::ConnectionId{id})) return false;
  on_closed(edge::ConnectionId{id}, why, out);
  return true;
}

void Connections::on_edge_lost(Place place, Commands& out) {
  std::vector<edge::ConnectionId> gone;
  for (const auto& [id, connection] : connections_)
    if (connection->place == place) gone.push_back(id);
  for (const edge::ConnectionId id : gone) on_closed(id, Errc::Closed, out);
  std::vector<edge::ListenerId> closed;
  for (const auto& [id, listener] : listeners_)
    if (listener.place == place) closed.push_back(id);
  for (const edge::ListenerId id : closed) fail_listener(id, out);
}

}  // namespace sallyport::adapter::h323
