// SIP transactions (RFC 3261 section 17, corrected by RFC 6026): what is said once by a user of
// this is said as often as the network needs, and heard once. Server transactions answer requests
// that came, client transactions send requests and bring their responses back. Sans I/O; all state
// is gone 64*T1 after the last word. Brain's thread.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>

#include "adapter/counters.h"
#include "adapter/fair_share.h"
#include "adapter/rate_guard.h"
#include "adapter/sip/config.h"
#include "adapter/sip/hop.h"
#include "adapter/timers.h"
#include "base/random.h"

namespace sallyport::adapter::sip {

class Transport;

using ServerId = Id<struct ServerTransactionTag>;
using ClientId = Id<struct ClientTransactionTag>;

// RFC 3261 17.1.1.1 and table 4.
constexpr Duration kT1 = milliseconds{500};
constexpr Duration kT2 = seconds{4};
constexpr Duration kT4 = seconds{5};
constexpr Duration k64T1 = 64 * kT1;  // timers B, D, F, H, J, L and M

// Who is told of requests.
class TransactionUser {
 public:
  TransactionUser() = default;
  TransactionUser(const TransactionUser&) = delete;
  TransactionUser& operator=(const TransactionUser&) = delete;
  virtual ~TransactionUser() = default;

  // A new request, valid by wire::Message::validate(); it is to be answered through `id`.
  virtual void on_request(ServerId id, const wire::Message& request, const Hop& from,
                          Commands& out) = 0;
  // An ACK for a 2xx: it has no transaction and no answer.
  virtual void on_ack(const wire::Message& ack, const Hop& from, Commands& out) = 0;
  // The INVITE `id`, not finally answered yet, is cancelled. The CANCEL has got its 200.
  virtual void on_cancel(ServerId id, const wire::Message& cancel, Commands& out) = 0;
  // A REGISTER has got its 2xx: whoever sent it is where it came from.
  virtual void on_registered(const wire::Message& request, const Hop& from, Commands& out) = 0;
  // The ACK for our final non-2xx never came (timer H).
  virtual void on_unacknowledged(ServerId id, Commands& out) = 0;
};

class Transactions {
 public:
  struct ResponseHandler {
    // Every provisional response, again when it is repeated (RFC 3262: until its PRACK); each 2xx
    // to an INVITE, again or from another branch downstream, until 64*T1 after the first; any other
    // final response once.
    std::function<void(const wire::Message& response, Commands&)> on_response;
    // No final response. Unreachable: it could not be sent; Closed: the connection or edge went
    // away before an answer; Exhausted: too many transactions; NotFound: no answer in time (timers
    // B and F). Told once, never before request() has returned; then the transaction is gone.
    std::function<void(Errc why, Commands&)> on_failed;
  };

  Transactions(const Config& config, RateGuard& guard, Transport& transport, Timers& timers,
               Random& random, Counters& counters);
  ~Transactions();
  Transactions(const Transactions&) = delete;
  Transactions& operator=(const Transactions&) = delete;

  void set_user(TransactionUser& user) { user_ = &user; }

  // ---- server side ----
  // The request of a transaction until its final response; null afterwards. Its top Via holds
  // received and rport already.
  const wire::Message* request(ServerId id) const;
  const Hop* source(ServerId id) const;  // until the transaction's end
  bool is_answered(ServerId id) const { return request(id) == nullptr; }
  // Sends a response, a whole message with the request's Vias. Provisional ones, then one final
  // one; what comes after that is ignored.
  void respond(ServerId id, const std::string& response, Commands& out);
  // A response of our own making with a To tag of ours; an empty reason is the default one.
  // `retry_after`, if it is not zero, becomes a Retry-After header.
  void respond(ServerId id, int status, std::string_view reason, Commands& out,
               seconds retry_after = {});
  // The 2xx of an INVITE once more, because the callee repeated it (RFC 6026 7.1).
  void repeat(ServerId id, Commands& out);

  // ---- client side ----
  // `request` is a whole message without a Via of ours: it is put on top here. `branch_suffix` is
  // appended to the branch (loop detection, RFC 3261 16.6 step 8).
  ClientId request(const Hop& to, const std::string& request, ResponseHandler handler,
                   Commands& out, std::string_view branch_suffix = {});
  // What was sent there; empty when it has ended.
  std::string_view sent(ClientId id) const;
  // Sends a CANCEL for an INVITE as soon as RFC 3261 9.1 allows it. The INVITE's own final response
  // still comes, or on_failed 64*T1 later. `reason` is a Reason header's value.
  void cancel(ClientId id, Commands& out, std::string_view reason = {});
  // The same for an INVITE that nothing has answered and nobody waits for: it is not repeated.
  void abandon(ClientId id, Commands& out);
  // Stops telling the handler anything; the transaction ends by itself.
  void forget(ClientId id);
  // Where it was really sent to, with the connection that was taken; null when it has ended.
  const Hop* destination(ClientId id) const;
  // Sends what has no transaction: an ACK for a 2xx, with a Via of ours on top.
  void send(const Hop& to, const std::string& request, Commands& out);

  // ---- of an earlier life of this process ----
  // The transaction of this INVITE, which is not finally answered: as request() has it.
  ServerId adopt(const wire::Message& invite, const Hop& from);
  // The transaction of this INVITE, as sent() has it, which was answered provisionally.
  ClientId adopt(const Hop& to, std::string invite, ResponseHandler handler);

  // ---- from the adapter ----
  void on_message(const wire::Message& message, const Hop& from, Commands& out);
  // A request that cannot be understood: 400 or 505 where an answer is possible, else silence.
  void on_malformed(const wire::Message& head, const Error& what, const Hop& from, Commands& out);
  void on_connection_closed(edge::ConnectionId connection, Commands& out);
  void on_edge_lost(Place place, Commands& out);

  std::size_t size() const { return servers_.size() + clients_.size(); }
  // What their messages take up, about; bounded, and shared out among whoever asks.
  std::size_t octets() const { return octets_.taken(); }

 private:
  struct Server;
  struct Client;
  using ServerPtr = std::shared_ptr<Server>;
  using ClientPtr = std::shared_ptr<Client>;

  void on_server_request(const wire::Message& request, const Hop& from, Commands& out);
  void on_server_ack(const wire::Message& ack, const Hop& from, Commands& out);
  void on_server_cancel(const wire::Message& cancel, const Hop& from, Commands& out);
  ServerPtr begin_server(std::string key, const wire::Message& request, const Hop& from);
  ServerPtr find_server(const std::string& key) const;
  bool admit(const wire::Message& request, const Hop& from, Commands& out);
  bool has_room(const wire::Message& request, const Hop& from, Commands& out);
  void charge(Server& server, std::size_t octets);
  void refuse(const wire::Message& request, const Hop& from, int status, std::string_view reason,
              Commands& out, seconds retry_after = {});
  void send_response(Server& server, Commands& out);
  void on_final(const ServerPtr& server, int status, Commands& out);
  void repeat_final(const ServerPtr& server, Duration interval, Commands& out);
  void end(const ServerPtr& server);
  void end_after(const ServerPtr& server, Duration after, Commands& out);

  std::string with_via(const Hop& to, const std::string& request, std::string_view branch) const;
  void remember(const ClientPtr& client);
  void transmit(const ClientPtr& client, Commands& out);
  void repeat_request(const ClientPtr& client, Duration interval, Commands& out);
  void on_client_response(const wire::Message& response, Commands& out);
  void on_invite_response(const ClientPtr& client, const wire::Message& response, Commands& out);
  void on_other_response(const ClientPtr& client, const wire::Message& response, Commands& out);
  void acknowledge(Client& client, const wire::Message& response, Commands& out);
  void send_cancel(const ClientPtr& client, Commands& out);
  void fail_client(const ClientPtr& client, Errc why, Commands& out);
  void end(const ClientPtr& client);
  void end_after(const ClientPtr& client, Duration after, Commands& out);

  const Config& config_;
  RateGuard& guard_;
  Transport& transport_;
  Timers& timers_;
  Random& random_;
  Counters& counters_;
  TransactionUser* user_ = nullptr;
  std::uint64_t next_id_ = 0;
  FairShare<Claimant> octets_;
  std::unordered_map<ServerId, ServerPtr> servers_;
  std::unordered_map<std::string, ServerPtr> servers_by_key_;
  std::unordered_map<ClientId, ClientPtr> clients_;
  std::unordered_map<std::string, ClientPtr> clients_by_branch_;  // branch and method
  std::unordered_multimap<edge::ConnectionId, ClientId> by_connection_;
};

}  // namespace sallyport::adapter::sip
