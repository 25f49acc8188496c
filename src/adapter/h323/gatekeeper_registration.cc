// Who is there: discovery, registration, and how it ends.
#include <algorithm>
#include <utility>

#include "adapter/h323/alias_codec.h"
#include "adapter/h323/gatekeeper.h"
#include "adapter/h323/ras_messages.h"
#include "codec/h323/addresses.h"
#include "codec/h323/h235.schema.h"

namespace sallyport::adapter::h323 {

namespace per = codec::per;
namespace h225 = codec::h225;
namespace h235 = codec::h235;
using h225::RasMessage;
using Discovery = h225::GatekeeperRejectReason;
using Reason = h225::RegistrationRejectReason;

namespace {

constexpr std::size_t kIdOctets = 8;
constexpr std::size_t kLongestAlias = 256;
constexpr Duration kGrace = seconds{5};  // a keepalive that comes at the last moment counts

// H.235.1 table 3 and H.235.0: what GRQ names the procedures by.
constexpr std::array<std::uint8_t, 7> kHmacSha1 = {0x00, 0x08, 0x81, 0x6b, 0x00, 0x02, 0x06};
constexpr std::array<std::uint8_t, 7> kHmacSha1Version1 = {0x00, 0x08, 0x81, 0x6b,
                                                           0x00, 0x01, 0x06};
// 1.2.840.113549.2.5
constexpr std::array<std::uint8_t, 8> kMd5 = {0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x02, 0x05};
// 1.2.840.113548.10.1.2.1
constexpr std::array<std::uint8_t, 10> kCat = {0x2a, 0x86, 0x48, 0x86, 0xf7,
                                               0x0c, 0x0a, 0x01, 0x02, 0x01};

bool same(Bytes a, Bytes b) { return std::equal(a.begin(), a.end(), b.begin(), b.end()); }

std::string trimmed(std::string text) {
  while (!text.empty() && text.back() == '\0') text.pop_back();
  return text;
}

// Where whoever sent this wants the answer: at the address that it names, if that is its own. A
// datagram's source may be forged, but it is never used to reach a third.
TransportAddress reply_to(const Hop& from, per::Node ras_address) {
  const auto named = codec::h323::address(ras_address);
  return named && named->ip == from.remote.ip && named->port != 0 ? *named : from.remote;
}

bool is_usable(const TransportAddress& address) {
  return address.port != 0 && !address.ip.is_unspecified() && !address.ip.is_multicast() &&
         !address.ip.is_loopback();
}

// The product and its version, as it says them.
std::string vendor_of(per::View<h225::VendorIdentifier> vendor) {
  std::string out;
  for (const Bytes part : {vendor[h225::VendorIdentifier::kProductId].octets(),
                           vendor[h225::VendorIdentifier::kVersionId].octets()}) {
    if (!part.empty() && !out.empty()) out += ' ';
    for (const std::uint8_t c : part)
      if (c >= 0x20 && c < 0x7f) out += static_cast<char>(c);
  }
  return out.substr(0, kLongestAlias);
}

// Wherever a gateway or an MCU says which numbers it serves.
std::vector<std::string> prefixes_in(per::Node node) {
  std::vector<std::string> out;
  for_each_below(node, [&](per::Node each) {
    const auto prefix = each.as<h225::SupportedPrefix>();
    if (!prefix) return true;
    const auto alias = read_alias(prefix[h225::SupportedPrefix::kPrefix]);
    if (alias)
      if (auto digits = digits_of(*alias)) out.push_back(std::move(*digits));
    return false;
  });
  return out;
}

// Whole ranges of names: only "everything that begins so" can be looked up.
void add_patterns(per::View<per::ListOf<h225::AddressPattern>> patterns,
                  std::vector<std::string>& to) {
  for (const auto& pattern : patterns) {
    const auto alias = read_alias(pattern[h225::AddressPattern::kWildcard]);
    if (alias)
      if (auto digits = digits_of(*alias)) to.push_back(std::move(*digits));
  }
}

template <typename T>
void sort_unique(std::vector<T>& values) {
  std::sort(values.begin(), values.end());
  values.erase(std::unique(values.begin(), values.end()), values.end());
}

}  // namespace

// ---- Discovery ----

void Gatekeeper::on_discovery(Request& request, Commands& out) {
  const per::View<h225::GatekeeperRequest> asked{request.body};
  request.asked.reply_to =
      reply_to(request.asked.from, asked[h225::GatekeeperRequest::kRasAddress]);
  const std::string wanted = trimmed(asked[h225::GatekeeperRequest::kGatekeeperIdentifier].text());
  // Somebody else was asked for. To a multicast that one answers.
  if (!wanted.empty() && wanted != stack_.config.gatekeeper) {
    if (request.multicast) return ignore(request.asked);
    return reject(request.asked, Discovery::kTerminalExcluded.kIndex, out);
  }
  if (needs_feature(request))
    return reject(request.asked, Discovery::kNeededFeatureNotSupported.kIndex, out);

  Message message;
  auto confirm = begin_ras(message, RasMessage::kGatekeeperConfirm, request.asked.sequence);
  using Confirm = h225::GatekeeperConfirm;
  confirm[Confirm::kGatekeeperIdentifier].set_text(stack_.config.gatekeeper);
  codec::h323::set_address(confirm[Confirm::kRasAddress], our_ras_address(request.asked.from));
  if (requires_password(request.asked.from)) choose_procedure(asked, confirm);
  answer(request.asked, message, out);
}

// The first procedure that it knows and that is allowed here; none: registration will say.
void Gatekeeper::choose_procedure(per::View<h225::GatekeeperRequest> asked,
                                  per::Edit<h225::GatekeeperConfirm> confirm) const {
  using Confirm = h225::GatekeeperConfirm;
  using Mechanism = h235::AuthenticationMechanism;
  struct Procedure {
    Bytes oid;
    bool allowed;
    bool by_cat;
  };
  const std::array<Procedure, 4> procedures = {{{kHmacSha1, true, false},
                                                {kHmacSha1Version1, true, false},
                                                {kMd5, stack_.config.accept_md5, false},
                                                {kCat, stack_.config.accept_cat, true}}};
  for (const Procedure& procedure : procedures) {
    if (!procedure.allowed) continue;
    for (const auto& oid : asked[h225::GatekeeperRequest::kAlgorithmOIDs]) {
      if (!same(oid.octets(), procedure.oid)) continue;
      auto mode = confirm[Confirm::kAuthenticationMode];
      if (procedure.by_cat) {
        (void)mode[Mechanism::kAuthenticationBES][h235::AuthenticationBES::kRadius];
      } else {
        (void)mode[Mechanism::kPwdHash];
      }
      return confirm[Confirm::kAlgorithmOID].set_octets(procedure.oid);
    }
  }
}

// ---- Registration ----

struct Gatekeeper::Claim {
  Endpoint endpoint;
  bool additive = false;
  std::vector<std::string> replaced;  // endpoints that have to go
  std::vector<Alias> taken;           // names that others have
};

void Gatekeeper::on_registration(Request& request, Commands& out) {
  using Asks = h225::RegistrationRequest;
  const per::View<Asks> asks{request.body};
  request.asked.reply_to = reply_to(request.asked.from, asks[Asks::kRasAddress].first_child());
  const std::string id = trimmed(asks[Asks::kEndpointIdentifier].text());
  const Endpoint* known = endpoints_.find(id);
  // An identifier that is another's, or that came from elsewhere, says nothing.
  if (known != nullptr && known->place != request.asked.from.place) known = nullptr;
  if (needs_feature(request))
    return refuse_registration(request, Reason::kNeededFeatureNotSupported.kIndex, id, out);
  if (asks[Asks::kKeepAlive].boolean()) {
    if (known == nullptr || known->ras.ip != request.asked.from.remote.ip)
      return refuse_registration(request, Reason::kFullRegistrationRequired.kIndex, id, out);
    return on_keep_alive(request, *known, out);
  }

  Claim claim;
  claim.additive = asks.has(Asks::kAdditiveRegistration);
  if (claim.additive && known == nullptr)
    return refuse_registration(request, Reason::kFullRegistrationRequired.kIndex, id, out);
  if (known != nullptr) claim.endpoint = *known;
  if (const auto reason = read_claim(request, claim))
    return refuse_registration(request, *reason, id, out);
  const std::string named =
      claim.endpoint.aliases.empty() ? id : claim.endpoint.aliases.front().value;

  std::vector<std::string> known_as;
  if (known != nullptr && !known->user.empty()) known_as.push_back(known->user);
  for (const Alias& alias : claim.endpoint.aliases) known_as.push_back(alias.value);
  const Proof proof = prove(request, known_as, out);
  const bool wanted = requires_password(request.asked.from);
  if (proof.state != Proof::State::Good && (wanted || proof.state == Proof::State::Wrong)) {
    stack_.counters.add(std::string{"ras_password_"} + std::string{name(proof.state)});
    return refuse_registration(request, Reason::kSecurityDenial.kIndex, named, out,
                               name(proof.state));
  }
  request.asked.sealing = proof.sealing;
  claim.endpoint.user = proof.user;
  claim.endpoint.sealing = proof.sealing;
  if (const auto reason = check_names(proof, claim)) {
    if (*reason != Reason::kDuplicateAlias.kIndex)
      return refuse_registration(request, *reason, named, out);
    stack_.counters.add("registrations_refused");
    Message message;
    auto list = begin_reject(message, request.asked, *reason);
    write_aliases(per::Edit<AliasList>{list}, claim.taken);
    return answer(request.asked, message, out);
  }

  for (const std::string& other : claim.replaced)
    dismiss(other, h225::UnregRequestReason::kReregistrationRequired.kIndex, out);
  if (claim.endpoint.id.empty()) claim.endpoint.id = stack_.random.hex(kIdOctets);
  const Asked asked = request.asked;
  const Endpoint endpoint = claim.endpoint;
  const Relay* relay = relays_.relay_of(endpoint.aliases);
  if (relay == nullptr) {
    relays_.leave(endpoint.id, out);
    return keep(asked, endpoint, out);
  }
  put_on_hold(asked, out);
  relays_.enrol(endpoint, *relay, out,
                [this, asked, endpoint](std::optional<std::uint16_t> why, Commands& commands) {
                  if (!why) return keep(asked, endpoint, commands);
                  stack_.counters.add("registrations_refused");
                  forget(endpoint.id, commands);
                  reject(asked, *why, commands);
                });
}

void Gatekeeper::keep(const Asked& asked, const Endpoint& endpoint, Commands& out) {
  endpoints_.put(endpoint, out.wall_now(), [this, asked, endpoint, &out](const Result<void>& put) {
    if (!put) {
      stack_.counters.add("registrations_refused");
      forget(endpoint.id, out);
      return reject(asked, Reason::kResourceUnavailable.kIndex, out);
    }
    registered(asked, endpoint, out);
  });
}

// A lightweight registration (H.225.0 7.9.1): nothing changes but the time.
void Gatekeeper::on_keep_alive(Request& request, const Endpoint& endpoint, Commands& out) {
  Endpoint here = endpoint;
  const Proof proof = prove(request, {here.user}, out);
  const bool wanted = requires_password(request.asked.from) || here.sealing;
  const bool right =
      proof.state == Proof::State::Good && (here.user.empty() || here.user == proof.user);
  if (!right && (wanted || proof.state == Proof::State::Wrong))
    return refuse_registration(request, Reason::kSecurityDenial.kIndex, here.id, out,
                               name(proof.state));
  request.asked.sealing = proof.sealing;
  here.ras = request.asked.reply_to;
  here.local = request.asked.from.local.ip;
  here.time_to_live = time_to_live_of(request);
  if (proof.state == Proof::State::Good) {
    here.user = proof.user;
    here.sealing = proof.sealing;
  }
  const Asked asked = request.asked;
  endpoints_.put(here, out.wall_now(), [this, asked, here, &out](const Result<void>& put) {
    if (!put) return reject(asked, Reason::kFullRegistrationRequired.kIndex, out);
    registered(asked, here, out);
  });
}

Duration Gatekeeper::time_to_live_of(const Request& request) const {
  const per::View<h225::RegistrationRequest> asks{request.body};
  const std::int64_t asked = asks[h225::RegistrationRequest::kTimeToLive].integer();
  if (asked == 0) return stack_.config.default_time_to_live;
  const auto most = std::chrono::duration_cast<seconds>(stack_.config.max_time_to_live).count();
  return std::max<Duration>(stack_.config.min_time_to_live, seconds{std::min(asked, most)});
}

// What it wants to be known as, and where. The reason, if it cannot be.
std::optional<std::uint16_t> Gatekeeper::read_claim(const Request& request, Claim& claim) const {
  using Asks = h225::RegistrationRequest;
  const per::View<Asks> asks{request.body};
  const Hop& from = request.asked.from;
  Endpoint& endpoint = claim.endpoint;
  endpoint.place = from.place;
  endpoint.ras = request.asked.reply_to;
  endpoint.local = from.local.ip;
  endpoint.time_to_live = time_to_live_of(request);
  endpoint.exhausted = false;
  if (const std::string vendor = vendor_of(asks[Asks::kEndpointVendor]); !vendor.empty())
    endpoint.vendor = vendor;

  std::optional<TransportAddress> signalling;
  for (const auto& each : asks[Asks::kCallSignalAddress]) {
    auto address = codec::h323::address(each);
    if (!address) continue;
    // "Here" is where it comes from.
    if (address->ip.is_unspecified()) address->ip = from.remote.ip;
    const bool better =
        !signalling || (address->ip == from.remote.ip && signalling->ip != from.remote.ip);
    if (is_usable(*address) && address->ip.is_v4() == from.remote.ip.is_v4() && better)
      signalling = address;
  }
  if (signalling) {
    endpoint.signalling = *signalling;
  } else if (!claim.additive) {
    return Reason::kInvalidCallSignalAddress.kIndex;
  }

  if (!claim.additive) {
    endpoint.aliases.clear();
    endpoint.prefixes.clear();
  }
  for (const auto& each : asks[Asks::kTerminalAlias]) {
    const auto alias = read_alias(each);
    if (!alias || alias->value.size() > kLongestAlias) return Reason::kInvalidAlias.kIndex;
    endpoint.aliases.push_back(*alias);
  }
  for (std::string& prefix : prefixes_in(asks[Asks::kTerminalType]))
    endpoint.prefixes.push_back(std::move(prefix));
  add_patterns(asks[Asks::kTerminalAliasPattern], endpoint.prefixes);
  sort_unique(endpoint.prefixes);
  // In the order that it gave them: the first is what people see.
  std::vector<Alias> once;
  for (Alias& alias : endpoint.aliases)
    if (std::find(once.begin(), once.end(), alias) == once.end()) once.push_back(std::move(alias));
  endpoint.aliases = std::move(once);
  return std::nullopt;
}

// May it have these names? One that a user has is that user's alone; one that another endpoint has
// stays with that, unless it is the same one that has lost its memory, or the user's own that has
// moved.
std::optional<std::uint16_t> Gatekeeper::check_names(const Proof& proof, Claim& claim) const {
  Endpoint& endpoint = claim.endpoint;
  const bool proven = proof.state == Proof::State::Good;
  const auto is_own = [&](const Alias& alias) { return proven && alias.value == proof.user; };
  if (proven && std::none_of(endpoint.aliases.begin(), endpoint.aliases.end(), is_own)) {
    if (!endpoint.aliases.empty()) return Reason::kSecurityDenial.kIndex;
    endpoint.aliases.push_back({Alias::Kind::H323Id, proof.user});
  }
  const bool by_password = requires_password({.place = endpoint.place});
  for (const Alias& alias : endpoint.aliases)
    if (by_password && !is_own(alias) && users_.find(alias.value, stack_.config.domain))
      return Reason::kSecurityDenial.kIndex;

  if (const Endpoint* before = endpoints_.find_at(endpoint.place, endpoint.signalling);
      before != nullptr && before->id != endpoint.id) {
    // Whoever is registered at that address is not pushed aside by another.
    const bool same_host = before->ras.ip == endpoint.ras.ip;
    const bool may =
        proven ? same_host || before->user == proof.user : same_host && before->user.empty();
    if (!may) return Reason::kInvalidCallSignalAddress.kIndex;
    if (endpoint.id.empty()) {
      endpoint.id = before->id;
    } else {
      claim.replaced.push_back(before->id);
    }
  }
  const auto claimed_by_other = [&](const std::string& identity) -> const Endpoint* {
    const Endpoint* owner = endpoints_.owner(identity);
    const bool other = owner != nullptr && owner->id != endpoint.id &&
                       std::count(claim.replaced.begin(), claim.replaced.end(), owner->id) == 0;
    return other ? owner : nullptr;
  };
  for (const Alias& alias : endpoint.aliases) {
    if (alias.kind == Alias::Kind::TransportId) continue;
    const Endpoint* owner = claimed_by_other(identity_of(alias));
    if (owner == nullptr) continue;
    if (is_own(alias)) {
      claim.replaced.push_back(owner->id);
    } else {
      claim.taken.push_back(alias);
    }
  }
  // Several gateways may serve one prefix elsewhere; here the first that says so does.
  std::erase_if(endpoint.prefixes, [&](const std::string& prefix) {
    return claimed_by_other(identity_of_prefix(prefix)) != nullptr;
  });
  if (!claim.taken.empty()) return Reason::kDuplicateAlias.kIndex;
  return std::nullopt;
}

void Gatekeeper::registered(const Asked& asked, const Endpoint& endpoint, Commands& out) {
  using Confirm = h225::RegistrationConfirm;
  Message message;
  auto confirm = begin_ras(message, RasMessage::kRegistrationConfirm, asked.sequence);
  codec::h323::set_address(confirm[Confirm::kCallSignalAddress].append(),
                           our_call_address(asked.from));
  if (!endpoint.aliases.empty()) write_aliases(confirm[Confirm::kTerminalAlias], endpoint.aliases);
  confirm[Confirm::kGatekeeperIdentifier].set_text(stack_.config.gatekeeper);
  confirm[Confirm::kEndpointIdentifier].set_text(endpoint.id);
  confirm[Confirm::kTimeToLive].set(
      std::chrono::duration_cast<seconds>(endpoint.time_to_live).count());
  confirm[Confirm::kWillRespondToIRR].set(1);
  if (stack_.config.pre_grant) {
    // Every call goes through us anyway: that is where it is judged.
    auto granted = confirm[Confirm::kPreGrantedARQ];
    using Granted = Confirm::PreGrantedARQ;
    granted[Granted::kMakeCall].set(1);
    granted[Granted::kUseGKCallSignalAddressToMakeCall].set(1);
    granted[Granted::kAnswerCall].set(1);
    granted[Granted::kUseGKCallSignalAddressToAnswer].set(1);
  }
  confirm[Confirm::kMaintainConnection].set(0);
  (void)confirm[Confirm::kSupportsAdditiveRegistration];
  expire_later(endpoint, out);
  answer(asked, message, out);
}

void Gatekeeper::refuse_registration(const Request& request, std::uint16_t reason,
                                     const std::string& named, Commands& out,
                                     std::string_view why) {
  stack_.counters.add("registrations_refused");
  const std::string_view what = Reason::kSchema->members[reason].name;
  const Hop& from = request.asked.from;
  const std::string key = from.remote.ip.to_string() + " " + std::string{what};
  // That it has to begin anew is told every endpoint after a restart.
  const bool usual = reason == Reason::kFullRegistrationRequired.kIndex;
  if (const auto more = usual ? std::nullopt : refusals_.may_log(key, out.now()))
    stack_.log.warning("h323 registration refused", {{"agent", from.place.agent.value},
                                                     {"remote", from.remote.to_string()},
                                                     {"name", named},
                                                     {"reason", what},
                                                     {"why", why},
                                                     {"more_before", *more}});
  reject(request.asked, reason, out);
}

// ---- The end of a registration ----

void Gatekeeper::on_unregistration(Request& request, Commands& out) {
  using Asks = h225::UnregistrationRequest;
  const per::View<Asks> asks{request.body};
  const Endpoint* endpoint = nullptr;
  switch (check_sender(request, endpoint, out)) {
    case Sender::Unknown:
      return reject(request.asked, h225::UnregRejectReason::kNotCurrentlyRegistered.kIndex, out);
    case Sender::Denied:
      return reject(request.asked, h225::UnregRejectReason::kSecurityDenial.kIndex, out);
    case Sender::Known:
      break;
  }
  // H.225.0 7.10.1: with aliases it is these that go.
  Endpoint left = *endpoint;
  std::vector<std::string> prefixes = prefixes_in(asks[Asks::kSupportedPrefixes]);
  add_patterns(asks[Asks::kEndpointAliasPattern], prefixes);
  const std::vector<Alias> aliases = read_aliases(asks[Asks::kEndpointAlias]);
  const auto is_among = [](const auto& list) {
    return [&list](const auto& each) {
      return std::find(list.begin(), list.end(), each) != list.end();
    };
  };
  std::erase_if(left.aliases, is_among(aliases));
  std::erase_if(left.prefixes, is_among(prefixes));
  const bool some = !aliases.empty() || !prefixes.empty();
  if (some && !(left.aliases.empty() && left.prefixes.empty())) {
    endpoints_.put(left, out.wall_now(), [](const Result<void>&) {});
  } else {
    forget(left.id, out);
  }
  Message message;
  begin_ras(message, RasMessage::kUnregistrationConfirm, request.asked.sequence);
  answer(request.asked, message, out);
}

void Gatekeeper::expire_later(const Endpoint& endpoint, Commands& out) {
  TimerId& timer = expiries_[endpoint.id];
  stack_.timers.stop(timer);
  timer = stack_.timers.start(
      endpoint.time_to_live + kGrace,
      [this, id = endpoint.id](Commands& commands) {
        stack_.counters.add("registrations_expired");
        dismiss(id, h225::UnregRequestReason::kTtlExpired.kIndex, commands);
      },
      out);
}

void Gatekeeper::forget(const std::string& id, Commands& out) {
  if (const auto timer = expiries_.find(id); timer != expiries_.end()) {
    stack_.timers.stop(timer->second);
    expiries_.erase(timer);
  }
  relays_.leave(id, out);
  if (endpoints_.find(id) == nullptr) return;
  endpoints_.remove(id, out.wall_now());
  if (calls_ != nullptr) calls_->on_endpoint_gone(id, out);
}

// It is told (URQ), whether it still listens or not.
void Gatekeeper::dismiss(const std::string& id, std::uint16_t reason, Commands& out) {
  const Endpoint* endpoint = endpoints_.find(id);
  if (endpoint == nullptr) return;
  using Asks = h225::UnregistrationRequest;
  Message message;
  auto request = begin_ras(message, RasMessage::kUnregistrationRequest, 1);
  codec::h323::set_address(request[Asks::kCallSignalAddress].append(), endpoint->signalling);
  request[Asks::kEndpointIdentifier].set_text(endpoint->id);
  request[Asks::kGatekeeperIdentifier].set_text(stack_.config.gatekeeper);
  (void)request[Asks::kReason].member(reason);
  requests_.send(message, hop_to(*endpoint), endpoint->sealing, out,
                 [](const Message*, Commands&) {});
  forget(id, out);
}

void Gatekeeper::forget_user(const std::string& user, WallTime now) {
  std::vector<std::string> of_user;
  for (const Endpoint* endpoint : endpoints_.all())
    // One that the store has kept may not have shown its password again yet.
    if (endpoint->user == user ||
        std::any_of(endpoint->aliases.begin(), endpoint->aliases.end(),
                    [&](const Alias& alias) { return alias.value == user; }))
      of_user.push_back(endpoint->id);
  for (const std::string& id : of_user) endpoints_.remove(id, now);
}

// After a restart: whoever the store still knew has as long as that says.
void Gatekeeper::on_start(Commands& out) {
  endpoints_.restore(out.wall_now());
  for (const Endpoint* endpoint : endpoints_.all()) {
    if (relays_.relay_of(endpoint->aliases) == nullptr) {
      expire_later(*endpoint, out);
    } else {
      // Its calls come to a port that is not listened to any more: it has to begin anew.
      endpoints_.remove(std::string{endpoint->id}, out.wall_now());
    }
  }
}

}  // namespace sallyport::adapter::h323
