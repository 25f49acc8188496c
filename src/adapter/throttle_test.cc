#include "adapter/throttle.h"

#include <gtest/gtest.h>

namespace sallyport::adapter {
namespace {

const TimePoint kStart{std::chrono::hours{1}};

Suspect named(const std::string& identity) { return {identity, Place::outside(), {}}; }

TEST(Throttle, BlocksAfterAFewFailuresAndForLongerEachTime) {
  Throttle throttle{{}};
  EXPECT_FALSE(throttle.on_failure(named("a"), kStart));
  EXPECT_FALSE(throttle.on_failure(named("a"), kStart));
  EXPECT_TRUE(throttle.on_failure(named("a"), kStart));
  EXPECT_TRUE(throttle.blocked(named("a"), kStart + seconds{29}));
  EXPECT_FALSE(throttle.blocked(named("b"), kStart)) << "nobody else is";
  EXPECT_FALSE(throttle.blocked(named("a"), kStart + seconds{30}));
  EXPECT_TRUE(throttle.on_failure(named("a"), kStart + seconds{30}));
  EXPECT_TRUE(throttle.blocked(named("a"), kStart + seconds{89}));
  EXPECT_FALSE(throttle.blocked(named("a"), kStart + seconds{90}));
  TimePoint now = kStart + seconds{90};
  for (int i = 0; i < 20; ++i) {
    EXPECT_TRUE(throttle.on_failure(named("a"), now));
    EXPECT_FALSE(throttle.blocked(named("a"), now + seconds{900})) << "no block is longer";
    now += seconds{900};
  }
}

TEST(Throttle, ForgetsOneIdentityFromWhereverItCame) {
  Throttle throttle{{}};
  const Suspect at_home{"a", Place::inside(AgentId{1}), *IpAddress::parse("10.1.1.5")};
  for (const Suspect& suspect : {named("a"), at_home, named("ab")})
    for (int i = 0; i < 3; ++i) throttle.on_failure(suspect, kStart);
  EXPECT_TRUE(throttle.forget("a", kStart));
  EXPECT_FALSE(throttle.blocked(named("a"), kStart));
  EXPECT_FALSE(throttle.blocked(at_home, kStart));
  EXPECT_TRUE(throttle.blocked(named("ab"), kStart));
  EXPECT_EQ(throttle.size(), 1U);
  EXPECT_FALSE(throttle.forget("a", kStart));
  EXPECT_FALSE(throttle.on_failure(named("a"), kStart)) << "a clean slate";
  EXPECT_FALSE(throttle.forget("a", kStart)) << "it was not blocked";
}

TEST(Throttle, ForgivesAtTheRightPasswordAndAfterALongTime) {
  Throttle throttle{{}};
  for (int i = 0; i < 2; ++i) throttle.on_failure(named("a"), kStart);
  throttle.on_success(named("a"));
  throttle.on_success(named("never seen"));
  EXPECT_EQ(throttle.size(), 0U);
  for (int i = 0; i < 2; ++i) EXPECT_FALSE(throttle.on_failure(named("a"), kStart));
  EXPECT_FALSE(throttle.on_failure(named("a"), kStart + seconds{1801}));
}

TEST(Throttle, ListsWhoeverIsBlocked) {
  Throttle throttle{{}};
  for (const char* name : {"a", "a", "a", "b", "c", "c", "c"})
    throttle.on_failure(named(name), kStart);
  const auto blocked = throttle.all_blocked(kStart + seconds{10});
  ASSERT_EQ(blocked.size(), 2U);
  EXPECT_EQ(blocked[0].suspect, named("c"));
  EXPECT_EQ(blocked[1].suspect, named("a"));
  EXPECT_EQ(blocked[1].failures, 3U);
  EXPECT_EQ(blocked[1].left, seconds{20});
  EXPECT_TRUE(throttle.all_blocked(kStart + seconds{30}).empty());
}

TEST(Throttle, TakesANetworkOfIpv6ForOneHost) {
  Hop hop;
  hop.remote.ip = *IpAddress::parse("2001:db8:1:2:3:4:5:6");
  Hop neighbour = hop;
  neighbour.remote.ip = *IpAddress::parse("2001:db8:1:2::9");
  EXPECT_EQ(suspect_of("a", hop), suspect_of("a", neighbour));
  neighbour.remote.ip = *IpAddress::parse("2001:db8:1:3::9");
  EXPECT_NE(suspect_of("a", hop), suspect_of("a", neighbour));
}

TEST(Throttle, KeepsSoManyKeysAndForgetsTheQuietestFirst) {
  Throttle::Limits limits;
  limits.suspects = 3;
  Throttle throttle{limits};
  for (const char* key : {"a", "b", "c", "a", "d"}) throttle.on_failure(named(key), kStart);
  EXPECT_EQ(throttle.size(), 3U);
  EXPECT_TRUE(throttle.on_failure(named("a"), kStart))
      << "a has failed twice before and is remembered";
  throttle.on_failure(named("b"), kStart);
  EXPECT_FALSE(throttle.on_failure(named("b"), kStart)) << "b's first failure had been forgotten";
  for (int i = 0; i < 1000; ++i) throttle.on_failure(named("key" + std::to_string(i)), kStart);
  EXPECT_EQ(throttle.size(), 3U);
}

}  // namespace
}  // namespace sallyport::adapter
