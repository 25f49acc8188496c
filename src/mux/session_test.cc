// What the resumable session does at its edges; multiplex_test.cc has the usual course.
#include "mux/session.h"

#include <gtest/gtest.h>

#include "mux/test_pair.h"

namespace sallyport::mux {
namespace {

using namespace std::chrono_literals;

class SessionTest : public testing::Test {
 protected:
  SessionTest() {
    pair.dialling.set_observer(agent);
    pair.accepting.set_observer(server);
    pair.connect();
    pair.run();
  }
  // A record from the far side that no Session would send; the agent's side is to end it.
  void inject(const Buffer& record) {
    pair.dialling.on_received(pair.dialling.connection_number(), record, pair.now);
  }
  void expect_ended_for(std::string_view what) {
    ASSERT_EQ(agent.gone.size(), 1U);
    EXPECT_EQ(agent.gone[0].what, what);
    pair.run();
    ASSERT_EQ(server.gone.size(), 1U);
    EXPECT_EQ(server.gone[0].what, name(CloseCode::ProtocolError));
  }
  static Buffer number(RecordType type, std::uint64_t value) {
    Buffer record;
    encode_number(type, value, record);
    return record;
  }

  TestObserver agent;
  TestObserver server;
  TestPair pair;
};

TEST_F(SessionTest, SkipsOnANewConnectionWhatWasAcknowledgedOnTheOldOne) {
  auto dialled = pair.dial();  // asks for everything from here on
  const Buffer octets(200000, 0x42);
  pair.accepting.send(kControlChannel, octets);
  pair.accepting.flush(pair.now);
  while (pair.carry(0, true, 20000)) {
  }
  ASSERT_EQ(agent.received[kControlChannel].size(), octets.size());
  ASSERT_FALSE(pair.reach(dialled));  // the server begins to send all of it again
  while (pair.carry(0, false, 20000)) {
  }  // and is told that it was received
  ASSERT_FALSE(pair.finish(std::move(dialled)));
  pair.run();
  EXPECT_LE(pair.accepting.counts().octets_sent_again, 150000U);
  // A connection that has skipped and sent nothing since is switched away from, too.
  ASSERT_FALSE(pair.connect());
  pair.accepting.send(kControlChannel, as_bytes("tail"));
  pair.run();
  EXPECT_EQ(agent.received[kControlChannel].size(), octets.size() + 4);
  EXPECT_TRUE(agent.gone.empty());
  EXPECT_TRUE(server.gone.empty());
}

TEST_F(SessionTest, ASwitchMarkWhoseNewConnectionNeverComesDetaches) {
  const auto dialled = pair.dial();
  ASSERT_FALSE(pair.reach(dialled));
  pair.lose(dialled);
  pair.run();
  EXPECT_TRUE(agent.detached.empty());
  pair.advance(5s);
  EXPECT_EQ(agent.detached.size(), 1U);
  ASSERT_FALSE(pair.connect());
  pair.dialling.send(kControlChannel, as_bytes("x"));
  pair.run();
  EXPECT_EQ(server.text(kControlChannel), "x");
}

TEST_F(SessionTest, RefusesAConnectionNumberUsedBefore) {
  auto first = pair.dial();
  auto second = pair.dial();
  ASSERT_FALSE(pair.reach(second));
  ASSERT_FALSE(pair.finish(std::move(second)));
  const auto refusal = pair.reach(first);
  ASSERT_TRUE(refusal);
  EXPECT_EQ(refusal->code, RefusalCode::StaleConnection);
}

TEST_F(SessionTest, RefusesAProofMadeForAnotherTlsConnection) {
  auto dialled = pair.dial();
  dialled.key[0] ^= 1U;
  const auto refusal = pair.reach(dialled);
  ASSERT_TRUE(refusal);
  EXPECT_EQ(refusal->code, RefusalCode::BadProof);
}

TEST_F(SessionTest, RefusesAHelloThatWasAltered) {
  auto dialled = pair.dial();
  dialled.hello.received += 1;
  EXPECT_EQ(pair.reach(dialled)->code, RefusalCode::BadProof);
}

TEST_F(SessionTest, RefusesAnotherVersion) {
  auto dialled = pair.dial();
  dialled.hello.least_version = dialled.hello.greatest_version = 2;
  EXPECT_EQ(pair.reach(dialled)->code, RefusalCode::WrongVersion);
}

TEST_F(SessionTest, ASuspendedProcessFirstAsksBeforeItBelievesTheSilence) {
  pair.now += 2h;  // nobody's timers ran
  pair.dialling.on_time(pair.now);
  pair.accepting.on_time(pair.now);
  EXPECT_TRUE(agent.detached.empty());
  pair.advance(1min);
  EXPECT_TRUE(agent.detached.empty());
  EXPECT_TRUE(server.detached.empty());
}

TEST_F(SessionTest, KeepsNoMoreThanItMayUnacknowledgedAndGoesOnWhenItIs) {
  pair.dialling.send(kControlChannel, Buffer(kMaxQueued, 1));
  const ChannelId id = pair.dialling.open({.priority = Priority::Signalling});
  pair.dialling.send(id, Buffer(kMaxQueued - kStreamHeaderSize, 2));
  pair.break_connection();
  ASSERT_FALSE(pair.connect());
  for (int i = 0; i < 1000; ++i) {
    pair.dialling.flush(pair.now);
    pair.carry(0, false, 100000);  // acknowledgements do not come back
  }
  const std::size_t committed = pair.dialling.counts().octets_sent;
  EXPECT_LE(committed, std::size_t{1} << 20U);
  pair.advance(1s);
  EXPECT_EQ(server.received[kControlChannel].size(), kMaxQueued);
  EXPECT_EQ(server.received[id].size(), kMaxQueued - kStreamHeaderSize);
}

TEST_F(SessionTest, EndsWhenAnAckIsAheadOfWhatWasSent) {
  inject(number(RecordType::Ack, 1'000'000));
  expect_ended_for("an ack of what was never sent");
}

TEST_F(SessionTest, EndsWhenABeginWouldLeaveAGap) {
  inject(number(RecordType::Begin, 1'000'000));
  expect_ended_for("begin leaves octets out");
}

TEST_F(SessionTest, EndsWhenASwitchMarkDoesNotFit) {
  inject(number(RecordType::Switch, 5));
  expect_ended_for("a switch mark that does not fit");
}

TEST_F(SessionTest, EndsOnAGreetingInTheMiddle) {
  Buffer record;
  encode(Hello{}, record);
  inject(record);
  expect_ended_for("a greeting in the middle of a connection");
}

TEST_F(SessionTest, EndsOnAYamuxErrorWithAGoAway) {
  Buffer record;
  encode_data(Buffer(12, 0xff), record);
  inject(record);
  ASSERT_EQ(agent.gone.size(), 1U);
  EXPECT_EQ(agent.gone[0].what, "yamux: version");
  pair.run();
  ASSERT_EQ(server.gone.size(), 1U);
}

TEST_F(SessionTest, MeasuresTheRoundTrip) {
  pair.dialling.probe(pair.now);
  pair.now += 40ms;
  pair.run();
  ASSERT_TRUE(pair.dialling.round_trip());
  EXPECT_GT(*pair.dialling.round_trip(), 0ms);
  EXPECT_LE(*pair.dialling.round_trip(), 40ms);
}

}  // namespace
}  // namespace sallyport::mux
