#include "control/commands.h"

#include "control/values.h"

namespace sallyport::control {
namespace {

using edge::ConnectionId;
using edge::ListenerId;
using edge::QueryId;
using media::MediaId;

constexpr std::size_t kMaxMulticastGroups = 16;
constexpr std::uint32_t kMostBundleUs = 20'000;
constexpr std::size_t kMaxName = 255;  // RFC 1035 2.3.4

// Most fields are checked with a Result each; this passes the first failure on.
// NOLINTNEXTLINE(bugprone-macro-parentheses): a declared name takes none
#define SALLYPORT_TRY(name, expression) \
  const auto name = (expression);       \
  if (!(name)) return tl::make_unexpected((name).error())

Result<void> apply(const wire::Listen& from, edge::Edge& edge) {
  SALLYPORT_TRY(transport, decode(from.transport()));
  SALLYPORT_TRY(address, decode(from.address()));
  SALLYPORT_TRY(dscp, decode_dscp(from.dscp()));
  edge::ListenSpec spec{.transport = *transport,
                        .address = *address,
                        .tls = {},
                        .multicast_groups = {},
                        .dscp = *dscp,
                        .protocol = from.protocol()};
  if (from.has_tls()) spec.tls = decode(from.tls());
  if (static_cast<std::size_t>(from.multicast_groups_size()) > kMaxMulticastGroups)
    return fail(Errc::BadValue, "too many multicast groups");
  for (const std::string& octets : from.multicast_groups()) {
    SALLYPORT_TRY(group, decode_ip(octets));
    spec.multicast_groups.push_back(*group);
  }
  edge.listen(ListenerId{from.id()}, spec);
  return {};
}

Result<void> apply(const wire::Connect& from, edge::Edge& edge) {
  SALLYPORT_TRY(transport, decode(from.transport()));
  SALLYPORT_TRY(remote, decode(from.remote()));
  SALLYPORT_TRY(local, decode_optional_ip(from.local()));
  SALLYPORT_TRY(dscp, decode_dscp(from.dscp()));
  edge::ConnectSpec spec{.transport = *transport,
                         .remote = *remote,
                         .local = *local,
                         .tls = {},
                         .dscp = *dscp,
                         .protocol = from.protocol()};
  if (from.has_tls()) spec.tls = decode(from.tls());
  edge.connect(ConnectionId{from.id()}, spec);
  return {};
}

Result<void> apply(const wire::Close& from, edge::Edge& edge) {
  switch (from.kind()) {
    case wire::Close::LISTENER:
      edge.close(ListenerId{from.id()});
      return {};
    case wire::Close::CONNECTION:
      edge.close(ConnectionId{from.id()});
      return {};
    case wire::Close::MEDIA:
      edge.close(MediaId{from.id()});
      return {};
    default:
      return fail(Errc::Unsupported, "unknown kind of object to close");
  }
}

Result<void> apply(const wire::Resolve& from, edge::Edge& edge) {
  if (from.type() < wire::ADDRESS || from.type() > wire::NAPTR)
    return fail(Errc::Unsupported, "unknown DNS record type");
  if (from.name().empty() || from.name().size() > kMaxName) return fail(Errc::BadValue, "DNS name");
  edge.resolve(QueryId{from.id()}, from.name(), static_cast<edge::RecordType>(from.type()));
  return {};
}

Result<void> apply(const wire::OpenPort& from, edge::Edge& edge) {
  SALLYPORT_TRY(toward, decode_ip(from.toward()));
  SALLYPORT_TRY(local, decode_optional_ip(from.local()));
  SALLYPORT_TRY(dscp, decode_dscp(from.dscp()));
  if (from.components() < 1 || from.components() > media::kMaxComponents)
    return fail(Errc::BadValue, "a port has 1 or 2 components");
  edge.open_port(
      MediaId{from.id()},
      {.components = from.components(), .toward = *toward, .local = *local, .dscp = *dscp});
  return {};
}

Result<media::FlowComponent> decode_secret(const wire::FlowComponent& from) {
  media::FlowComponent out;
  if (from.token().size() != out.token.size() || from.key().size() != out.key.size())
    return fail(Errc::BadValue, "a token and a key have 16 octets");
  std::copy(from.token().begin(), from.token().end(), out.token.begin());
  std::copy(from.key().begin(), from.key().end(), out.key.begin());
  return out;
}

Result<void> apply(const wire::OpenTrunk& from, edge::Edge& edge) {
  SALLYPORT_TRY(dscp, decode_dscp(from.dscp()));
  SALLYPORT_TRY(secret, decode_secret(from.secret()));
  SALLYPORT_TRY(server, decode(from.server()));
  if (from.keepalive_ms() == 0) return fail(Errc::BadValue, "keepalive is zero");
  if (from.bundle_us() > kMostBundleUs) return fail(Errc::BadValue, "bundling for too long");
  if (from.owner() >= media::kMaxOwners) return fail(Errc::BadValue, "an owner is below 8");
  edge.open_trunk(
      MediaId{from.id()},
      {.end = from.probing() ? media::FlowEnd::Probing : media::FlowEnd::Awaiting,
       .secret = *secret,
       .server = *server,
       .dscp = *dscp,
       .keepalive = milliseconds{from.keepalive_ms()},
       .sealed = !from.in_clear(),
       .ring = {},  // whose keys: those of this session
       .compress = from.compress(),
       .bundle = std::chrono::duration_cast<Duration>(std::chrono::microseconds{from.bundle_us()}),
       .owner = static_cast<std::uint8_t>(from.owner())});
  return {};
}

Result<void> apply(const wire::OpenFlow& from, edge::Edge& edge) {
  SALLYPORT_TRY(server, decode_all(from.server(), media::kMaxComponents));
  SALLYPORT_TRY(dscp, decode_dscp(from.dscp()));
  media::FlowSpec spec{.end = from.probing() ? media::FlowEnd::Probing : media::FlowEnd::Awaiting,
                       .components = {},
                       .server = *server,
                       .dscp = *dscp,
                       .keepalive = milliseconds{from.keepalive_ms()}};
  if (from.trunk() != 0) {
    spec.trunk = MediaId{from.trunk()};
    for (const std::uint32_t channel : from.channels()) {
      if (channel > 65535 || !media::is_of_a_flow(static_cast<media::Channel>(channel)))
        return fail(Errc::BadValue, "a channel that is no flow's");
      spec.channels.push_back(static_cast<media::Channel>(channel));
    }
    if (spec.channels.empty() || spec.channels.size() > media::kMaxComponents)
      return fail(Errc::BadValue, "a flow has 1 or 2 components");
    spec.server.clear();
    edge.open_flow(MediaId{from.id()}, spec);
    return {};
  }
  const auto count = static_cast<std::size_t>(from.components_size());
  if (count < 1 || count > media::kMaxComponents)
    return fail(Errc::BadValue, "a flow has 1 or 2 components");
  if (from.probing() && server->size() != count)
    return fail(Errc::BadValue, "a probing flow needs one server address for each component");
  if (from.keepalive_ms() == 0) return fail(Errc::BadValue, "keepalive is zero");
  for (const wire::FlowComponent& component : from.components()) {
    SALLYPORT_TRY(value, decode_secret(component));
    spec.components.push_back(*value);
  }
  edge.open_flow(MediaId{from.id()}, spec);
  return {};
}

Result<void> apply(const wire::SetRemote& from, edge::Edge& edge) {
  SALLYPORT_TRY(addresses, decode_all(from.addresses(), media::kMaxComponents));
  if (from.accept() < wire::SetRemote::SIGNALLED_ADDRESS ||
      from.accept() > wire::SetRemote::FIRST_PLAUSIBLE)
    return fail(Errc::Unsupported, "unknown way of accepting media");
  edge.set_remote(MediaId{from.id()},
                  {.addresses = *addresses,
                   .accept = static_cast<media::Accept>(from.accept()),
                   .rtp = !from.not_rtp(),
                   .most = {.packets = from.most_packets(), .octets = from.most_octets()}});
  return {};
}

}  // namespace

wire::Envelope encode_listen(ListenerId id, const edge::ListenSpec& spec) {
  wire::Envelope out;
  wire::Listen& to = *out.mutable_listen();
  to.set_id(id.value);
  to.set_transport(encode(spec.transport));
  encode(spec.address, *to.mutable_address());
  if (spec.tls) encode(*spec.tls, *to.mutable_tls());
  for (const IpAddress& group : spec.multicast_groups) to.add_multicast_groups(encode(group));
  to.set_dscp(spec.dscp);
  to.set_protocol(spec.protocol);
  return out;
}

wire::Envelope encode_connect(ConnectionId id, const edge::ConnectSpec& spec) {
  wire::Envelope out;
  wire::Connect& to = *out.mutable_connect();
  to.set_id(id.value);
  to.set_transport(encode(spec.transport));
  encode(spec.remote, *to.mutable_remote());
  if (spec.local) to.set_local(encode(*spec.local));
  if (spec.tls) encode(*spec.tls, *to.mutable_tls());
  to.set_dscp(spec.dscp);
  to.set_protocol(spec.protocol);
  return out;
}

wire::Envelope encode_start_tls(ConnectionId id, const edge::TlsSpec& spec, bool as_server) {
  wire::Envelope out;
  out.mutable_start_tls()->set_id(id.value);
  out.mutable_start_tls()->set_as_server(as_server);
  encode(spec, *out.mutable_start_tls()->mutable_tls());
  return out;
}

wire::Envelope encode_pause_reading(ConnectionId id, bool paused) {
  wire::Envelope out;
  out.mutable_pause_reading()->set_id(id.value);
  out.mutable_pause_reading()->set_paused(paused);
  return out;
}

wire::Envelope encode_set_dscp(ConnectionId id, edge::Dscp dscp) {
  wire::Envelope out;
  out.mutable_set_dscp()->set_id(id.value);
  out.mutable_set_dscp()->set_dscp(dscp);
  return out;
}

namespace {
wire::Envelope encode_close(std::uint64_t id, wire::Close::Kind kind) {
  wire::Envelope out;
  out.mutable_close()->set_id(id);
  out.mutable_close()->set_kind(kind);
  return out;
}
}  // namespace

wire::Envelope encode_close(ConnectionId id) {
  return encode_close(id.value, wire::Close::CONNECTION);
}
wire::Envelope encode_close(ListenerId id) { return encode_close(id.value, wire::Close::LISTENER); }
wire::Envelope encode_close(MediaId id) { return encode_close(id.value, wire::Close::MEDIA); }

wire::Envelope encode_resolve(QueryId id, const std::string& name, edge::RecordType type) {
  wire::Envelope out;
  out.mutable_resolve()->set_id(id.value);
  out.mutable_resolve()->set_name(name);
  out.mutable_resolve()->set_type(static_cast<wire::RecordType>(type));
  return out;
}

wire::Envelope encode_find_local_address(QueryId id, const IpAddress& toward) {
  wire::Envelope out;
  out.mutable_find_local_address()->set_id(id.value);
  out.mutable_find_local_address()->set_toward(encode(toward));
  return out;
}

wire::Envelope encode_open_port(MediaId id, const media::PortSpec& spec) {
  wire::Envelope out;
  wire::OpenPort& to = *out.mutable_open_port();
  to.set_id(id.value);
  to.set_components(spec.components);
  to.set_toward(encode(spec.toward));
  if (spec.local) to.set_local(encode(*spec.local));
  to.set_dscp(spec.dscp);
  return out;
}

namespace {
void encode(const media::FlowComponent& from, wire::FlowComponent& to) {
  to.set_token(from.token.data(), from.token.size());
  to.set_key(from.key.data(), from.key.size());
}
template <typename Unit>
std::uint32_t encode(Duration from) {
  return static_cast<std::uint32_t>(std::chrono::duration_cast<Unit>(from).count());
}
}  // namespace

wire::Envelope encode_open_flow(MediaId id, const media::FlowSpec& spec) {
  wire::Envelope out;
  wire::OpenFlow& to = *out.mutable_open_flow();
  to.set_id(id.value);
  to.set_probing(spec.end == media::FlowEnd::Probing);
  to.set_trunk(spec.trunk.value);
  for (const media::Channel channel : spec.channels) to.add_channels(channel);
  for (const media::FlowComponent& component : spec.components)
    encode(component, *to.add_components());
  encode_all(spec.server, *to.mutable_server());
  to.set_dscp(spec.dscp);
  to.set_keepalive_ms(encode<milliseconds>(spec.keepalive));
  return out;
}

wire::Envelope encode_open_trunk(MediaId id, const media::TrunkSpec& spec) {
  wire::Envelope out;
  wire::OpenTrunk& to = *out.mutable_open_trunk();
  to.set_id(id.value);
  to.set_probing(spec.end == media::FlowEnd::Probing);
  encode(spec.secret, *to.mutable_secret());
  encode(spec.server, *to.mutable_server());
  to.set_dscp(spec.dscp);
  to.set_keepalive_ms(encode<milliseconds>(spec.keepalive));
  to.set_in_clear(!spec.sealed);
  to.set_compress(spec.compress);
  to.set_bundle_us(encode<std::chrono::microseconds>(spec.bundle));
  to.set_owner(spec.owner);
  return out;
}

wire::Envelope encode_set_remote(MediaId id, const media::RemoteSpec& remote) {
  wire::Envelope out;
  out.mutable_set_remote()->set_id(id.value);
  encode_all(remote.addresses, *out.mutable_set_remote()->mutable_addresses());
  out.mutable_set_remote()->set_accept(static_cast<wire::SetRemote::Accept>(remote.accept));
  out.mutable_set_remote()->set_not_rtp(!remote.rtp);
  out.mutable_set_remote()->set_most_packets(remote.most.packets);
  out.mutable_set_remote()->set_most_octets(remote.most.octets);
  return out;
}

wire::Envelope encode_join(MediaId a, MediaId b) {
  wire::Envelope out;
  out.mutable_join()->set_a(a.value);
  out.mutable_join()->set_b(b.value);
  return out;
}

wire::Envelope encode_leave(MediaId id) {
  wire::Envelope out;
  out.mutable_leave()->set_id(id.value);
  return out;
}

wire::Envelope encode_replace(MediaId old, MediaId by, media::ReplaceStep step) {
  wire::Envelope out;
  out.mutable_replace()->set_old(old.value);
  out.mutable_replace()->set_by(by.value);
  out.mutable_replace()->set_send(step == media::ReplaceStep::Send);
  return out;
}

wire::Envelope encode_probe(MediaId id) {
  wire::Envelope out;
  out.mutable_probe()->set_id(id.value);
  return out;
}

wire::Envelope encode_count(QueryId query, MediaId id) {
  wire::Envelope out;
  out.mutable_count()->set_query(query.value);
  out.mutable_count()->set_id(id.value);
  return out;
}

Result<void> apply_command(const wire::Envelope& message, edge::Edge& edge) {
  switch (message.body_case()) {
    case wire::Envelope::kListen:
      return apply(message.listen(), edge);
    case wire::Envelope::kConnect:
      return apply(message.connect(), edge);
    case wire::Envelope::kStartTls:
      edge.start_tls(ConnectionId{message.start_tls().id()}, decode(message.start_tls().tls()),
                     message.start_tls().as_server());
      return {};
    case wire::Envelope::kPauseReading:
      edge.pause_reading(ConnectionId{message.pause_reading().id()},
                         message.pause_reading().paused());
      return {};
    case wire::Envelope::kSetDscp: {
      SALLYPORT_TRY(dscp, decode_dscp(message.set_dscp().dscp()));
      edge.set_dscp(ConnectionId{message.set_dscp().id()}, *dscp);
      return {};
    }
    case wire::Envelope::kClose:
      return apply(message.close(), edge);
    case wire::Envelope::kResolve:
      return apply(message.resolve(), edge);
    case wire::Envelope::kFindLocalAddress: {
      SALLYPORT_TRY(toward, decode_ip(message.find_local_address().toward()));
      edge.find_local_address(QueryId{message.find_local_address().id()}, *toward);
      return {};
    }
    case wire::Envelope::kOpenPort:
      return apply(message.open_port(), edge);
    case wire::Envelope::kOpenFlow:
      return apply(message.open_flow(), edge);
    case wire::Envelope::kOpenTrunk:
      return apply(message.open_trunk(), edge);
    case wire::Envelope::kReplace:
      edge.replace(
          MediaId{message.replace().old()}, MediaId{message.replace().by()},
          message.replace().send() ? media::ReplaceStep::Send : media::ReplaceStep::Receive);
      return {};
    case wire::Envelope::kSetRemote:
      return apply(message.set_remote(), edge);
    case wire::Envelope::kJoin:
      edge.join(MediaId{message.join().a()}, MediaId{message.join().b()});
      return {};
    case wire::Envelope::kLeave:
      edge.leave(MediaId{message.leave().id()});
      return {};
    case wire::Envelope::kProbe:
      edge.probe(MediaId{message.probe().id()});
      return {};
    case wire::Envelope::kCount:
      edge.count(QueryId{message.count().query()}, MediaId{message.count().id()});
      return {};
    default:
      return fail(Errc::Unsupported, "not a command");
  }
}

#undef SALLYPORT_TRY

}  // namespace sallyport::control
