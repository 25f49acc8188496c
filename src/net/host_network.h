// The operating system's network: Network on Asio's readiness, OpenSSL and c-ares. One thread runs
// it; post() and stop() may be called from any. Everything made from it is destroyed before it.
// Nothing here raises SIGPIPE, and no file descriptor limit makes it spin.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "net/network.h"

namespace sallyport::net {

struct HostNetworkOptions {
  // How long sent octets may stay unacknowledged before a connection counts as dead
  // (TCP_USER_TIMEOUT; the kernel's own patience is a quarter of an hour).
  std::chrono::seconds tcp_user_timeout{20};
  // "192.0.2.53,[2001:db8::53]:5353"; empty: /etc/resolv.conf, followed when it changes.
  std::string dns_servers;
  std::size_t max_datagram = 65535;    // longer ones are dropped
  std::size_t max_dns_queries = 1024;  // under way; more find nothing
};

class HostNetwork final : public Network {
 public:
  explicit HostNetwork(const HostNetworkOptions& options = {});
  HostNetwork(const HostNetwork&) = delete;
  HostNetwork& operator=(const HostNetwork&) = delete;
  ~HostNetwork() override;

  void run();   // until stop(), also one that came before
  void stop();  // any thread; what is still to be done waits for the next run()
  // At most one handler; false: nothing happened in that time. For tests and short programs.
  bool run_one(Duration at_most);
  // SIGTERM, SIGINT, SIGHUP and the like, on the loop's thread; replaces an earlier call's handler.
  void on_signals(const std::vector<int>& signals, std::function<void(int)> on_signal);

  // A Unix-domain socket at `path`, mode 0600; the file goes with the listener. A file left by a
  // dead process is replaced; Exhausted when a living one listens, BadValue when the path is too
  // long or something that is no socket lies there.
  Result<std::unique_ptr<Listener>> listen_unix(const std::string& path, OnAccepted on_accepted);
  std::unique_ptr<Stream> connect_unix(const std::string& path, Stream::Handler handler);

  // Whether this host probes the path MTU of TCP connections when ICMP does not get through
  // (sysctl net.ipv4.tcp_mtu_probing). Where it does not, connections announce and use segments
  // that fit through common tunnels.
  bool probes_tcp_mtu() const;

  // Network. An unspecified IPv6 address means IPv6 only; open the IPv4 one beside it.
  TimePoint now() const override;
  WallTime wall_now() const override;
  std::unique_ptr<Timer> make_timer() override;
  void post(std::function<void()> work) override;  // any thread
  Result<std::unique_ptr<DatagramSocket>> open_datagrams(const TransportAddress& local,
                                                         const DatagramOptions& options,
                                                         OnDatagram on_datagram) override;
  Result<std::unique_ptr<Listener>> listen(const TransportAddress& local,
                                           const ListenOptions& options,
                                           OnAccepted on_accepted) override;
  std::unique_ptr<Stream> connect(const TransportAddress& remote, const ConnectOptions& options,
                                  Stream::Handler handler) override;
  void resolve(const std::string& name, DnsType type, OnRecords on_records) override;
  Result<IpAddress> local_address_for(const IpAddress& remote) override;
  void watch_routes(std::function<void()> on_change) override;

 private:
  struct Parts;
  std::unique_ptr<Parts> parts_;
};

}  // namespace sallyport::net
