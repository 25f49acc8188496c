#include "load/flows.h"

#include <algorithm>
#include <utility>

namespace sallyport::bench {

std::optional<std::size_t> Flows::open(media::MediaId id, const media::FlowSpec& spec,
                                       media::Plane::OnEvent on_event) {
  if (free_.empty() || spec.components.size() != spec.server.size()) return std::nullopt;
  const std::size_t number = free_.back();
  free_.pop_back();
  Flow& flow = flows_[number];
  flow = {.id = id, .on_event = std::move(on_event), .components = {}};
  for (std::size_t i = 0; i < spec.components.size(); ++i)
    flow.components.push_back({.secret = spec.components[i],
                               .server = spec.server[i],
                               .prober = {spec.components[i], spec.keepalive}});
  generator_.streams()[number].target = spec.server.front();
  return number;
}

void Flows::probe(std::size_t flow, TimePoint now) {
  for (Component& component : flows_[flow].components) component.prober.start(now);
}

void Flows::close(std::size_t flow) {
  flows_[flow] = {};
  free_.push_back(flow);
}

bool Flows::confirmed(std::size_t flow) const {
  const auto& components = flows_[flow].components;
  return std::all_of(components.begin(), components.end(),
                     [](const Component& one) { return one.prober.was_confirmed(); });
}

void Flows::on_datagram(std::size_t stream, Bytes datagram, TimePoint now) {
  const auto said = media::parse_confirmation(datagram);
  Flow& flow = flows_[stream % flows_.size()];
  const std::size_t component = stream / flows_.size();
  if (!said || component >= flow.components.size()) return;
  const auto outcome =
      flow.components[component].prober.on_confirmation(*said, datagram, now, tags_);
  if (outcome == media::Prober::Outcome::Confirmed)
    flow.on_event(flow.id, {.kind = media::EventKind::FlowBound,
                            .component = static_cast<std::uint8_t>(component),
                            .source = generator_.local_of(stream)});
}

void Flows::on_time(TimePoint now) {
  for (std::size_t number = 0; number < flows_.size(); ++number) {
    auto& components = flows_[number].components;
    for (std::size_t i = 0; i < components.size(); ++i) {
      const auto due = components[i].prober.deadline();
      if (!due || *due > now || !components[i].prober.on_time(now).probe) continue;
      generator_.send(stream_of(number, i), components[i].server,
                      components[i].prober.next_probe(now, tags_));
    }
  }
}

}  // namespace sallyport::bench
