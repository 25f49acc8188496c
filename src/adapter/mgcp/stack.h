// What the parts of the MGCP adapter share. The adapter owns it all; brain's thread.
#pragma once

#include <functional>
#include <string_view>

#include "adapter/counters.h"
#include "adapter/mgcp/config.h"
#include "adapter/mgcp/peer.h"
#include "adapter/rate_guard.h"
#include "adapter/timers.h"
#include "base/log.h"
#include "base/random.h"

namespace sallyport::adapter::mgcp {

struct Stack {
  const Config& config;
  RateGuard& guard;
  Timers& timers;
  Counters& counters;
  Random& random;
  Log& log;
  // A datagram, from the listener that faces such peers there. False: there is none.
  std::function<bool(const Peer& to, std::string_view datagram, Commands&)> send;
  // Where that listener is reached; port 0: nobody listens.
  std::function<std::uint16_t(Place, Face)> port;
};

}  // namespace sallyport::adapter::mgcp
