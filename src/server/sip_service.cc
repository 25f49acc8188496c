#include "server/sip_service.h"

#include <algorithm>
#include <chrono>

#include "brain/secrets.h"
#include "server/adapter_settings.h"

namespace sallyport::server {
namespace {

namespace sip = adapter::sip;

// Nothing: a realm of an upstream, which is no domain.
std::optional<std::string> identity_of(const std::string& name, const std::string& domain) {
  const std::string text = "sip:" + name + "@" + domain;
  const auto uri = codec::sip::Uri::parse(text);
  if (!uri) return std::nullopt;
  return codec::sip::address_of_record(*uri);
}

boost::json::value limit(config::BitRate rate) {
  if (rate.bits == config::BitRate::kNone) return nullptr;
  return rate.bits;
}

void add_unique(std::vector<IpAddress>& to, const IpAddress& ip) {
  if (std::find(to.begin(), to.end(), ip) == to.end()) to.push_back(ip);
}

sip::Config adapter_config(const config::ServerConfig& config, const std::string& default_domain,
                           const std::vector<IpAddress>& advertised) {
  sip::Config out;
  out.inside = {.udp = config.sip.inside_udp,
                .tcp = config.sip.inside_tcp,
                .tls = config.sip.inside_tls,
                .addresses = {IpAddress::any_v4(), IpAddress::any_v6()},
                .certificate = {}};
  out.outside = {.udp = 0, .tcp = 0, .tls = 0, .addresses = {}, .certificate = {}};
  for (const config::ListenAddress& each : config.sip.listen) {
    add_unique(out.outside.addresses, each.address.ip);
    switch (each.transport) {
      case edge::Transport::Udp:
        out.outside.udp = each.address.port;
        break;
      case edge::Transport::Tcp:
        out.outside.tcp = each.address.port;
        break;
      case edge::Transport::Tls:
        out.outside.tls = each.address.port;
        break;
    }
  }
  out.inside_marks = marks(config.inside_marks);
  out.outside_marks = marks(config.outside_marks);
  out.advertised = advertised;
  out.domain = default_domain;
  out.ask_after = config.sip.ask_after;
  out.limits = limits(config);
  return out;
}

brain::Upstream upstream_of(const HostPort& target, edge::Transport transport) {
  return {.host = target.host, .port = target.port, .transport = transport, .place = {}};
}

sip::RegistrationConfig registration_config(const config::ServerConfig& config,
                                            const std::string& default_domain) {
  sip::RegistrationConfig out;
  out.default_domain = default_domain;
  out.domains = config.sip.domains;
  for (const auto& [domain, relay] : config.sip.relay) {
    sip::RelayDomain relayed{
        .domain = domain, .upstreams = {}, .holds_credentials = relay.holds_credentials};
    if (!relay.registrar.host.empty())
      relayed.upstreams.push_back(upstream_of(relay.registrar, relay.transport));
    out.relays.push_back(std::move(relayed));
  }
  const bool relayed = config.sip.relay.contains(default_domain);
  if (!relayed &&
      std::find(out.domains.begin(), out.domains.end(), default_domain) == out.domains.end())
    out.domains.push_back(default_domain);
  out.authenticate = config.sip.authenticate;
  out.min_expires = std::chrono::duration_cast<seconds>(config.sip.min_expires);
  out.max_expires = std::chrono::duration_cast<seconds>(config.sip.max_expires);
  out.default_expires = std::min(out.default_expires, out.max_expires);
  return out;
}

sip::Authenticator::Limits authenticator_limits(const config::ServerConfig& config) {
  sip::Authenticator::Limits out;
  out.offered.clear();
  for (const std::string& digest : config.sip.digests)
    out.offered.push_back(digest == "md5" ? sip::DigestHash::Md5 : sip::DigestHash::Sha256);
  out.throttle.failures = config.sip.failures_per_minute;
  return out;
}

brain::Routing::Config routing_config(const config::ServerConfig& config) {
  brain::Routing::Config out;
  for (const config::ServerConfig::Sip::Route& route : config.sip.routes) {
    brain::StaticRoute& made = out.routes.emplace_back();
    made.domain = route.domain;
    made.prefix = route.prefix;
    for (const HostPort& target : route.targets)
      made.upstreams.push_back(upstream_of(target, route.transport));
  }
  out.allow_dns = config.sip.dns_routing;
  return out;
}

}  // namespace

Result<std::unique_ptr<SipService>> SipService::make(const config::ServerConfig& config,
                                                     const std::vector<IpAddress>& advertised,
                                                     brain::SqliteStore& store,
                                                     Directory& directory, Random& random, Log& log,
                                                     WallTime now) {
  std::unique_ptr<SipService> service{new SipService};
  service->limits_ = config.limits;
  service->default_domain_ = config.default_domain();
  if (service->default_domain_.empty() && !advertised.empty())
    service->default_domain_ = advertised.front().to_string();

  service->registrations_ = &directory.registrations();
  auto journal = brain::SqliteJournal::open(store, now, log);
  if (!journal) return tl::make_unexpected(journal.error());
  service->journal_ = std::move(*journal);

  const auto nonces =
      brain::secret<std::tuple_size_v<sip::Authenticator::Secret>>(store, "sip-nonces", random);
  if (!nonces) return tl::make_unexpected(nonces.error());
  const auto gruus = brain::secret<std::tuple_size_v<sip::Gruu::Key>>(store, "sip-gruus", random);
  if (!gruus) return tl::make_unexpected(gruus.error());

  service->routes_ = std::make_unique<brain::Routing>(routing_config(config));
  service->registrar_ = std::make_unique<sip::RegistrationService>(
      registration_config(config, service->default_domain_), directory.registrations(),
      directory.users(), sip::RegistrationService::Secrets{.nonces = *nonces, .gruus = *gruus},
      authenticator_limits(config));
  service->routing_ = std::make_unique<sip::ServerRouting>(
      service->registrar_->config(), service->registrar_->domains(), service->registrar_->gruu(),
      directory.registrations(), directory.users(), *service->routes_, random);
  service->owned_adapter_ = std::make_unique<sip::SipAdapter>(
      adapter_config(config, service->default_domain_, advertised), *service->registrar_,
      *service->routing_, random, log);
  service->adapter_ = service->owned_adapter_.get();
  service->adapter_->set_journal(*service->journal_);
  return service;
}

std::vector<std::string> SipService::relayed_domains() const {
  std::vector<std::string> out;
  for (const sip::RelayDomain& relay : registrar_->config().relays) out.push_back(relay.domain);
  return out;
}

bool SipService::unblock(const std::string& name, const std::string& domain, TimePoint now) {
  const auto identity = identity_of(name, domain);
  return identity && registrar_->unblock(*identity, now);
}

void SipService::forget(const std::string& name, const std::string& domain, WallTime now) {
  const auto identity = identity_of(name, domain);
  if (!identity) return;
  brain::RegistrationUpdate update{.identity = *identity, .remove = {}, .put = {}};
  registrations_->find(update.identity, now, [&](const std::vector<brain::Binding>& found) {
    for (const brain::Binding& binding : found) update.remove.push_back(binding.key);
  });
  registrations_->update(update, now, [](const Result<void>&) {});
}

std::unique_ptr<adapter::Adapter> SipService::take_adapter() { return std::move(owned_adapter_); }

void SipService::hide(AgentId agent, const IpAddress& address) {
  adapter_->hide_addresses(adapter::Place::inside(agent), {address});
}

boost::json::object SipService::counters() const {
  boost::json::object out;
  for (const auto& [name, count] : adapter_->counters().all()) out[name] = count;
  return out;
}

boost::json::object SipService::bandwidth() const {
  return {{"used", adapter_->bandwidth().in_all()},
          {"limit", limit(limits_.bandwidth)},
          {"limit_per_agent", limit(limits_.bandwidth_per_agent)},
          {"limit_per_call", limit(limits_.bandwidth_per_call)}};
}

void SipService::describe_bandwidth(AgentId agent, boost::json::object& out) const {
  out["bandwidth"] = adapter_->bandwidth().through(adapter::Place::inside(agent));
  out["bandwidth_limit"] = limit(limits_.bandwidth_per_agent);
}

boost::json::object SipService::refused_calls() const {
  boost::json::object out;
  for (const auto& [name, count] : adapter_->refusals().calls().all()) out[name] = count;
  return out;
}

}  // namespace sallyport::server
