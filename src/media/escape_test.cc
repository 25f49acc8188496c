#include "media/escape.h"

#include <gtest/gtest.h>

#include "media/carriage_bound.h"

namespace sallyport::media {
namespace {

// A datagram with room before it.
struct Packet {
  explicit Packet(const Buffer& octets) : buffer(kEscapeHeader, 0xee) {
    buffer.insert(buffer.end(), octets.begin(), octets.end());
  }
  MutableBytes datagram() { return MutableBytes{buffer}.subspan(kEscapeHeader); }
  Buffer buffer;
};

TEST(Escape, IsUndoneOctetForOctet) {
  for (unsigned first = 0; first < 256; ++first) {
    const Buffer original{static_cast<std::uint8_t>(first), 1, 2, 3};
    Packet packet{original};
    const MutableBytes record = escape(packet.datagram());
    EXPECT_EQ(record.size(), original.size() + kEscapeHeader);
    const auto back = unescape(record);
    ASSERT_TRUE(back);
    EXPECT_EQ(to_buffer(*back), original);
  }
}

TEST(Escape, IsRefusedWhereverItsHeaderIsCutOrEmpty) {
  Packet packet{{5, 6}};
  const MutableBytes record = escape(packet.datagram());
  for (std::size_t n = 0; n <= kEscapeHeader; ++n)
    EXPECT_EQ(unescape(record.first(n)).error().code, Errc::Truncated) << "cut at " << n;
}

TEST(Escape, OfAnotherVersionOrChannelIsUnsupported) {
  for (const std::size_t octet : {1U, 2U, 3U}) {
    Packet packet{{5, 6}};
    const MutableBytes record = escape(packet.datagram());
    record[octet] = static_cast<std::uint8_t>(record[octet] + 1);
    EXPECT_EQ(unescape(record).error().code, Errc::Unsupported) << "octet " << octet;
  }
}

TEST(BoundCarriage, AddsNothingButToWhatWouldBeTakenForOurs) {
  for (unsigned first = 0; first < 256; ++first) {
    Packet packet{{static_cast<std::uint8_t>(first), 0xaa}};
    const bool escaped = first >= 4 && first <= 15;
    const MutableBytes wrapped = BoundCarriage::wrap(packet.datagram());
    EXPECT_EQ(wrapped.size(), escaped ? 6U : 2U) << first;
    EXPECT_EQ(BoundCarriage::inner_size(wrapped), 2U);
    const auto back = BoundCarriage::unwrap(wrapped);
    ASSERT_TRUE(back);
    EXPECT_EQ(to_buffer(*back), (Buffer{static_cast<std::uint8_t>(first), 0xaa}));
  }
}

}  // namespace
}  // namespace sallyport::media
