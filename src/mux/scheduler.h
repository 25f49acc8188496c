// Which channel's octets are committed next: control before signalling before bulk, and in turn
// among equals. Holds the channels that have something to send and may. Owned by Multiplex.
#pragma once

#include <array>
#include <cstddef>
#include <list>
#include <optional>

#include "mux/logical_channel.h"

namespace sallyport::mux {

class Scheduler {
 public:
  void add(ChannelId id, Priority priority) { list(priority).push_back(id); }
  void remove(ChannelId id, Priority priority) { list(priority).remove(id); }
  // The next one, taken out; whoever has more to send is added again, behind the others.
  std::optional<ChannelId> next(bool bulk) {
    for (std::size_t p = 0; p < ready_.size(); ++p) {
      if (!bulk && p == static_cast<std::size_t>(Priority::Bulk)) break;
      if (ready_.at(p).empty()) continue;
      const ChannelId id = ready_.at(p).front();
      ready_.at(p).pop_front();
      return id;
    }
    return std::nullopt;
  }

 private:
  std::list<ChannelId>& list(Priority priority) {
    return ready_.at(static_cast<std::size_t>(priority));
  }
  std::array<std::list<ChannelId>, 3> ready_;
};

}  // namespace sallyport::mux
