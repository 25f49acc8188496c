#include "adapter/h323/router.h"

#include <algorithm>
#include <utility>

#include "adapter/h323/alias_codec.h"
#include "adapter/h323/ras_messages.h"
#include "base/host_port.h"
#include "codec/h323/addresses.h"

namespace sallyport::adapter::h323 {

using codec::h225::RasMessage;

namespace {

constexpr std::size_t kMostQuestions = 24;  // a name server's answer must not keep us asking
constexpr std::size_t kMostAddresses = 8;
constexpr std::int64_t kHops = 8;  // how far an LRQ of ours may be passed on

// A value of a message as a message of its own.
Buffer encoded(codec::per::Node node) {
  codec::per::Message message;
  message.make(node.type()).copy(node);
  Buffer out;
  if (!message.encode(out)) out.clear();
  return out;
}

}  // namespace

// One way to go on looking: an address, or a name that is asked of DNS for one.
struct Router::Step {
  enum class For : std::uint8_t { Call, Location };  // the call goes there; it is asked by LRQ
  For what = For::Call;
  std::vector<TransportAddress> addresses;  // else it is asked for:
  std::string name;
  edge::RecordType type = edge::RecordType::Address;
  std::uint16_t port = 0;
  bool fallback = true;  // only if nothing was found before
};

struct Router::Search {
  CallQuery query;
  OnFound on_found;
  Found found;
  std::vector<Alias> caller;  // as it is known elsewhere
  std::deque<Step> steps;
  std::size_t questions = 0;
  Refusal otherwise = Refusal::CalledPartyNotRegistered;
  std::string counter = "unknown_callee";
  bool finished = false;

  void refuse(Refusal why, std::string because) {
    otherwise = why;
    counter = std::move(because);
  }
  Destination& add(const Hop& hop) {
    Destination& made = found.destinations.emplace_back();
    made.hop = hop;
    made.called = query.called;
    made.caller = caller;
    return made;
  }
};

// ---- Whose names ----

const Endpoint* Router::caller_of(const CallQuery& query) const {
  const auto is_there = [&](const Endpoint* endpoint) {
    return endpoint != nullptr && endpoint->place == query.from.place &&
           (endpoint->signalling.ip == query.from.remote.ip ||
            endpoint->ras.ip == query.from.remote.ip);
  };
  const Endpoint* named = std::as_const(endpoints_).find(query.endpoint);
  if (is_there(named)) return named;
  // Not every stack names itself in Setup. Several may be on one host: then it is whose name it
  // says, or the first.
  for (const Alias& alias : query.caller)
    if (const Endpoint* owner = endpoints_.owner(identity_of(alias)); is_there(owner)) return owner;
  return endpoints_.first_on(query.from.place, query.from.remote.ip);
}

bool Router::is_ours(const std::string& host, const CallQuery& query) const {
  if (host.empty()) return true;
  const auto named = HostPort::parse(host, kPortCall);
  const std::string name = named ? named->host : host;
  if (name == stack_.config.domain) return true;
  const auto& domains = stack_.config.domains;
  if (std::find(domains.begin(), domains.end(), name) != domains.end()) return true;
  const auto ip = IpAddress::parse(name);
  if (!ip) return false;
  const auto& advertised = stack_.config.advertised;
  return *ip == query.from.local.ip ||
         std::find(advertised.begin(), advertised.end(), *ip) != advertised.end();
}

// What the store may know the callee as, the most exact first; at last the prefixes of its number,
// the longest first.
std::vector<std::string> Router::identities_for(const CallQuery& query) const {
  std::vector<std::string> out;
  std::vector<std::string> prefixes;
  for (const Alias& alias : query.called) {
    out.push_back(identity_of(alias));
    const auto address = address_of(alias);
    if (address && !is_ours(address->host, query)) continue;
    if (address) {
      for (const Alias::Kind kind : {Alias::Kind::H323Id, Alias::Kind::DialedDigits})
        if (!address->user.empty()) out.push_back(identity_of({kind, address->user}));
      continue;
    }
    const auto digits = digits_of(alias);
    if (!digits) continue;
    out.push_back(identity_of({Alias::Kind::DialedDigits, *digits}));
    out.push_back(identity_of({Alias::Kind::H323Id, *digits}));
    for (std::size_t n = digits->size(); n > 0; --n)
      prefixes.push_back(identity_of_prefix(std::string_view{*digits}.substr(0, n)));
  }
  out.insert(out.end(), prefixes.begin(), prefixes.end());
  return out;
}

// What it is registered as: a gateway speaks for others, all else for itself. An address of its own
// network is no name elsewhere.
std::vector<Alias> Router::names_of(const CallQuery& query, const Endpoint* caller) const {
  std::vector<Alias> out = query.caller;
  if (caller != nullptr && caller->prefixes.empty()) {
    std::erase_if(
        out, [&](const Alias& alias) { return endpoints_.owner(identity_of(alias)) != caller; });
    if (out.empty()) out = caller->aliases;
  }
  std::erase_if(out, [](const Alias& alias) { return alias.kind == Alias::Kind::TransportId; });
  return out;
}

// ---- Where ----

void Router::find(const CallQuery& query, Commands& out, OnFound on_found) {
  if (const Found* before = recall(query, out.now())) {
    const Found found = *before;
    return on_found(found, out);
  }
  const auto search = std::make_shared<Search>();
  search->query = query;
  search->on_found = std::move(on_found);
  // What comes to a relayed terminal's own port comes from its gatekeeper.
  const Endpoint* caller = relays_.endpoint_at(query.listener).empty() ? caller_of(query) : nullptr;
  if (caller != nullptr) search->found.endpoint = caller->id;
  search->caller = names_of(query, caller);
  if (find_relayed(search, out)) return;
  find_registered(*search, out);
  if (search->found.destinations.empty()) find_at_address(*search);
  if (search->found.destinations.empty() && search->otherwise != Refusal::CalledPartyAway)
    plan(*search);
  step(search, out);
}

// From or to a terminal that is registered at another gatekeeper: that one is asked.
bool Router::find_relayed(const SearchPtr& search, Commands& out) {
  const std::string called = relays_.endpoint_at(search->query.listener);
  const bool answer = !called.empty();
  const std::string asks = answer ? called : search->found.endpoint;
  if (!relays_.has(asks)) return false;
  search->questions = 1;
  relays_.admit(
      asks, search->query, answer, out,
      [this, search, called](std::optional<Destination> granted, Refusal why, Commands& commands) {
        if (!granted) {
          search->refuse(why, "refused_by_relay");
          return finish(search, commands);
        }
        const Endpoint* endpoint = std::as_const(endpoints_).find(called);
        if (endpoint == nullptr) {
          search->found.destinations.push_back(std::move(*granted));
          return finish(search, commands);
        }
        // It may answer: the call goes to the terminal itself.
        Destination& made = search->add({.place = endpoint->place,
                                         .transport = edge::Transport::Tcp,
                                         .remote = endpoint->signalling,
                                         .local = {endpoint->local, 0}});
        made.endpoint = endpoint->id;
        made.grant = granted->grant;
        finish(search, commands);
      });
  return true;
}

void Router::find_registered(Search& search, Commands& out) {
  for (const std::string& identity : identities_for(search.query)) {
    registrations_.find(identity, out.wall_now(), [&](const std::vector<brain::Binding>& found) {
      for (const brain::Binding& binding : found) {
        const auto address = TransportAddress::parse(binding.contact);
        const Endpoint* endpoint = std::as_const(endpoints_).find(binding.key);
        if (!address || (endpoint != nullptr && endpoint->exhausted)) continue;
        if (out.edge(binding.place) == nullptr) {
          search.refuse(Refusal::CalledPartyAway, "agent_away");
          continue;
        }
        Hop hop{.place = binding.place, .transport = edge::Transport::Tcp, .remote = *address};
        if (endpoint != nullptr) hop.local.ip = endpoint->local;
        search.add(hop).endpoint = binding.key;
      }
    });
    if (!search.found.destinations.empty()) return;
  }
}

// Called by its address alone: one that is registered at the same agent, or, from there, one
// outside. A name that is not known goes by the routes, whatever address stands beside it.
void Router::find_at_address(Search& search) {
  const CallQuery& query = search.query;
  if (!query.address) return;
  Hop hop{.place = query.from.place, .transport = edge::Transport::Tcp, .remote = *query.address};
  if (const Endpoint* endpoint = endpoints_.find_at(query.from.place, *query.address)) {
    search.add(hop).endpoint = endpoint->id;
    return;
  }
  if (!query.called.empty() || query.from.place.is_outside()) return;
  if (search.found.endpoint.empty())
    return search.refuse(Refusal::CallerNotRegistered, "caller_not_registered");
  hop.place = Place::outside();
  search.add(hop);
}

// Nobody here has that name.
void Router::plan(Search& search) {
  const CallQuery& query = search.query;
  if (query.called.empty()) {
    // Unless find_at_address() has said why not.
    if (search.otherwise == Refusal::CalledPartyNotRegistered)
      search.refuse(Refusal::AddressUnusable, "no_callee");
    return;
  }
  const Alias& called = query.called.front();
  const auto digits = digits_of(called);
  if (query.can_overlap && digits && endpoints_.has_longer(*digits))
    return search.refuse(Refusal::IncompleteAddress, "incomplete_address");

  const auto address = address_of(called);
  const std::string host =
      address && !is_ours(address->host, query) ? address->host : std::string{};
  const auto named = host.empty() ? fail(Errc::NotFound, "") : HostPort::parse(host, 0);
  const std::string domain = named ? named->host : host;
  const std::string user = digits.value_or(address ? address->user : called.value);
  const brain::Route route = routes_.find(user, domain, query.from.place);
  switch (route.kind) {
    case brain::RouteKind::Forbidden:
      return search.refuse(Refusal::NotPermitted, "open_relay");
    case brain::RouteKind::Upstream:
      plan_upstreams(search, route.upstreams);
      break;
    case brain::RouteKind::Dns:
      plan_by_dns(search, host);
      break;
    case brain::RouteKind::Unknown: {
      // From outside it came from a neighbour, perhaps: it is not sent round in a circle.
      if (query.from.place.is_outside()) return;
      plan_neighbours(search);
      break;
    }
  }
  if (search.steps.empty() || !search.found.endpoint.empty()) return;
  search.steps.clear();
  search.refuse(Refusal::CallerNotRegistered, "caller_not_registered");
}

// Those whose address is known at once and together, the others one by one.
void Router::plan_neighbours(Search& search) const {
  Step known;
  known.what = Step::For::Location;
  std::deque<Step> named;
  for (const HostPort& neighbour : stack_.config.neighbours) {
    const std::uint16_t port = neighbour.port != 0 ? neighbour.port : kPortRas;
    if (const auto literal = neighbour.literal()) {
      known.addresses.push_back({literal->ip, port});
    } else {
      Step& step = named.emplace_back();
      step.what = Step::For::Location;
      step.name = neighbour.host;
      step.port = port;
    }
  }
  if (!known.addresses.empty()) search.steps.push_back(std::move(known));
  for (Step& step : named) search.steps.push_back(std::move(step));
}

void Router::plan_upstreams(Search& search, const std::vector<brain::Upstream>& upstreams) {
  search.refuse(Refusal::Unreachable, "upstream_unreachable");
  for (const brain::Upstream& upstream : upstreams) {
    Step& made = search.steps.emplace_back();
    const bool ask = upstream.transport == edge::Transport::Udp;
    made.what = ask ? Step::For::Location : Step::For::Call;
    made.fallback = ask;
    made.port = upstream.port != 0 ? upstream.port : (ask ? kPortRas : kPortCall);
    if (const auto ip = IpAddress::parse(upstream.host))
      made.addresses.push_back({*ip, made.port});
    else
      made.name = upstream.host;
  }
}

// H.323 Annex O: a location service first, then call signalling, then the name itself.
void Router::plan_by_dns(Search& search, const std::string& host) {
  search.refuse(Refusal::Unreachable, "dns_unknown");
  const auto named = HostPort::parse(host, 0);
  if (!named) return search.refuse(Refusal::AddressUnusable, "bad_domain");
  Step itself;
  itself.port = named->port != 0 ? named->port : kPortCall;
  if (const auto literal = named->literal()) {
    itself.addresses.push_back({literal->ip, itself.port});
  } else {
    itself.name = named->host;
  }
  if (itself.addresses.empty() && named->port == 0) {
    Step located;
    located.what = Step::For::Location;
    located.name = "_h323ls._udp." + named->host;
    located.type = edge::RecordType::Srv;
    search.steps.push_back(located);
    Step called;
    called.name = "_h323cs._tcp." + named->host;
    called.type = edge::RecordType::Srv;
    search.steps.push_back(called);
  }
  search.steps.push_back(itself);
}

// ---- Looking ----

void Router::step(const SearchPtr& search, Commands& out) {
  while (!search->steps.empty()) {
    const Step next = search->steps.front();
    search->steps.pop_front();
    if (next.fallback && !search->found.destinations.empty()) continue;
    edge::Edge* edge = out.edge(Place::outside());
    if (edge == nullptr) break;
    if (next.addresses.empty()) {
      if (++search->questions > kMostQuestions || searches_.size() >= kMostSearches) {
        search->refuse(Refusal::NoResources, "searches_too_many");
        break;
      }
      search->steps.push_front(next);
      const edge::QueryId id{out.new_id()};
      searches_[id] = search;
      return edge->resolve(id, next.name, next.type);
    }
    if (next.what == Step::For::Location) return ask(search, next.addresses, out);
    for (const TransportAddress& address : next.addresses)
      search->add(
          {.place = Place::outside(), .transport = edge::Transport::Tcp, .remote = address});
  }
  finish(search, out);
}

bool Router::on_resolved(edge::QueryId id, const std::vector<edge::Record>& records,
                         Commands& out) {
  const auto node = searches_.extract(id);
  if (node.empty()) return false;
  const SearchPtr search = node.mapped();
  const Step asked = search->steps.front();
  search->steps.pop_front();
  if (asked.type == edge::RecordType::Srv) {
    // RFC 2782: by priority. Heavier ones first within one.
    std::vector<edge::Record> sorted = records;
    std::stable_sort(sorted.begin(), sorted.end(), [](const auto& a, const auto& b) {
      return std::pair(a.priority, -int{a.weight}) < std::pair(b.priority, -int{b.weight});
    });
    if (sorted.size() > kMostAddresses) sorted.resize(kMostAddresses);
    bool first = true;
    std::deque<Step> made;
    for (const edge::Record& record : sorted) {
      if (record.target.empty() || record.target == ".") continue;
      Step step = asked;
      step.name = record.target;
      step.type = edge::RecordType::Address;
      step.port = record.port;
      step.fallback = asked.what == Step::For::Location || std::exchange(first, false);
      made.push_back(std::move(step));
    }
    search->steps.insert(search->steps.begin(), made.begin(), made.end());
  } else {
    Step found = asked;
    for (const edge::Record& record : records)
      if (found.addresses.size() < kMostAddresses)
        found.addresses.push_back({record.address, asked.port});
    if (!found.addresses.empty()) search->steps.push_front(std::move(found));
  }
  step(search, out);
  return true;
}

bool Router::on_refused(std::uint64_t id, Commands& out) {
  return on_resolved(edge::QueryId{id}, {}, out);
}

void Router::on_edge_lost(Place place, Commands& out) {
  if (!place.is_outside()) return;
  const auto lost = std::exchange(searches_, {});
  for (const auto& [id, search] : lost) finish(search, out);
}

// All of them at once: the first that knows is taken.
void Router::ask(const SearchPtr& search, const std::vector<TransportAddress>& whom,
                 Commands& out) {
  using Asks = codec::h225::LocationRequest;
  const auto open = std::make_shared<std::size_t>(whom.size());
  for (const TransportAddress& address : whom) {
    codec::per::Message message;
    auto request = begin_ras(message, RasMessage::kLocationRequest, 1);
    write_aliases(request[Asks::kDestinationInfo], search->query.called);
    const Hop to{.place = Place::outside(), .remote = address};
    codec::h323::set_address(request[Asks::kReplyAddress], our_ras_address(address.ip));
    if (!search->caller.empty()) write_aliases(request[Asks::kSourceInfo], search->caller);
    request[Asks::kCanMapAlias].set(1);
    request[Asks::kHopCount].set(kHops);
    requests_.send(message, to, std::nullopt, out,
                   [this, search, open](const codec::per::Message* answer, Commands& commands) {
                     --*open;
                     if (search->finished) return;
                     if (answer != nullptr) on_located(*search, *answer);
                     if (!search->found.destinations.empty() || *open == 0) step(search, commands);
                   });
  }
}

TransportAddress Router::our_ras_address(const IpAddress& toward) const {
  for (const IpAddress& ip : stack_.config.advertised)
    if (ip.is_v4() == toward.is_v4()) return {ip, stack_.config.outside.ras};
  return {toward.is_v4() ? IpAddress::any_v4() : IpAddress::any_v6(), stack_.config.outside.ras};
}

void Router::on_located(Search& search, const codec::per::Message& answer) {
  using Confirm = codec::h225::LocationConfirm;
  const auto confirm = answer.root<RasMessage>()[RasMessage::kLocationConfirm];
  const auto address = codec::h323::address(confirm[Confirm::kCallSignalAddress]);
  if (!address) return;
  Destination& made = search.add(
      {.place = Place::outside(), .transport = edge::Transport::Tcp, .remote = *address});
  // H.225.0 7.13.2: the alias may have been mapped to another.
  if (auto mapped = read_aliases(confirm[Confirm::kDestinationInfo]); !mapped.empty())
    made.called = std::move(mapped);
  for (const auto& token : confirm[Confirm::kTokens]) made.tokens.push_back(encoded(token));
  for (const auto& token : confirm[Confirm::kCryptoTokens])
    made.crypto_tokens.push_back(encoded(token));
}

void Router::finish(const SearchPtr& search, Commands& out) {
  if (std::exchange(search->finished, true)) return;
  Found& found = search->found;
  if (found.destinations.empty()) {
    found.refusal = search->otherwise;
    found.counter = search->counter;
  } else if (search->questions != 0) {
    remember(search->query, found, out.now());
  }
  search->on_found(found, out);
}

void Router::remember(const CallQuery& query, const Found& found, TimePoint now) {
  if (query.call == CallIdentifier{}) return;
  while (!remembered_ages_.empty() && (now - remembered_ages_.front().first > kRemembered ||
                                       remembered_ages_.size() >= kMostRemembered)) {
    const auto old = remembered_.find(remembered_ages_.front().second);
    if (old != remembered_.end() && old->second.when == remembered_ages_.front().first)
      remembered_.erase(old);
    remembered_ages_.pop_front();
  }
  const Asked asked{query.from.place, query.call};
  remembered_[asked] = {query.called, found, now};
  remembered_ages_.emplace_back(now, asked);
}

const Found* Router::recall(const CallQuery& query, TimePoint now) const {
  if (query.call == CallIdentifier{}) return nullptr;
  const auto it = remembered_.find({query.from.place, query.call});
  if (it == remembered_.end() || now - it->second.when > kRemembered ||
      it->second.called != query.called)
    return nullptr;
  return &it->second.found;
}

}  // namespace sallyport::adapter::h323
