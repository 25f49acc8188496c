// What is left in the journal, and what is said when it is found there.
#include <utility>

#include "adapter/sip/journal.h"
#include "adapter/sip/relay.h"

namespace sallyport::adapter::sip {
namespace {

// A journal's BYE must come after whatever the parties have said since it was written.
constexpr std::uint32_t kJournalCSeqAhead = 100000;

constexpr int kCallerLeg = 0;
constexpr int branch_leg(int branch) { return 1 + branch; }

// It comes from a disk. A BYE is given its Via when it is sent.
bool is_whole(LastWord::Kind kind, const wire::Message& message) {
  if (!message.is_request()) return false;
  return kind == LastWord::Kind::Bye
             ? message.method() == wire::Method::Bye
             : message.method() == wire::Method::Invite && message.validate();
}

}  // namespace

// Nobody gives up by himself: a caller who has heard 100 waits for ever (RFC 3261 17.1.1.2).
void Relay::record_caller(const Exchange& exchange) {
  if (journal_ == nullptr || !exchange.call || exchange.dialog) return;
  journal_->on_leg(exchange.call->id, kCallerLeg,
                   {LastWord::Kind::Refusal, exchange.from, std::string(exchange.request.text())});
}

void Relay::record_branch(const Exchange& exchange, const Branch& branch) {
  if (journal_ == nullptr || !exchange.call || exchange.dialog) return;
  const Hop* to = stack_.requester.destination(branch.request);
  if (to == nullptr) return;
  journal_->on_leg(
      exchange.call->id, branch_leg(branch.number),
      {LastWord::Kind::Cancel, *to, std::string(stack_.requester.sent(branch.request))});
}

void Relay::record_end(const Exchange& exchange, const Branch& branch) {
  if (journal_ == nullptr || !exchange.call || exchange.dialog) return;
  journal_->on_leg_ended(exchange.call->id, branch_leg(branch.number));
}

void Relay::record(const Dialog& dialog) {
  if (journal_ == nullptr || !dialog.call) return;
  for (const Side side : {kCaller, kCallee}) {
    const Hop& hop = dialog.parties[side]->hop;
    journal_->on_leg(
        dialog.call, side == kCaller ? kCallerLeg : branch_leg(dialog.branch),
        {LastWord::Kind::Bye, hop,
         own_request(dialog, side, "BYE", dialog.cseq_to[side] + kJournalCSeqAhead, hop)});
  }
}

void Relay::say(const LastWord& word, Commands& out) {
  const auto message = wire::Message::parse(word.message);
  if (!message || !is_whole(word.kind, *message)) {
    stack_.log.warning("a word of the journal is damaged", {{"agent", word.to.place.agent.value}});
    return;
  }
  switch (word.kind) {
    case LastWord::Kind::Bye:
      stack_.transactions.request(word.to, word.message, {}, out);
      return;
    case LastWord::Kind::Cancel:
      return cancel_left_over(word.to, *message, out);
    case LastWord::Kind::Refusal:
      stack_.transactions.respond(stack_.transactions.adopt(*message, word.to), 480, {}, out);
  }
}

// The telephone may have been answered meanwhile: its 2xx is acknowledged, and told goodbye.
void Relay::cancel_left_over(const Hop& to, const wire::Message& invite, Commands& out) {
  const auto exchange = std::make_shared<Exchange>(invite);
  exchange->id = ExchangeId{++next_id_};
  exchange->method = wire::Method::Invite;
  exchange->from = to;
  exchange->call_id = invite.find(wire::HeaderName::CallId).value_or("");
  exchange->caller = std::make_shared<Party>();
  exchange->caller->token = stack_.random.hex(10);
  exchange->cancelled = exchange->answered = true;
  exchanges_[exchange->id] = exchange;
  exchange->branches.push_back(std::make_unique<Branch>());
  Branch& branch = *exchange->branches.back();
  branch.target.uri = invite.request_uri();
  branch.hops = {to};
  branch.from = invite.find(wire::HeaderName::From).value_or("");
  branch.to = invite.find(wire::HeaderName::To).value_or("");
  const ClientId client = stack_.transactions.adopt(
      to, std::string(invite.text()),
      {.on_response = [this, exchange, &branch](
                          const wire::Message& response,
                          Commands& at) { handle_response(exchange, branch, response, at); },
       .on_failed = [this, exchange, &branch](
                        Errc why, Commands& at) { on_failed(exchange, branch, why, at); }});
  stack_.transactions.cancel(client, out);
}

}  // namespace sallyport::adapter::sip
