// Agents and a server around NATs that forget, rebind, lose, duplicate and reorder, in virtual
// time.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "media/test_call.h"

namespace sallyport::media {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;
using test::at;
using test::Call;
using test::Host;
using test::rtp;
using test::Terminal;
using test::World;

const TransportAddress kX = at("198.51.100.1:2776");

TEST(Nat, ThatForgetsAfter20SecondsDoesNotForgetACallOnHold) {
  World world;
  Call call{world};
  call.nat->forgets_after = seconds{20};
  call.alice.talk(call.agent_rtp, 0, 10);
  world.run_for(minutes{60});  // nobody says a word
  call.bob.talk(call.server_rtp, 50, 10);
  world.run_for(seconds{1});
  EXPECT_EQ(call.alice.heard.size(), 10U);
  EXPECT_EQ(call.server.count(EventKind::FlowMoved), 0U) << "the mapping never changed";
  EXPECT_EQ(call.nat->next_port, 20001U);
}

TEST(Nat, ThatForgetsFasterThanTheKeepaliveIsNoticedAndFollowed) {
  World world;
  Call call{world};
  call.nat->forgets_after = seconds{5};
  call.alice.talk(call.agent_rtp, 0, 10);
  world.run_for(minutes{1});
  EXPECT_GE(call.server.count(EventKind::FlowMoved), 4U);
  call.alice.talk(call.agent_rtp, 100, 100);
  call.bob.talk(call.server_rtp, 100, 100);
  world.run_for(seconds{2});
  EXPECT_GE(call.alice.heard.size(), 85U);
  EXPECT_GE(call.bob.heard.size(), 10U + 85U);
}

// When the NAT reboots in the middle of a call, how long is each side without a sound?
struct Rebind : testing::Test {
  World world;
  Call call{world};

  Duration longest_gap(const Terminal& terminal, TimePoint from, TimePoint to) {
    TimePoint last = from;
    Duration longest{};
    for (const TimePoint heard : terminal.heard_at) {
      if (heard < from || heard > to) continue;
      longest = std::max(longest, heard - last);
      last = heard;
    }
    return std::max(longest, to - last);
  }
};

TEST_F(Rebind, BothHearEachOtherAgainWithin200MsWhenBothTalk) {
  call.alice.talk(call.agent_rtp, 0, 250);
  call.bob.talk(call.server_rtp, 1000, 250);
  world.run_for(seconds{2});
  const TimePoint rebooted = world.now;
  call.nat->reboot(*IpAddress::parse("203.0.113.99"));
  world.run_for(milliseconds{2500});
  EXPECT_LE(longest_gap(call.alice, rebooted, world.now), milliseconds{200});
  EXPECT_LE(longest_gap(call.bob, rebooted, world.now), milliseconds{200});
  EXPECT_EQ(call.server.count(EventKind::FlowMoved), 1U);
}

TEST_F(Rebind, AListenerWhoSaysNothingHearsAgainWithin500Ms) {
  call.agent.relay.probe(MediaId{1}, world.now);
  call.bob.talk(call.server_rtp, 1000, 250);
  world.run_for(seconds{2});
  const TimePoint rebooted = world.now;
  call.nat->reboot(*IpAddress::parse("203.0.113.99"));
  world.run_for(milliseconds{2500});
  EXPECT_LE(longest_gap(call.alice, rebooted, world.now), milliseconds{500});
  EXPECT_EQ(call.agent.count(EventKind::Silent), 1U);
}

TEST_F(Rebind, IsFollowedAtOnceWhenTheAgentKnowsThatItsPathHasChanged) {
  call.agent.relay.probe(MediaId{1}, world.now);
  call.bob.talk(call.server_rtp, 1000, 250);
  world.run_for(seconds{2});
  const TimePoint changed = world.now;
  call.nat->reboot(*IpAddress::parse("203.0.113.99"));
  call.agent.relay.path_changed(world.now);
  world.run_for(milliseconds{2500});
  EXPECT_LE(longest_gap(call.alice, changed, world.now), milliseconds{100});
}

TEST_F(Rebind, IsSurvivedAgainAndAgain) {
  call.alice.talk(call.agent_rtp, 0, 3000);
  call.bob.talk(call.server_rtp, 10000, 3000);
  for (std::uint8_t i = 0; i < 10; ++i) {
    world.run_for(seconds{5});
    call.nat->reboot(IpAddress::v4({203, 0, 113, static_cast<std::uint8_t>(100 + i)}));
  }
  world.run_for(seconds{11});
  EXPECT_EQ(call.server.count(EventKind::FlowMoved), 10U);
  EXPECT_GE(call.alice.heard.size(), 3000U - 10 * 10);
  EXPECT_GE(call.bob.heard.size(), 3000U - 10 * 10);
}

TEST(BlockedUdp, IsToldAfter10SecondsAndOverWithin6SecondsOfItsEnd) {
  World world;
  Call call{world};
  bool blocked = true;
  world.tap = [&](const TransportAddress&, const TransportAddress& to, Bytes) {
    return !(blocked && to == kX);
  };
  call.alice.talk(call.agent_rtp, 0, 1500);
  world.run_for(milliseconds{10000});
  EXPECT_EQ(call.agent.count(EventKind::Unconfirmed), 0U);
  world.run_for(milliseconds{20});
  EXPECT_EQ(call.agent.count(EventKind::Unconfirmed), 1U);
  world.run_for(seconds{8});
  blocked = false;
  const TimePoint opened = world.now;
  world.run_for(seconds{6});
  ASSERT_FALSE(call.bob.heard.empty());
  EXPECT_LE(call.bob.heard_at.front() - opened, seconds{5} + milliseconds{100});
}

TEST(ServerAddress, ThatChangesIsProbedAnewThere) {
  World world;
  Call call{world};
  const TransportAddress elsewhere = at("198.51.100.5:2776");
  call.server.serve(elsewhere);
  call.alice.talk(call.agent_rtp, 0, 100);
  call.bob.talk(call.server_rtp, 0, 100);
  world.run_for(seconds{1});
  call.agent.relay.set_remote(MediaId{1}, {{elsewhere}}, world.now);
  world.run_for(milliseconds{1100});
  EXPECT_GE(call.bob.heard.size(), 95U);
  EXPECT_GE(call.alice.heard.size(), 95U);
  EXPECT_EQ(call.server.count(EventKind::FlowMoved), 1U);
}

// Two agents behind two NATs with the same private addresses, joined at the server, flow to flow.
struct AgentToAgent {
  explicit AgentToAgent(World& w) : world(w) {
    world.add_nat(*IpRange::parse("10.1.1.0/24"), *IpAddress::parse("203.0.113.7"));
    world.add_nat(*IpRange::parse("10.2.1.0/24"), *IpAddress::parse("203.0.113.8"));
    server.serve(kX);
    open(left, MediaId{1}, "10.1.1.2", alice);
    open(right, MediaId{2}, "10.2.1.2", bob);
    server.relay.join(MediaId{1}, MediaId{2});
  }
  ~AgentToAgent() {
    for (const Host* host : {&left, &right, &server}) host->expect_balance();
  }
  void open(Host& agent, MediaId id, const std::string& ip, const Terminal& terminal) {
    FlowSpec flow;
    flow.components = {new_flow_component(world.random)};
    EXPECT_TRUE(server.relay.add_flow(id, flow, {}));
    flow.end = FlowEnd::Probing;
    flow.server = {kX};
    const std::vector<SocketId> sockets{agent.open(at(ip + ":40000"))};
    const std::vector<SocketId> ports{agent.open(at(ip + ":5000"))};
    EXPECT_TRUE(agent.relay.add_flow(MediaId{1}, flow, sockets));
    EXPECT_TRUE(agent.relay.add_port(MediaId{2}, ports, 46));
    RemoteSpec remote{.addresses = {terminal.address}, .accept = Accept::SignalledAddress};
    agent.relay.set_remote(MediaId{2}, remote, world.now);
    agent.relay.join(MediaId{1}, MediaId{2});
  }

  World& world;
  Host left{world};
  Host right{world};
  Host server{world};
  Terminal alice{world, at("10.1.1.50:4000")};
  Terminal bob{world, at("10.2.1.50:4000")};
  TransportAddress alice_sends_to = at("10.1.1.2:5000");
  TransportAddress bob_sends_to = at("10.2.1.2:5000");
};

TEST(TwoAgents, TalkThroughOnePortOfTheServer) {
  World world;
  AgentToAgent call{world};
  call.alice.talk(call.alice_sends_to, 0, 100);
  world.run_for(milliseconds{25});
  EXPECT_EQ(call.server.count(EventKind::WantsProbe), 0U) << "the first packet still waits";
  world.run_for(milliseconds{25});
  EXPECT_EQ(call.server.count(EventKind::WantsProbe), 1U) << "nobody probed for Bob's flow yet";
  call.right.relay.probe(MediaId{1}, world.now);
  call.bob.talk(call.bob_sends_to, 100, 100);
  world.run_for(seconds{3});
  EXPECT_EQ(call.bob.heard.size(), 100U) << "the first included";
  EXPECT_EQ(call.alice.heard.size(), 100U);
}

// T.38: UDPTL begins with a sequence number, so first octets sweep everything; what begins with 4
// to 15 is escaped. RFC 7345 draws it.
Buffer udptl(std::uint32_t number) {
  Buffer out;
  Writer{out}
      .u16(static_cast<std::uint16_t>(number * 13))
      .u8(1)
      .u8(static_cast<std::uint8_t>(number));
  out.resize(1 + number % 400, static_cast<std::uint8_t>(number));
  return out;
}
constexpr std::uint32_t kFaxPackets = 5000;

void fax(World& world, Terminal& from, const TransportAddress& to) {
  for (std::uint32_t i = 0; i < kFaxPackets; ++i)
    world.at_time(world.now + milliseconds{2 * i}, [&from, to, i] { from.send(to, udptl(i)); });
}
void expect_fax(const std::vector<Buffer>& heard) {
  ASSERT_EQ(heard.size(), kFaxPackets);
  std::set<std::uint8_t> first_octets;
  for (std::uint32_t i = 0; i < kFaxPackets; ++i) {
    ASSERT_EQ(heard[i], udptl(i)) << i;
    first_octets.insert(heard[i].front());
  }
  EXPECT_EQ(first_octets.size(), 254U) << "13 * 4999 is 0xfddb";
}

TEST(Fax, OfFiveThousandPacketsPassesBothWaysBetweenAgentAndServerBitExact) {
  World world;
  Call call{world};
  call.server.relay.set_remote(
      MediaId{2},
      {.addresses = {call.bob.address}, .accept = Accept::SignalledAddress, .rtp = false},
      world.now);
  call.agent.relay.probe(MediaId{1}, world.now);
  world.run_for(milliseconds{100});
  fax(world, call.alice, call.agent_rtp);
  fax(world, call.bob, call.server_rtp);
  world.run_for(seconds{11});
  expect_fax(call.bob.heard);
  expect_fax(call.alice.heard);
  EXPECT_EQ(call.server.relay.count(MediaId{1}, call.world.now)->components[0].octets_in,
            call.agent.relay.count(MediaId{2}, call.world.now)->components[0].octets_in)
      << "counted without the escape";
}

TEST(Fax, OfFiveThousandPacketsPassesFromAgentToAgentBitExact) {
  World world;
  AgentToAgent call{world};
  call.left.relay.probe(MediaId{1}, world.now);
  call.right.relay.probe(MediaId{1}, world.now);
  world.run_for(milliseconds{100});
  fax(world, call.alice, call.alice_sends_to);
  fax(world, call.bob, call.bob_sends_to);
  world.run_for(seconds{11});
  expect_fax(call.bob.heard);
  expect_fax(call.alice.heard);
}

TEST(Fax, ThatBeginsBeforeTheFlowIsBoundWaitsEscaped) {
  World world;
  Call call{world};
  const Buffer first{0x08, 0x01, 0x02, 0x03};  // looks like a probe
  call.alice.send(call.agent_rtp, first);
  world.run_for(milliseconds{100});
  call.bob.send(call.server_rtp, Buffer{0x04, 0x01, 0x00, 0x00, 0x99});  // like an escaped packet
  world.run_for(milliseconds{100});
  EXPECT_EQ(call.bob.heard, std::vector<Buffer>{first});
  EXPECT_EQ(call.alice.heard, (std::vector<Buffer>{{0x04, 0x01, 0x00, 0x00, 0x99}}));
}

// Whatever the network does, calls begin, go on, and hear nothing that was not said.
class BadNetwork : public testing::TestWithParam<std::uint64_t> {};

TEST_P(BadNetwork, LosesNoMoreThanTheNetworkDoes) {
  World world{GetParam()};
  world.loss_percent = static_cast<unsigned>(world.random.below(30));
  world.duplicate_percent = static_cast<unsigned>(world.random.below(20));
  world.jitter = milliseconds{world.random.below(80)};
  AgentToAgent call{world};
  call.left.relay.probe(MediaId{1}, world.now);
  call.right.relay.probe(MediaId{1}, world.now);
  world.run_for(seconds{2});
  constexpr std::uint32_t kSpoken = 1000;
  call.alice.talk(call.alice_sends_to, 0, kSpoken);
  call.bob.talk(call.bob_sends_to, 5000, kSpoken);
  world.run_for(seconds{21});
  std::set<Buffer> spoken;
  for (std::uint32_t i = 0; i < kSpoken; ++i) spoken.insert(rtp(i));
  std::set<Buffer> distinct;
  for (const Buffer& heard : call.bob.heard) {
    ASSERT_TRUE(spoken.contains(heard));
    distinct.insert(heard);
  }
  const double kept = (100.0 - world.loss_percent) / 100.0;  // on each of two hops
  EXPECT_GE(static_cast<double>(distinct.size()), kSpoken * (kept * kept - 0.06))
      << "loss " << world.loss_percent;
}

INSTANTIATE_TEST_SUITE_P(Seeds, BadNetwork, testing::Range<std::uint64_t>(1, 41));

}  // namespace
}  // namespace sallyport::media
