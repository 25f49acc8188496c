// How many calls there may be at once: in all, and through one agent, so that none takes the places
// of the others. A call that is forked to several agents counts at each of them until it ends.
// Relay's; brain's thread.
#pragma once

#include <algorithm>
#include <cstddef>
#include <map>
#include <unordered_map>
#include <vector>

#include "adapter/adapter.h"
#include "adapter/sip/dialog.h"

namespace sallyport::adapter::sip {

class CallLimits {
 public:
  CallLimits(std::size_t in_all, std::size_t per_agent) : in_all_(in_all), per_agent_(per_agent) {}

  bool full() const { return places_.size() >= in_all_; }

  // The call has a leg at that place from now on. False, and nothing changed, when the agent there
  // has as many calls as it may.
  bool enter(CallId call, Place place) {
    std::vector<Place>& places = places_[call];
    if (place.is_outside() || std::find(places.begin(), places.end(), place) != places.end())
      return true;
    std::size_t& count = by_agent_[place];
    if (count >= per_agent_) return false;
    ++count;
    places.push_back(place);
    return true;
  }

  void leave(CallId call) {
    const auto it = places_.find(call);
    if (it == places_.end()) return;
    for (const Place place : it->second)
      if (const auto count = by_agent_.find(place); --count->second == 0) by_agent_.erase(count);
    places_.erase(it);
  }

 private:
  std::size_t in_all_;
  std::size_t per_agent_;
  std::unordered_map<CallId, std::vector<Place>> places_;
  std::map<Place, std::size_t> by_agent_;
};

}  // namespace sallyport::adapter::sip
