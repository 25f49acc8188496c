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
  AgentSessionContext context_{
      .brain = brain_,
      .clocks = clocks_,
      .log = *log_,
      .modes = {control::Mode::ServerMaster},
      .media = {},
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

}  // namespace
}  // namespace sallyport::server
