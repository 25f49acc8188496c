// A world for tests of the MGCP adapter: two sites with the same private addresses, a server, name
// service and media paths, in memory and in virtual time. Everything that the adapter sends is
// kept, so that a test can look at every octet.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <deque>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "adapter/mgcp/mgcp_adapter.h"
#include "adapter/test_media_paths.h"
#include "base/test_log.h"
#include "brain/memory_registrations.h"
#include "edge/test_silent_edge.h"

namespace sallyport::adapter::mgcp::test {

using adapter::test::address;
using namespace std::chrono_literals;

inline const Place kOutside = Place::outside();
inline const Place kSiteA = Place::inside(AgentId{1});
inline const Place kSiteB = Place::inside(AgentId{2});
inline const IpAddress kServer = *IpAddress::parse("198.51.100.1");
inline const IpAddress kAgent = *IpAddress::parse("10.1.1.1");  // in both sites
inline const TransportAddress kCallAgent = address("192.0.2.10:2727");
inline const TransportAddress kGateway = address("10.1.1.5:2427");
constexpr std::string_view kShownA = "10-1-1-5.site-a.example.org";
constexpr std::string_view kShownB = "10-1-1-5.site-b.example.org";

// "v=0 ..." of one audio stream.
inline std::string sdp(std::string_view ip, int port) {
  const std::string host{ip};
  return "v=0\r\no=- 1 1 IN IP4 " + host + "\r\ns=-\r\nc=IN IP4 " + host + "\r\nt=0 0\r\nm=audio " +
         std::to_string(port) + " RTP/AVP 0\r\n";
}

class World final : public Commands {
 public:
  struct Sent {
    Place place;
    TransportAddress remote;
    std::uint16_t from = 0;  // our port
    std::string text;
  };

  explicit World(Config with = usual()) : config(std::move(with)) {
    paths.hosts = {{kOutside, kServer}, {kSiteA, kAgent}, {kSiteB, kAgent}};
    names["ca.example.com"] = {kCallAgent.ip};
    start();
  }
  static Config usual() {
    Config out;
    out.domain = "example.org";
    out.advertised = {kServer};
    out.call_agents = {{.agent = {}, .address = {"ca.example.com", 0}, .serves = {}}};
    return out;
  }
  // The server starts, and the agents come.
  void start() {
    listeners.clear();
    timers = {};
    adapter = std::make_unique<MgcpAdapter>(config, registrations, random, log);
    for (const auto& [place, name] :
         {std::pair{kOutside, "outside"}, {kSiteA, "site-a"}, {kSiteB, "site-b"}})
      adapter->on_edge_up(place, name, *this);
    settle();
  }

  // ---- Commands ----
  TimePoint now() const override { return now_; }
  WallTime wall_now() const override {
    return WallTime{std::chrono::hours{24 * 365 * 56}} +
           std::chrono::duration_cast<WallTime::duration>(now_ - TimePoint{});
  }
  edge::Edge* edge(Place place) override {
    if (away.contains(place)) return nullptr;
    auto& made = edges_[place];
    if (!made) made = std::make_unique<Edge>(*this, place);
    return made.get();
  }
  std::uint64_t new_id() override { return ++last_id_; }
  TimerId new_timer() override { return {++last_id_}; }
  void start_timer(TimerId id, Duration after) override { timers.start(id, now_ + after); }
  void stop_timer(TimerId id) override { timers.stop(id); }
  MediaPaths& media() override { return paths; }

  // ---- What happens ----
  // A datagram to our port at that place; 2727: from a gateway, 2427: from a call agent.
  void receive(Place place, const TransportAddress& from, std::uint16_t port,
               std::string_view text) {
    for (const auto& [id, listener] : listeners) {
      if (listener != std::pair{place, port}) continue;
      const IpAddress& host = paths.hosts.at(place);
      adapter->on_datagram(place, id, {{host, port}, from}, as_bytes(text), *this);
      settle();
      return;
    }
    FAIL() << "nobody listens on " << port;
  }
  void from_gateway(Place site, std::string_view text) { receive(site, kGateway, 2727, text); }
  void from_call_agent(std::string_view text) { receive(kOutside, kCallAgent, 2427, text); }
  // The same, and what was sent because of it: one message.
  std::string passed_from_gateway(Place site, std::string_view text) {
    sent.clear();
    from_gateway(site, text);
    return only_sent();
  }
  std::string passed_from_call_agent(std::string_view text) {
    sent.clear();
    from_call_agent(text);
    return only_sent();
  }
  std::string only_sent() const {
    EXPECT_EQ(sent.size(), 1U);
    return sent.empty() ? std::string{} : sent.back().text;
  }
  // A gateway says that it is there, and the call agent acknowledges.
  void enrol(Place site) {
    const std::string passed =
        passed_from_gateway(site, "RSIP 1 *@[10.1.1.5] MGCP 1.0\r\nRM: restart\r\n");
    from_call_agent("200 " + id_of(passed) + " OK\r\n");
  }
  // The call agent gives a command with that id, the gateway answers: what the call agent hears.
  std::string exchange(Place site, const std::string& command, const std::string& code,
                       const std::string& more = {}) {
    const std::string passed = passed_from_call_agent(command);
    return passed_from_gateway(site, code + " " + id_of(passed) + " OK\r\n" + more);
  }
  static std::string id_of(std::string_view message) {
    const auto parsed = codec::mgcp::Message::parse(message);
    EXPECT_TRUE(parsed) << message;
    return parsed ? std::to_string(parsed->transaction()) : "0";
  }

  void settle() {
    while (true) {
      if (!paths.later.empty()) {
        const auto event = std::move(paths.later.front());
        paths.later.pop_front();
        event(*this);
      } else if (!events.empty()) {
        const auto event = std::move(events.front());
        events.pop_front();
        event();
      } else if (const auto due = timers.expire(now_)) {
        adapter->on_timer(*due, *this);
      } else {
        return;
      }
    }
  }
  void pass(Duration time) {
    const TimePoint end = now_ + time;
    for (auto next = timers.next_deadline(); next && *next <= end; next = timers.next_deadline()) {
      now_ = std::max(now_, *next);
      settle();
    }
    now_ = end;
    settle();
  }
  void expect_nothing_leaked() const {
    for (const Sent& each : sent) {
      if (!each.place.is_outside()) continue;
      EXPECT_EQ(each.text.find("10.1.1."), std::string::npos) << each.text;
    }
  }

  Config config;
  brain::MemoryRegistrations registrations;
  SeededRandom random{7};
  TestLog log;
  adapter::test::FakePaths paths;
  std::map<std::string, std::vector<IpAddress>> names;
  std::set<Place> away;
  std::vector<Sent> sent;
  std::map<edge::ListenerId, std::pair<Place, std::uint16_t>> listeners;
  std::deque<std::function<void()>> events;
  TimerQueue timers;
  std::unique_ptr<MgcpAdapter> adapter;

 private:
  class Edge final : public edge::test::SilentEdge {
   public:
    Edge(World& world, Place place) : world_(world), place_(place) {}
    void listen(edge::ListenerId id, const edge::ListenSpec& spec) override {
      world_.listeners[id] = {place_, spec.address.port};
    }
    void send_datagram(edge::ListenerId id, const edge::Addresses& addresses,
                       Bytes datagram) override {
      world_.sent.push_back({place_, addresses.remote, world_.listeners.at(id).second,
                             std::string{as_text(datagram)}});
    }
    void resolve(edge::QueryId id, const std::string& name, edge::RecordType) override {
      world_.events.emplace_back([this, id, name] {
        std::vector<edge::Record> records;
        for (const IpAddress& ip : world_.names[name]) records.push_back({.address = ip});
        world_.adapter->on_resolved(place_, id, records, world_);
      });
    }
    void find_local_address(edge::QueryId id, const IpAddress&) override {
      world_.events.emplace_back([this, id] {
        world_.adapter->on_local_address(place_, id, world_.paths.hosts.at(place_), world_);
      });
    }

   private:
    World& world_;
    Place place_;
  };

  TimePoint now_ = TimePoint{} + std::chrono::hours{1};
  std::uint64_t last_id_ = 0;
  std::map<Place, std::unique_ptr<Edge>> edges_;
};

}  // namespace sallyport::adapter::mgcp::test
