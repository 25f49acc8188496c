// The obeying side of the control protocol: takes commands out of the control channel, gives them
// to an edge, and tells the master what the edge tells; octets and datagrams travel in a logical
// channel for each connection and each UDP listener, which the slave opens. It knows no protocol
// and decides nothing: permitting is the edge's business. One thread.
#pragma once

#include <cstdint>
#include <functional>
#include <unordered_map>

#include "control/control_session.h"
#include "edge/edge.h"

namespace sallyport::control {

class Slave final : public Part, public edge::Observer {
 public:
  // The session must outlive the slave. The edge is handed in afterwards, since it observes into
  // us.
  explicit Slave(ControlSession& session);
  void set_edge(edge::Edge& edge) { edge_ = &edge; }
  // Hears of media events before the master does: they may say that the way to it has changed.
  void set_media_watcher(std::function<void(const media::Event&)> watcher) {
    media_watcher_ = std::move(watcher);
  }

  // ---- Part: what the master says ----
  Result<void> on_message(const wire::Envelope& message) override;
  void on_channel(mux::ChannelId, const mux::StreamHeader& header) override;
  void on_received(mux::ChannelId, Bytes octets) override;
  void on_datagram(mux::ChannelId, const TransportAddress& local, const TransportAddress& remote,
                   Bytes datagram) override;
  void on_half_closed(mux::ChannelId) override;
  void on_closed(mux::ChannelId, const Error& why) override;
  void on_writable(mux::ChannelId) override;

  // ---- edge::Observer: what the edge tells ----
  void on_listening(edge::ListenerId, const TransportAddress& local) override;
  void on_datagram(edge::ListenerId, const edge::Addresses& addresses, Bytes datagram) override;
  void on_accepted(edge::ListenerId, edge::ConnectionId, const edge::Arrival& arrival) override;
  void on_connected(edge::ConnectionId, const edge::Addresses& addresses) override;
  void on_received(edge::ConnectionId, Bytes octets) override;
  void on_half_closed(edge::ConnectionId) override;
  void on_closed(edge::ConnectionId, const Error& why) override;
  void on_resolved(edge::QueryId, const std::vector<edge::Record>& records) override;
  void on_local_address(edge::QueryId, const IpAddress& local) override;
  void on_media_opened(media::MediaId, const std::vector<TransportAddress>& addresses) override;
  void on_media_event(media::MediaId, const media::Event& event) override;
  void on_media_counts(edge::QueryId, media::MediaId, const media::Counts& counts) override;
  void on_refused(std::uint64_t id, Errc code, const std::string& what) override;
  void on_lost() override {}  // a local edge is never lost

 private:
  struct Channel {
    mux::ChannelId id;
    bool paused_by_master = false;
    bool ended_by_master = false;  // it sends no more
    bool closing = false;          // it wants the connection closed, once it has ended
    bool paused_by_us = false;     // the multiplex does not take it as fast as the terminal sends
  };
  void open_channel(edge::ConnectionId connection, edge::ListenerId listener,
                    const edge::Addresses& addresses);
  void update_reading(edge::ConnectionId connection, const Channel& channel);
  void forget(edge::ConnectionId connection);

  ControlSession& session_;
  mux::Multiplex& multiplex_;
  edge::Edge* edge_ = nullptr;
  std::function<void(const media::Event&)> media_watcher_;
  std::unordered_map<edge::ConnectionId, Channel> connections_;
  std::unordered_map<edge::ListenerId, mux::ChannelId> listeners_;  // UDP only
  std::unordered_map<mux::ChannelId, std::uint64_t> associations_;
};

}  // namespace sallyport::control
