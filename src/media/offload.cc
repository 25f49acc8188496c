#include "media/offload.h"

#include <utility>

namespace sallyport::media {

bool Offload::may_offer(State& state, TimePoint now) {
  if (now - offers_since_ >= milliseconds{1}) {
    offers_since_ = now;
    offers_ = 0;
  }
  if (offers_ == kOffersAtOnce) {
    state.packets_left = 1;  // with its next packet
    return false;
  }
  ++offers_;
  return true;
}

void Offload::offer(Place place, const std::optional<FastRule>& rule, TimePoint now) {
  State& it = places_[place];
  if (!rule || !path_->offload(place, *rule)) {
    it.packets_left = kPacketsAfterRefusal;
    return;
  }
  // That it lives the fast path was not told while nothing was offloaded.
  if (active_.empty()) on_tick(now);
  it.active = static_cast<std::uint32_t>(active_.size());
  active_.push_back(place);
}

void Offload::take_back(Place place) {
  if (!has(place)) return;
  path_->unload(place);
  State& it = places_[place];
  const Place last = active_.back();
  active_[it.active] = last;
  places_[last].active = it.active;
  active_.pop_back();
  it.active = kNowhere;
  it.packets_left = kFirstPackets;
}

FastCount Offload::read_new(Place place) {
  if (path_ == nullptr) return {};
  State& it = places_[place];
  const FastCount all = path_->read(place);
  return {.packets = all.packets - std::exchange(it.packets_read, all.packets),
          .octets = all.octets - std::exchange(it.octets_read, all.octets),
          .last = all.last};
}

void Offload::on_tick(TimePoint now) {
  path_->beat(now);
  next_tick_ = now + kTick;
}

}  // namespace sallyport::media
