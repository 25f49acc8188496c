#include "base/bytes.h"

#include <gtest/gtest.h>

namespace sallyport {
namespace {

TEST(Reader, ReadsBigEndianStraightDown) {
  const Buffer input{0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07};
  Reader in{input};
  EXPECT_EQ(in.u8(), 0x01);
  EXPECT_EQ(in.u16(), 0x0203);
  EXPECT_EQ(in.u32(), 0x04050607U);
  EXPECT_TRUE(in.ok());
  EXPECT_EQ(in.left(), 0U);
}

TEST(Reader, YieldsZerosPastTheEndAndRemembers) {
  const Buffer input{0xff, 0xff};
  Reader in{input};
  EXPECT_EQ(in.u32(), 0U);
  EXPECT_FALSE(in.ok());
  EXPECT_EQ(in.u8(), 0U) << "nothing may be read after a failed read";
  EXPECT_FALSE(in.ok());
}

TEST(Writer, IsTheInverseOfReader) {
  Buffer out;
  Writer{out}.u8(1).u16(0x0203).u32(0x04050607).u64(0x08090a0b0c0d0e0f).bytes(as_bytes("xy"));
  Reader in{out};
  EXPECT_EQ(in.u8(), 1);
  EXPECT_EQ(in.u16(), 0x0203);
  EXPECT_EQ(in.u32(), 0x04050607U);
  EXPECT_EQ(in.u64(), 0x08090a0b0c0d0e0fU);
  EXPECT_EQ(as_text(in.rest()), "xy");
  EXPECT_TRUE(in.ok());
}

}  // namespace
}  // namespace sallyport
