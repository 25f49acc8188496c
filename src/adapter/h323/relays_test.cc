// Terminals that belong to a gatekeeper elsewhere: what that sees of them, and how they call.
#include "adapter/h323/relays.h"

#include "adapter/h323/test_ras.h"

namespace sallyport::adapter::h323::test {
namespace {

class RelaysTest : public ::testing::Test {
 protected:
  static Config config() {
    Config out = RasWorld::open_config();
    out.relays.push_back({.name = "gk.example.net",
                          .gatekeeper = *HostPort::parse("192.0.2.10:1719"),
                          .domains = {"example.net"},
                          .prefixes = {"30"},
                          .user = "branch"});
    out.first_relay_port = 21000;
    out.last_relay_port = 21001;
    return out;
  }
  class Outside final : public edge::test::SilentEdge {
   public:
    void listen(edge::ListenerId id, const edge::ListenSpec& spec) override {
      listeners.emplace_back(id, spec.address.port);
    }
    void close(edge::ListenerId id) override { closed.push_back(id); }
    std::vector<std::pair<edge::ListenerId, std::uint16_t>> listeners;
    std::vector<edge::ListenerId> closed;
  };

  void SetUp() override { world.out.outside = &outside; }

  // The latest that the other gatekeeper was sent.
  const RasWorld::Sent& asked() {
    const auto it = std::find_if(world.sent.rbegin(), world.sent.rend(), [&](const auto& sent) {
      return sent.to.remote == at("192.0.2.10:1719");
    });
    EXPECT_NE(it, world.sent.rend()) << "nothing";
    return *it;
  }
  template <class T, std::uint16_t Index, typename Fill>
  void answer(per::Field<RasMessage, T, Index> kind, Fill fill) {
    const auto number = static_cast<std::uint16_t>(
        child_named(asked().message->root().chosen(), "requestSeqNum").integer());
    per::Message message;
    auto body = begin_ras(message, kind, number);
    fill(body);
    Buffer octets;
    ASSERT_TRUE(message.encode(octets));
    world.send(theirs, octets);
  }
  void confirm_discovery() {
    using Confirm = h225::GatekeeperConfirm;
    answer(RasMessage::kGatekeeperConfirm, [&](per::Edit<Confirm> confirm) {
      confirm[Confirm::kGatekeeperIdentifier].set_text("HQ");
      codec::h323::set_address(confirm[Confirm::kRasAddress], theirs.remote);
    });
  }
  void confirm_registration() {
    using Confirm = h225::RegistrationConfirm;
    answer(RasMessage::kRegistrationConfirm, [](per::Edit<Confirm> confirm) {
      (void)confirm[Confirm::kCallSignalAddress];
      confirm[Confirm::kEndpointIdentifier].set_text("hq-1");
      confirm[Confirm::kTimeToLive].set(120);
      confirm[Confirm::kWillRespondToIRR].set(0);
      confirm[Confirm::kMaintainConnection].set(0);
    });
  }
  void enrol_all_the_way() {
    alice.register_as({number("301")});
    ASSERT_EQ(outside.listeners.size(), 1U);
    ASSERT_TRUE(world.relays.on_listening(outside.listeners[0].first, world.out));
    confirm_discovery();
    confirm_registration();
    const auto last = world.sent.back().message;
    ASSERT_EQ(what(last), "registrationConfirm");
    alice.endpoint = last->root<RasMessage>()[RasMessage::kRegistrationConfirm]
                                             [h225::RegistrationConfirm::kEndpointIdentifier]
                                                 .text();
  }
  std::optional<Found> find(const CallQuery& query) {
    world.router.find(query, world.out, [this](const Found& result, Commands&) { found = result; });
    return found;
  }
  void confirm_admission(std::string_view address) {
    using Confirm = h225::AdmissionConfirm;
    answer(RasMessage::kAdmissionConfirm, [&](per::Edit<Confirm> confirm) {
      confirm[Confirm::kBandWidth].set(1000);
      (void)confirm[Confirm::kCallModel][h225::CallModel::kGatekeeperRouted];
      codec::h323::set_address(confirm[Confirm::kDestCallSignalAddress], at(address));
    });
  }

  RasWorld world{config()};
  Outside outside;
  RasTerminal alice{world, kSiteA, "10.1.1.5:1719", "10.1.1.2:1719"};
  Hop theirs{
      .place = Place::outside(), .remote = at("192.0.2.10:1719"), .local = at("198.51.100.1:1719")};
  std::optional<Found> found;
};

TEST_F(RelaysTest, ShowTheTerminalAtAnAddressOfTheServer) {
  world.add_user("x", "y");
  EXPECT_EQ(what(alice.register_as({number("301"), id("Alice")})), "requestInProgress");
  EXPECT_TRUE(world.registrations.all(world.out.wall).empty()) << "not before it is known there";
  ASSERT_EQ(outside.listeners.size(), 1U);
  EXPECT_EQ(outside.listeners[0].second, 21000);
  ASSERT_TRUE(world.relays.on_listening(outside.listeners[0].first, world.out));
  ASSERT_EQ(what(asked().message), "gatekeeperRequest");
  confirm_discovery();
  ASSERT_EQ(what(asked().message), "registrationRequest");
  using Asks = h225::RegistrationRequest;
  const auto request = asked().message->root<RasMessage>()[RasMessage::kRegistrationRequest];
  EXPECT_EQ(codec::h323::address(request[Asks::kCallSignalAddress].at(0)),
            at("198.51.100.1:21000"));
  EXPECT_EQ(codec::h323::address(request[Asks::kRasAddress].at(0)), at("198.51.100.1:1719"));
  EXPECT_EQ(read_aliases(request[Asks::kTerminalAlias]),
            (std::vector<Alias>{number("301"), id("Alice")}));
  confirm_registration();
  EXPECT_EQ(what(world.sent.back().message), "registrationConfirm");
  EXPECT_EQ(world.sent.back().to.remote, alice.hop.remote);
  EXPECT_EQ(world.registrations.all(world.out.wall).size(), 2U);
}

TEST_F(RelaysTest, LeaveOthersHere) {
  EXPECT_EQ(what(alice.register_as({number("401")})), "registrationConfirm");
  EXPECT_TRUE(outside.listeners.empty());
}

TEST_F(RelaysTest, KeepTheRegistrationThereAndEndIt) {
  enrol_all_the_way();
  world.sent.clear();
  world.advance(seconds{95});
  ASSERT_EQ(what(asked().message), "registrationRequest");
  EXPECT_TRUE(asked()
                  .message
                  ->root<RasMessage>()[RasMessage::kRegistrationRequest]
                                      [h225::RegistrationRequest::kKeepAlive]
                  .boolean());
  confirm_registration();
  using Asks = h225::UnregistrationRequest;
  alice.ask(RasMessage::kUnregistrationRequest, [&](per::Edit<Asks> request) {
    codec::h323::set_address(request[Asks::kCallSignalAddress].append(), alice.signalling);
    request[Asks::kEndpointIdentifier].set_text(alice.endpoint);
  });
  EXPECT_EQ(what(asked().message), "unregistrationRequest");
  EXPECT_EQ(outside.closed.size(), 1U);
  EXPECT_EQ(world.relays.size(), 0U);
}

TEST_F(RelaysTest, PassOnWhyTheOtherGatekeeperRefuses) {
  alice.register_as({number("301")});
  world.relays.on_listening(outside.listeners[0].first, world.out);
  confirm_discovery();
  using Reject = h225::RegistrationReject;
  answer(RasMessage::kRegistrationReject, [](per::Edit<Reject> reject) {
    (void)reject[Reject::kRejectReason][h225::RegistrationRejectReason::kSecurityDenial];
  });
  EXPECT_EQ(what(world.sent.back().message), "registrationReject securityDenial");
  EXPECT_EQ(world.relays.size(), 0U);
  EXPECT_EQ(outside.closed.size(), 1U) << "the port is free again";

  alice.register_as({number("301")});
  world.relays.on_listening(outside.listeners[1].first, world.out);
  for (int i = 0; i < 3; ++i) world.advance(seconds{5});
  EXPECT_EQ(what(world.sent.back().message), "registrationReject resourceUnavailable")
      << "it does not answer at all";
}

TEST_F(RelaysTest, SignWithThePasswordThatIsKeptForThatGatekeeper) {
  brain::User branch;
  branch.name = branch.login = "branch";
  branch.realm = "gk.example.net";
  branch.password_sha1 = to_hex(H235::key_of("hq-secret"));
  world.users.put(branch);
  alice.register_as({number("301")});
  world.relays.on_listening(outside.listeners[0].first, world.out);
  confirm_discovery();

  // As the other gatekeeper checks it.
  Config its = world.config;
  its.gatekeeper = "HQ";
  its.domain = "gk.example.net";
  H235 h235{its, world.users, world.random};
  const auto& sent = asked();
  const Proof proof =
      h235.check(*sent.message, sent.message->root().chosen(), sent.octets, {}, world.out.wall);
  EXPECT_EQ(name(proof.state), "good");
  EXPECT_EQ(proof.user, "branch");
}

TEST_F(RelaysTest, AskTheOtherGatekeeperWhereATerminalsCallsGo) {
  enrol_all_the_way();
  CallQuery query;
  query.from = alice.hop;
  query.endpoint = alice.endpoint;
  query.called = {number("302")};
  query.call = {1, 2, 3};
  EXPECT_FALSE(find(query).has_value());
  ASSERT_EQ(what(asked().message), "admissionRequest");
  using Asks = h225::AdmissionRequest;
  const auto request = asked().message->root<RasMessage>()[RasMessage::kAdmissionRequest];
  EXPECT_EQ(request[Asks::kEndpointIdentifier].text(), "hq-1");
  EXPECT_EQ(codec::h323::address(request[Asks::kSrcCallSignalAddress]), at("198.51.100.1:21000"));
  confirm_admission("192.0.2.10:1720");
  ASSERT_TRUE(found && found->destinations.size() == 1);
  const Destination& there = found->destinations.front();
  EXPECT_EQ(there.hop.remote, at("192.0.2.10:1720"));
  EXPECT_EQ(there.source, at("198.51.100.1:21000"));
  EXPECT_EQ(there.caller, std::vector<Alias>{number("301")});

  world.gatekeeper.on_call_over(there, query.call, world.out);
  ASSERT_EQ(what(asked().message), "disengageRequest");
  world.sent.clear();
  world.gatekeeper.on_call_over(there, query.call, world.out);
  EXPECT_TRUE(world.sent.empty()) << "once";
}

TEST_F(RelaysTest, TakeACallOfTheOtherGatekeeperToTheTerminal) {
  enrol_all_the_way();
  CallQuery query;
  query.from = {.place = Place::outside(), .remote = at("192.0.2.10:40000")};
  query.listener = outside.listeners[0].first;
  query.called = {number("301")};
  query.call = {4, 5, 6};
  EXPECT_FALSE(find(query).has_value());
  const auto request = asked().message->root<RasMessage>()[RasMessage::kAdmissionRequest];
  EXPECT_TRUE(request[h225::AdmissionRequest::kAnswerCall].boolean());
  confirm_admission("198.51.100.1:21000");
  ASSERT_TRUE(found && found->destinations.size() == 1);
  EXPECT_EQ(found->destinations.front().hop.remote, at("10.1.1.5:1720"));
  EXPECT_EQ(found->destinations.front().hop.place, kSiteA);
  EXPECT_EQ(found->destinations.front().endpoint, alice.endpoint);
}

TEST_F(RelaysTest, DismissATerminalThatTheOtherGatekeeperDoesNotWantAnyMore) {
  enrol_all_the_way();
  world.sent.clear();
  using Asks = h225::UnregistrationRequest;
  per::Message message;
  auto request = begin_ras(message, RasMessage::kUnregistrationRequest, 9);
  codec::h323::set_address(request[Asks::kCallSignalAddress].append(), at("198.51.100.1:21000"));
  request[Asks::kEndpointIdentifier].set_text("hq-1");
  Buffer octets;
  ASSERT_TRUE(message.encode(octets));
  world.send(theirs, octets);
  ASSERT_EQ(world.sent.size(), 2U);
  EXPECT_EQ(what(world.sent[0].message), "unregistrationRequest") << "the terminal is told";
  EXPECT_EQ(world.sent[0].to.remote, alice.hop.remote);
  EXPECT_EQ(what(world.sent[1].message), "unregistrationConfirm");
  EXPECT_EQ(world.endpoints.size(), 0U);
  EXPECT_EQ(world.relays.size(), 0U);
}

TEST_F(RelaysTest, TryTheNextPortAndSayWhenThereIsNone) {
  alice.register_as({number("301")});
  ASSERT_TRUE(world.relays.on_refused(outside.listeners[0].first.value, world.out));
  ASSERT_EQ(outside.listeners.size(), 2U);
  EXPECT_EQ(outside.listeners[1].second, 21001);
  world.relays.on_refused(outside.listeners[1].first.value, world.out);
  EXPECT_EQ(what(world.sent.back().message), "registrationReject resourceUnavailable");
}

TEST_F(RelaysTest, MakeTheirTerminalsBeginAnewAfterARestart) {
  enrol_all_the_way();
  EXPECT_EQ(world.endpoints.size(), 1U);
  world.gatekeeper.on_start(world.out);
  EXPECT_EQ(world.endpoints.size(), 0U);
}

}  // namespace
}  // namespace sallyport::adapter::h323::test
