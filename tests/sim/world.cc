#include "world.h"

#include <algorithm>

#include "sim_streams.h"

namespace sallyport::sim {
namespace {
constexpr Duration kLocalLatency = milliseconds{1};
}  // namespace

World::World(std::uint64_t seed) : random_(seed), streams_(std::make_unique<SimStreams>(*this)) {}
World::~World() = default;

void World::at(TimePoint when, std::function<void()> what) {
  events_.emplace(std::max(when, now_), std::move(what));
}

bool World::run_until(const std::function<bool()>& done, Duration within) {
  const TimePoint end = now_ + within;
  while (!done()) {
    if (events_.empty() || events_.begin()->first > end) {
      now_ = end;
      return done();
    }
    now_ = events_.begin()->first;
    const auto what = std::move(events_.begin()->second);
    events_.erase(events_.begin());
    what();
  }
  return true;
}

void World::run_for(Duration span) {
  run_until([] { return false; }, span);
}

RealmId World::add_site(const NatSettings& nat) {
  const RealmId id = static_cast<RealmId>(sites_.size()) + 1;
  sites_[id] = {.nat = nat, .mappings = {}};
  return id;
}

void World::forget_mappings(RealmId site) { sites_.at(site).mappings.clear(); }

void World::change_public_address(RealmId site, const IpAddress& address) {
  sites_.at(site).nat.public_address = address;
  forget_mappings(site);
}

bool World::bind(RealmId realm, const TransportAddress& address, const OnDatagram& on_datagram) {
  return sockets_.try_emplace({realm, address}, on_datagram).second;
}

void World::unbind(RealmId realm, const TransportAddress& address) {
  sockets_.erase({realm, address});
}

void World::travel(const PathQuality& quality, const std::function<void()>& arrive) {
  if (random_.below(100) < quality.loss_percent) return;
  const unsigned copies = random_.below(100) < quality.duplicate_percent ? 2 : 1;
  for (unsigned i = 0; i < copies; ++i) {
    Duration delay = quality.latency;
    if (quality.jitter.count() > 0)
      delay += Duration{random_.below(static_cast<std::uint64_t>(quality.jitter.count()))};
    after(delay, arrive);
  }
}

void World::travel_whole(RealmId realm, std::function<void()> arrive) {
  after(realm == kPublic ? public_quality_.latency : kLocalLatency, std::move(arrive));
}

void World::send(RealmId realm, const TransportAddress& from, const TransportAddress& to,
                 Bytes datagram) {
  const Buffer octets = to_buffer(datagram);
  if (realm == kPublic)
    return travel(public_quality_, [this, from, to, octets] { in_public(from, to, octets); });
  // In its own network first; what is not there goes through the NAT.
  const bool local = std::any_of(sockets_.begin(), sockets_.end(), [&](const auto& entry) {
    return entry.first.first == realm && entry.first.second.ip == to.ip;
  });
  if (local)
    return after(kLocalLatency,
                 [this, realm, from, to, octets] { deliver(realm, from, to, octets); });
  if (to.ip.is_private()) return;
  Site& site = sites_.at(realm);
  const TransportAddress outside{site.nat.public_address, map_out(site, from, to)};
  travel(site.nat.quality, [this, outside, to, octets] { in_public(outside, to, octets); });
}

std::uint16_t World::map_out(Site& site, const TransportAddress& inside,
                             const TransportAddress& to) {
  std::erase_if(site.mappings, [&](const auto& entry) {
    return now_ - entry.second.last_used > site.nat.forgets_after;
  });
  for (auto& [port, mapping] : site.mappings) {
    if (mapping.inside != inside) continue;
    if (site.nat.endpoint_dependent && mapping.destination != to) continue;
    mapping.last_used = now_;
    if (std::find(mapping.peers.begin(), mapping.peers.end(), to) == mapping.peers.end())
      mapping.peers.push_back(to);
    return port;
  }
  std::uint16_t port = 0;
  do {
    port = static_cast<std::uint16_t>(1024 + random_.below(64000));
  } while (site.mappings.contains(port));
  Mapping mapping{.inside = inside, .destination = {}, .last_used = now_, .peers = {to}};
  if (site.nat.endpoint_dependent) mapping.destination = to;
  site.mappings[port] = std::move(mapping);
  return port;
}

void World::in_public(const TransportAddress& from, const TransportAddress& to, Bytes datagram) {
  seen_.push_back({from, to, to_buffer(datagram)});
  for (auto& [realm, site] : sites_) {
    if (site.nat.public_address != to.ip) continue;
    const auto it = site.mappings.find(to.port);
    if (it == site.mappings.end() || now_ - it->second.last_used > site.nat.forgets_after) return;
    const auto& peers = it->second.peers;
    if (std::find(peers.begin(), peers.end(), from) == peers.end()) return;
    const Buffer octets = to_buffer(datagram);
    // REQ-6 of RFC 4787: only what goes out keeps a mapping alive.
    return travel(site.nat.quality, [this, r = realm, from, inside = it->second.inside, octets] {
      deliver(r, from, inside, octets);
    });
  }
  deliver(kPublic, from, to, datagram);
}

void World::deliver(RealmId realm, const TransportAddress& from, const TransportAddress& to,
                    Bytes datagram) {
  const auto it = sockets_.find({realm, to});
  if (it == sockets_.end()) return;
  const auto on_datagram = it->second;  // it may unbind itself
  on_datagram(from, datagram);
}

}  // namespace sallyport::sim
