#include "adapter/sip/registrar.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <ctime>

#include "codec/sip/headers.h"
#include "codec/sip/uri.h"

namespace sallyport::adapter::sip {
namespace {

using codec::sip::Builder;
using codec::sip::HeaderName;
using codec::sip::NameAddr;
using codec::sip::Uri;

constexpr std::array<std::string_view, 3> kSupported = {"path", "outbound", "gruu"};

std::string q_value(std::uint16_t thousandths) {
  std::array<char, 8> text{};
  std::snprintf(text.data(), text.size(), "0.%03u", unsigned{thousandths});
  return text.data();
}

}  // namespace

struct Registrar::Job {
  const wire::Message& request;
  const Hop& from;
  const TimePoint steady_now;
  const WallTime now;
  const Respond& respond;
  std::string domain, identity;
  RegisterRequest wanted;
};

void Registrar::on_register(const wire::Message& request, const Hop& from, TimePoint now,
                            WallTime wall_now, const Respond& respond) {
  Job job{request, from, now, wall_now, respond, {}, {}, {}};
  std::string refusal = check(job);
  if (!refusal.empty()) return respond(std::move(refusal));
  registrations_.find(job.identity, wall_now,
                      [&](const std::vector<brain::Binding>& present) { update(job, present); });
}

// RFC 3261 10.3 steps 1 to 6. The refusal, or nothing.
std::string Registrar::check(Job& job) {
  const wire::Message& request = job.request;
  std::string unsupported;
  for (const std::string_view token : request.list(HeaderName::Require)) {
    if (std::find(kSupported.begin(), kSupported.end(), lower_case(token)) != kSupported.end())
      continue;
    if (!unsupported.empty()) unsupported += ", ";
    unsupported += token;
  }
  if (!unsupported.empty()) {
    counters_.add("register_bad_extension");
    return Builder::response(request, 420, "Bad Extension", random_.hex(8))
        .add(HeaderName::Unsupported, unsupported)
        .finish();
  }
  const auto uri = Uri::parse(request.request_uri());
  const auto to = NameAddr::parse(request.find(HeaderName::To).value_or(std::string_view{}));
  if (!uri || !to || !to->uri.is_sip()) return refuse(job, 400, "register_malformed");
  const auto domain = domains_.find(uri->host, job.from.place);
  const auto to_domain = domains_.find(to->uri.host, job.from.place);
  if (!domain) return refuse(job, 404, "register_foreign_domain", "Not our domain");
  job.domain = *domain;
  job.identity = codec::sip::address_of_record(to->uri, job.domain);

  if (config_.authenticate) {
    const auto judgement =
        authenticator_.judge(request, HeaderName::Authorization, job.domain,
                             suspect_of(job.identity, job.from), job.now, job.steady_now);
    if (judgement.verdict != Authenticator::Verdict::Accepted)
      return refuse_credentials(
          {judgement.verdict, request, job.from, job.domain, job.steady_now, job.now},
          authenticator_, random_, refusals_);
    // Step 4: a user registers nobody else.
    if (judgement.user->name != codec::sip::unescape(to->uri.user))
      return refuse(job, 403, "register_other_identity");
  }
  // Step 5. After step 3, so that strangers cannot find out which identities there are.
  if (to_domain != domain || to->uri.user.empty())
    return refuse(job, 404, "register_unknown_identity");

  auto wanted = RegisterRequest::parse(request, config_.default_expires);
  if (!wanted) return refuse(job, 400, "register_malformed", wanted.error().what);
  job.wanted = std::move(*wanted);
  for (WantedContact& contact : job.wanted.contacts) {
    if (contact.expires != seconds{0} && contact.expires < config_.min_expires) {
      counters_.add("register_too_brief");
      return Builder::response(request, 423, "Interval Too Brief", random_.hex(8))
          .add(HeaderName::MinExpires, std::to_string(config_.min_expires.count()))
          .finish();
    }
    contact.expires = std::min(contact.expires, config_.max_expires);
  }
  return {};
}

// RFC 3261 10.3 step 7.
void Registrar::update(const Job& job, const std::vector<brain::Binding>& present) {
  const RegisterRequest& wanted = job.wanted;
  const auto out_of_order = [&](const brain::Binding& binding) {
    return is_out_of_order(wanted, binding);
  };
  brain::RegistrationUpdate change;
  change.identity = job.identity;
  if (wanted.remove_all) {
    if (std::any_of(present.begin(), present.end(), out_of_order))
      return job.respond(refuse(job, 500, "register_out_of_order", "Out of order"));
    for (const brain::Binding& binding : present) change.remove.push_back(binding.key);
  }
  for (const WantedContact& contact : wanted.contacts) {
    const std::string key = binding_key(contact, wanted.outbound, job.from, present);
    const auto known = std::find_if(present.begin(), present.end(),
                                    [&](const auto& binding) { return binding.key == key; });
    if (known != present.end() && out_of_order(*known))
      return job.respond(refuse(job, 500, "register_out_of_order", "Out of order"));
    if (contact.expires == seconds{0}) {
      change.remove.push_back(key);
      continue;
    }
    for (std::string& old : left_behind(wanted, contact, job.from, present))
      change.remove.push_back(std::move(old));
    brain::Binding binding =
        make_binding(wanted, contact, job.from, job.identity, key, job.now + contact.expires);
    // RFC 5627 5.1: the temporary GRUUs of a device are valid until it registers with another
    // Call-ID, so it keeps its handle until then.
    const bool keeps = known != present.end() && known->order == wanted.call_id;
    binding.handle = keeps ? known->handle : random_.hex(kGruuHandleOctets);
    change.put.push_back(std::move(binding));
  }
  // What is kept under a key that is both left behind and put is put.
  std::erase_if(change.remove, [&](const std::string& key) {
    return std::any_of(change.put.begin(), change.put.end(),
                       [&](const auto& binding) { return binding.key == key; });
  });
  const auto answer = [&](Result<void> done) {
    if (!done) return job.respond(refuse(job, 503, "register_limit"));
    registrations_.find(job.identity, job.now, [&](const std::vector<brain::Binding>& bindings) {
      job.respond(accept(job, bindings));
    });
  };
  if (change.remove.empty() && change.put.empty()) return answer({});
  registrations_.update(change, job.now, answer);
}

// RFC 3261 10.3 step 8.
std::string Registrar::accept(const Job& job, const std::vector<brain::Binding>& bindings) {
  counters_.add("register_accepted");
  auto response = Builder::response(job.request, 200, "OK", random_.hex(8));
  bool outbound = false;
  for (const brain::Binding& binding : bindings) {
    // RFC 3261 would list them all; but where the user's other phones stand, in other networks, no
    // phone needs to know.
    if (!is_neighbour(binding, job.from)) continue;
    const auto left = std::chrono::duration_cast<seconds>(binding.expires - job.now).count();
    std::string contact = "<" + binding.contact + ">;expires=" + std::to_string(left);
    if (binding.preference < 1000) contact += ";q=" + q_value(binding.preference);
    if (!binding.instance.empty()) {
      contact += ";+sip.instance=\"" + binding.instance + "\"" + reg_id_parameter(binding);
      outbound = outbound || !reg_id_parameter(binding).empty();
      if (job.wanted.gruu) {
        contact += ";pub-gruu=\"" + Gruu::public_uri(job.identity, binding.instance) + "\"";
        contact +=
            ";temp-gruu=\"" + gruu_.temporary_uri(binding.handle, job.domain, random_) + "\"";
      }
    }
    response.add(HeaderName::Contact, contact);
  }
  // RFC 3327 5.3: the terminal sees which path was stored. RFC 5626 6: and that flows are kept.
  if (!job.wanted.path.empty()) response.add(HeaderName::Path, job.wanted.path);
  if (job.wanted.outbound && outbound) response.add(HeaderName::Require, "outbound");
  response.add(HeaderName::Supported, "path, outbound, gruu");
  response.add(HeaderName::Date, sip_date(job.now));
  return response.finish();
}

std::string Registrar::refuse(const Job& job, int status, std::string_view counter,
                              std::string_view reason) const {
  refusals_.registration(counter, job.request, job.from, job.steady_now);
  if (reason.empty()) reason = codec::sip::default_reason(status);
  return Builder::response(job.request, status, reason, random_.hex(8)).finish();
}

std::string refuse_credentials(const CredentialsRefused& what, Authenticator& authenticator,
                               Random& random, Refusals& refusals) {
  using Verdict = Authenticator::Verdict;
  const auto note = [&](std::string_view counter) {
    refusals.registration(counter, what.request, what.from, what.now);
  };
  const auto respond = [&](int status, std::string_view reason) {
    return Builder::response(what.request, status, reason, random.hex(8));
  };
  switch (what.verdict) {
    case Verdict::Mismatch:
      note("register_digest_mismatch");
      return respond(400, "Digest for another URI").finish();
    case Verdict::Blocked:
      note("register_blocked");
      return respond(403, codec::sip::default_reason(403)).finish();
    case Verdict::Wrong:
      note("register_wrong_password");
      break;
    case Verdict::Unknown:
      note("register_no_such_user");
      break;
    default:
      break;
  }
  auto response = respond(401, codec::sip::default_reason(401));
  const bool stale = what.verdict == Verdict::Stale;
  for (const std::string& one : authenticator.challenges(what.realm, stale, what.wall_now))
    response.add(HeaderName::WwwAuthenticate, one);
  return response.finish();
}

std::string sip_date(WallTime time) {
  const std::time_t seconds_since = std::chrono::system_clock::to_time_t(time);
  std::tm parts{};
  gmtime_r(&seconds_since, &parts);
  // Not strftime: its names follow the locale.
  constexpr std::array kDays = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
  constexpr std::array kMonths = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                  "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  std::array<char, 64> text{};
  std::snprintf(text.data(), text.size(), "%s, %02d %s %04d %02d:%02d:%02d GMT",
                kDays.at(static_cast<std::size_t>(parts.tm_wday)), parts.tm_mday,
                kMonths.at(static_cast<std::size_t>(parts.tm_mon)), parts.tm_year + 1900,
                parts.tm_hour, parts.tm_min, parts.tm_sec);
  return text.data();
}

}  // namespace sallyport::adapter::sip
