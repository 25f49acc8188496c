#include "base/hex.h"

#include <gtest/gtest.h>

namespace sallyport {
namespace {

TEST(Hex, RoundTripsEveryOctet) {
  Buffer all;
  for (unsigned i = 0; i < 256; ++i) all.push_back(static_cast<std::uint8_t>(i));
  EXPECT_EQ(from_hex(to_hex(all)), all);
}

TEST(Hex, SkipsWhiteSpaceBetweenOctetsOnly) {
  EXPECT_EQ(from_hex("08 01\n0000"), (Buffer{8, 1, 0, 0}));
  EXPECT_FALSE(from_hex("0 8"));
  EXPECT_FALSE(from_hex("080"));
  EXPECT_FALSE(from_hex("0g"));
}

}  // namespace
}  // namespace sallyport
