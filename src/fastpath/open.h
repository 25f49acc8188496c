// Whether the kernel relays media: what the configuration says and what this host permits, brought
// together at start-up.
#pragma once

#include <memory>

#include "base/log.h"
#include "fastpath/kernel_relay.h"

namespace sallyport::fastpath {

enum class Mode : std::uint8_t {
  Off,
  Auto,  // if it can be had
  Ebpf,  // it is meant to be there: that it is not is a warning
};

// Null: user space relays everything. Which it is, and why, is logged, once.
std::unique_ptr<KernelRelay> open(Mode mode, std::size_t places, Log& log);

}  // namespace sallyport::fastpath
