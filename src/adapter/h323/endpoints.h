// The terminals, gateways and MCUs that are registered here. What others may know of them (which
// name is reachable through which agent, at which address, until when) stands in the registration
// store, one binding for each name; what RAS needs beside it is here. After a restart the store
// tells who was registered. Gatekeeper's; brain's thread.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "adapter/h323/alias.h"
#include "adapter/h323/config.h"
#include "adapter/h323/h235.h"
#include "adapter/hop.h"
#include "brain/registrations.h"

namespace sallyport::adapter::h323 {

struct Endpoint {
  std::string id;  // endpointIdentifier
  Place place;
  TransportAddress signalling;  // where it takes calls
  TransportAddress ras;         // where our requests reach it
  IpAddress local;              // our address as it sees it; unspecified: not known
  std::vector<Alias> aliases;
  std::vector<std::string> prefixes;  // of a gateway: the numbers that it serves begin so
  std::string vendor;                 // product and version, for people
  Duration time_to_live{};
  std::string user;                // whose password it showed; empty: nobody's
  std::optional<Sealing> sealing;  // how what it says is signed, and what it is told
  bool exhausted = false;          // a gateway that says it is almost out of resources (RAI)
};

class Endpoints {
 public:
  // All must outlive it.
  Endpoints(const Config& config, brain::Registrations& registrations)
      : config_(config), registrations_(registrations) {}

  // Takes over what the store knows. Before the first message.
  void restore(WallTime now);

  const Endpoint* find(const std::string& id) const;
  Endpoint* find(const std::string& id);
  // The one at that place that takes calls at that address.
  const Endpoint* find_at(Place place, const TransportAddress& signalling) const;
  // The one that takes calls on that host, or the first of them.
  const Endpoint* first_on(Place place, const IpAddress& host) const;
  // Is one of those registered whose host this is?
  bool is_host(Place place, const IpAddress& ip) const;
  // Who has that name; null: nobody.
  const Endpoint* owner(const std::string& identity) const;
  // Does a number or prefix begin with these digits? Then more of them may make it a name.
  bool has_longer(const std::string& digits) const;

  // Adds it, or replaces the one of that id, for its time to live. None of its names is another
  // one's. Exhausted beyond the limits; then it is not registered at all.
  using OnDone = std::function<void(Result<void>)>;
  void put(Endpoint endpoint, WallTime now, const OnDone& on_done);
  // It has been heard of: registered for another time to live.
  void refresh(const std::string& id, WallTime now);
  void remove(const std::string& id, WallTime now);

  std::size_t size() const { return by_id_.size(); }
  std::vector<const Endpoint*> all() const;

 private:
  void index(const Endpoint& endpoint);
  void unindex(const Endpoint& endpoint);
  brain::Binding binding_of(const Endpoint& endpoint, std::string identity, WallTime now) const;
  void store(const Endpoint& endpoint, const std::vector<std::string>& gone, WallTime now,
             const OnDone& on_done);

  const Config& config_;
  brain::Registrations& registrations_;
  std::unordered_map<std::string, Endpoint> by_id_;
  std::map<std::pair<Place, TransportAddress>, std::string> by_signalling_;
  std::map<std::pair<Place, IpAddress>, std::size_t> hosts_;
  std::map<std::string, std::string> by_identity_;  // in order: has_longer()
  std::map<Place, std::size_t> count_;
};

// Every name of an endpoint, as the store knows it.
std::vector<std::string> identities_of(const Endpoint& endpoint);

}  // namespace sallyport::adapter::h323
