// Cuts messages out of a byte stream by TPKT (RFC 1006 section 6), as H.225.0 call signalling and
// H.245 over TCP have them:
//
//   | 3 | reserved | length of the whole, 16 bits | payload |
//
// A packet without payload is a keepalive that some endpoints send; it is skipped.
#pragma once

#include <cstddef>

#include "base/bytes.h"
#include "base/result.h"

namespace sallyport::codec::q931 {

constexpr std::size_t kTpktHeader = 4;
constexpr std::size_t kMaxTpktPayload = 0xffff - kTpktHeader;

class TpktReader {
 public:
  void push(Bytes octets);
  // The next payload, borrowed until the next push(). Truncated: more octets are needed. Any other
  // error is final: this is no TPKT stream (any more); close it.
  Result<Bytes> next();
  std::size_t buffered() const { return buffer_.size() - start_; }

 private:
  Buffer buffer_;
  std::size_t start_ = 0;
};

// The payload in its packet; at most kMaxTpktPayload octets.
Buffer encode_tpkt(Bytes payload);

}  // namespace sallyport::codec::q931
