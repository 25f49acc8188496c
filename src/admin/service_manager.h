// What systemd is told of a running service: that it is ready, how it does, that it stops, and,
// where the unit asks for a watchdog, that its loop still turns. Nothing happens when it was not
// started by systemd. The network's thread.
#pragma once

#include <memory>
#include <string>

#include "net/network.h"

namespace sallyport::admin {

class ServiceManager {
 public:
  explicit ServiceManager(net::Network& network);  // outlives it
  ServiceManager(const ServiceManager&) = delete;
  ServiceManager& operator=(const ServiceManager&) = delete;
  ~ServiceManager();  // tells that the service stops

  void ready(const std::string& status);
  void status(const std::string& status);

 private:
  void feed_watchdog();

  net::Network& network_;
  std::unique_ptr<net::Timer> timer_;
  Duration interval_{};
};

}  // namespace sallyport::admin
