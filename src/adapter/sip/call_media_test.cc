// Offers and answers (RFC 3264) on their way through: what each side is told, and where media goes.
#include "adapter/sip/test_call.h"

namespace sallyport::adapter::sip::test {
namespace {

TEST(CallMedia, FlowsBothWaysFromTheAnswerOn) {
  Pair p;
  p.establish();
  p.expect_audio_both_ways();
  EXPECT_EQ(p.world.paths.ports.size(), 2U);
  const auto* port = p.world.paths.at(p.toward_alice, kSiteA);
  ASSERT_NE(port, nullptr);
  EXPECT_EQ(port->remote->accept, media::Accept::SignalledHost);
  EXPECT_EQ(port->started, 1);
  p.finish();
}

TEST(CallMedia, IsHeldToAFewTimesWhatWasAgreed) {
  Pair p;
  p.establish();  // PCMU: 50 packets and 80 kbit a second
  for (const auto& [id, port] : p.world.paths.ports) {
    EXPECT_GE(port.remote->most.packets, 4 * 50U);
    EXPECT_LE(port.remote->most.packets, 1500U);
    EXPECT_GE(port.remote->most.octets, 4 * 10'000U);
    EXPECT_LE(port.remote->most.octets, 300'000U);
  }
  p.finish();
}

TEST(CallMedia, IsHeldAndResumedOnTheSamePorts) {
  Pair p;
  p.establish();
  p.alice.in_dialog("INVITE", {}, p.alice.sdp(4000, "a=sendonly\r\n"));
  auto again = p.bob.hear_request("INVITE");
  EXPECT_NE(again.body().find("a=sendonly"), std::string_view::npos);
  EXPECT_EQ(media_of(again), p.toward_bob);
  p.bob.respond(again, 200, p.bob.sdp(5000, "a=recvonly\r\n"));
  EXPECT_EQ(media_of(p.alice.hear_response(200)), p.toward_alice);
  p.alice.ack();
  p.bob.hear_request("ACK");
  p.expect_audio_both_ways();

  p.alice.in_dialog("INVITE", {}, p.alice.sdp(4000));
  p.bob.respond(p.bob.hear_request("INVITE"), 200, p.bob.sdp(5000));
  p.alice.hear_response(200);
  p.alice.ack();
  p.bob.hear_request("ACK");
  p.expect_audio_both_ways();
  EXPECT_EQ(p.world.paths.opened, 2);
  p.finish();
}

TEST(CallMedia, IsHeldInTheOldWay) {
  Pair p;
  p.establish();
  std::string hold = p.bob.sdp(5000);
  hold.replace(hold.find("c=IN IP4 10.2.2.6"), 17, "c=IN IP4 0.0.0.0");
  p.bob.in_dialog("INVITE", {}, hold);
  const auto again = p.alice.hear_request("INVITE");
  EXPECT_NE(again.body().find("c=IN IP4 0.0.0.0"), std::string_view::npos) << again.body();
  p.alice.respond(again, 200, p.alice.sdp(4000));
  p.bob.hear_response(200);
  p.bob.invite_cseq = p.bob.cseq;
  p.bob.ack();
  p.alice.hear_request("ACK");
  EXPECT_EQ(p.world.paths.way_from(p.toward_alice, kSiteA)->port, 0);
  p.finish();
}

TEST(CallMedia, StaysAsItWasWhenAReInviteIsRefused) {
  for (const int status : {488, 491}) {
    Pair p;
    p.establish();
    p.alice.in_dialog("INVITE", {},
                      p.alice.sdp(4444, "m=video 4446 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\n"));
    p.bob.respond(p.bob.hear_request("INVITE"), status);
    p.bob.hear_request("ACK");
    p.alice.hear_response(status);
    p.expect_audio_both_ways(4000, 5000);
    EXPECT_EQ(p.world.paths.ports.size(), 2U) << "the video ports are closed again";
    p.finish();
  }
}

TEST(CallMedia, MovesWithTheAddressOfAReInvite) {
  Pair p;
  p.establish();
  p.bob.in_dialog("INVITE", {}, p.bob.sdp(5556));
  p.alice.respond(p.alice.hear_request("INVITE"), 200, p.alice.sdp(4446));
  p.bob.hear_response(200);
  p.bob.ack();
  p.alice.hear_request("ACK");
  p.expect_audio_both_ways(4446, 5556);
  p.finish();
}

TEST(CallMedia, GetsVideoAndLosesItAgain) {
  Pair p;
  p.establish();
  const std::string video = "m=video 4006 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\n";
  p.alice.in_dialog("INVITE", {}, p.alice.sdp(4000, video));
  const auto again = p.bob.hear_request("INVITE");
  EXPECT_EQ(media_of(again), p.toward_bob);
  const auto video_toward_bob = media_of(again, 1);
  EXPECT_EQ(video_toward_bob.ip.to_string(), "10.2.2.2");
  p.bob.respond(again, 200, p.bob.sdp(5000, "m=video 5006 RTP/AVP 96\r\n"));
  const auto ok = p.alice.hear_response(200);
  p.alice.ack();
  p.bob.hear_request("ACK");
  EXPECT_EQ(p.world.paths.way_from(media_of(ok, 1), kSiteA), address("10.2.2.6:5006"));
  EXPECT_EQ(p.world.paths.way_from(video_toward_bob, kSiteB), address("10.1.1.5:4006"));

  p.alice.in_dialog("INVITE", {}, p.alice.sdp(4000, "m=video 0 RTP/AVP 96\r\n"));
  const auto without = p.bob.hear_request("INVITE");
  p.bob.respond(without, 200, p.bob.sdp(5000, "m=video 0 RTP/AVP 96\r\n"));
  p.alice.hear_response(200);
  p.alice.ack();
  p.bob.hear_request("ACK");
  EXPECT_EQ(p.world.paths.ports.size(), 2U);
  p.expect_audio_both_ways();
  p.finish();
}

TEST(CallMedia, DropsWhatTheAnswerRefuses) {
  Pair p;
  p.alice.invite("sip:bob@example.com", p.alice.sdp(4000, "m=video 4006 RTP/AVP 96\r\n"));
  const auto invite = p.bob.hear_request("INVITE");
  p.bob.learn_request(invite);
  EXPECT_EQ(p.world.paths.ports.size(), 4U);
  p.bob.respond(invite, 200, p.bob.sdp(5000, "m=video 0 RTP/AVP 96\r\n"));
  const auto ok = p.alice.hear_response(200);
  EXPECT_NE(ok.body().find("m=video 0 "), std::string_view::npos) << ok.body();
  p.alice.learn(ok);
  p.alice.ack();
  p.bob.hear_request("ACK");
  EXPECT_EQ(p.world.paths.ports.size(), 2U);
  p.finish();
}

TEST(CallMedia, RefusesWhatNeedsConnections) {
  Pair p;
  p.alice.invite(
      "sip:bob@example.com",
      p.alice.sdp(4000, "m=message 2855 TCP/MSRP *\r\na=path:msrp://10.1.1.5:2855/x;tcp\r\n"));
  const auto invite = p.bob.hear_request("INVITE");
  EXPECT_NE(invite.body().find("m=message 0 TCP/MSRP"), std::string_view::npos) << invite.body();
  p.bob.respond(invite, 486);
  p.world.expect_nothing_leaked();
}

TEST(CallMedia, BecomesAFax) {
  Pair p;
  p.establish();
  const std::string fax =
      "v=0\r\no=bob 1 2 IN IP4 10.2.2.6\r\ns=-\r\nc=IN IP4 10.2.2.6\r\nt=0 0\r\n"
      "m=image 5100 udptl t38\r\na=T38FaxVersion:0\r\n";
  p.bob.in_dialog("INVITE", {}, fax);
  const auto again = p.alice.hear_request("INVITE");
  EXPECT_NE(again.body().find("udptl t38"), std::string_view::npos);
  std::string answer = p.alice.sdp(4100);
  answer.replace(answer.find("m=audio 4100 RTP/AVP 0"), 22, "m=image 4100 udptl t38");
  p.alice.respond(again, 200, answer);
  p.bob.hear_response(200);
  p.bob.ack();
  p.alice.hear_request("ACK");
  p.expect_audio_both_ways(4100, 5100);
  EXPECT_EQ(p.world.paths.opened, 2);
  p.finish();
}

TEST(CallMedia, IsOfferedInTheAnswerWhenTheInviteHasNone) {
  Pair p;
  p.alice.invite("sip:bob@example.com", {});
  const auto invite = p.bob.hear_request("INVITE");
  EXPECT_TRUE(invite.body().empty());
  p.bob.learn_request(invite);
  EXPECT_TRUE(p.world.paths.ports.empty());
  p.bob.respond(invite, 200, p.bob.sdp(5000));
  const auto ok = p.alice.hear_response(200);
  p.toward_alice = media_of(ok);
  EXPECT_EQ(p.toward_alice.ip.to_string(), "10.1.1.2");
  p.alice.learn(ok);
  p.bob.respond(invite, 200, p.bob.sdp(5000));  // again, before the ACK
  EXPECT_EQ(media_of(p.alice.hear_response(200)), p.toward_alice);
  p.alice.ack(p.alice.sdp(4000));
  const auto ack = p.bob.hear_request("ACK");
  p.toward_bob = media_of(ack);
  EXPECT_EQ(p.toward_bob.ip.to_string(), "10.2.2.2");
  p.expect_audio_both_ways();
  p.finish();
}

TEST(CallMedia, IsOfferedReliablyBeforeTheAnswer) {
  Pair p;
  p.alice.invite("sip:bob@example.com", {}, "Supported: 100rel\r\n");
  const auto invite = p.bob.hear_request("INVITE");
  p.bob.learn_request(invite);
  p.bob.respond(invite, 183, p.bob.sdp(5000), "Require: 100rel\r\nRSeq: 17\r\n");
  const auto progress = p.alice.hear_response(183);
  EXPECT_EQ(*progress.find(wire::HeaderName::RSeq), "17");
  p.toward_alice = media_of(progress);
  p.alice.learn(progress);
  p.alice.in_dialog("PRACK", "RAck: 17 1 INVITE\r\n", p.alice.sdp(4000));
  const auto prack = p.bob.hear_request("PRACK");
  EXPECT_EQ(*prack.find(wire::HeaderName::RAck), "17 1 INVITE");
  p.toward_bob = media_of(prack);
  p.bob.respond(prack, 200);
  p.alice.hear_response(200);
  p.expect_audio_both_ways();
  p.bob.respond(invite, 200);
  p.alice.hear_response(200);
  p.alice.ack();
  p.bob.hear_request("ACK");
  p.finish();
}

// RFC 3261 14.1: a re-INVITE may leave the offer to the other side, too.
TEST(CallMedia, IsOfferedAnewByWhoIsAskedToWithoutAnOffer) {
  Pair p;
  p.establish();
  p.alice.in_dialog("INVITE");
  const auto asked = p.bob.hear_request("INVITE");
  EXPECT_TRUE(asked.body().empty());
  p.bob.respond(asked, 200, p.bob.sdp(5200));
  const auto offered = p.alice.hear_response(200);
  EXPECT_EQ(media_of(offered), p.toward_alice);
  p.alice.ack(p.alice.sdp(4200));
  EXPECT_EQ(media_of(p.bob.hear_request("ACK")), p.toward_bob);
  p.expect_audio_both_ways(4200, 5200);
  p.finish();
}

TEST(CallMedia, ComesEarlyAndIsUpdatedBeforeTheAnswer) {
  Pair p;
  p.alice.invite("sip:bob@example.com", p.alice.sdp(4000), "Supported: 100rel\r\n");
  const auto invite = p.bob.hear_request("INVITE");
  p.bob.learn_request(invite);
  p.toward_bob = media_of(invite);
  p.bob.respond(invite, 183, p.bob.sdp(5000), "Require: 100rel\r\nRSeq: 1\r\n");
  const auto progress = p.alice.hear_response(183);
  p.alice.learn(progress);
  p.toward_alice = media_of(progress);
  p.expect_audio_both_ways();
  p.alice.in_dialog("PRACK", "RAck: 1 1 INVITE\r\n");
  p.bob.respond(p.bob.hear_request("PRACK"), 200);
  p.alice.hear_response(200);
  p.alice.in_dialog("UPDATE", {}, p.alice.sdp(4200));
  p.bob.respond(p.bob.hear_request("UPDATE"), 200, p.bob.sdp(5200));
  p.alice.hear_response(200);
  p.expect_audio_both_ways(4200, 5200);
  p.bob.respond(invite, 200);
  p.alice.hear_response(200);
  p.alice.ack();
  p.bob.hear_request("ACK");
  p.expect_audio_both_ways(4200, 5200);
  p.finish();
}

TEST(CallMedia, RefusesTheCallWhenThereAreNoPorts) {
  Pair p;
  p.world.paths.limit = 1;
  p.alice.invite("sip:bob@example.com", p.alice.sdp(4000));
  p.alice.hear_response(503);
  EXPECT_FALSE(p.bob.has_heard());
  EXPECT_EQ(p.world.adapter->counters().get("no_ports"), 1U);
  p.world.expect_drained();
}

TEST(CallMedia, EndsACallThatWasAnsweredWithAnOfferForWhichThereAreNoPorts) {
  Pair p;
  p.world.paths.limit = 1;
  p.alice.invite("sip:bob@example.com", {});
  p.bob.respond(p.bob.hear_request("INVITE"), 200, p.bob.sdp(5000));
  p.bob.hear_request("ACK");
  p.bob.respond(p.bob.hear_request("BYE"), 200);
  p.alice.hear_response(503);
  p.world.expect_drained();
}

TEST(CallMedia, TouchesNoKeysAndRemovesCandidates) {
  Pair p(kOutside);
  const std::string secure =
      "a=fingerprint:sha-256 AA:BB:CC\r\na=setup:actpass\r\n"
      "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:d0RmdmcmVCspeEc3QGZiNWpVLFJhQX1cfHAwJSoj\r\n"
      "a=candidate:1 1 UDP 2130706431 10.1.1.5 4000 typ host\r\na=ice-ufrag:abcd\r\n";
  p.alice.invite("sip:bob@example.com", p.alice.sdp(4000, secure));
  const auto invite = p.bob.hear_request("INVITE");
  EXPECT_NE(invite.body().find("a=fingerprint:sha-256 AA:BB:CC\r\n"), std::string_view::npos);
  EXPECT_NE(invite.body().find("inline:d0RmdmcmVCspeEc3QGZiNWpVLFJhQX1cfHAwJSoj"),
            std::string_view::npos);
  EXPECT_EQ(invite.body().find("candidate"), std::string_view::npos);
  p.bob.respond(invite, 486);
  p.world.expect_nothing_leaked();
}

TEST(CallMedia, IsFoundInAMultipartBody) {
  Pair p(kOutside);
  const std::string body = "--xyz\r\nContent-Type: application/sdp\r\n\r\n" + p.alice.sdp(4000) +
                           "\r\n--xyz\r\nContent-Type: application/pidf+xml\r\n\r\n"
                           "<presence entity=\"sip:alice@10.1.1.5\"/>\r\n--xyz--\r\n";
  p.alice.invite("sip:bob@example.com", body,
                 "Content-Type: multipart/mixed;boundary=xyz\r\nMIME-Version: 1.0\r\n");
  const auto invite = p.bob.hear_request("INVITE");
  EXPECT_NE(invite.body().find("c=IN IP4 198.51.100.1"), std::string_view::npos) << invite.body();
  EXPECT_NE(invite.body().find("--xyz--"), std::string_view::npos);
  p.bob.respond(invite, 486);
  p.world.expect_nothing_leaked();
}

TEST(CallMedia, IsLearntFromAPublicPhoneBehindANat) {
  World world;
  Phone& alice = world.phone(kSiteA, "alice", "10.1.1.5:5060");
  Phone& carol = world.phone(kOutside, "carol", "192.0.2.77:31234");
  carol.via_host = "192.168.1.9:5060";
  carol.contact_host = "192.168.1.9:5060";
  world.routing.targets["sip:alice@example.com"] = {world.binding(alice)};
  std::string sdp = carol.sdp(7000);
  sdp.replace(sdp.find("c=IN IP4 192.0.2.77"), 19, "c=IN IP4 192.168.1.9");
  carol.invite("sip:alice@example.com", sdp);
  const auto invite = alice.hear_request("INVITE");
  alice.learn_request(invite);
  alice.respond(invite, 200, alice.sdp(4000));
  const auto ok = carol.hear_response(200);
  carol.learn(ok);
  carol.ack();
  alice.hear_request("ACK");
  const auto* port = world.paths.at(media_of(ok), kOutside);
  ASSERT_NE(port, nullptr);
  EXPECT_EQ(port->remote->accept, media::Accept::FirstPlausible);
  // Its Contact is private: it is reached where it was heard from.
  alice.in_dialog("BYE");
  carol.respond(carol.hear_request("BYE"), 200);
  alice.hear_response(200);
  world.expect_nothing_leaked();
  world.expect_drained();
}

TEST(CallMedia, IsTakenFromTheSignalledAddressOnlyOfAPublicPhoneThatHasOne) {
  Pair p(kOutside);
  p.establish();
  const auto* port = p.world.paths.at(p.toward_bob, kOutside);
  ASSERT_NE(port, nullptr);
  EXPECT_EQ(port->remote->accept, media::Accept::SignalledAddress);
  p.finish();
}

}  // namespace
}  // namespace sallyport::adapter::sip::test
