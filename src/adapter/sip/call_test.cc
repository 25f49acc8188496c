// Calls as RFC 3665 draws them, between two sites, and between a site and the public network.
#include "adapter/sip/test_call.h"

namespace sallyport::adapter::sip::test {
namespace {

// The caller calls the callee, who rings and answers.
void establish(World& world, Phone& caller, Phone& callee) {
  caller.invite("sip:bob@example.com", caller.sdp(4000));
  const auto invite = callee.hear_request("INVITE");
  callee.learn_request(invite);
  callee.respond(invite, 180);
  caller.learn(caller.hear_response(180));
  callee.respond(invite, 200, callee.sdp(5000));
  caller.learn(caller.hear_response(200));
  caller.ack();
  callee.hear_request("ACK");
  EXPECT_FALSE(callee.has_heard());
  ASSERT_EQ(world.adapter->calls().size(), 1U);
  EXPECT_EQ(world.adapter->calls().front().state, CallState::Established);
}

TEST(Call, GoesFromOneSiteToAnotherAndIsHungUp) {
  World world;
  Phone& alice = world.phone(kSiteA, "alice", "10.1.1.5:5060");
  Phone& bob = world.phone(kSiteB, "bob", "10.2.2.6:5060");
  world.enrol(bob);

  alice.invite("sip:bob@example.com", alice.sdp(4000));
  const auto invite = bob.hear_request("INVITE");
  const auto toward_bob = media_of(invite);
  EXPECT_EQ(toward_bob.ip.to_string(), "10.2.2.2");
  bob.learn_request(invite);
  bob.respond(invite, 200, bob.sdp(5000));
  const auto ok = alice.hear_response(200);
  const auto toward_alice = media_of(ok);
  EXPECT_EQ(toward_alice.ip.to_string(), "10.1.1.2");
  alice.learn(ok);
  alice.ack();
  bob.hear_request("ACK");

  EXPECT_EQ(world.paths.way_from(toward_alice, kSiteA), address("10.2.2.6:5000"));
  EXPECT_EQ(world.paths.way_from(toward_bob, kSiteB), address("10.1.1.5:4000"));

  alice.in_dialog("BYE");
  bob.respond(bob.hear_request("BYE"), 200);
  alice.hear_response(200);
  EXPECT_TRUE(world.adapter->calls().empty());
  EXPECT_TRUE(world.paths.ports.empty());
  world.expect_nothing_leaked();
  world.expect_drained();
}

TEST(Call, IsHungUpByTheCalleeToo) {
  World world;
  Phone& alice = world.phone(kSiteA, "alice", "10.1.1.5:5060");
  Phone& bob = world.phone(kSiteB, "bob", "10.2.2.6:5060");
  world.enrol(bob);
  establish(world, alice, bob);
  bob.in_dialog("BYE");
  const auto bye = alice.hear_request("BYE");
  EXPECT_EQ(*bye.find(wire::HeaderName::CallId), alice.call_id);
  alice.respond(bye, 200);
  bob.hear_response(200);
  world.expect_nothing_leaked();
  world.expect_drained();
}

TEST(Call, GoesFromASiteToAPublicPhone) {
  World world;
  Phone& alice = world.phone(kSiteA, "alice", "10.1.1.5:5060");
  Phone& bob = world.phone(kOutside, "bob", "192.0.2.6:5060");
  world.enrol(bob);
  establish(world, alice, bob);
  EXPECT_EQ(bob.target.substr(bob.target.find('@')), "@198.51.100.1:5060");
  alice.in_dialog("BYE");
  bob.respond(bob.hear_request("BYE"), 200);
  alice.hear_response(200);
  world.expect_nothing_leaked();
  world.expect_drained();
}

TEST(Call, GoesFromAPublicPhoneToASite) {
  World world;
  Phone& bob = world.phone(kOutside, "bob", "192.0.2.6:5060");
  Phone& alice = world.phone(kSiteA, "alice", "10.1.1.5:5060");
  world.routing.targets["sip:bob@example.com"] = {world.binding(alice)};
  establish(world, bob, alice);
  alice.in_dialog("BYE");
  bob.respond(bob.hear_request("BYE"), 200);
  alice.hear_response(200);
  world.expect_nothing_leaked();
  world.expect_drained();
}

TEST(Call, GoesBetweenTwoPhonesOfOneSite) {
  World world;
  Phone& alice = world.phone(kSiteA, "alice", "10.1.1.5:5060");
  Phone& bob = world.phone(kSiteA, "bob", "10.1.1.6:5060");
  world.enrol(bob);
  establish(world, alice, bob);
  alice.in_dialog("BYE");
  bob.respond(bob.hear_request("BYE"), 200);
  alice.hear_response(200);
  world.expect_drained();
}

TEST(Call, GoesBetweenTheSameAddressAtBothSites) {
  World world;
  world.lose_edge(kSiteB);
  world.add_edge(kSiteB, *IpAddress::parse("10.1.1.2"), "site-b");
  Phone& alice = world.phone(kSiteA, "alice", "10.1.1.5:5060");
  Phone& bob = world.phone(kSiteB, "bob", "10.1.1.5:5060");
  world.enrol(bob);
  establish(world, alice, bob);
  bob.in_dialog("BYE");
  alice.respond(alice.hear_request("BYE"), 200);
  bob.hear_response(200);
  world.expect_drained();
}

TEST(Call, IsCancelledWhileItRings) {
  Pair p;
  p.alice.invite("sip:bob@example.com", p.alice.sdp());
  const auto invite = p.bob.hear_request("INVITE");
  p.bob.respond(invite, 180);
  p.alice.hear_response(180);
  p.alice.cancel();
  p.alice.hear_response(200);  // the CANCEL's own
  const auto cancel = p.bob.hear_request("CANCEL");
  EXPECT_EQ(cancel.list(wire::HeaderName::Via).front(), invite.list(wire::HeaderName::Via).front());
  p.bob.respond(cancel, 200);
  p.bob.respond(invite, 487);
  p.bob.hear_request("ACK");
  p.alice.hear_response(487);
  EXPECT_TRUE(p.world.paths.ports.empty());
  p.world.expect_nothing_leaked();
  p.world.expect_drained();
}

TEST(Call, StandsWhenTheAnswerCrossesTheCancel) {
  Pair p;
  p.alice.invite("sip:bob@example.com", p.alice.sdp());
  const auto invite = p.bob.hear_request("INVITE");
  p.bob.learn_request(invite);
  p.bob.respond(invite, 180);
  p.alice.hear_response(180);
  p.alice.cancel();
  p.alice.hear_response(200);
  p.bob.hear_request("CANCEL");
  p.bob.respond(invite, 200, p.bob.sdp());
  // RFC 3261 9.1: a 2xx may still come; then the caller acknowledges and hangs up.
  p.alice.learn(p.alice.hear_response(200));
  p.alice.ack();
  p.bob.hear_request("ACK");
  p.finish();
}

TEST(Call, IsNotSentOnWhenItIsCancelledBeforeAnyProvisionalAnswer) {
  Pair p;
  p.alice.invite("sip:bob@example.com", p.alice.sdp());
  const auto invite = p.bob.hear_request("INVITE");
  p.alice.cancel();
  p.alice.hear_response(200);
  EXPECT_FALSE(p.bob.has_heard()) << "RFC 3261 9.1: no CANCEL before a provisional response";
  p.bob.respond(invite, 180);
  p.bob.respond(p.bob.hear_request("CANCEL"), 200);
  p.bob.respond(invite, 487);
  p.bob.hear_request("ACK");
  p.alice.hear_response(487);
  p.world.expect_drained();
}

TEST(Call, IsRefusedInTheCalleesOwnWords) {
  for (const int status : {404, 480, 486, 603}) {
    Pair p;
    p.alice.invite("sip:bob@example.com", p.alice.sdp());
    p.bob.respond(p.bob.hear_request("INVITE"), status);
    p.bob.hear_request("ACK");
    p.alice.hear_response(status);
    EXPECT_TRUE(p.world.paths.ports.empty());
    EXPECT_TRUE(p.world.adapter->calls().empty());
    p.world.expect_drained();
  }
}

TEST(Call, EndsForBothWhenTheProcessEnds) {
  Pair p;
  p.establish();
  p.world.adapter->on_shutdown(p.world);
  p.world.settle();
  p.alice.respond(p.alice.hear_request("BYE"), 200);
  p.bob.respond(p.bob.hear_request("BYE"), 200);
  EXPECT_TRUE(p.world.adapter->calls().empty());
  p.world.expect_nothing_leaked();
  p.world.expect_drained();
}

TEST(Call, EndsForTheOtherSideWhenAnAgentIsLost) {
  Pair p;
  p.establish();
  p.world.lose_edge(kSiteB);
  const auto bye = p.alice.hear_request("BYE");
  EXPECT_EQ(*bye.find(wire::HeaderName::CallId), p.alice.call_id);
  p.alice.respond(bye, 200);
  EXPECT_TRUE(p.world.adapter->calls().empty());
  p.world.expect_drained();
}

TEST(Call, ThatRingsAtALostAgentIsRefused) {
  Pair p;
  p.alice.invite("sip:bob@example.com", p.alice.sdp());
  p.bob.respond(p.bob.hear_request("INVITE"), 180);
  p.alice.hear_response(180);
  p.world.lose_edge(kSiteB);
  p.alice.hear_response(480);
  p.world.expect_drained();
}

TEST(Call, EndsForBothWhenItsSessionIsNotRefreshed) {
  Pair p;
  p.alice.invite("sip:bob@example.com", p.alice.sdp(), "Supported: timer\r\n");
  const auto invite = p.bob.hear_request("INVITE");
  p.bob.learn_request(invite);
  p.bob.respond(invite, 200, p.bob.sdp(), "Session-Expires: 90;refresher=uac\r\n");
  p.alice.learn(p.alice.hear_response(200));
  p.alice.ack();
  p.bob.hear_request("ACK");
  p.world.pass(seconds{60});
  p.alice.in_dialog("UPDATE", "Session-Expires: 90;refresher=uac\r\n");
  p.bob.respond(p.bob.hear_request("UPDATE"), 200, {}, "Session-Expires: 90;refresher=uac\r\n");
  p.alice.hear_response(200);
  p.world.pass(seconds{100});
  EXPECT_FALSE(p.alice.has_heard()) << "it was refreshed";
  p.world.pass(seconds{30});
  p.alice.respond(p.alice.hear_request("BYE"), 200);
  p.bob.respond(p.bob.hear_request("BYE"), 200);
  p.world.expect_drained();
}

TEST(Call, ThatWasAnsweredLeavesItsPartiesAndItsDurationInTheLog) {
  Pair p;
  p.establish();
  p.world.pass(seconds{61});
  p.alice.in_dialog("BYE");
  const auto& lines = p.world.log.lines;
  const auto ended = std::find_if(lines.begin(), lines.end(), [](const std::string& line) {
    return line.find("\"call ended\"") != std::string::npos;
  });
  ASSERT_NE(ended, lines.end());
  EXPECT_NE(ended->find(R"("from":"sip:alice@example.com","to":"sip:bob@example.com","seconds":61,)"
                        R"("why":"bye")"),
            std::string::npos)
      << *ended;
}

TEST(Call, ThatNobodyAnswersIsCounted) {
  Pair p(kOutside);
  for (int i = 0; i < 50; ++i) {
    p.alice.call_id = "scan-" + std::to_string(i);
    p.alice.invite("sip:bob@example.com", p.alice.sdp());
    p.bob.respond(p.bob.hear_request("INVITE"), 486);
    p.alice.hear_response(486);
    p.bob.hear_request("ACK");
  }
  EXPECT_EQ(p.world.adapter->counters().get("call_unanswered"), 50U);
  for (const std::string& line : p.world.log.lines)
    EXPECT_EQ(line.find("call ended"), std::string::npos) << line;
}

TEST(Call, IsListedWithItsPartiesAndItsMedia) {
  Pair p;
  p.establish();
  const auto calls = p.world.adapter->calls();
  ASSERT_EQ(calls.size(), 1U);
  EXPECT_EQ(calls[0].from, "sip:alice@example.com");
  EXPECT_EQ(calls[0].to, "sip:bob@example.com");
  EXPECT_EQ(calls[0].places[kCaller], kSiteA);
  EXPECT_EQ(calls[0].places[kCallee], kSiteB);
  ASSERT_EQ(calls[0].media[kCallee].size(), 1U);
  EXPECT_EQ(calls[0].media[kCallee][0].theirs, address("10.2.2.6:5000"));
  EXPECT_TRUE(p.world.adapter->end_call(calls[0].id, p.world));
  p.world.settle();
  p.alice.hear_request("BYE");
  p.bob.hear_request("BYE");
}

TEST(Call, KeepsTagsAndNumbersAndChangesACallIdThatNamesAHost) {
  Pair p(kOutside);
  p.alice.invite("sip:bob@example.com", p.alice.sdp());
  const auto invite = p.bob.hear_request("INVITE");
  EXPECT_EQ(tag_of(*invite.find(wire::HeaderName::From)), p.alice.tag);
  EXPECT_EQ(*invite.find(wire::HeaderName::CSeq), "1 INVITE");
  EXPECT_EQ(*invite.find(wire::HeaderName::MaxForwards), "69");
  EXPECT_NE(*invite.find(wire::HeaderName::CallId), p.alice.call_id);
  p.bob.respond(invite, 486);
  const auto busy = p.alice.hear_response(486);
  EXPECT_EQ(*busy.find(wire::HeaderName::CallId), p.alice.call_id);
  EXPECT_EQ(busy.list(wire::HeaderName::Via).size(), 1U);
}

TEST(Call, IsTriedAgainWithCredentialsThatTheServerHolds) {
  World world;
  Phone& alice = world.phone(kSiteA, "alice", "10.1.1.5:5060");
  Phone& bob = world.phone(kOutside, "bob", "192.0.2.6:5060");
  Target target = world.binding(bob);
  target.credentials = "trunk";
  world.routing.targets["sip:bob@example.com"] = {target};
  alice.invite("sip:bob@example.com", alice.sdp());
  bob.respond(bob.hear_request("INVITE"), 401, {},
              "WWW-Authenticate: Digest realm=\"x\", nonce=\"1\"\r\n");
  bob.hear_request("ACK");
  const auto again = bob.hear_request("INVITE");
  EXPECT_EQ(*again.find(wire::HeaderName::Authorization), "Digest username=\"trunk\"");
  EXPECT_EQ(*again.find(wire::HeaderName::CSeq), "2 INVITE");
  bob.learn_request(again);
  bob.respond(again, 200, bob.sdp());
  const auto ok = alice.hear_response(200);
  EXPECT_EQ(*ok.find(wire::HeaderName::CSeq), "1 INVITE");
  alice.learn(ok);
  alice.ack();
  EXPECT_EQ(*bob.hear_request("ACK").find(wire::HeaderName::CSeq), "2 ACK");
  alice.in_dialog("BYE");
  const auto bye = bob.hear_request("BYE");
  EXPECT_EQ(*bye.find(wire::HeaderName::CSeq), "3 BYE");
  bob.respond(bye, 200);
  alice.hear_response(200);
  world.expect_nothing_leaked();
  world.expect_drained();
}

TEST(Call, KeepsToTheRouteOfProxiesOutsideAndShowsItToNobody) {
  Pair p(kOutside);
  Phone& proxy = p.world.phone(kOutside, "proxy", "192.0.2.40:5060");
  Target target = p.world.binding(p.bob);
  target.hop.reset();
  target.route = {"<sip:192.0.2.40;lr>"};
  p.world.routing.targets["sip:bob@example.com"] = {target};
  p.alice.invite("sip:bob@example.com", p.alice.sdp());
  const auto invite = proxy.hear_request("INVITE");
  EXPECT_EQ(invite.list(wire::HeaderName::Route).size(), 1U);
  proxy.learn_request(invite);
  // Two proxies recorded themselves; the nearer one stands last in what the callee answers.
  const std::string recorded =
      "Record-Route: <sip:192.0.2.41;lr>\r\nRecord-Route: <sip:192.0.2.40;lr>\r\n";
  proxy.contact_host = "192.0.2.6:5060";
  proxy.respond(invite, 200, p.bob.sdp(), recorded);
  const auto ok = p.alice.hear_response(200);
  EXPECT_FALSE(ok.has(wire::HeaderName::RecordRoute));
  p.alice.learn(ok);
  p.alice.ack();
  proxy.hear_request("ACK");
  p.alice.in_dialog("BYE");
  const auto bye = proxy.hear_request("BYE");
  const auto routes = bye.list(wire::HeaderName::Route);
  ASSERT_EQ(routes.size(), 2U);
  EXPECT_EQ(routes[0], "<sip:192.0.2.40;lr>");
  EXPECT_EQ(routes[1], "<sip:192.0.2.41;lr>");
  EXPECT_EQ(bye.request_uri(), "sip:proxy@192.0.2.6:5060");
  proxy.respond(bye, 200);
  p.alice.hear_response(200);
  p.world.expect_nothing_leaked();
  p.world.expect_drained();
}

// RFC 3261 12.2.1.1 and 16.12.1.1: a proxy without lr wants to be in the Request-URI, and the
// phone's own URI last in the Route.
TEST(Call, SpeaksToAStrictRouterAsItWants) {
  Pair p(kOutside);
  Phone& proxy = p.world.phone(kOutside, "proxy", "192.0.2.40:5060");
  p.alice.invite("sip:bob@example.com", p.alice.sdp());
  const auto invite = p.bob.hear_request("INVITE");
  p.bob.learn_request(invite);
  p.bob.respond(invite, 200, p.bob.sdp(),
                "Record-Route: <sip:192.0.2.41;lr>\r\nRecord-Route: <sip:192.0.2.40>\r\n");
  const auto ok = p.alice.hear_response(200);
  p.alice.learn(ok);
  p.alice.ack();
  const auto expect_strict = [&](const wire::Message& request) {
    EXPECT_EQ(request.request_uri(), "sip:192.0.2.40");
    const auto routes = request.list(wire::HeaderName::Route);
    ASSERT_EQ(routes.size(), 2U);
    EXPECT_EQ(routes[0], "<sip:192.0.2.41;lr>");
    EXPECT_EQ(routes[1], "<sip:bob@192.0.2.6:5060>");
  };
  expect_strict(proxy.hear_request("ACK"));
  p.alice.in_dialog("BYE");
  const auto bye = proxy.hear_request("BYE");
  expect_strict(bye);
  proxy.respond(bye, 200);
  p.alice.hear_response(200);
  p.world.expect_nothing_leaked();
  p.world.expect_drained();
}

TEST(Call, ReachesAPhoneThatShowsAGruuWhereItWasHeardFrom) {
  Pair p(kOutside);
  p.alice.contact_host = "example.com;gr=urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6";
  p.establish();
  p.bob.in_dialog("BYE");
  const auto bye = p.alice.hear_request("BYE");
  EXPECT_EQ(bye.request_uri(),
            "sip:alice@example.com;gr=urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6");
  p.alice.respond(bye, 200);
  p.bob.hear_response(200);
  p.world.expect_nothing_leaked();
  p.world.expect_drained();
}

// One phone behind each of two agents, and room for so few calls.
struct Crowded {
  static Config config(std::size_t calls, std::size_t calls_per_agent) {
    Config out;
    out.limits.calls = calls;
    out.limits.calls_per_agent = calls_per_agent;
    return out;
  }
  explicit Crowded(std::size_t calls, std::size_t calls_per_agent)
      : world{config(calls, calls_per_agent)},
        alice{world.phone(kSiteA, "alice", "10.1.1.5:5060")},
        carol{world.phone(kSiteA, "carol", "10.1.1.7:5060")},
        bob{world.phone(kSiteB, "bob", "10.2.2.6:5060")} {
    world.enrol(bob);
    world.enrol(carol);
  }
  // Whether there is room for one more: the callee rings, and nobody wants to talk.
  bool room_for(Phone& caller, Phone& callee) {
    caller.invite("sip:" + callee.name + "@example.com", caller.sdp(4000));
    if (!callee.has_heard()) {
      caller.hear_response(503);
      return false;
    }
    const auto invite = callee.hear_request("INVITE");
    callee.respond(invite, 486);
    callee.hear_request("ACK");
    caller.hear_response(486);
    return true;
  }

  World world;
  Phone& alice;
  Phone& carol;
  Phone& bob;
};

TEST(Call, BeyondTheLimitIsRefusedUntilOneHasEndedHoweverItEnds) {
  Crowded at{1, 1000};
  Phone& paul = at.world.phone(kOutside, "paul", "192.0.2.6:5060");
  establish(at.world, at.alice, at.bob);
  EXPECT_FALSE(at.room_for(paul, at.carol));
  at.alice.in_dialog("BYE");
  at.bob.respond(at.bob.hear_request("BYE"), 200);
  at.alice.hear_response(200);
  EXPECT_TRUE(at.room_for(paul, at.carol)) << "after BYE";
  EXPECT_TRUE(at.room_for(paul, at.carol)) << "after a refusal";

  establish(at.world, at.alice, at.bob);
  EXPECT_FALSE(at.room_for(paul, at.carol));
  at.world.lose_edge(kSiteB);
  at.alice.hear_request("BYE");
  EXPECT_TRUE(at.room_for(paul, at.carol)) << "after the loss of an agent";
}

TEST(Call, BeyondTheLimitOfItsAgentIsRefusedInEitherDirectionAndOnlyThere) {
  Crowded at{1000, 1};
  Phone& paul = at.world.phone(kOutside, "paul", "192.0.2.6:5060");
  const Place site_c = Place::inside(AgentId{3});
  at.world.add_edge(site_c, *IpAddress::parse("10.3.3.2"), "site-c");
  Phone& dave = at.world.phone(site_c, "dave", "10.3.3.8:5060");
  at.world.enrol(dave);
  establish(at.world, at.alice, at.bob);
  EXPECT_FALSE(at.room_for(paul, at.carol)) << "the callee's agent is full";
  EXPECT_FALSE(at.room_for(at.carol, dave)) << "the caller's agent is full";
  EXPECT_EQ(at.world.adapter->calls().size(), 1U);
  EXPECT_TRUE(at.room_for(paul, dave)) << "another agent has room";
  at.bob.in_dialog("BYE");
  at.alice.respond(at.alice.hear_request("BYE"), 200);
  at.bob.hear_response(200);
  EXPECT_TRUE(at.room_for(paul, at.carol));
}

TEST(Call, StandsWithReInvitesThatCross) {
  Pair p;
  p.establish();
  p.alice.in_dialog("INVITE", {}, p.alice.sdp(4100));
  const auto to_bob = p.bob.hear_request("INVITE");
  p.bob.in_dialog("INVITE", {}, p.bob.sdp(5100));
  const auto to_alice = p.alice.hear_request("INVITE");
  p.bob.respond(to_bob, 491);
  p.bob.hear_request("ACK");
  p.alice.hear_response(491);
  p.alice.respond(to_alice, 491);
  p.alice.hear_request("ACK");
  p.bob.hear_response(491);
  p.expect_audio_both_ways();
  p.finish();
}

TEST(Call, GoesOnWhenBothHangUpAtOnce) {
  Pair p;
  p.establish();
  p.alice.in_dialog("BYE");
  p.bob.in_dialog("BYE");
  p.bob.hear_request("BYE");
  p.bob.hear_response(200);
  p.world.pass(seconds{33});
  p.alice.hear_response(200);
  p.world.expect_drained();
}

}  // namespace
}  // namespace sallyport::adapter::sip::test
