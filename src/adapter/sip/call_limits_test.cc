// Who may have how many calls: nobody takes the room of the others with calls that nobody answers.
#include "adapter/call_limits.h"

#include "adapter/sip/test_call.h"

namespace sallyport::adapter::sip::test {
namespace {

using Verdict = CallLimits::Verdict;
constexpr auto kAdmitted = Verdict::Admitted;

// Room for 100 calls at each agent. A stranger may have 10 without an answer.
struct Calls {
  static Config make_config() {
    Config out;
    out.limits.calls = 1000;
    out.limits.calls_per_agent = 100;
    out.limits.unanswered_of_source = 10;
    out.limits.upstreams = {*IpRange::parse("203.0.113.0/28")};
    return out;
  }
  static Hop from(Place place, std::string_view ip) {
    return {.place = place, .remote = {*IpAddress::parse(ip), 5060}};
  }
  Verdict call(const Hop& caller, Place place, const std::string& callee = "sip:bob@10.2.2.6") {
    const CallId id{++next_};
    Verdict verdict = limits_.begin(id, caller);
    if (verdict != kAdmitted) return verdict;
    verdict = limits_.ring(id, place, callee);
    if (verdict == kAdmitted) {
      up_.push_back(id);
    } else {
      limits_.leave(id);
    }
    return verdict;
  }
  void answer_all() {
    for (const CallId id : up_) limits_.answer(id);
  }
  // How many calls it gets, trying for ever, to phones each of which it calls so often.
  int flood(const Hop& caller, Place place, int calls_to_each = 1000) {
    for (int n = 0; n < 2000; ++n) {
      const std::string callee = "sip:" + std::to_string(n / calls_to_each) + "@10.2.2.6";
      if (call(caller, place, callee) != kAdmitted) return n;
    }
    return 2000;
  }
  void end_all() {
    for (const CallId id : up_) limits_.leave(id);
    up_.clear();
    EXPECT_EQ(limits_.size(), 0U);
  }

 private:
  Config config_ = make_config();
  CallLimits limits_{config_.limits};
  std::vector<CallId> up_;
  std::uint64_t next_ = 0;
};

TEST(CallLimits, GiveAPhoneHalfOfItsSiteAndLeaveTheOthersRoom) {
  Calls calls;
  EXPECT_EQ(calls.flood(Calls::from(kSiteA, "10.1.1.66"), kOutside), 50);
  EXPECT_EQ(calls.flood(Calls::from(kSiteA, "10.1.1.67"), kOutside), 25);
  EXPECT_EQ(calls.flood(Calls::from(kSiteA, "10.1.1.68"), kSiteA), 13);
  EXPECT_EQ(calls.call(Calls::from(kSiteA, "10.1.1.5"), kOutside), kAdmitted);
  EXPECT_EQ(calls.call(Calls::from(kSiteA, "10.1.1.66"), kOutside), Verdict::OverShare);
  EXPECT_EQ(calls.call(Calls::from(kOutside, "192.0.2.6"), kSiteA), kAdmitted);
  calls.end_all();
}

TEST(CallLimits, TakeAnotherNetworkForOneHoweverManyPhonesItHas) {
  Calls calls;
  int all = 0;
  for (int host = 1; host < 50; ++host)
    all += calls.flood(Calls::from(kSiteA, "10.1.1." + std::to_string(host)), kSiteB);
  EXPECT_EQ(all, 50);
  EXPECT_EQ(calls.call(Calls::from(kSiteB, "10.2.2.6"), kOutside), kAdmitted);
  calls.end_all();
}

TEST(CallLimits, GiveAStrangerAFewAndAllStrangersTogetherHalf) {
  Calls calls;
  EXPECT_EQ(calls.flood(Calls::from(kOutside, "192.0.2.66"), kSiteB), 10);
  EXPECT_EQ(calls.call(Calls::from(kOutside, "192.0.2.66"), kSiteA), Verdict::SourceTooMany);
  EXPECT_EQ(calls.flood(Calls::from(kOutside, "2001:db8::1"), kSiteB, 1), 10);
  EXPECT_EQ(calls.flood(Calls::from(kOutside, "2001:db8::2"), kSiteB, 1), 0) << "one subscriber";
  EXPECT_EQ(calls.flood(Calls::from(kOutside, "2001:db8:0:1::1"), kSiteB, 1), 10);
  int all = 30;
  for (int host = 1; host < 60; ++host)
    all += calls.flood(Calls::from(kOutside, "192.0.2." + std::to_string(host)), kSiteB, 1);
  EXPECT_EQ(all, 50);
  EXPECT_EQ(calls.call(Calls::from(kOutside, "192.0.2.99"), kSiteB), Verdict::OverShare);
  EXPECT_EQ(calls.call(Calls::from(kSiteB, "10.2.2.6"), kOutside), kAdmitted);
  EXPECT_EQ(calls.call(Calls::from(kOutside, "203.0.113.1"), kSiteB), kAdmitted);
  calls.end_all();
}

TEST(CallLimits, LeaveAPhoneThatStrangersCallForOtherCallers) {
  Calls calls;
  int all = 0;
  for (int host = 1; host < 60; ++host)
    all += calls.flood(Calls::from(kOutside, "192.0.2." + std::to_string(host)), kSiteB);
  EXPECT_LE(all, 20);
  const Hop stranger = Calls::from(kOutside, "192.0.2.99");
  EXPECT_EQ(calls.call(stranger, kSiteB, "sip:0@10.2.2.6"), Verdict::CalleeTooMany);
  EXPECT_EQ(calls.call(stranger, kSiteB, "sip:1@10.2.2.6"), kAdmitted);
  EXPECT_EQ(calls.call(Calls::from(kSiteA, "10.1.1.5"), kSiteB, "sip:0@10.2.2.6"), kAdmitted);
  EXPECT_EQ(calls.call(Calls::from(kOutside, "203.0.113.1"), kSiteB, "sip:0@10.2.2.6"), kAdmitted);
  calls.end_all();
}

TEST(CallLimits, LetAnUpstreamRingAsMuchAsItLeavesFreeAndFillTheRoomWithWhatIsAnswered) {
  Calls calls;
  const Hop upstream = Calls::from(kOutside, "203.0.113.1");
  EXPECT_EQ(calls.flood(upstream, kSiteB), 50);
  calls.answer_all();
  EXPECT_EQ(calls.flood(upstream, kSiteB), 25);
  for (int round = 0; round < 6; ++round) {
    calls.answer_all();
    calls.flood(upstream, kSiteB);
  }
  calls.answer_all();
  EXPECT_EQ(calls.call(upstream, kSiteB), Verdict::AgentFull) << "all 100 are answered";
  calls.end_all();
}

TEST(CallLimits, GiveAStrangerOneMoreForEachCallThatWasAnswered) {
  Calls calls;
  const Hop source = Calls::from(kOutside, "192.0.2.66");
  EXPECT_EQ(calls.flood(source, kSiteB, 1), 10);
  calls.answer_all();
  EXPECT_EQ(calls.flood(source, kSiteB, 1), 20);
  calls.end_all();
}

void establish(Phone& caller, Phone& callee) {
  caller.invite("sip:" + callee.name + "@example.com", caller.sdp(4000));
  const auto invite = callee.hear_request("INVITE");
  callee.learn_request(invite);
  callee.respond(invite, 200, callee.sdp(5000));
  caller.learn(caller.hear_response(200));
  caller.ack();
  callee.hear_request("ACK");
}

// The whole way: a stranger outside, and phones that never answer.
struct Flooded {
  static Config make_config() {
    Config out;
    out.limits.calls_per_agent = 100;
    out.limits.unanswered_of_source = 5;
    out.limits.new_calls_a_second = 1000;
    return out;
  }
  Flooded() {
    world.enrol(bob);
    world.enrol(carol);
  }
  World world{make_config()};
  Phone& bob = world.phone(kSiteB, "bob", "10.2.2.6:5060");
  Phone& carol = world.phone(kSiteB, "carol", "10.2.2.7:5060");
  Phone& mallory = world.phone(kOutside, "mallory", "192.0.2.66:5060");
  Phone& paul = world.phone(kOutside, "paul", "192.0.2.6:5060");
};

TEST(CallLimits, RefuseAStrangersCallsAndNobodyElses) {
  Flooded at;
  for (int n = 0; n < 30; ++n) at.mallory.invite("sip:bob@example.com", at.mallory.sdp(4000));
  EXPECT_EQ(at.world.adapter->calls().size(), 5U);
  EXPECT_EQ(at.world.adapter->counters().get("unanswered_calls_of_source"), 25U);
  const auto refusal = at.mallory.hear_response(503);
  EXPECT_TRUE(refusal.has(wire::HeaderName::RetryAfter));
  at.mallory.heard.clear();
  establish(at.paul, at.carol);
  EXPECT_EQ(at.world.adapter->calls().size(), 6U);
  at.world.pass(seconds{33});
  EXPECT_EQ(at.world.adapter->calls().size(), 1U) << "nobody answered the others";
  at.mallory.heard.clear();
  at.mallory.invite("sip:bob@example.com", at.mallory.sdp(4000));
  EXPECT_FALSE(at.mallory.has_heard()) << "there is room again";
  at.paul.in_dialog("BYE");
  at.carol.respond(at.carol.hear_request("BYE"), 200);
  at.world.expect_drained();
}

TEST(CallLimits, MakeAPhoneBusyForStrangersThatTooManyOfThemCall) {
  Flooded at;
  for (int host = 70; host < 80; ++host) {
    Phone& each = at.world.phone(kOutside, "m", "192.0.2." + std::to_string(host) + ":5060");
    for (int n = 0; n < 5; ++n) each.invite("sip:bob@example.com", each.sdp(4000));
  }
  EXPECT_GT(at.world.adapter->counters().get("unanswered_calls_to_callee"), 0U);
  EXPECT_LE(at.world.adapter->calls().size(), 10U);
  at.paul.invite("sip:bob@example.com", at.paul.sdp(4000));
  at.paul.hear_response(486);
  establish(at.paul, at.carol);
}

}  // namespace
}  // namespace sallyport::adapter::sip::test
