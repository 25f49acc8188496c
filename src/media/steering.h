// Which of a receiver's threads takes a datagram that arrives at X or Y. A thread is a *core* here:
// a number below how many there are. A tagged datagram is for the core that its trunk's owner names
// (media.h); everything else (probes, bound media, escapes) for one that its source names. The
// kernel is told the same (edge/kernel_steering.h), so that it hands a datagram to the right thread
// at once; where it does not, or cannot, the threads pass it on among themselves. Values only.
#pragma once

#include <cstdint>
#include <cstring>

#include "base/bytes.h"
#include "base/transport_address.h"
#include "media/datagram_type.h"
#include "media/media.h"
#include "media/tagged.h"

namespace sallyport::media {

using Core = std::uint8_t;
constexpr unsigned kMaxCores = kMaxOwners;

// A multiplication spreads addresses and ports that follow one another over the high bits.
constexpr std::uint32_t kSteeringFactor = 0x9e3779b1U;
constexpr unsigned kSteeringShift = 16;

inline Core steered_by_source(const TransportAddress& source, unsigned cores) {
  const Bytes octets = source.ip.octets();
  std::uint32_t mixed = source.port;
  for (std::size_t i = 0; i < octets.size(); ++i)
    mixed ^= std::uint32_t{octets[i]} << (24 - 8 * (i % 4));
  return static_cast<Core>((mixed * kSteeringFactor >> kSteeringShift) % cores);
}

inline Core steered(Bytes datagram, const TransportAddress& source, unsigned cores) {
  if (datagram.size() < kPlainHeader) return steered_by_source(source, cores);
  const bool in_clear = datagram[0] == static_cast<std::uint8_t>(DatagramType::Tagged) &&
                        datagram[1] == kPlainVersion;
  if (!in_clear && !is_sealed(datagram[0])) return steered_by_source(source, cores);
  const auto channel = static_cast<Channel>(datagram[2] << 8U | datagram[3]);
  return static_cast<Core>(owner_of(channel) % cores);
}

// Where a flow with that token begins: known to all without being told.
inline Core first_core_of(const Token& token, unsigned cores) {
  return static_cast<Core>(token[0] % cores);
}

}  // namespace sallyport::media
