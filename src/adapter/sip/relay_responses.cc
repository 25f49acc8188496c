#include <algorithm>
#include <utility>

#include "adapter/sip/relay.h"
#include "codec/sip/headers.h"
#include "codec/sip/multipart.h"

namespace sallyport::adapter::sip {
namespace {

using wire::HeaderName;
using wire::Method;

// RFC 3261 16.7 step 6: 6xx first, then the lowest class; within 4xx what helps the caller more.
int rank(int status) {
  if (status >= 600) return 0;
  if (status < 400) return 1;
  switch (status) {
    case 401:
    case 407:
    case 415:
    case 420:
    case 484:
      return 2;
    default:
      break;
  }
  if (status >= 500) return status == 503 ? 7 : 6;
  // Somebody is there and busy says more than that somebody else was not there.
  if (status == 486) return 3;
  if (status == 408 || status == 480 || status == 487 || status == 404) return 5;
  return 4;
}

}  // namespace

void Relay::on_response(const ExchangePtr& exchange, Branch& branch, const wire::Message& response,
                        Commands& out) {
  if (response.status() < 200 && !exchange->answered) record_branch(*exchange, branch);
  if (response.status() == 100) return start_ringing_limit(exchange, branch, out);
  if (branch.holding) {
    if (branch.held.size() < 16) branch.held.push_back(response);
    return;
  }
  handle_response(exchange, branch, response, out);
}

void Relay::handle_response(const ExchangePtr& exchange, Branch& branch,
                            const wire::Message& response, Commands& out) {
  const int status = response.status();
  if (status >= 200 && status < 300) return on_success(exchange, branch, response, out);
  if (status >= 300) return on_final(exchange, branch, response, out);
  if (exchange->answered || exchange->cancelled || branch.done) return;
  start_ringing_limit(exchange, branch, out);
  const DialogPtr dialog = dialog_of(exchange, branch, response, out);
  std::optional<std::string> body;
  if (response_body(exchange, branch, response, dialog, body, out) == BodyState::Held) return;
  if (exchange->call && !exchange->dialog && exchange->call->state == CallState::Calling) {
    exchange->call->state = CallState::Ringing;
    exchange->call->since = out.wall_now();
  }
  send_response(exchange, branch, response, body, dialog, out);
}

// RFC 3261 16.6 step 11, timer C: ringing does not go on for ever. Provisional responses renew it.
void Relay::start_ringing_limit(const ExchangePtr& exchange, Branch& branch, Commands& out) {
  if (exchange->method != Method::Invite || branch.done) return;
  stack_.timers.stop(branch.ringing_timer);
  branch.ringing_timer = stack_.timers.start(
      stack_.config.ringing_limit,
      [this, exchange, &branch](Commands& later) {
        branch.why = "ringing_limit";
        stack_.counters.add(branch.why);
        stack_.requester.cancel(branch.request, later);
      },
      out);
}

// ---- bodies ----

Relay::BodyState Relay::response_body(const ExchangePtr& exchange, Branch& branch,
                                      const wire::Message& response, const DialogPtr& dialog,
                                      std::optional<std::string>& body, Commands& out) {
  const auto part = wire::find_sdp(response);
  if (!part || !exchange->call) {
    // What is encoded or no SDP to us might carry an address through: without a body, then.
    if (is_encoded(response)) body = std::string{};
    return BodyState::Ready;
  }
  MediaSession& media = exchange->call->media;
  const Side answering = other_side(exchange->side);
  const Hop* sent_to = stack_.requester.destination(branch.request);
  const Hop& hop = sent_to != nullptr ? *sent_to : branch.hops.front();
  const Crossing crossing{hop.place, exchange->from.place,
                          stack_.transport.shown_address(exchange->from)};
  const auto rewritten = [&](const MediaSession::Offer& offer, const std::string& sdp) {
    std::vector<IpAddress> own{crossing.shown.ip};
    for (const auto& use : offer.uses)
      if (use.side == exchange->side)
        for (const TransportAddress& address : use.slot->own) own.push_back(address.ip);
    body = topology_.scrub_sdp(wire::replace_sdp(response, *part, sdp), crossing, own);
  };
  if (branch.offer) {
    if (dialog) branch.offer->answerer.behind_nat = dialog->parties[answering]->behind_nat;
    const auto sdp = media.answer(branch.offer, *part, out);
    if (!sdp) {
      stack_.counters.add("bad_sdp");
      body = std::string{};
      return BodyState::Bad;
    }
    rewritten(*branch.offer, *sdp);
    return BodyState::Ready;
  }
  if (exchange->method != Method::Invite || !dialog) {
    body = std::string{};
    return BodyState::Ready;
  }
  // An INVITE without an offer: this is one (RFC 3261 13.2.1), and PRACK or ACK will answer it.
  const auto late = late_offers_.find(dialog->id);
  if (late != late_offers_.end() && late->second->text == *part && !late->second->on_ready) {
    rewritten(*late->second, media.rewrite_offer(*late->second));
    return BodyState::Ready;
  }
  if (!exchange->dialog && !admit_media(*exchange, hop.place, *part)) {
    body = std::string{};
    if (response.status() < 200) return BodyState::Bad;
    // The callee has answered already: it is told goodbye.
    refuse_second(exchange, branch, response, out);
    fail_branch(exchange, branch, 488, "no_bandwidth", out, kNoBandwidth);
    return BodyState::Held;
  }
  branch.holding = true;
  branch.held.push_back(response);
  const auto offer = media.offer(
      dialog->branch, answering, *part, media_party(hop, dialog->parties[answering]->behind_nat),
      media_party(exchange->from, dialog->parties[exchange->side]->behind_nat),
      [this, exchange, &branch, dialog](bool ok, Commands& at) {
        // The ports may open at once, before offer() has returned: go on from a timer.
        stack_.timers.start(
            Duration::zero(),
            [this, exchange, &branch, dialog, ok](Commands& later) {
              branch.holding = false;
              const auto held = std::exchange(branch.held, {});
              if (!ok) late_offers_.erase(dialog->id);
              for (const wire::Message& message : held) {
                if (ok) {
                  handle_response(exchange, branch, message, later);
                } else if (message.status() >= 200 && message.status() < 300) {
                  // The callee has answered, but there are no ports: it is told goodbye.
                  refuse_second(exchange, branch, message, later);
                  fail_branch(exchange, branch, 503, "no_ports", later);
                }
              }
            },
            at);
      },
      out);
  if (!offer) {
    branch.holding = false;
    branch.held.clear();
    stack_.counters.add("bad_sdp");
    body = std::string{};
    return BodyState::Bad;
  }
  late_offers_[dialog->id] = offer;
  return BodyState::Held;
}

// ---- dialogs ----

// The dialog that this response makes, or in which it travels.
DialogPtr Relay::dialog_of(const ExchangePtr& exchange, Branch& branch,
                           const wire::Message& response, Commands& /*out*/) {
  const Hop* sent_to = stack_.requester.destination(branch.request);
  const Hop hop = sent_to != nullptr ? *sent_to : branch.hops.front();
  if (exchange->dialog) {
    if (response.method() == Method::Invite || response.method() == Method::Update ||
        response.method() == Method::Subscribe)
      refresh_party(*exchange->dialog->parties[other_side(exchange->side)], response, hop, false,
                    true);
    return exchange->dialog;
  }
  const wire::Message& request = exchange->request;
  const std::string_view to_tag = tag_of(response.find(HeaderName::To).value_or(""));
  if (!exchange->caller || to_tag.empty()) return nullptr;
  const std::string_view from_tag = tag_of(request.find(HeaderName::From).value_or(""));
  const std::string_view call_id = request.find(HeaderName::CallId).value_or("");
  auto dialog = dialogs_.find(exchange->from.place, call_id, from_tag, to_tag).dialog;
  const bool is_new = dialog == nullptr;
  if (is_new) {
    dialog = std::make_shared<Dialog>();
    const auto callee = std::make_shared<Party>();
    callee->token = stack_.random.hex(10);
    callee->hop = hop;
    callee->target = branch.target.uri;
    callee->credentials = branch.target.credentials;
    dialogs_.add_party(callee);
    dialog->parties = {exchange->caller, callee};
    dialog->names[kCaller] = {std::string(call_id),
                              without_tag(request.find(HeaderName::From).value_or("")),
                              without_tag(request.find(HeaderName::To).value_or(""))};
    dialog->names[kCallee] = {exchange->call_id, without_tag(branch.to), without_tag(branch.from)};
    dialog->tags = {std::string(from_tag), std::string(to_tag)};
    dialog->branch = branch.number;
    if (exchange->call) dialog->call = exchange->call->id;
    const auto cseq = wire::CSeq::parse(request.find(HeaderName::CSeq).value_or(""));
    dialog->cseq_to[kCallee] = cseq ? cseq->number : 1;
    dialog->cseq_shift[kCallee] = branch.cseq_shift;
    dialog->cseq_to[kCallee] += branch.cseq_shift;
    dialogs_.add(dialog);
    if (exchange->call) exchange->call->dialogs.push_back(dialog->id);
  }
  refresh_party(*dialog->parties[kCallee], response, hop, false, dialog->confirmed);
  return dialog;
}

// ---- final responses ----

void Relay::on_success(const ExchangePtr& exchange, Branch& branch, const wire::Message& response,
                       Commands& out) {
  const std::string tag(tag_of(response.find(HeaderName::To).value_or("")));
  if (exchange->answered) {
    if (exchange->method != Method::Invite) return;
    if (tag == exchange->answered_tag) return stack_.transactions.repeat(exchange->server, out);
    branch.done = true;
    refuse_second(exchange, branch, response, out);
    return finish(exchange, out);
  }
  const DialogPtr dialog = dialog_of(exchange, branch, response, out);
  std::optional<std::string> body;
  if (response_body(exchange, branch, response, dialog, body, out) == BodyState::Held) return;
  stack_.timers.stop(branch.ringing_timer);
  branch.done = true;
  exchange->answered = true;
  exchange->answered_tag = tag;
  cancel_branches(exchange, &branch, out, "SIP;cause=200;text=\"Call completed elsewhere\"");
  if (exchange->call && dialog && exchange->method == Method::Invite) {
    Call& call = *exchange->call;
    call.media.choose(dialog->branch, out);
    if (!dialog->confirmed) {
      dialog->confirmed = true;
      call_limits_.answer(call.id);
      call.dialog = dialog->id;
      call.state = CallState::Established;
      call.since = out.wall_now();
      call.established = out.now();
      call.places[kCallee] = dialog->parties[kCallee]->hop.place;
      start_audit(dialog, out);
      stack_.log.info("call established", {{"call", call.id.value},
                                           {"from", call.from},
                                           {"to", call.to},
                                           {"from_agent", call.places[kCaller].agent.value},
                                           {"to_agent", call.places[kCallee].agent.value}});
    }
    record(*dialog);
  }
  if (dialog) {
    if (exchange->call)
      settle_media(*exchange, dialog->parties[other_side(exchange->side)]->hop.place, response);
    note_usage(dialog, exchange->request, &response, out);
    note_session_timer(dialog, response, out);
  }
  send_response(exchange, branch, response, body, dialog, out);
  // RFC 3261 13.2.2.4: early dialogs that did not become the call end with the transaction.
  if (exchange->call && !exchange->dialog) {
    for (const DialogId id : exchange->call->dialogs)
      if (const DialogPtr other = dialogs_.find(id); other && other != dialog)
        end_dialog(other, out);
  }
  finish(exchange, out);
}

// RFC 3261 13.2.2.4: every 2xx makes a dialog; one that nobody wants is acknowledged and ended.
void Relay::refuse_second(const ExchangePtr& exchange, Branch& branch,
                          const wire::Message& response, Commands& out) {
  const DialogPtr dialog = dialog_of(exchange, branch, response, out);
  if (!dialog) return;
  const auto cseq = wire::CSeq::parse(response.find(HeaderName::CSeq).value_or(""));
  send_own(dialog, kCallee, "ACK", cseq ? cseq->number : 1, out);  // as the callee counts
  if (std::exchange(dialog->refused, true)) return;                // its 2xx is only repeated
  stack_.counters.add("second_answer_ended");
  send_bye(dialog, kCallee, out);
  end_dialog(dialog, out);
}

void Relay::on_final(const ExchangePtr& exchange, Branch& branch, const wire::Message& response,
                     Commands& out) {
  if (branch.done) return;
  if (retry_with_credentials(exchange, branch, response, out)) return;
  stack_.timers.stop(branch.ringing_timer);
  branch.done = true;
  record_end(*exchange, branch);
  if (exchange->dialog && branch.offer && exchange->call) {
    exchange->call->media.abandon(branch.offer, out);  // the media stays as it was
    bandwidth_limits_.withdrawn(exchange->call->id);
  }
  if (!exchange->dialog && exchange->call) exchange->call->media.close_branch(branch.number, out);
  if (exchange->answered) return finish(exchange, out);
  if (!exchange->best || rank(response.status()) < rank(exchange->best->status())) {
    exchange->best = response;
    exchange->best_branch = branch.number;
  }
  if (response.status() >= 600) {
    exchange->later.clear();
    cancel_branches(exchange, &branch, out, {});
  }
  conclude(exchange, out);
}

bool Relay::retry_with_credentials(const ExchangePtr& exchange, Branch& branch,
                                   const wire::Message& response, Commands& out) {
  const int status = response.status();
  if ((status != 401 && status != 407) || branch.target.credentials.empty() ||
      exchange->cancelled || std::exchange(branch.tried_credentials, true))
    return false;
  const auto value = routing_.answer_challenge(branch.target, response,
                                               exchange->request.method_text(), branch.target.uri);
  if (!value) return false;
  branch.authorization = *value;
  branch.proxy_authorization = status == 407;
  // RFC 3261 22.2: tried again with a higher CSeq number.
  if (exchange->dialog) {
    ++exchange->dialog->cseq_shift[other_side(exchange->side)];
  } else {
    ++branch.cseq_shift;
  }
  stack_.timers.stop(branch.ringing_timer);
  send_branch(exchange, branch, out);
  return true;
}

void Relay::on_failed(const ExchangePtr& exchange, Branch& branch, Errc why, Commands& out) {
  // RFC 3261 16.8, 16.9: as if a 408 or 503 had come. Where a phone or its agent went away while it
  // rang, nobody is there: 480. A cancelled INVITE is over in any case.
  if (exchange->cancelled && exchange->method == Method::Invite)
    return fail_branch(exchange, branch, 487, {}, out);
  if (why == Errc::Exhausted) return fail_branch(exchange, branch, 503, "no_room", out);
  if (why == Errc::Closed && !exchange->dialog)
    return fail_branch(exchange, branch, 480, "callee_gone", out);
  fail_branch(exchange, branch, 408, "no_answer", out);
}

// The branch ends as if this had been answered.
void Relay::fail_branch(const ExchangePtr& exchange, Branch& branch, int status,
                        std::string_view counter, Commands& out, std::string_view warning) {
  if (branch.done) return;
  branch.why = counter;
  if (!counter.empty()) stack_.counters.add(counter);
  auto builder = wire::Builder::response(exchange->request, status, wire::default_reason(status),
                                         stack_.random.hex(8));
  if (!warning.empty()) builder.add(HeaderName::Warning, warning);
  const auto made = wire::Message::parse(builder.finish());
  if (!made) return;
  branch.target.credentials.clear();
  on_final(exchange, branch, *made, out);
}

void Relay::conclude(const ExchangePtr& exchange, Commands& out) {
  const auto& branches = exchange->branches;
  const bool open = std::any_of(branches.begin(), branches.end(),
                                [](const auto& branch) { return !branch->done; });
  if (open || exchange->answered) return;
  if (!exchange->later.empty() && !exchange->cancelled) return start_group(exchange, out);
  exchange->answered = true;
  Branch& branch = *branches[static_cast<std::size_t>(exchange->best_branch)];
  if (!exchange->cancelled) note_refused(*exchange, branch, out);
  // Two sides of a dialog: a BYE that nobody answers any more has done what it was for.
  if (exchange->method == Method::Bye &&
      (exchange->best->status() == 408 || exchange->best->status() == 481)) {
    stack_.transactions.respond(exchange->server, 200, {}, out);
  } else {
    send_response(exchange, branch, *exchange->best, std::nullopt, exchange->dialog, out);
  }
  if (exchange->dialog) {
    note_usage(exchange->dialog, exchange->request, &*exchange->best, out);
  } else if (exchange->call) {
    end(exchange->call, "refused", out);
  }
  finish(exchange, out);
}

// What the other side says inside a call, and challenges, are between the two.
void Relay::note_refused(const Exchange& exchange, const Branch& branch, Commands& out) {
  const int status = exchange.best->status();
  const bool challenge = status == 401 || status == 407;
  const bool in_call = exchange.dialog != nullptr;
  if (exchange.method != Method::Invite || status < 400 || challenge) return;
  if (in_call && branch.why.empty()) return;
  stack_.refusals.call({.request = exchange.request,
                        .from = exchange.from,
                        .status = status,
                        .why = branch.why,
                        .phrase = exchange.best->reason(),
                        .is_change = in_call},
                       out.now());
}

void Relay::send_response(const ExchangePtr& exchange, Branch& branch,
                          const wire::Message& response, const std::optional<std::string>& body,
                          const DialogPtr& dialog, Commands& out) {
  const Hop* sent_to = stack_.requester.destination(branch.request);
  const Place from = sent_to != nullptr ? sent_to->place : branch.target.place;
  const Crossing crossing{from, exchange->from.place,
                          stack_.transport.shown_address(exchange->from)};
  ResponseEdits edits;
  edits.body = body;
  const int status = response.status();
  edits.makes_dialog = !exchange->dialog && exchange->caller && status > 100 && status < 300;
  const bool redirects = status >= 300 && status < 400;
  if (response.has(HeaderName::Contact) && !redirects && status != 485) {
    const auto contacts = response.list(HeaderName::Contact);  // none if the line is empty
    const auto came =
        wire::NameAddr::parse(contacts.empty() ? std::string_view{} : contacts.front());
    const auto uri = wire::Uri::parse(exchange->request.request_uri());
    const std::string parameters = came ? came->parameters.without("expires") : std::string{};
    const PartyPtr party = dialog ? dialog->parties[other_side(exchange->side)] : nullptr;
    edits.contact = contact(party ? party->token : "", exchange->from, uri && uri->is_sips(),
                            topology_.scrub(parameters, crossing));
  }
  stack_.transactions.respond(exchange->server,
                              topology_.forward(response, exchange->request, edits, crossing), out);
}

// ---- cancelling, ends ----

void Relay::on_cancel(ServerId id, const wire::Message& cancel, Commands& out) {
  const auto it = by_server_.find(id);
  if (it == by_server_.end()) return stack_.transactions.respond(id, 487, {}, out);
  const ExchangePtr exchange = it->second;
  if (exchange->answered) return;
  exchange->cancelled = true;
  exchange->later.clear();
  stack_.counters.add("cancelled");
  // Routing has not answered yet: nothing is under way.
  if (exchange->branches.empty()) return refuse(exchange, 487, {}, "cancelled_early", out);
  cancel_branches(exchange, nullptr, out, cancel.find(HeaderName::Reason).value_or(""));
}

void Relay::cancel_branches(const ExchangePtr& exchange, const Branch* but, Commands& out,
                            std::string_view reason) {
  if (exchange->method != Method::Invite) return;
  for (std::size_t i = 0; i < exchange->branches.size(); ++i) {
    Branch& branch = *exchange->branches[i];
    if (&branch == but || branch.done) continue;
    if (branch.started) {
      stack_.requester.cancel(branch.request, out, reason);
    } else {
      fail_branch(exchange, branch, 487, {}, out);
    }
  }
}

// Forgets the exchange as soon as nothing of it is under way.
void Relay::finish(const ExchangePtr& exchange, Commands& out) {
  if (!exchange->answered) return;
  for (const auto& branch : exchange->branches)
    if (!branch->done) return;
  const bool accepted = exchange->method == Method::Invite && !exchange->answered_tag.empty();
  if (!accepted) return drop(exchange, out);
  // A 2xx may be repeated, or come from another branch downstream, until 64*T1.
  stack_.timers.start(
      k64T1, [this, exchange](Commands& later) { drop(exchange, later); }, out);
}

void Relay::drop(const ExchangePtr& exchange, Commands& /*out*/) {
  for (const auto& branch : exchange->branches) {
    stack_.timers.stop(branch->ringing_timer);
    branch->offer.reset();
  }
  by_server_.erase(exchange->server);
  exchanges_.erase(exchange->id);
  if (exchange->method != Method::Subscribe && exchange->method != Method::Refer) return;
  std::erase_if(awaiting_notify_, [&](const auto& entry) { return entry.second == exchange; });
}

}  // namespace sallyport::adapter::sip
