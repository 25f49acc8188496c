// Relays registrations to a registrar elsewhere (a hosted PBX, a Kamailio), which then sees each
// terminal at an address of this server: Contact becomes <sip:HANDLE@our-address>, and the handle
// leads back to the binding when the upstream calls. Path (RFC 3327) would need less rewriting, but
// it leaves the terminal's private address in Contact for everybody to see.
//
// Two ways, by what the terminal can be told:
//  - It knows the domain, and the agent is its outbound proxy: Request-URI and digest pass as they
//    are, octet for octet; the registrar itself judges the terminal.
//  - It knows only the agent's address: it is judged by our own hashes, the registrar is told the
//    domain instead, and its challenge is answered with credentials that the server holds.
//
// Sans I/O. Brain's thread.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <unordered_map>

#include "adapter/counters.h"
#include "adapter/sip/authenticator.h"
#include "adapter/sip/domains.h"
#include "adapter/sip/refusals.h"
#include "adapter/sip/register_request.h"
#include "adapter/sip/requester.h"
#include "adapter/sip/topology.h"
#include "base/log.h"
#include "base/random.h"
#include "brain/registrations.h"
#include "brain/users.h"

namespace sallyport::adapter::sip {

class RegistrationRelay {
 public:
  using Respond = std::function<void(std::string response, Commands&)>;
  // Requester::request, or a test's.
  using Send = std::function<void(const Target&, Requester::Build, Transactions::ResponseHandler,
                                  Commands&)>;

  // Transport::shown_address: our address as the other side of that hop is to see it.
  using ShownAddress = std::function<TransportAddress(const Hop&)>;

  RegistrationRelay(const Domains& domains, brain::Registrations& registrations,
                    const brain::Users& users, Authenticator& authenticator,
                    const Topology& topology, Random& random, Counters& counters,
                    Refusals& refusals, Log& log, Send send, ShownAddress shown_address)
      : domains_(domains),
        registrations_(registrations),
        users_(users),
        authenticator_(authenticator),
        topology_(topology),
        random_(random),
        counters_(counters),
        refusals_(refusals),
        log_(log),
        send_(std::move(send)),
        shown_address_(std::move(shown_address)),
        call_id_salt_(random.hex(16)) {}

  // A REGISTER that has passed validate(), for a domain that is relayed. `respond` is called once,
  // now or later, with a whole message.
  void on_register(const wire::Message& request, const Hop& from, const RelayDomain& relay,
                   Respond respond, Commands& out);
  // Forgets what upstreams granted that has run out; to be called now and then.
  void expire(WallTime now);
  std::size_t grants() const { return grants_.size(); }

 private:
  // What an upstream granted for one handle. Not kept over a restart: then the next refresh passes.
  struct Grant {
    WallTime renew_at, until;
  };
  struct Job;
  using JobPtr = std::shared_ptr<Job>;

  bool check(Job& job, Commands& out);
  void plan(Job& job, const std::vector<brain::Binding>& present);
  bool is_mere_refresh(const Job& job, const std::vector<brain::Binding>& present) const;
  void absorb(const JobPtr& job, const std::vector<brain::Binding>& present, Commands& out);
  void send(const JobPtr& job, Commands& out);
  std::string build(Job& job, const Hop& hop) const;
  std::string build_contact(const Job& job, std::size_t index, const Hop& hop,
                            const Crossing& crossing) const;
  void on_response(const JobPtr& job, const wire::Message& response, Commands& out);
  void on_failed(const JobPtr& job, Errc why, Commands& out);
  bool try_again(const JobPtr& job, const wire::Message& response, Commands& out);
  void on_accepted(const JobPtr& job, const wire::Message& response, Commands& out);
  void pass_on(const Job& job, const wire::Message& response, Commands& out) const;
  void refuse(const Job& job, int status, std::string_view counter, Commands& out,
              std::string_view reason = {}) const;
  std::string accept(const Job& job, const wire::Message* response) const;

  const Domains& domains_;
  brain::Registrations& registrations_;
  const brain::Users& users_;
  Authenticator& authenticator_;
  const Topology& topology_;
  Random& random_;
  Counters& counters_;
  Refusals& refusals_;
  Log& log_;
  Send send_;
  ShownAddress shown_address_;
  std::string call_id_salt_;
  // One sequence for all that we send under Call-IDs of our own: RFC 3261 10.2 asks only that it
  // rises within each.
  std::uint32_t next_cseq_ = 1;
  std::unordered_map<std::string, Grant> grants_;  // by handle
};

}  // namespace sallyport::adapter::sip
