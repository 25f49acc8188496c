// H.323 as this server runs it: the adapter, and what it is given to work with, made from the
// configuration. Owned by the server; brain's thread.
#pragma once

#include <boost/json.hpp>
#include <memory>
#include <string>
#include <vector>

#include "adapter/h323/h323_adapter.h"
#include "base/log.h"
#include "base/random.h"
#include "brain/routing.h"
#include "config/server_config.h"
#include "server/directory.h"

namespace sallyport::server {

class H323Service {
 public:
  // `advertised`: as destinations see this server. Directory, random and log outlive it.
  H323Service(const config::ServerConfig& config, const std::string& domain,
              const std::vector<IpAddress>& advertised, Directory& directory, Random& random,
              Log& log);

  // The adapter; the brain takes it, and this keeps a view of it.
  std::unique_ptr<adapter::Adapter> take_adapter() { return std::move(owned_adapter_); }
  adapter::h323::H323Adapter& adapter() { return *adapter_; }
  std::vector<adapter::CallInfo> calls() const { return adapter_->calls(); }
  boost::json::object counters() const;

 private:
  brain::Routing routes_;
  std::unique_ptr<adapter::h323::H323Adapter> owned_adapter_;
  adapter::h323::H323Adapter* adapter_ = nullptr;
};

}  // namespace sallyport::server
