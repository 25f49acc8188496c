#include "brain/media_paths.h"

#include <algorithm>
#include <memory>
#include <utility>

namespace sallyport::brain {

using adapter::Place;
using media::MediaId;

MediaPaths::MediaPaths(MediaPathsOptions options, Random& random, adapter::Commands& commands)
    : options_(std::move(options)), random_(random), commands_(commands) {}

void MediaPaths::set_server_addresses(std::vector<TransportAddress> rtp,
                                      std::vector<TransportAddress> rtcp) {
  options_.rtp = std::move(rtp);
  options_.rtcp = std::move(rtcp);
}

MediaId MediaPaths::open_port(Place place, const media::PortSpec& spec, Handler handler) {
  const MediaId id{commands_.new_id()};
  ports_[id] = {
      .place = place, .spec = spec, .handler = std::move(handler), .peer = {}, .uplink = {}};
  if (edge::Edge* edge = commands_.edge(place)) edge->open_port(id, spec);
  return id;  // without an edge: on_edge_lost has told, or tells, who waits for it
}

void MediaPaths::set_remote(MediaId port, const media::RemoteSpec& remote) {
  const auto it = ports_.find(port);
  if (it == ports_.end()) return;
  if (edge::Edge* edge = commands_.edge(it->second.place)) edge->set_remote(port, remote);
}

MediaId MediaPaths::outside_end(MediaId id, const Port& port) const {
  if (port.place.is_outside()) return id;
  return port.uplink ? port.uplink->awaiting : MediaId{};
}

void MediaPaths::connect(MediaId a, MediaId b) {
  const auto at = ports_.find(a);
  const auto bt = ports_.find(b);
  if (at == ports_.end() || bt == ports_.end() || a == b) return;
  Port& first = at->second;
  Port& second = bt->second;
  if (first.peer == b && second.peer == a) return;
  for (Port* port : {&first, &second})
    if (const auto old = ports_.find(port->peer); old != ports_.end()) old->second.peer = {};
  first.peer = b;
  second.peer = a;

  if (first.place == second.place) {
    close_uplink(first);
    close_uplink(second);
    if (edge::Edge* edge = commands_.edge(first.place)) edge->join(a, b);
    return;
  }
  ensure_uplink(a, first);
  ensure_uplink(b, second);
  const MediaId end_a = outside_end(a, first);
  const MediaId end_b = outside_end(b, second);
  if (edge::Edge* outside = commands_.edge(Place::outside()); outside != nullptr && end_a && end_b)
    outside->join(end_a, end_b);
}

// Which of the server's addresses that agent's flows go to.
std::size_t MediaPaths::server_address_for(Place place) const {
  const auto preference = prefers_v4_.find(place);
  if (preference == prefers_v4_.end()) return 0;
  const auto it = std::find_if(
      options_.rtp.begin(), options_.rtp.end(),
      [&](const TransportAddress& address) { return address.ip.is_v4() == preference->second; });
  return it == options_.rtp.end() ? 0 : static_cast<std::size_t>(it - options_.rtp.begin());
}

void MediaPaths::ensure_uplink(MediaId id, Port& port) {
  if (port.place.is_outside() || port.uplink) return;
  edge::Edge* inside = commands_.edge(port.place);
  edge::Edge* outside = commands_.edge(Place::outside());
  if (inside == nullptr || outside == nullptr || options_.rtp.empty()) return;

  // Which family the terminal uses does not matter to the flow.
  const std::size_t address = server_address_for(port.place);
  media::FlowSpec flow{.end = media::FlowEnd::Awaiting,
                       .components = {},
                       .server = {},
                       .dscp = port.spec.dscp,
                       .keepalive = options_.keepalive};
  for (unsigned i = 0; i < port.spec.components; ++i) {
    flow.components.push_back({.token = random_.array<16>(), .key = random_.array<16>()});
    flow.server.push_back(i == 0 ? options_.rtp[address] : options_.rtcp[address]);
  }
  const Uplink uplink{.probing = MediaId{commands_.new_id()},
                      .awaiting = MediaId{commands_.new_id()}};
  // The awaiting end first: the probe must not be there before it.
  media::FlowSpec awaiting = flow;
  awaiting.server.clear();
  outside->open_flow(uplink.awaiting, awaiting);
  flow.end = media::FlowEnd::Probing;
  inside->open_flow(uplink.probing, flow);
  inside->join(id, uplink.probing);
  flow_owner_[uplink.probing] = id;
  flow_owner_[uplink.awaiting] = id;
  port.uplink = uplink;
}

void MediaPaths::close_uplink(Port& port) {
  if (!port.uplink) return;
  const Uplink uplink = *std::exchange(port.uplink, std::nullopt);
  if (edge::Edge* inside = commands_.edge(port.place)) inside->close(uplink.probing);
  if (edge::Edge* outside = commands_.edge(Place::outside())) outside->close(uplink.awaiting);
  flow_owner_.erase(uplink.probing);
  flow_owner_.erase(uplink.awaiting);
}

void MediaPaths::probe(const Port& port) {
  if (!port.uplink) return;
  if (edge::Edge* inside = commands_.edge(port.place)) inside->probe(port.uplink->probing);
}

void MediaPaths::start(MediaId port) {
  const auto it = ports_.find(port);
  if (it == ports_.end()) return;
  probe(it->second);
  if (const auto peer = ports_.find(it->second.peer); peer != ports_.end()) probe(peer->second);
}

void MediaPaths::close(MediaId port) {
  const auto it = ports_.find(port);
  if (it == ports_.end()) return;
  if (const auto peer = ports_.find(it->second.peer); peer != ports_.end()) peer->second.peer = {};
  close_uplink(it->second);
  if (edge::Edge* edge = commands_.edge(it->second.place)) edge->close(port);
  ports_.erase(it);
}

struct MediaPaths::Gathered {
  OnCounts on_counts;
  adapter::PathCounts counts;
  int missing = 1;  // until all are asked
};

void MediaPaths::count(MediaId port, OnCounts on_counts) {
  const auto gathered = std::make_shared<Gathered>();
  gathered->on_counts = std::move(on_counts);
  if (const auto it = ports_.find(port); it != ports_.end()) {
    const Port& found = it->second;
    ask(found.place, port, gathered, &adapter::PathCounts::port);
    if (found.uplink) {
      ask(found.place, found.uplink->probing, gathered, &adapter::PathCounts::probing);
      ask(Place::outside(), found.uplink->awaiting, gathered, &adapter::PathCounts::awaiting);
    }
  }
  answered(*gathered);
}

void MediaPaths::ask(Place place, MediaId id, const std::shared_ptr<Gathered>& gathered,
                     media::Counts adapter::PathCounts::*where) {
  edge::Edge* edge = commands_.edge(place);
  if (edge == nullptr) return;
  ++gathered->missing;
  const edge::QueryId query{commands_.new_id()};
  queries_[query] = {.place = place, .on_counts = [this, gathered, where](const auto& counts) {
                       gathered->counts.*where = counts;
                       answered(*gathered);
                     }};
  edge->count(query, id);
}

void MediaPaths::answered(Gathered& gathered) {
  if (--gathered.missing == 0) gathered.on_counts(gathered.counts, commands_);
}

// ---- What edges tell ----

bool MediaPaths::on_media_opened(MediaId id, const std::vector<TransportAddress>& addresses) {
  if (flow_owner_.contains(id)) return true;
  const auto it = ports_.find(id);
  if (it == ports_.end()) return false;
  const auto on_open = it->second.handler.on_open;  // the handler may close the port
  if (on_open) on_open(addresses, commands_);
  return true;
}

bool MediaPaths::on_media_event(MediaId id, const media::Event& event) {
  const auto owner = flow_owner_.find(id);
  const auto it = ports_.find(owner == flow_owner_.end() ? id : owner->second);
  if (it == ports_.end()) return false;
  if (event.kind == media::EventKind::WantsProbe) {
    // Packets wait at the outside edge for this agent's flow.
    probe(it->second);
    return true;
  }
  // Of a flow, what its awaiting end sees counts; the probing end tells the same from its side.
  if (owner != flow_owner_.end() && it->second.uplink && id == it->second.uplink->probing &&
      event.kind != media::EventKind::Unconfirmed && event.kind != media::EventKind::Silent)
    return true;
  const auto on_event = it->second.handler.on_event;
  if (on_event) on_event(event, commands_);
  return true;
}

bool MediaPaths::on_media_counts(edge::QueryId query, const media::Counts& counts) {
  const auto asked = queries_.extract(query);
  if (asked.empty()) return false;
  asked.mapped().on_counts(counts);
  return true;
}

bool MediaPaths::on_refused(std::uint64_t id, Errc code, const std::string& what) {
  if (on_media_counts(edge::QueryId{id}, {})) return true;
  const MediaId media{id};
  if (ports_.contains(media)) {
    failed(media, code, what);
    return true;
  }
  const auto owner = flow_owner_.find(media);
  if (owner == flow_owner_.end()) return false;
  // Without its flow the port leads nowhere.
  failed(owner->second, code, what);
  return true;
}

void MediaPaths::failed(MediaId id, Errc code, const std::string& what) {
  const auto it = ports_.find(id);
  if (it == ports_.end()) return;
  const auto on_failed = it->second.handler.on_failed;
  close(id);
  if (on_failed) on_failed(code, what, commands_);
}

void MediaPaths::on_edge_lost(Place place) {
  std::vector<Query> unanswered;
  for (auto it = queries_.begin(); it != queries_.end();) {
    const auto query = it++;
    if (query->second.place == place) unanswered.push_back(queries_.extract(query).mapped());
  }
  for (const Query& query : unanswered) query.on_counts({});
  std::vector<MediaId> lost;
  for (const auto& [id, port] : ports_)
    if (port.place == place || place.is_outside()) lost.push_back(id);
  std::sort(lost.begin(), lost.end());
  for (const MediaId id : lost) failed(id, Errc::Closed, "the edge is gone");
}

}  // namespace sallyport::brain
