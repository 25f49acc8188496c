// Datagram sockets of HostNetwork, for signalling: what arrives says to which of the host's
// addresses it was sent, and what leaves can name it. Internal to net/. (Media has its own,
// net/udp_batch.h.)
#pragma once

#include <memory>

#include "net/event_loop.h"
#include "net/network.h"

namespace sallyport::net {

// Room for one batch, shared by all datagram sockets of one network. Outlives them.
class DatagramScratch {
 public:
  static constexpr std::size_t kBatch = 16;
  explicit DatagramScratch(std::size_t max_datagram)
      : max_datagram_(max_datagram), room_(kBatch * max_datagram) {}
  MutableBytes slot(std::size_t i) {
    return MutableBytes{room_}.subspan(i * max_datagram_, max_datagram_);
  }

 private:
  std::size_t max_datagram_;
  Buffer room_;
};

Result<std::unique_ptr<DatagramSocket>> open_datagram_socket(EventLoop& loop,
                                                             DatagramScratch& scratch,
                                                             const TransportAddress& local,
                                                             const DatagramOptions& options,
                                                             Network::OnDatagram on_datagram);

}  // namespace sallyport::net
