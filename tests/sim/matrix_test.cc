// The whole matrix of media: each carriage, in clear and sealed, between two agents and to the
// public network, over IPv4 and IPv6, through whatever a network does to packets and while
// something changes. What is heard is what was said, octet for octet; and no more of it is missing
// than the network has lost. (Media over a stream needs a real TLS connection:
// tests/netns/test_media_way.py.)
#include <gtest/gtest.h>

#include <map>
#include <string>
#include <tuple>

#include "system.h"

namespace sallyport::sim {
namespace {

using namespace std::chrono_literals;
using State = SimPhone::State;

enum class Way { Bound, TaggedInClear, TaggedSealed };
enum class Far { Agent, Public };
enum class Family { V4, V6 };
enum class Event { Clean, Loss, Reordering, Duplication, Rebinding, CarriageChange };

using Cell = std::tuple<Way, Far, Family, Event>;

std::string name_of(const testing::TestParamInfo<Cell>& cell) {
  constexpr std::array kWays{"Bound", "InClear", "Sealed"};
  constexpr std::array kFars{"BetweenAgents", "ToPublic"};
  constexpr std::array kFamilies{"V4", "V6"};
  constexpr std::array kEvents{"Clean",       "Loss",      "Reordering",
                               "Duplication", "Rebinding", "CarriageChange"};
  const auto [way, far, family, event] = cell.param;
  const auto in = [](const auto& names, auto value) {
    return std::string{names.at(static_cast<std::size_t>(value))};
  };
  return in(kWays, way) + in(kFars, far) + in(kFamilies, family) + in(kEvents, event);
}

PathQuality quality_of(Event event) {
  switch (event) {
    case Event::Loss:
      return {.latency = 20ms, .loss_percent = 5};
    case Event::Reordering:
      return {.latency = 20ms, .jitter = 70ms};
    case Event::Duplication:
      return {.latency = 20ms, .duplicate_percent = 20};
    default:
      return {.latency = 20ms};
  }
}

class Matrix : public testing::TestWithParam<Cell> {
 protected:
  Matrix() {
    const bool v6 = family_ == Family::V6;
    const IpAddress outside = *IpAddress::parse(v6 ? "2001:db8:7::7" : "198.51.100.7");
    system_.emplace(SystemOptions{
        .agents = far_ == Far::Agent ? 2U : 1U,
        .nat = {.public_address = outside, .forgets_after = 20s, .quality = quality_of(event_)},
        .v6 = v6,
        .carriage = way_ == Way::Bound ? media::Carriage::Bound : media::Carriage::Tagged,
        .encrypt = way_ == Way::TaggedSealed});
    alice_ = system_->phone(0, "alice");
    if (far_ == Far::Agent)
      bob_ = system_->phone(1, "bob");
    else
      bob_ = system_->public_phone("bob", v6 ? "2001:db8:20::20" : "192.0.2.20");
  }

  World& world() { return system_->world; }
  void call() {
    for (SimPhone* const phone : {alice_.get(), bob_.get()}) {
      if (phone == bob_.get() && far_ == Far::Public) break;
      phone->register_now();
      ASSERT_TRUE(world().run_until([&] { return phone->registered(); }, 5s));
    }
    const bool v6 = family_ == Family::V6;
    alice_->call(far_ == Far::Agent ? "sip:bob@example.org"
                 : v6               ? "sip:bob@[2001:db8:20::20]"
                                    : "sip:bob@192.0.2.20");
    ASSERT_TRUE(world().run_until(
        [&] {
          return alice_->state() == State::Established && bob_->state() == State::Established;
        },
        5s))
        << alice_->last_status();
    ASSERT_TRUE(
        world().run_until([&] { return alice_->hears("bob") && bob_->hears("alice"); }, 3s));
  }
  void happen() {
    const auto other = way_ == Way::Bound ? media::Carriage::Tagged : media::Carriage::Bound;
    const auto own = way_ == Way::Bound ? media::Carriage::Bound : media::Carriage::Tagged;
    world().run_for(3s);
    if (event_ == Event::Rebinding) {
      const IpAddress moved =
          *IpAddress::parse(family_ == Family::V6 ? "2001:db8:7::99" : "198.51.100.99");
      world().change_public_address(system_->site(0), moved);
    }
    if (event_ == Event::CarriageChange) system_->set_carriage(0, other);
    world().run_for(4s);
    if (event_ == Event::CarriageChange) system_->set_carriage(0, own);
    world().run_for(4s);
  }
  // How many of the packets that were said until a second ago were never heard.
  std::size_t missing(const SimPhone& speaker, const SimPhone& listener, bool once) {
    std::map<Buffer, unsigned> heard;
    for (const SimPhone::Packet& one : listener.heard()) ++heard[one.octets];
    std::size_t missing = 0;
    std::size_t said = 0;
    for (const SimPhone::Packet& one : speaker.said()) {
      const auto it = heard.find(one.octets);
      const bool late = one.at > world().now() - 1s;
      if (it == heard.end()) {
        if (!late) ++missing;
      } else {
        if (once) {
          EXPECT_EQ(it->second, 1U);
        }
        heard.erase(it);
      }
      if (!late) ++said;
    }
    EXPECT_GT(said, 450U);
    // What was under way when the two began to remember.
    EXPECT_LE(heard.size(), 10U) << "heard what nobody said";
    return missing;
  }

  const Way way_ = std::get<Way>(GetParam());
  const Far far_ = std::get<Far>(GetParam());
  const Family family_ = std::get<Family>(GetParam());
  const Event event_ = std::get<Event>(GetParam());
  std::optional<System> system_;
  std::unique_ptr<SimPhone> alice_, bob_;
};

TEST_P(Matrix, WhatIsHeardIsWhatWasSaid) {
  ASSERT_NO_FATAL_FAILURE(call());
  world().run_for(1s);
  alice_->forget_heard();
  bob_->forget_heard();
  happen();
  const bool once = event_ == Event::Clean || event_ == Event::CarriageChange;
  // A packet between agents crosses two NATs. A rebinding is noticed after 300 ms of silence.
  const std::size_t most = event_ == Event::Loss        ? (far_ == Far::Agent ? 90 : 55)
                           : event_ == Event::Rebinding ? 50
                                                        : 0;
  EXPECT_LE(missing(*alice_, *bob_, once), most);
  EXPECT_LE(missing(*bob_, *alice_, once), most);
  const media::Totals& totals = system_->agent_plane(0).totals();
  EXPECT_EQ(totals.trunk_datagrams_sent > 0, way_ != Way::Bound || event_ == Event::CarriageChange);
}

INSTANTIATE_TEST_SUITE_P(
    All, Matrix,
    testing::Combine(testing::Values(Way::Bound, Way::TaggedInClear, Way::TaggedSealed),
                     testing::Values(Far::Agent, Far::Public),
                     testing::Values(Family::V4, Family::V6),
                     testing::Values(Event::Clean, Event::Loss, Event::Reordering,
                                     Event::Duplication, Event::Rebinding, Event::CarriageChange)),
    name_of);

}  // namespace
}  // namespace sallyport::sim
