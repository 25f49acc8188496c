// MGCP as this server runs it: the adapter, made from the configuration. Owned by the server;
// brain's thread.
#pragma once

#include <boost/json.hpp>
#include <memory>
#include <string>
#include <vector>

#include "adapter/mgcp/mgcp_adapter.h"
#include "base/log.h"
#include "base/random.h"
#include "config/server_config.h"
#include "server/directory.h"

namespace sallyport::server {

class MgcpService {
 public:
  // `domain` is the default one, `advertised` is how destinations see this server. Directory,
  // random and log outlive it.
  MgcpService(const config::ServerConfig& config, const std::string& domain,
              const std::vector<IpAddress>& advertised, Directory& directory, Random& random,
              Log& log);

  // The adapter; the brain takes it, and this keeps a view of it.
  std::unique_ptr<adapter::Adapter> take_adapter() { return std::move(owned_adapter_); }
  std::vector<adapter::CallInfo> calls() const { return adapter_->calls(); }
  boost::json::object counters() const;

 private:
  std::unique_ptr<adapter::mgcp::MgcpAdapter> owned_adapter_;
  adapter::mgcp::MgcpAdapter* adapter_ = nullptr;
};

}  // namespace sallyport::server
