#include "codec/sip/multipart.h"

#include "codec/sip/lines.h"
#include "codec/text.h"

namespace sallyport::codec::sip {
namespace {

struct Delimiter {
  std::size_t begin = 0;  // of the line end before "--boundary"; it belongs to the delimiter
  std::size_t end = 0;    // behind the delimiter's own line
  bool last = false;      // "--boundary--"
};

// The next delimiter line at or behind `at`, where a line begins (RFC 2046 5.1.1: "The boundary
// delimiter MUST occur at the beginning of a line").
std::optional<Delimiter> next_delimiter(std::string_view body, std::size_t at,
                                        std::string_view boundary) {
  for (; at < body.size(); at = line_end(body, at)) {
    std::string_view line = body.substr(at, line_end(body, at) - at);
    if (!line.starts_with("--") || line.substr(2, boundary.size()) != boundary) continue;
    Delimiter out;
    out.begin = at;
    if (out.begin > 0) --out.begin;
    if (out.begin > 0 && body[out.begin] == '\n' && body[out.begin - 1] == '\r') --out.begin;
    out.end = at + line.size();
    line = line.substr(2 + boundary.size());
    out.last = line.starts_with("--");
    if (out.last) line.remove_prefix(2);
    if (trim(line).empty()) return out;  // else a longer word that only begins like the boundary
  }
  return std::nullopt;
}

Part part_of(std::string_view text) {
  Part part;
  std::size_t at = 0;
  std::optional<std::string_view> type;
  while (at < text.size() && !ends_headers(text, at)) {
    const HeaderLine line = header_line(text, at);
    if (!type && header_name_of(line.name) == HeaderName::ContentType) type = line.value;
    at = line.end;
  }
  part.headers = text.substr(0, at);
  part.body = at < text.size() ? text.substr(line_end(text, at)) : text.substr(at);
  if (type)
    if (const auto parsed = ContentType::parse(*type)) part.type = *parsed;
  return part;
}

bool is_readable(const Part& part) {
  const auto encoding = part.find("Content-Transfer-Encoding");
  if (part.find("Content-Encoding")) return false;
  return !encoding || equals_without_case(*encoding, "7bit") ||
         equals_without_case(*encoding, "8bit") || equals_without_case(*encoding, "binary");
}

std::optional<Part> find_sdp_part(std::string_view body, const ContentType& type, unsigned depth) {
  if (!equals_without_case(type.type, "multipart") || depth == kMaxPartDepth) return std::nullopt;
  const auto parts = parse_multipart(body, type.parameters.find("boundary").value_or(""));
  if (!parts) return std::nullopt;
  for (const Part& part : *parts) {
    if (!part.type) continue;
    if (part.type->is("application", "sdp")) {
      if (is_readable(part) && !part.body.empty()) return part;
    } else if (auto inner = find_sdp_part(part.body, *part.type, depth + 1)) {
      return inner;
    }
  }
  return std::nullopt;
}

std::optional<Part> find_sdp_part(const Message& message) {
  const auto text = message.find(HeaderName::ContentType);
  const auto type = ContentType::parse(text.value_or(std::string_view{}));
  if (!type || message.body().empty()) return std::nullopt;
  const auto encoding = message.find(HeaderName::ContentEncoding);
  if (encoding && !equals_without_case(*encoding, "identity")) return std::nullopt;
  if (type->is("application", "sdp")) return Part{{}, message.body(), *type};
  return find_sdp_part(message.body(), *type, 0);
}

}  // namespace

Result<ContentType> ContentType::parse(std::string_view text) {
  text = trim(text);
  const std::size_t semicolon = std::min(text.find(';'), text.size());
  std::string_view media = text.substr(0, semicolon);
  ContentType out;
  out.type = trim(take_until(media, '/'));
  out.subtype = trim(media);
  out.parameters = Parameters{text.substr(semicolon)};
  if (!is_token(out.type) || !is_token(out.subtype))
    return fail(Errc::BadValue, "malformed Content-Type");
  return out;
}

bool ContentType::is(std::string_view a_type, std::string_view a_subtype) const {
  return equals_without_case(type, a_type) && equals_without_case(subtype, a_subtype);
}

std::optional<std::string_view> Part::find(std::string_view header_text) const {
  for (std::size_t at = 0; at < headers.size();) {
    const HeaderLine line = header_line(headers, at);
    if (equals_without_case(line.name, header_text)) return line.value;
    at = line.end;
  }
  return std::nullopt;
}

Result<std::vector<Part>> parse_multipart(std::string_view body, std::string_view boundary) {
  // RFC 2046 5.1.1: 1 to 70 characters.
  if (boundary.empty() || boundary.size() > 70)
    return fail(Errc::BadValue, "multipart boundary is not 1 to 70 characters");
  std::vector<Part> parts;
  auto from = next_delimiter(body, 0, boundary);
  if (!from) return fail(Errc::BadValue, "multipart boundary not found");
  while (!from->last) {
    const auto to = next_delimiter(body, from->end, boundary);
    if (!to) return fail(Errc::Truncated, "multipart without its last boundary");
    if (parts.size() == kMaxParts) return fail(Errc::Exhausted, "too many parts", to->begin);
    // An empty part: its delimiter's line end is also the next one's.
    const std::size_t size = to->begin > from->end ? to->begin - from->end : 0;
    parts.push_back(part_of(body.substr(from->end, size)));
    from = to;
  }
  return parts;
}

std::optional<std::string_view> find_sdp(const Message& message) {
  const auto part = find_sdp_part(message);
  if (!part) return std::nullopt;
  return part->body;
}

std::string replace_sdp(const Message& message, std::string_view sdp,
                        std::string_view replacement) {
  const std::string_view body = message.body();
  const auto begin = static_cast<std::size_t>(sdp.data() - body.data());
  std::string out;
  out.reserve(body.size() - sdp.size() + replacement.size() + 8);
  std::size_t copied = 0;
  if (const auto part = find_sdp_part(message)) {
    if (const auto length = part->find("Content-Length"); length && !length->empty()) {
      const auto at = static_cast<std::size_t>(length->data() - body.data());
      out += body.substr(0, at);
      out += std::to_string(replacement.size());
      copied = at + length->size();
    }
  }
  out += body.substr(copied, begin - copied);
  out += replacement;
  out += body.substr(begin + sdp.size());
  return out;
}

}  // namespace sallyport::codec::sip
