#include "sim_network.h"

#include <utility>

#include "sim_streams.h"

namespace sallyport::sim {
namespace {

class SimTimer final : public net::Timer {
 public:
  explicit SimTimer(World& world) : world_(world) {}
  ~SimTimer() override { stop(); }
  void start(TimePoint due, std::function<void()> on_due) override {
    stop();
    armed_ = std::make_shared<bool>(true);
    world_.at(due, [armed = std::weak_ptr{armed_}, on_due = std::move(on_due)] {
      if (const auto held = armed.lock()) on_due();
    });
  }
  void stop() override { armed_.reset(); }

 private:
  World& world_;
  std::shared_ptr<bool> armed_;
};

class SimDatagramSocket final : public net::DatagramSocket {
 public:
  SimDatagramSocket(World& world, RealmId realm, const TransportAddress& local)
      : world_(world), realm_(realm), local_(local) {}
  ~SimDatagramSocket() override { world_.unbind(realm_, local_); }
  TransportAddress local() const override { return local_; }
  void send(const IpAddress& /*from*/, const TransportAddress& to, Bytes datagram) override {
    world_.send(realm_, local_, to, datagram);
  }

 private:
  World& world_;
  RealmId realm_;
  TransportAddress local_;
};

class SimListener final : public net::Listener {
 public:
  SimListener(World& world, RealmId realm, const TransportAddress& local)
      : world_(world), realm_(realm), local_(local) {}
  ~SimListener() override { world_.streams().unlisten(realm_, local_); }
  TransportAddress local() const override { return local_; }

 private:
  World& world_;
  RealmId realm_;
  TransportAddress local_;
};

}  // namespace

std::unique_ptr<net::Timer> SimNetwork::make_timer() { return std::make_unique<SimTimer>(world_); }

void SimNetwork::post(std::function<void()> work) {
  world_.at(world_.now(), [alive = std::weak_ptr{alive_}, work = std::move(work)] {
    if (alive.lock()) work();
  });
}

Result<std::unique_ptr<net::DatagramSocket>> SimNetwork::open_datagrams(
    const TransportAddress& local, const net::DatagramOptions& /*options*/,
    OnDatagram on_datagram) {
  const TransportAddress address{address_, local.port};
  const bool bound =
      world_.bind(realm_, address,
                  [host = address_, on_datagram = std::move(on_datagram)](
                      const TransportAddress& from, Bytes b) { on_datagram(from, host, b); });
  if (!bound) return fail(Errc::System, "address in use");
  return std::make_unique<SimDatagramSocket>(world_, realm_, address);
}

Result<std::unique_ptr<net::Listener>> SimNetwork::listen(const TransportAddress& local,
                                                          const net::ListenOptions& options,
                                                          OnAccepted on_accepted) {
  if (options.tls) return fail(Errc::Unsupported, "no TLS in the simulated world");
  TransportAddress address{address_, local.port};
  if (local.port == 0) address.port = next_ephemeral_++;
  if (!world_.streams().listen(realm_, address, std::move(on_accepted)))
    return fail(Errc::System, "address in use");
  return std::make_unique<SimListener>(world_, realm_, address);
}

std::unique_ptr<net::Stream> SimNetwork::connect(const TransportAddress& remote,
                                                 const net::ConnectOptions& /*options*/,
                                                 net::Stream::Handler handler) {
  return world_.streams().connect(realm_, address_, remote, std::move(handler));
}

void SimNetwork::resolve(const std::string& /*name*/, net::DnsType /*type*/, OnRecords on_records) {
  post([on_records = std::move(on_records)] { on_records({}); });
}

Result<IpAddress> SimNetwork::local_address_for(const IpAddress& /*remote*/) { return address_; }

}  // namespace sallyport::sim
