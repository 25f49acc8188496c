// Commands for tests of what acts on no edge by itself: time that stands still until it is moved,
// edges that are there or not and swallow everything.
#pragma once

#include <cstdlib>
#include <set>
#include <string>

#include "adapter/adapter.h"

namespace sallyport::adapter::sip {

class SilentEdge final : public edge::Edge {
 public:
  void listen(edge::ListenerId, const edge::ListenSpec&) override {}
  void connect(edge::ConnectionId, const edge::ConnectSpec&) override {}
  void send(edge::ConnectionId, Bytes) override {}
  void send_datagram(edge::ListenerId, const edge::Addresses&, Bytes) override {}
  void start_tls(edge::ConnectionId, const edge::TlsSpec&, bool) override {}
  void half_close(edge::ConnectionId) override {}
  void pause_reading(edge::ConnectionId, bool) override {}
  void set_dscp(edge::ConnectionId, edge::Dscp) override {}
  void close(edge::ConnectionId) override {}
  void close(edge::ListenerId) override {}
  void resolve(edge::QueryId, const std::string&, edge::RecordType) override {}
  void find_local_address(edge::QueryId, const IpAddress&) override {}
  void open_port(edge::MediaId, const media::PortSpec&) override {}
  void open_flow(edge::MediaId, const media::FlowSpec&) override {}
  void open_trunk(edge::MediaId, const media::TrunkSpec&) override {}
  void replace(edge::MediaId, edge::MediaId, media::ReplaceStep) override {}
  void set_remote(edge::MediaId, const media::RemoteSpec&) override {}
  void join(edge::MediaId, edge::MediaId) override {}
  void leave(edge::MediaId) override {}
  void probe(edge::MediaId) override {}
  void close(edge::MediaId) override {}
  void count(edge::QueryId, edge::MediaId) override {}
};

class FakeCommands final : public Commands {
 public:
  TimePoint now() const override { return steady; }
  WallTime wall_now() const override { return wall; }
  edge::Edge* edge(Place place) override { return away.contains(place) ? nullptr : &edge_; }
  std::uint64_t new_id() override { return ++last_id_; }
  TimerId new_timer() override { return {++last_id_}; }
  void start_timer(TimerId, Duration) override {}
  void stop_timer(TimerId) override {}
  MediaPaths& media() override { std::abort(); }  // nobody who uses this has media

  void advance(Duration by) {
    steady += by;
    wall += std::chrono::duration_cast<WallTime::duration>(by);
  }

  TimePoint steady{std::chrono::hours{1}};
  WallTime wall{seconds{1'700'000'000}};
  std::set<Place> away;

 private:
  SilentEdge edge_;
  std::uint64_t last_id_ = 0;
};

}  // namespace sallyport::adapter::sip
