// Are the parties of a call still there? A phone that lost its power says no BYE, and without a
// session timer (RFC 4028) nobody would ever notice. A call on which no party has signalled for a
// while is looked at: whose media has come is there; whose has not (it is held, or it is gone) is
// asked, with an OPTIONS in its dialog (RFC 3261 11.2 has every phone answer that). Only who does
// not answer twice in a row, or does not know the dialog, is gone.
#include <algorithm>
#include <utility>

#include "adapter/sip/relay.h"

namespace sallyport::adapter::sip {
namespace {

constexpr int kUnansweredBeforeEnd = 2;

// RFC 5057 5.1: these say that there is no such dialog, or nobody of that name.
bool says_gone(int status) {
  return status == 404 || status == 410 || status == 481 || status == 604;
}

}  // namespace

void Relay::start_audit(const DialogPtr& dialog, Commands& out) {
  stack_.timers.stop(dialog->audit.timer);
  dialog->audit.heard = false;
  dialog->audit.timer = stack_.timers.start(
      stack_.config.ask_after, [this, dialog](Commands& later) { audit(dialog, later); }, out);
}

void Relay::audit(const DialogPtr& dialog, Commands& out) {
  const CallPtr call = find_call(dialog->call);
  if (!call || dialog->call_over) return;
  const bool quiet = !dialog->audit.heard;
  start_audit(dialog, out);
  if (!quiet) return;
  for (const Side side : {kCaller, kCallee}) {
    call->media.count(
        side,
        [this, dialog, side](std::uint64_t packets, Commands& at) {
          if (dialog->call_over) return;
          if (std::exchange(dialog->audit.packets[side], packets) == packets)
            return ask(dialog, side, at);
          dialog->audit.unanswered[side] = 0;
        },
        out);
  }
}

void Relay::ask(const DialogPtr& dialog, Side side, Commands& out) {
  if (out.edge(dialog->parties[side]->hop.place) == nullptr) return;
  // The number is ours; what the other side sends after it counts on. Its first one may be 0.
  const std::uint32_t number = ++dialog->cseq_to[side];
  std::uint32_t& shift = dialog->cseq_shift[side];
  shift = std::max(shift + 1, number == 1 ? 2U : 0U);
  Transactions::ResponseHandler handler;
  handler.on_response = [this, dialog, side](const wire::Message& response, Commands& at) {
    if (response.status() < 200) return;
    if (says_gone(response.status())) return on_vanished(dialog, at);
    on_asked(dialog, side, response.status() != 408, at);
  };
  handler.on_failed = [this, dialog, side](Errc why, Commands& at) {
    // Exhausted: it is we who could not ask.
    on_asked(dialog, side, why == Errc::Exhausted, at);
  };
  stack_.counters.add("party_asked");
  send_own(dialog, side, "OPTIONS", number, out, std::move(handler));
}

void Relay::on_asked(const DialogPtr& dialog, Side side, bool answered, Commands& out) {
  int& unanswered = dialog->audit.unanswered[side];
  unanswered = answered ? 0 : unanswered + 1;
  if (unanswered >= kUnansweredBeforeEnd) on_vanished(dialog, out);
}

void Relay::on_vanished(const DialogPtr& dialog, Commands& out) {
  const CallPtr call = find_call(dialog->call);
  if (!call || dialog->call_over) return;
  stack_.counters.add("party_vanished");
  for (const Side side : {kCaller, kCallee}) send_bye(dialog, side, out);
  dialog->call_over = true;
  end(call, "party vanished", out);
}

}  // namespace sallyport::adapter::sip
