#include "edge/napper.h"

#include <gtest/gtest.h>

namespace sallyport::edge {
namespace {

using std::chrono::microseconds;

struct NapperTest : testing::Test {
  Napper napper{microseconds{500}};
  TimePoint now{std::chrono::hours{1}};

  // So many datagrams a second, one by one, for a while.
  void load(unsigned rate, Duration how_long) {
    const TimePoint end = now + how_long;
    for (; now < end; now += Duration{seconds{1}} / rate) napper.on_taken(1, now);
  }
};

TEST_F(NapperTest, NapsUnderLoadAndNotOtherwise) {
  EXPECT_EQ(napper.nap(now, {}), Duration{}) << "nothing has come";
  load(1'000, milliseconds{50});
  EXPECT_EQ(napper.nap(now, {}), Duration{}) << "ten calls";
  load(50'000, milliseconds{5});
  EXPECT_EQ(napper.nap(now, {}), microseconds{500});
  load(1'000, milliseconds{5});
  EXPECT_EQ(napper.nap(now, {}), Duration{}) << "the load is over";
}

TEST_F(NapperTest, WhatComesAfterAPauseIsNotKeptWaiting) {
  load(50'000, milliseconds{5});
  now += milliseconds{10};
  EXPECT_EQ(napper.nap(now, {}), Duration{});
  napper.on_taken(1, now);
  EXPECT_EQ(napper.nap(now, {}), Duration{});
}

TEST_F(NapperTest, GoesOnWhileItSeesItsOwnBatches) {
  load(50'000, milliseconds{5});
  for (int i = 0; i < 20; ++i) {
    EXPECT_EQ(napper.nap(now, {}), microseconds{500}) << i;
    now += microseconds{600};
    napper.on_taken(30, now);
  }
}

TEST_F(NapperTest, MissesNoDeadline) {
  load(50'000, milliseconds{5});
  EXPECT_EQ(napper.nap(now, now + microseconds{120}), microseconds{120});
  EXPECT_EQ(napper.nap(now, now - microseconds{1}), Duration{});
  EXPECT_EQ(napper.nap(now, now + seconds{1}), microseconds{500});
}

TEST_F(NapperTest, CanBeForbidden) {
  napper = Napper{Duration{}};
  load(50'000, milliseconds{5});
  EXPECT_EQ(napper.nap(now, {}), Duration{});
}

}  // namespace
}  // namespace sallyport::edge
