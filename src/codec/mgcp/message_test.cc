#include "codec/mgcp/message.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace sallyport::codec::mgcp {
namespace {

using testing::ElementsAre;

// A call agent connects an endpoint and asks for events at once, as RFC 3435's call flows do.
constexpr std::string_view kCreate =
    "CRCX 1204 aaln/1@gw-1.example.net MGCP 1.0\r\n"
    "C: A3C47F21456789F0\r\n"
    "L: p:10, a:PCMU\r\n"
    "M: recvonly\r\n"
    "N: ca@ca.example.com:5678\r\n"
    "x-Flower:   daisy\r\n"
    "\r\n"
    "v=0\r\n"
    "o=- 25678 753849 IN IP4 192.0.2.77\r\n"
    "s=-\r\n"
    "c=IN IP4 192.0.2.77\r\n"
    "t=0 0\r\n"
    "m=audio 3456 RTP/AVP 0\r\n";

TEST(MgcpMessage, ACommandIsIndexed) {
  const auto message = Message::parse(kCreate);
  ASSERT_TRUE(message.has_value());
  EXPECT_TRUE(message->is_command());
  EXPECT_EQ(message->verb(), Verb::Crcx);
  EXPECT_EQ(message->transaction(), 1204U);
  EXPECT_EQ(message->endpoint(), "aaln/1@gw-1.example.net");
  EXPECT_EQ(message->version(), "1.0");
  EXPECT_EQ(message->find("c"), "A3C47F21456789F0");
  EXPECT_EQ(message->find("X-FLOWER"), "daisy");
  EXPECT_EQ(message->find("Z"), std::nullopt);
  ASSERT_EQ(message->descriptions().size(), 1U);
  EXPECT_TRUE(message->descriptions()[0].starts_with("v=0\r\no=- 25678"));
  EXPECT_TRUE(message->descriptions()[0].ends_with("RTP/AVP 0\r\n"));
}

TEST(MgcpMessage, AResponseIsIndexed) {
  const auto plain = Message::parse("200 1204 OK\r\nI: FDE234C8\r\n");
  ASSERT_TRUE(plain.has_value());
  EXPECT_FALSE(plain->is_command());
  EXPECT_TRUE(plain->is_success());
  EXPECT_EQ(plain->code(), 200);
  EXPECT_EQ(plain->commentary(), "OK");
  EXPECT_EQ(plain->find("I"), "FDE234C8");

  const auto of_package = Message::parse("801 1205 /FXR Not now\n");
  ASSERT_TRUE(of_package.has_value());
  EXPECT_EQ(of_package->package(), "FXR");
  EXPECT_EQ(of_package->commentary(), "Not now");

  EXPECT_EQ(Message::parse("000 1206")->code(), 0);
  EXPECT_TRUE(Message::parse("100 1206 Pending")->is_provisional());
}

TEST(MgcpMessage, AnAuditedConnectionHasTwoDescriptions) {
  const auto message = Message::parse(
      "200 1207 OK\r\nC: A3\r\n\r\nv=0\r\nc=IN IP4 192.0.2.1\r\nm=audio 1000 RTP/AVP 0\r\n\r\n"
      "v=0\r\nc=IN IP4 192.0.2.2\r\nm=audio 2000 RTP/AVP 0\r\n\r\n");
  ASSERT_TRUE(message.has_value());
  ASSERT_EQ(message->descriptions().size(), 2U);
  EXPECT_TRUE(message->descriptions()[0].ends_with("m=audio 1000 RTP/AVP 0\r\n"));
  EXPECT_TRUE(message->descriptions()[1].ends_with("m=audio 2000 RTP/AVP 0\r\n"));
}

TEST(MgcpMessage, VerbsAndParametersAreTakenInAnyCaseAndWithBareLineFeeds) {
  const auto message =
      Message::parse("ntfy 2002 *@[10.1.1.5] mgcp 1.0 NCS 1.0\nx: 0123\nO:hd\nK:\n");
  ASSERT_TRUE(message.has_value());
  EXPECT_EQ(message->verb(), Verb::Ntfy);
  EXPECT_EQ(message->version(), "1.0 NCS 1.0");
  EXPECT_EQ(message->find("O"), "hd");
  EXPECT_EQ(message->find("k"), "");
}

TEST(MgcpMessage, WhatCannotBeUnderstoodIsRefused) {
  for (const char* bad : {
           "",
           "\r\n\r\n",
           "CRCX",
           "CRCX 1 aaln/1@gw",
           "CRCX 1 aaln/1@gw HTTP 1.0",
           "CRCX 1 aaln/1@gw MGCP",
           "CRCX 0 aaln/1@gw MGCP 1.0",
           "CRCX 1000000000 aaln/1@gw MGCP 1.0",
           "CRCX 4294967297 aaln/1@gw MGCP 1.0",
           "CRCX -1 aaln/1@gw MGCP 1.0",
           "CREATE 1 aaln/1@gw MGCP 1.0",
           "C\001CX 1 aaln/1@gw MGCP 1.0",
           "CRCX 1 aaln/1@gw MGCP 1.0\r\nno colon here\r\n",
           "200",
           "200 x OK",
           "2000 1 OK",
           "200 1 OK\r\n\r\nv=0\r\n\r\nv=0\r\n\r\nv=0\r\n",
       })
    EXPECT_FALSE(Message::parse(bad).has_value()) << bad;
  std::string many = "RQNT 1 aaln/1@gw MGCP 1.0\r\n";
  for (std::size_t i = 0; i < kMaxParameters; ++i) many += "X: 1\r\n";
  EXPECT_TRUE(Message::parse(many).has_value());
  EXPECT_EQ(Message::parse(many + "X: 1\r\n").error().code, Errc::Exhausted);
}

TEST(MgcpMessage, ACommandThatIsRefusedCanBeAnswered) {
  EXPECT_EQ(Message::transaction_of_command("CRCX 77 what is this"), 77U);
  EXPECT_EQ(Message::transaction_of_command("crcx 78"), 78U);
  EXPECT_EQ(Message::transaction_of_command("200 78 \001"), std::nullopt);
  EXPECT_EQ(Message::transaction_of_command("CRCX 0 x"), std::nullopt);
  EXPECT_EQ(Message::transaction_of_command("GET / HTTP/1.1"), std::nullopt);
}

// RFC 3435 3.5.5: a response and a command travel together.
TEST(MgcpDatagram, IsSplitAtLinesOfASingleDot) {
  EXPECT_THAT(split_datagram("200 2005 OK\r\n.\r\nDLCX 1244 card/1@gw MGCP 1.0\r\nC: 1\r\n"),
              ElementsAre("200 2005 OK\r\n", "DLCX 1244 card/1@gw MGCP 1.0\r\nC: 1\r\n"));
  EXPECT_THAT(split_datagram("200 1\n.\n200 2\n.\n"), ElementsAre("200 1\n", "200 2\n"));
  EXPECT_THAT(split_datagram(".\r\n.\r\n\r\n"), ElementsAre());
  EXPECT_THAT(split_datagram(""), ElementsAre());
  EXPECT_THAT(split_datagram("200 1 .\r\nX: .\r\n. \r\n"),
              ElementsAre("200 1 .\r\nX: .\r\n. \r\n"));
}

TEST(MgcpDatagram, HoldsSoManyMessagesAtMost) {
  std::string datagram;
  for (int i = 0; i < 1000; ++i) datagram += "200 1\n.\n";
  EXPECT_EQ(split_datagram(datagram).size(), kMaxPiggyBacked);
}

TEST(MgcpEditor, LeavesWhatIsNotChangedAsItCame) {
  const auto message = Message::parse(kCreate);
  EXPECT_EQ(Editor{*message}.finish(), kCreate);
}

TEST(MgcpEditor, ChangesWhatItIsTold) {
  const std::string text = "CRCX 1204 aaln/1@gw MGCP 1.0\nC:A3\nK:\nN: ca@192.0.2.1\nX: 7\n\nv=0\n";
  const auto message = Message::parse(text);
  ASSERT_TRUE(message.has_value());
  Editor edit{*message};
  edit.set_transaction(42);
  edit.set_endpoint("aaln/1@[10.1.1.5]");
  edit.set(0, "B4");
  edit.set(1, "5-6");
  edit.remove(2);
  edit.set(3, "wrong");
  edit.set(3, "8\r\nY: 9");
  edit.add("Z", "more");
  edit.set_description(0, "v=0\r\ns=-\r\n");
  EXPECT_EQ(edit.finish(),
            "CRCX 42 aaln/1@[10.1.1.5] MGCP 1.0\nC:B4\nK: 5-6\nX: 8  Y: 9\nZ: more\r\n\n"
            "v=0\r\ns=-\r\n");
}

TEST(MgcpEditor, ChangesTheCommentaryOfAResponseThatHasOne) {
  const auto message = Message::parse("400 7 /L no luck \r\nX: 1\r\n");
  Editor edit{*message};
  edit.set_commentary("bad\nluck");
  EXPECT_EQ(edit.finish(), "400 7 /L bad luck \r\nX: 1\r\n");
  const auto mute = Message::parse("400 7\r\n");
  Editor none{*mute};
  none.set_commentary("x");
  EXPECT_EQ(none.finish(), "400 7\r\n");
}

TEST(MgcpEditor, AddsBehindALastLineWithoutAnEnd) {
  const auto message = Message::parse("200 7 OK");
  Editor edit{*message};
  edit.set_transaction(8);
  edit.add("I", "1");
  EXPECT_EQ(edit.finish(), "200 8 OK\r\nI: 1\r\n");
}

TEST(MgcpEditor, AddsWhereALastLineWithoutAnEndWas) {
  const auto message = Message::parse("200 7 OK\r\nI: 1\r\nZ: 2");
  Editor edit{*message};
  edit.remove(1);
  edit.add("X", "3");
  EXPECT_EQ(edit.finish(), "200 7 OK\r\nI: 1\r\nX: 3\r\n");
}

TEST(MgcpMessage, OfOurOwnCanBeParsed) {
  EXPECT_EQ(response(0, 5, ""), "000 5\r\n");
  EXPECT_EQ(response(510, 5, "no\r\nI: 1"), "510 5 no  I: 1\r\n");
  EXPECT_EQ(Message::parse(command("DLCX", 9, "*@gw"))->verb(), Verb::Dlcx);
}

}  // namespace
}  // namespace sallyport::codec::mgcp
