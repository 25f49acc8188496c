// H.323 calls through the whole of Sallyport, in virtual time: every way of fast connect and of
// H.245, from everywhere to everywhere, with all that is sent heard at the other end and no private
// address in what crosses the public network.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <ostream>
#include <string>
#include <utility>
#include <vector>

#include "h323_endpoint/endpoint.h"
#include "system.h"

namespace sallyport::sim {
namespace {

using namespace std::chrono_literals;
using h323_endpoint::At;
using h323_endpoint::Call;
using h323_endpoint::Endpoint;
using h323_endpoint::Kind;
using h323_endpoint::Settings;

constexpr std::uint16_t kRas = 1719;
constexpr std::uint16_t kCallSignalling = 1720;
const IpAddress kNat = *IpAddress::parse("198.51.100.7");
const std::string kPublicPhone = "192.0.2.20";

// Where the two are. The private networks of both sites are the same.
enum class Places : std::uint8_t { AgentToAgent, AgentToPublic, PublicToAgent, OneAgent };

struct Phone {
  Phone(System& system, RealmId realm, const std::string& address, Settings settings)
      : network(system.world, realm, *IpAddress::parse(address)),
        endpoint(network, network.address(), std::move(settings), system.world.random()) {
    endpoint.start();
  }
  SimNetwork network;
  Endpoint endpoint;
};

class Calls : public testing::Test {
 protected:
  Calls() {
    caller_.name = "alice";
    callee_.name = "bob";
    // Nobody else's, so that they are not found by chance.
    caller_.first_media_port = 5100;
    callee_.first_media_port = 5500;
  }

  void start(Places places, BrainAt brain_at = BrainAt::Server) {
    places_ = places;
    system = std::make_unique<System>(
        SystemOptions{.brain_at = brain_at,
                      .agents = places == Places::AgentToAgent ? 2U : 1U,
                      .nat = {.public_address = kNat, .forgets_after = 20s}});
    const bool caller_outside = places == Places::PublicToAgent;
    const bool callee_outside = places == Places::AgentToPublic;
    caller = make(caller_, caller_outside, 0, "10.1.1.2");
    callee = make(callee_, callee_outside, places == Places::AgentToAgent ? 1 : 0,
                  places == Places::OneAgent ? "10.1.1.3" : "10.1.1.2");
    ASSERT_TRUE(system->world.run_until(
        [&] {
          return (caller_outside || caller->endpoint.registered()) &&
                 (callee_outside || callee->endpoint.registered());
        },
        3s));
  }

  void dial() {
    switch (places_) {
      case Places::AgentToPublic:
        calling = &caller->endpoint.dial(
            "", TransportAddress{*IpAddress::parse(kPublicPhone), kCallSignalling});
        break;
      case Places::PublicToAgent:
        calling = &caller->endpoint.dial("bob", TransportAddress{kServer, kCallSignalling});
        break;
      default:
        calling = &caller->endpoint.dial("bob");
    }
  }

  void call() {
    dial();
    ASSERT_TRUE(system->world.run_until(
        [&] {
          called = callee->endpoint.last_call();
          return calling->state() == Call::State::Connected && called != nullptr &&
                 called->state() == Call::State::Connected;
        },
        5s))
        << name(calling->state()) << " " << calling->refusal() << " cause "
        << (calling->cause() ? static_cast<int>(*calling->cause()) : 0);
  }

  // What the two parties know, for people.
  std::string state() {
    std::string out;
    for (Call* call : {calling, called}) {
      for (const Kind kind : h323_endpoint::kKinds)
        out +=
            fmt::format("{} {}{} to {}; ", name(kind), call->control().sends(kind) ? "sends " : "",
                        call->control().receives(kind) ? "receives" : "",
                        call->media().target(kind).to_string());
      out += "\n";
    }
    return out;
  }

  // Both ways, RTP and (but for T.120 and fax) RTCP.
  testing::AssertionResult all_heard(const std::vector<Kind>& kinds) {
    std::string missing;
    const bool heard = system->world.run_until(
        [&] {
          missing.clear();
          for (const Kind kind : kinds) {
            for (const auto& [call, speaker] :
                 {std::pair{calling, "bob"}, std::pair{called, "alice"}}) {
              const auto what = call->media().heard(speaker, kind);
              const bool has_control = kind != Kind::Data && kind != Kind::Fax;
              if (what.packets == 0) missing += std::string{name(kind)} + " of " + speaker + " ";
              if (has_control && what.control_packets == 0)
                missing += std::string{name(kind)} + " RTCP of " + speaker + " ";
            }
          }
          return missing.empty();
        },
        5s);
    return heard ? testing::AssertionSuccess()
                 : testing::AssertionFailure() << missing << "\n"
                                               << state();
  }

  void hang_up(Call* one, Call* other) {
    one->hang_up();
    EXPECT_TRUE(system->world.run_until([&] { return other->state() == Call::State::Ended; }, 3s));
    EXPECT_EQ(other->cause(), codec::q931::CauseValue::NormalCallClearing);
  }

  // Neither ours nor theirs, in signalling or beside it.
  void expect_hidden() {
    for (const World::Seen& seen : system->world.seen_in_public()) {
      const bool agents_own = seen.from.port == kX || seen.from.port == kX + 1 ||
                              seen.to.port == kX || seen.to.port == kX + 1;
      if (agents_own) continue;  // between agent and server, and encrypted or of the other side
      for (const char* hidden : {"10.1.1.1", "10.1.1.2", "10.1.1.3", "198.51.100.7"}) {
        const IpAddress address = *IpAddress::parse(hidden);
        const Bytes octets = address.octets();
        EXPECT_EQ(std::search(seen.octets.begin(), seen.octets.end(), octets.begin(), octets.end()),
                  seen.octets.end())
            << hidden << " from " << seen.from.to_string() << " to " << seen.to.to_string();
        EXPECT_EQ(std::string{as_text(seen.octets)}.find(hidden), std::string::npos) << hidden;
      }
    }
  }

  void expect_all_is_well() {
    EXPECT_THAT(caller->endpoint.complaints(), testing::IsEmpty());
    EXPECT_THAT(callee->endpoint.complaints(), testing::IsEmpty());
    expect_hidden();
    EXPECT_TRUE(system->world.run_until(
        [&] {
          std::size_t ends = system->server_plane().ends();
          for (std::size_t i = 0; i < (places_ == Places::AgentToAgent ? 2U : 1U); ++i)
            ends += system->agent_plane(i).ends();
          return ends == 0;
        },
        60s))
        << "media is released";
    EXPECT_TRUE(system->h323().calls().empty());
  }

  Places places_ = Places::AgentToAgent;
  Settings caller_, callee_;
  std::unique_ptr<System> system;
  std::unique_ptr<Phone> caller, callee;
  Call* calling = nullptr;
  Call* called = nullptr;

 private:
  std::unique_ptr<Phone> make(Settings settings, bool outside, std::size_t agent,
                              const std::string& address) {
    if (outside) return std::make_unique<Phone>(*system, kPublic, kPublicPhone, settings);
    settings.gatekeeper = TransportAddress{kAgent, kRas};
    return std::make_unique<Phone>(*system, system->site(agent), address, settings);
  }
};

// ---- The matrix ----

struct Way {
  const char* name;
  void (*choose)(Settings& caller, Settings& callee);
  friend void PrintTo(const Way& way, std::ostream* out) { *out << way.name; }
};

const std::vector<Way> kSetUps = {
    {"FastConnect", [](Settings&, Settings&) {}},
    {"FastConnectInEach",
     [](Settings&, Settings& callee) {
       callee.fast_answer = {At::CallProceeding, At::Alerting, At::Connect};
     }},
    {"FastConnectLate", [](Settings&, Settings& callee) { callee.fast_answer = {At::Connect}; }},
    {"FastConnectRefused", [](Settings&, Settings& callee) { callee.fast_answer = {}; }},
    {"SlowStart", [](Settings& caller, Settings&) { caller.offers_fast_connect = false; }},
};

const std::vector<Way> kControls = {
    {"Tunnelled", [](Settings&, Settings&) {}},
    {"TunnelledFromSetup", [](Settings& caller, Settings&) { caller.control = At::Setup; }},
    {"TunnelledInFacility",
     [](Settings& caller, Settings& callee) {
       caller.control = callee.control = At::AfterConnect;
       callee.tunnels_in_body = true;
     }},
    {"Separate",
     [](Settings& caller, Settings& callee) { caller.tunnels = callee.tunnels = false; }},
    {"SeparateFromProceeding",
     [](Settings& caller, Settings& callee) {
       caller.tunnels = callee.tunnels = false;
       callee.control = At::CallProceeding;
     }},
    {"SeparateToTheCaller",
     [](Settings& caller, Settings& callee) {
       caller.tunnels = callee.tunnels = false;
       caller.control = At::Setup;
     }},
    {"SeparateByStartH245",
     [](Settings& caller, Settings& callee) {
       caller.tunnels = callee.tunnels = false;
       caller.control = callee.control = At::AfterConnect;
     }},
    {"OnlyTheCallerTunnels", [](Settings&, Settings& callee) { callee.tunnels = false; }},
    {"OnlyTheCalleeTunnels", [](Settings& caller, Settings&) { caller.tunnels = false; }},
};

const std::vector<std::pair<const char*, Places>> kPlaces = {
    {"AgentToAgent", Places::AgentToAgent},
    {"AgentToPublic", Places::AgentToPublic},
    {"PublicToAgent", Places::PublicToAgent},
    {"OneAgent", Places::OneAgent},
};
const std::vector<std::pair<const char*, std::vector<Kind>>> kChannels = {
    {"Audio", {Kind::Audio}},
    {"Video", {Kind::Audio, Kind::Video, Kind::Slides}},
};

using Cell =
    std::tuple<Way, Way, std::pair<const char*, Places>, std::pair<const char*, std::vector<Kind>>>;
class Matrix : public Calls, public testing::WithParamInterface<Cell> {};

TEST_P(Matrix, IsHeardBothWays) {
  const auto& [set_up, control, places, channels] = GetParam();
  set_up.choose(caller_, callee_);
  control.choose(caller_, callee_);
  caller_.channels = callee_.channels = channels.second;
  ASSERT_NO_FATAL_FAILURE(start(places.second));
  ASSERT_NO_FATAL_FAILURE(call());
  EXPECT_TRUE(all_heard(channels.second));
  EXPECT_EQ(calling->fast_connected(), caller_.offers_fast_connect && !callee_.fast_answer.empty());
  // Fast connect is heard before H.245 is settled.
  EXPECT_TRUE(system->world.run_until(
      [&] { return calling->control().is_master() != called->control().is_master(); }, 3s));
  if (places.second == Places::OneAgent) {
    EXPECT_EQ(system->server_plane().totals().received, 0U) << "no media leaves the site";
  }
  hang_up(called, calling);
  expect_all_is_well();
}

INSTANTIATE_TEST_SUITE_P(All, Matrix,
                         testing::Combine(testing::ValuesIn(kSetUps), testing::ValuesIn(kControls),
                                          testing::ValuesIn(kPlaces), testing::ValuesIn(kChannels)),
                         [](const auto& its) {
                           return std::string{std::get<0>(its.param).name} +
                                  std::get<1>(its.param).name + std::get<2>(its.param).first +
                                  std::get<3>(its.param).first;
                         });

// ---- Beside the matrix ----

class From : public Calls, public testing::WithParamInterface<std::pair<const char*, Places>> {};

TEST_P(From, EveryKindOfChannelAtOnce) {
  caller_.channels = callee_.channels = {Kind::Audio, Kind::Video,  Kind::Slides,
                                         Kind::Data,  Kind::Camera, Kind::Fax};
  ASSERT_NO_FATAL_FAILURE(start(GetParam().second));
  ASSERT_NO_FATAL_FAILURE(call());
  EXPECT_TRUE(all_heard(caller_.channels));
  hang_up(calling, called);
  expect_all_is_well();
}

TEST_P(From, ARejectionSaysWhy) {
  callee_.rejects_with = 17;
  ASSERT_NO_FATAL_FAILURE(start(GetParam().second));
  dial();
  ASSERT_TRUE(system->world.run_until([&] { return calling->state() == Call::State::Ended; }, 5s));
  EXPECT_EQ(calling->cause(), codec::q931::CauseValue::UserBusy);
  expect_all_is_well();
}

INSTANTIATE_TEST_SUITE_P(Everywhere, From, testing::ValuesIn(kPlaces),
                         [](const auto& its) { return std::string{its.param.first}; });

}  // namespace
}  // namespace sallyport::sim
