// Carries requests that are not REGISTER from the side where they come to the side where they go,
// and the responses back: calls, and everything else. Transaction-stateful (RFC 3261 section 16)
// with a dialog of its own on each side. A request outside a dialog is routed and may fork; one
// inside a dialog goes to the other party. Brain's thread.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "adapter/bandwidth_limits.h"
#include "adapter/call_limits.h"
#include "adapter/sip/call.h"
#include "adapter/sip/dialog.h"
#include "adapter/sip/journal.h"
#include "adapter/sip/register_handler.h"
#include "adapter/sip/topology.h"

namespace sallyport::adapter::sip {

// RFC 3261 20.43: what is said with the 488.
constexpr std::string_view kNoBandwidth = "370 sallyport \"Insufficient Bandwidth\"";

class Relay {
 public:
  Relay(Stack& stack, Locator& locator, Topology& topology, Routing& routing)
      : stack_(stack),
        locator_(locator),
        topology_(topology),
        routing_(routing),
        call_limits_(stack.config.limits),
        bandwidth_limits_(stack.config.limits.bandwidth, stack.config.limits.bandwidth_per_agent,
                          stack.config.limits.bandwidth_per_call) {}

  void set_journal(Journal& journal) { journal_ = &journal; }

  // ---- from the transactions, by way of the adapter ----
  void on_request(ServerId id, const wire::Message& request, const Hop& from, Commands& out);
  void on_ack(const wire::Message& ack, const Hop& from, Commands& out);
  void on_cancel(ServerId id, const wire::Message& cancel, Commands& out);
  // A terminal has registered from here: its dialogs reach it over this connection, or through this
  // NAT mapping, from now on.
  void on_registered(const wire::Message& request, const Hop& from);
  void on_edge_lost(Place place, Commands& out);
  // Says what the journal has left over.
  void say(const LastWord& word, Commands& out);
  // Ends every call with a BYE to both sides.
  void end_all(Commands& out);

  std::vector<CallInfo> calls() const;
  const BandwidthLimits& bandwidth() const { return bandwidth_limits_; }
  bool end_call(CallId id, Commands& out);

  // For tests: nothing is left.
  std::size_t size();
  DialogTable& dialogs() { return dialogs_; }

 private:
  using ExchangeId = Id<struct ExchangeTag>;

  // One way that a request goes.
  struct Branch {
    int number = 0;
    Target target;
    std::vector<Hop> hops;
    RequestId request;
    bool started = false;
    bool done = false;     // a final answer has come, or none will
    std::string_view why;  // it is we who refused, as a counter's name
    bool tried_credentials = false;
    std::string authorization;
    bool proxy_authorization = false;
    std::uint32_t cseq_shift = 0;
    std::string from, to;  // as they were sent
    MediaSession::OfferPtr offer;
    bool holding = false;  // responses wait until ports are open
    std::vector<wire::Message> held;
    TimerId ringing_timer;  // Timer C
  };
  // A request that came, and what became of it.
  struct Exchange {
    explicit Exchange(const wire::Message& asked) : request(asked) {}
    ExchangeId id;
    ServerId server;
    wire::Message request;
    wire::Method method = wire::Method::Other;
    Hop from;
    DialogPtr dialog;     // in a dialog: this one,
    Side side = kCaller;  // and from this side
    CallPtr call;
    PartyPtr caller;            // outside a dialog: who asks
    std::string call_id;        // on the other leg
    std::vector<Target> later;  // targets of less preference
    std::vector<std::unique_ptr<Branch>> branches;
    std::optional<std::string> late_body;  // a PRACK's answer, as the other side is to see it
    std::uint32_t max_breadth = 0;
    bool cancelled = false;
    bool answered = false;
    std::string answered_tag;
    std::optional<wire::Message> best;
    int best_branch = 0;
  };
  using ExchangePtr = std::shared_ptr<Exchange>;

  // relay_requests.cc: outside dialogs.
  bool admit(ServerId id, const wire::Message& request, const Hop& from, Commands& out);
  bool is_loop(const wire::Message& request, const Hop& from) const;
  std::string loop_mark(const wire::Message& request, std::string_view call_id) const;
  ExchangePtr begin(ServerId id, const wire::Message& request, const Hop& from);
  void begin_call(const ExchangePtr& exchange, Commands& out);
  void on_targets(const ExchangePtr& exchange, Targets targets, Commands& out);
  void choose_call_id(Exchange& exchange);
  void start_group(const ExchangePtr& exchange, Commands& out);
  void start_branch(const ExchangePtr& exchange, Branch& branch, Commands& out);
  void on_located(const ExchangePtr& exchange, Branch& branch, std::vector<Hop> hops,
                  Commands& out);
  bool offer_media(const ExchangePtr& exchange, Branch& branch, Commands& out);
  void send_branch(const ExchangePtr& exchange, Branch& branch, Commands& out);
  std::string build(const ExchangePtr& exchange, Branch& branch, const Hop& hop);
  std::string contact_for(const Exchange& exchange, const Hop& hop) const;
  std::string contact(std::string_view token, const Hop& hop, bool sips,
                      std::string_view parameters) const;
  MediaParty media_party(const Hop& hop, bool behind_nat) const;
  void refuse(const ExchangePtr& exchange, int status, std::string_view reason,
              std::string_view counter, Commands& out, seconds retry_after = {});
  void note_refused(const wire::Message& request, const Hop& from, int status,
                    std::string_view counter, Commands& out);
  void note_refused(const Exchange& exchange, const Branch& branch, Commands& out);

  // relay_responses.cc
  void on_response(const ExchangePtr& exchange, Branch& branch, const wire::Message& response,
                   Commands& out);
  void handle_response(const ExchangePtr& exchange, Branch& branch, const wire::Message& response,
                       Commands& out);
  void on_success(const ExchangePtr& exchange, Branch& branch, const wire::Message& response,
                  Commands& out);
  void on_final(const ExchangePtr& exchange, Branch& branch, const wire::Message& response,
                Commands& out);
  void on_failed(const ExchangePtr& exchange, Branch& branch, Errc why, Commands& out);
  bool retry_with_credentials(const ExchangePtr& exchange, Branch& branch,
                              const wire::Message& response, Commands& out);
  // `counter`: why; empty when the caller has given up.
  void fail_branch(const ExchangePtr& exchange, Branch& branch, int status,
                   std::string_view counter, Commands& out, std::string_view warning = {});
  void conclude(const ExchangePtr& exchange, Commands& out);
  void send_response(const ExchangePtr& exchange, Branch& branch, const wire::Message& response,
                     const std::optional<std::string>& body, const DialogPtr& dialog,
                     Commands& out);
  // The body as the asking side is to see it. False: it is held until ports are open, or is no use.
  enum class BodyState : std::uint8_t { Ready, Held, Bad };
  BodyState response_body(const ExchangePtr& exchange, Branch& branch,
                          const wire::Message& response, const DialogPtr& dialog,
                          std::optional<std::string>& body, Commands& out);
  DialogPtr dialog_of(const ExchangePtr& exchange, Branch& branch, const wire::Message& response,
                      Commands& out);
  void refuse_second(const ExchangePtr& exchange, Branch& branch, const wire::Message& response,
                     Commands& out);
  void start_ringing_limit(const ExchangePtr& exchange, Branch& branch, Commands& out);
  void cancel_branches(const ExchangePtr& exchange, const Branch* but, Commands& out,
                       std::string_view reason);
  void finish(const ExchangePtr& exchange, Commands& out);
  void drop(const ExchangePtr& exchange, Commands& out);

  // relay_dialogs.cc: inside dialogs.
  void on_dialog_request(ServerId id, const wire::Message& request, const Hop& from,
                         const DialogPtr& dialog, Side side, Commands& out);
  DialogTable::Found dialog_of_notify(const wire::Message& notify, const Hop& from);
  Target target_of(const Party& party) const;
  void locate(const PartyPtr& party, Commands& out, Locator::OnHops on_hops);
  void refresh_party(Party& party, const wire::Message& message, const Hop& hop, bool is_request,
                     bool confirmed);
  bool is_behind_nat(const wire::Message& message, const Hop& from) const;
  std::optional<std::string> late_answer(const DialogPtr& dialog, Side from,
                                         const wire::Message& message, Commands& out);
  void note_usage(const DialogPtr& dialog, const wire::Message& request,
                  const wire::Message* response, Commands& out);
  void note_session_timer(const DialogPtr& dialog, const wire::Message& response, Commands& out);
  void forward_ack(const DialogPtr& dialog, Side from, const wire::Message& ack, Commands& out);
  std::string own_request(const Dialog& dialog, Side to, std::string_view method,
                          std::uint32_t cseq, const Hop& hop) const;
  void send_own(const DialogPtr& dialog, Side to, std::string_view method, std::uint32_t cseq,
                Commands& out, Transactions::ResponseHandler handler = {});
  void send_bye(const DialogPtr& dialog, Side to, Commands& out);
  void maybe_end(const DialogPtr& dialog, Commands& out);
  void end_dialog(const DialogPtr& dialog, Commands& out);
  void end(const CallPtr& call, std::string_view why, Commands& out);
  CallPtr find_call(CallId id) const;

  // relay_journal.cc: what a party has to be told if this process dies now.
  void record_caller(const Exchange& exchange);
  void record_branch(const Exchange& exchange, const Branch& branch);
  void record_end(const Exchange& exchange, const Branch& branch);
  void record(const Dialog& dialog);
  void cancel_left_over(const Hop& to, const wire::Message& invite, Commands& out);

  // relay_bandwidth.cc
  bool admit_media(const Exchange& exchange, Place callee, std::string_view sdp);
  void settle_media(const Exchange& exchange, Place callee, const wire::Message& response);

  // relay_audit.cc: are the parties still there?
  void start_audit(const DialogPtr& dialog, Commands& out);
  void audit(const DialogPtr& dialog, Commands& out);
  void ask(const DialogPtr& dialog, Side side, Commands& out);
  void on_asked(const DialogPtr& dialog, Side side, bool answered, Commands& out);
  void on_vanished(const DialogPtr& dialog, Commands& out);

  // relay_references.cc: what names another dialog or one of our contacts.
  void translate(const wire::Message& request, const Hop& from, const Crossing& crossing,
                 RequestEdits& edits);
  std::string translate_refer_to(std::string_view value, const Hop& from, const Crossing& crossing);
  std::string translate_dialog_info(std::string_view body, const Crossing& crossing);
  std::optional<std::string> call_id_toward(std::string_view call_id, std::string_view one_tag,
                                            std::string_view other_tag, std::string_view uri,
                                            const Crossing& crossing);
  std::string translate_dialog_id(std::string_view value, std::string_view uri,
                                  const Crossing& crossing);
  std::string from_toward(const Dialog& dialog, Side from, const wire::Message& request,
                          const Crossing& crossing) const;
  std::string to_toward(const Dialog& dialog, Side from, const wire::Message& request,
                        const Crossing& crossing) const;

  Stack& stack_;
  Locator& locator_;
  Topology& topology_;
  Routing& routing_;
  Journal* journal_ = nullptr;
  DialogTable dialogs_;
  std::unordered_map<CallId, CallPtr> calls_;
  CallLimits call_limits_;
  BandwidthLimits bandwidth_limits_;
  std::unordered_map<ExchangeId, ExchangePtr> exchanges_;
  std::unordered_map<ServerId, ExchangePtr> by_server_;
  // SUBSCRIBE and REFER whose NOTIFY may overtake their answer, by place, Call-ID and tag.
  std::unordered_map<std::string, ExchangePtr> awaiting_notify_;
  // Offers in responses, until the ACK or PRACK that answers them.
  std::unordered_map<DialogId, MediaSession::OfferPtr> late_offers_;
  std::uint64_t next_id_ = 0;
};

}  // namespace sallyport::adapter::sip
