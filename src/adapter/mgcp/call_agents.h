// The call agents that may control gateways, wherever they are: whose gateways each may command,
// their addresses (in the DNS of their side), and where what a gateway says goes: to the entity
// that its endpoint was told to notify, if that is one of them, or else to the first that controls
// it. Brain's thread.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "adapter/mgcp/gateways.h"
#include "adapter/mgcp/stack.h"

namespace sallyport::adapter::mgcp {

class CallAgents {
 public:
  // `on_addresses`: these carry the calls of many. Stack outlives it.
  CallAgents(Stack& stack, std::function<void(const IpAddress&)> on_addresses);

  void on_edge_up(Place place, const std::string& name, Commands& out);
  void on_edge_lost(Place place);
  bool on_resolved(edge::QueryId id, const std::vector<edge::Record>& records, Commands& out);
  bool on_refused(std::uint64_t id, Commands& out);

  bool is_one(const Hop& from) const;
  bool controls(const Hop& from, const Gateway& gateway) const;

  // Where a gateway's command goes; addresses in the order to try, all at one place. No address:
  // nowhere is known. Called at once, or when a name has been resolved.
  struct Target {
    Place place;
    std::vector<TransportAddress> addresses;
  };
  using OnTarget = std::function<void(const Target&, Commands&)>;
  void locate(const Gateway& gateway, const std::optional<std::string>& entity, OnTarget on_target,
              Commands& out);
  // What stands for it in NotifiedEntity when a gateway was told none: its configured address.
  std::string name_for(const Gateway& gateway) const;

 private:
  struct Known {
    CallAgentSpec spec;
    std::optional<Place> place;  // none: its agent is not there
    std::vector<IpAddress> addresses;
    TimerId again;  // when its name is resolved again
    std::uint16_t port() const { return spec.address.port; }
  };
  using OnAddresses = std::function<void(const std::vector<IpAddress>&, Commands&)>;

  bool serves(const Known& known, const Gateway& gateway) const;
  Target first_of(const Gateway& gateway) const;
  void resolve(Place place, const std::string& host, OnAddresses on_addresses, Commands& out);
  void refresh(std::size_t index, Commands& out);

  Stack& stack_;
  std::function<void(const IpAddress&)> on_addresses_;
  std::vector<Known> known_;
  struct Question {
    Place place;
    OnAddresses on_addresses;
  };
  std::map<edge::QueryId, Question> asked_;
};

}  // namespace sallyport::adapter::mgcp
