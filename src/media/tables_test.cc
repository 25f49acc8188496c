// PlaceIndex, Deadlines, HoldingPool and PleaseLimiter: what the packet path stands on.
#include <gtest/gtest.h>

#include <map>
#include <string>
#include <unordered_map>

#include "base/random.h"
#include "media/deadlines.h"
#include "media/holding_pool.h"
#include "media/place_index.h"
#include "media/please_limiter.h"

namespace sallyport::media {
namespace {

constexpr TimePoint kStart{std::chrono::hours{1}};

TEST(PlaceIndex, AgreesWithAMapWhateverIsPutInAndTakenOut) {
  SeededRandom random{3};
  for (const std::uint32_t hashes : {4U, 64U, 100000U}) {  // few: everything collides
    PlaceIndex index;
    std::unordered_map<std::uint32_t, std::uint32_t> model;  // place -> hash
    index.reserve(200);
    for (int step = 0; step < 20000; ++step) {
      const auto place = static_cast<std::uint32_t>(random.below(200));
      const auto it = model.find(place);
      if (it == model.end()) {
        const auto hash = static_cast<std::uint32_t>(random.below(hashes)) * 0x9e3779b9U;
        index.insert(hash, place);
        model.emplace(place, hash);
      } else {
        index.erase(it->second, place);
        model.erase(it);
      }
      const auto asked = static_cast<std::uint32_t>(random.below(200));
      const auto known = model.find(asked);
      const std::uint32_t hash = known == model.end() ? 1 : known->second;
      const auto found = index.find(hash, [&](std::uint32_t p) { return p == asked; });
      ASSERT_EQ(found, known == model.end() ? PlaceIndex::kNone : asked) << "step " << step;
    }
  }
}

TEST(PlaceIndex, FindsNothingWhileItIsEmptyAndGrowsWithWhatItHolds) {
  PlaceIndex index;
  EXPECT_EQ(index.find(1, [](std::uint32_t) { return true; }), PlaceIndex::kNone);
  index.erase(1, 1);
  for (std::uint32_t i = 0; i < 1000; ++i) {
    index.reserve(i + 1);
    index.insert(i * 7919, i);
  }
  for (std::uint32_t i = 0; i < 1000; ++i)
    EXPECT_EQ(index.find(i * 7919, [i](std::uint32_t p) { return p == i; }), i);
}

TEST(Deadlines, ComeInTheirOrderHoweverTheyAreArmedMovedAndDisarmed) {
  SeededRandom random{4};
  Deadlines deadlines;
  deadlines.reserve(50);
  std::map<std::uint32_t, TimePoint> model;
  for (int step = 0; step < 20000; ++step) {
    const auto key = static_cast<std::uint32_t>(random.below(50));
    const TimePoint due = kStart + milliseconds{random.below(1000)};
    switch (random.below(4)) {
      case 0:
      case 1:
        deadlines.arm(key, due);
        model[key] = due;
        break;
      case 2:
        deadlines.disarm(key);
        model.erase(key);
        break;
      default:
        if (const auto expired = deadlines.expire(due)) {
          ASSERT_TRUE(model.contains(*expired));
          for (const auto& [other, when] : model) ASSERT_LE(model[*expired], when);
          ASSERT_LE(model[*expired], due);
          model.erase(*expired);
        } else {
          for (const auto& [other, when] : model) ASSERT_GT(when, due);
        }
    }
    std::optional<TimePoint> earliest;
    for (const auto& [other, when] : model)
      if (!earliest || when < *earliest) earliest = when;
    ASSERT_EQ(deadlines.next(), earliest);
  }
}

TEST(HoldingPool, LetsFourPacketsOfALineWaitInOrder) {
  HoldingPool pool{10};
  WaitingLine line;
  for (std::uint8_t i = 0; i < kMostWaiting; ++i)
    EXPECT_TRUE(pool.hold(line, Buffer{i, 0xaa}, Ecn::NotCapable, kStart + milliseconds{i}));
  EXPECT_FALSE(pool.hold(line, Buffer{9}, Ecn::NotCapable, kStart)) << "a fifth";
  for (std::uint8_t i = 0; i < kMostWaiting; ++i) {
    EXPECT_EQ(to_buffer(pool.oldest(line)), (Buffer{i, 0xaa}));
    EXPECT_EQ(pool.oldest_since(line), kStart + milliseconds{i});
    pool.drop_oldest(line);
  }
  EXPECT_TRUE(line.empty());
}

TEST(HoldingPool, HasSoManySlotsForAllLinesAndUsesThemAgain) {
  HoldingPool pool{6};
  for (int round = 0; round < 100; ++round) {
    WaitingLine a;
    WaitingLine b;
    int held = 0;
    for (int i = 0; i < 4; ++i) held += pool.hold(a, Buffer{1}, Ecn::NotCapable, kStart) ? 1 : 0;
    for (int i = 0; i < 4; ++i) held += pool.hold(b, Buffer{2}, Ecn::NotCapable, kStart) ? 1 : 0;
    ASSERT_EQ(held, 6);
    for (WaitingLine* line : {&a, &b})
      while (!line->empty()) pool.drop_oldest(*line);
  }
}

TEST(HoldingPool, TakesPacketsUpToItsSlotSize) {
  HoldingPool pool{2};
  WaitingLine line;
  EXPECT_TRUE(pool.hold(line, Buffer(HoldingPool::kSlotSize, 1), Ecn::NotCapable, kStart));
  EXPECT_FALSE(pool.hold(line, Buffer(HoldingPool::kSlotSize + 1, 1), Ecn::NotCapable, kStart));
}

TEST(PleaseLimiter, AnswersASourceTwiceASecondAndAllTogetherNoMoreThanItWasTold) {
  PleaseLimiter limiter{100};
  int answered = 0;
  for (int ms = 0; ms < 10000; ++ms)
    answered += limiter.permits(42, kStart + milliseconds{ms}) ? 1 : 0;
  EXPECT_EQ(answered, 20);
  answered = 0;
  for (std::uint32_t source = 0; source < 100000; ++source)
    answered += limiter.permits(source * 2654435761U, kStart + seconds{20}) ? 1 : 0;
  EXPECT_EQ(answered, 100);
}

}  // namespace
}  // namespace sallyport::media
