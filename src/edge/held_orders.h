// Orders for media ends that wait while one of the ends they name is on its way from one media
// thread to another. For each end, orders keep the order in which they were given; those that name
// several hold all of these back. Used by MediaThread, on the edge's thread.
#pragma once

#include <functional>
#include <initializer_list>
#include <set>
#include <utility>
#include <vector>

#include "media/media.h"

namespace sallyport::edge {

class HeldOrders {
 public:
  using Work = std::function<void()>;

  // Does it now, unless it must wait.
  void give(std::vector<media::MediaId> ids, Work work) {
    for (const media::MediaId id : ids) {
      if (!blocked_.contains(id)) continue;
      blocked_.insert(ids.begin(), ids.end());
      held_.emplace_back(std::move(ids), std::move(work));
      return;
    }
    work();
  }

  void depart(media::MediaId id) {
    away_.insert(id);
    blocked_.insert(id);
  }
  // What waited for it is done, as far as nothing else holds it back.
  void arrive(media::MediaId id) {
    if (away_.erase(id) == 0) return;
    blocked_ = away_;
    for (auto& [ids, work] : std::exchange(held_, {})) give(std::move(ids), std::move(work));
  }
  // When all that are away now have arrived.
  void give_after_all(Work work) { give({away_.begin(), away_.end()}, std::move(work)); }
  bool is_away(media::MediaId id) const { return away_.contains(id); }

 private:
  std::set<media::MediaId> away_;
  std::set<media::MediaId> blocked_;  // these, and all that held orders name
  std::vector<std::pair<std::vector<media::MediaId>, Work>> held_;
};

}  // namespace sallyport::edge
