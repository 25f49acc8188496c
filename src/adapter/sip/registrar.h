// The registrar of our own domains (RFC 3261 10.3, with RFC 3327, 5626 and 5627): who may register
// (digest.h), what a REGISTER changes, and what is answered. All that a REGISTER asks for is done
// or nothing. Sans I/O, and without transactions: a request goes in, a response comes out. Brain's
// thread.
#pragma once

#include <functional>
#include <string>

#include "adapter/counters.h"
#include "adapter/sip/authenticator.h"
#include "adapter/sip/domains.h"
#include "adapter/sip/gruu.h"
#include "adapter/sip/hop.h"
#include "adapter/sip/refusals.h"
#include "adapter/sip/register_request.h"
#include "base/random.h"
#include "brain/registrations.h"

namespace sallyport::adapter::sip {

class Registrar {
 public:
  using Respond = std::function<void(std::string response)>;

  Registrar(const RegistrationConfig& config, const Domains& domains,
            brain::Registrations& registrations, Authenticator& authenticator, const Gruu& gruu,
            Random& random, Counters& counters, Refusals& refusals)
      : config_(config),
        domains_(domains),
        registrations_(registrations),
        authenticator_(authenticator),
        gruu_(gruu),
        random_(random),
        counters_(counters),
        refusals_(refusals) {}

  // A REGISTER that has passed validate(), for a domain that is not relayed. `respond` is called
  // once, with a whole message; the request is needed until then.
  void on_register(const wire::Message& request, const Hop& from, TimePoint now, WallTime wall_now,
                   const Respond& respond);

 private:
  struct Job;
  std::string check(Job& job);
  void update(const Job& job, const std::vector<brain::Binding>& present);
  std::string accept(const Job& job, const std::vector<brain::Binding>& bindings);
  std::string refuse(const Job& job, int status, std::string_view counter,
                     std::string_view reason = {}) const;

  const RegistrationConfig& config_;
  const Domains& domains_;
  brain::Registrations& registrations_;
  Authenticator& authenticator_;
  const Gruu& gruu_;
  Random& random_;
  Counters& counters_;
  Refusals& refusals_;
};

// What an authenticator's judgement that is not Accepted means for the request: the response,
// whole. Shared with the relay, which judges terminals in the same way where it holds the
// credentials.
struct CredentialsRefused {
  Authenticator::Verdict verdict;
  const wire::Message& request;
  const Hop& from;
  std::string_view realm;
  TimePoint now;
  WallTime wall_now;
};
std::string refuse_credentials(const CredentialsRefused& what, Authenticator& authenticator,
                               Random& random, Refusals& refusals);

// RFC 3261 20.17, in the form of RFC 1123: "Sat, 13 Nov 2010 23:29:00 GMT".
std::string sip_date(WallTime time);

}  // namespace sallyport::adapter::sip
