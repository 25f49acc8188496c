#include "mux/stream_header.h"

#include <gtest/gtest.h>

#include "base/hex.h"

namespace sallyport::mux {
namespace {

const Buffer kAccepted = *from_hex(
    "01 01 01 00"                                 // version 1, byte stream, signalling
    "8000000000000007"                            // connection, chosen by the edge
    "000000000000002a"                            // listener 42
    "04 13c4 c000020a 000000000000000000000000"   // local 192.0.2.10:5060
    "06 c350 20010db8000000000000000000000001");  // remote [2001:db8::1]:50000

TEST(StreamHeader, IsAsDocumented) {
  const auto header = parse_stream_header(kAccepted);
  ASSERT_TRUE(header);
  EXPECT_EQ(header->kind, StreamKind::ByteStream);
  EXPECT_EQ(header->priority, Priority::Signalling);
  EXPECT_EQ(header->association, 0x8000000000000007U);
  EXPECT_EQ(header->listener, 42U);
  EXPECT_EQ(header->local.to_string(), "192.0.2.10:5060");
  EXPECT_EQ(header->remote.to_string(), "[2001:db8::1]:50000");
  Buffer again;
  encode(*header, again);
  EXPECT_EQ(again, kAccepted);
}

TEST(StreamHeader, WithoutAddressesStaysWithoutAddresses) {
  const StreamHeader header{.kind = StreamKind::Datagrams, .association = 5};
  Buffer octets;
  encode(header, octets);
  EXPECT_EQ(octets.size(), kStreamHeaderSize);
  EXPECT_EQ(*parse_stream_header(octets), header);
}

TEST(StreamHeader, IsRefusedWhereverItIsCut) {
  for (std::size_t n = 0; n < kStreamHeaderSize; ++n)
    EXPECT_FALSE(parse_stream_header(Bytes{kAccepted}.first(n))) << n;
}

TEST(StreamHeader, RefusesWhatThisVersionCannotServe) {
  const auto with = [](std::size_t at, std::uint8_t value) {
    Buffer octets = kAccepted;
    octets[at] = value;
    return parse_stream_header(octets);
  };
  EXPECT_FALSE(with(0, 2)) << "version";
  EXPECT_FALSE(with(1, 0)) << "kind";
  EXPECT_FALSE(with(1, static_cast<std::uint8_t>(StreamKind::Media))) << "reserved kind";
  EXPECT_FALSE(with(2, 3)) << "priority";
  EXPECT_FALSE(with(20, 5)) << "address family";
}

TEST(DatagramHeader, IsAsDocumented) {
  const Buffer octets = *from_hex(
      "0514"                                         // 1300 octets
      "04 13c4 c000020a 000000000000000000000000"    // local 192.0.2.10:5060
      "04 13c4 c6336401 000000000000000000000000");  // remote 198.51.100.1:5060
  const auto header = parse_datagram_header(octets);
  ASSERT_TRUE(header);
  EXPECT_EQ(header->length, 1300U);
  EXPECT_EQ(header->remote.to_string(), "198.51.100.1:5060");
  Buffer again;
  encode(*header, again);
  EXPECT_EQ(again, octets);
  for (std::size_t n = 0; n < kDatagramHeaderSize; ++n)
    EXPECT_FALSE(parse_datagram_header(Bytes{octets}.first(n))) << n;
}

}  // namespace
}  // namespace sallyport::mux
