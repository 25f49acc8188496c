// Registrations and calls that are relayed to a gatekeeper elsewhere. It sees each terminal at an
// address of the server, with a port of its own for calls, and never at the terminal's. What it
// wants signed (H.235.1) is signed with the password that is kept for it; the terminal's own tokens
// end here. Such a terminal is registered here as well; about its calls the other gatekeeper
// decides, also between two of its terminals that are both here. Brain's thread.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "adapter/h323/destinations.h"
#include "adapter/h323/endpoints.h"
#include "adapter/h323/ras_requests.h"
#include "adapter/h323/stack.h"
#include "codec/h323/h225.schema.h"

namespace sallyport::adapter::h323 {

class Relays {
 public:
  static constexpr std::size_t kMostGrants = 20'000;

  // All must outlive it.
  Relays(Stack& stack, const brain::Users& users, RasRequests& requests)
      : stack_(stack), users_(users), requests_(requests) {}

  // What becomes of an endpoint that the other gatekeeper does not know any more.
  void set_on_lost(std::function<void(const std::string& endpoint, Commands& out)> on_lost) {
    on_lost_ = std::move(on_lost);
  }

  // Where endpoints of such names are registered; null: only here.
  const Relay* relay_of(const std::vector<Alias>& aliases) const;

  // Registers it there, or anew with other names. None: it is; else the reject reason of RRQ.
  using OnEnrolled = std::function<void(std::optional<std::uint16_t> reason, Commands& out)>;
  void enrol(const Endpoint& endpoint, const Relay& relay, Commands& out, OnEnrolled on_enrolled);
  void leave(const std::string& endpoint, Commands& out);

  bool has(const std::string& endpoint) const { return seats_.contains(endpoint); }
  // The endpoint that is called by way of this listener; empty: none.
  std::string endpoint_at(edge::ListenerId listener) const;

  // May this endpoint make the call, and where does it go; or may it answer (`answer`)?
  using OnAdmitted = std::function<void(std::optional<Destination>, Refusal, Commands& out)>;
  void admit(const std::string& endpoint, const CallQuery& query, bool answer, Commands& out,
             const OnAdmitted& on_admitted);
  // A call that was admitted is over.
  void give_back(std::uint64_t grant, Commands& out);

  // A request of another gatekeeper about an endpoint that is registered there: the answer to it
  // is in `message`. False: it is about none of them.
  bool on_request(const Hop& from, codec::per::Node body, std::uint16_t sequence,
                  codec::per::Message& message, Commands& out);

  // ---- from the adapter; false: not one of ours ----
  bool on_listening(edge::ListenerId id, Commands& out);
  bool on_resolved(edge::QueryId id, const std::vector<edge::Record>& records, Commands& out);
  bool on_refused(std::uint64_t id, Commands& out);
  std::size_t size() const { return seats_.size() + grants_.size(); }

 private:
  // A terminal's place at the other gatekeeper.
  struct Seat {
    const Relay* relay = nullptr;
    std::vector<Alias> aliases;
    Duration time_to_live{};
    Hop gatekeeper;
    std::string gatekeeper_id;
    std::optional<Sealing> sealing;
    edge::ListenerId listener{};
    edge::QueryId query{};
    TransportAddress own;    // where it takes calls, as the other gatekeeper sees it
    std::string identifier;  // its endpointIdentifier there
    TimerId refresh{};
    OnEnrolled on_enrolled;  // until it is known
  };
  struct Grant {
    std::string endpoint;
    CallIdentifier call{};
    bool answered = false;
  };
  using Message = codec::per::Message;

  Seat* find(const std::string& endpoint);
  void listen(const std::string& endpoint, Seat& seat, Commands& out);
  void discover(const std::string& endpoint, Seat& seat, Commands& out);
  void register_there(const std::string& endpoint, Seat& seat, bool keep_alive, Commands& out);
  void on_registered(const std::string& endpoint, bool keep_alive, const Message* answer,
                     Commands& out);
  void enrolled(Seat& seat, Commands& out);
  void fail_with(const std::string& endpoint, std::uint16_t reason, Commands& out);
  void drop(const std::string& endpoint, Commands& out);
  static Refusal refusal_of(codec::per::Node reason);
  TransportAddress our_address(const IpAddress& toward, std::uint16_t port) const;

  Stack& stack_;
  const brain::Users& users_;
  RasRequests& requests_;
  std::function<void(const std::string& endpoint, Commands& out)> on_lost_;
  std::map<std::string, Seat> seats_;  // by endpoint
  std::set<std::uint16_t> ports_;      // that are taken
  std::unordered_map<std::uint64_t, Grant> grants_;
  std::uint64_t last_grant_ = 0;
};

}  // namespace sallyport::adapter::h323
