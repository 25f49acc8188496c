// Whom a message comes from or goes to: a hop, and as what we face it. Values.
#pragma once

#include <cstdint>

#include "adapter/hop.h"

namespace sallyport::adapter::mgcp {

enum class Face : std::uint8_t {
  Gateway,    // the other side is a gateway, to which we are the call agent
  CallAgent,  // the other side is a call agent, to which we are the gateway
};

struct Peer {
  Hop hop;
  Face face = Face::Gateway;
};

}  // namespace sallyport::adapter::mgcp
