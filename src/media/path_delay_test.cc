#include "media/path_delay.h"

#include <gtest/gtest.h>

namespace sallyport::media {
namespace {

using std::chrono::microseconds;

// An agent and a server whose clock is ahead by `ahead`, and runs faster by `drift` in a million.
struct Path {
  PathDelay delay;
  TimePoint now{std::chrono::hours{1}};
  std::uint64_t ahead = 0xffff'ffff'fff0'0000;  // it may wrap around
  std::int64_t drift = 0;

  void probe(Duration there, Duration back) {
    now += seconds{10};
    const auto passed =
        std::chrono::duration_cast<microseconds>((now + there).time_since_epoch()).count();
    const auto clock = static_cast<std::uint64_t>(passed + passed * drift / 1'000'000) + ahead;
    delay.on_answer(now, clock, now + there + back);
  }
};

TEST(PathDelay, IsHalfOfTheRoundTripWhereNothingElseIsKnown) {
  Path path;
  EXPECT_FALSE(path.delay.round_trip());
  EXPECT_FALSE(path.delay.to_server());
  path.probe(milliseconds{10}, milliseconds{30});
  EXPECT_EQ(path.delay.round_trip(), milliseconds{40});
  EXPECT_EQ(path.delay.to_server(), milliseconds{20});
  EXPECT_EQ(path.delay.to_agent(), milliseconds{20});
}

TEST(PathDelay, OfOneDirectionThatIsSlowerIsFoundThere) {
  Path path;
  path.probe(milliseconds{20}, milliseconds{20});
  path.probe(milliseconds{20}, milliseconds{95});
  EXPECT_EQ(path.delay.to_server(), milliseconds{20});
  EXPECT_EQ(path.delay.to_agent(), milliseconds{95});
  path.probe(milliseconds{70}, milliseconds{21});
  EXPECT_EQ(path.delay.to_server(), milliseconds{70});
  EXPECT_EQ(path.delay.to_agent(), milliseconds{21});
}

TEST(PathDelay, OfAPathThatBecameLongerIsSharedOutAnewWithTime) {
  Path path;
  path.probe(milliseconds{20}, milliseconds{20});
  for (std::size_t i = 0; i < PathDelay::kSamples; ++i)
    path.probe(milliseconds{60}, milliseconds{40});
  EXPECT_EQ(path.delay.to_server(), milliseconds{50});
  EXPECT_EQ(path.delay.to_agent(), milliseconds{50});
}

TEST(PathDelay, OfClocksThatDriftApartIsWrongByLittle) {
  Path path;
  path.drift = 50;
  path.probe(milliseconds{20}, milliseconds{20});
  for (int i = 0; i < 1000; ++i) path.probe(milliseconds{21}, milliseconds{21});
  EXPECT_NEAR(std::chrono::duration<double>(*path.delay.to_server()).count(), 0.021, 0.005);
  EXPECT_EQ(*path.delay.to_server() + *path.delay.to_agent(), milliseconds{42});
}

TEST(PathDelay, IsNeverLessThanNothing) {
  Path path;
  path.drift = -100;
  for (int i = 0; i < 100; ++i) path.probe(microseconds{30 + i % 2}, microseconds{30});
  EXPECT_GE(*path.delay.to_server(), Duration{});
  EXPECT_GE(*path.delay.to_agent(), Duration{});
}

TEST(PathDelay, BeginsAnewWithAnotherClock) {
  Path path;
  path.probe(milliseconds{20}, milliseconds{20});
  path.ahead += 3'600'000'000U;
  path.probe(milliseconds{40}, milliseconds{50});
  EXPECT_EQ(path.delay.to_server(), milliseconds{45});
  path.ahead -= 7'200'000'000U;
  path.probe(milliseconds{40}, milliseconds{60});
  EXPECT_EQ(path.delay.to_server(), milliseconds{50});
}

TEST(PathDelay, OfAServerThatDoesNotTellItsClockIsNotKnown) {
  PathDelay delay;
  const TimePoint now{std::chrono::hours{1}};
  delay.on_answer(now, 0, now + milliseconds{40});
  EXPECT_EQ(delay.round_trip(), milliseconds{40});
  EXPECT_FALSE(delay.to_server());
  EXPECT_FALSE(delay.to_agent());
}

}  // namespace
}  // namespace sallyport::media
