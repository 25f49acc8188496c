// What everything in this folder needs of hops and messages: adapter/hop.h in SIP's terms.
#pragma once

#include <string_view>

#include "adapter/hop.h"
#include "codec/sip/message.h"

namespace sallyport::adapter::sip {

namespace wire = codec::sip;  // SIP messages as octets, in distinction to dialogs and transactions

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
