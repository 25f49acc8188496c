// Who is behind what comes in, as limits see it: nobody is to take the room of another. Inside,
// every terminal is somebody in its own network, and its whole network is one towards the others.
// Outside, an address is cheap to get or to forge: strangers together are one, and only upstreams
// (providers, PBXs, other servers), which carry the calls of many, are each somebody. Values.
#pragma once

#include <algorithm>
#include <array>
#include <compare>
#include <vector>

#include "adapter/hop.h"

namespace sallyport::adapter {

struct Claimant {
  Place place;
  IpAddress host;  // unspecified: whoever is there
  friend auto operator<=>(const Claimant&, const Claimant&) = default;
};

inline bool is_upstream(const std::vector<IpRange>& upstreams, const Hop& from) {
  return from.place.is_outside() &&
         std::any_of(upstreams.begin(), upstreams.end(),
                     [&](const IpRange& range) { return range.contains(from.remote.ip); });
}

// Of one that is no upstream: where its packets come from. A subscriber with IPv6 has a whole /64
// (RFC 6177), of which each address is as good as another.
inline IpAddress source_network(const IpAddress& ip) {
  if (ip.is_v4()) return ip;
  std::array<std::uint8_t, 16> octets = ip.padded_octets();
  std::fill(octets.begin() + 8, octets.end(), std::uint8_t{0});
  return IpAddress::v6(octets);
}

// As the network at `place` sees it; outside: as all of the server's users do.
inline Claimant claimant_of(const std::vector<IpRange>& upstreams, const Hop& from, Place place) {
  const bool one = from.place.is_outside() ? is_upstream(upstreams, from) : from.place == place;
  return {from.place, one ? from.remote.ip : IpAddress{}};
}

}  // namespace sallyport::adapter
