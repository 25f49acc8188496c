// A world for tests of the SIP adapter: agents, a server, phones inside and outside, a name server
// and media paths, all of it in memory and in virtual time. Everything that the adapter sends is
// kept, so that a test can look at every octet.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "adapter/sip/sip_adapter.h"
#include "adapter/test_media_paths.h"
#include "base/test_log.h"
#include "edge/test_silent_edge.h"

namespace sallyport::adapter::sip::test {

inline const Place kOutside = Place::outside();
inline const Place kSiteA = Place::inside(AgentId{1});
inline const Place kSiteB = Place::inside(AgentId{2});
inline const IpAddress kServer = *IpAddress::parse("198.51.100.1");
inline const IpAddress kNatOfA = *IpAddress::parse("203.0.113.10");
inline const IpAddress kNatOfB = *IpAddress::parse("203.0.113.20");

using adapter::test::address;
using adapter::test::FakePaths;

class World;

class FakeEdge final : public edge::test::SilentEdge {
 public:
  FakeEdge(World& world, Place place, IpAddress host) : world_(world), place_(place), host_(host) {}
  void listen(edge::ListenerId id, const edge::ListenSpec& spec) override;
  void connect(edge::ConnectionId id, const edge::ConnectSpec& spec) override;
  void send(edge::ConnectionId id, Bytes octets) override;
  void send_datagram(edge::ListenerId id, const edge::Addresses& addresses,
                     Bytes datagram) override;
  using SilentEdge::close;
  void close(edge::ConnectionId id) override;
  void resolve(edge::QueryId id, const std::string& name, edge::RecordType type) override;
  void find_local_address(edge::QueryId id, const IpAddress& toward) override;

  struct Listener {
    edge::ListenerId id;
    edge::Transport transport = edge::Transport::Udp;
    std::uint16_t port = 0;
  };
  std::vector<Listener> listeners;
  IpAddress host() const { return host_; }

 private:
  World& world_;
  Place place_;
  IpAddress host_;
};

// Registered identities, static routes and what is refused, by exact Request-URI.
class FakeRouting final : public Routing {
 public:
  void find(const wire::Message& request, const Hop& from, Commands& out,
            OnTargets on_targets) override;
  bool is_our_domain(std::string_view host) const override;
  std::optional<std::string> answer_challenge(const Target& target, const wire::Message& challenge,
                                              std::string_view method,
                                              std::string_view uri) override;
  std::map<std::string, std::vector<Target>> targets;
  std::map<std::string, int> refused;
  std::optional<Target> everybody;  // whoever is not listed
  std::string domain = "example.com";
};

class FakeRegistrar final : public RegisterHandler {
 public:
  void on_start(Stack& stack) override { stack_ = &stack; }
  void on_register(ServerId id, const wire::Message&, const Hop&, Commands& out) override {
    stack_->transactions.respond(id, 200, {}, out);
  }
  void on_connection_closed(Place, edge::ConnectionId, Commands&) override {}
  void on_edge_up(Place, const std::string&, Commands&) override {}
  void on_edge_lost(Place, Commands&) override {}

 private:
  Stack* stack_ = nullptr;
};

// A telephone somebody else made: it says what a test tells it to say, in the words of RFC 3261.
class Phone {
 public:
  Phone(World& world, Place place, std::string name, std::string_view address,
        edge::Transport transport);

  // Sends a text as it is.
  void say(const std::string& text);
  // The oldest message that it received and that was not looked at; fails the test if there is
  // none.
  wire::Message hear();
  wire::Message hear_request(std::string_view method);
  wire::Message hear_response(int status);
  bool has_heard() const { return !heard.empty(); }

  // Requests. `extra` is whole header lines.
  std::string request(std::string_view method, std::string_view uri, std::string_view from,
                      std::string_view to, std::string_view call_id, int cseq,
                      std::string_view extra = {}, std::string_view body = {});
  void invite(std::string_view uri, std::string_view sdp, std::string_view extra = {});
  // In the dialog that `accept` or `hear_answer` made.
  void in_dialog(std::string_view method, std::string_view extra = {}, std::string_view body = {});
  void ack(std::string_view body = {});
  void cancel();
  void respond(const wire::Message& request, int status, std::string_view body = {},
               std::string_view extra = {});
  // The response that made or changes the dialog from the caller's view.
  void learn(const wire::Message& response);
  // The request that made it, from the callee's view.
  void learn_request(const wire::Message& request);

  std::string sdp(std::uint16_t port = 0, std::string_view more = {}) const;
  std::string host() const { return at.ip.to_string(); }
  std::string contact() const;

  World& world;
  Place place;
  std::string name;
  TransportAddress at;
  edge::Transport transport;
  edge::ConnectionId connection;  // of TCP and TLS
  bool has_rport = true;
  std::string via_host;      // empty: its address
  std::string contact_host;  // empty: its address and port
  std::deque<wire::Message> heard;
  std::vector<std::string> keepalives;  // what it received and is no message

  // The dialog.
  std::string tag, remote_tag, call_id, local_name, remote_name, target, last_branch, last_invite;
  std::vector<std::string> routes;
  int cseq = 0;
  int invite_cseq = 0;
};

class World final : public Commands {
 public:
  // `handler` and `routes` in place of the fakes below; they must outlive it.
  explicit World(Config config = {}, RegisterHandler* handler = nullptr, Routing* routes = nullptr);
  ~World() override;

  // As after SIGKILL: what is not in the journal is forgotten, connections are gone.
  void restart(Journal& journal);
  void add_edge(Place place, IpAddress host, const std::string& name);
  void lose_edge(Place place);
  Phone& phone(Place place, const std::string& name, std::string_view address,
               edge::Transport transport = edge::Transport::Udp);
  // name@example.com leads to this phone.
  void enrol(Phone& phone, std::uint16_t preference = 1000);
  Target binding(const Phone& phone) const;

  // Lets everything happen that takes no time; then time pass.
  void settle();
  void pass(Duration time);
  // All that is remembered is gone after the longest timer.
  void expect_drained();
  // No address of an enterprise in anything that left it.
  void expect_nothing_leaked() const;

  // Commands
  TimePoint now() const override { return now_; }
  WallTime wall_now() const override {
    return WallTime{} + seconds{1800000000} + (now_ - TimePoint{});
  }
  edge::Edge* edge(Place place) override;
  std::uint64_t new_id() override { return ++next_id_; }
  TimerId new_timer() override { return TimerId{++next_timer_}; }
  void start_timer(TimerId id, Duration after) override { timers_.start(id, now_ + after); }
  void stop_timer(TimerId id) override { timers_.stop(id); }
  MediaPaths& media() override { return paths; }

  struct Sent {
    Place place;
    TransportAddress to;
    std::string text;
  };
  std::vector<Sent> sent;
  FakePaths paths;
  FakeRouting routing;
  FakeRegistrar registrar;
  std::map<std::pair<std::string, edge::RecordType>, std::vector<edge::Record>> dns;
  std::function<bool(const Sent&)> loses;  // true: that datagram does not arrive
  bool loops_back = false;  // what is sent outside to the server's own address comes back in
  TestLog log;
  SeededRandom random{7};
  std::unique_ptr<SipAdapter> adapter;

 private:
  friend class FakeEdge;
  friend class Phone;
  void deliver(Place place, const TransportAddress& to, edge::ConnectionId connection,
               const std::string& text);
  void later(std::function<void()> event) { events_.push_back(std::move(event)); }
  FakeEdge& fake_edge(Place place) { return *edges_.at(place); }
  void start(Journal* journal);

  Config config_;
  RegisterHandler* handler_;
  Routing* routes_;
  TimePoint now_ = TimePoint{} + std::chrono::hours{1};
  TimerQueue timers_;
  std::uint64_t next_id_ = 0;
  std::uint64_t next_timer_ = 0;
  std::uint64_t next_connection_ = edge::kChosenByEdge;
  std::map<Place, std::unique_ptr<FakeEdge>> edges_;
  std::vector<std::unique_ptr<Phone>> phones_;
  std::deque<std::function<void()>> events_;
};

}  // namespace sallyport::adapter::sip::test
