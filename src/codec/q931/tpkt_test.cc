#include "codec/q931/tpkt.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "base/hex.h"

namespace sallyport::codec::q931 {
namespace {

Buffer hex(const std::string& text) { return from_hex(text).value_or(Buffer{}); }

// What comes out of a stream that arrives in pieces of this size: payloads in hex, and at the end
// "more" or the error.
std::vector<std::string> split(Bytes stream, std::size_t piece) {
  TpktReader reader;
  std::vector<std::string> out;
  for (std::size_t at = 0; at < stream.size(); at += piece) {
    reader.push(stream.subspan(at, std::min(piece, stream.size() - at)));
    for (;;) {
      const auto payload = reader.next();
      if (!payload && payload.error().code == Errc::Truncated) break;
      if (!payload) {
        out.emplace_back(name(payload.error().code));
        return out;
      }
      out.push_back(to_hex(*payload));
    }
  }
  if (reader.buffered() > 0) out.emplace_back("more");
  return out;
}
using Payloads = std::vector<std::string>;

TEST(TpktReader, CutsMessagesHoweverTheyArrive) {
  const Buffer stream = hex("03000006 0802 0300000a 010203040506 03ff0005 aa");
  for (std::size_t piece = 1; piece <= stream.size(); ++piece)
    EXPECT_EQ(split(stream, piece), (Payloads{"0802", "010203040506", "aa"})) << piece;
}

TEST(TpktReader, SkipsKeepalives) {
  EXPECT_EQ(split(hex("03000004 03000004 03000005 aa 03000004"), 3), Payloads{"aa"});
}

TEST(TpktReader, WaitsForTheRest) {
  EXPECT_EQ(split(hex("03"), 1), Payloads{"more"});
  EXPECT_EQ(split(hex("03000006 08"), 5), Payloads{"more"});
}

TEST(TpktReader, GivesUpAtWhatIsNoTpkt) {
  EXPECT_EQ(split(hex("0802"), 1), Payloads{"bad_value"});
  EXPECT_EQ(split(hex("03000003"), 4), Payloads{"bad_value"});
  EXPECT_EQ(split(hex("03000000"), 4), Payloads{"bad_value"});
  EXPECT_EQ(split(hex("03000005 aa 16030100"), 9), (Payloads{"aa", "bad_value"}));
}

TEST(TpktReader, StaysRefused) {
  TpktReader reader;
  reader.push(hex("0200"));
  EXPECT_EQ(reader.next().error().code, Errc::BadValue);
  reader.push(hex("03000005aa"));
  EXPECT_EQ(reader.next().error().code, Errc::BadValue);
}

TEST(TpktReader, KeepsNoMoreThanWhatIsOpen) {
  TpktReader reader;
  const Buffer packet = encode_tpkt(Buffer(1000, 7));
  for (int i = 0; i < 1000; ++i) {
    reader.push(packet);
    ASSERT_EQ(reader.next()->size(), 1000U);
    ASSERT_EQ(reader.buffered(), 0U);
  }
}

TEST(Tpkt, CarriesTheLongestPayload) {
  const Buffer packet = encode_tpkt(Buffer(kMaxTpktPayload, 1));
  EXPECT_EQ(to_hex(Bytes{packet}.first(4)), "0300ffff");
  TpktReader reader;
  reader.push(packet);
  EXPECT_EQ(reader.next()->size(), kMaxTpktPayload);
}

}  // namespace
}  // namespace sallyport::codec::q931
