// As much of TURN (RFC 8656) as it takes to have coturn relay a call: one end allocates a relayed
// address and binds a channel to the other, which knows nothing of it. No authentication.
#pragma once

#include <array>
#include <cstdint>
#include <optional>

#include "base/bytes.h"
#include "base/transport_address.h"

namespace sallyport::bench::turn {

constexpr std::uint16_t kChannel = 0x4000;  // the same in every allocation: each has its own

Buffer allocate_request(std::uint32_t transaction);
Buffer channel_bind_request(std::uint32_t transaction, const TransportAddress& peer);

struct Response {
  enum class Kind : std::uint8_t { Allocated, ChannelBound, Refused };
  Kind kind = Kind::Refused;
  TransportAddress relayed;  // of an allocation
};
// Nothing if it is no response to one of these.
std::optional<Response> parse_response(Bytes datagram);

}  // namespace sallyport::bench::turn
