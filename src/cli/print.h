// JSON as people read it: tables and fields. Text that came from the network is made harmless
// before it meets a terminal. No state.
#pragma once

#include <boost/json/fwd.hpp>
#include <string>
#include <string_view>
#include <vector>

namespace sallyport::cli {

// Control characters, which could command a terminal, become '?'.
std::string printable(std::string_view text);

// One value in one line: lists separated by commas, times and numbers as they are.
std::string cell(const boost::json::value& value);

// A list of objects as columns under their names, in the order in which they first appear; members
// that are objects are left to --json. `empty` is printed when there are none.
std::string table(const boost::json::value& list, std::string_view empty);

// An object as "name: value" lines, members of objects indented under their name, lists of objects
// as tables.
std::string fields(const boost::json::value& object);

}  // namespace sallyport::cli
