// What the MGCP adapter is told at its start. Values with defaults; the configuration file fills
// them in.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "adapter/limits.h"
#include "adapter/marks.h"
#include "base/host_port.h"
#include "base/time.h"
#include "base/transport_address.h"

namespace sallyport::adapter::mgcp {

// RFC 3435 3.5: where the two take commands unless they say otherwise.
constexpr std::uint16_t kGatewayPort = 2427;
constexpr std::uint16_t kCallAgentPort = 2727;

// Where MGCP is listened to on one kind of edge. At an edge we are the call agent of the gateways
// there, and every gateway to the call agents there.
struct Listening {
  std::uint16_t as_call_agent = kCallAgentPort;  // 0: not at all
  std::uint16_t as_gateway = kGatewayPort;
  std::vector<IpAddress> addresses = {IpAddress::any_v4()};  // one listener each
};

// A call agent that may control gateways; nobody else may.
struct CallAgentSpec {
  std::string agent;  // behind which of our agents it is; empty: outside
  HostPort address;
  // The agents whose gateways it controls. Empty: outside, those of all agents; inside, those that
  // are outside.
  std::vector<std::string> serves;
};

// A gateway that is known without having said anything.
struct GatewaySpec {
  std::string agent;  // behind which of our agents it is; empty: outside
  TransportAddress address;
  std::string domain;  // as it names itself; empty: its address in brackets
  std::string name;    // the domain by which call agents know it; empty: made as for all others
};

struct Config {
  Listening inside;
  Listening outside;
  Marks inside_marks;  // to what is behind agents, and between agent and server
  Marks outside_marks;
  const Marks& marks(bool to_outside) const { return to_outside ? outside_marks : inside_marks; }
  // What the public sees of the server, in SDP. At most one of each family; empty: the address that
  // the edge itself reports.
  std::vector<IpAddress> advertised;
  // Under it call agents find the gateways: GATEWAY.AGENT.DOMAIN. Empty: GATEWAY.AGENT.
  std::string domain;
  std::vector<CallAgentSpec> call_agents;  // the first of those that control it is a gateway's own
  std::vector<GatewaySpec> gateways;

  // RSIP that one call agent is given in a second; more wait for their turn.
  unsigned restarts_a_second = 20;
  std::size_t max_waiting_restarts = 5000;
  // One that was learnt, and of which nothing was heard for so long, is not known any more after a
  // restart. A gateway need not say anything while nobody uses it.
  Duration gateway_life = std::chrono::hours{24 * 14};

  Limits limits;
  std::size_t max_gateways = 100000;
  std::size_t max_gateways_per_agent = 2000;
  std::size_t max_transaction_octets = std::size_t{64} << 20U;  // of commands and answers kept
};

}  // namespace sallyport::adapter::mgcp
