#include "cli/firewall_rules.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace sallyport::cli {
namespace {

using testing::HasSubstr;
using testing::Not;

FirewallSite some_site() {
  return {{{*IpAddress::parse("203.0.113.7"), 2776}}, 2776, 2777, {*IpRange::parse("10.1.1.5")}};
}

TEST(Firewall, HasTheSixRulesOfTable1) {
  EXPECT_EQ(agent_firewall(some_site(), FirewallFormat::Nftables, true),
            R"(#!/usr/sbin/nft -f
# Sallyport: Table 1, between an agent and its server.
table inet sallyport {
  chain forward {
    type filter hook forward priority filter; policy drop;
    ip saddr 10.1.1.5/32 ip daddr 203.0.113.7 tcp dport 2776 accept
    ip saddr 203.0.113.7 ip daddr 10.1.1.5/32 tcp sport 2776 ct state established accept
    ip saddr 10.1.1.5/32 ip daddr 203.0.113.7 udp dport 2776 accept
    ip saddr 203.0.113.7 ip daddr 10.1.1.5/32 udp sport 2776 accept
    ip saddr 10.1.1.5/32 ip daddr 203.0.113.7 udp dport 2777 accept
    ip saddr 203.0.113.7 ip daddr 10.1.1.5/32 udp sport 2777 accept
  }
}
)");
}

TEST(Firewall, OnePortModeNeedsNoRulesForY) {
  FirewallSite site = some_site();
  site.y = site.x;
  const std::string text = agent_firewall(site, FirewallFormat::Nftables, false);
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 2 + 4 + 4);
  EXPECT_THAT(text, Not(HasSubstr("2777")));
}

TEST(Firewall, BothFamiliesHaveTheirRules) {
  FirewallSite site = some_site();
  site.servers.push_back({*IpAddress::parse("2001:db8::7"), 443});
  const std::string text = agent_firewall(site, FirewallFormat::Nftables, false);
  EXPECT_THAT(text, HasSubstr("forward ip6 daddr 2001:db8::7 tcp dport 443 accept\n"));
  EXPECT_THAT(text, HasSubstr("forward ip6 saddr 2001:db8::7 udp sport 2777 accept\n"));
}

TEST(Firewall, AnAlternativePortHasRulesOfItsOwnAndNoneTwice) {
  FirewallSite site = some_site();
  site.servers.push_back({*IpAddress::parse("203.0.113.7"), 443});
  const std::string text = agent_firewall(site, FirewallFormat::Iptables, false);
  EXPECT_THAT(text, HasSubstr("-d 203.0.113.7 -p tcp --dport 443 -j ACCEPT\n"));
  EXPECT_EQ(agent_rules(some_site()).size(), 6U);
  EXPECT_EQ(agent_rules(site).size(), 8U);
}

TEST(Firewall, OtherFormatsSayTheSame) {
  const FirewallSite site = some_site();
  EXPECT_EQ(agent_firewall(site, FirewallFormat::Iptables, true),
            R"(# Sallyport: Table 1, between an agent and its server.
iptables -A FORWARD -s 10.1.1.5/32 -d 203.0.113.7 -p tcp --dport 2776 -j ACCEPT
iptables -A FORWARD -s 203.0.113.7 -d 10.1.1.5/32 -p tcp --sport 2776 -m conntrack --ctstate ESTABLISHED -j ACCEPT
iptables -A FORWARD -s 10.1.1.5/32 -d 203.0.113.7 -p udp --dport 2776 -j ACCEPT
iptables -A FORWARD -s 203.0.113.7 -d 10.1.1.5/32 -p udp --sport 2776 -j ACCEPT
iptables -A FORWARD -s 10.1.1.5/32 -d 203.0.113.7 -p udp --dport 2777 -j ACCEPT
iptables -A FORWARD -s 203.0.113.7 -d 10.1.1.5/32 -p udp --sport 2777 -j ACCEPT
iptables -P FORWARD DROP
)");
  EXPECT_EQ(
      agent_firewall(site, FirewallFormat::Cisco, false),
      R"(! Sallyport: Table 1, between an agent and its server. -OUT is for traffic that leaves the
! private network, -IN for traffic that enters it.
ip access-list extended SALLYPORT-OUT
 permit tcp host 10.1.1.5 host 203.0.113.7 eq 2776
 permit udp host 10.1.1.5 host 203.0.113.7 eq 2776
 permit udp host 10.1.1.5 host 203.0.113.7 eq 2777
ip access-list extended SALLYPORT-IN
 permit tcp host 203.0.113.7 eq 2776 host 10.1.1.5 established
 permit udp host 203.0.113.7 eq 2776 host 10.1.1.5
 permit udp host 203.0.113.7 eq 2777 host 10.1.1.5
)");
  EXPECT_EQ(agent_firewall(site, FirewallFormat::Pf, false),
            R"(# Sallyport: Table 1, between an agent and its server.
pass quick inet proto tcp from 10.1.1.5/32 to 203.0.113.7 port 2776 no state
pass quick inet proto tcp from 203.0.113.7 port 2776 to 10.1.1.5/32 flags A/A no state
pass quick inet proto udp from 10.1.1.5/32 to 203.0.113.7 port 2776 no state
pass quick inet proto udp from 203.0.113.7 port 2776 to 10.1.1.5/32 no state
pass quick inet proto udp from 10.1.1.5/32 to 203.0.113.7 port 2777 no state
pass quick inet proto udp from 203.0.113.7 port 2777 to 10.1.1.5/32 no state
)");
}

TEST(Firewall, CiscoRangesHaveWildcardMasks) {
  FirewallSite site = some_site();
  site.agents = {*IpRange::parse("10.1.1.0/24")};
  EXPECT_THAT(agent_firewall(site, FirewallFormat::Cisco, false),
              HasSubstr("permit tcp 10.1.1.0 0.0.0.255 host 203.0.113.7"));
}

TEST(Firewall, TheServersHostOpensWhatItsConfigurationListensOn) {
  config::ServerConfig config;
  config.media.y = config.media.x;
  config.sip.listen = {{edge::Transport::Tls, {IpAddress::any_v4(), 5061}}};
  const std::string text = server_firewall(config, FirewallFormat::Nftables, true);
  EXPECT_THAT(text, HasSubstr("    tcp dport 2776 accept  # Z: agents\n"));
  EXPECT_THAT(text, HasSubstr("    udp dport 2776 accept  # X"));
  EXPECT_THAT(text, HasSubstr("    udp dport 30000-39999 accept"));
  EXPECT_THAT(text, HasSubstr("    tcp dport 5061 accept"));
  EXPECT_THAT(text, Not(HasSubstr("2777")));
  EXPECT_THAT(text, Not(HasSubstr("5060")));
}

}  // namespace
}  // namespace sallyport::cli
