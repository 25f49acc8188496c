// Cuts SIP messages out of a byte stream (RFC 3261 18.3: over TCP, Content-Length is the border)
// and tells keepalives apart (RFC 5626 3.5.1: double CRLF is a ping, a single CRLF a pong).
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/bytes.h"
#include "base/result.h"

namespace sallyport::codec::sip {

enum class FrameKind : std::uint8_t { Message, Ping, Pong };
struct Frame {
  FrameKind kind = FrameKind::Message;
  Bytes octets;  // of the message; borrowed from the framer until its next call
};

class Framer {
 public:
  void push(Bytes octets);
  // The next whole frame. Truncated: more octets are needed. Any other error: the stream cannot be
  // followed any more (no Content-Length though Content-Type announces a body, absurd length,
  // header block beyond 64 KiB): answer what can be answered and close.
  Result<Frame> next();
  // After such an error: what could not be followed, for Message::parse_head and a 400.
  Bytes refused() const;
  std::size_t buffered() const { return buffer_.size() - start_; }

 private:
  Buffer buffer_;
  std::size_t start_ = 0;
  std::size_t scanned_ = 0;  // where the search for the end of the header block goes on
};

}  // namespace sallyport::codec::sip
