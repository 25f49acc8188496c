#include "mux/yamux.h"

#include <gtest/gtest.h>

#include <map>
#include <string>
#include <vector>

#include "base/hex.h"

namespace sallyport::mux {
namespace {

Buffer hex(std::string_view text) { return *from_hex(text); }

class End : public Yamux::Observer {
 public:
  explicit End(Yamux::Role role, const Yamux::Limits& limits = {}) : yamux(role, limits, *this) {}

  void on_stream(ChannelId id) override { opened.push_back(id.value); }
  void on_data(ChannelId id, Bytes octets) override {
    received[id.value] += as_text(octets);
    if (takes_in) yamux.consumed(id, octets.size());
  }
  void on_fin(ChannelId id) override { fins.push_back(id.value); }
  void on_reset(ChannelId id) override { resets.push_back(id.value); }
  void on_writable(ChannelId id) override { writable.push_back(id.value); }
  void on_pong(std::uint32_t value) override { pongs.push_back(value); }
  void on_go_away(Yamux::GoAway code) override { go_aways.push_back(code); }

  Buffer frames() {
    Buffer out;
    yamux.take_frames(out, 1000000);
    return out;
  }
  std::string frames_hex() { return to_hex(frames()); }

  bool takes_in = true;
  std::vector<std::uint32_t> opened, fins, resets, writable, pongs;
  std::vector<Yamux::GoAway> go_aways;
  std::map<std::uint32_t, std::string> received;
  Yamux yamux;
};

TEST(Yamux, OpensOddStreamsAsClientAndEvenOnesAsServer) {
  End client{Yamux::Role::Client};
  End server{Yamux::Role::Server};
  EXPECT_EQ(client.yamux.open().value, 1U);
  EXPECT_EQ(client.yamux.open().value, 3U);
  EXPECT_EQ(server.yamux.open().value, 2U);
  EXPECT_EQ(client.frames_hex(),
            "000100010000000100000000"
            "000100010000000300000000");
}

TEST(Yamux, AcknowledgesAStreamAndTakesDataThatFollowsItsSynAtOnce) {
  End server{Yamux::Role::Server};
  const Buffer input =
      hex("00 01 0001 00000001 00000000"           // window update, SYN, stream 1
          "00 00 0000 00000001 00000003 616263");  // data
  for (const std::uint8_t octet : input) ASSERT_TRUE(server.yamux.on_received(Bytes{&octet, 1}));
  EXPECT_EQ(server.opened, std::vector<std::uint32_t>{1});
  EXPECT_EQ(server.received[1], "abc");
  EXPECT_EQ(server.frames_hex(), "000100020000000100000000");
}

TEST(Yamux, AStreamIsGoneOnceBothSidesHaveFinished) {
  End server{Yamux::Role::Server};
  // SYN, data and FIN in one frame.
  ASSERT_TRUE(server.yamux.on_received(hex("00 00 0005 00000001 00000002 6869")));
  EXPECT_EQ(server.received[1], "hi");
  EXPECT_EQ(server.fins, std::vector<std::uint32_t>{1});
  Buffer out;
  server.frames();
  EXPECT_EQ(server.yamux.write(ChannelId{1}, as_bytes("yo"), out, 100), 2U);
  server.yamux.fin(ChannelId{1});
  EXPECT_EQ(to_hex(out) + server.frames_hex(),
            "000000000000000100000002796f"
            "000100040000000100000000");
  EXPECT_EQ(server.yamux.streams(), 0U);
}

TEST(Yamux, SendsNoMoreThanTheWindowUntilItOpens) {
  End client{Yamux::Role::Client};
  const ChannelId id = client.yamux.open();
  const Buffer octets(Yamux::kWindow + 10, 1);
  Buffer out;
  EXPECT_EQ(client.yamux.write(id, octets, out, 1000000), Yamux::kWindow);
  EXPECT_EQ(client.yamux.write(id, octets, out, 1000000), 0U);
  client.writable.clear();
  ASSERT_TRUE(client.yamux.on_received(hex("00 01 0002 00000001 00000005")));
  EXPECT_EQ(client.writable, std::vector<std::uint32_t>{1});
  EXPECT_EQ(client.yamux.write(id, octets, out, 1000000), 5U);
}

TEST(Yamux, OpensTheWindowAgainAfterHalfOfItAndNotBefore) {
  End server{Yamux::Role::Server};
  ASSERT_TRUE(server.yamux.on_received(hex("00 00 0001 00000001 00020000")));
  server.frames();
  ASSERT_TRUE(server.yamux.on_received(Buffer(0x1ffff, 0)));
  EXPECT_EQ(server.frames_hex(), "");
  ASSERT_TRUE(server.yamux.on_received(Buffer(1, 0)));
  EXPECT_EQ(server.frames_hex(), "000100000000000100020000");
}

TEST(Yamux, AnswersPings) {
  End server{Yamux::Role::Server};
  ASSERT_TRUE(server.yamux.on_received(hex("00 02 0001 00000000 deadbeef")));
  EXPECT_EQ(server.frames_hex(), "0002000200000000deadbeef");
  server.yamux.ping(7);
  EXPECT_EQ(server.frames_hex(), "000200010000000000000007");
  ASSERT_TRUE(server.yamux.on_received(hex("00 02 0002 00000000 00000007")));
  EXPECT_EQ(server.pongs, std::vector<std::uint32_t>{7});
}

TEST(Yamux, AfterAGoAwayNoNewStreamsAreOpenedAndNoneAccepted) {
  End client{Yamux::Role::Client};
  client.yamux.open();
  ASSERT_TRUE(client.yamux.on_received(hex("00 03 0000 00000000 00000000")));
  EXPECT_EQ(client.go_aways, std::vector{Yamux::GoAway::Normal});
  EXPECT_FALSE(client.yamux.open());
  client.yamux.go_away(Yamux::GoAway::Normal);
  client.frames();
  ASSERT_TRUE(client.yamux.on_received(hex("00 01 0001 00000002 00000000")));
  EXPECT_EQ(client.frames_hex(), "000100080000000200000000") << "RST";
}

TEST(Yamux, ResetsStreamsBeyondTheLimit) {
  End server{Yamux::Role::Server, {.max_streams = 1}};
  ASSERT_TRUE(
      server.yamux.on_received(hex("00 01 0001 00000001 00000000"
                                   "00 01 0001 00000003 00000000"
                                   "00 00 0000 00000003 00000002 6869")));
  EXPECT_EQ(server.frames_hex(),
            "000100020000000100000000"
            "000100080000000300000000");
  EXPECT_EQ(server.received.count(3), 0U);
}

TEST(Yamux, KeepsStreamsBeyondTheBacklogBackUntilOthersAreAcknowledged) {
  End client{Yamux::Role::Client, {.backlog = 1}};
  client.yamux.open();
  const ChannelId second = client.yamux.open();
  EXPECT_EQ(client.frames_hex(), "000100010000000100000000");
  EXPECT_EQ(client.yamux.writable(second), 0U);
  ASSERT_TRUE(client.yamux.on_received(hex("00 01 0002 00000001 00000000")));
  EXPECT_EQ(client.frames_hex(), "000100010000000300000000");
  EXPECT_EQ(client.yamux.writable(second), Yamux::kWindow);
}

TEST(Yamux, IgnoresWhatIsStillOnItsWayAfterAReset) {
  End client{Yamux::Role::Client};
  const ChannelId id = client.yamux.open();
  client.yamux.reset(id);
  EXPECT_EQ(client.frames_hex(),
            "000100010000000100000000"
            "000100080000000100000000");
  ASSERT_TRUE(
      client.yamux.on_received(hex("00 00 0002 00000001 00000002 6869"
                                   "00 01 0004 00000001 00000000")));
  EXPECT_TRUE(client.received.empty());
  EXPECT_EQ(client.frames_hex(), "");
}

TEST(Yamux, AFarResetEndsTheStream) {
  End client{Yamux::Role::Client};
  client.yamux.open();
  ASSERT_TRUE(client.yamux.on_received(hex("00 00 0008 00000001 00000002 6869")));
  EXPECT_EQ(client.resets, std::vector<std::uint32_t>{1});
  EXPECT_TRUE(client.received.empty());
  EXPECT_EQ(client.yamux.streams(), 0U);
}

struct Violation {
  std::string_view what;
  std::string_view input;
};

class YamuxViolation : public testing::TestWithParam<Violation> {};

// To a server that has stream 1 (opened by the client, and finished by it) and stream 2 (its own).
TEST_P(YamuxViolation, IsAnsweredWithAGoAwayAndEndsTheSession) {
  End server{Yamux::Role::Server};
  server.takes_in = false;
  ASSERT_TRUE(server.yamux.on_received(hex("00 01 0005 00000001 00000000")));
  server.yamux.open();
  server.frames();
  EXPECT_FALSE(server.yamux.on_received(hex(GetParam().input)));
  EXPECT_EQ(server.frames_hex(), "000300000000000000000001") << "go away, protocol error";
  server.yamux.on_received(hex("00 01 0001 00000007 00000000"));
  EXPECT_EQ(server.opened, std::vector<std::uint32_t>{1}) << "nothing is read any more";
  EXPECT_FALSE(server.yamux.open());
}

INSTANTIATE_TEST_SUITE_P(
    All, YamuxViolation,
    testing::Values(
        Violation{"version", "01 00 0000 00000002 00000000"},
        Violation{"type", "00 04 0000 00000000 00000000"},
        Violation{"flags", "00 00 0010 00000002 00000000"},
        Violation{"stream zero", "00 00 0000 00000000 00000001"},
        Violation{"ping on a stream", "00 02 0001 00000002 00000000"},
        Violation{"ping without flags", "00 02 0000 00000000 00000000"},
        Violation{"go away on a stream", "00 03 0000 00000001 00000000"},
        Violation{"go away code", "00 03 0000 00000000 00000003"},
        Violation{"stream of our number", "00 01 0001 00000004 00000000"},
        Violation{"stream opened twice", "00 01 0001 00000001 00000000"},
        Violation{"never opened by us", "00 00 0000 00000004 00000001"},
        Violation{"never opened by them", "00 00 0000 00000009 00000001"},
        Violation{"ack of their own", "00 01 0002 00000001 00000000"},
        Violation{"second ack", "00 01 0002 00000002 00000000 00 01 0002 00000002 00000000"},
        Violation{"second fin", "00 01 0004 00000001 00000000"},
        Violation{"data after fin", "00 00 0000 00000001 00000001 00"},
        Violation{"window overflow", "00 01 0000 00000002 ffffffff"},
        Violation{"longer than any window", "00 00 0000 00000002 00040001"},
        Violation{"longer than any window, unknown stream", "00 00 0001 00000003 ffffffff"}),
    [](const auto& param) {
      std::string name{param.param.what};
      for (char& c : name) {
        if (!isalnum(static_cast<unsigned char>(c))) c = '_';
      }
      return name;
    });

TEST(Yamux, AWindowThatIsExceededInPartsEndsTheSession) {
  End server{Yamux::Role::Server};
  server.takes_in = false;
  ASSERT_TRUE(server.yamux.on_received(hex("00 00 0001 00000001 00040000")));
  ASSERT_TRUE(server.yamux.on_received(Buffer(Yamux::kWindow, 0)));
  EXPECT_FALSE(server.yamux.on_received(hex("00 00 0000 00000001 00000001 00")));
}

TEST(Yamux, WhoAsksForMoreAnswersThanItTakesIsCutOff) {
  End server{Yamux::Role::Server};
  const Buffer ping = hex("00 02 0001 00000000 00000001");
  bool ended = false;
  for (int i = 0; i < 100000 && !ended; ++i) ended = !server.yamux.on_received(ping);
  EXPECT_TRUE(ended);
  const Buffer frames = server.frames();
  EXPECT_LE(frames.size(), 300U * 1024);
  EXPECT_EQ(to_hex(Bytes{frames}.last(12)), "000300000000000000000002") << "internal error";
}

}  // namespace
}  // namespace sallyport::mux
