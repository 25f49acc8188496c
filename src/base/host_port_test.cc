#include "base/host_port.h"

#include <gtest/gtest.h>

namespace sallyport {
namespace {

TEST(HostPort, IsReadInEveryFormAndWrittenBack) {
  for (const char* text :
       {"server.example.org:2776", "192.0.2.1:2776", "[2001:db8::1]:2776", "localhost:1"}) {
    const auto parsed = HostPort::parse(text);
    ASSERT_TRUE(parsed) << text;
    EXPECT_EQ(parsed->to_string(), text);
  }
}

TEST(HostPort, TakesTheDefaultPortWhenNoneIsWritten) {
  EXPECT_EQ(HostPort::parse("server.example.org", 2776)->to_string(), "server.example.org:2776");
  EXPECT_EQ(HostPort::parse("[2001:db8::1]", 2776)->to_string(), "[2001:db8::1]:2776");
  EXPECT_EQ(HostPort::parse("2001:db8::1", 2776)->to_string(), "[2001:db8::1]:2776");
  EXPECT_FALSE(HostPort::parse("server.example.org"));
}

TEST(HostPort, RefusesWhatIsNeitherNameNorAddress) {
  for (const char* text :
       {"", ":2776", "a..b:1", "-a:1", "192.0.2:1", "192.0.2.256:1", "[192.0.2.1:1", "[::1]x:1",
        "a:0", "a:65536", "a:", "a b:1", "a/b:1", "[2001:db8::1]2776"})
    EXPECT_FALSE(HostPort::parse(text)) << text;
}

TEST(HostPort, KnowsAnAddressFromAName) {
  EXPECT_EQ(HostPort::parse("192.0.2.1:5")->literal(),
            (TransportAddress{IpAddress::v4({192, 0, 2, 1}), 5}));
  EXPECT_FALSE(HostPort::parse("example.org:5")->literal());
}

}  // namespace
}  // namespace sallyport
