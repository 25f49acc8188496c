#include "adapter/h323/streams.h"

#include <algorithm>
#include <utility>

#include "adapter/stream_traffic.h"

namespace sallyport::adapter::h323 {
namespace {

constexpr std::uint16_t kDiscardPort = 9;  // RFC 863

// UDPTL has no control protocol beside it.
unsigned components_of(Streams::Kind kind) { return kind == Streams::Kind::Fax ? 1 : 2; }

edge::Dscp mark_of(Streams::Kind kind, const Marks& marks) {
  switch (kind) {
    case Streams::Kind::Audio:
    case Streams::Kind::Fax:
      return marks.audio;
    case Streams::Kind::Video:
      return marks.video;
    case Streams::Kind::Data:
      break;
  }
  return marks.other;
}

// H.245 tells where media is taken, never from which port it is sent; RTP need not be symmetric.
media::Accept accept_from(const Streams::Party& party, const IpAddress& signalled) {
  if (!party.place.is_outside()) return media::Accept::SignalledHost;
  if (party.behind_nat || signalled.is_private()) return media::Accept::FirstPlausible;
  return media::Accept::SignalledHost;
}

// H.245 tells bits only; packets of 160 octets are as small as they come.
constexpr std::uint64_t kSmallPacketBits = 160 * 8;

// Of a side that only sends we are told where it takes RTCP, not RTP. That there is an address lets
// its packets pass; RFC 3550 11 says which it is.
TransportAddress beside(const TransportAddress& other, unsigned component) {
  const int port = component == 0 ? other.port - 1 : other.port + 1;
  return {other.ip, static_cast<std::uint16_t>(std::clamp(port, 1, 0xffff))};
}

bool is_same(const media::RemoteSpec& one, const media::RemoteSpec& other) {
  return one.addresses == other.addresses && one.accept == other.accept && one.rtp == other.rtp &&
         one.most == other.most;
}

}  // namespace

Streams::StreamPtr Streams::open(Kind kind, unsigned session, Commands& out) {
  auto stream = std::make_shared<Stream>();
  stream->kind = kind;
  stream->session = session;
  streams_.push_back(stream);
  for (const Side side : {kCaller, kCallee}) open_port(stream, side, out);
  return stream;
}

void Streams::open_port(const StreamPtr& stream, Side side, Commands& out) {
  const Party& party = parties_[side];
  const std::weak_ptr<bool> alive = alive_;
  MediaPaths::Handler handler;
  handler.on_open = [this, alive, stream, side](const std::vector<TransportAddress>& own,
                                                Commands& at) {
    if (alive.expired()) return;
    stream->ports[side].own = own;
    on_change_(at);
  };
  handler.on_failed = [this, alive, stream, side](Errc, const std::string&, Commands& at) {
    if (alive.expired()) return;
    stream->ports[side].failed = true;
    stream->ports[side].id = {};
    on_change_(at);
  };
  media::PortSpec spec;
  spec.components = components_of(stream->kind);
  spec.toward = party.signalling;
  spec.dscp = mark_of(stream->kind, party.marks);
  const MediaId id = out.media().open_port(party.place, spec, std::move(handler));
  if (!stream->ports[side].failed) stream->ports[side].id = id;
}

void Streams::set_remote(Stream& stream, Side side, Commands& out) {
  Port& port = stream.ports[side];
  const Party& party = parties_[side];
  const auto known = std::find_if(port.theirs.begin(), port.theirs.end(),
                                  [](const auto& address) { return address.has_value(); });
  const bool is_fax = stream.kind == Kind::Fax;
  if (!port.id || (known == port.theirs.end() && !is_fax)) return;
  // Fax has no RTCP: who only sends it has said no address at all.
  const TransportAddress base =
      known == port.theirs.end() ? TransportAddress{party.signalling, kDiscardPort} : **known;
  media::RemoteSpec remote;
  remote.accept = accept_from(party, base.ip);
  remote.rtp = !is_fax;
  remote.most = most_of(stream.bits / kSmallPacketBits, stream.bits);
  for (unsigned i = 0; i < components_of(stream.kind); ++i)
    remote.addresses.push_back(port.theirs[i].value_or(is_fax ? base : beside(base, i)));
  // Told again only when it says something else: a source that was learnt stays learnt.
  if (port.told && is_same(*port.told, remote)) return;
  port.told = remote;
  out.media().set_remote(port.id, remote);
}

void Streams::apply(Stream& stream, bool start, Commands& out) {
  for (const Side side : {kCaller, kCallee}) set_remote(stream, side, out);
  const MediaId caller = stream.ports[kCaller].id;
  const MediaId callee = stream.ports[kCallee].id;
  if (!caller || !callee) return;
  if (!std::exchange(stream.joined, true)) out.media().connect(caller, callee);
  if (start) out.media().start(caller);
}

void Streams::close(const StreamPtr& stream, Commands& out) {
  if (std::erase(streams_, stream) == 0) return;
  for (Port& port : stream->ports)
    if (const MediaId id = std::exchange(port.id, {})) out.media().close(id);
}

void Streams::close_all(Commands& out) {
  while (!streams_.empty()) close(StreamPtr{streams_.back()}, out);
}

void Streams::count(Side side, std::function<void(std::uint64_t, Commands&)> on_count,
                    Commands& out) const {
  std::vector<MediaId> ports;
  for (const StreamPtr& stream : streams_)
    if (const MediaId id = stream->ports[side].id) ports.push_back(id);
  count_packets(ports, std::move(on_count), out);
}

std::vector<MediaEnds> Streams::ends(Side side) const {
  std::vector<MediaEnds> ends;
  for (const StreamPtr& stream : streams_) {
    const Port& port = stream->ports[side];
    if (port.own.empty()) continue;
    ends.push_back({port.id, port.own, port.theirs[0].value_or(TransportAddress{})});
  }
  return ends;
}

}  // namespace sallyport::adapter::h323
