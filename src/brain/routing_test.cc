#include "brain/routing.h"

#include <gtest/gtest.h>

namespace sallyport::brain {
namespace {

const auto kInside = adapter::Place::inside(AgentId{1});
const auto kOutside = adapter::Place::outside();

StaticRoute number(std::string prefix, std::string host) {
  StaticRoute out;
  out.prefix = std::move(prefix);
  out.upstreams = {{.host = std::move(host), .port = 0, .transport = {}, .place = {}}};
  return out;
}
StaticRoute domain(std::string name, std::string host) {
  StaticRoute out;
  out.domain = std::move(name);
  out.upstreams = {{.host = std::move(host), .port = 0, .transport = {}, .place = {}}};
  return out;
}
std::string host(const Route& route) {
  return route.upstreams.empty() ? std::string{"none"} : route.upstreams.front().host;
}

TEST(Number, IsDigitsWithAnOptionalPlusWhateverSeparatesThem) {
  EXPECT_EQ(as_number("+49-(0)30.123;phone-context=x"), "+49030123");
  EXPECT_EQ(as_number("110"), "110");
  for (const char* none : {"", "+", "alice", "12a", "1+2", "12 34", "%31", "*21#"})
    EXPECT_FALSE(as_number(none)) << none;
}

TEST(Routing, TakesTheLongestPrefixAndOnlyForNumbers) {
  const Routing routing{{{number("+", "none"), number("+49", "de"), number("+4930", "berlin"),
                          number("", "any"), number("0", "national")},
                         false}};
  EXPECT_EQ(host(routing.find("+49-30-1", "", kInside)), "berlin");
  EXPECT_EQ(host(routing.find("+49891", "", kInside)), "de");
  EXPECT_EQ(host(routing.find("0301", "", kInside)), "national");
  EXPECT_EQ(host(routing.find("110", "", kInside)), "any");
  EXPECT_EQ(host(routing.find("+1", "", kInside)), "any") << "a lone + is no prefix";
  EXPECT_EQ(host(routing.find("0alice", "", kInside)), "any") << "0alice is no number";
  const Routing numbers{{{number("0", "national")}, false}};
  EXPECT_EQ(numbers.find("0alice", "", kInside).kind, RouteKind::Unknown);
  EXPECT_EQ(numbers.find("0301", "example.net", kInside).kind, RouteKind::Forbidden)
      << "a number elsewhere is not ours to route";
}

TEST(Routing, TakesADomainBeforeAPatternAndTheLongerPattern) {
  const Routing routing{{{domain("*.example.net", "below"), domain("*.lab.example.net", "lab"),
                          domain("Example.NET", "itself")},
                         false}};
  EXPECT_EQ(host(routing.find("bob", "EXAMPLE.net", kInside)), "itself");
  EXPECT_EQ(host(routing.find("bob", "a.example.net", kInside)), "below");
  EXPECT_EQ(host(routing.find("bob", "a.lab.example.net", kInside)), "lab");
  EXPECT_EQ(routing.find("bob", "badexample.net", kInside).kind, RouteKind::Forbidden);
}

TEST(Routing, ComparesBothWhereARouteNamesBoth) {
  StaticRoute german = domain("example.net", "de");
  german.prefix = "+49";
  const Routing routing{{{domain("example.net", "all"), german, domain("*.net", "net")}, false}};
  EXPECT_EQ(host(routing.find("+491", "example.net", kInside)), "de");
  EXPECT_EQ(host(routing.find("+331", "example.net", kInside)), "all");
  EXPECT_EQ(host(routing.find("+491", "other.net", kInside)), "net");
}

TEST(Routing, AsksDnsOnlyWhereThatIsAllowed) {
  EXPECT_EQ(Routing({{}, true}).find("bob", "example.com", kInside).kind, RouteKind::Dns);
  EXPECT_EQ(Routing({{}, false}).find("bob", "example.com", kInside).kind, RouteKind::Forbidden);
}

TEST(Routing, IsNoOpenRelay) {
  const Routing routing{{{number("", "provider"), domain("example.net", "pbx")}, true}};
  EXPECT_EQ(routing.find("+491", "", kOutside).kind, RouteKind::Unknown);
  EXPECT_EQ(routing.find("bob", "example.net", kOutside).kind, RouteKind::Forbidden);
  EXPECT_EQ(routing.find("bob", "example.com", kOutside).kind, RouteKind::Forbidden);
}

}  // namespace
}  // namespace sallyport::brain
