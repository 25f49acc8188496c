// Byte streams of the simulated world: between hosts of one realm, in order and whole, in the
// pieces in which they were sent. What crosses the public network is kept, as datagrams are. There
// are none through a NAT: nothing in a private network opens one itself.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <utility>

#include "net/network.h"
#include "world.h"

namespace sallyport::sim {

class SimStreams {
 public:
  using OnAccepted = net::Network::OnAccepted;

  explicit SimStreams(World& world) : world_(world) {}

  // False if the address is taken.
  bool listen(RealmId realm, const TransportAddress& local, OnAccepted on_accepted);
  void unlisten(RealmId realm, const TransportAddress& local);
  std::unique_ptr<net::Stream> connect(RealmId realm, const IpAddress& from,
                                       const TransportAddress& to, net::Stream::Handler handler);

 private:
  World& world_;
  std::map<std::pair<RealmId, TransportAddress>, OnAccepted> listeners_;
  std::uint16_t next_port_ = 40000;
};

}  // namespace sallyport::sim
