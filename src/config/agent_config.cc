#include "config/agent_config.h"

#include <algorithm>

#include "config/sections.h"

namespace sallyport::config {

Schema describe(AgentConfig& config) {
  Schema schema;
  schema.add("state_dir", config.state_dir,
             "Folder with this agent's key, certificate, name and servers (sallyport join writes "
             "them) and its audit log.");
  schema.add("admin_socket", config.admin_socket, "Unix socket that sallyport's commands talk to.");
  describe(schema, config.log);

  schema.section("multiplex", "The connection that this agent dials out to its server (TCP, TLS).");
  schema.add("multiplex.servers", config.multiplex.servers, 2776,
             "Servers to dial, host or host:port, tried in order; further ports of the same host "
             "are other ways to that server. Empty: those that the invite named.");
  schema.add("multiplex.proxy", config.multiplex.proxy,
             "HTTP proxy of this site, \"http://HOST:PORT\" or \"http://USER@HOST:PORT\", tried "
             "where no server is reached without. It must allow CONNECT to the server's port. "
             "Empty: none.");
  schema.add("multiplex.proxy_password_file", config.multiplex.proxy_password_file,
             "File of mode 0600 whose first line is that user's password.");
  schema.add("multiplex.better_way_after", config.multiplex.better_way_after, seconds{1},
             std::chrono::hours{24},
             "While the server is reached by an alternative port or the proxy, the better ways are "
             "tried again after so long.");
  schema.add("multiplex.dial_timeout", config.multiplex.dial_timeout, seconds{1},
             std::chrono::minutes{2}, "TCP and TLS handshakes together.");
  schema.add("multiplex.backoff_first", config.multiplex.backoff_first, milliseconds{50},
             seconds{60}, "Wait before the second attempt; doubles, with jitter.");
  schema.add("multiplex.backoff_max", config.multiplex.backoff_max, seconds{1},
             std::chrono::minutes{30}, "Longest wait between attempts.");
  schema.section("session",
                 "The session in the multiplex connection, which outlives TCP connections. Its "
                 "times are the server's to say.");
  describe_replay(schema, config.session);

  schema.section("terminals", "Where terminals reach this agent.");
  schema.add("terminals.listen", config.terminals.listen,
             "This host's addresses that face the terminals. Empty: all of them.");

  schema.section("policy", "What this agent does at all, whatever the server says.");
  schema.add("policy.terminals", config.policy.terminals,
             "Address ranges of terminals: the agent sends to these and listens to these only.");
  schema.add("policy.listen_ports", config.policy.listen_ports,
             "Ports that may be listened on for signalling, \"5060-5061\". Media ports are "
             "media.ports.");
  schema.add("policy.protocols", config.policy.protocols,
             "Protocols that listeners and connections may be for.");
  schema.add("policy.max_sockets", config.policy.max_sockets, 1, 1'000'000,
             "Sockets open at once for the server, media ports included.");
  schema.add(
      "policy.max_connections", config.policy.max_connections, 1, 1'000'000,
      "TCP connections taken from one terminal at once. A gateway of H.323 has one or two for "
      "each call.");

  describe(schema, "media", "Media ports towards terminals, and media towards the server.",
           config.media);
  schema.add(
      "media.way", config.media.way,
      "How tagged media goes to the server: \"udp\", \"stream\" (a TLS connection of its own, "
      "beside the multiplex connection and by the same way), or \"auto\": by UDP, and over a "
      "stream while UDP does not get through.");
  schema.add("media.trunk_port", config.media.trunk_port, 0, 65535,
             "The UDP port from which this agent's media goes to the server when it is tagged, so "
             "that a firewall's rule can name it; where the server has media.trunks = N, this and "
             "the N - 1 that follow. 0: the system chooses.");
  describe(schema, config.relay);
  describe(schema, "Certificate that terminals see when they use SIP over TLS.", config.tls);
  describe(schema, config.modes);

  describe(schema, "Everything that this agent was told to open or close.", "agent-audit.jsonl",
           config.audit);
  return schema;
}

void check(const AgentConfig& config, const Places& where, Problems& problems) {
  if (config.multiplex.backoff_first > config.multiplex.backoff_max)
    where.report("multiplex.backoff_first", "greater than multiplex.backoff_max", problems);
  if (config.multiplex.proxy.user.empty() != config.multiplex.proxy_password_file.empty())
    where.report(
        config.multiplex.proxy.user.empty() ? "multiplex.proxy_password_file" : "multiplex.proxy",
        "a user in multiplex.proxy and multiplex.proxy_password_file go together", problems);
  if (config.policy.terminals.empty())
    where.report("policy.terminals", "no terminal could be reached", problems);
  if (config.media.range.last - config.media.range.first < 1)
    where.report("media.ports", "a call needs at least one port pair", problems);
  check(config.tls, where, problems);
  check(config.modes, where, problems);
}

std::string AgentConfig::audit_file() const {
  return audit.file.empty() ? state_dir + "/agent-audit.jsonl" : audit.file;
}

}  // namespace sallyport::config
