// Finds the hops to a URI on one edge (RFC 3263: NAPTR, SRV, addresses, in order of priority and
// weight), in that side's DNS, and our own address toward each. Brain's thread.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "adapter/sip/config.h"
#include "adapter/sip/hop.h"
#include "adapter/sip/routing.h"
#include "base/random.h"

namespace sallyport::adapter::sip {

class Transport;

class Locator {
 public:
  using OnHops = std::function<void(std::vector<Hop>, Commands&)>;  // empty: nowhere

  Locator(const Config& config, Transport& transport, Random& random)
      : config_(config), transport_(transport), random_(random) {}

  // The hops of a target, best first: its own hop, else those of its next hops, of its first route,
  // or of its URI. May answer before it returns.
  void locate(const Target& target, Commands& out, OnHops on_hops);

  // False when that question is not ours.
  bool on_resolved(Place place, edge::QueryId id, const std::vector<edge::Record>& records,
                   Commands& out);
  bool on_local_address(Place place, edge::QueryId id, const IpAddress& local, Commands& out);
  bool on_refused(std::uint64_t id, Commands& out);
  void on_edge_lost(Place place, Commands& out);
  std::size_t size() const { return searches_.size(); }

 private:
  struct Search;
  using SearchPtr = std::shared_ptr<Search>;
  void begin(Search& search, const std::string& uri) const;
  void add_services(Search& search) const;
  void step(const SearchPtr& search, Commands& out);
  void on_naptr(Search& search, std::vector<edge::Record> records) const;
  void on_srv(Search& search, const std::vector<edge::Record>& records) const;
  void on_addresses(Search& search, const std::vector<edge::Record>& records) const;
  void find_locals(const SearchPtr& search, Commands& out);
  SearchPtr take(std::uint64_t id);

  const Config& config_;
  Transport& transport_;
  Random& random_;
  std::unordered_map<std::uint64_t, SearchPtr> searches_;  // by the question that is open
};

}  // namespace sallyport::adapter::sip
