// The gatekeeper: RAS (H.225.0 clause 7) with terminals, gateways and MCUs, through the agents and
// outside, and with other gatekeepers. Every call goes through us, so an admission names our own
// call signalling address; where the call then goes is asked of Destinations.
//
// Three files: what comes and what is answered (gatekeeper.cc), who is there
// (gatekeeper_registration.cc), who may call whom (gatekeeper_admission.cc). Brain's thread.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "adapter/h323/destinations.h"
#include "adapter/h323/endpoints.h"
#include "adapter/h323/h235.h"
#include "adapter/h323/ras_answers.h"
#include "adapter/h323/ras_requests.h"
#include "adapter/h323/relays.h"
#include "adapter/h323/stack.h"
#include "adapter/throttle.h"
#include "base/log_limiter.h"
#include "codec/h323/h225.schema.h"
#include "codec/per/message.h"

namespace sallyport::adapter::h323 {

class Gatekeeper final : public Admissions {
 public:
  // All must outlive it. `send` answers from the port that RAS is heard at.
  Gatekeeper(Stack& stack, Endpoints& endpoints, const brain::Users& users,
             Destinations& destinations, H235& h235, RasRequests& requests, Relays& relays,
             SendRas send, Throttle::Limits throttle);

  void set_calls(Calls& calls) { calls_ = &calls; }

  // `local` of the hop is our own address, though the datagram came to a multicast group.
  void on_datagram(const Hop& from, bool multicast, Bytes datagram, Commands& out);
  // Registrations that the store has kept run out too.
  void on_start(Commands& out);

  // Ends the registrations that this user's password made.
  void forget_user(const std::string& user, WallTime now);

  std::vector<Throttle::Blocked> blocked(TimePoint now) const { return throttle_.all_blocked(now); }
  bool unblock(const std::string& user, TimePoint now) {
    return throttle_.forget(throttled_as(user), now);
  }
  std::size_t size() const { return endpoints_.size() + requests_.size() + answers_.size(); }

  // ---- Admissions ----
  void on_call_over(const Destination& destination, const CallIdentifier& call,
                    Commands& out) override;
  void disengage(const std::string& endpoint, const CallIdentifier& call,
                 std::uint16_t call_reference, Commands& out) override;
  bool is_registered(const Hop& from) const override;

 private:
  using Message = codec::per::Message;
  using Node = codec::per::Node;

  // A request that is being answered, perhaps later than it came.
  struct Asked {
    Hop from;
    TransportAddress reply_to;
    RasAnswers::Key key;
    std::uint16_t kind = 0;  // the alternative of RasMessage
    std::uint16_t sequence = 0;
    std::optional<Sealing> sealing;
  };
  struct Request {
    const Message& message;
    Node body;
    Bytes octets;
    bool multicast = false;
    Asked asked;
  };

  void dispatch(Request& request, Commands& out);
  void on_unreadable(const Hop& from, Bytes datagram, Commands& out);
  void on_unknown(const Asked& asked, Bytes datagram, Commands& out);

  void answer(const Asked& asked, Message& message, Commands& out);
  void ignore(const Asked& asked);  // it needs no answer
  // `reason` is the alternative of the reject reason that belongs to that request. What more there
  // is to say can be added before it is answered.
  void reject(const Asked& asked, std::uint16_t reason, Commands& out);
  codec::per::NodeEdit begin_reject(Message& message, const Asked& asked, std::uint16_t reason);
  void put_on_hold(const Asked& asked, Commands& out);
  bool needs_feature(const Request& request) const;

  // Registration.
  void on_discovery(Request& request, Commands& out);
  void on_registration(Request& request, Commands& out);
  void on_keep_alive(Request& request, const Endpoint& endpoint, Commands& out);
  void on_unregistration(Request& request, Commands& out);
  struct Claim;  // what a registration asks for
  // The reason, if it cannot be granted.
  std::optional<std::uint16_t> read_claim(const Request& request, Claim& claim) const;
  std::optional<std::uint16_t> check_names(const Proof& proof, Claim& claim) const;
  void keep(const Asked& asked, const Endpoint& endpoint, Commands& out);
  void registered(const Asked& asked, const Endpoint& endpoint, Commands& out);
  void choose_procedure(codec::per::View<codec::h225::GatekeeperRequest> asked,
                        codec::per::Edit<codec::h225::GatekeeperConfirm> confirm) const;
  Duration time_to_live_of(const Request& request) const;
  void refuse_registration(const Request& request, std::uint16_t reason, const std::string& named,
                           Commands& out, std::string_view why = {});
  void expire_later(const Endpoint& endpoint, Commands& out);
  void forget(const std::string& id, Commands& out);
  void dismiss(const std::string& id, std::uint16_t reason, Commands& out);

  // Whose message this is, if it comes from where that endpoint is and its tokens are right.
  enum class Sender : std::uint8_t { Known, Unknown, Denied };
  Sender check_sender(Request& request, const Endpoint*& endpoint, Commands& out);
  Proof prove(const Request& request, const std::vector<std::string>& known_as, Commands& out);

  // From outside nobody registers without one.
  bool requires_password(const Hop& from) const {
    return stack_.config.authenticate || from.place.is_outside();
  }

  // Admission.
  using OnFoundFor = std::function<void(const Asked&, const Found&, Commands&)>;
  void find(const Asked& asked, const CallQuery& query, Commands& out, const OnFoundFor& on_found);
  void on_admission(Request& request, Commands& out);
  void admit(const Asked& asked, std::int64_t bandwidth, Commands& out);
  void on_bandwidth(Request& request, Commands& out);
  void on_disengage(Request& request, Commands& out);
  void on_location(Request& request, Commands& out);
  void on_info_response(Request& request, Commands& out);
  void on_resources(Request& request, Commands& out);
  void on_service_control(Request& request, Commands& out);
  std::int64_t allowed_bandwidth(std::int64_t asked) const;

  // Our own addresses as whoever is along that hop sees them.
  TransportAddress our_ras_address(const Hop& from) const {
    return {from.local.ip, listening(from).ras};
  }
  TransportAddress our_call_address(const Hop& from) const {
    return {from.local.ip, listening(from).call};
  }
  const Listening& listening(const Hop& from) const {
    return from.place.is_outside() ? stack_.config.outside : stack_.config.inside;
  }
  static Hop hop_to(const Endpoint& endpoint) {
    return {.place = endpoint.place, .remote = endpoint.ras, .local = {endpoint.local, 0}};
  }

  Stack& stack_;
  Endpoints& endpoints_;
  const brain::Users& users_;
  Destinations& destinations_;
  SendRas send_;
  H235& h235_;
  RasRequests& requests_;
  Relays& relays_;
  RasAnswers answers_;
  static std::string throttled_as(const std::string& user) { return "h323:" + user; }
  Throttle throttle_;
  LogLimiter refusals_;
  Calls* calls_ = nullptr;
  Message message_;  // the one that is being read
  std::unordered_map<std::string, TimerId> expiries_;
};

}  // namespace sallyport::adapter::h323
