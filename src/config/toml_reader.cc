#include "config/toml_reader.h"

#include <fmt/format.h>
#include <toml++/toml.h>

#include <algorithm>

namespace sallyport::config {
namespace {

Place place_of(const toml::source_region& source) {
  return {source.begin.line, source.begin.column};
}

Table table_of(const toml::table& from);

// The library bounds the depth of its trees (TOML_MAX_NESTED_VALUES), so this recursion is bounded.
Value value_of(const toml::node& from) {
  Value out{place_of(from.source()), Unusable{"a date or time"}};
  switch (from.type()) {
    case toml::node_type::boolean:
      out.content = from.as_boolean()->get();
      break;
    case toml::node_type::integer:
      out.content = from.as_integer()->get();
      break;
    case toml::node_type::floating_point:
      out.content = from.as_floating_point()->get();
      break;
    case toml::node_type::string:
      out.content = from.as_string()->get();
      break;
    case toml::node_type::array: {
      List list;
      for (const toml::node& item : *from.as_array()) list.push_back(value_of(item));
      out.content = std::move(list);
      break;
    }
    case toml::node_type::table:
      out.content = table_of(*from.as_table());
      break;
    default:
      break;
  }
  return out;
}

Table table_of(const toml::table& from) {
  Table out;
  for (const auto& [key, node] : from)
    out.entries.push_back({std::string{key.str()}, place_of(key.source()), value_of(node)});
  // The library sorts keys by name; problems are told in the file's order.
  std::stable_sort(out.entries.begin(), out.entries.end(), [](const Entry& a, const Entry& b) {
    return std::pair{a.place.line, a.place.column} < std::pair{b.place.line, b.place.column};
  });
  return out;
}

}  // namespace

std::string_view Value::type() const {
  struct Name {
    std::string_view operator()(bool) const { return "a boolean"; }
    std::string_view operator()(std::int64_t) const { return "an integer"; }
    std::string_view operator()(double) const { return "a number with a fraction"; }
    std::string_view operator()(const std::string&) const { return "a string"; }
    std::string_view operator()(const List&) const { return "a list"; }
    std::string_view operator()(const Table&) const { return "a table"; }
    std::string_view operator()(const Unusable& it) const { return it.type; }
  };
  return std::visit(Name{}, content);
}

std::string Problem::to_string() const {
  if (place.line == 0) return fmt::format("{}: {}", source, what);
  return fmt::format("{}:{}:{}: {}", source, place.line, place.column, what);
}

Table read_toml(std::string_view text, std::string_view file, Problems& problems) {
  // The packaged library throws; here the exception ends and becomes a value.
  try {
    return table_of(toml::parse(text, file));
  } catch (const toml::parse_error& error) {
    problems.push_back(
        {std::string{file}, place_of(error.source()), std::string{error.description()}});
  }
  return {};
}

}  // namespace sallyport::config
