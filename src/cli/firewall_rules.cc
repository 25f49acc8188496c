#include "cli/firewall_rules.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json.hpp>
#include <set>

namespace sallyport::cli {
namespace {

// One rule of Table 1, for one server and one range of agents.
struct Rule {
  bool out = true;
  bool tcp = true;
  IpAddress server;
  std::uint16_t port = 0;        // the server's
  std::optional<IpRange> agent;  // none: any
  friend bool operator==(const Rule&, const Rule&) = default;
};

std::vector<Rule> table_1(const FirewallSite& site) {
  std::vector<Rule> rules;
  for (const FirewallServer& server : site.servers) {
    std::vector<std::optional<IpRange>> agents;
    for (const IpRange& agent : site.agents)
      if (agent.base.is_v4() == server.address.is_v4()) agents.emplace_back(agent);
    if (agents.empty()) agents.emplace_back();
    for (const auto& agent : agents) {
      const auto both_ways = [&](bool tcp, std::uint16_t port) {
        // The servers of one host have X and Y in common.
        if (std::count(rules.begin(), rules.end(), Rule{true, tcp, server.address, port, agent}) !=
            0)
          return;
        rules.push_back({true, tcp, server.address, port, agent});
        rules.push_back({false, tcp, server.address, port, agent});
      };
      both_ways(true, server.z);
      both_ways(false, site.x);
      if (site.y != site.x) both_ways(false, site.y);
    }
  }
  return rules;
}

std::string nft_match(const Rule& rule) {
  const char* family = rule.server.is_v4() ? "ip" : "ip6";
  const std::string server = rule.server.to_string();
  const std::string agent = rule.agent ? rule.agent->to_string() : "";
  const char* protocol = rule.tcp ? "tcp" : "udp";
  std::string out;
  if (rule.out) {
    if (rule.agent) out += fmt::format("{} saddr {} ", family, agent);
    return out + fmt::format("{} daddr {} {} dport {} accept", family, server, protocol, rule.port);
  }
  out += fmt::format("{} saddr {} ", family, server);
  if (rule.agent) out += fmt::format("{} daddr {} ", family, agent);
  out += fmt::format("{} sport {}", protocol, rule.port);
  return out + (rule.tcp ? " ct state established accept" : " accept");
}

// Where rules go that join others. A chain that is there keeps its policy and its rules; one that
// is not is made, and lets everything through. Rules are put in front, each before the one before
// it: behind a rule that drops the rest they would never be reached.
std::string nft_chain(const char* hook) {
  return fmt::format(
      "# In front of what chain {0} of table inet filter holds, which is what Debian's\n"
      "# /etc/nftables.conf calls it; if yours has another name, put that name here.\n"
      "add table inet filter\n"
      "add chain inet filter {0} {{ type filter hook {0} priority filter; }}\n",
      hook);
}

std::string nftables(const std::vector<Rule>& rules, bool drop) {
  std::string out = "#!/usr/sbin/nft -f\n# Sallyport: Table 1, between an agent and its server.\n";
  if (!drop) {
    out += nft_chain("forward");
    for (auto rule = rules.rbegin(); rule != rules.rend(); ++rule)
      out += fmt::format("insert rule inet filter forward {}\n", nft_match(*rule));
    return out;
  }
  out +=
      "table inet sallyport {\n"
      "  chain forward {\n"
      "    type filter hook forward priority filter; policy drop;\n";
  for (const Rule& rule : rules) out += fmt::format("    {}\n", nft_match(rule));
  return out + "  }\n}\n";
}

std::string iptables(const std::vector<Rule>& rules, bool drop) {
  std::string out = "# Sallyport: Table 1, between an agent and its server.\n";
  std::set<std::string> programs;
  for (const Rule& rule : rules) {
    const std::string program = rule.server.is_v4() ? "iptables" : "ip6tables";
    programs.insert(program);
    const std::string agent =
        rule.agent ? fmt::format(" -{} {}", rule.out ? 's' : 'd', rule.agent->to_string()) : "";
    const std::string server =
        fmt::format(" -{} {}", rule.out ? 'd' : 's', rule.server.to_string());
    // Beside other rules: in front of them, since behind one that drops the rest they do nothing.
    out += fmt::format("{} -{} FORWARD{} -p {} --{} {}{} -j ACCEPT\n", program, drop ? 'A' : 'I',
                       rule.out ? agent + server : server + agent, rule.tcp ? "tcp" : "udp",
                       rule.out ? "dport" : "sport", rule.port,
                       rule.tcp && !rule.out ? " -m conntrack --ctstate ESTABLISHED" : "");
  }
  if (drop)
    for (const std::string& program : programs) out += program + " -P FORWARD DROP\n";
  return out;
}

// Cisco writes a range with the bits that may differ.
std::string cisco_address(const std::optional<IpRange>& range) {
  if (!range) return "any";
  const bool v4 = range->base.is_v4();
  if (range->prefix == (v4 ? 32 : 128)) return "host " + range->base.to_string();
  if (!v4) return range->to_string();
  const std::uint32_t wild = range->prefix == 0 ? ~0U : ~(~0U << (32U - range->prefix));
  return fmt::format("{} {}.{}.{}.{}", range->base.to_string(), wild >> 24U, wild >> 16U & 255U,
                     wild >> 8U & 255U, wild & 255U);
}

std::string cisco(const std::vector<Rule>& rules, bool drop) {
  std::string out =
      "! Sallyport: Table 1, between an agent and its server. -OUT is for traffic that leaves the\n"
      "! private network, -IN for traffic that enters it.\n";
  for (const bool v4 : {true, false}) {
    for (const bool outward : {true, false}) {
      std::string entries;
      for (const Rule& rule : rules) {
        if (rule.server.is_v4() != v4 || rule.out != outward) continue;
        const std::string agent = cisco_address(rule.agent);
        const std::string server = "host " + rule.server.to_string();
        const char* protocol = rule.tcp ? "tcp" : "udp";
        entries += outward
                       ? fmt::format(" permit {} {} {} eq {}\n", protocol, agent, server, rule.port)
                       : fmt::format(" permit {} {} eq {} {}{}\n", protocol, server, rule.port,
                                     agent, rule.tcp ? " established" : "");
      }
      if (entries.empty()) continue;
      const char* name = outward ? "SALLYPORT-OUT" : "SALLYPORT-IN";
      out += v4 ? fmt::format("ip access-list extended {}\n", name)
                : fmt::format("ipv6 access-list {}6\n", name);
      out += entries;
      if (drop) out += v4 ? " deny ip any any\n" : " deny ipv6 any any\n";
    }
  }
  return out;
}

std::string pf(const std::vector<Rule>& rules, bool drop) {
  std::string out = "# Sallyport: Table 1, between an agent and its server.\n";
  if (drop) out += "block all\n";
  for (const Rule& rule : rules) {
    const std::string agent = rule.agent ? rule.agent->to_string() : "any";
    const char* family = rule.server.is_v4() ? "inet" : "inet6";
    const char* protocol = rule.tcp ? "tcp" : "udp";
    out += rule.out ? fmt::format("pass quick {} proto {} from {} to {} port {} no state\n", family,
                                  protocol, agent, rule.server.to_string(), rule.port)
                    : fmt::format("pass quick {} proto {} from {} port {} to {}{} no state\n",
                                  family, protocol, rule.server.to_string(), rule.port, agent,
                                  rule.tcp ? " flags A/A" : "");
  }
  return out;
}

// What comes in to the server's host.
struct Service {
  bool tcp = true;
  std::string ports;  // "2776" or "30000-39999"
  const char* what = "";
};

std::vector<Service> services(const config::ServerConfig& config) {
  std::vector<Service> out;
  const auto add = [&out](bool tcp, std::string ports, const char* what) {
    const bool known = std::any_of(out.begin(), out.end(), [&](const Service& it) {
      return it.tcp == tcp && it.ports == ports;
    });
    if (!known) out.push_back({tcp, std::move(ports), what});
  };
  for (const TransportAddress& address : config.multiplex.listen)
    add(true, std::to_string(address.port), "Z: agents");
  add(false, std::to_string(config.media.x), "X: agents' RTP");
  add(false, std::to_string(config.media.y), "Y: agents' RTCP");
  const media::PortRange& range = config.media.outside.range;
  add(false, fmt::format("{}-{}", range.first, range.last), "media of destinations");
  if (config.sip.enabled)
    for (const config::ListenAddress& listen : config.sip.listen)
      add(listen.transport != edge::Transport::Udp, std::to_string(listen.address.port),
          "SIP of destinations");
  const auto is_outside = [](const auto& each) { return each.agent.empty(); };
  const config::ServerConfig::Mgcp& mgcp = config.mgcp;
  if (mgcp.enabled && std::any_of(mgcp.call_agents.begin(), mgcp.call_agents.end(), is_outside))
    add(false, std::to_string(mgcp.as_gateway), "MGCP of call agents");
  if (mgcp.enabled && std::any_of(mgcp.gateways.begin(), mgcp.gateways.end(), is_outside))
    add(false, std::to_string(mgcp.as_call_agent), "MGCP of gateways");
  return out;
}

}  // namespace

boost::json::array agent_rules(const FirewallSite& site) {
  boost::json::array out;
  for (const Rule& rule : table_1(site)) {
    const std::string server = rule.server.to_string();
    const std::string agent = rule.agent ? rule.agent->to_string() : "any";
    boost::json::object one{{"direction", rule.out ? "out" : "in"},
                            {"protocol", rule.tcp ? "tcp" : "udp"},
                            {"from", rule.out ? agent : server},
                            {"to", rule.out ? server : agent}};
    one[rule.out ? "to_port" : "from_port"] = rule.port;
    out.emplace_back(std::move(one));
  }
  return out;
}

boost::json::array server_rules(const config::ServerConfig& config) {
  boost::json::array out;
  for (const Service& service : services(config))
    out.emplace_back(boost::json::object{{"direction", "in"},
                                         {"protocol", service.tcp ? "tcp" : "udp"},
                                         {"to_port", service.ports},
                                         {"what", service.what}});
  return out;
}

std::string agent_firewall(const FirewallSite& site, FirewallFormat format, bool drop) {
  const std::vector<Rule> rules = table_1(site);
  switch (format) {
    case FirewallFormat::Nftables:
      return nftables(rules, drop);
    case FirewallFormat::Iptables:
      return iptables(rules, drop);
    case FirewallFormat::Cisco:
      return cisco(rules, drop);
    case FirewallFormat::Pf:
      return pf(rules, drop);
  }
  return {};
}

std::string server_firewall(const config::ServerConfig& config, FirewallFormat format, bool drop) {
  std::string out;
  const auto services_of = services(config);
  switch (format) {
    case FirewallFormat::Nftables:
      out = "#!/usr/sbin/nft -f\n# Sallyport: what comes in to the server's host.\n";
      if (drop) {
        out +=
            "table inet sallyport {\n"
            "  chain input {\n"
            "    type filter hook input priority filter; policy drop;\n"
            "    iif lo accept\n"
            "    ct state established,related accept\n"
            "    meta l4proto { icmp, ipv6-icmp } accept\n"
            "    tcp dport 22 accept  # ssh: your own way in\n";
      } else {
        out += nft_chain("input");
      }
      for (const Service& service : services_of)
        out += fmt::format("{}{} dport {} accept  # {}\n",
                           drop ? "    " : "insert rule inet filter input ",
                           service.tcp ? "tcp" : "udp", service.ports, service.what);
      return drop ? out + "  }\n}\n" : out;
    case FirewallFormat::Iptables:
      out = "# Sallyport: what comes in to the server's host.\n";
      for (const char* program : {"iptables", "ip6tables"}) {
        if (drop)
          out += fmt::format(
              "{0} -A INPUT -i lo -j ACCEPT\n"
              "{0} -A INPUT -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT\n"
              "{0} -A INPUT -p {1} -j ACCEPT\n"
              "{0} -A INPUT -p tcp --dport 22 -j ACCEPT\n",
              program, program == std::string_view{"iptables"} ? "icmp" : "ipv6-icmp");
        for (const Service& service : services_of) {
          std::string ports = service.ports;
          std::replace(ports.begin(), ports.end(), '-', ':');
          out += fmt::format("{} -{} INPUT -p {} --dport {} -j ACCEPT\n", program, drop ? 'A' : 'I',
                             service.tcp ? "tcp" : "udp", ports);
        }
        if (drop) out += fmt::format("{} -P INPUT DROP\n", program);
      }
      return out;
    case FirewallFormat::Cisco:
      out =
          "! Sallyport: what comes in to the server's host.\nip access-list extended "
          "SALLYPORT-SERVER\n";
      for (const Service& service : services_of) {
        const std::size_t dash = service.ports.find('-');
        out += dash == std::string::npos
                   ? fmt::format(" permit {} any any eq {}\n", service.tcp ? "tcp" : "udp",
                                 service.ports)
                   : fmt::format(" permit {} any any range {} {}\n", service.tcp ? "tcp" : "udp",
                                 service.ports.substr(0, dash), service.ports.substr(dash + 1));
      }
      if (drop)
        out += " permit tcp any any established\n permit tcp any any eq 22\n deny ip any any\n";
      return out;
    case FirewallFormat::Pf:
      out = "# Sallyport: what comes in to the server's host.\n";
      if (drop) out += "block in all\npass out all\npass in quick proto tcp to port 22\n";
      for (const Service& service : services_of) {
        std::string ports = service.ports;
        std::replace(ports.begin(), ports.end(), '-', ':');
        out +=
            fmt::format("pass in quick proto {} to port {}\n", service.tcp ? "tcp" : "udp", ports);
      }
      return out;
  }
  return out;
}

}  // namespace sallyport::cli
