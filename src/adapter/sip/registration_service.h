// Takes every REGISTER to whom it concerns: the registrar of our own domains, or the relay of one
// whose registrar stands elsewhere. This is what the SIP adapter is given. Brain's thread.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "adapter/sip/authenticator.h"
#include "adapter/sip/domains.h"
#include "adapter/sip/gruu.h"
#include "adapter/sip/register_handler.h"
#include "adapter/sip/registrar.h"
#include "adapter/sip/registration_relay.h"

namespace sallyport::adapter::sip {

class RegistrationService final : public RegisterHandler {
 public:
  // Kept over a restart (brain/secrets.h), so that nonces and temporary GRUUs stay good.
  struct Secrets {
    Authenticator::Secret nonces{};
    Gruu::Key gruus{};
  };

  // All must outlive it.
  RegistrationService(RegistrationConfig config, brain::Registrations& registrations,
                      const brain::Users& users, const Secrets& secrets,
                      const Authenticator::Limits& limits = {})
      : config_(std::move(config)),
        domains_(config_),
        registrations_(registrations),
        users_(users),
        secrets_(secrets),
        limits_(limits),
        gruu_(secrets.gruus) {}

  // What routing must know too.
  const RegistrationConfig& config() const { return config_; }
  const Domains& domains() const { return domains_; }
  const Gruu& gruu() const { return gruu_; }

  // Who is refused for a while because of wrong passwords.
  std::vector<Throttle::Blocked> blocked(TimePoint now) const;
  // This address of record may be tried again at once. Whether it was refused.
  bool unblock(const std::string& identity, TimePoint now) {
    return authenticator_ && authenticator_->throttle().forget(identity, now);
  }

  void on_start(Stack& stack) override;
  void on_register(ServerId id, const wire::Message& request, const Hop& from,
                   Commands& out) override;
  void on_connection_closed(Place place, edge::ConnectionId connection, Commands& out) override;
  void on_edge_up(Place place, const std::string& name, Commands& out) override;
  void on_edge_lost(Place place, Commands& out) override;

 private:
  void sweep(Commands& out);

  const RegistrationConfig config_;
  Domains domains_;
  brain::Registrations& registrations_;
  const brain::Users& users_;
  const Secrets secrets_;
  const Authenticator::Limits limits_;
  const Gruu gruu_;
  Stack* stack_ = nullptr;
  // From on_start() on.
  std::optional<Authenticator> authenticator_;
  std::optional<Registrar> registrar_;
  std::optional<RegistrationRelay> relay_;
  bool sweeping_ = false;
};

}  // namespace sallyport::adapter::sip
