#include "base/log.h"

#include <fmt/chrono.h>
#include <fmt/format.h>
#include <spdlog/async.h>
#include <spdlog/sinks/basic_file_sink.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <chrono>
#include <iterator>

namespace sallyport {
namespace {

constexpr std::size_t kQueuedLines = 8192;

std::string_view level_name(Level level) {
  switch (level) {
    case Level::Debug:
      return "debug";
    case Level::Info:
      return "info";
    case Level::Warning:
      return "warning";
    case Level::Error:
      return "error";
  }
  return "info";
}

// The length of the well-formed UTF-8 sequence at the start of `text`, 0 if there is none.
std::size_t utf8_length(std::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const auto continues = [&](std::size_t i) {
    return i < text.size() && (byte(i) & 0xc0U) == 0x80;
  };
  const unsigned char first = byte(0);
  if (first < 0x80) return 1;
  if (first >= 0xc2 && first < 0xe0) return continues(1) ? 2 : 0;
  if (first >= 0xe0 && first < 0xf0) {
    if (!continues(1) || !continues(2)) return 0;
    if (first == 0xe0 && byte(1) < 0xa0) return 0;   // overlong
    if (first == 0xed && byte(1) >= 0xa0) return 0;  // surrogate
    return 3;
  }
  if (first >= 0xf0 && first < 0xf5) {
    if (!continues(1) || !continues(2) || !continues(3)) return 0;
    if (first == 0xf0 && byte(1) < 0x90) return 0;
    if (first == 0xf4 && byte(1) >= 0x90) return 0;
    return 4;
  }
  return 0;
}

class SpdLog final : public Log {
 public:
  SpdLog(Level least, const spdlog::sink_ptr& sink)
      : Log(least),
        pool_(std::make_shared<spdlog::details::thread_pool>(kQueuedLines, 1)),
        logger_(std::make_shared<spdlog::async_logger>(
            "sallyport", sink, pool_, spdlog::async_overflow_policy::overrun_oldest)) {
    logger_->set_pattern("%v");
    logger_->set_level(spdlog::level::trace);
    logger_->flush_on(spdlog::level::info);
  }

 protected:
  void write(Level level, const std::string& line) override {
    logger_->log(level == Level::Debug ? spdlog::level::debug : spdlog::level::info, line);
  }

 private:
  std::shared_ptr<spdlog::details::thread_pool> pool_;
  std::shared_ptr<spdlog::async_logger> logger_;
};

class SilentLog final : public Log {
 public:
  SilentLog() : Log(Level::Error) {}

 protected:
  void write(Level /*level*/, const std::string& /*line*/) override {}
};

}  // namespace

void append_json_string(std::string& out, std::string_view text) {
  out.push_back('"');
  while (!text.empty()) {
    const auto c = static_cast<unsigned char>(text.front());
    const std::size_t length = utf8_length(text);
    if (length == 0) {
      out += "\xef\xbf\xbd";
    } else if (c == '"' || c == '\\') {
      out.push_back('\\');
      out.push_back(static_cast<char>(c));
    } else if (c < 0x20) {
      fmt::format_to(std::back_inserter(out), "\\u{:04x}", c);
    } else {
      out += text.substr(0, length);
    }
    text.remove_prefix(std::max<std::size_t>(length, 1));
  }
  out.push_back('"');
}

std::string format_event(Level level, std::string_view what, std::initializer_list<Field> fields) {
  const auto now = std::chrono::floor<std::chrono::milliseconds>(std::chrono::system_clock::now());
  const auto whole = std::chrono::floor<std::chrono::seconds>(now);
  std::string out = fmt::format(R"({{"ts":"{:%Y-%m-%dT%H:%M:%S}.{:03}Z","level":"{}","event":)",
                                fmt::gmtime(std::chrono::system_clock::to_time_t(whole)),
                                (now - whole).count(), level_name(level));
  append_json_string(out, what);
  for (const Field& field : fields) {
    out.push_back(',');
    append_json_string(out, field.key);
    out.push_back(':');
    std::visit(
        [&](const auto& value) {
          using V = std::decay_t<decltype(value)>;
          if constexpr (std::is_same_v<V, std::string> || std::is_same_v<V, std::string_view>)
            append_json_string(out, value);
          else
            fmt::format_to(std::back_inserter(out), "{}", value);
        },
        field.value);
  }
  out.push_back('}');
  return out;
}

void Log::event(Level level, std::string_view what, std::initializer_list<Field> fields) {
  if (level < least_) return;
  write(level, format_event(level, what, fields));
}

std::unique_ptr<Log> Log::to_stderr(Level least) {
  return std::make_unique<SpdLog>(least, std::make_shared<spdlog::sinks::stderr_sink_mt>());
}

std::unique_ptr<Log> Log::to_file(const std::string& path, Level least) {
  return std::make_unique<SpdLog>(least, std::make_shared<spdlog::sinks::basic_file_sink_mt>(path));
}

std::unique_ptr<Log> Log::silent() { return std::make_unique<SilentLog>(); }

}  // namespace sallyport
