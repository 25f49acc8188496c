// Whether UDP passes between here and a server's X: asks it, from a socket of its own, for the
// answer that X has for data of a stranger ("probe please", docs/PROTOCOL.md), which is never
// larger than what caused it. The answer proves nothing to the relay; it says that trying is worth
// while. On the network's thread.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "base/time.h"
#include "base/transport_address.h"
#include "net/network.h"

namespace sallyport::agent {

class UdpCheck {
 public:
  // The best of these that has answered; none, when that has taken too long. Called once, never
  // from inside the constructor; destroy it then, but not from inside.
  using OnResult = std::function<void(std::optional<TransportAddress>)>;

  // At least one, of one family, the best first. The network outlives it.
  UdpCheck(net::Network& network, std::vector<TransportAddress> servers, Duration patience,
           OnResult on_result);
  UdpCheck(const UdpCheck&) = delete;
  UdpCheck& operator=(const UdpCheck&) = delete;
  ~UdpCheck() = default;

 private:
  void ask();
  void on_datagram(const TransportAddress& source, Bytes datagram);
  void finish();

  net::Network& network_;
  std::vector<TransportAddress> servers_;
  OnResult on_result_;
  TimePoint began_;
  std::size_t asked_ = 0;
  std::size_t best_;  // in servers_; its size: none has answered
  std::unique_ptr<net::DatagramSocket> socket_;
  std::unique_ptr<net::Timer> ask_timer_, end_timer_;
};

}  // namespace sallyport::agent
