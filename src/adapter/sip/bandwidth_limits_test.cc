#include "adapter/bandwidth_limits.h"

#include <gtest/gtest.h>

#include "adapter/sip/test_call.h"

namespace sallyport::adapter::sip::test {
namespace {

const Place kA = Place::inside(AgentId{1});
const Place kB = Place::inside(AgentId{2});

TEST(BandwidthLimits, HoldInAllForAnAgentAndForACall) {
  BandwidthLimits limits{250, 100, 60};
  EXPECT_FALSE(limits.offer(CallId{1}, kA, kB, 61)) << "too much for one call";
  EXPECT_TRUE(limits.offer(CallId{1}, kA, kB, 60));
  EXPECT_FALSE(limits.offer(CallId{2}, kB, Place::outside(), 41)) << "too much for B";
  EXPECT_TRUE(limits.offer(CallId{2}, kB, Place::outside(), 40));
  EXPECT_EQ(limits.through(kB), 100U);
  EXPECT_EQ(limits.in_all(), 100U);
  for (std::uint32_t i = 3; i < 6; ++i)
    EXPECT_TRUE(limits.offer(CallId{i}, Place::inside(AgentId{i}), Place::outside(), 50));
  EXPECT_FALSE(limits.offer(CallId{6}, Place::inside(AgentId{6}), Place::outside(), 1));
  limits.leave(CallId{1});
  EXPECT_TRUE(limits.offer(CallId{6}, Place::inside(AgentId{6}), Place::outside(), 1));
  for (std::uint32_t i = 2; i < 7; ++i) limits.leave(CallId{i});
  EXPECT_EQ(limits.in_all(), 0U);
  EXPECT_EQ(limits.through(kB), 0U);
}

TEST(BandwidthLimits, CountWhatWasAgreedOnceItIs) {
  BandwidthLimits limits{1000, 100, 1000};
  EXPECT_TRUE(limits.offer(CallId{1}, kA, kB, 80));
  limits.settled(CallId{1}, kA, kB, 24);
  EXPECT_EQ(limits.through(kA), 24U);
  // A change counts from when it is offered, and no more when it was refused.
  EXPECT_TRUE(limits.offer(CallId{1}, kB, kA, 90));
  EXPECT_EQ(limits.through(kA), 90U);
  limits.withdrawn(CallId{1});
  EXPECT_EQ(limits.through(kA), 24U);
  EXPECT_FALSE(limits.offer(CallId{1}, kB, kA, 101));
  EXPECT_EQ(limits.through(kA), 24U) << "as it was";
  EXPECT_TRUE(limits.offer(CallId{1}, kB, kA, 24)) << "no more than before is always granted";
}

TEST(BandwidthLimits, FollowAForkToWhereItIsAnswered) {
  BandwidthLimits limits{1000, 100, 1000};
  const Place c = Place::inside(AgentId{3});
  EXPECT_TRUE(limits.offer(CallId{1}, kA, kB, 80));
  EXPECT_TRUE(limits.offer(CallId{1}, kA, c, 80));
  EXPECT_EQ(limits.through(c), 80U);
  EXPECT_EQ(limits.in_all(), 80U) << "one call";
  limits.settled(CallId{1}, kA, c, 80);
  EXPECT_EQ(limits.through(kB), 0U);
  EXPECT_EQ(limits.through(c), 80U);
}

TEST(BandwidthLimits, AreNoneInsideOneSite) {
  BandwidthLimits limits{100, 100, 90};
  EXPECT_TRUE(limits.offer(CallId{1}, kA, kA, 80));
  EXPECT_TRUE(limits.offer(CallId{2}, kA, kA, 80));
  EXPECT_EQ(limits.through(kA), 0U);
  EXPECT_FALSE(limits.offer(CallId{3}, kA, kA, 91)) << "but for the call itself";
}

TEST(BandwidthLimits, ShareHalfOfThemAmongCallsFromOutsideThatNobodyHasAnswered) {
  const Place outside = Place::outside();
  const Place c = Place::inside(AgentId{3});
  BandwidthLimits limits{200, 100, 100};
  EXPECT_TRUE(limits.offer(CallId{1}, outside, kA, 40));
  EXPECT_FALSE(limits.offer(CallId{2}, outside, kA, 20)) << "more than half of A's";
  EXPECT_TRUE(limits.offer(CallId{2}, outside, kA, 10));
  EXPECT_TRUE(limits.offer(CallId{3}, outside, kB, 50));
  EXPECT_FALSE(limits.offer(CallId{4}, outside, c, 1)) << "more than half of all";
  EXPECT_TRUE(limits.offer(CallId{5}, c, outside, 60)) << "those inside have what is left";
  limits.settled(CallId{1}, outside, kA, 40);
  EXPECT_TRUE(limits.offer(CallId{4}, outside, c, 40)) << "one was answered";
  limits.leave(CallId{5});
  EXPECT_TRUE(limits.offer(CallId{1}, outside, kA, 90)) << "a change of that one does not ring";
  for (std::uint32_t i = 1; i < 6; ++i) limits.leave(CallId{i});
  EXPECT_EQ(limits.in_all(), 0U);
  EXPECT_TRUE(limits.offer(CallId{6}, outside, kA, 90)) << "one alone may ring whatever it has";
}

// ---- as callers hear of them ----

Config tight(std::uint64_t per_agent) {
  Config config;
  config.limits.bandwidth_per_agent = per_agent;
  return config;
}

void expect_no_bandwidth(const wire::Message& refusal) {
  EXPECT_EQ(*refusal.find(wire::HeaderName::Warning), kNoBandwidth);
}

constexpr std::string_view kVideo = "m=video 4446 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\n";

TEST(Bandwidth, IsRefusedWithAWarningAndNoCallIsCut) {
  Pair p{kSiteB, tight(170'000)};  // two calls of 80 kbit/s
  p.establish();
  // More of this call.
  p.alice.in_dialog("INVITE", {}, p.alice.sdp(4444, kVideo));
  expect_no_bandwidth(p.alice.hear_response(488));
  EXPECT_FALSE(p.bob.has_heard());
  p.expect_audio_both_ways();
  p.alice.in_dialog("INVITE", {}, p.alice.sdp(4000, "a=sendonly\r\n"));
  p.bob.respond(p.bob.hear_request("INVITE"), 200, p.bob.sdp(5000, "a=recvonly\r\n"));
  p.alice.hear_response(200);
  p.alice.ack();
  p.bob.hear_request("ACK");
  // Another one, and one more.
  Phone& carol = p.world.phone(kSiteA, "carol", "10.1.1.7:5060");
  Phone& dave = p.world.phone(kOutside, "dave", "192.0.2.9:5060");
  p.world.enrol(dave);
  carol.invite("sip:dave@example.com", carol.sdp());
  const auto second = dave.hear_request("INVITE");
  Phone& eve = p.world.phone(kSiteA, "eve", "10.1.1.8:5060");
  eve.invite("sip:dave@example.com", eve.sdp());
  expect_no_bandwidth(eve.hear_response(488));
  EXPECT_FALSE(dave.has_heard());
  dave.respond(second, 486);
  dave.hear_request("ACK");
  carol.hear_response(486);
  eve.invite("sip:dave@example.com", eve.sdp());
  dave.hear_request("INVITE");
  EXPECT_EQ(p.world.adapter->counters().get("no_bandwidth"), 2U);
}

TEST(Bandwidth, OfAnAnswerThatOffersIsRefusedToo) {
  Pair p{kSiteB, tight(100'000)};
  p.alice.invite("sip:bob@example.com", {});
  const auto invite = p.bob.hear_request("INVITE");
  p.bob.respond(invite, 200, p.bob.sdp(5000, kVideo));
  p.bob.hear_request("ACK");
  p.bob.respond(p.bob.hear_request("BYE"), 200);
  expect_no_bandwidth(p.alice.hear_response(488));
  EXPECT_TRUE(p.world.paths.ports.empty());
}

TEST(Marks, FollowTheKindOfMediaAndTheLeg) {
  Config config;
  config.inside_marks = {.signalling = 40, .audio = 44, .video = 36, .other = 10};
  config.outside_marks = {.signalling = 1, .audio = 2, .video = 3, .other = 4};
  Pair p{kOutside, config};
  p.alice.invite("sip:bob@example.com",
                 p.alice.sdp(4444, std::string(kVideo) + "m=application 4448 UDP/BFCP *\r\n" +
                                       "m=image 4450 udptl t38\r\n"));
  std::map<Place, std::vector<int>> marks;
  for (const auto& [id, port] : p.world.paths.ports) marks[port.place].push_back(port.dscp);
  EXPECT_EQ(marks[kSiteA], (std::vector<int>{44, 36, 10, 44}));
  EXPECT_EQ(marks[kOutside], (std::vector<int>{2, 3, 4, 2}));
}

}  // namespace
}  // namespace sallyport::adapter::sip::test
