// What this host's routing table says of one destination (rtnetlink(7)). Plain system calls, no
// loop.
#pragma once

#include <optional>

#include "base/result.h"
#include "base/transport_address.h"

namespace sallyport::net {

struct Route {
  unsigned device = 0;  // interface index
  IpAddress local;      // the address that packets leave from
  IpAddress next_hop;   // the gateway's, or the destination's own where it is on the link
  unsigned mtu = 0;     // octets of IP
};

// The way to `remote`, for packets from `local` if that is given. Unreachable if there is none, or
// if it is no unicast route out of this host (its own address, a multicast group). Unsupported if
// it leads through a device that is no Ethernet.
Result<Route> find_route(const IpAddress& remote, const std::optional<IpAddress>& local);

}  // namespace sallyport::net
