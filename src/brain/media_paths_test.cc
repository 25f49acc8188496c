#include "brain/media_paths.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "base/test_log.h"
#include "brain/test_edges.h"

namespace sallyport::brain {
namespace {

using adapter::Place;
using media::MediaId;
using test::FakeCommands;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

const TransportAddress kX = *TransportAddress::parse("192.0.2.1:2776");
const TransportAddress kY = *TransportAddress::parse("192.0.2.1:2777");

class MediaPathsTest : public testing::Test {
 protected:
  const Place outside_ = Place::outside();
  const Place site_a_ = Place::inside(AgentId{1});
  const Place site_b_ = Place::inside(AgentId{2});
  SeededRandom random_{7};
  TestLog log_;
  FlowWatch watch_{log_};
  FakeCommands commands_;
  MediaPaths paths_{{.rtp = {kX}, .rtcp = {kY}}, random_, watch_, commands_};
  std::string failed_;

  void SetUp() override {
    for (const Place place : {outside_, site_a_, site_b_}) commands_.edges[place];
  }
  MediaId open(Place place, unsigned components = 2) {
    return paths_.open_port(place, {.components = components},
                            {.on_open = {},
                             .on_failed = [this](Errc, const std::string& what,
                                                 adapter::Commands&) { failed_ += what; },
                             .on_event = {}});
  }
  void connect(Place one, Place other) {
    const MediaId a = open(one);
    const MediaId b = open(other);
    paths_.connect(a, b);
  }
  std::vector<std::string> told(Place place) {
    return std::exchange(commands_.edges[place].told, {});
  }
};

TEST_F(MediaPathsTest, JoinsTwoTerminalsOfOneAgentInsideIt) {
  const MediaId a = open(site_a_);
  const MediaId b = open(site_a_);
  paths_.connect(a, b);
  EXPECT_THAT(told(site_a_), ElementsAre("port 1", "port 2", "join 1 2"));
  EXPECT_THAT(told(outside_), IsEmpty()) << "nothing of it leaves the private network";
}

TEST_F(MediaPathsTest, PutsAFlowBetweenAPortInsideAndOneOutside) {
  const MediaId a = open(site_a_);
  const MediaId b = open(outside_);
  paths_.connect(a, b);
  EXPECT_THAT(told(outside_), ElementsAre("port 2", "awaiting 4", "join 4 2"));
  EXPECT_THAT(told(site_a_), ElementsAre("port 1", "probing 3", "join 1 3"));
  const media::FlowSpec& probing = commands_.edges[site_a_].flows[3];
  const media::FlowSpec& awaiting = commands_.edges[outside_].flows[4];
  ASSERT_EQ(probing.components.size(), 2U);
  EXPECT_THAT(probing.server, ElementsAre(kX, kY));
  for (std::size_t i = 0; i < 2; ++i) {
    EXPECT_EQ(probing.components[i].token, awaiting.components[i].token);
    EXPECT_EQ(probing.components[i].key, awaiting.components[i].key);
  }
  EXPECT_NE(probing.components[0].token, probing.components[1].token);
}

TEST_F(MediaPathsTest, AFlowThatIsNeverConfirmedIsAProblemOfItsPort) {
  watch_.on_agent(site_a_, "office");
  const MediaId a = open(site_a_);
  const MediaId b = open(outside_);
  paths_.connect(a, b);
  const MediaId probing{3};
  const MediaId awaiting{4};
  paths_.on_media_event(probing, {.kind = media::EventKind::Unconfirmed});
  EXPECT_THAT(paths_.problem_of(a), HasSubstr("no probe of agent office arrived at X (192.0.2.1:"));
  EXPECT_THAT(paths_.problem_of(b), IsEmpty());

  paths_.on_media_event(awaiting, {.kind = media::EventKind::FlowBound});
  paths_.on_media_event(probing, {.kind = media::EventKind::FlowBound});
  EXPECT_THAT(paths_.problem_of(a), IsEmpty());

  // Told to probe, a call of some seconds is enough to know.
  paths_.start(a);
  commands_.time += seconds{5};
  paths_.close(a);
  EXPECT_THAT(watch_.health(site_a_).problem, HasSubstr("Y (192.0.2.1:2777)"));
}

TEST_F(MediaPathsTest, SendsFlowsTheWayThatTheAgentComes) {
  const TransportAddress x6 = *TransportAddress::parse("[2001:db8::1]:2776");
  const TransportAddress y6 = *TransportAddress::parse("[2001:db8::1]:2777");
  paths_.set_server_addresses({kX, x6}, {kY, y6});
  paths_.prefer_family(site_a_, false);
  connect(site_a_, site_b_);
  EXPECT_THAT(commands_.edges[site_a_].flows.begin()->second.server, ElementsAre(x6, y6));
  EXPECT_THAT(commands_.edges[site_b_].flows.begin()->second.server, ElementsAre(kX, kY));
}

TEST_F(MediaPathsTest, JoinsTheFlowsOfTwoAgentsOutsideWithoutAnyFarSidePort) {
  const MediaId a = open(site_a_);
  const MediaId b = open(site_b_);
  paths_.connect(a, b);
  EXPECT_THAT(told(outside_), ElementsAre("awaiting 4", "awaiting 6", "join 4 6"));
  EXPECT_THAT(told(site_b_), ElementsAre("port 2", "probing 5", "join 2 5"));
}

TEST_F(MediaPathsTest, KeepsTheCallersFlowWhenAnotherBranchAnswers) {
  const MediaId caller = open(site_a_);
  const MediaId first = open(site_b_);
  const MediaId second = open(outside_);
  paths_.connect(caller, first);
  told(outside_), told(site_a_), told(site_b_);
  paths_.connect(caller, second);
  EXPECT_THAT(told(outside_), ElementsAre("join 5 3"));
  EXPECT_THAT(told(site_a_), IsEmpty());
  paths_.close(first);
  EXPECT_THAT(told(site_b_), ElementsAre("close 6", "close 2"));
}

TEST_F(MediaPathsTest, ProbesBothSidesWhenMediaCanStartAndWhenPacketsWait) {
  const MediaId a = open(site_a_);
  const MediaId b = open(site_b_);
  paths_.connect(a, b);
  told(site_a_), told(site_b_);
  paths_.start(a);
  EXPECT_THAT(told(site_a_), ElementsAre("probe 3"));
  EXPECT_THAT(told(site_b_), ElementsAre("probe 5"));
  paths_.on_media_event(MediaId{6}, {.kind = media::EventKind::WantsProbe});
  EXPECT_THAT(told(site_b_), ElementsAre("probe 5"));
}

// ---- Tagged ----

TEST_F(MediaPathsTest, OpensATrunkWithTheFirstTaggedFlowAndNoSecondOne) {
  paths_.set_carriage(site_a_, media::Carriage::Tagged);
  const MediaId a = open(site_a_);
  paths_.connect(a, open(outside_));
  EXPECT_THAT(told(outside_), ElementsAre("port 2", "awaiting trunk 4", "awaiting 6", "join 6 2"));
  EXPECT_THAT(told(site_a_),
              ElementsAre("port 1", "probing trunk 3", "probe 3", "probing 5", "join 1 5"));
  const media::TrunkSpec& probing = commands_.edges[site_a_].trunks[3];
  const media::TrunkSpec& awaiting = commands_.edges[outside_].trunks[4];
  EXPECT_EQ(probing.server, kX);
  EXPECT_EQ(probing.secret.token, awaiting.secret.token);
  EXPECT_EQ(probing.secret.key, awaiting.secret.key);
  EXPECT_TRUE(probing.sealed && awaiting.sealed);
  EXPECT_EQ(awaiting.ring, media::KeyRingId{1}) << "this agent's keys";
  const media::FlowSpec& flow = commands_.edges[site_a_].flows[5];
  EXPECT_EQ(flow.trunk, MediaId{3});
  EXPECT_EQ(commands_.edges[outside_].flows[6].trunk, MediaId{4});
  ASSERT_EQ(flow.channels.size(), 2U);
  EXPECT_NE(flow.channels[0], flow.channels[1]);
  EXPECT_EQ(flow.channels, commands_.edges[outside_].flows[6].channels);

  connect(site_a_, outside_);
  EXPECT_THAT(told(site_a_), ElementsAre("port 7", "probing 9", "join 7 9"));
  paths_.close(a);
  EXPECT_THAT(told(site_a_), ElementsAre("close 5", "close 1")) << "the trunk stays";
}

TEST_F(MediaPathsTest, ProbesTheTrunkForItsFlowsUntilItIsOpen) {
  paths_.set_carriage(site_a_, media::Carriage::Tagged);
  const MediaId a = open(site_a_);
  paths_.connect(a, open(outside_));
  told(site_a_);
  paths_.start(a);
  EXPECT_THAT(told(site_a_), ElementsAre("probe 3"));
  EXPECT_TRUE(paths_.on_media_event(MediaId{4}, {.kind = media::EventKind::WantsProbe}));
  EXPECT_THAT(told(site_a_), ElementsAre("probe 3"));
  EXPECT_TRUE(paths_.on_media_event(MediaId{4}, {.kind = media::EventKind::FlowBound}));
  paths_.start(a);
  EXPECT_THAT(told(site_a_), IsEmpty());
}

TEST_F(MediaPathsTest, ATrunkThatIsNeverConfirmedIsAProblemOfAllThatRideOnIt) {
  watch_.on_agent(site_a_, "office");
  paths_.set_carriage(site_a_, media::Carriage::Tagged);
  const MediaId a = open(site_a_);
  paths_.connect(a, open(outside_));
  paths_.on_media_event(MediaId{3}, {.kind = media::EventKind::Unconfirmed});
  EXPECT_THAT(paths_.problem_of(a), HasSubstr("no probe of agent office arrived at X"));
  EXPECT_EQ(watch_.health(site_a_).problem, paths_.problem_of(a));
  paths_.on_media_event(MediaId{4}, {.kind = media::EventKind::FlowBound});
  paths_.on_media_event(MediaId{3}, {.kind = media::EventKind::FlowBound});
  EXPECT_THAT(paths_.problem_of(a), IsEmpty());
  commands_.time += seconds{60};
  paths_.on_edge_lost(site_a_);
  EXPECT_THAT(watch_.health(site_a_).problem, IsEmpty()) << "nor are its flows, which have none";
}

TEST_F(MediaPathsTest, ChangesTheCarriageOfACallWhenTheNewFlowIsOpen) {
  const MediaId a = open(site_a_);
  paths_.connect(a, open(outside_));
  told(site_a_), told(outside_);
  paths_.set_carriage(site_a_, media::Carriage::Tagged);
  EXPECT_THAT(told(outside_), ElementsAre("awaiting trunk 6", "awaiting 8", "receive 4 8"));
  EXPECT_THAT(told(site_a_), ElementsAre("probing trunk 5", "probe 5", "probing 7", "receive 3 7"));
  paths_.on_media_event(MediaId{6}, {.kind = media::EventKind::FlowBound});
  EXPECT_THAT(told(outside_), IsEmpty()) << "the agent may not have the flow yet";
  paths_.on_media_opened(MediaId{7}, {});
  EXPECT_THAT(told(outside_), ElementsAre("send 4 8"));
  EXPECT_THAT(told(site_a_), ElementsAre("send 3 7"));
  EXPECT_TRUE(paths_.on_timer(commands_.timers.back()));
  EXPECT_THAT(told(outside_), ElementsAre("close 4"));
  EXPECT_THAT(told(site_a_), ElementsAre("close 3"));

  // And back: this time the new flow's own probe is waited for.
  paths_.set_carriage(site_a_, media::Carriage::Bound);
  EXPECT_THAT(told(site_a_), ElementsAre("probing 9", "receive 7 9", "probe 9"));
  paths_.on_media_opened(MediaId{9}, {});
  paths_.on_media_event(MediaId{10}, {.kind = media::EventKind::FlowBound, .component = 1});
  EXPECT_THAT(told(site_a_), IsEmpty());
  paths_.on_media_event(MediaId{10}, {.kind = media::EventKind::FlowBound, .component = 0});
  EXPECT_THAT(told(site_a_), ElementsAre("send 7 9"));
  paths_.close(a);
  EXPECT_THAT(told(site_a_), ElementsAre("close 9", "close 1"));
  EXPECT_TRUE(paths_.on_timer(commands_.timers.back()));
  EXPECT_THAT(told(site_a_), ElementsAre("close 7"));
  EXPECT_FALSE(paths_.on_timer(commands_.timers.back())) << "another one's timer";
  EXPECT_EQ(paths_.flows(), 0U);
}

TEST_F(MediaPathsTest, AChangeThatIsRefusedLeavesTheCallWhereItIs) {
  const MediaId a = open(site_a_);
  paths_.connect(a, open(outside_));
  paths_.set_carriage(site_a_, media::Carriage::Tagged);
  told(site_a_), told(outside_);
  EXPECT_TRUE(paths_.on_refused(7, Errc::NotFound, "no such trunk"));
  EXPECT_THAT(told(site_a_), ElementsAre("close 7"));
  EXPECT_EQ(failed_, "");
}

TEST_F(MediaPathsTest, ARefusedTrunkMeansBoundFlows) {
  paths_.set_carriage(site_a_, media::Carriage::Tagged);
  const MediaId a = open(site_a_);
  paths_.connect(a, open(site_b_));
  told(site_a_), told(outside_);
  EXPECT_TRUE(paths_.on_refused(3, Errc::System, "port in use"));
  EXPECT_THAT(told(site_a_), ElementsAre("close 3", "close 5", "probing 9", "join 1 9", "probe 9"));
  EXPECT_THAT(told(outside_), ElementsAre("close 4", "close 6", "awaiting 10", "join 10 8"));
  EXPECT_TRUE(paths_.on_refused(5, Errc::NotFound, "no such trunk") || failed_.empty());
  EXPECT_EQ(failed_, "");
}

// A second trunk that is refused: its calls go by the first.
TEST_F(MediaPathsTest, ARefusedTrunkMeansAnotherOneIfThereIsOne) {
  MediaPaths paths{{.rtp = {kX}, .rtcp = {kY}, .trunks = {.most = 2}}, random_, watch_, commands_};
  paths.set_carriage(site_a_, media::Carriage::Tagged);
  std::vector<MediaId> ports;
  for (int call = 0; call < 2; ++call) {
    for (const Place place : {site_a_, outside_})
      ports.push_back(paths.open_port(place, {.components = 1}, {}));
    paths.connect(ports[ports.size() - 2], ports.back());
  }
  const auto& flows = commands_.edges[site_a_].flows;
  const auto& trunks = commands_.edges[site_a_].trunks;
  ASSERT_EQ(trunks.size(), 2U);
  const MediaId first{trunks.begin()->first};
  const MediaId second{trunks.rbegin()->first};
  EXPECT_EQ(flows.begin()->second.trunk, first);
  EXPECT_EQ(flows.rbegin()->second.trunk, second);
  EXPECT_TRUE(paths.on_refused(second.value, Errc::System, "port in use"));
  EXPECT_EQ(flows.rbegin()->second.trunk, first);
  EXPECT_EQ(trunks.size(), 2U);
}

TEST_F(MediaPathsTest, TheTrunkGoesWithItsAgentAndComesAgain) {
  paths_.set_carriage(site_a_, media::Carriage::Tagged);
  connect(site_a_, outside_);
  told(outside_);
  paths_.on_edge_lost(site_a_);
  EXPECT_THAT(told(outside_), ElementsAre("close 6", "close 4"));
  EXPECT_FALSE(paths_.on_media_event(MediaId{4}, {.kind = media::EventKind::FlowBound}));
  connect(site_a_, outside_);
  EXPECT_THAT(told(outside_),
              ElementsAre("port 8", "awaiting trunk 10", "awaiting 12", "join 12 8"));
}

TEST_F(MediaPathsTest, ReleasesEverythingAtTheEnd) {
  const MediaId a = open(site_a_);
  const MediaId b = open(outside_);
  paths_.connect(a, b);
  told(outside_), told(site_a_);
  paths_.close(a);
  paths_.close(b);
  EXPECT_THAT(told(site_a_), ElementsAre("close 3", "close 1"));
  EXPECT_THAT(told(outside_), ElementsAre("close 4", "close 2"));
  EXPECT_EQ(paths_.ports(), 0U);
  EXPECT_EQ(paths_.flows(), 0U);
}

TEST_F(MediaPathsTest, CountsAPortAndBothEndsOfItsFlow) {
  const MediaId a = open(site_a_);  // 1; its flow is 3 and 4
  paths_.connect(a, open(outside_));
  told(outside_), told(site_a_);
  std::vector<adapter::PathCounts> counted;
  paths_.count(
      a, [&](const adapter::PathCounts& counts, adapter::Commands&) { counted.push_back(counts); });
  EXPECT_THAT(told(site_a_), ElementsAre("count 1", "count 3"));
  EXPECT_THAT(told(outside_), ElementsAre("count 4"));
  EXPECT_TRUE(paths_.on_media_counts(edge::QueryId{5}, {.components = {{.packets_in = 11}}}));
  EXPECT_TRUE(paths_.on_media_counts(edge::QueryId{6}, {.components = {{.packets_in = 13}}}));
  EXPECT_TRUE(counted.empty());
  EXPECT_TRUE(paths_.on_media_counts(edge::QueryId{7}, {.components = {{.packets_in = 14}}}));
  ASSERT_EQ(counted.size(), 1U);
  EXPECT_EQ(counted[0].port.components[0].packets_in, 11U);
  EXPECT_EQ(counted[0].probing.components[0].packets_in, 13U);
  EXPECT_EQ(counted[0].awaiting.components[0].packets_in, 14U);
  EXPECT_EQ(counted[0].carriage, media::Carriage::Bound);
  EXPECT_FALSE(counted[0].encrypted);
}

TEST_F(MediaPathsTest, SaysThatWhatIsTaggedIsEncrypted) {
  paths_.set_carriage(site_a_, media::Carriage::Tagged);
  const MediaId a = open(site_a_);
  paths_.connect(a, open(outside_));
  adapter::PathCounts counted;
  const std::uint64_t first_query = commands_.next;
  paths_.count(a, [&](const adapter::PathCounts& counts, adapter::Commands&) { counted = counts; });
  for (std::uint64_t id = first_query; id < commands_.next; ++id)
    EXPECT_TRUE(paths_.on_media_counts(edge::QueryId{id}, {}));
  EXPECT_EQ(counted.carriage, media::Carriage::Tagged);
  EXPECT_TRUE(counted.encrypted);
}

TEST_F(MediaPathsTest, CountsWhatIsLeftWhenAnEdgeIsLost) {
  const MediaId a = open(site_a_);
  paths_.connect(a, open(outside_));
  std::vector<adapter::PathCounts> counted;
  paths_.count(
      a, [&](const adapter::PathCounts& counts, adapter::Commands&) { counted.push_back(counts); });
  paths_.on_media_counts(edge::QueryId{7}, {.components = {{.packets_in = 14}}});
  paths_.on_edge_lost(site_a_);
  ASSERT_EQ(counted.size(), 1U);
  EXPECT_TRUE(counted[0].port.components.empty());
  EXPECT_EQ(counted[0].awaiting.components[0].packets_in, 14U);
  paths_.count(MediaId{99}, [&](const adapter::PathCounts& counts, adapter::Commands&) {
    counted.push_back(counts);
  });
  EXPECT_EQ(counted.size(), 2U) << "of a port that is not there: nothing, but told";
}

TEST_F(MediaPathsTest, TellsWhoeverWaitsWhenAFlowIsRefusedOrAnEdgeIsLost) {
  const MediaId a = open(site_a_);
  const MediaId b = open(outside_);
  paths_.connect(a, b);
  EXPECT_TRUE(paths_.on_refused(3, Errc::Exhausted, "no sockets;"));
  EXPECT_EQ(failed_, "no sockets;");
  EXPECT_EQ(paths_.flows(), 0U);
  open(site_b_);
  commands_.edges.erase(site_b_);
  paths_.on_edge_lost(site_b_);
  EXPECT_EQ(failed_, "no sockets;the edge is gone");
  EXPECT_EQ(paths_.ports(), 1U) << "the port outside is its adapter's to close";
}

}  // namespace
}  // namespace sallyport::brain
