#include "base/transport_address.h"

#include <gtest/gtest.h>

namespace sallyport {
namespace {

TEST(IpAddress, ReadsAndWritesBothFamilies) {
  EXPECT_EQ(IpAddress::parse("192.0.2.1")->to_string(), "192.0.2.1");
  EXPECT_EQ(IpAddress::parse("2001:DB8:0::1")->to_string(), "2001:db8::1");
  EXPECT_EQ(IpAddress::parse("[2001:db8::1]")->to_string(), "2001:db8::1");
  EXPECT_TRUE(IpAddress::parse("::ffff:192.0.2.1")->is_v4());
  for (const char* bad : {"", "192.0.2", "192.0.2.256", "192.0.2.1 ", "2001:db8:::1", "host"})
    EXPECT_FALSE(IpAddress::parse(bad)) << bad;
}

TEST(IpAddress, KnowsWhatAPublicNetworkDoesNotRoute) {
  for (const char* hidden :
       {"10.1.1.2", "172.16.0.1", "172.31.255.255", "192.168.1.1", "127.0.0.1", "169.254.169.254",
        "100.64.0.1", "0.0.0.0", "::1", "fe80::1", "fd00::1"})
    EXPECT_TRUE(IpAddress::parse(hidden)->is_private()) << hidden;
  for (const char* open : {"192.0.2.1", "172.32.0.1", "100.128.0.1", "11.0.0.1", "2001:db8::1"})
    EXPECT_FALSE(IpAddress::parse(open)->is_private()) << open;
}

TEST(TransportAddress, NeedsBracketsAroundIpv6) {
  EXPECT_EQ(TransportAddress::parse("[2001:db8::1]:5060")->to_string(), "[2001:db8::1]:5060");
  EXPECT_EQ(TransportAddress::parse("192.0.2.1:5060")->to_string(), "192.0.2.1:5060");
  for (const char* bad : {"2001:db8::1:5060", "192.0.2.1", "192.0.2.1:", "192.0.2.1:65536",
                          "192.0.2.1:+1", "192.0.2.1:5060x"})
    EXPECT_FALSE(TransportAddress::parse(bad)) << bad;
}

TEST(IpRange, ContainsByPrefix) {
  const auto range = *IpRange::parse("10.1.0.0/20");
  EXPECT_TRUE(range.contains(*IpAddress::parse("10.1.15.255")));
  EXPECT_FALSE(range.contains(*IpAddress::parse("10.1.16.0")));
  EXPECT_FALSE(range.contains(*IpAddress::parse("2001:db8::1")));
  EXPECT_TRUE(IpRange::parse("0.0.0.0/0")->contains(*IpAddress::parse("192.0.2.9")));
  EXPECT_TRUE(IpRange::parse("2001:db8::/33")->contains(*IpAddress::parse("2001:db8:7fff::1")));
  EXPECT_FALSE(IpRange::parse("2001:db8::/33")->contains(*IpAddress::parse("2001:db8:8000::1")));
  EXPECT_FALSE(IpRange::parse("10.0.0.0/33"));
}

}  // namespace
}  // namespace sallyport
