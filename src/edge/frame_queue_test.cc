#include "edge/frame_queue.h"

#include <gtest/gtest.h>

#include <deque>
#include <random>

namespace sallyport::edge {
namespace {

constexpr TimePoint kStart{std::chrono::hours{1}};

TEST(FrameQueue, GivesBackWhatWasPutInInOrder) {
  FrameQueue queue;
  EXPECT_TRUE(queue.empty());
  EXPECT_EQ(queue.push(Buffer{1, 2, 3}, kStart), 0U);
  EXPECT_EQ(queue.push(Buffer{4}, kStart + milliseconds{1}), 0U);
  EXPECT_EQ(to_buffer(queue.front()), (Buffer{0, 3, 1, 2, 3}));
  EXPECT_EQ(queue.front_since(), kStart);
  queue.pop();
  EXPECT_EQ(to_buffer(queue.front()), (Buffer{0, 1, 4}));
  EXPECT_EQ(queue.front_since(), kStart + milliseconds{1});
  queue.pop();
  EXPECT_TRUE(queue.empty());
}

TEST(FrameQueue, DropsTheOldestWhenThereIsNoRoom) {
  FrameQueue queue{100, 100};
  for (std::uint8_t i = 0; i < 4; ++i) EXPECT_EQ(queue.push(Buffer(23, i), kStart), 0U);
  EXPECT_EQ(queue.push(Buffer(48, 4), kStart), 2U);
  EXPECT_EQ(queue.front()[2], 2);
  FrameQueue few{1000, 2};
  few.push(Buffer{0}, kStart);
  few.push(Buffer{1}, kStart);
  EXPECT_EQ(few.push(Buffer{2}, kStart), 1U);
  EXPECT_EQ(few.front()[2], 1);
}

// Against a queue that is plainly right, wherever the memory begins again.
TEST(FrameQueue, IsAQueueWhateverIsPutInAndTakenOut) {
  std::mt19937 random{5};
  FrameQueue queue{500, 16};
  std::deque<Buffer> known;
  for (int step = 0; step < 20000; ++step) {
    if (random() % 2 == 0) {
      Buffer datagram(1 + random() % 120);
      for (auto& octet : datagram) octet = static_cast<std::uint8_t>(random());
      for (std::size_t dropped = queue.push(datagram, kStart); dropped > 0; --dropped)
        known.pop_front();
      known.push_back(media_frame(datagram));
    } else if (!known.empty()) {
      queue.pop();
      known.pop_front();
    }
    ASSERT_EQ(queue.empty(), known.empty());
    if (!known.empty()) {
      ASSERT_EQ(to_buffer(queue.front()), known.front());
    }
    ASSERT_LE(known.size(), 16U);
  }
}

}  // namespace
}  // namespace sallyport::edge
