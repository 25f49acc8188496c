// Media paths for tests of adapters: ports are there a moment after they were asked for, and a test
// sees what was told of each and where what it receives would go.
#pragma once

#include <gtest/gtest.h>

#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "adapter/adapter.h"

namespace sallyport::adapter::test {

inline TransportAddress address(std::string_view text) {
  const auto parsed = TransportAddress::parse(text);
  EXPECT_TRUE(parsed) << text;
  return parsed.value_or(TransportAddress{});
}

class FakePaths final : public MediaPaths {
 public:
  struct Port {
    Place place;
    std::vector<TransportAddress> own;
    edge::Dscp dscp = 0;
    std::optional<media::RemoteSpec> remote;
    MediaId joined;
    int started = 0;
    std::uint64_t packets = 0;  // have come from its side
    Handler handler;
  };
  MediaId open_port(Place place, const media::PortSpec& spec, Handler handler) override;
  void set_remote(MediaId port, const media::RemoteSpec& remote) override;
  void connect(MediaId a, MediaId b) override;
  void start(MediaId port) override;
  void close(MediaId port) override;
  void count(MediaId port, std::function<void(const PathCounts&, Commands&)> on_counts) override;

  const Port* at(const TransportAddress& own, Place place) const;
  // Media comes to this port from its side.
  void receive(const TransportAddress& own, Place place, std::uint64_t packets);
  // Where what this port receives leaves us in the end; nothing if it leads nowhere.
  std::optional<TransportAddress> way_from(const TransportAddress& own, Place place) const;

  std::map<MediaId, Port> ports;
  std::map<Place, IpAddress> hosts;
  std::size_t limit = 1000;
  int opened = 0;
  std::deque<std::function<void(Commands&)>> later;  // what is told when the world goes on

 private:
  std::uint64_t next_ = 0;
  std::uint16_t next_port_ = 30000;
};

inline MediaId FakePaths::open_port(Place place, const media::PortSpec& spec, Handler handler) {
  const MediaId id{++next_};
  ++opened;
  const bool full = ports.size() >= limit;
  Port port{.place = place, .dscp = spec.dscp, .handler = std::move(handler)};
  for (unsigned i = 0; i < spec.components; ++i)
    port.own.push_back({hosts.at(place), static_cast<std::uint16_t>(next_port_ + i)});
  next_port_ = static_cast<std::uint16_t>(next_port_ + 2);
  ports[id] = std::move(port);
  later.emplace_back([this, id, full](Commands& out) {
    const auto it = ports.find(id);
    if (it == ports.end()) return;
    const Handler told = it->second.handler;
    if (!full) return told.on_open(it->second.own, out);
    ports.erase(it);
    told.on_failed(Errc::Exhausted, "no port is free", out);
  });
  return id;
}

inline void FakePaths::set_remote(MediaId port, const media::RemoteSpec& remote) {
  ASSERT_TRUE(ports.contains(port));
  ASSERT_EQ(remote.addresses.size(), ports[port].own.size());
  ports[port].remote = remote;
}

inline void FakePaths::connect(MediaId a, MediaId b) {
  ASSERT_TRUE(ports.contains(a) && ports.contains(b));
  for (auto& [id, port] : ports)
    if (port.joined == a || port.joined == b) port.joined = {};
  ports[a].joined = b;
  ports[b].joined = a;
}

inline void FakePaths::start(MediaId port) {
  ASSERT_TRUE(ports.contains(port));
  ++ports[port].started;
}

inline void FakePaths::close(MediaId port) {
  EXPECT_EQ(ports.erase(port), 1U);
  for (auto& [id, other] : ports)
    if (other.joined == port) other.joined = {};
}

inline void FakePaths::count(MediaId port,
                             std::function<void(const PathCounts&, Commands&)> on_counts) {
  PathCounts counts;
  counts.port.components = {{.packets_in = ports.at(port).packets}};
  later.emplace_back(
      [on_counts = std::move(on_counts), counts](Commands& out) { on_counts(counts, out); });
}

inline void FakePaths::receive(const TransportAddress& own, Place place, std::uint64_t packets) {
  for (auto& [id, port] : ports)
    if (port.place == place && !port.own.empty() && port.own.front() == own)
      port.packets += packets;
}

inline const FakePaths::Port* FakePaths::at(const TransportAddress& own, Place place) const {
  for (const auto& [id, port] : ports)
    if (port.place == place && port.own.front() == own) return &port;
  return nullptr;
}

inline std::optional<TransportAddress> FakePaths::way_from(const TransportAddress& own,
                                                           Place place) const {
  const Port* port = at(own, place);
  if (port == nullptr || !port->joined) return std::nullopt;
  const auto it = ports.find(port->joined);
  if (it == ports.end() || !it->second.remote) return std::nullopt;
  return it->second.remote->addresses.front();
}

}  // namespace sallyport::adapter::test
