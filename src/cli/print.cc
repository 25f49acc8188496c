#include "cli/print.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <algorithm>
#include <boost/json.hpp>
#include <cmath>
#include <ctime>
#include <sstream>

namespace sallyport::cli {
namespace {

namespace json = boost::json;

constexpr int kMaxDepth = 6;

// Columns count characters, not octets: continuation octets of UTF-8 take no place.
std::size_t width(std::string_view text) {
  return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), [](char c) {
    return (static_cast<unsigned char>(c) & 0xc0U) != 0x80U;
  }));
}

std::string padded(const std::string& text, std::size_t to) {
  return text + std::string(to - std::min(to, width(text)), ' ');
}

std::string heading(std::string_view key) {
  std::string out{key};
  std::replace(out.begin(), out.end(), '_', ' ');
  return printable(out);
}

bool is_list_of_objects(const json::value& value) {
  return value.is_array() && !value.get_array().empty() && value.get_array().front().is_object();
}

// The names of all members that fit into a cell. An object's new ones go behind those that it has
// before them, so that optional members stand where they belong.
std::vector<std::string> columns(const json::array& list) {
  std::vector<std::string> out;
  for (const json::value& each : list) {
    if (!each.is_object()) continue;
    auto place = out.begin();
    for (const auto& [key, value] : each.get_object()) {
      if (value.is_object() || is_list_of_objects(value)) continue;
      const auto known = std::find(out.begin(), out.end(), std::string_view{key});
      place = known != out.end() ? known : out.insert(place, std::string{key});
      ++place;
    }
  }
  return out;
}

std::string indented(const std::string& text, const std::string& by) {
  std::istringstream lines{text};
  std::string out;
  for (std::string line; std::getline(lines, line);) out += by + line + "\n";
  return out;
}

std::string fields_at(const json::object& object, int depth) {
  std::size_t widest = 0;
  for (const auto& [key, value] : object)
    if (!value.is_object() && !is_list_of_objects(value)) widest = std::max(widest, key.size());
  std::string out;
  for (const auto& [key, value] : object) {
    if (value.is_object() && depth < kMaxDepth)
      out += heading(key) + ":\n" + indented(fields_at(value.get_object(), depth + 1), "  ");
    else if (is_list_of_objects(value))
      out += heading(key) + ":\n" + indented(table(value, ""), "  ");
    else
      out += padded(heading(key) + ":", widest + 2) + cell(value) + "\n";
  }
  return out;
}

// Three digits that tell something: "0.12", "1.34", "12.5", "173", "1440".
std::string number(double value) {
  const double size = std::abs(value);
  std::string out = fmt::format("{:.{}f}", value, size < 10 ? 2 : size < 100 ? 1 : 0);
  if (out.find('.') == std::string::npos) return out;
  out.erase(out.find_last_not_of('0') + 1);
  if (out.ends_with('.')) out.pop_back();
  return out;
}

// "59 s", "2 min", "5 h", "3 d": one unit, cut off.
std::string span(std::int64_t of_seconds) {
  constexpr std::pair<std::int64_t, const char*> kUnits[] = {
      {86400, "d"}, {3600, "h"}, {60, "min"}};
  for (const auto& [unit, name] : kUnits)
    if (of_seconds >= unit) return fmt::format("{} {}", of_seconds / unit, name);
  return fmt::format("{} s", of_seconds);
}

}  // namespace

std::string printable(std::string_view text) {
  std::string out;
  for (const char c : text) {
    const auto octet = static_cast<unsigned char>(c);
    // C1 controls are two octets in UTF-8, 0xc2 and 0x80 to 0x9f.
    const bool c1 = octet >= 0x80 && octet <= 0x9f && !out.empty() && out.back() == '\xc2';
    if (c1) out.back() = '?';
    out += octet < 0x20 || octet == 0x7f || c1 ? '?' : c;
  }
  return out;
}

std::string cell(const json::value& value) {
  switch (value.kind()) {
    case json::kind::null:
      return "-";
    case json::kind::bool_:
      return value.get_bool() ? "yes" : "no";
    case json::kind::string:
      return value.get_string().empty() ? "-" : printable(value.get_string());
    case json::kind::array: {
      std::string out;
      for (const json::value& each : value.get_array())
        out += (out.empty() ? "" : ", ") + cell(each);
      return out.empty() ? "-" : out;
    }
    case json::kind::double_:
      return number(value.get_double());
    default:
      return printable(json::serialize(value));
  }
}

std::string moment(std::string_view rfc3339, WallTime now) {
  std::tm utc{};
  const std::string text{rfc3339};
  const char* end = ::strptime(text.c_str(), "%Y-%m-%dT%H:%M:%SZ", &utc);
  if (end == nullptr || *end != '\0') return printable(rfc3339);
  const std::time_t at = ::timegm(&utc);
  const std::time_t today = WallTime::clock::to_time_t(now);
  std::tm local{};
  std::tm local_today{};
  ::localtime_r(&at, &local);
  ::localtime_r(&today, &local_today);
  const bool same_day =
      local.tm_year == local_today.tm_year && local.tm_yday == local_today.tm_yday;
  const std::string clock =
      same_day ? fmt::format("{:%H:%M:%S}", local) : fmt::format("{:%Y-%m-%d %H:%M:%S}", local);
  return at > today ? fmt::format("{} (in {})", clock, span(at - today))
                    : fmt::format("{} ({} ago)", clock, span(today - at));
}

void with_moments(json::value& list, std::initializer_list<std::string_view> members,
                  WallTime now) {
  if (!list.is_array()) return;
  for (json::value& each : list.get_array()) {
    if (!each.is_object()) continue;
    for (const std::string_view member : members)
      if (auto* value = each.get_object().if_contains(member);
          value != nullptr && value->is_string())
        *value = moment(std::string_view{value->get_string()}, now);
  }
}

std::string rate(const json::value& bits) {
  if (!bits.is_number()) return "none";
  const auto a_second = bits.to_number<double>();
  constexpr std::pair<double, const char*> kUnits[] = {{1e9, "Gbit/s"}, {1e6, "Mbit/s"}};
  for (const auto& [unit, name] : kUnits)
    if (a_second >= unit) return number(a_second / unit) + " " + name;
  return number(a_second / 1e3) + " kbit/s";
}

void with_rates(json::value& object, std::initializer_list<std::string_view> members) {
  if (!object.is_object()) return;
  for (const std::string_view member : members)
    if (json::value* value = object.get_object().if_contains(member)) *value = rate(*value);
}

std::string table(const json::value& list, std::string_view empty) {
  if (!is_list_of_objects(list)) return std::string{empty};
  std::vector<std::vector<std::string>> rows{{}};
  const std::vector<std::string> keys = columns(list.get_array());
  for (const std::string& key : keys) {
    std::string head = heading(key);
    std::transform(head.begin(), head.end(), head.begin(), [](char c) {
      return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
    });
    rows.front().push_back(std::move(head));
  }
  for (const json::value& each : list.get_array()) {
    if (!each.is_object()) continue;
    std::vector<std::string> row;
    for (const std::string& key : keys) {
      const json::value* value = each.get_object().if_contains(key);
      row.push_back(value == nullptr ? "-" : cell(*value));
    }
    rows.push_back(std::move(row));
  }
  std::vector<std::size_t> widths(keys.size());
  for (const auto& row : rows)
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], width(row[i]));
  std::string out;
  for (const auto& row : rows) {
    std::string line;
    for (std::size_t i = 0; i < row.size(); ++i) line += padded(row[i], widths[i] + 2);
    line.erase(line.find_last_not_of(' ') + 1);
    out += line + "\n";
  }
  return out;
}

std::string fields(const json::value& object) {
  return object.is_object() ? fields_at(object.get_object(), 0) : cell(object) + "\n";
}

}  // namespace sallyport::cli
