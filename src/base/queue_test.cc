#include "base/queue.h"

#include <gtest/gtest.h>

#include <memory>
#include <thread>

namespace sallyport {
namespace {

TEST(Queue, RefusesWhenFullAndKeepsTheValue) {
  Queue<std::unique_ptr<int>> queue{2};
  EXPECT_TRUE(queue.push(std::make_unique<int>(1)));
  EXPECT_TRUE(queue.push(std::make_unique<int>(2)));
  auto third = std::make_unique<int>(3);
  EXPECT_FALSE(queue.push(std::move(third)));
  EXPECT_NE(third, nullptr);  // NOLINT(bugprone-use-after-move): a refused push moves nothing
  EXPECT_EQ(**queue.pop(), 1);
  EXPECT_TRUE(queue.push(std::make_unique<int>(4)));
}

TEST(Queue, KeepsOrderBetweenTwoThreads) {
  constexpr int kCount = 200'000;
  Queue<int> queue{64};
  std::thread producer{[&] {
    for (int i = 0; i < kCount;)
      if (queue.push(int{i}))
        ++i;
      else
        std::this_thread::yield();
  }};
  int expected = 0;
  while (expected < kCount) {
    if (const auto value = queue.pop()) {
      ASSERT_EQ(*value, expected);
      ++expected;
    } else {
      std::this_thread::yield();
    }
  }
  producer.join();
  EXPECT_FALSE(queue.pop());
}

}  // namespace
}  // namespace sallyport
