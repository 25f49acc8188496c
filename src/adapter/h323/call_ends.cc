// How calls end: released, refused, lost, run out of time, or fallen silent.
#include <algorithm>
#include <utility>

#include "adapter/h323/call_signalling.h"
#include "adapter/h323/tree.h"

namespace sallyport::adapter::h323 {
namespace {

namespace per = codec::per;
namespace q931 = codec::q931;
namespace h225 = codec::h225;
using q931::MessageType;

constexpr Duration kSetupLimit = seconds{10};  // T303 towards the callee, generous: it may be far
constexpr int kUnansweredBeforeEnd = 2;

// Q.931 4.5.7, as far as H.225.0 has these states. The callee's are those of the network's side.
std::uint8_t call_state(Call::Phase phase, bool toward_callee) {
  switch (phase) {
    case Call::Phase::Overlap:
      return 2;
    case Call::Phase::Proceeding:
      return toward_callee ? 9 : 3;
    case Call::Phase::Ringing:
      return toward_callee ? 7 : 4;
    case Call::Phase::Established:
      return 10;
    case Call::Phase::Ended:
      return 0;
    default:
      return toward_callee ? 6 : 1;
  }
}

CallMessage make_release(const Release& why, const Guid& call) {
  CallMessage message{MessageType::ReleaseComplete, "releaseComplete", call};
  message.q931().set(q931::ElementId::Cause, q931::encode(q931::Cause{.value = why.cause}));
  const auto reason = member_named(*h225::ReleaseCompleteReason::kSchema, why.reason);
  if (!why.reason.empty() && reason) message.edit("reason")->member(*reason);
  return message;
}

}  // namespace

void CallSignalling::set_phase(Call& call, Call::Phase phase, Commands& out) {
  if (state_of(call.phase) != state_of(phase)) call.since = out.wall_now();
  call.phase = phase;
  if (phase != Call::Phase::Established) return;
  call.established = out.now();
  stack_.log.info("call established", {{"call", call.id.value},
                                       {"protocol", "h323"},
                                       {"from", call.from},
                                       {"to", call.to},
                                       {"from_agent", call.legs[kCaller].hop.place.agent.value},
                                       {"to_agent", call.legs[kCallee].hop.place.agent.value}});
}

// ---- timers ----

void CallSignalling::guard(const CallPtr& call, Duration limit, const Release& why, Commands& out) {
  stack_.timers.stop(call->guard_timer);
  call->guard_timer = stack_.timers.start(
      limit,
      [this, call, why](Commands& later) {
        stack_.counters.add("call_timed_out");
        release(call, why, "timed out", later);
      },
      out);
}

void CallSignalling::guard_setup(const CallPtr& call, Commands& out) {
  stack_.timers.stop(call->guard_timer);
  call->guard_timer = stack_.timers.start(
      kSetupLimit,
      [this, call](Commands& later) {
        stack_.counters.add("callee_silent");
        release_leg(*call, kCallee, {q931::CauseValue::RecoveryOnTimerExpiry, {}}, later);
        leave_destination(call, later);
        try_next(call, kNoResponse, later);
      },
      out);
}

// ---- what is said ----

void CallSignalling::say_status(Call& call, Side toward, q931::CauseValue cause, Commands& out) {
  Leg& leg = call.legs[toward];
  CallMessage status = message_to(leg, MessageType::Status, "status");
  status.q931().set(q931::ElementId::Cause, q931::encode(q931::Cause{.value = cause}));
  status.q931().set(q931::ElementId::CallState, Buffer{call_state(call.phase, leg.called)});
  say(leg, status, out);
}

// To whom no call of ours answers.
void CallSignalling::refuse(edge::ConnectionId id, q931::CallReference reference,
                            const Release& why, Commands& out) {
  CallMessage message = make_release(why, {});
  message.q931().set_call_reference(reference);
  if (const auto octets = message.encode()) connections_.send(id, *octets, out);
}

void CallSignalling::release_leg(Call& call, Side side, const Release& why, Commands& out) {
  Leg& leg = call.legs[side];
  const bool knows = side == kCaller || call.phase >= Call::Phase::Calling;
  if (std::exchange(leg.over, true) || !knows || !leg.hop.connection) return;
  CallMessage message = make_release(why, leg.call);
  say(leg, message, out);
}

// ---- ends ----

void CallSignalling::release(const CallPtr& call, const Release& why, std::string_view log,
                             Commands& out) {
  if (call->is_over()) return;
  for (const Side side : {kCaller, kCallee}) release_leg(*call, side, why, out);
  const bool was_established = call->phase == Call::Phase::Established;
  set_phase(*call, Call::Phase::Ended, out);
  for (TimerId* timer :
       {&call->proceeding_timer, &call->guard_timer, &call->disengage_timer, &call->audit.timer})
    stack_.timers.stop(std::exchange(*timer, {}));
  if (call->channels) call->channels->close_all(out);
  for (const Side side : {kCaller, kCallee}) {
    Leg& leg = call->legs[side];
    leg.inbox.clear();
    if (leg.control) leg.control->close(out);
    detach(*call, side, out);
  }
  call_limits_.leave(call->id);
  bandwidth_limits_.leave(call->id);
  unlist(*call);
  const std::string caller = call->legs[kCaller].endpoint;
  if (const auto it = by_endpoint_.find(caller); it != by_endpoint_.end()) {
    it->second.erase(call->id);
    if (it->second.empty()) by_endpoint_.erase(it);
  }
  // A stranger can make calls that nobody answers, as many as he likes: those are counted only.
  if (was_established)
    stack_.log.info(
        "call ended",
        {{"call", call->id.value},
         {"protocol", "h323"},
         {"from", call->from},
         {"to", call->to},
         {"seconds", std::chrono::duration_cast<seconds>(out.now() - call->established).count()},
         {"why", log}});
  else
    stack_.counters.add("call_unanswered");
  calls_.erase(call->id);
  if (const auto destination = std::exchange(call->destination, {}))
    admissions_.on_call_over(*destination, call->legs[kCallee].call, out);
  retire(call, out);
}

// Forgets where it went.
void CallSignalling::unlist(Call& call) {
  const Leg& callee = call.legs[kCallee];
  const auto erase = [&](auto& index, const auto& key) {
    const auto it = index.find(key);
    if (it == index.end()) return;
    it->second.erase(call.id);
    if (it->second.empty()) index.erase(it);
  };
  erase(by_endpoint_, callee.endpoint);
  if (call.destination)
    erase(by_destination_, std::pair{call.destination->hop.place, call.destination->hop.remote});
}

void CallSignalling::retire(std::shared_ptr<void> what, Commands& out) {
  retired_.push_back(std::move(what));
  if (retired_.size() > 1) return;
  stack_.timers.start(
      {}, [this](Commands&) { retired_.clear(); }, out);
}

// A side's connection is gone.
void CallSignalling::on_lost(const CallPtr& call, Side side, Commands& out) {
  Leg& leg = call->legs[side];
  leg.hop.connection = {};
  if (side == kCallee && call->phase == Call::Phase::Dialling) return on_undialled(call, out);
  stack_.counters.add("call_lost");
  leg.over = true;
  if (!leg.endpoint.empty()) admissions_.disengage(leg.endpoint, leg.call, leg.reference, out);
  release(call, kLost, side == kCaller ? "caller lost" : "callee lost", out);
}

// ---- are they still there? ----
//
// An endpoint that lost its power says nothing, and TCP notices nothing while nobody speaks. A call
// on which nobody has signalled for a while is looked at: whose media has come is there; whose has
// not is asked, by Status Inquiry, which every endpoint answers (H.225.0 7.3.13). Only who does not
// answer twice in a row is gone.

void CallSignalling::start_audit(const CallPtr& call, Commands& out) {
  stack_.timers.stop(call->audit.timer);
  call->audit.heard = false;
  call->audit.timer = stack_.timers.start(
      stack_.config.ask_after, [this, call](Commands& later) { audit(call, later); }, out);
}

void CallSignalling::audit(const CallPtr& call, Commands& out) {
  if (call->is_over()) return;
  const bool quiet = !call->audit.heard;
  start_audit(call, out);
  if (!quiet) return;
  for (const Side side : {kCaller, kCallee}) {
    call->channels->streams().count(
        side,
        [this, call, side](std::uint64_t packets, Commands& at) {
          if (call->is_over()) return;
          if (std::exchange(call->audit.packets[side], packets) == packets)
            return ask(call, side, at);
          call->audit.unanswered[side] = 0;
        },
        out);
  }
}

void CallSignalling::ask(const CallPtr& call, Side side, Commands& out) {
  Call::Audit& audit = call->audit;
  audit.unanswered[side] = std::exchange(audit.asked[side], true) ? audit.unanswered[side] + 1 : 0;
  if (audit.unanswered[side] >= kUnansweredBeforeEnd) {
    stack_.counters.add("party_vanished");
    return release(call, kLost, "party vanished", out);
  }
  stack_.counters.add("party_asked");
  Leg& leg = call->legs[side];
  CallMessage inquiry = message_to(leg, MessageType::StatusInquiry, "statusInquiry");
  say(leg, inquiry, out);
}

}  // namespace sallyport::adapter::h323
