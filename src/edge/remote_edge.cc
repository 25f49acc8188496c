#include "edge/remote_edge.h"

#include "control.pb.h"
#include "control/commands.h"
#include "control/events.h"

namespace sallyport::edge {

using control::encode_close;
using mux::ChannelId;
using mux::StreamKind;

namespace {
// What may be sent on a connection that is still being dialled.
constexpr std::size_t kMaxEarly = std::size_t{256} << 10U;
// How many ids an edge has for the connections that it accepts, as a power of two.
constexpr unsigned kAcceptedBits = 32;
}  // namespace

RemoteEdge::RemoteEdge(control::ControlSession& session, Observer& observer,
                       std::uint64_t first_accepted)
    : session_(session),
      multiplex_(session.multiplex()),
      observer_(observer),
      first_accepted_(first_accepted) {}

// ---- Commands ----

void RemoteEdge::listen(ListenerId id, const ListenSpec& spec) {
  listeners_[id] = spec.transport;
  session_.send(control::encode_listen(id, spec));
}

void RemoteEdge::connect(ConnectionId id, const ConnectSpec& spec) {
  connections_[id] = {};
  session_.send(control::encode_connect(id, spec));
}

void RemoteEdge::send(ConnectionId id, Bytes octets) {
  const auto it = connections_.find(id);
  if (it == connections_.end()) return;
  if (it->second.channel) return multiplex_.send(it->second.channel, octets);
  Buffer& early = it->second.early;
  if (early.size() + octets.size() > kMaxEarly) return;
  early.insert(early.end(), octets.begin(), octets.end());
}

void RemoteEdge::send_datagram(ListenerId id, const Addresses& addresses, Bytes datagram) {
  if (const auto it = datagram_channels_.find(id); it != datagram_channels_.end())
    multiplex_.send_datagram(it->second, addresses.local, addresses.remote, datagram,
                             session_.clocks().now());
}

void RemoteEdge::start_tls(ConnectionId id, const TlsSpec& spec, bool as_server) {
  session_.send(control::encode_start_tls(id, spec, as_server));
}

void RemoteEdge::half_close(ConnectionId id) {
  if (const auto it = connections_.find(id); it != connections_.end() && it->second.channel)
    multiplex_.half_close(it->second.channel);
}

void RemoteEdge::pause_reading(ConnectionId id, bool paused) {
  session_.send(control::encode_pause_reading(id, paused));
}

void RemoteEdge::set_dscp(ConnectionId id, Dscp dscp) {
  session_.send(control::encode_set_dscp(id, dscp));
}

void RemoteEdge::close(ConnectionId id) {
  const auto it = connections_.find(id);
  if (it == connections_.end()) return;
  // The slave closes when it has read both: the message, and the channel to its end.
  if (it->second.channel) multiplex_.half_close(it->second.channel);
  session_.send(encode_close(id));
  associations_.erase(it->second.channel);
  connections_.erase(it);
}

void RemoteEdge::close(ListenerId id) {
  listeners_.erase(id);
  without_channel_.erase(id);
  if (const auto it = datagram_channels_.find(id); it != datagram_channels_.end()) {
    associations_.erase(it->second);
    datagram_channels_.erase(it);
  }
  session_.send(encode_close(id));
}

void RemoteEdge::resolve(QueryId id, const std::string& name, RecordType type) {
  queries_.insert(id);
  session_.send(control::encode_resolve(id, name, type));
}
void RemoteEdge::find_local_address(QueryId id, const IpAddress& toward) {
  queries_.insert(id);
  session_.send(control::encode_find_local_address(id, toward));
}
void RemoteEdge::open_port(MediaId id, const media::PortSpec& spec) {
  media_.insert(id);
  session_.send(control::encode_open_port(id, spec));
}
void RemoteEdge::open_flow(MediaId id, const media::FlowSpec& spec) {
  media_.insert(id);
  session_.send(control::encode_open_flow(id, spec));
}
void RemoteEdge::open_trunk(MediaId id, const media::TrunkSpec& spec) {
  media_.insert(id);
  session_.send(control::encode_open_trunk(id, spec));
}
void RemoteEdge::set_remote(MediaId id, const media::RemoteSpec& remote) {
  session_.send(control::encode_set_remote(id, remote));
}
void RemoteEdge::join(MediaId a, MediaId b) { session_.send(control::encode_join(a, b)); }
void RemoteEdge::leave(MediaId id) { session_.send(control::encode_leave(id)); }
void RemoteEdge::replace(MediaId old, MediaId by, media::ReplaceStep step) {
  session_.send(control::encode_replace(old, by, step));
}
void RemoteEdge::probe(MediaId id) { session_.send(control::encode_probe(id)); }
void RemoteEdge::close(MediaId id) {
  media_.erase(id);
  session_.send(encode_close(id));
}
void RemoteEdge::count(QueryId query, MediaId id) {
  queries_.insert(query);
  session_.send(control::encode_count(query, id));
}

// ---- What the slave says ----

bool RemoteEdge::is_ours(std::uint64_t id) const {
  return listeners_.contains(ListenerId{id}) || connections_.contains(ConnectionId{id}) ||
         media_.contains(MediaId{id}) || queries_.contains(QueryId{id});
}

// Whether the event is about something that this edge was told to do. An answer, or a refusal, is
// the last that is heard of its question.
bool RemoteEdge::take_answer(const control::wire::Envelope& event) {
  using control::wire::Envelope;
  switch (event.body_case()) {
    case Envelope::kResolved:
      return queries_.erase(QueryId{event.resolved().id()}) != 0;
    case Envelope::kLocalAddress:
      return queries_.erase(QueryId{event.local_address().id()}) != 0;
    case Envelope::kMediaCounts:
      return queries_.erase(QueryId{event.media_counts().query()}) != 0;
    case Envelope::kMediaOpened:
      return media_.contains(MediaId{event.media_opened().id()});
    case Envelope::kMediaEvent:
      return media_.contains(MediaId{event.media_event().id()});
    case Envelope::kTlsStarted:
      return connections_.contains(ConnectionId{event.tls_started().id()});
    case Envelope::kRefused: {
      const std::uint64_t id = event.refused().id();
      const bool ours = is_ours(id);
      connections_.erase(ConnectionId{id});
      listeners_.erase(ListenerId{id});
      queries_.erase(QueryId{id});
      return ours;
    }
    default:
      return true;  // Listening and Closed are looked up where they are handled
  }
}

Result<void> RemoteEdge::on_message(const control::wire::Envelope& message) {
  if (message.has_closed()) {
    const ConnectionId id{message.closed().id()};
    const auto it = connections_.find(id);
    if (it == connections_.end()) return {};
    it->second.closed =
        Error{static_cast<Errc>(std::min<std::uint32_t>(message.closed().code(),
                                                        static_cast<std::uint32_t>(Errc::System))),
              "closed at the other edge"};
    finish_if_closed(id);
    return {};
  }
  if (message.has_listening()) {
    const ListenerId id{message.listening().id()};
    const auto listener = listeners_.find(id);
    if (listener == listeners_.end()) return {};
    if (listener->second == Transport::Udp && !datagram_channels_.contains(id)) {
      const auto local = control::decode_listening(message);
      if (!local) return tl::make_unexpected(local.error());
      without_channel_[id] = *local;
      return {};  // on_channel tells it: datagrams can be sent from then on
    }
  }
  if (!take_answer(message)) return {};  // or it crossed with our closing of it
  return control::apply_event(message, observer_);
}

void RemoteEdge::on_channel(ChannelId channel, const mux::StreamHeader& header) {
  if (header.kind == StreamKind::Datagrams) {
    const ListenerId id{header.association};
    const auto listener = listeners_.find(id);
    if (listener == listeners_.end() || listener->second != Transport::Udp)
      return multiplex_.reset(channel);
    datagram_channels_[id] = channel;
    associations_[channel] = id.value;
    if (const auto waiting = without_channel_.extract(id))
      observer_.on_listening(id, waiting.mapped());
    return;
  }
  if (header.kind != StreamKind::ByteStream) return multiplex_.reset(channel);
  const ConnectionId id{header.association};
  const Addresses addresses{.local = header.local, .remote = header.remote};
  if (header.listener != 0) {
    const auto listener = listeners_.find(ListenerId{header.listener});
    if (listener == listeners_.end() || listener->second == Transport::Udp ||
        id.value - first_accepted_ >= std::uint64_t{1} << kAcceptedBits || is_ours(id.value))
      return multiplex_.reset(channel);
    connections_[id].channel = channel;
    associations_[channel] = id.value;
    observer_.on_accepted(listener->first, id,
                          {.transport = listener->second, .addresses = addresses});
    return;
  }
  const auto it = connections_.find(id);
  if (it == connections_.end() || it->second.channel) return multiplex_.reset(channel);
  it->second.channel = channel;
  associations_[channel] = id.value;
  if (!it->second.early.empty()) multiplex_.send(channel, std::exchange(it->second.early, {}));
  observer_.on_connected(id, addresses);
}

void RemoteEdge::on_received(ChannelId channel, Bytes octets) {
  if (const auto it = associations_.find(channel); it != associations_.end())
    observer_.on_received(ConnectionId{it->second}, octets);
}

void RemoteEdge::on_datagram(ChannelId channel, const TransportAddress& local,
                             const TransportAddress& remote, Bytes datagram) {
  if (const auto it = associations_.find(channel); it != associations_.end())
    observer_.on_datagram(ListenerId{it->second}, {.local = local, .remote = remote}, datagram);
}

void RemoteEdge::on_half_closed(ChannelId channel) {
  const auto association = associations_.find(channel);
  if (association == associations_.end()) return;
  const ConnectionId id{association->second};
  const auto it = connections_.find(id);
  if (it == connections_.end()) return;
  it->second.ended = true;
  if (!it->second.closed) observer_.on_half_closed(id);
  finish_if_closed(id);
}

// A reset, or the end of both directions.
void RemoteEdge::on_closed(ChannelId channel, const Error& why) {
  const auto association = associations_.find(channel);
  if (association == associations_.end()) return;
  const ConnectionId id{association->second};
  associations_.erase(association);
  const auto it = connections_.find(id);
  if (it == connections_.end()) return;
  const Error reason = it->second.closed.value_or(why);
  connections_.erase(it);
  observer_.on_closed(id, reason);
}

void RemoteEdge::finish_if_closed(ConnectionId id) {
  const auto it = connections_.find(id);
  if (it == connections_.end() || !it->second.closed || !it->second.ended) return;
  const Error why = *it->second.closed;
  drop(id);
  observer_.on_closed(id, why);
}

void RemoteEdge::drop(ConnectionId id) {
  const auto it = connections_.find(id);
  if (it == connections_.end()) return;
  associations_.erase(it->second.channel);
  multiplex_.reset(it->second.channel);
  connections_.erase(it);
}

}  // namespace sallyport::edge
