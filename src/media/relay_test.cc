#include "media/relay.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "media/test_call.h"

namespace sallyport::media {
namespace {

using std::chrono::seconds;
using test::at;
using test::Call;
using test::Host;
using test::rtcp;
using test::rtp;
using test::Terminal;
using test::World;

TEST(Relay, CarriesTheFirstPacketsOfACallThroughTheNatAndBack) {
  World world;
  Call call{world};
  call.alice.talk(call.agent_rtp, 0, 100);
  call.bob.talk(call.server_rtp, 1000, 100);
  world.run_for(milliseconds{2100});
  EXPECT_EQ(call.bob.heard.size(), 100U);
  EXPECT_EQ(call.alice.heard.size(), 100U);
  EXPECT_EQ(call.bob.heard.front(), rtp(0));
  EXPECT_EQ(call.alice.heard.back(), rtp(1099));
  EXPECT_EQ(call.agent.relay.totals().probes_sent, 2U) << "at 0 and 20 ms; confirmed after 20 ms";
  EXPECT_EQ(call.agent.count(EventKind::FlowBound), 1U);
  EXPECT_EQ(call.server.count(EventKind::FlowBound), 1U);
}

TEST(Relay, CarriesRtcpOnAPathOfItsOwn) {
  World world;
  Call call{world};
  call.alice_rtcp.send(call.agent_rtcp, rtcp(1));
  world.run_for(milliseconds{100});
  ASSERT_EQ(call.bob_rtcp.heard.size(), 1U);
  EXPECT_EQ(call.bob_rtcp.heard.front(), rtcp(1));
  EXPECT_EQ(*call.bob_rtcp.heard_from.begin(), call.server_rtcp);
  EXPECT_TRUE(call.bob.heard.empty());
  call.bob_rtcp.send(call.server_rtcp, rtcp(2));
  world.run_for(milliseconds{100});
  ASSERT_EQ(call.alice_rtcp.heard.size(), 1U);
  EXPECT_EQ(call.alice_rtcp.heard.front(), rtcp(2));
  EXPECT_EQ(call.agent.relay.totals().probes_sent, 2U) << "the RTP path was not opened";
}

TEST(Relay, TellsRtpFromRtcpByTokenWhereXAndYAreOnePort) {
  World world;
  Host agent{world};
  Host server{world};
  world.add_nat(*IpRange::parse("10.1.1.0/24"), *IpAddress::parse("203.0.113.7"));
  const TransportAddress x = at("198.51.100.1:2776");
  server.serve(x);
  FlowSpec flow;
  for (int i = 0; i < 2; ++i) flow.components.push_back(new_flow_component(world.random));
  ASSERT_TRUE(server.relay.add_flow(MediaId{1}, flow, {}));
  flow.end = FlowEnd::Probing;
  flow.server = {x, x};
  const std::vector<SocketId> flows{agent.open(at("10.1.1.2:40000")),
                                    agent.open(at("10.1.1.2:40001"))};
  const std::vector<SocketId> ports{agent.open(at("10.1.1.2:5000")),
                                    agent.open(at("10.1.1.2:5001"))};
  const std::vector<SocketId> outside{server.open(at("198.51.100.1:30000")),
                                      server.open(at("198.51.100.1:30001"))};
  ASSERT_TRUE(agent.relay.add_flow(MediaId{1}, flow, flows));
  ASSERT_TRUE(agent.relay.add_port(MediaId{2}, ports, 46));
  ASSERT_TRUE(server.relay.add_port(MediaId{2}, outside, 46));
  Terminal alice{world, at("10.1.1.50:4000")};
  Terminal alice_rtcp{world, at("10.1.1.50:4001")};
  Terminal bob{world, at("192.0.2.9:7000")};
  Terminal bob_rtcp{world, at("192.0.2.9:7001")};
  agent.relay.set_remote(MediaId{2}, {{alice.address, alice_rtcp.address}}, world.now);
  server.relay.set_remote(MediaId{2}, {{bob.address, bob_rtcp.address}}, world.now);
  agent.relay.join(MediaId{1}, MediaId{2});
  server.relay.join(MediaId{1}, MediaId{2});
  alice.send(at("10.1.1.2:5000"), rtp(1));
  alice_rtcp.send(at("10.1.1.2:5001"), rtcp(1));
  world.run_for(milliseconds{100});
  EXPECT_EQ(bob.heard, std::vector<Buffer>{rtp(1)});
  EXPECT_EQ(bob_rtcp.heard, std::vector<Buffer>{rtcp(1)});
}

TEST(Relay, CarriesIpv6AsItCarriesIpv4) {
  World world;
  Host agent{world};
  Host server{world};
  const TransportAddress x = at("[2001:db8:1::1]:2776");
  server.serve(x);
  FlowSpec flow;
  flow.components = {new_flow_component(world.random)};
  ASSERT_TRUE(server.relay.add_flow(MediaId{1}, flow, {}));
  flow.end = FlowEnd::Probing;
  flow.server = {x};
  const std::vector<SocketId> flows{agent.open(at("[2001:db8:2::2]:40000"))};
  const std::vector<SocketId> ports{agent.open(at("[2001:db8:2::2]:5000"))};
  const std::vector<SocketId> outside{server.open(at("192.0.2.1:30000"))};
  ASSERT_TRUE(agent.relay.add_flow(MediaId{1}, flow, flows));
  ASSERT_TRUE(agent.relay.add_port(MediaId{2}, ports, 46));
  ASSERT_TRUE(server.relay.add_port(MediaId{2}, outside, 46));
  Terminal alice{world, at("[2001:db8:2::50]:4000")};
  Terminal bob{world, at("192.0.2.9:7000")};  // one family in, the other out
  agent.relay.set_remote(MediaId{2}, {{alice.address}}, world.now);
  server.relay.set_remote(MediaId{2}, {{bob.address}}, world.now);
  agent.relay.join(MediaId{1}, MediaId{2});
  server.relay.join(MediaId{1}, MediaId{2});
  alice.talk(at("[2001:db8:2::2]:5000"), 0, 50);
  bob.talk(at("192.0.2.1:30000"), 100, 50);
  world.run_for(seconds{2});
  EXPECT_EQ(bob.heard.size(), 50U);
  EXPECT_EQ(alice.heard.size(), 50U);
}

TEST(Relay, JoinsTwoTerminalsOfOneAgentWithoutTheServer) {
  World world;
  Host agent{world};
  const std::vector<SocketId> a{agent.open(at("10.1.1.2:5000"))};
  const std::vector<SocketId> b{agent.open(at("10.1.1.2:5002"))};
  ASSERT_TRUE(agent.relay.add_port(MediaId{1}, a, 46));
  ASSERT_TRUE(agent.relay.add_port(MediaId{2}, b, 46));
  Terminal alice{world, at("10.1.1.50:4000")};
  Terminal carol{world, at("10.1.1.51:4000")};
  agent.relay.set_remote(MediaId{1}, {{alice.address}}, world.now);
  agent.relay.set_remote(MediaId{2}, {{carol.address}}, world.now);
  agent.relay.join(MediaId{1}, MediaId{2});
  alice.talk(at("10.1.1.2:5000"), 0, 10);
  carol.talk(at("10.1.1.2:5002"), 10, 10);
  world.run_for(seconds{1});
  EXPECT_EQ(alice.heard.size(), 10U);
  EXPECT_EQ(carol.heard.size(), 10U);
  EXPECT_EQ(*carol.heard_from.begin(), at("10.1.1.2:5002"));
  agent.expect_balance();
}

TEST(Relay, SendsNoProbeUntilMediaCanStart) {
  World world;
  Call call{world};
  world.run_for(seconds{60});
  EXPECT_EQ(call.agent.relay.totals().probes_sent, 0U);
  call.agent.relay.probe(MediaId{1}, world.now);
  world.run_for(milliseconds{100});
  EXPECT_EQ(call.server.count(EventKind::FlowBound), 2U) << "RTP and RTCP";
}

TEST(Relay, TellsOnceThatPacketsWaitForAFlowAndDeliversThemWhenItIsBound) {
  World world;
  Call call{world};
  call.bob.send(call.server_rtp, rtp(1));
  call.bob.send(call.server_rtp, rtp(2));
  world.run_for(milliseconds{11});
  EXPECT_EQ(call.server.count(EventKind::WantsProbe), 1U);
  EXPECT_EQ(call.server.relay.totals().waiting, 2U);
  call.agent.relay.probe(MediaId{1}, world.now);  // as the control channel would have it
  world.run_for(milliseconds{100});
  EXPECT_EQ(call.alice.heard, (std::vector<Buffer>{rtp(1), rtp(2)}));
  EXPECT_EQ(call.server.relay.totals().waiting, 0U);
}

TEST(Relay, LetsPacketsForAnUnboundFlowWait60MsAtMostAndKeepsTheNewestFour) {
  World world;
  Call call{world};
  for (std::uint32_t i = 0; i < 6; ++i) call.bob.send(call.server_rtp, rtp(i));
  world.run_for(milliseconds{69});
  EXPECT_EQ(call.server.relay.totals().waiting, 4U);
  EXPECT_EQ(call.server.relay.totals().dropped(Drop::HeldTooLong), 2U);
  world.run_for(milliseconds{2});
  EXPECT_EQ(call.server.relay.totals().waiting, 0U);
  EXPECT_EQ(call.server.relay.totals().dropped(Drop::HeldTooLong), 6U);
  EXPECT_FALSE(call.server.relay.next_deadline());
}

TEST(Relay, SendsTheProbeAheadOfTheFirstPacketAndLetsThatWait60MsAtMost) {
  World world;
  Call call{world};
  std::vector<std::uint8_t> first_octets;
  world.tap = [&](const TransportAddress& from, const TransportAddress& to, Bytes datagram) {
    if (to.port != 2776) return true;
    EXPECT_EQ(from, at("203.0.113.7:20000")) << "probe and media leave from one socket";
    first_octets.push_back(datagram.front());
    return false;  // UDP is blocked
  };
  call.alice.talk(call.agent_rtp, 0, 5);
  world.run_for(milliseconds{69});
  EXPECT_EQ(first_octets, (std::vector<std::uint8_t>{8, 8}));
  EXPECT_EQ(call.agent.relay.totals().waiting, 3U);
  world.run_for(milliseconds{32});
  EXPECT_EQ(first_octets, (std::vector<std::uint8_t>{8, 8, 8, 0x80, 0x80, 0x80, 0x80, 0x80}));
}

TEST(Relay, DropsTheSecondComponentWhereTheOtherEndHasOne) {
  World world;
  Host host{world};
  const std::vector<SocketId> pair{host.open(at("192.0.2.1:30000")),
                                   host.open(at("192.0.2.1:30001"))};
  const std::vector<SocketId> single{host.open(at("192.0.2.1:30002"))};
  ASSERT_TRUE(host.relay.add_port(MediaId{1}, pair, 46));
  ASSERT_TRUE(host.relay.add_port(MediaId{2}, single, 46));
  Terminal alice{world, at("192.0.2.50:4000")};
  Terminal alice_rtcp{world, at("192.0.2.50:4001")};
  Terminal bob{world, at("192.0.2.60:4000")};
  host.relay.set_remote(MediaId{1}, {{alice.address, alice_rtcp.address}}, world.now);
  host.relay.set_remote(MediaId{2}, {{bob.address}}, world.now);
  host.relay.join(MediaId{1}, MediaId{2});
  alice.send(at("192.0.2.1:30000"), rtp(1));
  alice_rtcp.send(at("192.0.2.1:30001"), rtcp(1));
  bob.send(at("192.0.2.1:30002"), rtcp(2));  // rtcp-mux: all on component 0
  world.run_for(milliseconds{50});
  EXPECT_EQ(bob.heard.size(), 1U);
  EXPECT_EQ(alice.heard, std::vector<Buffer>{rtcp(2)});
  EXPECT_EQ(host.relay.totals().dropped(Drop::NoComponent), 1U);
}

// An answer and the first packets behind it leave a terminal together; the answer has further to
// go.
TEST(Relay, KeepsTheFirstPacketsUntilItIsToldFromWhereMediaComes) {
  World world;
  Host agent{world};
  const std::vector<SocketId> a{agent.open(at("10.1.1.2:5000"))};
  const std::vector<SocketId> b{agent.open(at("10.1.1.2:5002"))};
  ASSERT_TRUE(agent.relay.add_port(MediaId{1}, a, 46));
  ASSERT_TRUE(agent.relay.add_port(MediaId{2}, b, 46));
  agent.relay.join(MediaId{1}, MediaId{2});
  Terminal alice{world, at("10.1.1.50:4000")};
  Terminal carol{world, at("10.1.1.51:4000")};
  Terminal stranger{world, at("10.1.1.66:4000")};
  agent.relay.set_remote(MediaId{1}, {{alice.address}}, world.now);
  carol.send(at("10.1.1.2:5002"), rtp(1));
  world.run_for(milliseconds{15});
  stranger.send(at("10.1.1.2:5002"), rtp(66));
  carol.send(at("10.1.1.2:5002"), rtp(2));
  world.run_for(milliseconds{15});
  EXPECT_TRUE(alice.heard.empty());
  EXPECT_EQ(agent.relay.totals().waiting, 2U);
  agent.relay.set_remote(MediaId{2}, {{carol.address}}, world.now);
  world.run_for(milliseconds{15});
  EXPECT_EQ(alice.heard, (std::vector<Buffer>{rtp(1), rtp(2)}));
  EXPECT_EQ(agent.count(EventKind::FirstPacket), 1U);
  agent.relay.set_remote(MediaId{2}, {{at("0.0.0.0:0")}}, world.now);  // held: nothing is early now
  carol.send(at("10.1.1.2:5002"), rtp(3));
  world.run_for(milliseconds{15});
  EXPECT_EQ(agent.relay.totals().waiting, 0U);
  EXPECT_EQ(agent.relay.totals().dropped(Drop::NoRemote), 2U) << "the stranger's and the held one";
  agent.expect_balance();
}

TEST(Relay, WhatComesEarlyFromElsewhereOrTooEarlyIsDropped) {
  World world;
  Host agent{world};
  std::vector<SocketId> ports;
  for (std::uint64_t i = 1; i <= 3; ++i) {
    ports.push_back(agent.open(at("10.1.1.2:500" + std::to_string(i))));
    ASSERT_TRUE(agent.relay.add_port(MediaId{i}, std::span{ports}.last(1), 46));
  }
  Terminal alice{world, at("10.1.1.50:4000")};
  Terminal carol{world, at("10.1.1.51:4000")};
  Terminal stranger{world, at("10.1.1.66:4000")};
  agent.relay.set_remote(MediaId{1}, {{alice.address}}, world.now);
  agent.relay.join(MediaId{1}, MediaId{2});
  stranger.send(at("10.1.1.2:5002"), rtp(66));
  stranger.send(at("10.1.1.2:5003"), rtp(67));
  world.run_for(milliseconds{15});
  agent.relay.set_remote(MediaId{2}, {{carol.address}}, world.now);
  agent.relay.set_remote(MediaId{3}, {{carol.address}, Accept::FirstPlausible}, world.now);
  world.run_for(milliseconds{15});
  EXPECT_EQ(agent.relay.totals().dropped(Drop::WrongSource), 1U);
  agent.relay.join(MediaId{1}, MediaId{3});
  carol.send(at("10.1.1.2:5003"), rtp(1));
  world.run_for(milliseconds{30});
  EXPECT_EQ(alice.heard, std::vector<Buffer>{rtp(1)}) << "what came early has locked nothing";
  const auto late = agent.open(at("10.1.1.2:5004"));
  ASSERT_TRUE(agent.relay.add_port(MediaId{4}, std::span{&late, 1}, 46));
  stranger.send(at("10.1.1.2:5004"), rtp(68));
  world.run_for(milliseconds{90});
  EXPECT_EQ(agent.relay.totals().waiting, 0U);
  EXPECT_EQ(agent.relay.totals().dropped(Drop::HeldTooLong), 2U);
  agent.expect_balance();
}

TEST(Relay, LearnsTheSourceOfAPortOnceAndSendsThere) {
  World world;
  Call call{world};
  Terminal nat_of_bob{world, at("192.0.2.77:61000")};
  Terminal second{world, at("192.0.2.78:61000")};
  call.server.relay.set_remote(MediaId{2}, {{call.bob.address}, Accept::FirstPlausible}, world.now);
  nat_of_bob.send(call.server_rtp, rtp(1));
  second.send(call.server_rtp, rtp(2));
  world.run_for(milliseconds{15});
  ASSERT_EQ(call.server.count(EventKind::FirstPacket), 1U);
  EXPECT_EQ(call.server.events.front().second.source, nat_of_bob.address);
  call.alice.talk(call.agent_rtp, 10, 3);
  world.run_for(seconds{1});
  EXPECT_EQ(nat_of_bob.heard.size(), 3U);
  EXPECT_TRUE(call.bob.heard.empty());
  EXPECT_EQ(call.server.relay.count(MediaId{2}, call.world.now)->components[0].refused, 1U);
}

TEST(Relay, AFlowGoesToAnotherAddressOfTheServerWithoutLosingAPacket) {
  World world;
  Call call{world, 1};
  call.server.serve(at("198.51.100.1:443"));
  call.alice.talk(call.agent_rtp, 0, 200);
  call.bob.talk(call.server_rtp, 0, 200);
  world.run_for(seconds{2});
  call.agent.relay.set_remote(MediaId{1}, {{at("198.51.100.1:443")}}, world.now);
  world.run_for(seconds{4});
  EXPECT_EQ(call.alice.heard.size(), 200U);
  EXPECT_EQ(call.bob.heard.size(), 200U);
  EXPECT_EQ(call.agent.relay.totals().dropped(Drop::WrongSource), 0U);
}

TEST(Relay, AnAddressThatDoesNotAnswerIsTriedWithoutLosingAPacket) {
  World world;
  Call call{world, 1};
  call.alice.talk(call.agent_rtp, 0, 200);
  call.bob.talk(call.server_rtp, 0, 200);
  world.run_for(seconds{1});
  call.agent.relay.set_remote(MediaId{1}, {{at("198.51.100.1:443")}}, world.now);
  world.run_for(milliseconds{1500});
  call.agent.relay.set_remote(MediaId{1}, {{at("198.51.100.1:2776")}}, world.now);
  world.run_for(seconds{4});
  EXPECT_EQ(call.alice.heard.size(), 200U);
  EXPECT_EQ(call.bob.heard.size(), 200U);
}

TEST(Relay, HoldsAFloodingTerminalToWhatItsStreamMaySend) {
  World world;
  Call call{world};
  RemoteSpec remote{{call.alice.address, call.alice_rtcp.address}};
  remote.most = {.packets = 100, .octets = 0};
  call.agent.relay.set_remote(MediaId{2}, remote, world.now);
  call.alice.talk(call.agent_rtp, 0, 100);  // 50 a second, as always
  world.run_for(seconds{2});
  EXPECT_EQ(call.agent.relay.totals().dropped(Drop::RateLimited), 0U);
  for (std::uint16_t i = 0; i < 5000; ++i) call.alice.send(call.agent_rtp, rtp(i));
  world.run_for(milliseconds{100});
  EXPECT_GE(call.agent.relay.totals().dropped(Drop::RateLimited), 4880U);
  EXPECT_GT(call.agent.relay.count(MediaId{2}, world.now)->components[0].refused, 4000U);
  // Bob is heard all the same.
  call.bob.talk(call.server_rtp, 0, 50);
  const auto before = call.alice.heard.size();
  world.run_for(seconds{2});
  EXPECT_EQ(call.alice.heard.size() - before, 50U);
}

TEST(Relay, CountsWhatEachEndReceivesAndSends) {
  constexpr std::uint64_t kOctets = 172;  // of each packet
  World world;
  Call call{world};
  call.alice.talk(call.agent_rtp, 0, 20);
  call.bob.talk(call.server_rtp, 0, 30);
  world.run_for(seconds{1});
  const auto counted = [&](Host& host, std::uint64_t id) {
    return host.relay.count(MediaId{id}, world.now)->components.at(0);
  };
  const auto expect = [](const ComponentCounts& counts, std::uint64_t in, std::uint64_t out) {
    EXPECT_EQ(counts.packets_in, in);
    EXPECT_EQ(counts.octets_in, in * kOctets);
    EXPECT_EQ(counts.packets_out, out);
    EXPECT_EQ(counts.octets_out, out * kOctets);
    EXPECT_EQ(counts.refused, 0U);
    EXPECT_EQ(counts.in.rtp_packets, in);
  };
  expect(counted(call.agent, 2), 20, 30);
  expect(counted(call.agent, 1), 30, 20);
  expect(counted(call.server, 1), 20, 30);
  expect(counted(call.server, 2), 30, 20);
  EXPECT_FALSE(call.agent.relay.count(MediaId{99}, world.now));
}

TEST(Relay, TellsWhereAStreamLostPacketsAndHowFarTheServerIs) {
  World world;
  Call call{world};
  world.loss_percent = 20;  // between agent and server
  call.alice.talk(call.agent_rtp, 0, 500);
  world.run_for(seconds{11});
  const auto counted = [&](Host& host, std::uint64_t id) {
    return host.relay.count(MediaId{id}, world.now)->components.at(0);
  };
  EXPECT_EQ(counted(call.agent, 2).in.lost, 0U) << "from the terminal";
  const ComponentCounts at_server = counted(call.server, 1);
  EXPECT_GT(at_server.in.lost, 60U);
  EXPECT_NEAR(static_cast<double>(at_server.in.lost + at_server.in.rtp_packets), 500, 3);
  EXPECT_EQ(counted(call.agent, 1).round_trip, 2 * world.delay);
  EXPECT_FALSE(at_server.round_trip);
}

TEST(Relay, TellsWhichDirectionOfAFlowBecameSlower) {
  World world;
  Call call{world};
  call.alice.talk(call.agent_rtp, 0, 1500);
  world.run_for(seconds{15});
  const auto at_agent = [&] {
    return call.agent.relay.count(MediaId{1}, world.now)->components[0];
  };
  EXPECT_EQ(at_agent().to_server, world.delay);
  EXPECT_EQ(at_agent().to_agent, world.delay);
  // From now on what the server sends is under way for longer.
  const Duration usual = world.delay;
  world.tap = [&](const TransportAddress& from, const TransportAddress&, Bytes) {
    world.delay = from.port == 2776 ? usual + milliseconds{70} : usual;
    return true;
  };
  world.run_for(seconds{10});
  EXPECT_EQ(at_agent().to_server, usual);
  EXPECT_EQ(at_agent().to_agent, usual + milliseconds{70});
  EXPECT_EQ(at_agent().round_trip, 2 * usual + milliseconds{70});
}

TEST(Relay, FollowsAJoinToAnotherEnd) {
  World world;
  Call call{world};
  const std::vector<SocketId> branch{call.server.open(at("198.51.100.1:30010"))};
  ASSERT_TRUE(call.server.relay.add_port(MediaId{3}, branch, 46));
  Terminal carol{world, at("192.0.2.10:7000")};
  call.server.relay.set_remote(MediaId{3}, {{carol.address}}, world.now);
  call.alice.talk(call.agent_rtp, 0, 10);
  world.run_for(milliseconds{500});
  EXPECT_EQ(call.bob.heard.size(), 10U);
  call.server.relay.join(MediaId{1}, MediaId{3});
  call.alice.talk(call.agent_rtp, 10, 10);
  call.bob.send(call.server_rtp, rtp(77));
  world.run_for(milliseconds{500});
  EXPECT_EQ(carol.heard.size(), 10U);
  EXPECT_EQ(call.bob.heard.size(), 10U);
  EXPECT_EQ(call.server.relay.totals().dropped(Drop::Unjoined), 1U) << "Bob is left";
  call.server.relay.leave(MediaId{1});
  carol.send(at("198.51.100.1:30010"), rtp(78));
  world.run_for(milliseconds{500});
  EXPECT_TRUE(call.alice.heard.empty());
}

TEST(Relay, ForgetsAnEndThatIsClosedWithEverythingThatWasItsOwn) {
  World world;
  Call call{world};
  call.alice.talk(call.agent_rtp, 0, 100);
  call.bob.talk(call.server_rtp, 0, 100);
  world.run_for(milliseconds{500});
  const std::size_t events = call.server.events.size();
  for (const std::uint64_t id : {1U, 2U}) {
    call.agent.relay.close(MediaId{id});
    call.server.relay.close(MediaId{id});
  }
  const std::size_t heard = call.bob.heard.size();
  world.run_for(seconds{3});
  EXPECT_LE(call.bob.heard.size(), heard + 1) << "what was under way already";
  EXPECT_EQ(call.server.events.size(), events);
  EXPECT_EQ(call.agent.relay.ends(), 0U);
  EXPECT_EQ(call.server.relay.ends(), 0U);
  EXPECT_FALSE(call.agent.relay.next_deadline());
  EXPECT_GT(call.server.relay.totals().dropped(Drop::UnknownSocket), 0U);
  EXPECT_GT(call.agent.relay.totals().dropped(Drop::UnknownSocket), 0U);
}

TEST(Relay, DropsWhatWaitsWhenItsFlowIsClosed) {
  World world;
  Call call{world};
  call.bob.send(call.server_rtp, rtp(1));
  world.run_for(milliseconds{15});
  EXPECT_EQ(call.server.relay.totals().waiting, 1U);
  call.server.relay.close(MediaId{1});
  EXPECT_EQ(call.server.relay.totals().waiting, 0U);
}

TEST(Relay, RefusesWhatCannotBe) {
  World world;
  RelayOptions options;
  options.max_ends = 3;
  Host host{world, options};
  const SocketId a = host.open(at("192.0.2.1:1"));
  const SocketId b = host.open(at("192.0.2.1:2"));
  const std::vector<SocketId> one{a};
  const std::vector<SocketId> other{b};
  const std::vector<SocketId> twice{b, b};
  const auto code = [](const Result<void>& result) {
    return result ? std::optional<Errc>{} : result.error().code;
  };
  ASSERT_TRUE(host.relay.add_port(MediaId{1}, one, 46));
  EXPECT_EQ(code(host.relay.add_port(MediaId{1}, other, 46)), Errc::BadValue) << "id";
  EXPECT_EQ(code(host.relay.add_port(MediaId{2}, one, 46)), Errc::BadValue) << "socket";
  EXPECT_EQ(code(host.relay.add_port(MediaId{2}, twice, 46)), Errc::BadValue);
  EXPECT_EQ(code(host.relay.add_port(MediaId{2}, {}, 46)), Errc::BadValue);
  EXPECT_EQ(code(host.relay.add_port(MediaId{}, other, 46)), Errc::BadValue) << "no id";
  EXPECT_EQ(code(host.relay.add_server_socket(a)), Errc::BadValue);
  EXPECT_EQ(code(host.relay.add_server_socket(SocketId{})), Errc::BadValue);
  FlowSpec flow;
  flow.components = {new_flow_component(world.random)};
  EXPECT_EQ(code(host.relay.add_flow(MediaId{2}, flow, other)), Errc::BadValue)
      << "an awaiting flow has no socket";
  ASSERT_TRUE(host.relay.add_flow(MediaId{2}, flow, {}));
  EXPECT_EQ(code(host.relay.add_flow(MediaId{3}, flow, {})), Errc::BadValue) << "token";
  flow.end = FlowEnd::Probing;
  EXPECT_EQ(code(host.relay.add_flow(MediaId{3}, flow, other)), Errc::BadValue) << "no server";
  flow.server = {at("198.51.100.1:2776")};
  EXPECT_TRUE(host.relay.add_flow(MediaId{3}, flow, other));
  EXPECT_EQ(code(host.relay.add_port(MediaId{4}, {}, 46)), Errc::BadValue);
  const std::vector<SocketId> third{host.open(at("192.0.2.1:3"))};
  EXPECT_EQ(code(host.relay.add_port(MediaId{4}, third, 46)), Errc::Exhausted);
  host.relay.close(MediaId{1});
  EXPECT_TRUE(host.relay.add_port(MediaId{4}, one, 46)) << "its socket is free, too";
}

TEST(Relay, ReleasesFlowsFromAServerSocketThatIsRemoved) {
  World world;
  Call call{world};
  call.alice.talk(call.agent_rtp, 0, 5);
  world.run_for(milliseconds{300});
  ASSERT_EQ(call.bob.heard.size(), 5U);
  call.server.relay.remove_server_socket(call.x);
  call.bob.send(call.server_rtp, rtp(1));
  world.run_for(milliseconds{15});
  EXPECT_EQ(call.server.relay.totals().waiting, 1U);
  EXPECT_EQ(call.server.count(EventKind::WantsProbe), 1U);
}

TEST(Relay, SaysWhatEachDropIsCalled) {
  std::set<std::string_view> names;
  for (std::size_t i = 0; i < kDrops; ++i) names.insert(name(static_cast<Drop>(i)));
  EXPECT_EQ(names.size(), kDrops);
  EXPECT_FALSE(names.contains("unknown"));
}

}  // namespace
}  // namespace sallyport::media
