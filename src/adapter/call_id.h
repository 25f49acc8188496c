// What names a call of an adapter, and its two sides. Values.
#pragma once

#include <cstdint>

#include "base/ids.h"

namespace sallyport::adapter {

using CallId = Id<struct CallTag>;

// Side 0 began the call, side 1 is whom it reached.
using Side = std::uint8_t;
constexpr Side kCaller = 0;
constexpr Side kCallee = 1;
constexpr Side other_side(Side side) { return side == kCaller ? kCallee : kCaller; }

}  // namespace sallyport::adapter
