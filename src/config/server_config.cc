#include "config/server_config.h"

#include <algorithm>
#include <iterator>

#include "config/sections.h"

namespace sallyport::config {
namespace {

Schema describe_relay(ServerConfig::Sip::Relay& relay) {
  Schema schema;
  schema.add(
      "registrar", relay.registrar, 0,
      "The registrar, host or host:port; without a port DNS finds it (SRV records, else port "
      "5060, for tls 5061). Empty: where the domain's DNS says.");
  schema.add("transport", relay.transport, "\"udp\", \"tcp\" or \"tls\".");
  schema.add(
      "holds_credentials", relay.holds_credentials,
      "The server answers the registrar's challenges itself, with the users that were added "
      "under its realm (sallyport user add NAME@REALM), and challenges the phones with users "
      "of this domain. Otherwise challenges go to the phones.");
  return schema;
}

Schema describe_route(ServerConfig::Sip::Route& route) {
  Schema schema;
  schema.add("domain", route.domain, "Domain of the called address; empty: a domain of ours.");
  schema.add("prefix", route.prefix, "What the called user begins with; empty: any user.");
  schema.add("targets", route.targets, 0,
             "Where the call goes, each host or host:port as for registrar. A target that does not "
             "answer or says 503 is passed over, and tried last for some minutes.");
  schema.add("transport", route.transport, "\"udp\", \"tcp\" or \"tls\".");
  return schema;
}

bool overlaps(const media::PortRange& range, std::uint16_t port) {
  return range.first <= port && port <= range.last;
}

void describe_sip(Schema& schema, ServerConfig::Sip& sip) {
  schema.section("sip", "SIP, towards destinations and, through the agents, towards terminals.");
  schema.add("sip.enabled", sip.enabled, "Whether this server serves SIP.");
  schema.add("sip.listen", sip.listen,
             "Where destinations reach the server: transport and address, "
             "\"udp:ADDRESS:PORT\". tls: needs tls.certificate_file.");
  schema.add("sip.inside_udp", sip.inside_udp, 0, 65535,
             "UDP port that agents are asked to listen on for their terminals; 0: none.");
  schema.add("sip.inside_tcp", sip.inside_tcp, 0, 65535, "The same for TCP; 0: none.");
  schema.add("sip.inside_tls", sip.inside_tls, 0, 65535,
             "The same for TLS, usually 5061; the certificate is the agent's own. 0: none.");
  schema.add("sip.domains", sip.domains,
             "Domains that this server is the registrar of, [\"example.org\"].");
  schema.add("sip.default_domain", sip.default_domain,
             "The domain of terminals that know only an address as their registrar. Empty: the "
             "first of sip.domains, or else the first advertised address.");
  schema.add(
      "sip.authenticate", sip.authenticate,
      "Whether registering in sip.domains takes a password. Without, whoever reaches an agent "
      "may take any name.");
  schema.add("sip.dns_routing", sip.dns_routing,
             "Whether calls to other domains are routed by DNS (RFC 3263). Otherwise they are "
             "refused, unless a route matches.");
  schema.add("sip.min_expires", sip.min_expires, seconds{1}, std::chrono::hours{24},
             "Shortest registration; a shorter one is answered with 423.");
  schema.add("sip.max_expires", sip.max_expires, seconds{60}, std::chrono::hours{24 * 7},
             "Longest registration; a longer one is cut to this.");
  schema.add(
      "sip.ask_after", sip.ask_after, seconds{1}, std::chrono::hours{24},
      "A party of a call of which nothing has come for so long, neither signalling nor media, "
      "is asked by OPTIONS whether it is still there. One that does not answer twice has "
      "vanished, and the call is ended.");
  schema.add("sip.digests", sip.digests,
             "Digest algorithms offered to terminals, the most preferred first: \"md5\", "
             "\"sha-256\". Answers with either are taken. Some phones refuse a challenge that "
             "names sha-256 at all, so it is offered only where it is asked for.");
  schema.add("sip.failures_per_minute", sip.failures_per_minute, 1, 10000,
             "Wrong passwords for one user, or from one source, in a minute; further attempts are "
             "refused without being looked at.");
  schema.add_named("sip.relay", sip.relay, describe_relay, "pbx.example.net",
                   {HostPort{"pbx.example.net", 0}, edge::Transport::Udp, false},
                   "A domain whose registrations are relayed to a registrar elsewhere, one table "
                   "for each.");
  schema.add_items("sip.routes", sip.routes, describe_route,
                   {"", "+", {HostPort{"provider.example.com", 0}}, edge::Transport::Udp},
                   "Where calls go whose target is not registered here, one table for each route. "
                   "The longest match wins.");
}

Schema describe_h323_route(ServerConfig::H323::Route& route) {
  Schema schema;
  schema.add("domain", route.domain, "Domain of the called address; empty: a domain of ours.");
  schema.add("prefix", route.prefix, "What the called number begins with; empty: any name.");
  schema.add("targets", route.targets, 0,
             "Where the call goes, each host or host:port; without a port 1720, or 1719 with ask. "
             "The next is tried when one cannot be reached.");
  schema.add("ask", route.ask,
             "The target is a gatekeeper that is asked by LRQ where the call goes. Otherwise it "
             "takes the call itself.");
  return schema;
}

Schema describe_h323_relay(ServerConfig::H323::Relay& relay) {
  Schema schema;
  schema.add("gatekeeper", relay.gatekeeper, 1719, "The gatekeeper, host or host:port.");
  schema.add("domains", relay.domains, "Terminals with an alias in one of these are relayed.");
  schema.add("prefixes", relay.prefixes, "And those with a number that begins so.");
  schema.add("user", relay.user,
             "Whose password signs what the gatekeeper is sent (H.235.1), added by sallyport user "
             "add USER@NAME, with the name of this table. Empty: nothing is signed.");
  return schema;
}

void describe_h323(Schema& schema, ServerConfig::H323& h323) {
  schema.section("h323", "H.323, towards destinations and, through the agents, towards terminals.");
  schema.add("h323.enabled", h323.enabled, "Whether this server serves H.323, as its gatekeeper.");
  schema.add("h323.listen", h323.listen, "Addresses where destinations reach the server.");
  schema.add("h323.ras_port", h323.ras_port, 1, 65535,
             "UDP port there for RAS: other gatekeepers, and endpoints that register from outside, "
             "which always takes a password.");
  schema.add("h323.call_port", h323.call_port, 1, 65535, "TCP port there for calls.");
  schema.add("h323.inside_ras", h323.inside_ras, 0, 65535,
             "UDP port that agents are asked to listen on for their terminals' RAS; 0: none.");
  schema.add("h323.inside_discovery", h323.inside_discovery, 0, 65535,
             "The same for gatekeeper discovery, at the multicast group 224.0.1.41; 0: none.");
  schema.add("h323.inside_call", h323.inside_call, 0, 65535,
             "TCP port that agents are asked to listen on for calls; 0: none.");
  schema.add("h323.gatekeeper", h323.gatekeeper, "The gatekeeper's identifier.");
  schema.add("h323.authenticate", h323.authenticate,
             "Whether registering takes a password: that of a user of sip.default_domain whose "
             "name is one of the terminal's aliases. Without, whoever reaches an agent may take "
             "any alias.");
  schema.add(
      "h323.passwords", h323.passwords,
      "How a password may be shown: \"h235.1\" (HMAC-SHA1-96 over each message), \"md5\" (of "
      "H.235.0's cryptoEPPwdHash), \"cat\" (Cisco access tokens). The last two are weak, and with "
      "one of them the passwords of users that are added are kept as they are, not hashed.");
  schema.add("h323.clock_tolerance", h323.clock_tolerance, seconds{10}, std::chrono::hours{24},
             "How far a terminal's clock may be off: what it signs says when.");
  schema.add("h323.min_time_to_live", h323.min_time_to_live, seconds{10}, std::chrono::hours{1},
             "Shortest registration.");
  schema.add("h323.max_time_to_live", h323.max_time_to_live, seconds{60},
             std::chrono::hours{24 * 7}, "Longest registration; a longer one is cut to this.");
  schema.add("h323.pre_grant", h323.pre_grant,
             "Terminals may call without asking first (pre-granted ARQ): one round trip less. "
             "Each call is judged all the same when it comes.");
  schema.add("h323.dns_routing", h323.dns_routing,
             "Whether calls to other domains are routed by DNS (H.323 Annex O). Otherwise they are "
             "refused, unless a route matches.");
  schema.add("h323.neighbours", h323.neighbours, 1719,
             "Gatekeepers that are asked by LRQ for names that are not known here, "
             "[\"gk.example.com\"].");
  schema.add("h323.relay_ports", h323.relay_ports,
             "TCP ports outside where calls for relayed terminals are taken, one for each.");
  schema.add_named("h323.relay", h323.relay, describe_h323_relay, "gk.example.net",
                   {HostPort{"gk.example.net", 1719}, {"example.net"}, {"30"}, ""},
                   "A gatekeeper elsewhere that registrations and calls are relayed to, one table "
                   "for each.");
  schema.add_items("h323.routes", h323.routes, describe_h323_route,
                   {"", "0", {HostPort{"gateway.example.com", 0}}, false},
                   "Where calls go whose callee is not registered here, one table for each route. "
                   "The longest match wins.");
}

Schema describe_call_agent(ServerConfig::Mgcp::CallAgent& call_agent) {
  Schema schema;
  schema.add("address", call_agent.address, 2727, "The call agent, host or host:port.");
  schema.add("agent", call_agent.agent, "The agent behind which it is; empty: outside.");
  schema.add("serves", call_agent.serves,
             "The agents whose gateways it controls. Empty: of all agents; or, if it is behind an "
             "agent itself, the gateways outside.");
  return schema;
}

Schema describe_gateway(ServerConfig::Mgcp::Gateway& gateway) {
  Schema schema;
  schema.add("address", gateway.address, 2427,
             "Where the gateway takes commands, address or address:port.");
  schema.add("agent", gateway.agent, "The agent behind which it is; empty: outside.");
  schema.add("domain", gateway.domain,
             "The domain of its endpoints as it writes it itself; empty: its address in brackets.");
  schema.add("name", gateway.name,
             "The domain by which call agents know it; empty: GATEWAY.AGENT.DOMAIN.");
  return schema;
}

void describe_mgcp(Schema& schema, ServerConfig::Mgcp& mgcp) {
  schema.section("mgcp", "MGCP between gateways and call agents, one of them behind an agent.");
  schema.add("mgcp.enabled", mgcp.enabled, "Whether this server serves MGCP.");
  schema.add("mgcp.listen", mgcp.listen, "Addresses where what is outside reaches the server.");
  schema.add("mgcp.as_gateway", mgcp.as_gateway, 1, 65535,
             "UDP port there where call agents reach the gateways that are behind agents.");
  schema.add("mgcp.as_call_agent", mgcp.as_call_agent, 1, 65535,
             "UDP port there where gateways reach a call agent that is behind an agent; opened if "
             "mgcp.gateways has one outside.");
  schema.add("mgcp.inside_as_call_agent", mgcp.inside_as_call_agent, 0, 65535,
             "UDP port that agents are asked to listen on for their gateways; 0: none.");
  schema.add("mgcp.inside_as_gateway", mgcp.inside_as_gateway, 0, 65535,
             "The same for call agents; only agents with one are asked. 0: none.");
  schema.add("mgcp.domain", mgcp.domain,
             "Call agents know a gateway as GATEWAY.AGENT.DOMAIN: its own domain, or its address "
             "with dashes, the agent's name, and this. Empty: the default domain, if it is a "
             "name.");
  schema.add("mgcp.restarts_per_second", mgcp.restarts_per_second, 1, 10000,
             "RestartInProgress that one call agent is given in a second; more wait, in random "
             "order.");
  schema.add_items("mgcp.call_agents", mgcp.call_agents, describe_call_agent,
                   {"", HostPort{"ca.example.com", 2727}, {}},
                   "Who may control gateways, one table for each; nobody else may. What a gateway "
                   "says goes to the one that it was told to notify, or else to the first.");
  schema.add_items("mgcp.gateways", mgcp.gateways, describe_gateway,
                   {"site1", HostPort{"10.1.1.5", 2427}, "", ""},
                   "Gateways that are known without having said anything, one table for each. "
                   "Outside, only these are; inside, every gateway that says something is.");
}

void describe_marks(Schema& schema, const std::string& section, ServerConfig::Marks& marks) {
  schema.add(section + ".signalling", marks.signalling, 0, 63, "Signalling.");
  schema.add(section + ".audio", marks.audio, 0, 63, "Audio, and fax.");
  schema.add(section + ".video", marks.video, 0, 63, "Video of cameras.");
  schema.add(section + ".other", marks.other, 0, 63, "Presentation, camera control and the like.");
}

void describe_limits(Schema& schema, ServerConfig::Limits& limits) {
  constexpr unsigned kMany = 10'000'000;
  schema.section("limits", "What agents and strangers can use up.");
  schema.add("limits.agents", limits.agents, 1, kMany, "Agents connected at once.");
  schema.add("limits.registrations", limits.registrations, 1, kMany, "Registered contacts in all.");
  schema.add("limits.registrations_per_agent", limits.registrations_per_agent, 1, kMany,
             "Registered contacts through one agent.");
  schema.add("limits.contacts_per_identity", limits.contacts_per_identity, 1, 1000,
             "Contacts of one address of record; a call to it rings them all.");
  schema.add("limits.calls", limits.calls, 1, kMany, "Calls at once in all.");
  schema.add("limits.calls_per_agent", limits.calls_per_agent, 1, kMany,
             "Calls at once through one agent; one more is refused with 503. Of calls that nobody "
             "has answered yet, nobody may have more than leave as many free: no phone of the "
             "agent's network, no other network, no upstream, nor all strangers outside together.");
  schema.add(
      "limits.unanswered_per_source", limits.unanswered_per_source, 1, kMany,
      "Calls that nobody has answered yet, at once from one address outside (IPv6: one /64) "
      "that is no upstream, and an eighth of calls_per_agent at most; as many more as it has "
      "calls that were answered. To one phone, all of them together may have twice as many.");
  schema.add("limits.requests_per_second", limits.requests_per_second, 1, kMany,
             "Requests (SIP, RAS, MGCP) a second from one agent's network, or one upstream, twice "
             "as many at "
             "once; a fifth from one address outside (IPv6: one /64) that is no upstream. Some of "
             "what is more is refused, the rest dropped.");
  schema.add("limits.new_calls_per_second", limits.new_calls_per_second, 1, kMany,
             "The same for new calls.");
  schema.add("limits.connections_per_address", limits.connections_per_address, 1, kMany,
             "TCP connections for signalling taken from one address outside at once. A gateway of "
             "H.323 has one or two for each call.");
  schema.add("limits.upstreams", limits.upstreams,
             "Addresses or ranges outside that carry the calls of many, [\"203.0.113.0/28\"]: "
             "providers, PBXs, other servers. They are limited as an agent is, not as one caller. "
             "Addresses in routes, relays and neighbours count without being listed here; names do "
             "not.");
  schema.add("limits.bandwidth", limits.bandwidth,
             "Media of all calls together, in one direction and with headers, by what their SDP "
             "says (b=, or the dearest codec): \"200 Mbit/s\", or \"none\". A call that would take "
             "more, or a change of one, is refused with 488 and warning 370; no call is cut.");
  schema.add("limits.bandwidth_per_agent", limits.bandwidth_per_agent,
             "The same for the calls through one agent: less than its site's line takes.");
  schema.add("limits.bandwidth_per_call", limits.bandwidth_per_call, "The same for one call.");
}

}  // namespace

Schema describe(ServerConfig& config) {
  Schema schema;
  schema.add("state_dir", config.state_dir,
             "Folder for everything that must survive a restart: keys, enrolled agents, users, "
             "registrations.");
  schema.add("admin_socket", config.admin_socket, "Unix socket that sallyport's commands talk to.");
  describe(schema, config.log);

  schema.section("address", "How agents and destinations see this server.");
  schema.add("address.advertised", config.address.advertised,
             "Public addresses of this server, at most one IPv4 and one IPv6, as they appear in "
             "SIP, SDP and invites. Behind 1-to-1 NAT (most clouds) this is the NAT's address. "
             "Empty: the address that this host's default route starts from.");
  schema.add("address.allow_private_advertised", config.address.allow_private_advertised,
             "Accept a private advertised address, which only a closed network can reach.");

  schema.add("address.private_destinations", config.address.private_destinations,
             "Private, loopback or link-local ranges that calls may reach all the same, "
             "[\"10.20.0.0/16\"]: a PBX on the server's own network. All others are refused.");

  schema.section("multiplex", "Port Z, where agents connect (TCP, TLS 1.3).");
  schema.add("multiplex.listen", config.multiplex.listen,
             "Addresses and ports to listen on. A further port, \"0.0.0.0:443\", is for agents "
             "whose firewall lets only that one out.");
  schema.add("multiplex.advertised", config.multiplex.advertised, kPortZ,
             "What invites tell agents to dial, names or addresses with port. Empty: "
             "address.advertised with the ports of multiplex.listen, the first one first.");
  schema.add("multiplex.accepts_per_second", config.multiplex.accepts_per_second, 1, 100000,
             "New connections a second; more wait, so that a mass reconnect is spread.");
  describe(schema, config.session);

  schema.section("enrolment", "Invites and certificates of agents.");
  schema.add("enrolment.invite_life", config.enrolment.invite_life, std::chrono::minutes{1},
             std::chrono::hours{24 * 30}, "How long an invite can be used.");
  schema.add("enrolment.certificate_life", config.enrolment.certificate_life,
             std::chrono::minutes{1}, std::chrono::hours{24 * 825},
             "Life of an agent's certificate. Agents renew by themselves at two thirds of it.");

  schema.section("media", "Ports X and Y, where the agents' media flows arrive (UDP).");
  schema.add("media.listen", config.media.listen, "Addresses to bind X and Y to.");
  schema.add("media.x", config.media.x, 1, 65535, "Port X, for RTP.");
  schema.add("media.y", config.media.y, 1, 65535,
             "Port Y, for RTCP; equal to x: one port for both.");
  schema.add("media.alternative_port", config.media.alternative_port, 0, 65535,
             "Another UDP port that takes tagged media, for agents in networks that let nothing "
             "through to X, usually 443. 0: none.");
  schema.add("media.keepalive", config.media.keepalive, seconds{1}, std::chrono::minutes{5},
             "An agent that has sent nothing on a flow for so long sends a probe, which keeps the "
             "NAT's mapping.");
  schema.add(
      "media.carriage", config.media.carriage,
      "How media travels between agents and this server. \"tagged\": all of an agent's on one "
      "of its ports and on port X, encrypted. \"bound\": each stream on a port of its own, "
      "as it is. Agents that are too old for tagged use bound.");
  schema.add("media.bound_agents", config.media.bound_agents,
             "Names of agents whose media is carried bound all the same.");
  schema.add("media.trunks", config.media.trunks, 1, media::kMostTrunks,
             "Over so many of its ports an agent's tagged media goes, each with a NAT mapping of "
             "its own; calls are spread "
             "over them. More than one lets several cores work for one agent.");
  schema.add("media.encrypt", config.media.encrypt,
             "Whether tagged media is encrypted. An agent that cannot uses bound.");
  schema.add("media.compress", config.media.compress,
             "Whether the headers of tagged RTP packets are compressed: fewer bits, more work.");
  schema.add("media.bundle", config.media.bundle, Duration{}, milliseconds{20},
             "Tagged packets that leave within so long travel in one datagram: fewer packets, and "
             "so much delay at most. 0: none waits.");
  describe(schema, config.media.relay);
  describe(schema, "media.outside", "Media ports towards destinations.", config.media.outside);

  describe_sip(schema, config.sip);
  describe_h323(schema, config.h323);
  describe_mgcp(schema, config.mgcp);

  schema.section("dscp",
                 "How packets are marked for quality of service (DSCP, 0 to 63): to terminals, and "
                 "between agents and this server. Media that shares a datagram shares its mark.");
  describe_marks(schema, "dscp", config.inside_marks);
  schema.section("dscp.outside", "The same towards destinations.");
  describe_marks(schema, "dscp.outside", config.outside_marks);
  describe(schema, "Certificate for SIP over TLS towards destinations.", config.tls);
  describe(schema, config.modes);
  describe(schema, "Everything that the adapters told this server's edge to open or close.",
           "server-audit.jsonl", config.audit);
  describe_limits(schema, config.limits);
  return schema;
}

void check(const ServerConfig& config, const Places& where, Problems& problems) {
  const auto& advertised = config.address.advertised;
  for (const IpAddress& ip : advertised)
    if ((ip.is_private() || ip.is_multicast()) && !config.address.allow_private_advertised)
      where.report("address.advertised",
                   ip.to_string() +
                       " cannot be reached from the public network; set "
                       "address.allow_private_advertised = true if that is meant",
                   problems);
  for (const bool v4 : {true, false})
    if (std::count_if(advertised.begin(), advertised.end(),
                      [v4](const IpAddress& ip) { return ip.is_v4() == v4; }) > 1)
      where.report("address.advertised", "more than one address of a family", problems);
  if (config.multiplex.listen.empty())
    where.report("multiplex.listen", "agents could not connect", problems);
  if (config.media.listen.empty()) where.report("media.listen", "media could not arrive", problems);
  if (config.media.alternative_port == config.media.x ||
      config.media.alternative_port == config.media.y)
    where.report("media.alternative_port", "is X or Y itself", problems);
  for (const char* key : {"media.x", "media.y"}) {
    const std::uint16_t port = key == std::string_view{"media.x"} ? config.media.x : config.media.y;
    if (overlaps(config.media.outside.range, port))
      where.report(key, "lies in media.outside.ports", problems);
  }
  if (config.media.outside.range.last - config.media.outside.range.first < 3)
    where.report("media.outside.ports", "a call needs at least two port pairs", problems);
  if (config.sip.min_expires > config.sip.max_expires)
    where.report("sip.min_expires", "greater than sip.max_expires", problems);
  for (const std::string& digest : config.sip.digests)
    if (digest != "md5" && digest != "sha-256")
      where.report("sip.digests", "\"" + digest + "\" is neither \"md5\" nor \"sha-256\"",
                   problems);
  if (config.sip.digests.empty()) where.report("sip.digests", "nobody could register", problems);
  const bool has_tls =
      std::any_of(config.sip.listen.begin(), config.sip.listen.end(),
                  [](const ListenAddress& it) { return it.transport == edge::Transport::Tls; });
  if (has_tls && config.tls.certificate_file.empty())
    where.report("sip.listen", "tls: needs tls.certificate_file and tls.key_file", problems);
  for (const auto& [domain, relay] : config.sip.relay)
    if (std::count(config.sip.domains.begin(), config.sip.domains.end(), domain) != 0)
      where.report("sip.relay", "\"" + domain + "\" is also in sip.domains", problems);
  for (const ServerConfig::Sip::Route& route : config.sip.routes)
    if (route.targets.empty()) where.report("sip.routes", "a route has no targets", problems);
  for (const std::string& method : config.h323.passwords)
    if (method != "h235.1" && method != "md5" && method != "cat")
      where.report("h323.passwords",
                   "\"" + method + "\" is neither \"h235.1\" nor \"md5\" nor \"cat\"", problems);
  if (config.h323.gatekeeper.empty() || config.h323.gatekeeper.size() > 64)
    where.report("h323.gatekeeper", "is empty or longer than 64 octets", problems);
  if (config.h323.min_time_to_live > config.h323.max_time_to_live)
    where.report("h323.min_time_to_live", "greater than h323.max_time_to_live", problems);
  for (const auto& [name, relay] : config.h323.relay)
    if (relay.gatekeeper.host.empty() || (relay.domains.empty() && relay.prefixes.empty()))
      where.report("h323.relay", "\"" + name + "\" lacks a gatekeeper, or domains and prefixes",
                   problems);
  for (const ServerConfig::H323::Route& route : config.h323.routes)
    if (route.targets.empty()) where.report("h323.routes", "a route has no targets", problems);
  if (config.mgcp.enabled && config.mgcp.call_agents.empty())
    where.report("mgcp.call_agents", "nobody could control the gateways", problems);
  for (const ServerConfig::Mgcp::CallAgent& call_agent : config.mgcp.call_agents)
    if (call_agent.address.host.empty())
      where.report("mgcp.call_agents", "a call agent has no address", problems);
  for (const ServerConfig::Mgcp::Gateway& gateway : config.mgcp.gateways)
    if (!gateway.address.literal())
      where.report("mgcp.gateways", "\"" + gateway.address.host + "\" is no IP address", problems);
  check(config.tls, where, problems);
  check(config.modes, where, problems);
}

bool ServerConfig::H323::keeps_passwords() const {
  return enabled && std::any_of(passwords.begin(), passwords.end(),
                                [](const std::string& method) { return method != "h235.1"; });
}

std::string ServerConfig::audit_file() const {
  return audit.file.empty() ? state_dir + "/server-audit.jsonl" : audit.file;
}

std::vector<IpRange> ServerConfig::upstream_addresses() const {
  std::vector<IpRange> out = limits.upstreams;
  const auto add = [&](const HostPort& target) {
    if (const auto found = target.literal())
      out.push_back({found->ip, static_cast<std::uint8_t>(8 * found->ip.octets().size())});
  };
  for (const auto& [domain, relay] : sip.relay) add(relay.registrar);
  for (const Sip::Route& route : sip.routes)
    for (const HostPort& target : route.targets) add(target);
  for (const HostPort& neighbour : h323.neighbours) add(neighbour);
  for (const auto& [name, relay] : h323.relay) add(relay.gatekeeper);
  for (const H323::Route& route : h323.routes)
    for (const HostPort& target : route.targets) add(target);
  return out;
}

std::string ServerConfig::default_domain() const {
  if (!sip.default_domain.empty()) return sip.default_domain;
  if (!sip.domains.empty()) return sip.domains.front();
  return address.advertised.empty() ? std::string{} : address.advertised.front().to_string();
}

std::vector<IpAddress> advertised_addresses(const ServerConfig& config,
                                            const std::vector<IpAddress>& by_route,
                                            Problems& problems) {
  if (!config.address.advertised.empty()) return config.address.advertised;
  if (config.address.allow_private_advertised) return by_route;
  std::vector<IpAddress> out;
  std::copy_if(by_route.begin(), by_route.end(), std::back_inserter(out),
               [](const IpAddress& ip) { return !ip.is_private(); });
  // A host whose routes start from private addresses only cannot know what NAT is before it.
  if (out.empty())
    problems.push_back(
        {"default",
         {},
         "address.advertised: this host's own address " +
             (by_route.empty() ? "is not known" : by_route.front().to_string() + " is private") +
             "; set address.advertised to its public address, or "
             "address.allow_private_advertised = true"});
  return out;
}

std::vector<HostPort> multiplex_addresses(const ServerConfig& config,
                                          const std::vector<IpAddress>& advertised) {
  if (!config.multiplex.advertised.empty()) return config.multiplex.advertised;
  std::vector<std::uint16_t> ports;  // in their order, each once
  for (const TransportAddress& local : config.multiplex.listen)
    if (std::count(ports.begin(), ports.end(), local.port) == 0) ports.push_back(local.port);
  std::vector<HostPort> out;
  for (const std::uint16_t port : ports)
    for (const IpAddress& ip : advertised) out.push_back({ip.to_string(), port});
  return out;
}

}  // namespace sallyport::config
