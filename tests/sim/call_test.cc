// Calls through the whole of Sallyport in virtual time: what is said at one end is heard at the
// other, whatever the NAT between does, wherever the brain sits.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <string>
#include <tuple>
#include <vector>

#include "system.h"

namespace sallyport::sim {
namespace {

using State = SimPhone::State;
using namespace std::chrono_literals;

const IpAddress kNat = *IpAddress::parse("198.51.100.7");

NatSettings harsh_nat() { return {.public_address = kNat, .forgets_after = 20s}; }

bool talk(System& system, SimPhone& a, const std::string& a_name, SimPhone& b,
          const std::string& b_name) {
  return system.world.run_until([&] { return a.hears(b_name) && b.hears(a_name); }, 3s);
}

bool registered(System& system, SimPhone& phone) {
  phone.register_now();
  return system.world.run_until([&] { return phone.registered(); }, 3s);
}

bool established(System& system, SimPhone& a, SimPhone& b) {
  return system.world.run_until(
      [&] { return a.state() == State::Established && b.state() == State::Established; }, 3s);
}

// No private address, and not the address that the NAT shows, in anything that is not ours to
// authenticate: signalling on port 5060.
void expect_hidden(System& system, const std::vector<std::string>& hidden) {
  for (const World::Seen& seen : system.world.seen_in_public()) {
    if (seen.from.port != kSip && seen.to.port != kSip) continue;
    const std::string text{as_text(seen.octets)};
    for (const std::string& address : hidden)
      EXPECT_EQ(text.find(address), std::string::npos) << address << " in\n" << text;
  }
}

// ---- The seam: the same call, with the brain on either side, in each carriage ----

class Seam : public testing::TestWithParam<std::tuple<BrainAt, media::Carriage>> {};

TEST_P(Seam, CarriesACallFromAndToThePublicNetwork) {
  const auto [brain_at, carriage] = GetParam();
  System system{{.brain_at = brain_at, .nat = harsh_nat(), .carriage = carriage}};
  auto alice = system.phone(0, "alice");
  auto bob = system.public_phone("bob", "192.0.2.20");
  ASSERT_TRUE(registered(system, *alice));

  alice->call("sip:bob@192.0.2.20");
  ASSERT_TRUE(established(system, *alice, *bob)) << alice->last_status();
  EXPECT_TRUE(talk(system, *alice, "alice", *bob, "bob"));
  EXPECT_EQ(alice->far_media().ip, kAgent) << "the terminal talks to the agent";
  EXPECT_EQ(bob->far_media().ip, kServer) << "the destination talks to the server";
  bob->hang_up();
  EXPECT_TRUE(system.world.run_until([&] { return alice->state() == State::Ended; }, 3s));

  auto carol = system.public_phone("carol", "192.0.2.21");
  auto dave = system.phone(0, "dave", "10.1.1.3");
  ASSERT_TRUE(registered(system, *dave));
  carol->call("sip:dave@example.org");
  ASSERT_TRUE(established(system, *carol, *dave)) << carol->last_status();
  EXPECT_TRUE(talk(system, *carol, "carol", *dave, "dave"));
  carol->hang_up();
  EXPECT_TRUE(system.world.run_until([&] { return dave->state() == State::Ended; }, 3s));

  expect_hidden(system, {"10.1.1.", kNat.to_string()});
  system.world.run_for(60s);
  EXPECT_EQ(system.agent_plane(0).ends(), 0U) << "media is released on both sides";
  EXPECT_EQ(system.server_plane().ends(), 0U);
}

INSTANTIATE_TEST_SUITE_P(
    BrainAt, Seam,
    testing::Combine(testing::Values(BrainAt::Server, BrainAt::Agent),
                     testing::Values(media::Carriage::Bound, media::Carriage::Tagged)),
    [](const auto& its) {
      return std::string{std::get<0>(its.param) == BrainAt::Server ? "Server" : "Agent"} +
             (std::get<1>(its.param) == media::Carriage::Bound ? "Bound" : "Tagged");
    });

// ---- Two agents whose private networks are the same ----

// (loss, duplication, jitter, endpoint-dependent NAT, one port)
struct Path {
  const char* name;
  PathQuality quality;
  bool endpoint_dependent;
  std::uint16_t y;
};

class AgentToAgent : public testing::TestWithParam<std::tuple<Path, media::Carriage>> {
 protected:
  const Path path_ = std::get<0>(GetParam());
  const media::Carriage carriage_ = std::get<1>(GetParam());
  NatSettings nat() const {
    NatSettings out = harsh_nat();
    out.quality = path_.quality;
    out.endpoint_dependent = path_.endpoint_dependent;
    return out;
  }
};

TEST_P(AgentToAgent, IsHeardAtOnceThroughHoldAndRebindingAndUntilTheEnd) {
  System system{{.agents = 2, .nat = nat(), .y = path_.y, .carriage = carriage_}};
  auto alice = system.phone(0, "alice");
  auto bob = system.phone(1, "bob");  // the same private address and port as alice
  ASSERT_TRUE(registered(system, *alice));
  ASSERT_TRUE(registered(system, *bob));
  alice->call("sip:bob@example.org");
  ASSERT_TRUE(established(system, *alice, *bob)) << alice->last_status();
  const TimePoint answered = system.world.now();
  ASSERT_TRUE(talk(system, *alice, "alice", *bob, "bob"));
  EXPECT_LT(system.world.now() - answered, 1s) << "heard at once";

  // The router loses its table; then it gets a new public address.
  for (const bool new_address : {false, true}) {
    system.world.run_for(5s);
    alice->forget_heard();
    bob->forget_heard();
    if (new_address)
      system.world.change_public_address(system.site(0), *IpAddress::parse("198.51.100.99"));
    else
      system.world.forget_mappings(system.site(0));
    system.world.run_for(5s);
    EXPECT_LT(alice->longest_gap(), 1s) << "new address: " << new_address;
    EXPECT_LT(bob->longest_gap(), 1s) << "new address: " << new_address;
    EXPECT_GT(alice->packets_heard(), 100U);
    EXPECT_GT(bob->packets_heard(), 100U);
  }

  // Connections with new keys, and the other carriage and back, while both talk: no gap is heard.
  const media::Carriage other =
      carriage_ == media::Carriage::Bound ? media::Carriage::Tagged : media::Carriage::Bound;
  alice->forget_heard();
  bob->forget_heard();
  for (const auto& change : std::vector<std::function<void()>>{
           [&] { system.renew_multiplex(0); }, [&] { system.set_carriage(0, other); },
           [&] { system.renew_multiplex(1); }, [&] { system.set_carriage(1, other); },
           [&] { system.renew_multiplex(0); }, [&] { system.set_carriage(0, carriage_); },
           [&] { system.renew_multiplex(0); }, [&] { system.set_carriage(1, carriage_); }}) {
    change();
    system.world.run_for(3s);
  }
  EXPECT_LT(alice->longest_gap(), 250ms);
  EXPECT_LT(bob->longest_gap(), 250ms);
  EXPECT_GT(alice->packets_heard(), 900U);
  EXPECT_GT(bob->packets_heard(), 900U);

  // Held for longer than the NAT remembers: nobody sends, then they are heard again at once.
  alice->hold(true);
  system.world.run_for(90s);
  EXPECT_EQ(bob->state(), State::Established);
  alice->hold(false);
  system.world.run_for(1s);
  alice->forget_heard();
  bob->forget_heard();
  EXPECT_TRUE(talk(system, *alice, "alice", *bob, "bob"));

  // The multiplex connection is lost and comes back: signalling goes on at the right octet.
  system.break_multiplex(0, 3s);
  bob->hang_up();
  EXPECT_TRUE(system.world.run_until([&] { return alice->state() == State::Ended; }, 10s));
  system.world.run_for(60s);
  // A trunk that was opened stays, whatever the carriage is now.
  for (std::size_t i = 0; i < 2; ++i) {
    EXPECT_EQ(system.agent_plane(i).ends(), 0U);
    EXPECT_EQ(system.agent_plane(i).trunks(), 1U);
  }
  EXPECT_EQ(system.server_plane().ends(), 0U);
  EXPECT_EQ(system.server_plane().trunks(), 2U);
  EXPECT_TRUE(system.sip().calls().empty());
}

INSTANTIATE_TEST_SUITE_P(
    Paths, AgentToAgent,
    testing::Combine(
        testing::Values(Path{"Clean", {.latency = 20ms}, true, kX + 1},
                        Path{"CleanOnePort", {.latency = 20ms}, true, kX},
                        Path{"ConeNat", {.latency = 20ms}, false, kX + 1},
                        Path{"LossAndReordering",
                             {.latency = 20ms, .jitter = 60ms, .loss_percent = 5},
                             true,
                             kX + 1},
                        Path{"Duplication", {.latency = 20ms, .duplicate_percent = 20}, true, kX},
                        Path{"FarAway", {.latency = 150ms}, true, kX + 1}),
        testing::Values(media::Carriage::Bound, media::Carriage::Tagged)),
    [](const auto& its) {
      return std::string{std::get<0>(its.param).name} +
             (std::get<1>(its.param) == media::Carriage::Bound ? "Bound" : "Tagged");
    });

TEST(OneAgent, JoinsItsTwoTerminalsInsideIt) {
  System system{{.nat = harsh_nat()}};
  auto alice = system.phone(0, "alice");
  auto bob = system.phone(0, "bob", "10.1.1.3");
  ASSERT_TRUE(registered(system, *alice));
  ASSERT_TRUE(registered(system, *bob));
  alice->call("sip:bob@example.org");
  ASSERT_TRUE(established(system, *alice, *bob)) << alice->last_status();
  EXPECT_TRUE(talk(system, *alice, "alice", *bob, "bob"));
  EXPECT_EQ(system.server_plane().totals().received, 0U) << "no media leaves the private network";
}

TEST(UnknownCallee, Is404) {
  System system{{.nat = harsh_nat()}};
  auto alice = system.phone(0, "alice");
  ASSERT_TRUE(registered(system, *alice));
  alice->call("sip:nobody@example.org");
  ASSERT_TRUE(system.world.run_until([&] { return alice->state() == State::Ended; }, 3s));
  EXPECT_EQ(alice->last_status(), 404);
}

}  // namespace
}  // namespace sallyport::sim
