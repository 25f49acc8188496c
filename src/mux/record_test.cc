#include "mux/record.h"

#include <gtest/gtest.h>

#include "base/hex.h"

namespace sallyport::mux {
namespace {

Buffer hex(std::string_view text) { return *from_hex(text); }

template <typename Value>
Buffer encoded(const Value& value) {
  Buffer out;
  encode(value, out);
  return out;
}

const Buffer kHello =
    hex("01 00 005c"                        // hello, 92 octets
        "01 01 03 00"                       // versions 1 to 1; proxy
        "a0a1a2a3a4a5a6a7a8a9aaabacadaeaf"  // instance
        "b0b1b2b3b4b5b6b7b8b9babbbcbdbebf"  // session
        "0000000000000007"                  // connection 7
        "0000000000012345"                  // received
        "0000000000000000"                  // reserved
        "c0c1c2c3c4c5c6c7c8c9cacbcccdcecfd0d1d2d3d4d5d6d7d8d9dadbdcdddedf");  // proof

const Buffer kAccept =
    hex("02 00 0050"                        // hello-accept, 80 octets
        "01 000000"                         // version 1
        "b0b1b2b3b4b5b6b7b8b9babbbcbdbebf"  // session
        "e0e1e2e3e4e5e6e7e8e9eaebecedeeeff0f1f2f3f4f5f6f7f8f9fafbfcfdfeff"  // secret
        "0000000000054321"                                                  // received
        "00003a98 0000ea60"   // dead after 15 s, life 60 s
        "00000000"            // reserved
        "0000019c0c2b5c00");  // the server's time

const Buffer kRefuse =
    hex("03 00 0015"        // refuse, 21 octets
        "0007 0000"         // already connected
        "000003e8"          // retry after 1 s
        "0000019c0c2b5c00"  // the server's time
        "7477696365");      // "twice"

TEST(Record, HelloIsAsDocumented) {
  const auto hello = parse_hello(Bytes{kHello}.subspan(kRecordHeaderSize));
  ASSERT_TRUE(hello);
  EXPECT_EQ(hello->way, WayKind::Proxy);
  EXPECT_EQ(hello->connection, 7U);
  EXPECT_EQ(hello->received, 0x12345U);
  EXPECT_TRUE(hello->resumes());
  EXPECT_EQ(hello->proof.back(), 0xdf);
  EXPECT_EQ(encoded(*hello), kHello);
}

TEST(Record, HelloAcceptIsAsDocumented) {
  const auto accept = parse_hello_accept(Bytes{kAccept}.subspan(kRecordHeaderSize));
  ASSERT_TRUE(accept);
  EXPECT_EQ(accept->received, 0x54321U);
  EXPECT_EQ(accept->dead_after, seconds{15});
  EXPECT_EQ(accept->life, seconds{60});
  EXPECT_EQ(encoded(*accept), kAccept);
}

TEST(Record, RefuseIsAsDocumented) {
  const auto refusal = parse_refusal(Bytes{kRefuse}.subspan(kRecordHeaderSize));
  ASSERT_TRUE(refusal);
  EXPECT_EQ(refusal->code, RefusalCode::AlreadyConnected);
  EXPECT_EQ(refusal->retry_after, seconds{1});
  EXPECT_EQ(refusal->text, "twice");
  EXPECT_EQ(encoded(*refusal), kRefuse);
}

TEST(Record, IsRefusedWhereverItIsCut) {
  for (std::size_t n = 0; n < kHelloSize; ++n)
    EXPECT_FALSE(parse_hello(Bytes{kHello}.subspan(kRecordHeaderSize, n))) << n;
  for (std::size_t n = 0; n < kHelloAcceptSize; ++n)
    EXPECT_FALSE(parse_hello_accept(Bytes{kAccept}.subspan(kRecordHeaderSize, n))) << n;
  for (std::size_t n = 0; n < 16; ++n)
    EXPECT_FALSE(parse_refusal(Bytes{kRefuse}.subspan(kRecordHeaderSize, n))) << n;
  EXPECT_FALSE(parse_close(Buffer{0}));
  EXPECT_FALSE(parse_number(Buffer(7)));
}

TEST(Record, RefusesValuesThatCannotBe) {
  EXPECT_FALSE(parse_hello(Bytes{encoded(Hello{.connection = 0})}.subspan(kRecordHeaderSize)));
  EXPECT_FALSE(parse_hello(
      Bytes{encoded(Hello{.least_version = 3, .greatest_version = 2})}.subspan(kRecordHeaderSize)));
  HelloAccept accept{.session = {1}};
  accept.dead_after = milliseconds{0};
  EXPECT_FALSE(parse_hello_accept(Bytes{encoded(accept)}.subspan(kRecordHeaderSize)));
  EXPECT_FALSE(parse_close(Buffer(2 + kMaxText + 1, 'x')));
}

TEST(Record, RefusesTimesThatNoClockHolds) {
  Buffer refuse = kRefuse;
  const std::size_t time_at = kRecordHeaderSize + 8;
  for (std::size_t i = 0; i < 8; ++i) refuse[time_at + i] = i < 2 ? 0x00 : 0xff;
  EXPECT_FALSE(parse_refusal(Bytes{refuse}.subspan(kRecordHeaderSize)));
  refuse[time_at + 2] = 0x00;  // 2^40 ms: the year 2004
  EXPECT_TRUE(parse_refusal(Bytes{refuse}.subspan(kRecordHeaderSize)));
}

TEST(Record, TextsAreShortenedRatherThanRefusedByTheFarSide) {
  const Buffer record = encoded(Close{.code = CloseCode::Normal, .text = std::string(5000, 'x')});
  const auto close = parse_close(Bytes{record}.subspan(kRecordHeaderSize));
  ASSERT_TRUE(close);
  EXPECT_EQ(close->text.size(), kMaxText);
}

TEST(RecordReader, ReadsRecordsHoweverTheyAreCut) {
  Buffer stream = kHello;
  encode_number(RecordType::Ping, 42, stream);
  encode_data(as_bytes("octets"), stream);
  for (std::size_t chunk = 1; chunk <= stream.size(); ++chunk) {
    RecordReader reader;
    std::vector<std::pair<RecordType, Buffer>> got;
    for (std::size_t at = 0; at < stream.size(); at += chunk) {
      reader.feed(Bytes{stream}.subspan(at, std::min(chunk, stream.size() - at)));
      while (true) {
        const auto record = reader.next();
        ASSERT_TRUE(record);
        if (!*record) break;
        got.emplace_back((*record)->type, to_buffer((*record)->body));
      }
    }
    ASSERT_EQ(got.size(), 3U) << "chunks of " << chunk;
    EXPECT_EQ(got[0].second, to_buffer(Bytes{kHello}.subspan(kRecordHeaderSize)));
    EXPECT_EQ(as_text(got[2].second), "octets");
  }
}

TEST(RecordReader, GivesBackWhatFollowsARecord) {
  Buffer stream = kAccept;
  Writer{stream}.bytes(as_bytes("what follows"));
  RecordReader reader;
  reader.feed(Bytes{stream}.first(10));
  EXPECT_FALSE(*reader.next());
  reader.feed(Bytes{stream}.subspan(10));
  ASSERT_TRUE(*reader.next());
  EXPECT_EQ(as_text(reader.take_rest()), "what follows");
}

TEST(RecordReader, RefusesUnknownTypesAndLengthsBeyondTheLimit) {
  for (const std::string_view bad : {"00000000", "0b000000", "05003ffd", "0500ffff"}) {
    RecordReader reader;
    const Buffer octets = hex(bad);
    reader.feed(octets);
    EXPECT_FALSE(reader.next()) << bad;
  }
  RecordReader reader;
  const Buffer longest = hex("05003ffc");
  reader.feed(longest);
  EXPECT_TRUE(reader.next());
}

}  // namespace
}  // namespace sallyport::mux
