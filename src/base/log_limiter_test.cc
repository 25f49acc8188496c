#include "base/log_limiter.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace sallyport {
namespace {

using testing::Optional;

const TimePoint kStart{std::chrono::hours{1}};

TEST(LogLimiter, WritesTheFirstOfAKeyAndThenOneAMinuteWithHowManyWereLeftOut) {
  LogLimiter limiter;
  EXPECT_THAT(limiter.may_log("a", kStart), Optional(0U));
  for (int i = 1; i < 60; ++i) EXPECT_FALSE(limiter.may_log("a", kStart + seconds{i}));
  EXPECT_THAT(limiter.may_log("b", kStart + seconds{1}), Optional(0U)) << "of its own";
  EXPECT_THAT(limiter.may_log("a", kStart + seconds{60}), Optional(59U));
  EXPECT_THAT(limiter.may_log("a", kStart + seconds{120}), Optional(0U));
}

TEST(LogLimiter, WritesSoManyLinesInAllAndRemembersSoManyKeys) {
  LogLimiter::Limits limits;
  limits.lines = 5;
  limits.keys = 7;
  LogLimiter limiter{limits};
  TimePoint now = kStart;
  for (int minute = 0; minute < 10; ++minute, now += std::chrono::minutes{1}) {
    int written = 0;
    for (int i = 0; i < 1000; ++i)
      written += limiter.may_log(std::to_string(minute * 1000 + i), now) ? 1 : 0;
    EXPECT_EQ(written, 5);
    EXPECT_LE(limiter.size(), 7U);
  }
  EXPECT_THAT(limiter.may_log("9000", now), Optional(0U)) << "the next minute";
}

TEST(LogLimiter, CountsWhatWasLeftOutForTheSakeOfOthers) {
  LogLimiter::Limits limits;
  limits.lines = 1;
  LogLimiter limiter{limits};
  EXPECT_TRUE(limiter.may_log("a", kStart));
  EXPECT_TRUE(limiter.may_log("b", kStart + std::chrono::minutes{1}));
  EXPECT_FALSE(limiter.may_log("a", kStart + std::chrono::minutes{1}));
  EXPECT_THAT(limiter.may_log("a", kStart + std::chrono::minutes{2}), Optional(1U));
}

}  // namespace
}  // namespace sallyport
