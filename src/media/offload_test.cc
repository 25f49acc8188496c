#include "media/offload.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

#include "media/test_call.h"
#include "media/test_tagged_call.h"

namespace sallyport::media {
namespace {

using test::at;
using test::Call;
using test::Host;
using test::rtp;
using test::Terminal;
using test::World;

// Takes what it is given, and relays what the test says.
class FakePath final : public FastPath {
 public:
  bool offload(Place place, const FastRule& rule) override {
    ++offers;
    if (declines) return false;
    EXPECT_TRUE(rules.emplace(place, rule).second) << "the place is not free";
    return true;
  }
  void unload(Place place) override { EXPECT_EQ(rules.erase(place), 1U); }
  FastCount read(Place place) const override {
    const auto it = counts.find(place);
    return it == counts.end() ? FastCount{} : it->second;
  }
  void set_clock(Place place, const RtpClock& clock) override {
    EXPECT_TRUE(rules.contains(place));
    clocks[place] = clock;
  }
  void beat(TimePoint now) override { beats.push_back(now); }

  // The place of the rule that leads to `target`; there is one.
  Place toward(const TransportAddress& target) const {
    for (const auto& [place, rule] : rules)
      if (rule.target == target) return place;
    ADD_FAILURE() << "nothing is offloaded toward " << target.to_string();
    return 0;
  }
  void relays(Place place, std::uint64_t packets, TimePoint now) {
    counts[place].packets += packets;
    counts[place].octets += packets * 172;
    counts[place].last = now;
  }
  // As the kernel does: it looks at the packet, too.
  void relays(Place place, Bytes packet, TimePoint now) {
    relays(place, 1, now);
    const auto at = static_cast<std::uint64_t>(now.time_since_epoch().count());
    sallyport_rtp_any(&counts[place].stream, at);
    sallyport_rtp_header(&counts[place].stream, packet.data(), at);
  }

  bool declines = false;
  unsigned offers = 0;
  std::map<Place, FastRule> rules;
  std::map<Place, FastCount> counts;
  std::map<Place, RtpClock> clocks;
  std::vector<TimePoint> beats;
};

// A call with enough packets both ways that what can be offloaded is.
struct Established {
  explicit Established(bool at_agent = false)
      : call(world, 2, at_agent ? &path : nullptr, at_agent ? nullptr : &path) {
    talk(Offload::kFirstPackets + 5);
  }
  void talk(std::uint32_t packets) {
    call.alice.talk(call.agent_rtp, 0, packets);
    call.bob.talk(call.server_rtp, 1000, packets);
    world.run_for(milliseconds{20} * packets + milliseconds{50});
  }
  TransportAddress alices_source() const {
    for (const auto& [id, event] : call.server.events)
      if (event.kind == EventKind::FlowBound) return event.source;
    return {};
  }

  FakePath path;
  World world;
  Call call;
};

TEST(Offload, TakesBothDirectionsOfAnEstablishedCallAtTheServer) {
  Established it;
  ASSERT_EQ(it.path.rules.size(), 2U) << "RTP both ways, and no RTCP";
  const FastRule out = it.path.rules.at(it.path.toward(it.call.bob.address));
  EXPECT_EQ(out.in, it.call.x);
  EXPECT_EQ(out.source, it.alices_source());
  EXPECT_EQ(out.dscp, 46);
  const FastRule in = it.path.rules.at(it.path.toward(it.alices_source()));
  EXPECT_EQ(in.in, out.out);
  EXPECT_EQ(in.source, it.call.bob.address);
  EXPECT_EQ(in.out, it.call.x);
  EXPECT_EQ(it.path.offers, 2U) << "each is offered once";
}

TEST(Offload, LeavesTheFirstPacketsToTheRelay) {
  FakePath path;
  World world;
  Call call{world, 2, nullptr, &path};
  call.alice.talk(call.agent_rtp, 0, Offload::kFirstPackets - 1);
  world.run_for(milliseconds{500});
  EXPECT_EQ(path.offers, 0U);
  call.alice.talk(call.agent_rtp, 100, 1);
  world.run_for(milliseconds{100});
  EXPECT_EQ(path.offers, 1U);
}

TEST(Offload, WhatTheFastPathRelaysIsCountedAsTheRelaysOwn) {
  Established it;
  const Counts before = *it.call.server.relay.count(MediaId{1}, it.world.now);
  const Totals totals = it.call.server.relay.totals();
  it.path.relays(it.path.toward(it.call.bob.address), 500, it.world.now);
  it.path.relays(it.path.toward(it.alices_source()), 300, it.world.now);
  it.world.run_for(Offload::kTick);
  const Totals& after = it.call.server.relay.totals();
  EXPECT_EQ(after.received, totals.received + 800);
  EXPECT_EQ(after.relayed, totals.relayed + 800);
  EXPECT_EQ(after.fast, 800U);
  const Counts flow = *it.call.server.relay.count(MediaId{1}, it.world.now);
  EXPECT_EQ(flow.components[0].packets_in, before.components[0].packets_in + 500);
  EXPECT_EQ(flow.components[0].octets_in,
            before.components[0].octets_in + std::uint64_t{500} * 172);
  EXPECT_EQ(flow.components[0].packets_out, before.components[0].packets_out + 300);
  EXPECT_EQ(flow.components[1].packets_in, before.components[1].packets_in);
  EXPECT_EQ(flow.components[1].packets_out, before.components[1].packets_out);
  const Counts port = *it.call.server.relay.count(MediaId{2}, it.world.now);
  EXPECT_EQ(port.components[0].packets_in, flow.components[0].packets_out);
  EXPECT_EQ(port.components[0].packets_out, flow.components[0].packets_in);
}

TEST(Offload, CountsAreUpToDateWhenTheyAreAskedFor) {
  Established it;
  const std::uint64_t before =
      it.call.server.relay.count(MediaId{2}, it.world.now)->components[0].packets_out;
  it.path.relays(it.path.toward(it.call.bob.address), 7, it.world.now);
  EXPECT_EQ(it.call.server.relay.count(MediaId{2}, it.world.now)->components[0].packets_out,
            before + 7);
}

TEST(Offload, WhatTheFastPathRelayedIsNeitherSilenceNorLoss) {
  Established it;
  const FastPath::Place out = it.path.toward(it.call.bob.address);
  for (int i = 0; i < 50; ++i) {
    it.world.run_for(milliseconds{100});
    it.path.relays(out, 5, it.world.now);
  }
  Relay& relay = it.call.server.relay;
  const Quality during = relay.count(MediaId{1}, it.world.now)->components[0].in;
  EXPECT_EQ(during.silence, Duration::zero());
  it.call.server.relay.leave(MediaId{1});
  relay.join(MediaId{1}, MediaId{2});
  it.call.alice.talk(it.call.agent_rtp, 265, 5);
  it.world.run_for(milliseconds{200});
  const Quality after = relay.count(MediaId{1}, it.world.now)->components[0].in;
  EXPECT_EQ(after.rtp_packets, during.rtp_packets + 5);
  EXPECT_EQ(after.lost, 0U);
  EXPECT_EQ(after.pauses, 0U);
}

// What the fast path has found out of a stream is part of what is known of it.
TEST(Offload, LossIsKnownOfWhatTheFastPathRelays) {
  Established it;
  const FastPath::Place out = it.path.toward(it.call.bob.address);
  EXPECT_EQ(it.path.rules.at(out).clock, RtpClock{}) << "after ten packets nobody knows it";
  const auto quality = [&] {
    return it.call.server.relay.count(MediaId{1}, it.world.now)->components[0].in;
  };
  const Quality before = quality();
  for (std::uint32_t n = 100; n < 300; ++n) {
    it.world.run_for(milliseconds{20});
    if (n % 50 == 7) continue;  // lost
    it.path.relays(out, rtp(n), it.world.now);
    if (n % 50 == 9) it.path.relays(out, rtp(n), it.world.now);
  }
  const Quality after = quality();
  EXPECT_EQ(after.lost, before.lost + 4);
  EXPECT_EQ(after.duplicates, before.duplicates + 4);
  EXPECT_EQ(after.rtp_packets, before.rtp_packets + 200);
  EXPECT_EQ(after.largest_gap, milliseconds{40});
  EXPECT_EQ(after.clock_rate, 8000U) << "found out from what it has seen";
  EXPECT_EQ(it.path.clocks.at(out), (RtpClock{.tick = 125000 * 256, .payload_type = 0}));
  EXPECT_EQ(quality().lost, after.lost) << "nothing is counted twice";
}

TEST(Offload, TheClockThatIsKnownIsToldToTheFastPath) {
  Established it;
  it.call.server.relay.leave(MediaId{1});
  it.call.server.relay.join(MediaId{1}, MediaId{2});
  it.path.declines = true;
  it.talk(100);
  it.call.server.relay.leave(MediaId{1});
  it.call.server.relay.join(MediaId{1}, MediaId{2});
  it.path.declines = false;
  it.talk(20);
  EXPECT_EQ(it.path.rules.at(it.path.toward(it.call.bob.address)).clock.tick, 125000U * 256U);
}

// Whatever it leaves to the relay it takes for lost.
TEST(Offload, WhatTheFastPathLeavesToTheRelayIsNoLoss) {
  Established it;
  const FastPath::Place out = it.path.toward(it.call.bob.address);
  const auto lost = [&] {
    return it.call.server.relay.count(MediaId{1}, it.world.now)->components[0].in.lost;
  };
  const std::uint64_t before = lost();
  for (std::uint32_t n = 100; n < 110; ++n) {
    it.path.relays(out, rtp(2 * n), it.world.now);
    it.call.alice.talk(it.call.agent_rtp, 2 * n + 1, 1);
    it.world.run_for(milliseconds{40});
  }
  EXPECT_EQ(lost(), before);
  EXPECT_TRUE(it.path.rules.contains(out));
}

TEST(Offload, ADirectionOfWhichTheFastPathLeavesMuchIsTakenBackForAWhile) {
  Established it;
  const FastPath::Place out = it.path.toward(it.call.bob.address);
  it.call.alice.talk(it.call.agent_rtp, 100, Offload::kMostStrays - 5);  // it had five already
  it.world.run_for(seconds{3});
  EXPECT_FALSE(it.path.rules.contains(out));
  EXPECT_EQ(it.path.rules.size(), 1U) << "the other direction stays";
  const unsigned offers = it.path.offers;
  it.call.alice.talk(it.call.agent_rtp, 300, Offload::kPacketsAfterRefusal - 1);
  it.world.run_for(seconds{22});
  EXPECT_EQ(it.path.offers, offers);
  it.call.alice.talk(it.call.agent_rtp, 2000, 1);
  it.world.run_for(seconds{1});
  EXPECT_EQ(it.path.offers, offers + 1);
}

// ---- Taken back ----

struct Change {
  const char* what;
  void (*make)(Established& it);
};
class OffloadChange : public testing::TestWithParam<Change> {};

TEST_P(OffloadChange, TakesBothDirectionsBackAndCountsTheLastPackets) {
  Established it;
  ASSERT_EQ(it.path.rules.size(), 2U);
  it.path.relays(it.path.toward(it.call.bob.address), 9, it.world.now);
  const Totals before = it.call.server.relay.totals();
  GetParam().make(it);
  EXPECT_TRUE(it.path.rules.empty());
  EXPECT_EQ(it.call.server.relay.totals().fast, before.fast + 9);
}

INSTANTIATE_TEST_SUITE_P(
    All, OffloadChange,
    testing::Values(
        Change{"SetRemote",
               [](Established& it) {
                 it.call.server.relay.set_remote(MediaId{2}, {{at("192.0.2.99:7000")}},
                                                 it.world.now);
               }},
        Change{"Leave", [](Established& it) { it.call.server.relay.leave(MediaId{1}); }},
        Change{"Close", [](Established& it) { it.call.server.relay.close(MediaId{2}); }},
        Change{"JoinElsewhere",
               [](Established& it) {
                 Host& server = it.call.server;
                 const std::vector<SocketId> sockets{server.open(at("198.51.100.1:31000"))};
                 ASSERT_TRUE(server.relay.add_port(MediaId{3}, sockets, 46));
                 server.relay.join(MediaId{1}, MediaId{3});
               }},
        Change{"ServerSocketRemoved",
               [](Established& it) { it.call.server.relay.remove_server_socket(it.call.x); }},
        Change{"PathChanged",
               [](Established& it) { it.call.server.relay.path_changed(it.world.now); }}),
    [](const auto& one) { return std::string{one.param.what}; });

TEST(Offload, AMovedFlowIsTakenBackAndOfferedFromItsNewSource) {
  Established it;
  const TransportAddress old = it.alices_source();
  it.call.nat->reboot(*IpAddress::parse("203.0.113.8"));
  it.talk(50);  // the relay's own packets; the agent notices the silence, and probes
  ASSERT_EQ(it.call.server.count(EventKind::FlowMoved), 1U);
  ASSERT_EQ(it.path.rules.size(), 2U);
  const FastRule out = it.path.rules.at(it.path.toward(it.call.bob.address));
  EXPECT_NE(out.source, old);
  EXPECT_EQ(out.source.ip, *IpAddress::parse("203.0.113.8"));
  EXPECT_EQ(it.path.rules.at(it.path.toward(out.source)).source, it.call.bob.address);
}

TEST(Offload, AReusedEndBeginsWithFirstPacketsAgain) {
  Established it;
  Relay& relay = it.call.server.relay;
  relay.leave(MediaId{1});
  relay.join(MediaId{1}, MediaId{2});
  const unsigned offers = it.path.offers;
  it.talk(Offload::kFirstPackets - 1);
  EXPECT_EQ(it.path.offers, offers);
  it.talk(1);
  EXPECT_EQ(it.path.offers, offers + 2);
}

// ---- Not given away ----

TEST(Offload, WhatIsDeclinedStaysWithTheRelayAndIsOfferedAgainMuchLater) {
  FakePath path;
  path.declines = true;
  World world;
  Call call{world, 2, nullptr, &path};
  const std::uint32_t packets = Offload::kFirstPackets + Offload::kPacketsAfterRefusal;
  call.alice.talk(call.agent_rtp, 0, packets - 1);
  world.run_for(milliseconds{20} * packets);
  EXPECT_EQ(path.offers, 1U);
  call.alice.talk(call.agent_rtp, packets, 1);
  world.run_for(milliseconds{100});
  EXPECT_EQ(path.offers, 2U);
  EXPECT_EQ(call.bob.heard.size(), packets);
  EXPECT_TRUE(path.beats.empty()) << "nothing is offloaded: nobody need know that the relay lives";
}

TEST(Offload, NothingIsOfferedTowardAPortWithoutATarget) {
  FakePath path;
  World world;
  Call call{world, 2, nullptr, &path};
  call.server.relay.set_remote(
      MediaId{2}, {{at("0.0.0.0:9"), at("0.0.0.0:9")}, Accept::FirstPlausible}, world.now);
  call.alice.talk(call.agent_rtp, 0, 30);
  world.run_for(milliseconds{800});
  EXPECT_EQ(path.offers, 0U);
}

TEST(Offload, NothingIsOfferedTowardAFlowThatIsNotBound) {
  FakePath path;
  World world;
  Call call{world, 2, nullptr, &path};
  call.bob.talk(call.server_rtp, 0, 30);
  world.run_for(milliseconds{800});
  EXPECT_EQ(path.offers, 0U);
}

TEST(Offload, NothingIsOfferedTowardAServerThatHasConfirmedNothing) {
  FakePath path;
  World world;
  Call call{world, 2, &path, nullptr};
  world.tap = [&](const TransportAddress& from, const TransportAddress&, Bytes) {
    return from.ip != at("198.51.100.1:1").ip;  // nothing comes back
  };
  call.alice.talk(call.agent_rtp, 0, 100);
  world.run_for(milliseconds{2100});
  EXPECT_EQ(path.offers, 0U);
}

TEST(Offload, OffersAreSpreadOverTime) {
  FakePath path;
  World world;
  Host host{world, {.fast_path = &path}};
  std::vector<TransportAddress> ports;
  constexpr std::uint32_t kCalls = Offload::kOffersAtOnce * 2;
  for (std::uint32_t i = 0; i < 2 * kCalls; ++i) {
    ports.push_back(
        {.ip = *IpAddress::parse("198.51.100.1"), .port = static_cast<std::uint16_t>(30000 + i)});
    const std::vector<SocketId> sockets{host.open(ports.back())};
    const MediaId id{i + 1};
    ASSERT_TRUE(host.relay.add_port(id, sockets, 46));
    host.relay.set_remote(id, {{{*IpAddress::parse("192.0.2.9"), ports.back().port}}}, world.now);
    if (i % 2 == 1) host.relay.join(MediaId{i}, id);
  }
  const auto all_send = [&](unsigned times) {
    for (unsigned n = 0; n < times; ++n)
      for (std::uint32_t i = 0; i < ports.size(); i += 2)
        host.receive(SocketId{i + 1}, {*IpAddress::parse("192.0.2.9"), ports[i].port}, rtp(n));
  };
  all_send(Offload::kFirstPackets);
  EXPECT_EQ(path.offers, Offload::kOffersAtOnce);
  world.run_for(milliseconds{1});
  all_send(1);
  EXPECT_EQ(path.offers, kCalls);
}

// ---- The tagged carriage ----

// Alice, behind an agent, bound or tagged, and Bob in the public network: both ends have fast
// paths.
struct TaggedCall {
  TaggedCall(const test::TaggedOptions& options, bool begins_tagged)
      : agent(world, server, 1, with_path(options)), alice(agent, 3, begins_tagged) {
    server.serve(agent.x());
    const std::array<SocketId, 1> outside{server.open(port)};
    EXPECT_TRUE(server.relay.add_port(MediaId{2}, outside, 46));
    server.relay.set_remote(MediaId{2}, {{bob.address}}, world.now);
    server.relay.join(MediaId{3}, MediaId{2});
    talk();
  }
  ~TaggedCall() { server.expect_balance(); }
  test::TaggedOptions with_path(test::TaggedOptions options) {
    options.fast_path = &at_agent;
    return options;
  }
  void talk() {
    constexpr std::uint32_t kEnough = 2 * Offload::kFirstPackets;
    alice.rtp_terminal.talk(alice.rtp_port, said, kEnough);
    bob.talk(port, 1000 + said, kEnough);
    said += kEnough;
    world.run_for(milliseconds{20} * kEnough + milliseconds{50});
  }
  void replace(MediaId by, MediaId by_at_agent, ReplaceStep step) {
    server.relay.replace(MediaId{3}, by, step);
    agent.host.relay.replace(alice.flow, by_at_agent, step);
  }

  FakePath at_agent, at_server;
  World world;
  Host server{world, {.fast_path = &at_server}};
  test::TaggedAgent agent;
  test::TaggedLeg alice;
  TransportAddress port = at("198.51.100.1:30000");
  Terminal bob{world, at("192.0.2.9:7000")};
  std::uint32_t said = 0;
};

TEST(Offload, WhatIsSealedIsNeverTaken) {
  TaggedCall it{{}, true};
  EXPECT_EQ(it.bob.heard.size(), it.said);
  EXPECT_EQ(it.at_agent.offers + it.at_server.offers, 0U);
}

TEST(Offload, WhatIsTaggedInClearIsTakenWithItsChannel) {
  TaggedCall it{{.sealed = false}, true};
  ASSERT_EQ(it.at_agent.rules.size(), 2U);
  ASSERT_EQ(it.at_server.rules.size(), 2U);
  const FastRule to_bob = it.at_server.rules.at(it.at_server.toward(it.bob.address));
  const Channel channel = to_bob.in_channel;
  EXPECT_TRUE(is_of_a_flow(channel));
  EXPECT_EQ(to_bob.out_channel, kNoChannel);
  const FastRule to_agent = it.at_server.rules.at(it.at_server.toward(to_bob.source));
  EXPECT_EQ(to_agent.in_channel, kNoChannel);
  EXPECT_EQ(to_agent.out_channel, channel);
  EXPECT_EQ(to_agent.out, to_bob.in);
  EXPECT_EQ(to_agent.longest, PathMtu::kBase - kPlainHeader) << "what is not cut in two";
  const FastRule to_server = it.at_agent.rules.at(it.at_agent.toward(it.agent.x()));
  EXPECT_EQ(to_server.out_channel, channel);
  const FastRule to_alice = it.at_agent.rules.at(it.at_agent.toward(it.alice.rtp_terminal.address));
  EXPECT_EQ(to_alice.in_channel, channel);
  EXPECT_EQ(to_alice.source, it.agent.x());
}

// What is put together, or made shorter, is the relay's to send.
TEST(Offload, WhatGoesIntoABundleIsNotTaken) {
  for (const test::TaggedOptions& options :
       {test::TaggedOptions{.sealed = false, .bundle = milliseconds{1}},
        test::TaggedOptions{.sealed = false, .compress = true}}) {
    TaggedCall it{options, true};
    for (const auto* path : {&it.at_agent, &it.at_server})
      for (const auto& [place, rule] : path->rules) EXPECT_EQ(rule.out_channel, kNoChannel);
    EXPECT_EQ(it.bob.heard.size(), it.said);
  }
}

TEST(Offload, ATrunkThatMovesTakesBackAllThatRidesOnIt) {
  TaggedCall it{{.sealed = false}, true};
  it.agent.nat->reboot(*IpAddress::parse("203.0.113.99"));
  it.agent.host.relay.path_changed(it.world.now);
  EXPECT_TRUE(it.at_agent.rules.empty());
  it.world.run_for(milliseconds{200});
  EXPECT_EQ(it.server.count(EventKind::FlowMoved), 1U);
  EXPECT_TRUE(it.at_server.rules.empty());
  it.talk();
  ASSERT_EQ(it.at_server.rules.size(), 2U);
  EXPECT_EQ(it.at_server.rules.at(it.at_server.toward(it.bob.address)).source.ip,
            *IpAddress::parse("203.0.113.99"));
}

TEST(Offload, ATrunkThatIsClosedTakesBackAllThatRidesOnIt) {
  TaggedCall it{{.sealed = false}, true};
  it.server.relay.close(it.agent.trunk_id());
  EXPECT_TRUE(it.at_server.rules.empty());
  it.agent.host.relay.set_remote(MediaId{1}, {{at("198.51.100.2:2776")}}, it.world.now);
  EXPECT_TRUE(it.at_agent.rules.empty());
}

TEST(Offload, ATrunkThatTheFastPathUsesIsNeitherSilentNorIdle) {
  TaggedCall it{{.sealed = false}, true};
  const std::uint64_t probes = it.agent.host.relay.totals().probes_sent;
  const FastPath::Place out = it.at_agent.toward(it.agent.x());
  const FastPath::Place in = it.at_agent.toward(it.alice.rtp_terminal.address);
  const auto trunk = [&] {
    return it.agent.host.relay.count(MediaId{1}, it.world.now)->components[0];
  };
  const ComponentCounts before = trunk();
  for (int i = 0; i < 95; ++i) {
    it.world.run_for(milliseconds{100});
    it.at_agent.relays(out, 5, it.world.now);
    it.at_agent.relays(in, 5, it.world.now);
  }
  it.world.run_for(milliseconds{100});
  EXPECT_EQ(it.agent.host.count(EventKind::Silent), 0U);
  EXPECT_LE(it.agent.host.relay.totals().probes_sent - probes, 1U) << "one to measure";
  EXPECT_GE(trunk().packets_in, before.packets_in + 475);
  EXPECT_EQ(trunk().octets_out - before.octets_out,
            (trunk().packets_out - before.packets_out) * (172 + kPlainHeader));
}

TEST(Offload, AChangeOfCarriageTakesBackFirst) {
  TaggedCall it{{}, false};
  ASSERT_EQ(it.at_agent.rules.size(), 2U);
  ASSERT_EQ(it.at_server.rules.size(), 2U);
  const MediaId tagged{4};
  const MediaId tagged_at_agent = it.alice.open_flow(tagged, true);
  it.replace(tagged, tagged_at_agent, ReplaceStep::Receive);
  EXPECT_EQ(it.at_agent.rules.size() + it.at_server.rules.size(), 0U);
  it.talk();
  EXPECT_EQ(it.at_server.rules.size(), 2U) << "the old flow still carries the call";
  it.replace(tagged, tagged_at_agent, ReplaceStep::Send);
  EXPECT_EQ(it.at_agent.rules.size() + it.at_server.rules.size(), 0U);
  it.talk();
  EXPECT_EQ(it.at_agent.rules.size() + it.at_server.rules.size(), 0U);
  EXPECT_EQ(it.bob.heard.size(), it.said);
  EXPECT_EQ(it.alice.rtp_terminal.heard.size(), it.said);
}

TEST(Offload, ACallThatIsBoundAgainIsOfferedAgain) {
  TaggedCall it{{}, true};
  const MediaId bound{4};
  const MediaId bound_at_agent = it.alice.open_flow(bound, false);
  it.agent.host.relay.probe(bound_at_agent, it.world.now);
  it.replace(bound, bound_at_agent, ReplaceStep::Receive);
  it.replace(bound, bound_at_agent, ReplaceStep::Send);
  it.talk();
  EXPECT_EQ(it.at_agent.rules.size(), 2U);
  EXPECT_EQ(it.at_server.rules.size(), 2U);
}

// ---- Time ----

TEST(Offload, TheRelaySaysThatItLivesWhileAnythingIsOffloaded) {
  Established it;
  it.path.beats.clear();
  it.world.run_for(seconds{1});
  EXPECT_EQ(it.path.beats.size(), 10U);
  it.call.server.relay.leave(MediaId{1});
  it.path.beats.clear();
  it.world.run_for(seconds{1});
  EXPECT_TRUE(it.path.beats.empty());
}

TEST(Offload, AFlowThatTheFastPathKeepsAliveIsProbedToMeasureItOnly) {
  Established it{true};
  ASSERT_EQ(it.path.rules.size(), 2U);
  const std::uint64_t probes = it.call.agent.relay.totals().probes_sent;
  const FastPath::Place out = it.path.toward(at("198.51.100.1:2776"));
  const FastPath::Place in = it.path.toward(it.call.alice.address);
  for (int i = 0; i < 300; ++i) {
    it.world.run_for(milliseconds{100});
    it.path.relays(out, 5, it.world.now);
    it.path.relays(in, 5, it.world.now);
  }
  EXPECT_EQ(it.call.agent.relay.totals().probes_sent, probes + 3) << "once in 10 s, in 30 s";
  EXPECT_EQ(it.call.agent.count(EventKind::Silent), 0U);
}

TEST(Offload, AFlowThatFallsSilentInTheFastPathIsProbed) {
  Established it{true};
  const std::uint64_t probes = it.call.agent.relay.totals().probes_sent;
  const FastPath::Place out = it.path.toward(at("198.51.100.1:2776"));
  const FastPath::Place in = it.path.toward(it.call.alice.address);
  it.path.relays(in, 5, it.world.now);
  for (int i = 0; i < 6; ++i) {
    it.path.relays(out, 5, it.world.now);
    it.world.run_for(milliseconds{100});
  }
  EXPECT_EQ(it.call.agent.count(EventKind::Silent), 1U);
  EXPECT_GT(it.call.agent.relay.totals().probes_sent, probes);
}

}  // namespace
}  // namespace sallyport::media
