// Several relays of one process, each on a core, in virtual time: who passes what to whom, and how
// ends go from one to another in the middle of a call.
#include <gtest/gtest.h>

#include <deque>

#include "media/probe.h"
#include "media/test_world.h"
#include "media/token.h"

namespace sallyport::media::test {
namespace {

constexpr unsigned kCores = 3;
const SocketId kX{1};

// A core: its relay, and what it has sent, passed and told. What is passed arrives when it is asked
// for, so that a test can see what happens in between.
class TestCore final : public Sender, public Neighbours {
 public:
  struct Passed {
    Core to = 0;
    std::variant<Arrival, Departure, SourceNote> what;
    Buffer octets;
  };
  struct Sent {
    TransportAddress to;
    Buffer octets;
  };

  TestCore(Core core, SeededRandom& random, std::vector<Sent>& sent)
      : relay({.core = core, .neighbours = this, .challenge_key = FlowKey{7}}, random,
              [this](MediaId id, const Event& event) { events.emplace_back(id, event); }),
        sent_(sent) {
    EXPECT_TRUE(relay.add_server_socket(kX));
  }

  unsigned cores() const override { return kCores; }
  bool pass(Core to, const Arrival& arrival, Bytes datagram) override {
    if (full) return false;
    passed.push_back({to, arrival, to_buffer(datagram)});
    return true;
  }
  bool pass(Core to, const Departure& departure, Bytes packet) override {
    if (full) return false;
    passed.push_back({to, departure, to_buffer(packet)});
    return true;
  }
  void tell(Core to, const SourceNote& note) override { passed.push_back({to, note, {}}); }
  void send(SocketId, const TransportAddress& to, TrafficClass, Bytes datagram) override {
    sent_.push_back({to, to_buffer(datagram)});
  }
  void send_copy(SocketId, const TransportAddress& to, TrafficClass, Bytes datagram) override {
    sent_.push_back({to, to_buffer(datagram)});
  }

  std::deque<Passed> passed;
  std::vector<std::pair<MediaId, Event>> events;
  bool full = false;
  Relay relay;

 private:
  std::vector<Sent>& sent_;  // by all cores
};

struct Neighbourhood : testing::Test {
  SeededRandom random{3};
  TagMaker tags;
  TimePoint now{std::chrono::hours{1}};
  std::vector<TestCore::Sent> sent;
  std::array<TestCore, kCores> cores{TestCore{0, random, sent}, TestCore{1, random, sent},
                                     TestCore{2, random, sent}};

  void receive(Core at, const TransportAddress& source, Bytes datagram, SocketId socket = kX) {
    Buffer room(kHeadroom);
    room.insert(room.end(), datagram.begin(), datagram.end());
    cores.at(at).relay.on_datagram(socket, source, MutableBytes{room}.subspan(kHeadroom), now,
                                   cores.at(at));
  }
  // Until nothing is under way.
  void deliver() {
    for (bool any = true; any;) {
      any = false;
      for (Core from = 0; from < kCores; ++from)
        while (!cores.at(from).passed.empty()) {
          const TestCore::Passed one = cores.at(from).passed.front();
          cores.at(from).passed.pop_front();
          TestCore& to = cores.at(one.to);
          Buffer room(kHeadroom);
          room.insert(room.end(), one.octets.begin(), one.octets.end());
          const MutableBytes octets = MutableBytes{room}.subspan(kHeadroom);
          if (const auto* arrival = std::get_if<Arrival>(&one.what))
            to.relay.on_passed(*arrival, octets, now, to);
          else if (const auto* departure = std::get_if<Departure>(&one.what))
            to.relay.on_passed(*departure, octets, now, to);
          else
            to.relay.on_told(from, std::get<SourceNote>(one.what));
          any = true;
        }
    }
  }
  static TransportAddress source_at(Core core) {
    for (std::uint16_t port = 4000;; ++port)
      if (const TransportAddress out{IpAddress::v4({203, 0, 113, 7}), port};
          steered_by_source(out, kCores) == core)
        return out;
  }
  FlowComponent secret_at(Core core) {
    for (;;)
      if (const FlowComponent out = new_flow_component(random);
          first_core_of(out.token, kCores) == core)
        return out;
  }
  void add_flow(Core at, MediaId id, const FlowComponent& secret) {
    FlowSpec spec;
    spec.components = {secret};
    ASSERT_TRUE(cores.at(at).relay.add_flow(id, spec, {}));
  }
  void add_port(Core at, MediaId id, SocketId socket, const TransportAddress& remote) {
    const std::array<SocketId, 1> sockets{socket};
    ASSERT_TRUE(cores.at(at).relay.add_port(id, sockets, 46));
    cores.at(at).relay.set_remote(id, {.addresses = {remote}}, now);
  }
  void probe(const TransportAddress& from, const FlowComponent& secret, std::uint64_t counter,
             const Challenge& echo = {}) {
    receive(
        steered_by_source(from, kCores), from,
        encode(Probe{.token = secret.token, .counter = counter, .echo = echo}, secret.key, tags));
    deliver();
  }
  std::vector<Buffer> sent_to(const TransportAddress& to) const {
    std::vector<Buffer> out;
    for (const TestCore::Sent& one : sent)
      if (one.to == to) out.push_back(one.octets);
    return out;
  }
  Totals totals() const {
    Totals out;
    for (const TestCore& core : cores) out += core.relay.totals();
    return out;
  }
  ~Neighbourhood() override {
    for (const TestCore& core : cores) {
      const Totals& all = core.relay.totals();
      std::uint64_t gone = all.relayed + all.handled + all.waiting + all.passed;
      for (const std::uint64_t dropped : all.drops) gone += dropped;
      EXPECT_EQ(all.received + all.taken, gone);
    }
    EXPECT_EQ(totals().passed, totals().taken);
  }
};

const MediaId kFlow{1};
const MediaId kPort{2};
const SocketId kPortSocket{9};
const TransportAddress kFar{IpAddress::v4({192, 0, 2, 9}), 7000};

TEST_F(Neighbourhood, AFlowIsFoundByItsTokenAndThenByItsSource) {
  const TransportAddress source = source_at(2);
  const FlowComponent secret = secret_at(1);
  add_flow(0, kFlow, secret);  // neither where its token says nor where its source lands
  cores[1].relay.redirect(secret.token, 0);
  add_port(0, kPort, kPortSocket, kFar);
  cores[0].relay.join(kFlow, kPort);
  probe(source, secret, 1);
  EXPECT_EQ(cores[0].events.size(), 1U);
  ASSERT_EQ(sent_to(source).size(), 1U) << "confirmed";
  receive(2, source, rtp(1));
  ASSERT_EQ(cores[2].passed.size(), 1U);
  EXPECT_EQ(cores[2].passed[0].to, 0) << "straight";
  deliver();
  EXPECT_EQ(sent_to(kFar), std::vector<Buffer>{rtp(1)});
  // Where the kernel deals out badly, they put it right.
  receive(1, source, rtp(2));
  deliver();
  EXPECT_EQ(sent_to(kFar).size(), 2U);
  cores[0].relay.close(kFlow);
  deliver();
  receive(2, source, rtp(3));
  EXPECT_EQ(cores[2].relay.totals().dropped(Drop::UnknownSource), 1U)
      << "it is not passed any more";
}

TEST_F(Neighbourhood, WhatDoesNotFitIsCounted) {
  const FlowComponent secret = secret_at(0);
  add_flow(0, kFlow, secret);
  const TransportAddress source = source_at(1);
  probe(source, secret, 1);
  cores[1].full = true;
  receive(1, source, rtp(1));
  EXPECT_EQ(cores[1].relay.totals().dropped(Drop::NotPassed), 1U);
}

// Nobody has the flow any more, and each thinks that another has.
TEST_F(Neighbourhood, WhatGoesRoundIsDropped) {
  const FlowComponent secret = secret_at(0);
  cores[0].relay.redirect(secret.token, 1);
  cores[1].relay.redirect(secret.token, 0);
  probe(source_at(2), secret, 1);
  EXPECT_EQ(totals().dropped(Drop::NotPassed), 1U);
}

TEST_F(Neighbourhood, ASourceThatIsTakenAwayIsReleasedWhereverItWas) {
  const TransportAddress source = source_at(2);
  const FlowComponent first = secret_at(0);
  const FlowComponent second = secret_at(1);
  add_flow(0, kFlow, first);
  add_flow(1, MediaId{5}, second);
  probe(source, first, 1);
  probe(source, second, 1);
  EXPECT_TRUE(cores[1].events.empty()) << "challenged";
  const auto challenged = parse_confirmation(sent_to(source).back());
  ASSERT_TRUE(challenged);
  ASSERT_EQ(challenged->status, ConfirmationStatus::Challenged);
  probe(source, second, 2, challenged->challenge);
  EXPECT_EQ(cores[1].events.size(), 1U);
  receive(2, source, rtp(1));
  deliver();
  EXPECT_EQ(cores[1].relay.count(MediaId{5}, now)->components[0].packets_in, 1U);
  EXPECT_EQ(cores[0].relay.count(kFlow, now)->components[0].packets_in, 0U);
  // The first one is bound nowhere: it needs an echo to come back.
  probe(source, first, 2);
  EXPECT_EQ(cores[0].events.size(), 1U);
}

TEST_F(Neighbourhood, EndsOfDifferentCoresAreJoinedByStandIns) {
  add_port(0, kPort, kPortSocket, kFar);
  const TransportAddress near{IpAddress::v4({10, 0, 0, 5}), 4000};
  add_port(1, kFlow, SocketId{8}, near);
  cores[0].relay.stand_in(kFlow, 1);
  cores[1].relay.stand_in(kPort, 0);
  for (Core core = 0; core < 2; ++core) cores.at(core).relay.join(kFlow, kPort);
  receive(1, near, rtp(1), SocketId{8});
  receive(0, kFar, rtp(2), kPortSocket);
  deliver();
  EXPECT_EQ(sent_to(kFar), std::vector<Buffer>{rtp(1)});
  EXPECT_EQ(sent_to(near), std::vector<Buffer>{rtp(2)});
  EXPECT_EQ(cores[0].relay.ends(), 1U) << "who stands in is no end";
  EXPECT_FALSE(cores[0].relay.count(kFlow, now));
  cores[0].relay.leave(kPort);
  cores[0].relay.join(kPort, kFlow);
  receive(0, kFar, rtp(3), kPortSocket);
  EXPECT_EQ(cores[0].relay.totals().dropped(Drop::Unjoined), 1U) << "it has gone with the join";
}

// With what waits in it, what it has counted, and its binding; and back.
TEST_F(Neighbourhood, APairIsHandedOverWithAllThatItIs) {
  const TransportAddress source = source_at(1);
  const FlowComponent secret = secret_at(0);
  add_flow(0, kFlow, secret);
  add_port(0, kPort, kPortSocket, kFar);
  cores[0].relay.join(kFlow, kPort);
  receive(0, kFar, rtp(100), kPortSocket);  // it waits for the flow to be bound
  EXPECT_EQ(cores[0].relay.totals().waiting, 1U);

  const std::array<MediaId, 2> both{kFlow, kPort};
  cores[2].relay.put(cores[0].relay.take(both, 2, now), now);
  deliver();
  EXPECT_EQ(cores[0].relay.ends(), 0U);
  EXPECT_EQ(cores[2].relay.ends(), 2U);
  EXPECT_EQ(cores[2].relay.totals().waiting, 1U);
  probe(source, secret, 1);  // by way of where it began
  EXPECT_EQ(cores[2].events.back().second.kind, EventKind::FlowBound);
  ASSERT_EQ(sent_to(source).size(), 2U);
  EXPECT_EQ(sent_to(source).back(), rtp(100)) << "behind the confirmation";

  // To where it lands, while a packet is under way to where it was.
  receive(1, source, rtp(1));
  Relay::Moving moving = cores[2].relay.take(both, 1, now);
  receive(1, source, rtp(2));
  const TestCore::Passed first = cores[1].passed.front();
  EXPECT_EQ(first.to, 2);
  cores[1].relay.put(std::move(moving), now);
  deliver();
  receive(1, source, rtp(3));
  EXPECT_TRUE(cores[1].passed.empty()) << "at home";
  receive(1, kFar, rtp(101), kPortSocket);
  EXPECT_EQ(sent_to(kFar).size(), 3U);
  EXPECT_EQ(sent_to(source).back(), rtp(101));
  const Counts counts = *cores[1].relay.count(kPort, now);
  EXPECT_EQ(counts.components[0].packets_in, 2U);
  EXPECT_EQ(counts.components[0].packets_out, 3U);

  // Another source, another core: it moves only with an echo, as ever.
  const TransportAddress moved_to = source_at(0);
  probe(moved_to, secret, 2);
  const auto challenged = parse_confirmation(sent_to(moved_to).back());
  ASSERT_TRUE(challenged && challenged->status == ConfirmationStatus::Challenged);
  cores[0].relay.put(cores[1].relay.take(both, 0, now), now);
  deliver();
  probe(moved_to, secret, 3, challenged->challenge);
  EXPECT_EQ(cores[0].events.back().second.kind, EventKind::FlowMoved)
      << "a challenge of one core's is good at another";
  receive(0, moved_to, rtp(4));
  EXPECT_EQ(sent_to(kFar).back(), rtp(4));
  // Nothing is left where it was.
  now += seconds{2};
  cores[0].relay.close(kFlow);
  deliver();
  receive(1, source, rtp(5));
  deliver();
  EXPECT_EQ(totals().dropped(Drop::UnknownSource), 1U);
}

TEST_F(Neighbourhood, AProbingFlowGoesOnProbingElsewhere) {
  const FlowComponent secret = new_flow_component(random);
  FlowSpec spec;
  spec.end = FlowEnd::Probing;
  spec.components = {secret};
  spec.server = {kFar};
  const std::array<SocketId, 1> sockets{SocketId{8}};
  ASSERT_TRUE(cores[0].relay.add_flow(kFlow, spec, sockets));
  cores[0].relay.probe(kFlow, now);
  cores[0].relay.on_time(now, cores[0]);
  EXPECT_EQ(cores[0].relay.totals().probes_sent, 1U);
  const std::array<MediaId, 1> one{kFlow};
  cores[1].relay.put(cores[0].relay.take(one, 1, now), now);
  EXPECT_FALSE(cores[0].relay.next_deadline());
  ASSERT_TRUE(cores[1].relay.next_deadline());
  now = *cores[1].relay.next_deadline();
  cores[1].relay.on_time(now, cores[1]);
  EXPECT_EQ(cores[1].relay.totals().probes_sent, 1U);
  const Buffer answer = to_buffer(
      encode(Confirmation{.status = ConfirmationStatus::Bound, .token = secret.token, .counter = 2},
             secret.key, tags));
  receive(1, kFar, answer, SocketId{8});
  EXPECT_EQ(cores[1].events.back().second.kind, EventKind::FlowBound);
}

}  // namespace
}  // namespace sallyport::media::test
