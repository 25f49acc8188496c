#include "adapter/sip/server_routing.h"

#include <algorithm>
#include <optional>

#include "adapter/sip/digest.h"
#include "codec/sip/headers.h"
#include "codec/sip/uri.h"

namespace sallyport::adapter::sip {
namespace {

using codec::sip::HeaderName;
using codec::sip::NameAddr;
using codec::sip::Uri;

constexpr std::uint16_t kPortSip = 5060;
constexpr std::uint16_t kPortSips = 5061;

Targets refusal(int status, std::string counter) {
  Targets out;
  out.status = status;
  out.counter = std::move(counter);
  return out;
}

// The elements of a stored list of Path or Service-Route values; commas inside <> and "" separate
// nothing.
std::vector<std::string> elements(std::string_view list) {
  std::vector<std::string> out;
  std::string element;
  bool quoted = false;
  bool angle = false;
  const auto push = [&] {
    const std::size_t first = element.find_first_not_of(' ');
    if (first != std::string::npos)
      out.push_back(element.substr(first, element.find_last_not_of(' ') - first + 1));
    element.clear();
  };
  for (const char c : list) {
    if (c == '"') quoted = !quoted;
    if (!quoted && c == '<') angle = true;
    if (!quoted && c == '>') angle = false;
    if (c == ',' && !quoted && !angle) {
      push();
    } else {
      element += c;
    }
  }
  push();
  return out;
}

}  // namespace

struct ServerRouting::Question {
  const wire::Message& request;
  const Hop& from;
  Commands& out;
  const OnTargets& answer;
  std::string_view uri;           // octet for octet
  std::string user;               // or the number of a tel URI, unescaped
  std::optional<std::string> gr;  // the parameter's value, where it is there

  void refuse(int status, std::string counter) const {
    answer(refusal(status, std::move(counter)), out);
  }
};

Target target_of(const brain::Binding& binding) {
  Target out;
  out.uri = binding.contact;
  out.place = binding.place;
  out.preference = binding.preference;
  // RFC 3327 5.3: the stored Path becomes the Route, in its order; then its first hop is where the
  // request goes.
  out.route = elements(binding.path);
  if (!out.route.empty()) return out;
  Hop hop;
  hop.place = binding.place;
  hop.transport = binding.transport;
  hop.remote = binding.address;
  hop.connection = binding.connection;
  if (is_reliable(binding.transport)) {
    // The source's port was its own choice for that connection. Once that is closed, the contact
    // says where it might listen.
    const auto uri = Uri::parse(binding.contact);
    const auto ip = uri ? IpAddress::parse(uri->host) : fail(Errc::BadValue, "no URI");
    const bool tls = binding.transport == edge::Transport::Tls;
    if (ip && *ip == binding.address.ip)
      hop.remote.port = uri->port != 0 ? uri->port : (tls ? kPortSips : kPortSip);
  }
  out.hop = hop;
  return out;
}

void ServerRouting::find(const wire::Message& request, const Hop& from, Commands& out,
                         OnTargets on_targets) {
  const auto uri = Uri::parse(request.request_uri());
  Question question{request, from, out, on_targets, request.request_uri(), {}, {}};
  if (!uri) {
    const bool scheme = uri.error().code == Errc::Unsupported;
    return question.refuse(scheme ? 416 : 400, scheme ? "unknown_scheme" : "bad_request_uri");
  }
  question.user = codec::sip::unescape(uri->user);
  // A number is looked up among our own terminals first.
  if (!uri->is_sip()) {
    question.user = brain::as_number(uri->user).value_or(question.user);
    return find_here(question, lower_case(config_.default_domain));
  }
  if (const auto gr = uri->parameters.find("gr")) question.gr = std::string{*gr};
  const auto domain = domains_.find(uri->host, from.place);
  if (domain && domains_.relay(*domain) == nullptr) return find_here(question, *domain);
  // An address of ours: what an upstream was given for a terminal, or the default domain by its
  // other name.
  if (domains_.is_address(uri->host, from.place))
    return find_here(question, domain.value_or(std::string{}));
  if (domain) return find_relayed(question, *domains_.relay(*domain));
  find_elsewhere(question, std::string{uri->host});
}

// In a domain of ours, or at an address of ours.
void ServerRouting::find_here(const Question& question, const std::string& domain) {
  const std::string handle =
      question.gr ? gruu_.handle_of(question.user).value_or(std::string{}) : question.user;
  registrations_.find_handle(
      handle, question.out.wall_now(), [&](const std::optional<brain::Binding>& found) {
        // A GRUU's handle is not for dialling: it is reached by its encrypted form only.
        const bool usable = found && (question.gr || handle.size() > 2 * kGruuHandleOctets);
        if (usable && question.out.edge(found->place) == nullptr)
          return question.refuse(480, "agent_away");
        if (usable) {
          Targets targets;
          targets.targets.push_back(target_of(*found));
          return question.answer(std::move(targets), question.out);
        }
        if (domain.empty()) return question.refuse(404, "unknown_callee");
        if (const RelayDomain* relay = domains_.relay(domain))
          return find_relayed(question, *relay);
        find_identity(question, "sip:" + question.user + "@" + domain, domain);
      });
}

void ServerRouting::find_identity(const Question& question, const std::string& identity,
                                  const std::string& domain) {
  // The canonical form, as the registrar made it.
  const auto uri = Uri::parse(question.uri);
  const std::string canonical =
      uri && uri->is_sip() ? codec::sip::address_of_record(*uri, domain) : identity;
  registrations_.find(canonical, question.out.wall_now(),
                      [&](std::vector<brain::Binding> bindings) {
                        if (question.gr) {
                          // RFC 5627 3.4: a GRUU is one device; of its flows the newest.
                          std::erase_if(bindings, [&](const brain::Binding& binding) {
                            return !Gruu::names(*question.gr, binding.instance);
                          });
                          if (bindings.size() > 1) bindings.resize(1);
                          if (bindings.empty()) return question.refuse(480, "device_away");
                        }
                        Targets targets;
                        for (const brain::Binding& binding : bindings)
                          if (question.out.edge(binding.place) != nullptr)
                            targets.targets.push_back(target_of(binding));
                        if (!targets.targets.empty())
                          return question.answer(std::move(targets), question.out);
                        if (!bindings.empty()) return question.refuse(480, "agent_away");
                        // One that could be here and is not, before the routes: a mailbox is not
                        // looked for outside.
                        if (users_.find(question.user, domain))
                          return question.refuse(480, "callee_away");
                        find_elsewhere(question, std::string{});
                      });
}

// `domain` empty: nobody here, a domain of ours or a number.
void ServerRouting::find_elsewhere(const Question& question, const std::string& domain) {
  const brain::Route route = routes_.find(question.user, domain, question.from.place);
  if (route.kind == brain::RouteKind::Unknown) return question.refuse(404, "unknown_callee");
  if (route.kind == brain::RouteKind::Forbidden) return question.refuse(403, "open_relay");
  with_caller(question, [&](const brain::Binding* caller) {
    if (caller == nullptr && config_.registered_callers_only)
      return question.refuse(403, "caller_not_registered");
    Target target;
    target.uri = question.uri;
    for (const brain::Upstream& upstream : route.upstreams) {
      target.place = upstream.place;
      target.next_hops.push_back(uri_of(upstream));
    }
    Targets targets;
    targets.targets.push_back(std::move(target));
    question.answer(std::move(targets), question.out);
  });
}

// A domain whose registrar stands elsewhere decides itself about its calls, also between two of its
// terminals that are both here.
void ServerRouting::find_relayed(const Question& question, const RelayDomain& relay) {
  if (question.from.place.is_outside()) return question.refuse(403, "open_relay");
  with_caller(question, [&](const brain::Binding* caller) {
    if (caller == nullptr && config_.registered_callers_only)
      return question.refuse(403, "caller_not_registered");
    const auto uri = Uri::parse(question.uri);
    const bool by_address = uri && domains_.is_address(uri->host, question.from.place);
    Target target;
    target.uri = by_address ? "sip:" + std::string{uri->user} + "@" + relay.domain
                            : std::string{question.uri};
    // RFC 3608 6.1: the Service-Route is where the terminal's requests go first.
    if (caller != nullptr) target.route = elements(caller->route);
    for (const brain::Upstream& upstream : relay.upstreams) {
      target.place = upstream.place;
      if (target.route.empty()) target.next_hops.push_back(uri_of(upstream));
    }
    if (caller != nullptr && (by_address || relay.holds_credentials)) {
      const auto identity = Uri::parse(caller->identity);
      if (identity) target.credentials = codec::sip::unescape(identity->user);
    }
    Targets targets;
    targets.targets.push_back(std::move(target));
    question.answer(std::move(targets), question.out);
  });
}

// The binding from which this caller's own registration came: the same identity, agent and host.
void ServerRouting::with_caller(const Question& question,
                                const std::function<void(const brain::Binding*)>& then) {
  const auto from =
      NameAddr::parse(question.request.find(HeaderName::From).value_or(std::string_view{}));
  const auto domain = from && from->uri.is_sip()
                          ? domains_.find(from->uri.host, question.from.place)
                          : std::nullopt;
  if (!domain) return then(nullptr);
  registrations_.find(codec::sip::address_of_record(from->uri, *domain), question.out.wall_now(),
                      [&](const std::vector<brain::Binding>& bindings) {
                        const auto own = std::find_if(
                            bindings.begin(), bindings.end(), [&](const brain::Binding& binding) {
                              return binding.place == question.from.place &&
                                     binding.address.ip == question.from.remote.ip;
                            });
                        then(own != bindings.end() ? &*own : nullptr);
                      });
}

std::optional<std::string> ServerRouting::answer_challenge(const Target& target,
                                                           const wire::Message& challenge,
                                                           std::string_view method,
                                                           std::string_view uri) {
  if (target.credentials.empty()) return std::nullopt;
  return sip::answer_challenge(
      challenge, method, uri, random_.hex(8), 1,
      [&](std::string_view realm) { return users_.find(target.credentials, realm); });
}

}  // namespace sallyport::adapter::sip
