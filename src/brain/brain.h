// The brain: knows protocols and nothing of sockets. It holds the edges, outside and inside, behind
// one interface, the adapters with their timers, and the media paths; it passes on to each adapter
// what concerns it, and coordinates, nothing more. Where it runs, at the server or at an agent, it
// cannot tell. Sans I/O: the time comes from the clocks handed in, and whoever owns it calls
// on_time(). One thread.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "adapter/adapter.h"
#include "base/log.h"
#include "base/random.h"
#include "base/time.h"
#include "base/timer_queue.h"
#include "brain/media_paths.h"
#include "edge/edge.h"

namespace sallyport::brain {

class Brain {
 public:
  // All arguments must outlive the brain. `wake` asks the owner to look at next_deadline() again.
  Brain(const Clocks& clocks, Random& random, Log& log, MediaPathsOptions media,
        std::function<void()> wake);
  Brain(const Brain&) = delete;
  Brain& operator=(const Brain&) = delete;
  ~Brain();

  // Before the first edge.
  void add(std::unique_ptr<adapter::Adapter> adapter);

  // What the edge at that place is to be given as its observer; valid as long as the brain.
  edge::Observer& observer(adapter::Place place);
  // The edge is there and can be told things. `name` is the agent's, for people.
  void attach(adapter::Place place, const std::string& name, edge::Edge& edge);
  // The edge is gone with everything that it had. Its observer may be told this too (on_lost).
  void detach(adapter::Place place);

  // How that agent's media travels from now on, calls under way included.
  void set_carriage(adapter::Place place, media::Carriage carriage);

  // An agent reaches the server by this address family now: its media flows are to take it too.
  void prefer_family(adapter::Place place, bool v4);

  std::optional<TimePoint> next_deadline() const { return timers_.next_deadline(); }
  void on_time();
  // Says goodbye to terminals, through adapters; what they send then still needs the edges.
  void shutdown();

  // What passed along the path of a port that an adapter opened. Of one that is not there: nothing.
  void count(media::MediaId port, std::function<void(const adapter::PathCounts&)> on_counts);

  // What keeps such a port's media from coming about, and whether an agent's media does, for
  // people.
  std::string media_problem(media::MediaId port);
  FlowWatch::Health media_health(adapter::Place place) const { return flow_watch_.health(place); }

  // Where agents find X and Y from now on.
  void set_server_addresses(const std::vector<TransportAddress>& rtp,
                            const std::vector<TransportAddress>& rtcp);

 private:
  class Slot;
  class AdapterCommands;

  edge::Edge* edge_at(adapter::Place place) const;
  AdapterCommands* owner_of(std::uint64_t id);
  AdapterCommands* owner_of(adapter::Place place, edge::ConnectionId id);

  const Clocks& clocks_;
  Log& log_;
  std::function<void()> wake_;
  Random& random_;
  MediaPathsOptions media_options_;
  FlowWatch flow_watch_;
  TimerQueue timers_;
  std::uint64_t next_id_ = 1;
  std::vector<std::unique_ptr<AdapterCommands>> adapters_;
  std::map<adapter::Place, std::unique_ptr<Slot>> slots_;
};

}  // namespace sallyport::brain
