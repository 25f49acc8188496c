// sallyport firewall: the rules of Table 1 for this installation, ready to be loaded.
#include <fmt/format.h>
#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <boost/json.hpp>
#include <cstdio>
#include <memory>
#include <optional>
#include <utility>

#include "agent/identity.h"
#include "cli/command.h"
#include "cli/firewall_rules.h"

namespace sallyport::cli {
namespace {

struct Options {
  Common common;
  bool server = false;
  bool drop = false;
  std::string format = "nftables";
  std::vector<std::string> server_addresses;
  std::vector<std::string> agent_addresses;
  std::uint16_t x = 0, y = 0, z = 0;
};

std::optional<FirewallFormat> format_of(std::string_view text) {
  constexpr std::pair<std::string_view, FirewallFormat> kFormats[] = {
      {"nftables", FirewallFormat::Nftables},
      {"iptables", FirewallFormat::Iptables},
      {"cisco", FirewallFormat::Cisco},
      {"pf", FirewallFormat::Pf}};
  for (const auto& [name, format] : kFormats)
    if (name == text) return format;
  return std::nullopt;
}

// The addresses of a name, both families.
std::vector<IpAddress> resolve(const std::string& host) {
  std::vector<IpAddress> out;
  if (const auto literal = IpAddress::parse(host)) return {*literal};
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  if (::getaddrinfo(host.c_str(), nullptr, &hints, &found) != 0) return out;
  for (const addrinfo* each = found; each != nullptr; each = each->ai_next) {
    Result<IpAddress> ip = fail(Errc::Unsupported, "family");
    if (each->ai_family == AF_INET) {
      const auto* address = reinterpret_cast<const sockaddr_in*>(each->ai_addr);
      ip = IpAddress::from_octets({reinterpret_cast<const std::uint8_t*>(&address->sin_addr), 4});
    } else if (each->ai_family == AF_INET6) {
      const auto* address = reinterpret_cast<const sockaddr_in6*>(each->ai_addr);
      ip = IpAddress::from_octets({reinterpret_cast<const std::uint8_t*>(&address->sin6_addr), 16});
    }
    if (ip) out.push_back(*ip);
  }
  ::freeaddrinfo(found);
  return out;
}

bool add_server(FirewallSite& site, const HostPort& server) {
  const auto addresses = resolve(server.host);
  if (addresses.empty()) {
    fmt::print(stderr, "sallyport: {}: no such host\n", server.host);
    return false;
  }
  for (const IpAddress& address : addresses) {
    const FirewallServer one{address, server.port};
    if (std::find(site.servers.begin(), site.servers.end(), one) == site.servers.end())
      site.servers.push_back(one);
  }
  return true;
}

// The servers: as named on the command line, else those that this host's agent has joined, else
// this host itself if it is configured as a server.
int find_servers(const Options& options, FirewallSite& site) {
  const std::uint16_t z = options.z != 0 ? options.z : config::kPortZ;
  for (const std::string& text : options.server_addresses) {
    const auto server = HostPort::parse(text, z);
    if (!server) {
      fmt::print(stderr, "sallyport: --server-address {}: {}\n", text, server.error().what);
      return kUsage;
    }
    if (!add_server(site, *server)) return kFailure;
  }
  if (!site.servers.empty()) return kOk;

  const auto agent = config::load_agent(options.common.sources());
  if (agent.ok()) {
    if (const auto identity = agent::load_identity(agent.config.state_dir)) {
      site.x = identity->site.x;
      site.y = identity->site.y;
      const auto& configured = agent.config.multiplex.servers;
      for (HostPort server : configured.empty() ? identity->site.servers : configured) {
        if (options.z != 0) server.port = options.z;
        if (!add_server(site, server)) return kFailure;
      }
      return kOk;
    }
  }
  const auto server = config::load_server(options.common.sources());
  if (server.ok()) {
    site.x = server.config.media.x;
    site.y = server.config.media.y;
    for (const HostPort& address :
         config::multiplex_addresses(server.config, server.config.address.advertised))
      if (!add_server(site, address)) return kFailure;
    if (!site.servers.empty()) return kOk;
  }
  if (!agent.ok() && !server.ok()) {
    print_problems(options.common.config_file.empty() ? agent.problems : server.problems);
    return kUsage;
  }
  fmt::print(stderr,
             "sallyport: this host has not joined a server; name one with --server-address\n");
  return kUsage;
}

int print_agents(const Options& options) {
  FirewallSite site;
  for (const std::string& text : options.agent_addresses) {
    const auto range = IpRange::parse(text);
    if (!range) {
      fmt::print(stderr, "sallyport: --agent-address {}: not an address or range\n", text);
      return kUsage;
    }
    site.agents.push_back(*range);
  }
  if (const int failed = find_servers(options, site); failed != kOk) return failed;
  if (options.x != 0) site.x = options.x;
  if (options.y != 0) site.y = options.y;
  if (options.common.json)
    fmt::print("{}\n", boost::json::serialize(agent_rules(site)));
  else
    fmt::print("{}", agent_firewall(site, *format_of(options.format), options.drop));
  return kOk;
}

int print_servers(const Options& options) {
  auto loaded = config::load_server(options.common.sources());
  if (!loaded.ok()) {
    print_problems(loaded.problems);
    return kUsage;
  }
  if (options.common.json)
    fmt::print("{}\n", boost::json::serialize(server_rules(loaded.config)));
  else
    fmt::print("{}", server_firewall(loaded.config, *format_of(options.format), options.drop));
  return kOk;
}

}  // namespace

void add_firewall(CLI::App& app, Action& action) {
  auto options = std::make_shared<Options>();
  CLI::App* command =
      app.add_subcommand("firewall", "Print the firewall rules that this installation needs");
  command->footer(R"(Examples:
  sallyport firewall                                      # on an agent's host, for its firewall
  sallyport firewall --drop | nft -f -                    # a forward chain with these rules only
  sallyport firewall --server-address 203.0.113.7 --agent-address 10.1.1.5 --format cisco
  sallyport firewall --server --drop                      # the server host's own rules

The six rules are all that a firewall between agent and server must let through.)");
  auto* format =
      command->add_option("--format", options->format, "nftables (default), iptables, cisco or pf");
  format
      ->check([](const std::string& text) {
        return format_of(text) ? std::string{} : "not nftables, iptables, cisco or pf";
      })
      ->type_name("FORMAT");
  command->add_flag("--server", options->server, "The server host's own rules");
  command->add_flag("--drop", options->drop, "Let nothing else through");
  command->add_option("--server-address", options->server_addresses, "HOST or HOST:Z; several")
      ->type_name("HOST");
  command
      ->add_option("--agent-address", options->agent_addresses,
                   "The agents' address or range; several; by default any")
      ->type_name("RANGE");
  command->add_option("--x", options->x, "Port X, RTP")
      ->check(CLI::Range(1, 65535))
      ->type_name("PORT");
  command->add_option("--y", options->y, "Port Y, RTCP")
      ->check(CLI::Range(1, 65535))
      ->type_name("PORT");
  command->add_option("--z", options->z, "Port Z, the multiplex connection")
      ->check(CLI::Range(1, 65535))
      ->type_name("PORT");
  add_config_options(*command, options->common);
  command->add_flag("--json", options->common.json, "Print the rules as JSON")->excludes(format);
  command->callback([options, &action] {
    action = [options] {
      return options->server ? print_servers(*options) : print_agents(*options);
    };
  });
}

}  // namespace sallyport::cli
