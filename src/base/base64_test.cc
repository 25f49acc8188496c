#include "base/base64.h"

#include <gtest/gtest.h>

namespace sallyport {
namespace {

// RFC 4648 section 10.
TEST(Base64, IsPaddedToFours) {
  EXPECT_EQ(to_base64({}), "");
  EXPECT_EQ(to_base64(as_bytes("f")), "Zg==");
  EXPECT_EQ(to_base64(as_bytes("fo")), "Zm8=");
  EXPECT_EQ(to_base64(as_bytes("foo")), "Zm9v");
  EXPECT_EQ(to_base64(as_bytes("foobar")), "Zm9vYmFy");
}

TEST(Base64, ForUrlsHasAnotherAlphabetAndNoPadding) {
  const Buffer octets{0xfb, 0xff, 0xfe, 0x01};
  EXPECT_EQ(to_base64(octets), "+//+AQ==");
  EXPECT_EQ(to_base64url(octets), "-__-AQ");
  EXPECT_EQ(from_base64url("-__-AQ").value(), octets);
  EXPECT_FALSE(from_base64url("+//+AQ"));
}

}  // namespace
}  // namespace sallyport
