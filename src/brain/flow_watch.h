// Whether the media flows of agents come about. UDP may be blocked between an agent and X or Y, or
// X and Y may be advertised where they are not: then a call is set up, and silent, and nobody else
// would say why. Told by MediaPaths what becomes of each flow; keeps for each agent what is to be
// checked, and logs it. Brain's thread.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "adapter/adapter.h"
#include "base/log.h"
#include "base/log_limiter.h"
#include "media/media.h"

namespace sallyport::brain {

class FlowWatch {
 public:
  explicit FlowWatch(Log& log) : log_(log) {}

  // One flow, kept by whoever opened it.
  struct Flow {
    adapter::Place place;                   // the agent's
    std::vector<TransportAddress> server;   // where it probes: X, Y
    std::optional<TimePoint> started = {};  // since when the agent should be probing
    // By component. A flow that was confirmed once and breaks later is no matter of this.
    enum class State : std::uint8_t { Waiting, Unconfirmed, Confirmed };
    std::array<State, media::kMaxComponents> states = {};
    std::array<bool, media::kMaxComponents> arrived = {};  // a probe of the agent, at the server
  };

  void on_agent(adapter::Place place, const std::string& name) { agents_[place].name = name; }
  void on_agent_lost(adapter::Place place) { agents_.erase(place); }
  // Its media travels in another way from now on: what was wrong with the one before is no matter.
  void on_carriage(adapter::Place place);

  // A probe has arrived at the server; its answer has arrived at the agent.
  static void on_arrived(Flow& flow, std::uint8_t component);
  void on_confirmed(Flow& flow, std::uint8_t component);
  // The agent has probed in vain for a whole round.
  void on_unconfirmed(Flow& flow, std::uint8_t component, TimePoint now);
  // Too short a call to be told of by the agent may have been silent all the same.
  void on_closed(Flow flow, TimePoint now);

  // For people: what is to be checked; empty when nothing is known to be wrong.
  std::string problem_of(const Flow& flow) const;
  struct Health {
    std::uint64_t confirmed = 0, unconfirmed = 0;  // components of flows
    std::string problem;                           // of the latest
  };
  Health health(adapter::Place place) const;

 private:
  struct Agent {
    std::string name;
    std::uint64_t confirmed = 0, unconfirmed = 0;
    std::array<std::string, media::kMaxComponents> problems;
  };

  std::string problem_of(const Flow& flow, std::size_t component) const;
  void note_unconfirmed(Flow& flow, std::size_t component, TimePoint now);

  Log& log_;
  LogLimiter limiter_;
  std::map<adapter::Place, Agent> agents_;  // those that are here
};

}  // namespace sallyport::brain
