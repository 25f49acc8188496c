#include "server/call_report.h"

#include <gtest/gtest.h>

#include "net/host_network.h"

namespace sallyport::server {
namespace {

namespace json = boost::json;
using adapter::CallId;
using adapter::CallInfo;
using adapter::CallState;
using adapter::PathCounts;
using adapter::Place;
using media::MediaId;

constexpr MediaId kAlice{1};
constexpr MediaId kBob{2};

CallInfo call() {
  const auto at = [](const char* text) { return *TransportAddress::parse(text); };
  CallInfo info{.id = CallId{7},
                .protocol = "sip",
                .state = CallState::Established,
                .from = "sip:alice@example.org",
                .to = "sip:bob@example.org",
                .places = {Place::inside(AgentId{1}), Place::outside()},
                .since = {},
                .media = {}};
  info.media[adapter::kCaller] = {{kAlice, {at("10.1.1.2:30000")}, at("10.1.1.50:4000")}};
  info.media[adapter::kCallee] = {{kBob, {at("198.51.100.1:30000")}, at("192.0.2.9:7000")}};
  return info;
}

media::ComponentCounts stream(std::uint64_t came, std::uint64_t lost, int jitter_ms) {
  media::ComponentCounts out;
  out.packets_in = came;
  out.in.rtp_packets = came;
  out.in.lost = lost;
  out.in.clock_rate = 8000;
  out.in.jitter = milliseconds{jitter_ms};
  out.in.silence = milliseconds{20};
  return out;
}

struct CallReportTest : testing::Test {
  net::HostNetwork network;
  std::map<MediaId, PathCounts> counts;
  std::vector<OnPathCounts> unanswered;
  bool answers = true;
  std::string problem;
  json::array reported;

  CallReportTest() {
    PathCounts& alice = counts[kAlice];
    alice.port.components = {stream(1000, 0, 1)};
    alice.awaiting.components = {stream(900, 100, 5)};  // what the server got of it
    alice.probing.components = {stream(500, 0, 2)};     // what came back to her agent
    alice.probing.components[0].round_trip = milliseconds{40};
    alice.probing.components[0].to_server = milliseconds{15};
    alice.probing.components[0].to_agent = milliseconds{25};
    alice.carriage = media::Carriage::Bound;
    counts[kBob].port.components = {stream(500, 0, 2)};
  }
  void report() {
    report_calls({call()},
                 {.name_of = [](Place place) { return place.is_outside() ? "outside" : "office"; },
                  .count =
                      [this](MediaId port, const OnPathCounts& on) {
                        if (answers)
                          on(counts[port]);
                        else
                          unanswered.push_back(on);
                      },
                  .problem = [this](MediaId port) { return port == kBob ? problem : ""; },
                  .network = network,
                  .patience = milliseconds{5}},
                 [this](const json::array& calls) {
                   reported = calls;
                   network.stop();
                 });
  }
};

TEST_F(CallReportTest, SaysWhatEachPartyHearsAndWhereItWasLost) {
  report();
  const json::object& told = reported.at(0).as_object();
  EXPECT_EQ(told.at("state"), "established");
  EXPECT_EQ(told.at("from_hears"), "0.0 % lost, jitter 2 ms");
  EXPECT_EQ(told.at("to_hears"), "10.0 % lost, jitter 5 ms") << "seen at the server";
  const json::object& leg = told.at("legs").at(0).as_object();
  EXPECT_EQ(leg.at("place"), "office");
  const json::object& media = leg.at("media").at(0).as_object();
  EXPECT_EQ(media.at("rtp").at("received").at("lost"), 0) << "by the phone itself nothing was";
  EXPECT_EQ(media.at("flow").at("to_server").at("lost"), 100);
  EXPECT_EQ(media.at("flow").at("round_trip_ms"), 40.0);
  EXPECT_EQ(media.at("flow").at("to_server_ms"), 15.0);
  EXPECT_EQ(media.at("flow").at("to_agent_ms"), 25.0);
  EXPECT_FALSE(told.at("legs").at(1).at("media").at(0).as_object().contains("flow"))
      << "a public party has no agent";
}

TEST_F(CallReportTest, SaysHowMediaCrossesAndWhetherItIsEncrypted) {
  const auto told = [this] {
    report();
    const json::object& call = reported.at(0).as_object();
    const json::object& alice = call.at("legs").at(0).at("media").at(0).as_object();
    EXPECT_EQ(alice.at("carriage").as_string(), media::name(*counts[kAlice].carriage));
    EXPECT_EQ(alice.at("encrypted"), counts[kAlice].encrypted);
    return std::pair{call.at("carriage"), call.at("encrypted")};
  };
  EXPECT_EQ(told(), (std::pair<json::value, json::value>{"bound", false}));
  counts[kAlice].carriage = media::Carriage::Tagged;
  counts[kAlice].encrypted = true;
  EXPECT_EQ(told(), (std::pair<json::value, json::value>{"tagged", true}))
      << "the public party's leg crosses no NAT";
  counts[kBob].carriage = media::Carriage::Bound;
  EXPECT_EQ(told(), (std::pair<json::value, json::value>{"bound+tagged", false}))
      << "the party at another agent hears it in clear";
}

TEST_F(CallReportTest, OfMediaThatStaysAtOneSiteSaysNothing) {
  counts[kAlice].carriage = {};
  report();
  EXPECT_TRUE(reported.at(0).at("carriage").is_null());
  EXPECT_TRUE(reported.at(0).at("encrypted").is_null());
}

TEST_F(CallReportTest, SaysThatNothingIsHeard) {
  counts[kAlice].probing.components[0].in.silence = seconds{12};
  counts[kAlice].awaiting.components = {{}};
  report();
  EXPECT_EQ(reported.at(0).at("from_hears"), "nothing for 12 s, jitter 2 ms");
  EXPECT_EQ(reported.at(0).at("to_hears"), "nothing");
}

TEST_F(CallReportTest, SaysWhatKeepsMediaFromComingAbout) {
  report();
  EXPECT_FALSE(reported.at(0).as_object().contains("media_problem"));
  problem = "no probe arrived";
  report();
  EXPECT_EQ(reported.at(0).at("media_problem"), "no probe arrived");
}

TEST_F(CallReportTest, DoesNotWaitForAnAgentThatDoesNotAnswer) {
  answers = false;
  report();
  EXPECT_TRUE(reported.empty());
  network.run();
  EXPECT_EQ(reported.at(0).at("from_hears"), "nothing");
  for (const auto& late : unanswered) late(counts[kBob]);  // too late, and harmless
}

TEST_F(CallReportTest, OfNoCallsIsEmpty) {
  bool told = false;
  report_calls({}, {.name_of = {}, .count = {}, .problem = {}, .network = network},
               [&](const json::array& calls) { told = calls.empty(); });
  EXPECT_TRUE(told);
}

}  // namespace
}  // namespace sallyport::server
