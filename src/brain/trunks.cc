#include "brain/trunks.h"

#include <algorithm>
#include <array>
#include <tuple>
#include <utility>

namespace sallyport::brain {

using adapter::Place;
using media::MediaId;

namespace {

// Channels of one trunk: so few that a random one is soon found among those that are left.
constexpr std::size_t kMostChannels = 6'000;
static_assert(kMostChannels < media::kChannelsOfOwner);

}  // namespace

Trunk* Trunks::choose(Place place, const TransportAddress& server) {
  Site& site = sites_[place];
  // The server may be reached at another address now.
  const auto idle = std::partition(site.trunks.begin(), site.trunks.end(), [&](const Trunk& trunk) {
    return trunk.server == server || !trunk.channels.empty();
  });
  for (auto it = idle; it != site.trunks.end(); ++it) close(place, *it);
  site.trunks.erase(idle, site.trunks.end());

  const auto best =
      std::min_element(site.trunks.begin(), site.trunks.end(), [&](const Trunk& a, const Trunk& b) {
        return std::pair{a.server != server, a.channels.size()} <
               std::pair{b.server != server, b.channels.size()};
      });
  const bool suits = best != site.trunks.end() && best->server == server && best->channels.empty();
  if (!suits && site.trunks.size() + site.given_up < options_.most)
    return &open(place, site, server);
  if (best == site.trunks.end() || best->channels.size() >= kMostChannels) return nullptr;
  return &*best;
}

Trunk& Trunks::open(Place place, Site& site, const TransportAddress& server) {
  const std::uint8_t owner = next_owner();
  Trunk& trunk = site.trunks.emplace_back();
  trunk.probing = MediaId{commands_.new_id()};
  trunk.awaiting = MediaId{commands_.new_id()};
  trunk.server = server;
  trunk.owner = owner;
  trunk.watched = {.place = place, .server = {server}, .started = commands_.now()};
  media::TrunkSpec spec{.end = media::FlowEnd::Awaiting,
                        .secret = {.token = random_.array<16>(), .key = random_.array<16>()},
                        .server = {},
                        .dscp = options_.dscp,
                        .keepalive = keepalive_,
                        .sealed = options_.sealed,
                        .ring = media::KeyRingId{place.agent.value},
                        .compress = options_.compress,
                        .bundle = options_.bundle,
                        .owner = trunk.owner};
  commands_.edge(Place::outside())->open_trunk(trunk.awaiting, spec);
  spec.end = media::FlowEnd::Probing;
  spec.server = server;
  spec.ring = {};
  edge::Edge* const inside = commands_.edge(place);
  inside->open_trunk(trunk.probing, spec);
  inside->probe(trunk.probing);  // it is open before the first call has media
  place_of_[trunk.probing] = place;
  place_of_[trunk.awaiting] = place;
  return trunk;
}

// The one that the fewest trunks have, of all agents: so each of an edge's threads has its share.
std::uint8_t Trunks::next_owner() const {
  std::array<std::size_t, media::kMaxOwners> having{};
  for (const auto& [place, site] : sites_)
    for (const Trunk& trunk : site.trunks) ++having.at(trunk.owner);
  return static_cast<std::uint8_t>(std::min_element(having.begin(), having.end()) - having.begin());
}

std::vector<media::Channel> Trunks::take_channels(Trunk& trunk, unsigned count) {
  std::vector<media::Channel> out;
  while (out.size() < count) {
    // At random: in clear, a channel that nobody can guess is some protection.
    const auto channel = static_cast<media::Channel>(media::records_of(trunk.owner) + 1 +
                                                     random_.below(media::kChannelsOfOwner - 1));
    if (trunk.channels.insert(channel).second) out.push_back(channel);
  }
  return out;
}

void Trunks::release(MediaId probing, const std::vector<media::Channel>& channels) {
  Trunk* const trunk = find(probing);
  if (trunk == nullptr) return;
  for (const media::Channel channel : channels) trunk->channels.erase(channel);
}

Trunk* Trunks::find(MediaId end) {
  const auto place = place_of(end);
  if (!place) return nullptr;
  auto& trunks = sites_.at(*place).trunks;
  return &*std::find_if(trunks.begin(), trunks.end(), [&](const Trunk& trunk) {
    return trunk.probing == end || trunk.awaiting == end;
  });
}

std::optional<Place> Trunks::place_of(MediaId end) const {
  const auto it = place_of_.find(end);
  if (it == place_of_.end()) return std::nullopt;
  return it->second;
}

bool Trunks::give_up(MediaId end) {
  const Place place = *place_of(end);
  Site& site = sites_.at(place);
  const auto it = std::find_if(site.trunks.begin(), site.trunks.end(), [&](const Trunk& trunk) {
    return trunk.probing == end || trunk.awaiting == end;
  });
  close(place, *it);
  site.trunks.erase(it);
  ++site.given_up;
  return site.given_up < options_.most;
}

void Trunks::close(Place place, const Trunk& trunk) {
  watch_.on_closed(trunk.watched, commands_.now());
  place_of_.erase(trunk.probing);
  place_of_.erase(trunk.awaiting);
  if (edge::Edge* inside = commands_.edge(place)) inside->close(trunk.probing);
  if (edge::Edge* outside = commands_.edge(Place::outside())) outside->close(trunk.awaiting);
}

void Trunks::close_all(Place place) {
  const auto site = sites_.extract(place);
  if (site.empty()) return;
  for (const Trunk& trunk : site.mapped().trunks) close(place, trunk);
}

void Trunks::forget_all() {
  sites_.clear();
  place_of_.clear();
}

}  // namespace sallyport::brain
