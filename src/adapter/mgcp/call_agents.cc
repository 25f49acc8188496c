#include "adapter/mgcp/call_agents.h"

#include <algorithm>
#include <utility>

#include "codec/mgcp/names.h"
#include "codec/text.h"

namespace sallyport::adapter::mgcp {
namespace {

constexpr Duration kResolveAgain = std::chrono::minutes{5};
constexpr Duration kResolveSoon = seconds{20};  // when there was no answer
constexpr std::size_t kMaxQuestions = 256;      // names that endpoints are told, at once

bool holds(const std::vector<std::string>& names, const std::string& name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

template <typename T>
bool holds_address(const std::vector<T>& addresses, const T& address) {
  return std::find(addresses.begin(), addresses.end(), address) != addresses.end();
}

}  // namespace

CallAgents::CallAgents(Stack& stack, std::function<void(const IpAddress&)> on_addresses)
    : stack_(stack), on_addresses_(std::move(on_addresses)) {
  for (const CallAgentSpec& spec : stack.config.call_agents) {
    Known& known = known_.emplace_back();
    known.spec = spec;
    if (known.spec.address.port == 0) known.spec.address.port = kCallAgentPort;
  }
}

void CallAgents::on_edge_up(Place place, const std::string& name, Commands& out) {
  for (std::size_t i = 0; i < known_.size(); ++i) {
    if (known_[i].spec.agent != (place.is_outside() ? std::string{} : name)) continue;
    known_[i].place = place;
    refresh(i, out);
  }
}

void CallAgents::on_edge_lost(Place place) {
  for (Known& known : known_)
    if (known.place == place) known.place.reset();
  std::erase_if(asked_, [&](const auto& entry) { return entry.second.place == place; });
}

void CallAgents::refresh(std::size_t index, Commands& out) {
  const Known& known = known_[index];
  stack_.timers.stop(known.again);
  if (!known.place) return;
  const auto take = [this, index](const std::vector<IpAddress>& addresses, Commands& at) {
    Known& mine = known_[index];
    // Of a name that nobody knows for the moment, what was known before.
    if (!addresses.empty()) mine.addresses = addresses;
    for (const IpAddress& ip : addresses) on_addresses_(ip);
    if (mine.spec.address.literal()) return;
    mine.again = stack_.timers.start(
        addresses.empty() ? kResolveSoon : kResolveAgain,
        [this, index](Commands& later) { refresh(index, later); }, at);
  };
  resolve(*known.place, known.spec.address.host, take, out);
}

void CallAgents::resolve(Place place, const std::string& host, OnAddresses on_addresses,
                         Commands& out) {
  if (const auto literal = IpAddress::parse(host)) return on_addresses({*literal}, out);
  edge::Edge* edge = out.edge(place);
  if (edge == nullptr || asked_.size() >= kMaxQuestions) return on_addresses({}, out);
  const edge::QueryId query{out.new_id()};
  asked_[query] = {place, std::move(on_addresses)};
  edge->resolve(query, host, edge::RecordType::Address);
}

bool CallAgents::on_resolved(edge::QueryId id, const std::vector<edge::Record>& records,
                             Commands& out) {
  const auto node = asked_.extract(id);
  if (node.empty()) return false;
  std::vector<IpAddress> addresses;
  for (const edge::Record& record : records)
    if (record.type == edge::RecordType::Address) addresses.push_back(record.address);
  node.mapped().on_addresses(addresses, out);
  return true;
}

bool CallAgents::on_refused(std::uint64_t id, Commands& out) {
  return on_resolved(edge::QueryId{id}, {}, out);
}

bool CallAgents::is_one(const Hop& from) const {
  return std::any_of(known_.begin(), known_.end(), [&](const Known& known) {
    return known.place == from.place && holds_address(known.addresses, from.remote.ip);
  });
}

bool CallAgents::serves(const Known& known, const Gateway& gateway) const {
  if (known.spec.serves.empty()) return known.spec.agent.empty() != gateway.place.is_outside();
  return holds(known.spec.serves, gateway.agent);
}

bool CallAgents::controls(const Hop& from, const Gateway& gateway) const {
  return std::any_of(known_.begin(), known_.end(), [&](const Known& known) {
    return known.place == from.place && holds_address(known.addresses, from.remote.ip) &&
           serves(known, gateway);
  });
}

CallAgents::Target CallAgents::first_of(const Gateway& gateway) const {
  Target out;
  for (const Known& known : known_) {
    if (!known.place || known.addresses.empty() || !serves(known, gateway)) continue;
    if (out.addresses.empty()) out.place = *known.place;
    if (*known.place != out.place) continue;
    for (const IpAddress& ip : known.addresses) out.addresses.push_back({ip, known.port()});
  }
  return out;
}

void CallAgents::locate(const Gateway& gateway, const std::optional<std::string>& entity,
                        OnTarget on_target, Commands& out) {
  const Target usual = first_of(gateway);
  if (!entity || usual.addresses.empty()) return on_target(usual, out);
  const auto name = codec::mgcp::Name::parse(*entity);
  if (!name) return on_target(usual, out);
  const std::uint16_t port = name->port != 0 ? name->port : kCallAgentPort;
  // Only addresses of call agents that control it, whatever the endpoint was told.
  std::vector<IpAddress> allowed;
  for (const Known& known : known_)
    if (known.place == usual.place && serves(known, gateway))
      allowed.insert(allowed.end(), known.addresses.begin(), known.addresses.end());
  const auto choose = [this, usual, port, allowed, on_target = std::move(on_target)](
                          const std::vector<IpAddress>& addresses, Commands& at) {
    Target target{usual.place, {}};
    for (const IpAddress& ip : addresses)
      if (holds_address(allowed, ip)) target.addresses.push_back({ip, port});
    if (!target.addresses.empty()) return on_target(target, at);
    stack_.counters.add("notified_entity_unknown");
    on_target(usual, at);
  };
  for (const Known& known : known_)
    if (known.place == usual.place &&
        codec::equals_without_case(known.spec.address.host, name->host()))
      return choose(known.addresses, out);
  resolve(usual.place, std::string{name->host()}, choose, out);
}

std::string CallAgents::name_for(const Gateway& gateway) const {
  for (const Known& known : known_) {
    if (!serves(known, gateway)) continue;
    const auto literal = known.spec.address.literal();
    return (literal ? "[" + literal->ip.to_string() + "]" : known.spec.address.host) + ":" +
           std::to_string(known.port());
  }
  return {};
}

}  // namespace sallyport::adapter::mgcp
