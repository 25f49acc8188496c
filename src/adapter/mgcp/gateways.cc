#include "adapter/mgcp/gateways.h"

#include <algorithm>

#include "codec/text.h"

namespace sallyport::adapter::mgcp {
namespace {

constexpr std::string_view kIdentity = "mgcp:";
constexpr Duration kStoreAgain = std::chrono::hours{24};

// A domain as it is compared: in lower case, an address with or without brackets the same.
std::string canonical(std::string_view domain) {
  if (domain.starts_with('[')) domain = domain.substr(1, domain.size() - 2);
  if (const auto ip = IpAddress::parse(domain)) return ip->to_string();
  return codec::lower(domain);
}

std::string shown_of(std::string_view domain, const std::string& agent, const std::string& under) {
  std::string out = canonical(domain);
  if (agent.empty()) return out;
  if (IpAddress::parse(out))
    std::replace_if(
        out.begin(), out.end(), [](char c) { return c == '.' || c == ':'; }, '-');
  out += "." + codec::lower(agent);
  if (!under.empty()) out += "." + codec::lower(under);
  return out;
}

std::string bracketed(const IpAddress& ip) { return "[" + ip.to_string() + "]"; }

}  // namespace

Gateways::Gateways(Stack& stack, brain::Registrations& registrations)
    : stack_(stack), registrations_(registrations) {}

Gateway* Gateways::add(Gateway gateway) {
  const Own own{gateway.place, canonical(gateway.domain)};
  if (by_own_.contains(own) || by_shown_.contains(gateway.shown)) return nullptr;
  gateway.id = GatewayId{++last_};
  by_own_[own] = gateway.id;
  by_shown_[gateway.shown] = gateway.id;
  if (!gateway.configured) ++count_[gateway.place];
  return &(by_id_[gateway.id] = std::move(gateway));
}

void Gateways::restore(WallTime now) {
  for (const brain::Binding& binding : registrations_.all(now)) {
    if (binding.protocol != "mgcp" || !binding.identity.starts_with(kIdentity)) continue;
    Gateway gateway;
    gateway.place = binding.place;
    gateway.domain = binding.contact;
    gateway.shown = binding.identity.substr(kIdentity.size());
    gateway.address = binding.address;
    gateway.stored = now;
    if (!binding.route.empty()) gateway.notified.set("*", binding.route);
    add(std::move(gateway));
  }
}

void Gateways::on_edge_up(Place place, const std::string& name, Commands& out) {
  const std::string agent = place.is_outside() ? std::string{} : name;
  agents_[place] = agent;
  for (const GatewaySpec& spec : stack_.config.gateways) {
    if (spec.agent != agent) continue;
    Gateway gateway;
    gateway.place = place;
    gateway.agent = agent;
    gateway.domain = spec.domain.empty() ? bracketed(spec.address.ip) : spec.domain;
    gateway.shown = spec.name.empty() ? shown_of(gateway.domain, agent, stack_.config.domain)
                                      : codec::lower(spec.name);
    gateway.address = spec.address;
    gateway.configured = true;
    // What the file says stands above what was learnt.
    if (const auto known = by_own_.find({place, canonical(gateway.domain)});
        known != by_own_.end()) {
      Gateway& old = by_id_.at(known->second);
      if (!old.configured) --count_[place];
      by_shown_.erase(old.shown);
      gateway.id = old.id;
      gateway.notified = std::move(old.notified);
      by_shown_[gateway.shown] = gateway.id;
      old = std::move(gateway);
    } else if (add(std::move(gateway)) == nullptr) {
      stack_.log.warning("mgcp gateway with a name that another one has",
                         {{"agent", agent}, {"address", spec.address.to_string()}});
    }
  }
  for (auto& [id, gateway] : by_id_) {
    if (gateway.place != place) continue;
    gateway.agent = agent;
    ask_local_address(gateway, out);
  }
}

// Our own address there may be another one when the agent comes back.
void Gateways::on_edge_lost(Place place) {
  agents_.erase(place);
  for (auto& [id, gateway] : by_id_)
    if (gateway.place == place) gateway.local = {};
  std::erase_if(asked_, [&](const auto& entry) {
    const Gateway* gateway = find(entry.second);
    return gateway == nullptr || gateway->place == place;
  });
}

void Gateways::ask_local_address(Gateway& gateway, Commands& out) {
  edge::Edge* edge = out.edge(gateway.place);
  if (edge == nullptr || !gateway.local.is_unspecified()) return;
  const edge::QueryId query{out.new_id()};
  asked_[query] = gateway.id;
  edge->find_local_address(query, gateway.address.ip);
}

bool Gateways::on_local_address(edge::QueryId id, const IpAddress& local) {
  const auto it = asked_.find(id);
  if (it == asked_.end()) return false;
  Gateway* gateway = find(it->second);
  asked_.erase(it);
  if (gateway != nullptr && gateway->local.is_unspecified()) gateway->local = local;
  return true;
}

Gateway* Gateways::find(GatewayId id) {
  const auto it = by_id_.find(id);
  return it == by_id_.end() ? nullptr : &it->second;
}

Gateway* Gateways::find_shown(std::string_view domain) {
  const auto it = by_shown_.find(canonical(domain));
  return it == by_shown_.end() ? nullptr : find(it->second);
}

Result<Gateway*> Gateways::heard(const Hop& from, const codec::mgcp::Name& name, Commands& out) {
  const auto known = by_own_.find({from.place, canonical(name.domain)});
  Gateway* gateway = known == by_own_.end() ? nullptr : find(known->second);
  if (gateway == nullptr) {
    if (from.place.is_outside())
      return fail(Errc::NotPermitted, "a gateway that is not configured");
    if (size() >= stack_.config.max_gateways ||
        count_[from.place] >= stack_.config.max_gateways_per_agent)
      return fail(Errc::Exhausted, "too many gateways");
    const std::string& agent = agents_[from.place];
    Gateway fresh;
    fresh.place = from.place;
    fresh.agent = agent;
    fresh.shown = shown_of(name.domain, agent, stack_.config.domain);
    fresh.domain = name.domain;
    gateway = add(std::move(fresh));
    if (gateway == nullptr) return fail(Errc::Exhausted, "the name is another gateway's");
    stack_.log.info("mgcp gateway", {{"name", gateway->shown},
                                     {"agent", from.place.agent.value},
                                     {"address", from.remote.to_string()}});
  }
  if (gateway->configured) {
    // Outside, a name is easily said: the address must be the configured one.
    if (from.place.is_outside() && from.remote.ip != gateway->address.ip)
      return fail(Errc::NotPermitted, "a gateway at another address than the configured one");
  } else {
    gateway->domain = name.domain;
    // RFC 3435 3.5: commands go to the port that the name tells, or else to the default one.
    const TransportAddress address{from.remote.ip, name.port != 0 ? name.port : kGatewayPort};
    if (gateway->address != address || out.wall_now() - gateway->stored > kStoreAgain) {
      gateway->address = address;
      store(*gateway, out.wall_now());
    }
  }
  if (!from.local.ip.is_unspecified()) gateway->local = from.local.ip;
  ask_local_address(*gateway, out);
  return gateway;
}

void Gateways::store(Gateway& gateway, WallTime now) {
  if (gateway.configured) return;
  gateway.stored = now;
  brain::Binding binding;
  binding.identity = std::string{kIdentity} + gateway.shown;
  binding.key = "gateway";
  binding.protocol = "mgcp";
  binding.place = gateway.place;
  binding.contact = gateway.domain;
  binding.address = gateway.address;
  binding.expires =
      now + std::chrono::duration_cast<WallTime::duration>(stack_.config.gateway_life);
  binding.details = "MGCP gateway";
  binding.route = gateway.notified.latest();
  registrations_.update({.identity = binding.identity, .remove = {}, .put = {binding}}, now,
                        [this](const Result<void>& done) {
                          if (!done) stack_.counters.add("gateway_not_stored");
                        });
}

}  // namespace sallyport::adapter::mgcp
