#include "load/flows.h"

#include <algorithm>
#include <utility>

namespace sallyport::bench {
namespace {

std::vector<std::size_t> numbers_below(std::size_t n) {
  std::vector<std::size_t> out;
  for (; n > 0; --n) out.push_back(n - 1);
  return out;
}

std::optional<std::size_t> take(std::vector<std::size_t>& free) {
  if (free.empty()) return std::nullopt;
  const std::size_t number = free.back();
  free.pop_back();
  return number;
}

}  // namespace

Flows::Flows(Generator& generator, std::size_t capacity, std::size_t trunks)
    : generator_(generator),
      flows_(capacity),
      free_(numbers_below(capacity)),
      trunks_(trunks),
      free_trunks_(numbers_below(trunks)) {}

std::optional<std::size_t> Flows::open(media::MediaId id, const media::FlowSpec& spec,
                                       OnEvent on_event) {
  if (spec.components.size() != spec.server.size()) return std::nullopt;
  const auto number = take(free_);
  if (!number) return std::nullopt;
  Probed& flow = flows_[*number].bound;
  flow = {.id = id, .on_event = std::move(on_event), .components = {}};
  for (std::size_t i = 0; i < spec.components.size(); ++i)
    flow.components.push_back({.secret = spec.components[i],
                               .server = spec.server[i],
                               .prober = {spec.components[i], spec.keepalive}});
  generator_.streams()[*number].target = spec.server.front();
  return number;
}

std::optional<std::size_t> Flows::open_tagged(const media::FlowSpec& spec, std::size_t trunk) {
  const auto number = take(free_);
  if (!number) return std::nullopt;
  flows_[*number].trunk = trunk;
  Stream& stream = generator_.streams()[*number];
  stream.target = trunks_[trunk].bound.components.front().server;
  stream.carrier = static_cast<std::uint32_t>(carrier_of(trunk));
  stream.wrapping = trunks_[trunk].end.get();
  trunks_[trunk].end->add(spec.channels.front(), *number);
  return number;
}

std::optional<std::size_t> Flows::open_trunk(media::MediaId id, const media::TrunkSpec& spec,
                                             media::KeyRing& ring, OnEvent on_event) {
  if (!spec.sealed || spec.compress) return std::nullopt;  // not what TrunkEnd does
  const auto number = take(free_trunks_);
  if (!number) return std::nullopt;
  Trunk& trunk = trunks_[*number];
  trunk.bound = {.id = id, .on_event = std::move(on_event), .components = {}};
  trunk.bound.components.push_back(
      {.secret = spec.secret, .server = spec.server, .prober = {spec.secret, spec.keepalive}});
  trunk.end = std::make_unique<TrunkEnd>(ring);
  generator_.streams()[carrier_of(*number)].wrapping = trunk.end.get();
  return number;
}

void Flows::probe(std::size_t flow, TimePoint now) {
  for (Component& component : flows_[flow].bound.components) component.prober.start(now);
}

void Flows::probe_trunk(std::size_t trunk, TimePoint now) {
  for (Component& component : trunks_[trunk].bound.components) component.prober.start(now);
}

void Flows::close(std::size_t flow) {
  Stream& stream = generator_.streams()[flow];
  if (const auto trunk = flows_[flow].trunk; trunk && stream.wrapping != nullptr)
    trunks_[*trunk].end->remove(flow);
  stream.carrier = Stream::kItself;
  stream.wrapping = nullptr;
  flows_[flow] = {};
  free_.push_back(flow);
}

void Flows::close_trunk(std::size_t trunk) {
  // Its own address, and the flows that still ride on it.
  for (Stream& stream : generator_.streams())
    if (stream.wrapping == trunks_[trunk].end.get()) stream.wrapping = nullptr;
  trunks_[trunk] = {};
  free_trunks_.push_back(trunk);
}

bool Flows::confirmed(std::size_t flow) const {
  const auto& trunk = flows_[flow].trunk;
  const auto& components = (trunk ? trunks_[*trunk].bound : flows_[flow].bound).components;
  return std::all_of(components.begin(), components.end(),
                     [](const Component& one) { return one.prober.was_confirmed(); });
}

void Flows::on_datagram(std::size_t stream, Bytes datagram, TimePoint now) {
  const std::size_t component = stream / flows_.size();
  if (component < media::kMaxComponents)
    return on_confirmation(flows_[stream % flows_.size()].bound, component, stream, datagram, now);
  on_confirmation(trunks_[stream - carrier_of(0)].bound, 0, stream, datagram, now);
}

void Flows::on_confirmation(Probed& probed, std::size_t component, std::size_t stream,
                            Bytes datagram, TimePoint now) {
  const auto said = media::parse_confirmation(datagram);
  if (!said || component >= probed.components.size()) return;
  const auto outcome =
      probed.components[component].prober.on_confirmation(*said, datagram, now, tags_);
  if (outcome == media::Prober::Outcome::Confirmed)
    probed.on_event(probed.id, {.kind = media::EventKind::FlowBound,
                                .component = static_cast<std::uint8_t>(component),
                                .source = generator_.local_of(stream)});
}

void Flows::on_time(TimePoint now) {
  for (std::size_t number = 0; number < flows_.size(); ++number) {
    auto& components = flows_[number].bound.components;
    for (std::size_t i = 0; i < components.size(); ++i)
      send_due(components[i], stream_of(number, i), now);
  }
  for (std::size_t number = 0; number < trunks_.size(); ++number)
    for (Component& component : trunks_[number].bound.components)
      send_due(component, carrier_of(number), now);
}

void Flows::send_due(Component& component, std::size_t stream, TimePoint now) {
  const auto due = component.prober.deadline();
  if (!due || *due > now || !component.prober.on_time(now).probe) return;
  generator_.send(stream, component.server, component.prober.next_probe(now, tags_));
}

}  // namespace sallyport::bench
