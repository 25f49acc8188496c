// One identity at several phones, and proxies that fork behind one: who rings, who wins, and what
// becomes of the others.
#include "adapter/sip/test_call.h"

namespace sallyport::adapter::sip::test {
namespace {

// Bob has a desk phone at site B and a mobile one outside.
struct Fork {
  Fork()
      : alice(world.phone(kSiteA, "alice", "10.1.1.5:5060")),
        desk(world.phone(kSiteB, "desk", "10.2.2.6:5060")),
        mobile(world.phone(kOutside, "mobile", "192.0.2.6:5060")) {
    world.routing.targets["sip:bob@example.com"] = {world.binding(desk), world.binding(mobile)};
  }
  void ring() {
    alice.invite("sip:bob@example.com", alice.sdp(4000));
    to_desk = desk.hear_request("INVITE");
    to_mobile = mobile.hear_request("INVITE");
    desk.learn_request(to_desk);
    mobile.learn_request(to_mobile);
    desk.respond(to_desk, 180);
    alice.hear_response(180);
    mobile.respond(to_mobile, 180);
    alice.hear_response(180);
  }
  void hear_cancel(Phone& phone, const wire::Message& invite) {
    phone.respond(phone.hear_request("CANCEL"), 200);
    phone.respond(invite, 487);
    phone.hear_request("ACK");
  }
  World world;
  Phone& alice;
  Phone& desk;
  Phone& mobile;
  wire::Message to_desk = *wire::Message::parse("SIP/2.0 199 -\r\n\r\n");
  wire::Message to_mobile = to_desk;
};

TEST(Fork, RingsAllAndTheFirstToAnswerWins) {
  Fork f;
  f.ring();
  EXPECT_EQ(f.world.paths.ports.size(), 3U) << "one for the caller, one for each branch";
  f.mobile.respond(f.to_mobile, 200, f.mobile.sdp(5000));
  const auto ok = f.alice.hear_response(200);
  f.hear_cancel(f.desk, f.to_desk);
  EXPECT_EQ(f.world.paths.ports.size(), 2U);
  EXPECT_EQ(f.world.paths.way_from(media_of(ok), kSiteA), address("192.0.2.6:5000"));
  f.alice.learn(ok);
  f.alice.ack();
  f.mobile.hear_request("ACK");
  EXPECT_FALSE(f.alice.has_heard()) << "the 487 of the other branch stays here";
  f.alice.in_dialog("BYE");
  f.mobile.respond(f.mobile.hear_request("BYE"), 200);
  f.alice.hear_response(200);
  f.world.expect_nothing_leaked();
  f.world.expect_drained();
}

TEST(Fork, ShowsTheCallerTheSamePortWhicheverBranchSpeaks) {
  Fork f;
  f.ring();
  f.desk.respond(f.to_desk, 183, f.desk.sdp(5100));
  const auto from_desk = f.alice.hear_response(183);
  EXPECT_EQ(f.world.paths.way_from(media_of(from_desk), kSiteA), address("10.2.2.6:5100"));
  f.mobile.respond(f.to_mobile, 183, f.mobile.sdp(5200));
  const auto from_mobile = f.alice.hear_response(183);
  EXPECT_EQ(media_of(from_mobile), media_of(from_desk));
  EXPECT_EQ(f.world.paths.way_from(media_of(from_desk), kSiteA), address("192.0.2.6:5200"));
  f.desk.respond(f.to_desk, 200, f.desk.sdp(5100));
  const auto ok = f.alice.hear_response(200);
  EXPECT_EQ(f.world.paths.way_from(media_of(ok), kSiteA), address("10.2.2.6:5100"));
  f.hear_cancel(f.mobile, f.to_mobile);
  f.alice.learn(ok);
  f.alice.ack();
  f.desk.hear_request("ACK");
  f.world.expect_nothing_leaked();
}

TEST(Fork, AcknowledgesAndEndsASecondAnswer) {
  Fork f;
  f.ring();
  f.mobile.respond(f.to_mobile, 200, f.mobile.sdp(5000));
  f.alice.learn(f.alice.hear_response(200));
  f.alice.ack();
  f.mobile.hear_request("ACK");
  f.desk.hear_request("CANCEL");
  f.desk.respond(f.to_desk, 200, f.desk.sdp(5100));  // it was picked up at the same moment
  f.desk.hear_request("ACK");
  f.desk.respond(f.desk.hear_request("BYE"), 200);
  EXPECT_FALSE(f.alice.has_heard());
  EXPECT_EQ(f.world.adapter->calls().size(), 1U);
  f.alice.in_dialog("BYE");
  f.mobile.respond(f.mobile.hear_request("BYE"), 200);
  f.alice.hear_response(200);
  f.world.expect_drained();
}

TEST(Fork, AnswersWithTheBestOfAllRefusals) {
  Fork f;
  f.ring();
  f.desk.respond(f.to_desk, 480);
  f.desk.hear_request("ACK");
  EXPECT_FALSE(f.alice.has_heard());
  f.mobile.respond(f.to_mobile, 486);
  f.mobile.hear_request("ACK");
  f.alice.hear_response(486);
  f.world.expect_drained();
}

TEST(Fork, EndsAtOnceWhenOneBranchDeclinesForAll) {
  Fork f;
  f.ring();
  f.desk.respond(f.to_desk, 603);
  f.desk.hear_request("ACK");
  f.hear_cancel(f.mobile, f.to_mobile);
  f.alice.hear_response(603);
  f.world.expect_drained();
}

TEST(Fork, CancelsEveryBranchForTheCaller) {
  Fork f;
  f.ring();
  f.alice.cancel();
  f.alice.hear_response(200);
  f.hear_cancel(f.desk, f.to_desk);
  f.hear_cancel(f.mobile, f.to_mobile);
  f.alice.hear_response(487);
  EXPECT_TRUE(f.world.paths.ports.empty());
  f.world.expect_drained();
}

TEST(Fork, TriesALesserPreferenceOnlyWhenTheBetterHasFailed) {
  Fork f;
  f.world.routing.targets["sip:bob@example.com"][1].preference = 500;
  f.alice.invite("sip:bob@example.com", f.alice.sdp());
  const auto invite = f.desk.hear_request("INVITE");
  EXPECT_FALSE(f.mobile.has_heard());
  f.desk.respond(invite, 486);
  f.desk.hear_request("ACK");
  EXPECT_FALSE(f.alice.has_heard());
  const auto second = f.mobile.hear_request("INVITE");
  f.mobile.respond(second, 404);
  f.mobile.hear_request("ACK");
  f.alice.hear_response(486);
  f.world.expect_drained();
}

TEST(Fork, ReachesTheOthersWhenOneAgentIsAway) {
  Fork f;
  f.world.lose_edge(kSiteB);
  f.alice.invite("sip:bob@example.com", f.alice.sdp());
  const auto invite = f.mobile.hear_request("INVITE");
  f.mobile.respond(invite, 486);
  f.mobile.hear_request("ACK");
  f.alice.hear_response(486);
  f.world.expect_drained();
}

TEST(Fork, StopsRingingAfterTimerC) {
  Fork f;
  f.ring();
  f.world.pass(std::chrono::minutes{3});
  f.hear_cancel(f.desk, f.to_desk);
  f.hear_cancel(f.mobile, f.to_mobile);
  f.alice.hear_response(487);
  f.world.expect_drained();
}

TEST(Fork, BehindAProxyMakesEarlyDialogsOfWhichOneStays) {
  Pair p(kOutside);
  p.alice.invite("sip:bob@example.com", p.alice.sdp(4000));
  const auto invite = p.bob.hear_request("INVITE");
  p.bob.learn_request(invite);
  p.bob.tag = "one";
  p.bob.respond(invite, 183, p.bob.sdp(5100));
  const auto first = p.alice.hear_response(183);
  p.bob.tag = "two";
  p.bob.respond(invite, 183, p.bob.sdp(5200));
  const auto second = p.alice.hear_response(183);
  EXPECT_EQ(tag_of(*first.find(wire::HeaderName::To)), "one");
  EXPECT_EQ(tag_of(*second.find(wire::HeaderName::To)), "two");
  EXPECT_EQ(media_of(first), media_of(second));
  EXPECT_NE(first.list(wire::HeaderName::Contact).front(),
            second.list(wire::HeaderName::Contact).front());
  EXPECT_EQ(p.world.paths.way_from(media_of(first), kSiteA), address("192.0.2.6:5200"));
  p.bob.tag = "one";
  p.bob.respond(invite, 200, p.bob.sdp(5100));
  const auto ok = p.alice.hear_response(200);
  EXPECT_EQ(p.world.paths.way_from(media_of(ok), kSiteA), address("192.0.2.6:5100"));
  p.alice.learn(ok);
  p.alice.ack();
  p.bob.hear_request("ACK");
  // The other branch answers as well: not again with the first one's answer.
  p.bob.tag = "two";
  p.bob.respond(invite, 200, p.bob.sdp(5200));
  EXPECT_EQ(tag_of(*p.bob.hear_request("ACK").find(wire::HeaderName::To)), "two");
  p.bob.respond(p.bob.hear_request("BYE"), 200);
  EXPECT_FALSE(p.alice.has_heard());
  p.bob.tag = "one";
  p.finish();
}

TEST(Fork, IsRefusedBeyondTheBreadthThatTheRequestAllows) {
  Fork f;
  f.alice.invite("sip:bob@example.com", f.alice.sdp(), "Max-Breadth: 1\r\n");
  f.alice.hear_response(440);
  EXPECT_FALSE(f.desk.has_heard());
  f.world.expect_drained();
}

}  // namespace
}  // namespace sallyport::adapter::sip::test
