// IPv6 in SIP, after RFC 5118: with and without brackets, ambiguous ports, mixed families, mapped
// addresses. The messages are modelled on that RFC's.
#include <gtest/gtest.h>

#include <string>

#include "codec/sdp/sdp.h"
#include "codec/sip/headers.h"
#include "codec/sip/message.h"
#include "codec/sip/multipart.h"

namespace sallyport::codec::sip {
namespace {

std::string request(std::string_view method, std::string_view uri, std::string_view vias,
                    std::string_view body = "") {
  std::string text{method};
  text += " " + std::string{uri} + " SIP/2.0\r\nTo: sip:user@example.com\r\n" +
          "From: sip:user@example.com;tag=81x2\r\n" + std::string{vias} +
          "Call-ID: SSG9559905523997077@hlau_4100\r\nMax-Forwards: 70\r\n"
          "Contact: \"Caller\" <sip:caller@[2001:db8::1]>\r\nCSeq: 98176 " +
          std::string{method} + "\r\n";
  if (!body.empty()) text += "Content-Type: application/sdp\r\n";
  return text + "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + std::string{body};
}
constexpr std::string_view kVia = "Via: SIP/2.0/UDP [2001:db8::9:1];branch=z9hG4bKas3-111\r\n";

Message valid(const std::string& text) {
  auto message = Message::parse(text);
  EXPECT_TRUE(message && message->validate()) << text;
  EXPECT_EQ(Editor{*message}.finish(), text);
  return *message;
}

TEST(Rfc5118, TakesIpv6InBracketsOnly) {
  EXPECT_EQ(Uri::parse(valid(request("REGISTER", "sip:[2001:db8::10]", kVia)).request_uri())->host,
            "[2001:db8::10]");
  // 4.2: without brackets the Request-URI is malformed, 400.
  const auto bare = Message::parse(request("REGISTER", "sip:2001:db8::10", kVia));
  ASSERT_TRUE(bare);
  EXPECT_EQ(bare->validate().error().what, "malformed Request-URI");
}

TEST(Rfc5118, ReadsAPortBehindTheBracketOnly) {
  const auto ambiguous = Uri::parse("sip:[2001:db8::10:5070]");  // 4.3: no port, but an address
  EXPECT_EQ(ambiguous->port, 0);
  EXPECT_EQ(ambiguous->host, "[2001:db8::10:5070]");
  const auto unambiguous = Uri::parse("sip:[2001:db8::10]:5070");  // 4.4
  EXPECT_EQ(unambiguous->port, 5070);
  EXPECT_EQ(unambiguous->host, "[2001:db8::10]");
}

TEST(Rfc5118, TakesReceivedWithAndWithoutBrackets) {  // 4.5
  for (const char* received : {"[2001:db8::9:255]", "2001:db8::9:255"}) {
    const Message options =
        valid(request("OPTIONS", "sip:user@[2001:db8::10]",
                      "Via: SIP/2.0/UDP [2001:db8::9:1];received=" + std::string{received} +
                          ";branch=z9hG4bKas3\r\n"));
    const auto via = Via::parse(options.list(HeaderName::Via).front());
    EXPECT_EQ(IpAddress::parse(*via->parameters.find("received"))->to_string(), "2001:db8::9:255");
    EXPECT_EQ(via->branch(), "z9hG4bKas3");
  }
}

TEST(Rfc5118, TakesBothFamiliesInOneMessage) {  // 4.7
  const Message bye = valid(
      request("BYE", "sip:user@host.example.net",
              "Via: SIP/2.0/UDP [2001:db8::9:1]:6050;branch=z9hG4bKas3-111\r\n"
              "Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKjhja8781hjuaij65144\r\n"
              "Via: SIP/2.0/TCP [2001:db8::9:255];branch=z9hG4bK451jj;received=192.0.2.200\r\n"));
  const auto vias = bye.list(HeaderName::Via);
  ASSERT_EQ(vias.size(), 3U);
  EXPECT_EQ(Via::parse(vias[0])->port, 6050);
  EXPECT_EQ(Via::parse(vias[1])->host, "192.0.2.1");
  EXPECT_EQ(Via::parse(vias[2])->parameters.find("received"), "192.0.2.200");
}

TEST(Rfc5118, TakesIpv6InSessionDescriptions) {  // 4.6, 4.8, 4.9
  const Message invite = valid(request("INVITE", "sip:user@[2001:db8::10]", kVia,
                                       "v=0\r\n"
                                       "o=bob 280744730 28977631 IN IP4 host.example.com\r\n"
                                       "s=\r\n"
                                       "t=0 0\r\n"
                                       "m=audio 22334 RTP/AVP 0\r\n"
                                       "c=IN IP4 192.0.2.1\r\n"
                                       "m=video 6024 RTP/AVP 107\r\n"
                                       "c=IN IP6 2001:db8::1\r\n"
                                       "m=video 6026 RTP/AVP 107\r\n"
                                       "c=IN IP6 ::ffff:192.0.2.10\r\n"));
  const auto offer = sdp::Description::parse(*find_sdp(invite));
  ASSERT_TRUE(offer);
  EXPECT_EQ(offer->media()[0].address(0)->to_string(), "192.0.2.1:22334");
  EXPECT_EQ(offer->media()[1].address(1)->to_string(), "[2001:db8::1]:6025");
  EXPECT_EQ(offer->media()[2].address(0)->to_string(), "192.0.2.10:6026");
}

}  // namespace
}  // namespace sallyport::codec::sip
