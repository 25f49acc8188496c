#include "edge/media_thread.h"

#include <gtest/gtest.h>
#include <poll.h>

#include <algorithm>
#include <set>

#include "media/probe.h"
#include "media/steering.h"
#include "net/host_network.h"
#include "net/testing.h"

namespace sallyport::edge {
namespace {

using media::MediaId;

// RTP that can be told from other RTP: 172 octets, its number in the sequence and at the end.
Buffer rtp(std::uint16_t number) {
  Buffer out;
  Writer{out}.u8(0x80).u8(0).u16(number).u32(number * 160U).u32(0xfeedface);
  out.resize(170, 0x55);
  Writer{out}.u16(number);
  return out;
}

// A terminal or destination: one real socket.
class Phone {
 public:
  explicit Phone(const IpAddress& ip)
      : socket_(std::move(*net::UdpBatch::open({.ip = ip, .port = 0}, {}))) {}

  const TransportAddress& address() const { return socket_->local(); }
  void send(const TransportAddress& to, Bytes packet) {
    socket_->queue_copy(room_, to, 0, packet);
    room_.flush();
  }
  void take() {
    while (
        socket_->receive(room_, [this](const TransportAddress& source, MutableBytes packet, Ecn) {
          source_ = source;
          received_.push_back(to_buffer(packet));
        }) != 0) {
    }
  }
  const std::vector<Buffer>& received() {
    take();
    return received_;
  }
  const TransportAddress& source() const { return source_; }

 private:
  net::UdpRoom room_;
  std::unique_ptr<net::UdpBatch> socket_;
  std::vector<Buffer> received_;
  TransportAddress source_;
};

class MediaThreadTest : public ::testing::TestWithParam<std::tuple<const char*, unsigned>> {
 protected:
  void SetUp() override {
    ip_ = *IpAddress::parse(std::get<0>(GetParam()));
    threads_ = std::get<1>(GetParam());
    if (!net::UdpBatch::open({.ip = ip_, .port = 0}, {}))
      GTEST_SKIP() << "this host has no such loopback";
  }
  std::unique_ptr<MediaThread> start(MediaThreadOptions options = {}) {
    options.threads = threads_;
    auto made = MediaThread::start(
        options, [this](std::function<void()> work) { network_.post(std::move(work)); });
    EXPECT_TRUE(made);
    return std::move(*made);
  }
  MediaThreadOptions server_options() const {
    MediaThreadOptions options;
    options.server_sockets = {{.ip = ip_, .port = 0}, {.ip = ip_, .port = 0}};
    return options;
  }
  // Runs the edge's thread until something is true; false after 20 s.
  bool run(const std::function<bool()>& until) {
    const TimePoint limit = Clock::now() + std::chrono::seconds{20};
    while (!until()) {
      if (Clock::now() > limit) return false;
      network_.run_one(std::chrono::milliseconds{5});
    }
    return true;
  }
  media::Plane::OnEvent record() {
    return [this](MediaId id, const media::Event& event) { events_.emplace_back(id, event); };
  }
  bool happened(MediaId id, media::EventKind kind, std::uint8_t component = 0) const {
    return std::any_of(events_.begin(), events_.end(), [&](const auto& one) {
      return one.first == id && one.second.kind == kind && one.second.component == component;
    });
  }
  media::OpenedPort open_port(MediaThread& plane, unsigned components = 2) {
    media::PortSpec spec;
    spec.components = components;
    spec.toward = ip_;
    auto opened = plane.open_port(spec, record());
    EXPECT_TRUE(opened);
    return *opened;
  }
  static media::RemoteSpec remote(std::vector<TransportAddress> addresses) {
    return {.addresses = std::move(addresses), .accept = media::Accept::SignalledAddress};
  }
  media::Counts count(MediaThread& plane, MediaId id) {
    std::optional<media::Counts> out;
    plane.count(id, [&](const media::Counts& counts) { out = counts; });
    EXPECT_TRUE(run([&] { return out.has_value(); }));
    return out.value_or(media::Counts{});
  }

  MediaTotals totals(MediaThread& plane) {
    std::optional<MediaTotals> out;
    plane.totals([&](const MediaTotals& totals) { out = totals; });
    EXPECT_TRUE(run([&] { return out.has_value(); }));
    return out.value_or(MediaTotals{});
  }
  static std::string drops(const MediaTotals& all) {
    std::string out = "not sent " + std::to_string(all.udp.dropped());
    for (std::size_t i = 0; i < media::kDrops; ++i)
      if (all.relay.drops.at(i) != 0)
        out += " " + std::string{media::name(static_cast<media::Drop>(i))} + " " +
               std::to_string(all.relay.drops.at(i));
    return out;
  }
  // Every thread has done what it was ordered.
  void settle(MediaThread& plane) { totals(plane); }
  static void expect_balance(const media::Totals& all) {
    std::uint64_t out = all.relayed + all.handled + all.waiting + all.passed;
    for (const std::uint64_t dropped : all.drops) out += dropped;
    EXPECT_EQ(all.received + all.taken, out);
  }

  IpAddress ip_;
  // Two pairs that nobody else has: below what the kernel hands out, and for each run of each such
  // test its own, since they run side by side.
  media::PortRange four_ports(unsigned test) const {
    const auto first = static_cast<std::uint16_t>(22000 + (test * 8 + threads_) * 4);
    return {.first = first, .last = static_cast<std::uint16_t>(first + 3)};
  }

  unsigned threads_ = 1;
  net::HostNetwork network_;
  std::vector<std::pair<MediaId, media::Event>> events_;
};

TEST_P(MediaThreadTest, RelaysBothWaysBetweenTwoPorts) {
  const auto plane = start();
  const media::OpenedPort left = open_port(*plane);
  const media::OpenedPort right = open_port(*plane);
  ASSERT_EQ(left.addresses.size(), 2U);
  EXPECT_EQ(left.addresses[0].port % 2, 0);
  EXPECT_EQ(left.addresses[1].port, left.addresses[0].port + 1);
  EXPECT_EQ(left.addresses[0].ip, ip_);
  EXPECT_GE(left.addresses[0].port, 30000);
  EXPECT_LE(left.addresses[0].port, 39999);

  std::array alice{Phone{ip_}, Phone{ip_}};
  std::array bob{Phone{ip_}, Phone{ip_}};
  plane->set_remote(left.id, remote({alice[0].address(), alice[1].address()}));
  plane->set_remote(right.id, remote({bob[0].address(), bob[1].address()}));
  plane->join(left.id, right.id);
  settle(*plane);

  for (std::uint16_t i = 0; i < 100; ++i) {
    alice[0].send(left.addresses[0], rtp(i));
    bob[0].send(right.addresses[0], rtp(static_cast<std::uint16_t>(1000 + i)));
  }
  alice[1].send(left.addresses[1], as_bytes("\x80\xc8rtcp"));
  ASSERT_TRUE(run([&] {
    return bob[0].received().size() == 100 && alice[0].received().size() == 100 &&
           bob[1].received().size() == 1;
  }));
  for (std::uint16_t i = 0; i < 100; ++i) {
    EXPECT_EQ(bob[0].received()[i], rtp(i));
    EXPECT_EQ(alice[0].received()[i], rtp(static_cast<std::uint16_t>(1000 + i)));
  }
  // Each hears the other from the port that it was shown (RFC 4961).
  EXPECT_EQ(bob[0].source(), right.addresses[0]);
  EXPECT_EQ(bob[1].source(), right.addresses[1]);
  EXPECT_EQ(alice[0].source(), left.addresses[0]);
  EXPECT_TRUE(run([&] { return happened(left.id, media::EventKind::FirstPacket); }));

  const media::Counts counts = count(*plane, left.id);
  ASSERT_EQ(counts.components.size(), 2U);
  EXPECT_EQ(counts.components[0].packets_in, 100U);
  EXPECT_EQ(counts.components[0].packets_out, 100U);
  EXPECT_EQ(counts.components[1].packets_in, 1U);
}

TEST_P(MediaThreadTest, RelaysBetweenPortAndFlowThroughServer) {
  const auto agent = start();
  const auto server = start(server_options());
  ASSERT_EQ(server->server_addresses().size(), 2U);
  SystemRandom random;
  media::FlowSpec spec;
  for (int i = 0; i < 2; ++i)
    spec.components.push_back({.token = random.array<16>(), .key = random.array<16>()});

  const media::OpenedPort far_side = open_port(*server);
  const auto awaiting = server->open_flow(spec, record());
  ASSERT_TRUE(awaiting);
  server->join(far_side.id, *awaiting);
  const media::OpenedPort terminal_side = open_port(*agent);
  spec.end = media::FlowEnd::Probing;
  spec.server = server->server_addresses();
  // Two planes number their ends independently: the agent's events are recorded apart.
  std::vector<media::Event> agent_events;
  const auto probing = agent->open_flow(
      spec, [&](MediaId, const media::Event& event) { agent_events.push_back(event); });
  ASSERT_TRUE(probing);
  agent->join(terminal_side.id, *probing);

  std::array terminal{Phone{ip_}, Phone{ip_}};
  std::array destination{Phone{ip_}, Phone{ip_}};
  agent->set_remote(terminal_side.id, remote({terminal[0].address(), terminal[1].address()}));
  server->set_remote(far_side.id, remote({destination[0].address(), destination[1].address()}));
  agent->probe(*probing);
  ASSERT_TRUE(run([&] {
    return happened(*awaiting, media::EventKind::FlowBound, 0) &&
           happened(*awaiting, media::EventKind::FlowBound, 1) && agent_events.size() >= 2;
  }));
  EXPECT_EQ(agent_events.front().kind, media::EventKind::FlowBound);
  settle(*agent);
  settle(*server);

  for (std::uint16_t i = 0; i < 50; ++i) {
    terminal[0].send(terminal_side.addresses[0], rtp(i));
    destination[0].send(far_side.addresses[0], rtp(static_cast<std::uint16_t>(500 + i)));
  }
  ASSERT_TRUE(run([&] {
    return destination[0].received().size() == 50 && terminal[0].received().size() == 50;
  }));
  for (std::uint16_t i = 0; i < 50; ++i) {
    EXPECT_EQ(destination[0].received()[i], rtp(i));
    EXPECT_EQ(terminal[0].received()[i], rtp(static_cast<std::uint16_t>(500 + i)));
  }
  EXPECT_EQ(destination[0].source(), far_side.addresses[0]);
  EXPECT_EQ(terminal[0].source(), terminal_side.addresses[0]);

  const MediaTotals all = totals(*server);
  EXPECT_EQ(all.ends, 2U);
  EXPECT_EQ(all.relay.relayed, 100U);
  EXPECT_GE(all.relay.confirmations_sent, 2U);
  EXPECT_EQ(all.missed, 0U);
  EXPECT_EQ(all.lost_messages, 0U);
  expect_balance(all.relay);
}

// A sealed trunk over real sockets: many flows' packets in trains, from a fixed port, both ways.
TEST_P(MediaThreadTest, RelaysManyFlowsOverOneTrunk) {
  MediaThreadOptions options;
  // A port that is free now; whoever takes it meanwhile makes the test fail, not lie.
  options.trunk_port = (*net::UdpBatch::open({ip_, 0}, {}))->local().port;
  const auto agent = start(options);
  const auto server = start(server_options());
  SystemRandom random;
  media::TrunkSpec trunk{.secret = {.token = random.array<16>(), .key = random.array<16>()},
                         .ring = media::KeyRingId{7},
                         .bundle = milliseconds{2}};
  const auto awaiting = server->open_trunk(trunk, record());
  ASSERT_TRUE(awaiting);
  EXPECT_EQ(server->open_trunk(trunk, nullptr).error().code, Errc::BadValue) << "the same token";
  trunk.end = media::FlowEnd::Probing;
  trunk.server = server->server_addresses()[0];
  trunk.ring = media::KeyRingId{1};
  const auto probing = agent->open_trunk(trunk, nullptr);
  ASSERT_TRUE(probing);
  media::KeysOfConnection keys{.connection = 3, .sends = media::Direction::AgentToServer};
  random.fill(keys.secret);
  agent->install_keys(media::KeyRingId{1}, keys);
  keys.sends = media::Direction::ServerToAgent;
  server->install_keys(media::KeyRingId{7}, keys);
  agent->probe(*probing);
  ASSERT_TRUE(run([&] { return happened(*awaiting, media::EventKind::FlowBound); }));
  EXPECT_EQ(events_.front().second.source.port, options.trunk_port);

  constexpr std::size_t kFlows = 8;
  constexpr std::uint16_t kPackets = 40;
  struct Call {
    explicit Call(const IpAddress& ip) : terminal(ip), destination(ip) {}
    Phone terminal, destination;
    media::OpenedPort inside{}, outside{};
  };
  std::vector<std::unique_ptr<Call>> calls;
  for (std::size_t i = 0; i < kFlows; ++i) {
    auto call = std::make_unique<Call>(ip_);
    call->inside = open_port(*agent, 1);
    call->outside = open_port(*server, 1);
    media::FlowSpec flow;
    flow.channels = {static_cast<media::Channel>(i + 1)};
    flow.trunk = *awaiting;
    const auto at_server = server->open_flow(flow, nullptr);
    flow.end = media::FlowEnd::Probing;
    flow.trunk = *probing;
    const auto at_agent = agent->open_flow(flow, nullptr);
    ASSERT_TRUE(at_server && at_agent);
    EXPECT_EQ(agent->open_flow(flow, nullptr).error().code, Errc::BadValue) << "the same channel";
    server->join(*at_server, call->outside.id);
    agent->join(*at_agent, call->inside.id);
    server->set_remote(call->outside.id, remote({call->destination.address()}));
    agent->set_remote(call->inside.id, remote({call->terminal.address()}));
    calls.push_back(std::move(call));
  }
  settle(*agent);
  settle(*server);
  for (std::uint16_t n = 0; n < kPackets; ++n)
    for (const auto& call : calls) {
      call->terminal.send(call->inside.addresses[0], rtp(n));
      call->destination.send(call->outside.addresses[0], rtp(static_cast<std::uint16_t>(500 + n)));
    }
  for (const auto& call : calls) {
    ASSERT_TRUE(run([&] {
      return call->destination.received().size() == kPackets &&
             call->terminal.received().size() == kPackets;
    }));
    for (std::uint16_t n = 0; n < kPackets; ++n) {
      EXPECT_EQ(call->destination.received()[n], rtp(n));
      EXPECT_EQ(call->terminal.received()[n], rtp(static_cast<std::uint16_t>(500 + n)));
    }
  }
  const MediaTotals all = totals(*server);
  EXPECT_GE(all.relay.relayed, 2U * kFlows * kPackets);
  EXPECT_LT(all.relay.trunk_datagrams_sent, kFlows * kPackets / 2);
  expect_balance(all.relay);

  // A trunk that has been closed leaves its channels to nobody, and its port to the next.
  agent->close(*probing);
  media::FlowSpec orphan;
  orphan.trunk = *probing;
  orphan.channels = {100};
  EXPECT_EQ(agent->open_flow(orphan, nullptr).error().code, Errc::BadValue);
  EXPECT_TRUE(agent->open_trunk(trunk, nullptr));
}

TEST_P(MediaThreadTest, SeveralTrunksLeaveFromSeveralFixedPorts) {
  const auto server = start(server_options());
  MediaThreadOptions options;
  // Two ports that are free, and one behind them that somebody else has.
  std::unique_ptr<net::UdpBatch> third;
  while (!third) {
    auto last = net::UdpBatch::open({ip_, 0}, {});
    ASSERT_TRUE(last);
    const std::uint16_t port = (*last)->local().port;
    const IpAddress any = ip_.is_v4() ? IpAddress::any_v4() : IpAddress::any_v6();
    if (!net::UdpBatch::open({any, static_cast<std::uint16_t>(port - 1)}, {}) ||
        !net::UdpBatch::open({any, static_cast<std::uint16_t>(port - 2)}, {}))
      continue;
    options.trunk_port = static_cast<std::uint16_t>(port - 2);
    third = std::move(*last);
  }
  const auto agent = start(options);
  SystemRandom random;
  std::vector<media::MediaId> opened;
  const auto open = [&] {
    media::TrunkSpec trunk{.secret = {.token = random.array<16>(), .key = random.array<16>()},
                           .sealed = false};
    EXPECT_TRUE(server->open_trunk(trunk, record()));
    trunk.end = media::FlowEnd::Probing;
    trunk.server = server->server_addresses()[0];
    const auto probing = agent->open_trunk(trunk, nullptr);
    if (!probing) return false;
    agent->probe(*probing);
    opened.push_back(*probing);
    return true;
  };
  const auto bound_from = [&](std::size_t count) {
    EXPECT_TRUE(run([&] { return events_.size() == count; }));
    return events_.back().second.source.port;
  };
  ASSERT_TRUE(open());
  EXPECT_EQ(bound_from(1), options.trunk_port);
  ASSERT_TRUE(open());
  EXPECT_EQ(bound_from(2), options.trunk_port + 1);
  EXPECT_FALSE(open()) << "somebody else has the third";
  agent->close(opened.front());
  ASSERT_TRUE(open()) << "the first is free again";
  EXPECT_EQ(bound_from(3), options.trunk_port);
}

TEST_P(MediaThreadTest, RefusesATrunkWhosePortIsTaken) {
  const auto taken = net::UdpBatch::open({ip_, 0}, {});
  ASSERT_TRUE(taken);
  MediaThreadOptions options;
  options.trunk_port = (*taken)->local().port;
  const auto agent = start(options);
  media::TrunkSpec trunk{.end = media::FlowEnd::Probing, .server = {ip_, 2776}};
  EXPECT_FALSE(agent->open_trunk(trunk, nullptr));
}

// The first packet waits for the probe, and goes on when the flow is bound: nobody asked to probe.
TEST_P(MediaThreadTest, FirstPacketOpensTheFlow) {
  const auto agent = start();
  const auto server = start(server_options());
  SystemRandom random;
  media::FlowSpec spec;
  spec.components.push_back({.token = random.array<16>(), .key = random.array<16>()});
  const media::OpenedPort far_side = open_port(*server, 1);
  const auto awaiting = server->open_flow(spec, record());
  server->join(far_side.id, *awaiting);
  Phone destination{ip_};
  server->set_remote(far_side.id, remote({destination.address()}));
  spec.end = media::FlowEnd::Probing;
  spec.server = {server->server_addresses()[0]};
  const media::OpenedPort terminal_side = open_port(*agent, 1);
  const auto probing = agent->open_flow(spec, nullptr);
  agent->join(terminal_side.id, *probing);
  Phone terminal{ip_};
  agent->set_remote(terminal_side.id, remote({terminal.address()}));
  settle(*agent);
  settle(*server);
  terminal.send(terminal_side.addresses[0], rtp(1));
  ASSERT_TRUE(run([&] { return !destination.received().empty(); }));
  EXPECT_EQ(destination.received().front(), rtp(1));
}

TEST_P(MediaThreadTest, ClosedPortIsSilentAndRests) {
  MediaThreadOptions options;
  options.ports = four_ports(0);
  const auto plane = start(options);
  const media::OpenedPort first = open_port(*plane);
  const media::OpenedPort second = open_port(*plane);
  EXPECT_NE(first.addresses[0], second.addresses[0]);
  media::PortSpec spec;
  spec.toward = ip_;
  auto none = plane->open_port(spec, nullptr);
  ASSERT_FALSE(none);
  EXPECT_EQ(none.error().code, Errc::Exhausted);
  plane->close(first.id);
  EXPECT_TRUE(count(*plane, first.id).components.empty());
  settle(*plane);
  EXPECT_FALSE(plane->open_port(spec, nullptr));  // at rest
  // The socket itself is closed: another program may bind the port.
  EXPECT_TRUE(net::UdpBatch::open(first.addresses[0], {}));
  plane->close(first.id);  // again: nothing
}

TEST_P(MediaThreadTest, PortOfAnotherProgramIsPassedOver) {
  MediaThreadOptions options;
  options.ports = four_ports(1);
  const auto second = static_cast<std::uint16_t>(options.ports.first + 1);
  const auto other = net::UdpBatch::open({.ip = ip_, .port = second}, {});
  ASSERT_TRUE(other);
  const auto plane = start(options);
  EXPECT_EQ(open_port(*plane).addresses[0].port, options.ports.first + 2);
  media::PortSpec spec;
  spec.toward = ip_;
  EXPECT_FALSE(plane->open_port(spec, nullptr));
}

TEST_P(MediaThreadTest, NoEventComesAfterClose) {
  const auto plane = start();
  const media::OpenedPort left = open_port(*plane, 1);
  const media::OpenedPort right = open_port(*plane, 1);
  Phone alice{ip_};
  Phone bob{ip_};
  plane->set_remote(left.id, remote({alice.address()}));
  plane->set_remote(right.id, remote({bob.address()}));
  plane->join(left.id, right.id);
  settle(*plane);
  alice.send(left.addresses[0], rtp(1));
  // When Bob has the packet, the event that it was the first lies in the queue; the edge's thread
  // has not looked there.
  const TimePoint limit = Clock::now() + std::chrono::seconds{20};
  while (bob.received().empty() && Clock::now() < limit) std::this_thread::yield();
  ASSERT_FALSE(bob.received().empty());
  plane->close(left.id);
  settle(*plane);
  EXPECT_FALSE(happened(left.id, media::EventKind::FirstPacket));
}

TEST_P(MediaThreadTest, HandlerMayDestroyThePlane) {
  auto plane = start();
  media::PortSpec spec;
  spec.toward = ip_;
  bool told = false;
  Phone alice{ip_};
  const auto port = plane->open_port(spec, [&](MediaId, const media::Event&) {
    told = true;
    plane.reset();
  });
  ASSERT_TRUE(port);
  plane->set_remote(port->id, remote({alice.address(), alice.address()}));
  settle(*plane);
  alice.send(port->addresses[0], rtp(1));
  EXPECT_TRUE(run([&] { return told; }));
  EXPECT_FALSE(plane);
  while (network_.run_one(std::chrono::milliseconds{5})) {
  }
}

TEST_P(MediaThreadTest, RefusesWhatCannotBe) {
  MediaThreadOptions options = server_options();
  options.relay.max_ends = 2;
  const auto plane = start(options);
  media::PortSpec spec;
  spec.local = *IpAddress::parse(ip_.is_v4() ? "192.0.2.1" : "2001:db8::1");
  auto port = plane->open_port(spec, nullptr);
  ASSERT_FALSE(port);
  EXPECT_EQ(port.error().code, Errc::System);
  spec.local = ip_;
  spec.components = 3;
  EXPECT_EQ(plane->open_port(spec, nullptr).error().code, Errc::BadValue);

  media::FlowSpec flow;
  EXPECT_EQ(plane->open_flow(flow, nullptr).error().code, Errc::BadValue);
  flow.components = {{.token = {1}, .key = {2}}, {.token = {1}, .key = {3}}};
  EXPECT_EQ(plane->open_flow(flow, nullptr).error().code, Errc::BadValue);
  flow.components[1].token = {9};
  const auto first = plane->open_flow(flow, nullptr);
  ASSERT_TRUE(first);
  EXPECT_EQ(plane->open_flow(flow, nullptr).error().code, Errc::BadValue);
  plane->close(*first);
  EXPECT_TRUE(plane->open_flow(flow, nullptr));
  flow.components = {{.token = {4}, .key = {2}}};
  EXPECT_TRUE(plane->open_flow(flow, nullptr));
  flow.components = {{.token = {5}, .key = {2}}};
  EXPECT_EQ(plane->open_flow(flow, nullptr).error().code, Errc::Exhausted);
}

TEST_P(MediaThreadTest, TakesMoreCommandsThanItsQueueHolds) {
  MediaThreadOptions options;
  options.queued_commands = 4;
  options.queued_messages = 4;
  options.quarantine = {};
  const auto plane = start(options);
  std::set<std::uint64_t> counted;
  for (std::uint64_t i = 0; i < 500; ++i) {
    const media::OpenedPort port = open_port(*plane);
    plane->count(port.id, [&counted, i](const media::Counts& counts) {
      if (counts.components.size() == 2) counted.insert(i);
    });
    plane->close(port.id);
  }
  EXPECT_TRUE(run([&] { return counted.size() == 500; }));
}

// An agent's end of one bound flow, whose source is of the test's choosing: probes, and packets.
class Site {
 public:
  // At a source of which the server's core is, or is not, that one.
  Site(const IpAddress& ip, unsigned cores, media::Core core, bool at_core) {
    do {
      phone_ = std::make_unique<Phone>(ip);
    } while (cores > 1 && (media::steered_by_source(phone_->address(), cores) == core) != at_core);
  }
  Phone& phone() { return *phone_; }
  // Until the flow is bound to this source, at the latest at the second probe.
  Buffer probe(const media::FlowComponent& secret, const media::Challenge& echo = {}) {
    media::TagMaker tags;
    const media::ProbeDatagram datagram = encode(
        media::Probe{.token = secret.token, .counter = ++counter_, .echo = echo}, secret.key, tags);
    return to_buffer(datagram);
  }
  std::uint64_t counter_ = 0;

 private:
  std::unique_ptr<Phone> phone_;
};

struct BoundFlow {
  media::FlowComponent secret;
  MediaId awaiting;
  std::unique_ptr<Site> site;
  std::vector<Buffer> packets() const {
    std::vector<Buffer> out;
    for (const Buffer& one : site->phone().received())
      if (!one.empty() && one[0] >= 128) out.push_back(one);
    return out;
  }
  std::size_t confirmations(media::ConfirmationStatus status) const {
    std::size_t out = 0;
    for (const Buffer& one : site->phone().received())
      if (const auto answer = media::parse_confirmation(one); answer && answer->status == status)
        ++out;
    return out;
  }
};

// Bound flows whose sources the kernel hands to other threads than those that have them, joined
// with one another, with ports, and with flows on other threads: nothing is lost or changed.
TEST_P(MediaThreadTest, FlowsAreRelayedWhereverTheyLand) {
  const auto server = start(server_options());
  const TransportAddress x = server->server_addresses()[0];
  SystemRandom random;
  constexpr std::size_t kFlows = 16;
  constexpr std::uint16_t kPackets = 100;
  std::vector<BoundFlow> flows(kFlows);
  for (std::size_t i = 0; i < kFlows; ++i) {
    BoundFlow& flow = flows[i];
    flow.secret = {.token = random.array<16>(), .key = random.array<16>()};
    flow.awaiting = *server->open_flow({.components = {flow.secret}}, record());
    const media::Core home = media::first_core_of(flow.secret.token, threads_);
    flow.site = std::make_unique<Site>(ip_, threads_, home, i % 4 == 0);
    if (i % 2 == 1) server->join(flows[i - 1].awaiting, flow.awaiting);
  }
  settle(*server);
  for (BoundFlow& flow : flows) {
    flow.site->phone().send(x, flow.site->probe(flow.secret));
    ASSERT_TRUE(run([&] { return flow.confirmations(media::ConfirmationStatus::Bound) == 1; }));
  }
  ASSERT_TRUE(run([&] { return events_.size() == kFlows; }));
  settle(*server);  // flows are where they are to be
  for (std::uint16_t n = 0; n < kPackets; ++n)
    for (std::size_t i = 0; i < kFlows; ++i)
      flows[i].site->phone().send(x, rtp(static_cast<std::uint16_t>(i * 1000 + n)));
  for (std::size_t i = 0; i < kFlows; ++i) {
    ASSERT_TRUE(run([&] { return flows[i].packets().size() == kPackets; }))
        << i << ' ' << flows[i].packets().size() << ' ' << drops(totals(*server));
    const std::vector<Buffer> heard = flows[i].packets();
    for (std::uint16_t n = 0; n < kPackets; ++n)
      EXPECT_EQ(heard[n], rtp(static_cast<std::uint16_t>((i ^ 1U) * 1000 + n)));
  }
  const MediaTotals all = totals(*server);
  EXPECT_EQ(all.ends, kFlows);
  EXPECT_EQ(all.relay.received, kFlows * (kPackets + 1U));
  EXPECT_EQ(all.relay.relayed, kFlows * kPackets);
  EXPECT_EQ(all.relay.handled, kFlows);
  EXPECT_EQ(all.relay.passed, all.relay.taken);
  EXPECT_EQ(all.relay.passed > 0, threads_ > 1);
  expect_balance(all.relay);
  for (const BoundFlow& flow : flows)
    EXPECT_EQ(count(*server, flow.awaiting).components.at(0).packets_in, kPackets);

  for (const BoundFlow& flow : flows) server->close(flow.awaiting);
  settle(*server);
  flows[0].site->phone().send(x, rtp(1));
  flows[1].site->phone().send(x, flows[1].site->probe(flows[1].secret));
  EXPECT_EQ(totals(*server).ends, 0U);
  ASSERT_TRUE(run([&] {
    return totals(*server).relay.dropped(media::Drop::UnknownSource) == 1 &&
           totals(*server).relay.dropped(media::Drop::UnknownToken) == 1;
  }));
}

// A flow that comes from another source goes with its port to the thread where that lands, in the
// middle of the call, as often as it happens; nothing is lost, and when it is there nothing is
// passed on.
TEST_P(MediaThreadTest, AFlowIsHandedToWhereItsSourceLands) {
  const auto server = start(server_options());
  const TransportAddress x = server->server_addresses()[0];
  SystemRandom random;
  BoundFlow flow{.secret = {.token = random.array<16>(), .key = random.array<16>()}};
  flow.awaiting = *server->open_flow({.components = {flow.secret}}, record());
  const media::OpenedPort port = open_port(*server, 1);
  Phone destination{ip_};
  server->set_remote(port.id, remote({destination.address()}));
  server->join(flow.awaiting, port.id);
  // One on each thread, in turn.
  std::vector<std::unique_ptr<Site>> sites;
  for (unsigned core = 0; core < threads_; ++core)
    sites.push_back(std::make_unique<Site>(ip_, threads_, static_cast<media::Core>(core), true));
  if (threads_ == 1) sites.push_back(std::make_unique<Site>(ip_, 1, media::Core{0}, true));

  std::uint64_t counter = 0;
  const auto probe = [&](Site& from, const media::Challenge& echo) {
    const std::size_t before = from.phone().received().size();
    from.counter_ = counter;
    from.phone().send(x, from.probe(flow.secret, echo));
    counter = from.counter_;
    std::optional<media::Confirmation> out;
    EXPECT_TRUE(run([&] {
      for (std::size_t i = before; i < from.phone().received().size(); ++i)
        if (const auto answer = media::parse_confirmation(from.phone().received()[i]))
          out = *answer;
      return out.has_value();
    }));
    return out.value_or(media::Confirmation{});
  };
  constexpr std::uint16_t kPackets = 20;
  std::uint16_t said = 0;
  std::vector<Buffer> heard;  // at the sites
  const auto talk = [&](Site& site) {
    const std::size_t before = site.phone().received().size();
    for (std::uint16_t n = 0; n < kPackets; ++n) {
      site.phone().send(x, rtp(static_cast<std::uint16_t>(said + n)));
      destination.send(port.addresses[0], rtp(static_cast<std::uint16_t>(10'000 + said + n)));
    }
    ASSERT_TRUE(run([&] {
      return site.phone().received().size() == before + kPackets &&
             destination.received().size() == std::size_t{said} + kPackets;
    })) << said;
    // While it is on its way, what takes the new way may overtake what took a detour.
    const auto sorted = [](const std::vector<Buffer>& all, std::size_t from) {
      std::vector<Buffer> out(all.begin() + static_cast<std::ptrdiff_t>(from), all.end());
      std::sort(out.begin(), out.end());
      return out;
    };
    const std::vector<Buffer> there = sorted(destination.received(), said);
    const std::vector<Buffer> here = sorted(site.phone().received(), before);
    for (std::uint16_t n = 0; n < kPackets; ++n) {
      EXPECT_EQ(there[n], rtp(static_cast<std::uint16_t>(said + n)));
      EXPECT_EQ(here[n], rtp(static_cast<std::uint16_t>(10'000 + said + n)));
    }
    said = static_cast<std::uint16_t>(said + kPackets);
  };
  settle(*server);
  for (unsigned round = 0; round < 20; ++round) {
    Site& site = *sites[round % sites.size()];
    const media::Confirmation first = probe(site, {});
    if (round == 0) {
      EXPECT_EQ(first.status, media::ConfirmationStatus::Bound);
    } else {
      ASSERT_EQ(first.status, media::ConfirmationStatus::Challenged) << round;
      ASSERT_EQ(probe(site, first.challenge).status, media::ConfirmationStatus::Bound) << round;
    }
    talk(site);  // at once: it is on its way
  }
  // Handed over for the last time, which may have been a moment ago.
  ASSERT_TRUE(run([&] {
    const std::uint64_t before = totals(*server).relay.passed;
    talk(*sites[19 % sites.size()]);
    return totals(*server).relay.passed == before;
  }));
  const media::Counts counts = count(*server, port.id);
  EXPECT_EQ(counts.components.at(0).packets_in, said) << "what was counted went along";
  EXPECT_EQ(count(*server, flow.awaiting).components.at(0).packets_in, said);
  server->close(port.id);
  server->close(flow.awaiting);
  settle(*server);
  const MediaTotals all = totals(*server);
  EXPECT_EQ(all.ends, 0U);
  EXPECT_EQ(all.relay.relayed, 2U * said);
  EXPECT_EQ(all.relay.passed, all.relay.taken);
  expect_balance(all.relay);
}

// Ports of a call at an agent: wherever they were opened, packets between them are not passed on,
// and orders given at once take effect in order.
TEST_P(MediaThreadTest, JoinedPortsComeTogether) {
  const auto plane = start();
  std::vector<media::OpenedPort> ports;
  for (unsigned i = 0; i < 6; ++i) ports.push_back(open_port(*plane, 1));
  Phone alice{ip_};
  Phone bob{ip_};
  // Each order is given while those before it are on their way.
  for (unsigned i = 0; i + 1 < ports.size(); ++i) {
    plane->set_remote(ports[i].id, remote({alice.address()}));
    plane->set_remote(ports[i + 1].id, remote({bob.address()}));
    plane->join(ports[i].id, ports[i + 1].id);
    if (i > 0) plane->close(ports[i - 1].id);
  }
  const media::OpenedPort& left = ports[4];
  const media::OpenedPort& right = ports[5];
  ASSERT_EQ(count(*plane, left.id).components.size(), 1U) << "answered when it has arrived";
  settle(*plane);
  EXPECT_EQ(totals(*plane).ends, 2U);
  for (std::uint16_t n = 0; n < 50; ++n) {
    alice.send(left.addresses[0], rtp(n));
    bob.send(right.addresses[0], rtp(static_cast<std::uint16_t>(100 + n)));
  }
  ASSERT_TRUE(run([&] { return alice.received().size() == 50 && bob.received().size() == 50; }));
  EXPECT_EQ(totals(*plane).relay.passed, 0U);
}

// Whichever threads have them: a source that is another flow's is not taken without an echo, and
// with one it is taken away.
TEST_P(MediaThreadTest, ASourceIsOneFlowsOnly) {
  const auto server = start(server_options());
  const TransportAddress x = server->server_addresses()[0];
  SystemRandom random;
  for (unsigned round = 0; round < 4 * threads_; ++round) {
    BoundFlow victim;
    BoundFlow thief;
    for (BoundFlow* flow : {&victim, &thief}) {
      flow->secret = {.token = random.array<16>(), .key = random.array<16>()};
      flow->awaiting = *server->open_flow({.components = {flow->secret}}, record());
    }
    server->join(victim.awaiting, thief.awaiting);
    settle(*server);
    victim.site = std::make_unique<Site>(ip_, 1, media::Core{0}, true);
    Phone& source = victim.site->phone();
    const auto answer = [&](std::size_t which) {
      EXPECT_TRUE(run([&] { return source.received().size() == which; }));
      return *media::parse_confirmation(source.received().back());
    };
    source.send(x, victim.site->probe(victim.secret));
    EXPECT_EQ(answer(1).status, media::ConfirmationStatus::Bound);
    Site spoofing{ip_, 1, media::Core{0}, true};
    source.send(x, spoofing.probe(thief.secret));
    const media::Confirmation challenged = answer(2);
    ASSERT_EQ(challenged.status, media::ConfirmationStatus::Challenged) << round;
    EXPECT_FALSE(happened(thief.awaiting, media::EventKind::FlowBound));

    source.send(x, spoofing.probe(thief.secret, challenged.challenge));
    EXPECT_EQ(answer(3).status, media::ConfirmationStatus::Bound);
    settle(*server);
    settle(*server);  // the threads have told each other
    const std::uint64_t before = count(*server, thief.awaiting).components.at(0).packets_in;
    source.send(x, rtp(1));
    ASSERT_TRUE(run(
        [&] { return count(*server, thief.awaiting).components.at(0).packets_in == before + 1; }));
    EXPECT_EQ(count(*server, victim.awaiting).components.at(0).packets_in, 0U);
    for (const BoundFlow* flow : {&victim, &thief}) server->close(flow->awaiting);
  }
  expect_balance(totals(*server).relay);
}

// Two agents' trunks, of owners that lie on different threads where there are several; a call
// between them; and a change of one leg to a bound flow in the middle of it.
TEST_P(MediaThreadTest, JoinsFlowsOfTrunksOnDifferentThreads) {
  const auto server = start(server_options());
  SystemRandom random;
  struct Leg {
    std::unique_ptr<MediaThread> agent;
    std::unique_ptr<Phone> terminal;
    media::OpenedPort port{};
    MediaId at_server, at_agent;
    media::FlowSpec spec;
  };
  std::array<Leg, 2> legs;
  for (unsigned i = 0; i < 2; ++i) {
    Leg& leg = legs.at(i);
    leg.agent = start();
    leg.terminal = std::make_unique<Phone>(ip_);
    media::TrunkSpec trunk{.secret = {.token = random.array<16>(), .key = random.array<16>()},
                           .ring = media::KeyRingId{i + 1},
                           .owner = static_cast<std::uint8_t>(i + 2)};
    const auto awaiting = server->open_trunk(trunk, record());
    ASSERT_TRUE(awaiting);
    trunk.end = media::FlowEnd::Probing;
    trunk.server = server->server_addresses()[0];
    const auto probing = leg.agent->open_trunk(trunk, nullptr);
    ASSERT_TRUE(probing);
    media::KeysOfConnection keys{.connection = 1, .sends = media::Direction::AgentToServer};
    random.fill(keys.secret);
    leg.agent->install_keys(media::KeyRingId{i + 1}, keys);
    keys.sends = media::Direction::ServerToAgent;
    server->install_keys(media::KeyRingId{i + 1}, keys);
    leg.agent->probe(*probing);
    ASSERT_TRUE(run([&] { return happened(*awaiting, media::EventKind::FlowBound); }));
    leg.port = open_port(*leg.agent, 1);
    leg.spec.channels = {static_cast<media::Channel>(media::records_of(trunk.owner) + 77)};
    leg.spec.trunk = *awaiting;
    leg.at_server = *server->open_flow(leg.spec, nullptr);
    leg.spec.end = media::FlowEnd::Probing;
    leg.spec.trunk = *probing;
    leg.at_agent = *leg.agent->open_flow(leg.spec, nullptr);
    leg.agent->join(leg.at_agent, leg.port.id);
    leg.agent->set_remote(leg.port.id, remote({leg.terminal->address()}));
    settle(*leg.agent);
  }
  server->join(legs[0].at_server, legs[1].at_server);
  settle(*server);
  std::uint16_t said = 0;
  const auto talk = [&] {
    const std::uint16_t until = static_cast<std::uint16_t>(said + 50);
    for (; said < until; ++said)
      for (unsigned i = 0; i < 2; ++i)
        legs.at(i).terminal->send(legs.at(i).port.addresses[0],
                                  rtp(static_cast<std::uint16_t>(i * 10'000U + said)));
    for (unsigned i = 0; i < 2; ++i) {
      ASSERT_TRUE(run([&] { return legs.at(i).terminal->received().size() == said; })) << i;
      // Where the way changes, packets on the new one may overtake those on the old one.
      std::vector<Buffer> heard = legs.at(i).terminal->received();
      std::sort(heard.begin(), heard.end());
      for (std::uint16_t n = 0; n < said; ++n)
        EXPECT_EQ(heard[n], rtp(static_cast<std::uint16_t>((1 - i) * 10'000U + n)));
    }
  };
  talk();
  const media::Totals between = totals(*server).relay;
  EXPECT_EQ(between.passed >= 100, threads_ > 1 && 2 % threads_ != 3 % threads_);

  // The first leg becomes bound, step by step as the brain does it.
  media::FlowSpec bound{.components = {{.token = random.array<16>(), .key = random.array<16>()}}};
  const MediaId new_at_server = *server->open_flow(bound, record());
  bound.end = media::FlowEnd::Probing;
  bound.server = {server->server_addresses()[0]};
  const MediaId new_at_agent = *legs[0].agent->open_flow(bound, nullptr);
  server->replace(legs[0].at_server, new_at_server, media::ReplaceStep::Receive);
  legs[0].agent->replace(legs[0].at_agent, new_at_agent, media::ReplaceStep::Receive);
  settle(*server);
  talk();
  legs[0].agent->probe(new_at_agent);
  ASSERT_TRUE(run([&] { return happened(new_at_server, media::EventKind::FlowBound); }));
  talk();
  server->replace(legs[0].at_server, new_at_server, media::ReplaceStep::Send);
  talk();
  legs[0].agent->replace(legs[0].at_agent, new_at_agent, media::ReplaceStep::Send);
  settle(*legs[0].agent);
  talk();
  server->close(legs[0].at_server);
  legs[0].agent->close(legs[0].at_agent);
  talk();
  EXPECT_GT(count(*server, new_at_server).components.at(0).packets_in, 50U);
  const MediaTotals all = totals(*server);
  EXPECT_EQ(all.ends, 2U);
  EXPECT_EQ(all.trunks, 2U);
  EXPECT_EQ(all.relay.passed, all.relay.taken);
  expect_balance(all.relay);
  // Both ends leave nothing behind.
  server->close(new_at_server);
  server->close(legs[1].at_server);
  EXPECT_EQ(totals(*server).ends, 0U);
}

INSTANTIATE_TEST_SUITE_P(All, MediaThreadTest,
                         ::testing::Combine(::testing::Values("127.0.0.1", "::1"),
                                            ::testing::Values(1U, 2U, 4U)),
                         [](const auto& which) {
                           return std::string{*std::get<0>(which.param) == ':' ? "V6" : "V4"} +
                                  "Threads" + std::to_string(std::get<1>(which.param));
                         });

// X is bound to no address of several: the answer still leaves from the one that was asked, or a
// NAT would drop it.
TEST(MediaThread, AnswersFromTheAddressThatWasAsked) {
  const bool entered = net::in_own_network([] {
    ASSERT_EQ(std::system("ip addr add 10.1.1.1/24 dev lo && ip addr add 10.1.2.1/24 dev lo"), 0);
    MediaThreadOptions options;
    options.server_sockets = {{.ip = IpAddress::any_v4(), .port = 2776}};
    const auto plane = MediaThread::start(options, [](const std::function<void()>&) {});
    ASSERT_TRUE(plane);
    EXPECT_EQ((*plane)->server_addresses(), options.server_sockets);
    const auto second = MediaThread::start(options, [](const std::function<void()>&) {});
    ASSERT_FALSE(second);
    EXPECT_EQ(second.error().code, Errc::Exhausted);

    // Data of no flow is answered with "probe please".
    Phone stranger{IpAddress::v4({10, 1, 1, 1})};
    const TransportAddress asked{.ip = IpAddress::v4({10, 1, 2, 1}), .port = 2776};
    stranger.send(asked, rtp(1));
    const TimePoint limit = Clock::now() + std::chrono::seconds{20};
    while (stranger.received().empty() && Clock::now() < limit) std::this_thread::yield();
    EXPECT_EQ(stranger.source(), asked);
  });
  if (!entered) GTEST_SKIP() << "needs the right to make a network namespace, and ip(8)";
}

TEST(MediaThread, ServerPortInUseIsToldAtTheStart) {
  const auto taken = net::UdpBatch::open({.ip = IpAddress::v4({127, 0, 0, 1}), .port = 0}, {});
  ASSERT_TRUE(taken);
  MediaThreadOptions options;
  options.server_sockets = {(*taken)->local()};
  const auto started = MediaThread::start(options, [](const std::function<void()>&) {});
  ASSERT_FALSE(started);
  EXPECT_EQ(started.error().code, Errc::Exhausted);
  // Nor is a port taken that somebody else holds on one of the host's addresses only.
  options.server_sockets = {{.ip = IpAddress::any_v4(), .port = (*taken)->local().port}};
  EXPECT_FALSE(MediaThread::start(options, [](const std::function<void()>&) {}));
}

}  // namespace
}  // namespace sallyport::edge
