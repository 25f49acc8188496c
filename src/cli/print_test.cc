#include "cli/print.h"

#include <gtest/gtest.h>

#include <boost/json.hpp>
#include <cstdlib>
#include <ctime>

namespace sallyport::cli {
namespace {

TEST(Print, NothingThatCouldCommandATerminalIsLeft) {
  EXPECT_EQ(printable("a\x1b[2Jb\n\x7f"), "a?[2Jb??");
  EXPECT_EQ(printable("\xc2\x9b"
                      "31m"),
            "??31m");
  EXPECT_EQ(printable("J\xc3\xb6rg \xe2\x82\xac"), "J\xc3\xb6rg \xe2\x82\xac");
}

TEST(Print, ListsBecomeTables) {
  const auto list = boost::json::parse(
      R"([{"name":"J\u00f6rg","connected":true,"rtt_ms":null,"more":{"a":1}},
          {"name":"branch-office","connected":false,"rtt_ms":12.5}])");
  EXPECT_EQ(table(list, "none"),
            "NAME           CONNECTED  RTT MS\n"
            "J\xc3\xb6rg           yes        -\n"
            "branch-office  no         12.5\n");
  EXPECT_EQ(table(boost::json::parse("[]"), "none\n"), "none\n");
  EXPECT_EQ(table(boost::json::parse(R"([{"a":1,"d":4},{"a":5,"b":6,"c":7,"d":8}])"), ""),
            "A  B  C  D\n1  -  -  4\n5  6  7  8\n");
}

TEST(Print, NumbersHaveNoMoreDigitsThanTellSomething) {
  EXPECT_EQ(cell(0.0), "0");
  EXPECT_EQ(cell(0.12345), "0.12");
  EXPECT_EQ(cell(12.3456), "12.3");
  EXPECT_EQ(cell(20.0), "20");
  EXPECT_EQ(cell(1234.5678), "1235");
  EXPECT_EQ(rate(0), "0 kbit/s");
  EXPECT_EQ(rate(87'200), "87.2 kbit/s");
  EXPECT_EQ(rate(1'744'000U), "1.74 Mbit/s");
  EXPECT_EQ(rate(2'000'000'000), "2 Gbit/s");
  EXPECT_EQ(rate(nullptr), "none");
}

TEST(Print, TimesAreOfThisHostsZoneAndSayHowFarAwayTheyAre) {
  ::setenv("TZ", "CET-1", 1);
  ::tzset();
  const WallTime now{seconds{1'700'000'000}};  // 2023-11-14 22:13:20 UTC
  EXPECT_EQ(moment("2023-11-14T22:12:21Z", now), "23:12:21 (59 s ago)");
  EXPECT_EQ(moment("2023-11-14T22:13:20Z", now), "23:13:20 (0 s ago)");
  EXPECT_EQ(moment("2023-11-14T22:22:20Z", now), "23:22:20 (in 9 min)");
  EXPECT_EQ(moment("2023-11-14T23:13:20Z", now), "2023-11-15 00:13:20 (in 1 h)");
  EXPECT_EQ(moment("2023-11-12T22:00:00Z", now), "2023-11-12 23:00:00 (2 d ago)");
  EXPECT_EQ(moment("soon\x1b", now), "soon?");
}

TEST(Print, ObjectsBecomeFields) {
  const auto object = boost::json::parse(
      R"({"version":"0.1.0","media":{"x":["192.0.2.1:2776"],"flows":3},"agents":[{"name":"a"}]})");
  EXPECT_EQ(fields(object),
            "version: 0.1.0\n"
            "media:\n"
            "  x:     192.0.2.1:2776\n"
            "  flows: 3\n"
            "agents:\n"
            "  NAME\n"
            "  a\n");
}

}  // namespace
}  // namespace sallyport::cli
