#include "brain/media_paths.h"

#include <algorithm>
#include <memory>
#include <utility>

namespace sallyport::brain {

using adapter::Place;
using media::MediaId;

namespace {

// More than what was sent before takes to arrive.
constexpr Duration kLeavesAfter = seconds{2};

}  // namespace

MediaPaths::MediaPaths(MediaPathsOptions options, Random& random, FlowWatch& watch,
                       adapter::Commands& commands)
    : options_(std::move(options)),
      random_(random),
      watch_(watch),
      commands_(commands),
      trunks_(options_.trunks, options_.keepalive, random, watch, commands) {}

void MediaPaths::set_server_addresses(std::vector<TransportAddress> rtp,
                                      std::vector<TransportAddress> rtcp) {
  options_.rtp = std::move(rtp);
  options_.rtcp = std::move(rtcp);
}

MediaId MediaPaths::open_port(Place place, const media::PortSpec& spec, Handler handler) {
  const MediaId id{commands_.new_id()};
  ports_[id] = {.place = place,
                .spec = spec,
                .handler = std::move(handler),
                .peer = {},
                .uplink = {},
                .next = {}};
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
    close_uplinks(first);
    close_uplinks(second);
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

media::Carriage MediaPaths::carriage_of(Place place) const {
  const auto it = carriages_.find(place);
  return it == carriages_.end() ? media::Carriage::Bound : it->second;
}

void MediaPaths::ensure_uplink(MediaId id, Port& port) {
  if (port.place.is_outside() || port.uplink) return;
  port.uplink = open_uplink(id, port);
  if (!port.uplink) return;
  if (edge::Edge* inside = commands_.edge(port.place)) inside->join(id, port.uplink->probing);
}

std::optional<MediaPaths::Uplink> MediaPaths::open_uplink(MediaId id, const Port& port) {
  if (commands_.edge(port.place) == nullptr || commands_.edge(Place::outside()) == nullptr ||
      options_.rtp.empty())
    return std::nullopt;
  Trunk* const trunk =
      carriage_of(port.place) == media::Carriage::Tagged
          ? trunks_.choose(port.place, options_.rtp[server_address_for(port.place)])
          : nullptr;
  Uplink uplink{.probing = MediaId{commands_.new_id()}, .awaiting = MediaId{commands_.new_id()}};
  if (trunk != nullptr)
    open_tagged(port, uplink, *trunk);
  else
    open_bound(port, uplink);
  flow_owner_[uplink.probing] = id;
  flow_owner_[uplink.awaiting] = id;
  return uplink;
}

void MediaPaths::open_bound(const Port& port, Uplink& uplink) {
  // Which family the terminal uses does not matter to the flow.
  const std::size_t address = server_address_for(port.place);
  media::FlowSpec flow{.end = media::FlowEnd::Awaiting,
                       .components = {},
                       .server = {},
                       .dscp = port.spec.dscp,
                       .keepalive = options_.keepalive,
                       .trunk = {},
                       .channels = {}};
  for (unsigned i = 0; i < port.spec.components; ++i)
    flow.components.push_back({.token = random_.array<16>(), .key = random_.array<16>()});
  // The awaiting end first: the probe must not be there before it.
  commands_.edge(Place::outside())->open_flow(uplink.awaiting, flow);
  for (unsigned i = 0; i < port.spec.components; ++i)
    flow.server.push_back(i == 0 ? options_.rtp[address] : options_.rtcp[address]);
  flow.end = media::FlowEnd::Probing;
  commands_.edge(port.place)->open_flow(uplink.probing, flow);
  uplink.watched = {.place = port.place, .server = flow.server};
}

void MediaPaths::open_tagged(const Port& port, Uplink& uplink, Trunk& trunk) {
  uplink.carriage = media::Carriage::Tagged;
  uplink.trunk = trunk.probing;
  uplink.channels = trunks_.take_channels(trunk, port.spec.components);
  media::FlowSpec flow{.end = media::FlowEnd::Awaiting,
                       .components = {},
                       .server = {},
                       .dscp = port.spec.dscp,
                       .keepalive = options_.keepalive,
                       .trunk = trunk.awaiting,
                       .channels = uplink.channels};
  commands_.edge(Place::outside())->open_flow(uplink.awaiting, flow);
  flow.end = media::FlowEnd::Probing;
  flow.trunk = trunk.probing;
  commands_.edge(port.place)->open_flow(uplink.probing, flow);
}

std::vector<MediaId> MediaPaths::ports_at(Place place) const {
  std::vector<MediaId> out;
  for (const auto& [id, port] : ports_)
    if (port.place == place) out.push_back(id);
  std::sort(out.begin(), out.end());
  return out;
}

void MediaPaths::close(const Port& port, const Uplink& uplink) {
  watch_.on_closed(uplink.watched, commands_.now());
  if (edge::Edge* inside = commands_.edge(port.place)) inside->close(uplink.probing);
  if (edge::Edge* outside = commands_.edge(Place::outside())) outside->close(uplink.awaiting);
  flow_owner_.erase(uplink.probing);
  flow_owner_.erase(uplink.awaiting);
  trunks_.release(uplink.trunk, uplink.channels);
}

void MediaPaths::close_uplinks(Port& port) {
  for (std::optional<Uplink>* each : {&port.next, &port.uplink})
    if (const auto uplink = std::exchange(*each, std::nullopt)) close(port, *uplink);
}

void MediaPaths::probe(Uplink& flow, edge::Edge& inside) {
  if (!flow.watched.started) flow.watched.started = commands_.now();
  inside.probe(flow.probing);
}

void MediaPaths::probe(Port& port) {
  edge::Edge* const inside = commands_.edge(port.place);
  if (!port.uplink || inside == nullptr) return;
  if (port.uplink->carriage == media::Carriage::Bound)
    probe(*port.uplink, *inside);
  else if (const Trunk* trunk = trunks_.find(port.uplink->trunk); trunk != nullptr && !trunk->bound)
    inside->probe(trunk->probing);
}

// ---- Another carriage ----

void MediaPaths::set_carriage(Place place, media::Carriage carriage) {
  carriages_[place] = carriage;
  for (const MediaId id : ports_at(place)) begin_move(id, ports_.at(id));
}

void MediaPaths::begin_move(MediaId id, Port& port) {
  if (!port.uplink) return;
  const media::Carriage wanted = carriage_of(port.place);
  if (const auto given_up = std::exchange(port.next, std::nullopt)) close(port, *given_up);
  if (port.uplink->carriage == wanted) return;
  port.next = open_uplink(id, port);
  if (!port.next) return;
  replace(port, *port.uplink, *port.next, media::ReplaceStep::Receive);
  if (port.next->carriage == media::Carriage::Bound) probe(*port.next, *commands_.edge(port.place));
}

void MediaPaths::replace(const Port& port, const Uplink& old, const Uplink& by,
                         media::ReplaceStep step) {
  if (edge::Edge* outside = commands_.edge(Place::outside()))
    outside->replace(old.awaiting, by.awaiting, step);
  if (edge::Edge* inside = commands_.edge(port.place))
    inside->replace(old.probing, by.probing, step);
}

// Once both ends take what arrives on the new uplink, what is sent goes by it; what is under way on
// the old one still arrives.
void MediaPaths::finish_move(Port& port) {
  if (!port.next || !port.next->open) return;
  if (port.next->carriage == media::Carriage::Tagged && !trunks_.find(port.next->trunk)->bound)
    return;
  const Uplink old = *std::exchange(port.uplink, *std::exchange(port.next, std::nullopt));
  replace(port, old, *port.uplink, media::ReplaceStep::Send);
  const TimerId timer = commands_.new_timer();
  leaving_.emplace(timer, std::pair{port.place, old});
  commands_.start_timer(timer, kLeavesAfter);
}

bool MediaPaths::on_timer(TimerId timer) {
  const auto left = leaving_.extract(timer);
  if (left.empty()) return false;
  const auto& [place, uplink] = left.mapped();
  Port was{.place = place, .spec = {}, .handler = {}, .peer = {}, .uplink = {}, .next = {}};
  close(was, uplink);
  return true;
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
  close_uplinks(it->second);
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
      gathered->counts.carriage = found.uplink->carriage;
      gathered->counts.encrypted =
          options_.trunks.sealed && found.uplink->carriage == media::Carriage::Tagged;
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

// Of an uplink or a trunk. Binding is seen at the awaiting end, confirmation at the probing one.
template <typename Ends>
void MediaPaths::note(Ends& ends, MediaId end, const media::Event& event) {
  if (end == ends.awaiting && event.kind == media::EventKind::FlowBound)
    FlowWatch::on_arrived(ends.watched, event.component);
  if (end == ends.probing && event.kind == media::EventKind::FlowBound)
    watch_.on_confirmed(ends.watched, event.component);
  if (end == ends.probing && event.kind == media::EventKind::Unconfirmed)
    watch_.on_unconfirmed(ends.watched, event.component, commands_.now());
}

bool MediaPaths::on_media_opened(MediaId id, const std::vector<TransportAddress>& addresses) {
  if (trunks_.place_of(id)) return true;
  if (const auto owner = flow_owner_.find(id); owner != flow_owner_.end()) {
    Port& port = ports_.at(owner->second);
    if (port.next && id == port.next->probing && port.next->carriage == media::Carriage::Tagged) {
      port.next->open = true;
      finish_move(port);
    }
    return true;
  }
  const auto it = ports_.find(id);
  if (it == ports_.end()) return false;
  const auto on_open = it->second.handler.on_open;  // the handler may close the port
  if (on_open) on_open(addresses, commands_);
  return true;
}

bool MediaPaths::on_media_event(MediaId id, const media::Event& event) {
  if (trunks_.place_of(id)) {
    on_trunk_event(id, event);
    return true;
  }
  const auto owner = flow_owner_.find(id);
  const auto it = ports_.find(owner == flow_owner_.end() ? id : owner->second);
  if (it == ports_.end()) return false;
  Port& port = it->second;
  if (event.kind == media::EventKind::WantsProbe) {
    // Packets wait at the outside edge for this agent's flow.
    probe(port);
    return true;
  }
  for (auto* uplink : {&port.uplink, &port.next})
    if (*uplink) note(**uplink, id, event);
  if (port.next && id == port.next->awaiting && event.kind == media::EventKind::FlowBound &&
      event.component == 0) {
    port.next->open = true;
    finish_move(port);
  }
  // Of a flow, what its awaiting end sees counts; the probing end tells the same from its side.
  if (owner != flow_owner_.end() && port.uplink && id == port.uplink->probing &&
      event.kind != media::EventKind::Unconfirmed && event.kind != media::EventKind::Silent)
    return true;
  tell(it->first, event);
  return true;
}

// What happens to a trunk happens to all that rides on it.
void MediaPaths::on_trunk_event(MediaId id, const media::Event& event) {
  const Place place = *trunks_.place_of(id);
  Trunk& trunk = *trunks_.find(id);
  const MediaId probing = trunk.probing;
  const bool awaiting = id == trunk.awaiting;
  note(trunk, id, event);
  if (event.kind == media::EventKind::WantsProbe) {
    if (edge::Edge* inside = commands_.edge(place)) inside->probe(probing);
    return;
  }
  if (awaiting && event.kind == media::EventKind::FlowBound) {
    trunk.bound = true;
    for (const MediaId port : ports_at(place)) finish_move(ports_.at(port));
  }
  if (!awaiting && event.kind != media::EventKind::Unconfirmed &&
      event.kind != media::EventKind::Silent)
    return;
  for (const MediaId port : ports_at(place)) {
    const auto it = ports_.find(port);  // a handler may close others
    if (it == ports_.end() || !it->second.uplink || it->second.uplink->trunk != probing) continue;
    for (std::uint8_t i = 0; i < it->second.spec.components && ports_.contains(port); ++i)
      tell(port, {.kind = event.kind, .component = i, .source = event.source});
  }
}

// Then its calls go by another one, or without: a flow of their own each.
void MediaPaths::on_trunk_refused(MediaId id) {
  const Place place = *trunks_.place_of(id);
  const MediaId probing = trunks_.find(id)->probing;
  if (!trunks_.give_up(id)) carriages_[place] = media::Carriage::Bound;
  for (const MediaId each : ports_at(place)) {
    Port& port = ports_.at(each);
    if (port.uplink && port.uplink->trunk == probing)
      reopen(each, port);
    else if (port.next && port.next->trunk == probing)
      begin_move(each, port);
  }
}

void MediaPaths::tell(MediaId port, const media::Event& event) {
  const auto on_event = ports_.at(port).handler.on_event;
  if (on_event) on_event(event, commands_);
}

std::string MediaPaths::problem_of(MediaId port) {
  const auto it = ports_.find(port);
  if (it == ports_.end() || !it->second.uplink) return {};
  const Uplink& uplink = *it->second.uplink;
  if (uplink.carriage == media::Carriage::Bound) return watch_.problem_of(uplink.watched);
  const Trunk* const trunk = trunks_.find(uplink.trunk);
  return trunk == nullptr ? std::string{} : watch_.problem_of(trunk->watched);
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
  if (trunks_.place_of(media)) {
    on_trunk_refused(media);
    return true;
  }
  const auto owner = flow_owner_.find(media);
  if (owner == flow_owner_.end()) return false;
  Port& port = ports_.at(owner->second);
  if (port.next && (media == port.next->probing || media == port.next->awaiting)) {
    close(port, *std::exchange(port.next, std::nullopt));  // it stays where it is
    return true;
  }
  // Without its flow the port leads nowhere.
  failed(owner->second, code, what);
  return true;
}

// Another uplink in place of one that never opened.
void MediaPaths::reopen(MediaId id, Port& port) {
  close_uplinks(port);
  ensure_uplink(id, port);
  const auto peer = ports_.find(port.peer);
  if (!port.uplink || peer == ports_.end()) return;
  const MediaId far = outside_end(peer->first, peer->second);
  if (edge::Edge* outside = commands_.edge(Place::outside()); outside != nullptr && far)
    outside->join(port.uplink->awaiting, far);
  probe(port);
}

void MediaPaths::failed(MediaId id, Errc code, const std::string& what) {
  const auto it = ports_.find(id);
  if (it == ports_.end()) return;
  const auto on_failed = it->second.handler.on_failed;
  close(id);
  if (on_failed) on_failed(code, what, commands_);
}

void MediaPaths::on_edge_lost(Place place) {
  if (place.is_outside()) trunks_.forget_all();
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
  trunks_.close_all(place);
}

}  // namespace sallyport::brain
