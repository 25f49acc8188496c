// H.225.0 call signalling and H.245, gatekeeper-routed: a call that comes on one connection goes on
// over another, message for message. Each side sees our addresses only, its own call references,
// and H.245 in the way that it likes; what needs no change leaves as it came. Messages of one side
// wait in order while media ports open for the first of them.
//
//   connections.h      TCP, TPKT                      logical_channels.h   H.245's channels, ports
//   call_message.h     Q.931 and its UUIE             control_channel.h    H.245's ways
//   call_setup.cc      from Setup to the callee       call_passing.cc      what crosses, and how
//   call_ends.cc       releases, losses, timers, parties that fell silent
//
// Brain's thread.
#pragma once

#include <map>
#include <set>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "adapter/bandwidth_limits.h"
#include "adapter/call_limits.h"
#include "adapter/h323/call.h"
#include "adapter/h323/connections.h"
#include "adapter/h323/release.h"

namespace sallyport::adapter::h323 {

class CallSignalling final : public Calls {
 public:
  // All must outlive it.
  CallSignalling(Stack& stack, Destinations& destinations, Admissions& admissions);

  // Where call signalling is listened to, as each side sees it; by the adapter, which listens.
  void set_signalling_port(Place place, std::uint16_t port) { ports_[place] = port; }

  std::vector<CallInfo> calls() const;
  bool end_call(CallId id, Commands& out);
  // Everything that is remembered: none once all calls are over. For tests and status.
  std::size_t size() const;

  // ---- from the adapter; false: that id is none of these ----
  // A connection to one of the adapter's own listeners, or to one that a call has opened.
  void on_accepted(Place place, edge::ListenerId id, edge::ConnectionId connection,
                   const edge::Arrival& arrival, Commands& out);
  bool on_listening(Place place, edge::ListenerId id, const TransportAddress& local, Commands& out);
  void on_connected(Place place, edge::ConnectionId id, const edge::Addresses& addresses,
                    Commands& out);
  void on_received(Place place, edge::ConnectionId id, Bytes octets, Commands& out);
  void on_half_closed(Place place, edge::ConnectionId id, Commands& out);
  void on_closed(Place place, edge::ConnectionId id, const Error& why, Commands& out);
  bool on_refused(Place place, std::uint64_t id, Errc code, const std::string& what, Commands& out);
  void on_edge_lost(Place place, Commands& out);
  void on_shutdown(Commands& out);

  // ---- from the gatekeeper ----
  bool rings(const std::string& endpoint, const CallIdentifier& call) const override;
  void on_disengaged(const std::string& endpoint, const CallIdentifier& call,
                     Commands& out) override;
  void on_endpoint_gone(const std::string& endpoint, Commands& out) override;

 private:
  // Who a message is of: its connection's calls, by reference and flag.
  using Reference = std::pair<std::uint16_t, bool>;
  struct Carrier {
    Place place;
    edge::ListenerId listener;  // accepted there; none: dialled
    std::map<Reference, std::pair<CallId, Side>> calls;
    TimerId idle;
  };

  // call_signalling.cc: connections and references.
  Connections::Handler carrier_handler();
  void on_payload(edge::ConnectionId id, Bytes octets, Commands& out);
  void on_stray(edge::ConnectionId id, const codec::q931::Header& header, Commands& out);
  void on_carrier_gone(edge::ConnectionId id, Commands& out);
  void attach(Call& call, Side side, edge::ConnectionId id);
  void detach(Call& call, Side side, Commands& out);
  CallPtr find_call(CallId id) const;
  CallPtr find_call(const std::string& endpoint, const CallIdentifier& id) const;
  TransportAddress shown(Place place, const TransportAddress& local) const;
  // A message of ours: it names the call, and says what its UUIE has to.
  CallMessage message_to(const Leg& leg, codec::q931::MessageType type,
                         std::string_view body) const;
  void say(Leg& leg, CallMessage& message, Commands& out);
  codec::q931::CallReference reference_of(const Leg& leg) const {
    return {.value = leg.reference, .from_destination = !leg.called};
  }

  // call_setup.cc
  void on_setup(edge::ConnectionId id, Bytes octets, const codec::q931::Header& header,
                Commands& out);
  std::optional<Release> read_setup(const CallMessage& setup, const Hop& from,
                                    edge::ListenerId listener, CallQuery& query) const;
  void route(const CallPtr& call, Commands& out);
  void on_found(const CallPtr& call, const Found& found, Commands& out);
  void try_next(const CallPtr& call, const Release& otherwise, Commands& out);
  void on_dialled(const CallPtr& call, const edge::Addresses& addresses, Commands& out);
  void on_undialled(const CallPtr& call, Commands& out);
  void leave_destination(const CallPtr& call, Commands& out);
  void choose_identifiers(Call& call);
  void make_control(const CallPtr& call, Side side);
  void make_channels(const CallPtr& call);
  void dress_setup(Call& call, CallMessage& setup);
  void ask_for_digits(const CallPtr& call, Commands& out);
  void on_digits(const CallPtr& call, const CallMessage& information, Commands& out);
  void say_proceeding(const CallPtr& call, Commands& out);
  bool redirect(const CallPtr& call, const CallMessage& facility, Commands& out);

  // call_passing.cc
  void on_message(const CallPtr& call, Side from, Bytes octets, Commands& out);
  void on_control(const CallPtr& call, Side from, Bytes octets, Commands& out);
  Control read_control(Call& call, Side from, Bytes octets, Commands& out);
  void enqueue(const CallPtr& call, Side from, Incoming incoming, Commands& out);
  void pump(const CallPtr& call, Side from, Commands& out);
  void pump(CallId id, Commands& out);
  void prepare(Call& call, Side from, Incoming& incoming, Commands& out);
  bool is_ready(Call& call, Side from, const Incoming& incoming, Commands& out);
  void pass(const CallPtr& call, Side from, Incoming incoming, Commands& out);
  bool on_passing(const CallPtr& call, Side from, Incoming& incoming, Commands& out);
  void on_passed(const CallPtr& call, Side from, codec::q931::MessageType type, Commands& out);
  void pass_release(const CallPtr& call, Side from, Incoming incoming, Commands& out);
  void note_tunnelling(Call& call, Side from, const CallMessage& message, Commands& out);
  void note_control_address(Call& call, Side from, const CallMessage& message);
  bool wants_control_address(const Call& call, Side toward, const CallMessage& message) const;
  void pass_control_address(Call& call, Side from, CallMessage& message);
  void pass_fast_start(Call& call, Side from, Incoming& incoming, Commands& out);
  std::vector<std::optional<Buffer>> pass_controls(Call& call, Side from, Incoming& incoming,
                                                   Commands& out);
  std::optional<Buffer> refuse_channel(Call& call, Side from,
                                       const LogicalChannels::Refused& refused, Commands& out);
  std::vector<Buffer> place_controls(Call& call, Side from, CallMessage& message,
                                     std::vector<std::optional<Buffer>> controls);
  void say_controls(Call& call, Side toward, const std::vector<Buffer>& controls, Commands& out);
  void say_start(Call& call, Side toward, const TransportAddress& own, Commands& out);
  void dress(const Call& call, Side from, CallMessage& message) const;

  // call_ends.cc
  void set_phase(Call& call, Call::Phase phase, Commands& out);
  void guard(const CallPtr& call, Duration limit, const Release& why, Commands& out);
  void guard_setup(const CallPtr& call, Commands& out);
  void say_status(Call& call, Side toward, codec::q931::CauseValue cause, Commands& out);
  void release(const CallPtr& call, const Release& why, std::string_view log, Commands& out);
  void release_leg(Call& call, Side side, const Release& why, Commands& out);
  void refuse(edge::ConnectionId id, codec::q931::CallReference reference, const Release& why,
              Commands& out);
  void on_lost(const CallPtr& call, Side side, Commands& out);
  void unlist(Call& call);
  // Destroyed when nothing of it is under way.
  void retire(std::shared_ptr<void> what, Commands& out);
  void start_audit(const CallPtr& call, Commands& out);
  void audit(const CallPtr& call, Commands& out);
  void ask(const CallPtr& call, Side side, Commands& out);

  Stack& stack_;
  Destinations& destinations_;
  Admissions& admissions_;
  Connections connections_;
  CallLimits call_limits_;
  BandwidthLimits bandwidth_limits_;
  std::map<Place, std::uint16_t> ports_;
  std::unordered_map<edge::ConnectionId, Carrier> carriers_;
  std::unordered_map<CallId, CallPtr> calls_;
  std::map<std::string, std::set<CallId>> by_endpoint_;
  std::map<std::pair<Place, TransportAddress>, std::set<CallId>> by_destination_;
  std::vector<std::shared_ptr<void>> retired_;
  std::uint64_t next_call_ = 0;
  std::uint16_t next_reference_ = 0;
};

}  // namespace sallyport::adapter::h323
