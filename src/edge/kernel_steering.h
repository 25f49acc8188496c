// Tells the kernel which of the sockets that share a UDP port (SO_REUSEPORT) is to have a datagram:
// what media::steered() says, as a classic BPF program, which takes no privilege.
#pragma once

#include "base/result.h"
#include "net/udp_batch.h"

namespace sallyport::edge {

// `first` was bound first of `cores` sockets that share its port; they are numbered as they are
// bound. Errors: this kernel does not know how.
Result<void> steer_in_kernel(const net::UdpBatch& first, unsigned cores);

}  // namespace sallyport::edge
