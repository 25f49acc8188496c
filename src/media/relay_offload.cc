// The relay's fast path: what it offers, and what it takes back and when. Whether and when
// something is to be offered is Offload's to say.
#include "media/relay.h"

namespace sallyport::media {

void Relay::begin_offload(std::uint32_t end) {
  for (std::uint8_t i = 0; i < kMaxComponents; ++i) offload_.begin(place_of(end, i));
}

void Relay::on_offload(std::uint32_t end, std::uint8_t component, Offload::Due due,
                       const Turn& turn) {
  const Offload::Place place = place_of(end, component);
  if (due == Offload::Due::Offer) offload_.offer(place, rule(end, component, turn), turn.now);
  if (offload_.has(place)) meter_of(ends_[end], component).leave_to_fast_path();
  if (due != Offload::Due::Refusal) return;
  offload_.refuse(place);
  read_back(end, component);
}

std::optional<FastRule> Relay::rule(std::uint32_t end, std::uint8_t component, const Turn& turn) {
  FastRule out;
  if (const auto* tagged = std::get_if<TaggedPlaces>(&ends_[end].kind)) {
    const TaggedComponent& flow = channels_[tagged->channels.at(component)];
    // What came sealed, or in memory of ours since it had to be unpacked, is the relay's.
    if (turn.transient || trunks_[flow.trunk]->spec.sealed) return std::nullopt;
    out.in_channel = flow.channel;
  }
  out.in = turn.socket;
  out.source = turn.source;
  out.clock = meter_of(ends_[end], component).clock();
  if (!rule_toward(ends_[ends_[end].joined], component, out)) return std::nullopt;
  return out;
}

bool Relay::rule_toward(const End& to, std::uint8_t component, FastRule& out) const {
  out.dscp = to.dscp;
  if (const auto* ports = std::get_if<PortComponents>(&to.kind)) {
    out.out = ports->at(component).socket();
    out.target = ports->at(component).target();
    return out.target.port != 0;
  }
  if (const auto* probing = std::get_if<ProbingComponents>(&to.kind)) {
    out.out = probing->at(component).socket;
    out.target = probing->at(component).server;
    return probing->at(component).prober.was_confirmed() && !probing->at(component).moving;
  }
  if (const auto* awaiting = std::get_if<AwaitingPlaces>(&to.kind)) {
    const AwaitingComponent& flow = flows_[awaiting->at(component)];
    out.out = flow.socket;
    out.target = flow.source;
    return flow.bound();
  }
  const auto* tagged = std::get_if<TaggedPlaces>(&to.kind);
  if (tagged == nullptr) return false;  // another core's
  const TaggedComponent& flow = channels_[tagged->channels.at(component)];
  out.out_channel = flow.channel;
  return flow.trunk != TaggedComponent::kNoTrunk && trunk_toward(*trunks_[flow.trunk], out);
}

// What is sealed, compressed, or waits for others to travel with is the relay's to send.
bool Relay::trunk_toward(const Trunk& trunk, FastRule& out) const {
  if (trunk.spec.sealed || trunk.spec.compress || trunk.spec.bundle > Duration{}) return false;
  const std::uint8_t dscp = out.dscp;  // the flow's, not the trunk's
  if (!rule_toward(ends_[trunk.end], 0, out)) return false;
  out.dscp = dscp;
  // What passes always: nobody tells the path's keeper of larger ones that the fast path has sent.
  out.longest = (out.target.ip.is_v4() ? PathMtu::kBase : PathMtu::kBaseV6) - kPlainHeader;
  return true;
}

void Relay::take_back(std::uint32_t end) {
  if (offload_.active().empty()) return;
  if (ends_[end].trunk != kNone) take_back_riders(ends_[end].trunk);
  for (const std::uint32_t one : {end, ends_[end].joined, ends_[end].also_from}) {
    if (one == kNone) continue;
    for (std::uint8_t i = 0; i < ends_[one].components; ++i) {
      if (!offload_.has(place_of(one, i))) continue;
      offload_.take_back(place_of(one, i));
      read_back(one, i);
    }
  }
}

void Relay::take_back_riders(std::uint32_t trunk) {
  for (ChannelTable::Place place = 0; place < channels_.places(); ++place)
    if (channels_[place].used && channels_[place].trunk == trunk) take_back(channels_[place].end);
}

// What the fast path has relayed is the relay's own doing, to all who ask: counted, and noted where
// times of packets are.
void Relay::read_back(std::uint32_t end, std::uint8_t component) {
  const FastCount more = offload_.read_new(place_of(end, component));
  if (more.packets == 0) return;
  totals_.received += more.packets;
  totals_.relayed += more.packets;
  totals_.fast += more.packets;
  Meter& meter = meter_of(ends_[end], component);
  const RtpClock clock = meter.clock();
  meter.in_fast(more);
  if (meter.clock() != clock) offload_.set_clock(place_of(end, component), meter.clock());
  // What comes too fast is for user space to limit, for a while.
  if (auto* port = std::get_if<PortComponents>(&ends_[end].kind))
    if (!port->at(component).gate.charge(more.packets, more.octets, more.last))
      offload_.refuse(place_of(end, component));
  if (auto* from = std::get_if<ProbingComponents>(&ends_[end].kind))
    if (from->at(component).prober.on_received(more.last)) rearm(end, component);
  if (const auto* from = std::get_if<TaggedPlaces>(&ends_[end].kind))
    note_in(channels_[from->channels.at(component)].trunk, more);
  // One of its last packets may be told only now, and the end be joined to another.
  const std::uint32_t joined = ends_[end].joined;
  if (joined == kNone || component >= ends_[joined].components ||
      std::holds_alternative<StandIn>(ends_[joined].kind))
    return;
  meter_of(ends_[joined], component).out_fast(more);
  if (auto* to = std::get_if<ProbingComponents>(&ends_[joined].kind))
    if (to->at(component).prober.on_local_packet(more.last)) rearm(joined, component);
  if (const auto* to = std::get_if<TaggedPlaces>(&ends_[joined].kind))
    note_out(channels_[to->channels.at(component)].trunk, more);
}

void Relay::note_in(std::uint32_t trunk, FastCount more) {
  if (trunk == TaggedComponent::kNoTrunk) return;
  const std::uint32_t end = trunks_[trunk]->end;
  more.octets += more.packets * kPlainHeader;
  more.stream = {};  // a flow's
  meter_of(ends_[end], 0).in_fast(more);
  if (auto* probing = std::get_if<ProbingComponents>(&ends_[end].kind))
    if (probing->at(0).prober.on_received(more.last)) rearm(end, 0);
}

void Relay::note_out(std::uint32_t trunk, FastCount more) {
  if (trunk == TaggedComponent::kNoTrunk) return;
  const std::uint32_t end = trunks_[trunk]->end;
  more.octets += more.packets * kPlainHeader;
  totals_.trunk_datagrams_sent += more.packets;
  meter_of(ends_[end], 0).out_fast(more);
  if (auto* probing = std::get_if<ProbingComponents>(&ends_[end].kind))
    if (probing->at(0).prober.on_local_packet(more.last)) rearm(end, 0);
}

void Relay::read_back() {
  // Backwards: what is refused leaves its place to the last one.
  for (std::size_t i = offload_.active().size(); i-- > 0;) {
    const Offload::Place place = offload_.active()[i];
    read_back(place / kMaxComponents, static_cast<std::uint8_t>(place % kMaxComponents));
  }
}

}  // namespace sallyport::media
