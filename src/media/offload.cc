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
  it.packets_left = kMostStrays;
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
  FastCount out = path_->read(place);
  out.packets -= std::exchange(it.packets_read, out.packets);
  out.octets -= std::exchange(it.octets_read, out.octets);
  sallyport_rtp_totals& totals = out.stream.totals;
  const sallyport_rtp_totals before = std::exchange(it.stream_read, totals);
  totals.packets -= before.packets;
  totals.lost -= before.lost;
  totals.reordered -= before.reordered;
  totals.duplicates -= before.duplicates;
  totals.ssrc_changes -= before.ssrc_changes;
  totals.pauses -= before.pauses;
  const std::int32_t found = std::clamp(totals.lost, 0, it.strays + it.strays_before);
  totals.lost -= found;
  it.strays_before = std::min(it.strays, it.strays + it.strays_before - found);
  it.strays = 0;
  return out;
}

void Offload::on_tick(TimePoint now) {
  path_->beat(now);
  next_tick_ = now + kTick;
}

}  // namespace sallyport::media
