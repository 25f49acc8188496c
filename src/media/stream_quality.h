// What can be told of a media stream by those who only forward it: loss, reordering, duplicates,
// jitter and pauses, from the RTP headers (RFC 3550 section 5.1) of what arrives at one component.
// The payload is not looked at, and the relay does not depend on any of it. What is no RTP (RTCP,
// STUN, DTLS, T.38) counts in pauses only. Used by Relay, on its thread: constant time and memory,
// nothing allocated.
//
// What counts is rtp_follower.h; the fast path has one too, and what that has found out is added.
#pragma once

#include <cstdint>

#include "base/bytes.h"
#include "base/time.h"
#include "media/fast_path.h"
#include "media/media.h"
#include "media/rtp_follower.h"

namespace sallyport::media {

class StreamQuality {
 public:
  void on_packet(Bytes datagram, TimePoint now);
  // The fast path follows this stream from now on, if it comes all the same to here. The next
  // packet that is shown begins anew, since nobody knows which numbers others had.
  void leave_to_fast_path() { rtp_.follows = 0; }
  // What that has relayed, and found out, since the last time.
  void on_fast(const FastCount& more);
  RtpClock clock() const { return {.tick = rtp_.tick, .payload_type = rtp_.payload_type}; }
  // As of `now`.
  Quality read(TimePoint now) const;

 private:
  // From when on the clock rate is estimated, and of what.
  struct Anchor {
    std::uint64_t at = 0;  // as in rtp_; 0: from nowhere
    std::uint32_t timestamp = 0;
    std::uint32_t ssrc = 0;
  };
  void estimate_clock(const sallyport_rtp& followed);

  sallyport_rtp rtp_{};
  Anchor anchor_;
};

}  // namespace sallyport::media
