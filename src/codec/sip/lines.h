// Header lines as they lie in a message: what message.cc indexes and framing.cc searches for
// Content-Length. Internal to this folder.
#pragma once

#include <cstring>
#include <string_view>

#include "codec/text.h"

namespace sallyport::codec::sip {

// The offset behind the line that begins at `at`, its '\n' included; text.size() for the last one.
inline std::size_t line_end(std::string_view text, std::size_t at) {
  const void* newline = std::memchr(text.data() + at, '\n', text.size() - at);
  if (newline == nullptr) return text.size();
  return static_cast<std::size_t>(static_cast<const char*>(newline) - text.data()) + 1;
}

// A line without its end, which is CRLF, or the bare LF that some devices send.
inline std::string_view without_line_end(std::string_view line) {
  if (line.ends_with('\n')) line.remove_suffix(1);
  if (line.ends_with('\r')) line.remove_suffix(1);
  return line;
}

struct HeaderLine {
  std::string_view name;   // trimmed; the whole line where there is no colon
  std::string_view value;  // trimmed; may hold folded lines
  std::size_t end = 0;     // offset behind the header, its folded lines included
};

// The header that begins at `at`, where a line that is neither empty nor a continuation begins.
inline HeaderLine header_line(std::string_view text, std::size_t at) {
  std::size_t end = line_end(text, at);
  // RFC 3261 7.3.1: a line that begins with white space continues the header before it.
  while (end < text.size() && (text[end] == ' ' || text[end] == '\t')) end = line_end(text, end);
  const std::string_view line = without_line_end(text.substr(at, end - at));
  const std::size_t colon = line.find(':');
  if (colon == std::string_view::npos) return {line, line.substr(line.size()), end};
  const std::string_view after = line.substr(colon + 1);
  std::string_view value = trim(after);
  // An empty value stands directly behind the colon, where an edit puts the new one.
  if (value.empty()) value = after.substr(0, 0);
  return {trim_right(line.substr(0, colon)), value, end};
}

// Is the line at `at` the empty one that ends the header block?
inline bool ends_headers(std::string_view text, std::size_t at) {
  return text[at] == '\n' || (text[at] == '\r' && at + 1 < text.size() && text[at + 1] == '\n');
}

}  // namespace sallyport::codec::sip
