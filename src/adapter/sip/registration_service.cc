#include "adapter/sip/registration_service.h"

#include "codec/sip/uri.h"

namespace sallyport::adapter::sip {
namespace {

constexpr Duration kSweep = seconds{10};

}  // namespace

void RegistrationService::on_start(Stack& stack) {
  stack_ = &stack;
  domains_.set_own_address_check([transport = &stack.transport](Place place, const IpAddress& ip) {
    return transport->is_own_address(place, ip);
  });
  authenticator_.emplace(limits_, secrets_.nonces, users_, stack.random);
  registrar_.emplace(config_, domains_, registrations_, *authenticator_, gruu_, stack.random,
                     stack.counters, stack.refusals);
  relay_.emplace(
      domains_, registrations_, users_, *authenticator_, stack.topology, stack.random,
      stack.counters, stack.refusals, stack.log,
      [requester = &stack.requester](const Target& target, Requester::Build build,
                                     Transactions::ResponseHandler handler, Commands& out) {
        requester->request(target, std::move(build), std::move(handler), out);
      },
      [transport = &stack.transport](const Hop& hop) { return transport->shown_address(hop); });
}

void RegistrationService::on_register(ServerId id, const wire::Message& request, const Hop& from,
                                      Commands& out) {
  const auto uri = codec::sip::Uri::parse(request.request_uri());
  const auto domain = uri ? domains_.find(uri->host, from.place) : std::nullopt;
  const RelayDomain* relay = domain ? domains_.relay(*domain) : nullptr;
  if (relay != nullptr) {
    relay_->on_register(
        request, from, *relay,
        [this, id](const std::string& response, Commands& commands) {
          stack_->transactions.respond(id, response, commands);
        },
        out);
    return;
  }
  registrar_->on_register(request, from, out.now(), out.wall_now(), [&](const std::string& text) {
    stack_->transactions.respond(id, text, out);
  });
}

// The binding stays: a terminal that listens can be reached by its contact, one that does not comes
// back by itself and registers anew.
void RegistrationService::on_connection_closed(Place, edge::ConnectionId, Commands&) {}

void RegistrationService::on_edge_up(Place place, const std::string& /*name*/, Commands& out) {
  domains_.on_edge_up(place);
  if (!sweeping_) sweep(out);
}

// Registrations outlive an agent's absence: it comes back, and they lead through it again.
void RegistrationService::on_edge_lost(Place place, Commands&) { domains_.on_edge_lost(place); }

std::vector<Throttle::Blocked> RegistrationService::blocked(TimePoint now) const {
  return authenticator_ ? authenticator_->throttle().all_blocked(now)
                        : std::vector<Throttle::Blocked>{};
}

void RegistrationService::sweep(Commands& out) {
  sweeping_ = true;
  registrations_.expire(out.wall_now());
  relay_->expire(out.wall_now());
  stack_->timers.start(
      kSweep, [this](Commands& commands) { sweep(commands); }, out);
}

}  // namespace sallyport::adapter::sip
