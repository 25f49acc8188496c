// The gateways: where each is, what it calls itself, and the domain by which call agents know it.
//
// Several sites may have gateways of one name, or with one address; so towards call agents a
// gateway's domain is GATEWAY.AGENT.DOMAIN: its own domain, in lower case and with dashes for what
// separates the numbers of an address; our agent's name; the configured domain. aaln/1@[10.1.1.5]
// behind the agent "site1" is aaln/1@10-1-1-5.site1.example.org. A gateway outside keeps its name.
//
// A gateway is configured, or learnt when it says something (RSIP, as a rule); what is learnt is
// kept in the registration store, so that it is known after a restart. Brain's thread.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "adapter/mgcp/notified_entities.h"
#include "adapter/mgcp/stack.h"
#include "brain/registrations.h"
#include "codec/mgcp/names.h"

namespace sallyport::adapter::mgcp {

using GatewayId = Id<struct GatewayTag>;

struct Gateway {
  GatewayId id;
  Place place;
  std::string agent;         // our agent's name; empty: it is outside
  std::string domain;        // as it writes it itself
  std::string shown;         // as call agents know it
  TransportAddress address;  // where it takes commands
  IpAddress local;           // our address as it sees it; unspecified: not known yet
  bool configured = false;
  NotifiedEntities notified;
  WallTime stored{};  // when the store was told last
};

class Gateways {
 public:
  // All must outlive it.
  Gateways(Stack& stack, brain::Registrations& registrations);

  void restore(WallTime now);  // what the store knows; before the first message
  void on_edge_up(Place place, const std::string& name, Commands& out);
  void on_edge_lost(Place place);
  bool on_local_address(edge::QueryId id, const IpAddress& local);

  Gateway* find(GatewayId id);
  Gateway* find_shown(std::string_view domain);
  // A command came from there, for an endpoint of this domain: who that is. Exhausted: there are
  // too many, or the name that it would be shown by is another one's; NotPermitted: one outside
  // that is not configured.
  Result<Gateway*> heard(const Hop& from, const codec::mgcp::Name& name, Commands& out);
  // What it was told to notify has changed.
  void store(Gateway& gateway, WallTime now);

  std::size_t size() const { return by_id_.size(); }

 private:
  using Own = std::pair<Place, std::string>;  // its own domain, canonical

  Gateway* add(Gateway gateway);
  void ask_local_address(Gateway& gateway, Commands& out);

  Stack& stack_;
  brain::Registrations& registrations_;
  std::unordered_map<GatewayId, Gateway> by_id_;
  std::map<Own, GatewayId> by_own_;
  std::map<std::string, GatewayId, std::less<>> by_shown_;
  std::map<Place, std::string> agents_;  // names
  std::map<Place, std::size_t> count_;   // learnt ones
  std::map<edge::QueryId, GatewayId> asked_;
  std::uint64_t last_ = 0;
};

}  // namespace sallyport::adapter::mgcp
