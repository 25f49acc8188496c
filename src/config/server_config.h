// What a server is told by its file, its environment and its command line (config/load.h reads
// them). A plain value: the defaults here are the defaults of the product, and
// `sallyport config default --server` prints them with their meaning from the table in
// server_config.cc. src/server wires it up.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "config/schema.h"
#include "config/values.h"

namespace sallyport::config {

constexpr const char* kServerFile = "/etc/sallyport/server.toml";
constexpr std::uint16_t kPortZ = 2776;  // IANA: ridgeway1; TCP, the multiplex connection
constexpr std::uint16_t kPortX = 2776;  // UDP, RTP
constexpr std::uint16_t kPortY = 2777;  // IANA: ridgeway2; UDP, RTCP

struct ServerConfig {
  std::string state_dir = "/var/lib/sallyport";
  std::string admin_socket = "/run/sallyport/server.sock";
  LogSection log;

  // How agents and destinations see this server, apart from what its sockets are bound to.
  struct Address {
    std::vector<IpAddress> advertised;  // at most one of each family; empty: the route's address
    bool allow_private_advertised = false;
    // Private, loopback and link-local destinations that calls may reach all the same: a PBX or a
    // provider's gateway on the server's own network.
    std::vector<IpRange> private_destinations;
  } address;

  struct Multiplex {
    std::vector<TransportAddress> listen{{IpAddress::any_v4(), kPortZ},
                                         {IpAddress::any_v6(), kPortZ}};
    // What invites tell agents to dial; empty: address.advertised with the listen ports.
    std::vector<HostPort> advertised;
    unsigned accepts_per_second = 500;  // a mass reconnect is spread instead of timed out
  } multiplex;
  SessionSection session;

  struct Enrolment {
    Duration invite_life = std::chrono::hours{24};
    Duration certificate_life = std::chrono::hours{24 * 90};  // agents renew at two thirds of it
  } enrolment;

  // Ports X and Y, where agents' flows arrive, and the ports that face destinations.
  struct Media {
    std::vector<IpAddress> listen{IpAddress::any_v4(), IpAddress::any_v6()};
    std::uint16_t x = kPortX;
    std::uint16_t y = kPortY;            // equal to x: one-port mode
    std::uint16_t alternative_port = 0;  // 0: none
    Duration keepalive = seconds{10};
    media::Carriage carriage = media::Carriage::Tagged;
    std::vector<std::string> bound_agents;
    unsigned trunks = 1;
    bool encrypt = true;
    bool compress = false;
    Duration bundle = milliseconds{1};
    MediaRelaySection relay;
    MediaPorts outside;
    bool one_port() const { return x == y; }
  } media;

  struct Sip {
    // A domain whose registrations are relayed to a registrar elsewhere. Where the server holds the
    // credentials, they are kept with the users.
    struct Relay {
      HostPort registrar;  // no host: where the domain's DNS says; no port: where its own says
      edge::Transport transport = edge::Transport::Udp;
      bool holds_credentials = false;
      friend bool operator==(const Relay&, const Relay&) = default;
    };
    // Where calls go whose target is registered nowhere here. The longest match wins.
    struct Route {
      std::string domain;             // the target's domain; empty: any of ours
      std::string prefix;             // the target's user begins with this; empty: any user
      std::vector<HostPort> targets;  // the next when one is unavailable
      edge::Transport transport = edge::Transport::Udp;
      friend bool operator==(const Route&, const Route&) = default;
    };

    bool enabled = true;
    std::vector<ListenAddress> listen{
        {edge::Transport::Udp, {IpAddress::any_v4(), 5060}},
        {edge::Transport::Udp, {IpAddress::any_v6(), 5060}},
        {edge::Transport::Tcp, {IpAddress::any_v4(), 5060}},
        {edge::Transport::Tcp, {IpAddress::any_v6(), 5060}},
    };
    // What each agent is asked to listen on for its terminals; the agent's policy has the last
    // word. 0: not at all.
    std::uint16_t inside_udp = 5060;
    std::uint16_t inside_tcp = 5060;
    std::uint16_t inside_tls = 0;
    std::vector<std::string> domains;    // for which this server is the registrar
    std::string default_domain;          // empty: the first of domains, else the advertised address
    std::map<std::string, Relay> relay;  // by domain
    std::vector<Route> routes;
    bool authenticate = true;  // false: whoever reaches an agent may register
    bool dns_routing = false;  // RFC 3263 for domains that are not ours
    Duration min_expires = seconds{60};
    Duration max_expires = seconds{3600};
    Duration ask_after = std::chrono::minutes{5};  // a silent party: is it still there?
    // Offered in challenges, the most preferred first. MD5 alone by default: phones in use (libre
    // before 2.0 among them) refuse a challenge that names an algorithm that they do not know.
    std::vector<std::string> digests{"md5"};
    unsigned failures_per_minute = 10;  // wrong passwords for one user before it is throttled
  } sip;

  struct H323 {
    // Where calls go whose callee is registered nowhere here. The longest match wins.
    struct Route {
      std::string domain;             // the callee's domain; empty: any of ours, or a mere number
      std::string prefix;             // its number begins with this; empty: any name
      std::vector<HostPort> targets;  // the next when one is unavailable
      bool ask = false;               // by LRQ, where the call goes; else it goes to the target
      friend bool operator==(const Route&, const Route&) = default;
    };
    // A gatekeeper elsewhere that registrations and calls are relayed to. The password that it
    // wants is kept with the users, under the relay's name.
    struct Relay {
      HostPort gatekeeper;
      std::vector<std::string> domains;   // of an alias
      std::vector<std::string> prefixes;  // of a number
      std::string user;                   // empty: nothing is signed
      friend bool operator==(const Relay&, const Relay&) = default;
    };

    bool enabled = true;
    std::vector<IpAddress> listen{IpAddress::any_v4(), IpAddress::any_v6()};
    std::uint16_t ras_port = 1719;
    std::uint16_t call_port = 1720;
    // What each agent is asked to listen on for its terminals; the agent's policy has the last
    // word. 0: not at all.
    std::uint16_t inside_ras = 1719;
    std::uint16_t inside_discovery = 1718;
    std::uint16_t inside_call = 1720;
    std::string gatekeeper = "sallyport";
    bool authenticate = true;  // false: whoever reaches an agent may register
    // What shows a password: "h235.1", "md5", "cat".
    std::vector<std::string> passwords{"h235.1"};
    Duration clock_tolerance = std::chrono::minutes{10};
    Duration min_time_to_live = seconds{30};
    Duration max_time_to_live = seconds{3600};
    bool pre_grant = true;
    bool dns_routing = false;  // Annex O for domains that are not ours
    std::vector<HostPort> neighbours;
    std::vector<Route> routes;
    std::map<std::string, Relay> relay;  // by name
    media::PortRange relay_ports{21000, 21999};
    bool keeps_passwords() const;  // whether a procedure is allowed that needs them as they are
  } h323;

  struct Mgcp {
    struct CallAgent {
      std::string agent;  // behind which of our agents; empty: outside
      HostPort address;
      std::vector<std::string> serves;  // agents; empty: all, or inside those outside
      friend bool operator==(const CallAgent&, const CallAgent&) = default;
    };
    struct Gateway {
      std::string agent;  // behind which of our agents; empty: outside
      HostPort address;   // an address, no name
      std::string domain;
      std::string name;
      friend bool operator==(const Gateway&, const Gateway&) = default;
    };

    bool enabled = false;
    std::vector<IpAddress> listen{IpAddress::any_v4(), IpAddress::any_v6()};
    std::uint16_t as_gateway = 2427;
    std::uint16_t as_call_agent = 2727;
    std::uint16_t inside_as_gateway = 2427;
    std::uint16_t inside_as_call_agent = 2727;
    std::string domain;
    std::vector<CallAgent> call_agents;
    std::vector<Gateway> gateways;
    unsigned restarts_per_second = 20;
  } mgcp;

  TlsSection tls;  // towards destinations; the multiplex connection has certificates of its own

  // How packets are marked for quality of service (DSCP).
  struct Marks {
    std::uint8_t signalling = edge::kDscpSignalling;
    std::uint8_t audio = edge::kDscpVoice;
    std::uint8_t video = edge::kDscpVideo;
    std::uint8_t other = edge::kDscpVideo;
  };
  Marks inside_marks, outside_marks;

  std::vector<Mode> modes{Mode::ServerMaster};
  AuditSection audit;

  struct Limits {
    unsigned agents = 10000;
    unsigned registrations = 100000;
    unsigned registrations_per_agent = 2000;
    unsigned contacts_per_identity = 10;
    unsigned calls = 5000;
    unsigned calls_per_agent = 1000;
    unsigned unanswered_per_source = 30;
    unsigned requests_per_second = 500;
    unsigned new_calls_per_second = 50;
    unsigned connections_per_address = 512;
    std::vector<IpRange> upstreams;
    BitRate bandwidth;  // of media, in one direction, as the SDP tells it
    BitRate bandwidth_per_agent;
    BitRate bandwidth_per_call;
  } limits;

  std::string audit_file() const;  // audit.file, or where it is by default
  // limits.upstreams, and what stands as an address in routes, relays and neighbours.
  std::vector<IpRange> upstream_addresses() const;
  std::string default_domain() const;  // sip.default_domain, or what stands in for it; may be empty
};

// The table of every key, bound to the members of `config`.
Schema describe(ServerConfig& config);

// What no single key shows: contradictions between keys. `where` finds a key's place.
void check(const ServerConfig& config, const Places& where, Problems& problems);

// The addresses to tell agents and destinations: the configured ones, or `by_route`, those that
// this host's own routes to the world start from. A private one among them is a problem unless it
// is allowed. Called by the server at its start.
std::vector<IpAddress> advertised_addresses(const ServerConfig& config,
                                            const std::vector<IpAddress>& by_route,
                                            Problems& problems);

// What an invite tells agents to dial, given what advertised_addresses() said.
std::vector<HostPort> multiplex_addresses(const ServerConfig& config,
                                          const std::vector<IpAddress>& advertised);

}  // namespace sallyport::config
