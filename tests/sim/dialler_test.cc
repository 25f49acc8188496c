// An agent's dialler while no server can be reached, in virtual time.
#include "agent/dialler.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <optional>
#include <vector>

#include "sim_network.h"

namespace sallyport::sim {
namespace {

// Two servers that never answer; what the dialler tries, and when.
class Lonely final : public agent::Dialler::Observer {
 public:
  explicit Lonely(std::uint64_t seed) : random_(seed) {
    dialler_.start();
    world_.run_for(std::chrono::minutes{20});
  }
  void on_session(mux::Multiplex&) override {}
  void on_refused(const agent::Way&, const mux::Refusal&) override {}
  void on_way(const agent::Way&) override {}
  void on_unreachable(const std::vector<agent::WayFailure>& tried) override {
    tried_.push_back(tried.front().way.server);
    if (last_) pauses_.push_back(world_.now() - *last_);
    last_ = world_.now();
  }
  const std::vector<HostPort>& tried() const { return tried_; }
  const std::vector<Duration>& pauses() const { return pauses_; }

 private:
  World world_{1};
  SimNetwork network_{world_, kPublic, *IpAddress::parse("198.51.100.1")};
  SeededRandom random_;
  std::vector<HostPort> tried_;
  std::vector<Duration> pauses_;
  std::optional<TimePoint> last_;
  agent::Dialler dialler_{network_,
                          random_,
                          {.servers = {{"203.0.113.7", 2776}, {"203.0.113.8", 2776}},
                           .proxy = {},
                           .tls = {},
                           .multiplex = {}},
                          *this};
};

TEST(Dialler, WaitsTwiceAsLongEachTimeUpToHalfAMinute) {
  const Lonely agent{1};
  ASSERT_GT(agent.pauses().size(), 20U);
  Duration usual = milliseconds{300};
  // The dial at the start and the one after it are both the first of their kind.
  for (std::size_t i = 1; i < agent.pauses().size(); ++i) {
    EXPECT_GE(agent.pauses()[i], usual / 2) << i;
    EXPECT_LE(agent.pauses()[i], usual * 3 / 2 + milliseconds{1}) << i;
    usual = std::min<Duration>(usual * 2, seconds{30});
  }
}

TEST(Dialler, TakesItsServersInTurn) {
  const Lonely agent{1};
  for (std::size_t i = 0; i < 10; ++i)
    EXPECT_EQ(agent.tried().at(i).host, i % 2 == 0 ? "203.0.113.7" : "203.0.113.8");
}

// A thousand agents that lost their server at once do not come back at once.
TEST(Dialler, WaitsNeverAsLongAsAnother) {
  std::vector<Duration> first_pauses, later_pauses;
  for (std::uint64_t seed = 1; seed <= 50; ++seed) {
    const Lonely agent{seed};
    first_pauses.push_back(agent.pauses().at(0));
    later_pauses.push_back(agent.pauses().at(10));
  }
  for (auto* pauses : {&first_pauses, &later_pauses}) {
    std::sort(pauses->begin(), pauses->end());
    EXPECT_EQ(std::adjacent_find(pauses->begin(), pauses->end()), pauses->end());
    EXPECT_GT(pauses->back(), pauses->front() * 3 / 2) << "spread over the whole range";
  }
}

}  // namespace
}  // namespace sallyport::sim
