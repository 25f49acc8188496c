// For tests only: an edge that swallows everything it is told; others override what they care for.
#pragma once

#include "edge/edge.h"

namespace sallyport::edge::test {

class SilentEdge : public Edge {
 public:
  void listen(ListenerId, const ListenSpec&) override {}
  void connect(ConnectionId, const ConnectSpec&) override {}
  void send(ConnectionId, Bytes) override {}
  void send_datagram(ListenerId, const Addresses&, Bytes) override {}
  void start_tls(ConnectionId, const TlsSpec&, bool) override {}
  void half_close(ConnectionId) override {}
  void pause_reading(ConnectionId, bool) override {}
  void set_dscp(ConnectionId, Dscp) override {}
  void close(ConnectionId) override {}
  void close(ListenerId) override {}
  void resolve(QueryId, const std::string&, RecordType) override {}
  void find_local_address(QueryId, const IpAddress&) override {}
  void open_port(MediaId, const media::PortSpec&) override {}
  void open_flow(MediaId, const media::FlowSpec&) override {}
  void open_trunk(MediaId, const media::TrunkSpec&) override {}
  void replace(MediaId, MediaId, media::ReplaceStep) override {}
  void set_remote(MediaId, const media::RemoteSpec&) override {}
  void join(MediaId, MediaId) override {}
  void leave(MediaId) override {}
  void probe(MediaId) override {}
  void close(MediaId) override {}
  void count(QueryId, MediaId) override {}
};

}  // namespace sallyport::edge::test
