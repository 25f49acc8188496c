#include "codec/sip/framing.h"

#include <gtest/gtest.h>

#include <chrono>
#include <string>

#include "codec/sip/message.h"

namespace sallyport::codec::sip {
namespace {

constexpr std::string_view kFirst = "INFO sip:x SIP/2.0\r\nContent-Length: 4\r\n\r\nbody";
constexpr std::string_view kSecond = "INFO sip:y SIP/2.0\nl :\n 0002\n\nhi";

// What comes out of a stream that arrives in pieces of this size: messages as they are, "ping",
// "pong", and at the end the error.
std::vector<std::string> framed(std::string_view stream, std::size_t piece) {
  Framer framer;
  std::vector<std::string> out;
  for (std::size_t at = 0; at < stream.size(); at += piece) {
    framer.push(as_bytes(stream.substr(at, piece)));
    for (;;) {
      const auto frame = framer.next();
      if (!frame && frame.error().code == Errc::Truncated) break;
      if (!frame) {
        out.emplace_back(name(frame.error().code));
        return out;
      }
      out.emplace_back(frame->kind == FrameKind::Ping   ? "ping"
                       : frame->kind == FrameKind::Pong ? "pong"
                                                        : as_text(frame->octets));
    }
  }
  if (framer.buffered() > 0) out.emplace_back("more");
  return out;
}
using Frames = std::vector<std::string>;

TEST(Framer, CutsMessagesHoweverTheyArrive) {
  const std::string stream = std::string{kFirst} + std::string{kSecond} + std::string{kFirst};
  const Frames expected{std::string{kFirst}, std::string{kSecond}, std::string{kFirst}};
  for (std::size_t piece = 1; piece <= stream.size(); ++piece)
    EXPECT_EQ(framed(stream, piece), expected) << piece;
}

TEST(Framer, TellsKeepalivesFromMessages) {
  const std::string stream = "\r\n\r\n" + std::string{kFirst} + "\r\n" + std::string{kSecond};
  EXPECT_EQ(framed(stream, stream.size()),
            (Frames{"ping", std::string{kFirst}, "pong", std::string{kSecond}}));
  EXPECT_EQ(framed("\r\n", 2), Frames{"pong"});
  EXPECT_EQ(framed("\r", 1), Frames{"more"});
  EXPECT_EQ(framed("\r\n\r\n\r\n", 6), (Frames{"ping", "pong"}));
}

TEST(Framer, WaitsForTheBody) {
  EXPECT_EQ(framed("INFO sip:x SIP/2.0\r\nl: 9\r\n\r\nbody", 100), Frames{"more"});
  EXPECT_EQ(framed("INFO sip:x SIP/2.0\r\nl: 9\r\n", 100), Frames{"more"});
}

TEST(Framer, GivesUpWhereTheBorderIsUnknown) {
  const auto end = [](std::string_view headers) {
    return framed("INFO sip:x SIP/2.0\r\n" + std::string{headers} + "\r\n\r\nx", 7).back();
  };
  EXPECT_EQ(end("Content-Type: text/plain"), "bad_value");
  EXPECT_EQ(end("l: x"), "bad_value");
  EXPECT_EQ(end("l: -1"), "bad_value");
  EXPECT_EQ(end("l: 1\r\nContent-Length: 2"), "bad_value");
  EXPECT_EQ(end("l: 65535"), "exhausted");
  EXPECT_EQ(end("l: 18446744073709551615"), "exhausted");
  EXPECT_EQ(end("l: 18446744073709551616"), "bad_value");
  // RFC 3261 20.14 wants Content-Length, but without any Content-Type there is no body.
  EXPECT_EQ(framed("BYE sip:x SIP/2.0\r\n\r\n", 100), Frames{"BYE sip:x SIP/2.0\r\n\r\n"});
}

TEST(Framer, ShowsWhatItRefusedForAnAnswer) {
  Framer framer;
  framer.push(as_bytes("INFO sip:x SIP/2.0\r\nCall-ID: 7\r\nl: x\r\n\r\n"));
  ASSERT_FALSE(framer.next());
  const auto head = Message::parse_head(framer.refused());
  ASSERT_TRUE(head);
  EXPECT_EQ(head->find(HeaderName::CallId), "7");
}

TEST(Framer, BoundsAHeaderBlockAndCostsLinearTime) {
  const auto begin = std::chrono::steady_clock::now();
  for (const std::string_view filling : {"a", "a:\r\n", "\n ", "\r"}) {
    std::string endless = "INFO sip:x SIP/2.0\r\n";
    while (endless.size() < 70000) endless += filling;
    EXPECT_EQ(framed(endless, 1).back(), "exhausted") << filling;
  }
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds{5});
}

TEST(Framer, FollowsManyMessagesWithoutGrowing) {
  Framer framer;
  std::size_t messages = 0;
  for (int i = 0; i < 1000; ++i) {
    framer.push(as_bytes(kFirst));
    framer.push(as_bytes(kFirst.substr(0, 10)));
    framer.push(as_bytes(kFirst.substr(10)));
    while (framer.next()) ++messages;
    ASSERT_EQ(framer.buffered(), 0U);
  }
  EXPECT_EQ(messages, 2000U);
}

}  // namespace
}  // namespace sallyport::codec::sip
