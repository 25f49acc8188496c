// Who may register and who is registered, whatever the protocol: the stores that the adapters
// share, and what people ask about them. Owned by the server; brain's thread.
#pragma once

#include <boost/json.hpp>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "adapter/throttle.h"
#include "base/log.h"
#include "brain/sqlite_registrations.h"
#include "brain/sqlite_store.h"
#include "brain/users.h"
#include "config/server_config.h"

namespace sallyport::server {

class Directory {
 public:
  // Names an agent, for people.
  using NameOf = std::function<std::string(adapter::Place)>;

  // Store and log outlive it.
  static Result<std::unique_ptr<Directory>> open(const config::ServerConfig& config,
                                                 brain::SqliteStore& store, Log& log, WallTime now);

  brain::Users& users() { return *users_; }
  brain::Registrations& registrations() { return *registrations_; }

  // Who is registered, and who is refused for a while after wrong passwords.
  boost::json::object describe(const std::vector<adapter::Throttle::Blocked>& blocked,
                               const NameOf& name_of, WallTime now) const;

 private:
  Directory() = default;

  std::unique_ptr<brain::SqliteUsers> users_;
  std::unique_ptr<brain::SqliteRegistrations> registrations_;
};

}  // namespace sallyport::server
