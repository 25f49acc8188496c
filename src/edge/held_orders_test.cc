#include "edge/held_orders.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

namespace sallyport::edge {
namespace {

using media::MediaId;
using testing::ElementsAre;

struct HeldOrdersTest : testing::Test {
  HeldOrders orders;
  std::vector<std::string> done;
  const MediaId a{1}, b{2}, c{3};

  void give(std::vector<MediaId> ids, const std::string& what) {
    orders.give(std::move(ids), [this, what] { done.push_back(what); });
  }
};

TEST_F(HeldOrdersTest, NothingWaitsWhileNothingIsAway) {
  give({a, b}, "join a b");
  EXPECT_THAT(done, ElementsAre("join a b"));
}

TEST_F(HeldOrdersTest, OrdersKeepTheirOrderForEachEnd) {
  orders.depart(a);
  give({a, b}, "join a b");
  give({b}, "leave b");
  give({c}, "probe c");
  EXPECT_THAT(done, ElementsAre("probe c")) << "b waits behind the join";
  orders.arrive(c);  // it was not away
  EXPECT_THAT(done, ElementsAre("probe c"));
  orders.arrive(a);
  EXPECT_THAT(done, ElementsAre("probe c", "join a b", "leave b"));
  give({b}, "probe b");
  EXPECT_EQ(done.back(), "probe b");
}

TEST_F(HeldOrdersTest, AnOrderWaitsForAllThatItNames) {
  orders.depart(a);
  orders.depart(b);
  give({a, b}, "join a b");
  orders.arrive(a);
  EXPECT_TRUE(done.empty());
  give({a}, "close a");
  orders.arrive(b);
  EXPECT_THAT(done, ElementsAre("join a b", "close a"));
}

TEST_F(HeldOrdersTest, WhatIsDoneMaySendAnEndAway) {
  orders.depart(a);
  orders.give({a}, [this] { orders.depart(a); });
  give({a}, "probe a");
  orders.arrive(a);
  EXPECT_TRUE(orders.is_away(a));
  EXPECT_TRUE(done.empty());
  orders.arrive(a);
  EXPECT_THAT(done, ElementsAre("probe a"));
}

}  // namespace
}  // namespace sallyport::edge
