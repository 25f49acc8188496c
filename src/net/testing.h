// What the tests of this folder share: a loop that runs until something is true.
#pragma once

#include <gtest/gtest.h>
#include <sched.h>

#include <cstdlib>
#include <functional>
#include <string>
#include <thread>

#include "net/host_network.h"

namespace sallyport::net {

const TransportAddress kAnyPort{.ip = IpAddress::v4({127, 0, 0, 1}), .port = 0};

// False when it has not become true within 20 s.
inline bool run_until(HostNetwork& network, const std::function<bool()>& true_now) {
  const TimePoint limit = Clock::now() + std::chrono::seconds{20};
  while (!true_now()) {
    if (Clock::now() > limit) return false;
    network.run_one(std::chrono::milliseconds{20});
  }
  return true;
}

// Runs everything that is ready, and what that makes ready.
inline void run_ready(HostNetwork& network) {
  while (network.run_one(std::chrono::milliseconds{20})) {
  }
}

// Runs `test` on a thread with a network namespace of its own, in which loopback is up. False when
// this needs a right that we do not have.
inline bool in_own_network(const std::function<void()>& test) {
  bool entered = false;
  std::thread([&] {
    entered = ::unshare(CLONE_NEWNET) == 0 && std::system("ip link set lo up") == 0;  // NOLINT
    if (entered) test();
  }).join();
  return entered;
}

}  // namespace sallyport::net
