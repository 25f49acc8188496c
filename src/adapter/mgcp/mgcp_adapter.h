// The MGCP adapter (RFC 3435): listens at every edge where there can be gateways or call agents,
// and hands on what comes. To gateways we are their call agent, to call agents we are every
// gateway. No logic of its own: gateways.h knows the gateways, call_agents.h the call agents,
// transactions.h what is under way, connections.h the media, relay.h what becomes of a message.
// Brain's thread.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "adapter/adapter.h"
#include "adapter/mgcp/call_agents.h"
#include "adapter/mgcp/config.h"
#include "adapter/mgcp/connections.h"
#include "adapter/mgcp/gateways.h"
#include "adapter/mgcp/relay.h"
#include "adapter/mgcp/stack.h"
#include "adapter/mgcp/transactions.h"

namespace sallyport::adapter::mgcp {

class MgcpAdapter final : public Adapter {
 public:
  // All that is handed in must outlive the adapter.
  MgcpAdapter(Config config, brain::Registrations& registrations, Random& random, Log& log);

  std::vector<CallInfo> calls() const { return connections_.calls(); }
  const Counters& counters() const { return counters_; }
  // Transactions and connections that are remembered, and timers that run. For tests and status.
  std::size_t size() const { return transactions_.size() + connections_.size() + timers_.size(); }

  std::string_view protocol() const override { return "mgcp"; }
  void on_edge_up(Place place, const std::string& name, Commands& out) override;
  void on_edge_lost(Place place, Commands& out) override;
  void on_listening(Place place, edge::ListenerId id, const TransportAddress& local,
                    Commands& out) override;
  void on_datagram(Place place, edge::ListenerId id, const edge::Addresses& addresses,
                   Bytes datagram, Commands& out) override;
  void on_accepted(Place, edge::ListenerId, edge::ConnectionId, const edge::Arrival&,
                   Commands&) override {}
  void on_connected(Place, edge::ConnectionId, const edge::Addresses&, Commands&) override {}
  void on_received(Place, edge::ConnectionId, Bytes, Commands&) override {}
  void on_half_closed(Place, edge::ConnectionId, Commands&) override {}
  void on_closed(Place, edge::ConnectionId, const Error&, Commands&) override {}
  void on_resolved(Place place, edge::QueryId id, const std::vector<edge::Record>& records,
                   Commands& out) override;
  void on_local_address(Place place, edge::QueryId id, const IpAddress& local,
                        Commands& out) override;
  void on_refused(Place place, std::uint64_t id, Errc code, const std::string& what,
                  Commands& out) override;
  void on_timer(TimerId id, Commands& out) override { timers_.on_timer(id, out); }
  void on_shutdown(Commands& out) override { relay_.end_all(out); }

 private:
  struct Listener {
    Place place;
    Face face = Face::Gateway;
    IpAddress address;  // as it was asked for
  };

  bool is_used(Face face, Place place, const std::string& agent) const;
  void listen(Place place, Face face, Commands& out);
  std::uint16_t port(Place place, Face face) const;
  bool send(const Peer& to, std::string_view datagram, Commands& out);
  void carries_many(const IpAddress& call_agent);

  Config config_;
  Log& log_;
  Counters counters_;
  RateGuard guard_;
  Timers timers_;
  Stack stack_;
  Gateways gateways_;
  CallAgents call_agents_;
  Transactions transactions_;
  Connections connections_;
  Relay relay_;
  std::map<edge::ListenerId, Listener> listeners_;
  bool restored_ = false;
};

}  // namespace sallyport::adapter::mgcp
