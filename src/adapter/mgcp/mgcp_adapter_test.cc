// Messages through the adapter: names, transaction-ids, repetitions, refusals.
#include "adapter/mgcp/mgcp_adapter.h"

#include <set>

#include "adapter/mgcp/test_world.h"

namespace sallyport::adapter::mgcp {
namespace {

using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;
using namespace test;

std::string on(std::string_view shown, std::string_view local = "aaln/1") {
  return std::string{local} + "@" + std::string{shown};
}

// ---- Gateways and their names ----

TEST(Mgcp, AGatewayIsIntroducedToItsCallAgentUnderANameThatTellsItsSite) {
  World world;
  const std::string passed = world.passed_from_gateway(
      kSiteA, "RSIP 1200 *@[10.1.1.5] MGCP 1.0\r\nRM: restart\r\nRD: 0\r\n");
  EXPECT_EQ(passed, "RSIP " + World::id_of(passed) + " *@" + std::string{kShownA} +
                        " MGCP 1.0\r\nRM: restart\r\nRD: 0\r\n");
  EXPECT_EQ(world.sent[0].place, kOutside);
  EXPECT_EQ(world.sent[0].remote, kCallAgent);
  EXPECT_EQ(world.sent[0].from, 2427) << "the server is the gateway";

  world.sent.clear();
  world.from_call_agent("200 " + World::id_of(passed) + " OK\r\n");
  EXPECT_EQ(world.only_sent(), "200 1200 OK\r\n");
  EXPECT_EQ(world.sent[0].place, kSiteA);
  EXPECT_EQ(world.sent[0].remote, kGateway);
  EXPECT_EQ(world.sent[0].from, 2727) << "the agent is the call agent";
}

TEST(Mgcp, EqualNamesAndNumbersOfTwoSitesStayApart) {
  World world;
  const std::string a =
      world.passed_from_gateway(kSiteA, "RSIP 1 *@[10.1.1.5] MGCP 1.0\r\nRM: restart\r\n");
  const std::string b =
      world.passed_from_gateway(kSiteB, "RSIP 1 *@[10.1.1.5] MGCP 1.0\r\nRM: restart\r\n");
  EXPECT_THAT(a, HasSubstr(kShownA));
  EXPECT_THAT(b, HasSubstr(kShownB));
  EXPECT_NE(World::id_of(a), World::id_of(b));
  world.sent.clear();
  world.from_call_agent("200 " + World::id_of(b) + " OK\r\n.\r\n200 " + World::id_of(a) +
                        " OK\r\n");
  ASSERT_EQ(world.sent.size(), 2U);
  EXPECT_EQ(world.sent[0].place, kSiteB);
  EXPECT_EQ(world.sent[1].place, kSiteA);
  EXPECT_EQ(world.sent[0].text, "200 1 OK\r\n");

  world.sent.clear();
  world.from_call_agent("RQNT 5 " + on(kShownB) + " MGCP 1.0\r\nX: 1\r\n");
  ASSERT_EQ(world.sent.size(), 1U);
  EXPECT_EQ(world.sent[0].place, kSiteB);
}

TEST(Mgcp, ANameIsTakenWithAndWithoutBracketsAndInAnyCase) {
  World world;
  world.enrol(kSiteA);
  EXPECT_THAT(world.passed_from_gateway(kSiteA, "NTFY 2 aaln/1@10.1.1.5 MGCP 1.0\r\nX: 1\r\n"),
              HasSubstr(on(kShownA)));
  EXPECT_THAT(world.passed_from_call_agent(
                  "RQNT 5 aaln/1@10-1-1-5.SITE-A.Example.ORG MGCP 1.0\r\nX: 1\r\n"),
              HasSubstr(" aaln/1@10.1.1.5 MGCP"))
      << "as the gateway said it last";
}

TEST(Mgcp, AGatewayMayBeConfigured) {
  Config config = World::usual();
  config.gateways = {{.agent = "site-a", .address = kGateway, .domain = "mgw", .name = "lobby"}};
  World world{config};
  EXPECT_THAT(world.passed_from_call_agent(
                  "RQNT 5 aaln/1@lobby MGCP 1.0\r\nN: ca@[192.0.2.10]\r\nX: 1\r\n"),
              HasSubstr(" aaln/1@mgw MGCP 1.0\r\nN: ca@[10.1.1.1]:2727\r\nX: 1\r\n"));
}

TEST(Mgcp, AGatewayIsKnownAfterARestart) {
  World world;
  world.enrol(kSiteA);
  world.exchange(kSiteA,
                 "RQNT 5 " + on(kShownA) + " MGCP 1.0\r\nN: ca@ca.example.com:5678\r\nX: 1\r\n",
                 "200");
  world.start();
  EXPECT_THAT(world.passed_from_call_agent("AUEP 6 " + on(kShownA) + " MGCP 1.0\r\n"),
              HasSubstr("aaln/1@[10.1.1.5] MGCP"));
  world.passed_from_gateway(kSiteA, "NTFY 7 aaln/1@[10.1.1.5] MGCP 1.0\r\nX: 1\r\n");
  EXPECT_EQ(world.sent[0].remote, address("192.0.2.10:5678")) << "whom it was told to notify";
}

TEST(Mgcp, WildcardsPassAndAnswersNameTheOneThatIsMeant) {
  World world;
  world.enrol(kSiteA);
  const std::string answer =
      world.exchange(kSiteA, "AUEP 8 " + on(kShownA, "aaln/*") + " MGCP 1.0\r\n", "200",
                     "Z: aaln/1@[10.1.1.5]\r\nZ: aaln/2@[10.1.1.5]\r\n");
  EXPECT_EQ(answer, "200 8 OK\r\nZ: " + on(kShownA) + "\r\nZ: " + on(kShownA, "aaln/2") + "\r\n");
}

// ---- Notified entities ----

TEST(Mgcp, WhatAnEndpointNotifiesGoesWhereItWasTold) {
  World world;
  world.enrol(kSiteA);
  const std::string passed = world.passed_from_call_agent(
      "RQNT 5 " + on(kShownA) + " MGCP 1.0\r\nN: ca-2@ca.example.com:5678\r\nX: 1\r\nR: hd\r\n");
  EXPECT_EQ(passed, "RQNT " + World::id_of(passed) +
                        " aaln/1@[10.1.1.5] MGCP 1.0\r\nN: ca-2@[10.1.1.1]:2727\r\nX: 1\r\n"
                        "R: hd\r\n");
  const auto notify = [&](const std::string& id, std::string_view local) {
    return world.passed_from_gateway(
        kSiteA, "NTFY " + id + " " + std::string{local} +
                    "@[10.1.1.5] MGCP 1.0\r\nN: ca-2@[10.1.1.1]:2727\r\nX: 1\r\nO: hd\r\n");
  };
  notify("21", "aaln/1");
  EXPECT_EQ(world.sent[0].remote, kCallAgent) << "the command is not answered yet";
  world.from_gateway(kSiteA, "200 " + World::id_of(passed) + " OK\r\n");
  EXPECT_THAT(notify("22", "aaln/1"), HasSubstr("N: ca-2@ca.example.com:5678\r\n"));
  EXPECT_EQ(world.sent[0].remote, address("192.0.2.10:5678"));
  EXPECT_THAT(notify("23", "aaln/2"), HasSubstr("N: ca.example.com:2727\r\n"));
  EXPECT_EQ(world.sent[0].remote, kCallAgent);
  EXPECT_THAT(world.exchange(kSiteA, "AUEP 6 " + on(kShownA) + " MGCP 1.0\r\nF: N\r\n", "200",
                             "N: ca-2@[10.1.1.1]:2727\r\n"),
              HasSubstr("N: ca-2@ca.example.com:5678\r\n"));
  world.expect_nothing_leaked();
}

TEST(Mgcp, NobodyButACallAgentIsNotified) {
  World world;
  world.names["stranger.example.net"] = {*IpAddress::parse("192.0.2.66")};
  world.enrol(kSiteA);
  world.exchange(kSiteA,
                 "RQNT 5 " + on(kShownA) + " MGCP 1.0\r\nN: x@stranger.example.net\r\nX: 1\r\n",
                 "200");
  world.passed_from_gateway(kSiteA, "NTFY 7 aaln/1@[10.1.1.5] MGCP 1.0\r\nX: 1\r\n");
  EXPECT_EQ(world.sent[0].remote, kCallAgent);
  EXPECT_EQ(world.adapter->counters().get("notified_entity_unknown"), 1U);
}

TEST(Mgcp, ARestartedGatewayTurnsToWhomItWasConfiguredFor) {
  World world;
  world.enrol(kSiteA);
  world.exchange(kSiteA, "RQNT 5 " + on(kShownA) + " MGCP 1.0\r\nN: [192.0.2.10]:5678\r\nX: 1\r\n",
                 "200");
  world.passed_from_gateway(kSiteA, "RSIP 7 *@[10.1.1.5] MGCP 1.0\r\nRM: disconnected\r\n");
  EXPECT_EQ(world.sent[0].remote.port, 5678);
  world.passed_from_gateway(kSiteA, "RSIP 8 *@[10.1.1.5] MGCP 1.0\r\nRM: restart\r\n");
  EXPECT_EQ(world.sent[0].remote.port, 2727);
}

TEST(Mgcp, TheAnswerToRsipMayNameAnotherCallAgent) {
  World world;
  const std::string passed =
      world.passed_from_gateway(kSiteA, "RSIP 1 *@[10.1.1.5] MGCP 1.0\r\nRM: restart\r\n");
  world.sent.clear();
  world.from_call_agent("521 " + World::id_of(passed) + " moved\r\nN: ca2@ca.example.com:9000\r\n");
  EXPECT_EQ(world.only_sent(), "521 1 moved\r\nN: ca2@[10.1.1.1]:2727\r\n");
  world.passed_from_gateway(kSiteA, "RSIP 2 *@[10.1.1.5] MGCP 1.0\r\nRM: disconnected\r\n");
  EXPECT_EQ(world.sent[0].remote, address("192.0.2.10:9000"));
}

TEST(Mgcp, NoPrivateAddressLeavesInAnyParameterOrText) {
  World world;
  world.enrol(kSiteA);
  world.passed_from_gateway(kSiteA,
                            "NTFY 7 aaln/1@[10.1.1.5] MGCP 1.0\r\nX: 1\r\nX-Agent: at 10.1.1.5\r\n"
                            "O: L/hd(10.1.1.77)\r\n");
  world.expect_nothing_leaked();
  const std::string passed =
      world.passed_from_call_agent("RQNT 4 " + on(kShownA) + " MGCP 1.0\r\nX: 1\r\n");
  EXPECT_EQ(
      world.passed_from_gateway(kSiteA, "400 " + World::id_of(passed) + " 10.1.1.5 is busy\r\n"),
      "400 4 198.51.100.1 is busy\r\n");
  world.exchange(kSiteA, "AUEP 5 " + on(kShownA) + " MGCP 1.0\r\nF: A\r\n", "200",
                 "A: a:PCMU, x-at:10.1.1.5\r\n\r\nv=0\r\ns=10.1.1.5\r\nc=IN IP4 10.1.1.5\r\n");
  world.expect_nothing_leaked();
}

// ---- Transactions ----

TEST(Mgcp, ARepetitionGoesOnUnderTheSameNumberUntilItIsAnswered) {
  World world;
  world.enrol(kSiteA);
  const std::string command = "RQNT 77 " + on(kShownA) + " MGCP 1.0\r\nX: 1\r\n";
  const std::string first = world.passed_from_call_agent(command);
  EXPECT_EQ(world.passed_from_call_agent(command), first);
  world.pass(10s);
  EXPECT_EQ(world.sent.size(), 1U) << "nobody repeats but who began";
  const std::string answer =
      world.passed_from_gateway(kSiteA, "200 " + World::id_of(first) + " OK\r\n");
  EXPECT_EQ(answer, "200 77 OK\r\n");
  EXPECT_EQ(world.passed_from_call_agent(command), "200 77 OK\r\n");
  EXPECT_EQ(world.sent[0].place, kOutside) << "the gateway is not asked again";
  EXPECT_EQ(world.passed_from_gateway(kSiteA, "200 " + World::id_of(first) + " OK\r\n"),
            "200 77 OK\r\n")
      << "who answers once more wants it to come";
  world.pass(31s);
  EXPECT_NE(world.passed_from_call_agent(command), first) << "forgotten: it is a new one";
}

TEST(Mgcp, AnotherCallAgentIsTriedWhenTheFirstIsSilent) {
  Config config = World::usual();
  config.call_agents.push_back({.agent = {}, .address = {"192.0.2.20", 0}, .serves = {}});
  World world{config};
  std::vector<TransportAddress> tried;
  for (int i = 0; i < 7; ++i) {
    world.passed_from_gateway(kSiteA, "RSIP 1 *@[10.1.1.5] MGCP 1.0\r\nRM: restart\r\n");
    tried.push_back(world.sent[0].remote);
  }
  EXPECT_EQ(tried[2], kCallAgent);
  EXPECT_EQ(tried[3], address("192.0.2.20:2727"));
  EXPECT_EQ(tried[6], kCallAgent);
}

TEST(Mgcp, ProvisionalAnswersPassAndTheLastOneIsAcknowledged) {
  World world;
  world.enrol(kSiteA);
  const std::string passed =
      world.passed_from_call_agent("RQNT 77 " + on(kShownA) + " MGCP 1.0\r\nX: 1\r\n");
  const std::string id = World::id_of(passed);
  EXPECT_EQ(world.passed_from_gateway(kSiteA, "100 " + id + " Pending\r\n"), "100 77 Pending\r\n");
  world.pass(25s);
  EXPECT_EQ(world.passed_from_gateway(kSiteA, "200 " + id + " OK\r\nK:\r\n"),
            "200 77 OK\r\nK:\r\n");
  EXPECT_EQ(world.passed_from_call_agent("000 77\r\n"), "000 " + id + "\r\n");
  world.sent.clear();
  world.from_call_agent("000 78\r\n");
  EXPECT_TRUE(world.sent.empty());
}

TEST(Mgcp, AcknowledgedNumbersAreThoseOfTheOtherSide) {
  World world;
  world.enrol(kSiteA);
  world.enrol(kSiteB);
  const auto request = [&](Place site, std::string_view shown, const std::string& id,
                           const std::string& more) {
    const std::string passed =
        world.passed_from_call_agent("RQNT " + id + " " + on(shown) + " MGCP 1.0\r\n" + more);
    world.from_gateway(site, "200 " + World::id_of(passed) + " OK\r\n");
    return passed;
  };
  const std::string one = request(kSiteA, kShownA, "100", "X: 1\r\n");
  const std::string two = request(kSiteA, kShownA, "101", "X: 1\r\n");
  request(kSiteB, kShownB, "102", "X: 1\r\n");
  EXPECT_THAT(request(kSiteA, kShownA, "103", "K: 90-102, 400\r\nX: 1\r\n"),
              HasSubstr("\r\nK: " + World::id_of(one) + ", " + World::id_of(two) + "\r\nX:"))
      << "those of another gateway are not its business";
  EXPECT_THAT(request(kSiteA, kShownA, "104", "K: 1-999999999\r\nX: 1\r\n"), HasSubstr("\r\nK: "));
  EXPECT_THAT(request(kSiteB, kShownB, "105", "K: 400\r\nX: 1\r\n"), Not(HasSubstr("K:")));
}

TEST(Mgcp, MessagesOfOneDatagramAreTakenInTheirOrder) {
  World world;
  world.enrol(kSiteA);
  const std::string passed =
      world.passed_from_call_agent("RQNT 77 " + on(kShownA) + " MGCP 1.0\r\nX: 1\r\n");
  world.sent.clear();
  world.from_gateway(kSiteA, "200 " + World::id_of(passed) +
                                 " OK\r\n.\r\nNTFY 9 aaln/1@[10.1.1.5] MGCP 1.0\r\nX: 1\r\n"
                                 "O: hd\r\n.\r\nrubbish\r\n.\r\nNTFY 10 aaln/2@[10.1.1.5] MGCP "
                                 "1.0\r\nX: 2\r\nO: hu\r\n");
  ASSERT_EQ(world.sent.size(), 3U);
  EXPECT_EQ(world.sent[0].text, "200 77 OK\r\n");
  EXPECT_THAT(world.sent[1].text, HasSubstr("O: hd"));
  EXPECT_THAT(world.sent[2].text, HasSubstr("O: hu"));
}

TEST(Mgcp, NothingIsRememberedForEver) {
  World world;
  world.enrol(kSiteA);
  world.passed_from_call_agent("RQNT 77 " + on(kShownA) + " MGCP 1.0\r\nX: 1\r\n");
  world.exchange(kSiteA, "RQNT 78 " + on(kShownA) + " MGCP 1.0\r\nX: 1\r\n", "200");
  world.pass(31s);
  EXPECT_EQ(world.adapter->size(), 1U) << "the call agent's name is resolved again some time";
  EXPECT_EQ(world.adapter->counters().get("unanswered"), 1U);
}

// ---- Restarts ----

TEST(Mgcp, AStormOfRestartsIsSpread) {
  Config config = World::usual();
  config.restarts_a_second = 10;
  World world{config};
  const auto restart = [&](int i) {
    world.receive(kSiteA, {*IpAddress::parse("10.1.2." + std::to_string(i)), 2427}, 2727,
                  "RSIP 1 *@gw" + std::to_string(i) + " MGCP 1.0\r\nRM: restart\r\n");
  };
  for (int i = 0; i < 100; ++i) restart(i);
  EXPECT_LE(world.sent.size(), 10U);
  restart(99);
  EXPECT_LE(world.sent.size(), 10U) << "one that waits is not passed on because it is repeated";
  const std::size_t at_once = world.sent.size();
  world.pass(4s);
  EXPECT_NEAR(static_cast<double>(world.sent.size() - at_once), 40, 10);
  // A keep-alive of a vendor's does not wait, nor does a notification.
  const std::size_t before = world.sent.size();
  world.from_gateway(kSiteA, "RSIP 2 *@[10.1.1.5] MGCP 1.0\r\nRM: x-keepalive\r\n");
  world.from_gateway(kSiteA, "NTFY 3 a@[10.1.1.5] MGCP 1.0\r\nX: 1\r\n");
  EXPECT_EQ(world.sent.size(), before + 2);
  world.pass(10s);
  std::set<std::string> told;
  for (const World::Sent& each : world.sent)
    told.insert(each.text.substr(0, each.text.find("RM:")));
  EXPECT_EQ(told.size(), 102U);
  EXPECT_EQ(world.sent.size(), 102U) << "everyone's, once";
}

// ---- Refusals ----

TEST(Mgcp, IsRefusedInItsOwnTerms) {
  World world;
  world.enrol(kSiteA);
  const auto refusal = [&](const std::string& command) {
    const std::string answer = world.passed_from_call_agent(command);
    return answer.substr(0, answer.find(' ', 4));
  };
  EXPECT_EQ(refusal("RQNT 1 aaln/1@nobody.example.org MGCP 1.0\r\n"), "500 1");
  EXPECT_EQ(refusal("RQNT 2 " + on("10.1.1.5") + " MGCP 1.0\r\n"), "500 2")
      << "its inside name is no name outside";
  EXPECT_EQ(refusal("NTFY 3 " + on(kShownA) + " MGCP 1.0\r\n"), "504 3");
  EXPECT_EQ(refusal("WHAT 4 " + on(kShownA) + " MGCP 1.0\r\n"), "504 4");
  EXPECT_EQ(refusal("RQNT 5 nonsense MGCP 1.0\r\n"), "510 5");
  EXPECT_EQ(refusal("RQNT 6\r\n"), "510 6");
  EXPECT_EQ(refusal("RQNT 7 " + on(kShownA) + " MGCP 1.0\r\nN: @\r\n"), "510 7");
  EXPECT_EQ(refusal("RQNT 8 " + on(kShownA) + " MGCP 1.0\r\nK: none\r\n"), "510 8");
  EXPECT_EQ(refusal("CRCX 9 " + on(kShownA) + " MGCP 1.0\r\nC: 1\r\n\r\nno sdp\r\n"), "505 9");
  world.away.insert(kSiteA);
  EXPECT_EQ(refusal("RQNT 10 " + on(kShownA) + " MGCP 1.0\r\n"), "501 10");
  EXPECT_EQ(world.adapter->counters().get("refused_510"), 4U);

  EXPECT_THAT(world.passed_from_gateway(kSiteB, "CRCX 9 aaln/1@[10.1.1.5] MGCP 1.0\r\nC: 1\r\n"),
              StartsWith("504 9"));
}

TEST(Mgcp, ExtensionsPass) {
  World world;
  world.enrol(kSiteA);
  EXPECT_EQ(world.exchange(kSiteA, "XFOO 4 " + on(kShownA) + " MGCP 1.0\r\nX-Y: z\r\n", "800",
                           "X-Z: y\r\n"),
            "800 4 OK\r\nX-Z: y\r\n");
}

TEST(Mgcp, AnswersAreNeverAnswered) {
  World world;
  world.enrol(kSiteA);
  world.sent.clear();
  for (const char* text :
       {"200 55 OK\r\n", "000 999\r\n", "2 2 2", "100 x", ".\r\n.\r\n", "\r\n"}) {
    world.from_call_agent(text);
    world.from_gateway(kSiteA, text);
  }
  EXPECT_TRUE(world.sent.empty());
  EXPECT_GE(world.adapter->counters().get("unexpected_answer"), 2U);
}

TEST(Mgcp, AnAnswerOfSomebodyElseIsNone) {
  World world;
  world.enrol(kSiteA);
  world.enrol(kSiteB);
  const std::string passed =
      world.passed_from_call_agent("RQNT 77 " + on(kShownA) + " MGCP 1.0\r\nX: 1\r\n");
  world.sent.clear();
  world.from_gateway(kSiteB, "200 " + World::id_of(passed) + " OK\r\n");
  world.receive(kSiteA, address("10.1.1.6:2427"), 2727, "200 " + World::id_of(passed) + " OK\r\n");
  EXPECT_TRUE(world.sent.empty());
}

TEST(Mgcp, AStrangerCommandsNothingAndIsAnsweredOnlySoOften) {
  World world;
  world.enrol(kSiteA);
  world.sent.clear();
  for (int i = 1; i <= 5000; ++i)
    world.receive(kOutside, address("192.0.2.66:2727"), 2427,
                  "RQNT " + std::to_string(i) + " " + on(kShownA) + " MGCP 1.0\r\n");
  EXPECT_LT(world.sent.size(), 1000U);
  for (const World::Sent& each : world.sent) EXPECT_EQ(each.place, kOutside) << each.text;
  EXPECT_THAT(world.sent[0].text, StartsWith("500 1 "));
  // The call agent is heard all the same.
  EXPECT_THAT(world.passed_from_call_agent("RQNT 1 " + on(kShownA) + " MGCP 1.0\r\n"),
              StartsWith("RQNT "));
}

TEST(Mgcp, ACallAgentCommandsOnlyTheSitesThatItServes) {
  Config config = World::usual();
  config.call_agents[0].serves = {"site-b"};
  World world{config};
  world.from_gateway(kSiteA, "RSIP 1 *@[10.1.1.5] MGCP 1.0\r\nRM: restart\r\n");
  EXPECT_TRUE(world.sent.empty());
  EXPECT_THAT(world.passed_from_call_agent("AUEP 1 " + on(kShownA) + " MGCP 1.0\r\n"),
              StartsWith("500 1"));
  EXPECT_THAT(world.passed_from_gateway(kSiteB, "RSIP 1 *@[10.1.1.5] MGCP 1.0\r\n"),
              HasSubstr(kShownB));
}

TEST(Mgcp, OneSiteCannotFillTheGatewaysOfAnother) {
  Config config = World::usual();
  config.max_gateways_per_agent = 3;
  World world{config};
  for (int i = 0; i < 3; ++i)
    world.from_gateway(kSiteA, "NTFY " + std::to_string(i + 1) + " a@gw" + std::to_string(i) +
                                   " MGCP 1.0\r\nX: 1\r\n");
  EXPECT_THAT(world.passed_from_gateway(kSiteA, "NTFY 9 a@gw9 MGCP 1.0\r\nX: 1\r\n"),
              StartsWith("502 9"));
  EXPECT_THAT(world.passed_from_gateway(kSiteB, "NTFY 9 a@gw9 MGCP 1.0\r\nX: 1\r\n"),
              StartsWith("NTFY "));
}

TEST(Mgcp, RubbishDoesNoHarm) {
  World world;
  const std::vector<std::string> seeds = {
      "RSIP 1 *@[10.1.1.5] MGCP 1.0\r\nRM: restart\r\n",
      "NTFY 2 aaln/1@[10.1.1.5] MGCP 1.0\r\nN: ca@[10.1.1.1]:2727\r\nX: 1\r\nO: hd\r\nK: 1-2\r\n",
      "CRCX 3 " + on(kShownA) + " MGCP 1.0\r\nC: 7\r\nM: sendrecv\r\nN: ca@ca.example.com\r\n\r\n" +
          sdp("192.0.2.40", 5000),
      "AUCX 4 " + on(kShownA, "*") + " MGCP 1.0\r\nI: 1\r\nF: LC, RC\r\n.\r\n200 5 OK\r\n",
      "DLCX 6 " + on(kShownA) + " MGCP 1.0\r\nC: 7\r\n",
  };
  SeededRandom random{11};
  for (int i = 0; i < 5000; ++i) {
    std::string text = seeds[random.below(seeds.size())];
    for (std::uint64_t n = random.below(4); n > 0; --n)
      text[random.below(text.size())] = static_cast<char>(random.below(256));
    text.resize(text.size() - random.below(text.size() / 4));
    world.sent.clear();
    if (random.below(2) == 0)
      world.from_gateway(kSiteA, text);
    else
      world.from_call_agent(text);
    for (const World::Sent& each : world.sent)
      EXPECT_TRUE(codec::mgcp::Message::parse(each.text)) << each.text;
    world.expect_nothing_leaked();
    // What was passed on to the gateway is answered with as much sense.
    if (!world.sent.empty() && world.sent.back().place == kSiteA && random.below(2) == 0) {
      const std::string answer = "200 " + World::id_of(world.sent.back().text) +
                                 " OK\r\nI: 1\r\n\r\n" + sdp("10.1.1.5", 6000);
      world.from_gateway(kSiteA, answer.substr(0, answer.size() - random.below(60)));
    }
    if (i % 50 == 0) world.pass(1s);
  }
  world.from_gateway(kSiteA, "RSIP 999 *@[10.1.1.5] MGCP 1.0\r\nRM: forced\r\n");
  world.pass(11min);
  EXPECT_LE(world.adapter->size(), 1U) << "the call agent's name is resolved again some time";
}

// ---- The mirror: the call agent inside, gateways outside ----

TEST(MgcpMirror, ACallAgentInsideControlsGatewaysOutside) {
  Config config;
  config.domain = "example.org";
  config.advertised = {kServer};
  config.call_agents = {{.agent = "site-a", .address = {"10.1.1.9", 0}, .serves = {}}};
  config.gateways = {
      {.agent = {}, .address = address("192.0.2.30:2427"), .domain = "gw.example.net", .name = {}}};
  World world{config};
  const TransportAddress call_agent = address("10.1.1.9:2727");
  const TransportAddress gateway = address("192.0.2.30:2427");

  world.receive(kOutside, gateway, 2727, "RSIP 1 *@gw.example.net MGCP 1.0\r\nRM: restart\r\n");
  const std::string passed = world.only_sent();
  EXPECT_EQ(world.sent[0].place, kSiteA);
  EXPECT_EQ(world.sent[0].remote, call_agent);
  EXPECT_EQ(world.sent[0].from, 2427) << "the agent is the gateway";
  EXPECT_THAT(passed, HasSubstr("*@gw.example.net"));

  world.sent.clear();
  world.receive(kSiteA, call_agent, 2427,
                "RQNT 6 aaln/1@gw.example.net MGCP 1.0\r\nN: ca@[10.1.1.9]:2727\r\nX: 1\r\n");
  EXPECT_EQ(world.sent[0].place, kOutside);
  EXPECT_EQ(world.sent[0].from, 2727) << "the server is the call agent";
  EXPECT_THAT(world.only_sent(), HasSubstr("N: ca@[198.51.100.1]:2727\r\n"));
  world.expect_nothing_leaked();

  world.sent.clear();
  world.receive(kOutside, address("192.0.2.31:2427"), 2727,
                "RSIP 1 *@gw.example.net MGCP 1.0\r\nRM: restart\r\n");
  world.receive(kOutside, address("192.0.2.31:2427"), 2727,
                "RSIP 2 *@other.example.net MGCP 1.0\r\nRM: restart\r\n");
  ASSERT_EQ(world.sent.size(), 2U);
  for (const World::Sent& each : world.sent) EXPECT_THAT(each.text, StartsWith("500 "));
}

}  // namespace
}  // namespace sallyport::adapter::mgcp
