#include "mux/multiplex.h"

#include <gtest/gtest.h>

#include <string>
#include <unordered_map>

#include "mux/test_pair.h"
#include "mux/yamux.h"

namespace sallyport::mux {
namespace {

using namespace std::chrono_literals;

const TransportAddress kPhone = *TransportAddress::parse("192.0.2.10:5060");
const TransportAddress kAgent = *TransportAddress::parse("[2001:db8::1]:5060");

StreamHeader byte_stream(std::uint64_t association, Priority priority = Priority::Signalling) {
  return {.kind = StreamKind::ByteStream, .priority = priority, .association = association};
}
StreamHeader datagrams(std::uint64_t association) {
  return {.kind = StreamKind::Datagrams, .association = association};
}

class MultiplexTest : public testing::Test {
 protected:
  MultiplexTest() : MultiplexTest(Multiplex::Settings{}) {}
  explicit MultiplexTest(const Multiplex::Settings& settings) : pair(settings) {
    pair.dialling.set_observer(agent);
    pair.accepting.set_observer(server);
  }
  TestObserver agent;
  TestObserver server;
  TestPair pair;
};

TEST_F(MultiplexTest, CarriesTheControlChannelBothWays) {
  EXPECT_FALSE(pair.connect());
  pair.dialling.send(kControlChannel, as_bytes("hello"));
  pair.accepting.send(kControlChannel, as_bytes("welcome"));
  pair.run();
  EXPECT_EQ(server.text(kControlChannel), "hello");
  EXPECT_EQ(agent.text(kControlChannel), "welcome");
  EXPECT_EQ(agent.attached, std::vector<std::uint64_t>{1});
  EXPECT_EQ(server.attached, std::vector<std::uint64_t>{1});
}

TEST_F(MultiplexTest, WhatIsSentBeforeTheFirstConnectionWaitsForIt) {
  pair.dialling.send(kControlChannel, as_bytes("early"));
  const ChannelId id = pair.accepting.open(byte_stream(7));
  pair.accepting.send(id, as_bytes("early too"));
  EXPECT_FALSE(pair.connect());
  pair.run();
  EXPECT_EQ(server.text(kControlChannel), "early");
  EXPECT_EQ(agent.text(id), "early too");
}

TEST_F(MultiplexTest, OpensChannelsFromEitherSideWithTheirHeaders) {
  pair.connect();
  StreamHeader header = byte_stream(0x1122334455667788);
  header.listener = 42;
  header.local = kAgent;
  header.remote = kPhone;
  const ChannelId up = pair.dialling.open(header);
  const ChannelId down = pair.accepting.open(byte_stream(9));
  pair.dialling.send(up, as_bytes("INVITE"));
  pair.accepting.send(down, as_bytes("OPTIONS"));
  pair.run();
  ASSERT_EQ(server.channels.size(), 1U);
  EXPECT_EQ(server.channels[0], std::pair(up, header));
  EXPECT_EQ(server.text(up), "INVITE");
  ASSERT_EQ(agent.channels.size(), 1U);
  EXPECT_EQ(agent.channels[0].second.association, 9U);
  EXPECT_EQ(agent.text(down), "OPTIONS");
}

TEST_F(MultiplexTest, PreservesDatagramsAndTheirAddressesHoweverTheOctetsAreCut) {
  pair.connect();
  pair.chunk = [] { return 7U; };
  const ChannelId id = pair.dialling.open(datagrams(3));
  ASSERT_TRUE(pair.dialling.send_datagram(id, kAgent, kPhone, as_bytes("REGISTER"), pair.now));
  ASSERT_TRUE(pair.dialling.send_datagram(id, kAgent, kPhone, {}, pair.now));
  const Buffer large(65535, 0x5a);
  ASSERT_TRUE(pair.dialling.send_datagram(id, kPhone, kAgent, large, pair.now));
  EXPECT_FALSE(pair.dialling.send_datagram(id, kPhone, kAgent, Buffer(65536, 0), pair.now));
  pair.run();
  ASSERT_EQ(server.datagrams.size(), 3U);
  EXPECT_EQ(as_text(server.datagrams[0].octets), "REGISTER");
  EXPECT_EQ(server.datagrams[0].local, kAgent);
  EXPECT_EQ(server.datagrams[0].remote, kPhone);
  EXPECT_TRUE(server.datagrams[1].octets.empty());
  EXPECT_EQ(server.datagrams[2].octets, large);
}

TEST_F(MultiplexTest, HalfClosesEachDirectionAndThenTheChannelIsClosed) {
  pair.connect();
  const ChannelId id = pair.dialling.open(byte_stream(1));
  pair.dialling.send(id, as_bytes("last words"));
  pair.dialling.half_close(id);
  pair.run();
  EXPECT_EQ(server.text(id), "last words");
  EXPECT_EQ(server.half_closed, std::vector{id});
  EXPECT_TRUE(server.closed.empty());
  pair.accepting.send(id, as_bytes("answer"));
  pair.accepting.half_close(id);
  pair.run();
  EXPECT_EQ(agent.text(id), "answer");
  ASSERT_EQ(server.closed.size(), 1U);
  ASSERT_EQ(agent.closed.size(), 1U);
  EXPECT_EQ(pair.dialling.channels(), 1U) << "the control channel";
  EXPECT_EQ(pair.accepting.channels(), 1U);
}

TEST_F(MultiplexTest, AResetIsToldToTheFarSideOnly) {
  pair.connect();
  const ChannelId id = pair.dialling.open(byte_stream(1));
  pair.run();
  pair.dialling.reset(id);
  pair.run();
  EXPECT_TRUE(agent.closed.empty());
  ASSERT_EQ(server.closed.size(), 1U);
  EXPECT_EQ(server.closed[0].first, id);
}

TEST_F(MultiplexTest, APausedChannelHoldsOneWindowAndGivesItInOrder) {
  pair.connect();
  const ChannelId id = pair.dialling.open(byte_stream(1));
  pair.run();
  pair.accepting.pause(id, true);
  Buffer sent(600000);
  for (std::size_t i = 0; i < sent.size(); ++i) sent[i] = static_cast<std::uint8_t>(i * 31 >> 3U);
  pair.dialling.send(id, sent);
  pair.dialling.half_close(id);
  pair.run();
  EXPECT_TRUE(server.received[id].empty());
  EXPECT_GE(pair.dialling.queued(id), sent.size() - Yamux::kWindow);
  pair.accepting.pause(id, false);
  pair.run();
  EXPECT_EQ(server.received[id], sent);
  EXPECT_EQ(server.half_closed, std::vector{id});
  EXPECT_EQ(agent.writable, std::vector{id}) << "it was above the high water mark";
}

TEST_F(MultiplexTest, AChannelWhoseReceiverStallsIsResetAndTheOthersGoOn) {
  pair.connect();
  const ChannelId stalled = pair.dialling.open(byte_stream(1));
  const ChannelId lively = pair.dialling.open(byte_stream(2));
  pair.run();
  pair.accepting.pause(stalled, true);
  for (int i = 0; i < 30; ++i) {
    pair.dialling.send(stalled, Buffer(65536, 1));
    pair.run();
  }
  ASSERT_EQ(agent.closed.size(), 1U);
  EXPECT_EQ(agent.closed[0].first, stalled);
  EXPECT_EQ(agent.closed[0].second.code, Errc::Exhausted);
  ASSERT_EQ(server.closed.size(), 1U);
  EXPECT_EQ(pair.dialling.counts().channels_stalled, 1U);
  pair.dialling.send(lively, as_bytes("still here"));
  pair.run();
  EXPECT_EQ(server.text(lively), "still here");
}

TEST_F(MultiplexTest, TheSessionEndsWhenTheControlChannelIsNotRead) {
  pair.connect();
  pair.run();
  pair.accepting.pause(kControlChannel, true);
  for (int i = 0; i < 30; ++i) pair.dialling.send(kControlChannel, Buffer(65536, 1));
  pair.run();
  ASSERT_EQ(agent.gone.size(), 1U);
  ASSERT_EQ(server.gone.size(), 1U);
  EXPECT_EQ(server.gone[0].what, name(CloseCode::Stalled));
}

TEST_F(MultiplexTest, ControlOvertakesBulkThatWaits) {
  pair.connect();
  const ChannelId bulk = pair.dialling.open(byte_stream(1, Priority::Bulk));
  pair.run();
  pair.dialling.send(bulk, Buffer(900000, 7));
  pair.dialling.flush(pair.now);
  const std::size_t committed = 900000 - pair.dialling.queued(bulk);
  EXPECT_LE(committed, 64U * 1024) << "bulk is committed late";
  pair.dialling.send(kControlChannel, as_bytes("urgent"));
  pair.dialling.flush(pair.now);
  // The server has the control message before it has more than what was committed of the bulk.
  while (server.received[kControlChannel].empty() && pair.carry(0, false, 1000)) {
  }
  EXPECT_EQ(server.text(kControlChannel), "urgent");
  EXPECT_LE(server.received[bulk].size(), committed + 16384);
  pair.run();
  EXPECT_EQ(server.received[bulk].size(), 900000U);
}

TEST_F(MultiplexTest, LosesAndDoublesNothingWhenAConnectionBreaks) {
  pair.connect();
  const ChannelId id = pair.dialling.open(byte_stream(1));
  pair.dialling.send(id, as_bytes("one "));
  pair.run();
  pair.dialling.send(id, as_bytes("two "));
  pair.dialling.flush(pair.now);
  pair.break_connection();
  EXPECT_FALSE(pair.dialling.attached());
  EXPECT_EQ(agent.detached.size(), 1U);
  pair.dialling.send(id, as_bytes("three"));
  EXPECT_FALSE(pair.connect());
  pair.run();
  EXPECT_EQ(server.text(id), "one two three");
  EXPECT_EQ(agent.attached, (std::vector<std::uint64_t>{1, 2}));
}

TEST_F(MultiplexTest, CyclesMakeBeforeBreak) {
  pair.connect();
  const ChannelId id = pair.dialling.open(byte_stream(1));
  pair.run();
  for (int round = 0; round < 5; ++round) {
    pair.dialling.send(id, as_bytes("up "));
    pair.accepting.send(id, as_bytes("down "));
    pair.flush();
    EXPECT_FALSE(pair.connect());
    pair.run();
    EXPECT_EQ(pair.connections(), 1U) << "the old connection was closed by both";
  }
  EXPECT_EQ(server.text(id), "up up up up up ");
  EXPECT_EQ(agent.text(id), "down down down down down ");
  EXPECT_TRUE(agent.detached.empty());
  EXPECT_TRUE(server.detached.empty());
}

TEST_F(MultiplexTest, DatagramsThatWaitTooLongExpireAndAreCounted) {
  pair.connect();
  const ChannelId id = pair.dialling.open(datagrams(1));
  pair.run();
  pair.break_connection();
  pair.dialling.send_datagram(id, kAgent, kPhone, as_bytes("stale"), pair.now);
  pair.advance(3s);
  pair.dialling.send_datagram(id, kAgent, kPhone, as_bytes("fresh"), pair.now);
  pair.advance(2s);
  pair.connect();
  pair.run();
  ASSERT_EQ(server.datagrams.size(), 1U);
  EXPECT_EQ(as_text(server.datagrams[0].octets), "fresh");
  EXPECT_EQ(pair.dialling.counts().datagrams_expired, 1U);
}

TEST_F(MultiplexTest, ADeadConnectionIsNoticedWithinItsTimeByBothSides) {
  pair.connect();
  pair.run();
  pair.break_connection(false, false);
  pair.advance(14s);
  EXPECT_TRUE(agent.detached.empty());
  pair.advance(1s);
  EXPECT_EQ(agent.detached.size(), 1U);
  EXPECT_EQ(server.detached.size(), 1U);
}

TEST_F(MultiplexTest, AnIdleConnectionStaysAlive) {
  pair.connect();
  pair.advance(10min);
  EXPECT_TRUE(agent.detached.empty());
  EXPECT_TRUE(server.detached.empty());
  EXPECT_EQ(pair.dialling.round_trip(), Duration{0});
}

TEST_F(MultiplexTest, ADetachedSessionLivesItsTimeAndThenBothSidesAreTold) {
  pair.connect();
  pair.run();
  pair.break_connection();
  pair.advance(59s);
  EXPECT_TRUE(agent.gone.empty());
  pair.advance(1s);
  EXPECT_EQ(agent.gone.size(), 1U);
  EXPECT_EQ(server.gone.size(), 1U);
  EXPECT_FALSE(pair.dialling.open(byte_stream(1)));
  const auto refusal = pair.connect();
  ASSERT_TRUE(refusal);
  EXPECT_EQ(refusal->code, RefusalCode::NoSuchSession);
}

TEST_F(MultiplexTest, CloseIsToldToTheFarSide) {
  pair.connect();
  pair.run();
  pair.accepting.close(CloseCode::Stopping, "restart");
  pair.run();
  ASSERT_EQ(agent.gone.size(), 1U);
  EXPECT_EQ(agent.gone[0].what, name(CloseCode::Stopping));
  EXPECT_TRUE(server.gone.empty());
}

TEST_F(MultiplexTest, StreamsBeyondTheLimitAreResetAndNothingElse) {
  pair.connect();
  std::vector<ChannelId> ids;
  ids.reserve(4200);
  for (int i = 0; i < 4200; ++i) ids.push_back(pair.dialling.open(byte_stream(1)));
  pair.run();
  EXPECT_EQ(pair.accepting.channels(), 4096U);
  EXPECT_EQ(server.channels.size(), 4095U);  // and the control channel
  EXPECT_EQ(agent.closed.size(), 4200U - 4095U);
  EXPECT_TRUE(agent.gone.empty());
}

}  // namespace
}  // namespace sallyport::mux
