#include "media/reassembly.h"

#include <algorithm>

namespace sallyport::media {

Reassembly::Added Reassembly::add(std::uint32_t channel, bool second, Bytes body, Ecn ecn,
                                  TimePoint now) {
  Added out;
  if (body.size() < 2 || body.size() - 1 > kLongestPacket) return out;
  const std::uint8_t number = body.front();
  const Bytes part = body.subspan(1);

  auto slot = std::find_if(slots_.begin(), slots_.end(),
                           [&](const Slot& each) { return each.used && each.channel == channel; });
  const bool other_half = slot != slots_.end() && slot->number == number &&
                          slot->second != second && now - slot->since < kLongest &&
                          slot->size + part.size() <= kLongestPacket;
  if (other_half) {
    const MutableBytes whole =
        room(static_cast<std::size_t>(slot - slots_.begin())).first(slot->size + part.size());
    if (!second) {
      // The part that is here goes behind the one that has come.
      std::copy_backward(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(slot->size),
                         whole.end());
      std::copy(part.begin(), part.end(), whole.begin());
    } else {
      std::copy(part.begin(), part.end(), whole.end() - static_cast<std::ptrdiff_t>(part.size()));
    }
    free(*slot);
    return {.outcome = Outcome::Whole,
            .packet = whole,
            .ecn = slot->ecn == Ecn::Congested ? Ecn::Congested : ecn};
  }
  if (slot != slots_.end()) {
    free(*slot);
    out.gave_up = true;
  } else {
    slot = std::find_if(slots_.begin(), slots_.end(), [](const Slot& each) { return !each.used; });
    if (slot == slots_.end()) return {.outcome = Outcome::NoRoom};
  }
  *slot = {.used = true,
           .second = second,
           .number = number,
           .ecn = ecn,
           .channel = channel,
           .size = part.size(),
           .since = now};
  ++waiting_;
  const MutableBytes at = room(static_cast<std::size_t>(slot - slots_.begin()));
  std::copy(part.begin(), part.end(), at.begin());
  out.outcome = Outcome::Waits;
  return out;
}

std::size_t Reassembly::expire(TimePoint now) {
  std::size_t out = 0;
  for (Slot& slot : slots_) {
    if (!slot.used || now - slot.since < kLongest) continue;
    free(slot);
    ++out;
  }
  return out;
}

std::size_t Reassembly::forget(std::uint32_t channel) {
  for (Slot& slot : slots_) {
    if (!slot.used || slot.channel != channel) continue;
    free(slot);
    return 1;
  }
  return 0;
}

std::optional<TimePoint> Reassembly::deadline() const {
  std::optional<TimePoint> out;
  if (waiting_ == 0) return out;
  for (const Slot& slot : slots_)
    if (slot.used && (!out || slot.since + kLongest < *out)) out = slot.since + kLongest;
  return out;
}

}  // namespace sallyport::media
