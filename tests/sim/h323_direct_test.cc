// The H.323 endpoint of the tests calls another one of its kind, with nothing of ours between: what
// is right here and wrong through Sallyport is Sallyport's fault.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <ostream>
#include <string>
#include <vector>

#include "h323_endpoint/endpoint.h"
#include "sim_network.h"

namespace sallyport::sim {
namespace {

using namespace std::chrono_literals;
using h323_endpoint::At;
using h323_endpoint::Call;
using h323_endpoint::Endpoint;
using h323_endpoint::Kind;
using h323_endpoint::Settings;

struct Phone {
  Phone(World& its_world, const std::string& address, Settings settings)
      : world(its_world),
        network(world, kPublic, *IpAddress::parse(address)),
        endpoint(network, network.address(), std::move(settings), world.random()) {
    endpoint.start();
  }
  World& world;
  SimNetwork network;
  Endpoint endpoint;
};

class Direct : public testing::Test {
 protected:
  Direct() {
    alice_.name = "alice";
    bob_.name = "bob";
  }
  // Alice calls Bob, and both send and hear every kind of channel.
  void call() {
    alice = std::make_unique<Phone>(world, "192.0.2.1", alice_);
    bob = std::make_unique<Phone>(world, "192.0.2.2", bob_);
    calling = &alice->endpoint.dial("bob", bob->endpoint.address());
    ASSERT_TRUE(world.run_until([&] { return calling->state() == Call::State::Connected; }, 5s))
        << name(calling->state()) << " " << calling->refusal();
    called = bob->endpoint.last_call();
  }
  bool all_heard(const std::vector<Kind>& kinds) {
    return world.run_until(
        [&] {
          for (const Kind kind : kinds)
            for (const auto& [call, speaker] :
                 {std::pair{calling, "bob"}, std::pair{called, "alice"}})
              if (call->media().heard(speaker, kind).packets == 0) return false;
          return true;
        },
        5s);
  }
  void expect_no_complaints() {
    EXPECT_THAT(alice->endpoint.complaints(), testing::IsEmpty());
    EXPECT_THAT(bob->endpoint.complaints(), testing::IsEmpty());
  }

  World world{1};
  Settings alice_, bob_;
  std::unique_ptr<Phone> alice, bob;
  Call* calling = nullptr;
  Call* called = nullptr;
};

TEST_F(Direct, FastConnectIsHeardBeforeConnect) {
  bob_.answers_after = 1s;
  alice = std::make_unique<Phone>(world, "192.0.2.1", alice_);
  bob = std::make_unique<Phone>(world, "192.0.2.2", bob_);
  calling = &alice->endpoint.dial("bob", bob->endpoint.address());
  ASSERT_TRUE(
      world.run_until([&] { return calling->media().heard("bob", Kind::Audio).packets > 5; }, 1s));
  EXPECT_EQ(calling->state(), Call::State::Ringing);
  ASSERT_TRUE(world.run_until([&] { return calling->state() == Call::State::Connected; }, 2s));
  called = bob->endpoint.last_call();
  EXPECT_TRUE(all_heard({Kind::Audio}));
  EXPECT_GE(called->media().heard("alice", Kind::Audio).control_packets, 1U);
  calling->hang_up();
  EXPECT_TRUE(world.run_until([&] { return called->state() == Call::State::Ended; }, 1s));
  EXPECT_EQ(called->cause(), codec::q931::CauseValue::NormalCallClearing);
  expect_no_complaints();
}

// ---- Every way of fast connect and of H.245, each with each ----

struct Way {
  const char* name;
  void (*choose)(Settings&);
  friend void PrintTo(const Way& way, std::ostream* out) { *out << way.name; }
};
void nothing(Settings&) {}

const std::vector<Way> kCallers = {
    {"Fast", nothing},
    {"Slow", [](Settings& s) { s.offers_fast_connect = false; }},
    {"FastUntunnelled", [](Settings& s) { s.tunnels = false; }},
    {"SlowUntunnelled", [](Settings& s) { s.offers_fast_connect = s.tunnels = false; }},
    {"FastControlInSetup", [](Settings& s) { s.control = At::Setup; }},
    {"SlowControlInSetup",
     [](Settings& s) {
       s.control = At::Setup;
       s.offers_fast_connect = false;
     }},
    {"FastUntunnelledControlInSetup",
     [](Settings& s) {
       s.control = At::Setup;
       s.tunnels = false;
     }},
    {"Version1", [](Settings& s) { s.version = 1; }},
    {"InPieces", [](Settings& s) { s.cuts_into = 7; }},
};
const std::vector<Way> kCallees = {
    {"Usual", nothing},
    {"AnswersFastInEach",
     [](Settings& s) {
       s.fast_answer = {At::CallProceeding, At::Alerting, At::Connect};
     }},
    {"AnswersFastLate", [](Settings& s) { s.fast_answer = {At::Connect}; }},
    {"RefusesFast", [](Settings& s) { s.fast_answer = {}; }},
    {"Untunnelled", [](Settings& s) { s.tunnels = false; }},
    {"ControlInAlerting", [](Settings& s) { s.control = At::Alerting; }},
    {"UntunnelledInProceeding",
     [](Settings& s) {
       s.tunnels = false;
       s.control = At::CallProceeding;
     }},
    {"ControlInFacility", [](Settings& s) { s.control = At::AfterConnect; }},
    {"UntunnelledFacilityStartH245",
     [](Settings& s) {
       s.control = At::AfterConnect;
       s.tunnels = false;
     }},
    {"FacilityWithBody", [](Settings& s) { s.tunnels_in_body = true; }},
    {"OneSegment", [](Settings& s) { s.collects = 5ms; }},
    {"Version1", [](Settings& s) { s.version = 1; }},
};

class Ways : public Direct, public testing::WithParamInterface<std::tuple<Way, Way>> {};

TEST_P(Ways, LeadToAllChannels) {
  std::get<0>(GetParam()).choose(alice_);
  std::get<1>(GetParam()).choose(bob_);
  alice_.channels = bob_.channels = {Kind::Audio, Kind::Video, Kind::Slides};
  ASSERT_NO_FATAL_FAILURE(call());
  EXPECT_TRUE(all_heard(alice_.channels));
  EXPECT_NE(calling->control().is_master(), called->control().is_master());
  const bool fast = alice_.version > 1 && bob_.version > 1 && alice_.offers_fast_connect &&
                    !bob_.fast_answer.empty();
  EXPECT_EQ(calling->fast_connected(), fast);
  EXPECT_EQ(calling->tunnels(),
            alice_.tunnels && bob_.tunnels && alice_.version > 1 && bob_.version > 1);
  called->hang_up();
  EXPECT_TRUE(world.run_until([&] { return calling->state() == Call::State::Ended; }, 1s));
  expect_no_complaints();
}

INSTANTIATE_TEST_SUITE_P(All, Ways,
                         testing::Combine(testing::ValuesIn(kCallers), testing::ValuesIn(kCallees)),
                         [](const auto& its) {
                           return std::string{std::get<0>(its.param).name} + "To" +
                                  std::get<1>(its.param).name;
                         });

// ---- What happens in a call ----

TEST_F(Direct, CarriesEveryKindOfChannel) {
  alice_.channels =
      bob_.channels = {Kind::Audio, Kind::Video, Kind::Slides, Kind::Data, Kind::Camera, Kind::Fax};
  ASSERT_NO_FATAL_FAILURE(call());
  EXPECT_TRUE(all_heard(alice_.channels));
  expect_no_complaints();
}

TEST_F(Direct, TheOpenerOfDataMayBeTheOneWhoListens) {
  alice_.channels = bob_.channels = {Kind::Data, Kind::Audio};
  alice_.data_opener_listens = true;
  ASSERT_NO_FATAL_FAILURE(call());
  EXPECT_TRUE(all_heard(alice_.channels));
  expect_no_complaints();
}

TEST_F(Direct, AnEmptyCapabilitySetPausesAndAFullOneResumes) {
  ASSERT_NO_FATAL_FAILURE(call());
  ASSERT_TRUE(all_heard({Kind::Audio}));
  called->hold(true);
  ASSERT_TRUE(world.run_until([&] { return !calling->media().sends(Kind::Audio); }, 1s));
  world.run_for(100ms);
  called->media().forget_heard();
  world.run_for(1s);
  EXPECT_EQ(called->media().heard("alice", Kind::Audio).packets, 0U);
  called->hold(false);
  EXPECT_TRUE(all_heard({Kind::Audio}));
  expect_no_complaints();
}

TEST_F(Direct, DigitsGoInH245AndInQ931) {
  ASSERT_NO_FATAL_FAILURE(call());
  ASSERT_TRUE(world.run_until([&] { return calling->control().sends(Kind::Audio); }, 1s));
  for (const char digit : std::string{"12#"}) calling->send_digit(digit);
  called->send_keypad('7');
  EXPECT_TRUE(world.run_until(
      [&] { return called->control().digits() == "12#" && calling->keypad() == "7"; }, 1s));
  expect_no_complaints();
}

TEST_F(Direct, ARejectedCallSaysWhy) {
  bob_.rejects_with = 17;
  alice = std::make_unique<Phone>(world, "192.0.2.1", alice_);
  bob = std::make_unique<Phone>(world, "192.0.2.2", bob_);
  calling = &alice->endpoint.dial("bob", bob->endpoint.address());
  ASSERT_TRUE(world.run_until([&] { return calling->state() == Call::State::Ended; }, 1s));
  EXPECT_EQ(calling->cause(), codec::q931::CauseValue::UserBusy);
  expect_no_complaints();
}

}  // namespace
}  // namespace sallyport::sim
