// The words of the logical channels inside a multiplex connection: how one is named, how urgent it
// is, and how much may wait in it. Used by whoever opens or serves channels (control layer, edges).
// Values only.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/ids.h"
#include "base/time.h"

namespace sallyport::mux {

// A logical channel of one multiplex: its yamux stream number. The side that dialled opens odd
// ones, the side that accepted even ones.
using ChannelId = Id<struct ChannelTag, std::uint32_t>;

// The control channel: yamux stream 1, opened by the side that dialled, without a stream header.
constexpr ChannelId kControlChannel{1};

// Who goes first when octets are committed to the session. Bulk is committed late, so that what
// is more urgent never waits behind it.
enum class Priority : std::uint8_t { Control = 0, Signalling = 1, Bulk = 2 };

// What waits in a channel because the far side does not read is bounded: a channel that reaches
// this is reset (a datagram channel drops its oldest datagrams instead); the session goes on.
constexpr std::size_t kMaxQueued = std::size_t{1} << 20U;

// A datagram that could not be committed to the session by then is of no more use to anyone.
constexpr Duration kDatagramLife = std::chrono::seconds{4};

constexpr std::string_view name(Priority priority) {
  switch (priority) {
    case Priority::Control:
      return "control";
    case Priority::Signalling:
      return "signalling";
    case Priority::Bulk:
      return "bulk";
  }
  return "unknown";
}

}  // namespace sallyport::mux
