#include "codec/sip/headers.h"

#include <gtest/gtest.h>

namespace sallyport::codec::sip {
namespace {

TEST(Via, IsReadInEverySpelling) {
  const auto plain = Via::parse("SIP/2.0/UDP 192.0.2.1:5061;branch=z9hG4bK77;rport;received=a");
  ASSERT_TRUE(plain);
  EXPECT_EQ(plain->transport, "UDP");
  EXPECT_EQ(plain->host, "192.0.2.1");
  EXPECT_EQ(plain->port, 5061);
  EXPECT_EQ(plain->branch(), "z9hG4bK77");
  EXPECT_TRUE(plain->magic());
  EXPECT_EQ(plain->parameters.find("rport"), "");

  const auto spaced =
      Via::parse("SIP  /   2.0\r\n /TLS\r\n\t [2001:db8::1] : 5060 ;\r\n branch = x");
  ASSERT_TRUE(spaced) << spaced.error().what;
  EXPECT_EQ(spaced->transport, "TLS");
  EXPECT_EQ(spaced->host, "[2001:db8::1]");
  EXPECT_EQ(spaced->port, 5060);
  EXPECT_EQ(spaced->branch(), "x");
  EXPECT_FALSE(spaced->magic());
}

TEST(Via, IsRefusedWhereMalformed) {
  for (const char* bad :
       {"", "SIP/2.0", "SIP/2.0/UDP", "SIP/2.0/UDP ;branch=x", "SIP/3.0/UDP h", "HTTP/2.0/UDP h",
        "SIP/2.0/UDP h:0", "SIP/2.0/UDP h:65536", "SIP/2.0/UDP h:", "SIP/2.0/UDP [2001:db8::1",
        "SIP/2.0/UDP 2001:db8::1", "SIP/2.0/UDP h;;branch=x", "SIP/2.0/UDP h h", "SIP/2.0/U,P h"})
    EXPECT_FALSE(Via::parse(bad)) << bad;
}

TEST(CSeq, HasANumberBelowTwoToThe31) {
  EXPECT_EQ(CSeq::parse("0009\r\n  INVITE")->number, 9U);
  EXPECT_EQ(CSeq::parse("2147483647 X")->method, "X");
  for (const char* bad : {"", "1", "INVITE", "1INVITE", "2147483648 X", "-1 X", "1 A B",
                          "36893488147419103232 REGISTER"})
    EXPECT_FALSE(CSeq::parse(bad)) << bad;
}

TEST(RAck, HasTwoNumbersAndAMethod) {
  const auto rack = RAck::parse("4294967295 1 INVITE");
  ASSERT_TRUE(rack);
  EXPECT_EQ(rack->rseq, 4294967295U);
  EXPECT_EQ(rack->cseq, 1U);
  EXPECT_EQ(rack->method, "INVITE");
  for (const char* bad : {"", "1", "1 2", "1 INVITE", "4294967296 1 X"})
    EXPECT_FALSE(RAck::parse(bad)) << bad;
}

TEST(AuthValue, ReadsChallengesAndCredentials) {
  const auto value = AuthValue::parse(
      "Digest  username=\"a,b\\\"c\", realm = \"example.com\",qop=auth, , nc=00000001, "
      "response=\"\"");
  ASSERT_TRUE(value);
  EXPECT_EQ(value->scheme, "Digest");
  EXPECT_EQ(value->find("USERNAME"), "a,b\\\"c");
  EXPECT_EQ(value->find("realm"), "example.com");
  EXPECT_EQ(value->find("qop"), "auth");
  EXPECT_FALSE(value->items[2].quoted);
  EXPECT_EQ(value->find("response"), "");
  EXPECT_EQ(value->find("opaque"), std::nullopt);
  EXPECT_TRUE(AuthValue::parse("NoOneKnowsThisScheme opaque-data=here"));
  for (const char* bad : {"", "\"x\"", "Digest =x", "Digest a=\"", "Digest a=\"b"})
    EXPECT_FALSE(AuthValue::parse(bad)) << bad;
}

TEST(DialogId, NeedsBothTags) {
  const auto id = DialogId::parse("98732@sip.example.com ;from-tag=r33th4x0r; to-tag=ff87ff");
  ASSERT_TRUE(id);
  EXPECT_EQ(id->call_id, "98732@sip.example.com");
  EXPECT_EQ(id->to_tag, "ff87ff");
  EXPECT_EQ(id->from_tag, "r33th4x0r");
  EXPECT_FALSE(id->early_only);
  EXPECT_TRUE(DialogId::parse("x;to-tag=1;from-tag=2;early-only")->early_only);
  EXPECT_FALSE(DialogId::parse("x;to-tag=1"));
  const auto target = DialogId::parse(
      "fa77as7dad8-sd98ajzz@host.example.com ;local-tag=kkaz-"
      "; remote-tag=6544");
  ASSERT_TRUE(target);
  EXPECT_EQ(target->call_id, "fa77as7dad8-sd98ajzz@host.example.com");
  EXPECT_EQ(target->from_tag, "kkaz-");
  EXPECT_EQ(target->to_tag, "6544");
  EXPECT_FALSE(DialogId::parse(";to-tag=1;from-tag=2"));
}

TEST(Numbers, SaturateAndTakeDigitsOnly) {
  EXPECT_EQ(*parse_number("0070"), 70U);
  EXPECT_EQ(*parse_number("100000000000000000000000"), 4294967295U);
  EXPECT_EQ(*parse_leading_number("1800;refresher=uac"), 1800U);
  EXPECT_EQ(*parse_leading_number("18000 (Mon)"), 18000U);
  for (const char* bad : {"", "-1", "+1", "1.5", "x", "1 2"})
    EXPECT_FALSE(parse_number(bad)) << bad;
  EXPECT_FALSE(parse_leading_number(";x"));
}

TEST(Escapes, AreTakenOffAndPutOn) {
  EXPECT_EQ(unescape("a%40b%zz%4"), "a@b%zz%4");
  EXPECT_EQ(escape_header("a@b;x=1 &"), "a%40b%3Bx%3D1%20%26");
  std::string all;
  for (int c = 0; c < 256; ++c) all += static_cast<char>(c);
  EXPECT_EQ(unescape(escape_header(all)), all);
}

}  // namespace
}  // namespace sallyport::codec::sip
