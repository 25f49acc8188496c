// The headers and records of the tagged carriage, bundles, packets in two parts, and the path's
// MTU.
#include "media/tagged.h"

#include <gtest/gtest.h>

#include "base/hex.h"
#include "base/random.h"
#include "media/bundle.h"
#include "media/path_mtu.h"
#include "media/reassembly.h"

namespace sallyport::media {
namespace {

constexpr TimePoint kStart{std::chrono::hours{1}};

TEST(Tagged, APlainDatagramSaysItsChannel) {
  const Buffer golden = *from_hex("04 02 1234  8000");
  EXPECT_EQ(*parse_plain_header(golden), 0x1234);
  Buffer written(golden.size());
  write_plain_header(written, 0x1234);
  EXPECT_TRUE(std::equal(written.begin(), written.begin() + kPlainHeader, golden.begin()));
  for (std::size_t n = 0; n <= kPlainHeader; ++n)
    EXPECT_EQ(parse_plain_header(Bytes{golden}.first(n)).error().code, Errc::Truncated);
  EXPECT_EQ(parse_plain_header(*from_hex("04 01 0000 80")).error().code, Errc::Unsupported);
}

TEST(Tagged, ASealedHeaderIsReadAsItWasWritten) {
  const SealedHeader header{.epoch = 3, .core = 2, .channel = 0xabcd, .counter = 0x01020304};
  Buffer datagram(kSealedHeader + kSealTag + 1);
  write(header, datagram);
  EXPECT_EQ(to_hex(Bytes{datagram}.first(kSealedHeader)), "0f02abcd01020304");
  EXPECT_EQ(*parse_sealed_header(datagram), header);
  for (std::size_t n = 0; n < datagram.size(); ++n)
    EXPECT_EQ(parse_sealed_header(Bytes{datagram}.first(n)).error().code, Errc::Truncated);
}

TEST(Tagged, RecordsAreReadUpToThePadding) {
  Buffer golden = *from_hex("1003 1234 808182   7000 0001   4003 ffff 2c05aa   00 1234 99");
  RecordReader reader{golden};
  const auto first = reader.next();
  ASSERT_TRUE(first);
  EXPECT_EQ(first->form, Form::Packet);
  EXPECT_EQ(first->channel, 0x1234);
  EXPECT_EQ(to_hex(first->body), "808182");
  const auto second = reader.next();
  ASSERT_TRUE(second);
  EXPECT_EQ(second->form, Form::PathAnswer);
  EXPECT_TRUE(second->body.empty());
  const auto third = reader.next();
  ASSERT_TRUE(third);
  EXPECT_EQ(third->compressed, 0x2c05);
  EXPECT_EQ(to_hex(third->body), "aa");
  EXPECT_FALSE(reader.next());
  EXPECT_TRUE(reader.ok());
}

TEST(Tagged, AShortCompressedRecordIsAsLongAsTheOneBefore) {
  // Generation 5, offsets 5, 6 and 1023; a packet between changes nothing.
  Buffer golden = *from_hex("4004 0001 2c05 aabb  9406 0002 ccdd  1001 0003 ee  97ff 0004 1122");
  RecordReader reader{golden};
  reader.next();
  const auto second = reader.next();
  ASSERT_TRUE(second);
  EXPECT_EQ(second->form, Form::Compressed);
  EXPECT_EQ(second->channel, 2);
  EXPECT_EQ(second->compressed, 5U << 11U | 6U);
  EXPECT_EQ(to_hex(second->body), "ccdd");
  reader.next();
  const auto fourth = reader.next();
  ASSERT_TRUE(fourth);
  EXPECT_EQ(fourth->compressed, 5U << 11U | 1023U);
  EXPECT_EQ(to_hex(fourth->body), "1122");
  Buffer alone = *from_hex("9406 0002 ccdd");
  RecordReader nothing_before{alone};
  EXPECT_FALSE(nothing_before.next());
  EXPECT_FALSE(nothing_before.ok());
}

TEST(Bundle, WritesTheShortestFormOfACompressedPacket) {
  Bundle bundle;
  const auto put = [&](std::uint16_t head, Channel channel, std::string_view payload) {
    const MutableBytes at = bundle.append_compressed(head, channel, payload.size());
    std::copy(payload.begin(), payload.end(), at.begin());
  };
  put(5U << 11U | 5U, 1, "aa");
  put(5U << 11U | 6U, 2, "bb");
  put(5U << 11U | 1U << 10U | 7U, 3, "cc");  // marked
  put(31U << 11U | 1023U, 4, "d");           // another length
  put(31U << 11U | 0U, 5, "e");
  EXPECT_EQ(to_hex(bundle.payload().octets),
            "400400012805"
            "6161"
            "940600026262"
            "400400032c076363"
            "40030004fbff64"
            "fc00000565");
  RecordReader reader{bundle.payload().octets};
  std::vector<std::pair<Channel, unsigned>> read;
  while (const auto record = reader.next()) read.emplace_back(record->channel, record->compressed);
  EXPECT_TRUE(reader.ok());
  EXPECT_EQ(read, (std::vector<std::pair<Channel, unsigned>>{
                      {1, 0x2805}, {2, 0x2806}, {3, 0x2c07}, {4, 0xfbff}, {5, 0xf800}}));
}

TEST(Tagged, ACutRecordIsNoRecord) {
  for (const std::string_view text : {"10", "1003 12", "1003 1234 8081", "4001 1234 80"}) {
    Buffer cut = *from_hex(text);
    RecordReader reader{cut};
    EXPECT_FALSE(reader.next());
    EXPECT_FALSE(reader.ok()) << text;
  }
}

void put(Bundle& bundle, Form form, Channel channel, std::string_view text) {
  const Bytes from = as_bytes(text);
  const MutableBytes body = bundle.append(form, channel, from.size());
  std::copy(from.begin(), from.end(), body.begin());
}

TEST(Bundle, APacketThatIsAloneHasNoRecordHeader) {
  Bundle bundle;
  put(bundle, Form::Packet, 9, "packet");
  EXPECT_EQ(bundle.payload().channel, 9);
  EXPECT_EQ(as_text(bundle.payload().octets), "packet");
}

TEST(Bundle, OthersAreRecordsInTheirOrder) {
  Bundle bundle;
  put(bundle, Form::Compressed, 9, "alone, but no packet");
  EXPECT_EQ(bundle.payload().channel, kNoChannel);
  bundle.clear();
  EXPECT_TRUE(bundle.empty());
  put(bundle, Form::Packet, 1, "one");
  put(bundle, Form::Packet, 2, "two!");
  EXPECT_EQ(bundle.payload().channel, kNoChannel);
  EXPECT_EQ(to_hex(bundle.payload().octets),
            "100300016f6e65"
            "1004000274776f21");
  EXPECT_TRUE(bundle.fits(3, 22));
  EXPECT_FALSE(bundle.fits(4, 22));
}

struct TwoParts : testing::Test {
  static constexpr std::size_t kHeadroom = 8;
  Reassembly reassembly{kHeadroom, 2};
  TimePoint now = kStart;
  Reassembly::Added add(std::uint32_t channel, bool second, std::string_view body) {
    return reassembly.add(channel, second, as_bytes(body), Ecn::NotCapable, now);
  }
};

TEST_F(TwoParts, BecomeOnePacketInEitherOrder) {
  EXPECT_EQ(add(1, false, "\1abc").outcome, Reassembly::Outcome::Waits);
  EXPECT_EQ(add(2, true, "\1DE").outcome, Reassembly::Outcome::Waits);
  const auto one = add(1, true, "\1de");
  ASSERT_EQ(one.outcome, Reassembly::Outcome::Whole);
  EXPECT_EQ(as_text(one.packet), "abcde");
  const auto two = add(2, false, "\1ABC");
  ASSERT_EQ(two.outcome, Reassembly::Outcome::Whole);
  EXPECT_EQ(as_text(two.packet), "ABCDE");
  EXPECT_EQ(reassembly.waiting(), 0U);
}

TEST_F(TwoParts, OfDifferentPacketsAreNotPutTogether) {
  add(1, false, "\1abc");
  const auto other = add(1, true, "\2de");
  EXPECT_EQ(other.outcome, Reassembly::Outcome::Waits);
  EXPECT_TRUE(other.gave_up);
  EXPECT_EQ(add(1, true, "\2de").outcome, Reassembly::Outcome::Waits) << "the same part again";
}

TEST_F(TwoParts, WaitForEachOtherNotForLong) {
  add(1, false, "\1abc");
  EXPECT_EQ(*reassembly.deadline(), now + Reassembly::kLongest);
  now += Reassembly::kLongest;
  EXPECT_EQ(reassembly.expire(now), 1U);
  EXPECT_FALSE(reassembly.deadline());
  EXPECT_EQ(add(1, true, "\1de").outcome, Reassembly::Outcome::Waits);
  EXPECT_EQ(reassembly.forget(1), 1U);
  EXPECT_EQ(reassembly.forget(1), 0U);
}

TEST_F(TwoParts, TakeNoMoreRoomThanThereIs) {
  add(1, false, "\1abc");
  add(2, false, "\1abc");
  EXPECT_EQ(add(3, false, "\1abc").outcome, Reassembly::Outcome::NoRoom);
  EXPECT_EQ(add(1, true, "\1").outcome, Reassembly::Outcome::Malformed);
  const std::string large(Reassembly::kLongestPacket - 2, 'x');
  EXPECT_EQ(add(1, true, "\1" + large).outcome, Reassembly::Outcome::Waits)
      << "together they are too large: another packet's part";
}

// A path that takes so many octets, and answers.
struct Path : testing::Test {
  TimePoint now = kStart;
  std::size_t takes = 1500;
  unsigned probes = 0;

  void run(PathMtu& mtu, Duration how_long) {
    const TimePoint end = now + how_long;
    for (auto due = mtu.deadline(); due && *due <= end; due = mtu.deadline()) {
      now = std::max(now, *due);
      const auto probe = mtu.on_time(now);
      if (!probe) continue;
      ++probes;
      if (probe->size <= takes) mtu.on_answer(probe->number, now);
    }
    now = end;
  }
};

TEST_F(Path, IsTriedUpwardsOnceSomethingWasSent) {
  PathMtu mtu;
  run(mtu, seconds{60});
  EXPECT_EQ(mtu.size(), PathMtu::kBase);
  EXPECT_EQ(probes, 0U);
  EXPECT_TRUE(mtu.on_sent(200, now));
  EXPECT_FALSE(mtu.on_sent(200, now));
  run(mtu, seconds{1});
  EXPECT_EQ(mtu.size(), 1472U);
  PathMtu v6{true};
  EXPECT_EQ(v6.size(), PathMtu::kBaseV6);
  v6.on_sent(200, now);
  run(v6, seconds{1});
  EXPECT_EQ(v6.size(), 1452U);
}

TEST_F(Path, StaysAtWhatItTakes) {
  takes = 1440;
  PathMtu mtu;
  mtu.on_sent(200, now);
  run(mtu, seconds{5});
  EXPECT_EQ(mtu.size(), 1400U);
  probes = 0;
  run(mtu, std::chrono::minutes{9});
  EXPECT_EQ(probes, 0U) << "an idle path is left in peace";
  takes = 1500;
  run(mtu, std::chrono::minutes{2});
  EXPECT_EQ(mtu.size(), 1472U) << "it is tried again after a while";
}

TEST_F(Path, ThatBecameNarrowerIsNoticedWithinSeconds) {
  PathMtu mtu;
  mtu.on_sent(200, now);
  run(mtu, seconds{1});
  takes = 1300;
  mtu.on_sent(1472, now);
  run(mtu, seconds{12});
  EXPECT_EQ(mtu.size(), PathMtu::kBase);
}

TEST_F(Path, AnswersOfOthersAndOfOldProbesCountForNothing) {
  PathMtu mtu{false, 100};
  mtu.on_sent(200, now);
  const auto first = mtu.on_time(now);
  ASSERT_TRUE(first);
  mtu.on_answer(first->number - 1, now);
  mtu.on_answer(first->number + 1, now);
  EXPECT_EQ(mtu.size(), PathMtu::kBase);
  now += seconds{1};
  const auto second = mtu.on_time(now);
  ASSERT_TRUE(second);
  EXPECT_EQ(second->size, first->size);
  mtu.on_answer(first->number, now);  // late, but of the same size
  EXPECT_EQ(mtu.size(), 1400U);
  mtu.reset(false);
  EXPECT_EQ(mtu.size(), PathMtu::kBase);
  EXPECT_FALSE(mtu.deadline());
}

}  // namespace
}  // namespace sallyport::media
