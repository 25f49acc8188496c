// Tells when this host's links, addresses or routes change (rtnetlink(7)). Changes come in bursts:
// one call for each burst. Internal to net/.
#pragma once

#include <functional>
#include <memory>

#include "net/event_loop.h"
#include "net/fd.h"

namespace sallyport::net {

class RouteWatcher {
 public:
  // System when netlink is not to be had; then nothing is ever told.
  static Result<std::unique_ptr<RouteWatcher>> open(EventLoop& loop,
                                                    std::function<void()> on_change);
  RouteWatcher(const RouteWatcher&) = delete;
  RouteWatcher& operator=(const RouteWatcher&) = delete;
  ~RouteWatcher();

 private:
  class Watching;
  explicit RouteWatcher(std::shared_ptr<Watching> watching) : watching_(std::move(watching)) {}
  std::shared_ptr<Watching> watching_;
};

}  // namespace sallyport::net
