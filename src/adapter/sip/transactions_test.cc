// The transaction layer in bad weather (RFC 3261 section 17, RFC 6026): what is lost is said again,
// what is said twice is heard once, and nothing is remembered for ever.
#include "adapter/sip/test_call.h"

namespace sallyport::adapter::sip::test {
namespace {

std::size_t count_sent(const World& world, Place place, std::string_view beginning) {
  std::size_t n = 0;
  for (const auto& message : world.sent)
    if (message.place == place && message.text.starts_with(beginning)) ++n;
  return n;
}

TEST(Transactions, AnswerAnInviteAtOnceAndOnlyOnceForwardIt) {
  Pair p;
  p.alice.invite("sip:bob@example.com", p.alice.sdp());
  EXPECT_EQ(count_sent(p.world, kSiteA, "SIP/2.0 100"), 1U);
  p.alice.say(p.alice.last_invite);
  p.alice.say(p.alice.last_invite);
  EXPECT_EQ(count_sent(p.world, kSiteA, "SIP/2.0 100"), 3U) << "the last answer, again";
  EXPECT_EQ(count_sent(p.world, kSiteB, "INVITE"), 1U);
  p.bob.respond(p.bob.hear_request("INVITE"), 486);
  p.world.expect_drained();
}

TEST(Transactions, RepeatAnInviteUntilSomethingComes) {
  Pair p;
  p.alice.invite("sip:bob@example.com", p.alice.sdp());
  p.world.pass(milliseconds{3600});  // 0, 0.5, 1.5, 3.5 s
  EXPECT_EQ(count_sent(p.world, kSiteB, "INVITE"), 4U);
  const auto invite = p.bob.hear_request("INVITE");
  p.bob.respond(invite, 100);
  p.world.pass(seconds{20});
  EXPECT_EQ(count_sent(p.world, kSiteB, "INVITE"), 4U);
  p.bob.heard.clear();
  p.bob.respond(invite, 486);
  p.bob.hear_request("ACK");
  p.bob.respond(invite, 486);
  p.bob.hear_request("ACK");
  p.world.expect_drained();
}

TEST(Transactions, GiveUpAfter32Seconds) {
  Pair p;
  p.alice.invite("sip:bob@example.com", p.alice.sdp());
  p.world.pass(seconds{31});
  EXPECT_FALSE(p.alice.has_heard());
  p.world.pass(seconds{2});
  p.alice.hear_response(408);
  EXPECT_TRUE(p.world.paths.ports.empty());
  p.world.expect_drained();
}

TEST(Transactions, RepeatARefusalUntilItIsAcknowledged) {
  World world;
  Phone& alice = world.phone(kSiteA, "alice", "10.1.1.5:5060");
  alice.invite("sip:nobody@example.com", alice.sdp());
  world.pass(milliseconds{1600});  // 0, 0.5, 1.5 s
  EXPECT_EQ(count_sent(world, kSiteA, "SIP/2.0 404"), 3U);
  const auto refusal = alice.hear_response(404);
  auto ack = wire::Builder::request("ACK", "sip:nobody@example.com");
  for (const auto header : {wire::HeaderName::Via, wire::HeaderName::From, wire::HeaderName::To,
                            wire::HeaderName::CallId})
    ack.add(header, *refusal.find(header));
  ack.add(wire::HeaderName::CSeq, "1 ACK");
  alice.say(ack.finish());
  world.pass(seconds{10});
  EXPECT_EQ(count_sent(world, kSiteA, "SIP/2.0 404"), 3U);
  world.expect_drained();
}

TEST(Transactions, CarryTheCalleesRepeatedAnswerAndTheCallersRepeatedAck) {
  Pair p;
  p.alice.invite("sip:bob@example.com", p.alice.sdp());
  const auto invite = p.bob.hear_request("INVITE");
  p.bob.learn_request(invite);
  p.bob.respond(invite, 200, p.bob.sdp());
  p.alice.learn(p.alice.hear_response(200));
  p.world.pass(milliseconds{500});
  p.bob.respond(invite, 200, p.bob.sdp());
  p.alice.hear_response(200);
  p.alice.ack();
  p.bob.hear_request("ACK");
  p.world.pass(milliseconds{1000});
  p.bob.respond(invite, 200, p.bob.sdp());  // that ACK was lost behind us
  p.alice.hear_response(200);
  p.alice.ack();
  p.bob.hear_request("ACK");
  p.finish();
}

TEST(Transactions, LetNoCallDieAt32Seconds) {
  Pair p;
  p.establish();
  for (int minute = 0; minute < 180; ++minute) {
    p.world.pass(std::chrono::minutes{1});
    p.world.paths.receive(p.toward_alice, p.alice.place, 3000);
    p.world.paths.receive(p.toward_bob, p.bob.place, 3000);
  }
  EXPECT_EQ(p.world.adapter->calls().size(), 1U);
  EXPECT_FALSE(p.alice.has_heard());
  EXPECT_FALSE(p.bob.has_heard());
  // All that remains is the call itself: the dialog, its parties, the timer of its audit, and what
  // limits count of it, at both agents.
  EXPECT_LE(p.world.adapter->size(), 8U);
  p.finish();
}

TEST(Transactions, HoldSoManyOctetsAndOfNobodySoManyThatOthersFindNoRoom) {
  Config config;
  config.max_transaction_octets = 1'000'000;
  World world{config};
  Phone& rogue = world.phone(kSiteA, "rogue", "10.1.1.66:5060");
  Phone& bob = world.phone(kSiteB, "bob", "10.2.2.6:5060");
  world.enrol(bob);
  const std::string large = "X-Large: " + std::string(30'000, 'x') + "\r\n";
  for (int n = 0; n < 30; ++n) rogue.invite("sip:bob@example.com", rogue.sdp(4000), large);
  EXPECT_GT(world.adapter->counters().get("too_many_octets"), 15U);
  EXPECT_LE(world.adapter->transactions().octets(), 1'000'000U);
  bob.heard.clear();
  Phone& paul = world.phone(kOutside, "paul", "192.0.2.6:5060");
  paul.invite("sip:bob@example.com", paul.sdp(4000), large);
  bob.respond(bob.hear_request("INVITE"), 486);
  paul.hear_response(486);
  world.pass(seconds{70});
  EXPECT_EQ(world.adapter->transactions().octets(), 0U);
}

TEST(Transactions, RepeatOtherRequestsToo) {
  Pair p;
  p.establish();
  int dropped = 0;
  p.world.loses = [&](const World::Sent& message) {
    return message.place == kSiteB && message.text.starts_with("BYE") && dropped++ < 2;
  };
  p.alice.in_dialog("BYE");
  EXPECT_FALSE(p.bob.has_heard());
  p.world.pass(seconds{2});
  p.bob.respond(p.bob.hear_request("BYE"), 200);
  p.alice.hear_response(200);
  p.world.expect_drained();
}

TEST(Transactions, AnswerARepeatedRequestWithTheSameAnswer) {
  Pair p;
  p.establish();
  std::string bye;
  p.world.loses = [&](const World::Sent& message) {
    return message.place == kSiteA && message.text.starts_with("SIP/2.0 200");
  };
  ++p.alice.cseq;
  bye = p.alice.request("BYE", p.alice.target, p.alice.local_name + ";tag=" + p.alice.tag,
                        p.alice.remote_name + ";tag=" + p.alice.remote_tag, p.alice.call_id,
                        p.alice.cseq);
  p.alice.say(bye);
  p.bob.respond(p.bob.hear_request("BYE"), 200);
  EXPECT_FALSE(p.alice.has_heard());
  p.world.loses = {};
  p.alice.say(bye);
  p.alice.hear_response(200);
  EXPECT_FALSE(p.bob.has_heard());
  p.world.expect_drained();
}

TEST(Transactions, TellTheCallerWhoHangsUpThatItIsDoneThoughNobodyAnswers) {
  Pair p;
  p.establish();
  p.world.loses = [](const World::Sent& message) { return message.place == kSiteB; };
  p.alice.in_dialog("BYE");
  EXPECT_TRUE(p.world.paths.ports.empty());
  p.world.pass(seconds{33});
  p.alice.hear_response(200);
  p.world.expect_drained();
}

TEST(Transactions, KnowOldPhonesWithoutTheMagicCookie) {
  Pair p;
  const std::string old =
      "INVITE sip:bob@example.com SIP/2.0\r\nVia: SIP/2.0/UDP 10.1.1.5:5060\r\n"
      "From: <sip:alice@example.com>\r\nTo: <sip:bob@example.com>\r\nCall-ID: old\r\n"
      "CSeq: 1 INVITE\r\nContact: <sip:alice@10.1.1.5>\r\nContent-Length: 0\r\n\r\n";
  p.alice.say(old);
  p.alice.say(old);
  const auto invite = p.bob.hear_request("INVITE");
  EXPECT_FALSE(p.bob.has_heard());
  p.bob.respond(invite, 486);
  p.bob.hear_request("ACK");
  const auto busy = p.alice.hear_response(486);
  p.alice.say(
      "ACK sip:bob@example.com SIP/2.0\r\nVia: SIP/2.0/UDP 10.1.1.5:5060\r\n"
      "From: <sip:alice@example.com>\r\nTo: " +
      std::string(*busy.find(wire::HeaderName::To)) +
      "\r\nCall-ID: old\r\nCSeq: 1 ACK\r\nContent-Length: 0\r\n\r\n");
  p.world.pass(seconds{6});
  EXPECT_EQ(count_sent(p.world, kSiteA, "SIP/2.0 486"), 1U);
  p.world.expect_drained();
}

TEST(Transactions, AnswerACancelForNothingWith481) {
  World world;
  Phone& alice = world.phone(kSiteA, "alice", "10.1.1.5:5060");
  alice.say(
      alice.request("CANCEL", "sip:bob@example.com", "<sip:a@b>;tag=1", "<sip:bob@b>", "x", 1));
  alice.hear_response(481);
  world.expect_drained();
}

TEST(Transactions, AreBounded) {
  Config config;
  config.max_transactions = 10;
  World world(std::move(config));
  Phone& stranger = world.phone(kOutside, "stranger", "192.0.2.66:5060");
  for (int i = 0; i < 20; ++i)
    stranger.say(stranger.request("MESSAGE", "sip:x@example.com", "<sip:s@s>;tag=1",
                                  "<sip:x@example.com>", "call-" + std::to_string(i), 1));
  EXPECT_EQ(count_sent(world, kOutside, "SIP/2.0 404"), 10U);
  EXPECT_EQ(count_sent(world, kOutside, "SIP/2.0 503"), 10U);
  EXPECT_EQ(world.adapter->counters().get("too_many_transactions"), 10U);
  world.expect_drained();
}

}  // namespace
}  // namespace sallyport::adapter::sip::test
