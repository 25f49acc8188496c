// The control protocol in the hands of a far side that says anything at all. The first octet
// chooses who hears it: a slave, whose edge is commanded, or a master, whose brain is told. A
// slave's edge is given only values that can be; a master's brain hears only of what it has opened
// itself.
#include <algorithm>
#include <map>
#include <set>

#include "base/random.h"
#include "control/control_session.h"
#include "control/slave.h"
#include "edge/remote_edge.h"
#include "require.h"

namespace sallyport {
namespace {

using edge::ConnectionId;
using edge::ListenerId;
using edge::QueryId;
using media::MediaId;

constexpr std::uint64_t kUdp = 1, kTcp = 2, kDialled = 3, kPort = 4, kFlow = 5, kName = 6,
                        kRoute = 7, kCount = 8;
constexpr std::uint64_t kFirstAccepted = edge::kChosenByEdge | std::uint64_t{7} << 32U | 1U;

class StoppedClocks final : public Clocks {
 public:
  TimePoint now() const override { return {}; }
  WallTime wall_now() const override { return {}; }
};

// Obeys at once, so that what the slave tells is exercised too.
class ObedientEdge final : public edge::Edge {
 public:
  edge::Observer* slave = nullptr;

  void listen(ListenerId id, const edge::ListenSpec& spec) override {
    SALLYPORT_REQUIRE(spec.dscp < 64 && spec.transport <= edge::Transport::Tls);
    slave->on_listening(id, spec.address);
    slave->on_datagram(id, {.local = spec.address, .remote = spec.address}, {});
  }
  void connect(ConnectionId id, const edge::ConnectSpec& spec) override {
    SALLYPORT_REQUIRE(spec.dscp < 64 && spec.transport <= edge::Transport::Tls);
    if (spec.remote.port % 2 == 0)
      return slave->on_refused(id.value, Errc::NotPermitted, "not by this policy");
    slave->on_connected(id, {.local = spec.remote, .remote = spec.remote});
  }
  void send(ConnectionId id, Bytes octets) override { slave->on_received(id, octets); }
  void send_datagram(ListenerId id, const edge::Addresses& addresses, Bytes datagram) override {
    slave->on_datagram(id, addresses, datagram);
  }
  void start_tls(ConnectionId id, const edge::TlsSpec& /*spec*/, bool as_server) override {
    if (as_server) slave->on_connected(id, {});
  }
  void half_close(ConnectionId id) override { slave->on_half_closed(id); }
  void pause_reading(ConnectionId, bool) override {}
  void set_dscp(ConnectionId, edge::Dscp dscp) override { SALLYPORT_REQUIRE(dscp < 64); }
  void close(ConnectionId id) override { slave->on_closed(id, {Errc::Closed, "closed"}); }
  void close(ListenerId) override {}
  void resolve(QueryId id, const std::string& name, edge::RecordType type) override {
    SALLYPORT_REQUIRE(!name.empty() && name.size() <= 255 && type <= edge::RecordType::Naptr);
    slave->on_resolved(id, {{.type = type, .target = name}});
  }
  void find_local_address(QueryId id, const IpAddress& toward) override {
    slave->on_local_address(id, toward);
  }
  void open_port(MediaId id, const media::PortSpec& spec) override {
    SALLYPORT_REQUIRE(spec.components >= 1 && spec.components <= media::kMaxComponents);
    slave->on_media_opened(id, {});
  }
  void open_flow(MediaId id, const media::FlowSpec& spec) override {
    SALLYPORT_REQUIRE(spec.count() >= 1 && spec.count() <= media::kMaxComponents);
    if (spec.tagged()) {
      SALLYPORT_REQUIRE(spec.components.empty() && spec.server.empty());
      for (const media::Channel channel : spec.channels) SALLYPORT_REQUIRE(channel != 0);
      return;
    }
    SALLYPORT_REQUIRE(spec.channels.empty());
    SALLYPORT_REQUIRE(spec.end != media::FlowEnd::Probing ||
                      spec.server.size() == spec.components.size());
    SALLYPORT_REQUIRE(spec.keepalive > Duration::zero());
    slave->on_media_event(id, {.kind = media::EventKind::Silent});
  }
  void open_trunk(MediaId id, const media::TrunkSpec& spec) override {
    SALLYPORT_REQUIRE(spec.keepalive > Duration::zero() && spec.dscp < 64);
    SALLYPORT_REQUIRE(spec.bundle >= Duration::zero() && spec.bundle <= milliseconds{20});
    slave->on_media_opened(id, {});
  }
  void replace(MediaId, MediaId, media::ReplaceStep step) override {
    SALLYPORT_REQUIRE(step <= media::ReplaceStep::Send);
  }
  void set_remote(MediaId, const media::RemoteSpec& remote) override {
    SALLYPORT_REQUIRE(remote.addresses.size() <= media::kMaxComponents &&
                      remote.accept <= media::Accept::FirstPlausible);
  }
  void join(MediaId, MediaId) override {}
  void leave(MediaId) override {}
  void probe(MediaId id) override { slave->on_media_event(id, {}); }
  void close(MediaId) override {}
  void count(QueryId query, MediaId id) override { slave->on_media_counts(query, id, {}); }
};

class SuspiciousBrain final : public edge::Observer {
 public:
  void on_listening(ListenerId id, const TransportAddress& /*local*/) override {
    SALLYPORT_REQUIRE(id.value == kUdp || id.value == kTcp);
  }
  void on_datagram(ListenerId id, const edge::Addresses& /*addresses*/, Bytes) override {
    SALLYPORT_REQUIRE(id.value == kUdp);
  }
  void on_accepted(ListenerId listener, ConnectionId id, const edge::Arrival& arrival) override {
    SALLYPORT_REQUIRE(listener.value == kTcp && arrival.transport == edge::Transport::Tcp);
    SALLYPORT_REQUIRE(id.value - kFirstAccepted < std::uint64_t{1} << 32U);
    SALLYPORT_REQUIRE(open_.insert(id).second);
  }
  void on_connected(ConnectionId id, const edge::Addresses& /*addresses*/) override {
    SALLYPORT_REQUIRE(open_.contains(id));
  }
  void on_received(ConnectionId id, Bytes) override { SALLYPORT_REQUIRE(open_.contains(id)); }
  void on_half_closed(ConnectionId id) override { SALLYPORT_REQUIRE(open_.contains(id)); }
  void on_closed(ConnectionId id, const Error& /*why*/) override {
    SALLYPORT_REQUIRE(open_.erase(id) == 1);
  }
  void on_resolved(QueryId id, const std::vector<edge::Record>& /*records*/) override {
    answered(id);
  }
  void on_local_address(QueryId id, const IpAddress& /*local*/) override { answered(id); }
  void on_media_opened(MediaId id, const std::vector<TransportAddress>& addresses) override {
    SALLYPORT_REQUIRE(id.value == kPort || id.value == kFlow);
    SALLYPORT_REQUIRE(addresses.size() <= media::kMaxComponents);
  }
  void on_media_event(MediaId id, const media::Event& /*event*/) override {
    SALLYPORT_REQUIRE(id.value == kPort || id.value == kFlow);
  }
  void on_media_counts(QueryId id, MediaId, const media::Counts& /*counts*/) override {
    answered(id);
  }
  void on_refused(std::uint64_t id, Errc, const std::string& /*what*/) override {
    SALLYPORT_REQUIRE(id <= kCount || open_.contains(ConnectionId{id}));
    open_.erase(ConnectionId{id});
  }
  void on_lost() override {}

 private:
  // Once; but the answer may be that to another question.
  void answered(QueryId id) {
    SALLYPORT_REQUIRE(id.value >= kName && id.value <= kCount);
    SALLYPORT_REQUIRE(answered_.insert(id).second);
  }
  std::set<ConnectionId> open_{ConnectionId{kDialled}};
  std::set<QueryId> answered_;
};

void give_work(edge::Edge& edge) {
  const auto anywhere = TransportAddress{IpAddress::any_v4(), 5060};
  edge.listen(ListenerId{kUdp}, {.transport = edge::Transport::Udp, .address = anywhere});
  edge.listen(ListenerId{kTcp}, {.transport = edge::Transport::Tcp, .address = anywhere});
  edge.connect(ConnectionId{kDialled}, {.remote = anywhere});
  edge.open_port(MediaId{kPort}, {});
  edge.open_flow(MediaId{kFlow}, {});
  edge.resolve(QueryId{kName}, "example.org", edge::RecordType::Address);
  edge.find_local_address(QueryId{kRoute}, anywhere.ip);
  edge.count(QueryId{kCount}, MediaId{kPort});
}

// What the far side does, one act after another: control octets, cut anywhere, and channels. Those
// of a slave are its own, from `first_channel` on; a master is opened some. As the multiplex does
// it, datagrams come in channels of datagrams and octets in the others.
void play(control::ControlSession& session, Reader in, std::uint32_t first_channel,
          const bool& over) {
  std::map<mux::ChannelId, mux::StreamKind> open;
  while (in.ok() && in.left() > 0 && !over) {
    const std::uint8_t act = in.u8();
    const mux::ChannelId channel{first_channel + 2U * (act >> 4U)};
    const auto kind = open.find(channel);
    const bool datagrams = kind != open.end() && kind->second == mux::StreamKind::Datagrams;
    switch (act % 8) {
      case 0:
      case 1:
      case 2: {
        const std::size_t length = std::min<std::size_t>(in.u8(), in.left());
        session.on_received(mux::kControlChannel, in.take(length));
        break;
      }
      case 3: {
        const auto header = mux::parse_stream_header(in.take(mux::kStreamHeaderSize));
        if (header && open.emplace(channel, header->kind).second)
          session.on_channel(channel, *header);
        break;
      }
      case 4:
        if (datagrams) break;
        session.on_received(channel, in.take(std::min<std::size_t>(7, in.left())));
        break;
      case 5:
        if (!datagrams && first_channel % 2 == 0) break;
        session.on_datagram(channel, {}, {}, in.take(std::min<std::size_t>(5, in.left())));
        break;
      case 6:
        session.on_half_closed(channel);
        break;
      default:
        open.erase(channel);
        session.on_closed(channel, {Errc::Closed, "reset"});
    }
  }
}

}  // namespace
}  // namespace sallyport

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace sallyport;
  if (size == 0) return 0;
  const bool to_slave = data[0] % 2 == 0;
  StoppedClocks clocks;
  SeededRandom random{1};
  mux::Multiplex multiplex{
      to_slave ? mux::Multiplex::Role::Dialling : mux::Multiplex::Role::Accepting, {}, random, [] {
      }};
  bool over = false;
  control::ControlSession session{multiplex,
                                  clocks,
                                  {.on_message = [](const auto&) { return Result<void>{}; },
                                   .on_attached = {},
                                   .on_detached = {},
                                   .on_gone = [&over](const Error&) { over = true; }}};
  const Reader input{Bytes{data + 1, size - 1}};
  if (to_slave) {
    ObedientEdge edge;
    control::Slave slave{session};
    slave.set_edge(edge);
    edge.slave = &slave;
    session.set_part(&slave);
    play(session, input, 3, over);
    return 0;
  }
  SuspiciousBrain brain;
  edge::RemoteEdge remote{session, brain, kFirstAccepted};
  session.set_part(&remote);
  give_work(remote);
  play(session, input, 2, over);
  return 0;
}
