#include "media/rate_gate.h"

#include <gtest/gtest.h>

namespace sallyport::media {
namespace {

const TimePoint kStart{std::chrono::hours{1}};

// Packets of `octets` at that rate for so long: how many get through.
int let_through(RateGate& gate, int per_second, std::size_t octets, seconds time,
                TimePoint from = kStart) {
  int admitted = 0;
  const int all = per_second * static_cast<int>(time.count());
  for (int i = 0; i < all; ++i)
    if (gate.admits(octets, from + std::chrono::nanoseconds{1'000'000'000LL * i / per_second}))
      ++admitted;
  return admitted;
}

TEST(RateGate, LetsEverythingThroughUntilItIsTold) {
  RateGate gate;
  EXPECT_EQ(let_through(gate, 100'000, 1500, seconds{1}), 100'000);
}

TEST(RateGate, HoldsPacketsToTheirRateAndABurstOfASecond) {
  RateGate gate;
  gate.set({.packets = 100, .octets = 0});
  EXPECT_EQ(let_through(gate, 100, 1500, seconds{20}), 2000) << "what keeps to it loses nothing";
  RateGate flooded;
  flooded.set({.packets = 100, .octets = 0});
  const int admitted = let_through(flooded, 10'000, 20, seconds{10});
  EXPECT_GE(admitted, 1000);
  EXPECT_LE(admitted, 1102);
  // And it is forgiven once it has been quiet.
  EXPECT_EQ(let_through(flooded, 100, 20, seconds{5}, kStart + seconds{13}), 500);
}

TEST(RateGate, HoldsOctetsToo) {
  RateGate gate;
  gate.set({.packets = 1'000'000, .octets = 100'000});
  EXPECT_EQ(let_through(gate, 50, 2000, seconds{10}), 500);
  RateGate flooded;
  flooded.set({.packets = 0, .octets = 100'000});
  const int admitted = let_through(flooded, 1000, 1000, seconds{10});
  EXPECT_GE(admitted, 1000);
  EXPECT_LE(admitted, 1102);
}

TEST(RateGate, CountsWhatPassedElsewhere) {
  RateGate gate;
  gate.set({.packets = 100, .octets = 0});
  EXPECT_TRUE(gate.charge(100, 0, kStart));
  EXPECT_FALSE(gate.charge(50, 0, kStart + milliseconds{100}));
  EXPECT_FALSE(gate.admits(1, kStart + milliseconds{100}));
  EXPECT_TRUE(gate.admits(1, kStart + seconds{2}));
}

}  // namespace
}  // namespace sallyport::media
