#include "brain/brain.h"

#include <utility>

namespace sallyport::brain {

using adapter::Place;

namespace {

// Ids that a commander chooses carry, above the counter, which adapter asked. So what an edge tells
// finds its way back without a table.
constexpr unsigned kOwnerShift = 48;
constexpr std::uint64_t kOwnerMask = 0xff;

std::size_t owner_index(std::uint64_t id) {
  return static_cast<std::size_t>(id >> kOwnerShift & kOwnerMask);
}

}  // namespace

// One adapter, and what it acts with.
class Brain::AdapterCommands final : public adapter::Commands {
 public:
  AdapterCommands(Brain& brain, std::uint64_t owner, std::unique_ptr<adapter::Adapter> its_adapter)
      : brain_(brain),
        owner_(owner << kOwnerShift),
        adapter_(std::move(its_adapter)),
        paths_(brain.media_options_, brain.random_, brain.flow_watch_, *this) {}

  adapter::Adapter& adapter() { return *adapter_; }
  MediaPaths& paths() { return paths_; }

  TimePoint now() const override { return brain_.clocks_.now(); }
  WallTime wall_now() const override { return brain_.clocks_.wall_now(); }
  edge::Edge* edge(Place place) override { return brain_.edge_at(place); }
  std::uint64_t new_id() override { return owner_ | brain_.next_id_++; }
  TimerId new_timer() override { return TimerId{new_id()}; }
  void start_timer(TimerId id, Duration after) override {
    const auto before = brain_.timers_.next_deadline();
    brain_.timers_.start(id, now() + after);
    if (brain_.timers_.next_deadline() != before) brain_.wake_();
  }
  void stop_timer(TimerId id) override { brain_.timers_.stop(id); }
  adapter::MediaPaths& media() override { return paths_; }

 private:
  Brain& brain_;
  std::uint64_t owner_;
  std::unique_ptr<adapter::Adapter> adapter_;
  MediaPaths paths_;
};

// An edge's place: takes what it tells to the adapter that it concerns.
class Brain::Slot final : public edge::Observer {
 public:
  Slot(Brain& brain, Place place) : brain_(brain), place_(place) {}

  edge::Edge* edge = nullptr;
  // Connections that the edge chose ids for, and which adapter's listener they came by.
  std::unordered_map<edge::ConnectionId, AdapterCommands*> accepted;

  void on_listening(edge::ListenerId id, const TransportAddress& local) override {
    if (auto* to = brain_.owner_of(id.value)) to->adapter().on_listening(place_, id, local, *to);
  }
  void on_datagram(edge::ListenerId id, const edge::Addresses& addresses, Bytes datagram) override {
    if (auto* to = brain_.owner_of(id.value))
      to->adapter().on_datagram(place_, id, addresses, datagram, *to);
  }
  void on_accepted(edge::ListenerId listener, edge::ConnectionId id,
                   const edge::Arrival& arrival) override {
    auto* to = brain_.owner_of(listener.value);
    if (to == nullptr) return;
    accepted[id] = to;
    to->adapter().on_accepted(place_, listener, id, arrival, *to);
  }
  void on_connected(edge::ConnectionId id, const edge::Addresses& addresses) override {
    if (auto* to = brain_.owner_of(place_, id))
      to->adapter().on_connected(place_, id, addresses, *to);
  }
  void on_received(edge::ConnectionId id, Bytes octets) override {
    if (auto* to = brain_.owner_of(place_, id)) to->adapter().on_received(place_, id, octets, *to);
  }
  void on_half_closed(edge::ConnectionId id) override {
    if (auto* to = brain_.owner_of(place_, id)) to->adapter().on_half_closed(place_, id, *to);
  }
  void on_closed(edge::ConnectionId id, const Error& why) override {
    auto* to = brain_.owner_of(place_, id);
    accepted.erase(id);
    if (to != nullptr) to->adapter().on_closed(place_, id, why, *to);
  }
  void on_resolved(edge::QueryId id, const std::vector<edge::Record>& records) override {
    if (auto* to = brain_.owner_of(id.value)) to->adapter().on_resolved(place_, id, records, *to);
  }
  void on_local_address(edge::QueryId id, const IpAddress& local) override {
    if (auto* to = brain_.owner_of(id.value))
      to->adapter().on_local_address(place_, id, local, *to);
  }
  void on_media_opened(media::MediaId id, const std::vector<TransportAddress>& addresses) override {
    if (auto* to = brain_.owner_of(id.value)) to->paths().on_media_opened(id, addresses);
  }
  void on_media_event(media::MediaId id, const media::Event& event) override {
    if (auto* to = brain_.owner_of(id.value)) to->paths().on_media_event(id, event);
  }
  void on_media_counts(edge::QueryId query, media::MediaId /*id*/,
                       const media::Counts& counts) override {
    if (auto* to = brain_.owner_of(query.value)) to->paths().on_media_counts(query, counts);
  }
  void on_refused(std::uint64_t id, Errc code, const std::string& what) override {
    auto* to = brain_.owner_of(id);
    if (to == nullptr || to->paths().on_refused(id, code, what)) return;
    to->adapter().on_refused(place_, id, code, what, *to);
  }
  void on_lost() override { brain_.detach(place_); }

 private:
  Brain& brain_;
  Place place_;
};

Brain::Brain(const Clocks& clocks, Random& random, Log& log, MediaPathsOptions media,
             std::function<void()> wake)
    : clocks_(clocks),
      log_(log),
      wake_(std::move(wake)),
      random_(random),
      media_options_(std::move(media)),
      flow_watch_(log) {}

Brain::~Brain() = default;

void Brain::add(std::unique_ptr<adapter::Adapter> adapter) {
  adapters_.push_back(
      std::make_unique<AdapterCommands>(*this, adapters_.size() + 1, std::move(adapter)));
}

edge::Observer& Brain::observer(Place place) {
  auto& slot = slots_[place];
  if (!slot) slot = std::make_unique<Slot>(*this, place);
  return *slot;
}

void Brain::attach(Place place, const std::string& name, edge::Edge& edge) {
  observer(place);
  slots_[place]->edge = &edge;
  log_.info("edge up", {{"agent", place.is_outside() ? "outside" : name}});
  if (!place.is_outside()) flow_watch_.on_agent(place, name);
  for (const auto& each : adapters_) each->adapter().on_edge_up(place, name, *each);
}

void Brain::detach(Place place) {
  const auto it = slots_.find(place);
  if (it == slots_.end() || it->second->edge == nullptr) return;
  it->second->edge = nullptr;
  it->second->accepted.clear();
  for (const auto& each : adapters_) {
    each->paths().on_edge_lost(place);
    each->adapter().on_edge_lost(place, *each);
  }
  flow_watch_.on_agent_lost(place);
}

void Brain::set_server_addresses(const std::vector<TransportAddress>& rtp,
                                 const std::vector<TransportAddress>& rtcp) {
  media_options_.rtp = rtp;
  media_options_.rtcp = rtcp;
  for (const auto& each : adapters_) each->paths().set_server_addresses(rtp, rtcp);
}

void Brain::prefer_family(Place place, bool v4) {
  for (const auto& each : adapters_) each->paths().prefer_family(place, v4);
}

void Brain::set_carriage(Place place, media::Carriage carriage) {
  flow_watch_.on_carriage(place);
  for (const auto& each : adapters_) each->paths().set_carriage(place, carriage);
}

edge::Edge* Brain::edge_at(Place place) const {
  const auto it = slots_.find(place);
  return it == slots_.end() ? nullptr : it->second->edge;
}

void Brain::count(media::MediaId port, std::function<void(const adapter::PathCounts&)> on_counts) {
  AdapterCommands* owner = owner_of(port.value);
  if (owner == nullptr) return on_counts({});
  owner->paths().count(port, [on_counts = std::move(on_counts)](const adapter::PathCounts& counts,
                                                                adapter::Commands& /*commands*/) {
    on_counts(counts);
  });
}

std::string Brain::media_problem(media::MediaId port) {
  AdapterCommands* owner = owner_of(port.value);
  return owner == nullptr ? std::string{} : owner->paths().problem_of(port);
}

Brain::AdapterCommands* Brain::owner_of(std::uint64_t id) {
  const std::size_t index = owner_index(id);
  return index == 0 || index > adapters_.size() ? nullptr : adapters_[index - 1].get();
}

Brain::AdapterCommands* Brain::owner_of(Place place, edge::ConnectionId id) {
  if ((id.value & edge::kChosenByEdge) == 0) return owner_of(id.value);
  const auto slot = slots_.find(place);
  if (slot == slots_.end()) return nullptr;
  const auto it = slot->second->accepted.find(id);
  return it == slot->second->accepted.end() ? nullptr : it->second;
}

void Brain::on_time() {
  while (const auto due = timers_.expire(clocks_.now()))
    if (AdapterCommands* to = owner_of(due->value); to != nullptr && !to->paths().on_timer(*due))
      to->adapter().on_timer(*due, *to);
}

void Brain::shutdown() {
  for (const auto& each : adapters_) each->adapter().on_shutdown(*each);
}

}  // namespace sallyport::brain
