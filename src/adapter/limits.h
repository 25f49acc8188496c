// What terminals, agents and strangers can use up: the limits that every adapter keeps. Values with
// defaults; the configuration file fills them in.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/transport_address.h"

namespace sallyport::adapter {

struct Limits {
  std::size_t calls = 20000;
  std::size_t calls_per_agent = 1000;
  std::size_t unanswered_of_source = 30;        // calls of one stranger outside
  std::uint64_t bandwidth = ~std::uint64_t{0};  // bits a second; see bandwidth_limits.h
  std::uint64_t bandwidth_per_agent = ~std::uint64_t{0};
  std::uint64_t bandwidth_per_call = ~std::uint64_t{0};
  // In a second, from an agent's network or an upstream; see rate_guard.h.
  unsigned requests_a_second = 500;
  unsigned new_calls_a_second = 50;
  // Outside, what carries the calls of many (providers, PBXs, gatekeepers, other servers): no
  // strangers.
  std::vector<IpRange> upstreams;
};

}  // namespace sallyport::adapter
