// What strangers, eavesdroppers and other agents may try, and what it gets them: nothing.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "media/datagram_type.h"
#include "media/test_call.h"

namespace sallyport::media {
namespace {

using std::chrono::seconds;
using test::at;
using test::Call;
using test::Host;
using test::rtp;
using test::Terminal;
using test::World;

const TransportAddress kX = at("198.51.100.1:2776");

bool is_probe(Bytes datagram) { return datagram.front() == 8; }

// Mallory sees everything that Alice's agent sends, and sends what she likes.
struct Attack : testing::Test {
  World world;
  Call call{world};
  Terminal mallory{world, at("192.0.2.66:6666")};

  void talk_for(Duration how_long) {
    const auto packets = static_cast<std::uint32_t>(how_long / milliseconds{20});
    call.alice.talk(call.agent_rtp, 0, packets);
    call.bob.talk(call.server_rtp, 100000, packets);
    world.run_for(how_long + milliseconds{60});  // and what is under way arrives
  }
};

TEST_F(Attack, GuessedTokensAndKeysCaptureNoFlow) {
  talk_for(seconds{1});
  TagMaker tags;
  for (int i = 0; i < 1000; ++i) {
    FlowComponent guess = new_flow_component(world.random);
    if (i % 2 == 0) guess.token = call.secrets[0].token;  // even if the token is known
    mallory.send(kX,
                 encode(Probe{.token = guess.token, .counter = 1000U + static_cast<unsigned>(i)},
                        guess.key, tags));
  }
  talk_for(seconds{1});
  EXPECT_TRUE(mallory.heard.empty());
  EXPECT_EQ(call.alice.heard.size(), 100U);
  EXPECT_EQ(call.server.relay.totals().dropped(Drop::UnknownToken), 500U);
  EXPECT_EQ(call.server.relay.totals().dropped(Drop::BadTag), 500U);
  EXPECT_EQ(call.server.count(EventKind::FlowMoved), 0U);
}

TEST_F(Attack, ReplayedProbesCaptureNoFlow) {
  std::vector<Buffer> recorded;
  world.tap = [&](const TransportAddress&, const TransportAddress& to, Bytes datagram) {
    if (to == kX && is_probe(datagram)) recorded.push_back(to_buffer(datagram));
    return true;
  };
  talk_for(seconds{1});
  call.agent.relay.probe(MediaId{1}, world.now);
  world.run_for(milliseconds{200});
  world.tap = {};
  ASSERT_FALSE(recorded.empty());
  for (int round = 0; round < 10; ++round)
    for (const Buffer& probe : recorded) mallory.send(kX, probe);
  call.alice.heard.clear();
  talk_for(seconds{1});
  EXPECT_EQ(call.alice.heard.size(), 50U);
  EXPECT_EQ(call.server.count(EventKind::FlowMoved), 0U);
  for (const Buffer& heard : mallory.heard)
    EXPECT_EQ(heard.front(), static_cast<std::uint8_t>(DatagramType::Confirmation))
        << "a challenge, but no media";
}

// She copies every probe, and her copies always arrive first.
TEST_F(Attack, CopiedProbesHoldNoFlow) {
  world.tap = [&](const TransportAddress& from, const TransportAddress& to, Bytes datagram) {
    if (to != kX || !is_probe(datagram) || from == mallory.address) return true;
    call.server.receive(call.x, mallory.address, datagram);  // faster than any network
    return true;
  };
  talk_for(seconds{4});
  // She had the flow until the genuine probe was challenged and its echo arrived: one round trip.
  EXPECT_LE(mallory.heard.size(), 10U);
  EXPECT_GE(call.alice.heard.size(), 190U);
  EXPECT_GE(call.bob.heard.size(), 190U);
  const std::size_t before = mallory.heard.size();
  talk_for(seconds{4});
  std::size_t media = 0;
  for (std::size_t i = before; i < mallory.heard.size(); ++i)
    media += mallory.heard[i].front() == 0x80 ? 1 : 0;
  EXPECT_EQ(media, 0U);
}

TEST_F(Attack, ProbesWithASpoofedSourceDoNotMoveAFlow) {
  std::vector<Buffer> recorded;
  world.tap = [&](const TransportAddress&, const TransportAddress& to, Bytes datagram) {
    if (to == kX && is_probe(datagram)) {
      recorded.push_back(to_buffer(datagram));
      return recorded.size() < 2;  // the second is stopped on its way, and used
    }
    return true;
  };
  call.alice.talk(call.agent_rtp, 0, 1);
  world.run_for(seconds{12});  // a keepalive
  world.tap = {};
  ASSERT_GE(recorded.size(), 2U);
  const TransportAddress victim = at("192.0.2.200:53");
  Terminal flooded{world, victim};
  for (int i = 0; i < 100; ++i) world.inject(victim, kX, recorded[1]);
  talk_for(seconds{1});
  EXPECT_LE(flooded.heard.size(), 1U) << "one challenge";
  EXPECT_EQ(call.alice.heard.size(), 50U);
}

TEST_F(Attack, DataFromUnknownSourcesIsNeverRelayed) {
  talk_for(seconds{1});
  const std::size_t bob_heard = call.bob.heard.size();
  for (std::uint32_t i = 0; i < 100; ++i) {
    mallory.send(kX, rtp(666));
    mallory.send({kX.ip, 2777}, rtp(666));
    mallory.send(call.server_rtp, rtp(666));
    world.inject(mallory.address, at("203.0.113.7:20000"), rtp(666));  // the NAT keeps this out
  }
  world.run_for(milliseconds{100});
  for (const Buffer& heard : call.bob.heard) EXPECT_NE(heard, rtp(666));
  for (const Buffer& heard : call.alice.heard) EXPECT_NE(heard, rtp(666));
  EXPECT_EQ(call.bob.heard.size(), bob_heard);
  EXPECT_EQ(call.server.relay.totals().dropped(Drop::UnknownSource), 200U);
  EXPECT_EQ(call.server.relay.totals().dropped(Drop::WrongSource), 100U);
}

TEST_F(Attack, DataReachesTheProbingEndFromItsServerOnly) {
  talk_for(seconds{1});
  call.agent.receive(SocketId{2}, mallory.address, rtp(666));  // there is no NAT here
  EXPECT_EQ(call.agent.relay.totals().dropped(Drop::WrongSource), 1U);
  world.run_for(milliseconds{100});
  EXPECT_EQ(call.alice.heard.size(), 50U);
}

TEST_F(Attack, ForgedAndReplayedConfirmationsConfirmNothing) {
  std::vector<Buffer> confirmations;
  world.tap = [&](const TransportAddress& from, const TransportAddress&, Bytes datagram) {
    if (from != kX || datagram.front() != 9) return true;
    confirmations.push_back(to_buffer(datagram));
    return confirmations.size() == 1;
  };
  talk_for(seconds{1});
  ASSERT_EQ(call.agent.count(EventKind::FlowBound), 1U);
  world.tap = [&](const TransportAddress&, const TransportAddress& to, Bytes datagram) {
    return !(to == kX && is_probe(datagram));  // UDP to the server is blocked from now on
  };
  world.run_for(milliseconds{500});
  call.agent.relay.path_changed(world.now);
  world.run_for(milliseconds{100});
  // Whoever blocks it plays back what the server once said, and what it never said.
  TagMaker tags;
  for (std::uint64_t counter = 0; counter < 30; ++counter)
    call.agent.receive(
        SocketId{2}, kX,
        encode(Confirmation{.token = call.secrets[0].token, .counter = counter}, FlowKey{}, tags));
  for (const Buffer& old : confirmations) call.agent.receive(SocketId{2}, kX, old);
  world.run_for(seconds{15});
  EXPECT_EQ(call.agent.count(EventKind::Unconfirmed), 1U);
}

TEST_F(Attack, AnotherAgentCannotTakeAFlowsSourceBySpoofingIt) {
  talk_for(seconds{1});
  const FlowComponent own = new_flow_component(world.random);  // an agent, but not a good one
  FlowSpec spec;
  spec.components = {own};
  ASSERT_TRUE(call.server.relay.add_flow(MediaId{50}, spec, {}));
  Host& server = call.server;
  const std::vector<SocketId> port{server.open(at("198.51.100.1:30050"))};
  ASSERT_TRUE(server.relay.add_port(MediaId{51}, port, 46));
  server.relay.set_remote(MediaId{51}, {{mallory.address}}, world.now);
  server.relay.join(MediaId{50}, MediaId{51});
  TagMaker tags;
  for (std::uint64_t counter = 1; counter < 20; ++counter)
    world.inject(at("203.0.113.7:20000"), kX,
                 encode(Probe{.token = own.token, .counter = counter}, own.key, tags));
  const std::size_t before = call.bob.heard.size();
  talk_for(seconds{1});
  EXPECT_EQ(call.bob.heard.size(), before + 50);
  EXPECT_TRUE(mallory.heard.empty());
}

// Everything that X can be made to say to a stranger, octet for octet against what made it.
TEST_F(Attack, NoAnswerIsLargerOrMoreFrequentThanWhatCausedIt) {
  talk_for(seconds{1});
  std::vector<Buffer> seen;
  world.tap = [&](const TransportAddress&, const TransportAddress& to, Bytes datagram) {
    if (to == kX) seen.push_back(to_buffer(datagram));
    return true;
  };
  talk_for(seconds{12});
  world.tap = {};
  std::size_t answered = 0;
  for (int i = 0; i < 20000; ++i) {
    Buffer datagram;
    if (i % 3 == 0) {
      datagram = seen[world.random.below(seen.size())];
    } else {
      datagram.resize(world.random.below(80));
      world.random.fill(datagram);
      if (!datagram.empty() && i % 3 == 1)
        datagram[0] = static_cast<std::uint8_t>(4 + world.random.below(12));
    }
    if (!datagram.empty() && world.random.below(2) == 0)
      datagram.resize(1 + world.random.below(datagram.size()));
    const TransportAddress source{mallory.address.ip,
                                  static_cast<std::uint16_t>(1 + world.random.below(60000))};
    Terminal victim{world, source};
    call.server.receive(call.x, source, datagram);
    world.run_for(milliseconds{11});
    ASSERT_LE(victim.heard.size(), 1U);
    if (victim.heard.empty()) continue;
    ++answered;
    ASSERT_LE(victim.heard.front().size(), datagram.size());
    world.listen(source, [](const TransportAddress&, Bytes, Ecn) {});
  }
  EXPECT_GT(answered, 100U) << "or this test has tested nothing";
}

TEST_F(Attack, UnknownSourcesAreAskedToProbeAtAStrictRate) {
  for (int i = 0; i < 5000; ++i) {
    call.server.receive(call.x, mallory.address, rtp(1));
    world.run_for(milliseconds{1});
  }
  EXPECT_EQ(call.server.relay.totals().probe_pleases_sent, 10U) << "twice a second";
}

TEST_F(Attack, TwoServersDoNotAnswerEachOtherForEver) {
  Host other{world};
  const TransportAddress x2 = at("198.51.100.2:2776");
  other.serve(x2);
  world.inject(x2, kX, rtp(1));
  world.run_for(seconds{10});
  EXPECT_EQ(call.server.relay.totals().received, 1U);
  EXPECT_EQ(other.relay.totals().received, 1U);
}

TEST_F(Attack, ProbePleaseMakesAnAgentProbeAtMostTwiceASecond) {
  talk_for(seconds{1});
  const std::uint64_t before = call.agent.relay.totals().probes_sent;
  const Buffer please = to_buffer(Bytes{encode_probe_please()});
  for (int i = 0; i < 2000; ++i)
    world.at_time(world.now + milliseconds{i}, [&] {
      call.agent.receive(SocketId{2}, kX, please);  // from the server, as it seems
    });
  talk_for(seconds{2});
  // Each round may take two probes (0 and 20 ms) until it is confirmed.
  EXPECT_LE(call.agent.relay.totals().probes_sent - before, 2U * 5U);
  EXPECT_EQ(call.alice.heard.size(), 150U);
}

TEST_F(Attack, AFloodOfGarbageChangesNothingForACall) {
  talk_for(seconds{1});
  call.alice.heard.clear();
  call.bob.heard.clear();
  for (int ms = 0; ms < 1000; ++ms)
    world.at_time(world.now + milliseconds{ms}, [&] {
      for (int i = 0; i < 100; ++i) {
        Buffer garbage(1 + world.random.below(200));
        world.random.fill(garbage);
        const TransportAddress source{IpAddress::v4({192, 0, 2, static_cast<std::uint8_t>(i)}),
                                      static_cast<std::uint16_t>(1 + world.random.below(65000))};
        call.server.receive(i % 2 == 0 ? call.x : call.y, source, garbage);
      }
    });
  talk_for(seconds{1});
  EXPECT_EQ(call.alice.heard.size(), 50U);
  EXPECT_EQ(call.bob.heard.size(), 50U);
  EXPECT_LE(call.server.relay.totals().probe_pleases_sent, 2000U);
}

TEST(HoldingRoom, IsBoundedForAllFlowsTogether) {
  World world;
  RelayOptions options;
  options.holding_slots = 10;
  Host host{world, options};
  host.serve(kX);
  std::uint64_t id = 0;
  for (int i = 0; i < 20; ++i) {
    FlowSpec spec;
    spec.components = {new_flow_component(world.random)};
    ASSERT_TRUE(host.relay.add_flow(MediaId{++id}, spec, {}));
    const TransportAddress own{IpAddress::v4({198, 51, 100, 1}),
                               static_cast<std::uint16_t>(30000 + i)};
    const std::vector<SocketId> sockets{host.open(own)};
    ASSERT_TRUE(host.relay.add_port(MediaId{++id}, sockets, 46));
    const TransportAddress remote = at("192.0.2.9:7000");
    host.relay.set_remote(MediaId{id}, {{remote}}, world.now);
    host.relay.join(MediaId{id - 1}, MediaId{id});
    for (std::uint32_t n = 0; n < 4; ++n) host.receive(sockets[0], remote, rtp(n));
  }
  EXPECT_EQ(host.relay.totals().waiting, 10U);
  EXPECT_EQ(host.relay.totals().dropped(Drop::NoRoom), 70U);
  world.run_for(milliseconds{100});
  EXPECT_EQ(host.relay.totals().waiting, 0U);
  host.expect_balance();
}

}  // namespace
}  // namespace sallyport::media
