#include "server/h323_service.h"

#include <algorithm>

#include "server/adapter_settings.h"

namespace sallyport::server {
namespace {

namespace h323 = adapter::h323;

h323::Config adapter_config(const config::ServerConfig& config, const std::string& domain,
                            const std::vector<IpAddress>& advertised) {
  const auto allows = [&](const char* method) {
    const auto& methods = config.h323.passwords;
    return std::find(methods.begin(), methods.end(), method) != methods.end();
  };
  h323::Config out;
  out.inside = {.ras = config.h323.inside_ras,
                .call = config.h323.inside_call,
                .addresses = {IpAddress::any_v4(), IpAddress::any_v6()},
                .discovery = config.h323.inside_discovery};
  out.outside = {.ras = config.h323.ras_port,
                 .call = config.h323.call_port,
                 .addresses = config.h323.listen,
                 .discovery = 0};
  out.inside_marks = marks(config.inside_marks);
  out.outside_marks = marks(config.outside_marks);
  out.advertised = advertised;
  out.gatekeeper = config.h323.gatekeeper;
  out.domain = domain;
  out.domains = config.sip.domains;
  out.min_time_to_live = config.h323.min_time_to_live;
  out.max_time_to_live = config.h323.max_time_to_live;
  out.default_time_to_live = std::min(out.default_time_to_live, out.max_time_to_live);
  out.authenticate = config.h323.authenticate;
  out.accept_md5 = allows("md5");
  out.accept_cat = allows("cat");
  out.clock_tolerance = config.h323.clock_tolerance;
  out.pre_grant = config.h323.pre_grant;
  out.neighbours = config.h323.neighbours;
  for (const auto& [name, relay] : config.h323.relay)
    out.relays.push_back({.name = name,
                          .gatekeeper = relay.gatekeeper,
                          .domains = relay.domains,
                          .prefixes = relay.prefixes,
                          .user = relay.user});
  out.first_relay_port = config.h323.relay_ports.first;
  out.last_relay_port = config.h323.relay_ports.last;
  out.limits = limits(config);
  out.max_endpoints = config.limits.registrations;
  out.max_endpoints_per_agent = config.limits.registrations_per_agent;
  return out;
}

brain::Routing::Config routing_config(const config::ServerConfig& config) {
  brain::Routing::Config out;
  for (const config::ServerConfig::H323::Route& route : config.h323.routes) {
    brain::StaticRoute& made = out.routes.emplace_back();
    made.domain = route.domain;
    made.prefix = route.prefix;
    for (const HostPort& target : route.targets)
      // RAS goes over UDP, calls over TCP.
      made.upstreams.push_back(
          {.host = target.host,
           .port = target.port,
           .transport = route.ask ? edge::Transport::Udp : edge::Transport::Tcp,
           .place = {}});
  }
  out.allow_dns = config.h323.dns_routing;
  return out;
}

}  // namespace

H323Service::H323Service(const config::ServerConfig& config, const std::string& domain,
                         const std::vector<IpAddress>& advertised, Directory& directory,
                         Random& random, Log& log)
    : routes_(routing_config(config)) {
  adapter::Throttle::Limits throttle;
  throttle.failures = config.sip.failures_per_minute;
  owned_adapter_ =
      std::make_unique<h323::H323Adapter>(adapter_config(config, domain, advertised),
                                          h323::Stores{.registrations = directory.registrations(),
                                                       .users = directory.users(),
                                                       .routes = routes_},
                                          throttle, random, log);
  adapter_ = owned_adapter_.get();
}

boost::json::object H323Service::counters() const {
  boost::json::object out;
  for (const auto& [name, count] : adapter_->counters().all()) out[name] = count;
  return out;
}

}  // namespace sallyport::server
