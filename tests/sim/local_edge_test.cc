// The edge here, over a simulated host: that every command passes the policy and the audit log, and
// that what it tells is what others are to see.
#include "edge/local_edge.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "base/test_log.h"
#include "sim_network.h"
#include "sim_plane.h"

namespace sallyport::sim {
namespace {

using edge::Addresses;
using edge::ConnectionId;
using edge::ListenerId;
using edge::QueryId;
using media::MediaId;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

TransportAddress at(const char* text) { return *TransportAddress::parse(text); }
IpAddress ip(const char* text) { return *IpAddress::parse(text); }

class Told final : public edge::Observer {
 public:
  std::vector<std::string> lines;
  void on_listening(ListenerId, const TransportAddress& local) override {
    lines.push_back("listening " + local.to_string());
  }
  void on_datagram(ListenerId, const Addresses& a, Bytes octets) override {
    lines.push_back("datagram at " + a.local.to_string() + " from " + a.remote.to_string() + ": " +
                    std::string{as_text(octets)});
  }
  void on_accepted(ListenerId, ConnectionId, const edge::Arrival&) override {}
  void on_connected(ConnectionId, const Addresses&) override {}
  void on_received(ConnectionId, Bytes) override {}
  void on_half_closed(ConnectionId) override {}
  void on_closed(ConnectionId, const Error&) override {}
  void on_resolved(QueryId, const std::vector<edge::Record>&) override {}
  void on_local_address(QueryId, const IpAddress& local) override {
    lines.push_back("local " + local.to_string());
  }
  void on_media_opened(MediaId, const std::vector<TransportAddress>& addresses) override {
    std::string line = "opened";
    for (const auto& address : addresses) line += " " + address.to_string();
    lines.push_back(line);
  }
  void on_media_event(MediaId, const media::Event&) override {}
  void on_media_counts(QueryId, MediaId, const media::Counts&) override {}
  void on_refused(std::uint64_t id, Errc code, const std::string& what) override {
    lines.push_back("refused " + std::to_string(id) + " " + std::string{name(code)} + ": " + what);
  }
  void on_lost() override {}
};

class LocalEdgeTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (std::filesystem::temp_directory_path() / "edge-XXXXXX").string();
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
    audit_ = std::move(*edge::Audit::open(audit_path(), [this] { return world_.wall_now(); }));
    edge_ = std::make_unique<edge::LocalEdge>(
        network_, plane_, policy_, *audit_, log_,
        edge::LocalEdgeOptions{
            .commander = "server",
            .advertised = {{ip("10.1.1.1"), ip("203.0.113.9")}},
            .certificates = {},
            .is_server = [](const IpAddress& it) { return it == ip("10.9.9.9"); },
            .reach_key = "policy.terminals"},
        told_);
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }
  std::string audit_path() const { return folder_ + "/audit.log"; }
  std::string audited() const {
    std::ifstream file{audit_path()};
    return {std::istreambuf_iterator<char>{file}, {}};
  }
  std::vector<std::string> told() {
    EXPECT_THAT(told_.lines, IsEmpty()) << "nothing is told from inside a command";
    world_.run_for(milliseconds{10});
    return std::exchange(told_.lines, {});
  }

  World world_{1};
  RealmId site_ = world_.add_site({.public_address = ip("198.51.100.7")});
  SimNetwork network_{world_, site_, ip("10.1.1.1")};
  SimPlane plane_{network_, {30000, 30100}, {}};
  edge::PolicyRules rules_ = [] {
    auto rules = edge::Policy::inside_default();
    rules.listen_ports = {5060};
    rules.max_sockets = 3;
    return rules;
  }();
  edge::Policy policy_{rules_};
  TestLog log_;
  std::string folder_;
  std::unique_ptr<edge::Audit> audit_;
  Told told_;
  std::unique_ptr<edge::LocalEdge> edge_;
};

TEST_F(LocalEdgeTest, ShowsAdvertisedAddressesAndUsesBoundOnes) {
  edge_->listen(ListenerId{1}, {.address = at("203.0.113.9:5060"), .protocol = "sip"});
  edge_->open_port(MediaId{2}, {.components = 2, .toward = ip("10.1.1.2")});
  edge_->find_local_address(QueryId{3}, ip("10.1.1.2"));
  EXPECT_THAT(told(),
              ElementsAre("listening 203.0.113.9:5060",
                          "opened 203.0.113.9:30000 203.0.113.9:30001", "local 203.0.113.9"));
  std::string heard;
  world_.bind(site_, at("10.1.1.2:5060"), [&](const TransportAddress& from, Bytes octets) {
    heard = from.to_string() + " " + std::string{as_text(octets)};
  });
  world_.send(site_, at("10.1.1.2:5060"), at("10.1.1.1:5060"), as_bytes("hi"));
  EXPECT_THAT(told(), ElementsAre("datagram at 203.0.113.9:5060 from 10.1.1.2:5060: hi"));
  edge_->send_datagram(ListenerId{1},
                       {.local = at("203.0.113.9:5060"), .remote = at("10.1.1.2:5060")},
                       as_bytes("ho"));
  world_.run_for(milliseconds{10});
  EXPECT_EQ(heard, "10.1.1.1:5060 ho");
}

// A server that lies may not have its agent send into the private network.
TEST_F(LocalEdgeTest, LetsMediaFlowsGoToServersOnly) {
  const auto flow = [this](std::uint64_t id, std::vector<TransportAddress> to) {
    SeededRandom random{id};
    media::FlowSpec spec{.end = media::FlowEnd::Probing, .components = {}, .server = std::move(to)};
    for (std::size_t i = 0; i < spec.server.size(); ++i)
      spec.components.push_back(media::new_flow_component(random));
    edge_->open_flow(MediaId{id}, spec);
    return told();
  };
  EXPECT_THAT(flow(1, {at("203.0.113.1:2776"), at("203.0.113.1:2777")}), ElementsAre("opened"));
  EXPECT_THAT(flow(2, {at("10.9.9.9:2776")}), ElementsAre("opened"))
      << "the server it is connected to";
  for (const char* elsewhere :
       {"10.1.1.7:161", "127.0.0.1:53", "169.254.169.254:80", "224.0.0.1:9"})
    EXPECT_THAT(
        flow(3, {at("203.0.113.1:2776"), at(elsewhere)}),
        ElementsAre(HasSubstr("is no address that this edge's policy lets media flows go to")))
        << elsewhere;
  EXPECT_THAT(audited(), HasSubstr("10.1.1.7:161"));
}

TEST_F(LocalEdgeTest, RefusesWhatItsPolicyForbidsAndRecordsIt) {
  edge_->listen(ListenerId{1}, {.address = at("0.0.0.0:22"), .protocol = "sip"});
  edge_->open_port(MediaId{2}, {.components = 2, .toward = ip("192.0.2.1")});
  edge_->open_port(MediaId{3}, {.components = 2, .toward = ip("10.1.1.2")});
  edge_->set_remote(MediaId{3}, {.addresses = {at("169.254.169.254:80")}});
  edge_->connect(ConnectionId{4}, {.remote = at("127.0.0.1:25"), .protocol = "sip"});
  EXPECT_THAT(told(),
              ElementsAre("refused 1 not_permitted: listening on port 22 is not permitted here",
                          HasSubstr("refused 2 not_permitted: 192.0.2.1"), HasSubstr("opened"),
                          HasSubstr("refused 3 not_permitted: 169.254.169.254"),
                          HasSubstr("refused 4 not_permitted: 127.0.0.1")));
  EXPECT_EQ(edge_->counts().refused, 4U);
  const auto verdict = edge::verify_audit(audit_path());
  ASSERT_TRUE(verdict);
  EXPECT_EQ(verdict->lines, 5U) << "one line for each command, permitted or not";
  EXPECT_THAT(audited(), HasSubstr("listening on port 22 is not permitted here"));
}

TEST_F(LocalEdgeTest, SendsNothingToAnAddressOfAStrangersNetworkButWaitsForItsMedia) {
  edge_->open_port(MediaId{1}, {.components = 1, .toward = ip("10.1.1.2")});
  edge_->set_remote(
      MediaId{1}, {.addresses = {at("169.254.1.1:4000")}, .accept = media::Accept::FirstPlausible});
  EXPECT_THAT(told(), ElementsAre(HasSubstr("opened"))) << "not refused";
  EXPECT_THAT(audited(), HasSubstr("0.0.0.0:4000"));
}

TEST_F(LocalEdgeTest, BoundsTheSocketsThatItCanBeToldToOpen) {
  for (std::uint64_t id = 1; id <= 5; ++id)
    edge_->open_port(MediaId{id}, {.components = 1, .toward = ip("10.1.1.2")});
  const auto lines = told();
  ASSERT_EQ(lines.size(), 5U);
  EXPECT_EQ(edge_->sockets(), 3U);
  EXPECT_THAT(lines[3], HasSubstr("refused 4"));
  edge_->close(MediaId{1});
  edge_->open_port(MediaId{6}, {.components = 1, .toward = ip("10.1.1.2")});
  EXPECT_THAT(told(), ElementsAre(HasSubstr("opened")));
}

TEST_F(LocalEdgeTest, IsDeafToAddressesThatItsPolicyDoesNotReach) {
  edge_->listen(ListenerId{1}, {.address = at("0.0.0.0:5060"), .protocol = "sip"});
  told();
  world_.bind(site_, at("169.254.1.1:5060"), [](const TransportAddress&, Bytes) {});
  world_.send(site_, at("169.254.1.1:5060"), at("10.1.1.1:5060"), as_bytes("hi"));
  world_.send(site_, at("169.254.1.1:5060"), at("10.1.1.1:5060"), as_bytes("hi"));
  EXPECT_THAT(told(), IsEmpty());
  EXPECT_EQ(edge_->counts().datagrams_refused, 2U);
  ASSERT_EQ(log_.lines.size(), 1U) << "one line for one who tries again and again";
  EXPECT_THAT(log_.lines[0], HasSubstr(R"("event":"refused by policy","address":"169.254.1.1",)"
                                       R"("transport":"udp","why":"not among policy.terminals")"));
}

TEST_F(LocalEdgeTest, LeavesNothingOpenWhenItGoes) {
  edge_->listen(ListenerId{1}, {.address = at("0.0.0.0:5060"), .protocol = "sip"});
  edge_->open_port(MediaId{2}, {.components = 2, .toward = ip("10.1.1.2")});
  edge_.reset();
  world_.run_for(milliseconds{10});
  EXPECT_THAT(told_.lines, IsEmpty()) << "a dead edge tells nothing";
  EXPECT_EQ(plane_.ends(), 0U);
  EXPECT_TRUE(world_.bind(site_, at("10.1.1.1:5060"), [](const TransportAddress&, Bytes) {}));
  EXPECT_TRUE(world_.bind(site_, at("10.1.1.1:30000"), [](const TransportAddress&, Bytes) {}));
}

}  // namespace
}  // namespace sallyport::sim
