#include "edge/local_edge.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace sallyport::edge {
namespace {

std::string_view name(Transport transport) {
  switch (transport) {
    case Transport::Udp:
      return "udp";
    case Transport::Tcp:
      return "tcp";
    case Transport::Tls:
      return "tls";
  }
  return "udp";
}

std::string describe(const std::vector<TransportAddress>& addresses) {
  std::string out;
  for (const TransportAddress& address : addresses) {
    if (!out.empty()) out += ' ';
    out += address.to_string();
  }
  return out;
}

}  // namespace

template <typename F>
auto LocalEdge::guarded(F work) {
  return [alive = std::weak_ptr{self_}, work = std::move(work)](auto&&... args) mutable {
    if (alive.lock()) work(std::forward<decltype(args)>(args)...);
  };
}

LocalEdge::LocalEdge(net::Network& network, media::Plane& plane, const Policy& policy, Audit& audit,
                     Log& log, LocalEdgeOptions options, Observer& observer)
    : network_(network),
      plane_(plane),
      policy_(policy),
      audit_(audit),
      log_(log),
      options_(std::move(options)),
      observer_(observer),
      self_(std::make_shared<LocalEdge*>(this)),
      next_accepted_(options_.first_accepted_id) {}

LocalEdge::~LocalEdge() {
  for (const auto& [id, plane_id] : media_) plane_.close(plane_id);
}

// ---- Permitting, recording, refusing ----

void LocalEdge::act(std::string_view what_act, std::string_view what, std::uint64_t id,
                    const std::optional<std::string>& refusal) {
  audit_.record(options_.commander, what_act, what, id, refusal ? *refusal : "done");
}

void LocalEdge::refuse(std::uint64_t id, Errc code, std::string what) {
  if (code == Errc::NotPermitted) {
    ++counts_.refused;
    log_.warning("command refused", {{"by", options_.commander}, {"why", what}});
  }
  tell([id, code, what = std::move(what)](Observer& o) { o.on_refused(id, code, what); });
}

void LocalEdge::note_stranger(const IpAddress& ip, Transport transport) {
  const std::string address = ip.to_string();
  const auto left_out = strangers_.may_log(address, network_.now());
  if (!left_out) return;
  log_.warning("refused by policy", {{"address", address},
                                     {"transport", name(transport)},
                                     {"why", "not among " + options_.reach_key},
                                     {"more_before", *left_out}});
}

void LocalEdge::tell(std::function<void(Observer&)> what) {
  network_.post(guarded([this, what = std::move(what)] { what(observer_); }));
}

IpAddress LocalEdge::shown(const IpAddress& bound) const {
  const auto it = options_.advertised.find(bound);
  return it == options_.advertised.end() ? bound : it->second;
}

TransportAddress LocalEdge::shown(const TransportAddress& bound) const {
  return {shown(bound.ip), bound.port};
}

IpAddress LocalEdge::bound(const IpAddress& shown) const {
  for (const auto& [ours, theirs] : options_.advertised)
    if (theirs == shown) return ours;
  return shown;
}

// ---- Listening ----

void LocalEdge::listen(ListenerId id, const ListenSpec& spec) {
  auto refusal = policy_.refuse_listen(spec);
  if (!refusal) refusal = policy_.refuse_sockets(sockets());
  if (!refusal && listeners_.contains(id)) refusal = "the id is in use";
  act("listen",
      fmt::format("{} {} {}", spec.protocol, name(spec.transport), spec.address.to_string()),
      id.value, refusal);
  if (refusal) return refuse(id.value, Errc::NotPermitted, *refusal);
  ListenerState state{.transport = spec.transport, .datagrams = {}, .streams = {}};
  Result<TransportAddress> local = fail(Errc::NotFound, "no address of this family to listen on");
  for (const TransportAddress& at : where_to_listen(spec.address)) {
    local = spec.transport == Transport::Udp ? listen_datagrams(id, spec, at, state)
                                             : listen_stream(id, spec, at, state);
    if (!local) break;  // all of them or none
  }
  if (!local) return refuse(id.value, local.error().code, std::string{local.error().what});
  listeners_[id] = std::move(state);
  tell([id, address = shown(*local)](Observer& o) { o.on_listening(id, address); });
}

std::vector<TransportAddress> LocalEdge::where_to_listen(const TransportAddress& asked) const {
  if (!asked.ip.is_unspecified() || options_.listen.empty()) return {{bound(asked.ip), asked.port}};
  std::vector<TransportAddress> out;
  for (const IpAddress& ip : options_.listen)
    if (ip.is_v4() == asked.ip.is_v4()) out.push_back({ip, asked.port});
  return out;
}

Result<TransportAddress> LocalEdge::listen_datagrams(ListenerId id, const ListenSpec& spec,
                                                     const TransportAddress& at,
                                                     ListenerState& state) {
  auto on_datagram = guarded([this, id, port = std::make_shared<std::uint16_t>(at.port)](
                                 const TransportAddress& remote, const IpAddress& local, Bytes b) {
    const auto it = listeners_.find(id);
    if (it == listeners_.end()) return;
    if (!policy_.reachable(remote.ip)) {
      ++counts_.datagrams_refused;
      return note_stranger(remote.ip, Transport::Udp);
    }
    if (*port == 0) *port = it->second.datagrams.front()->local().port;
    observer_.on_datagram(id, {.local = {shown(local), *port}, .remote = remote}, b);
  });
  auto socket = network_.open_datagrams(at,
                                        {.multicast_groups = spec.multicast_groups,
                                         .multicast_interfaces = options_.listen,
                                         .dscp = spec.dscp},
                                        std::move(on_datagram));
  if (!socket) return tl::make_unexpected(socket.error());
  state.datagrams.push_back(std::move(*socket));
  return state.datagrams.back()->local();
}

Result<TransportAddress> LocalEdge::listen_stream(ListenerId id, const ListenSpec& spec,
                                                  const TransportAddress& at,
                                                  ListenerState& state) {
  net::ListenOptions options{.tls = {}, .dscp = spec.dscp};
  if (spec.transport == Transport::Tls) {
    options.tls = tls_options(spec.tls.value_or(TlsSpec{}), true);
    if (!options.tls) return fail(Errc::NotFound, "no TLS certificate of that name here");
  }
  auto listener = network_.listen(
      at, options,
      guarded([this, id, transport = spec.transport](std::unique_ptr<net::Stream> stream) {
        on_accepted(id, std::move(stream), transport);
      }));
  if (!listener) return tl::make_unexpected(listener.error());
  state.streams.push_back(std::move(*listener));
  return state.streams.back()->local();
}

void LocalEdge::on_accepted(ListenerId listener, std::unique_ptr<net::Stream> stream,
                            Transport transport) {
  const TransportAddress remote = stream->remote();
  auto refusal = policy_.refuse_address(remote.ip);
  if (!refusal) refusal = policy_.refuse_sockets(sockets());
  if (!refusal) {
    const auto from = accepted_from_.find(remote.ip);
    if (from != accepted_from_.end() && from->second >= policy_.rules().max_connections_per_source)
      refusal = "too many connections from this address";
  }
  const ConnectionId id{next_accepted_};
  act("accept", fmt::format("{} {}", name(transport), remote.to_string()), id.value, refusal);
  if (refusal) {
    ++counts_.connections_refused;
    if (!policy_.reachable(remote.ip)) note_stranger(remote.ip, transport);
    return;  // the stream is closed by going out of scope
  }
  ++next_accepted_;
  ++accepted_from_[remote.ip];
  const Arrival arrival{.transport = transport,
                        .addresses = {.local = shown(stream->local()), .remote = remote}};
  stream->set_handler(handler_for(id));
  connections_[id] = {.stream = std::move(stream),
                      .transport = transport,
                      .accepted = true,
                      .connected = true,
                      .remote = remote.ip};
  observer_.on_accepted(listener, id, arrival);
}

void LocalEdge::close(ListenerId id) {
  if (listeners_.erase(id) != 0) act("close", "listener", id.value, {});
}

// ---- Connections ----

std::optional<net::TlsOptions> LocalEdge::tls_options(const TlsSpec& spec, bool as_server) const {
  const Certificates& known = options_.certificates;
  if (as_server) {
    const auto it = known.server.find(spec.certificate);
    if (it == known.server.end()) return std::nullopt;
    return net::TlsOptions{.context = it->second, .server_name = {}};
  }
  const auto& context = spec.verify_peer ? known.client_verifying : known.client_trusting;
  if (!context) return std::nullopt;
  return net::TlsOptions{.context = context, .server_name = spec.server_name};
}

void LocalEdge::connect(ConnectionId id, const ConnectSpec& spec) {
  auto refusal = policy_.refuse_connect(spec);
  if (!refusal) refusal = policy_.refuse_sockets(sockets());
  if (!refusal && connections_.contains(id)) refusal = "the id is in use";
  act("connect",
      fmt::format("{} {} {}", spec.protocol, name(spec.transport), spec.remote.to_string()),
      id.value, refusal);
  if (refusal) return refuse(id.value, Errc::NotPermitted, *refusal);
  net::ConnectOptions options{.local = {}, .tls = {}, .dscp = spec.dscp};
  if (spec.local) options.local = bound(*spec.local);
  if (spec.transport == Transport::Tls) {
    options.tls = tls_options(spec.tls.value_or(TlsSpec{}), false);
    if (!options.tls)
      return refuse(id.value, Errc::Unsupported, "no TLS for connections from here");
  }
  connections_[id] = {.stream = network_.connect(spec.remote, options, handler_for(id)),
                      .transport = spec.transport,
                      .accepted = false,
                      .connected = false,
                      .remote = spec.remote.ip};
}

net::Stream::Handler LocalEdge::handler_for(ConnectionId id) {
  net::Stream::Handler handler;
  handler.on_connected = guarded([this, id] {
    const auto it = connections_.find(id);
    if (it == connections_.end() || it->second.connected) return;
    it->second.connected = true;
    const net::Stream& stream = *it->second.stream;
    observer_.on_connected(id, {.local = shown(stream.local()), .remote = stream.remote()});
  });
  handler.on_received = guarded([this, id](Bytes octets) { observer_.on_received(id, octets); });
  handler.on_half_closed = guarded([this, id] { observer_.on_half_closed(id); });
  handler.on_closed = guarded([this, id](const Error& why) { on_stream_closed(id, why); });
  return handler;
}

void LocalEdge::on_stream_closed(ConnectionId id, const Error& why) {
  const auto it = connections_.find(id);
  if (it == connections_.end()) return;
  const ConnectionState state = std::move(it->second);
  connections_.erase(it);
  if (state.accepted && --accepted_from_[state.remote] == 0) accepted_from_.erase(state.remote);
  act("closed", why.what, id.value, {});
  if (state.connected) return observer_.on_closed(id, why);
  observer_.on_refused(id.value, why.code == Errc::Closed ? Errc::Unreachable : why.code,
                       std::string{why.what});
}

void LocalEdge::send(ConnectionId id, Bytes octets) {
  const auto it = connections_.find(id);
  if (it == connections_.end()) return;
  net::Stream& stream = *it->second.stream;
  if (stream.queued() + octets.size() > options_.max_queued) {
    // Whoever does not read must not fill our memory.
    it->second.stream->set_handler({});
    network_.post(guarded([this, id] {
      on_stream_closed(id, {Errc::Exhausted, "the far end does not read"});
    }));
    return;
  }
  stream.send(octets);
}

void LocalEdge::send_datagram(ListenerId id, const Addresses& addresses, Bytes datagram) {
  const auto it = listeners_.find(id);
  if (it == listeners_.end() || it->second.datagrams.empty()) return;
  if (!policy_.reachable(addresses.remote.ip)) {
    ++counts_.datagrams_refused;
    return;
  }
  const auto& sockets = it->second.datagrams;
  const IpAddress from = bound(addresses.local.ip);
  const auto socket = std::find_if(sockets.begin(), sockets.end(),
                                   [&](const auto& each) { return each->local().ip == from; });
  (socket == sockets.end() ? sockets.front() : *socket)->send(from, addresses.remote, datagram);
}

void LocalEdge::start_tls(ConnectionId id, const TlsSpec& spec, bool as_server) {
  const auto it = connections_.find(id);
  if (it == connections_.end()) return;
  const auto options = tls_options(spec, as_server);
  act("start_tls", spec.server_name, id.value,
      options ? std::nullopt : std::optional<std::string>{"no such certificate"});
  if (!options) return refuse(id.value, Errc::NotFound, "no TLS certificate of that name here");
  it->second.connected = false;  // on_connected comes again when the handshake is done
  it->second.transport = Transport::Tls;
  it->second.stream->start_tls(*options, as_server);
}

void LocalEdge::half_close(ConnectionId id) {
  if (const auto it = connections_.find(id); it != connections_.end())
    it->second.stream->half_close();
}

void LocalEdge::pause_reading(ConnectionId id, bool paused) {
  if (const auto it = connections_.find(id); it != connections_.end())
    it->second.stream->pause_reading(paused);
}

void LocalEdge::set_dscp(ConnectionId id, Dscp dscp) {
  if (const auto it = connections_.find(id); it != connections_.end())
    it->second.stream->set_dscp(dscp);
}

void LocalEdge::close(ConnectionId id) {
  const auto it = connections_.find(id);
  if (it == connections_.end()) return;
  ConnectionState state = std::move(it->second);
  connections_.erase(it);
  if (state.accepted && --accepted_from_[state.remote] == 0) accepted_from_.erase(state.remote);
  act("close", "connection", id.value, {});
  if (state.connected && state.stream->queued() > 0) linger(std::move(state.stream));
}

// What was sent before close() still goes out, as long as the far end takes it.
void LocalEdge::linger(std::unique_ptr<net::Stream> stream) {
  net::Stream* const key = stream.get();
  auto forget = guarded([this, key](auto&&...) { lingering_.erase(key); });
  net::Stream::Handler handler;
  handler.on_closed = forget;
  handler.on_half_closed = forget;
  handler.on_drained = forget;
  stream->set_handler(std::move(handler));
  stream->half_close();
  lingering_[key] = std::move(stream);
}

// ---- Questions ----

void LocalEdge::resolve(QueryId id, const std::string& name, RecordType type) {
  network_.resolve(name, static_cast<net::DnsType>(type),
                   guarded([this, id, type](const std::vector<net::DnsRecord>& found) {
                     std::vector<Record> records;
                     records.reserve(found.size());
                     for (const net::DnsRecord& r : found)
                       records.push_back({.type = type,
                                          .address = r.address,
                                          .priority = r.priority,
                                          .weight = r.weight,
                                          .port = r.port,
                                          .target = r.target,
                                          .service = r.service,
                                          .flags = r.flags});
                     observer_.on_resolved(id, records);
                   }));
}

void LocalEdge::find_local_address(QueryId id, const IpAddress& toward) {
  const auto local = network_.local_address_for(toward);
  if (!local) return refuse(id.value, local.error().code, std::string{local.error().what});
  tell([id, address = shown(*local)](Observer& o) { o.on_local_address(id, address); });
}

// ---- Media ----

media::Plane::OnEvent LocalEdge::media_events(MediaId id) {
  return guarded(
      [this, id](MediaId, const media::Event& event) { observer_.on_media_event(id, event); });
}

void LocalEdge::open_port(MediaId id, const media::PortSpec& spec) {
  auto refusal = policy_.refuse_sockets(sockets());
  if (!refusal && !spec.toward.is_unspecified()) refusal = policy_.refuse_address(spec.toward);
  if (!refusal && media_.contains(id)) refusal = "the id is in use";
  act("open_port", fmt::format("{} toward {}", spec.components, spec.toward.to_string()), id.value,
      refusal);
  if (refusal) return refuse(id.value, Errc::NotPermitted, *refusal);
  media::PortSpec here = spec;
  if (spec.local) {
    here.local = bound(*spec.local);
  } else {
    const auto local = network_.local_address_for(spec.toward);
    if (!local) return refuse(id.value, local.error().code, std::string{local.error().what});
    here.local = *local;
  }
  auto opened = plane_.open_port(here, media_events(id));
  if (!opened) return refuse(id.value, opened.error().code, std::string{opened.error().what});
  media_[id] = opened->id;
  ports_[id] = true;
  std::vector<TransportAddress> addresses;
  for (const TransportAddress& address : opened->addresses) addresses.push_back(shown(address));
  tell([id, addresses = std::move(addresses)](Observer& o) { o.on_media_opened(id, addresses); });
}

std::optional<std::string> LocalEdge::refuse_flow(
    MediaId id, const std::vector<TransportAddress>& server) const {
  auto refusal = policy_.refuse_sockets(sockets());
  if (!refusal && media_.contains(id)) refusal = "the id is in use";
  for (const TransportAddress& address : server)
    if (!refusal && !(options_.is_server && options_.is_server(address.ip)))
      refusal = policy_.refuse_flow(address.ip);
  return refusal;
}

void LocalEdge::open_trunk(MediaId id, const media::TrunkSpec& spec) {
  std::vector<TransportAddress> server;
  if (spec.end == media::FlowEnd::Probing) server.push_back(spec.server);
  const auto refusal = refuse_flow(id, server);
  act("open_trunk", describe(server) + (spec.sealed ? "" : " in clear"), id.value, refusal);
  if (refusal) return refuse(id.value, Errc::NotPermitted, *refusal);
  media::TrunkSpec here = spec;
  if (!here.ring) here.ring = options_.ring;
  const auto opened = plane_.open_trunk(here, media_events(id));
  if (!opened) return refuse(id.value, opened.error().code, std::string{opened.error().what});
  media_[id] = *opened;
  trunks_[id] = spec.sealed;
  tell([id](Observer& o) { o.on_media_opened(id, {}); });
}

void LocalEdge::open_flow(MediaId id, const media::FlowSpec& spec) {
  const auto refusal = refuse_flow(id, spec.server);
  act("open_flow",
      spec.tagged() ? fmt::format("on trunk {:x}", spec.trunk.value) : describe(spec.server),
      id.value, refusal);
  if (refusal) return refuse(id.value, Errc::NotPermitted, *refusal);
  media::FlowSpec here = spec;
  if (spec.tagged()) {
    const auto trunk = media_.find(spec.trunk);
    if (trunk == media_.end()) return refuse(id.value, Errc::NotFound, "no such trunk");
    here.trunk = trunk->second;
  }
  const auto opened = plane_.open_flow(here, media_events(id));
  if (!opened) return refuse(id.value, opened.error().code, std::string{opened.error().what});
  media_[id] = *opened;
  tell([id](Observer& o) { o.on_media_opened(id, {}); });
}

void LocalEdge::set_remote(MediaId id, const media::RemoteSpec& remote) {
  const auto it = media_.find(id);
  if (it == media_.end()) return;
  media::RemoteSpec here = remote;
  std::optional<std::string> refusal;
  for (TransportAddress& address : here.addresses) {
    if (!ports_.contains(id) || address.port == 0 || policy_.reachable(address.ip)) continue;
    // A party behind a NAT names an address of its own network: nothing is sent there, but to where
    // its media comes from.
    if (here.accept == media::Accept::FirstPlausible)
      address.ip = address.ip.is_v4() ? IpAddress::any_v4() : IpAddress::any_v6();
    else
      refusal = policy_.refuse_address(address.ip);
  }
  act("set_remote", describe(here.addresses), id.value, refusal);
  if (refusal) return refuse(id.value, Errc::NotPermitted, *refusal);
  plane_.set_remote(it->second, here);
}

void LocalEdge::join(MediaId a, MediaId b) {
  const auto at = media_.find(a);
  const auto bt = media_.find(b);
  if (at == media_.end() || bt == media_.end()) return;
  act("join", fmt::format("{:x}", b.value), a.value, {});
  plane_.join(at->second, bt->second);
}

void LocalEdge::leave(MediaId id) {
  if (const auto it = media_.find(id); it != media_.end()) plane_.leave(it->second);
}

void LocalEdge::replace(MediaId old, MediaId by, media::ReplaceStep step) {
  const auto before = media_.find(old);
  const auto after = media_.find(by);
  if (before == media_.end() || after == media_.end()) return;
  if (step == media::ReplaceStep::Send)
    act("replace", fmt::format("by {:x}", by.value), old.value, {});
  plane_.replace(before->second, after->second, step);
}

void LocalEdge::probe(MediaId id) {
  if (const auto it = media_.find(id); it != media_.end()) plane_.probe(it->second);
}

void LocalEdge::close(MediaId id) {
  const auto it = media_.find(id);
  if (it == media_.end()) return;
  act("close", "media", id.value, {});
  plane_.close(it->second);
  media_.erase(it);
  ports_.erase(id);
  trunks_.erase(id);
}

bool LocalEdge::seals() const {
  return !trunks_.empty() && std::all_of(trunks_.begin(), trunks_.end(),
                                         [](const auto& trunk) { return trunk.second; });
}

void LocalEdge::count(QueryId query, MediaId id) {
  const auto it = media_.find(id);
  if (it == media_.end()) return refuse(query.value, Errc::NotFound, "no such media end");
  plane_.count(it->second, guarded([this, query, id](const media::Counts& counts) {
                 observer_.on_media_counts(query, id, counts);
               }));
}

}  // namespace sallyport::edge
