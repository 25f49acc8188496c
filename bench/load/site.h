// An agent with a private network that is not there. The agent is the product's own (Dialler,
// ServerSession, LocalEdge): what it says on the wire is real. What its edge finds in the place of
// an operating system is this: UDP sockets that lead to one Telephone, media ports that lead
// nowhere, and flows that end at the generator's socket (load/flows.h).
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "agent/dialler.h"
#include "agent/identity.h"
#include "agent/server_session.h"
#include "load/flows.h"
#include "load/telephone.h"
#include "net/host_network.h"

namespace sallyport::bench {

// Where the sockets of a site's edge lead.
class SiteNetwork final : public net::Network {
 public:
  SiteNetwork(net::HostNetwork& host, Telephone& phone);

  TimePoint now() const override { return host_.now(); }
  WallTime wall_now() const override { return host_.wall_now(); }
  std::unique_ptr<net::Timer> make_timer() override { return host_.make_timer(); }
  void post(std::function<void()> work) override { host_.post(std::move(work)); }
  Result<std::unique_ptr<net::DatagramSocket>> open_datagrams(const TransportAddress& local,
                                                              const net::DatagramOptions&,
                                                              OnDatagram on_datagram) override;
  Result<std::unique_ptr<net::Listener>> listen(const TransportAddress&, const net::ListenOptions&,
                                                OnAccepted) override;
  std::unique_ptr<net::Stream> connect(const TransportAddress& remote,
                                       const net::ConnectOptions& options,
                                       net::Stream::Handler handler) override;
  void resolve(const std::string& name, net::DnsType type, OnRecords on_records) override;
  Result<IpAddress> local_address_for(const IpAddress& remote) override;
  void watch_routes(std::function<void()>) override {}

 private:
  class Socket;

  net::HostNetwork& host_;
  Telephone& phone_;
  std::shared_ptr<Socket*> socket_ = std::make_shared<Socket*>(nullptr);  // the one that is open
};

// Where the media of a site's edge goes.
class SitePlane final : public media::Plane {
 public:
  SitePlane(Flows& flows, const Clocks& clocks) : flows_(flows), clocks_(clocks) {}

  Result<media::OpenedPort> open_port(const media::PortSpec& spec, OnEvent on_event) override;
  Result<media::MediaId> open_flow(const media::FlowSpec& spec, OnEvent on_event) override;
  Result<media::MediaId> open_trunk(const media::TrunkSpec& spec, OnEvent on_event) override;
  void install_keys(media::KeyRingId, const media::KeysOfConnection& keys) override {
    ring_.install(keys, clocks_.now());
  }
  void forget_keys(media::KeyRingId) override {}
  void replace(media::MediaId, media::MediaId, media::ReplaceStep) override {}
  void set_remote(media::MediaId, const media::RemoteSpec&) override {}
  void join(media::MediaId, media::MediaId) override;
  void leave(media::MediaId) override;
  void probe(media::MediaId) override;
  void close(media::MediaId) override;
  void count(media::MediaId, OnCounts on_counts) override { on_counts({}); }

  // The flow that this port is joined to.
  std::optional<std::size_t> flow_behind(std::uint16_t port) const;
  std::size_t open_beside_trunks() const;

 private:
  struct End {
    std::uint16_t port = 0;            // a port
    std::optional<std::size_t> flow;   // a flow
    std::optional<std::size_t> trunk;  // a trunk
    media::MediaId joined;
  };

  Flows& flows_;
  const Clocks& clocks_;
  media::KeyRing ring_;
  std::uint64_t next_id_ = 0;
  std::uint16_t next_port_ = 30000;
  std::unordered_map<media::MediaId, End> ends_;
};

class Site final : public agent::Dialler::Observer {
 public:
  Site(std::size_t number, net::HostNetwork& host, Random& random, Log& log, edge::Audit& audit,
       const edge::Policy& policy, Flows& flows, std::vector<Call>& calls,
       agent::Identity identity);

  void start() { dialler_->start(); }
  void stop() { dialler_->stop(mux::CloseCode::Stopping); }
  // Welcomed by the server, and connected.
  bool ready() const { return session_ && session_->ready() && session_->attached(); }
  Telephone& phone() { return phone_; }
  SitePlane& plane() { return plane_; }
  const std::string& problem() const { return problem_; }

 private:
  void on_session(mux::Multiplex& session) override;
  void on_refused(const agent::Way& way, const mux::Refusal& refusal) override;
  void on_unreachable(const std::vector<agent::WayFailure>& tried) override;
  void on_way(const agent::Way& /*way*/) override {}

  Telephone phone_;
  SiteNetwork network_;
  SitePlane plane_;
  agent::Identity identity_;
  agent::ServerSessionContext context_;
  std::unique_ptr<agent::ServerSession> session_;
  std::unique_ptr<agent::Dialler> dialler_;
  std::string problem_;
};

}  // namespace sallyport::bench
