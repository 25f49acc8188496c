// The table of a configuration's keys: each with its name, its meaning and the member that it sets.
// One table reads files, environment and flags, refuses what it does not know, and prints the
// commented default file; so the printed file cannot drift from the code. Used by server_config and
// agent_config; values only.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "config/toml_reader.h"
#include "config/values.h"

namespace sallyport::config {

// What a value looks like in TOML; text from environment and flags is turned into it.
enum class Shape : std::uint8_t { Boolean, Integer, Text, Items, Tables };

struct Key {
  std::string path;     // "multiplex.listen"
  std::string comment;  // what it means, its unit and range; printed in the default file
  Shape shape = Shape::Text;
  // Sets the member; the text of a problem, or none.
  std::function<void(const Value&, const std::string& source, Problems&)> read;
  std::function<std::string()> write;  // the member as TOML; for Tables: a whole commented example
};

// Where each key was set, for problems that show only later.
class Places {
 public:
  struct Where {
    std::string source;
    Place place;
  };
  void put(const std::string& path, Where where) { places_[path] = std::move(where); }
  // A key that nobody set is at "default".
  Where find(const std::string& path) const;
  // Adds a problem at the place of `path`.
  void report(const std::string& path, std::string what, Problems& problems) const;

 private:
  std::map<std::string, Where> places_;
};

class Schema {
 public:
  // Comments for sections ("multiplex"), printed above their heads.
  void section(std::string path, std::string comment);

  // Keys. An integer's range is inclusive; a duration and a byte count are written with their unit.
  void add(std::string path, bool& member, std::string comment);
  void add(std::string path, std::string& member, std::string comment);
  void add(std::string path, std::uint16_t& member, std::uint16_t least, std::uint16_t most,
           std::string comment);
  void add(std::string path, std::uint8_t& member, std::uint8_t least, std::uint8_t most,
           std::string comment);
  void add(std::string path, unsigned& member, unsigned least, unsigned most, std::string comment);
  void add(std::string path, Duration& member, Duration least, Duration most, std::string comment);
  void add(std::string path, ByteCount& member, ByteCount least, ByteCount most,
           std::string comment);
  void add(std::string path, BitRate& member, std::string comment);
  void add(std::string path, Level& member, std::string comment);
  void add(std::string path, fastpath::Mode& member, std::string comment);
  void add(std::string path, MediaWay& member, std::string comment);
  void add(std::string path, edge::Transport& member, std::string comment);
  void add(std::string path, media::Carriage& member, std::string comment);
  void add(std::string path, HostPort& member, std::uint16_t default_port, std::string comment);
  void add(std::string path, ProxyAddress& member, std::string comment);
  void add(std::string path, media::PortRange& member, std::string comment);
  void add(std::string path, std::vector<std::string>& member, std::string comment);
  void add(std::string path, std::vector<IpAddress>& member, std::string comment);
  void add(std::string path, std::vector<IpRange>& member, std::string comment);
  void add(std::string path, std::vector<TransportAddress>& member, std::string comment);
  void add(std::string path, std::vector<HostPort>& member, std::uint16_t default_port,
           std::string comment);
  void add(std::string path, std::vector<ListenAddress>& member, std::string comment);
  void add(std::string path, std::vector<media::PortRange>& member, std::string comment);
  void add(std::string path, std::vector<Mode>& member, std::string comment);
  // Tables of one kind: [path.NAME] for each name, or [[path]] for each item. `describe_item` binds
  // one item's keys; the default file shows `example`, commented out.
  template <typename T>
  void add_named(const std::string& path, std::map<std::string, T>& member,
                 Schema (*describe_item)(T&), const std::string& example_name, T example,
                 std::string comment);
  template <typename T>
  void add_items(const std::string& path, std::vector<T>& member, Schema (*describe_item)(T&),
                 T example, std::string comment);

  const std::vector<Key>& keys() const { return keys_; }
  const Key* find(std::string_view path) const;

  // Sets every member that the tree names. Unknown keys and unfit values become problems.
  void read(const Table& table, const std::string& source, Places& places,
            Problems& problems) const;
  // Sets one member from text as environment and flags have it: lists are separated by commas.
  void read_text(const Key& key, std::string_view text, const std::string& source, Places& places,
                 Problems& problems) const;
  // The commented default file (the members as they are).
  std::string to_toml() const;
  // " (did you mean 'x'?)" for the nearest key, or nothing. `path` as written.
  std::string suggestion(std::string_view path) const;

 private:
  void add(Key key) { keys_.push_back(std::move(key)); }
  // An example table, every line commented out.
  std::string to_example(const std::string& head) const;
  void read_item(const Value& value, const std::string& source, Problems& problems) const;
  void read_at(const std::string& prefix, const Table& table, const std::string& source,
               Places& places, Problems& problems) const;

  std::vector<Key> keys_;
  std::vector<std::pair<std::string, std::string>> sections_;
};

// `value` as the kind that a key takes, or a problem that names what was found.
const Table* as_table(const Value& value, const std::string& source, Problems& problems);
const List* as_list(const Value& value, const std::string& source, Problems& problems);

// Slips of the finger from `a` to `b`: letters put in, left out, replaced, or swapped with their
// neighbour (optimal string alignment).
std::size_t edit_distance(std::string_view a, std::string_view b);

// The name of a key in the environment: "multiplex.listen" is SALLYPORT_MULTIPLEX_LISTEN.
std::string environment_name(std::string_view path);

// Quantities as people write them: "15 s", "300 ms", "24 h", "90 d"; "1 MiB"; "512 kbit/s", "none".
std::optional<Duration> parse_duration(std::string_view text);
std::string to_text(Duration duration);
std::optional<ByteCount> parse_byte_count(std::string_view text);
std::string to_text(ByteCount count);
std::optional<BitRate> parse_bit_rate(std::string_view text);
std::string to_text(BitRate rate);

template <typename T>
void Schema::add_named(const std::string& path, std::map<std::string, T>& member,
                       Schema (*describe_item)(T&), const std::string& example_name, T example,
                       std::string comment) {
  Key key{path, std::move(comment), Shape::Tables, {}, {}};
  key.read = [&member, describe_item](const Value& value, const std::string& source,
                                      Problems& problems) {
    const Table* table = as_table(value, source, problems);
    if (table == nullptr) return;
    for (const Entry& entry : table->entries)
      describe_item(member[entry.key]).read_item(entry.value, source, problems);
  };
  key.write = [path, describe_item, example_name, example]() mutable {
    return describe_item(example).to_example("[" + path + ".\"" + example_name + "\"]");
  };
  add(std::move(key));
}

template <typename T>
void Schema::add_items(const std::string& path, std::vector<T>& member, Schema (*describe_item)(T&),
                       T example, std::string comment) {
  Key key{path, std::move(comment), Shape::Tables, {}, {}};
  key.read = [&member, describe_item](const Value& value, const std::string& source,
                                      Problems& problems) {
    const List* list = as_list(value, source, problems);
    if (list == nullptr) return;
    for (const Value& item : *list) {
      T one;
      describe_item(one).read_item(item, source, problems);
      member.push_back(std::move(one));
    }
  };
  key.write = [path, describe_item, example]() mutable {
    return describe_item(example).to_example("[[" + path + "]]");
  };
  add(std::move(key));
}

}  // namespace sallyport::config
