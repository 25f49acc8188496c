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

}  // namespace
}  // namespace sallyport::codec::h323
