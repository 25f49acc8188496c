#include "adapter/h323/relays.h"

#include <algorithm>
#include <utility>

#include "adapter/h323/alias_codec.h"
#include "adapter/h323/ras_messages.h"
#include "base/hex.h"
#include "codec/h323/addresses.h"

namespace sallyport::adapter::h323 {

namespace per = codec::per;
namespace h225 = codec::h225;
using h225::RasMessage;
using Reason = h225::RegistrationRejectReason;

namespace {

constexpr std::int64_t kBandwidth = 40'000;      // asked for in ARQ: 4 Mbit/s, both directions
constexpr Duration kSooner = seconds{5};         // before a registration there runs out
constexpr Duration kDefaultLife = seconds{300};  // of one that says nothing of it

// An identifier as a clear token has it: two octets for each character.
Buffer in_bmp(std::string_view text) {
  Buffer out;
  for (const char c : text) {
    out.push_back(0);
    out.push_back(static_cast<std::uint8_t>(c));
  }
  return out;
}

Buffer encoded(per::Node node) {
  per::Message message;
  message.make(node.type()).copy(node);
  Buffer out;
  if (!message.encode(out)) out.clear();
  return out;
}

void say_terminal(per::Edit<h225::EndpointType> type) {
  (void)type[h225::EndpointType::kTerminal];
  type[h225::EndpointType::kMc].set(0);
  type[h225::EndpointType::kUndefinedNode].set(0);
}

}  // namespace

const Relay* Relays::relay_of(const std::vector<Alias>& aliases) const {
  for (const Relay& relay : stack_.config.relays) {
    const auto fits = [&](const Alias& alias) {
      if (const auto address = address_of(alias))
        return std::count(relay.domains.begin(), relay.domains.end(), address->host) != 0;
      const auto digits = digits_of(alias);
      return digits &&
             std::any_of(relay.prefixes.begin(), relay.prefixes.end(),
                         [&](const std::string& prefix) { return digits->starts_with(prefix); });
    };
    if (std::any_of(aliases.begin(), aliases.end(), fits)) return &relay;
  }
  return nullptr;
}

Relays::Seat* Relays::find(const std::string& endpoint) {
  const auto it = seats_.find(endpoint);
  return it == seats_.end() ? nullptr : &it->second;
}

TransportAddress Relays::our_address(const IpAddress& toward, std::uint16_t port) const {
  for (const IpAddress& ip : stack_.config.advertised)
    if (ip.is_v4() == toward.is_v4()) return {ip, port};
  return {toward.is_v4() ? IpAddress::any_v4() : IpAddress::any_v6(), port};
}

// ---- A seat there ----

void Relays::enrol(const Endpoint& endpoint, const Relay& relay, Commands& out,
                   OnEnrolled on_enrolled) {
  Seat* known = find(endpoint.id);
  if (known != nullptr && known->relay != &relay) {
    leave(endpoint.id, out);
    known = nullptr;
  }
  Seat& seat = seats_[endpoint.id];
  seat.relay = &relay;
  seat.aliases = endpoint.aliases;
  std::erase_if(seat.aliases,
                [](const Alias& alias) { return alias.kind == Alias::Kind::TransportId; });
  seat.time_to_live = endpoint.time_to_live;
  seat.on_enrolled = std::move(on_enrolled);
  if (known != nullptr && !seat.identifier.empty())
    return register_there(endpoint.id, seat, false, out);
  edge::Edge* edge = out.edge(Place::outside());
  if (edge == nullptr) return fail_with(endpoint.id, Reason::kResourceUnavailable.kIndex, out);
  seat.gatekeeper = {.place = Place::outside()};
  const std::uint16_t port = relay.gatekeeper.port != 0 ? relay.gatekeeper.port : kPortRas;
  if (const auto literal = relay.gatekeeper.literal()) {
    seat.gatekeeper.remote = {literal->ip, port};
    return listen(endpoint.id, seat, out);
  }
  seat.gatekeeper.remote.port = port;
  seat.query = edge::QueryId{out.new_id()};
  edge->resolve(seat.query, relay.gatekeeper.host, edge::RecordType::Address);
}

bool Relays::on_resolved(edge::QueryId id, const std::vector<edge::Record>& records,
                         Commands& out) {
  const auto it = std::find_if(seats_.begin(), seats_.end(),
                               [&](const auto& entry) { return entry.second.query == id; });
  if (it == seats_.end()) return false;
  it->second.query = {};
  if (records.empty()) {
    fail_with(it->first, Reason::kResourceUnavailable.kIndex, out);
  } else {
    it->second.gatekeeper.remote.ip = records.front().address;
    listen(it->first, it->second, out);
  }
  return true;
}

// The lowest port that is free.
void Relays::listen(const std::string& endpoint, Seat& seat, Commands& out) {
  edge::Edge* edge = out.edge(Place::outside());
  std::uint32_t port = stack_.config.first_relay_port;
  while (port <= stack_.config.last_relay_port && ports_.contains(static_cast<std::uint16_t>(port)))
    ++port;
  if (edge == nullptr || port > stack_.config.last_relay_port) {
    stack_.log.error("h323 relay has no port left", {{"relay", seat.relay->name}});
    return fail_with(endpoint, Reason::kResourceUnavailable.kIndex, out);
  }
  seat.own = our_address(seat.gatekeeper.remote.ip, static_cast<std::uint16_t>(port));
  ports_.insert(seat.own.port);
  seat.listener = edge::ListenerId{out.new_id()};
  edge::ListenSpec spec;
  spec.transport = edge::Transport::Tcp;
  spec.address = {seat.own.ip.is_v4() ? IpAddress::any_v4() : IpAddress::any_v6(), seat.own.port};
  spec.dscp = stack_.config.outside_marks.signalling;
  spec.protocol = "h323";
  edge->listen(seat.listener, spec);
}

bool Relays::on_listening(edge::ListenerId id, Commands& out) {
  const std::string endpoint = endpoint_at(id);
  if (endpoint.empty()) return false;
  discover(endpoint, seats_.at(endpoint), out);
  return true;
}

bool Relays::on_refused(std::uint64_t id, Commands& out) {
  const std::string endpoint = endpoint_at(edge::ListenerId{id});
  if (endpoint.empty()) return on_resolved(edge::QueryId{id}, {}, out);
  // Somebody else has that port: it stays marked, and the next one is tried.
  Seat& seat = seats_.at(endpoint);
  seat.listener = {};
  listen(endpoint, seat, out);
  return true;
}

std::string Relays::endpoint_at(edge::ListenerId listener) const {
  if (!listener) return {};
  const auto it = std::find_if(seats_.begin(), seats_.end(), [&](const auto& entry) {
    return entry.second.listener == listener;
  });
  return it == seats_.end() ? std::string{} : it->first;
}

// How it calls itself, which is what signatures name.
void Relays::discover(const std::string& endpoint, Seat& seat, Commands& out) {
  using Asks = h225::GatekeeperRequest;
  Message message;
  auto request = begin_ras(message, RasMessage::kGatekeeperRequest, 1);
  codec::h323::set_address(request[Asks::kRasAddress],
                           our_address(seat.gatekeeper.remote.ip, stack_.config.outside.ras));
  say_terminal(request[Asks::kEndpointType]);
  if (!seat.aliases.empty()) write_aliases(request[Asks::kEndpointAlias], seat.aliases);
  requests_.send(
      message, seat.gatekeeper, std::nullopt, out,
      [this, endpoint](const Message* answer, Commands& commands) {
        Seat* here = find(endpoint);
        if (here == nullptr) return;
        using Confirm = h225::GatekeeperConfirm;
        const auto confirm = answer == nullptr
                                 ? per::View<Confirm>{}
                                 : answer->root<RasMessage>()[RasMessage::kGatekeeperConfirm];
        if (!confirm) return fail_with(endpoint, Reason::kResourceUnavailable.kIndex, commands);
        here->gatekeeper_id = confirm[Confirm::kGatekeeperIdentifier].text();
        if (const auto user = users_.find(here->relay->user, here->relay->name);
            user && !here->relay->user.empty())
          here->sealing = Sealing{.key = from_hex(user->password_sha1).value_or(Buffer{}),
                                  .peer = in_bmp(here->gatekeeper_id),
                                  .version_1 = false,
                                  .self = here->relay->user};
        register_there(endpoint, *here, false, commands);
      });
}

void Relays::register_there(const std::string& endpoint, Seat& seat, bool keep_alive,
                            Commands& out) {
  using Asks = h225::RegistrationRequest;
  Message message;
  auto request = begin_ras(message, RasMessage::kRegistrationRequest, 1);
  request[Asks::kDiscoveryComplete].set(1);
  codec::h323::set_address(request[Asks::kCallSignalAddress].append(), seat.own);
  codec::h323::set_address(request[Asks::kRasAddress].append(),
                           our_address(seat.gatekeeper.remote.ip, stack_.config.outside.ras));
  say_terminal(request[Asks::kTerminalType]);
  if (!keep_alive && !seat.aliases.empty())
    write_aliases(request[Asks::kTerminalAlias], seat.aliases);
  if (!seat.gatekeeper_id.empty())
    request[Asks::kGatekeeperIdentifier].set_text(seat.gatekeeper_id);
  auto vendor = request[Asks::kEndpointVendor];
  auto maker = vendor[h225::VendorIdentifier::kVendor];
  maker[h225::H221NonStandard::kT35CountryCode].set(0);
  maker[h225::H221NonStandard::kT35Extension].set(0);
  maker[h225::H221NonStandard::kManufacturerCode].set(0);
  vendor[h225::VendorIdentifier::kProductId].set_octets(as_bytes("Sallyport"));
  request[Asks::kTimeToLive].set(std::chrono::duration_cast<seconds>(seat.time_to_live).count());
  request[Asks::kKeepAlive].set(keep_alive ? 1 : 0);
  if (!seat.identifier.empty()) request[Asks::kEndpointIdentifier].set_text(seat.identifier);
  request[Asks::kWillSupplyUUIEs].set(0);
  request[Asks::kMaintainConnection].set(0);
  requests_.send(message, seat.gatekeeper, seat.sealing, out,
                 [this, endpoint, keep_alive](const Message* answer, Commands& commands) {
                   on_registered(endpoint, keep_alive, answer, commands);
                 });
}

void Relays::on_registered(const std::string& endpoint, bool keep_alive, const Message* answer,
                           Commands& out) {
  using Confirm = h225::RegistrationConfirm;
  Seat* seat = find(endpoint);
  if (seat == nullptr) return;
  if (answer != nullptr) {
    if (const auto confirm = answer->root<RasMessage>()[RasMessage::kRegistrationConfirm]) {
      seat->identifier = confirm[Confirm::kEndpointIdentifier].text();
      const auto life = confirm[Confirm::kTimeToLive].integer();
      seat->time_to_live = life > 0 ? Duration{seconds{life}} : kDefaultLife;
      return enrolled(*seat, out);
    }
  }
  // It has forgotten this one: from the beginning.
  if (keep_alive) {
    seat->identifier.clear();
    return discover(endpoint, *seat, out);
  }
  std::uint16_t reason = Reason::kResourceUnavailable.kIndex;
  if (answer != nullptr) {
    const auto reject = answer->root<RasMessage>()[RasMessage::kRegistrationReject];
    reason = reject[h225::RegistrationReject::kRejectReason].chosen().member();
  }
  const bool denied =
      reason == Reason::kSecurityDenial.kIndex || reason == Reason::kSecurityError.kIndex;
  stack_.log.warning("h323 registration refused by the gatekeeper that it is relayed to",
                     {{"relay", seat->relay->name},
                      {"reason", Reason::kSchema->members[reason].name},
                      {"password", seat->sealing ? "shown" : "none is kept for it"}});
  // Its lists are of names, as we gave them.
  if (reason == Reason::kDuplicateAlias.kIndex || reason == Reason::kInvalidTerminalAliases.kIndex)
    reason = Reason::kInvalidAlias.kIndex;
  fail_with(endpoint, denied ? Reason::kSecurityDenial.kIndex : reason, out);
}

void Relays::enrolled(Seat& seat, Commands& out) {
  const auto endpoint = std::find_if(seats_.begin(), seats_.end(), [&](const auto& entry) {
                          return &entry.second == &seat;
                        })->first;
  stack_.timers.stop(seat.refresh);
  const Duration half = std::max<Duration>(seat.time_to_live / 2, seconds{1});
  seat.refresh = stack_.timers.start(
      std::max(half, seat.time_to_live - kSooner * 6),
      [this, endpoint](Commands& commands) {
        if (Seat* here = find(endpoint)) register_there(endpoint, *here, true, commands);
      },
      out);
  if (auto on_enrolled = std::exchange(seat.on_enrolled, {})) on_enrolled(std::nullopt, out);
}

void Relays::fail_with(const std::string& endpoint, std::uint16_t reason, Commands& out) {
  Seat* seat = find(endpoint);
  if (seat == nullptr) return;
  const std::string id = endpoint;  // it may be the key that goes
  const OnEnrolled on_enrolled = std::exchange(seat->on_enrolled, {});
  drop(id, out);
  if (on_enrolled) return on_enrolled(reason, out);
  on_lost_(id, out);
}

void Relays::drop(const std::string& endpoint, Commands& out) {
  auto node = seats_.extract(endpoint);
  if (node.empty()) return;
  const Seat& seat = node.mapped();
  stack_.timers.stop(seat.refresh);
  if (seat.own.port != 0) ports_.erase(seat.own.port);
  edge::Edge* edge = out.edge(Place::outside());
  if (edge != nullptr && seat.listener) edge->close(seat.listener);
  std::erase_if(grants_, [&](const auto& grant) { return grant.second.endpoint == endpoint; });
}

void Relays::leave(const std::string& endpoint, Commands& out) {
  Seat* seat = find(endpoint);
  if (seat == nullptr) return;
  if (!seat->identifier.empty()) {
    using Asks = h225::UnregistrationRequest;
    Message message;
    auto request = begin_ras(message, RasMessage::kUnregistrationRequest, 1);
    codec::h323::set_address(request[Asks::kCallSignalAddress].append(), seat->own);
    request[Asks::kEndpointIdentifier].set_text(seat->identifier);
    requests_.send(message, seat->gatekeeper, seat->sealing, out, [](const Message*, Commands&) {});
  }
  drop(endpoint, out);
}

// ---- Calls ----

void Relays::admit(const std::string& endpoint, const CallQuery& query, bool answer, Commands& out,
                   const OnAdmitted& on_admitted) {
  Seat* seat = find(endpoint);
  if (seat == nullptr || seat->identifier.empty())
    return on_admitted(std::nullopt, Refusal::CallerNotRegistered, out);
  if (grants_.size() >= kMostGrants) return on_admitted(std::nullopt, Refusal::NoResources, out);
  using Asks = h225::AdmissionRequest;
  Message message;
  auto request = begin_ras(message, RasMessage::kAdmissionRequest, 1);
  (void)request[Asks::kCallType][h225::CallType::kPointToPoint];
  request[Asks::kEndpointIdentifier].set_text(seat->identifier);
  const std::vector<Alias>& called = answer ? seat->aliases : query.called;
  if (!called.empty()) write_aliases(request[Asks::kDestinationInfo], called);
  if (answer)
    codec::h323::set_address(request[Asks::kDestCallSignalAddress], seat->own);
  else if (query.address)
    codec::h323::set_address(request[Asks::kDestCallSignalAddress], *query.address);
  auto source = request[Asks::kSrcInfo];
  write_aliases(source, answer ? query.caller : seat->aliases);
  codec::h323::set_address(request[Asks::kSrcCallSignalAddress],
                           answer ? query.from.remote : seat->own);
  request[Asks::kBandWidth].set(kBandwidth);
  request[Asks::kCallReferenceValue].set(query.call[0] << 8U | query.call[1]);
  request[Asks::kConferenceID].set_octets(query.call);
  request[Asks::kActiveMC].set(0);
  request[Asks::kAnswerCall].set(answer ? 1 : 0);
  request[Asks::kCanMapAlias].set(1);
  request[Asks::kCallIdentifier][h225::CallIdentifier::kGuid].set_octets(query.call);
  if (!seat->gatekeeper_id.empty())
    request[Asks::kGatekeeperIdentifier].set_text(seat->gatekeeper_id);
  request[Asks::kWillSupplyUUIEs].set(0);
  requests_.send(
      message, seat->gatekeeper, seat->sealing, out,
      [this, endpoint, query, answer, on_admitted](const Message* said, Commands& commands) {
        using Confirm = h225::AdmissionConfirm;
        Seat* here = find(endpoint);
        if (said == nullptr || here == nullptr)
          return on_admitted(std::nullopt, Refusal::Unreachable, commands);
        const auto confirm = said->root<RasMessage>()[RasMessage::kAdmissionConfirm];
        const auto address = codec::h323::address(confirm[Confirm::kDestCallSignalAddress]);
        if (!confirm || !address) {
          const auto reject = said->root<RasMessage>()[RasMessage::kAdmissionReject];
          return on_admitted(std::nullopt,
                             refusal_of(reject[h225::AdmissionReject::kRejectReason].chosen()),
                             commands);
        }
        Destination made;
        made.hop = {
            .place = Place::outside(), .transport = edge::Transport::Tcp, .remote = *address};
        made.called = query.called;
        if (auto mapped = read_aliases(confirm[Confirm::kDestinationInfo]); !mapped.empty())
          made.called = std::move(mapped);
        made.caller = here->aliases;
        made.source = here->own;
        for (const auto& token : confirm[Confirm::kTokens]) made.tokens.push_back(encoded(token));
        made.grant = ++last_grant_;
        grants_[made.grant] = {endpoint, query.call, answer};
        on_admitted(std::move(made), Refusal::CalledPartyNotRegistered, commands);
      });
}

Refusal Relays::refusal_of(per::Node reason) {
  using Why = h225::AdmissionRejectReason;
  switch (reason.member()) {
    case Why::kCalledPartyNotRegistered.kIndex:
    case Why::kUnallocatedNumber.kIndex:
      return Refusal::CalledPartyNotRegistered;
    case Why::kCallerNotRegistered.kIndex:
    case Why::kInvalidEndpointIdentifier.kIndex:
      return Refusal::CallerNotRegistered;
    case Why::kInvalidPermission.kIndex:
      return Refusal::NotPermitted;
    case Why::kSecurityDenial.kIndex:
    case Why::kSecurityError.kIndex:
      return Refusal::SecurityDenial;
    case Why::kIncompleteAddress.kIndex:
      return Refusal::IncompleteAddress;
    case Why::kResourceUnavailable.kIndex:
    case Why::kExceedsCallCapacity.kIndex:
      return Refusal::NoResources;
    default:
      return Refusal::Unreachable;
  }
}

void Relays::give_back(std::uint64_t grant, Commands& out) {
  const auto node = grants_.extract(grant);
  if (node.empty()) return;
  const Grant& given = node.mapped();
  const Seat* seat = find(given.endpoint);
  if (seat == nullptr) return;
  using Asks = h225::DisengageRequest;
  Message message;
  auto request = begin_ras(message, RasMessage::kDisengageRequest, 1);
  request[Asks::kEndpointIdentifier].set_text(seat->identifier);
  request[Asks::kConferenceID].set_octets(given.call);
  request[Asks::kCallReferenceValue].set(given.call[0] << 8U | given.call[1]);
  (void)request[Asks::kDisengageReason][h225::DisengageReason::kNormalDrop];
  request[Asks::kCallIdentifier][h225::CallIdentifier::kGuid].set_octets(given.call);
  request[Asks::kAnsweredCall].set(given.answered ? 1 : 0);
  requests_.send(message, seat->gatekeeper, seat->sealing, out, [](const Message*, Commands&) {});
}

// ---- What the other gatekeeper asks ----

bool Relays::on_request(const Hop& from, per::Node body, std::uint16_t sequence, Message& message,
                        Commands& out) {
  if (!from.place.is_outside() || seats_.empty()) return false;
  const std::string identifier = child_named(body, "endpointIdentifier").text();
  const auto it = std::find_if(seats_.begin(), seats_.end(), [&](const auto& entry) {
    return entry.second.gatekeeper.remote.ip == from.remote.ip && !identifier.empty() &&
           entry.second.identifier == identifier;
  });
  if (it == seats_.end()) return false;
  if (body.member() == RasMessage::kDisengageRequest.kIndex) {
    // It releases the call as well, which goes through it.
    begin_ras(message, RasMessage::kDisengageConfirm, sequence);
    return true;
  }
  if (body.member() != RasMessage::kUnregistrationRequest.kIndex) return false;
  const std::string endpoint = it->first;
  stack_.log.info("h323 registration ended by the gatekeeper that it is relayed to",
                  {{"relay", it->second.relay->name}});
  drop(endpoint, out);
  on_lost_(endpoint, out);
  begin_ras(message, RasMessage::kUnregistrationConfirm, sequence);
  return true;
}

}  // namespace sallyport::adapter::h323
