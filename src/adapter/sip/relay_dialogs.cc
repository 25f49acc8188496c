#include <algorithm>
#include <utility>

#include "adapter/sip/relay.h"
#include "codec/sip/headers.h"
#include "codec/sip/multipart.h"

namespace sallyport::adapter::sip {
namespace {

using wire::HeaderName;
using wire::Method;

// A transfer that reports nothing for so long is forgotten; RFC 3515 2.4.4 names no duration.
constexpr Duration kReferUsage = std::chrono::minutes{3};
// RFC 4028 10: the side that does not refresh ends the session; we are the last to notice.
constexpr Duration kSessionGrace = seconds{32};

bool refreshes_target(Method method) {
  return method == Method::Invite || method == Method::Update || method == Method::Subscribe ||
         method == Method::Notify || method == Method::Refer;
}

std::string event_package(const wire::Message& message) {
  const auto event = message.find(HeaderName::Event).value_or("");
  return std::string(event.substr(0, event.find_first_of("; \t")));
}

}  // namespace

// ---- where a party is reached ----

Target Relay::target_of(const Party& party) const {
  Target target{.uri = party.target, .place = party.hop.place, .route = party.routes};
  target.credentials = party.credentials;
  if (!target.route.empty()) {
    const auto first = wire::NameAddr::parse(target.route.front());
    if (!first || first->uri.parameters.has("lr")) return target;
    // RFC 3261 12.2.1.1: a strict router takes the Request-URI, the target goes last.
    target.uri = first->uri.text;
    target.route.erase(target.route.begin());
    target.route.push_back("<" + party.target + ">");
    target.next_hops = {target.uri};
    return target;
  }
  const auto uri = wire::Uri::parse(party.target);
  const bool open = stack_.transport.is_open(party.hop.connection);
  const bool datagrams = party.hop.transport == edge::Transport::Udp;
  const auto ip = uri ? IpAddress::parse(uri->host) : fail(Errc::BadValue, "no target");
  // A name of ours (a GRUU, RFC 5627) leads to whoever showed it, not to DNS.
  const bool ours = uri && !ip && routing_.is_our_domain(uri->host);
  const bool same_host = ip && datagrams && *ip == party.hop.remote.ip &&
                         (uri->port == 0 ? 5060 : uri->port) == party.hop.remote.port;
  if (!uri || open || ours || same_host || (datagrams && party.behind_nat)) target.hop = party.hop;
  return target;
}

void Relay::locate(const PartyPtr& party, Commands& out, Locator::OnHops on_hops) {
  const Target target = target_of(*party);
  locator_.locate(target, out,
                  [party, on_hops = std::move(on_hops)](std::vector<Hop> hops, Commands& at) {
                    // Its Contact leads nowhere: back to where it was heard from.
                    if (hops.empty() && party->routes.empty()) hops.push_back(party->hop);
                    on_hops(std::move(hops), at);
                  });
}

bool Relay::is_behind_nat(const wire::Message& message, const Hop& from) const {
  const auto contacts = message.list(HeaderName::Contact);
  const auto contact = contacts.empty() ? fail(Errc::NotFound, "no Contact")
                                        : wire::NameAddr::parse(contacts.front());
  const auto ip = contact ? IpAddress::parse(contact->uri.host) : fail(Errc::NotFound, "none");
  const bool elsewhere = ip && *ip != from.remote.ip;
  if (elsewhere && from.place.is_outside() && ip->is_private()) return true;
  if (!message.is_request()) return false;
  const auto vias = message.list(HeaderName::Via);
  const auto via = vias.empty() ? fail(Errc::NotFound, "no Via") : wire::Via::parse(vias.front());
  const auto sent_by = via ? IpAddress::parse(via->host) : fail(Errc::NotFound, "none");
  if (!sent_by || *sent_by == from.remote.ip) return false;
  return sent_by->is_private() || (elsewhere && *ip == *sent_by);
}

void Relay::refresh_party(Party& party, const wire::Message& message, const Hop& hop,
                          bool is_request, bool confirmed) {
  party.hop = hop;
  if (!is_request && !confirmed) {
    auto routes = message.list(HeaderName::RecordRoute);
    std::reverse(routes.begin(), routes.end());
    party.routes.assign(routes.begin(), routes.end());
  }
  const auto contacts = message.list(HeaderName::Contact);
  if (contacts.empty()) return;
  const auto contact = wire::NameAddr::parse(contacts.front());
  if (!contact || !contact->uri.is_sip()) return;
  party.target = contact->uri.text;
  party.behind_nat = is_behind_nat(message, hop);
}

void Relay::on_registered(const wire::Message& request, const Hop& from) {
  const auto same_contact = [](const wire::Uri& a, const wire::Uri& b) {
    return a.user == b.user && a.host == b.host && a.port == b.port;
  };
  for (const std::string_view value : request.list(HeaderName::Contact)) {
    const auto contact = wire::NameAddr::parse(value);
    if (!contact || contact->is_wildcard) continue;
    for (const auto& [id, dialog] : dialogs_.all()) {
      for (const PartyPtr& party : dialog->parties) {
        if (party->hop.place != from.place) continue;
        const bool moved = is_reliable(party->hop.transport)
                               ? !stack_.transport.is_open(party->hop.connection)
                               : party->behind_nat;
        if (!moved || party->hop.transport != from.transport) continue;
        const auto target = wire::Uri::parse(party->target);
        if (target && same_contact(*target, contact->uri)) party->hop = from;
      }
    }
  }
}

// ---- requests ----

void Relay::on_dialog_request(ServerId id, const wire::Message& request, const Hop& from,
                              const DialogPtr& dialog, Side side, Commands& out) {
  const Method method = request.method();
  const bool subscribed = method == Method::Notify || method == Method::Subscribe;
  if ((dialog->call_over && !subscribed) || (dialog->ended && dialog->subscriptions.empty())) {
    // BYEs that cross: both sides know already.
    const int status = method == Method::Bye ? 200 : 481;
    return stack_.transactions.respond(id, status, {}, out);
  }
  dialog->audit.heard = true;
  const ExchangePtr exchange = begin(id, request, from);
  exchange->dialog = dialog;
  exchange->side = side;
  exchange->call_id = dialog->names[other_side(side)].call_id;
  exchange->call = find_call(dialog->call);
  if (refreshes_target(method)) refresh_party(*dialog->parties[side], request, from, true, true);
  const Side to = other_side(side);
  const auto cseq = wire::CSeq::parse(request.find(HeaderName::CSeq).value_or(""));
  if (cseq)
    dialog->cseq_to[to] = std::max(dialog->cseq_to[to], cseq->number + dialog->cseq_shift[to]);

  if (method == Method::Prack) exchange->late_body = late_answer(dialog, side, request, out);
  if (method == Method::Notify) note_usage(dialog, request, nullptr, out);
  auto branch = std::make_unique<Branch>();
  branch->target = target_of(*dialog->parties[to]);
  Branch& only = *branch;
  exchange->branches.push_back(std::move(branch));
  if (out.edge(only.target.place) == nullptr) {
    fail_branch(exchange, only, 480, "agent_away", out);
  } else {
    locate(dialog->parties[to], out, [this, exchange, &only](std::vector<Hop> hops, Commands& at) {
      on_located(exchange, only, std::move(hops), at);
    });
  }
  if (method != Method::Bye) return;
  dialog->call_over = true;
  if (exchange->call) end(exchange->call, "bye", out);
  maybe_end(dialog, out);
}

// A NOTIFY that comes before the answer to its SUBSCRIBE or REFER makes the dialog (RFC
// 6665 4.1.3).
DialogTable::Found Relay::dialog_of_notify(const wire::Message& notify, const Hop& from) {
  const auto to_tag = tag_of(notify.find(HeaderName::To).value_or(""));
  const std::string call_id(notify.find(HeaderName::CallId).value_or(""));
  const auto it = awaiting_notify_.find(std::to_string(from.place.agent.value) + "\n" + call_id +
                                        "\n" + std::string(to_tag));
  if (it == awaiting_notify_.end() || !it->second->caller) return {};
  const ExchangePtr asked = it->second;
  const wire::Message& request = asked->request;
  const auto dialog = std::make_shared<Dialog>();
  const auto notifier = std::make_shared<Party>();
  notifier->token = stack_.random.hex(10);
  for (const std::string_view route : notify.list(HeaderName::RecordRoute))
    notifier->routes.emplace_back(route);
  refresh_party(*notifier, notify, from, true, false);
  dialogs_.add_party(notifier);
  dialog->parties = {asked->caller, notifier};
  const Branch& branch = *asked->branches.front();
  dialog->names[kCaller] = {std::string(request.find(HeaderName::CallId).value_or("")),
                            without_tag(request.find(HeaderName::From).value_or("")),
                            without_tag(request.find(HeaderName::To).value_or(""))};
  dialog->names[kCallee] = {call_id, without_tag(branch.to), without_tag(branch.from)};
  dialog->tags = {std::string(to_tag),
                  std::string(tag_of(notify.find(HeaderName::From).value_or("")))};
  dialog->confirmed = true;
  dialogs_.add(dialog);
  return {dialog, kCallee};
}

// PRACK or ACK answers the offer that a response held: the body as the other side is to see it.
std::optional<std::string> Relay::late_answer(const DialogPtr& dialog, Side from,
                                              const wire::Message& message, Commands& out) {
  const auto late = late_offers_.find(dialog->id);
  const auto part = wire::find_sdp(message);
  const CallPtr call = find_call(dialog->call);
  if (late == late_offers_.end() || !part || !call || late->second->from == from)
    return std::nullopt;
  const MediaSession::OfferPtr offer = late->second;
  late_offers_.erase(late);
  const Party& to = *dialog->parties[other_side(from)];
  offer->answerer.behind_nat = dialog->parties[from]->behind_nat;
  const auto sdp = call->media.answer(offer, *part, out);
  if (!sdp) return std::string{};
  const Crossing crossing{dialog->parties[from]->hop.place, to.hop.place,
                          stack_.transport.shown_address(to.hop)};
  std::vector<IpAddress> own{crossing.shown.ip};
  for (const auto& use : offer->uses)
    if (use.side == other_side(from))
      for (const TransportAddress& address : use.slot->own) own.push_back(address.ip);
  return topology_.scrub_sdp(wire::replace_sdp(message, *part, *sdp), crossing, own);
}

void Relay::on_ack(const wire::Message& ack, const Hop& from, Commands& out) {
  const auto found = dialogs_.find(from.place, ack.find(HeaderName::CallId).value_or(""),
                                   tag_of(ack.find(HeaderName::From).value_or("")),
                                   tag_of(ack.find(HeaderName::To).value_or("")));
  if (!found.dialog) return stack_.counters.add("stray_ack");
  found.dialog->parties[found.from]->hop = from;
  forward_ack(found.dialog, found.from, ack, out);
}

void Relay::forward_ack(const DialogPtr& dialog, Side from, const wire::Message& ack,
                        Commands& out) {
  const PartyPtr to = dialog->parties[other_side(from)];
  const auto body = late_answer(dialog, from, ack, out);
  locate(to, out, [this, dialog, from, to, ack, body](std::vector<Hop> hops, Commands& at) {
    if (hops.empty()) return;
    const Hop& hop = hops.front();
    const Crossing crossing{dialog->parties[from]->hop.place, hop.place,
                            stack_.transport.shown_address(hop)};
    const Target target = target_of(*to);
    RequestEdits edits;
    edits.uri = target.uri;
    edits.routes = target.route;
    edits.from = from_toward(*dialog, from, ack, crossing);
    edits.to = to_toward(*dialog, from, ack, crossing);
    edits.call_id = dialog->names[other_side(from)].call_id;
    edits.body = body;
    edits.cseq_shift = dialog->cseq_shift[other_side(from)];
    if (ack.has(HeaderName::Contact))
      edits.contact = contact(dialog->parties[from]->token, hop, false, {});
    bool identity_removed = false;
    stack_.transactions.send(hop, topology_.forward(ack, edits, crossing, identity_removed), at);
  });
}

// ---- requests of our own ----

std::string Relay::own_request(const Dialog& dialog, Side to, std::string_view method,
                               std::uint32_t cseq, const Hop& hop) const {
  const Party& party = *dialog.parties[to];
  const Target target = target_of(party);
  auto builder = wire::Builder::request(method, target.uri);
  for (const std::string& route : target.route) builder.add(HeaderName::Route, route);
  builder.add(HeaderName::MaxForwards, "70");
  builder.add(HeaderName::From, with_tag(dialog.names[to].other, dialog.tags[other_side(to)]));
  builder.add(HeaderName::To, with_tag(dialog.names[to].self, dialog.tags[to]));
  builder.add(HeaderName::CallId, dialog.names[to].call_id);
  builder.add(HeaderName::CSeq, std::to_string(cseq).append(" ").append(method));
  builder.add(HeaderName::Contact, contact(dialog.parties[other_side(to)]->token, hop, false, {}));
  return builder.finish();
}

void Relay::send_own(const DialogPtr& dialog, Side to, std::string_view method, std::uint32_t cseq,
                     Commands& out, Transactions::ResponseHandler handler) {
  if (out.edge(dialog->parties[to]->hop.place) == nullptr) return;
  locate(dialog->parties[to], out,
         [this, dialog, to, cseq, method = std::string(method), handler = std::move(handler)](
             std::vector<Hop> hops, Commands& at) {
           if (hops.empty()) return;
           if (method == "ACK")
             return stack_.transactions.send(
                 hops.front(), own_request(*dialog, to, method, cseq, hops.front()), at);
           stack_.requester.request(
               std::move(hops),
               [this, dialog, to, method, cseq](const Hop& hop, Commands&) {
                 return own_request(*dialog, to, method, cseq, hop);
               },
               handler, at);
         });
}

void Relay::send_bye(const DialogPtr& dialog, Side to, Commands& out) {
  send_own(dialog, to, "BYE", ++dialog->cseq_to[to], out);
}

// ---- uses of a dialog, and their ends ----

void Relay::note_usage(const DialogPtr& dialog, const wire::Message& request,
                       const wire::Message* response, Commands& out) {
  const Method method = request.method();
  const bool accepted =
      response != nullptr && response->status() >= 200 && response->status() < 300;
  std::string package = event_package(request);
  Duration lasts{};
  bool over = false;
  if (method == Method::Refer && accepted) {
    package = "refer";
    lasts = kReferUsage;
  } else if (method == Method::Subscribe && response != nullptr) {
    over = response->status() == 481;
    if (!accepted && !over) return;
    const auto expires = response->find(HeaderName::Expires);
    lasts = seconds{expires ? wire::parse_number(*expires).value_or(3600) : 3600};
  } else if (method == Method::Notify && response == nullptr) {
    const auto state = request.find(HeaderName::SubscriptionState).value_or("");
    over = state.starts_with("terminated");
    const std::size_t parameters = state.find(';');
    const auto expires = parameters == std::string_view::npos
                             ? std::nullopt
                             : wire::Parameters{state.substr(parameters)}.find("expires");
    lasts = expires ? Duration{seconds{wire::parse_number(*expires).value_or(3600)}} : kReferUsage;
  } else {
    return;
  }
  if (const auto it = dialog->subscriptions.find(package); it != dialog->subscriptions.end()) {
    stack_.timers.stop(it->second);
    dialog->subscriptions.erase(it);
  }
  if (over) return maybe_end(dialog, out);
  dialog->subscriptions[package] = stack_.timers.start(
      lasts + k64T1,
      [this, dialog, package](Commands& later) {
        dialog->subscriptions.erase(package);
        maybe_end(dialog, later);
      },
      out);
}

void Relay::note_session_timer(const DialogPtr& dialog, const wire::Message& response,
                               Commands& out) {
  if (response.method() != Method::Invite && response.method() != Method::Update) return;
  stack_.timers.stop(dialog->session_timer);
  const auto expires = response.find(HeaderName::SessionExpires);
  const auto interval =
      expires ? wire::parse_leading_number(*expires) : fail(Errc::NotFound, "none");
  if (!interval) return;
  dialog->session_timer = stack_.timers.start(
      seconds{*interval} + kSessionGrace,
      [this, dialog](Commands& later) {
        stack_.counters.add("session_expired");
        for (const Side side : {kCaller, kCallee}) send_bye(dialog, side, later);
        dialog->call_over = true;
        if (const CallPtr call = find_call(dialog->call)) end(call, "session expired", later);
        maybe_end(dialog, later);
      },
      out);
}

void Relay::maybe_end(const DialogPtr& dialog, Commands& out) {
  const bool has_call = dialog->call && !dialog->call_over;
  if (!has_call && dialog->subscriptions.empty()) end_dialog(dialog, out);
}

// What is under way may still be answered for 64*T1.
void Relay::end_dialog(const DialogPtr& dialog, Commands& out) {
  if (std::exchange(dialog->ended, true)) return;
  dialog->call_over = true;
  stack_.timers.stop(dialog->session_timer);
  stack_.timers.stop(dialog->audit.timer);
  for (const auto& [package, timer] : dialog->subscriptions) stack_.timers.stop(timer);
  dialog->subscriptions.clear();
  late_offers_.erase(dialog->id);
  dialog->end_timer = stack_.timers.start(
      k64T1, [this, dialog](Commands&) { dialogs_.remove(dialog); }, out);
}

CallPtr Relay::find_call(CallId id) const {
  const auto it = calls_.find(id);
  return it == calls_.end() ? nullptr : it->second;
}

void Relay::end(const CallPtr& call, std::string_view why, Commands& out) {
  if (calls_.erase(call->id) == 0) return;
  call_limits_.leave(call->id);
  bandwidth_limits_.leave(call->id);
  // A stranger can make calls that nobody answers, as many as he likes: those are counted, and told
  // where they were refused (refusals.h).
  if (call->state == CallState::Established)
    stack_.log.info(
        "call ended",
        {{"call", call->id.value},
         {"from", call->from},
         {"to", call->to},
         {"seconds", std::chrono::duration_cast<seconds>(out.now() - call->established).count()},
         {"why", why}});
  else
    stack_.counters.add("call_unanswered");
  call->state = CallState::Ended;
  call->media.close(out);
  if (journal_ != nullptr) journal_->on_ended(call->id);
  for (const DialogId id : call->dialogs) {
    const DialogPtr dialog = dialogs_.find(id);
    if (!dialog) continue;
    stack_.timers.stop(dialog->session_timer);
    stack_.timers.stop(dialog->audit.timer);
    dialog->call_over = true;
    late_offers_.erase(dialog->id);
    maybe_end(dialog, out);
  }
}

// ---- ends that no party asked for ----

bool Relay::end_call(CallId id, Commands& out) {
  const CallPtr call = find_call(id);
  if (!call) return false;
  if (const DialogPtr dialog = dialogs_.find(call->dialog)) {
    for (const Side side : {kCaller, kCallee}) send_bye(dialog, side, out);
    dialog->call_over = true;
  } else {
    std::vector<ExchangePtr> asking;
    for (const auto& [unused, exchange] : exchanges_)
      if (exchange->call == call && !exchange->dialog) asking.push_back(exchange);
    for (const ExchangePtr& exchange : asking) {
      cancel_branches(exchange, nullptr, out, {});
      if (!std::exchange(exchange->answered, true))
        stack_.transactions.respond(exchange->server, 480, {}, out);
    }
  }
  end(call, "ended by the server", out);
  return true;
}

void Relay::end_all(Commands& out) {
  std::vector<CallId> ids;
  for (const auto& [id, call] : calls_) ids.push_back(id);
  for (const CallId id : ids) end_call(id, out);
}

void Relay::on_edge_lost(Place place, Commands& out) {
  // Who asked from there is not waiting any more.
  std::vector<ExchangePtr> asked;
  for (const auto& [id, exchange] : exchanges_)
    if (exchange->from.place == place && !exchange->answered) asked.push_back(exchange);
  for (const ExchangePtr& exchange : asked) {
    exchange->answered = true;
    exchange->later.clear();
    cancel_branches(exchange, nullptr, out, {});
    if (exchange->call && !exchange->dialog) end(exchange->call, "agent lost", out);
    finish(exchange, out);
  }
  for (const DialogPtr& dialog : dialogs_.of_place(place)) {
    if (dialog->ended) continue;
    if (const CallPtr call = find_call(dialog->call); call && dialog->confirmed) {
      for (const Side side : {kCaller, kCallee})
        if (dialog->parties[side]->hop.place != place) send_bye(dialog, side, out);
      dialog->call_over = true;
      end(call, "agent lost", out);
    }
    end_dialog(dialog, out);
  }
}

std::vector<CallInfo> Relay::calls() const {
  std::vector<CallInfo> list;
  for (const auto& [id, call] : calls_)
    list.push_back({call->id,
                    "sip",
                    call->state,
                    call->from,
                    call->to,
                    call->places,
                    call->since,
                    {call->media.ends(kCaller), call->media.ends(kCallee)}});
  std::sort(list.begin(), list.end(), [](const auto& a, const auto& b) { return a.id < b.id; });
  return list;
}

std::size_t Relay::size() {
  return calls_.size() + call_limits_.size() + exchanges_.size() + by_server_.size() +
         awaiting_notify_.size() + late_offers_.size() + dialogs_.size() + dialogs_.live_parties();
}

}  // namespace sallyport::adapter::sip
