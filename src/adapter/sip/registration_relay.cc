#include "adapter/sip/registration_relay.h"

#include <algorithm>

#include "adapter/sip/digest.h"
#include "adapter/sip/registrar.h"
#include "codec/sip/headers.h"
#include "codec/sip/uri.h"

namespace sallyport::adapter::sip {
namespace {

using codec::sip::Builder;
using codec::sip::Editor;
using codec::sip::HeaderName;
using codec::sip::NameAddr;
using codec::sip::Uri;
using Verdict = Authenticator::Verdict;

// 20 digits, so that nobody outside finds a terminal by trying; longer than a GRUU's handle, so
// that neither is taken for the other.
constexpr std::size_t kHandleOctets = 10;
// A refresh may be repeated for so long before its sender gives up (RFC 3261 17.1.2.2, timer F): a
// terminal is not forgotten while it is still asking.
constexpr seconds kGrace{32};
constexpr seconds kRetryAfter{30};
constexpr int kAttempts = 4;  // at one upstream: challenge, stale challenge, 423, and one to spare

seconds seconds_between(WallTime from, WallTime to) {
  return std::chrono::duration_cast<seconds>(to - from);
}

// What belongs to one hop, or would show one side's addresses to the other.
bool stays_here(HeaderName header) {
  switch (header) {
    case HeaderName::Via:
    case HeaderName::From:
    case HeaderName::To:
    case HeaderName::CallId:
    case HeaderName::CSeq:
    case HeaderName::Contact:
    case HeaderName::ContentLength:
    case HeaderName::Expires:
    case HeaderName::Path:
    case HeaderName::RecordRoute:
    case HeaderName::Require:
    case HeaderName::ServiceRoute:
      return true;
    default:
      return false;
  }
}

std::string joined(const std::vector<std::string_view>& list) {
  std::string out;
  for (const std::string_view element : list) {
    if (!out.empty()) out += ", ";
    out += element;
  }
  return out;
}

// Whoever is registered there has one flow to it, ours: Path and outbound end here.
void end_flow_extensions(const wire::Message& request, HeaderName header, Editor& edit) {
  const auto all = request.list(header);
  auto kept = all;
  std::erase_if(kept, [](std::string_view token) {
    const std::string lower = lower_case(token);
    return lower == "path" || lower == "outbound";
  });
  if (kept.size() == all.size()) return;
  if (kept.empty()) return edit.remove(header);
  edit.set(header, joined(kept));
}

}  // namespace

struct RegistrationRelay::Job {
  struct Contact {
    WantedContact wanted;
    std::string key, handle;
    seconds granted{0};
    std::string extras;  // GRUU parameters that the upstream gave
  };

  wire::Message request;  // a copy: the answer may come when the transaction's own is gone
  Hop from;
  const RelayDomain& relay;
  Respond respond;
  WallTime now;
  bool held = false;  // the server holds the credentials
  std::string user, identity, call_id;
  RegisterRequest wanted;
  std::vector<Contact> contacts;
  std::vector<std::string> remove;  // keys, once the upstream has agreed
  std::vector<brain::Binding> present;
  std::size_t upstream = 0;
  std::uint32_t cseq = 0;  // held: of what we send
  int attempts = 0;
  bool answered_challenge = false;
  std::string authorization_line;
  HeaderName authorization_header = HeaderName::Authorization;
  seconds asked_expires{0};  // held: what we ask the upstream for

  std::string request_uri() const {
    return held ? "sip:" + relay.domain : std::string{request.request_uri()};
  }
  seconds told(seconds granted) const {
    if (relay.terminal_expires == seconds{0}) return granted;
    return std::min(granted, relay.terminal_expires);
  }
};

void RegistrationRelay::on_register(const wire::Message& request, const Hop& from,
                                    const RelayDomain& relay, Respond respond, Commands& out) {
  const auto job =
      std::make_shared<Job>(Job{request, from, relay, std::move(respond), out.wall_now()});
  if (!check(*job, out)) return;
  registrations_.find(job->identity, job->now, [&](const std::vector<brain::Binding>& present) {
    plan(*job, present);
    if (is_mere_refresh(*job, present)) {
      absorb(job, present, out);
    } else {
      send(job, out);
    }
  });
}

// False when it has been refused.
bool RegistrationRelay::check(Job& job, Commands& out) {
  const wire::Message& request = job.request;
  // An upstream's registrar is for those who have an agent here.
  if (job.from.place.is_outside()) {
    refuse(job, 403, "register_relay_from_outside", out);
    return false;
  }
  const auto hops = request.find(HeaderName::MaxForwards);
  if (hops && codec::sip::parse_number(*hops).value_or(1) == 0) {
    refuse(job, 483, "register_too_many_hops", out);
    return false;
  }
  // What is compressed would carry addresses through.
  if (is_encoded(request)) {
    refuse(job, 415, "encoded_body", out);
    return false;
  }
  const auto uri = Uri::parse(request.request_uri());
  const auto to = NameAddr::parse(request.find(HeaderName::To).value_or(std::string_view{}));
  auto wanted = RegisterRequest::parse(request, seconds{3600});
  if (!uri || !to || !to->uri.is_sip() || !wanted) {
    refuse(job, 400, "register_malformed", out, wanted ? "" : wanted.error().what);
    return false;
  }
  job.wanted = std::move(*wanted);
  const auto domain = domains_.find(to->uri.host, job.from.place);
  if (!domain || domains_.relay(*domain) != &job.relay || to->uri.user.empty()) {
    refuse(job, 404, "register_unknown_identity", out);
    return false;
  }
  job.user = codec::sip::unescape(to->uri.user);
  job.identity = codec::sip::address_of_record(to->uri, *domain);
  job.held = job.relay.holds_credentials || domains_.is_address(uri->host, job.from.place);
  job.asked_expires = job.relay.upstream_expires;
  // The terminal's Call-ID often holds its address. The same one must lead to the same one.
  job.call_id = digest_hash(DigestHash::Sha256, call_id_salt_ + ' ' +
                                                    std::to_string(job.from.place.agent.value) +
                                                    ' ' + job.wanted.call_id)
                    .substr(0, 32);
  if (!job.held) return true;

  const auto judgement =
      authenticator_.judge(request, HeaderName::Authorization, *domain,
                           suspect_of(job.identity, job.from), job.now, out.now());
  if (judgement.verdict != Verdict::Accepted) {
    job.respond(
        refuse_credentials({judgement.verdict, request, job.from, *domain, out.now(), job.now},
                           authenticator_, random_, refusals_),
        out);
    return false;
  }
  if (judgement.user->name != job.user) {
    refuse(job, 403, "register_other_identity", out);
    return false;
  }
  return true;
}

// Gives each contact its key, and its handle: the one it has, so that the upstream sees the same
// terminal at each refresh.
void RegistrationRelay::plan(Job& job, const std::vector<brain::Binding>& present) {
  for (WantedContact& wanted : job.wanted.contacts) {
    Job::Contact contact;
    contact.key = binding_key(wanted, job.wanted.outbound, job.from, present);
    const auto known =
        std::find_if(present.begin(), present.end(),
                     [&](const brain::Binding& binding) { return binding.key == contact.key; });
    contact.handle = known != present.end() ? known->handle : random_.hex(kHandleOctets);
    if (wanted.expires == seconds{0}) {
      job.remove.push_back(contact.key);
    } else {
      for (std::string& old : left_behind(job.wanted, wanted, job.from, present))
        job.remove.push_back(std::move(old));
    }
    contact.wanted = std::move(wanted);
    job.contacts.push_back(std::move(contact));
  }
  job.present = present;
  if (job.wanted.remove_all)
    for (const brain::Binding& binding : present) job.remove.push_back(binding.key);
}

// It changes nothing but the time, comes from where the registration came from, and the upstream
// need not know yet: so it is answered here. Nothing can be gained by forging one.
bool RegistrationRelay::is_mere_refresh(const Job& job,
                                        const std::vector<brain::Binding>& present) const {
  if (job.contacts.empty() || !job.remove.empty() || job.relay.terminal_expires == seconds{0})
    return false;
  return std::all_of(job.contacts.begin(), job.contacts.end(), [&](const Job::Contact& contact) {
    const auto known =
        std::find_if(present.begin(), present.end(),
                     [&](const brain::Binding& binding) { return binding.key == contact.key; });
    const auto grant = grants_.find(contact.handle);
    if (known == present.end() || grant == grants_.end() || job.now >= grant->second.renew_at)
      return false;
    brain::Binding same = make_binding(job.wanted, contact.wanted, job.from, job.identity,
                                       contact.key, known->expires);
    same.number = known->number;
    same.handle = known->handle;
    same.route = known->route;
    return same == *known && job.wanted.cseq > known->number;
  });
}

void RegistrationRelay::absorb(const JobPtr& job, const std::vector<brain::Binding>& present,
                               Commands& out) {
  brain::RegistrationUpdate change;
  change.identity = job->identity;
  for (Job::Contact& contact : job->contacts) {
    const WallTime until = grants_.at(contact.handle).until;
    contact.granted = seconds_between(job->now, until);
    for (const brain::Binding& known : present) {
      if (known.key != contact.key) continue;
      change.put.push_back(known);
      change.put.back().number = job->wanted.cseq;
      change.put.back().expires = std::min(until, job->now + job->told(contact.granted) + kGrace);
    }
  }
  registrations_.update(change, job->now, [&](Result<void> done) {
    if (!done) return refuse(*job, 503, "register_limit", out);
    counters_.add("register_absorbed");
    job->respond(accept(*job, nullptr), out);
  });
}

void RegistrationRelay::send(const JobPtr& job, Commands& out) {
  if (job->held) job->cseq = next_cseq_++;
  Target target;
  target.uri = job->request_uri();
  if (job->upstream < job->relay.upstreams.size()) {
    const brain::Upstream& upstream = job->relay.upstreams[job->upstream];
    target.place = upstream.place;
    target.next_hops = {uri_of(upstream)};
  }
  Transactions::ResponseHandler handler;
  handler.on_response = [this, job](const wire::Message& response, Commands& commands) {
    on_response(job, response, commands);
  };
  handler.on_failed = [this, job](Errc why, Commands& commands) { on_failed(job, why, commands); };
  send_(
      target, [this, job](const Hop& hop, Commands&) { return build(*job, hop); },
      std::move(handler), out);
}

std::string RegistrationRelay::build(Job& job, const Hop& hop) const {
  const wire::Message& request = job.request;
  const Crossing crossing{job.from.place, hop.place, shown_address_(hop)};
  Editor edit{request};
  topology_.scrub(request, edit, crossing);
  for (const HeaderName header : {HeaderName::Via, HeaderName::Route, HeaderName::RecordRoute,
                                  HeaderName::Path, HeaderName::Contact})
    edit.remove(header);
  end_flow_extensions(request, HeaderName::Supported, edit);
  end_flow_extensions(request, HeaderName::Require, edit);
  if (job.wanted.remove_all) edit.add(HeaderName::Contact, "*");
  for (std::size_t i = 0; i < job.contacts.size(); ++i)
    edit.add(HeaderName::Contact, build_contact(job, i, hop, crossing));
  edit.set(HeaderName::CallId, job.call_id);
  const auto hops = request.find(HeaderName::MaxForwards);
  const std::uint32_t left = hops ? codec::sip::parse_number(*hops).value_or(70) : 71;
  edit.set(HeaderName::MaxForwards, std::to_string(std::min<std::uint32_t>(left, 71) - 1));
  if (!job.held) return edit.finish();

  edit.set_request_uri(job.request_uri());
  for (const HeaderName header : {HeaderName::From, HeaderName::To}) {
    const auto address = NameAddr::parse(request.find(header).value_or(std::string_view{}));
    if (address) edit.set(header, topology_.scrub(address->with_uri(job.identity), crossing));
  }
  edit.set(HeaderName::CSeq, std::to_string(job.cseq) + " REGISTER");
  edit.remove(HeaderName::Authorization);
  edit.remove(HeaderName::ProxyAuthorization);
  if (!job.authorization_line.empty()) edit.add(job.authorization_header, job.authorization_line);
  if (!job.wanted.remove_all) edit.remove(HeaderName::Expires);
  return edit.finish();
}

std::string RegistrationRelay::build_contact(const Job& job, std::size_t index, const Hop& hop,
                                             const Crossing& crossing) const {
  const Job::Contact& contact = job.contacts[index];
  std::string uri = "sip:" + contact.handle + "@" + shown_address_(hop).to_string();
  if (hop.transport != edge::Transport::Udp) uri += ";transport=" + lower_case(name(hop.transport));
  std::string parameters;
  const auto address = NameAddr::parse(contact.wanted.text);
  for (const auto& parameter : address->parameters.list()) {
    const std::string lower = lower_case(parameter.name);
    const bool dropped = lower == "reg-id" || lower == "pub-gruu" || lower == "temp-gruu" ||
                         lower == "received" || (job.held && lower == "expires");
    if (!dropped) parameters += parameter.text;
  }
  if (job.held) {
    const bool goes = contact.wanted.expires == seconds{0};
    parameters += ";expires=" + std::to_string(goes ? 0 : job.asked_expires.count());
  }
  return "<" + uri + ">" + topology_.scrub(parameters, crossing);
}

void RegistrationRelay::on_response(const JobPtr& job, const wire::Message& response,
                                    Commands& out) {
  if (response.status() < 200) return;
  job->now = out.wall_now();
  if (response.status() < 300) return on_accepted(job, response, out);
  if (try_again(job, response, out)) return;
  if (!job->held || (response.status() != 401 && response.status() != 407))
    return pass_on(*job, response, out);
  // The terminal has shown the password that we know, and can do nothing about this one.
  log_.warning("upstream registrar refuses the credentials held for it",
               {{"domain", job->relay.domain}, {"user", job->user}});
  refuse(*job, 403, "register_upstream_credentials", out);
}

// Where this server can do better than pass the refusal on.
bool RegistrationRelay::try_again(const JobPtr& job, const wire::Message& response, Commands& out) {
  const int status = response.status();
  if (status == 503 && job->upstream + 1 < job->relay.upstreams.size()) {
    on_failed(job, Errc::Unreachable, out);
    return true;
  }
  if (!job->held || ++job->attempts >= kAttempts) return false;
  if (status == 401 || status == 407) {
    const auto challenge =
        response.find(status == 401 ? HeaderName::WwwAuthenticate : HeaderName::ProxyAuthenticate);
    const auto value = codec::sip::AuthValue::parse(challenge.value_or(std::string_view{}));
    const bool stale =
        value && lower_case(value->find("stale").value_or(std::string_view{})) == "true";
    if (job->answered_challenge && !stale) return false;
    auto answer =
        answer_challenge(response, "REGISTER", job->request_uri(), random_.hex(8), 1,
                         [&](std::string_view realm) { return users_.find(job->user, realm); });
    if (!answer) return false;
    job->answered_challenge = true;
    job->authorization_line = std::move(*answer);
    job->authorization_header =
        status == 401 ? HeaderName::Authorization : HeaderName::ProxyAuthorization;
  } else if (status == 423) {
    const auto least = codec::sip::parse_number(
        response.find(HeaderName::MinExpires).value_or(std::string_view{}));
    if (!least || seconds{*least} <= job->asked_expires) return false;
    job->asked_expires = seconds{*least};
  } else {
    return false;
  }
  send(job, out);
  return true;
}

void RegistrationRelay::on_failed(const JobPtr& job, Errc why, Commands& out) {
  if (job->upstream + 1 < job->relay.upstreams.size()) {
    ++job->upstream;
    job->attempts = 0;
    job->answered_challenge = false;
    job->authorization_line.clear();
    counters_.add("register_upstream_failover");
    return send(job, out);
  }
  if (why == Errc::NotFound) return refuse(*job, 408, "register_upstream_silent", out);
  counters_.add("register_upstream_unreachable");
  job->respond(Builder::response(job->request, 503, codec::sip::default_reason(503), random_.hex(8))
                   .add(HeaderName::RetryAfter, std::to_string(kRetryAfter.count()))
                   .finish(),
               out);
}

void RegistrationRelay::on_accepted(const JobPtr& job, const wire::Message& response,
                                    Commands& out) {
  // RFC 3261 10.3 step 8: the response lists what is registered now, with the time it has.
  const auto header = codec::sip::parse_number(
      response.find(HeaderName::Expires).value_or(std::string_view{"none"}));
  for (const std::string_view element : response.list(HeaderName::Contact)) {
    const auto address = NameAddr::parse(element);
    if (!address) continue;
    for (Job::Contact& contact : job->contacts) {
      if (address->uri.user != contact.handle) continue;
      const auto own = address->parameters.find("expires");
      const auto number = own ? codec::sip::parse_number(*own) : header;
      contact.granted = number ? seconds{*number} : contact.wanted.expires;
      for (const auto& parameter : address->parameters.list()) {
        const std::string lower = lower_case(parameter.name);
        if (lower == "pub-gruu" || lower == "temp-gruu") contact.extras += parameter.text;
      }
    }
  }

  brain::RegistrationUpdate change;
  change.identity = job->identity;
  change.remove = job->remove;
  const std::string route = joined(response.list(HeaderName::ServiceRoute));
  for (const Job::Contact& contact : job->contacts) {
    if (contact.wanted.expires == seconds{0} || contact.granted == seconds{0}) {
      change.remove.push_back(contact.key);
      grants_.erase(contact.handle);
      continue;
    }
    const WallTime until = job->now + contact.granted;
    brain::Binding binding =
        make_binding(job->wanted, contact.wanted, job->from, job->identity, contact.key,
                     std::min(until, job->now + job->told(contact.granted) + kGrace));
    binding.handle = contact.handle;
    binding.route = route;
    std::erase(change.remove, contact.key);
    change.put.push_back(std::move(binding));
    grants_.insert_or_assign(contact.handle, Grant{job->now + contact.granted / 2, until});
  }
  registrations_.update(change, job->now, [&](Result<void> done) {
    if (!done) return refuse(*job, 503, "register_limit", out);
    counters_.add("register_relayed");
    job->respond(accept(*job, &response), out);
  });
}

// The 200 for the terminal: its own contacts as it wrote them. `response`: the upstream's, if it
// was asked.
std::string RegistrationRelay::accept(const Job& job, const wire::Message* response) const {
  auto out = Builder::response(job.request, 200, "OK", random_.hex(8));
  for (const Job::Contact& contact : job.contacts) {
    if (contact.wanted.expires == seconds{0} || contact.granted == seconds{0}) continue;
    const auto address = NameAddr::parse(contact.wanted.text);
    std::string parameters;
    for (const auto& parameter : address->parameters.list())
      if (lower_case(parameter.name) != "expires") parameters += parameter.text;
    out.add(HeaderName::Contact, "<" + contact.wanted.uri + ">;expires=" +
                                     std::to_string(job.told(contact.granted).count()) +
                                     parameters + contact.extras);
  }
  // It only asks: then it is told what it has itself, not where the identity's other terminals are.
  for (const brain::Binding& binding : job.present) {
    const bool own = is_neighbour(binding, job.from) && binding.address.ip == job.from.remote.ip;
    if (!own || !job.contacts.empty() || job.wanted.remove_all) continue;
    const seconds left = seconds_between(job.now, binding.expires);
    out.add(HeaderName::Contact,
            "<" + binding.contact + ">;expires=" + std::to_string(job.told(left).count()));
  }
  if (response == nullptr) return out.add(HeaderName::Date, sip_date(job.now)).finish();
  for (const auto& header : response->headers()) {
    // What the upstream proves to us with our credentials is none of the terminal's business.
    if (stays_here(header.name) || (job.held && header.name == HeaderName::AuthenticationInfo))
      continue;
    out.add_other(header.name_text, header.value);
  }
  return out.finish();
}

// A refusal as the upstream spoke it, for this terminal's transaction.
void RegistrationRelay::pass_on(const Job& job, const wire::Message& response,
                                Commands& out) const {
  counters_.add("register_upstream_refused");
  auto relayed =
      Builder::response(job.request, response.status(), response.reason(), random_.hex(8));
  for (const auto& header : response.headers()) {
    if (stays_here(header.name)) continue;
    const bool challenge =
        header.name == HeaderName::WwwAuthenticate || header.name == HeaderName::ProxyAuthenticate;
    // Bodies of later requests change on their way, so the terminal must not sign them.
    const auto changed = challenge ? without_auth_int(header.value) : std::nullopt;
    relayed.add_other(header.name_text, changed ? std::string_view{*changed} : header.value);
  }
  job.respond(relayed.finish(), out);
}

void RegistrationRelay::refuse(const Job& job, int status, std::string_view counter, Commands& out,
                               std::string_view reason) const {
  refusals_.registration(counter, job.request, job.from, out.now());
  if (reason.empty()) reason = codec::sip::default_reason(status);
  job.respond(Builder::response(job.request, status, reason, random_.hex(8)).finish(), out);
}

void RegistrationRelay::expire(WallTime now) {
  std::erase_if(grants_, [&](const auto& item) { return item.second.until <= now; });
}

}  // namespace sallyport::adapter::sip
