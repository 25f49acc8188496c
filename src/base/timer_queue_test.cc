#include "base/timer_queue.h"

#include <gtest/gtest.h>

namespace sallyport {
namespace {

constexpr TimePoint at(int ms) { return TimePoint{} + milliseconds{ms}; }

TEST(TimerQueue, ExpiresInOrderOfTimeThenOfStart) {
  TimerQueue timers;
  timers.start(TimerId{1}, at(20));
  timers.start(TimerId{2}, at(10));
  timers.start(TimerId{3}, at(10));
  EXPECT_EQ(timers.next_deadline(), at(10));
  EXPECT_FALSE(timers.expire(at(9)));
  EXPECT_EQ(timers.expire(at(20)), TimerId{2});
  EXPECT_EQ(timers.expire(at(20)), TimerId{3});
  EXPECT_EQ(timers.expire(at(20)), TimerId{1});
  EXPECT_FALSE(timers.expire(at(20)));
  EXPECT_FALSE(timers.next_deadline());
}

TEST(TimerQueue, MovesATimerThatIsStartedAgain) {
  TimerQueue timers;
  timers.start(TimerId{1}, at(10));
  timers.start(TimerId{1}, at(30));
  EXPECT_FALSE(timers.expire(at(20)));
  timers.stop(TimerId{1});
  EXPECT_FALSE(timers.expire(at(40)));
}

}  // namespace
}  // namespace sallyport
