#include "brain/flow_watch.h"

#include <fmt/format.h>

#include <algorithm>

namespace sallyport::brain {
namespace {

// A probe needs a round trip, and is repeated six times within the first second.
constexpr Duration kPatience = seconds{2};

using State = FlowWatch::Flow::State;

}  // namespace

void FlowWatch::on_carriage(adapter::Place place) {
  if (const auto agent = agents_.find(place); agent != agents_.end()) agent->second.problems = {};
}

void FlowWatch::on_arrived(Flow& flow, std::uint8_t component) {
  if (component < flow.arrived.size()) flow.arrived[component] = true;
}

void FlowWatch::on_confirmed(Flow& flow, std::uint8_t component) {
  if (component >= flow.states.size()) return;
  flow.states[component] = State::Confirmed;
  const auto agent = agents_.find(flow.place);
  if (agent == agents_.end()) return;
  ++agent->second.confirmed;
  agent->second.problems[component].clear();
}

void FlowWatch::on_unconfirmed(Flow& flow, std::uint8_t component, TimePoint now) {
  if (component < std::min(flow.server.size(), flow.states.size()))
    note_unconfirmed(flow, component, now);
}

void FlowWatch::on_closed(Flow flow, TimePoint now) {
  if (!flow.started || now - *flow.started < kPatience) return;
  for (std::size_t i = 0; i < std::min(flow.server.size(), flow.states.size()); ++i)
    note_unconfirmed(flow, i, now);
}

void FlowWatch::note_unconfirmed(Flow& flow, std::size_t component, TimePoint now) {
  const auto agent = agents_.find(flow.place);
  if (flow.states[component] != State::Waiting || agent == agents_.end()) return;
  flow.states[component] = State::Unconfirmed;
  const std::string problem = problem_of(flow, component);
  ++agent->second.unconfirmed;
  agent->second.problems[component] = problem;
  if (const auto left_out = limiter_.may_log(problem, now))
    log_.warning("media not confirmed",
                 {{"agent", agent->second.name}, {"why", problem}, {"more_before", *left_out}});
}

std::string FlowWatch::problem_of(const Flow& flow, std::size_t component) const {
  if (flow.states[component] != State::Unconfirmed) return {};
  const auto agent = agents_.find(flow.place);
  const std::string name = agent == agents_.end() ? "the agent" : "agent " + agent->second.name;
  const char* port = component == 0 ? "X" : "Y";
  const std::string address = flow.server[component].to_string();
  if (flow.arrived[component])
    return fmt::format("no answer from {} ({}) arrived at {}: is UDP from there let in?", port,
                       address, name);
  return fmt::format("no probe of {} arrived at {} ({}): is UDP to there let out?", name, port,
                     address);
}

std::string FlowWatch::problem_of(const Flow& flow) const {
  for (std::size_t i = 0; i < flow.states.size(); ++i)
    if (std::string problem = problem_of(flow, i); !problem.empty()) return problem;
  return {};
}

FlowWatch::Health FlowWatch::health(adapter::Place place) const {
  const auto agent = agents_.find(place);
  if (agent == agents_.end()) return {};
  Health out{agent->second.confirmed, agent->second.unconfirmed, {}};
  for (const std::string& problem : agent->second.problems)
    if (out.problem.empty()) out.problem = problem;
  return out;
}

}  // namespace sallyport::brain
