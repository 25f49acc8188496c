#include "control/slave.h"

#include "control.pb.h"
#include "control/commands.h"
#include "control/events.h"

namespace sallyport::control {

using edge::ConnectionId;
using edge::ListenerId;
using mux::ChannelId;
using mux::StreamKind;

namespace {
// Reading from a terminal stops when this much waits to be taken by the multiplex connection.
constexpr std::size_t kPauseAbove = mux::kMaxQueued / 4;
}  // namespace

Slave::Slave(ControlSession& session) : session_(session), multiplex_(session.multiplex()) {}

// ---- What the master says ----

Result<void> Slave::on_message(const wire::Envelope& message) {
  if (message.has_pause_reading()) {
    const auto it = connections_.find(ConnectionId{message.pause_reading().id()});
    if (it == connections_.end()) return {};
    it->second.paused_by_master = message.pause_reading().paused();
    update_reading(it->first, it->second);
    return {};
  }
  if (message.has_listen() && message.listen().transport() == wire::UDP)
    listeners_.try_emplace(ListenerId{message.listen().id()});  // its channel opens with its port
  if (message.has_close() && message.close().kind() == wire::Close::LISTENER) {
    const ListenerId id{message.close().id()};
    if (const auto it = listeners_.find(id); it != listeners_.end()) {
      associations_.erase(it->second);
      multiplex_.reset(it->second);
      listeners_.erase(it);
    }
  }
  if (message.has_close() && message.close().kind() == wire::Close::CONNECTION) {
    // The message may overtake what is still to be sent: the channel's end tells when that is done.
    const auto it = connections_.find(ConnectionId{message.close().id()});
    if (it != connections_.end() && !it->second.ended_by_master) {
      it->second.closing = true;
      return {};
    }
    forget(ConnectionId{message.close().id()});
  }
  return apply_command(message, *edge_);
}

// Channels are opened by the slave only; a master has nothing to open yet.
void Slave::on_channel(ChannelId id, const mux::StreamHeader& /*header*/) { multiplex_.reset(id); }

void Slave::on_received(ChannelId id, Bytes octets) {
  if (const auto it = associations_.find(id); it != associations_.end())
    edge_->send(ConnectionId{it->second}, octets);
}

void Slave::on_datagram(ChannelId id, const TransportAddress& local, const TransportAddress& remote,
                        Bytes datagram) {
  if (const auto it = associations_.find(id); it != associations_.end())
    edge_->send_datagram(ListenerId{it->second}, {.local = local, .remote = remote}, datagram);
}

void Slave::on_half_closed(ChannelId id) {
  const auto association = associations_.find(id);
  if (association == associations_.end()) return;
  const ConnectionId connection{association->second};
  const auto it = connections_.find(connection);
  if (it == connections_.end()) return;
  it->second.ended_by_master = true;
  if (!it->second.closing) return edge_->half_close(connection);
  forget(connection);
  edge_->close(connection);
}

// The channel is gone, so nothing can be carried any more: the connection goes with it.
void Slave::on_closed(ChannelId id, const Error& /*why*/) {
  const auto it = associations_.find(id);
  if (it == associations_.end()) return;
  const ConnectionId connection{it->second};
  associations_.erase(it);
  if (connections_.erase(connection) != 0) edge_->close(connection);
}

void Slave::on_writable(ChannelId id) {
  const auto association = associations_.find(id);
  if (association == associations_.end()) return;
  const auto it = connections_.find(ConnectionId{association->second});
  if (it == connections_.end() || !it->second.paused_by_us) return;
  it->second.paused_by_us = false;
  update_reading(it->first, it->second);
}

// ---- What the edge tells ----

void Slave::on_listening(ListenerId id, const TransportAddress& local) {
  if (const auto it = listeners_.find(id); it != listeners_.end()) {
    it->second = multiplex_.open({.kind = StreamKind::Datagrams,
                                  .association = id.value,
                                  .listener = 0,
                                  .local = local,
                                  .remote = {}});
    associations_[it->second] = id.value;
  }
  session_.send(encode_listening(id, local));
}

void Slave::on_datagram(ListenerId id, const edge::Addresses& addresses, Bytes datagram) {
  if (const auto it = listeners_.find(id); it != listeners_.end())
    multiplex_.send_datagram(it->second, addresses.local, addresses.remote, datagram,
                             session_.clocks().now());
}

void Slave::open_channel(ConnectionId connection, ListenerId listener,
                         const edge::Addresses& addresses) {
  const ChannelId channel = multiplex_.open({.kind = StreamKind::ByteStream,
                                             .association = connection.value,
                                             .listener = listener.value,
                                             .local = addresses.local,
                                             .remote = addresses.remote});
  if (!channel) return edge_->close(connection);
  connections_[connection] = {.id = channel};
  associations_[channel] = connection.value;
}

void Slave::on_accepted(ListenerId listener, ConnectionId connection,
                        const edge::Arrival& arrival) {
  open_channel(connection, listener, arrival.addresses);
}

void Slave::on_connected(ConnectionId connection, const edge::Addresses& addresses) {
  if (connections_.contains(connection))  // it had one before TLS was started on it
    return session_.send(encode_tls_started(connection, addresses));
  open_channel(connection, {}, addresses);
}

void Slave::on_received(ConnectionId connection, Bytes octets) {
  const auto it = connections_.find(connection);
  if (it == connections_.end()) return;
  multiplex_.send(it->second.id, octets);
  if (!it->second.paused_by_us && multiplex_.queued(it->second.id) > kPauseAbove) {
    it->second.paused_by_us = true;
    update_reading(connection, it->second);
  }
}

void Slave::update_reading(ConnectionId connection, const Channel& channel) {
  edge_->pause_reading(connection, channel.paused_by_master || channel.paused_by_us);
}

void Slave::on_half_closed(ConnectionId connection) {
  if (const auto it = connections_.find(connection); it != connections_.end())
    multiplex_.half_close(it->second.id);
}

void Slave::on_closed(ConnectionId connection, const Error& why) {
  const auto it = connections_.find(connection);
  if (it == connections_.end()) return;
  // The end of the channel says that no octet is missing; the message says why.
  session_.send(encode_closed(connection, why));
  multiplex_.half_close(it->second.id);
  associations_.erase(it->second.id);
  connections_.erase(it);
}

void Slave::forget(ConnectionId connection) {
  const auto it = connections_.find(connection);
  if (it == connections_.end()) return;
  associations_.erase(it->second.id);
  multiplex_.reset(it->second.id);
  connections_.erase(it);
}

void Slave::on_resolved(edge::QueryId id, const std::vector<edge::Record>& records) {
  session_.send(encode_resolved(id, records));
}
void Slave::on_local_address(edge::QueryId id, const IpAddress& local) {
  session_.send(encode_local_address(id, local));
}
void Slave::on_media_opened(media::MediaId id, const std::vector<TransportAddress>& addresses) {
  session_.send(encode_media_opened(id, addresses));
}
void Slave::on_media_event(media::MediaId id, const media::Event& event) {
  if (media_watcher_) media_watcher_(event);
  session_.send(encode_media_event(id, event));
}
void Slave::on_media_counts(edge::QueryId query, media::MediaId id, const media::Counts& counts) {
  session_.send(encode_media_counts(query, id, counts));
}
void Slave::on_refused(std::uint64_t id, Errc code, const std::string& what) {
  listeners_.erase(ListenerId{id});
  session_.send(encode_refused(id, code, what));
}

}  // namespace sallyport::control
