// For tests only: edges that write down what they are told, and the commands that lead to them.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "adapter/adapter.h"
#include "brain/media_paths.h"
#include "edge/test_silent_edge.h"

namespace sallyport::brain::test {

using adapter::Place;
using media::MediaId;

// Writes down what it is told, in words.
class FakeEdge final : public edge::test::SilentEdge {
 public:
  std::vector<std::string> told;
  std::map<std::uint64_t, media::FlowSpec> flows;
  std::map<std::uint64_t, media::TrunkSpec> trunks;

  void open_port(MediaId id, const media::PortSpec&) override { say("port", id); }
  void open_flow(MediaId id, const media::FlowSpec& spec) override {
    say(spec.end == media::FlowEnd::Probing ? "probing" : "awaiting", id);
    flows[id.value] = spec;
  }
  void open_trunk(MediaId id, const media::TrunkSpec& spec) override {
    say(spec.end == media::FlowEnd::Probing ? "probing trunk" : "awaiting trunk", id);
    trunks[id.value] = spec;
  }
  void replace(MediaId old, MediaId by, media::ReplaceStep step) override {
    told.push_back((step == media::ReplaceStep::Send ? "send " : "receive ") +
                   std::to_string(old.value) + " " + std::to_string(by.value));
  }
  void set_remote(MediaId id, const media::RemoteSpec&) override { say("remote", id); }
  void join(MediaId a, MediaId b) override {
    told.push_back("join " + std::to_string(a.value) + " " + std::to_string(b.value));
  }
  void leave(MediaId id) override { say("leave", id); }
  void probe(MediaId id) override { say("probe", id); }
  using SilentEdge::close;
  void close(MediaId id) override { say("close", id); }
  void count(edge::QueryId, MediaId id) override { say("count", id); }

 private:
  void say(const char* what, MediaId id) {
    told.push_back(std::string{what} + " " + std::to_string(id.value));
  }
};

class FakeCommands final : public adapter::Commands {
 public:
  std::map<Place, FakeEdge> edges;
  std::uint64_t next = 1;
  MediaPaths* paths = nullptr;
  std::vector<TimerId> timers;

  TimePoint time{};
  TimePoint now() const override { return time; }
  WallTime wall_now() const override { return {}; }
  edge::Edge* edge(Place place) override {
    const auto it = edges.find(place);
    return it == edges.end() ? nullptr : &it->second;
  }
  std::uint64_t new_id() override { return next++; }
  TimerId new_timer() override {
    timers.push_back(TimerId{500 + timers.size()});
    return timers.back();
  }
  void start_timer(TimerId, Duration) override {}
  void stop_timer(TimerId) override {}
  adapter::MediaPaths& media() override { return *paths; }
};

}  // namespace sallyport::brain::test
