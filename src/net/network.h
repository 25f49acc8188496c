// The network as an edge and the multiplex connection use it: datagrams, byte streams, names,
// routes and time. HostNetwork (net/host_network.h) is the operating system's, on Asio, OpenSSL and
// c-ares; a simulation has its own in virtual time. Everything here runs on the thread of its event
// loop; no call blocks, handlers are never called from inside the call that caused them.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "base/time.h"
#include "base/transport_address.h"

namespace sallyport::net {

// TLS for one stream or listener. The contexts behind the names are made by net/tls.h.
class TlsContext;
struct TlsOptions {
  std::shared_ptr<TlsContext> context;
  std::string server_name;  // connecting: SNI, and the name to verify if the context verifies
};

class Stream {
 public:
  struct Handler {
    std::function<void()> on_connected;  // dialled streams: connected, and TLS done
    std::function<void(Bytes)> on_received;
    std::function<void()> on_half_closed;  // the far end will send no more
    std::function<void(Error)> on_closed;  // last call; also for a failed dial or handshake
    std::function<void()> on_drained;      // everything queued was handed to the kernel
  };
  Stream() = default;
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;
  virtual ~Stream() = default;  // closes; no handler is called any more

  virtual void set_handler(Handler handler) = 0;
  virtual void send(Bytes octets) = 0;     // queued; see queued()
  virtual std::size_t queued() const = 0;  // octets not yet handed to the kernel
  virtual void half_close() = 0;           // after what is queued
  virtual void pause_reading(bool paused) = 0;
  virtual void start_tls(const TlsOptions& options, bool as_server) = 0;  // on_connected when done
  virtual void set_dscp(std::uint8_t dscp) = 0;
  virtual TransportAddress local() const = 0;
  virtual TransportAddress remote() const = 0;

  // TLS only; empty or false without. Peer certificate in DER; exporter of RFC 8446 section 7.5.
  virtual Buffer peer_certificate() const = 0;
  virtual std::string alpn() const = 0;
  virtual bool export_key(std::string_view label, Bytes context, MutableBytes out) const = 0;
};

class Listener {
 public:
  Listener() = default;
  Listener(const Listener&) = delete;
  Listener& operator=(const Listener&) = delete;
  virtual ~Listener() = default;
  virtual TransportAddress local() const = 0;
};

class DatagramSocket {
 public:
  DatagramSocket() = default;
  DatagramSocket(const DatagramSocket&) = delete;
  DatagramSocket& operator=(const DatagramSocket&) = delete;
  virtual ~DatagramSocket() = default;
  virtual TransportAddress local() const = 0;
  // `from` unspecified: the route chooses; else that one of the host's addresses is the source.
  virtual void send(const IpAddress& from, const TransportAddress& to, Bytes datagram) = 0;
};

struct ConnectOptions {
  std::optional<IpAddress> local;
  std::optional<TlsOptions> tls;
  std::uint8_t dscp = 0;
  Duration timeout = std::chrono::seconds{10};  // TCP and TLS handshakes together
};

struct ListenOptions {
  std::optional<TlsOptions> tls;
  std::uint8_t dscp = 0;
  std::size_t max_handshakes = 256;  // connections whose TLS handshake is under way; more wait
};

struct DatagramOptions {
  std::vector<IpAddress> multicast_groups;
  // IPv4: by these addresses of this host, each on its interface. Empty: where the route leads.
  std::vector<IpAddress> multicast_interfaces;
  std::uint8_t dscp = 0;
};

struct DnsRecord {  // one of A/AAAA, SRV, NAPTR; unused members are empty
  IpAddress address;
  std::uint16_t priority = 0, weight = 0, port = 0;
  std::string target, service, flags;
};
enum class DnsType : std::uint8_t { Address, Srv, Naptr };

class Timer {  // destroyed: stopped
 public:
  Timer() = default;
  Timer(const Timer&) = delete;
  Timer& operator=(const Timer&) = delete;
  virtual ~Timer() = default;
  virtual void start(TimePoint due, std::function<void()> on_due) = 0;  // again: moves it
  virtual void stop() = 0;
};

class Network : public Clocks {
 public:
  using OnAccepted = std::function<void(std::unique_ptr<Stream>)>;  // TLS handshake done
  using OnDatagram =
      std::function<void(const TransportAddress& remote, const IpAddress& local, Bytes)>;
  using OnRecords = std::function<void(std::vector<DnsRecord>)>;

  virtual std::unique_ptr<Timer> make_timer() = 0;
  virtual void post(std::function<void()> work) = 0;  // runs soon, on the loop

  virtual Result<std::unique_ptr<DatagramSocket>> open_datagrams(const TransportAddress& local,
                                                                 const DatagramOptions& options,
                                                                 OnDatagram on_datagram) = 0;
  virtual Result<std::unique_ptr<Listener>> listen(const TransportAddress& local,
                                                   const ListenOptions& options,
                                                   OnAccepted on_accepted) = 0;
  // Failure comes as on_closed of the handler.
  virtual std::unique_ptr<Stream> connect(const TransportAddress& remote,
                                          const ConnectOptions& options,
                                          Stream::Handler handler) = 0;
  // Empty when there is no such name or no answer.
  virtual void resolve(const std::string& name, DnsType type, OnRecords on_records) = 0;
  // The local address from which `remote` is reached, by this host's routes. Unreachable if none.
  virtual Result<IpAddress> local_address_for(const IpAddress& remote) = 0;
  // Called when this host's addresses or routes change; a new watcher replaces the old one.
  virtual void watch_routes(std::function<void()> on_change) = 0;
};

}  // namespace sallyport::net
