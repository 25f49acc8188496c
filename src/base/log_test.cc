#include "base/log.h"

#include <gtest/gtest.h>

#include <boost/json.hpp>

namespace sallyport {
namespace {

TEST(Log, WritesOneJsonObjectWhateverTheNetworkPutsInAField) {
  const std::string line = format_event(Level::Warning, "odd \"name\"",
                                        {{"agent", std::string_view{"a\n\x01\xff\xc3\xa9\\"}},
                                         {"calls", 3U},
                                         {"ok", true},
                                         {"delta", -2}});
  EXPECT_EQ(line.find('\n'), std::string::npos);
  const auto object = boost::json::parse(line).as_object();
  EXPECT_EQ(object.at("event").as_string(), "odd \"name\"");
  EXPECT_EQ(object.at("agent").as_string(), "a\n\x01\xef\xbf\xbd\xc3\xa9\\");
  EXPECT_EQ(object.at("calls").to_number<int>(), 3);
  EXPECT_EQ(object.at("delta").to_number<int>(), -2);
  EXPECT_TRUE(object.at("ok").as_bool());
  EXPECT_EQ(object.at("level").as_string(), "warning");
}

}  // namespace
}  // namespace sallyport
