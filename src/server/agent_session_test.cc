// The server's side of one agent's session: what an agent may ask of the server itself.
#include "server/agent_session.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "control.pb.h"
#include "mux/test_pair.h"

namespace sallyport::server {
namespace {

using testing::ElementsAre;

class PairClocks final : public Clocks {
 public:
  explicit PairClocks(const mux::TestPair& pair) : pair_(pair) {}
  TimePoint now() const override { return pair_.now; }
  WallTime wall_now() const override { return {}; }

 private:
  const mux::TestPair& pair_;
};

// Takes keys down; a session of an agent opens nothing here.
class KeysOnly final : public media::Plane {
 public:
  std::vector<std::pair<media::KeyRingId, media::KeysOfConnection>> installed;
  std::vector<media::KeyRingId> forgotten;

  Result<media::OpenedPort> open_port(const media::PortSpec&, OnEvent) override { return none(); }
  Result<media::MediaId> open_flow(const media::FlowSpec&, OnEvent) override { return none(); }
  Result<media::MediaId> open_trunk(const media::TrunkSpec&, OnEvent) override { return none(); }
  void install_keys(media::KeyRingId ring, const media::KeysOfConnection& keys) override {
    installed.emplace_back(ring, keys);
  }
  void forget_keys(media::KeyRingId ring) override { forgotten.push_back(ring); }
  void set_remote(media::MediaId, const media::RemoteSpec&) override {}
  void join(media::MediaId, media::MediaId) override {}
  void leave(media::MediaId) override {}
  void replace(media::MediaId, media::MediaId, media::ReplaceStep) override {}
  void probe(media::MediaId) override {}
  void close(media::MediaId) override {}
  void count(media::MediaId, OnCounts) override {}

 private:
  static tl::unexpected<Error> none() { return fail(Errc::Unsupported, "not here"); }
};

class AgentSessionTest : public testing::Test {
 protected:
  void SetUp() override { ASSERT_FALSE(pair_.connect()); }

  // What the server answers: a certificate, or why not.
  std::string ask_for_certificate() {
    control::wire::Envelope message;
    message.mutable_renew_certificate()->set_request("a request");
    agent_.send(message);
    pair_.run();
    return std::exchange(answer_, {});
  }

  mux::TestPair pair_;
  PairClocks clocks_{pair_};
  SeededRandom random_{1};
  std::unique_ptr<Log> log_ = Log::silent();
  brain::Brain brain_{clocks_, random_, *log_, {}, [] {}};
  std::vector<std::string> signed_;
  KeysOnly plane_;
  AgentSessionContext context_{
      .brain = brain_,
      .plane = plane_,
      .clocks = clocks_,
      .log = *log_,
      .modes = {control::Mode::ServerMaster},
      .media = {},
      .carriage = [](const std::string&) { return media::Carriage::Tagged; },
      .renew = [this](AgentId, const std::string& request) -> Result<std::string> {
        signed_.push_back(request);
        return "a certificate";
      },
      .on_attached = [](AgentId) {},
      .on_over = [](AgentId) {}};
  AgentSession session_{AgentId{1}, "branch", pair_.accepting, context_};
  std::string answer_;
  control::ControlSession agent_{pair_.dialling,
                                 clocks_,
                                 {.on_message =
                                      [this](const control::wire::Envelope& message) {
                                        answer_ = message.new_certificate().certificate() +
                                                  message.new_certificate().what();
                                        return Result<void>{};
                                      },
                                  .on_attached = {},
                                  .on_detached = {},
                                  .on_gone = [](const Error&) {}}};
};

TEST_F(AgentSessionTest, CertificatesCanBeAskedForOnceInAWhile) {
  EXPECT_EQ(ask_for_certificate(), "a certificate");
  EXPECT_EQ(ask_for_certificate(), "a certificate was asked for a moment ago");
  EXPECT_THAT(signed_, ElementsAre("a request"));
  pair_.advance(seconds{10});
  EXPECT_EQ(ask_for_certificate(), "a certificate");
}

TEST_F(AgentSessionTest, GivesThePlaneTheKeysOfEachConnectionOfAnAgentThatCanSeal) {
  agent_.send(control::make_hello({control::Mode::ServerMaster}, edge::kChosenByEdge | 1U, {}));
  pair_.run();
  ASSERT_EQ(plane_.installed.size(), 1U);
  EXPECT_EQ(session_.carriage(), media::Carriage::Tagged);
  ASSERT_FALSE(pair_.connect());
  pair_.run();
  ASSERT_EQ(plane_.installed.size(), 2U);
  for (const auto& [ring, keys] : plane_.installed) {
    EXPECT_EQ(ring, media::KeyRingId{1});
    EXPECT_EQ(keys.sends, media::Direction::ServerToAgent);
  }
  EXPECT_TRUE(session_.set_carriage(media::Carriage::Bound));
  EXPECT_EQ(session_.carriage(), media::Carriage::Bound);
  const auto& newest = plane_.installed.back().second;
  media::MediaSecret at_agent{};
  ASSERT_TRUE(pair_.dialling.export_key(media::kMediaExporterLabel, {}, at_agent));
  EXPECT_EQ(newest.secret, at_agent);
  EXPECT_EQ(newest.connection, pair_.dialling.connection_number());
  EXPECT_NE(newest.secret, plane_.installed.front().second.secret);
}

TEST_F(AgentSessionTest, AnOldAgentHasBoundMediaAndNoKeys) {
  control::wire::Envelope hello =
      control::make_hello({control::Mode::ServerMaster}, edge::kChosenByEdge | 1U, {});
  hello.mutable_hello()->clear_carriages();
  hello.mutable_hello()->clear_aeads();
  agent_.send(hello);
  pair_.run();
  EXPECT_TRUE(session_.ready());
  EXPECT_EQ(session_.carriage(), media::Carriage::Bound);
  EXPECT_EQ(session_.set_carriage(media::Carriage::Tagged).error().code, Errc::Unsupported);
  EXPECT_EQ(session_.carriage(), media::Carriage::Bound);
  EXPECT_TRUE(plane_.installed.empty());
}

}  // namespace
}  // namespace sallyport::server
