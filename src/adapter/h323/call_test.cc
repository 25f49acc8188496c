// How calls are set up, refused, and ended.
#include <gtest/gtest.h>

#include "adapter/h323/alias_codec.h"
#include "adapter/h323/test_talk.h"
#include "base/hex.h"
#include "codec/h323/addresses.h"

namespace sallyport::adapter::h323::test {
namespace {

namespace h225 = codec::h225;
namespace q931 = codec::q931;
using q931::CauseValue;
using q931::MessageType;

TEST_F(CallTest, IsCarriedAndShown) {
  const CallMessage heard = ring(calling.setup("callee"));
  EXPECT_FALSE(heard.q931().call_reference().from_destination);
  EXPECT_NE(answering.reference, calling.reference);
  auto calls = world.calls->calls();
  ASSERT_EQ(calls.size(), 1U);
  EXPECT_EQ(calls[0].protocol, "h323");
  EXPECT_EQ(calls[0].state, CallState::Calling);
  EXPECT_EQ(calls[0].to, "callee");
  EXPECT_EQ(calls[0].places, (std::array{kSiteA, kSiteB}));

  say(callee, *to, answering.message(MessageType::Alerting, "alerting"));
  const CallMessage alerting = hear(*from, MessageType::Alerting);
  EXPECT_EQ(alerting.q931().call_reference(),
            (q931::CallReference{.value = calling.reference, .from_destination = true}));
  EXPECT_EQ(world.calls->calls()[0].state, CallState::Ringing);
  say(callee, *to, answering.connect());
  hear(*from, MessageType::Connect);
  EXPECT_EQ(world.calls->calls()[0].state, CallState::Established);

  say(caller, *from, calling.message(MessageType::ReleaseComplete, "releaseComplete"));
  hear(*to, MessageType::ReleaseComplete);
  EXPECT_TRUE(from->closed && to->closed);
  EXPECT_EQ(world.destinations.over, 1);
  world.expect_drained();
}

TEST_F(CallTest, AddressesOfTheCallAreThoseOfEachSide) {
  CallMessage setup = calling.setup("callee");
  codec::h323::set_address(*setup.edit("sourceCallSignalAddress"), address("10.1.1.10:33000"));
  codec::h323::set_address(*setup.edit("destCallSignalAddress"), address("10.1.1.2:1720"));
  CallMessage heard = ring(setup);
  EXPECT_EQ(codec::h323::address(heard.field("sourceCallSignalAddress")), address("10.2.2.2:1720"));
  EXPECT_EQ(codec::h323::address(heard.field("destCallSignalAddress")), callee.at);
  EXPECT_EQ(world.destinations.asked[0].address, address("10.1.1.2:1720"));
}

TEST_F(CallTest, NamesAreWrittenAsTheDestinationHasThem) {
  Destination& to_callee = world.destinations.known["callee"].front();
  to_callee.called = {{Alias::Kind::DialedDigits, "42"}};
  to_callee.caller = {{Alias::Kind::H323Id, "Alice"}};
  CallMessage setup = calling.setup("callee");
  setup.q931().set(q931::ElementId::CalledPartyNumber,
                   q931::encode(q931::make_party_number("callee")));
  const CallMessage heard = ring(setup);
  EXPECT_EQ(read_aliases(codec::per::View<AliasList>{heard.field("destinationAddress")}),
            to_callee.called);
  EXPECT_EQ(read_aliases(codec::per::View<AliasList>{heard.field("sourceAddress")}),
            to_callee.caller);
  EXPECT_EQ(
      q931::parse_party_number(*heard.q931().contents(q931::ElementId::CalledPartyNumber))->digits,
      "42");
}

TEST_F(CallTest, AddressesAreTakenOutOfTexts) {
  CallMessage setup = calling.setup("callee");
  write_alias(codec::per::Edit<h225::AliasAddress>{setup.edit("sourceAddress")->append()},
              {Alias::Kind::UrlId, "h323:alice@10.1.1.10:1720"});
  setup.q931().set(q931::ElementId::Display, as_bytes("alice (10.1.1.10)"));
  const CallMessage heard = ring(setup);
  const auto names = read_aliases(codec::per::View<AliasList>{heard.field("sourceAddress")});
  ASSERT_EQ(names.size(), 1U);
  EXPECT_EQ(names[0].value, "h323:alice@10.2.2.2:1720");
  EXPECT_EQ(as_text(*heard.q931().contents(q931::ElementId::Display)), "alice (10.2.2.2)");
}

TEST_F(CallTest, IsRefusedAsTheProtocolHasIt) {
  const std::vector<std::tuple<Refusal, CauseValue, std::string>> all = {
      {Refusal::CalledPartyNotRegistered, CauseValue::UnallocatedNumber,
       "calledPartyNotRegistered"},
      {Refusal::CalledPartyAway, CauseValue::SubscriberAbsent, "unreachableDestination"},
      {Refusal::CallerNotRegistered, CauseValue::CallRejected, "callerNotRegistered"},
      {Refusal::NotPermitted, CauseValue::CallRejected, "noPermission"},
      {Refusal::SecurityDenial, CauseValue::CallRejected, "securityDenied"},
      {Refusal::IncompleteAddress, CauseValue::InvalidNumberFormat, "badFormatAddress"},
      {Refusal::NoResources, CauseValue::SwitchingEquipmentCongestion, "gatekeeperResources"},
      {Refusal::Unreachable, CauseValue::NoRouteToDestination, "unreachableDestination"}};
  for (const auto& [refusal, cause, reason] : all) {
    world.destinations.refused["callee"] = refusal;
    call(calling.setup("callee"));
    expect_released(*from, cause, reason);
  }
  world.expect_drained();
}

TEST_F(CallTest, WithoutWhatASetupMustHaveIsRefused) {
  from = &caller.dial(world.signalling(kSiteA));
  const auto say_raw = [&](std::string_view hex) { caller.say(*from, *from_hex(hex)); };
  say_raw("08021234 05 04038890a5");
  expect_released(*from, CauseValue::MandatoryElementMissing, "undefinedReason");
  say_raw("08021234 05 7e 0004 05 ffffff");
  expect_released(*from, CauseValue::InvalidElementContents, "undefinedReason");
  say_raw("08021234 05 7e ff04 05");
  expect_released(*from, CauseValue::InvalidElementContents, "undefinedReason");
  EXPECT_EQ(world.counters.get("setup_malformed"), 2U);
  say(caller, *from, calling.message(MessageType::Alerting, "alerting"));
  expect_released(*from, CauseValue::InvalidCallReference, "");
  // No answer to what is none of ours, or is an answer itself.
  say_raw("0400");
  say_raw("08029234 05");
  say(caller, *from, calling.message(MessageType::ReleaseComplete, "releaseComplete"));
  say(caller, *from, calling.message(MessageType::Status, "status"));
  EXPECT_TRUE(from->heard.empty());
  EXPECT_EQ(world.calls->calls().size(), 0U);
}

TEST_F(CallTest, MessagesOutOfPlaceAreNotCarried) {
  establish();
  hear(*from, MessageType::Connect);
  say(caller, *from, calling.connect());
  EXPECT_EQ(cause_of(hear(*from, MessageType::Status)), CauseValue::MessageNotCompatibleWithState);
  caller.say(*from, *from_hex("08021234 6c"));
  EXPECT_EQ(cause_of(hear(*from, MessageType::Status)), CauseValue::MessageTypeNotImplemented);
  caller.say(*from, *from_hex("08021234 62 7e 0004 05 ffffff"));
  EXPECT_EQ(cause_of(hear(*from, MessageType::Status)), CauseValue::InvalidElementContents);
  say(caller, *from, calling.setup("callee"));
  EXPECT_EQ(world.counters.get("setup_repeated"), 1U);
  EXPECT_TRUE(to->heard.empty());
}

TEST_F(CallTest, CarriesWhatEachSaysMeanwhile) {
  establish();
  hear(*from, MessageType::Connect);
  CallMessage notify = calling.message(MessageType::Notify, "notify");
  notify.q931().set(q931::ElementId::NotificationIndicator, Buffer{0x80});
  say(caller, *from, notify);
  EXPECT_EQ(
      to_hex(
          *hear(*to, MessageType::Notify).q931().contents(q931::ElementId::NotificationIndicator)),
      "80");
  CallMessage information = answering.message(MessageType::Information, "information");
  information.q931().set(q931::ElementId::KeypadFacility, as_bytes("5"));
  say(callee, *to, information);
  EXPECT_EQ(
      as_text(
          *hear(*from, MessageType::Information).q931().contents(q931::ElementId::KeypadFacility)),
      "5");
  // H.450 is in a Facility that is not there for H.245.
  CallMessage supplementary = calling.message(MessageType::Facility, "empty");
  supplementary.tree()
      .edit(supplementary.pdu())[h225::H323UUPDU::kH4501SupplementaryService]
      .append()
      .set_octets(*from_hex("0102"));
  say(caller, *from, supplementary);
  EXPECT_TRUE(
      hear(*to, MessageType::Facility).pdu().has(h225::H323UUPDU::kH4501SupplementaryService));
  // A question and its answer go from end to end.
  say(caller, *from, calling.message(MessageType::StatusInquiry, "statusInquiry"));
  hear(*to, MessageType::StatusInquiry);
  say(callee, *to, answering.message(MessageType::Status, "status"));
  hear(*from, MessageType::Status);
  // Without a UUIE, too.
  caller.say(*from, *from_hex("08021234 20"));
  hear(*to, MessageType::UserInformation);
}

TEST_F(CallTest, SeveralCallsShareAConnection) {
  establish();
  Talk second = calling;
  second.reference = 0x1235;
  second.call = guid(9);
  say(caller, *from, second.setup("callee"));
  ASSERT_EQ(callee.links.size(), 2U);
  hear(callee.last_link(), MessageType::Setup);
  say(caller, *from, second.message(MessageType::ReleaseComplete, "releaseComplete"));
  hear(callee.last_link(), MessageType::ReleaseComplete);
  EXPECT_FALSE(from->closed);
  EXPECT_EQ(world.calls->calls().size(), 1U);
  say(caller, *from, calling.message(MessageType::ReleaseComplete, "releaseComplete"));
  EXPECT_TRUE(from->closed);
  world.expect_drained();
}

TEST_F(CallTest, IdentifiersThatClashAreToldApart) {
  ring(calling.setup("callee"));
  Terminal& other = world.terminal(kOutside, "other", "192.0.2.30:1720");
  Link& link = other.dial(world.signalling(kOutside));
  say(other, link, calling.setup("callee"));
  Link& second = callee.last_link();
  const CallMessage heard = hear(second, MessageType::Setup);
  const auto call = heard.field("callIdentifier").first_child().octets();
  EXPECT_NE(to_hex(call), to_hex(calling.call));
  EXPECT_NE(to_hex(heard.field("conferenceID").octets()), to_hex(calling.conference));
  // What the callee says is of this call, and the caller hears of its own.
  Talk talk{.reference = heard.q931().call_reference().value, .from_destination = true};
  std::copy(call.begin(), call.end(), talk.call.begin());
  const Bytes conference = heard.field("conferenceID").octets();
  std::copy(conference.begin(), conference.end(), talk.conference.begin());
  say(callee, second, talk.connect());
  const CallMessage connect = hear(link, MessageType::Connect);
  EXPECT_EQ(to_hex(connect.field("callIdentifier").first_child().octets()), to_hex(calling.call));
  EXPECT_EQ(to_hex(connect.field("conferenceID").octets()), to_hex(calling.conference));
}

// ---- where it goes ----

TEST_F(CallTest, GoesToTheNextDestinationIfOneIsNotThere) {
  Destination nobody = world.destination(callee);
  nobody.hop.remote = address("10.2.2.99:1720");
  world.destinations.known["callee"].insert(world.destinations.known["callee"].begin(), nobody);
  ring(calling.setup("callee"));
  EXPECT_EQ(world.counters.get("destination_unreachable"), 1U);
  EXPECT_EQ(world.destinations.over, 1);
}

TEST_F(CallTest, IsRefusedIfNobodyIsThere) {
  world.destinations.known["callee"].front().hop.remote = address("10.2.2.99:1720");
  call(calling.setup("callee"));
  expect_released(*from, CauseValue::NoRouteToDestination, "unreachableDestination");
  world.expect_drained();
}

TEST_F(CallTest, GoesToTheNextDestinationIfOneSaysNothing) {
  Terminal& second = world.terminal(kSiteB, "second", "10.2.2.21:1720");
  world.destinations.known["callee"].push_back(world.destination(second));
  ring(calling.setup("callee"));
  world.pass(seconds{11});
  hear(*to, MessageType::ReleaseComplete);
  ASSERT_EQ(second.links.size(), 1U);
  hear(second.last_link(), MessageType::Setup);
  hear(*from, MessageType::CallProceeding);  // ours
  EXPECT_TRUE(from->heard.empty());
  world.pass(seconds{11});
  expect_released(*from, CauseValue::NoUserResponding, "unreachableDestination");
  world.expect_drained();
}

TEST_F(CallTest, TheCallerIsNotLeftWaiting) {
  world.destinations.answers = false;
  call(calling.setup("callee"));
  EXPECT_TRUE(from->heard.empty());
  world.pass(seconds{3});
  hear(*from, MessageType::CallProceeding);
  Found found;
  found.destinations = {world.destination(callee)};
  world.destinations.waiting.at(0)(found, world);
  world.settle();
  to = &callee.last_link();
  answering.reference = hear(*to, MessageType::Setup).q931().call_reference().value;
  answering.from_destination = true;
  // It has had a CallProceeding.
  say(callee, *to, answering.message(MessageType::CallProceeding, "callProceeding"));
  hear(*from, MessageType::Progress);
  say(callee, *to, answering.connect());
  hear(*from, MessageType::Connect);
}

TEST_F(CallTest, DoesNotRingForEver) {
  ring(calling.setup("callee"));
  say(callee, *to, answering.message(MessageType::Alerting, "alerting"));
  hear(*from, MessageType::Alerting);
  world.pass(std::chrono::minutes{4});
  expect_released(*from, CauseValue::NoAnswerFromUser, "undefinedReason");
  expect_released(*to, CauseValue::NoAnswerFromUser, "undefinedReason");
  world.expect_drained();
}

TEST_F(CallTest, DoesNotProceedForEver) {
  ring(calling.setup("callee"));
  say(callee, *to, answering.message(MessageType::CallProceeding, "callProceeding"));
  hear(*from, MessageType::CallProceeding);
  world.pass(std::chrono::minutes{3});
  expect_released(*from, CauseValue::NoUserResponding, "unreachableDestination");
  world.expect_drained();
}

TEST_F(CallTest, DigitsAreCollectedUntilTheyAreEnough) {
  CallMessage setup = calling.setup("4");
  setup.edit("canOverlapSend")->set(1);
  world.destinations.refused["4"] = world.destinations.refused["42"] = Refusal::IncompleteAddress;
  world.destinations.known["421"] = world.destinations.known["callee"];
  call(setup);
  hear(*from, MessageType::SetupAcknowledge);
  for (const std::string_view digit : {"2", "1"}) {
    CallMessage more = calling.message(MessageType::Information, "information");
    more.q931().set(q931::ElementId::CalledPartyNumber,
                    q931::encode(q931::make_party_number(digit)));
    say(caller, *from, more);
  }
  ASSERT_EQ(callee.links.size(), 1U);
  hear(callee.last_link(), MessageType::Setup);
  EXPECT_EQ(world.calls->calls()[0].to, "421");
}

TEST_F(CallTest, DigitsThatDoNotComeEndTheCall) {
  CallMessage setup = calling.setup("4");
  setup.edit("canOverlapSend")->set(1);
  world.destinations.refused["4"] = Refusal::IncompleteAddress;
  call(setup);
  hear(*from, MessageType::SetupAcknowledge);
  world.pass(seconds{16});
  expect_released(*from, CauseValue::InvalidNumberFormat, "badFormatAddress");
  world.expect_drained();
}

TEST_F(CallTest, IsSentElsewhereByTheCallee) {
  Terminal& other = world.terminal(kSiteB, "other", "10.2.2.21:1720");
  world.enrol(other);
  ring(calling.setup("callee"));
  CallMessage facility = answering.message(MessageType::Facility, "facility");
  auto uuie = facility.tree().edit(facility.body().as<h225::FacilityUUIE>());
  uuie[h225::FacilityUUIE::kReason][h225::FacilityReason::kCallForwarded];
  write_alias(uuie[h225::FacilityUUIE::kAlternativeAliasAddress].append(),
              {Alias::Kind::H323Id, "other"});
  say(callee, *to, facility);
  expect_released(*to, CauseValue::NormalCallClearing, "facilityCallDeflection");
  ASSERT_EQ(other.links.size(), 1U);
  hear(other.last_link(), MessageType::Setup);
  EXPECT_TRUE(from->heard.empty());
  EXPECT_EQ(world.calls->calls()[0].to, "other");
  EXPECT_EQ(world.counters.get("call_redirected"), 1U);
}

TEST_F(CallTest, ComesRoundOnlySoOften) {
  CallMessage setup = calling.setup("callee");
  setup.edit("hopCount")->set(1);
  call(setup);
  expect_released(*from, CauseValue::NoRouteToDestination, "hopCountExceeded");
}

TEST_F(CallTest, FeaturesThatNeedOurHelpAreDeclined) {
  CallMessage setup = calling.setup("callee");
  const auto add = [&](std::string_view list, std::int64_t feature) {
    auto element = setup.edit(list)->append();
    codec::per::Edit<h225::GenericData>{
        element}[h225::GenericData::kId][h225::GenericIdentifier::kStandard]
        .set(feature);
  };
  add("supportedFeatures", 18);
  add("supportedFeatures", 9);
  add("desiredFeatures", 19);
  const CallMessage heard = ring(setup);
  EXPECT_EQ(heard.field("supportedFeatures").child_count(), 1U);
  EXPECT_TRUE(heard.field("desiredFeatures").is_absent());
  add("neededFeatures", 24);
  setup.q931().set_call_reference({.value = 2});
  say(caller, *from, setup);
  expect_released(*from, CauseValue::Interworking, "neededFeatureNotSupported");
}

// ---- ends ----

TEST_F(CallTest, ALostConnectionEndsIt) {
  for (const bool caller_is_lost : {true, false}) {
    establish();
    hear(*from, MessageType::Connect);
    (caller_is_lost ? caller : callee).hang_up(caller_is_lost ? *from : *to);
    expect_released(caller_is_lost ? *to : *from, CauseValue::TemporaryFailure, "undefinedReason");
    world.expect_drained();
    callee.links.clear();
    caller.links.clear();
  }
}

TEST_F(CallTest, ALostEdgeEndsIt) {
  establish();
  hear(*from, MessageType::Connect);
  to->closed = true;
  world.lose_edge(kSiteB);
  expect_released(*from, CauseValue::TemporaryFailure, "undefinedReason");
  world.paths.ports.clear();  // those of the edge are gone with it
  world.expect_drained();
}

TEST_F(CallTest, IsEndedByCommandAndAtShutdown) {
  establish();
  hear(*from, MessageType::Connect);
  EXPECT_FALSE(world.calls->end_call(CallId{99}, world));
  EXPECT_TRUE(world.calls->end_call(world.calls->calls()[0].id, world));
  expect_released(*from, CauseValue::NormalCallClearing, "");
  expect_released(*to, CauseValue::NormalCallClearing, "");
  callee.links.clear();
  ring(calling.setup("callee"));
  world.calls->on_shutdown(world);
  expect_released(*from, CauseValue::TemporaryFailure, "undefinedReason");
  expect_released(*to, CauseValue::TemporaryFailure, "undefinedReason");
  world.expect_drained();
}

TEST_F(CallTest, IsEndedByTheGatekeeper) {
  world.destinations.known["callee"].front().endpoint = "endpoint-b";
  world.destinations.caller_endpoint = "endpoint-a";
  ring(calling.setup("callee"));
  EXPECT_TRUE(world.calls->rings("endpoint-b", calling.call));
  EXPECT_FALSE(world.calls->rings("endpoint-a", calling.call));
  EXPECT_FALSE(world.calls->rings("endpoint-b", guid(1)));
  world.calls->on_disengaged("endpoint-b", guid(1), world);
  EXPECT_EQ(world.calls->calls().size(), 1U);
  world.calls->on_disengaged("endpoint-b", calling.call, world);
  EXPECT_TRUE(world.calls->rings("endpoint-b", calling.call)) << "a reason may follow";
  world.pass(seconds{2});
  expect_released(*from, CauseValue::NormalCallClearing, "");
  callee.links.clear();
  ring(calling.setup("callee"));
  world.calls->on_endpoint_gone("endpoint-a", world);
  expect_released(*to, CauseValue::TemporaryFailure, "undefinedReason");
  world.expect_drained();
}

TEST_F(CallTest, ReleaseAndDisconnectAreReleases) {
  establish();
  hear(*from, MessageType::Connect);
  caller.say(*from, *from_hex("08021234 45 08028090"));
  hear(*from, MessageType::ReleaseComplete);
  hear(*to, MessageType::ReleaseComplete);
  world.expect_drained();
}

TEST_F(CallTest, WhoHangsUpBeforeTheCalleeIsReachedLeavesNothing) {
  world.destinations.answers = false;
  call(calling.setup("callee"));
  say(caller, *from, calling.message(MessageType::ReleaseComplete, "releaseComplete"));
  Found found;
  found.destinations = {world.destination(callee)};
  world.destinations.waiting.at(0)(found, world);
  world.settle();
  EXPECT_TRUE(callee.links.empty());
  world.expect_drained();
}

TEST_F(CallTest, PartiesThatFellSilentAreAsked) {
  Config config;
  establish();
  hear(*from, MessageType::Connect);
  world.pass(config.ask_after + seconds{1});
  hear(*from, MessageType::StatusInquiry);
  hear(*to, MessageType::StatusInquiry);
  // Who answers is there; the other side is not told.
  say(caller, *from, calling.message(MessageType::Status, "status"));
  say(callee, *to, answering.message(MessageType::Status, "status"));
  EXPECT_TRUE(from->heard.empty() && to->heard.empty());
  // Now the callee has lost its power.
  for (int i = 0; i < 4 && world.calls->calls().size() == 1; ++i) {
    world.pass(config.ask_after);
    while (!from->heard.empty() && world.calls->calls().size() == 1) from->heard.pop_front();
  }
  EXPECT_EQ(world.counters.get("party_vanished"), 1U);
  hear(*from, MessageType::ReleaseComplete);
  world.expect_drained();
}

// ---- limits ----

Config few_calls() {
  Config config;
  config.limits.requests_a_second = 20;
  config.limits.new_calls_a_second = 5;
  config.max_connections_inside = 12;
  return config;
}

class CallLimitsTest : public CallTest {
 protected:
  CallLimitsTest() : CallTest(few_calls()) {}
};

TEST_F(CallLimitsTest, AFloodOfSetupsIsRefused) {
  world.destinations.answers = false;
  from = &caller.dial(world.signalling(kSiteA));
  for (std::uint16_t i = 1; i <= 60; ++i) {
    Talk talk{.call = guid(static_cast<std::uint8_t>(i)), .reference = i};
    say(caller, *from, talk.setup("nobody"));
  }
  EXPECT_GT(world.counters.get("flood_refused"), 0U);
  EXPECT_GT(world.counters.get("flood_dropped"), 0U);
  int congested = 0;
  while (!from->heard.empty())
    congested += cause_of(hear(*from)) == CauseValue::SwitchingEquipmentCongestion ? 1 : 0;
  EXPECT_EQ(static_cast<std::uint64_t>(congested), world.counters.get("flood_refused"));
}

TEST_F(CallLimitsTest, AConnectionThatSaysNothingIsClosed) {
  Link& link = caller.dial(world.signalling(kSiteA));
  world.pass(seconds{59});
  EXPECT_FALSE(link.closed);
  world.pass(seconds{2});
  EXPECT_TRUE(link.closed);
  world.expect_drained();
}

TEST_F(CallLimitsTest, ConnectionsAreLimited) {
  for (int i = 0; i < 12; ++i) EXPECT_FALSE(caller.dial(world.signalling(kSiteA)).closed);
  EXPECT_TRUE(caller.dial(world.signalling(kSiteA)).closed);
  EXPECT_EQ(world.counters.get("connection_refused"), 1U);
}

TEST_F(CallLimitsTest, WhatIsNoTpktIsClosed) {
  Link& link = caller.dial(world.signalling(kSiteA));
  world.calls->on_received(kSiteA, link.id, as_bytes("GET / HTTP/1.1\r\n"), world);
  EXPECT_TRUE(link.closed);
  EXPECT_EQ(world.counters.get("tpkt_malformed"), 1U);
  world.expect_drained();
}

}  // namespace
}  // namespace sallyport::adapter::h323::test
