// The relay's fast path: what it offers, and what it takes back and when. Whether and when
// something is to be offered is Offload's to say.
#include "media/relay.h"

namespace sallyport::media {

void Relay::begin_offload(std::uint32_t end) {
  for (std::uint8_t i = 0; i < kMaxComponents; ++i) offload_.begin(place_of(end, i));
}

void Relay::offer(std::uint32_t end, std::uint8_t component, const Turn& turn) {
  std::optional<FastRule> rule;
  // What rides on a trunk has its addresses in common with all else that does.
  if (!std::holds_alternative<TaggedPlaces>(ends_[end].kind))
    rule = rule_toward(ends_[ends_[end].joined], component);
  if (rule) {
    rule->in = turn.socket;
    rule->source = turn.source;
  }
  offload_.offer(place_of(end, component), rule, turn.now);
}

// Nothing where packets toward that component would wait, go nowhere, or change.
std::optional<FastRule> Relay::rule_toward(const End& to, std::uint8_t component) const {
  FastRule rule{.in = {}, .source = {}, .out = {}, .target = {}, .dscp = to.dscp};
  if (const auto* ports = std::get_if<PortComponents>(&to.kind)) {
    rule.out = ports->at(component).socket();
    rule.target = ports->at(component).target();
    if (rule.target.port == 0) return std::nullopt;
  } else if (const auto* probing = std::get_if<ProbingComponents>(&to.kind)) {
    if (!probing->at(component).prober.was_confirmed() || probing->at(component).moving)
      return std::nullopt;
    rule.out = probing->at(component).socket;
    rule.target = probing->at(component).server;
  } else if (const auto* awaiting = std::get_if<AwaitingPlaces>(&to.kind)) {
    const AwaitingComponent& flow = flows_[awaiting->at(component)];
    if (!flow.bound()) return std::nullopt;
    rule.out = flow.socket;
    rule.target = flow.source;
  } else {
    return std::nullopt;  // tagged, or another core's
  }
  return rule;
}

void Relay::take_back(std::uint32_t end) {
  for (const std::uint32_t one : {end, ends_[end].joined, ends_[end].also_from}) {
    if (one == kNone) continue;
    for (std::uint8_t i = 0; i < ends_[one].components; ++i) {
      if (!offload_.has(place_of(one, i))) continue;
      offload_.take_back(place_of(one, i));
      read_back(one, i);
    }
  }
}

// What the fast path has relayed is the relay's own doing, to all who ask: counted, and noted where
// times of packets are.
void Relay::read_back(std::uint32_t end, std::uint8_t component) {
  const FastCount more = offload_.read_new(place_of(end, component));
  if (more.packets == 0) return;
  totals_.received += more.packets;
  totals_.relayed += more.packets;
  totals_.fast += more.packets;
  meter_of(ends_[end], component).in_unseen(more.packets, more.octets, more.last);
  // What comes too fast is for user space to limit, for a while.
  if (auto* port = std::get_if<PortComponents>(&ends_[end].kind))
    if (!port->at(component).gate.charge(more.packets, more.octets, more.last))
      offload_.refuse(place_of(end, component));
  if (auto* from = std::get_if<ProbingComponents>(&ends_[end].kind))
    if (from->at(component).prober.on_received(more.last)) rearm(end, component);
  // One of its last packets may be told only now, and the end be joined to another.
  const std::uint32_t joined = ends_[end].joined;
  if (joined == kNone || component >= ends_[joined].components) return;
  meter_of(ends_[joined], component).out_unseen(more.packets, more.octets);
  if (auto* to = std::get_if<ProbingComponents>(&ends_[joined].kind))
    if (to->at(component).prober.on_local_packet(more.last)) rearm(joined, component);
}

void Relay::read_back() {
  // Backwards: what is refused leaves its place to the last one.
  for (std::size_t i = offload_.active().size(); i-- > 0;) {
    const Offload::Place place = offload_.active()[i];
    read_back(place / kMaxComponents, static_cast<std::uint8_t>(place % kMaxComponents));
  }
}

}  // namespace sallyport::media
