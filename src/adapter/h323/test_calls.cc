#include "adapter/h323/test_calls.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "base/hex.h"

namespace sallyport::adapter::h323::test {
namespace {

const IpAddress kServer = *IpAddress::parse("198.51.100.1");

}  // namespace

// ---- terminals ----

Terminal::Terminal(World& w, Place p, std::string_view n, std::string_view a)
    : world(w), place(p), name(n), at(address(a)) {}

Link& Terminal::dial(const TransportAddress& to) {
  auto link = std::make_unique<Link>();
  link->id = edge::ConnectionId{++world.next_connection_};
  link->place = place;
  link->near = {at.ip, world.next_port_++};
  link->far = to;
  links.push_back(std::move(link));
  Link& made = *links.back();
  const auto& listeners = world.fake_edge(place).listeners;
  const auto it = std::find_if(listeners.begin(), listeners.end(), [&](const auto& listener) {
    return listener.second.port == to.port;
  });
  EXPECT_NE(it, listeners.end()) << name << ": nobody listens at " << to.to_string();
  if (it == listeners.end()) return made;
  world.calls->on_accepted(place, it->first, made.id, {edge::Transport::Tcp, {made.far, made.near}},
                           world);
  world.settle();
  return made;
}

void Terminal::say(Link& link, Bytes payload) {
  const Buffer packet = codec::q931::encode_tpkt(payload);
  // A segment ends where it likes.
  const std::size_t half = packet.size() / 2;
  world.calls->on_received(place, link.id, Bytes{packet}.first(half), world);
  world.calls->on_received(place, link.id, Bytes{packet}.subspan(half), world);
  world.settle();
}

void Terminal::hang_up(Link& link) {
  link.closed = true;
  world.calls->on_closed(place, link.id, {Errc::Closed, "closed"}, world);
  world.settle();
}

// ---- edges ----

void FakeEdge::listen(edge::ListenerId id, const edge::ListenSpec& spec) {
  TransportAddress local = spec.address;
  if (local.ip.is_unspecified()) local.ip = host_;
  if (local.port == 0) local.port = next_port_++;
  EXPECT_EQ(local.ip, host_);
  listeners[id] = local;
  world_.later([this, id, local] { world_.calls->on_listening(place_, id, local, world_); });
}

void FakeEdge::connect(edge::ConnectionId id, const edge::ConnectSpec& spec) {
  world_.later([this, id, spec] {
    for (auto& terminal : world_.terminals_) {
      if (terminal->place != place_) continue;
      if (terminal->at != spec.remote && !terminal->listening.contains(spec.remote)) continue;
      auto link = std::make_unique<Link>();
      link->id = id;
      link->place = place_;
      link->near = spec.remote;
      link->far = {host_, next_port_++};
      const edge::Addresses addresses{link->far, link->near};
      terminal->links.push_back(std::move(link));
      return world_.calls->on_connected(place_, id, addresses, world_);
    }
    world_.calls->on_refused(place_, id.value, Errc::Unreachable, "refused", world_);
  });
}

void FakeEdge::send(edge::ConnectionId id, Bytes octets) {
  world_.sent.push_back({place_, to_buffer(octets)});
  Link* link = world_.find_link(id);
  ASSERT_NE(link, nullptr);
  EXPECT_FALSE(link->closed);
  link->raw.insert(link->raw.end(), octets.begin(), octets.end());
  link->reader.push(octets);
  while (const auto payload = link->reader.next()) link->heard.push_back(to_buffer(*payload));
}

void FakeEdge::half_close(edge::ConnectionId id) {
  Link* link = world_.find_link(id);
  ASSERT_NE(link, nullptr);
  link->closed = true;
  // As TCP does when the other end has read to the end and closes as well.
  world_.later([this, id] {
    world_.calls->on_closed(place_, id, {Errc::Closed, "closed"}, world_);
  });
}

void FakeEdge::close(edge::ConnectionId id) {
  if (Link* link = world_.find_link(id)) link->closed = true;
}

void FakeEdge::close(edge::ListenerId id) { listeners.erase(id); }

// ---- routing ----

void FakeDestinations::find(const CallQuery& query, Commands& out, OnFound on_found) {
  asked.push_back(query);
  if (!answers) return waiting.push_back(std::move(on_found));
  Found found;
  found.endpoint = caller_endpoint;
  const std::string called = query.called.empty() ? std::string{} : query.called.front().value;
  if (const auto it = refused.find(called); it != refused.end())
    found.refusal = it->second;
  else if (const auto to = known.find(called); to != known.end())
    found.destinations = to->second;
  else if (everybody)
    found.destinations = {*everybody};
  else
    found.refusal = Refusal::CalledPartyNotRegistered;
  on_found(found, out);
}

// ---- the world ----

World::World(Config config)
    : config_(std::move(config)), guard_(config_.limits, "h323", log), stack_{config_, guard_,
                                                                              timers_, counters,
                                                                              random,  log} {
  config_.advertised = {kServer};
  calls = std::make_unique<CallSignalling>(stack_, destinations, destinations);
  for (const auto& [place, host] : {std::pair{kOutside, "198.51.100.1"},
                                    std::pair{kSiteA, "10.1.1.2"}, std::pair{kSiteB, "10.2.2.2"}}) {
    edges_[place] = std::make_unique<FakeEdge>(*this, place, *IpAddress::parse(host));
    paths.hosts[place] = *IpAddress::parse(host);
    const edge::ListenerId id{new_id()};
    edges_[place]->listeners[id] = {*IpAddress::parse(host), kPortCall};
    call_listeners_[place] = id;
    calls->set_signalling_port(place, kPortCall);
  }
}

World::~World() = default;

Terminal& World::terminal(Place place, std::string_view name, std::string_view at) {
  terminals_.push_back(std::make_unique<Terminal>(*this, place, name, at));
  return *terminals_.back();
}

Destination World::destination(const Terminal& terminal) const {
  Destination to;
  to.hop = {.place = terminal.place,
            .transport = edge::Transport::Tcp,
            .remote = terminal.at,
            .local = {},
            .connection = {},
            .server_name = {}};
  return to;
}

void World::enrol(const Terminal& terminal) {
  destinations.known[terminal.name].push_back(destination(terminal));
}

TransportAddress World::signalling(Place place) const {
  return {edges_.at(place)->host(), kPortCall};
}

void World::lose_edge(Place place) {
  edges_.erase(place);
  calls->on_edge_lost(place, *this);
  settle();
}

edge::Edge* World::edge(Place place) {
  const auto it = edges_.find(place);
  return it == edges_.end() ? nullptr : it->second.get();
}

Link* World::find_link(edge::ConnectionId id) {
  for (auto& terminal : terminals_)
    for (auto& link : terminal->links)
      if (link->id == id) return link.get();
  return nullptr;
}

void World::settle() {
  while (true) {
    if (!events_.empty()) {
      const auto event = std::move(events_.front());
      events_.pop_front();
      event();
    } else if (!paths.later.empty()) {
      const auto event = std::move(paths.later.front());
      paths.later.pop_front();
      event(*this);
    } else if (const auto due = timer_queue_.expire(now_)) {
      timers_.on_timer(*due, *this);
    } else {
      return;
    }
  }
}

void World::pass(Duration time) {
  const TimePoint end = now_ + time;
  settle();
  for (auto next = timer_queue_.next_deadline(); next && *next <= end;
       next = timer_queue_.next_deadline()) {
    now_ = std::max(now_, *next);
    settle();
  }
  now_ = end;
  settle();
}

void World::expect_drained() {
  pass(seconds{5});
  EXPECT_EQ(calls->size(), 0U);
  EXPECT_EQ(timers_.size(), 0U);
  EXPECT_TRUE(paths.ports.empty());
  for (const auto& [place, edge] : edges_) EXPECT_EQ(edge->listeners.size(), 1U);
  for (const auto& terminal : terminals_)
    for (const auto& link : terminal->links) EXPECT_TRUE(link->closed) << terminal->name;
}

void World::expect_nothing_of(const IpAddress& hidden, Place place) const {
  const Bytes octets = hidden.octets();
  for (const Sent& message : sent) {
    if (message.place != place) continue;
    EXPECT_TRUE(std::search(message.octets.begin(), message.octets.end(), octets.begin(),
                            octets.end()) == message.octets.end())
        << hidden.to_string() << " in " << to_hex(message.octets);
    EXPECT_EQ(as_text(message.octets).find(hidden.to_string()), std::string_view::npos);
  }
}

}  // namespace sallyport::adapter::h323::test
