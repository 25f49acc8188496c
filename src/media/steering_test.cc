#include "media/steering.h"

#include <gtest/gtest.h>

namespace sallyport::media {
namespace {

TEST(Steering, SpreadsSourcesThatFollowOneAnother) {
  for (const unsigned cores : {2U, 3U, 4U, 7U, 8U}) {
    std::vector<unsigned> ports(cores);
    std::vector<unsigned> hosts(cores);
    std::vector<unsigned> v6_hosts(cores);
    constexpr unsigned kSources = 1000;
    for (unsigned i = 0; i < kSources; ++i) {
      const auto low = static_cast<std::uint8_t>(i);
      const auto high = static_cast<std::uint8_t>(i >> 8U);
      ++ports[steered_by_source(
          {.ip = IpAddress::v4({203, 0, 113, 7}), .port = static_cast<std::uint16_t>(40000 + i)},
          cores)];
      ++hosts[steered_by_source({.ip = IpAddress::v4({10, 1, high, low}), .port = 5060}, cores)];
      std::array<std::uint8_t, 16> v6{0x20, 0x01, 0x0d, 0xb8};
      v6[14] = high;
      v6[15] = low;
      ++v6_hosts[steered_by_source({.ip = IpAddress::v6(v6), .port = 5060}, cores)];
    }
    for (const auto& shares : {ports, hosts, v6_hosts})
      for (const unsigned share : shares) {
        EXPECT_GT(share, kSources / cores / 2) << cores;
        EXPECT_LT(share, kSources / cores * 3 / 2) << cores;
      }
  }
}

TEST(Steering, TaggedDatagramsGoByTheirOwnerAndOthersByTheirSource) {
  const TransportAddress source{.ip = IpAddress::v4({192, 0, 2, 1}), .port = 4000};
  const Core by_source = steered_by_source(source, 8);
  const auto other = static_cast<std::uint8_t>((by_source + 1) % kMaxOwners);
  const auto high = static_cast<std::uint8_t>(records_of(other) >> 8U);
  EXPECT_EQ(steered(Buffer{0x0d, 0, high, 0, 9}, source, 8), other);
  EXPECT_EQ(steered(Buffer{0x04, 2, high, 0, 9}, source, 8), other);
  EXPECT_EQ(steered(Buffer{0x0d, 0, high, 0, 9}, source, 2), other % 2);
  EXPECT_EQ(steered(Buffer{0x04, 1, high, 0, 9}, source, 8), by_source) << "an escape";
  EXPECT_EQ(steered(Buffer{0x08, 1, high, 0, 9}, source, 8), by_source) << "a probe";
  EXPECT_EQ(steered(Buffer{0x80, 0, high, 0, 9}, source, 8), by_source) << "RTP";
  EXPECT_EQ(steered(Buffer{0x0d}, source, 8), by_source) << "no whole header";
  EXPECT_EQ(steered(Buffer{}, source, 8), by_source);
}

}  // namespace
}  // namespace sallyport::media
