#include <algorithm>
#include <utility>

#include "adapter/sip/relay.h"
#include "codec/sip/headers.h"
#include "codec/sip/multipart.h"

namespace sallyport::adapter::sip {
namespace {

using wire::HeaderName;
using wire::Method;

constexpr std::uint32_t kMaxBreadth = 60;  // RFC 5393 5.3.3
constexpr seconds kRetryAfter{10};         // for who is too much by itself

// A request of these methods can make a dialog.
bool makes_dialog(Method method) {
  return method == Method::Invite || method == Method::Subscribe || method == Method::Refer;
}

bool takes_time(Method method) { return method == Method::Invite; }

std::uint64_t mix(std::uint64_t hash, std::string_view text) {
  for (const char c : text)
    hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3U;  // FNV-1a
  return (hash ^ 0xffU) * 0x100000001b3U;
}

}  // namespace

// ---- admission (RFC 3261 16.3) ----

void Relay::on_request(ServerId id, const wire::Message& request, const Hop& from, Commands& out) {
  if (request.method() == Method::Invite) stack_.transactions.respond(id, 100, {}, out);
  if (!admit(id, request, from, out)) return;
  const auto to_tag = tag_of(request.find(HeaderName::To).value_or(""));
  if (to_tag.empty()) {
    const ExchangePtr exchange = begin(id, request, from);
    if (exchange->method == Method::Invite) begin_call(exchange, out);
    if (exchange->answered) return;
    // A contact of ours that somebody was referred to: the party behind it.
    const auto uri = wire::Uri::parse(request.request_uri());
    const PartyPtr party = uri ? dialogs_.find_party(uri->user) : nullptr;
    if (party) {
      Targets targets;
      targets.targets.push_back(target_of(*party));
      return on_targets(exchange, std::move(targets), out);
    }
    routing_.find(request, from, out, [this, exchange](Targets targets, Commands& at) {
      on_targets(exchange, std::move(targets), at);
    });
    return;
  }
  const auto from_tag = tag_of(request.find(HeaderName::From).value_or(""));
  auto found =
      dialogs_.find(from.place, request.find(HeaderName::CallId).value_or(""), from_tag, to_tag);
  if (!found.dialog && request.method() == Method::Notify) found = dialog_of_notify(request, from);
  if (!found.dialog) {
    stack_.counters.add("no_dialog");
    return stack_.transactions.respond(id, 481, {}, out);
  }
  on_dialog_request(id, request, from, found.dialog, found.from, out);
}

bool Relay::admit(ServerId id, const wire::Message& request, const Hop& from, Commands& out) {
  const auto refuse = [&](int status, std::string_view counter) {
    stack_.counters.add(counter);
    if (status >= 400) note_refused(request, from, status, counter, out);
    stack_.transactions.respond(id, status, {}, out);
    return false;
  };
  const auto uri = wire::Uri::parse(request.request_uri());
  if (!uri) return refuse(416, "unknown_scheme");
  const auto hops = request.find(HeaderName::MaxForwards);
  const auto left = hops ? wire::parse_number(*hops) : fail(Errc::NotFound, "none");
  if (left && *left == 0) {
    // RFC 3261 11: an OPTIONS that ends here is answered here.
    if (request.method() == Method::Options) return refuse(200, "options_answered");
    return refuse(483, "too_many_hops");
  }
  if (is_loop(request, from)) return refuse(482, "loop");
  const auto required = request.list(HeaderName::ProxyRequire);
  if (!required.empty()) {
    auto response =
        wire::Builder::response(request, 420, wire::default_reason(420), stack_.random.hex(8));
    for (const std::string_view option : required) response.add(HeaderName::Unsupported, option);
    stack_.counters.add("proxy_require");
    note_refused(request, from, 420, "proxy_require", out);
    stack_.transactions.respond(id, response.finish(), out);
    return false;
  }
  // What is compressed cannot be rewritten, and would carry addresses through.
  if (is_encoded(request)) return refuse(415, "encoded_body");
  if (request.method() != Method::Options || !uri->user.empty()) return true;
  // OPTIONS to ourselves: a keepalive.
  const auto host = IpAddress::parse(uri->host);
  const bool ours =
      host ? stack_.transport.is_own_address(from.place, *host) : routing_.is_our_domain(uri->host);
  return ours ? refuse(200, "options_answered") : true;
}

// RFC 3261 16.6 step 8, RFC 5393 4.2: our Vias carry a mark of what decides where a request goes.
std::string Relay::loop_mark(const wire::Message& request, std::string_view call_id) const {
  std::uint64_t hash = 0xcbf29ce484222325U;
  hash = mix(hash, request.request_uri());
  hash = mix(hash, call_id);
  hash = mix(hash, tag_of(request.find(HeaderName::From).value_or("")));
  hash = mix(hash, tag_of(request.find(HeaderName::To).value_or("")));
  const auto cseq = wire::CSeq::parse(request.find(HeaderName::CSeq).value_or(""));
  hash = mix(hash, cseq ? std::to_string(cseq->number) : "");
  static constexpr std::string_view kDigits = "0123456789abcdef";
  std::string mark = ".";
  for (unsigned shift = 64; shift != 0; shift -= 4) mark += kDigits[(hash >> (shift - 4)) & 0xfU];
  return mark;
}

bool Relay::is_loop(const wire::Message& request, const Hop& from) const {
  std::string mark;
  for (const std::string_view text : request.list(HeaderName::Via)) {
    const auto via = wire::Via::parse(text);
    const auto host = via ? IpAddress::parse(via->host) : fail(Errc::BadValue, "no Via");
    if (!host || !stack_.transport.is_own_address(from.place, *host)) continue;
    if (mark.empty()) mark = loop_mark(request, request.find(HeaderName::CallId).value_or(""));
    if (via->branch().ends_with(mark)) return true;
  }
  return false;
}

// ---- beginnings ----

Relay::ExchangePtr Relay::begin(ServerId id, const wire::Message& request, const Hop& from) {
  auto exchange = std::make_shared<Exchange>(request);
  exchange->id = ExchangeId{++next_id_};
  exchange->server = id;
  exchange->method = request.method();
  exchange->from = from;
  exchanges_[exchange->id] = exchange;
  by_server_[id] = exchange;
  if (const auto breadth = request.find_other("Max-Breadth"))
    exchange->max_breadth = wire::parse_number(*breadth).value_or(kMaxBreadth);
  if (exchange->max_breadth == 0) exchange->max_breadth = kMaxBreadth;

  const bool in_dialog = !tag_of(request.find(HeaderName::To).value_or("")).empty();
  if (in_dialog || !makes_dialog(exchange->method)) return exchange;
  const auto caller = std::make_shared<Party>();
  caller->token = stack_.random.hex(10);
  caller->hop = from;
  refresh_party(*caller, request, from, true, false);
  for (const std::string_view route : request.list(HeaderName::RecordRoute))
    caller->routes.emplace_back(route);
  dialogs_.add_party(caller);
  exchange->caller = caller;
  return exchange;
}

void Relay::begin_call(const ExchangePtr& exchange, Commands& out) {
  const auto call = std::make_shared<Call>();
  call->id = CallId{++next_id_};
  if (const auto verdict = call_limits_.begin(call->id, exchange->from);
      verdict != CallLimits::Verdict::Admitted) {
    // RFC 3261 21.5.4: with Retry-After no call at all would come from there for so long. Of an
    // upstream or an agent that would stop everybody's.
    const bool alone = verdict == CallLimits::Verdict::SourceTooMany;
    return refuse(exchange, 503, {}, name(verdict), out, alone ? kRetryAfter : seconds{0});
  }
  const auto uri_of = [&](HeaderName name) {
    const auto address = wire::NameAddr::parse(exchange->request.find(name).value_or(""));
    return address ? std::string(address->uri.text) : std::string{};
  };
  call->from = uri_of(HeaderName::From);
  call->to = uri_of(HeaderName::To);
  call->places[kCaller] = exchange->from.place;
  call->since = out.wall_now();
  calls_[call->id] = call;
  exchange->call = call;
}

void Relay::refuse(const ExchangePtr& exchange, int status, std::string_view reason,
                   std::string_view counter, Commands& out, seconds retry_after) {
  stack_.counters.add(counter);
  if (std::exchange(exchange->answered, true)) return;
  if (!exchange->cancelled) note_refused(exchange->request, exchange->from, status, counter, out);
  stack_.transactions.respond(exchange->server, status, reason, out, retry_after);
  if (exchange->call && !exchange->dialog) end(exchange->call, counter, out);
  finish(exchange, out);
}

void Relay::note_refused(const wire::Message& request, const Hop& from, int status,
                         std::string_view counter, Commands& out) {
  if (request.method() != Method::Invite) return;
  stack_.refusals.call(
      {.request = request, .from = from, .status = status, .why = counter, .phrase = {}},
      out.now());
}

// ---- targets ----

void Relay::on_targets(const ExchangePtr& exchange, Targets targets, Commands& out) {
  if (exchange->answered) return;
  if (exchange->cancelled) return refuse(exchange, 487, {}, "cancelled", out);
  if (targets.status != 0)
    return refuse(exchange, targets.status, targets.reason,
                  targets.counter.empty() ? "refused_by_routing" : targets.counter, out);
  // Never an open relay, whatever routing says.
  std::erase_if(targets.targets, [&](const Target& target) {
    return target.place.is_outside() && exchange->from.place.is_outside() && !target.hop &&
           target.route.empty() && target.next_hops.empty();
  });
  if (targets.targets.empty()) return refuse(exchange, 404, {}, "no_target", out);
  std::stable_sort(targets.targets.begin(), targets.targets.end(),
                   [](const Target& a, const Target& b) { return a.preference > b.preference; });
  if (targets.targets.size() > exchange->max_breadth)
    return refuse(exchange, 440, "Max-Breadth Exceeded", "max_breadth", out);
  exchange->later = std::move(targets.targets);
  choose_call_id(*exchange);
  start_group(exchange, out);
}

// One for all branches, so that whoever gets two of them knows that they are one call.
void Relay::choose_call_id(Exchange& exchange) {
  const auto call_id = exchange.request.find(HeaderName::CallId).value_or("");
  const bool hidden =
      std::any_of(exchange.later.begin(), exchange.later.end(), [&](const Target& target) {
        return topology_.leaks(call_id, exchange.from.place, target.place);
      });
  exchange.call_id = hidden ? stack_.random.hex(16) : std::string(call_id);
}

// RFC 3261 16.6: targets of the same preference in parallel, the others when these have failed.
void Relay::start_group(const ExchangePtr& exchange, Commands& out) {
  std::vector<Target> group;
  while (!exchange->later.empty() &&
         (group.empty() || exchange->later.front().preference == group.front().preference)) {
    group.push_back(std::move(exchange->later.front()));
    exchange->later.erase(exchange->later.begin());
  }
  if (group.size() > 1) exchange->max_breadth /= static_cast<std::uint32_t>(group.size());
  std::vector<Branch*> started;
  for (Target& target : group) {
    auto branch = std::make_unique<Branch>();
    branch->number = static_cast<int>(exchange->branches.size());
    branch->target = std::move(target);
    started.push_back(branch.get());
    exchange->branches.push_back(std::move(branch));
  }
  for (Branch* branch : started)
    if (!exchange->answered) start_branch(exchange, *branch, out);
}

void Relay::start_branch(const ExchangePtr& exchange, Branch& branch, Commands& out) {
  if (out.edge(branch.target.place) == nullptr) {
    return fail_branch(exchange, branch, 480, "agent_away", out);
  }
  locator_.locate(branch.target, out,
                  [this, exchange, &branch](std::vector<Hop> hops, Commands& at) {
                    on_located(exchange, branch, std::move(hops), at);
                  });
}

void Relay::on_located(const ExchangePtr& exchange, Branch& branch, std::vector<Hop> hops,
                       Commands& out) {
  if (branch.done) return;
  if (exchange->cancelled && exchange->method == Method::Invite)
    return fail_branch(exchange, branch, 487, {}, out);
  if (hops.empty())
    return fail_branch(exchange, branch, exchange->dialog ? 408 : 480, "not_located", out);
  branch.hops = std::move(hops);
  if (exchange->call && !exchange->dialog) {
    const Place place = branch.hops.front().place;
    if (const auto verdict = call_limits_.ring(exchange->call->id, place, branch.target.uri);
        verdict != CallLimits::Verdict::Admitted) {
      const bool busy = verdict == CallLimits::Verdict::CalleeTooMany;
      return fail_branch(exchange, branch, busy ? 486 : 503, name(verdict), out);
    }
    exchange->call->places[kCallee] = place;
  }
  if (!offer_media(exchange, branch, out)) send_branch(exchange, branch, out);
}

MediaParty Relay::media_party(const Hop& hop, bool behind_nat) const {
  return {hop.place, hop.remote.ip, stack_.transport.shown_address(hop).ip, behind_nat,
          stack_.config.marks(hop.place.is_outside())};
}

// True when the request waits for ports (or was refused for want of them).
bool Relay::offer_media(const ExchangePtr& exchange, Branch& branch, Commands& out) {
  const auto part = wire::find_sdp(exchange->request);
  const Method method = exchange->method;
  if (!exchange->call || !part || exchange->late_body ||
      (method != Method::Invite && method != Method::Update && method != Method::Prack))
    return false;
  bool caller_nat = false;
  bool callee_nat = false;
  if (exchange->dialog) {
    caller_nat = exchange->dialog->parties[exchange->side]->behind_nat;
    callee_nat = exchange->dialog->parties[other_side(exchange->side)]->behind_nat;
  } else {
    caller_nat = exchange->caller->behind_nat;
  }
  if (!admit_media(*exchange, branch.hops.front().place, *part)) {
    fail_branch(exchange, branch, 488, "no_bandwidth", out, kNoBandwidth);
    return true;
  }
  const int number = exchange->dialog ? exchange->dialog->branch : branch.number;
  const auto on_ready = [this, exchange, &branch](bool ok, Commands& at) {
    if (branch.done) return;
    if (exchange->cancelled && exchange->method == Method::Invite)
      return fail_branch(exchange, branch, 487, {}, at);
    if (ok) return send_branch(exchange, branch, at);
    fail_branch(exchange, branch, 503, "no_ports", at);
  };
  branch.offer = exchange->call->media.offer(
      number, exchange->dialog ? exchange->side : kCaller, *part,
      media_party(exchange->from, caller_nat), media_party(branch.hops.front(), callee_nat),
      [this, exchange, &branch, on_ready](bool ok, Commands& at) {
        // The ports may open at once, before offer() has returned: go on from a timer then.
        if (branch.offer) return on_ready(ok, at);
        stack_.timers.start(
            Duration::zero(), [on_ready, ok](Commands& later) { on_ready(ok, later); }, at);
      },
      out);
  if (!branch.offer) fail_branch(exchange, branch, 488, "bad_sdp", out);
  return true;
}

// ---- the request that goes on ----

void Relay::send_branch(const ExchangePtr& exchange, Branch& branch, Commands& out) {
  branch.started = true;
  record_caller(*exchange);
  const std::string mark = loop_mark(exchange->request, exchange->call_id);
  branch.request = stack_.requester.request(
      branch.hops,
      [this, exchange, &branch](const Hop& hop, Commands&) { return build(exchange, branch, hop); },
      {.on_response = [this, exchange, &branch](
                          const wire::Message& response,
                          Commands& at) { on_response(exchange, branch, response, at); },
       .on_failed = [this, exchange, &branch](
                        Errc why, Commands& at) { on_failed(exchange, branch, why, at); }},
      out, mark);
  if (takes_time(exchange->method)) start_ringing_limit(exchange, branch, out);
  if (exchange->method == Method::Subscribe || exchange->method == Method::Refer) {
    const auto tag = tag_of(exchange->request.find(HeaderName::From).value_or(""));
    awaiting_notify_[std::to_string(branch.hops.front().place.agent.value) + "\n" +
                     exchange->call_id + "\n" + std::string(tag)] = exchange;
  }
}

std::string Relay::build(const ExchangePtr& exchange, Branch& branch, const Hop& hop) {
  const wire::Message& request = exchange->request;
  const Crossing crossing{exchange->from.place, hop.place, stack_.transport.shown_address(hop)};
  RequestEdits edits;
  edits.uri = branch.target.uri;
  edits.routes = branch.target.route;
  if (exchange->dialog) {
    edits.from = from_toward(*exchange->dialog, exchange->side, request, crossing);
    edits.to = to_toward(*exchange->dialog, exchange->side, request, crossing);
  } else {
    edits.from = topology_.scrub(request.find(HeaderName::From).value_or(""), crossing);
    edits.to = topology_.scrub(request.find(HeaderName::To).value_or(""), crossing);
  }
  branch.from = edits.from;
  branch.to = edits.to;
  edits.call_id = exchange->call_id;
  if (request.has(HeaderName::Contact)) edits.contact = contact_for(*exchange, hop);
  edits.authorization = branch.authorization;
  edits.proxy_authorization = branch.proxy_authorization;
  edits.cseq_shift = exchange->dialog ? exchange->dialog->cseq_shift[other_side(exchange->side)]
                                      : branch.cseq_shift;
  if (exchange->branches.size() > 1) edits.max_breadth = std::max(1U, exchange->max_breadth);
  translate(request, exchange->from, crossing, edits);

  const auto part = wire::find_sdp(request);
  const Side to = other_side(exchange->side);
  if (branch.offer) {
    const std::string sdp = exchange->call->media.rewrite_offer(*branch.offer);
    std::vector<IpAddress> own{crossing.shown.ip};
    for (const auto& use : branch.offer->uses)
      if (use.side == to)
        for (const TransportAddress& address : use.slot->own) own.push_back(address.ip);
    edits.body = topology_.scrub_sdp(wire::replace_sdp(request, *part, sdp), crossing, own);
  } else if (part && exchange->late_body) {
    edits.body = exchange->late_body;
  }
  bool identity_removed = false;
  std::string text = topology_.forward(request, edits, crossing, identity_removed);
  if (identity_removed) {
    stack_.counters.add("identity_removed");
    stack_.log.info("sip identity removed: its signed fields had to change",
                    {{"call", exchange->call ? exchange->call->id.value : 0}});
  }
  return text;
}

std::string Relay::contact_for(const Exchange& exchange, const Hop& hop) const {
  const auto contacts = exchange.request.list(HeaderName::Contact);  // none if the line is empty
  const auto came = wire::NameAddr::parse(contacts.empty() ? std::string_view{} : contacts.front());
  const std::string parameters = came ? came->parameters.without("expires") : std::string{};
  const auto uri = wire::Uri::parse(exchange.request.request_uri());
  const bool sips = uri && uri->is_sips();
  const PartyPtr party =
      exchange.dialog ? exchange.dialog->parties[exchange.side] : exchange.caller;
  const Crossing crossing{exchange.from.place, hop.place, stack_.transport.shown_address(hop)};
  return contact(party ? party->token : "", hop, sips, topology_.scrub(parameters, crossing));
}

std::string Relay::contact(std::string_view token, const Hop& hop, bool sips,
                           std::string_view parameters) const {
  const TransportAddress shown = stack_.transport.shown_address(hop);
  std::string value = sips ? "<sips:" : "<sip:";
  if (!token.empty()) value.append(token).append("@");
  value.append(shown.to_string());
  // sips says TLS already (RFC 3261 26.2.2).
  if (!sips && hop.transport == edge::Transport::Tcp) value.append(";transport=tcp");
  if (!sips && hop.transport == edge::Transport::Tls) value.append(";transport=tls");
  return value.append(">").append(parameters);
}

}  // namespace sallyport::adapter::sip
