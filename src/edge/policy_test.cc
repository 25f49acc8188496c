#include "edge/policy.h"

#include <gtest/gtest.h>

namespace sallyport::edge {
namespace {

IpAddress ip(const char* text) { return *IpAddress::parse(text); }

TEST(Policy, LetsAnAgentReachPrivateTerminalsOnly) {
  const Policy policy{Policy::inside_default()};
  EXPECT_TRUE(policy.reachable(ip("10.1.1.2")));
  EXPECT_TRUE(policy.reachable(ip("fd00::2")));
  for (const char* bad :
       {"192.0.2.1", "127.0.0.1", "169.254.169.254", "224.0.1.75", "::1", "0.0.0.0"})
    EXPECT_FALSE(policy.reachable(ip(bad))) << bad;
}

TEST(Policy, KeepsAServerOffItsOwnNetwork) {
  const Policy policy{Policy::outside_default({})};
  EXPECT_TRUE(policy.reachable(ip("192.0.2.1")));
  EXPECT_TRUE(policy.reachable(ip("2001:db8::1")));
  for (const char* bad :
       {"10.1.1.2", "127.0.0.1", "169.254.169.254", "::1", "fe80::1", "239.1.1.1"})
    EXPECT_FALSE(policy.reachable(ip(bad))) << bad;
  const Policy wider{Policy::outside_default({*IpRange::parse("10.9.0.0/16")})};
  EXPECT_TRUE(wider.reachable(ip("10.9.1.1")));
  EXPECT_FALSE(wider.reachable(ip("10.8.1.1")));
}

TEST(Policy, SaysWhyItRefuses) {
  PolicyRules rules = Policy::inside_default();
  rules.listen_ports = {5060};
  rules.protocols = {"sip"};
  rules.max_sockets = 2;
  const Policy policy{rules};
  EXPECT_FALSE(policy.refuse_listen({.address = {ip("0.0.0.0"), 5060}, .protocol = "sip"}));
  EXPECT_EQ(policy.refuse_listen({.address = {ip("0.0.0.0"), 22}, .protocol = "sip"}),
            "listening on port 22 is not permitted here");
  EXPECT_EQ(policy.refuse_listen({.address = {ip("0.0.0.0"), 5060}, .protocol = "ftp"}),
            "protocol 'ftp' is not permitted here");
  EXPECT_EQ(policy.refuse_connect({.remote = {ip("192.0.2.1"), 80}, .protocol = "sip"}),
            "192.0.2.1 is not an address that this edge's policy lets calls reach");
  EXPECT_FALSE(policy.refuse_sockets(1));
  EXPECT_TRUE(policy.refuse_sockets(2));
}

}  // namespace
}  // namespace sallyport::edge
