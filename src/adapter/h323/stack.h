// What the parts of the H.323 adapter share. The adapter owns it; brain's thread.
#pragma once

#include "adapter/counters.h"
#include "adapter/h323/config.h"
#include "adapter/rate_guard.h"
#include "adapter/timers.h"
#include "base/log.h"
#include "base/random.h"

namespace sallyport::adapter::h323 {

struct Stack {
  const Config& config;
  RateGuard& guard;
  Timers& timers;
  Counters& counters;
  Random& random;
  Log& log;
};

}  // namespace sallyport::adapter::h323
