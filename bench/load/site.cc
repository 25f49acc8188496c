#include "load/site.h"

#include <algorithm>
#include <stdexcept>
#include <utility>

#include "net/tls.h"

namespace sallyport::bench {
namespace {

// The same in every site, as it is out there.
const IpAddress kAgent = IpAddress::v4({10, 1, 1, 2});
const TransportAddress kPhone{IpAddress::v4({10, 1, 1, 11}), 5060};

}  // namespace

// ---- SiteNetwork ----

class SiteNetwork::Socket final : public net::DatagramSocket {
 public:
  Socket(SiteNetwork& site, const TransportAddress& local, OnDatagram on_datagram)
      : site_(site), local_(local), on_datagram_(std::move(on_datagram)), open_(site.socket_) {
    if (local.ip.is_v4()) *open_ = this;  // the phone has no other address
  }
  Socket(const Socket&) = delete;
  Socket& operator=(const Socket&) = delete;
  ~Socket() override {
    if (*open_ == this) *open_ = nullptr;
  }

  TransportAddress local() const override { return local_; }
  void send(const IpAddress&, const TransportAddress&, Bytes datagram) override {
    site_.phone_.on_message(datagram, site_.now());
  }
  void receive(Bytes datagram) { on_datagram_(kPhone, kAgent, datagram); }

 private:
  SiteNetwork& site_;
  TransportAddress local_;
  OnDatagram on_datagram_;
  std::shared_ptr<Socket*> open_;
};

SiteNetwork::SiteNetwork(net::HostNetwork& host, Telephone& phone) : host_(host), phone_(phone) {
  // Posted, as what comes from a network is never a handler's own doing.
  phone_.set_send([this](const std::string& message) {
    host_.post([socket = socket_, message] {
      if (*socket != nullptr) (*socket)->receive(as_bytes(message));
    });
  });
}

Result<std::unique_ptr<net::DatagramSocket>> SiteNetwork::open_datagrams(
    const TransportAddress& local, const net::DatagramOptions&, OnDatagram on_datagram) {
  return std::make_unique<Socket>(*this, local, std::move(on_datagram));
}

Result<std::unique_ptr<net::Listener>> SiteNetwork::listen(const TransportAddress&,
                                                           const net::ListenOptions&, OnAccepted) {
  return fail(Errc::Unsupported, "these phones speak UDP");
}

std::unique_ptr<net::Stream> SiteNetwork::connect(const TransportAddress& remote,
                                                  const net::ConnectOptions& options,
                                                  net::Stream::Handler handler) {
  return host_.connect(remote, options, std::move(handler));
}

void SiteNetwork::resolve(const std::string&, net::DnsType, OnRecords on_records) {
  host_.post([on_records = std::move(on_records)] { on_records({}); });
}

Result<IpAddress> SiteNetwork::local_address_for(const IpAddress&) { return kAgent; }

// ---- SitePlane ----

Result<media::OpenedPort> SitePlane::open_port(const media::PortSpec& spec, OnEvent) {
  const media::MediaId id{++next_id_};
  media::OpenedPort out{.id = id, .addresses = {}};
  for (unsigned i = 0; i < spec.components; ++i)
    out.addresses.push_back({kAgent, static_cast<std::uint16_t>(next_port_ + i)});
  ends_[id].port = next_port_;
  next_port_ =
      next_port_ >= 39998 ? std::uint16_t{30000} : static_cast<std::uint16_t>(next_port_ + 2);
  return out;
}

Result<media::MediaId> SitePlane::open_flow(const media::FlowSpec& spec, OnEvent on_event) {
  const media::MediaId id{++next_id_};
  std::optional<std::size_t> flow;
  if (!spec.tagged())
    flow = flows_.open(id, spec, std::move(on_event));
  else if (const auto trunk = ends_.find(spec.trunk); trunk != ends_.end() && trunk->second.trunk)
    flow = flows_.open_tagged(spec, *trunk->second.trunk);
  if (!flow) return fail(Errc::Exhausted, "more flows than this tool was told of");
  ends_[id].flow = flow;
  return id;
}

Result<media::MediaId> SitePlane::open_trunk(const media::TrunkSpec& spec, OnEvent on_event) {
  const media::MediaId id{++next_id_};
  const auto trunk = flows_.open_trunk(id, spec, ring_, std::move(on_event));
  if (!trunk) return fail(Errc::Unsupported, "no such trunk, or not so many");
  ends_[id].trunk = trunk;
  return id;
}

void SitePlane::join(media::MediaId one, media::MediaId other) {
  leave(one);
  leave(other);
  const auto a = ends_.find(one);
  const auto b = ends_.find(other);
  if (a == ends_.end() || b == ends_.end()) return;
  a->second.joined = other;
  b->second.joined = one;
}

void SitePlane::leave(media::MediaId id) {
  const auto it = ends_.find(id);
  if (it == ends_.end()) return;
  if (const auto other = ends_.find(it->second.joined); other != ends_.end())
    other->second.joined = {};
  it->second.joined = {};
}

void SitePlane::probe(media::MediaId id) {
  const auto it = ends_.find(id);
  if (it == ends_.end()) return;
  if (it->second.flow) flows_.probe(*it->second.flow, clocks_.now());
  if (it->second.trunk) flows_.probe_trunk(*it->second.trunk, clocks_.now());
}

void SitePlane::close(media::MediaId id) {
  leave(id);
  const auto it = ends_.find(id);
  if (it == ends_.end()) return;
  if (it->second.flow) flows_.close(*it->second.flow);
  if (it->second.trunk) flows_.close_trunk(*it->second.trunk);
  ends_.erase(it);
}

std::optional<std::size_t> SitePlane::flow_behind(std::uint16_t port) const {
  for (const auto& [id, end] : ends_) {
    if (end.flow || end.port != port) continue;
    const auto joined = ends_.find(end.joined);
    return joined == ends_.end() ? std::nullopt : joined->second.flow;
  }
  return std::nullopt;
}

std::size_t SitePlane::open_beside_trunks() const {
  return static_cast<std::size_t>(
      std::count_if(ends_.begin(), ends_.end(), [](const auto& one) { return !one.second.trunk; }));
}

// ---- Site ----

Site::Site(std::size_t number, net::HostNetwork& host, Random& random, Log& log, edge::Audit& audit,
           const edge::Policy& policy, Flows& flows, std::vector<Call>& calls,
           agent::Identity identity)
    : phone_(number, random, calls),
      network_(host, phone_),
      plane_(flows, host),
      identity_(std::move(identity)),
      context_{.network = network_,
               .plane = plane_,
               .policy = policy,
               .audit = audit,
               .log = log,
               .modes = {control::Mode::ServerMaster},
               .certificates = {},
               .listen = {},
               .is_server =
                   [this](const IpAddress& ip) {
                     const auto server = dialler_->server();
                     return server && server->ip == ip;
                   },
               .on_certificate = [](const std::string&, const std::string&) {},
               .on_ready = [this](const control::Welcomed&) { problem_.clear(); },
               .on_media_event = [](const media::Event&) {},
               .on_over = [this](const Error& why) { problem_ = std::string{why.what}; }} {
  auto tls = net::TlsContext::client({.identity = identity_.tls(),
                                      .alpn = {std::string{mux::kAlpn}},
                                      .verify = net::VerifyServer::Pin,
                                      .pins = {identity_.pin}});
  if (!tls) throw std::runtime_error(std::string{tls.error().what});
  agent::Dialler::Settings settings{.servers = identity_.site.servers,
                                    .tls = {.context = std::move(*tls), .server_name = {}},
                                    .multiplex = {}};
  dialler_ = std::make_unique<agent::Dialler>(host, random, std::move(settings), *this);
}

void Site::on_session(mux::Multiplex& session) {
  session_ = std::make_unique<agent::ServerSession>(session, context_);
}

void Site::on_refused(const agent::Way&, const mux::Refusal& refusal) { problem_ = refusal.text; }

void Site::on_unreachable(const std::vector<agent::WayFailure>& tried) {
  problem_ = to_string(tried);
}

}  // namespace sallyport::bench
