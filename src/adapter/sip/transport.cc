#include "adapter/sip/transport.h"

#include <algorithm>
#include <array>
#include <utility>

#include "adapter/sip/stun.h"
#include "codec/sip/headers.h"

namespace sallyport::adapter::sip {
namespace {

constexpr Duration kDialLimit = seconds{5};
constexpr Duration kSweepEvery = seconds{15};
constexpr std::size_t kMaxWaiting = std::size_t{256} * 1024;  // octets behind a connection not open
constexpr std::size_t kMaxDatagram = 65507;                   // UDP over IPv4
constexpr std::size_t kMaxLearnt = 4096;                      // hosts at one place
constexpr std::size_t kMaxOwn = 64;                           // addresses of ours at one place

std::uint16_t port_of(const Listening& listening, edge::Transport transport) {
  switch (transport) {
    case edge::Transport::Udp:
      return listening.udp;
    case edge::Transport::Tcp:
      return listening.tcp;
    case edge::Transport::Tls:
      break;
  }
  return listening.tls;
}

// RFC 3261 18.2.1 and RFC 3581 section 4: the server writes into the top Via where the request
// really came from.
std::optional<wire::Message> with_received(const wire::Message& request,
                                           const TransportAddress& source) {
  const auto& headers = request.headers();
  const auto line = std::find_if(headers.begin(), headers.end(), [](const wire::Header& header) {
    return header.name == wire::HeaderName::Via;
  });
  if (line == headers.end()) return std::nullopt;
  // An empty first line is no Via: then there is none to write into.
  const auto vias = request.list(wire::HeaderName::Via);
  if (vias.empty() || vias.front().data() < line->value.data() ||
      vias.front().data() >= line->value.data() + line->value.size())
    return std::nullopt;
  const auto via = wire::Via::parse(vias.front());
  if (!via) return std::nullopt;

  const auto host = IpAddress::parse(via->host);
  const bool wants_port = via->parameters.has("rport");
  const bool same = host && *host == source.ip && !wants_port && !via->parameters.has("received");
  if (same) return std::nullopt;

  std::string parameters = via->parameters.with("received", source.ip.to_string());
  if (wants_port)
    parameters = wire::Parameters{parameters}.with("rport", std::to_string(source.port));
  const std::string_view top = vias.front();
  std::string value(top.substr(0, top.size() - via->parameters.text().size()));
  value += parameters;
  value +=
      line->value.substr(static_cast<std::size_t>(top.data() + top.size() - line->value.data()));
  wire::Editor editor{request};
  editor.set(static_cast<std::size_t>(line - headers.begin()), value);
  auto amended = wire::Message::parse(editor.finish());
  if (!amended) return std::nullopt;
  return std::move(*amended);
}

bool is_keepalive(Bytes datagram) {
  return std::all_of(datagram.begin(), datagram.end(), [](std::uint8_t octet) {
    return octet == 0 || octet == '\r' || octet == '\n' || octet == ' ';
  });
}

}  // namespace

// ---- listeners ----

void Transport::on_edge_up(Place place, Commands& out) {
  edge::Edge* edge = out.edge(place);
  if (edge == nullptr) return;
  const Listening& listening = place.is_outside() ? config_.outside : config_.inside;
  for (const auto transport : {edge::Transport::Udp, edge::Transport::Tcp, edge::Transport::Tls}) {
    const std::uint16_t port = port_of(listening, transport);
    if (port == 0) continue;
    for (const IpAddress& address : listening.addresses) {
      const edge::ListenerId id{out.new_id()};
      listeners_[id] = {place, transport, {address, 0}};
      edge::ListenSpec spec{.transport = transport, .address = {address, port}, .protocol = "sip"};
      spec.dscp = config_.marks(place.is_outside()).signalling;
      if (transport == edge::Transport::Tls)
        spec.tls = edge::TlsSpec{.certificate = listening.certificate};
      edge->listen(id, spec);
    }
  }
}

bool Transport::on_listening(Place place, edge::ListenerId id, const TransportAddress& local) {
  const auto it = listeners_.find(id);
  if (it == listeners_.end() || it->second.place != place) return false;
  it->second.local = local;
  return true;
}

void Transport::on_edge_lost(Place place, Commands& out) {
  std::erase_if(listeners_, [&](const auto& entry) { return entry.second.place == place; });
  learnt_.erase(place);
  std::vector<edge::ConnectionId> gone;
  for (const auto& [id, connection] : connections_)
    if (connection->place == place) gone.push_back(id);
  for (const edge::ConnectionId id : gone) drop(id, Errc::Closed, out);
}

bool Transport::on_refused(Place place, std::uint64_t id, Errc code, const std::string& what,
                           Commands& out) {
  if (const auto it = listeners_.find(edge::ListenerId{id}); it != listeners_.end()) {
    log_.warning(
        "sip listener refused",
        {{"agent", place.agent.value}, {"transport", name(it->second.transport)}, {"why", what}});
    listeners_.erase(it);
    return true;
  }
  if (!connections_.contains(edge::ConnectionId{id})) return false;
  drop(edge::ConnectionId{id}, code, out);
  return true;
}

const std::pair<const edge::ListenerId, Transport::Listener>* Transport::find_listener(
    Place place, edge::Transport transport, bool v6) const {
  for (const auto& entry : listeners_) {
    const Listener& listener = entry.second;
    if (listener.place == place && listener.transport == transport &&
        listener.local.ip.is_v6() == v6)
      return &entry;
  }
  return nullptr;
}

bool Transport::listens(Place place, edge::Transport transport, bool v6) const {
  return find_listener(place, transport, v6) != nullptr;
}

// ---- our own addresses ----

TransportAddress Transport::shown_address(const Hop& hop) const {
  TransportAddress shown = shown_address(hop.place, hop.transport, hop.remote.ip);
  if (hop.place.is_outside() && !config_.advertised.empty() && !shown.ip.is_unspecified())
    return shown;
  if (!hop.local.ip.is_unspecified()) shown.ip = hop.local.ip;
  if (shown.port == 0) shown.port = hop.local.port;
  return shown;
}

TransportAddress Transport::shown_address(Place place, edge::Transport transport,
                                          const IpAddress& toward) const {
  TransportAddress shown;
  if (const auto* listener = find_listener(place, transport, toward.is_v6()))
    shown = listener->second.local;
  if (place.is_outside()) {
    for (const IpAddress& ip : config_.advertised)
      if (ip.is_v6() == toward.is_v6()) shown.ip = ip;
  } else if (shown.ip.is_unspecified()) {
    shown.ip = learnt_local(place, toward).value_or(shown.ip);
  }
  return shown;
}

std::optional<IpAddress> Transport::learnt_local(Place place, const IpAddress& remote) const {
  const auto it = learnt_.find(place);
  if (it == learnt_.end()) return std::nullopt;
  const auto& [toward, own] = it->second;
  if (const auto known = toward.find(remote); known != toward.end()) return known->second;
  // Most agents have one address.
  return own.empty() ? std::nullopt : std::optional{*own.begin()};
}

void Transport::learn_local(Place place, const edge::Addresses& addresses) {
  if (addresses.local.ip.is_unspecified()) return;
  auto& [toward, own] = learnt_[place];
  if (own.size() < kMaxOwn) own.insert(addresses.local.ip);
  // Outside, an entry for each stranger is not worth having. Inside hosts are few, or forged: then
  // who is known stays known.
  if (place.is_outside()) return;
  const auto known = toward.find(addresses.remote.ip);
  if (known != toward.end())
    known->second = addresses.local.ip;
  else if (toward.size() < kMaxLearnt)
    toward.emplace(addresses.remote.ip, addresses.local.ip);
}

bool Transport::is_own_address(Place place, const IpAddress& ip) const {
  for (const auto& [id, listener] : listeners_)
    if (listener.place == place && listener.local.ip == ip && !ip.is_unspecified()) return true;
  if (const auto it = learnt_.find(place); it != learnt_.end() && it->second.own.contains(ip))
    return true;
  return place.is_outside() && std::find(config_.advertised.begin(), config_.advertised.end(),
                                         ip) != config_.advertised.end();
}

bool Transport::is_own_port(Place place, std::uint16_t port) const {
  return std::any_of(listeners_.begin(), listeners_.end(), [&](const auto& entry) {
    return entry.second.place == place && entry.second.local.port == port;
  });
}

// ---- datagrams ----

void Transport::on_datagram(Place place, edge::ListenerId id, const edge::Addresses& addresses,
                            Bytes datagram, Commands& out) {
  if (!listeners_.contains(id) || is_keepalive(datagram)) return;
  const Hop from{.place = place, .remote = addresses.remote, .local = addresses.local};
  if (is_stun(datagram)) return answer_stun(from, id, datagram, out);
  learn_local(place, addresses);
  deliver(datagram, from, out);
}

void Transport::answer_stun(const Hop& from, edge::ListenerId id, Bytes datagram, Commands& out) {
  const auto answer = stun_answer(datagram, from.remote);
  edge::Edge* edge = out.edge(from.place);
  if (!answer || edge == nullptr) return;
  counters_.add("stun_answered");
  edge->send_datagram(id, {from.local, from.remote}, *answer);
}

void Transport::deliver(Bytes octets, const Hop& from, Commands& out) {
  if (!guard_.hears(from, out.now())) return counters_.add("flood_unheard");
  const auto message = wire::Message::parse(octets);
  if (!message) return deliver_malformed(octets, message.error().what, from, out);
  if (message->is_request()) {
    if (const auto amended = with_received(*message, from.remote))
      return user_->on_message(*amended, from, out);
  }
  user_->on_message(*message, from, out);
}

void Transport::deliver_malformed(Bytes octets, std::string_view what, const Hop& from,
                                  Commands& out) {
  const auto head = wire::Message::parse_head(octets);
  if (!head || !head->is_request()) return counters_.add("malformed_dropped");
  const auto amended = with_received(*head, from.remote);
  user_->on_malformed(amended ? *amended : *head, what, from, out);
}

// ---- connections ----

void Transport::on_accepted(Place place, edge::ListenerId id, edge::ConnectionId connection,
                            const edge::Arrival& arrival, Commands& out) {
  const auto listener = listeners_.find(id);
  edge::Edge* edge = out.edge(place);
  if (edge == nullptr) return;
  const std::size_t limit =
      place.is_outside() ? config_.max_connections_outside : config_.max_connections_inside;
  if (listener == listeners_.end() || count_[place] >= limit) {
    counters_.add("connection_refused");
    return edge->close(connection);
  }
  auto made = std::make_unique<Connection>();
  made->place = place;
  made->transport = listener->second.transport;
  made->addresses = arrival.addresses;
  made->open = true;
  made->last_used = out.now();
  learn_local(place, arrival.addresses);
  by_remote_[{place, made->transport, arrival.addresses.remote}] = connection;
  connections_[connection] = std::move(made);
  ++count_[place];
  start_sweeping(out);
}

void Transport::on_connected(Place place, edge::ConnectionId id, const edge::Addresses& addresses,
                             Commands& out) {
  const auto it = connections_.find(id);
  edge::Edge* edge = out.edge(place);
  if (it == connections_.end() || edge == nullptr) return;
  Connection& connection = *it->second;
  timers_.stop(connection.dial_timer);
  connection.open = true;
  connection.addresses.local = addresses.local;
  connection.last_used = out.now();
  learn_local(place, addresses);
  const auto waiting = std::exchange(connection.waiting, {});
  connection.waiting_octets = 0;
  for (const Waiting& message : waiting) edge->send(id, as_bytes(message.octets));
}

void Transport::on_received(Place place, edge::ConnectionId id, Bytes octets, Commands& out) {
  auto it = connections_.find(id);
  if (it == connections_.end()) return;
  it->second->last_used = out.now();
  it->second->framer.push(octets);
  // A message may lead to this very connection's end: look it up again each time.
  while ((it = connections_.find(id)) != connections_.end()) {
    Connection& connection = *it->second;
    const auto frame = connection.framer.next();
    if (!frame) {
      if (frame.error().code == Errc::Truncated) return;
      counters_.add("unframed");
      const Hop from{.place = place,
                     .transport = connection.transport,
                     .remote = connection.addresses.remote,
                     .local = connection.addresses.local,
                     .connection = id,
                     .server_name = {}};
      const Buffer rest = to_buffer(connection.framer.refused());
      deliver_malformed(rest, frame.error().what, from, out);
      if (edge::Edge* edge = out.edge(place)) edge->close(id);
      return drop(id, Errc::BadValue, out);
    }
    if (frame->kind == wire::FrameKind::Ping) {
      // RFC 5626 3.5.1: a double CRLF is answered with a single one.
      if (edge::Edge* edge = out.edge(place)) edge->send(id, as_bytes("\r\n"));
    } else if (frame->kind == wire::FrameKind::Message) {
      const Hop from{.place = place,
                     .transport = connection.transport,
                     .remote = connection.addresses.remote,
                     .local = connection.addresses.local,
                     .connection = id,
                     .server_name = {}};
      const Buffer copy = to_buffer(frame->octets);  // the framer lends it until its next call only
      deliver(copy, from, out);
    }
  }
}

void Transport::on_half_closed(Place place, edge::ConnectionId id, Commands& out) {
  // The far end will never send a request or a response again: nothing of SIP is left to do there.
  if (edge::Edge* edge = out.edge(place)) edge->close(id);
  drop(id, Errc::Closed, out);
}

void Transport::on_closed(Place /*place*/, edge::ConnectionId id, Errc why, Commands& out) {
  drop(id, why, out);
}

void Transport::drop(edge::ConnectionId id, Errc why, Commands& out) {
  auto node = connections_.extract(id);
  if (node.empty()) return;
  const std::unique_ptr<Connection> connection = std::move(node.mapped());
  timers_.stop(connection->dial_timer);
  if (--count_[connection->place] == 0) count_.erase(connection->place);
  const auto known =
      by_remote_.find({connection->place, connection->transport, connection->addresses.remote});
  if (known != by_remote_.end() && known->second == id) by_remote_.erase(known);
  for (Waiting& message : connection->waiting)
    if (message.on_unsent) message.on_unsent(why, out);
  user_->on_connection_closed(connection->place, id, out);
}

void Transport::vouch(edge::ConnectionId id) {
  if (const auto it = connections_.find(id); it != connections_.end()) it->second->known = true;
}

void Transport::start_sweeping(Commands& out) {
  if (sweeping_) return;
  sweeping_ = true;
  timers_.start(
      kSweepEvery, [this](Commands& later) { sweep(later); }, out);
}

void Transport::sweep(Commands& out) {
  sweeping_ = false;
  std::vector<edge::ConnectionId> idle;
  for (const auto& [id, connection] : connections_) {
    const Duration limit = connection->known ? config_.connection_idle : config_.stranger_idle;
    if (out.now() - connection->last_used >= limit) idle.push_back(id);
  }
  for (const edge::ConnectionId id : idle) {
    counters_.add("connection_idle");
    if (edge::Edge* edge = out.edge(connections_.at(id)->place)) edge->close(id);
    drop(id, Errc::Closed, out);
  }
  if (!connections_.empty()) start_sweeping(out);
}

bool Transport::has_connection(Place place, edge::Transport transport,
                               const TransportAddress& remote) const {
  return bool{find_connection({.place = place, .transport = transport, .remote = remote})};
}

edge::ConnectionId Transport::find_connection(const Hop& hop) const {
  const auto it = by_remote_.find({hop.place, hop.transport, hop.remote});
  return it == by_remote_.end() ? edge::ConnectionId{} : it->second;
}

edge::ConnectionId Transport::dial(const Hop& hop, Commands& out) {
  edge::Edge* edge = out.edge(hop.place);
  const std::size_t limit =
      hop.place.is_outside() ? config_.max_connections_outside : config_.max_connections_inside;
  if (edge == nullptr || hop.remote.port == 0 || count_[hop.place] >= limit) return {};
  const edge::ConnectionId id{out.new_id()};
  auto made = std::make_unique<Connection>();
  made->place = hop.place;
  made->transport = hop.transport;
  made->addresses = {hop.local, hop.remote};
  made->dialled = true;
  made->known = true;
  made->last_used = out.now();
  made->dial_timer = timers_.start(
      kDialLimit,
      [this, id, place = hop.place](Commands& later) {
        if (edge::Edge* same = later.edge(place)) same->close(id);
        drop(id, Errc::Unreachable, later);
      },
      out);
  by_remote_[{hop.place, hop.transport, hop.remote}] = id;
  connections_[id] = std::move(made);
  ++count_[hop.place];
  start_sweeping(out);

  edge::ConnectSpec spec{.transport = hop.transport, .remote = hop.remote, .protocol = "sip"};
  spec.dscp = config_.marks(hop.place.is_outside()).signalling;
  if (hop.transport == edge::Transport::Tls)
    spec.tls = edge::TlsSpec{
        .certificate = (hop.place.is_outside() ? config_.outside : config_.inside).certificate,
        .server_name = hop.server_name,
        .verify_peer = hop.place.is_outside() && config_.verify_tls_outside};
  edge->connect(id, spec);
  return id;
}

Hop Transport::send(const Hop& to, std::string_view message, OnUnsent on_unsent, Commands& out) {
  Hop taken = to;
  edge::Edge* edge = out.edge(to.place);
  const auto unsent = [&](Errc why) {
    if (on_unsent) on_unsent(why, out);
    return taken;
  };
  if (edge == nullptr) return unsent(Errc::Closed);

  if (to.transport == edge::Transport::Udp) {
    const auto* listener = find_listener(to.place, to.transport, to.remote.ip.is_v6());
    if (listener == nullptr || to.remote.port == 0 || message.size() > kMaxDatagram)
      return unsent(Errc::Unreachable);
    edge->send_datagram(listener->first, {to.local, to.remote}, as_bytes(message));
    return taken;
  }

  if (!taken.connection || !connections_.contains(taken.connection))
    taken.connection = find_connection(to);
  if (!taken.connection) taken.connection = dial(to, out);
  const auto it = connections_.find(taken.connection);
  if (it == connections_.end()) return unsent(Errc::Unreachable);
  Connection& connection = *it->second;
  connection.last_used = out.now();
  if (connection.open) {
    edge->send(taken.connection, as_bytes(message));
    return taken;
  }
  if (connection.waiting_octets + message.size() > kMaxWaiting) return unsent(Errc::Exhausted);
  connection.waiting_octets += message.size();
  connection.waiting.push_back({std::string(message), std::move(on_unsent)});
  return taken;
}

Hop Transport::response_hop(const wire::Message& request, const Hop& from) {
  Hop to = from;
  const auto vias = request.list(wire::HeaderName::Via);
  if (vias.empty()) return to;
  const auto via = wire::Via::parse(vias.front());
  if (!via) return to;
  const std::uint16_t standard = from.transport == edge::Transport::Tls ? 5061 : 5060;
  const std::uint16_t sent_by = via->port != 0 ? via->port : standard;
  // RFC 3581 section 4: with rport, back to the very source. Otherwise to the port of sent-by, but
  // never to another host than the one it came from: maddr would make us a reflector. On a
  // connection this is what is dialled when the connection is gone (RFC 3261 18.2.2).
  if (from.transport != edge::Transport::Udp || !via->parameters.has("rport"))
    to.remote.port = sent_by;
  return to;
}

}  // namespace sallyport::adapter::sip
