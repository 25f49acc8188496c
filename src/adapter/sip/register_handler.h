// What the adapter hands over when a REGISTER arrives, and what it gives to work with. The own
// registrar and the registration relay implement it. Brain's thread.
#pragma once

#include "adapter/counters.h"
#include "adapter/sip/config.h"
#include "adapter/sip/hop.h"
#include "adapter/sip/refusals.h"
#include "adapter/sip/requester.h"
#include "adapter/sip/topology.h"
#include "adapter/sip/transactions.h"
#include "adapter/sip/transport.h"
#include "adapter/timers.h"
#include "base/log.h"
#include "base/random.h"

namespace sallyport::adapter::sip {

// The parts of the adapter that others may use; they live as long as it.
struct Stack {
  const Config& config;
  Transport& transport;        // shown_address(hop): our address as that side sees it
  Transactions& transactions;  // respond()
  Requester& requester;        // request(target, ...)
  const Topology& topology;    // what may be shown where
  Timers& timers;
  Random& random;
  Counters& counters;
  Log& log;
  Refusals& refusals;
};

class RegisterHandler {
 public:
  RegisterHandler() = default;
  RegisterHandler(const RegisterHandler&) = delete;
  RegisterHandler& operator=(const RegisterHandler&) = delete;
  virtual ~RegisterHandler() = default;

  // Once, before anything else.
  virtual void on_start(Stack& stack) = 0;
  // A valid REGISTER; it must be answered through stack.transactions.respond(id, ...), now or later
  // (the message itself stays available as stack.transactions.request(id)). `from` is where it
  // really came from, with its connection: what a binding is made of.
  virtual void on_register(ServerId id, const wire::Message& request, const Hop& from,
                           Commands& out) = 0;
  // A terminal's connection is gone: its bindings can only be reached by their contact now.
  virtual void on_connection_closed(Place place, edge::ConnectionId connection, Commands& out) = 0;
  virtual void on_edge_up(Place place, const std::string& name, Commands& out) = 0;
  virtual void on_edge_lost(Place place, Commands& out) = 0;
};

}  // namespace sallyport::adapter::sip
