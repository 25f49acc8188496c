#include "media/rtp_compression.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include <map>

#include "base/random.h"

namespace sallyport::media {
namespace {

constexpr TimePoint kStart{std::chrono::hours{1}};

struct Rtp {
  std::uint8_t first = 0x80;
  bool marker = false;
  std::uint8_t type = 18;
  std::uint16_t sequence = 0;
  std::uint32_t timestamp = 0;
  std::uint32_t ssrc = 0xfeedface;

  Buffer octets(std::size_t payload = 20) const {
    Buffer out;
    Writer{out}.u8(first).u8(static_cast<std::uint8_t>((marker ? 0x80 : 0) | type));
    Writer{out}.u16(sequence).u32(timestamp).u32(ssrc);
    for (std::size_t i = 0; i < payload; ++i)
      out.push_back(static_cast<std::uint8_t>(sequence * 7U + i));
    return out;
  }
};

struct Sent {
  RtpCompressor::How how;
  std::uint16_t head;
  Buffer body;
};
Sent compress(RtpCompressor& compressor, Bytes packet, TimePoint now) {
  const RtpCompressor::Plan plan = compressor.plan(packet, now);
  Sent out{.how = plan.how, .head = plan.head, .body = Buffer(plan.size)};
  RtpCompressor::write(plan, packet, out.body);
  return out;
}
// Nothing: it is dropped.
std::optional<Buffer> decompress(RtpDecompressor& decompressor, Sent sent, TimePoint now) {
  switch (sent.how) {
    case RtpCompressor::How::Whole:
      return sent.body;
    case RtpCompressor::How::Reference: {
      const auto packet = decompressor.on_reference(sent.body, now);
      if (!packet) return std::nullopt;
      return to_buffer(*packet);
    }
    case RtpCompressor::How::Compressed:
      break;
  }
  Buffer out(2048);
  const auto size = decompressor.on_compressed(sent.head, sent.body, now, out);
  if (!size) return std::nullopt;
  out.resize(*size);
  return out;
}

struct Stream : testing::Test {
  RtpCompressor compressor;
  RtpDecompressor decompressor;
  TimePoint now = kStart;
  Rtp rtp;
  std::map<RtpCompressor::How, unsigned> counts;

  Sent send() {
    Sent sent = compress(compressor, rtp.octets(), now);
    ++counts[sent.how];
    return sent;
  }
  void next() {
    ++rtp.sequence;
    rtp.timestamp += 160;
    rtp.marker = false;
    now += milliseconds{20};
  }
  void expect_exact(const Sent& sent) {
    const auto out = decompress(decompressor, sent, now);
    ASSERT_TRUE(out);
    ASSERT_EQ(*out, rtp.octets());
  }
};

TEST_F(Stream, OfSteadyPacketsCostsTwoOctetsForMostHeaders) {
  rtp.sequence = 65000;
  rtp.timestamp = 0xffffff00;
  for (int i = 0; i < 3000; ++i, next()) expect_exact(send());
  EXPECT_LE(counts[RtpCompressor::How::Whole], 1U);
  EXPECT_GT(counts[RtpCompressor::How::Compressed], 2900U);
  EXPECT_EQ(send().body.size(), 20U);
}

TEST_F(Stream, ThatPausesGoesOnWithANewReference) {
  for (int burst = 0; burst < 20; ++burst) {
    rtp.marker = true;
    for (int i = 0; i < 100; ++i, next()) expect_exact(send());
    rtp.timestamp += 4321;
    now += seconds{1};
  }
  EXPECT_GT(counts[RtpCompressor::How::Compressed], 1700U);
}

TEST_F(Stream, PacketsThatAreNotPlainRtpGoWhole) {
  for (int i = 0; i < 10; ++i, next()) expect_exact(send());
  for (const int first : {0x00, 0x81, 0x90, 0xa0}) {  // another version, CSRC, ext., padding
    rtp.first = static_cast<std::uint8_t>(first);
    EXPECT_EQ(send().how, RtpCompressor::How::Whole);
  }
  rtp.first = 0x80;
  rtp.type = 72;  // RTCP's 200
  EXPECT_EQ(send().how, RtpCompressor::How::Whole);
  EXPECT_EQ(compress(compressor, as_bytes("short"), now).how, RtpCompressor::How::Whole);
}

TEST_F(Stream, AReferenceThatWasLostIsRepeatedSoon) {
  std::vector<bool> came;
  for (int i = 0; i < 200; ++i, next()) {
    const Sent sent = send();
    // The reference and everything else for 100 ms are lost.
    came.push_back(i >= 6 && decompress(decompressor, sent, now).has_value());
  }
  const auto first = std::find(came.begin(), came.end(), true);
  EXPECT_LT(first - came.begin(), 12);
  EXPECT_EQ(std::count(first, came.end(), true), came.end() - first) << "and none is lost then";
}

TEST_F(Stream, AReceiverForgetsAReferenceThatItHasNotHeardForTenSeconds) {
  std::optional<Sent> compressed;
  for (int i = 0; i < 8; ++i, next()) {
    const Sent sent = send();
    if (sent.how == RtpCompressor::How::Compressed)
      compressed = sent;
    else
      decompress(decompressor, sent, now);
  }
  ASSERT_TRUE(compressed);
  EXPECT_TRUE(decompress(decompressor, *compressed, now));
  now += kReferenceLives;
  EXPECT_FALSE(decompress(decompressor, *compressed, now));
}

TEST_F(Stream, ANumberRestsBeforeItMeansAnotherReference) {
  std::map<unsigned, TimePoint> given_up;
  std::optional<unsigned> last;
  unsigned reused = 0;
  for (int i = 0; i < 20000; ++i, next()) {
    if (i % 3 == 0) rtp.timestamp += 777;  // never steady for long
    const Sent sent = send();
    if (sent.how == RtpCompressor::How::Whole) continue;
    const unsigned generation = sent.head >> 11U;
    if (last && *last != generation) given_up[*last] = now;
    if (last != generation && given_up.contains(generation)) {
      ++reused;
      ASSERT_GE(now - given_up[generation], kNumberRests);
    }
    last = generation;
  }
  EXPECT_GT(reused, 100U);
}

// Whatever a stream does, and whatever becomes of its datagrams: what comes out went in.
RC_GTEST_PROP(RtpCompression, NeverChangesAPacket, (std::uint64_t seed)) {
  SeededRandom random{seed};
  RtpCompressor compressor;
  RtpDecompressor decompressor;
  TimePoint now = kStart;
  Rtp rtp{.sequence = static_cast<std::uint16_t>(random.u64()),
          .timestamp = static_cast<std::uint32_t>(random.u64())};
  std::uint32_t step = 160;
  struct InFlight {
    Sent sent;
    Buffer packet;
  };
  std::multimap<TimePoint, InFlight> flying;
  const auto loss = random.below(60);
  std::size_t came = 0;
  for (int i = 0; i < 1500; ++i) {
    switch (random.below(200)) {
      case 0:
        rtp.ssrc = static_cast<std::uint32_t>(random.u64());
        break;
      case 1:
        rtp.type = static_cast<std::uint8_t>(random.below(128));
        break;
      case 2:
        rtp.timestamp += static_cast<std::uint32_t>(random.below(100000));
        rtp.marker = true;
        break;
      case 3:
        rtp.sequence = static_cast<std::uint16_t>(rtp.sequence + random.below(2000));
        break;
      case 4:
        step = static_cast<std::uint32_t>(random.below(1000));
        break;
      case 5:
        rtp.first = static_cast<std::uint8_t>(random.u64());
        break;
      case 6:
        now += milliseconds{static_cast<std::int64_t>(random.below(15000))};
        break;
      case 7:
        rtp.sequence = static_cast<std::uint16_t>(rtp.sequence - random.below(10));
        break;
      default:
        rtp.first = 0x80;
    }
    const Buffer packet = rtp.octets(random.below(40));
    const Sent sent = compress(compressor, packet, now);
    for (int copy = 0; copy < (random.below(20) == 0 ? 2 : 1); ++copy)
      if (random.below(100) >= loss)
        flying.emplace(now + milliseconds{static_cast<std::int64_t>(
                                 random.below(random.below(30) == 0 ? 8000 : 60))},
                       InFlight{sent, packet});
    ++rtp.sequence;
    rtp.timestamp += step;
    rtp.marker = random.below(10) == 0;
    now += milliseconds{20};
    while (!flying.empty() && flying.begin()->first <= now) {
      const auto one = flying.extract(flying.begin());
      const auto out = decompress(decompressor, one.mapped().sent, one.key());
      if (!out) continue;
      ++came;
      RC_ASSERT(*out == one.mapped().packet);
    }
  }
  RC_ASSERT(came > 100U);
}

}  // namespace
}  // namespace sallyport::media
