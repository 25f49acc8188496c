// The edge whose sockets are here. Permitting, recording and acting meet in this one place, for
// every command: first the policy is asked, then the audit log is written, and only then a socket
// is touched; so no path to a socket goes round them. It is told what to do by a brain on this side
// or by the control protocol's slave, and tells its observer what happens, always from the loop and
// never from inside a command. One thread: the network's loop.
//
// Everything it tells carries *advertised* addresses, everything it does uses *bound* ones: a
// server behind a 1-to-1 NAT shows its public address in signalling while its sockets have the
// private one.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <unordered_map>

#include "base/log.h"
#include "base/log_limiter.h"
#include "edge/audit.h"
#include "edge/certificates.h"
#include "edge/edge.h"
#include "edge/policy.h"
#include "media/plane.h"
#include "net/network.h"

namespace sallyport::edge {

struct LocalEdgeOptions {
  std::string commander;  // who gives the commands, for the audit log: "server", an agent's name
  std::map<IpAddress, IpAddress> advertised;  // bound address -> the one to show instead
  Certificates certificates;
  // Listeners on no particular address open on each of these (of its family) instead; empty: they
  // open on all addresses of this host.
  std::vector<IpAddress> listen;
  // Whether the multiplex connection goes to that address: media flows may always go there, too.
  std::function<bool(const IpAddress&)> is_server;
  media::KeyRingId ring{1};  // whose keys seal a trunk that names none: those of the only session
  std::string reach_key;     // the configuration key that says which addresses this edge reaches
  std::uint64_t first_accepted_id = kChosenByEdge | 1;
  // What may wait to be sent on one connection; a far end that does not read is closed beyond it.
  std::size_t max_queued = std::size_t{1} << 20U;
};

class LocalEdge final : public Edge {
 public:
  // All arguments must outlive the edge.
  LocalEdge(net::Network& network, media::Plane& plane, const Policy& policy, Audit& audit,
            Log& log, LocalEdgeOptions options, Observer& observer);
  ~LocalEdge() override;  // closes everything

  void listen(ListenerId, const ListenSpec& spec) override;
  void connect(ConnectionId, const ConnectSpec& spec) override;
  void send(ConnectionId, Bytes octets) override;
  void send_datagram(ListenerId, const Addresses& addresses, Bytes datagram) override;
  void start_tls(ConnectionId, const TlsSpec& spec, bool as_server) override;
  void half_close(ConnectionId) override;
  void pause_reading(ConnectionId, bool paused) override;
  void set_dscp(ConnectionId, Dscp dscp) override;
  void close(ConnectionId) override;
  void close(ListenerId) override;
  void resolve(QueryId, const std::string& name, RecordType type) override;
  void find_local_address(QueryId, const IpAddress& toward) override;
  void open_port(MediaId, const media::PortSpec& spec) override;
  void open_flow(MediaId, const media::FlowSpec& spec) override;
  void open_trunk(MediaId, const media::TrunkSpec& spec) override;
  void set_remote(MediaId, const media::RemoteSpec& remote) override;
  void join(MediaId, MediaId) override;
  void leave(MediaId) override;
  void replace(MediaId old, MediaId by, media::ReplaceStep step) override;
  void probe(MediaId) override;
  void close(MediaId) override;
  void count(QueryId, MediaId) override;

  struct Counts {
    std::uint64_t refused = 0;            // commands that the policy refused
    std::uint64_t datagrams_refused = 0;  // to or from addresses that the policy does not reach
    std::uint64_t connections_refused = 0;
  };
  const Counts& counts() const { return counts_; }
  std::size_t sockets() const { return listeners_.size() + connections_.size() + media_.size(); }
  std::size_t media_ends() const { return media_.size() - trunks_.size(); }  // ports and flows
  std::size_t trunks() const { return trunks_.size(); }
  // Whether nothing that goes over trunks goes in clear; false without trunks.
  bool seals() const;

 private:
  struct ListenerState {
    Transport transport = Transport::Udp;
    std::vector<std::unique_ptr<net::DatagramSocket>> datagrams;
    std::vector<std::unique_ptr<net::Listener>> streams;
  };
  struct ConnectionState {
    std::unique_ptr<net::Stream> stream;
    Transport transport = Transport::Tcp;
    bool accepted = false;
    bool connected = false;
    IpAddress remote;
  };

  void act(std::string_view what_act, std::string_view what, std::uint64_t id,
           const std::optional<std::string>& refusal);
  void refuse(std::uint64_t id, Errc code, std::string what);
  // Somebody at an address that the policy does not reach has tried.
  void note_stranger(const IpAddress& ip, Transport transport);
  // Calls the observer from the loop, unless this edge is gone by then.
  void tell(std::function<void(Observer&)> what);
  // `work`, but nothing once this edge is gone.
  template <typename F>
  auto guarded(F work);

  std::vector<TransportAddress> where_to_listen(const TransportAddress& asked) const;
  Result<TransportAddress> listen_datagrams(ListenerId id, const ListenSpec& spec,
                                            const TransportAddress& at, ListenerState& state);
  Result<TransportAddress> listen_stream(ListenerId id, const ListenSpec& spec,
                                         const TransportAddress& at, ListenerState& state);
  void on_accepted(ListenerId listener, std::unique_ptr<net::Stream> stream, Transport transport);
  net::Stream::Handler handler_for(ConnectionId id);
  void on_stream_closed(ConnectionId id, const Error& why);
  void linger(std::unique_ptr<net::Stream> stream);
  std::optional<net::TlsOptions> tls_options(const TlsSpec& spec, bool as_server) const;
  media::Plane::OnEvent media_events(MediaId id);
  std::optional<std::string> refuse_flow(MediaId id,
                                         const std::vector<TransportAddress>& server) const;

  IpAddress shown(const IpAddress& bound) const;
  TransportAddress shown(const TransportAddress& bound) const;
  IpAddress bound(const IpAddress& shown) const;

  net::Network& network_;
  media::Plane& plane_;
  const Policy& policy_;
  Audit& audit_;
  Log& log_;
  LocalEdgeOptions options_;
  Observer& observer_;
  std::shared_ptr<LocalEdge*> self_;  // handlers hold it weakly
  std::uint64_t next_accepted_;
  std::unordered_map<ListenerId, ListenerState> listeners_;
  std::unordered_map<ConnectionId, ConnectionState> connections_;
  std::unordered_map<IpAddress, std::size_t> accepted_from_;
  std::unordered_map<MediaId, MediaId> media_;  // the commander's id -> the plane's
  std::unordered_map<MediaId, bool> trunks_;    // of these; whether it is sealed
  std::unordered_map<MediaId, bool> ports_;     // which of them are ports
  std::unordered_map<net::Stream*, std::unique_ptr<net::Stream>> lingering_;
  Counts counts_;
  LogLimiter strangers_;
};

}  // namespace sallyport::edge
