#include "adapter/mgcp/mgcp_adapter.h"

#include <algorithm>
#include <utility>

namespace sallyport::adapter::mgcp {

MgcpAdapter::MgcpAdapter(Config config, brain::Registrations& registrations, Random& random,
                         Log& log)
    : config_(std::move(config)),
      log_(log),
      guard_(config_.limits, "mgcp", log),
      stack_{config_,
             guard_,
             timers_,
             counters_,
             random,
             log,
             [this](const Peer& to, std::string_view datagram, Commands& out) {
               return send(to, datagram, out);
             },
             [this](Place place, Face face) { return port(place, face); }},
      gateways_(stack_, registrations),
      call_agents_(stack_, [this](const IpAddress& ip) { carries_many(ip); }),
      transactions_(stack_),
      connections_(stack_),
      relay_(stack_, gateways_, call_agents_, transactions_, connections_) {}

// ---- Listening ----

// Inside there are always gateways; outside only those that are configured. Call agents are
// configured, wherever they are.
bool MgcpAdapter::is_used(Face face, Place place, const std::string& agent) const {
  const auto is_there = [&](const auto& spec) { return spec.agent == agent; };
  if (face == Face::CallAgent)
    return std::any_of(config_.call_agents.begin(), config_.call_agents.end(), is_there);
  return !place.is_outside() ||
         std::any_of(config_.gateways.begin(), config_.gateways.end(), is_there);
}

std::uint16_t MgcpAdapter::port(Place place, Face face) const {
  const Listening& listening = place.is_outside() ? config_.outside : config_.inside;
  return face == Face::Gateway ? listening.as_call_agent : listening.as_gateway;
}

void MgcpAdapter::on_edge_up(Place place, const std::string& name, Commands& out) {
  if (!std::exchange(restored_, true)) gateways_.restore(out.wall_now());
  for (const Face face : {Face::Gateway, Face::CallAgent})
    if (port(place, face) != 0 && is_used(face, place, place.is_outside() ? std::string{} : name))
      listen(place, face, out);
  call_agents_.on_edge_up(place, name, out);
  gateways_.on_edge_up(place, name, out);
}

void MgcpAdapter::listen(Place place, Face face, Commands& out) {
  edge::Edge* edge = out.edge(place);
  if (edge == nullptr) return;
  const Listening& listening = place.is_outside() ? config_.outside : config_.inside;
  for (const IpAddress& address : listening.addresses) {
    const edge::ListenerId id{out.new_id()};
    listeners_[id] = {place, face, address};
    edge::ListenSpec spec;
    spec.transport = edge::Transport::Udp;
    spec.address = {address, port(place, face)};
    spec.dscp = config_.marks(place.is_outside()).signalling;
    spec.protocol = protocol();
    edge->listen(id, spec);
  }
}

void MgcpAdapter::on_edge_lost(Place place, Commands& out) {
  std::erase_if(listeners_, [&](const auto& entry) { return entry.second.place == place; });
  connections_.on_edge_lost(place, out);
  transactions_.on_edge_lost(place, out);
  call_agents_.on_edge_lost(place);
  gateways_.on_edge_lost(place);
}

void MgcpAdapter::on_listening(Place /*place*/, edge::ListenerId /*id*/,
                               const TransportAddress& /*local*/, Commands& /*out*/) {}

void MgcpAdapter::on_refused(Place place, std::uint64_t id, Errc /*code*/, const std::string& what,
                             Commands& out) {
  if (call_agents_.on_refused(id, out)) return;
  const auto it = listeners_.find(edge::ListenerId{id});
  if (it == listeners_.end()) return;
  log_.warning("mgcp listener refused", {{"agent", place.agent.value},
                                         {"port", std::uint64_t{port(place, it->second.face)}},
                                         {"why", what}});
  listeners_.erase(it);
}

// ---- What comes and goes ----

void MgcpAdapter::on_datagram(Place place, edge::ListenerId id, const edge::Addresses& addresses,
                              Bytes datagram, Commands& out) {
  const auto it = listeners_.find(id);
  if (it == listeners_.end() || it->second.place != place) return;
  Peer from;
  from.face = it->second.face;
  from.hop.place = place;
  from.hop.remote = addresses.remote;
  from.hop.local = addresses.local;
  relay_.on_datagram(from, as_text(datagram), out);
}

// From the listener that faces it; of several from the one whose address the other side knows.
bool MgcpAdapter::send(const Peer& to, std::string_view datagram, Commands& out) {
  edge::Edge* edge = out.edge(to.hop.place);
  if (edge == nullptr) return false;
  const std::pair<const edge::ListenerId, Listener>* best = nullptr;
  for (const auto& entry : listeners_) {
    const Listener& listener = entry.second;
    if (listener.place != to.hop.place || listener.face != to.face ||
        listener.address.is_v4() != to.hop.remote.ip.is_v4())
      continue;
    if (best == nullptr || listener.address == to.hop.local.ip) best = &entry;
  }
  if (best == nullptr) return false;
  edge->send_datagram(
      best->first,
      {.local = {to.hop.local.ip, port(to.hop.place, to.face)}, .remote = to.hop.remote},
      as_bytes(datagram));
  return true;
}

void MgcpAdapter::on_resolved(Place /*place*/, edge::QueryId id,
                              const std::vector<edge::Record>& records, Commands& out) {
  call_agents_.on_resolved(id, records, out);
}

void MgcpAdapter::on_local_address(Place /*place*/, edge::QueryId id, const IpAddress& local,
                                   Commands& /*out*/) {
  gateways_.on_local_address(id, local);
}

// A call agent carries the calls of many: the limits of one stranger are not for it.
void MgcpAdapter::carries_many(const IpAddress& call_agent) {
  const IpRange one{call_agent, static_cast<std::uint8_t>(8 * call_agent.octets().size())};
  auto& upstreams = config_.limits.upstreams;
  if (std::find(upstreams.begin(), upstreams.end(), one) == upstreams.end())
    upstreams.push_back(one);
}

}  // namespace sallyport::adapter::mgcp
