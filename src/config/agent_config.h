// What an agent is told by its file, its environment and its command line (config/load.h reads
// them). A plain value: the defaults here are the defaults of the product, and
// `sallyport config default --agent` prints them with their meaning from the table in
// agent_config.cc. src/agent wires it up. The agent's name, key, certificate and servers come from
// its enrolment and lie in the state directory, not here.
#pragma once

#include <string>
#include <vector>

#include "config/schema.h"
#include "config/values.h"

namespace sallyport::config {

constexpr const char* kAgentFile = "/etc/sallyport/agent.toml";

struct AgentConfig {
  std::string state_dir = "/var/lib/sallyport";
  std::string admin_socket = "/run/sallyport/agent.sock";
  LogSection log;

  struct Multiplex {
    std::vector<HostPort> servers;  // tried in order; empty: those that the invite named
    ProxyAddress proxy;             // tried when nothing else leads to a server; no host: none
    std::string proxy_password_file;
    Duration better_way_after = std::chrono::minutes{5};
    Duration dial_timeout = seconds{10};
    Duration backoff_first = milliseconds{300};  // doubles, with jitter
    Duration backoff_max = seconds{30};
  } multiplex;
  SessionSection session;

  struct Terminals {
    // Where terminals reach this agent: a listener that the master asks for on no particular
    // address opens on each of these. Empty: on all addresses of this host.
    std::vector<IpAddress> listen;
  } terminals;

  // What this agent does at all, whatever the server says.
  struct Policy {
    std::vector<IpRange> terminals{
        *IpRange::parse("10.0.0.0/8"),
        *IpRange::parse("172.16.0.0/12"),
        *IpRange::parse("192.168.0.0/16"),
        *IpRange::parse("fc00::/7"),
    };
    std::vector<media::PortRange> listen_ports{
        {1718, 1720}, {2427, 2427}, {2727, 2727}, {5060, 5061}};
    std::vector<std::string> protocols{"sip", "h323", "mgcp"};
    unsigned max_sockets = 4000;
    unsigned max_connections = 512;
  } policy;

  struct Media : MediaPorts {
    std::uint16_t trunk_port = 0;
    MediaWay way = MediaWay::Auto;
  } media;
  MediaRelaySection relay;
  TlsSection tls;  // towards terminals
  std::vector<Mode> modes{Mode::ServerMaster};

  AuditSection audit;

  std::string audit_file() const;  // audit.file, or where it is by default
};

// The table of every key, bound to the members of `config`.
Schema describe(AgentConfig& config);

// What no single key shows: contradictions between keys. `where` finds a key's place.
void check(const AgentConfig& config, const Places& where, Problems& problems);

}  // namespace sallyport::config
