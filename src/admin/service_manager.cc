#include "admin/service_manager.h"

#include <systemd/sd-daemon.h>

#include <chrono>
#include <cstdint>

namespace sallyport::admin {

ServiceManager::ServiceManager(net::Network& network)
    : network_(network), timer_(network.make_timer()) {
  std::uint64_t microseconds = 0;
  if (::sd_watchdog_enabled(0, &microseconds) <= 0) return;
  // Twice in each period, as sd_watchdog_enabled(3) recommends.
  interval_ = std::chrono::microseconds{microseconds / 2};
  feed_watchdog();
}

ServiceManager::~ServiceManager() { ::sd_notify(0, "STOPPING=1"); }

void ServiceManager::ready(const std::string& status) {
  ::sd_notify(0, ("READY=1\nSTATUS=" + status).c_str());
}

void ServiceManager::status(const std::string& status) {
  ::sd_notify(0, ("STATUS=" + status).c_str());
}

void ServiceManager::feed_watchdog() {
  ::sd_notify(0, "WATCHDOG=1");
  timer_->start(network_.now() + interval_, [this] { feed_watchdog(); });
}

}  // namespace sallyport::admin
