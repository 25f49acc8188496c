#include "agent/way.h"

#include <gtest/gtest.h>

namespace sallyport::agent {
namespace {

std::vector<std::string> texts(const std::vector<Way>& ways) {
  std::vector<std::string> out;
  for (const Way& way : ways) out.push_back(way.to_string());
  return out;
}
using Texts = std::vector<std::string>;

const std::vector<HostPort> kServers = {
    {"203.0.113.7", 2776}, {"b.example.org", 2776}, {"203.0.113.7", 443}, {"203.0.113.7", 8443}};
const HttpProxy kProxy{.address = {"10.1.1.3", 3128}, .credentials = {}};

TEST(Way, EntriesOfOneHostAreOneServer) {
  const auto made = ladders(kServers, std::nullopt);
  ASSERT_EQ(made.size(), 2U);
  EXPECT_EQ(texts(made[0].ways),
            (Texts{"203.0.113.7:2776", "203.0.113.7:443", "203.0.113.7:8443"}));
  EXPECT_EQ(made[0].ways[0].kind, mux::WayKind::Direct);
  EXPECT_EQ(made[0].ways[1].kind, mux::WayKind::AlternativePort);
  EXPECT_EQ(texts(made[1].ways), (Texts{"b.example.org:2776"}));
}

TEST(Way, TheProxyComesLastAndIsAskedForEveryPort) {
  const auto made = ladders(kServers, kProxy);
  ASSERT_EQ(made.size(), 2U);
  EXPECT_EQ(texts(made[0].ways), (Texts{"203.0.113.7:2776", "203.0.113.7:443", "203.0.113.7:8443",
                                        "203.0.113.7:2776 through proxy 10.1.1.3:3128",
                                        "203.0.113.7:443 through proxy 10.1.1.3:3128",
                                        "203.0.113.7:8443 through proxy 10.1.1.3:3128"}));
  EXPECT_EQ(made[0].ways.back().kind, mux::WayKind::Proxy);
}

TEST(Way, WhatServedLastIsTriedFirstAndOnlyWhatIsBetterIsLookedFor) {
  Ladder ladder = ladders(kServers, kProxy)[0];
  EXPECT_EQ(ladder.good_first(), ladder.ways);
  ladder.served(ladder.ways[1]);
  EXPECT_EQ(texts(ladder.good_first()),
            (Texts{"203.0.113.7:443", "203.0.113.7:2776", "203.0.113.7:8443",
                   "203.0.113.7:2776 through proxy 10.1.1.3:3128",
                   "203.0.113.7:443 through proxy 10.1.1.3:3128",
                   "203.0.113.7:8443 through proxy 10.1.1.3:3128"}));
  EXPECT_EQ(texts(ladder.better_than_good()), (Texts{"203.0.113.7:2776"}));
}

TEST(Way, FailuresAreToldWithTheirWays) {
  const Ladder ladder = ladders({{"203.0.113.7", 2776}}, kProxy)[0];
  EXPECT_EQ(to_string(std::vector<WayFailure>{
                {ladder.ways[0], Errc::Unreachable, "no answer to connect"},
                {ladder.ways[1], Errc::Unreachable, "the proxy does not allow it (403)"}}),
            "203.0.113.7:2776: no answer to connect; "
            "203.0.113.7:2776 through proxy 10.1.1.3:3128: the proxy does not allow it (403)");
}

}  // namespace
}  // namespace sallyport::agent
