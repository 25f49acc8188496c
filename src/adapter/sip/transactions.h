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

#include "adapter/sip/config.h"
#include "adapter/sip/counters.h"
#include "adapter/sip/hop.h"
#include "adapter/sip/timers.h"
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
  // The ACK for our final non-2xx, or for a 2xx, never came (timers H and L).
  virtual void on_unacknowledged(ServerId id, Commands& out) = 0;
};

class Transactions {
 public:
  struct ResponseHandler {
    // Every response but retransmitted provisional ones and repeated non-2xx finals. Each 2xx to an
    // INVITE comes, retransmitted or from another branch downstream, until 64*T1 after the first.
    std::function<void(const wire::Message& response, Commands&)> on_response;
    // No final response: Unreachable (it could not be sent),
    // Closed (the connection or edge is gone before an answer), Exhausted (too many transactions),
    // NotFound (time out, timers B and F). Told once; then the transaction is gone.
    std::function<void(Errc why, Commands&)> on_failed;
  };

  Transactions(const Config& config, Transport& transport, Timers& timers, Random& random,
               Counters& counters)
      : config_(config),
        transport_(transport),
        timers_(timers),
        random_(random),
        counters_(counters) {}

  void set_user(TransactionUser& user) { user_ = &user; }

  // ---- server side ----
  // The request of a transaction that has not got its final response yet; null afterwards. Its top
  // Via holds received and rport already.
  const wire::Message* request(ServerId id) const;
  const Hop* source(ServerId id) const;
  // Sends a response, a whole message with the request's Vias. More than one: provisional ones, and
  // 2xx to an INVITE. What comes after a non-2xx final response is ignored.
  void respond(ServerId id, const std::string& response, Commands& out);
  // A response of our own making: Builder::response with a To tag of ours.
  void respond(ServerId id, int status, std::string_view reason, Commands& out);

  // ---- client side ----
  // `request` is a whole message without a Via of ours: it is put on top here, and anew for each
  // try. `branch_suffix` is appended to the branch (loop detection, RFC 3261 16.6 step 8).
  ClientId request(const Hop& to, const std::string& request, ResponseHandler handler,
                   Commands& out, std::string_view branch_suffix = {});
  // Sends a CANCEL for an INVITE as soon as RFC 3261 9.1 allows it. The INVITE's own final response
  // still comes.
  void cancel(ClientId id, Commands& out, std::string_view reason = {});
  // Stops telling the handler anything; the transaction ends by itself.
  void forget(ClientId id);
  // The hop that it was really sent to (the connection that was dialled).
  const Hop* destination(ClientId id) const;

  // ---- from Transport ----
  void on_message(const wire::Message& message, const Hop& from, Commands& out);
  void on_unsent(ClientId id, Errc why, Commands& out);
  void on_edge_lost(Place place, Commands& out);

  std::size_t size() const { return servers_.size() + clients_.size(); }

 private:
  struct Server;
  struct Client;
  const Config& config_;
  Transport& transport_;
  Timers& timers_;
  Random& random_;
  Counters& counters_;
  TransactionUser* user_ = nullptr;
  std::unordered_map<std::uint64_t, std::shared_ptr<Server>> servers_;
  std::unordered_map<std::uint64_t, std::shared_ptr<Client>> clients_;
};

}  // namespace sallyport::adapter::sip
