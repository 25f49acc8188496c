#include "edge/port_allocator.h"

#include <gtest/gtest.h>

#include <set>

namespace sallyport::edge {
namespace {

const IpAddress kLocal = IpAddress::v4({192, 0, 2, 1});
const auto kBinds = [](std::uint16_t) -> Result<void> { return {}; };

class PortAllocatorTest : public ::testing::Test {
 protected:
  SeededRandom random_{7};
  TimePoint now_{std::chrono::hours{1}};
};

TEST_F(PortAllocatorTest, PairsBeginEvenAndFillTheRange) {
  PortAllocator ports({.first = 30001, .last = 30010}, random_);
  std::set<std::uint16_t> taken;
  for (int i = 0; i < 4; ++i) {
    const auto port = ports.take(kLocal, 2, now_, kBinds);
    ASSERT_TRUE(port);
    EXPECT_EQ(*port % 2, 0);
    EXPECT_GE(*port, 30002);
    EXPECT_LE(*port, 30008);
    EXPECT_TRUE(taken.insert(*port).second);
  }
  const auto none = ports.take(kLocal, 2, now_, kBinds);
  ASSERT_FALSE(none);
  EXPECT_EQ(none.error().code, Errc::Exhausted);
  // The odd ones at the ends serve as single ports.
  EXPECT_TRUE(ports.take(kLocal, 1, now_, kBinds));
  EXPECT_TRUE(ports.take(kLocal, 1, now_, kBinds));
  EXPECT_FALSE(ports.take(kLocal, 1, now_, kBinds));
  EXPECT_TRUE(ports.take(IpAddress::v4({192, 0, 2, 2}), 2, now_, kBinds));
}

TEST_F(PortAllocatorTest, GivenBackPortRests) {
  PortAllocator ports({.first = 30000, .last = 30001}, random_);
  ASSERT_EQ(ports.take(kLocal, 2, now_, kBinds), 30000);
  ports.give_back(kLocal, 30000, 2, now_);
  EXPECT_FALSE(ports.take(kLocal, 2, now_, kBinds));
  now_ += kPortQuarantine - std::chrono::milliseconds{1};
  EXPECT_FALSE(ports.take(kLocal, 1, now_, kBinds));
  now_ += std::chrono::milliseconds{1};
  EXPECT_EQ(ports.take(kLocal, 2, now_, kBinds), 30000);
}

TEST_F(PortAllocatorTest, PortOfAnotherProgramIsPassedOver) {
  PortAllocator ports({.first = 30000, .last = 30005}, random_);
  const auto only_last = [](std::uint16_t first) -> Result<void> {
    if (first != 30004) return fail(Errc::Exhausted, "address in use");
    return {};
  };
  EXPECT_EQ(ports.take(kLocal, 2, now_, only_last), 30004);
  // When all are another program's, each is tried once, and again when it may have become free.
  int tries = 0;
  const auto none = [&](std::uint16_t) -> Result<void> {
    ++tries;
    return fail(Errc::Exhausted, "address in use");
  };
  now_ += kPortQuarantine;
  EXPECT_FALSE(ports.take(kLocal, 2, now_, none));
  EXPECT_FALSE(ports.take(kLocal, 2, now_, none));
  EXPECT_EQ(tries, 2);
  now_ += kPortQuarantine;
  EXPECT_TRUE(ports.take(kLocal, 2, now_, kBinds));
}

TEST_F(PortAllocatorTest, AddressThatCannotBeBoundEndsTheSearch) {
  PortAllocator ports({.first = 30000, .last = 39999}, random_);
  int tries = 0;
  const auto not_ours = [&](std::uint16_t) -> Result<void> {
    ++tries;
    return fail(Errc::System, "not an address of this host");
  };
  const auto taken = ports.take(kLocal, 2, now_, not_ours);
  ASSERT_FALSE(taken);
  EXPECT_EQ(taken.error().code, Errc::System);
  EXPECT_EQ(tries, 1);
}

TEST_F(PortAllocatorTest, PortsComeAtRandomFromTheWholeRange) {
  PortAllocator ports({.first = 30000, .last = 39999}, random_);
  unsigned low = 0;
  std::uint16_t previous = 0;
  unsigned neighbours = 0;
  for (int i = 0; i < 1000; ++i) {
    const std::uint16_t port = *ports.take(kLocal, 2, now_, kBinds);
    if (port < 35000) ++low;
    if (port == previous + 2) ++neighbours;
    previous = port;
  }
  EXPECT_GT(low, 400U);
  EXPECT_LT(low, 600U);
  EXPECT_LT(neighbours, 20U);
}

TEST_F(PortAllocatorTest, EmptyRangeIsExhausted) {
  PortAllocator none({.first = 30001, .last = 30000}, random_);
  EXPECT_FALSE(none.take(kLocal, 1, now_, kBinds));
  PortAllocator one({.first = 30001, .last = 30001}, random_);
  EXPECT_FALSE(one.take(kLocal, 2, now_, kBinds));
  EXPECT_TRUE(one.take(kLocal, 1, now_, kBinds));
}

}  // namespace
}  // namespace sallyport::edge
