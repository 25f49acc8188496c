// The escape: a terminal's own datagram that begins with 4 to 15 (UDPTL's sequence numbers do, RFC
// 7345 section 4) would be taken for one of ours on a flow. So it travels in a tagged record and
// comes out at the flow's other end as it went in, octet for octet.
//
//   | 0x04 | version 1 | channel (2) | the terminal's datagram ... |
//
// Channel 0 is the flow that the source address tells; other channels have no meaning yet.
// Used by the carriages. Works in place.
#pragma once

#include "base/bytes.h"
#include "base/result.h"

namespace sallyport::media {

constexpr std::size_t kEscapeHeader = 4;
constexpr std::uint8_t kEscapeVersion = 1;

// `datagram` has at least kEscapeHeader writable octets before it; the result begins there.
MutableBytes escape(MutableBytes datagram);

// What escape() was given. Truncated: no whole header, or nothing behind it. Unsupported: another
// version, or another channel than 0.
Result<MutableBytes> unescape(MutableBytes record);

}  // namespace sallyport::media
