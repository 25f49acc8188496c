// Where a message came from or goes to, on one edge: the value that adapters hand around. A
// response goes back along the hop its request came by; a request to a terminal goes along the hop
// of its registration.
#pragma once

#include <string>

#include "adapter/adapter.h"

namespace sallyport::adapter {

struct Hop {
  Place place;
  edge::Transport transport = edge::Transport::Udp;
  TransportAddress remote;
  // The address of this host that the other side sees or is to see, where it is known: the one a
  // datagram was sent to, the one a connection ends at. Unspecified: it is found by the route.
  TransportAddress local;
  // TCP and TLS: the connection it came on. While it is open nothing else is dialled; a terminal
  // can often be reached over it only.
  edge::ConnectionId connection;
  // Connecting with TLS: the name whose certificate is asked for; empty: none is checked.
  std::string server_name;

  friend bool operator==(const Hop&, const Hop&) = default;
};

constexpr bool is_reliable(edge::Transport transport) { return transport != edge::Transport::Udp; }

}  // namespace sallyport::adapter
