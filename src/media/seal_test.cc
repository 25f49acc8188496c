// Sealing: golden vectors (docs/PROTOCOL.md prints them; made with Python's `cryptography`), keys
// and their order, replays, and whatever is altered.
#include "media/seal.h"

#include <gtest/gtest.h>

#include <numeric>

#include "base/hex.h"
#include "base/random.h"
#include "media/key_ring.h"

namespace sallyport::media {
namespace {

constexpr TimePoint kStart{std::chrono::hours{1}};

MediaSecret golden_secret() {
  MediaSecret out{};
  std::iota(out.begin(), out.end(), std::uint8_t{0x20});
  return out;
}

// A payload with the room that sealing needs.
struct Room {
  explicit Room(Bytes payload) : octets(kSealedHeader, 0), size(payload.size()) {
    octets.insert(octets.end(), payload.begin(), payload.end());
    octets.resize(octets.size() + kSealTag);
  }
  MutableBytes payload() { return MutableBytes{octets}.subspan(kSealedHeader, size); }
  Buffer octets;
  std::size_t size;
};

struct Vector {
  SealAlgorithm algorithm;
  std::string_view key, iv;
  std::string_view packet;   // counter 0, channel 0x1234
  std::string_view records;  // counter 1, channel 0
};
constexpr std::array<Vector, 2> kVectors{{
    {SealAlgorithm::Aes128Gcm, "25c950eec4032a4b54606e35cde1177c", "f60af359d4873b437ad9a4fd",
     "0d001234000000004a27f72f1b92bc282f1a0320f175bd247b48141b6f993c998164fe790ad862",
     "0d000000000000010823973785bbb6a2223482bfcd102db9092124c0c3f18ff46d2cbe887b7c"},
    {SealAlgorithm::ChaCha20Poly1305,
     "ef8b76dc1092bf9cd364cf86ec6bf66bc677441e6c02e81d0190d5acc6c6791e", "f4f00a6ff359f981496a32be",
     "0d001234000000004d8210d1490596bd2203ce0c591c4ff8410c1be2b31e67c45d124b169a103a",
     "0d00000000000001b9af8bacf2fb0a7be1d03db025abc8338e8452d2fc8397259b7c8e9764c5"},
}};
const Buffer kPacket = *from_hex("80000001000000a0feedface616263");
const Buffer kTwoRecords = *from_hex("1003 1234 808182  1002 1235 9091  00");

TEST(Seal, MakesTheGoldenVectors) {
  for (const Vector& golden : kVectors) {
    const SealKey key = derive(golden_secret(), Direction::AgentToServer, 0, golden.algorithm);
    const Buffer expected = *from_hex(golden.key);
    EXPECT_TRUE(std::equal(expected.begin(), expected.end(), key.key.begin()));
    EXPECT_EQ(to_hex(key.iv), golden.iv);
    Sealer sealer{key, golden.algorithm};
    Room packet{kPacket};
    EXPECT_EQ(to_hex(sealer.seal({.epoch = 1, .channel = 0x1234}, packet.payload())),
              golden.packet);
    Room records{kTwoRecords};
    EXPECT_EQ(to_hex(sealer.seal({.epoch = 1}, records.payload())), golden.records);
  }
}

TEST(Seal, OpensWhatWasSealedOnceAndInAnyOrder) {
  for (const Vector& golden : kVectors) {
    const SealKey key = derive(golden_secret(), Direction::AgentToServer, 0, golden.algorithm);
    Opener opener{key, golden.algorithm};
    for (const auto& [text, payload] :
         {std::pair{golden.records, kTwoRecords}, std::pair{golden.packet, kPacket}}) {
      Buffer datagram = *from_hex(text);
      const auto header = parse_sealed_header(datagram);
      ASSERT_TRUE(header);
      const auto opened = opener.open(*header, datagram);
      ASSERT_EQ(opened.outcome, Opener::Outcome::Opened);
      EXPECT_EQ(to_buffer(opened.payload), payload);
      Buffer again = *from_hex(text);
      EXPECT_EQ(opener.open(*header, again).outcome, Opener::Outcome::Replayed);
    }
  }
}

TEST(Seal, RefusesADatagramWithAnyOneBitChanged) {
  for (const Vector& golden : kVectors) {
    const SealKey key = derive(golden_secret(), Direction::AgentToServer, 0, golden.algorithm);
    const Buffer genuine = *from_hex(golden.packet);
    for (std::size_t bit = 0; bit < genuine.size() * 8; ++bit) {
      Opener opener{key, golden.algorithm};
      Buffer altered = genuine;
      altered[bit / 8] ^= static_cast<std::uint8_t>(1U << bit % 8);
      const auto header = parse_sealed_header(altered);
      if (!header) continue;
      // Epoch and core choose the key; all the rest is authenticated, they are as well.
      EXPECT_EQ(opener.open(*header, altered).outcome, Opener::Outcome::BadTag) << "bit " << bit;
    }
  }
}

TEST(Seal, HasAnotherKeyAndIvForEachDirectionCoreAlgorithmAndSecret) {
  std::vector<SealKey> keys;
  for (const Direction direction : {Direction::AgentToServer, Direction::ServerToAgent})
    for (const int core : {0, 1, 2})
      for (const SealAlgorithm algorithm :
           {SealAlgorithm::Aes128Gcm, SealAlgorithm::ChaCha20Poly1305})
        for (const int first : {1, 2}) {
          MediaSecret secret{};
          secret[0] = static_cast<std::uint8_t>(first);
          keys.push_back(derive(secret, direction, static_cast<std::uint8_t>(core), algorithm));
        }
  for (std::size_t i = 0; i < keys.size(); ++i)
    for (std::size_t j = 0; j < i; ++j) {
      EXPECT_NE(keys[i].key, keys[j].key);
      EXPECT_NE(keys[i].iv, keys[j].iv);
    }
}

TEST(ReplayWindow, TakesEachCounterOnceAndNothingOlderThanItself) {
  SeededRandom random{4};
  ReplayWindow window;
  std::vector<bool> seen(20000);
  std::uint64_t highest = 0;
  for (int i = 0; i < 100000; ++i) {
    // Around the highest, with leaps.
    const std::uint64_t from = highest > 1500 ? highest - 1500 : 0;
    const std::uint64_t counter = std::min<std::uint64_t>(
        from + random.below(random.below(50) == 0 ? 4000 : 1520), seen.size() - 1);
    const bool any = highest > 0 || seen[0];
    const bool expected =
        !any || counter > highest ||
        (highest - counter < ReplayWindow::kSize && !seen[static_cast<std::size_t>(counter)]);
    ASSERT_EQ(window.is_fresh(counter), expected) << counter << " of " << highest;
    if (!expected) continue;
    window.mark(counter);
    seen[static_cast<std::size_t>(counter)] = true;
    highest = std::max(highest, counter);
  }
  EXPECT_EQ(highest, seen.size() - 1);
}

TEST(ReplayWindow, TellsTheHighBitsOfACounterFromItsLowOnes) {
  ReplayWindow window;
  EXPECT_EQ(window.expand(0xffffffff), 0xffffffffU);
  for (const std::uint64_t counter :
       {std::uint64_t{5}, std::uint64_t{0x70000000}, std::uint64_t{0xe0000000},
        std::uint64_t{0x120000003}, std::uint64_t{0x120000001}, std::uint64_t{0x180000001}}) {
    ASSERT_EQ(window.expand(static_cast<std::uint32_t>(counter)), counter);
    window.mark(counter);
  }
}

struct Ring : testing::Test {
  KeyRing agent, server;
  TimePoint now = kStart;

  static KeysOfConnection keys(std::uint64_t connection, Direction sends) {
    KeysOfConnection out{.connection = connection, .sends = sends};
    out.secret[0] = static_cast<std::uint8_t>(connection);
    return out;
  }
  void install_at_agent(std::uint64_t connection) {
    agent.install(keys(connection, Direction::AgentToServer), now);
  }
  void install_at_server(std::uint64_t connection) {
    server.install(keys(connection, Direction::ServerToAgent), now);
  }
  Buffer seal(KeyRing& from) {
    Room room{kPacket};
    const auto sealed = from.seal(7, room.payload(), now);
    EXPECT_TRUE(sealed);
    return to_buffer(*sealed);
  }
  KeyRing::Outcome open(KeyRing& at, Buffer datagram) const {
    return at.open(*parse_sealed_header(datagram), datagram, now).outcome;
  }
  static unsigned epoch_of(const Buffer& datagram) { return datagram.front() & 3U; }
};

TEST_F(Ring, WithoutKeysNothingIsSealedAndNothingOpened) {
  Room room{kPacket};
  EXPECT_FALSE(agent.seal(7, room.payload(), now));
  install_at_server(1);
  EXPECT_EQ(open(agent, seal(server)), KeyRing::Outcome::UnknownEpoch);
}

TEST_F(Ring, OneEndOpensWhatTheOtherSealsAndNotWhatItSealedItself) {
  install_at_agent(1);
  install_at_server(1);
  EXPECT_EQ(open(server, seal(agent)), KeyRing::Outcome::Opened);
  EXPECT_EQ(open(agent, seal(server)), KeyRing::Outcome::Opened);
  EXPECT_EQ(open(agent, seal(agent)), KeyRing::Outcome::BadTag) << "reflected";
}

TEST_F(Ring, NewKeysAreUsedWithoutAGap) {
  install_at_agent(1);
  install_at_server(1);
  install_at_server(2);
  EXPECT_EQ(epoch_of(seal(server)), 1U) << "the agent may not have them yet";
  install_at_agent(2);
  EXPECT_EQ(epoch_of(seal(agent)), 1U);
  now += KeyRing::kAgentSendsAfter;
  const Buffer first = seal(agent);
  EXPECT_EQ(epoch_of(first), 2U);
  EXPECT_EQ(open(server, first), KeyRing::Outcome::Opened);
  const Buffer answer = seal(server);
  EXPECT_EQ(epoch_of(answer), 2U) << "something good came under them";
  EXPECT_EQ(open(agent, answer), KeyRing::Outcome::Opened);
}

TEST_F(Ring, AServerThatHearsNothingSendsWithNewKeysAfterAWhile) {
  install_at_server(1);
  install_at_server(2);
  now += KeyRing::kServerSendsAfter;
  EXPECT_EQ(epoch_of(seal(server)), 2U);
}

TEST_F(Ring, OldKeysLiveForAWhileAfterTheNewOnesAreInUse) {
  install_at_agent(1);
  install_at_server(1);
  const Buffer old = seal(agent);
  const Buffer older = seal(agent);
  install_at_agent(2);
  install_at_server(2);
  now += std::chrono::minutes{5};
  EXPECT_EQ(open(server, seal(agent)), KeyRing::Outcome::Opened);
  now += KeyRing::kOldLive - milliseconds{1};
  EXPECT_EQ(open(server, old), KeyRing::Outcome::Opened);
  now += milliseconds{1};
  EXPECT_EQ(open(server, older), KeyRing::Outcome::UnknownEpoch);
}

TEST_F(Ring, TheSameKeysAgainDoNotBeginTheCountersAnew) {
  install_at_agent(1);
  const Buffer first = seal(agent);
  install_at_agent(1);
  EXPECT_NE(seal(agent), first);
}

TEST_F(Ring, AConnectionWithTheSameEpochTakesItsPlace) {
  install_at_agent(1);
  install_at_server(1);
  const Buffer old = seal(agent);
  install_at_server(5);
  install_at_agent(5);
  EXPECT_EQ(open(server, old), KeyRing::Outcome::BadTag);
  EXPECT_EQ(open(server, seal(agent)), KeyRing::Outcome::Opened);
}

TEST_F(Ring, OpensWhatAnotherCoreSealedUpToItsLimit) {
  install_at_server(1);
  for (const std::uint8_t core : {std::uint8_t{1}, std::uint8_t{7}}) {
    KeyRing other{core};
    other.install(keys(1, Direction::AgentToServer), now);
    EXPECT_EQ(open(server, seal(other)), KeyRing::Outcome::Opened);
  }
  KeyRing beyond{KeyRing::kMaxCores};
  beyond.install(keys(1, Direction::AgentToServer), now);
  EXPECT_EQ(open(server, seal(beyond)), KeyRing::Outcome::UnknownEpoch);
}

}  // namespace
}  // namespace sallyport::media
