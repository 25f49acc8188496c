#include "adapter/sip/throttle.h"

#include <gtest/gtest.h>

namespace sallyport::adapter::sip {
namespace {

const TimePoint kStart{std::chrono::hours{1}};

TEST(Throttle, BlocksAfterAFewFailuresAndForLongerEachTime) {
  Throttle throttle{{}};
  EXPECT_FALSE(throttle.on_failure("a", kStart));
  EXPECT_FALSE(throttle.on_failure("a", kStart));
  EXPECT_TRUE(throttle.on_failure("a", kStart));
  EXPECT_TRUE(throttle.blocked("a", kStart + seconds{29}));
  EXPECT_FALSE(throttle.blocked("b", kStart)) << "nobody else is";
  EXPECT_FALSE(throttle.blocked("a", kStart + seconds{30}));
  EXPECT_TRUE(throttle.on_failure("a", kStart + seconds{30}));
  EXPECT_TRUE(throttle.blocked("a", kStart + seconds{89}));
  EXPECT_FALSE(throttle.blocked("a", kStart + seconds{90}));
  TimePoint now = kStart + seconds{90};
  for (int i = 0; i < 20; ++i) {
    EXPECT_TRUE(throttle.on_failure("a", now));
    EXPECT_FALSE(throttle.blocked("a", now + seconds{900})) << "no block is longer";
    now += seconds{900};
  }
}

TEST(Throttle, ForgivesAtTheRightPasswordAndAfterALongTime) {
  Throttle throttle{{}};
  for (int i = 0; i < 2; ++i) throttle.on_failure("a", kStart);
  throttle.on_success("a");
  throttle.on_success("never seen");
  EXPECT_EQ(throttle.size(), 0U);
  for (int i = 0; i < 2; ++i) EXPECT_FALSE(throttle.on_failure("a", kStart));
  EXPECT_FALSE(throttle.on_failure("a", kStart + seconds{1801}));
}

TEST(Throttle, KeepsSoManyKeysAndForgetsTheQuietestFirst) {
  Throttle::Limits limits;
  limits.keys = 3;
  Throttle throttle{limits};
  for (const char* key : {"a", "b", "c", "a", "d"}) throttle.on_failure(key, kStart);
  EXPECT_EQ(throttle.size(), 3U);
  EXPECT_TRUE(throttle.on_failure("a", kStart)) << "a has failed twice before and is remembered";
  throttle.on_failure("b", kStart);
  EXPECT_FALSE(throttle.on_failure("b", kStart)) << "b's first failure had been forgotten";
  for (int i = 0; i < 1000; ++i) throttle.on_failure("key" + std::to_string(i), kStart);
  EXPECT_EQ(throttle.size(), 3U);
}

}  // namespace
}  // namespace sallyport::adapter::sip
