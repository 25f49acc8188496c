// Where a request goes that belongs to no dialog (DESIGN section 6): a GRUU or an address given to
// an upstream leads to its one binding, an identity registered here to all of its bindings, a
// relayed domain to its upstream, everything else where the static routes say. Never an open relay:
// from outside only our own terminals can be reached, and who leaves for elsewhere must be
// registered. Brain's thread.
#pragma once

#include <string>

#include "adapter/sip/domains.h"
#include "adapter/sip/gruu.h"
#include "adapter/sip/routing.h"
#include "base/random.h"
#include "brain/registrations.h"
#include "brain/routing.h"
#include "brain/users.h"

namespace sallyport::adapter::sip {

class ServerRouting final : public Routing {
 public:
  // All must outlive it.
  ServerRouting(const RegistrationConfig& config, const Domains& domains, const Gruu& gruu,
                brain::Registrations& registrations, const brain::Users& users,
                const brain::Routing& routes, Random& random)
      : config_(config),
        domains_(domains),
        gruu_(gruu),
        registrations_(registrations),
        users_(users),
        routes_(routes),
        random_(random) {}

  void find(const wire::Message& request, const Hop& from, Commands& out,
            OnTargets on_targets) override;
  bool is_our_domain(std::string_view host) const override { return domains_.is_ours(host); }
  std::optional<std::string> answer_challenge(const Target& target, const wire::Message& challenge,
                                              std::string_view method,
                                              std::string_view uri) override;

 private:
  struct Question;
  void find_here(const Question& question, const std::string& domain);
  void find_identity(const Question& question, const std::string& identity,
                     const std::string& domain);
  void find_elsewhere(const Question& question, const std::string& domain);
  void find_relayed(const Question& question, const RelayDomain& relay);
  void with_caller(const Question& question,
                   const std::function<void(const brain::Binding* caller)>& then);

  const RegistrationConfig& config_;
  const Domains& domains_;
  const Gruu& gruu_;
  brain::Registrations& registrations_;
  const brain::Users& users_;
  const brain::Routing& routes_;
  Random& random_;
};

// The target that a binding makes: its contact, the route that its Path is, and where it is
// reached.
Target target_of(const brain::Binding& binding);

}  // namespace sallyport::adapter::sip
