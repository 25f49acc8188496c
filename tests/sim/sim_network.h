// net::Network on a host of the simulated world: datagrams, byte streams, timers and names. There
// is no TLS: it is tested where real ones are (tests/netns).
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "net/network.h"
#include "world.h"

namespace sallyport::sim {

class SimNetwork final : public net::Network {
 public:
  SimNetwork(World& world, RealmId realm, const IpAddress& address)
      : world_(world), realm_(realm), address_(address), alive_(std::make_shared<bool>(true)) {}

  TimePoint now() const override { return world_.now(); }
  WallTime wall_now() const override { return world_.wall_now(); }
  std::unique_ptr<net::Timer> make_timer() override;
  void post(std::function<void()> work) override;
  Result<std::unique_ptr<net::DatagramSocket>> open_datagrams(const TransportAddress& local,
                                                              const net::DatagramOptions& options,
                                                              OnDatagram on_datagram) override;
  Result<std::unique_ptr<net::Listener>> listen(const TransportAddress& local,
                                                const net::ListenOptions& options,
                                                OnAccepted on_accepted) override;
  std::unique_ptr<net::Stream> connect(const TransportAddress& remote,
                                       const net::ConnectOptions& options,
                                       net::Stream::Handler handler) override;
  void resolve(const std::string& name, net::DnsType type, OnRecords on_records) override;
  Result<IpAddress> local_address_for(const IpAddress& remote) override;
  void watch_routes(std::function<void()> /*on_change*/) override {}

  RealmId realm() const { return realm_; }
  const IpAddress& address() const { return address_; }
  World& world() { return world_; }

 private:
  World& world_;
  RealmId realm_;
  IpAddress address_;
  std::uint16_t next_ephemeral_ = 50000;
  std::shared_ptr<bool> alive_;
};

}  // namespace sallyport::sim
