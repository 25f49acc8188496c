// Connections and their media: where what each side sends goes, in every order of commands.
#include "adapter/mgcp/mgcp_adapter.h"
#include "adapter/mgcp/test_world.h"
#include "codec/sdp/sdp.h"

namespace sallyport::adapter::mgcp {
namespace {

using testing::HasSubstr;
using testing::StartsWith;
using namespace test;

const TransportAddress kFar = address("192.0.2.40:5000");
const TransportAddress kGatewayMedia = address("10.1.1.5:6000");

// Where an audio stream is received, by the last session description of the message.
TransportAddress media_of(const std::string& message, std::size_t which = 0) {
  const auto parsed = codec::mgcp::Message::parse(message);
  EXPECT_TRUE(parsed && parsed->descriptions().size() > which) << message;
  if (!parsed || parsed->descriptions().size() <= which) return {};
  const auto description = codec::sdp::Description::parse(parsed->descriptions()[which]);
  EXPECT_TRUE(description) << message;
  if (!description || description->media().empty()) return {};
  return description->media()[0].address(0).value_or(TransportAddress{});
}

std::string with(const std::string& head, const TransportAddress& media) {
  return head + "\r\n" + sdp(media.ip.to_string(), media.port);
}

class MgcpMedia : public testing::Test {
 protected:
  MgcpMedia() {
    world.enrol(kSiteA);
    world.enrol(kSiteB);
  }
  ~MgcpMedia() override {
    world.expect_nothing_leaked();
    world.pass(60s);
  }
  std::string endpoint(Place site, std::string_view local = "aaln/1") const {
    return std::string{local} + "@" + std::string{site == kSiteA ? kShownA : kShownB};
  }
  std::string next() { return std::to_string(++id_); }
  std::string command(const std::string& verb, Place site, const std::string& more) {
    return verb + " " + next() + " " + endpoint(site) + " MGCP 1.0\r\n" + more;
  }
  // CRCX: the far port that the call agent is shown.
  TransportAddress create(Place site, const std::string& id, const TransportAddress& far = {}) {
    std::string text = command("CRCX", site, "C: 77\r\nM: sendrecv\r\n");
    if (far.port != 0) text = with(text, far);
    return media_of(world.exchange(site, text, "200", with("I: " + id + "\r\n", kGatewayMedia)));
  }
  // MDCX: the near port that the gateway is shown.
  TransportAddress modify(Place site, const std::string& id, const TransportAddress& far,
                          const std::string& code = "200") {
    const std::string passed = world.passed_from_call_agent(
        with(command("MDCX", site, "C: 77\r\nI: " + id + "\r\nM: sendrecv\r\n"), far));
    world.passed_from_gateway(site, code + " " + World::id_of(passed) + " OK\r\n");
    return media_of(passed);
  }
  std::string remove(Place site, const std::string& more, const std::string& code = "250",
                     std::string_view local = "aaln/1") {
    return world.exchange(site,
                          "DLCX " + next() + " " + endpoint(site, local) + " MGCP 1.0\r\n" + more,
                          code, "P: PS=10, OS=1600, PR=9, OR=1440, PL=1, JI=2, LA=3\r\n");
  }
  // Only the port on that side is known; where the other one leads.
  std::optional<TransportAddress> from_far(const TransportAddress& far_port) const {
    return world.paths.way_from(far_port, kOutside);
  }

  World world;
  int id_ = 100;
};

TEST_F(MgcpMedia, TheFarEndMayBeKnownFromTheStart) {
  const std::string passed = world.passed_from_call_agent(
      with(command("CRCX", kSiteA, "C: 77\r\nL: p:20, a:PCMU\r\nM: sendrecv\r\n"), kFar));
  const TransportAddress near = media_of(passed);
  EXPECT_EQ(near.ip, kAgent) << passed;
  EXPECT_THAT(passed, HasSubstr("L: p:20, a:PCMU\r\n"));
  const std::string answer = world.passed_from_gateway(
      kSiteA, with("200 " + World::id_of(passed) + " OK\r\nI: 1F\r\n", kGatewayMedia));
  const TransportAddress far = media_of(answer);
  EXPECT_EQ(far.ip, kServer) << answer;
  EXPECT_THAT(answer, HasSubstr("\r\nI: 1F\r\n"));
  EXPECT_EQ(world.paths.way_from(near, kSiteA), kFar);
  EXPECT_EQ(from_far(far), kGatewayMedia);
  EXPECT_EQ(world.paths.at(near, kSiteA)->remote->accept, media::Accept::SignalledHost);
  EXPECT_EQ(world.paths.at(far, kOutside)->remote->accept, media::Accept::SignalledAddress);
  EXPECT_GT(world.paths.at(near, kSiteA)->started, 0);
}

TEST_F(MgcpMedia, TheFarEndMayComeLaterAndChange) {
  const TransportAddress far = create(kSiteA, "1F");
  EXPECT_EQ(from_far(far), std::nullopt) << "nobody is on the other side yet";
  const TransportAddress near = modify(kSiteA, "1f", kFar);
  EXPECT_EQ(world.paths.way_from(near, kSiteA), kFar);
  EXPECT_EQ(from_far(far), kGatewayMedia);

  const TransportAddress moved = address("192.0.2.41:7000");
  EXPECT_EQ(modify(kSiteA, "1F", moved), near);
  EXPECT_EQ(world.paths.way_from(near, kSiteA), moved);
  EXPECT_EQ(world.paths.opened, 2);
}

TEST_F(MgcpMedia, AChangeThatIsRefusedChangesNothing) {
  const TransportAddress far = create(kSiteA, "1F");
  const TransportAddress near = modify(kSiteA, "1F", kFar);
  modify(kSiteA, "1F", address("192.0.2.41:7000"), "502");
  EXPECT_EQ(world.paths.way_from(near, kSiteA), kFar);
  EXPECT_EQ(from_far(far), kGatewayMedia);
}

TEST_F(MgcpMedia, TheGatewaysOwnAddressMayChange) {
  create(kSiteA, "1F");
  modify(kSiteA, "1F", kFar);
  const TransportAddress now = address("10.1.1.6:6100");
  const std::string answer = world.exchange(
      kSiteA, command("MDCX", kSiteA, "C: 77\r\nI: 1F\r\nM: recvonly\r\n"), "200", with("", now));
  EXPECT_EQ(from_far(media_of(answer)), now);
}

TEST_F(MgcpMedia, AProvisionalAnswerMayHaveTheDescription) {
  const std::string passed =
      world.passed_from_call_agent(with(command("CRCX", kSiteA, "C: 77\r\nM: sendrecv\r\n"), kFar));
  const std::string early = world.passed_from_gateway(
      kSiteA, with("100 " + World::id_of(passed) + " Pending\r\nI: 1F\r\n", kGatewayMedia));
  EXPECT_EQ(media_of(early).ip, kServer);
  const std::string last = world.passed_from_gateway(
      kSiteA, with("200 " + World::id_of(passed) + " OK\r\nI: 1F\r\n", kGatewayMedia));
  EXPECT_EQ(media_of(last), media_of(early));
  EXPECT_EQ(from_far(media_of(last)), kGatewayMedia);
}

TEST_F(MgcpMedia, AnAuditShowsEachSideWhatItKnows) {
  const TransportAddress far = create(kSiteA, "1F");
  const TransportAddress near = modify(kSiteA, "1F", kFar);
  const std::string told =
      "C: 77\r\nM: sendrecv\r\n\r\n" + sdp("10.1.1.5", 6000) + "\r\n" + sdp("10.1.1.1", near.port);
  const std::string both =
      world.exchange(kSiteA, command("AUCX", kSiteA, "I: 1F\r\nF: C, M, LC, RC\r\n"), "200", told);
  EXPECT_EQ(media_of(both, 0), far);
  EXPECT_EQ(media_of(both, 1), kFar);
  EXPECT_THAT(both, HasSubstr("\r\n\r\n" + sdp("192.0.2.40", 5000))) << "as it told it";
  const std::string remote = world.exchange(kSiteA, command("AUCX", kSiteA, "I: 1F\r\nF: RC\r\n"),
                                            "200", "\r\n" + sdp("10.1.1.1", near.port));
  EXPECT_EQ(media_of(remote), kFar);
}

// ---- Two gateways with each other ----

TEST_F(MgcpMedia, TwoGatewaysOfTwoSitesAreConnectedTheStraightWay) {
  const TransportAddress far_a = create(kSiteA, "A1");
  const TransportAddress far_b = create(kSiteB, "B1", far_a);
  ASSERT_NE(far_a, far_b);
  // B knows A already, and may send to it.
  const TransportAddress near_a = modify(kSiteA, "A1", far_b);
  EXPECT_EQ(world.paths.way_from(near_a, kSiteA), kGatewayMedia);
  const auto calls = world.adapter->calls();
  ASSERT_EQ(calls.size(), 1U);
  EXPECT_EQ(calls[0].protocol, "mgcp");
  EXPECT_EQ(calls[0].state, CallState::Established);
  EXPECT_EQ(calls[0].places, (std::array{kSiteA, kSiteB}));
  EXPECT_EQ(calls[0].from, endpoint(kSiteA));
  EXPECT_EQ(calls[0].to, endpoint(kSiteB));
  for (const TransportAddress& each : {far_a, far_b})
    EXPECT_EQ(from_far(each), std::nullopt) << "nothing goes by the server's own ports";

  // One of them is given another far end: each goes its own way again.
  modify(kSiteA, "A1", kFar);
  EXPECT_EQ(world.paths.way_from(near_a, kSiteA), kFar);
  EXPECT_EQ(from_far(far_a), kGatewayMedia);
  EXPECT_EQ(world.adapter->calls().size(), 2U);
  // And back.
  modify(kSiteA, "A1", far_b);
  EXPECT_EQ(world.paths.way_from(near_a, kSiteA), kGatewayMedia);
}

TEST_F(MgcpMedia, EarlyMediaOfTheCalledGatewayHasAWay) {
  const TransportAddress far_a = create(kSiteA, "A1");
  create(kSiteB, "B1", far_a);
  int joined = 0;
  for (const auto& [id, port] : world.paths.ports)
    if (port.place == kSiteB && port.joined)
      joined += world.paths.ports.at(port.joined).place == kSiteA ? 1 : 0;
  EXPECT_EQ(joined, 1);
}

TEST_F(MgcpMedia, OneThatIsNotMeantIsNotConnected) {
  const TransportAddress far_a = create(kSiteA, "A1", kFar);
  create(kSiteB, "B1", far_a);
  EXPECT_EQ(from_far(far_a), kGatewayMedia) << "A talks with somebody else";
}

TEST_F(MgcpMedia, WhenOneOfTwoIsDeletedTheOtherCanBeConnectedAnew) {
  const TransportAddress far_a = create(kSiteA, "A1");
  const TransportAddress far_b = create(kSiteB, "B1", far_a);
  modify(kSiteA, "A1", far_b);
  remove(kSiteB, "C: 77\r\nI: B1\r\n");
  const TransportAddress near_a = modify(kSiteA, "A1", kFar);
  EXPECT_EQ(world.paths.way_from(near_a, kSiteA), kFar);
  EXPECT_EQ(world.paths.ports.size(), 2U);
}

// ---- The end ----

TEST_F(MgcpMedia, DeletingReleasesByConnectionCallEndpointAndWildcard) {
  const auto ports_after = [&](const std::string& more, std::string_view local) {
    create(kSiteA, "1F", kFar);
    create(kSiteB, "1F", kFar);
    remove(kSiteA, more, "250", local);
    const std::size_t left = world.paths.ports.size();
    remove(kSiteA, {}, "250", "*");
    remove(kSiteB, {}, "250", "*");
    EXPECT_TRUE(world.paths.ports.empty());
    return left;
  };
  EXPECT_EQ(ports_after("C: 77\r\nI: 1F\r\n", "aaln/1"), 2U);
  EXPECT_EQ(ports_after("C: 77\r\n", "aaln/1"), 2U);
  EXPECT_EQ(ports_after("", "aaln/1"), 2U);
  EXPECT_EQ(ports_after("", "*"), 2U);
  EXPECT_EQ(ports_after("C: 78\r\n", "aaln/1"), 4U);
  EXPECT_EQ(ports_after("C: 77\r\nI: 2F\r\n", "aaln/1"), 4U);
  EXPECT_EQ(ports_after("", "aaln/2"), 4U);
}

TEST_F(MgcpMedia, StatisticsPassAndARefusalKeepsTheConnection) {
  create(kSiteA, "1F", kFar);
  EXPECT_THAT(remove(kSiteA, "C: 77\r\nI: 1F\r\n", "402"), StartsWith("402 "));
  EXPECT_EQ(world.paths.ports.size(), 2U);
  EXPECT_THAT(remove(kSiteA, "C: 77\r\nI: 1F\r\n"), HasSubstr("\r\nP: PS=10, OS=1600, PR=9,"));
  EXPECT_TRUE(world.paths.ports.empty());
}

TEST_F(MgcpMedia, OneThatTheGatewayDoesNotKnowIsReleased) {
  create(kSiteA, "1F", kFar);
  remove(kSiteA, "C: 77\r\nI: 1F\r\n", "515");
  EXPECT_TRUE(world.paths.ports.empty());
}

TEST_F(MgcpMedia, AGatewayMayEndAConnectionItself) {
  create(kSiteA, "1F", kFar);
  EXPECT_THAT(
      world.passed_from_gateway(
          kSiteA, "DLCX 9 aaln/1@[10.1.1.5] MGCP 1.0\r\nC: 77\r\nI: 1F\r\nE: 900 trouble\r\n"),
      HasSubstr("\r\nC: 77\r\nI: 1F\r\nE: 900 trouble\r\n"));
  EXPECT_TRUE(world.paths.ports.empty());
}

TEST_F(MgcpMedia, ARestartEndsConnectionsAndALostWayDoesNot) {
  const auto ports_after = [&](const std::string& method) {
    create(kSiteA, "1F", kFar);
    world.passed_from_gateway(
        kSiteA, "RSIP " + next() + " aaln/*@[10.1.1.5] MGCP 1.0\r\nRM: " + method + "\r\n");
    const std::size_t left = world.paths.ports.size();
    remove(kSiteA, {}, "250", "*");
    return left;
  };
  EXPECT_EQ(ports_after("restart"), 0U);
  EXPECT_EQ(ports_after("forced"), 0U);
  EXPECT_EQ(ports_after("graceful"), 2U);
  EXPECT_EQ(ports_after("disconnected"), 2U);
  EXPECT_EQ(ports_after("x-keepalive"), 2U);
}

TEST_F(MgcpMedia, WithItsAgentAConnectionIsGone) {
  create(kSiteA, "1F", kFar);
  world.away.insert(kSiteA);
  world.adapter->on_edge_lost(kSiteA, world);
  EXPECT_TRUE(world.paths.ports.empty());
  EXPECT_TRUE(world.adapter->calls().empty());
}

TEST_F(MgcpMedia, AtTheEndBothSidesAreTold) {
  create(kSiteA, "1F", kFar);
  world.sent.clear();
  world.adapter->on_shutdown(world);
  ASSERT_EQ(world.sent.size(), 2U);
  EXPECT_THAT(world.sent[0].text, HasSubstr(" aaln/1@[10.1.1.5] MGCP 1.0\r\nC: 77\r\nI: 1F\r\n"));
  EXPECT_THAT(world.sent[1].text, HasSubstr(endpoint(kSiteA)));
  EXPECT_EQ(world.sent[1].remote, kCallAgent);
}

// ---- Odd cases ----

TEST_F(MgcpMedia, WithoutPortsAConnectionIsRefusedBeforeItIsMade) {
  world.paths.limit = 1;
  EXPECT_THAT(
      world.passed_from_call_agent(with(command("CRCX", kSiteA, "C: 77\r\nM: sendrecv\r\n"), kFar)),
      StartsWith("502 "));
  EXPECT_TRUE(world.paths.ports.empty());
  EXPECT_TRUE(world.adapter->calls().empty());
}

TEST_F(MgcpMedia, OneThatTheGatewayRefusesLeavesNothing) {
  EXPECT_THAT(world.exchange(kSiteA, with(command("CRCX", kSiteA, "C: 77\r\n"), kFar), "540"),
              StartsWith("540 "));
  EXPECT_TRUE(world.paths.ports.empty());
}

TEST_F(MgcpMedia, OneThatIsNeverAnsweredLeavesNothing) {
  world.passed_from_call_agent(with(command("CRCX", kSiteA, "C: 77\r\n"), kFar));
  EXPECT_FALSE(world.paths.ports.empty());
  world.pass(31s);
  EXPECT_TRUE(world.paths.ports.empty());
}

TEST_F(MgcpMedia, AConnectionOlderThanTheServerIsTakenOverWhenItIsChanged) {
  create(kSiteA, "1F", kFar);
  world.adapter->on_shutdown(world);
  world.paths.ports.clear();
  world.start();
  const std::string passed = world.passed_from_call_agent(
      with(command("MDCX", kSiteA, "C: 77\r\nI: 1F\r\nM: sendrecv\r\n"), kFar));
  const TransportAddress near = media_of(passed);
  const std::string answer = world.passed_from_gateway(
      kSiteA, with("200 " + World::id_of(passed) + " OK\r\n", kGatewayMedia));
  EXPECT_EQ(world.paths.way_from(near, kSiteA), kFar);
  EXPECT_EQ(from_far(media_of(answer)), kGatewayMedia);
}

TEST_F(MgcpMedia, TwoEndpointsOfOneGatewayNeedNoMediaOfOurs) {
  const std::string passed = world.passed_from_call_agent(command(
      "CRCX", kSiteA, "C: 77\r\nM: sendrecv\r\nZ2: " + endpoint(kSiteA, "aaln/2") + "\r\n"));
  EXPECT_THAT(passed, HasSubstr("\r\nZ2: aaln/2@[10.1.1.5]\r\n"));
  EXPECT_THAT(world.passed_from_gateway(kSiteA, "200 " + World::id_of(passed) +
                                                    " OK\r\nI: 1\r\nZ2: aaln/2@[10.1.1.5]\r\n"
                                                    "I2: 2\r\n"),
              HasSubstr("\r\nZ2: " + endpoint(kSiteA, "aaln/2") + "\r\nI2: 2\r\n"));
  EXPECT_TRUE(world.paths.ports.empty());
  EXPECT_THAT(world.passed_from_call_agent(
                  command("CRCX", kSiteA, "C: 77\r\nZ2: " + endpoint(kSiteB, "aaln/2") + "\r\n")),
              StartsWith("500 "));
}

TEST_F(MgcpMedia, AnyEndpointIsTheOneThatTheGatewayChose) {
  const std::string answer = world.exchange(
      kSiteA,
      with("CRCX " + next() + " " + endpoint(kSiteA, "aaln/$") + " MGCP 1.0\r\nC: 77\r\n", kFar),
      "200", with("I: 1F\r\nZ: aaln/3@[10.1.1.5]\r\n", kGatewayMedia));
  EXPECT_THAT(answer, HasSubstr("Z: " + endpoint(kSiteA, "aaln/3") + "\r\n"));
  remove(kSiteA, "C: 77\r\nI: 1F\r\n", "250", "aaln/3");
  EXPECT_TRUE(world.paths.ports.empty());
}

TEST_F(MgcpMedia, CommandsBehindOneThatWaitsForPortsWaitToo) {
  world.sent.clear();
  world.from_call_agent(with(command("CRCX", kSiteA, "C: 77\r\nM: sendrecv\r\n"), kFar) +
                        ".\r\nRQNT 900 " + endpoint(kSiteA) + " MGCP 1.0\r\nX: 1\r\n");
  ASSERT_EQ(world.sent.size(), 2U);
  EXPECT_THAT(world.sent[0].text, StartsWith("CRCX "));
  EXPECT_THAT(world.sent[1].text, StartsWith("RQNT "));
}

TEST_F(MgcpMedia, MoreThanOneAgentMayHaveIsRefused) {
  Config config = World::usual();
  config.limits.calls_per_agent = 2;
  World small{config};
  small.enrol(kSiteA);
  int refused = 0;
  for (int i = 0; i < 4; ++i) {
    const std::string got = small.passed_from_call_agent(
        with("CRCX " + next() + " " + endpoint(kSiteA) + " MGCP 1.0\r\nC: 1\r\n", kFar));
    if (got.starts_with("502 ")) {
      ++refused;
      continue;
    }
    small.from_gateway(kSiteA,
                       with("200 " + World::id_of(got) + " OK\r\nI: " + std::to_string(i) + "\r\n",
                            kGatewayMedia));
  }
  EXPECT_EQ(refused, 2);
}

}  // namespace
}  // namespace sallyport::adapter::mgcp
