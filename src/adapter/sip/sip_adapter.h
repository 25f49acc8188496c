// The SIP adapter: what is made of what. It hands what an edge tells to the transport, what the
// transport hears to the transactions, REGISTER to the register handler and everything else to the
// relay. No logic of its own. Brain's thread.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "adapter/adapter.h"
#include "adapter/counters.h"
#include "adapter/rate_guard.h"
#include "adapter/sip/config.h"
#include "adapter/sip/locator.h"
#include "adapter/sip/refusals.h"
#include "adapter/sip/register_handler.h"
#include "adapter/sip/relay.h"
#include "adapter/sip/requester.h"
#include "adapter/sip/routing.h"
#include "adapter/sip/topology.h"
#include "adapter/sip/transactions.h"
#include "adapter/sip/transport.h"
#include "adapter/timers.h"
#include "base/log.h"
#include "base/random.h"

namespace sallyport::adapter::sip {

class SipAdapter final : public Adapter, private TransportUser, private TransactionUser {
 public:
  // All that is handed in must outlive the adapter.
  SipAdapter(Config config, RegisterHandler& registrar, Routing& routing, Random& random, Log& log);

  // The public addresses that an agent's network shows: known from its multiplex connection.
  void hide_addresses(Place place, std::vector<IpAddress> addresses) {
    topology_.hide(place, std::move(addresses));
  }
  // Calls that an earlier life of this process left over are ended as their places come up.
  void set_journal(Journal& journal) {
    journal_ = &journal;
    relay_.set_journal(journal);
  }

  std::vector<CallInfo> calls() const { return relay_.calls(); }
  const BandwidthLimits& bandwidth() const { return relay_.bandwidth(); }  // in use
  bool end_call(CallId id, Commands& out) { return relay_.end_call(id, out); }
  const Counters& counters() const { return counters_; }
  const Refusals& refusals() const { return refusals_; }
  // Everything that is remembered of transactions, dialogs and calls, and timers that run: none
  // once all is over. For tests and status.
  std::size_t size();
  const Transactions& transactions() const { return transactions_; }

  std::string_view protocol() const override { return "sip"; }
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
  void end_left_over(Place place, Commands& out);
  // TransportUser
  void on_message(const wire::Message& message, const Hop& from, Commands& out) override;
  void on_malformed(const wire::Message& head, std::string_view what, const Hop& from,
                    Commands& out) override;
  void on_connection_closed(Place place, edge::ConnectionId id, Commands& out) override;
  // TransactionUser
  void on_request(ServerId id, const wire::Message& request, const Hop& from,
                  Commands& out) override;
  void on_ack(const wire::Message& ack, const Hop& from, Commands& out) override;
  void on_cancel(ServerId id, const wire::Message& cancel, Commands& out) override;
  void on_registered(const wire::Message& request, const Hop& from, Commands& out) override;
  void on_unacknowledged(ServerId id, Commands& out) override;

  Config config_;
  RegisterHandler& registrar_;
  Counters counters_;
  Refusals refusals_;
  RateGuard guard_;
  Timers timers_;
  Transport transport_;
  Transactions transactions_;
  Locator locator_;
  Requester requester_;
  Topology topology_;
  Stack stack_;
  Relay relay_;
  Journal* journal_ = nullptr;
  std::map<Place, std::vector<LastWord>> left_over_;  // until a listener can send it
};

}  // namespace sallyport::adapter::sip
