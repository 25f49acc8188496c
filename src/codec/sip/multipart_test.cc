#include "codec/sip/multipart.h"

#include <gtest/gtest.h>

namespace sallyport::codec::sip {
namespace {

std::string message_with(std::string_view type, std::string_view body, std::string_view more = "") {
  return "INVITE sip:x SIP/2.0\r\nContent-Type: " + std::string{type} + "\r\n" + std::string{more} +
         "\r\n" + std::string{body};
}

constexpr std::string_view kMixed =
    "preamble\r\n"
    "--b1\r\n"
    "Content-Type: application/isup; version=x\r\n"
    "\r\n"
    "\x01\x02\r\n--b1x\r\n"
    "--b1 \t\r\n"
    "content-type : Application/SDP\r\n"
    "Content-Length: 0005\r\n"
    "Content-Disposition: session\r\n"
    "\r\n"
    "v=0\r\n"
    "\r\n--b1\r\n"
    "\r\n"
    "plain\r\n--b1--\r\nepilogue";

TEST(ContentType, IsReadWithItsParameters) {
  const auto type = ContentType::parse(" multipart / MIXED ;\r\n boundary=\"a;b\"");
  ASSERT_TRUE(type);
  EXPECT_TRUE(type->is("Multipart", "mixed"));
  EXPECT_EQ(type->parameters.find("Boundary"), "a;b");
  for (const char* bad : {"", "text", "text/", "/plain", "te xt/plain", ";"})
    EXPECT_FALSE(ContentType::parse(bad)) << bad;
}

TEST(Multipart, IsCutAtItsBoundaries) {
  const auto parts = parse_multipart(kMixed, "b1");
  ASSERT_TRUE(parts) << parts.error().what;
  ASSERT_EQ(parts->size(), 3U);
  EXPECT_EQ((*parts)[0].body, "\x01\x02\r\n--b1x");  // a longer word is no boundary
  EXPECT_EQ((*parts)[1].body, "v=0\r\n");
  EXPECT_EQ((*parts)[1].find("content-disposition"), "session");
  EXPECT_FALSE((*parts)[2].type);
  EXPECT_EQ((*parts)[2].body, "plain");
}

TEST(Multipart, IsRefusedWithoutItsBoundaries) {
  EXPECT_EQ(parse_multipart(kMixed, "").error().code, Errc::BadValue);
  EXPECT_EQ(parse_multipart(kMixed, std::string(71, 'b')).error().code, Errc::BadValue);
  EXPECT_EQ(parse_multipart(kMixed, "b2").error().code, Errc::BadValue);
  EXPECT_EQ(parse_multipart("--b1\r\n\r\nx\r\n", "b1").error().code, Errc::Truncated);
  EXPECT_EQ(parse_multipart("--b1--", "b1")->size(), 0U);
  EXPECT_EQ(parse_multipart("--b\n--b\n\n--b--", "b")->size(), 2U);
  std::string many;
  for (std::size_t i = 0; i <= kMaxParts; ++i) many += "--b\r\n\r\n";
  EXPECT_EQ(parse_multipart(many + "--b--", "b").error().code, Errc::Exhausted);
}

TEST(Sdp, IsFoundInAMultipartBodyAndReplacedAlone) {
  const auto message = Message::parse(message_with("multipart/mixed;boundary=b1", kMixed));
  ASSERT_TRUE(message);
  const auto sdp = find_sdp(*message);
  ASSERT_TRUE(sdp);
  EXPECT_EQ(*sdp, "v=0\r\n");
  std::string expected{kMixed};
  expected.replace(expected.find("v=0\r\n"), 5, "v=0\r\no=longer\r\n");
  expected.replace(expected.find("0005"), 4, "15");
  EXPECT_EQ(replace_sdp(*message, *sdp, "v=0\r\no=longer\r\n"), expected);
}

TEST(Sdp, IsTheWholeBodyOrInsideNestedParts) {
  const auto plain = Message::parse(message_with("application/SDP;charset=x", "v=0\r\n"));
  EXPECT_EQ(find_sdp(*plain), "v=0\r\n");
  EXPECT_EQ(replace_sdp(*plain, *find_sdp(*plain), "new"), "new");

  const std::string inner =
      "--out\r\nContent-Type: multipart/alternative; boundary=in\r\n\r\n"
      "--in\r\nContent-Type: application/sdp\r\n\r\nv=0\r\n--in--\r\n--out--\r\n";
  const auto nested = Message::parse(message_with("multipart/mixed; boundary=\"out\"", inner));
  EXPECT_EQ(find_sdp(*nested), "v=0");
}

TEST(Sdp, IsNotLookedForWhereItCannotBeRead) {
  const auto has = [](const std::string& text) {
    return find_sdp(*Message::parse(text)).has_value();
  };
  EXPECT_FALSE(has("INVITE sip:x SIP/2.0\r\n\r\nv=0\r\n"));
  EXPECT_FALSE(has(message_with("text/plain", "v=0\r\n")));
  EXPECT_FALSE(has(message_with("application/sdp", "")));
  EXPECT_FALSE(has(message_with("application/sdp", "v=0", "Content-Encoding: gzip\r\n")));
  EXPECT_TRUE(has(message_with("application/sdp", "v=0", "e: identity\r\n")));
  EXPECT_FALSE(has(message_with("message/sipfrag", "SIP/2.0 200 OK\r\nc: application/sdp\r\n")));
  EXPECT_FALSE(has(message_with("multipart/mixed;boundary=b",
                                "--b\r\nc: application/sdp\r\n"
                                "Content-Transfer-Encoding: base64\r\n\r\ndj0w\r\n--b--")));
  // No empty line behind the headers: nowhere to put another description.
  EXPECT_FALSE(
      has(message_with("multipart/mixed;boundary=b", "--b\r\nc: application/sdp\r\nv=0\r\n--b--")));
  std::string deep = "c: application/sdp\r\n\r\nv=0";
  for (int i = 0; i < 6; ++i) {
    const std::string b = "b" + std::to_string(i);
    deep = "c: multipart/mixed;boundary=" + b + "\r\n\r\n--" + b + "\r\n" + deep + "\r\n--" + b +
           "--\r\n";
  }
  EXPECT_FALSE(has("INVITE sip:x SIP/2.0\r\n" + deep));
}

}  // namespace
}  // namespace sallyport::codec::sip
