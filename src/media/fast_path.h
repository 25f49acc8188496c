// Another way for media packets than through the relay and its sockets: what relays established
// directions by itself, and tells afterwards what it has relayed. The kernel is one
// (fastpath/kernel_relay.h); tests have another. Relay decides which direction is given to it and
// when it is taken back (media/offload.h); a fast path may always decline, or leave single packets
// to the relay.
#pragma once

#include <cstdint>

#include "base/time.h"
#include "base/transport_address.h"
#include "media/media.h"
#include "media/rtp_follower.h"
#include "media/socket_id.h"

namespace sallyport::media {

// How long a tick of an RTP clock is, and of which payload type.
struct RtpClock {
  std::uint32_t tick = 0;  // nanoseconds in 256ths; 0: not known
  std::uint8_t payload_type = 0;
  friend bool operator==(const RtpClock&, const RtpClock&) = default;
};

// One direction of one component: what arrives at socket `in` from `source` leaves from socket
// `out` for `target`, the terminal's octets unchanged. With a channel it is on a trunk, in clear,
// and alone in its datagram, behind the header of those.
struct FastRule {
  SocketId in;
  TransportAddress source;
  Channel in_channel = kNoChannel;
  SocketId out;
  TransportAddress target;
  Channel out_channel = kNoChannel;
  std::uint8_t dscp = 0;
  std::size_t longest = 0xffff;  // terminal's octets that may go that way
  RtpClock clock;
  friend bool operator==(const FastRule&, const FastRule&) = default;
};

// What was relayed in one place since the fast path began; it only grows.
struct FastCount {
  std::uint64_t packets = 0;
  std::uint64_t octets = 0;  // terminals'
  TimePoint last;            // of the latest packet: received, and sent, at this time
  // Its totals only grow, too; the rest is of what was offloaded there last.
  sallyport_rtp stream{};
};

class FastPath {
 public:
  // Small numbers, one for each direction: below kMaxComponents * RelayOptions::max_ends.
  using Place = std::uint32_t;

  FastPath() = default;
  FastPath(const FastPath&) = delete;
  FastPath& operator=(const FastPath&) = delete;
  virtual ~FastPath() = default;

  // False when this direction cannot be taken: it stays with the relay. The place is free.
  virtual bool offload(Place place, const FastRule& rule) = 0;
  // From now on nothing in this place is relayed.
  virtual void unload(Place place) = 0;
  virtual FastCount read(Place place) const = 0;
  // Of a place that is not free: the RTP clock of what it relays has been found out.
  virtual void set_clock(Place place, const RtpClock& clock) = 0;
  // The relay lives. It says so every Offload::kTick while anything is offloaded; when it stops
  // saying it, the fast path must stop relaying within 2 s.
  virtual void beat(TimePoint now) = 0;
};

}  // namespace sallyport::media
