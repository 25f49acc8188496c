#include "codec/h323/messages.h"

#include <gtest/gtest.h>

#include <vector>

#include "base/hex.h"
#include "codec/h323/addresses.h"

namespace sallyport::codec::h323 {
namespace {

using h225::AliasAddress;
using h225::GatekeeperRequest;
using h225::RasMessage;
using h225::RegistrationRequest;

// Both encoded by Erlang's asn1ct and read back by tshark.
Buffer gatekeeper_request() {
  return *from_hex(
      "00201266060008914a0005000a01020306b702000203008884567404"
      "0041006c006900630065");
}
Buffer registration_request() {
  return *from_hex(
      "0e800001060008914a00058001000a01020306b801000a01020306b7"
      "020001030088845670b500534c348b00000002003b010001800100");
}

TEST(Messages, AreReadByName) {
  per::Message message;
  ASSERT_TRUE(decode<RasMessage>(message, gatekeeper_request()));
  const auto request = message.root<RasMessage>()[RasMessage::kGatekeeperRequest];
  ASSERT_TRUE(request);
  EXPECT_EQ(request[GatekeeperRequest::kRequestSeqNum].integer(), 4711);
  EXPECT_EQ(address(request[GatekeeperRequest::kRasAddress]),
            (TransportAddress{IpAddress::v4({10, 1, 2, 3}), 1719}));
  std::vector<std::string> aliases;
  for (const auto& alias : request[GatekeeperRequest::kEndpointAlias])
    aliases.push_back(alias.chosen().text());
  EXPECT_EQ(aliases, (std::vector<std::string>{"5551234", "Alice"}));
  EXPECT_FALSE(message.root<RasMessage>()[RasMessage::kRegistrationRequest]);
  EXPECT_FALSE(request[GatekeeperRequest::kTokens]);
}

TEST(Messages, LeaveAsTheyCame) {
  for (const Buffer& octets : {gatekeeper_request(), registration_request()}) {
    per::Message message;
    ASSERT_TRUE(decode<RasMessage>(message, octets));
    Buffer out;
    ASSERT_TRUE(message.encode(out));
    EXPECT_EQ(out, octets);
    Buffer anew;
    ASSERT_TRUE(message.encode_anew(anew));
    EXPECT_EQ(anew, octets);
  }
}

TEST(Messages, TakeAnAddressOfTheSameFamilyInPlace) {
  const Buffer octets = registration_request();
  per::Message message;
  ASSERT_TRUE(decode<RasMessage>(message, octets));
  const TransportAddress ours{IpAddress::v4({203, 0, 113, 1}), 30001};
  int found = 0;
  for_each_address(message, [&](per::Node node) {
    set_address(message.edit(node), ours);
    ++found;
  });
  EXPECT_EQ(found, 2);
  EXPECT_FALSE(message.is_changed());
  Buffer out;
  ASSERT_TRUE(message.encode(out));
  ASSERT_EQ(out.size(), octets.size());
  per::Message again;
  ASSERT_TRUE(decode<RasMessage>(again, out));
  const auto request = again.root<RasMessage>()[RasMessage::kRegistrationRequest];
  EXPECT_EQ(address(request[RegistrationRequest::kCallSignalAddress].at(0)), ours);
  EXPECT_EQ(address(request[RegistrationRequest::kRasAddress].at(0)), ours);
  // Twelve octets at most are others than they were.
  std::size_t changed = 0;
  for (std::size_t i = 0; i < out.size(); ++i) changed += out[i] != octets[i] ? 1 : 0;
  EXPECT_LE(changed, 12U);
}

TEST(Messages, AreWrittenAnewForAnAddressOfAnotherFamily) {
  per::Message message;
  ASSERT_TRUE(decode<RasMessage>(message, registration_request()));
  const TransportAddress ours{*IpAddress::parse("2001:db8::7"), 1720};
  for_each_address(message, [&](per::Node node) { set_address(message.edit(node), ours); });
  EXPECT_TRUE(message.is_changed());
  Buffer out;
  ASSERT_TRUE(message.encode(out));
  per::Message again;
  ASSERT_TRUE(decode<RasMessage>(again, out));
  const auto request = again.root<RasMessage>()[RasMessage::kRegistrationRequest];
  EXPECT_EQ(address(request[RegistrationRequest::kCallSignalAddress].at(0)), ours);
  EXPECT_EQ(request[RegistrationRequest::kTerminalAlias].at(0).chosen().text(), "5551234");
}

TEST(Messages, AreMadeComponentByComponent) {
  per::Message message;
  auto confirm = message.make<RasMessage>()[RasMessage::kRegistrationConfirm];
  using Confirm = h225::RegistrationConfirm;
  confirm[Confirm::kRequestSeqNum].set(4712);
  confirm[Confirm::kProtocolIdentifier].set_octets(*from_hex("0008914a0007"));
  confirm[Confirm::kCallSignalAddress];
  auto alias = confirm[Confirm::kTerminalAlias].append();
  alias[AliasAddress::kH323ID].set_text("Zo\u00eb");
  confirm[Confirm::kTerminalAlias].append()[AliasAddress::kDialedDigits].set_text("5551234");
  confirm[Confirm::kEndpointIdentifier].set_text("1234");
  confirm[Confirm::kTimeToLive].set(300);
  confirm[Confirm::kWillRespondToIRR].set(0);
  confirm[Confirm::kMaintainConnection].set(1);
  Buffer out;
  const auto written = message.encode(out);
  ASSERT_TRUE(written) << written.error().what;

  per::Message again;
  ASSERT_TRUE(decode<RasMessage>(again, out));
  const auto read = again.root<RasMessage>()[RasMessage::kRegistrationConfirm];
  EXPECT_EQ(read[Confirm::kRequestSeqNum].integer(), 4712);
  EXPECT_EQ(read[Confirm::kTerminalAlias].at(0).chosen().text(), "Zo\u00eb");
  EXPECT_TRUE(read[Confirm::kTerminalAlias].at(1).chosen().equals("5551234"));
  EXPECT_EQ(read[Confirm::kTimeToLive].integer(), 300);
  EXPECT_TRUE(read[Confirm::kMaintainConnection].boolean());
}

TEST(Messages, WithAComponentMissingAreNotWritten) {
  per::Message message;
  auto confirm = message.make<RasMessage>()[RasMessage::kUnregistrationConfirm];
  Buffer out{0x55};
  EXPECT_FALSE(message.encode(out));
  EXPECT_EQ(out, Buffer{0x55});
  confirm[h225::UnregistrationConfirm::kRequestSeqNum].set(1);
  EXPECT_TRUE(message.encode(out));
  confirm[h225::UnregistrationConfirm::kRequestSeqNum].set(65536);
  EXPECT_FALSE(message.encode(out));
}

TEST(Messages, TakeNoEditWhereNothingIs) {
  const Buffer octets = registration_request();
  per::Message message;
  ASSERT_TRUE(decode<RasMessage>(message, octets));
  auto absent = message.edit(message.root<RasMessage>()[RasMessage::kGatekeeperRequest]);
  absent[GatekeeperRequest::kRequestSeqNum].set(1);
  absent[GatekeeperRequest::kEndpointAlias].append()[AliasAddress::kH323ID].set_text("x");
  absent.remove(GatekeeperRequest::kRasAddress);
  absent.clear();
  absent.copy(message.root());
  set_address(absent, {});
  message.remove(absent.view());
  EXPECT_FALSE(message.is_changed());
  Buffer out;
  ASSERT_TRUE(message.encode(out));
  EXPECT_EQ(out, octets);
}

TEST(Messages, CopyPartsOfOthers) {
  per::Message request;
  ASSERT_TRUE(decode<RasMessage>(request, registration_request()));
  per::Message message;
  auto confirm = message.make<RasMessage>()[RasMessage::kLocationRequest];
  using Location = h225::LocationRequest;
  confirm[Location::kRequestSeqNum].set(9);
  confirm[Location::kReplyAddress].copy(
      request.root<RasMessage>()[RasMessage::kRegistrationRequest][RegistrationRequest::kRasAddress]
          .at(0));
  confirm[Location::kDestinationInfo].copy(
      request.root<RasMessage>()[RasMessage::kRegistrationRequest]
                                [RegistrationRequest::kTerminalAlias]);
  // Another type: nothing happens, and nothing was made that is wrong.
  EXPECT_EQ(confirm[Location::kDestinationInfo].view().size(), 1U);
  EXPECT_EQ(address(confirm[Location::kReplyAddress].view()),
            (TransportAddress{IpAddress::v4({10, 1, 2, 3}), 1719}));
}

// An OpenLogicalChannel as an endpoint with H.460.19 sends it, in the fastStart of a Setup:
// addresses lie in PER in an octet string in PER in an octet string.
TEST(Messages, AreChangedThroughGenericDataInFastStart) {
  using UserInformation = h225::H323UserInformation;
  using Body = h225::H323UUPDU::H323MessageBody;
  using Setup = h225::SetupUUIE;
  using Channel = h245::OpenLogicalChannel;
  using Traversal = h460::TraversalParameters;
  const TransportAddress theirs{IpAddress::v4({10, 1, 2, 3}), 5004};

  per::Message message;
  auto pdu = message.make<UserInformation>()[UserInformation::kH323UuPdu];
  pdu[h225::H323UUPDU::kH245Tunneling].set(1);
  auto setup = pdu[h225::H323UUPDU::kH323MessageBody][Body::kSetup];
  setup[Setup::kProtocolIdentifier].set_octets(*from_hex("0008914a0007"));
  setup[Setup::kSourceInfo][h225::EndpointType::kMc].set(0);
  setup[Setup::kSourceInfo][h225::EndpointType::kUndefinedNode].set(0);
  setup[Setup::kActiveMC].set(0);
  setup[Setup::kConferenceID].set_octets(Buffer(16, 1));
  setup[Setup::kConferenceGoal][Setup::ConferenceGoal::kCreate];
  setup[Setup::kCallType][h225::CallType::kPointToPoint];
  auto channel = setup[Setup::kFastStart].append().contents();
  channel[Channel::kForwardLogicalChannelNumber].set(1);
  auto forward = channel[Channel::kForwardLogicalChannelParameters];
  forward[Channel::ForwardLogicalChannelParameters::kDataType][h245::DataType::kNullData];
  forward[Channel::ForwardLogicalChannelParameters::kMultiplexParameters]
         [Channel::ForwardLogicalChannelParameters::MultiplexParameters::kNone];
  auto generic = channel[Channel::kGenericInformation].append();
  generic[h245::GenericMessage::kMessageIdentifier][h245::CapabilityIdentifier::kStandard]
      .set_octets(*from_hex("0008834c130001"));
  auto parameter = generic[h245::GenericMessage::kMessageContent].append();
  parameter[h245::GenericParameter::kParameterIdentifier][h245::ParameterIdentifier::kStandard].set(
      1);
  per::Edit<Traversal> traversal{
      parameter[h245::GenericParameter::kParameterValue][h245::ParameterValue::kOctetString].hold(
          *Traversal::kSchema)};
  set_address(traversal[Traversal::kMultiplexedMediaChannel], theirs);
  set_address(traversal[Traversal::kKeepAliveChannel], theirs);
  traversal[Traversal::kMultiplexID].set(0x04000001);
  Buffer octets;
  const auto written = message.encode(octets);
  ASSERT_TRUE(written) << written.error().what;

  for (const char* text : {"203.0.113.9", "2001:db8::9"}) {
    const TransportAddress ours{*IpAddress::parse(text), 2776};
    per::Message read;
    ASSERT_TRUE(decode<UserInformation>(read, octets));
    int found = 0;
    for_each_address(read, [&](per::Node node) {
      EXPECT_EQ(address(node), theirs);
      set_address(read.edit(node), ours);
      ++found;
    });
    EXPECT_EQ(found, 2);
    EXPECT_EQ(read.is_changed(), ours.ip.is_v6());
    Buffer out;
    ASSERT_TRUE(read.encode(out));
    per::Message again;
    ASSERT_TRUE(decode<UserInformation>(again, out));
    for_each_address(again, [&](per::Node node) {
      EXPECT_EQ(address(node), ours);
      --found;
    });
    EXPECT_EQ(found, 0);
    for (const per::Node node : again.walk())
      if (const auto kept = node.as<Traversal>()) {
        EXPECT_EQ(kept[Traversal::kMultiplexID].integer(), 0x04000001);
      }
  }
}

// H.460.18's call indication in a RAS message's generic data.
TEST(Messages, HaveWhatGenericDataHolds) {
  using Control = h225::ServiceControlIndication;
  per::Message message;
  auto control = message.make<RasMessage>()[RasMessage::kServiceControlIndication];
  control[Control::kRequestSeqNum].set(1);
  control[Control::kServiceControl];
  auto data = control[Control::kGenericData].append();
  data[h225::GenericData::kId][h225::GenericIdentifier::kStandard].set(18);
  auto parameter = data[h225::GenericData::kParameters].append();
  parameter[h225::EnumeratedParameter::kId][h225::GenericIdentifier::kStandard].set(1);
  per::Edit<h460::IncomingCallIndication> indication{
      parameter[h225::EnumeratedParameter::kContent][h225::Content::kRaw].hold(
          *h460::IncomingCallIndication::kSchema)};
  const TransportAddress gatekeeper{IpAddress::v4({192, 0, 2, 1}), 1720};
  set_address(indication[h460::IncomingCallIndication::kCallSignallingAddress], gatekeeper);
  indication[h460::IncomingCallIndication::kCallID][h225::CallIdentifier::kGuid].set_octets(
      Buffer(16, 7));
  Buffer octets;
  ASSERT_TRUE(message.encode(octets));
  per::Message read;
  ASSERT_TRUE(decode<RasMessage>(read, octets));
  int found = 0;
  for_each_address(read, [&](per::Node node) {
    EXPECT_EQ(address(node), gatekeeper);
    ++found;
  });
  EXPECT_EQ(found, 1);
}

}  // namespace
}  // namespace sallyport::codec::h323
