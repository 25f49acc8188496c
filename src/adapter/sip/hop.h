// Where a SIP message came from or goes to, on one edge: the value that everything in this folder
// hands around. A response goes back along the hop its request came by; a request to a terminal
// goes along the hop of its registration.
#pragma once

#include <string>
#include <string_view>

#include "adapter/adapter.h"
#include "codec/sip/message.h"

namespace sallyport::adapter::sip {

namespace wire = codec::sip;  // SIP messages as octets, in distinction to dialogs and transactions

struct Hop {
  Place place;
  edge::Transport transport = edge::Transport::Udp;
  TransportAddress remote;
  // The address of this host that the other side sees or is to see, where it is known: the one a
  // datagram was sent to, the one a connection ends at. Unspecified: Locator finds it by the route.
  TransportAddress local;
  // TCP and TLS: the connection it came on. While it is open nothing else is dialled; a terminal
  // can often be reached over it only.
  edge::ConnectionId connection;
  // Connecting with TLS: the name whose certificate is asked for; empty: none is checked.
  std::string server_name;

  friend bool operator==(const Hop&, const Hop&) = default;
};

constexpr bool is_reliable(edge::Transport transport) { return transport != edge::Transport::Udp; }
// As Via spells it: "UDP", "TCP", "TLS".
constexpr std::string_view name(edge::Transport transport) {
  switch (transport) {
    case edge::Transport::Tcp:
      return "TCP";
    case edge::Transport::Tls:
      return "TLS";
    case edge::Transport::Udp:
      break;
  }
  return "UDP";
}

}  // namespace sallyport::adapter::sip
