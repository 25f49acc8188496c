// Where a call goes (DESIGN section 6): a name that is registered here to its terminal, a number
// that begins as a gateway serves it to that gateway, everything else where the static routes say,
// to an address, or where DNS says (H.323 Annex O), and at last where a neighbour says (LRQ). About
// calls of terminals that are registered at a gatekeeper elsewhere as well, that one decides
// (relays.h). Never an open relay: from outside only what is registered here can be reached, and
// who leaves for elsewhere must be registered. Brain's thread.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "adapter/h323/destinations.h"
#include "adapter/h323/endpoints.h"
#include "adapter/h323/ras_requests.h"
#include "adapter/h323/relays.h"
#include "adapter/h323/stack.h"
#include "brain/registrations.h"
#include "brain/routing.h"

namespace sallyport::adapter::h323 {

class Router final : public Destinations {
 public:
  static constexpr std::size_t kMostSearches = 2000;
  // What an ARQ has found holds for the Setup that follows it.
  static constexpr Duration kRemembered = seconds{30};
  static constexpr std::size_t kMostRemembered = 10'000;

  // All must outlive it.
  Router(Stack& stack, Endpoints& endpoints, brain::Registrations& registrations,
         const brain::Routing& routes, RasRequests& requests, Relays& relays)
      : stack_(stack),
        endpoints_(endpoints),
        registrations_(registrations),
        routes_(routes),
        requests_(requests),
        relays_(relays) {}

  void find(const CallQuery& query, Commands& out, OnFound on_found) override;

  // ---- from the adapter; false: that question is not ours ----
  bool on_resolved(edge::QueryId id, const std::vector<edge::Record>& records, Commands& out);
  bool on_refused(std::uint64_t id, Commands& out);
  void on_edge_lost(Place place, Commands& out);
  std::size_t size() const { return searches_.size(); }

 private:
  struct Search;
  struct Step;
  using SearchPtr = std::shared_ptr<Search>;

  // Who asks, if it is one of ours, and as what it is known elsewhere.
  const Endpoint* caller_of(const CallQuery& query) const;
  std::vector<Alias> names_of(const CallQuery& query, const Endpoint* caller) const;
  bool is_ours(const std::string& host, const CallQuery& query) const;
  std::vector<std::string> identities_for(const CallQuery& query) const;

  bool find_relayed(const SearchPtr& search, Commands& out);
  void find_registered(Search& search, Commands& out);
  void find_at_address(Search& search);
  void plan(Search& search);
  void plan_by_dns(Search& search, const std::string& host);
  void plan_neighbours(Search& search) const;
  static void plan_upstreams(Search& search, const std::vector<brain::Upstream>& upstreams);

  void step(const SearchPtr& search, Commands& out);
  void ask(const SearchPtr& search, const std::vector<TransportAddress>& whom, Commands& out);
  void on_located(Search& search, const codec::per::Message& answer);
  void finish(const SearchPtr& search, Commands& out);
  TransportAddress our_ras_address(const IpAddress& toward) const;
  void remember(const CallQuery& query, const Found& found, TimePoint now);
  const Found* recall(const CallQuery& query, TimePoint now) const;

  Stack& stack_;
  Endpoints& endpoints_;
  brain::Registrations& registrations_;
  const brain::Routing& routes_;
  RasRequests& requests_;
  Relays& relays_;
  std::map<edge::QueryId, SearchPtr> searches_;  // by the question that is open
  using Asked = std::pair<Place, CallIdentifier>;
  struct Remembered {
    std::vector<Alias> called;
    Found found;
    TimePoint when{};
  };
  std::map<Asked, Remembered> remembered_;
  std::deque<std::pair<TimePoint, Asked>> remembered_ages_;
};

}  // namespace sallyport::adapter::h323
