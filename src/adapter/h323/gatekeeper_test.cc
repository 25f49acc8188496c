// RAS with terminals that behave, and with some that do not.
#include "adapter/h323/test_ras.h"

namespace sallyport::adapter::h323::test {
namespace {

class GatekeeperTest : public ::testing::Test {
 protected:
  RasTerminal terminal(Place place = kSiteA, std::string_view ras = "10.1.1.5:1719",
                       std::string_view ours = "10.1.1.2:1719") {
    return {world, place, ras, ours};
  }
  RasTerminal registered(const std::vector<Alias>& aliases, Place place = kSiteA,
                         std::string_view ras = "10.1.1.5:1719",
                         std::string_view ours = "10.1.1.2:1719") {
    RasTerminal out = terminal(place, ras, ours);
    EXPECT_EQ(what(out.register_as(aliases)), "registrationConfirm");
    return out;
  }
  std::vector<std::string> names() {
    std::vector<std::string> out;
    for (const brain::Binding& binding : world.registrations.all(world.out.wall))
      out.push_back(binding.identity);
    std::sort(out.begin(), out.end());
    return out;
  }

  RasWorld world;
};

// ---- Discovery ----

TEST_F(GatekeeperTest, IsDiscoveredAtTheAgentsAddress) {
  RasTerminal alice = terminal();
  const auto answer = alice.discover();
  ASSERT_EQ(what(answer), "gatekeeperConfirm");
  const auto confirm = answer->root<RasMessage>()[RasMessage::kGatekeeperConfirm];
  EXPECT_EQ(codec::h323::address(confirm[h225::GatekeeperConfirm::kRasAddress]),
            at("10.1.1.2:1719"));
  EXPECT_EQ(confirm[h225::GatekeeperConfirm::kGatekeeperIdentifier].text(), "sallyport");
  EXPECT_EQ(confirm[h225::GatekeeperConfirm::kRequestSeqNum].integer(), 1);
}

TEST_F(GatekeeperTest, LeavesDiscoveryOfAnotherToThat) {
  RasTerminal alice = terminal();
  EXPECT_EQ(what(alice.discover("somebody else")), "gatekeeperReject terminalExcluded");
  EXPECT_EQ(what(alice.discover("sallyport")), "gatekeeperConfirm");
  alice.discover("somebody else");
  world.sent.clear();
  alice.octets.clear();
  ++alice.sequence;
  alice.message.edit(alice.message.root().chosen()).member(0).set(alice.sequence);
  ASSERT_TRUE(alice.message.encode(alice.octets));
  EXPECT_EQ(alice.repeat(true), nullptr) << "to a multicast it says nothing";
}

TEST_F(GatekeeperTest, AnswersWhereTheRequestSaysIfThatIsWhereItCameFrom) {
  RasTerminal alice = terminal();
  const TransportAddress source = alice.hop.remote;
  const auto answer_to = [&](std::string_view ras) {
    using Asks = h225::GatekeeperRequest;
    alice.ask(RasMessage::kGatekeeperRequest, [&](per::Edit<Asks> request) {
      codec::h323::set_address(request[Asks::kRasAddress], at(ras));
      RasTerminal::fill_type(request[Asks::kEndpointType]);
    });
    return world.sent.back().to.remote;
  };
  EXPECT_EQ(answer_to("10.1.1.5:4000"), at("10.1.1.5:4000"));
  EXPECT_EQ(answer_to("10.1.1.99:4000"), source) << "nobody is made to hit a third";
  EXPECT_EQ(answer_to("0.0.0.0:0"), source);
}

TEST_F(GatekeeperTest, DeclinesAFeatureThatIsNeededAndPassesOverOneThatIsOffered) {
  RasTerminal alice = terminal();
  const auto discover = [&](bool needed) {
    using Asks = h225::GatekeeperRequest;
    return alice.ask(RasMessage::kGatekeeperRequest, [&](per::Edit<Asks> request) {
      codec::h323::set_address(request[Asks::kRasAddress], alice.hop.remote);
      RasTerminal::fill_type(request[Asks::kEndpointType]);
      auto features = request[Asks::kFeatureSet];
      features[h225::FeatureSet::kReplacementFeatureSet].set(0);
      auto list = needed ? features[h225::FeatureSet::kNeededFeatures]
                         : features[h225::FeatureSet::kSupportedFeatures];
      // H.460.18
      list.append()[h225::GenericData::kId][h225::GenericIdentifier::kStandard].set(18);
    });
  };
  EXPECT_EQ(what(discover(true)), "gatekeeperReject neededFeatureNotSupported");
  const auto answer = discover(false);
  ASSERT_EQ(what(answer), "gatekeeperConfirm");
  EXPECT_FALSE(answer->root<RasMessage>()[RasMessage::kGatekeeperConfirm].has(
      h225::GatekeeperConfirm::kFeatureSet));
}

// ---- Registration ----

TEST_F(GatekeeperTest, RegistersEveryKindOfName) {
  const std::vector<Alias> aliases = {
      number("5551234"),
      id("Alice"),
      {Alias::Kind::UrlId, "h323:alice@example.org"},
      {Alias::Kind::EmailId, "alice@example.org"},
      {Alias::Kind::TransportId, "10.1.1.5:1720"},
      {Alias::Kind::PublicNumber, "4930555"},
      {Alias::Kind::PrivateNumber, "7"},
  };
  RasTerminal alice = terminal();
  const auto answer = alice.register_as(aliases);
  ASSERT_EQ(what(answer), "registrationConfirm");
  using Confirm = h225::RegistrationConfirm;
  const auto confirm = answer->root<RasMessage>()[RasMessage::kRegistrationConfirm];
  EXPECT_EQ(read_aliases(confirm[Confirm::kTerminalAlias]), aliases);
  EXPECT_EQ(codec::h323::address(confirm[Confirm::kCallSignalAddress].at(0)), at("10.1.1.2:1720"))
      << "its calls go to the agent";
  EXPECT_EQ(confirm[Confirm::kTimeToLive].integer(), 300);
  EXPECT_TRUE(confirm[Confirm::kPreGrantedARQ][Confirm::PreGrantedARQ::kMakeCall].boolean());
  EXPECT_EQ(names(), (std::vector<std::string>{"email:alice@example.org", "h323-id:Alice",
                                               "number:4930555", "number:5551234",
                                               "private-number:7", "url:h323:alice@example.org"}));
  const brain::Binding binding = world.registrations.all(world.out.wall).front();
  EXPECT_EQ(binding.protocol, "h323");
  EXPECT_EQ(binding.contact, "10.1.1.5:1720");
  EXPECT_EQ(binding.place, kSiteA);
  EXPECT_EQ(binding.details, "Room 1.0");
}

TEST_F(GatekeeperTest, KeepsWhoHasNoNameByItsAddress) {
  registered({});
  EXPECT_EQ(names(), std::vector<std::string>{"transport:1/10.1.1.5:1720"});
}

TEST_F(GatekeeperTest, AnswersARepetitionTheSameAndDoesItOnce) {
  RasTerminal alice = registered({id("Alice")});
  const Buffer first = world.sent.back().octets;
  alice.repeat();
  EXPECT_EQ(world.sent.size(), 2U);
  EXPECT_EQ(world.sent.back().octets, first);
  EXPECT_EQ(world.endpoints.size(), 1U);
}

TEST_F(GatekeeperTest, GivesANameToOneEndpointOnly) {
  registered({id("Alice"), number("1")});
  RasTerminal bob = terminal(kSiteB, "10.2.2.6:1719", "10.2.2.2:1719");
  const auto answer = bob.register_as({id("Bob"), number("1")});
  ASSERT_EQ(what(answer), "registrationReject duplicateAlias");
  const auto reason = answer->root<RasMessage>()[RasMessage::kRegistrationReject]
                                                [h225::RegistrationReject::kRejectReason];
  EXPECT_EQ(read_aliases(reason[h225::RegistrationRejectReason::kDuplicateAlias]),
            std::vector<Alias>{number("1")});
  EXPECT_EQ(names(), (std::vector<std::string>{"h323-id:Alice", "number:1"}));
}

TEST_F(GatekeeperTest, KnowsATerminalAgainThatHasLostItsMemory) {
  const std::string before = registered({id("Alice"), number("1")}).endpoint;
  RasTerminal again = terminal(kSiteA, "10.1.1.5:4711");
  ASSERT_EQ(what(again.register_as({id("Alice")})), "registrationConfirm");
  EXPECT_EQ(again.endpoint, before);
  EXPECT_EQ(names(), std::vector<std::string>{"h323-id:Alice"});
  EXPECT_TRUE(world.calls.gone.empty());
}

TEST_F(GatekeeperTest, LetsNobodyPushATerminalAsideBySayingItsAddress) {
  RasTerminal alice = registered({id("Alice")});
  RasTerminal thief = terminal(kSiteA, "10.1.1.66:1719");
  thief.signalling = alice.signalling;
  EXPECT_EQ(what(thief.register_as({id("Mallory")})),
            "registrationReject invalidCallSignalAddress");
  EXPECT_EQ(names(), std::vector<std::string>{"h323-id:Alice"});
}

TEST_F(GatekeeperTest, AddsNamesToARegistration) {
  RasTerminal alice = registered({id("Alice")});
  using Asks = h225::RegistrationRequest;
  const auto add = [&](const std::string& endpoint) {
    return alice.register_as({number("1")}, [&](per::Edit<Asks> request) {
      request[Asks::kEndpointIdentifier].set_text(endpoint);
      (void)request[Asks::kAdditiveRegistration];
    });
  };
  EXPECT_EQ(what(add(alice.endpoint)), "registrationConfirm");
  EXPECT_EQ(names(), (std::vector<std::string>{"h323-id:Alice", "number:1"}));
  EXPECT_EQ(what(add("nobody")), "registrationReject fullRegistrationRequired");
}

TEST_F(GatekeeperTest, NamesWhatAGatewayServes) {
  RasTerminal gateway = terminal();
  using Asks = h225::RegistrationRequest;
  using Caps = h225::VoiceCaps;
  const auto answer = gateway.register_as({id("gw")}, [&](per::Edit<Asks> request) {
    auto voice =
        request[Asks::kTerminalType][h225::EndpointType::kGateway][h225::GatewayInfo::kProtocol]
            .append()[h225::SupportedProtocols::kVoice];
    for (const char* prefix : {"0", "00"})
      write_alias(voice[Caps::kSupportedPrefixes].append()[h225::SupportedPrefix::kPrefix],
                  number(prefix));
  });
  ASSERT_EQ(what(answer), "registrationConfirm");
  EXPECT_EQ(names(), (std::vector<std::string>{"h323-id:gw", "prefix:0", "prefix:00"}));
}

TEST_F(GatekeeperTest, RefusesACallSignallingAddressThatNobodyCanCall) {
  RasTerminal alice = terminal();
  for (const char* bad : {"127.0.0.1:1720", "224.0.1.41:1720", "10.1.1.5:0"}) {
    alice.signalling = at(bad);
    EXPECT_EQ(what(alice.register_as({id("Alice")})), "registrationReject invalidCallSignalAddress")
        << bad;
  }
  alice.signalling = at("0.0.0.0:1720");
  EXPECT_EQ(what(alice.register_as({id("Alice")})), "registrationConfirm");
  EXPECT_EQ(world.registrations.all(world.out.wall).front().contact, "10.1.1.5:1720");
}

TEST_F(GatekeeperTest, LetsARegistrationRunOutUnlessItIsKeptAlive) {
  RasTerminal alice = registered({id("Alice")});
  world.advance(seconds{200});
  ASSERT_EQ(what(alice.keep_alive()), "registrationConfirm");
  world.advance(seconds{200});
  EXPECT_EQ(names().size(), 1U);
  world.sent.clear();
  world.advance(seconds{106});
  EXPECT_TRUE(names().empty());
  EXPECT_EQ(world.endpoints.size(), 0U);
  ASSERT_FALSE(world.sent.empty());
  EXPECT_EQ(what(world.sent.front().message), "unregistrationRequest") << "it is told";
  EXPECT_EQ(world.calls.gone, std::vector<std::string>{alice.endpoint});
  EXPECT_EQ(what(alice.keep_alive()), "registrationReject fullRegistrationRequired");
}

TEST_F(GatekeeperTest, TakesAKeepAliveFromTheTerminalsHostOnly) {
  RasTerminal alice = registered({id("Alice")});
  RasTerminal thief = terminal(kSiteA, "10.1.1.66:1719");
  thief.endpoint = alice.endpoint;
  EXPECT_EQ(what(thief.keep_alive()), "registrationReject fullRegistrationRequired");
  RasTerminal elsewhere = terminal(kSiteB, "10.1.1.5:1719");
  elsewhere.endpoint = alice.endpoint;
  EXPECT_EQ(what(elsewhere.keep_alive()), "registrationReject fullRegistrationRequired");
}

TEST_F(GatekeeperTest, EndsARegistrationWhenItsTerminalSaysSo) {
  RasTerminal alice = registered({id("Alice"), number("1")});
  using Asks = h225::UnregistrationRequest;
  const auto leave = [&](const std::vector<Alias>& aliases) {
    return alice.ask(RasMessage::kUnregistrationRequest, [&](per::Edit<Asks> request) {
      codec::h323::set_address(request[Asks::kCallSignalAddress].append(), alice.signalling);
      if (!aliases.empty()) write_aliases(request[Asks::kEndpointAlias], aliases);
    });
  };
  EXPECT_EQ(what(leave({number("1")})), "unregistrationConfirm");
  EXPECT_EQ(names(), std::vector<std::string>{"h323-id:Alice"});
  EXPECT_EQ(what(leave({})), "unregistrationConfirm");
  EXPECT_TRUE(names().empty());
  EXPECT_EQ(world.calls.gone, std::vector<std::string>{alice.endpoint});
  EXPECT_EQ(what(leave({})), "unregistrationReject notCurrentlyRegistered");
}

TEST_F(GatekeeperTest, RemembersWhoWasRegisteredAcrossARestart) {
  RasTerminal alice = registered({id("Alice"), number("1")});
  Endpoints after{world.config, world.registrations};
  after.restore(world.out.wall);
  const Endpoint* endpoint = std::as_const(after).find(alice.endpoint);
  ASSERT_NE(endpoint, nullptr);
  EXPECT_EQ(endpoint->signalling, alice.signalling);
  EXPECT_EQ(endpoint->ras, alice.hop.remote);
  EXPECT_EQ(endpoint->aliases.size(), 2U);
}

TEST_F(GatekeeperTest, LimitsHowManyAnAgentsNetworkMayRegister) {
  world.config.max_endpoints_per_agent = 2;
  world.config.max_aliases = 3;
  registered({id("1")}, kSiteA, "10.1.1.1:1719");
  registered({id("2")}, kSiteA, "10.1.1.2:1719");
  EXPECT_EQ(what(terminal(kSiteA, "10.1.1.3:1719").register_as({id("3")})),
            "registrationReject resourceUnavailable");
  EXPECT_EQ(what(terminal(kSiteB, "10.1.1.3:1719").register_as({id("3")})), "registrationConfirm");
  EXPECT_EQ(what(terminal(kSiteB, "10.1.1.4:1719")
                     .register_as({id("4"), number("4"), number("44"), number("444")})),
            "registrationReject resourceUnavailable");
  EXPECT_EQ(names(), (std::vector<std::string>{"h323-id:1", "h323-id:2", "h323-id:3"}));
}

// ---- Admission ----

TEST_F(GatekeeperTest, AdmitsACallToTheAgentItself) {
  RasTerminal alice = registered({id("Alice")});
  registered({number("7")}, kSiteB, "10.2.2.6:1719", "10.2.2.2:1719");
  const auto answer = alice.call({number("7")});
  ASSERT_EQ(what(answer), "admissionConfirm");
  using Confirm = h225::AdmissionConfirm;
  const auto confirm = answer->root<RasMessage>()[RasMessage::kAdmissionConfirm];
  EXPECT_EQ(codec::h323::address(confirm[Confirm::kDestCallSignalAddress]), at("10.1.1.2:1720"));
  EXPECT_EQ(confirm[Confirm::kCallModel].chosen().name(), "gatekeeperRouted");
  EXPECT_EQ(confirm[Confirm::kBandWidth].integer(), 10000);
}

TEST_F(GatekeeperTest, RefusesACallForTheReasonThatThereIs) {
  RasTerminal alice = registered({id("Alice")});
  registered({number("5551")}, kSiteB, "10.2.2.6:1719", "10.2.2.2:1719");
  EXPECT_EQ(what(alice.call({number("9")})), "admissionReject calledPartyNotRegistered");
  EXPECT_EQ(what(alice.call({number("555")})), "admissionReject incompleteAddress");
  world.out.away.insert(kSiteB);
  EXPECT_EQ(what(alice.call({number("5551")})), "admissionReject calledPartyNotRegistered");
  RasTerminal stranger = terminal(kSiteA, "10.1.1.66:1719");
  stranger.endpoint = "nobody";
  EXPECT_EQ(what(stranger.call({number("5551")})), "admissionReject callerNotRegistered");
  stranger.endpoint = alice.endpoint;
  EXPECT_EQ(what(stranger.call({number("5551")})), "admissionReject callerNotRegistered")
      << "an identifier alone is no right";
}

TEST_F(GatekeeperTest, LetsATerminalAnswerWhatCameThroughUs) {
  RasTerminal alice = registered({id("Alice")});
  using Asks = h225::AdmissionRequest;
  const auto answer_call = [&] {
    return alice.call({}, [](per::Edit<Asks> request) { request[Asks::kAnswerCall].set(1); });
  };
  EXPECT_EQ(what(answer_call()), "admissionReject routeCallToGatekeeper");
  world.calls.ringing = {alice.endpoint, alice.call_id};
  EXPECT_EQ(what(answer_call()), "admissionConfirm");
}

TEST_F(GatekeeperTest, CallsTheGatewayWithTheLongestPrefixThatHasRoom) {
  const auto gateway = [&](std::string_view ras, const std::string& prefix) {
    RasTerminal out = terminal(kSiteB, ras, "10.2.2.2:1719");
    using Asks = h225::RegistrationRequest;
    EXPECT_EQ(what(out.register_as({id("gw " + prefix)},
                                   [&](per::Edit<Asks> request) {
                                     write_alias(request[Asks::kTerminalAliasPattern]
                                                     .append()[h225::AddressPattern::kWildcard],
                                                 number(prefix));
                                   })),
              "registrationConfirm");
    return out;
  };
  RasTerminal any = gateway("10.2.2.6:1719", "0");
  RasTerminal abroad = gateway("10.2.2.7:1719", "00");
  RasTerminal alice = registered({id("Alice")});
  const auto where = [&](const std::string& digits) {
    CallQuery query;
    query.from = alice.hop;
    query.called = {number(digits)};
    std::string endpoint;
    world.router.find(query, world.out, [&](const Found& found, Commands&) {
      if (!found.destinations.empty()) endpoint = found.destinations.front().endpoint;
    });
    return endpoint;
  };
  EXPECT_EQ(where("0049"), abroad.endpoint);
  EXPECT_EQ(where("0301"), any.endpoint);
  EXPECT_EQ(where("110"), "");
  using Asks = h225::ResourcesAvailableIndicate;
  const auto report =
      abroad.ask(RasMessage::kResourcesAvailableIndicate, [&](per::Edit<Asks> request) {
        request[Asks::kEndpointIdentifier].set_text(abroad.endpoint);
        (void)request[Asks::kProtocols];
        request[Asks::kAlmostOutOfResources].set(1);
      });
  EXPECT_EQ(what(report), "resourcesAvailableConfirm");
  EXPECT_EQ(where("0049"), any.endpoint);
}

TEST_F(GatekeeperTest, GrantsBandwidthUpToTheLimitOfACall) {
  world.config.limits.bandwidth_per_call = 500'000;  // in one direction
  RasTerminal alice = registered({id("Alice")});
  registered({number("7")}, kSiteB, "10.2.2.6:1719", "10.2.2.2:1719");
  using Ask = h225::AdmissionRequest;
  const auto admitted = alice.call(
      {number("7")}, [](per::Edit<Ask> request) { request[Ask::kBandWidth].set(38400); });
  EXPECT_EQ(
      admitted
          ->root<RasMessage>()[RasMessage::kAdmissionConfirm][h225::AdmissionConfirm::kBandWidth]
          .integer(),
      10000);
  using Asks = h225::BandwidthRequest;
  const auto change = [&](std::int64_t bandwidth) {
    return alice.ask(RasMessage::kBandwidthRequest, [&](per::Edit<Asks> request) {
      request[Asks::kEndpointIdentifier].set_text(alice.endpoint);
      request[Asks::kConferenceID].set_octets(alice.call_id);
      request[Asks::kCallReferenceValue].set(77);
      request[Asks::kBandWidth].set(bandwidth);
      request[Asks::kCallIdentifier][h225::CallIdentifier::kGuid].set_octets(alice.call_id);
    });
  };
  EXPECT_EQ(what(change(10000)), "bandwidthConfirm");
  const auto refused = change(10001);
  ASSERT_EQ(what(refused), "bandwidthReject insufficientResources");
  EXPECT_EQ(refused
                ->root<RasMessage>()[RasMessage::kBandwidthReject]
                                    [h225::BandwidthReject::kAllowedBandWidth]
                .integer(),
            10000);
}

TEST_F(GatekeeperTest, HearsThatACallIsOverAndTellsIt) {
  RasTerminal alice = registered({id("Alice")});
  using Asks = h225::DisengageRequest;
  const auto answer = alice.ask(RasMessage::kDisengageRequest, [&](per::Edit<Asks> request) {
    request[Asks::kEndpointIdentifier].set_text(alice.endpoint);
    request[Asks::kConferenceID].set_octets(alice.call_id);
    request[Asks::kCallReferenceValue].set(77);
    (void)request[Asks::kDisengageReason][h225::DisengageReason::kNormalDrop];
    request[Asks::kCallIdentifier][h225::CallIdentifier::kGuid].set_octets(alice.call_id);
  });
  EXPECT_EQ(what(answer), "disengageConfirm");
  ASSERT_EQ(world.calls.disengaged.size(), 1U);
  EXPECT_EQ(world.calls.disengaged.front(), (std::pair{alice.endpoint, alice.call_id}));

  world.sent.clear();
  world.gatekeeper.disengage(alice.endpoint, alice.call_id, 77, world.out);
  ASSERT_EQ(what(world.sent.back().message), "disengageRequest");
  world.advance(seconds{3});
  EXPECT_EQ(world.sent.size(), 2U) << "it is repeated";
  EXPECT_EQ(world.sent[0].octets, world.sent[1].octets);
  const auto number = child_named(world.sent[0].message->root().chosen(), "requestSeqNum");
  per::Message confirm;
  begin_ras(confirm, RasMessage::kDisengageConfirm, static_cast<std::uint16_t>(number.integer()));
  Buffer octets;
  ASSERT_TRUE(confirm.encode(octets));
  world.send(alice.hop, octets);
  world.advance(seconds{30});
  EXPECT_EQ(world.sent.size(), 2U) << "until it is answered";
  EXPECT_EQ(world.requests.size(), 0U);
}

// ---- Location ----

TEST_F(GatekeeperTest, TellsOtherGatekeepersWhereACallGoes) {
  registered({id("Alice")});
  RasTerminal other = terminal(Place::outside(), "192.0.2.9:1719", "198.51.100.1:1719");
  using Asks = h225::LocationRequest;
  const auto locate = [&](const Alias& alias, std::int64_t hops) {
    return other.ask(RasMessage::kLocationRequest, [&](per::Edit<Asks> request) {
      write_aliases(request[Asks::kDestinationInfo], {alias});
      codec::h323::set_address(request[Asks::kReplyAddress], other.hop.remote);
      request[Asks::kHopCount].set(hops);
    });
  };
  const auto answer = locate(id("Alice"), 3);
  ASSERT_EQ(what(answer), "locationConfirm");
  using Confirm = h225::LocationConfirm;
  const auto confirm = answer->root<RasMessage>()[RasMessage::kLocationConfirm];
  EXPECT_EQ(codec::h323::address(confirm[Confirm::kCallSignalAddress]), at("198.51.100.1:1720"));
  EXPECT_EQ(codec::h323::address(confirm[Confirm::kRasAddress]), at("198.51.100.1:1719"));
  EXPECT_EQ(what(locate(id("Bob"), 3)), "locationReject notRegistered");
  locate(id("Carol"), 3);
  world.sent.clear();
  world.send(
      other.hop,
      [&] {
        ++other.sequence;
        other.message.edit(other.message.root().chosen()).member(0).set(other.sequence);
        Buffer octets;
        EXPECT_TRUE(other.message.encode(octets));
        return octets;
      }(),
      true);
  EXPECT_TRUE(world.sent.empty()) << "who cannot help does not answer a multicast";
}

// ---- What nobody should send ----

TEST_F(GatekeeperTest, AnswersWhatItDoesNotUnderstandWithXrs) {
  RasTerminal alice = terminal();
  alice.discover();
  for (std::size_t n = 0; n < alice.octets.size(); ++n) {
    world.sent.clear();
    world.advance(seconds{1});
    world.send(alice.hop, Bytes{alice.octets}.first(n));
    ASSERT_EQ(world.sent.size(), 1U) << "cut at " << n;
    EXPECT_EQ(what(world.sent.front().message), "unknownMessageResponse");
    EXPECT_LE(world.sent.front().octets.size(), n + 16);
  }
  // A gatekeeper's own answers, and XRS itself, are answered by nothing.
  world.sent.clear();
  for (const std::uint16_t kind :
       {RasMessage::kUnknownMessageResponse.kIndex, RasMessage::kDisengageConfirm.kIndex,
        RasMessage::kInfoRequestAck.kIndex}) {
    per::Message message;
    begin_ras(message, kind, 9);
    Buffer octets;
    if (message.encode(octets)) world.send(alice.hop, octets);
  }
  EXPECT_TRUE(world.sent.empty());
}

TEST_F(GatekeeperTest, SaysSoWhenAReportNeedsAnAnswer) {
  RasTerminal alice = registered({id("Alice")});
  using Asks = h225::InfoRequestResponse;
  const auto report = [&](const std::string& endpoint, bool wants_answer) {
    return alice.ask(RasMessage::kInfoRequestResponse, [&](per::Edit<Asks> request) {
      RasTerminal::fill_type(request[Asks::kEndpointType]);
      request[Asks::kEndpointIdentifier].set_text(endpoint);
      codec::h323::set_address(request[Asks::kRasAddress], alice.hop.remote);
      codec::h323::set_address(request[Asks::kCallSignalAddress].append(), alice.signalling);
      request[Asks::kNeedResponse].set(wants_answer ? 1 : 0);
    });
  };
  EXPECT_EQ(what(report(alice.endpoint, true)), "infoRequestAck");
  EXPECT_EQ(what(report("nobody", true)), "infoRequestNak");
  EXPECT_EQ(report(alice.endpoint, false), nullptr);
  EXPECT_EQ(alice.repeat(), nullptr);
}

TEST_F(GatekeeperTest, AnswersAFloodOfStrangersALittleAndTheOthersAsBefore) {
  RasTerminal stranger = terminal(Place::outside(), "192.0.2.66:1719", "198.51.100.1:1719");
  std::size_t answered = 0;
  for (int i = 0; i < 5000; ++i)
    if (stranger.discover()) ++answered;
  EXPECT_LT(answered, 500U);
  EXPECT_GT(answered, 10U);
  EXPECT_EQ(what(terminal().discover()), "gatekeeperConfirm");
}

}  // namespace
}  // namespace sallyport::adapter::h323::test
