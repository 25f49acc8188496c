// JSON as people read it: tables and fields. Text that came from the network is made harmless
// before it meets a terminal. No state.
#pragma once

#include <boost/json/fwd.hpp>
#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

#include "base/time.h"

namespace sallyport::cli {

// Control characters, which could command a terminal, become '?'.
std::string printable(std::string_view text);

// One value in one line: lists separated by commas, times and numbers as they are.
std::string cell(const boost::json::value& value);

// A time of RFC 3339 as people read it, in this host's zone and with how far away it is:
// "14:03:11 (2 min ago)", "2026-11-24 23:59:00 (in 5 h)". What is no such time stays as it is.
std::string moment(std::string_view rfc3339, WallTime now);
// Does so with these members of each object in the list.
void with_moments(boost::json::value& list, std::initializer_list<std::string_view> members,
                  WallTime now);

// Bits a second as people say them: "64 kbit/s", "1.34 Mbit/s"; null: "none".
std::string rate(const boost::json::value& bits);
// Does so with these members of the object.
void with_rates(boost::json::value& object, std::initializer_list<std::string_view> members);

// A list of objects as columns under their names, in the order in which they first appear; members
// that are objects are left to --json. `empty` is printed when there are none.
std::string table(const boost::json::value& list, std::string_view empty);

// An object as "name: value" lines, members of objects indented under their name, lists of objects
// as tables.
std::string fields(const boost::json::value& object);

}  // namespace sallyport::cli
