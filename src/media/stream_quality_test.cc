#include "media/stream_quality.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <vector>

namespace sallyport::media {
namespace {

struct Packet {
  std::uint16_t sequence = 0;
  std::uint32_t timestamp = 0;
  TimePoint at{};
};

struct StreamQualityTest : testing::Test {
  StreamQuality quality;
  TimePoint start{std::chrono::hours{1}};
  std::uint32_t ssrc = 0x1234;
  std::uint8_t payload_type = 0;

  void arrive(const Packet& packet) {
    Buffer datagram;
    Writer{datagram}
        .u8(0x80)
        .u8(payload_type)
        .u16(packet.sequence)
        .u32(packet.timestamp)
        .u32(ssrc)
        .bytes(Buffer(160, 0x55));
    quality.on_packet(datagram, packet.at);
  }
  // Voice as it was sent: each 20 ms, from that number on.
  std::vector<Packet> voice(std::uint16_t first, int count, std::uint32_t clock = 8000) const {
    std::vector<Packet> out;
    for (int i = 0; i < count; ++i)
      out.push_back({.sequence = static_cast<std::uint16_t>(first + i),
                     .timestamp = static_cast<std::uint32_t>(i) * clock / 50,
                     .at = start + i * milliseconds{20}});
    return out;
  }
  void arrive(const std::vector<Packet>& packets) {
    for (const Packet& packet : packets) arrive(packet);
  }
};

TEST_F(StreamQualityTest, OfACleanNetworkIsClean) {
  const auto sent = voice(65500, 200);  // over the wrap of the sequence number
  arrive(sent);
  const Quality read = quality.read(sent.back().at + milliseconds{7});
  EXPECT_EQ(read.rtp_packets, 200U);
  EXPECT_EQ(read.lost, 0U);
  EXPECT_EQ(read.reordered, 0U);
  EXPECT_EQ(read.duplicates, 0U);
  EXPECT_EQ(read.clock_rate, 8000U);
  EXPECT_EQ(read.jitter, Duration{});
  EXPECT_EQ(read.largest_gap, milliseconds{20});
  EXPECT_EQ(read.silence, milliseconds{7});
}

TEST_F(StreamQualityTest, LossIsWhatNeverCame) {
  auto sent = voice(10, 100);
  sent.erase(sent.begin() + 40, sent.begin() + 47);
  sent.erase(sent.begin() + 20);
  arrive(sent);
  EXPECT_EQ(quality.read(start).lost, 8U);
  EXPECT_EQ(quality.read(start).largest_gap, milliseconds{160});
}

TEST_F(StreamQualityTest, WhatWasOvertakenIsReorderedNotLost) {
  auto sent = voice(10, 100);
  std::swap(sent[30], sent[31]);
  std::rotate(sent.begin() + 50, sent.begin() + 51, sent.begin() + 55);
  arrive(sent);
  EXPECT_EQ(quality.read(start).lost, 0U);
  EXPECT_EQ(quality.read(start).reordered, 2U);
  EXPECT_EQ(quality.read(start).duplicates, 0U);
}

TEST_F(StreamQualityTest, APacketFromBeforeTheFirstHidesNoLoss) {
  auto sent = voice(10, 50);
  std::swap(sent[0], sent[1]);
  sent.erase(sent.begin() + 20);
  arrive(sent);
  EXPECT_EQ(quality.read(start).lost, 1U);
  EXPECT_EQ(quality.read(start).reordered, 1U);
}

TEST_F(StreamQualityTest, DuplicatesAreCountedOnceEach) {
  for (const Packet& packet : voice(10, 50)) {
    arrive(packet);
    if (packet.sequence % 5 == 0) arrive(packet);
  }
  EXPECT_EQ(quality.read(start).duplicates, 10U);
  EXPECT_EQ(quality.read(start).lost, 0U);
}

// A reference that knows everything that was sent: any mixture of faults is told apart.
TEST_F(StreamQualityTest, AnyMixtureOfFaultsIsCountedRight) {
  std::mt19937 random{7};
  std::vector<Packet> arrivals;
  std::uint64_t lost = 0;
  std::uint64_t duplicated = 0;
  const auto sent = voice(65000, 2000);
  for (std::size_t i = 0; i < sent.size(); ++i) {
    const bool edge = i == 0 || i + 1 == sent.size();
    if (!edge && random() % 20 == 0) {
      ++lost;
      continue;
    }
    arrivals.push_back(sent[i]);
    arrivals.back().at += milliseconds{random() % 50};  // overtakes up to two
    if (edge) arrivals.back().at = sent[i].at + (i == 0 ? milliseconds{0} : milliseconds{60});
    if (!edge && random() % 30 == 0) {
      ++duplicated;
      arrivals.push_back(arrivals.back());
      arrivals.back().at += milliseconds{random() % 100};
    }
  }
  std::stable_sort(arrivals.begin(), arrivals.end(),
                   [](const Packet& a, const Packet& b) { return a.at < b.at; });
  arrive(arrivals);
  const Quality read = quality.read(start);
  EXPECT_EQ(read.lost, lost);
  EXPECT_EQ(read.duplicates, duplicated);
  EXPECT_GT(read.reordered, 100U);
  EXPECT_EQ(read.rtp_packets, arrivals.size());
}

TEST_F(StreamQualityTest, TheClockRateIsFoundOutWhateverItIs) {
  for (const std::uint32_t rate : {8000U, 16000U, 44100U, 48000U, 90000U}) {
    quality = {};
    std::mt19937 random{rate};
    auto sent = voice(1, 150, rate);
    for (Packet& packet : sent) packet.at += milliseconds{random() % 15};
    arrive(sent);
    EXPECT_EQ(quality.read(start).clock_rate, rate);
  }
}

TEST_F(StreamQualityTest, JitterIsThatOfTheNetwork) {
  // Every other packet 10 ms late: each differs from the one before by 10 ms.
  auto sent = voice(1, 500);
  for (std::size_t i = 1; i < sent.size(); i += 2) sent[i].at += milliseconds{10};
  arrive(sent);
  EXPECT_NEAR(std::chrono::duration<double>(quality.read(start).jitter).count(), 0.010, 0.0005);
}

TEST_F(StreamQualityTest, AHoldIsAPauseAndNoFault) {
  auto sent = voice(1, 200);
  for (std::size_t i = 100; i < sent.size(); ++i) {
    sent[i].at += seconds{30};
    sent[i].timestamp += 8000 * 30;
  }
  arrive(sent);
  const Quality read = quality.read(sent.back().at);
  EXPECT_EQ(read.pauses, 1U);
  EXPECT_EQ(read.largest_gap, milliseconds{20});
  EXPECT_EQ(read.lost, 0U);
  EXPECT_EQ(read.jitter, Duration{});
}

TEST_F(StreamQualityTest, AnotherSourceTakesOverWhenTheFirstIsSilent) {
  auto first = voice(1, 100);
  arrive(first);
  ssrc = 0x9999;
  auto second = voice(40000, 100);
  for (Packet& packet : second) packet.at += seconds{3};
  arrive(second);
  const Quality read = quality.read(start);
  EXPECT_EQ(read.ssrc_changes, 1U);
  EXPECT_EQ(read.lost, 0U);
  EXPECT_EQ(read.rtp_packets, 200U);
}

TEST_F(StreamQualityTest, ASourceBesideTheFirstDisturbsNothing) {
  for (const Packet& packet : voice(1, 100)) {
    ssrc = 0x1234;
    arrive(packet);
    ssrc = 0x9999;  // retransmissions, say
    arrive({.sequence = static_cast<std::uint16_t>(packet.sequence * 7),
            .timestamp = packet.timestamp,
            .at = packet.at + milliseconds{1}});
  }
  const Quality read = quality.read(start);
  EXPECT_EQ(read.rtp_packets, 100U);
  EXPECT_EQ(read.ssrc_changes, 0U);
  EXPECT_EQ(read.lost, 0U);
}

TEST_F(StreamQualityTest, ASenderThatBeginsAnewIsNoLoss) {
  auto sent = voice(1, 50);
  for (std::size_t i = 25; i < sent.size(); ++i)
    sent[i].sequence = static_cast<std::uint16_t>(sent[i].sequence + 30000);
  arrive(sent);
  EXPECT_LE(quality.read(start).lost, 1U);
}

TEST_F(StreamQualityTest, WhatIsNoRtpCountsInPausesOnly) {
  const Buffer rtcp{0x80, 200, 0, 1, 0, 0, 0, 9, 0, 0, 0, 0};
  const Buffer runt{0x80, 0};
  quality.on_packet(rtcp, start);
  quality.on_packet(runt, start + seconds{5});
  const Quality read = quality.read(start + seconds{6});
  EXPECT_EQ(read.rtp_packets, 0U);
  EXPECT_EQ(read.pauses, 1U);
  EXPECT_EQ(read.silence, seconds{1});
}

TEST_F(StreamQualityTest, ThatNeverCameHasNoSilence) { EXPECT_FALSE(quality.read(start).silence); }

}  // namespace
}  // namespace sallyport::media
