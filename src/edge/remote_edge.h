// The edge whose sockets are at the other end of the multiplex connection: the commanding side of
// the control protocol. Commands become messages on the control channel and are carried out in
// order by the slave's LocalEdge; octets and datagrams travel in logical channels that the slave
// opens. A brain cannot tell it from a LocalEdge. It believes a slave about nothing but what this
// very slave was told to open: ids are counted, so another one's are easily guessed. One thread.
#pragma once

#include <cstdint>
#include <deque>
#include <unordered_map>
#include <unordered_set>

#include "control/control_session.h"
#include "edge/edge.h"

namespace sallyport::edge {

class RemoteEdge final : public Edge, public control::Part {
 public:
  // Both must outlive the edge. `first_accepted` is what the slave was told in the opening
  // exchange: the connections that it accepts have that id and the 2^32 from there on, no others.
  RemoteEdge(control::ControlSession& session, Observer& observer, std::uint64_t first_accepted);

  // ---- Edge ----
  void listen(ListenerId, const ListenSpec& spec) override;
  void connect(ConnectionId, const ConnectSpec& spec) override;
  void send(ConnectionId, Bytes octets) override;
  void send_datagram(ListenerId, const Addresses& addresses, Bytes datagram) override;
  void start_tls(ConnectionId, const TlsSpec& spec, bool as_server) override;
  void half_close(ConnectionId) override;
  void pause_reading(ConnectionId, bool paused) override;
  void set_dscp(ConnectionId, Dscp dscp) override;
  void close(ConnectionId) override;
  void close(ListenerId) override;
  void resolve(QueryId, const std::string& name, RecordType type) override;
  void find_local_address(QueryId, const IpAddress& toward) override;
  void open_port(MediaId, const media::PortSpec& spec) override;
  void open_flow(MediaId, const media::FlowSpec& spec) override;
  void open_trunk(MediaId, const media::TrunkSpec& spec) override;
  void set_remote(MediaId, const media::RemoteSpec& remote) override;
  void join(MediaId, MediaId) override;
  void leave(MediaId) override;
  void replace(MediaId old, MediaId by, media::ReplaceStep step) override;
  void probe(MediaId) override;
  void close(MediaId) override;
  void count(QueryId, MediaId) override;

  // ---- control::Part ----
  Result<void> on_message(const control::wire::Envelope& message) override;
  void on_channel(mux::ChannelId, const mux::StreamHeader& header) override;
  void on_received(mux::ChannelId, Bytes octets) override;
  void on_datagram(mux::ChannelId, const TransportAddress& local, const TransportAddress& remote,
                   Bytes datagram) override;
  void on_half_closed(mux::ChannelId) override;
  void on_closed(mux::ChannelId, const Error& why) override;
  void on_writable(mux::ChannelId) override {}  // what is sent beyond the bound resets the channel

 private:
  struct Connection {
    mux::ChannelId channel;       // none until the slave has opened it
    Buffer early;                 // sent before that, bounded
    bool ended = false;           // the channel carries nothing more from there
    std::optional<Error> closed;  // told by the slave; counts once the channel has ended
  };
  bool is_ours(std::uint64_t id) const;
  bool take_answer(const control::wire::Envelope& event);
  void finish_if_closed(ConnectionId id);
  void drop(ConnectionId id);

  control::ControlSession& session_;
  mux::Multiplex& multiplex_;
  Observer& observer_;
  std::uint64_t first_accepted_;
  std::unordered_map<ListenerId, Transport> listeners_;
  std::unordered_map<ListenerId, mux::ChannelId> datagram_channels_;
  // Told to listen before their channel came, which less urgent octets may hold up.
  std::unordered_map<ListenerId, TransportAddress> without_channel_;
  std::unordered_map<ConnectionId, Connection> connections_;
  std::unordered_set<MediaId> media_;
  std::unordered_set<QueryId> queries_;  // not answered yet
  std::unordered_map<mux::ChannelId, std::uint64_t> associations_;
};

}  // namespace sallyport::edge
