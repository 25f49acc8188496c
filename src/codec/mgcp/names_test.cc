#include "codec/mgcp/names.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace sallyport::codec::mgcp {
namespace {

using testing::ElementsAre;
using testing::Pair;

TEST(MgcpName, HasALocalPartADomainAndAPort) {
  const auto full = Name::parse("ca-1@ca.example.com:5678");
  ASSERT_TRUE(full.has_value());
  EXPECT_EQ(full->local, "ca-1");
  EXPECT_EQ(full->domain, "ca.example.com");
  EXPECT_EQ(full->port, 5678);

  EXPECT_TRUE(Name::parse("ca.example.com")->local.empty());
  EXPECT_EQ(Name::parse(" ds/1/*@gw ")->domain, "gw") << "white space goes";
}

TEST(MgcpName, MayHaveAnAddressAsItsDomain) {
  EXPECT_EQ(Name::parse("*@[10.1.1.5]")->host(), "10.1.1.5");
  EXPECT_EQ(Name::parse("*@10.1.1.5")->host(), "10.1.1.5") << "as some gateways write it";
  const auto v6 = Name::parse("ca@[2001:db8::1]:2727");
  ASSERT_TRUE(v6.has_value());
  EXPECT_EQ(v6->host(), "2001:db8::1");
  EXPECT_EQ(v6->port, 2727);
}

TEST(MgcpName, IsRefusedWhenItIsNone) {
  for (const char* bad : {"", "@", "@gw", "a@", "a@b c", "a b@c", "a@b@gw", "a@[10.1.1]",
                          "a@[10.1.1.1", "a@gw:0", "a@gw:65536", "a@gw:x", "a@gw/2", "a@[gw]"})
    EXPECT_FALSE(Name::parse(bad).has_value()) << bad;
  EXPECT_FALSE(Name::parse_endpoint("gw.example.net").has_value());
  EXPECT_FALSE(Name::parse(std::string(256, 'a') + "@gw").has_value());
  EXPECT_FALSE(Name::parse("a@" + std::string(256, 'g')).has_value());
}

TEST(MgcpName, OfAnEndpointIsMatchedTermByTerm) {
  EXPECT_TRUE(matches("aaln/1", "AALN/1"));
  EXPECT_TRUE(matches("*", "aaln/1"));
  EXPECT_TRUE(matches("aaln/*", "aaln/1"));
  EXPECT_TRUE(matches("aaln/*", "aaln/1/2"));
  EXPECT_TRUE(matches("*/1", "aaln/1"));
  EXPECT_FALSE(matches("*/1", "aaln/2"));
  EXPECT_FALSE(matches("aaln/1", "aaln"));
  EXPECT_FALSE(matches("aaln", "aaln/1"));
  EXPECT_FALSE(matches("aaln/*", "aaln"));
  EXPECT_TRUE(has_wildcard("ds/$/1"));
  EXPECT_FALSE(has_wildcard("a*b"));
}

TEST(MgcpAcknowledged, IsAListOfRanges) {
  EXPECT_THAT(*parse_acknowledged("6234-6257, 6259"),
              ElementsAre(Pair(6234, 6257), Pair(6259, 6259)));
  EXPECT_THAT(*parse_acknowledged(""), ElementsAre());
  for (const char* bad : {"x", "5-", "-5", "6-5", "1000000000", "1,,2"})
    EXPECT_FALSE(parse_acknowledged(bad).has_value()) << bad;
  std::string many = "1";
  for (std::size_t i = 0; i < kMaxAcknowledged; ++i) many += ",1";
  EXPECT_EQ(parse_acknowledged(many).error().code, Errc::Exhausted);
  EXPECT_EQ(to_text({7, 9}), "7, 9");
}

}  // namespace
}  // namespace sallyport::codec::mgcp
