#include "brain/trunks.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/test_log.h"
#include "brain/test_edges.h"

namespace sallyport::brain {
namespace {

using adapter::Place;
using media::MediaId;
using test::FakeCommands;
using testing::ElementsAre;

const TransportAddress kX = *TransportAddress::parse("198.51.100.1:2776");
const TransportAddress kOtherX = *TransportAddress::parse("[2001:db8::1]:2776");

struct TrunksTest : testing::Test {
  const Place site = Place::inside(AgentId{1});
  const Place other_site = Place::inside(AgentId{2});
  SeededRandom random{7};
  TestLog log;
  FlowWatch watch{log};
  FakeCommands commands;
  Trunks trunks{{.most = 2}, seconds{10}, random, watch, commands};

  void SetUp() override {
    for (const Place place : {Place::outside(), site, other_site}) commands.edges[place];
  }
  // The trunk that a flow of two components rides on.
  MediaId ride(Place place, const TransportAddress& server = kX) {
    Trunk* const trunk = trunks.choose(place, server);
    if (trunk == nullptr) return {};
    taken = trunks.take_channels(*trunk, 2);
    return trunk->probing;
  }
  std::vector<media::Channel> taken;
};

TEST_F(TrunksTest, OpenAsManyAsAreWantedAndSpreadFlowsOverThem) {
  const MediaId first = ride(site);
  const auto channels = taken;
  const MediaId second = ride(site);
  EXPECT_NE(first, second);
  EXPECT_EQ(ride(site), first);
  EXPECT_EQ(ride(site), second);
  trunks.release(first, channels);
  EXPECT_EQ(ride(site), first) << "it has fewer now";
  EXPECT_EQ(commands.edges[site].trunks.size(), 2U);
  EXPECT_EQ(commands.edges[Place::outside()].trunks.size(), 2U);
  EXPECT_NE(ride(other_site), first) << "agents share none";
}

TEST_F(TrunksTest, OneThatNothingRidesOnIsUsedBeforeAnotherIsOpened) {
  const MediaId first = ride(site);
  trunks.release(first, taken);
  EXPECT_EQ(ride(site), first);
}

TEST_F(TrunksTest, WhenTheServerIsReachedElsewhereIdleOnesGoAndBusyOnesStay) {
  const MediaId busy = ride(site);
  const MediaId idle = ride(site);
  trunks.release(idle, taken);
  const MediaId moved = ride(site, kOtherX);
  EXPECT_EQ(commands.edges[site].trunks.at(moved.value).server, kOtherX);
  EXPECT_EQ(trunks.find(idle), nullptr);
  EXPECT_NE(trunks.find(busy), nullptr);
  EXPECT_EQ(ride(site, kOtherX), moved) << "the one that goes there, though it is not emptier";
}

TEST_F(TrunksTest, OneThatIsRefusedIsNotTriedAgain) {
  const MediaId first = ride(site);
  const MediaId second = ride(site);
  EXPECT_TRUE(trunks.give_up(second)) << "there is another one";
  EXPECT_EQ(ride(site), first);
  EXPECT_FALSE(trunks.give_up(first));
  EXPECT_EQ(trunks.choose(site, kX), nullptr);
  EXPECT_THAT(commands.edges[site].trunks.size(), 2U);
  trunks.close_all(site);
  EXPECT_TRUE(ride(site)) << "the agent has begun anew";
}

TEST_F(TrunksTest, OwnersAreSpreadOverAllAgentsTrunks) {
  const auto owner_at = [&](Place place) {
    const Trunk& trunk = *trunks.find(ride(place));
    for (const media::Channel channel : taken) {
      EXPECT_EQ(media::owner_of(channel), trunk.owner);
      EXPECT_TRUE(media::is_of_a_flow(channel));
    }
    EXPECT_EQ(commands.edges[place].trunks.at(trunk.probing.value).owner, trunk.owner);
    return trunk.owner;
  };
  EXPECT_EQ(owner_at(site), 0);
  EXPECT_EQ(owner_at(other_site), 1);
  EXPECT_EQ(owner_at(site), 2);
  EXPECT_EQ(owner_at(site), 0) << "the same trunk again";
  trunks.close_all(other_site);
  EXPECT_EQ(owner_at(other_site), 1) << "nobody has it any more";
}

TEST_F(TrunksTest, AreClosedAtBothEdgesWithTheirAgent) {
  const MediaId one = ride(site);
  const MediaId awaiting = trunks.find(one)->awaiting;
  EXPECT_EQ(trunks.place_of(awaiting), site);
  commands.edges[site].told.clear();
  commands.edges[Place::outside()].told.clear();
  trunks.close_all(site);
  EXPECT_THAT(commands.edges[site].told, ElementsAre("close " + std::to_string(one.value)));
  EXPECT_THAT(commands.edges[Place::outside()].told,
              ElementsAre("close " + std::to_string(awaiting.value)));
  EXPECT_FALSE(trunks.place_of(awaiting));
}

}  // namespace
}  // namespace sallyport::brain
