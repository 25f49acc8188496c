// How much the media of calls may take: of one call, through one agent, and in all. A new call that
// would take more is refused, and so is a change of one; an established call is never cut. What is
// counted is what the signalling tells (codec/sdp/traffic.h), bits a second in one direction.
//
// Anybody outside may call, and claim what he likes while it rings. So calls from there that nobody
// has answered yet share half of each limit: what one of them takes beyond that, another one does
// not let it. An adapter's; brain's thread.
#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <unordered_map>
#include <vector>

#include "adapter/adapter.h"
#include "adapter/call_id.h"

namespace sallyport::adapter {

class BandwidthLimits {
 public:
  using Bits = std::uint64_t;

  BandwidthLimits(Bits in_all, Bits per_agent, Bits per_call)
      : in_all_(in_all), per_agent_(per_agent), per_call_(per_call) {}

  // The call would have media between these places: as much as before, or `bits`, whichever is
  // more, until settled() or withdrawn(). False, and nothing changed: it is beyond a limit.
  bool offer(CallId call, Place caller, Place callee, Bits bits) {
    const auto [it, is_new] = calls_.try_emplace(call);
    Use& use = it->second;
    if (is_new) use.from_outside = caller.is_outside();
    const Use before = use;
    count(before, false);
    for (const Place place : {caller, callee}) {
      const bool listed =
          std::find(use.places.begin(), use.places.end(), place) != use.places.end();
      // Two terminals of one agent are joined inside it.
      if (caller != callee && !listed) use.places.push_back(place);
    }
    use.offered = std::max(use.offered, bits);
    const bool more = use.bits() > before.bits() || use.places.size() > before.places.size();
    const bool admitted = !more || fits(use);
    if (!admitted) use = before;
    count(use, true);
    return admitted;
  }

  // It was agreed: the call has `bits` of media between these two places, and nowhere else.
  void settled(CallId call, Place caller, Place callee, Bits bits) {
    const auto it = calls_.find(call);
    if (it == calls_.end()) return;
    Use& use = it->second;
    count(use, false);
    std::erase_if(use.places,
                  [&](const Place place) { return place != caller && place != callee; });
    use.agreed = std::min(bits, use.bits());
    use.offered = 0;
    count(use, true);
  }

  // It was refused: the media stays as it was agreed before.
  void withdrawn(CallId call) {
    const auto it = calls_.find(call);
    if (it == calls_.end() || it->second.agreed == 0) return;
    count(it->second, false);
    it->second.offered = 0;
    count(it->second, true);
  }

  void leave(CallId call) {
    const auto it = calls_.find(call);
    if (it == calls_.end()) return;
    count(it->second, false);
    calls_.erase(it);
  }

  Bits in_all() const { return used_.all; }
  Bits through(Place place) const { return at(place).all; }

 private:
  struct Use {
    std::vector<Place> places;  // whose links it crosses
    Bits agreed = 0;
    Bits offered = 0;
    bool from_outside = false;
    Bits bits() const { return std::max(agreed, offered); }
    bool rings() const { return from_outside && agreed == 0; }
  };
  struct Sum {
    Bits all = 0;
    Bits ringing = 0;  // of them: of calls from outside that nobody has answered
    void count(const Use& use, bool in) {
      const auto add = [&](Bits& to) { to = in ? to + use.bits() : to - use.bits(); };
      add(all);
      if (use.rings()) add(ringing);
    }
    bool has_room(const Use& use, Bits limit) const {
      if (use.bits() > limit - std::min(limit, all)) return false;
      return !use.rings() || ringing == 0 || use.bits() <= limit / 2 - std::min(limit / 2, ringing);
    }
  };
  Sum at(Place place) const {
    const auto it = by_agent_.find(place);
    return it == by_agent_.end() ? Sum{} : it->second;
  }

  bool fits(const Use& use) const {
    if (use.bits() > per_call_) return false;
    if (use.places.empty()) return true;
    return used_.has_room(use, in_all_) &&
           std::all_of(use.places.begin(), use.places.end(), [&](const Place place) {
             return place.is_outside() || at(place).has_room(use, per_agent_);
           });
  }
  void count(const Use& use, bool in) {
    if (use.places.empty()) return;
    used_.count(use, in);
    for (const Place place : use.places) {
      if (place.is_outside()) continue;
      Sum& sum = by_agent_[place];
      sum.count(use, in);
      if (sum.all == 0) by_agent_.erase(place);
    }
  }

  Bits in_all_, per_agent_, per_call_;
  std::unordered_map<CallId, Use> calls_;
  std::map<Place, Sum> by_agent_;
  Sum used_;
};

}  // namespace sallyport::adapter
