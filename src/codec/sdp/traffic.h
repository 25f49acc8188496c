// How much a media line may send, as far as its SDP tells: what calls are admitted by, and what
// their streams are held to. Estimates on the high side; values, no I/O.
#pragma once

#include <cstddef>
#include <cstdint>

#include "codec/sdp/sdp.h"

namespace sallyport::codec::sdp {

// In one direction, a second: packets, and bits with RTP, UDP and IPv4 headers.
struct Traffic {
  std::uint64_t packets = 0;
  std::uint64_t bits = 0;

  friend bool operator==(const Traffic&, const Traffic&) = default;
};

// By b=TIAS (RFC 3890), else b=AS (RFC 8866 5.8), else by the dearest codec that it names. Nothing
// for port 0.
Traffic traffic(const Description& description, std::size_t media);
// All media together, but not more than the session's own b= says.
Traffic traffic(const Description& description);

}  // namespace sallyport::codec::sdp
