// Phones that vanish from a call, and phones that only seem to.
#include "adapter/sip/test_call.h"
#include "codec/sip/headers.h"

namespace sallyport::adapter::sip::test {
namespace {

using wire::HeaderName;

constexpr auto kAskAfter = std::chrono::minutes{5};

void answer_options(Phone& phone, int status) {
  phone.respond(phone.hear_request("OPTIONS"), status);
}

TEST(Audit, AsksWhoSaysNothingAndEndsTheCallOfWhoAnswersTwiceNothing) {
  Pair p;
  p.establish();
  for (int asked = 0; asked < 2; ++asked) {
    p.world.pass(kAskAfter);
    answer_options(p.alice, 200);
    p.world.settle();
    EXPECT_EQ(p.world.adapter->calls().size(), 1U);
  }
  p.world.pass(seconds{33});
  const auto bye = p.alice.hear_request("BYE");
  p.alice.respond(bye, 200);
  EXPECT_TRUE(p.world.adapter->calls().empty());
  EXPECT_EQ(p.world.adapter->counters().get("party_vanished"), 1U);
  EXPECT_EQ(p.world.paths.ports.size(), 0U);
  p.world.pass(seconds{64});
  p.world.expect_drained();
}

TEST(Audit, EndsTheCallAtOnceWhenAPhoneKnowsNothingOfIt) {
  Pair p;
  p.establish();
  p.world.pass(kAskAfter);
  answer_options(p.bob, 481);  // it was switched off and on
  answer_options(p.alice, 200);
  p.alice.respond(p.alice.hear_request("BYE"), 200);
  p.bob.respond(p.bob.hear_request("BYE"), 481);
  p.world.expect_drained();
}

TEST(Audit, LeavesAHeldCallOfWhoAnswersWhateverItAnswers) {
  Pair p;
  p.establish();
  for (const int status : {200, 405, 486, 501, 500, 200, 200, 200}) {
    p.world.pass(kAskAfter);
    answer_options(p.alice, status);
    answer_options(p.bob, status);
  }
  p.expect_audio_both_ways();
  p.finish();
}

TEST(Audit, AsksNobodyWhoseMediaComesOrWhoseSignallingDoes) {
  Pair p;
  p.establish();
  for (int i = 0; i < 150; ++i) {  // half a day
    p.world.paths.receive(p.toward_alice, p.alice.place, 100);
    p.world.paths.receive(p.toward_bob, p.bob.place, 100);
    p.world.pass(kAskAfter);
    EXPECT_FALSE(p.alice.has_heard());
    EXPECT_FALSE(p.bob.has_heard());
  }
  p.world.pass(kAskAfter - seconds{10});
  p.alice.in_dialog("INFO");
  p.bob.respond(p.bob.hear_request("INFO"), 200);
  p.alice.hear_response(200);
  p.world.pass(seconds{11});
  EXPECT_FALSE(p.alice.has_heard());
  EXPECT_FALSE(p.bob.has_heard());
  p.finish();
}

TEST(Audit, AsksOnlyTheSideFromWhichNothingComes) {
  Pair p;
  p.establish();
  p.world.paths.receive(p.toward_alice, p.alice.place, 100);
  p.world.pass(kAskAfter);
  EXPECT_FALSE(p.alice.has_heard());
  answer_options(p.bob, 200);
  p.finish();
}

TEST(Audit, KeepsTheNumbersOfItsDialogsInOrder) {
  Pair p;
  p.establish();
  p.world.pass(kAskAfter);
  const auto number = [](const wire::Message& request) {
    return wire::CSeq::parse(*request.find(HeaderName::CSeq))->number;
  };
  const auto to_alice = p.alice.hear_request("OPTIONS");
  const auto to_bob = p.bob.hear_request("OPTIONS");
  EXPECT_EQ(tag_of(*to_bob.find(HeaderName::To)), p.bob.tag);
  EXPECT_EQ(tag_of(*to_bob.find(HeaderName::From)), p.alice.tag);
  p.alice.respond(to_alice, 200);
  p.bob.respond(to_bob, 200);
  // Bob's first request in this dialog has the lowest number that there is.
  p.bob.cseq = -1;
  p.bob.in_dialog("INFO");
  const auto info = p.alice.hear_request("INFO");
  EXPECT_GT(number(info), number(to_alice));
  p.alice.respond(info, 200);
  EXPECT_EQ(number(p.bob.hear_response(200)), 0U);
  p.alice.in_dialog("INVITE", {}, p.alice.sdp(4000));
  const auto again = p.bob.hear_request("INVITE");
  EXPECT_GT(number(again), number(to_bob));
  p.bob.respond(again, 200, p.bob.sdp(5000));
  p.alice.learn(p.alice.hear_response(200));
  p.alice.ack();
  EXPECT_EQ(number(p.bob.hear_request("ACK")), number(again));
  p.expect_audio_both_ways();
  p.finish();
}

}  // namespace
}  // namespace sallyport::adapter::sip::test
