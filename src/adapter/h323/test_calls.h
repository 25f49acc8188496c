// A world for tests of H.323 calls: a server, two agents, and terminals that say what a test tells
// them to, all in memory and in virtual time. Everything that leaves an edge is kept, so that a
// test can look at every octet.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "adapter/h323/call_signalling.h"
#include "adapter/test_media_paths.h"
#include "base/test_log.h"
#include "edge/test_silent_edge.h"

namespace sallyport::adapter::h323::test {

using adapter::test::address;
using adapter::test::FakePaths;

inline const Place kOutside = Place::outside();
inline const Place kSiteA = Place::inside(AgentId{1});
inline const Place kSiteB = Place::inside(AgentId{2});

class World;

// One TCP connection of a terminal.
struct Link {
  edge::ConnectionId id;
  Place place;
  TransportAddress near, far;  // as the terminal sees them
  codec::q931::TpktReader reader;
  std::deque<Buffer> heard;  // payloads that nobody has looked at
  Buffer raw;                // everything, for what is not TPKT
  bool closed = false;
};

// An endpoint that somebody else made.
class Terminal {
 public:
  Terminal(World& world, Place place, std::string_view name, std::string_view address);

  // A connection to an address of ours, as it was told to the terminal.
  Link& dial(const TransportAddress& to);
  void say(Link& link, Bytes payload);
  void hang_up(Link& link);
  Link& last_link() { return *links.back(); }

  World& world;
  Place place;
  std::string name;
  TransportAddress at;                   // where it takes call signalling
  std::set<TransportAddress> listening;  // and whatever else
  std::vector<std::unique_ptr<Link>> links;
};

class FakeEdge final : public edge::test::SilentEdge {
 public:
  FakeEdge(World& world, Place place, IpAddress host) : world_(world), place_(place), host_(host) {}
  void listen(edge::ListenerId id, const edge::ListenSpec& spec) override;
  void connect(edge::ConnectionId id, const edge::ConnectSpec& spec) override;
  void send(edge::ConnectionId id, Bytes octets) override;
  void half_close(edge::ConnectionId id) override;
  using SilentEdge::close;
  void close(edge::ConnectionId id) override;
  void close(edge::ListenerId id) override;

  std::map<edge::ListenerId, TransportAddress> listeners;
  IpAddress host() const { return host_; }

 private:
  World& world_;
  Place place_;
  IpAddress host_;
  std::uint16_t next_port_ = 20000;
};

// Who is called by an alias goes to one terminal, or to several one after another.
class FakeDestinations final : public Destinations, public Admissions {
 public:
  void find(const CallQuery& query, Commands& out, OnFound on_found) override;
  void on_call_over(const Destination&, const CallIdentifier&, Commands&) override { ++over; }
  void disengage(const std::string& endpoint, const CallIdentifier&, std::uint16_t,
                 Commands&) override {
    disengaged.push_back(endpoint);
  }
  bool is_registered(const Hop&) const override { return true; }

  std::map<std::string, std::vector<Destination>> known;
  std::map<std::string, Refusal> refused;
  std::optional<Destination> everybody;
  std::string caller_endpoint;
  std::vector<CallQuery> asked;
  std::vector<OnFound> waiting;
  bool answers = true;  // false: they are kept in `waiting`
  int over = 0;
  std::vector<std::string> disengaged;
};

class World final : public Commands {
 public:
  explicit World(Config config = {});
  ~World() override;

  Terminal& terminal(Place place, std::string_view name, std::string_view address);
  Destination destination(const Terminal& terminal) const;
  // An alias of that name leads to this terminal.
  void enrol(const Terminal& terminal);
  void lose_edge(Place place);
  TransportAddress signalling(Place place) const;  // where we take calls

  void settle();
  void pass(Duration time);
  // Nothing is remembered, no port and no connection is open.
  void expect_drained();
  // None of these octets in anything that left for that place.
  void expect_nothing_of(const IpAddress& hidden, Place place) const;

  // Commands
  TimePoint now() const override { return now_; }
  WallTime wall_now() const override {
    return WallTime{} + seconds{1800000000} + (now_ - TimePoint{});
  }
  edge::Edge* edge(Place place) override;
  std::uint64_t new_id() override { return ++next_id_; }
  TimerId new_timer() override { return TimerId{++next_timer_}; }
  void start_timer(TimerId id, Duration after) override { timer_queue_.start(id, now_ + after); }
  void stop_timer(TimerId id) override { timer_queue_.stop(id); }
  MediaPaths& media() override { return paths; }

  struct Sent {
    Place place;
    Buffer octets;
  };
  std::vector<Sent> sent;
  FakePaths paths;
  FakeDestinations destinations;
  TestLog log;
  SeededRandom random{7};
  Counters counters;
  std::unique_ptr<CallSignalling> calls;

 private:
  friend class FakeEdge;
  friend class Terminal;
  void later(std::function<void()> event) { events_.push_back(std::move(event)); }
  Link* find_link(edge::ConnectionId id);
  FakeEdge& fake_edge(Place place) { return *edges_.at(place); }

  Config config_;
  RateGuard guard_;
  Timers timers_;
  Stack stack_;
  TimePoint now_ = TimePoint{} + std::chrono::hours{1};
  TimerQueue timer_queue_;
  std::uint64_t next_id_ = 0;
  std::uint64_t next_timer_ = 0;
  std::uint64_t next_connection_ = edge::kChosenByEdge;
  std::uint16_t next_port_ = 50000;
  std::map<Place, std::unique_ptr<FakeEdge>> edges_;
  std::map<Place, edge::ListenerId> call_listeners_;
  std::vector<std::unique_ptr<Terminal>> terminals_;
  std::deque<std::function<void()>> events_;
};

}  // namespace sallyport::adapter::h323::test
