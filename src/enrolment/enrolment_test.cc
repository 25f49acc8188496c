#include <gtest/gtest.h>

#include "base/random.h"
#include "enrolment/join_message.h"
#include "enrolment/token.h"

namespace sallyport::enrolment {
namespace {

Token some_token() {
  SeededRandom random{7};
  return {{{"server.example.org", 2776}, {"2001:db8::1", 443}},
          random.array<32>(),
          random.array<16>(),
          WallTime{seconds{1'800'000'000}}};
}

TEST(Token, IsReadBackAsItWasMade) {
  const std::string text = encode(some_token());
  const auto read = parse_token(text);
  ASSERT_TRUE(read) << read.error().what;
  EXPECT_EQ(*read, some_token());
  // One word that a double click selects and a shell leaves alone.
  EXPECT_EQ(
      text.find_first_not_of("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_."),
      std::string::npos);
}

TEST(Token, MayBeBrokenIntoLinesByMail) {
  std::string text = encode(some_token());
  text.insert(40, "\r\n  ");
  EXPECT_EQ(parse_token(" " + text + "\n").value(), some_token());
}

TEST(Token, IsRefusedWhereverItIsCut) {
  const std::string text = encode(some_token());
  for (std::size_t n = 0; n < text.size(); ++n)
    EXPECT_FALSE(parse_token(text.substr(0, n))) << "cut at " << n;
}

TEST(Token, IsRefusedWhicheverCharacterIsMistyped) {
  const std::string text = encode(some_token());
  // The last character carries bits that do not count.
  for (std::size_t n = 0; n + 1 < text.size(); ++n) {
    std::string wrong = text;
    wrong[n] = wrong[n] == 'A' ? 'B' : 'A';
    EXPECT_FALSE(parse_token(wrong)) << "wrong at " << n;
  }
}

TEST(Join, MessagesAreReadBackAsTheyWereMade) {
  const JoinRequest request{some_token().secret, "-----BEGIN\n\"x\"\n", "sallyport 0.1.0"};
  std::string line = encode(request);
  ASSERT_EQ(line.back(), '\n');
  line.pop_back();
  EXPECT_EQ(line.find('\n'), std::string::npos);
  EXPECT_EQ(parse_join_request(line).value(), request);

  for (const JoinReply& reply :
       {JoinReply{Joined{AgentId{7}, "branch", "-----BEGIN\n", {some_token().servers, 2776, 2776}}},
        JoinReply{Refused{JoinRefusal::Expired, "too \"late\""}}}) {
    std::string text = encode(reply);
    text.pop_back();
    EXPECT_EQ(parse_join_reply(text).value(), reply);
  }
}

TEST(Join, MessagesOfLaterVersionsMayHoldMore) {
  const auto reply =
      parse_join_reply(R"({"agent":7,"name":"b","certificate":"c","servers":[],"colour":{"r":1}})");
  ASSERT_TRUE(reply);
  EXPECT_EQ(std::get<Joined>(*reply).id, AgentId{7});
  EXPECT_EQ(std::get<Refused>(*parse_join_reply(R"({"refused":"novel","what":"w"})")).what, "w");
}

TEST(Join, MessagesThatCannotBeReadAreRefused) {
  for (const char* line :
       {"", "{}", "[]", "7", "{\"secret\":", R"({"secret":"00","request":"r"})",
        R"({"secret":"00112233445566778899aabbccddeeff"})", R"({"secret":5,"request":"r"})"})
    EXPECT_FALSE(parse_join_request(line)) << line;
  for (const char* line : {"", "{}", R"({"agent":0,"name":"b","certificate":"c"})",
                           R"({"agent":-1,"name":"b","certificate":"c"})",
                           R"({"agent":4294967296,"name":"b","certificate":"c"})",
                           R"({"agent":"7","name":"b","certificate":"c"})",
                           R"({"agent":7,"name":"b","certificate":"c","servers":["::"]})",
                           R"({"agent":7,"name":"b","certificate":"c","x":65536})",
                           R"({"agent":7,"name":"b","certificate":"c","y":0})"})
    EXPECT_FALSE(parse_join_reply(line)) << line;
  EXPECT_FALSE(parse_join_request(std::string(kMaxLine + 1, ' ')));
  EXPECT_FALSE(parse_join_request("{\"a\":" + std::string(64, '[') + std::string(64, ']') + "}"));
}

}  // namespace
}  // namespace sallyport::enrolment
