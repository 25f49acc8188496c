// What can be told of a media stream by those who only forward it: loss, reordering, duplicates,
// jitter and pauses, from the RTP headers (RFC 3550 section 5.1) of what arrives at one component.
// The payload is not looked at, and the relay does not depend on any of it. What is no RTP (RTCP,
// STUN, DTLS, T.38) counts in pauses only. Used by Relay, on its thread: constant time and memory,
// nothing allocated.
//
// One synchronization source is followed at a time. Others that come beside it (retransmissions of
// video have one of their own) are not looked at, until the one that is followed has been silent.
#pragma once

#include <cstdint>
#include <optional>

#include "base/bytes.h"
#include "base/time.h"
#include "media/media.h"

namespace sallyport::media {

class StreamQuality {
 public:
  void on_packet(Bytes datagram, TimePoint now);
  // Packets came that were not shown, the latest at that time. They end a silence; what is followed
  // begins anew with the next that is shown, since nobody knows which numbers these had.
  void on_unseen(TimePoint last);
  // As of `now`.
  Quality read(TimePoint now) const;

 private:
  struct Header {
    std::uint8_t payload_type;
    std::uint16_t sequence;
    std::uint32_t timestamp;
    std::uint32_t ssrc;
  };
  static std::optional<Header> parse(Bytes datagram);

  void follow(const Header& header, TimePoint now);
  bool count(std::uint16_t sequence);  // true: it is in order
  void measure_jitter(const Header& header, TimePoint now);
  void estimate_clock(const Header& header, TimePoint now);

  static constexpr int kWindow = 64;

  std::uint64_t packets_ = 0;
  std::int64_t lost_ = 0;
  std::uint64_t window_ = 0;  // which of the latest sequence numbers came; bit 0: highest_
  std::uint32_t ssrc_ = 0;
  std::uint32_t reordered_ = 0;
  std::uint32_t duplicates_ = 0;
  std::uint32_t ssrc_changes_ = 0;
  std::uint32_t pauses_ = 0;
  std::uint32_t clock_rate_ = 0;  // Hz; 0: not known yet
  std::uint32_t last_timestamp_ = 0;
  std::uint32_t anchor_timestamp_ = 0;  // from which the clock rate is estimated
  std::uint16_t highest_ = 0;
  std::uint16_t restart_ = 0;  // the number that would show that the sender began anew
  std::uint8_t payload_type_ = 0;
  std::uint8_t span_ = 0;  // bits of window_ that belong to this stream
  bool follows_ = false;
  bool may_restart_ = false;
  bool any_ = false;  // packet, of whatever kind
  float jitter_us_ = 0;
  Duration largest_gap_{};
  TimePoint last_packet_{};  // of whatever kind
  TimePoint last_followed_{};
  TimePoint last_timed_{};  // the arrival of last_timestamp_
  TimePoint anchor_{};
};

}  // namespace sallyport::media
