// Requests that make no call: they go to whom they name, and their answers come back.
#include <array>

#include "adapter/sip/test_call.h"

namespace sallyport::adapter::sip::test {
namespace {

using wire::HeaderName;

std::string outside_dialog(Phone& phone, std::string_view method, std::string_view uri,
                           std::string_view extra = {}, std::string_view body = {}) {
  const std::string from = "<sip:" + phone.name + "@" + phone.host() + ">;tag=" + phone.tag;
  return phone.request(method, uri, from, "<" + std::string(uri) + ">",
                       "id-" + std::string(method) + "@" + phone.host(), 7, extra, body);
}

TEST(Forwarding, CarriesEveryMethodKnownOrNot) {
  for (const std::string_view method : {"OPTIONS", "MESSAGE", "INFO", "PUBLISH", "FOO-BAR"}) {
    Pair p(kOutside);
    p.alice.say(
        outside_dialog(p.alice, method, "sip:bob@example.com", "X-Unknown: kept, as is\r\n"));
    const auto asked = p.bob.hear_request(method);
    EXPECT_EQ(*asked.find_other("X-Unknown"), "kept, as is");
    EXPECT_EQ(*asked.find(HeaderName::From), "<sip:alice@example.com>;tag=alice-tag");
    p.bob.respond(asked, 200, {}, "X-Answer: kept too\r\n");
    const auto answer = p.alice.hear_response(200);
    EXPECT_EQ(*answer.find_other("X-Answer"), "kept too");
    EXPECT_EQ(*answer.find(HeaderName::From), "<sip:alice@10.1.1.5>;tag=alice-tag");
    p.world.expect_nothing_leaked();
    p.world.expect_drained();
  }
}

TEST(Forwarding, LeavesWhatPeopleWriteAlone) {
  Pair p;
  p.alice.say(outside_dialog(p.alice, "MESSAGE", "sip:bob@example.com",
                             "Content-Type: text/plain\r\n", "the printer is 10.9.9.9"));
  const auto message = p.bob.hear_request("MESSAGE");
  EXPECT_EQ(message.body(), "the printer is 10.9.9.9");
  p.bob.respond(message, 200);
  p.alice.hear_response(200);
}

TEST(Forwarding, AnswersOptionsToItself) {
  World world;
  Phone& alice = world.phone(kSiteA, "alice", "10.1.1.5:5060");
  alice.say(outside_dialog(alice, "OPTIONS", "sip:10.1.1.2"));
  alice.hear_response(200);
  Phone& stranger = world.phone(kOutside, "stranger", "192.0.2.66:5060");
  stranger.say(outside_dialog(stranger, "OPTIONS", "sip:198.51.100.1:5060"));
  stranger.hear_response(200);
  world.expect_drained();
}

TEST(Forwarding, RefusesWhatHasTravelledTooFar) {
  Pair p;
  std::string text = outside_dialog(p.alice, "MESSAGE", "sip:bob@example.com");
  text.replace(text.find("Max-Forwards: 70"), 16, "Max-Forwards: 0");
  p.alice.say(text);
  p.alice.hear_response(483);
  EXPECT_FALSE(p.bob.has_heard());
  p.world.expect_drained();
}

TEST(Forwarding, NoticesALoop) {
  World world;
  Phone& alice = world.phone(kSiteA, "alice", "10.1.1.5:5060");
  // A proxy outside that sends everything back to us.
  Phone& proxy = world.phone(kOutside, "proxy", "192.0.2.9:5060");
  Target target = world.binding(proxy);
  target.uri = "sip:loop@example.com";
  world.routing.targets["sip:loop@example.com"] = {target};
  alice.say(outside_dialog(alice, "MESSAGE", "sip:loop@example.com"));
  const auto message = proxy.hear_request("MESSAGE");
  std::string back(message.text());
  back.insert(back.find("\r\n") + 2,
              "Via: SIP/2.0/UDP 192.0.2.9:5060;branch=z9hG4bKproxy;rport\r\n");
  proxy.say(back);
  proxy.hear_response(482);
  EXPECT_EQ(world.adapter->counters().get("loop"), 1U);
}

TEST(Forwarding, RefusesExtensionsThatItWouldHaveToUnderstand) {
  Pair p;
  p.alice.say(
      outside_dialog(p.alice, "MESSAGE", "sip:bob@example.com", "Proxy-Require: foo, bar\r\n"));
  const auto refusal = p.alice.hear_response(420);
  EXPECT_EQ(refusal.list(HeaderName::Unsupported).size(), 2U);
  p.world.expect_drained();
}

TEST(Forwarding, RefusesBodiesThatNobodyCanRead) {
  Pair p;
  p.alice.say(outside_dialog(p.alice, "MESSAGE", "sip:bob@example.com",
                             "Content-Type: application/sdp\r\nContent-Encoding: gzip\r\n", "??"));
  p.alice.hear_response(415);
  EXPECT_FALSE(p.bob.has_heard());
}

TEST(Forwarding, KnowsWhoIsUnknownForbiddenOrAway) {
  World world;
  Phone& alice = world.phone(kSiteA, "alice", "10.1.1.5:5060");
  Phone& bob = world.phone(kSiteB, "bob", "10.2.2.6:5060");
  world.enrol(bob);
  world.routing.refused["sip:secret@example.com"] = 403;
  alice.invite("sip:nobody@example.com", alice.sdp());
  alice.hear_response(404);
  alice.ack();
  alice.invite("sip:secret@example.com", alice.sdp());
  alice.hear_response(403);
  world.lose_edge(kSiteB);
  alice.invite("sip:bob@example.com", alice.sdp());
  alice.hear_response(480);
  EXPECT_EQ(world.adapter->counters().get("unknown_callee"), 1U);
  EXPECT_EQ(world.adapter->counters().get("agent_away"), 1U);
  EXPECT_EQ(world.paths.opened, 0);
  world.expect_drained();
}

TEST(Forwarding, IsNoOpenRelay) {
  World world;
  Phone& stranger = world.phone(kOutside, "stranger", "192.0.2.66:5060");
  // Even where routing would let it pass.
  world.routing.targets["sip:victim@example.net"] = {
      {.uri = "sip:victim@192.0.2.99", .place = kOutside}};
  stranger.invite("sip:victim@example.net", stranger.sdp());
  stranger.hear_response(404);
  for (const auto& message : world.sent) EXPECT_EQ(message.to.ip.to_string(), "192.0.2.66");
  world.expect_drained();
}

TEST(Forwarding, RefusesAnUnknownScheme) {
  World world;
  Phone& alice = world.phone(kSiteA, "alice", "10.1.1.5:5060");
  alice.say(outside_dialog(alice, "MESSAGE", "nobodyKnowsThisScheme:totallyopaquecontent"));
  alice.hear_response(416);
  world.expect_drained();
}

TEST(Forwarding, IgnoresPreloadedRoutes) {
  Pair p;
  p.alice.say(outside_dialog(p.alice, "MESSAGE", "sip:bob@example.com",
                             "Route: <sip:10.1.1.2;lr>\r\nRoute: <sip:10.9.9.9;lr>\r\n"));
  const auto message = p.bob.hear_request("MESSAGE");
  EXPECT_FALSE(message.has(HeaderName::Route));
  p.bob.respond(message, 200);
  p.alice.hear_response(200);
  p.world.expect_nothing_leaked();
}

TEST(Forwarding, RemovesAnIdentityThatItsChangesWouldBreak) {
  Pair p(kOutside);
  p.alice.say(
      outside_dialog(p.alice, "MESSAGE", "sip:bob@example.com", "Identity: abc;info=<x>\r\n"));
  EXPECT_FALSE(p.bob.hear_request("MESSAGE").has(HeaderName::Identity));
  EXPECT_EQ(p.world.adapter->counters().get("identity_removed"), 1U);
  p.alice.say(p.alice.request("MESSAGE", "sip:bob@example.com", "<sip:alice@example.com>;tag=x",
                              "<sip:bob@example.com>", "clean", 1, "Identity: abc;info=<x>\r\n"));
  EXPECT_TRUE(p.bob.hear_request("MESSAGE").has(HeaderName::Identity));
}

TEST(Forwarding, HidesAddressesInHeadersOfEveryKind) {
  Pair p(kOutside);
  p.alice.say(
      outside_dialog(p.alice, "MESSAGE", "sip:bob@example.com",
                     "P-Asserted-Identity: \"A\" <sip:alice@10.1.1.2:5060>\r\n"
                     "Remote-Party-ID: <sip:alice@10.1.1.5>;party=calling\r\n"
                     "Diversion: <sip:x@203.0.113.10>;reason=unknown\r\n"
                     "Warning: 399 10.1.1.5:5060 \"none\"\r\n"
                     "Call-Info: <http://10.1.1.5/photo.png>;purpose=icon\r\n"
                     "X-Route-Via: 10.1.1.5, [fd00::5]:5060, sip:a%4010.1.1.5@example.org\r\n"
                     "User-Agent: phone (203.0.113.10)\r\n"
                     "Reply-To: <sip:alice@10.1.1.5>\r\n"));
  const auto message = p.bob.hear_request("MESSAGE");
  EXPECT_EQ(*message.find(HeaderName::PAssertedIdentity), "\"A\" <sip:alice@example.com>");
  EXPECT_EQ(message.text().find("fd00"), std::string_view::npos);
  p.bob.respond(message, 200);
  p.alice.hear_response(200);
  p.world.expect_nothing_leaked();
}

// What phones publish and notify of themselves: presence, dialogs, mailboxes, transfers.
TEST(Forwarding, HidesAddressesInBodiesThatProgramsWrite) {
  struct Body {
    std::string_view type, text, kept;
  };
  const std::array bodies{
      Body{"application/pidf+xml",
           "<presence entity=\"sip:alice@example.com\"><tuple "
           "id=\"1\"><contact>sip:alice@10.1.1.5:5060"
           "</contact></tuple></presence>",
           "<contact>sip:alice@example.com</contact>"},
      Body{
          "application/dialog-info+xml",
          "<dialog call-id=\"77@10.1.1.5\"><local><target uri=\"sip:a@10.1.1.5:5060;x=1\"/></local>"
          "<remote><identity>sip:b@203.0.113.10</identity></remote></dialog>",
          "<target uri=\"sip:a@example.com;x=1\"/>"},
      Body{"application/simple-message-summary",
           "Messages-Waiting: yes\r\nMessage-Account: sip:alice@10.1.1.2\r\n",
           "Messages-Waiting: yes"},
      Body{"message/sipfrag", "SIP/2.0 200 OK\r\nContact: <sip:alice@10.1.1.5:5060>\r\n",
           "SIP/2.0 200 OK"},
      Body{"multipart/mixed;boundary=b",
           "--b\r\nContent-Type: text/plain\r\n\r\nhello\r\n--b\r\nContent-Type: "
           "application/pidf+xml\r\n\r\n<contact>sip:10.1.1.5</contact>\r\n--b--\r\n",
           "\r\n\r\nhello\r\n--b"},
      Body{"", "alice@10.1.1.5", "alice@"},
  };
  for (const Body& body : bodies) {
    for (const std::string_view method : {"PUBLISH", "MESSAGE", "NOTIFY", "INFO"}) {
      Pair p(kOutside);
      p.alice.say(outside_dialog(p.alice, method, "sip:bob@example.com",
                                 "Event: x\r\nSubscription-State: active\r\nContent-Type: " +
                                     std::string(body.type) + "\r\n",
                                 body.text));
      const auto seen = p.bob.hear_request(method);
      EXPECT_TRUE(seen.validate());
      EXPECT_NE(seen.body().find(body.kept), std::string_view::npos) << seen.body();
      p.world.expect_nothing_leaked();
      p.bob.respond(seen, 200);
      p.alice.hear_response(200);
    }
  }
}

TEST(Forwarding, TakesAuthIntOutOfAChallenge) {
  Pair p(kOutside);
  p.alice.say(outside_dialog(p.alice, "MESSAGE", "sip:bob@example.com"));
  p.bob.respond(p.bob.hear_request("MESSAGE"), 401, {},
                "WWW-Authenticate: Digest realm=\"r\", nonce=\"n\", qop=\"auth,auth-int\"\r\n");
  const auto challenge = p.alice.hear_response(401);
  EXPECT_EQ(challenge.text().find("auth-int"), std::string_view::npos);
}

}  // namespace
}  // namespace sallyport::adapter::sip::test
