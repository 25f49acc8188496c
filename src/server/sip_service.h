// SIP as this server runs it: the adapter, and what it is given to work with (registrar, relay of
// registrations, routing), made from the configuration. Also what people ask about it: calls,
// registrations, users. Owned by the server; brain's thread.
#pragma once

#include <boost/json.hpp>
#include <memory>
#include <string>
#include <vector>

#include "adapter/sip/registration_service.h"
#include "adapter/sip/server_routing.h"
#include "adapter/sip/sip_adapter.h"
#include "base/log.h"
#include "base/random.h"
#include "brain/routing.h"
#include "brain/sqlite_journal.h"
#include "brain/sqlite_store.h"
#include "config/server_config.h"
#include "server/directory.h"

namespace sallyport::server {

class SipService {
 public:
  // `advertised`: as destinations see this server. All but that and `config` outlive it.
  static Result<std::unique_ptr<SipService>> make(const config::ServerConfig& config,
                                                  const std::vector<IpAddress>& advertised,
                                                  brain::SqliteStore& store, Directory& directory,
                                                  Random& random, Log& log, WallTime now);

  // The adapter; the brain takes it, and this keeps a view of it.
  std::unique_ptr<adapter::Adapter> take_adapter();
  adapter::sip::SipAdapter& adapter() { return *adapter_; }
  // An agent's network shows this address to the server: it is never shown to a destination.
  void hide(AgentId agent, const IpAddress& address);

  std::vector<adapter::CallInfo> calls() const { return adapter_->calls(); }
  // Who is refused for a while after wrong passwords.
  std::vector<adapter::Throttle::Blocked> blocked(TimePoint now) const {
    return registrar_->blocked(now);
  }
  boost::json::object counters() const;
  boost::json::object refused_calls() const;  // by reason
  // What the media of all calls takes, of which limits; and of those through one agent. Bits a
  // second; a limit that is none is null.
  boost::json::object bandwidth() const;
  void describe_bandwidth(AgentId agent, boost::json::object& out) const;

  // Wrong passwords of this user's phones are forgotten. Whether one was refused for them.
  bool unblock(const std::string& name, const std::string& domain, TimePoint now);
  // Ends this user's registrations: calls to the address find nobody from now on.
  void forget(const std::string& name, const std::string& domain, WallTime now);
  const std::string& default_domain() const { return default_domain_; }
  const std::vector<std::string>& domains() const { return registrar_->config().domains; }
  std::vector<std::string> relayed_domains() const;

 private:
  SipService() = default;

  std::string default_domain_;
  config::ServerConfig::Limits limits_;
  brain::Registrations* registrations_ = nullptr;
  std::unique_ptr<brain::SqliteJournal> journal_;
  std::unique_ptr<brain::Routing> routes_;
  std::unique_ptr<adapter::sip::RegistrationService> registrar_;
  std::unique_ptr<adapter::sip::ServerRouting> routing_;
  std::unique_ptr<adapter::sip::SipAdapter> owned_adapter_;
  adapter::sip::SipAdapter* adapter_ = nullptr;
};

}  // namespace sallyport::server
