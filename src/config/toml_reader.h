// TOML text as a tree of values that each know their line and column. The one place that touches
// the TOML library; the schema (config/schema.h) walks the tree. Values only, any thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace sallyport::config {

// Lines and columns count from 1; 0: not from a file (the environment, the command line).
struct Place {
  unsigned line = 0;
  unsigned column = 0;
};

struct Value;
struct Entry;
using List = std::vector<Value>;
struct Table {
  std::vector<Entry> entries;  // in the file's order
};
struct Unusable {  // a date, a time: TOML has them, we have no key that takes them
  std::string_view type;
};

struct Value {
  Place place;
  std::variant<bool, std::int64_t, double, std::string, List, Table, Unusable> content;

  std::string_view type() const;  // for people: "a string", "an integer", ...
};

struct Entry {
  std::string key;
  Place place;  // of the key
  Value value;
};

// A problem as people are told it: "FILE:LINE:COLUMN: what".
struct Problem {
  std::string source;  // file name, "environment", or "command line"
  Place place;
  std::string what;

  std::string to_string() const;
};
using Problems = std::vector<Problem>;

// The text's tree; on a syntax error an empty one and a problem more.
Table read_toml(std::string_view text, std::string_view file, Problems& problems);

}  // namespace sallyport::config
