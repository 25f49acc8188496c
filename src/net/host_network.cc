#include "net/host_network.h"

#include <fstream>
#include <utility>

#include "net/host_datagrams.h"
#include "net/host_listener.h"
#include "net/host_stream.h"
#include "net/resolver.h"
#include "net/route_watcher.h"
#include "net/socket.h"

namespace sallyport::net {
namespace {

constexpr std::size_t kStreamScratch = std::size_t{64} * 1024;

// Where neither ICMP nor probing tells of a narrow path: 1380 octets of IPv4 packet, 1400 of IPv6
// pass PPPoE, GRE, IPsec and WireGuard.
constexpr int kSafeSegment = 1340;

bool kernel_probes_mtu() {
  std::ifstream setting("/proc/sys/net/ipv4/tcp_mtu_probing");
  int value = 0;
  return setting >> value && value != 0;
}

}  // namespace

// In the order of their lives: what is still under way in the loop when it ends uses what stands
// before it.
struct HostNetwork::Parts {
  explicit Parts(const HostNetworkOptions& options)
      : stream_scratch(kStreamScratch),
        datagram_scratch(options.max_datagram),
        probes_mtu(kernel_probes_mtu()),
        streams{loop, MutableBytes{stream_scratch}, options.tcp_user_timeout,
                probes_mtu ? 0 : kSafeSegment},
        resolver(loop, options.dns_servers, options.max_dns_queries) {}

  Buffer stream_scratch;
  DatagramScratch datagram_scratch;
  bool probes_mtu;
  EventLoop loop;
  StreamSettings streams;
  Resolver resolver;
  std::unique_ptr<RouteWatcher> routes;
};

HostNetwork::HostNetwork(const HostNetworkOptions& options)
    : parts_(std::make_unique<Parts>(options)) {}
HostNetwork::~HostNetwork() = default;

void HostNetwork::run() { parts_->loop.run(); }
void HostNetwork::stop() { parts_->loop.stop(); }
bool HostNetwork::run_one(Duration at_most) { return parts_->loop.run_one(at_most); }
void HostNetwork::on_signals(const std::vector<int>& signals, std::function<void(int)> on_signal) {
  parts_->loop.on_signals(signals, std::move(on_signal));
}

Result<std::unique_ptr<Listener>> HostNetwork::listen_unix(const std::string& path,
                                                           OnAccepted on_accepted) {
  return net::listen_unix(parts_->streams, path, std::move(on_accepted));
}

std::unique_ptr<Stream> HostNetwork::connect_unix(const std::string& path,
                                                  Stream::Handler handler) {
  return dial_unix(parts_->streams, path, std::move(handler));
}

bool HostNetwork::probes_tcp_mtu() const { return parts_->probes_mtu; }

TimePoint HostNetwork::now() const { return Clock::now(); }
WallTime HostNetwork::wall_now() const { return std::chrono::system_clock::now(); }
std::unique_ptr<Timer> HostNetwork::make_timer() { return parts_->loop.make_timer(); }
void HostNetwork::post(std::function<void()> work) { parts_->loop.post(std::move(work)); }

Result<std::unique_ptr<DatagramSocket>> HostNetwork::open_datagrams(const TransportAddress& local,
                                                                    const DatagramOptions& options,
                                                                    OnDatagram on_datagram) {
  return open_datagram_socket(parts_->loop, parts_->datagram_scratch, local, options,
                              std::move(on_datagram));
}

Result<std::unique_ptr<Listener>> HostNetwork::listen(const TransportAddress& local,
                                                      const ListenOptions& options,
                                                      OnAccepted on_accepted) {
  return listen_tcp(parts_->streams, local, options, std::move(on_accepted));
}

std::unique_ptr<Stream> HostNetwork::connect(const TransportAddress& remote,
                                             const ConnectOptions& options,
                                             Stream::Handler handler) {
  return dial(parts_->streams, remote, options, std::move(handler));
}

void HostNetwork::resolve(const std::string& name, DnsType type, OnRecords on_records) {
  parts_->resolver.resolve(name, type, std::move(on_records));
}

Result<IpAddress> HostNetwork::local_address_for(const IpAddress& remote) {
  return find_local_address(remote);
}

void HostNetwork::watch_routes(std::function<void()> on_change) {
  parts_->routes.reset();
  // Without netlink nothing is told, and the keepalives find out later.
  if (auto watcher = RouteWatcher::open(parts_->loop, std::move(on_change)))
    parts_->routes = std::move(*watcher);
}

}  // namespace sallyport::net
