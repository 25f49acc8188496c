// The H.323 adapter: what is made of what, and who does what.
//
//   this file        listens at every edge: RAS and discovery (UDP), call signalling (TCP); hands
//                    on what comes; owns the parts
//   gatekeeper.h     RAS: who is there, who may call; h235.h for passwords, endpoints.h for who is
//                    registered, ras_answers.h and ras_requests.h for repetitions, both ways
//   call_signalling.h  calls: H.225.0 call signalling, H.245 and media, between two parties
//   router.h         where a call goes, asked by the gatekeeper for ARQ and LRQ and by the call
//                    signalling for Setup, through destinations.h
//   relays.h         registrations and calls of terminals that belong to a gatekeeper elsewhere
//
// A terminal finds the gatekeeper at its agent (GRQ), registers there (RRQ), and is told that its
// calls go to the agent, too: every call is routed through us. What the call signalling needs of
// registrations, routes and neighbours it asks Destinations; what the gatekeeper needs of calls it
// asks Calls. Neither knows more of the other. Brain's thread.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "adapter/adapter.h"
#include "adapter/h323/call_signalling.h"
#include "adapter/h323/config.h"
#include "adapter/h323/gatekeeper.h"
#include "adapter/h323/relays.h"
#include "adapter/h323/router.h"
#include "adapter/h323/stack.h"

namespace sallyport::adapter::h323 {

// What the adapter works with, which others keep. All outlive it.
struct Stores {
  brain::Registrations& registrations;
  const brain::Users& users;
  const brain::Routing& routes;
};

class H323Adapter final : public Adapter {
 public:
  H323Adapter(Config config, const Stores& stores, Throttle::Limits throttle, Random& random,
              Log& log);

  std::vector<CallInfo> calls() const { return calls_.calls(); }
  bool end_call(CallId id, Commands& out) { return calls_.end_call(id, out); }
  const Counters& counters() const { return counters_; }
  std::vector<Throttle::Blocked> blocked(TimePoint now) const { return gatekeeper_.blocked(now); }
  // Ends the registrations that were made with this user's password: it cannot be called from now
  // on.
  // Wrong passwords of this user are forgotten. Whether one was refused for them.
  bool unblock(const std::string& user, TimePoint now) { return gatekeeper_.unblock(user, now); }
  void forget_user(const std::string& user, WallTime now) { gatekeeper_.forget_user(user, now); }
  // Everything that is remembered of requests, registrations and calls, and timers that run. For
  // tests and status.
  std::size_t size() const {
    return gatekeeper_.size() + relays_.size() + router_.size() + calls_.size() + timers_.size();
  }

  std::string_view protocol() const override { return "h323"; }
  void on_edge_up(Place place, const std::string& name, Commands& out) override;
  void on_edge_lost(Place place, Commands& out) override;
  void on_listening(Place place, edge::ListenerId id, const TransportAddress& local,
                    Commands& out) override;
  void on_datagram(Place place, edge::ListenerId id, const edge::Addresses& addresses,
                   Bytes datagram, Commands& out) override;
  void on_accepted(Place place, edge::ListenerId id, edge::ConnectionId connection,
                   const edge::Arrival& arrival, Commands& out) override;
  void on_connected(Place place, edge::ConnectionId id, const edge::Addresses& addresses,
                    Commands& out) override;
  void on_received(Place place, edge::ConnectionId id, Bytes octets, Commands& out) override;
  void on_half_closed(Place place, edge::ConnectionId id, Commands& out) override;
  void on_closed(Place place, edge::ConnectionId id, const Error& why, Commands& out) override;
  void on_resolved(Place place, edge::QueryId id, const std::vector<edge::Record>& records,
                   Commands& out) override;
  void on_local_address(Place place, edge::QueryId id, const IpAddress& local,
                        Commands& out) override;
  void on_refused(Place place, std::uint64_t id, Errc code, const std::string& what,
                  Commands& out) override;
  void on_timer(TimerId id, Commands& out) override;
  void on_shutdown(Commands& out) override;

 private:
  enum class Use : std::uint8_t { Ras, Discovery, Call };
  struct Listener {
    Place place;
    Use use = Use::Ras;
    IpAddress address;  // as it was asked for
  };

  static std::string_view name(Use use);
  void listen(Place place, Use use, const TransportAddress& at, Commands& out);
  SendRas sender();
  bool send_ras(const Hop& to, Bytes datagram, Commands& out);

  Config config_;
  Log& log_;
  Counters counters_;
  Timers timers_;
  RateGuard guard_;
  Stack stack_;
  Endpoints endpoints_;
  H235 h235_;
  RasRequests requests_;
  Relays relays_;
  Router router_;
  Gatekeeper gatekeeper_;
  CallSignalling calls_;
  std::map<edge::ListenerId, Listener> listeners_;
};

}  // namespace sallyport::adapter::h323
