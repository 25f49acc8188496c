// The relay's tagged carriage: trunks, and the flows that ride on them. What comes on a trunk is
// opened, taken apart and forwarded packet by packet; what goes out on one is put into its bundle,
// and sealed when that leaves.
#include <algorithm>

#include "media/datagram_type.h"
#include "media/relay.h"

namespace sallyport::media {
namespace {

static_assert(kRecordHeader <= kHeadroom);
static_assert(Bundle::kLongestDatagram <= kMaxCopied);

}  // namespace

// ---- Commands ----

Result<void> Relay::add_trunk(MediaId id, const TrunkSpec& spec,
                              std::span<const SocketId> sockets) {
  const FlowSpec flow{.end = spec.end,
                      .components = {spec.secret},
                      .server = {spec.server},
                      .dscp = spec.dscp,
                      .keepalive = spec.keepalive,
                      .trunk = {},
                      .channels = {}};
  if (auto added = add_flow(id, flow, sockets); !added) return added;
  const std::uint32_t end = find(id);
  const auto free = std::find(trunks_.begin(), trunks_.end(), nullptr);
  const auto place = static_cast<std::uint32_t>(free - trunks_.begin());
  auto trunk = std::make_unique<Trunk>(end, spec);
  if (const auto ring = rings_.find(spec.ring.value); spec.sealed && ring != rings_.end())
    trunk->ring = ring->second.get();
  if (free == trunks_.end())
    trunks_.push_back(std::move(trunk));
  else
    *free = std::move(trunk);
  ends_[end].trunk = place;
  path_is_new(end, !spec.server.ip.is_v4());
  return {};
}

std::size_t Relay::trunks() const {
  return trunks_.size() -
         static_cast<std::size_t>(std::count(trunks_.begin(), trunks_.end(), nullptr));
}

void Relay::remove_trunk(std::uint32_t trunk) {
  for (ChannelTable::Place place = 0; place < channels_.places(); ++place) {
    if (!channels_[place].used || channels_[place].trunk != trunk) continue;
    forget_parts(place);
    channels_.detach(place);
  }
  lose_bundle(*trunks_[trunk], Drop::NoRemote);
  trunks_[trunk].reset();
}

Result<Relay::TaggedPlaces> Relay::add_tagged(std::uint32_t end, const FlowSpec& spec) {
  const std::uint32_t trunk_end = find(spec.trunk);
  const std::uint32_t trunk = trunk_end == kNone ? kNone : ends_[trunk_end].trunk;
  if (trunk == kNone) return fail(Errc::BadValue, "no such trunk");
  for (const Channel channel : spec.channels)
    if (owner_of(channel) != trunks_[trunk]->spec.owner)
      return fail(Errc::BadValue, "a channel of another owner than its trunk's");
  TaggedPlaces out;
  for (std::size_t i = 0; i < spec.channels.size(); ++i) {
    const auto place = channels_.add(trunk, spec.channels[i], end, static_cast<std::uint8_t>(i));
    if (!place) {
      for (std::size_t added = 0; added < i; ++added) channels_.remove(out.channels.at(added));
      return tl::make_unexpected(place.error());
    }
    out.channels.at(i) = *place;
  }
  trunks_[trunk]->channels += spec.channels.size();
  return out;
}

void Relay::remove_tagged(const TaggedPlaces& places, std::uint8_t components) {
  for (std::uint8_t i = 0; i < components; ++i) {
    const ChannelTable::Place place = places.channels.at(i);
    const std::uint32_t trunk = channels_[place].trunk;
    forget_parts(place);
    channels_.remove(place);
    if (trunk == TaggedComponent::kNoTrunk || --trunks_[trunk]->channels > 0) continue;
    const std::uint32_t under = trunks_[trunk]->end;
    if (auto* probing = std::get_if<ProbingComponents>(&ends_[under].kind)) {
      probing->at(0).prober.expect_nothing();
      rearm(under, 0);
    }
  }
}

void Relay::forget_parts(ChannelTable::Place place) {
  if (reassembly_.forget(place) == 0) return;
  --totals_.waiting;
  drop(Drop::HeldTooLong);
}

void Relay::install_keys(KeyRingId ring, const KeysOfConnection& keys, TimePoint now) {
  auto& it = rings_[ring.value];
  if (!it) it = std::make_unique<KeyRing>(options_.core);
  it->install(keys, now);
  for (const auto& trunk : trunks_)
    if (trunk && trunk->spec.sealed && trunk->spec.ring == ring) trunk->ring = it.get();
}

void Relay::forget_keys(KeyRingId ring) {
  for (const auto& trunk : trunks_)
    if (trunk && trunk->spec.ring == ring) trunk->ring = nullptr;
  rings_.erase(ring.value);
}

// ---- In ----

// `datagram` came from where the trunk is bound to (awaiting end), or from the server.
void Relay::on_trunk_datagram(std::uint32_t end, MutableBytes datagram, Turn& turn) {
  const std::uint32_t place = ends_[end].trunk;
  Trunk& trunk = *trunks_[place];
  Channel channel = kNoChannel;
  const std::size_t size = datagram.size();
  const auto payload = open_payload(trunk, datagram, channel, turn.now);
  if (!payload) return;
  if (auto* probing = std::get_if<ProbingComponents>(&ends_[end].kind)) {
    ProbingComponent& flow = probing->at(0);
    flow.meter.in(datagram.first(size), turn.now);
    if (flow.prober.on_received(turn.now)) rearm(end, 0);
  } else {
    flows_[std::get<AwaitingPlaces>(ends_[end].kind).at(0)].meter.in(datagram.first(size),
                                                                     turn.now);
  }
  if (!is_of_a_flow(channel)) return on_records(place, *payload, turn);
  const ChannelTable::Place flow = channels_.find(place, channel);
  if (flow == PlaceIndex::kNone) return drop(Drop::UnknownChannel);
  on_channel_packet(flow, *payload, turn);
}

std::optional<MutableBytes> Relay::open_payload(Trunk& trunk, MutableBytes datagram,
                                                Channel& channel, TimePoint now) {
  const auto refuse = [this](Drop why) {
    drop(why);
    return std::nullopt;
  };
  if (!trunk.spec.sealed) {
    const auto header = parse_plain_header(datagram);
    if (!header) {
      drop(header.error());
      return std::nullopt;
    }
    channel = *header;
    if (owner_of(channel) != trunk.spec.owner) return refuse(Drop::UnknownChannel);
    return datagram.subspan(kPlainHeader);
  }
  if (!is_sealed(datagram.front())) return refuse(Drop::Unsealed);
  const auto header = parse_sealed_header(datagram);
  if (!header) return refuse(Drop::Runt);
  // Each thread knows what it has opened, not what others have: it opens what is for it.
  if (owner_of(header->channel) != trunk.spec.owner) return refuse(Drop::UnknownChannel);
  if (trunk.ring == nullptr) return refuse(Drop::UnknownEpoch);
  const KeyRing::Opened opened = trunk.ring->open(*header, datagram, now);
  switch (opened.outcome) {
    case KeyRing::Outcome::UnknownEpoch:
      return refuse(Drop::UnknownEpoch);
    case KeyRing::Outcome::Replayed:
      return refuse(Drop::Replayed);
    case KeyRing::Outcome::BadTag:
      return refuse(Drop::BadTag);
    case KeyRing::Outcome::Opened:
      break;
  }
  channel = header->channel;
  return opened.payload;
}

void Relay::on_records(std::uint32_t trunk, MutableBytes records, Turn& turn) {
  RecordReader reader{records};
  --totals_.received;  // each record counts as one instead
  std::size_t count = 0;
  while (const auto record = reader.next()) {
    ++count;
    ++totals_.received;
    on_record(trunk, *record, turn);
  }
  if (!reader.ok()) {
    ++totals_.received;
    return drop(Drop::Runt);
  }
  if (count == 0) {
    ++totals_.received;
    ++totals_.handled;
  }
}

void Relay::on_record(std::uint32_t trunk, const Record& record, Turn& turn) {
  switch (record.form) {
    case Form::PathProbe:
    case Form::PathAnswer:
      return on_path_record(trunk, record, turn);
    case Form::Packet:
    case Form::FirstPart:
    case Form::SecondPart:
    case Form::Compressed:
    case Form::Reference:
      break;
    default:
      return drop(Drop::Unsupported);  // of a later version
  }
  const ChannelTable::Place place = channels_.find(trunk, record.channel);
  if (place == PlaceIndex::kNone) return drop(Drop::UnknownChannel);
  if (record.body.empty()) return drop(Drop::Runt);
  switch (record.form) {
    case Form::Packet:
      return on_channel_packet(place, record.body, turn);
    case Form::Compressed:
      return on_compressed(place, record, turn);
    case Form::Reference: {
      const auto packet = channels_[place].decompressor.on_reference(record.body, turn.now);
      if (!packet) return drop(packet.error());
      return on_channel_packet(place, *packet, turn);
    }
    default:
      return on_part(place, record, turn);
  }
}

void Relay::on_compressed(ChannelTable::Place place, const Record& record, Turn& turn) {
  const MutableBytes room = MutableBytes{unpacked_}.subspan(kHeadroom);
  const auto size =
      channels_[place].decompressor.on_compressed(record.compressed, record.body, turn.now, room);
  if (!size) {
    if (size.error().code == Errc::NotFound) return drop(Drop::NoReference);
    return drop(size.error());
  }
  Turn unpacked{.now = turn.now, .sender = turn.sender, .ecn = turn.ecn, .transient = true};
  on_channel_packet(place, room.first(*size), unpacked);
}

void Relay::on_part(ChannelTable::Place place, const Record& record, Turn& turn) {
  const auto added =
      reassembly_.add(place, record.form == Form::SecondPart, record.body, turn.ecn, turn.now);
  if (added.gave_up) {
    --totals_.waiting;
    drop(Drop::HeldTooLong);
  }
  switch (added.outcome) {
    case Reassembly::Outcome::Malformed:
      return drop(Drop::Unsupported);
    case Reassembly::Outcome::NoRoom:
      return drop(Drop::NoRoom);
    case Reassembly::Outcome::Waits:
      ++totals_.waiting;
      return;
    case Reassembly::Outcome::Whole:
      break;
  }
  --totals_.waiting;
  ++totals_.handled;  // the part that waited; the other stands for the packet
  Turn whole{.now = turn.now, .sender = turn.sender, .ecn = added.ecn, .transient = true};
  on_channel_packet(place, added.packet, whole);
}

void Relay::on_path_record(std::uint32_t trunk, const Record& record, Turn& turn) {
  if (record.channel != kNoChannel || record.body.size() < PathMtu::kBody)
    return drop(Drop::Unsupported);
  ++totals_.handled;
  Trunk& it = *trunks_[trunk];
  const Bytes number = record.body.first(PathMtu::kBody);
  if (record.form == Form::PathAnswer) {
    it.path.on_answer(Reader{number}.u32(), turn.now);
    return rearm(it);
  }
  make_room(it, number.size(), ends_[it.end].dscp, turn);
  const MutableBytes answer = it.bundle.append(Form::PathAnswer, kNoChannel, number.size());
  std::copy(number.begin(), number.end(), answer.begin());
  if (it.spec.bundle == Duration{}) flush(it, turn);
}

void Relay::on_channel_packet(ChannelTable::Place place, MutableBytes packet, Turn& turn) {
  TaggedComponent& flow = channels_[place];
  flow.meter.in(packet, turn.now);
  forward(flow.end, flow.component, packet, turn);
}

// ---- Out ----

void Relay::send_on_tagged(End& to, std::uint8_t component, MutableBytes packet, Turn& turn) {
  TaggedComponent& flow = channels_[std::get<TaggedPlaces>(to.kind).channels.at(component)];
  if (flow.trunk == TaggedComponent::kNoTrunk) return drop(Drop::NoRemote);
  Trunk& trunk = *trunks_[flow.trunk];
  // What waits for the trunk is a record: it says for whom.
  const auto as_record = [&] {
    const MutableBytes record{packet.data() - kRecordHeader, kRecordHeader + packet.size()};
    write_record_header(record, Form::Packet, flow.channel, packet.size());
    return record;
  };
  if (auto* probing = std::get_if<ProbingComponents>(&ends_[trunk.end].kind)) {
    ProbingComponent& under = probing->at(0);
    if (under.prober.on_local_packet(turn.now)) on_probing_time(trunk.end, 0, turn);
    const bool open = under.prober.was_confirmed() || under.waited_enough;
    if (!open && wait_for_confirmation(trunk.end, 0, under, as_record(), turn)) return;
  } else {
    AwaitingComponent& under = flows_[std::get<AwaitingPlaces>(ends_[trunk.end].kind).at(0)];
    if (!under.bound()) return wait_for_probe(trunk.end, 0, under, as_record(), turn);
  }
  put(trunk, flow, packet, turn.ecn, turn);
}

void Relay::put_waiting(std::uint32_t trunk, Bytes record, Ecn ecn, Turn& turn) {
  Reader in{record};
  in.skip(2);
  const Channel channel = in.u16();
  const ChannelTable::Place place = channels_.find(trunk, channel);
  if (place == PlaceIndex::kNone) return drop(Drop::Unjoined);  // it was closed meanwhile
  put(*trunks_[trunk], channels_[place], in.rest(), ecn, turn);
}

void Relay::put(Trunk& trunk, TaggedComponent& flow, Bytes packet, Ecn ecn, Turn& turn) {
  const TrafficClass as{ends_[flow.end].dscp, ecn};
  const std::size_t limit = trunk.limit();
  RtpCompressor::Plan plan{.size = packet.size()};
  if (trunk.spec.compress && kReferenceHead + packet.size() + kRecordHeader <= limit)
    plan = flow.compressor.plan(packet, turn.now);
  if (plan.size > limit && packet.size() > Reassembly::kLongestPacket) return drop(Drop::NoRoom);
  flow.meter.out(packet.size());
  ++totals_.relayed;
  if (plan.size > limit) return put_parts(trunk, flow, packet, as, turn);
  const bool compressed = plan.how == RtpCompressor::How::Compressed;
  make_room(trunk, plan.size + (compressed ? kCompressedHead : 0), as, turn);
  const Form form = plan.how == RtpCompressor::How::Reference ? Form::Reference : Form::Packet;
  const MutableBytes body = compressed
                                ? trunk.bundle.append_compressed(plan.head, flow.channel, plan.size)
                                : trunk.bundle.append(form, flow.channel, plan.size);
  RtpCompressor::write(plan, packet, body);
  ++trunk.packets;
  const bool alone = kRecordHeader + plan.size > limit;
  if (alone || trunk.spec.bundle == Duration{}) flush(trunk, turn);
}

void Relay::put_parts(Trunk& trunk, TaggedComponent& flow, Bytes packet, TrafficClass as,
                      Turn& turn) {
  const std::size_t half = (packet.size() + 1) / 2;
  const std::uint8_t number = flow.next_part++;
  for (const Form form : {Form::FirstPart, Form::SecondPart}) {
    const Bytes part = form == Form::FirstPart ? packet.first(half) : packet.subspan(half);
    make_room(trunk, 1 + part.size(), as, turn);
    const MutableBytes body = trunk.bundle.append(form, flow.channel, 1 + part.size());
    body.front() = number;
    std::copy(part.begin(), part.end(), body.begin() + 1);
    if (form == Form::SecondPart) ++trunk.packets;
    if (trunk.spec.bundle == Duration{}) flush(trunk, turn);
  }
}

// So that a record with that body can be put into what leaves next.
void Relay::make_room(Trunk& trunk, std::size_t body, TrafficClass as, Turn& turn) {
  Bundle& bundle = trunk.bundle;
  if (!bundle.empty() && (bundle.as != as || !bundle.fits(body, trunk.limit()))) flush(trunk, turn);
  if (!bundle.empty()) return;
  bundle.as = as;
  bundle.due = turn.now + trunk.spec.bundle;
  if (trunk.spec.bundle == Duration{}) return;  // it leaves before anything waits
  const auto path = trunk.path.deadline();
  deadlines_.arm(place_of(trunk.end, kTrunkTimer), path ? std::min(*path, bundle.due) : bundle.due);
}

void Relay::flush(Trunk& trunk, Turn& turn) {
  if (trunk.bundle.empty()) return;
  if (const auto why = transmit(trunk, trunk.bundle.payload(), trunk.bundle.as, turn))
    return lose_bundle(trunk, *why);
  trunk.packets = 0;
  trunk.bundle.clear();
}

// What was counted as relayed does not go out.
void Relay::lose_bundle(Trunk& trunk, Drop why) {
  trunk.bundle.clear();
  for (; trunk.packets > 0; --trunk.packets) {
    --totals_.relayed;
    drop(why);
  }
}

// `payload` lies where a header fits before it and a tag behind. Says why it did not go out.
std::optional<Drop> Relay::transmit(Trunk& trunk, Bundle::Payload payload, TrafficClass as,
                                    Turn& turn) {
  SocketId socket;
  TransportAddress to;
  Meter* meter = nullptr;
  if (auto* probing = std::get_if<ProbingComponents>(&ends_[trunk.end].kind)) {
    socket = probing->at(0).socket;
    to = probing->at(0).target(turn.now);
    meter = &probing->at(0).meter;
  } else {
    AwaitingComponent& flow = flows_[std::get<AwaitingPlaces>(ends_[trunk.end].kind).at(0)];
    if (!flow.bound()) return Drop::NoRemote;
    socket = flow.socket;
    to = flow.source;
    meter = &flow.meter;
  }
  const Channel channel =
      payload.channel == kNoChannel ? records_of(trunk.spec.owner) : payload.channel;
  MutableBytes datagram{payload.octets.data() - kPlainHeader, kPlainHeader + payload.octets.size()};
  if (trunk.spec.sealed) {
    const auto sealed =
        trunk.ring == nullptr ? std::nullopt : trunk.ring->seal(channel, payload.octets, turn.now);
    if (!sealed) return Drop::UnknownEpoch;
    datagram = *sealed;
  } else {
    write_plain_header(datagram, channel);
  }
  meter->out(datagram.size());
  ++totals_.trunk_datagrams_sent;
  turn.sender.send_copy(socket, to, as, datagram);
  if (trunk.path.on_sent(datagram.size(), turn.now)) rearm(trunk);
  return std::nullopt;
}

// A datagram of that size: a record with the probe's number, and padding.
void Relay::probe_path(Trunk& trunk, const PathMtu::Probe& probe, Turn& turn) {
  std::array<std::uint8_t, Bundle::kLongestDatagram> room{};
  const std::size_t tag = trunk.spec.sealed ? kSealTag : 0;
  const std::size_t header = trunk.spec.sealed ? kSealedHeader : kPlainHeader;
  const MutableBytes payload = MutableBytes{room}.first(probe.size - tag).subspan(header);
  write_record_header(payload, Form::PathProbe, kNoChannel, PathMtu::kBody);
  for (std::size_t i = 0; i < PathMtu::kBody; ++i)
    payload[kRecordHeader + i] = static_cast<std::uint8_t>(probe.number >> (24 - 8 * i));
  transmit(trunk, {.channel = kNoChannel, .octets = payload}, ends_[trunk.end].dscp, turn);
}

// ---- Time ----

void Relay::on_trunk_time(std::uint32_t trunk, Turn& turn) {
  Trunk& it = *trunks_[trunk];
  if (!it.bundle.empty() && turn.now >= it.bundle.due) flush(it, turn);
  if (const auto probe = it.path.on_time(turn.now)) probe_path(it, *probe, turn);
  rearm(it);
}

void Relay::rearm(const Trunk& trunk) {
  std::optional<TimePoint> due = trunk.path.deadline();
  if (!trunk.bundle.empty()) due = due ? std::min(*due, trunk.bundle.due) : trunk.bundle.due;
  const std::uint32_t key = place_of(trunk.end, kTrunkTimer);
  if (due)
    deadlines_.arm(key, *due);
  else
    deadlines_.disarm(key);
}

// The flow takes another path, or may take one: what fits it is to be found out anew.
void Relay::path_is_new(std::uint32_t end, bool v6) {
  if (ends_[end].trunk == kNone) return;
  Trunk& trunk = *trunks_[ends_[end].trunk];
  trunk.path.reset(v6);
  rearm(trunk);
}

}  // namespace sallyport::media
