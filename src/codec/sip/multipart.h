// Bodies: what Content-Type says of them, and the session description inside a multipart body (RFC
// 2046 5.1, RFC 5621). A part is a view into the body, so replacing it leaves every other octet as
// it came. Parts of other types (message/sipfrag, application/isup, PIDF-LO) are never looked into.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "codec/sip/message.h"
#include "codec/sip/uri.h"

namespace sallyport::codec::sip {

// Content-Type (RFC 3261 20.15): type "/" subtype *(;parameter).
struct ContentType {
  std::string_view type, subtype;
  Parameters parameters;
  static Result<ContentType> parse(std::string_view text);
  bool is(std::string_view a_type, std::string_view a_subtype) const;  // without case
};

struct Part {
  std::string_view headers;         // with the line end of the last one, without the empty line
  std::string_view body;            // without the line end that belongs to the boundary behind it
  std::optional<ContentType> type;  // nothing: not given or malformed (it is then text/plain)
  std::optional<std::string_view> find(std::string_view header_text) const;  // without case
};

constexpr std::size_t kMaxParts = 64;
constexpr unsigned kMaxPartDepth = 4;  // multipart/alternative in multipart/mixed in ...

// The parts between the boundaries. BadValue when the boundary is missing, malformed or not found,
// Truncated when the last part has no boundary behind it, Exhausted beyond kMaxParts.
Result<std::vector<Part>> parse_multipart(std::string_view body, std::string_view boundary);

// The session description in a message: its body, or the first application/sdp part of a multipart
// body at any depth; a view into message.body(). Nothing when there is none, or when it is encoded
// (Content-Encoding, or a Content-Transfer-Encoding other than 7bit, 8bit, binary), so that nobody
// can read an address in it, nor put another in its place.
std::optional<std::string_view> find_sdp(const Message& message);

// The whole body with `sdp`, which find_sdp() has found, replaced; a Content-Length of the part is
// made right.
std::string replace_sdp(const Message& message, std::string_view sdp, std::string_view replacement);

}  // namespace sallyport::codec::sip
