#include "server/mgcp_service.h"

#include "server/adapter_settings.h"

namespace sallyport::server {
namespace {

namespace mgcp = adapter::mgcp;

mgcp::Config adapter_config(const config::ServerConfig& config, const std::string& domain,
                            const std::vector<IpAddress>& advertised) {
  mgcp::Config out;
  out.inside = {.as_call_agent = config.mgcp.inside_as_call_agent,
                .as_gateway = config.mgcp.inside_as_gateway,
                .addresses = {IpAddress::any_v4(), IpAddress::any_v6()}};
  out.outside = {.as_call_agent = config.mgcp.as_call_agent,
                 .as_gateway = config.mgcp.as_gateway,
                 .addresses = config.mgcp.listen};
  out.inside_marks = marks(config.inside_marks);
  out.outside_marks = marks(config.outside_marks);
  out.advertised = advertised;
  out.domain = config.mgcp.domain;
  if (out.domain.empty() && !IpAddress::parse(domain)) out.domain = domain;
  for (const auto& each : config.mgcp.call_agents)
    out.call_agents.push_back(
        {.agent = each.agent, .address = each.address, .serves = each.serves});
  for (const auto& each : config.mgcp.gateways)
    if (const auto address = each.address.literal())
      out.gateways.push_back(
          {.agent = each.agent, .address = *address, .domain = each.domain, .name = each.name});
  out.restarts_a_second = config.mgcp.restarts_per_second;
  out.limits = limits(config);
  out.max_gateways = config.limits.registrations;
  out.max_gateways_per_agent = config.limits.registrations_per_agent;
  return out;
}

}  // namespace

MgcpService::MgcpService(const config::ServerConfig& config, const std::string& domain,
                         const std::vector<IpAddress>& advertised, Directory& directory,
                         Random& random, Log& log)
    : owned_adapter_(std::make_unique<mgcp::MgcpAdapter>(adapter_config(config, domain, advertised),
                                                         directory.registrations(), random, log)),
      adapter_(owned_adapter_.get()) {}

boost::json::object MgcpService::counters() const {
  boost::json::object out;
  for (const auto& [name, count] : adapter_->counters().all()) out[name] = count;
  return out;
}

}  // namespace sallyport::server
