// What people are told of calls that did not come about.
#include "adapter/sip/refusals.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "adapter/sip/test_call.h"

namespace sallyport::adapter::sip::test {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

std::vector<std::string> refused(const World& world) {
  std::vector<std::string> out;
  for (const std::string& line : world.log.lines)
    if (line.find("refused\"") != std::string::npos) out.push_back(line);
  return out;
}

void call_in_vain(Phone& phone, const std::string& uri, int status) {
  phone.invite(uri, phone.sdp());
  phone.hear_response(status);
  phone.ack();
}

TEST(RefusedCalls, AreToldWithWhoWhomAndWhy) {
  Pair p;
  call_in_vain(p.alice, "sip:nobody@example.com", 404);
  ASSERT_THAT(refused(p.world), SizeIs(1));
  EXPECT_THAT(
      refused(p.world)[0],
      HasSubstr(R"("level":"info","event":"call refused","from":"sip:alice@example.com",)"
                R"("to":"sip:nobody@example.com","agent":"site-a","address":"10.1.1.5:5060",)"
                R"("status":404,"why":"unknown callee","more_before":0)"));
  p.world.lose_edge(kSiteB);
  call_in_vain(p.alice, "sip:bob@example.com", 480);
  ASSERT_THAT(refused(p.world), SizeIs(2));
  EXPECT_THAT(refused(p.world)[1], HasSubstr(R"("status":480,"why":"agent away")"));
  const Counters& counts = p.world.adapter->refusals().calls();
  EXPECT_EQ(counts.get("unknown_callee"), 1U);
  EXPECT_EQ(counts.get("agent_away"), 1U);
}

TEST(RefusedCalls, ByTheOtherSideAreToldInItsWords) {
  Pair p;
  p.alice.invite("sip:bob@example.com", p.alice.sdp());
  p.bob.respond(p.bob.hear_request("INVITE"), 486);
  p.alice.hear_response(486);
  p.alice.ack();
  ASSERT_THAT(refused(p.world), SizeIs(1));
  EXPECT_THAT(refused(p.world)[0],
              HasSubstr(R"("status":486,"why":"the other side says: Busy Here")"));
  EXPECT_EQ(p.world.adapter->refusals().calls().get("other_side_486"), 1U);
}

TEST(RefusedCalls, AreNoneOfThoseThatTheCallerGaveUpOrIsAskedThePasswordFor) {
  Pair p;
  p.alice.invite("sip:bob@example.com", p.alice.sdp());
  const auto invite = p.bob.hear_request("INVITE");
  p.bob.respond(invite, 180);
  p.alice.hear_response(180);
  p.alice.cancel();
  p.alice.hear_response(200);
  p.bob.respond(p.bob.hear_request("CANCEL"), 200);
  p.bob.respond(invite, 487);
  p.alice.hear_response(487);
  p.alice.ack();
  p.bob.hear_request("ACK");
  p.alice.invite("sip:bob@example.com", p.alice.sdp());
  p.bob.respond(p.bob.hear_request("INVITE"), 407);
  p.alice.hear_response(407);
  p.alice.ack();
  EXPECT_THAT(refused(p.world), IsEmpty());
  EXPECT_THAT(p.world.adapter->refusals().calls().all(), IsEmpty());
}

TEST(RefusedCalls, WhoseCalleeRingsWithoutEndAreTold) {
  Pair p;
  p.alice.invite("sip:bob@example.com", p.alice.sdp());
  const auto invite = p.bob.hear_request("INVITE");
  p.bob.respond(invite, 180);
  p.world.pass(std::chrono::minutes{3});
  p.bob.respond(p.bob.hear_request("CANCEL"), 200);
  p.bob.respond(invite, 487);
  ASSERT_THAT(refused(p.world), SizeIs(1));
  EXPECT_THAT(refused(p.world)[0], HasSubstr(R"("status":487,"why":"ringing limit")"));
}

TEST(RefusedCalls, AndChangesOfACallForWantOfBandwidthAreTold) {
  Config config;
  config.limits.bandwidth_per_call = 100'000;
  Pair p{kSiteB, config};
  p.establish();
  p.alice.in_dialog("INVITE", {},
                    p.alice.sdp(4444, "m=video 4446 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\n"));
  p.alice.hear_response(488);
  ASSERT_THAT(refused(p.world), SizeIs(1));
  EXPECT_THAT(refused(p.world)[0],
              AllOf(HasSubstr(R"("event":"change of a call refused","from":"sip:alice@)"),
                    HasSubstr(R"("status":488,"why":"no bandwidth")")));
  // What a phone says to that inside a call is between the two.
  p.alice.in_dialog("INVITE", {}, p.alice.sdp(4000, "a=sendonly\r\n"));
  p.bob.respond(p.bob.hear_request("INVITE"), 491);
  p.alice.hear_response(491);
  EXPECT_THAT(refused(p.world), SizeIs(1));
}

TEST(RefusedCalls, OfStrangersFillNoLogAndHideNoneOfPhonesAtAnAgentNorOfAProvider) {
  Config config;
  config.limits.upstreams = {*IpRange::parse("192.0.2.7")};
  Pair p{kSiteB, config};
  Phone& provider = p.world.phone(kOutside, "provider", "192.0.2.7:5060");
  Phone& stranger = p.world.phone(kOutside, "stranger", "192.0.2.66:5060");
  for (int i = 0; i < 100; ++i) {
    p.world.pass(milliseconds{500});  // what is quicker is a flood
    call_in_vain(stranger, "sip:guess" + std::to_string(i) + "@example.com", 404);
  }
  EXPECT_THAT(refused(p.world), SizeIs(5)) << "in less than a minute";
  call_in_vain(p.alice, "sip:nobody@example.com", 404);
  call_in_vain(provider, "sip:nobody@example.com", 404);
  EXPECT_THAT(refused(p.world), SizeIs(7));
  EXPECT_EQ(p.world.adapter->refusals().calls().get("unknown_callee"), 102U);
}

}  // namespace
}  // namespace sallyport::adapter::sip::test
