#include "config/schema.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <charconv>

namespace sallyport::config {
namespace {

// What a conversion says when it does not fit: the text of the problem.
using Unfit = std::optional<std::string>;

std::string quoted(std::string_view text) {
  std::string out;
  append_json_string(out, text);  // JSON's escapes are TOML's
  return out;
}

struct Unit {
  std::string_view name;
  std::int64_t milliseconds;
};
constexpr Unit kUnits[] = {
    {"d", 86'400'000}, {"h", 3'600'000}, {"min", 60'000}, {"s", 1000}, {"ms", 1}};
constexpr std::int64_t kLongest = 3'153'600'000'000;  // a hundred years, far from any overflow
struct Size {
  std::string_view name;
  std::uint64_t units;  // octets; bits a second
};
constexpr Size kSizes[] = {{"GiB", std::uint64_t{1} << 30U},
                           {"MiB", std::uint64_t{1} << 20U},
                           {"KiB", std::uint64_t{1} << 10U},
                           {"B", 1}};

constexpr Size kRates[] = {{"Gbit/s", 1'000'000'000}, {"Mbit/s", 1'000'000}, {"kbit/s", 1000}};

// "15 s" as 15 and "s". At most 12 digits, so that no product overflows.
std::optional<std::pair<std::int64_t, std::string_view>> split_quantity(std::string_view text) {
  std::int64_t count = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), count);
  const auto digits = static_cast<std::size_t>(end - text.data());
  if (error != std::errc{} || count < 0 || digits > 9) return std::nullopt;
  std::string_view unit = text.substr(digits);
  while (unit.starts_with(' ')) unit.remove_prefix(1);
  return std::pair{count, unit};
}

template <typename T>
const T* content(const Value& value) {
  return std::get_if<T>(&value.content);
}

// A key whose value is one string of some syntax.
template <typename T, typename Parse, typename Write>
Key text_key(std::string path, T& member, std::string comment, Parse parse, Write write,
             std::string_view expected) {
  Key key{std::move(path), std::move(comment), Shape::Text, {}, {}};
  key.read = [&member, parse, expected](const Value& value, const std::string& source,
                                        Problems& problems) {
    const auto* text = content<std::string>(value);
    if (text == nullptr) {
      problems.push_back(
          {source, value.place, fmt::format("expected {}, found {}", expected, value.type())});
      return;
    }
    if (Unfit unfit = parse(*text, member))
      problems.push_back({source, value.place, fmt::format("{}: {}", quoted(*text), *unfit)});
  };
  key.write = [&member, write] { return quoted(write(member)); };
  return key;
}

// A key whose value is a list of such strings.
template <typename T, typename Parse, typename Write>
Key list_key(std::string path, std::vector<T>& member, std::string comment, Parse parse,
             Write write, std::string_view expected) {
  Key key{std::move(path), std::move(comment), Shape::Items, {}, {}};
  key.read = [&member, parse, expected](const Value& value, const std::string& source,
                                        Problems& problems) {
    const List* list = as_list(value, source, problems);
    if (list == nullptr) return;
    std::vector<T> items;
    for (const Value& each : *list) {
      const auto* text = content<std::string>(each);
      if (text == nullptr) {
        problems.push_back(
            {source, each.place, fmt::format("expected {}, found {}", expected, each.type())});
        continue;
      }
      T item{};
      if (Unfit unfit = parse(*text, item))
        problems.push_back({source, each.place, fmt::format("{}: {}", quoted(*text), *unfit)});
      else
        items.push_back(std::move(item));
    }
    member = std::move(items);  // a list replaces, it does not add
  };
  key.write = [&member, write] {
    std::string out = "[";
    for (const T& item : member) out += (out.size() > 1 ? ", " : "") + quoted(write(item));
    return out + "]";
  };
  return key;
}

template <typename T>
Key integer_key(std::string path, T& member, T least, T most, std::string comment) {
  Key key{std::move(path), std::move(comment), Shape::Integer, {}, {}};
  key.read = [&member, least, most](const Value& value, const std::string& source,
                                    Problems& problems) {
    const auto* number = content<std::int64_t>(value);
    if (number == nullptr) {
      problems.push_back(
          {source, value.place, fmt::format("expected an integer, found {}", value.type())});
    } else if (*number < std::int64_t{least} || *number > std::int64_t{most}) {
      problems.push_back(
          {source, value.place, fmt::format("{} is not in {} to {}", *number, least, most)});
    } else {
      member = static_cast<T>(*number);
    }
  };
  key.write = [&member] { return fmt::format("{}", member); };
  return key;
}

// The parse functions of single values: Result's error is a literal, which is all that they need.
template <typename T>
Unfit take(const Result<T>& result, T& out) {
  if (!result) return std::string{result.error().what};
  out = *result;
  return std::nullopt;
}

Unfit parse_ip(std::string_view text, IpAddress& out) {
  if (!IpAddress::parse(text)) return "not an IP address";
  return take(IpAddress::parse(text), out);
}
Unfit parse_range(std::string_view text, IpRange& out) {
  if (!IpRange::parse(text)) return "not an address range such as \"10.1.1.0/24\"";
  return take(IpRange::parse(text), out);
}
Unfit parse_transport_address(std::string_view text, TransportAddress& out) {
  if (!TransportAddress::parse(text)) return "not an address with port such as \"0.0.0.0:2776\"";
  return take(TransportAddress::parse(text), out);
}
Unfit parse_listen(std::string_view text, ListenAddress& out) {
  if (!ListenAddress::parse(text))
    return "not a transport and address such as \"udp:0.0.0.0:5060\"";
  return take(ListenAddress::parse(text), out);
}

Unfit parse_ports(std::string_view text, media::PortRange& out) {
  const std::size_t dash = text.find('-');
  const std::string_view first = text.substr(0, dash);
  const std::string_view last = dash == std::string_view::npos ? first : text.substr(dash + 1);
  const auto number = [](std::string_view from, std::uint16_t& to) {
    const auto [end, error] = std::from_chars(from.data(), from.data() + from.size(), to);
    return error == std::errc{} && end == from.data() + from.size() && to != 0;
  };
  if (!number(first, out.first) || !number(last, out.last) || out.first > out.last)
    return "not a range of ports such as \"30000-39999\"";
  return std::nullopt;
}
std::string write_ports(const media::PortRange& ports) {
  if (ports.first == ports.last) return fmt::format("{}", ports.first);
  return fmt::format("{}-{}", ports.first, ports.last);
}

// One of a few words.
template <typename T>
struct Word {
  std::string_view text;
  T value;
};
template <typename T, std::size_t N>
Unfit parse_word(const Word<T> (&words)[N], std::string_view text, T& out) {
  std::string all;
  for (const Word<T>& word : words) {
    if (word.text == text) {
      out = word.value;
      return std::nullopt;
    }
    all += fmt::format("{}\"{}\"", all.empty() ? "" : ", ", word.text);
  }
  return "not one of " + all;
}
template <typename T, std::size_t N>
std::string write_word(const Word<T> (&words)[N], T value) {
  for (const Word<T>& word : words)
    if (word.value == value) return std::string{word.text};
  return {};
}
constexpr Word<Level> kLevels[] = {{"debug", Level::Debug},
                                   {"info", Level::Info},
                                   {"warning", Level::Warning},
                                   {"error", Level::Error}};
constexpr Word<edge::Transport> kTransports[] = {
    {"udp", edge::Transport::Udp}, {"tcp", edge::Transport::Tcp}, {"tls", edge::Transport::Tls}};
constexpr Word<fastpath::Mode> kFastPaths[] = {
    {"off", fastpath::Mode::Off}, {"auto", fastpath::Mode::Auto}, {"ebpf", fastpath::Mode::Ebpf}};
constexpr Word<MediaWay> kMediaWays[] = {
    {"auto", MediaWay::Auto}, {"udp", MediaWay::Udp}, {"stream", MediaWay::Stream}};
constexpr Word<media::Carriage> kCarriages[] = {{"tagged", media::Carriage::Tagged},
                                                {"bound", media::Carriage::Bound}};
constexpr Word<Mode> kModes[] = {{"server_master", Mode::ServerMaster},
                                 {"agent_master", Mode::AgentMaster}};

constexpr std::size_t kMaxNameCompared = 64;  // a longer name is no slip of the finger

std::string_view last_part(std::string_view path) {
  const std::size_t dot = path.rfind('.');
  return dot == std::string_view::npos ? path : path.substr(dot + 1);
}
std::string_view section_of(std::string_view path) {
  const std::size_t dot = path.rfind('.');
  return dot == std::string_view::npos ? std::string_view{} : path.substr(0, dot);
}

// `text` as comment lines of at most 100 columns.
void append_comment(std::string& out, std::string_view text) {
  std::string line = "#";
  while (!text.empty()) {
    const std::size_t end = std::min(text.find(' '), text.size());
    const std::string_view word = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (line.size() + 1 + word.size() > 100) {
      out += line + "\n";
      line = "#";
    }
    line += " " + std::string{word};
  }
  out += line + "\n";
}

Value value_from_text(Shape shape, std::string_view text) {
  Value out{{}, std::string{text}};
  if (shape == Shape::Boolean && (text == "true" || text == "false")) out.content = text == "true";
  if (shape == Shape::Integer) {
    std::int64_t number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error == std::errc{} && end == text.data() + text.size()) out.content = number;
  }
  if (shape == Shape::Items) {
    List list;
    while (!text.empty()) {
      const std::size_t comma = std::min(text.find(','), text.size());
      std::string_view item = text.substr(0, comma);
      text.remove_prefix(std::min(comma + 1, text.size()));
      while (item.starts_with(' ')) item.remove_prefix(1);
      while (item.ends_with(' ')) item.remove_suffix(1);
      if (!item.empty()) list.push_back({{}, std::string{item}});
    }
    out.content = std::move(list);
  }
  return out;
}

}  // namespace

// ---- Quantities ----

std::optional<Duration> parse_duration(std::string_view text) {
  const auto quantity = split_quantity(text);
  if (!quantity) return std::nullopt;
  for (const Unit& unit : kUnits)
    if (unit.name == quantity->second && quantity->first <= kLongest / unit.milliseconds)
      return std::chrono::milliseconds{quantity->first * unit.milliseconds};
  return std::nullopt;
}

std::string to_text(Duration duration) {
  const std::int64_t count =
      std::chrono::duration_cast<std::chrono::milliseconds>(duration).count();
  for (const Unit& unit : kUnits)
    if (count % unit.milliseconds == 0 && (count != 0 || unit.name == "s"))
      return fmt::format("{} {}", count / unit.milliseconds, unit.name);
  return fmt::format("{} ms", count);
}

std::optional<ByteCount> parse_byte_count(std::string_view text) {
  const auto quantity = split_quantity(text);
  if (!quantity) return std::nullopt;
  for (const Size& size : kSizes)
    if (size.name == quantity->second)
      return ByteCount{static_cast<std::uint64_t>(quantity->first) * size.units};
  return std::nullopt;
}

std::string to_text(ByteCount count) {
  for (const Size& size : kSizes)
    if (count.octets % size.units == 0 && (count.octets != 0 || size.name == "B"))
      return fmt::format("{} {}", count.octets / size.units, size.name);
  return {};
}

std::optional<BitRate> parse_bit_rate(std::string_view text) {
  if (text == "none") return BitRate{};
  const auto quantity = split_quantity(text);
  if (!quantity) return std::nullopt;
  for (const Size& rate : kRates)
    if (rate.name == quantity->second)
      return BitRate{static_cast<std::uint64_t>(quantity->first) * rate.units};
  return std::nullopt;
}

std::string to_text(BitRate rate) {
  if (rate.bits == BitRate::kNone) return "none";
  for (const Size& unit : kRates)
    if (rate.bits % unit.units == 0 && rate.bits != 0)
      return fmt::format("{} {}", rate.bits / unit.units, unit.name);
  return fmt::format("{} kbit/s", rate.bits / 1000);
}

// ---- Places ----

Places::Where Places::find(const std::string& path) const {
  const auto it = places_.find(path);
  return it == places_.end() ? Where{"default", {}} : it->second;
}

void Places::report(const std::string& path, std::string what, Problems& problems) const {
  const Where where = find(path);
  problems.push_back({where.source, where.place, path + ": " + std::move(what)});
}

// ---- Keys of every kind ----

void Schema::section(std::string path, std::string comment) {
  sections_.emplace_back(std::move(path), std::move(comment));
}

void Schema::add(std::string path, bool& member, std::string comment) {
  Key key{std::move(path), std::move(comment), Shape::Boolean, {}, {}};
  key.read = [&member](const Value& value, const std::string& source, Problems& problems) {
    if (const bool* flag = content<bool>(value))
      member = *flag;
    else
      problems.push_back(
          {source, value.place, fmt::format("expected true or false, found {}", value.type())});
  };
  key.write = [&member] { return member ? "true" : "false"; };
  add(std::move(key));
}

void Schema::add(std::string path, std::string& member, std::string comment) {
  add(text_key(
      std::move(path), member, std::move(comment),
      [](const std::string& text, std::string& out) {
        out = text;
        return Unfit{};
      },
      [](const std::string& text) { return text; }, "a string"));
}

void Schema::add(std::string path, std::uint16_t& member, std::uint16_t least, std::uint16_t most,
                 std::string comment) {
  add(integer_key(std::move(path), member, least, most, std::move(comment)));
}
void Schema::add(std::string path, std::uint8_t& member, std::uint8_t least, std::uint8_t most,
                 std::string comment) {
  add(integer_key(std::move(path), member, least, most, std::move(comment)));
}
void Schema::add(std::string path, unsigned& member, unsigned least, unsigned most,
                 std::string comment) {
  add(integer_key(std::move(path), member, least, most, std::move(comment)));
}

void Schema::add(std::string path, Duration& member, Duration least, Duration most,
                 std::string comment) {
  add(text_key(
      std::move(path), member, std::move(comment),
      [least, most](const std::string& text, Duration& out) -> Unfit {
        const auto parsed = parse_duration(text);
        if (!parsed) return "not a duration; units are ms, s, min, h, d";
        if (*parsed < least || *parsed > most)
          return fmt::format("not in {} to {}", to_text(least), to_text(most));
        out = *parsed;
        return std::nullopt;
      },
      [](Duration duration) { return to_text(duration); }, "a duration such as \"15 s\""));
}

void Schema::add(std::string path, ByteCount& member, ByteCount least, ByteCount most,
                 std::string comment) {
  add(text_key(
      std::move(path), member, std::move(comment),
      [least, most](const std::string& text, ByteCount& out) -> Unfit {
        const auto parsed = parse_byte_count(text);
        if (!parsed) return "not a number of bytes; units are B, KiB, MiB, GiB";
        if (*parsed < least || *parsed > most)
          return fmt::format("not in {} to {}", to_text(least), to_text(most));
        out = *parsed;
        return std::nullopt;
      },
      [](ByteCount count) { return to_text(count); }, "a number of bytes such as \"1 MiB\""));
}

void Schema::add(std::string path, BitRate& member, std::string comment) {
  add(text_key(
      std::move(path), member, std::move(comment),
      [](const std::string& text, BitRate& out) -> Unfit {
        const auto parsed = parse_bit_rate(text);
        if (!parsed) return "not a bit rate; units are kbit/s, Mbit/s, Gbit/s";
        out = *parsed;
        return std::nullopt;
      },
      [](BitRate rate) { return to_text(rate); }, "a bit rate such as \"2 Mbit/s\", or \"none\""));
}

void Schema::add(std::string path, Level& member, std::string comment) {
  add(text_key(
      std::move(path), member, std::move(comment),
      [](const std::string& text, Level& out) { return parse_word(kLevels, text, out); },
      [](Level level) { return write_word(kLevels, level); }, "a string"));
}
void Schema::add(std::string path, fastpath::Mode& member, std::string comment) {
  add(text_key(
      std::move(path), member, std::move(comment),
      [](const std::string& text, fastpath::Mode& out) {
        return parse_word(kFastPaths, text, out);
      },
      [](fastpath::Mode mode) { return write_word(kFastPaths, mode); }, "a string"));
}

void Schema::add(std::string path, MediaWay& member, std::string comment) {
  add(text_key(
      std::move(path), member, std::move(comment),
      [](const std::string& text, MediaWay& out) { return parse_word(kMediaWays, text, out); },
      [](MediaWay way) { return write_word(kMediaWays, way); }, "a string"));
}

void Schema::add(std::string path, edge::Transport& member, std::string comment) {
  add(text_key(
      std::move(path), member, std::move(comment),
      [](const std::string& text, edge::Transport& out) {
        return parse_word(kTransports, text, out);
      },
      [](edge::Transport transport) { return write_word(kTransports, transport); }, "a string"));
}
void Schema::add(std::string path, media::Carriage& member, std::string comment) {
  add(text_key(
      std::move(path), member, std::move(comment),
      [](const std::string& text, media::Carriage& out) {
        return parse_word(kCarriages, text, out);
      },
      [](media::Carriage transport) { return write_word(kCarriages, transport); }, "a string"));
}

namespace {
auto host_port_parser(std::uint16_t default_port, bool may_be_empty) {
  return [=](const std::string& text, HostPort& out) -> Unfit {
    if (may_be_empty && text.empty()) {
      out = {};
      return std::nullopt;
    }
    return take(HostPort::parse(text, default_port), out);
  };
}
}  // namespace

void Schema::add(std::string path, HostPort& member, std::uint16_t default_port,
                 std::string comment) {
  add(text_key(
      std::move(path), member, std::move(comment), host_port_parser(default_port, true),
      [](const HostPort& it) { return it.host.empty() ? std::string{} : it.to_string(); },
      "a host and port"));
}

void Schema::add(std::string path, ProxyAddress& member, std::string comment) {
  add(text_key(
      std::move(path), member, std::move(comment),
      [](const std::string& text, ProxyAddress& out) -> Unfit {
        if (!text.empty()) return take(ProxyAddress::parse(text), out);
        out = {};
        return std::nullopt;
      },
      [](const ProxyAddress& it) { return it.to_string(); }, "a proxy's address"));
}

void Schema::add(std::string path, media::PortRange& member, std::string comment) {
  add(text_key(std::move(path), member, std::move(comment), parse_ports, write_ports,
               "a range of ports such as \"30000-39999\""));
}

void Schema::add(std::string path, std::vector<std::string>& member, std::string comment) {
  add(list_key(
      std::move(path), member, std::move(comment),
      [](const std::string& text, std::string& out) {
        out = text;
        return Unfit{};
      },
      [](const std::string& text) { return text; }, "a string"));
}
void Schema::add(std::string path, std::vector<IpAddress>& member, std::string comment) {
  add(list_key(
      std::move(path), member, std::move(comment), parse_ip,
      [](const IpAddress& it) { return it.to_string(); }, "an IP address"));
}
void Schema::add(std::string path, std::vector<IpRange>& member, std::string comment) {
  add(list_key(
      std::move(path), member, std::move(comment), parse_range,
      [](const IpRange& it) { return it.to_string(); }, "an address range"));
}
void Schema::add(std::string path, std::vector<TransportAddress>& member, std::string comment) {
  add(list_key(
      std::move(path), member, std::move(comment), parse_transport_address,
      [](const TransportAddress& it) { return it.to_string(); }, "an address and port"));
}
void Schema::add(std::string path, std::vector<HostPort>& member, std::uint16_t default_port,
                 std::string comment) {
  add(list_key(
      std::move(path), member, std::move(comment), host_port_parser(default_port, false),
      [](const HostPort& it) { return it.to_string(); }, "a host and port"));
}
void Schema::add(std::string path, std::vector<ListenAddress>& member, std::string comment) {
  add(list_key(
      std::move(path), member, std::move(comment), parse_listen,
      [](const ListenAddress& it) { return it.to_string(); }, "a transport and address"));
}
void Schema::add(std::string path, std::vector<media::PortRange>& member, std::string comment) {
  add(list_key(std::move(path), member, std::move(comment), parse_ports, write_ports,
               "a range of ports"));
}
void Schema::add(std::string path, std::vector<Mode>& member, std::string comment) {
  add(list_key(
      std::move(path), member, std::move(comment),
      [](const std::string& text, Mode& out) { return parse_word(kModes, text, out); },
      [](Mode mode) { return write_word(kModes, mode); }, "a string"));
}

const Table* as_table(const Value& value, const std::string& source, Problems& problems) {
  const auto* table = content<Table>(value);
  if (table == nullptr)
    problems.push_back(
        {source, value.place, fmt::format("expected a table, found {}", value.type())});
  return table;
}

const List* as_list(const Value& value, const std::string& source, Problems& problems) {
  const auto* list = content<List>(value);
  if (list == nullptr)
    problems.push_back(
        {source, value.place, fmt::format("expected a list, found {}", value.type())});
  return list;
}

// ---- Reading ----

const Key* Schema::find(std::string_view path) const {
  const auto it =
      std::find_if(keys_.begin(), keys_.end(), [path](const Key& key) { return key.path == path; });
  return it == keys_.end() ? nullptr : &*it;
}

void Schema::read(const Table& table, const std::string& source, Places& places,
                  Problems& problems) const {
  read_at("", table, source, places, problems);
}

void Schema::read_at(const std::string& prefix, const Table& table, const std::string& source,
                     Places& places, Problems& problems) const {
  for (const Entry& entry : table.entries) {
    const std::string path = prefix + entry.key;
    if (const Key* key = find(path)) {
      places.put(path, {source, entry.value.place});
      const std::size_t before = problems.size();
      key->read(entry.value, source, problems);
      // Keys inside tables have told their own names.
      if (key->shape == Shape::Tables) continue;
      for (std::size_t i = before; i < problems.size(); ++i)
        problems[i].what = path + ": " + problems[i].what;
      continue;
    }
    const bool is_section = std::any_of(keys_.begin(), keys_.end(), [&](const Key& key) {
      return key.path.starts_with(path + ".");
    });
    const auto* inner = content<Table>(entry.value);
    if (is_section && inner != nullptr) {
      read_at(path + ".", *inner, source, places, problems);
    } else if (is_section) {
      problems.push_back({source, entry.value.place,
                          fmt::format("{}: expected a table, found {}", path, entry.value.type())});
    } else {
      problems.push_back(
          {source, entry.place, fmt::format("unknown key '{}'{}", path, suggestion(path))});
    }
  }
}

void Schema::read_item(const Value& value, const std::string& source, Problems& problems) const {
  Places places;
  if (const Table* table = as_table(value, source, problems))
    read(*table, source, places, problems);
}

void Schema::read_text(const Key& key, std::string_view text, const std::string& source,
                       Places& places, Problems& problems) const {
  places.put(key.path, {source, {}});
  const std::size_t before = problems.size();
  if (key.shape == Shape::Tables)
    problems.push_back({source, {}, "can be set in the file only"});
  else
    key.read(value_from_text(key.shape, text), source, problems);
  for (std::size_t i = before; i < problems.size(); ++i)
    problems[i].what = key.path + ": " + problems[i].what;
}

std::string Schema::suggestion(std::string_view path) const {
  if (path.size() > kMaxNameCompared) return {};
  const Key* nearest = nullptr;
  std::size_t distance = 0;
  for (const Key& key : keys_) {
    // Compared whole, and as the right name in the wrong section, which counts as one slip. A
    // mistyped section is compared with its equals: its keys are not written yet.
    std::string_view other = key.path;
    const auto depth = std::count(path.begin(), path.end(), '.');
    for (auto extra = std::count(other.begin(), other.end(), '.'); extra > depth; --extra)
      other = section_of(other);
    std::size_t d = edit_distance(path, other);
    if (last_part(path) == last_part(key.path)) d = std::min<std::size_t>(d, 1);
    if (nearest == nullptr || d < distance) {
      nearest = &key;
      distance = d;
    }
  }
  // A third of the letters wrong is another word.
  const std::size_t allowed = std::max<std::size_t>(1, last_part(path).size() / 3);
  if (nearest == nullptr || distance > allowed) return {};
  std::string_view name = nearest->path;
  if (last_part(path) != last_part(name)) {
    const auto depth = std::count(path.begin(), path.end(), '.');
    for (auto extra = std::count(name.begin(), name.end(), '.'); extra > depth; --extra)
      name = section_of(name);
  }
  return fmt::format(" (did you mean '{}'?)", name);
}

// ---- Writing ----

std::string Schema::to_toml() const {
  std::string out;
  std::string current;
  const auto open = [&](const std::string& section) {
    current = section;
    out += "\n";
    for (const auto& [path, comment] : sections_)
      if (path == section) append_comment(out, comment);
  };
  for (const Key& key : keys_) {
    const std::string section{section_of(key.path)};
    if (key.shape == Shape::Tables) {  // its own head, commented out
      out += "\n";
      append_comment(out, key.comment);
      out += key.write();
      continue;
    }
    if (section != current) {
      open(section);
      out += "[" + section + "]\n";
    }
    append_comment(out, key.comment);
    out += fmt::format("{} = {}\n", last_part(key.path), key.write());
  }
  return out;
}

std::string Schema::to_example(const std::string& head) const {
  std::string out = "#" + head + "\n";
  for (const Key& key : keys_) {
    append_comment(out, key.comment);
    out += fmt::format("#{} = {}\n", key.path, key.write());
  }
  return out;
}

std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::vector<std::size_t>> d(a.size() + 1, std::vector<std::size_t>(b.size() + 1));
  for (std::size_t i = 0; i <= a.size(); ++i) {
    for (std::size_t j = 0; j <= b.size(); ++j) {
      if (i == 0 || j == 0) {
        d[i][j] = i + j;
        continue;
      }
      const std::size_t replaced = d[i - 1][j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
      d[i][j] = std::min({d[i - 1][j] + 1, d[i][j - 1] + 1, replaced});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
        d[i][j] = std::min(d[i][j], d[i - 2][j - 2] + 1);
    }
  }
  return d[a.size()][b.size()];
}

std::string environment_name(std::string_view path) {
  std::string out = "SALLYPORT_";
  for (const char c : path)
    out += c == '.' ? '_' : static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  return out;
}

}  // namespace sallyport::config
