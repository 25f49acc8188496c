#include "codec/http/connect.h"

#include <gtest/gtest.h>

namespace sallyport::codec::http {
namespace {

using Answer = Result<std::optional<ConnectAnswer>>;

Answer read(std::string_view text) {
  ConnectAnswerReader reader;
  return reader.feed(as_bytes(text));
}

TEST(HttpConnect, AsksForTheTunnelByNameAndPort) {
  EXPECT_EQ(encode_connect({.host = "server.example.org", .port = 2776}, {}),
            "CONNECT server.example.org:2776 HTTP/1.1\r\n"
            "Host: server.example.org:2776\r\n"
            "User-Agent: Sallyport\r\n\r\n");
  // The example of RFC 7617 section 2.
  EXPECT_EQ(encode_connect({.host = "2001:db8::7", .port = 443},
                           Credentials{.user = "Aladdin", .password = "open sesame"}),
            "CONNECT [2001:db8::7]:443 HTTP/1.1\r\n"
            "Host: [2001:db8::7]:443\r\n"
            "User-Agent: Sallyport\r\n"
            "Proxy-Authorization: Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==\r\n\r\n");
}

TEST(HttpConnect, TakesNoCredentialsThatWouldEndTheHeaderOrTheUser) {
  EXPECT_TRUE(are_fit({.user = "DOMAIN\\jo", .password = "p:w d"}));
  EXPECT_FALSE(are_fit({.user = "j:o", .password = ""}));
  EXPECT_FALSE(are_fit({.user = "jo\r\nX: y", .password = ""}));
  EXPECT_FALSE(are_fit({.user = "jo", .password = "secret\n"}));
}

TEST(HttpConnect, EverySuccessOpensTheTunnel) {
  for (const char* line : {"HTTP/1.1 200 OK", "HTTP/1.0 200 Connection established", "HTTP/1.1 200",
                           "HTTP/1.1 204 "}) {
    const Answer answer = read(std::string{line} + "\r\nVia: 1.1 proxy\r\n\r\n");
    ASSERT_TRUE(answer && *answer) << line;
    EXPECT_TRUE((*answer)->opens_tunnel()) << line;
  }
}

TEST(HttpConnect, ARefusalKeepsItsCode) {
  for (const unsigned status : {301U, 403U, 407U, 502U, 599U}) {
    const Answer answer =
        read("HTTP/1.1 " + std::to_string(status) + " No\nContent-Length: 5\n\nNo!\r\n");
    ASSERT_TRUE(answer && *answer);
    EXPECT_EQ((*answer)->status, status);
    EXPECT_FALSE((*answer)->opens_tunnel());
  }
}

TEST(HttpConnect, InterimAnswersArePassedOver) {
  const Answer answer = read(
      "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 102 P\r\nA: b\r\n\r\n"
      "HTTP/1.1 200 OK\r\n\r\n");
  ASSERT_TRUE(answer && *answer);
  EXPECT_EQ((*answer)->status, 200U);
}

TEST(HttpConnect, WhatFollowsTheHeaderIsLeft) {
  ConnectAnswerReader reader;
  // RFC 9110 9.3.6: a length in a 2xx answer to CONNECT means nothing.
  const auto answer =
      reader.feed(as_bytes("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n\x16\x03\x01"));
  ASSERT_TRUE(answer && *answer);
  EXPECT_EQ(as_text(reader.rest()), "\x16\x03\x01");
}

TEST(HttpConnect, CutAnywhereItIsTheSame) {
  const std::string text =
      "HTTP/1.1 407 Who are you\r\nProxy-Authenticate: Basic realm=\"x\"\r\n\r\n";
  ConnectAnswerReader reader;
  for (std::size_t i = 0; i + 1 < text.size(); ++i) {
    const auto none = reader.feed(as_bytes(std::string_view{text}.substr(i, 1)));
    ASSERT_TRUE(none) << i;
    ASSERT_FALSE(*none) << i;
  }
  const auto answer = reader.feed(as_bytes("\n"));
  ASSERT_TRUE(answer && *answer);
  EXPECT_EQ((*answer)->status, 407U);
  EXPECT_TRUE((*answer)->takes_basic);
}

TEST(HttpConnect, TellsWhetherTheProxyTakesBasic) {
  const auto takes = [](const std::string& challenges) {
    const Answer answer = read("HTTP/1.1 407 No\r\nproxy-authenticate: " + challenges + "\r\n\r\n");
    return answer && *answer && (*answer)->takes_basic;
  };
  EXPECT_TRUE(takes("Basic"));
  EXPECT_TRUE(takes("Negotiate, NTLM, basic realm=\"proxy\""));
  EXPECT_TRUE(takes("NTLM\r\nProxy-Authenticate: Basic realm=\"proxy\""));
  EXPECT_FALSE(takes("Negotiate, NTLM"));
  EXPECT_FALSE(takes("Digest realm=\"Basic\""));
}

TEST(HttpConnect, WhatIsNoAnswerIsRefusedAtOnce) {
  for (const char* text :
       {"SSH-2.0-OpenSSH_9.2", "220 mail.example.org ESMTP", "HTTP/2 200\r\n", "HTTP/1.1 20\r\n",
        "HTTP/1.1 2000 OK\r\n", "HTTP/1.1 600 No\r\n", "HTTP/1.1 099 No\r\n",
        "HTTP/1.1  200 OK\r\n", "http/1.1 200 OK\r\n", "\r\nHTTP/1.1 200 OK\r\n",
        "HTTP/1.1 200 OK\r\nno header\r\n", "HTTP/1.1 200 OK\r\nA : b\r\n",
        "HTTP/1.1 200 OK\r\n: b\r\n", "HTTP/1.1 200 OK\rA: b\r\n", "\x15\x03\x01"})
    EXPECT_FALSE(read(text)) << text;
  EXPECT_FALSE(read(std::string_view{"HTTP/1.1 200 OK\r\nA: \0\r\n", 23}));
}

TEST(HttpConnect, AnAnswerWithoutAnEndIsNotKept) {
  ConnectAnswerReader reader;
  ASSERT_TRUE(reader.feed(as_bytes("HTTP/1.1 200 OK\r\n")));
  std::size_t sent = 0;
  const std::string line = "A: " + std::string(1000, 'b') + "\r\n";
  for (;; sent += line.size()) {
    ASSERT_LT(sent, 2 * ConnectAnswerReader::kMaxAnswer);
    const auto answer = reader.feed(as_bytes(line));
    if (answer) continue;
    EXPECT_EQ(answer.error().code, Errc::Exhausted);
    break;
  }
  // Nor in one go.
  std::string all = "HTTP/1.1 200 OK\r\n";
  while (all.size() <= ConnectAnswerReader::kMaxAnswer) all += line;
  EXPECT_FALSE(read(all + "\r\n"));
}

}  // namespace
}  // namespace sallyport::codec::http
