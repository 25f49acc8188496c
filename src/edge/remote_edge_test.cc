// A RemoteEdge and a Slave on the two ends of a multiplex: whatever is told to one is done by the
// edge behind the other, and the other way round.
#include "edge/remote_edge.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "control/slave.h"
#include "mux/test_pair.h"

namespace sallyport::edge {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

TransportAddress at(const char* text) { return *TransportAddress::parse(text); }
IpAddress ip(const char* text) { return *IpAddress::parse(text); }

// Keeps the last of everything that it was told.
class RecordingEdge final : public Edge {
 public:
  std::map<std::uint64_t, ListenSpec> listens;
  std::map<std::uint64_t, ConnectSpec> connects;
  std::map<std::uint64_t, std::string> sent;
  std::vector<std::pair<Addresses, std::string>> datagrams;
  std::map<std::uint64_t, media::PortSpec> ports;
  std::map<std::uint64_t, media::FlowSpec> flows;
  std::map<std::uint64_t, media::TrunkSpec> trunks;
  std::map<std::uint64_t, media::RemoteSpec> remotes;
  std::vector<std::string> told;

  void listen(ListenerId id, const ListenSpec& spec) override { listens[id.value] = spec; }
  void connect(ConnectionId id, const ConnectSpec& spec) override { connects[id.value] = spec; }
  void send(ConnectionId id, Bytes octets) override { sent[id.value] += as_text(octets); }
  void send_datagram(ListenerId, const Addresses& addresses, Bytes datagram) override {
    datagrams.emplace_back(addresses, std::string{as_text(datagram)});
  }
  void start_tls(ConnectionId id, const TlsSpec& spec, bool as_server) override {
    say("start_tls " + spec.server_name + (as_server ? " server" : " client"), id.value);
  }
  void half_close(ConnectionId id) override { say("half_close", id.value); }
  void pause_reading(ConnectionId id, bool paused) override {
    say(paused ? "pause" : "resume", id.value);
  }
  void set_dscp(ConnectionId id, Dscp dscp) override {
    say("dscp " + std::to_string(dscp), id.value);
  }
  void close(ConnectionId id) override { say("close connection", id.value); }
  void close(ListenerId id) override { say("close listener", id.value); }
  void resolve(QueryId id, const std::string& name, RecordType type) override {
    say("resolve " + name + " " + std::to_string(static_cast<int>(type)), id.value);
  }
  void find_local_address(QueryId id, const IpAddress& toward) override {
    say("local " + toward.to_string(), id.value);
  }
  void open_port(MediaId id, const media::PortSpec& spec) override { ports[id.value] = spec; }
  void open_flow(MediaId id, const media::FlowSpec& spec) override { flows[id.value] = spec; }
  void open_trunk(MediaId id, const media::TrunkSpec& spec) override { trunks[id.value] = spec; }
  void replace(MediaId old, MediaId by, media::ReplaceStep step) override {
    say((step == media::ReplaceStep::Send ? "send by " : "receive by ") + std::to_string(by.value),
        old.value);
  }
  void set_remote(MediaId id, const media::RemoteSpec& remote) override {
    remotes[id.value] = remote;
  }
  void join(MediaId a, MediaId b) override { say("join " + std::to_string(b.value), a.value); }
  void leave(MediaId id) override { say("leave", id.value); }
  void probe(MediaId id) override { say("probe", id.value); }
  void close(MediaId id) override { say("close media", id.value); }
  void count(QueryId query, MediaId id) override {
    say("count " + std::to_string(query.value), id.value);
  }

 private:
  void say(const std::string& what, std::uint64_t id) {
    told.push_back(what + " " + std::to_string(id));
  }
};

class RecordingObserver final : public Observer {
 public:
  std::vector<std::string> told;
  std::map<std::uint64_t, std::string> received;
  std::vector<std::pair<Addresses, std::string>> datagrams;
  std::vector<Record> records;
  media::Event event;
  media::Counts counts;

  std::function<void(ListenerId)> when_listening;
  void on_listening(ListenerId id, const TransportAddress& local) override {
    say("listening " + local.to_string(), id.value);
    if (when_listening) when_listening(id);
  }
  void on_datagram(ListenerId, const Addresses& addresses, Bytes datagram) override {
    datagrams.emplace_back(addresses, std::string{as_text(datagram)});
  }
  void on_accepted(ListenerId listener, ConnectionId id, const Arrival& arrival) override {
    say("accepted by " + std::to_string(listener.value) + " from " +
            arrival.addresses.remote.to_string(),
        id.value & ~kChosenByEdge);
  }
  void on_connected(ConnectionId id, const Addresses& addresses) override {
    say("connected " + addresses.local.to_string(), id.value);
  }
  void on_received(ConnectionId id, Bytes octets) override {
    received[id.value] += as_text(octets);
  }
  void on_half_closed(ConnectionId id) override { say("half_closed", id.value & ~kChosenByEdge); }
  void on_closed(ConnectionId id, const Error& why) override {
    say("closed " + std::string{name(why.code)}, id.value & ~kChosenByEdge);
  }
  void on_resolved(QueryId id, const std::vector<Record>& found) override {
    records = found;
    say("resolved", id.value);
  }
  void on_local_address(QueryId id, const IpAddress& local) override {
    say("local " + local.to_string(), id.value);
  }
  void on_media_opened(MediaId id, const std::vector<TransportAddress>& addresses) override {
    std::string text = "opened";
    for (const TransportAddress& address : addresses) text += " " + address.to_string();
    say(text, id.value);
  }
  void on_media_event(MediaId id, const media::Event& its_event) override {
    event = its_event;
    say("event", id.value);
  }
  void on_media_counts(QueryId query, MediaId id, const media::Counts& its_counts) override {
    counts = its_counts;
    say("counts " + std::to_string(query.value), id.value);
  }
  void on_refused(std::uint64_t id, Errc code, const std::string& what) override {
    say("refused " + std::string{name(code)} + " " + what, id);
  }
  void on_lost() override { told.emplace_back("lost"); }

 private:
  void say(const std::string& what, std::uint64_t id) {
    told.push_back(what + " " + std::to_string(id));
  }
};

class PairClocks final : public Clocks {
 public:
  explicit PairClocks(const mux::TestPair& pair) : pair_(pair) {}
  TimePoint now() const override { return pair_.now; }
  WallTime wall_now() const override { return {}; }

 private:
  const mux::TestPair& pair_;
};

class RemoteEdgeTest : public testing::Test {
 protected:
  void SetUp() override {
    slave_.set_edge(edge_);
    at_master_.set_part(&remote_);
    at_slave_.set_part(&slave_);
    ASSERT_FALSE(pair_.connect());
  }
  std::vector<std::string> edge_told() {
    pair_.run();
    return std::exchange(edge_.told, {});
  }
  std::vector<std::string> brain_told() {
    pair_.run();
    return std::exchange(brain_.told, {});
  }
  // A connection that the edge has made, as both sides then know it.
  void connected(ConnectionId id) {
    remote_.connect(id, {.transport = Transport::Tcp, .remote = at("192.0.2.9:5060")});
    pair_.run();
    slave_.on_connected(id, {.local = at("10.1.1.1:40000"), .remote = at("192.0.2.9:5060")});
    brain_told();
  }

  mux::TestPair pair_;
  PairClocks clocks_{pair_};
  Error slave_gone_{Errc::System, ""}, master_gone_{Errc::System, ""};
  static control::ControlSession::Handler handler(Error& gone) {
    return {.on_message = [](const auto&) { return Result<void>{}; },
            .on_attached = {},
            .on_detached = {},
            .on_gone = [&gone](const Error& why) { gone = why; }};
  }
  control::ControlSession at_slave_{pair_.dialling, clocks_, handler(slave_gone_)};
  control::ControlSession at_master_{pair_.accepting, clocks_, handler(master_gone_)};
  RecordingEdge edge_;
  RecordingObserver brain_;
  control::Slave slave_{at_slave_};
  RemoteEdge remote_{at_master_, brain_, kChosenByEdge | 1};
};

TEST_F(RemoteEdgeTest, CarriesEveryCommandUnchanged) {
  remote_.listen(ListenerId{1}, {.transport = Transport::Tls,
                                 .address = at("0.0.0.0:5061"),
                                 .tls = TlsSpec{.certificate = "phones"},
                                 .multicast_groups = {ip("224.0.1.75")},
                                 .dscp = 40,
                                 .protocol = "sip"});
  remote_.connect(ConnectionId{2},
                  {.transport = Transport::Tls,
                   .remote = at("[2001:db8::9]:5061"),
                   .local = ip("2001:db8::1"),
                   .tls = TlsSpec{.server_name = "pbx.example", .verify_peer = true},
                   .protocol = "sip"});
  remote_.open_port(MediaId{3}, {.components = 1, .toward = ip("10.1.1.2"), .dscp = 34});
  media::FlowSpec flow{.end = media::FlowEnd::Probing,
                       .components = {{.token = {1, 2}, .key = {3, 4}}, {.token = {5}, .key = {6}}},
                       .server = {at("192.0.2.1:2776"), at("192.0.2.1:2777")},
                       .keepalive = seconds{7}};
  remote_.open_flow(MediaId{4}, flow);
  remote_.open_trunk(MediaId{8}, {.end = media::FlowEnd::Probing,
                                  .secret = {.token = {7}, .key = {8}},
                                  .server = at("192.0.2.1:2776"),
                                  .dscp = 40,
                                  .keepalive = seconds{9},
                                  .sealed = false,
                                  .compress = true,
                                  .bundle = milliseconds{2},
                                  .owner = 7});
  remote_.open_flow(
      MediaId{9},
      {.end = media::FlowEnd::Probing, .dscp = 34, .trunk = MediaId{8}, .channels = {1, 65535}});
  remote_.replace(MediaId{4}, MediaId{9}, media::ReplaceStep::Receive);
  remote_.replace(MediaId{4}, MediaId{9}, media::ReplaceStep::Send);
  remote_.set_remote(
      MediaId{3},
      {.addresses = {at("10.1.1.2:4000")}, .accept = media::Accept::FirstPlausible, .rtp = false});
  remote_.start_tls(ConnectionId{2}, {.server_name = "x"}, true);
  remote_.pause_reading(ConnectionId{99}, true);
  remote_.set_dscp(ConnectionId{2}, 26);
  remote_.resolve(QueryId{5}, "_sip._udp.example.net", RecordType::Srv);
  remote_.find_local_address(QueryId{6}, ip("192.0.2.7"));
  remote_.join(MediaId{3}, MediaId{4});
  remote_.leave(MediaId{3});
  remote_.probe(MediaId{4});
  remote_.count(QueryId{7}, MediaId{3});
  remote_.close(MediaId{3});
  remote_.close(ListenerId{1});
  EXPECT_THAT(edge_told(),
              ElementsAre("receive by 9 4", "send by 9 4", "start_tls x server 2", "dscp 26 2",
                          "resolve _sip._udp.example.net 1 5", "local 192.0.2.7 6", "join 4 3",
                          "leave 3", "probe 4", "count 7 3", "close media 3", "close listener 1"));
  const media::TrunkSpec& trunk = edge_.trunks.at(8);
  EXPECT_EQ(trunk.end, media::FlowEnd::Probing);
  EXPECT_EQ(trunk.secret.token[0], 7);
  EXPECT_EQ(trunk.secret.key[0], 8);
  EXPECT_EQ(trunk.server, at("192.0.2.1:2776"));
  EXPECT_EQ(trunk.dscp, 40);
  EXPECT_EQ(trunk.keepalive, seconds{9});
  EXPECT_FALSE(trunk.sealed);
  EXPECT_TRUE(trunk.compress);
  EXPECT_EQ(trunk.bundle, milliseconds{2});
  EXPECT_EQ(trunk.owner, 7);
  const media::FlowSpec& tagged = edge_.flows.at(9);
  EXPECT_EQ(tagged.trunk, MediaId{8});
  EXPECT_THAT(tagged.channels, ElementsAre(1, 65535));
  EXPECT_EQ(tagged.dscp, 34);
  const ListenSpec& listen = edge_.listens.at(1);
  EXPECT_EQ(listen.transport, Transport::Tls);
  EXPECT_EQ(listen.tls->certificate, "phones");
  EXPECT_THAT(listen.multicast_groups, ElementsAre(ip("224.0.1.75")));
  EXPECT_EQ(listen.dscp, 40);
  const ConnectSpec& connect = edge_.connects.at(2);
  EXPECT_EQ(connect.remote, at("[2001:db8::9]:5061"));
  EXPECT_EQ(connect.local, ip("2001:db8::1"));
  EXPECT_TRUE(connect.tls->verify_peer);
  EXPECT_EQ(edge_.ports.at(3).components, 1U);
  EXPECT_EQ(edge_.ports.at(3).dscp, 34);
  EXPECT_FALSE(edge_.ports.at(3).local);
  EXPECT_EQ(edge_.flows.at(4).components[1].key, flow.components[1].key);
  EXPECT_EQ(edge_.flows.at(4).server, flow.server);
  EXPECT_EQ(edge_.flows.at(4).keepalive, seconds{7});
  EXPECT_EQ(edge_.remotes.at(3).accept, media::Accept::FirstPlausible);
  EXPECT_FALSE(edge_.remotes.at(3).rtp);
}

TEST_F(RemoteEdgeTest, TellsEveryEventUnchanged) {
  remote_.find_local_address(QueryId{6}, ip("192.0.2.7"));
  remote_.resolve(QueryId{5}, "_sip._udp.example.net", RecordType::Srv);
  remote_.open_port(MediaId{3}, {.toward = ip("10.1.1.2")});
  remote_.open_flow(MediaId{4}, {.end = media::FlowEnd::Probing,
                                 .components = {{.token = {1}, .key = {2}}},
                                 .server = {at("192.0.2.1:2776")}});
  remote_.count(QueryId{7}, MediaId{3});
  remote_.open_port(MediaId{9}, {.toward = ip("10.1.1.2")});
  slave_.on_local_address(QueryId{6}, ip("10.1.1.1"));
  const Record srv{
      .type = RecordType::Srv, .priority = 1, .weight = 2, .port = 5060, .target = "a.b"};
  slave_.on_resolved(QueryId{5}, {srv});
  slave_.on_media_opened(MediaId{3}, {at("10.1.1.1:30000"), at("10.1.1.1:30001")});
  const media::Event moved{
      .kind = media::EventKind::FlowMoved, .component = 1, .source = at("198.51.100.2:7")};
  slave_.on_media_event(MediaId{4}, moved);
  const media::Quality quality{.rtp_packets = 6,
                               .lost = 7,
                               .reordered = 8,
                               .duplicates = 9,
                               .ssrc_changes = 10,
                               .pauses = 11,
                               .clock_rate = 8000,
                               .jitter = std::chrono::microseconds{12},
                               .largest_gap = std::chrono::microseconds{13},
                               .silence = std::chrono::microseconds{14}};
  const media::Counts counts{
      .components = {{1, 2, 3, 4, 5, quality, std::chrono::microseconds{15},
                      std::chrono::microseconds{16}, std::chrono::microseconds{17}},
                     {}}};
  slave_.on_media_counts(QueryId{7}, MediaId{3}, counts);
  slave_.on_refused(9, Errc::Exhausted, "no free port");
  EXPECT_THAT(brain_told(), ElementsAre("local 10.1.1.1 6", "resolved 5",
                                        "opened 10.1.1.1:30000 10.1.1.1:30001 3", "event 4",
                                        "counts 7 3", "refused exhausted no free port 9"));
  EXPECT_THAT(brain_.records, ElementsAre(srv));
  EXPECT_EQ(brain_.event, moved);
  EXPECT_EQ(brain_.counts, counts);
}

// Ids are counted: what another agent has open is easily guessed.
TEST_F(RemoteEdgeTest, BelievesASlaveAboutNothingButWhatItWasToldToOpen) {
  remote_.listen(ListenerId{1}, {.transport = Transport::Tcp, .address = at("0.0.0.0:5060")});
  remote_.listen(ListenerId{2}, {.transport = Transport::Udp, .address = at("0.0.0.0:5060")});
  remote_.find_local_address(QueryId{6}, ip("192.0.2.7"));
  remote_.open_port(MediaId{3}, {.toward = ip("10.1.1.2")});
  remote_.close(MediaId{3});
  pair_.run();

  slave_.on_local_address(QueryId{77}, ip("10.1.1.1"));
  slave_.on_local_address(QueryId{6}, ip("10.1.1.1"));
  slave_.on_local_address(QueryId{6}, ip("10.1.1.2"));  // one question, one answer
  slave_.on_resolved(QueryId{70}, {});
  slave_.on_media_opened(MediaId{71}, {at("198.51.100.66:4000")});
  slave_.on_media_event(MediaId{3},
                        {.kind = media::EventKind::Silent});  // crossed with its closing
  slave_.on_media_event(MediaId{72}, {.kind = media::EventKind::Silent});
  slave_.on_media_counts(QueryId{73}, MediaId{3}, {});
  slave_.on_refused(74, Errc::Exhausted, "");
  EXPECT_THAT(brain_told(), ElementsAre("local 10.1.1.1 6"));

  const auto opens = [&](mux::StreamKind kind, std::uint64_t id, std::uint64_t listener) {
    EXPECT_TRUE(pair_.dialling.open({.kind = kind, .association = id, .listener = listener}));
    return brain_told();
  };
  using mux::StreamKind;
  EXPECT_THAT(opens(StreamKind::ByteStream, 75, 0), ElementsAre()) << "dialled by nobody";
  EXPECT_THAT(opens(StreamKind::ByteStream, kChosenByEdge | 5, 76), ElementsAre());
  EXPECT_THAT(opens(StreamKind::ByteStream, kChosenByEdge | 5, 2), ElementsAre())
      << "accepted by a UDP port";
  EXPECT_THAT(opens(StreamKind::ByteStream, kChosenByEdge | std::uint64_t{9} << 32U | 1, 1),
              ElementsAre())
      << "an id of another agent's connections";
  EXPECT_THAT(opens(StreamKind::ByteStream, 3, 1), ElementsAre());
  EXPECT_THAT(opens(StreamKind::Datagrams, 1, 0), ElementsAre()) << "datagrams of a TCP port";
  EXPECT_THAT(opens(StreamKind::ByteStream, kChosenByEdge | 5, 1),
              ElementsAre("accepted by 1 from 0.0.0.0:0 5"));
  EXPECT_THAT(opens(StreamKind::ByteStream, kChosenByEdge | 5, 1), ElementsAre()) << "twice";
}

TEST_F(RemoteEdgeTest, CarriesDatagramsWithTheirBoundariesAndAddresses) {
  remote_.listen(ListenerId{1}, {.transport = Transport::Udp, .address = at("0.0.0.0:5060")});
  pair_.run();
  slave_.on_listening(ListenerId{1}, at("0.0.0.0:5060"));
  const Addresses phone{.local = at("10.1.1.1:5060"), .remote = at("10.1.1.2:5060")};
  slave_.on_datagram(ListenerId{1}, phone, as_bytes("REGISTER"));
  slave_.on_datagram(ListenerId{1}, phone, as_bytes("INVITE"));
  EXPECT_THAT(brain_told(), ElementsAre("listening 0.0.0.0:5060 1"));
  ASSERT_EQ(brain_.datagrams.size(), 2U);
  EXPECT_EQ(brain_.datagrams[1].first, phone);
  EXPECT_EQ(brain_.datagrams[1].second, "INVITE");
  remote_.send_datagram(ListenerId{1}, phone, as_bytes("SIP/2.0 200 OK"));
  pair_.run();
  ASSERT_EQ(edge_.datagrams.size(), 1U);
  EXPECT_EQ(edge_.datagrams[0].first, phone);
}

TEST_F(RemoteEdgeTest, CanSendDatagramsAsSoonAsItIsToldThatItListens) {
  const Addresses phone{.local = at("10.1.1.1:5060"), .remote = at("10.1.1.2:5060")};
  brain_.when_listening = [&](ListenerId id) { remote_.send_datagram(id, phone, as_bytes("BYE")); };
  remote_.listen(ListenerId{1}, {.transport = Transport::Udp, .address = at("0.0.0.0:5060")});
  pair_.run();
  slave_.on_listening(ListenerId{1}, at("0.0.0.0:5060"));
  EXPECT_THAT(brain_told(), ElementsAre("listening 0.0.0.0:5060 1"));
  ASSERT_EQ(edge_.datagrams.size(), 1U);
  EXPECT_EQ(edge_.datagrams[0].second, "BYE");
}

TEST_F(RemoteEdgeTest, CarriesAcceptedAndDialledConnectionsBothWays) {
  remote_.listen(ListenerId{1}, {.transport = Transport::Tcp, .address = at("0.0.0.0:5060")});
  pair_.run();
  slave_.on_listening(ListenerId{1}, at("0.0.0.0:5060"));
  const ConnectionId accepted{kChosenByEdge | 5};
  slave_.on_accepted(ListenerId{1}, accepted,
                     {.transport = Transport::Tcp,
                      .addresses = {.local = at("10.1.1.1:5060"), .remote = at("10.1.1.2:1024")}});
  slave_.on_received(accepted, as_bytes("hello"));
  EXPECT_THAT(brain_told(),
              ElementsAre("listening 0.0.0.0:5060 1", "accepted by 1 from 10.1.1.2:1024 5"));
  EXPECT_EQ(brain_.received.at(accepted.value), "hello");
  remote_.send(accepted, as_bytes("answer"));
  pair_.run();
  EXPECT_EQ(edge_.sent.at(accepted.value), "answer");

  const ConnectionId dialled{2};
  remote_.connect(dialled, {.transport = Transport::Tcp, .remote = at("192.0.2.9:5060")});
  remote_.send(dialled, as_bytes("early"));  // before it is known to be connected
  pair_.run();
  slave_.on_connected(dialled, {.local = at("10.1.1.1:40000"), .remote = at("192.0.2.9:5060")});
  EXPECT_THAT(brain_told(), ElementsAre("connected 10.1.1.1:40000 2"));
  pair_.run();
  EXPECT_EQ(edge_.sent.at(2), "early");
}

TEST_F(RemoteEdgeTest, ClosesBehindWhatWasSentNotBeforeIt) {
  const ConnectionId id{2};
  connected(id);
  const std::string much(200'000, 'x');  // takes many records; the close message is more urgent
  remote_.send(id, as_bytes(much));
  remote_.close(id);
  EXPECT_THAT(edge_told(), ElementsAre("close connection 2"));
  EXPECT_EQ(edge_.sent.at(2), much);
}

TEST_F(RemoteEdgeTest, TellsTheEndBehindWhatTheTerminalSent) {
  const ConnectionId id{2};
  connected(id);
  const std::string much(200'000, 'y');
  slave_.on_received(id, as_bytes(much));
  slave_.on_closed(id, {Errc::Closed, "reset by peer"});
  EXPECT_THAT(brain_told(), ElementsAre("closed closed 2"));
  EXPECT_EQ(brain_.received.at(2), much);
}

TEST_F(RemoteEdgeTest, PassesAHalfCloseOnInEachDirection) {
  const ConnectionId id{2};
  connected(id);
  slave_.on_half_closed(id);
  EXPECT_THAT(brain_told(), ElementsAre("half_closed 2"));
  remote_.send(id, as_bytes("still"));
  remote_.half_close(id);
  EXPECT_THAT(edge_told(), ElementsAre("half_close 2", "close connection 2"));
  EXPECT_EQ(edge_.sent.at(2), "still");
  EXPECT_THAT(brain_told(), ElementsAre("closed closed 2")) << "both directions have ended";
}

TEST_F(RemoteEdgeTest, StopsReadingFromATerminalThatIsFasterThanTheMultiplex) {
  const ConnectionId id{2};
  connected(id);
  pair_.break_connection();
  const std::string chunk(65'536, 'z');
  for (int i = 0; i < 8; ++i) slave_.on_received(id, as_bytes(chunk));
  EXPECT_THAT(std::exchange(edge_.told, {}), ElementsAre("pause 2"));
  ASSERT_FALSE(pair_.connect());
  EXPECT_THAT(edge_told(), ElementsAre("resume 2"));
  EXPECT_EQ(brain_.received.at(2).size(), 8 * chunk.size());
}

TEST_F(RemoteEdgeTest, EndsTheSessionWhenTheControlChannelBreaksTheProtocol) {
  const Buffer garbage{0, 0, 0, 3, 0xff, 0xff, 0xff};
  pair_.accepting.send(mux::kControlChannel, garbage);
  pair_.run();
  EXPECT_EQ(slave_gone_.code, Errc::BadValue);
  EXPECT_EQ(master_gone_.code, Errc::Closed);
}

TEST_F(RemoteEdgeTest, RefusesCommandsWithValuesThatCannotBe) {
  remote_.set_dscp(ConnectionId{1}, 64);
  pair_.run();
  EXPECT_EQ(slave_gone_.code, Errc::BadValue);
  EXPECT_THAT(std::string{slave_gone_.what}, HasSubstr("DSCP"));
}

}  // namespace
}  // namespace sallyport::edge
