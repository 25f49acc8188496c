#include "adapter/sip/body.h"

#include <algorithm>
#include <cctype>

#include "codec/sip/uri.h"

namespace sallyport::adapter::sip {
namespace {

using codec::sip::HeaderName;
using codec::sip::Message;

std::string lower(std::string_view text) {
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(), [](char c) {
    return static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  });
  return out;
}

std::string_view trim(std::string_view text) {
  while (!text.empty() && std::isspace(static_cast<unsigned char>(text.front())))
    text.remove_prefix(1);
  while (!text.empty() && std::isspace(static_cast<unsigned char>(text.back())))
    text.remove_suffix(1);
  return text;
}

// The value of the part's Content-Type; text/plain by default (RFC 2046 5.1).
std::string part_type(std::string_view headers) {
  while (!headers.empty()) {
    const std::size_t end = headers.find('\n');
    const std::string_view line = trim(headers.substr(0, end));
    const std::size_t colon = line.find(':');
    if (colon != std::string_view::npos) {
      const std::string field = lower(trim(line.substr(0, colon)));
      if (field == "content-type" || field == "c") return media_type(line.substr(colon + 1));
    }
    if (end == std::string_view::npos) break;
    headers.remove_prefix(end + 1);
  }
  return "text/plain";
}

// Parts lie between lines that begin with "--" and the boundary (RFC 2046 5.1.1).
std::optional<SdpPart> find_in_multipart(std::string_view body, std::string_view boundary) {
  const std::string delimiter = "--" + std::string(boundary);
  std::size_t at = body.find(delimiter);
  while (at != std::string_view::npos) {
    const std::size_t line_end = body.find('\n', at);
    if (line_end == std::string_view::npos || body.substr(at + delimiter.size(), 2) == "--") break;
    const std::size_t begin = line_end + 1;
    const std::size_t next = body.find(delimiter, begin);
    if (next == std::string_view::npos) break;
    std::string_view part = body.substr(begin, next - begin);
    // The line end before a delimiter belongs to the delimiter.
    if (part.ends_with("\r\n")) {
      part.remove_suffix(2);
    } else if (part.ends_with('\n')) {
      part.remove_suffix(1);
    }
    std::size_t blank = part.find("\r\n\r\n");
    std::size_t skip = 4;
    if (blank == std::string_view::npos) {
      blank = part.find("\n\n");
      skip = 2;
    }
    if (blank != std::string_view::npos && part_type(part.substr(0, blank)) == "application/sdp") {
      const std::string_view text = part.substr(blank + skip);
      return SdpPart{text, static_cast<std::size_t>(text.data() - body.data()), text.size()};
    }
    at = next;
  }
  return std::nullopt;
}

}  // namespace

std::string media_type(std::string_view content_type) {
  return lower(trim(content_type.substr(0, content_type.find(';'))));
}

bool is_encoded(const Message& message) {
  const auto encoding = message.find(HeaderName::ContentEncoding);
  return encoding && !trim(*encoding).empty() && lower(trim(*encoding)) != "identity";
}

std::optional<SdpPart> find_sdp(const Message& message) {
  const auto type = message.find(HeaderName::ContentType);
  if (!type || message.body().empty() || is_encoded(message)) return std::nullopt;
  const std::string media = media_type(*type);
  if (media == "application/sdp") return SdpPart{message.body(), 0, message.body().size()};
  if (!media.starts_with("multipart/")) return std::nullopt;
  const std::size_t semicolon = type->find(';');
  if (semicolon == std::string_view::npos) return std::nullopt;
  const auto boundary = codec::sip::Parameters{type->substr(semicolon)}.find("boundary");
  if (!boundary || boundary->empty()) return std::nullopt;
  return find_in_multipart(message.body(), *boundary);
}

std::string with_sdp(const Message& message, const SdpPart& part, std::string_view sdp) {
  std::string body(message.body().substr(0, part.offset));
  body.append(sdp);
  return body.append(message.body().substr(part.offset + part.size));
}

}  // namespace sallyport::adapter::sip
