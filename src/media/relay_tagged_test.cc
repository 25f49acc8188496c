// The tagged carriage between relays, in virtual time: every packet that is heard was said, octet
// for octet, in clear and sealed, over IPv4 and IPv6, whatever the path does; and what attackers
// send changes nothing.
#include <gtest/gtest.h>

#include "media/datagram_type.h"
#include "media/test_tagged_call.h"

namespace sallyport::media::test {
namespace {

enum class Shape : std::uint8_t {
  Public,
  Agents,
  Mixed
};  // Mixed: the other agent's flow is bound
enum class Weather : std::uint8_t { Clean, Loss, Reorder, Duplicate, Rebind, NewKeys, Change };

using Point = std::tuple<bool, bool, bool, Shape, bool, Weather>;

std::string name_of(const testing::TestParamInfo<Point>& info) {
  const auto [sealed, compress, bundled, shape, v6, weather] = info.param;
  std::string out = sealed ? "Sealed" : "Clear";
  if (compress) out += "Compressed";
  if (bundled) out += "Bundled";
  out += shape == Shape::Public ? "ToPublic" : shape == Shape::Agents ? "BetweenAgents" : "ToBound";
  out += v6 ? "V6" : "V4";
  constexpr std::array<const char*, 7> kWeather{"Clean",  "Loss",    "Reorder", "Duplicate",
                                                "Rebind", "NewKeys", "Change"};
  return out + kWeather.at(static_cast<std::size_t>(weather));
}

// Alice, behind an agent, talks to Bob, behind another one or in the public network.
struct Calls {
  explicit Calls(const TaggedOptions& o, Shape s = Shape::Public)
      : options(o), shape(s), agent(world, server, 1, o) {
    x = server.serve(agent.x());
    const bool v6 = options.v6;
    if (shape == Shape::Public) {
      server_rtp = at(v6 ? "[2001:db8::1]:30000" : "198.51.100.1:30000");
      server_rtcp = {server_rtp.ip, 30001};
      bob.emplace(world, at(v6 ? "[2001:db8:9::9]:7000" : "192.0.2.9:7000"));
      bob_rtcp.emplace(world, at(v6 ? "[2001:db8:9::9]:7001" : "192.0.2.9:7001"));
      const std::array<SocketId, 2> outside{server.open(server_rtp), server.open(server_rtcp)};
      EXPECT_TRUE(server.relay.add_port(MediaId{2}, outside, 46));
      server.relay.set_remote(MediaId{2}, {{bob->address, bob_rtcp->address}}, world.now);
    } else {
      other.emplace(world, server, 2, o);
      other_leg.emplace(*other, 2, shape == Shape::Agents);
    }
    alice.emplace(agent, 3);
    server.relay.join(alice->awaiting, MediaId{2});
  }
  ~Calls() { server.expect_balance(); }

  Terminal& far() { return other_leg ? other_leg->rtp_terminal : *bob; }
  Terminal& far_rtcp() { return other_leg ? other_leg->rtcp_terminal : *bob_rtcp; }
  TransportAddress far_port() const { return other_leg ? other_leg->rtp_port : server_rtp; }
  TransportAddress far_rtcp_port() const { return other_leg ? other_leg->rtcp_port : server_rtcp; }

  // Both talk for `count` packets, and send RTCP now and then.
  void talk(std::uint32_t count) {
    alice->rtp_terminal.talk(alice->rtp_port, said, count);
    far().talk(far_port(), kBob + said, count);
    for (std::uint32_t i = 0; i < count; i += 25)
      world.at_time(world.now + milliseconds{20} * i, [this, i] {
        alice->rtcp_terminal.send(alice->rtcp_port, rtcp(i));
        far_rtcp().send(far_rtcp_port(), rtcp(kBob + i));
      });
    said += count;
  }
  std::set<std::uint32_t> bob_heard() { return numbers(far().heard, rtp, 0, said); }
  std::set<std::uint32_t> alice_heard() {
    return numbers(alice->rtp_terminal.heard, rtp, kBob, said);
  }

  static constexpr std::uint32_t kBob = 1'000'000;
  TaggedOptions options;
  Shape shape;
  World world;
  Host server{world};
  TaggedAgent agent;
  SocketId x;
  TransportAddress server_rtp, server_rtcp;
  std::optional<Terminal> bob, bob_rtcp;
  std::optional<TaggedAgent> other;
  std::optional<TaggedLeg> other_leg, alice;
  std::uint32_t said = 0;
};

class TaggedMatrix : public testing::TestWithParam<Point> {};

TEST_P(TaggedMatrix, EveryPacketIsExact) {
  const auto [sealed, compress, bundled, shape, v6, weather] = GetParam();
  Calls call{{.sealed = sealed,
              .compress = compress,
              .bundle = bundled ? milliseconds{2} : Duration{},
              .v6 = v6},
             shape};
  World& world = call.world;
  switch (weather) {
    case Weather::Clean:
    case Weather::Rebind:
    case Weather::NewKeys:
    case Weather::Change:
      break;
    case Weather::Loss:
      world.loss_percent = 5;
      break;
    case Weather::Reorder:
      world.jitter = milliseconds{70};
      break;
    case Weather::Duplicate:
      world.duplicate_percent = 10;
      break;
  }
  constexpr std::uint32_t kPackets = 500;  // ten seconds
  call.talk(kPackets);
  world.run_for(seconds{3});
  const MediaId moved{7};
  MediaId moved_flow;
  switch (weather) {
    case Weather::Rebind:
      call.agent.nat->reboot(*IpAddress::parse(v6 ? "2001:db8:1::8" : "203.0.113.201"));
      break;
    case Weather::NewKeys:
      for (std::uint64_t connection = 2; connection < 8; ++connection) {
        call.agent.install_at_server(connection);
        world.run_for(milliseconds{15});
        call.agent.install_at_agent(connection);
        world.run_for(milliseconds{400});
      }
      break;
    case Weather::Change: {
      // To bound, and back again to tagged.
      moved_flow = call.alice->open_flow(moved, false);
      call.agent.host.relay.probe(moved_flow, world.now);
      call.server.relay.replace(call.alice->awaiting, moved, ReplaceStep::Receive);
      call.agent.host.relay.replace(call.alice->flow, moved_flow, ReplaceStep::Receive);
      world.run_for(milliseconds{100});
      call.server.relay.replace(call.alice->awaiting, moved, ReplaceStep::Send);
      world.run_for(milliseconds{15});
      call.agent.host.relay.replace(call.alice->flow, moved_flow, ReplaceStep::Send);
      world.run_for(seconds{2});
      call.server.relay.close(call.alice->awaiting);
      call.agent.host.relay.close(call.alice->flow);
      const MediaId back{8};
      const MediaId back_flow = call.alice->open_flow(back, true);
      call.server.relay.replace(moved, back, ReplaceStep::Receive);
      call.agent.host.relay.replace(moved_flow, back_flow, ReplaceStep::Receive);
      call.agent.host.relay.replace(moved_flow, back_flow, ReplaceStep::Send);
      world.run_for(milliseconds{15});
      call.server.relay.replace(moved, back, ReplaceStep::Send);
      break;
    }
    default:
      break;
  }
  world.run_for(seconds{10});

  const auto bob = call.bob_heard();
  const auto alice = call.alice_heard();
  const auto bob_rtcp = numbers(call.far_rtcp().heard, rtcp, 0, kPackets);
  const auto alice_rtcp = numbers(call.alice->rtcp_terminal.heard, rtcp, Calls::kBob, kPackets);
  switch (weather) {
    case Weather::Loss: {
      // Between agents the loss is there twice; compression may cost a packet for a lost reference.
      const std::size_t least = shape == Shape::Public ? 440 : 400;
      EXPECT_GT(bob.size(), least);
      EXPECT_GT(alice.size(), least);
      break;
    }
    case Weather::Rebind:
      EXPECT_GT(bob.size(), kPackets - 40);
      EXPECT_GT(alice.size(), kPackets - 40);
      EXPECT_TRUE(bob.contains(kPackets - 1));
      EXPECT_TRUE(alice.contains(Calls::kBob + kPackets - 1));
      break;
    case Weather::Reorder:
      // What overtook the first reference cannot be unpacked.
      EXPECT_GE(bob.size(), kPackets - (compress ? 8 : 0));
      EXPECT_GE(alice.size(), kPackets - (compress ? 8 : 0));
      break;
    default:
      EXPECT_EQ(bob.size(), kPackets);
      EXPECT_EQ(alice.size(), kPackets);
      EXPECT_EQ(bob_rtcp.size(), 20U);
      EXPECT_EQ(alice_rtcp.size(), 20U);
  }
  if (sealed && shape == Shape::Public && weather == Weather::Duplicate) {
    EXPECT_EQ(call.far().heard.size(), kPackets) << "what came twice is heard once";
    EXPECT_GT(call.server.relay.totals().dropped(Drop::Replayed), 10U);
  }
}

INSTANTIATE_TEST_SUITE_P(
    All, TaggedMatrix,
    testing::Combine(testing::Bool(), testing::Bool(), testing::Bool(),
                     testing::Values(Shape::Public, Shape::Agents, Shape::Mixed), testing::Bool(),
                     testing::Values(Weather::Clean, Weather::Loss, Weather::Reorder,
                                     Weather::Duplicate, Weather::Rebind, Weather::NewKeys,
                                     Weather::Change)),
    name_of);

// ---- Trunks ----

// Counts what passes between private and public network.
struct Tap {
  explicit Tap(Calls& call) {
    call.world.tap = [this, &call](const TransportAddress& from, const TransportAddress& to,
                                   Bytes datagram) {
      if (to != call.agent.x() && from != call.agent.x()) return true;
      const bool up = to == call.agent.x();
      if (is_sealed(datagram.front()) || datagram.front() == 4) {
        ++(up ? datagrams_up : datagrams_down);
        (up ? octets_up : octets_down) += datagram.size();
      }
      largest = std::max(largest, datagram.size());
      sources.insert(from);
      if (up) seen.emplace_back(from, to_buffer(datagram));
      return datagram.size() <= takes;
    };
  }
  std::size_t datagrams_up = 0, datagrams_down = 0, octets_up = 0, octets_down = 0;
  std::size_t largest = 0;
  std::size_t takes = 1472;
  std::set<TransportAddress> sources;
  std::vector<std::pair<TransportAddress, Buffer>> seen;  // toward the server
};

TEST(Trunk, ManyFlowsShareOneMappingAndOneBundle) {
  Calls call{{.bundle = milliseconds{8}}};
  std::vector<std::unique_ptr<TaggedLeg>> legs;
  std::vector<std::unique_ptr<Terminal>> far;
  for (std::uint64_t i = 0; i < 29; ++i) {
    legs.push_back(std::make_unique<TaggedLeg>(call.agent, 20 + i));
    const auto port = static_cast<std::uint16_t>(31000 + i * 2);
    far.push_back(std::make_unique<Terminal>(
        call.world, TransportAddress{*IpAddress::parse("192.0.2.10"), port}));
    const std::array<SocketId, 1> socket{
        call.server.open({*IpAddress::parse("198.51.100.1"), port})};
    ASSERT_TRUE(call.server.relay.add_port(MediaId{100 + i}, socket, 46));
    call.server.relay.set_remote(MediaId{100 + i}, {{far.back()->address}}, call.world.now);
    call.server.relay.join(legs.back()->awaiting, MediaId{100 + i});
  }
  call.world.run_for(seconds{1});
  Tap tap{call};
  for (std::size_t i = 0; i < legs.size(); ++i)
    call.world.at_time(call.world.now + milliseconds{call.world.random.below(20)},
                       [&legs, i] { legs[i]->rtp_terminal.talk(legs[i]->rtp_port, 0, 200); });
  call.world.run_for(seconds{5});
  for (const auto& one : far) EXPECT_EQ(numbers(one->heard, rtp, 0, 200).size(), 200U);
  std::set<TransportAddress> private_sources;
  for (const TransportAddress& source : tap.sources)
    if (source != call.agent.x()) private_sources.insert(source);
  EXPECT_EQ(private_sources.size(), 1U) << "one socket, one mapping";
  EXPECT_LT(tap.datagrams_up, 29 * 200 / 4);
  EXPECT_GT(tap.datagrams_up, 100U);
}

TEST(Trunk, APacketThatIsAloneCostsTwentyFourOctets) {
  Calls call{{}};
  call.talk(10);
  call.world.run_for(seconds{2});  // what the path takes is known by then
  Tap tap{call};
  call.alice->rtp_terminal.send(call.alice->rtp_port, rtp(0));
  call.world.run_for(seconds{1});
  EXPECT_EQ(tap.octets_up, rtp(0).size() + kSealedHeader + kSealTag);
}

Buffer g729(std::uint32_t number) {
  Buffer out = rtp(number);
  out.resize(32);
  return out;
}

TEST(Trunk, CompressionAndBundlingSaveBitsAndPackets) {
  // 30 calls with 20 octets of payload each 20 ms, of random phase; what the octets of IPv4 and UDP
  // add is counted.
  const auto run = [](const TaggedOptions& options) {
    Calls call{options};
    std::vector<std::unique_ptr<TaggedLeg>> legs;
    for (std::uint64_t i = 0; i < 30; ++i)
      legs.push_back(std::make_unique<TaggedLeg>(call.agent, 20 + i));
    // What happens once is over: the references are known, and what the path takes.
    for (const auto& leg : legs)
      for (std::uint32_t n = 0; n < 60; ++n)
        call.world.at_time(call.world.now + milliseconds{20} * n,
                           [&leg, n] { leg->rtp_terminal.send(leg->rtp_port, g729(n)); });
    call.world.run_for(seconds{2});
    Tap tap{call};
    for (std::size_t i = 0; i < legs.size(); ++i) {
      const auto phase = std::chrono::microseconds{call.world.random.below(20000)};
      for (std::uint32_t n = 0; n < 250; ++n)
        call.world.at_time(call.world.now + phase + milliseconds{20} * n, [&legs, i, n] {
          legs[i]->rtp_terminal.send(legs[i]->rtp_port, g729(60 + n));
        });
    }
    call.world.run_for(seconds{6});
    EXPECT_GE(call.server.relay.totals().received, 30U * 250U);
    return std::pair{tap.datagrams_up, tap.octets_up + tap.datagrams_up * 28};
  };
  constexpr double kPackets = 30 * 250;
  constexpr double kOctets = kPackets * (32 + 28);  // bound
  const auto two = run({.compress = true, .bundle = milliseconds{2}});
  EXPECT_LE(static_cast<double>(two.first), kPackets / 3);
  EXPECT_LE(static_cast<double>(two.second), kOctets * 0.65);
  const auto eight = run({.compress = true, .bundle = milliseconds{8}});
  EXPECT_LE(static_cast<double>(eight.first), kPackets / 10);
  EXPECT_LE(static_cast<double>(eight.second), kOctets * 0.5);
}

TEST(Trunk, ABundleWaitsNoLongerThanItsWindow) {
  Calls call{{.bundle = milliseconds{5}}};
  call.world.run_for(seconds{1});
  call.alice->rtp_terminal.send(call.alice->rtp_port, rtp(0));
  const TimePoint sent = call.world.now;
  call.said = 1;
  call.world.run_for(seconds{1});
  ASSERT_EQ(call.far().heard_at.size(), 1U);
  EXPECT_EQ(call.far().heard_at[0] - sent, milliseconds{5} + call.world.delay * 3);
}

Buffer large(std::uint32_t number) {
  Buffer out = rtp(number);
  out.resize(1440, static_cast<std::uint8_t>(number));
  return out;
}

TEST(Trunk, APacketThatIsTooLargeForThePathTravelsInTwoParts) {
  for (const bool bundled : {false, true}) {
    Calls call{{.bundle = bundled ? milliseconds{2} : Duration{}}};
    Tap tap{call};
    tap.takes = 1200;
    for (std::uint32_t n = 0; n < 50; ++n)
      call.world.at_time(call.world.now + milliseconds{200} + milliseconds{10} * n, [&call, n] {
        call.alice->rtp_terminal.send(call.alice->rtp_port, large(n));
        call.alice->rtcp_terminal.send(call.alice->rtcp_port, large(1000 + n));
      });
    call.world.run_for(seconds{5});
    EXPECT_EQ(numbers(call.far().heard, large, 0, 50).size(), 50U);
    EXPECT_EQ(numbers(call.far_rtcp().heard, large, 1000, 50).size(), 50U);
  }
}

TEST(Trunk, PartsThatAreLostOrReorderedSpoilNoOtherPacket) {
  Calls call{{}};
  Tap tap{call};
  tap.takes = 1300;
  call.world.loss_percent = 5;
  call.world.jitter = milliseconds{30};
  for (std::uint32_t n = 0; n < 500; ++n)
    call.world.at_time(call.world.now + milliseconds{200} + milliseconds{10} * n, [&call, n] {
      call.alice->rtp_terminal.send(call.alice->rtp_port, large(n));
    });
  call.world.run_for(seconds{8});
  EXPECT_GT(numbers(call.far().heard, large, 0, 500).size(), 150U);
  EXPECT_EQ(call.server.relay.totals().waiting, 0U) << "nothing waits for ever";
}

TEST(Trunk, FindsOutWhatThePathTakesAndWhenThatChanges) {
  Calls call{{}};
  Tap tap{call};
  tap.takes = 1460;
  call.talk(100);
  call.world.run_for(seconds{3});
  tap.largest = 0;
  const auto send_large = [&](std::uint32_t n) {
    Buffer packet = large(n);
    packet.resize(1300);
    call.alice->rtp_terminal.send(call.alice->rtp_port, packet);
  };
  const std::size_t before = tap.datagrams_up;
  send_large(1);
  call.world.run_for(milliseconds{200});
  EXPECT_EQ(tap.datagrams_up, before + 1) << "whole: 1452 octets are known to pass";
  tap.takes = 1250;
  for (std::uint32_t n = 0; n < 200; ++n) {
    send_large(n);
    call.world.run_for(milliseconds{100});
  }
  call.far().heard.clear();
  send_large(1);
  call.world.run_for(milliseconds{500});
  EXPECT_EQ(call.far().heard.size(), 1U) << "in two parts again";
}

TEST(Trunk, FirstPacketsWaitUntilItIsOpen) {
  for (const bool sealed : {false, true}) {
    Calls call{{.sealed = sealed}};  // the trunk's first probe is due now
    call.far().send(call.far_port(), rtp(Calls::kBob));
    call.alice->rtp_terminal.send(call.alice->rtp_port, rtp(0));
    call.said = 1;
    call.world.run_for(seconds{1});
    EXPECT_EQ(call.bob_heard().size(), 1U);
    EXPECT_EQ(call.alice_heard().size(), 1U);
  }
}

TEST(Trunk, AFlowWhoseTrunkIsClosedLeadsNowhere) {
  Calls call{{.bundle = milliseconds{2}}};
  call.world.run_for(seconds{1});
  call.talk(50);
  call.world.run_for(milliseconds{301});
  call.agent.host.relay.close(MediaId{1});
  call.server.relay.close(call.agent.trunk_id());
  call.world.run_for(seconds{2});
  EXPECT_GT(call.agent.host.relay.totals().dropped(Drop::NoRemote), 30U);
  EXPECT_LT(call.bob_heard().size(), 20U);
}

TEST(Trunk, ThatNothingRidesOnAnyMoreMayBeSilent) {
  Calls call{{}};
  call.talk(100);
  call.world.run_for(seconds{2});
  call.agent.host.relay.close(call.alice->flow);
  call.server.relay.close(call.alice->awaiting);
  const std::uint64_t probes = call.agent.host.relay.totals().probes_sent;
  call.world.run_for(seconds{25});
  EXPECT_EQ(call.agent.host.count(EventKind::Silent), 0U);
  // Two rounds keep it alive; each may have two probes, the answer being as late as the second. One
  // measures what was just in use.
  EXPECT_LE(call.agent.host.relay.totals().probes_sent - probes, 5U);
}

TEST(Trunk, ChannelsAreTakenOnceAndFreedWithTheirFlow) {
  Calls call{{}};
  FlowSpec spec;
  spec.trunk = call.agent.trunk_id();
  spec.channels = {call.agent.channel(500), call.agent.channel(501)};
  EXPECT_TRUE(call.server.relay.add_flow(MediaId{50}, spec, {}));
  spec.channels = {call.agent.channel(502), call.agent.channel(501)};
  EXPECT_EQ(call.server.relay.add_flow(MediaId{51}, spec, {}).error().code, Errc::BadValue);
  call.server.relay.close(MediaId{50});
  EXPECT_TRUE(call.server.relay.add_flow(MediaId{51}, spec, {})) << "502 was not kept either";
  spec.channels = {call.agent.channel(0)};
  EXPECT_FALSE(call.server.relay.add_flow(MediaId{52}, spec, {})) << "that of records";
  spec.channels = {9};
  EXPECT_FALSE(call.server.relay.add_flow(MediaId{52}, spec, {})) << "of another owner";
  spec.channels = {call.agent.channel(9)};
  spec.trunk = MediaId{2};
  EXPECT_FALSE(call.server.relay.add_flow(MediaId{52}, spec, {})) << "a port is no trunk";
}

// ---- Attackers ----

struct TrunkAttack : testing::Test {
  Calls call{{}};
  Tap tap{call};
  const TransportAddress stranger = at("192.0.2.66:6666");

  void SetUp() override {
    call.talk(50);
    call.world.run_for(seconds{2});
    ASSERT_EQ(call.bob_heard().size(), 50U);
    call.far().heard.clear();
  }
  std::uint64_t dropped(Drop why) const { return call.server.relay.totals().dropped(why); }
  TransportAddress agent_source() const { return tap.seen.back().first; }
  void expect_call_goes_on() {
    call.far().heard.clear();
    const std::uint32_t first = call.said;
    call.talk(50);
    call.world.run_for(seconds{2});
    EXPECT_EQ(numbers(call.far().heard, rtp, first, 50).size(), 50U);
    EXPECT_EQ(call.far().heard.size(), 50U);
  }
};

// What is for another thread would be new to this one, which has not seen it there.
TEST_F(TrunkAttack, DatagramsOfAnotherOwnerAreHeardByNobody) {
  for (auto [from, datagram] : std::vector{tap.seen}) {
    if (!is_sealed(datagram.front())) continue;
    datagram[2] ^= 0xe0U;
    call.world.inject(from, call.agent.x(), datagram);
  }
  call.world.run_for(seconds{1});
  EXPECT_GE(dropped(Drop::UnknownChannel), 50U);
  EXPECT_EQ(dropped(Drop::BadTag), 0U) << "nor is it opened";
  EXPECT_TRUE(call.far().heard.empty());
  expect_call_goes_on();
}

TEST_F(TrunkAttack, ReplayedDatagramsAreHeardByNobody) {
  const auto copies = tap.seen;
  for (const auto& [from, datagram] : copies)
    if (is_sealed(datagram.front())) call.world.inject(from, call.agent.x(), datagram);
  call.world.run_for(seconds{1});
  EXPECT_TRUE(call.far().heard.empty());
  EXPECT_GE(dropped(Drop::Replayed), 50U);
  expect_call_goes_on();
}

TEST_F(TrunkAttack, AlteredDatagramsAreHeardByNobody) {
  call.talk(1);
  const TimePoint now = call.world.now;
  // On the way, before the genuine one: with each octet changed in turn.
  Buffer genuine;
  call.world.tap = [&](const TransportAddress& from, const TransportAddress& to, Bytes datagram) {
    if (to != call.agent.x() || !is_sealed(datagram.front()) || !genuine.empty()) return true;
    genuine = to_buffer(datagram);
    for (std::size_t i = 0; i < genuine.size(); ++i) {
      Buffer altered = genuine;
      altered[i] ^= 0x10;
      call.server.receive(call.x, from, altered);
    }
    return true;
  };
  call.world.run_for(seconds{1});
  ASSERT_FALSE(genuine.empty());
  ASSERT_GT(call.world.now, now);
  EXPECT_EQ(call.far().heard.size(), 1U) << "the genuine one";
  EXPECT_GE(dropped(Drop::BadTag), genuine.size() - 4);
}

TEST_F(TrunkAttack, WhatIsSentFromElsewhereIsHeardByNobody) {
  const auto copies = tap.seen;
  const std::uint64_t unknown = dropped(Drop::UnknownSource);
  for (const auto& [from, datagram] : copies)
    if (is_sealed(datagram.front())) call.world.inject(stranger, call.agent.x(), datagram);
  call.world.run_for(seconds{1});
  EXPECT_TRUE(call.far().heard.empty());
  EXPECT_GE(dropped(Drop::UnknownSource) - unknown, 50U);
  expect_call_goes_on();
}

TEST_F(TrunkAttack, ForgedEpochsAndCoresChangeNothing) {
  Buffer forged(200, 0x77);
  for (unsigned epoch = 0; epoch < 4; ++epoch)
    for (unsigned core = 0; core < 256; ++core) {
      write({.epoch = static_cast<std::uint8_t>(epoch),
             .core = static_cast<std::uint8_t>(core),
             .channel = call.agent.channel(6),
             .counter = 0xffffff00U + core},
            forged);
      call.world.inject(agent_source(), call.agent.x(), forged);
    }
  call.world.run_for(seconds{1});
  EXPECT_TRUE(call.far().heard.empty());
  EXPECT_GE(dropped(Drop::UnknownEpoch), 3U * 256U);
  EXPECT_EQ(dropped(Drop::BadTag), KeyRing::kMaxCores);
  expect_call_goes_on();
}

TEST_F(TrunkAttack, DatagramsInClearOnASealedTrunkAreHeardByNobody) {
  Buffer clear = *[] {
    Buffer out(kPlainHeader);
    write_plain_header(out, 6);
    const Buffer packet = rtp(1);
    out.insert(out.end(), packet.begin(), packet.end());
    return std::optional{out};
  }();
  call.world.inject(agent_source(), call.agent.x(), clear);
  call.world.inject(agent_source(), call.agent.x(), rtp(1));
  call.world.run_for(seconds{1});
  EXPECT_TRUE(call.far().heard.empty());
  EXPECT_EQ(dropped(Drop::Unsealed), 2U);
  expect_call_goes_on();
}

TEST_F(TrunkAttack, NothingIsAnsweredWithMoreThanItWas) {
  SeededRandom random{9};
  for (int i = 0; i < 5000; ++i) {
    Buffer garbage(1 + random.below(100));
    random.fill(garbage);
    garbage[0] = static_cast<std::uint8_t>(4 + random.below(12));
    std::size_t answered = 0;
    call.world.tap = [&](const TransportAddress& from, const TransportAddress&, Bytes datagram) {
      if (from == call.agent.x()) answered += datagram.size();
      return true;
    };
    call.server.receive(call.x, random.below(2) == 0 ? stranger : agent_source(), garbage);
    EXPECT_LE(answered, garbage.size());
  }
}

TEST(Trunk, KeysOfOneAgentDoNotOpenWhatAnotherSealed) {
  Calls call{{}, Shape::Agents};
  call.talk(10);
  Tap tap{call};
  call.world.run_for(seconds{1});
  ASSERT_FALSE(tap.seen.empty());
  const auto one = std::find_if(tap.seen.begin(), tap.seen.end(), [&](const auto& each) {
    return each.first.ip == call.agent.nat->outside && is_sealed(each.second.front());
  });
  const auto two = std::find_if(tap.seen.begin(), tap.seen.end(), [&](const auto& each) {
    return each.first.ip == call.other->nat->outside && is_sealed(each.second.front());
  });
  ASSERT_TRUE(one != tap.seen.end() && two != tap.seen.end());
  Buffer theirs = one->second;
  call.server.receive(call.x, two->first, theirs);
  const Totals& totals = call.server.relay.totals();
  EXPECT_EQ(totals.dropped(Drop::BadTag) + totals.dropped(Drop::Replayed), 1U);
}

TEST(Trunk, WithoutKeysNothingLeavesInClear) {
  Calls call{{}};
  call.world.run_for(seconds{1});
  call.agent.host.relay.forget_keys(KeyRingId{1});
  Tap tap{call};
  call.talk(10);
  call.world.run_for(seconds{1});
  EXPECT_EQ(tap.datagrams_up, 0U);
  // Ten RTP packets and one RTCP packet each way.
  EXPECT_GE(call.agent.host.relay.totals().dropped(Drop::UnknownEpoch), 22U);
}

}  // namespace
}  // namespace sallyport::media::test
