// Events for people and machines: one JSON object a line. A line is an event ("call ended") with
// fields (call=, agent=, flow=); it holds no secret, no token, and is never written per packet.
// Handed in, not reached for. Writing never blocks the loop: a full queue drops the oldest,
// counted.
#pragma once

#include <concepts>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>
#include <variant>

namespace sallyport {

enum class Level : std::uint8_t { Debug, Info, Warning, Error };

struct Field {
  using Value =
      std::variant<std::string_view, std::string, std::int64_t, std::uint64_t, double, bool>;
  std::string_view key;
  Value value;

  Field(std::string_view k, std::string_view v) : key(k), value(v) {}
  Field(std::string_view k, const char* v) : key(k), value(std::string_view{v}) {}
  Field(std::string_view k, std::string v) : key(k), value(std::move(v)) {}
  Field(std::string_view k, bool v) : key(k), value(v) {}
  Field(std::string_view k, double v) : key(k), value(v) {}
  template <std::signed_integral T>
  Field(std::string_view k, T v) : key(k), value(std::int64_t{v}) {}
  template <std::unsigned_integral T>
  requires(!std::same_as<T, bool>) Field(std::string_view k, T v)
      : key(k), value(std::uint64_t{v}) {}
};

class Log {
 public:
  // Where lines go: standard error (the journal reads it) or a file; nothing for Log::silent().
  static std::unique_ptr<Log> to_stderr(Level least);
  static std::unique_ptr<Log> to_file(const std::string& path, Level least);
  static std::unique_ptr<Log> silent();

  Log(const Log&) = delete;
  Log& operator=(const Log&) = delete;
  virtual ~Log() = default;

  void event(Level level, std::string_view what, std::initializer_list<Field> fields = {});
  void debug(std::string_view w, std::initializer_list<Field> f = {}) { event(Level::Debug, w, f); }
  void info(std::string_view w, std::initializer_list<Field> f = {}) { event(Level::Info, w, f); }
  void warning(std::string_view w, std::initializer_list<Field> f = {}) {
    event(Level::Warning, w, f);
  }
  void error(std::string_view w, std::initializer_list<Field> f = {}) { event(Level::Error, w, f); }

  void set_level(Level least) { least_ = least; }

 protected:
  explicit Log(Level least) : least_(least) {}
  // `line` is a whole JSON object without a line end.
  virtual void write(Level level, const std::string& line) = 0;

 private:
  Level least_;
};

// Appends `text` to `out` as a JSON string with its quotes; what is not UTF-8 becomes U+FFFD.
void append_json_string(std::string& out, std::string_view text);

// The event as one JSON object: {"ts":"2026-01-31T12:00:00.123Z","level":"info","event":...}.
std::string format_event(Level level, std::string_view what, std::initializer_list<Field> fields);

}  // namespace sallyport
