// What an edge does of what it is told. The agent does only what its own local policy allows,
// whatever the server says; an agent that is master orders only within the server's policy for it.
// Pure decisions: no state but the rules. Asked by LocalEdge before anything else happens.
#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/transport_address.h"
#include "edge/edge.h"

namespace sallyport::edge {

struct PolicyRules {
  // Where connections may be dialled to, datagrams and media sent to, and accepted from.
  std::vector<IpRange> reachable;
  // Ports that may be listened on; empty: any port. Port 0 (the edge chooses) is always allowed.
  std::set<std::uint16_t> listen_ports;
  // Protocols that may be spoken; empty: any.
  std::set<std::string> protocols;
  // Listeners, connections and media ports together.
  std::size_t max_sockets = 2000;
  // Connections accepted from one address at a time.
  std::size_t max_connections_per_source = 512;
};

class Policy {
 public:
  explicit Policy(PolicyRules rules) : rules_(std::move(rules)) {}

  // What every agent starts with: terminals at private addresses (RFC 1918, RFC 6598, RFC 4193).
  static PolicyRules inside_default();
  // What a server starts with: public destinations only. Private, loopback, link-local (with it the
  // clouds' metadata service) and multicast addresses are refused unless they are listed.
  static PolicyRules outside_default(const std::vector<IpRange>& also_reachable);

  // Nothing when it is permitted, else the sentence that says why not.
  std::optional<std::string> refuse_listen(const ListenSpec& spec) const;
  std::optional<std::string> refuse_connect(const ConnectSpec& spec) const;
  std::optional<std::string> refuse_address(const IpAddress& address) const;
  // Where the flows of an agent end: at a server, so nowhere among the terminals or on this host.
  std::optional<std::string> refuse_flow(const IpAddress& server) const;
  std::optional<std::string> refuse_sockets(std::size_t in_use) const;
  bool reachable(const IpAddress& address) const;
  const PolicyRules& rules() const { return rules_; }

 private:
  PolicyRules rules_;
};

}  // namespace sallyport::edge
