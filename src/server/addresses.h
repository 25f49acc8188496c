// Which addresses this server has and shows: what to bind, what agents and destinations are told,
// and which of the two stands for which. Pure, but for asking the host's routes.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "config/server_config.h"
#include "control/negotiation.h"
#include "net/network.h"

namespace sallyport::server {

struct Addresses {
  std::vector<IpAddress> advertised;            // at most one of a family
  std::map<IpAddress, IpAddress> shown;         // bound -> advertised, where they differ
  std::vector<TransportAddress> multiplex;      // to listen on for agents
  std::vector<TransportAddress> media_sockets;  // X and Y to bind
  control::MediaAddresses media;                // X and Y as agents reach them
  std::vector<HostPort> dial;                   // what invites name
};

// Families that this host does not have are left out. Empty `problem`, or what is wrong, for
// people.
Addresses find_addresses(const config::ServerConfig& config, net::Network& network,
                         std::string& problem);

}  // namespace sallyport::server
