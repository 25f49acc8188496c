#include "codec/q931/elements.h"

#include <gtest/gtest.h>

#include "base/hex.h"

namespace sallyport::codec::q931 {
namespace {

Buffer hex(std::string_view text) { return from_hex(text).value_or(Buffer{}); }

TEST(Cause, IsReadAndMade) {
  const Cause busy{.value = CauseValue::UserBusy};
  EXPECT_EQ(parse_cause(hex("8091")), busy);
  EXPECT_EQ(to_hex(encode(busy)), "8091");
  const Cause beyond{.value = CauseValue::InvalidCallReference, .location = 10};
  EXPECT_EQ(to_hex(encode(beyond)), "8ad1");
  EXPECT_EQ(parse_cause(encode(beyond)), beyond);
}

TEST(Cause, StandsBehindARecommendationAndBeforeDiagnostics) {
  // 3: 05, continued; 3a: Q.931; 4: 96; diagnostics: the identifier of what is missing.
  EXPECT_EQ(parse_cause(hex("05 80 e0 7e")),
            (Cause{.value = CauseValue::MandatoryElementMissing, .location = 5}));
}

TEST(Cause, MayBeMissing) {
  for (const char* contents : {"", "80", "05", "0580", "0505"})
    EXPECT_FALSE(parse_cause(hex(contents))) << contents;
}

TEST(PartyNumber, KeepsWhatIsSaidOfIt) {
  // Calling party number: national, E.164, presentation restricted, network provided; "5551234".
  const Buffer contents = hex("21 a3 35353531323334");
  auto number = parse_party_number(contents);
  ASSERT_TRUE(number);
  EXPECT_EQ(number->digits, "5551234");
  EXPECT_EQ(number->type(), 2);
  EXPECT_EQ(number->plan(), 1);
  EXPECT_EQ(encode(*number), contents);
  number->digits = "1";
  EXPECT_EQ(to_hex(encode(*number)), "21a331");
}

TEST(PartyNumber, IsMade) {
  EXPECT_EQ(to_hex(encode(make_party_number("12"))), "813132");
  EXPECT_EQ(to_hex(encode(make_party_number("12", 1, 9))), "993132");
  EXPECT_FALSE(parse_party_number({}));
  EXPECT_FALSE(parse_party_number(hex("0131")));
  EXPECT_EQ(parse_party_number(hex("81"))->digits, "");
}

TEST(BearerCapability, IsReadAndMade) {
  // H323plus asks for 12 times 64 kbit/s.
  const BearerCapability wanted{.transfer = 8, .channels = 12};
  EXPECT_EQ(parse_bearer_capability(hex("88188ca5")), wanted);
  EXPECT_EQ(to_hex(encode(wanted)), "88188ca5");
  EXPECT_EQ(to_hex(encode(BearerCapability{})), "8890a5");
  EXPECT_EQ(parse_bearer_capability(hex("8090a3")), (BearerCapability{.transfer = 0}));
  EXPECT_EQ(parse_bearer_capability(hex("8893a5"))->channels, 6U);
}

TEST(BearerCapability, MayBeStrange) {
  for (const char* contents : {"", "88", "8818", "889f"})
    EXPECT_FALSE(parse_bearer_capability(hex(contents))) << contents;
}

TEST(Text, EndsAtItsNul) {
  EXPECT_EQ(text(hex("616c69636500")), "alice");
  EXPECT_EQ(text(hex("626f62")), "bob");
  EXPECT_EQ(text({}), "");
}

}  // namespace
}  // namespace sallyport::codec::q931
