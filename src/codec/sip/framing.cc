#include "codec/sip/framing.h"

#include <optional>

#include "codec/sip/lines.h"
#include "codec/sip/message.h"
#include "codec/text.h"

namespace sallyport::codec::sip {
namespace {

// The offset behind the empty line that ends the header block, looking for it from `from` on;
// nothing if it has not arrived.
std::optional<std::size_t> head_end(std::string_view text, std::size_t from) {
  for (std::size_t at = from; at < text.size();) {
    const std::size_t next = line_end(text, at);
    if (next == text.size()) return std::nullopt;
    if (text[next] == '\n') return next + 1;
    if (text[next] == '\r' && next + 1 < text.size() && text[next + 1] == '\n') return next + 2;
    at = next;
  }
  return std::nullopt;
}

// How many octets of body follow this header block.
Result<std::size_t> body_length(std::string_view head) {
  std::optional<std::size_t> said;
  bool has_type = false;
  for (std::size_t at = line_end(head, 0); at < head.size() && !ends_headers(head, at);) {
    const HeaderLine line = header_line(head, at);
    at = line.end;
    const HeaderName name = header_name_of(line.name);
    has_type = has_type || name == HeaderName::ContentType;
    if (name != HeaderName::ContentLength) continue;
    const auto length = decimal(line.value, UINT64_MAX);
    if (!length) return fail(Errc::BadValue, "Content-Length is no number");
    if (said && *said != *length) return fail(Errc::BadValue, "two Content-Lengths");
    said = static_cast<std::size_t>(*length);
  }
  // RFC 3261 20.14: over a stream Content-Length MUST be there. Where no Content-Type announces a
  // body either, its absence has one meaning only.
  if (!said && has_type) return fail(Errc::BadValue, "no Content-Length");
  return said.value_or(0);
}

}  // namespace

void Framer::push(Bytes octets) {
  // What has been read is let go when it is the larger part: each octet moves once on average.
  if (start_ > buffer_.size() / 2) {
    buffer_.erase(buffer_.begin(), buffer_.begin() + static_cast<std::ptrdiff_t>(start_));
    start_ = 0;
  }
  buffer_.insert(buffer_.end(), octets.begin(), octets.end());
}

Result<Frame> Framer::next() {
  const Bytes left = Bytes{buffer_}.subspan(start_);
  const std::string_view text = as_text(left);
  const auto take = [&](FrameKind kind, std::size_t size) {
    start_ += size;
    scanned_ = 0;
    return Frame{kind, left.first(size)};
  };
  if (text.starts_with("\r\n\r\n")) return take(FrameKind::Ping, 4);
  // A lone CRLF is a pong at once, else it would wait for the next message. So a ping whose halves
  // arrive apart counts as two pongs; its sender writes it whole.
  if (text.starts_with("\r\n") && text != "\r\n\r") return take(FrameKind::Pong, 2);
  if (text.empty() || text == "\r" || text == "\r\n\r")
    return fail(Errc::Truncated, "more octets are needed");

  const auto head = head_end(text, scanned_);
  if (head.value_or(text.size()) > kMaxMessage)
    return fail(Errc::Exhausted, "header block beyond 64 KiB");
  if (!head) {
    // Whether an earlier line end is followed by the empty line has been decided; of the last two
    // octets it cannot be known yet.
    scanned_ = text.size() - std::min<std::size_t>(text.size(), 2);
    return fail(Errc::Truncated, "more octets are needed");
  }
  const auto body = body_length(text.substr(0, *head));
  if (!body) return tl::make_unexpected(body.error());
  if (*body > kMaxMessage - *head) return fail(Errc::Exhausted, "message beyond 64 KiB");
  if (text.size() < *head + *body) {
    scanned_ = *head - std::min<std::size_t>(*head, 4);
    return fail(Errc::Truncated, "more octets are needed");
  }
  return take(FrameKind::Message, *head + *body);
}

Bytes Framer::refused() const {
  const Bytes left = Bytes{buffer_}.subspan(start_);
  return left.first(std::min(left.size(), kMaxMessage));
}

}  // namespace sallyport::codec::sip
