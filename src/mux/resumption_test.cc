#include "mux/resumption.h"

#include <gtest/gtest.h>

#include "base/hex.h"

namespace sallyport::mux {
namespace {

class ResumptionTest : public testing::Test {
 protected:
  // One TLS connection: hello, and the answer if it arrives.
  bool connect(bool answer_arrives = true) {
    const auto exporter = random.array<32>();
    const Hello hello = agent.hello(instance, exporter, 0);
    if (hello.resumes() && server.judge(hello, exporter)) return false;
    HelloAccept answer;
    server.accept(hello, exporter, random, answer);
    if (answer_arrives) agent.accepted(answer);
    return true;
  }

  SeededRandom random{3};
  InstanceId instance = random.array<16>();
  Resumption agent;
  Resumption server;
};

// Computed with Python's hmac module from the description in docs/PROTOCOL.md.
TEST(ResumeProof, IsAsDocumented) {
  ResumeSecret secret{};
  ExporterKey exporter{};
  Hello hello{.connection = 2, .received = 3};
  secret.fill(0x11);
  exporter.fill(0x22);
  hello.instance.fill(0x33);
  hello.session.fill(0x44);
  EXPECT_EQ(to_hex(resume_proof(secret, exporter, hello)),
            "d43197d76baabb637e915449ac8ea0dbdd630fb4efb5f18fcc3b6c8d0e93c35d");
}

TEST_F(ResumptionTest, EachConnectionIsProvenWithTheSecretOfTheOneBefore) {
  EXPECT_TRUE(connect());
  EXPECT_TRUE(connect());
  EXPECT_TRUE(connect());
  EXPECT_EQ(server.connection(), 3U);
}

TEST_F(ResumptionTest, AnswersThatAreLostLockNobodyOut) {
  EXPECT_TRUE(connect());
  for (int i = 0; i < 5; ++i) EXPECT_TRUE(connect(false));
  EXPECT_TRUE(connect());
  EXPECT_TRUE(connect());
}

TEST_F(ResumptionTest, AnOldSecretIsWorthNothingOnceTheNextIsConfirmed) {
  EXPECT_TRUE(connect());
  server.confirmed();
  Resumption stolen = agent;
  EXPECT_TRUE(connect());
  server.confirmed();
  const auto exporter = random.array<32>();
  stolen.hello(instance, exporter, 0);
  stolen.hello(instance, exporter, 0);  // a number not used before
  EXPECT_EQ(server.judge(stolen.hello(instance, exporter, 0), exporter), RefusalCode::BadProof);
}

TEST_F(ResumptionTest, AnotherSessionIsNotThisOne) {
  EXPECT_TRUE(connect());
  const auto exporter = random.array<32>();
  Hello hello = agent.hello(instance, exporter, 0);
  hello.session[0] ^= 1U;
  EXPECT_EQ(server.judge(hello, exporter), RefusalCode::NoSuchSession);
}

}  // namespace
}  // namespace sallyport::mux
