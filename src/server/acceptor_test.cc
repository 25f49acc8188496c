// The agent's Dialler and the server's Acceptor over loopback, with real TLS, through a relay that
// can cut connections, stall them, and move them to another address.
#include "server/acceptor.h"

#include <gtest/gtest.h>

#include <list>
#include <memory>

#include "agent/dialler.h"
#include "mux/test_pair.h"
#include "net/host_network.h"
#include "net/testing.h"
#include "net/tls.h"

namespace sallyport::server {
namespace {

using namespace std::chrono_literals;
using mux::kControlChannel;

net::Validity now_for_a_day() {
  const WallTime now = std::chrono::system_clock::now();
  return {.not_before = now - 1h, .not_after = now + 24h};
}

// Forwards TCP connections to the server, until told otherwise.
class Relay {
 public:
  Relay(net::Network& network, const TransportAddress& server)
      : network_(network), server_(server) {
    auto listener = network.listen(net::kAnyPort, {}, [this](std::unique_ptr<net::Stream> stream) {
      on_stream(std::move(stream));
    });
    listener_ = std::move(*listener);
  }
  TransportAddress local() const { return listener_->local(); }
  void cut() { pairs_.clear(); }
  // What is on its way in the connections that there are now goes nowhere, and nobody is told.
  void stall() {
    for (auto& pair : pairs_) pair.stalled = true;
  }
  std::size_t accepted() const { return accepted_; }
  std::size_t open() const { return pairs_.size(); }

 private:
  struct Pair {
    std::unique_ptr<net::Stream> near;
    std::unique_ptr<net::Stream> far;
    bool stalled = false;
  };
  void on_stream(std::unique_ptr<net::Stream> stream) {
    ++accepted_;
    Pair& pair = pairs_.emplace_back();
    pair.near = std::move(stream);
    net::Stream::Handler far;
    far.on_received = [&pair](Bytes octets) {
      if (!pair.stalled) pair.near->send(octets);
    };
    far.on_half_closed = [this, &pair] { end(pair); };
    far.on_closed = [this, &pair](const Error& /*why*/) { end(pair); };
    pair.far = network_.connect(server_, {}, std::move(far));
    net::Stream::Handler near;
    near.on_received = [&pair](Bytes octets) {
      if (!pair.stalled) pair.far->send(octets);
    };
    near.on_half_closed = [this, &pair] { end(pair); };
    near.on_closed = [this, &pair](const Error& /*why*/) { end(pair); };
    pair.near->set_handler(std::move(near));
  }
  void end(Pair& pair) {
    if (pair.stalled) return;
    pairs_.remove_if([&pair](const Pair& other) { return &other == &pair; });
  }

  net::Network& network_;
  TransportAddress server_;
  std::unique_ptr<net::Listener> listener_;
  std::list<Pair> pairs_;
  std::size_t accepted_ = 0;
};

struct Server : Acceptor::Observer {
  Acceptor::Verdict judge(Bytes /*certificate*/, WallTime /*now*/) override { return verdict; }
  void on_session(const Acceptor::Peer& peer, mux::Multiplex& session) override {
    peers.push_back(peer);
    session.set_observer(*observers.emplace_back(std::make_unique<mux::TestObserver>()));
    sessions.push_back(&session);
  }
  void on_join(std::unique_ptr<net::Stream> stream) override { joined = std::move(stream); }
  void on_refused(const TransportAddress& /*remote*/, const mux::Refusal& refusal) override {
    refused.push_back(refusal.code);
  }
  mux::TestObserver& heard() { return *observers.back(); }

  Acceptor::Verdict verdict = Acceptor::Peer{.agent = AgentId{7}, .name = "branch-7"};
  std::vector<Acceptor::Peer> peers;
  std::vector<mux::Multiplex*> sessions;
  std::vector<std::unique_ptr<mux::TestObserver>> observers;
  std::unique_ptr<net::Stream> joined;
  std::vector<mux::RefusalCode> refused;
};

struct Agent : agent::Dialler::Observer {
  void on_session(mux::Multiplex& made) override {
    session = &made;
    made.set_observer(*observers.emplace_back(std::make_unique<mux::TestObserver>()));
  }
  void on_refused(const TransportAddress& /*server*/, const mux::Refusal& refusal) override {
    refusals.push_back(refusal);
  }
  void on_unreachable(const HostPort& /*server*/, const Error& why) override {
    unreachable.push_back(why);
  }
  mux::TestObserver& heard() { return *observers.back(); }

  mux::Multiplex* session = nullptr;
  std::vector<std::unique_ptr<mux::TestObserver>> observers;
  std::vector<mux::Refusal> refusals;
  std::vector<Error> unreachable;
};

class AcceptorTest : public testing::Test {
 protected:
  AcceptorTest() {
    settings.local = {net::kAnyPort};
    net::TlsServerConfig config{.identity = net::TlsIdentity::of(server_cert, server_key),
                                .alpn = {std::string{mux::kAlpn}, std::string{kJoinAlpn}},
                                .client_certificate = net::ClientCertificate::Optional};
    settings.tls.context = net::TlsContext::server(config).value();
    open();
    relay = std::make_unique<Relay>(network, acceptor->local());
  }
  void open() {
    auto made = Acceptor::open(network, random, settings, server);
    ASSERT_TRUE(made) << made.error().what;
    acceptor = std::move(*made);
    settings.local = {acceptor->local()};  // the same port when it is opened again
  }
  net::TlsOptions client_tls(std::string_view alpn, bool with_certificate = true) {
    net::TlsClientConfig config;
    if (with_certificate) config.identity = net::TlsIdentity::of(agent_cert, agent_key);
    config.alpn = {std::string{alpn}};
    config.verify = net::VerifyServer::Pin;
    config.pins = {server_key.pin()};
    return {.context = net::TlsContext::client(config).value(), .server_name = {}};
  }
  static HostPort host_port(const TransportAddress& address) {
    return {.host = address.ip.to_string(), .port = address.port};
  }
  std::unique_ptr<agent::Dialler> make_dialler(Agent& of,
                                               agent::Dialler::Settings dial_settings = {}) {
    if (dial_settings.servers.empty()) dial_settings.servers = {host_port(relay->local())};
    if (!dial_settings.tls.context) dial_settings.tls = client_tls(mux::kAlpn);
    auto made = std::make_unique<agent::Dialler>(network, random, dial_settings, of);
    made->start();
    return made;
  }
  bool run(const std::function<bool()>& until) { return net::run_until(network, until); }
  void connect() {
    dialler = make_dialler(agent);
    ASSERT_TRUE(run([&] { return agent.session->attached(); }));
  }
  bool attached_again(std::uint64_t number) {
    return run([&] {
      return agent.session->attached() && agent.session->connection_number() >= number &&
             !server.heard().attached.empty() && server.heard().attached.back() >= number;
    });
  }

  net::PrivateKey server_key = net::PrivateKey::generate();
  net::Certificate server_cert =
      net::make_server_certificate(server_key, {"127.0.0.1"}, "01", now_for_a_day()).value();
  net::PrivateKey ca_key = net::PrivateKey::generate();
  net::Certificate ca = net::make_ca(ca_key, "Agents", "02", now_for_a_day()).value();
  net::PrivateKey agent_key = net::PrivateKey::generate();
  net::Certificate agent_cert = net::sign_client_certificate({ca, ca_key}, agent_key.public_key(),
                                                             "branch-7", "03", now_for_a_day())
                                    .value();
  net::HostNetwork network;
  SystemRandom random;
  Acceptor::Settings settings;
  Server server;
  Agent agent;
  std::unique_ptr<Acceptor> acceptor;
  std::unique_ptr<Relay> relay;
  std::unique_ptr<agent::Dialler> dialler;
};

TEST_F(AcceptorTest, AnAgentConnectsAndBothSidesSpeak) {
  connect();
  ASSERT_EQ(server.peers.size(), 1U);
  EXPECT_EQ(server.peers[0].name, "branch-7");
  agent.session->send(kControlChannel, as_bytes("hello"));
  server.sessions[0]->send(kControlChannel, as_bytes("welcome"));
  EXPECT_TRUE(run([&] { return agent.heard().text(kControlChannel) == "welcome"; }));
  EXPECT_TRUE(run([&] { return server.heard().text(kControlChannel) == "hello"; }));
  std::array<std::uint8_t, 32> ours{};
  std::array<std::uint8_t, 32> theirs{};
  ASSERT_TRUE(agent.session->export_key("EXPORTER-test", {}, ours));
  ASSERT_TRUE(server.sessions[0]->export_key("EXPORTER-test", {}, theirs));
  EXPECT_EQ(ours, theirs);
  EXPECT_TRUE(dialler->clock_offset());
}

TEST_F(AcceptorTest, ASessionOutlivesConnectionsThatAreCutAgainAndAgain) {
  connect();
  const mux::ChannelId id = agent.session->open({.priority = mux::Priority::Bulk});
  std::string sent;
  for (std::uint64_t round = 2; round <= 6; ++round) {
    const std::string part(200000, static_cast<char>('a' + round));
    agent.session->send(id, as_bytes(part));
    sent += part;
    ASSERT_TRUE(run([&] { return server.heard().received[id].size() > sent.size() / 2; }));
    relay->cut();
    ASSERT_TRUE(attached_again(round));
  }
  EXPECT_TRUE(run([&] { return server.heard().received[id].size() >= sent.size(); }));
  EXPECT_EQ(server.heard().text(id), sent);
  EXPECT_EQ(server.peers.size(), 1U) << "one session all along";
  EXPECT_EQ(acceptor->counts().resumed, 5U);
}

TEST_F(AcceptorTest, CyclesMakeBeforeBreak) {
  connect();
  dialler->cycle();
  ASSERT_TRUE(attached_again(2));
  agent.session->send(kControlChannel, as_bytes("after"));
  EXPECT_TRUE(run([&] { return server.heard().text(kControlChannel) == "after"; }));
  EXPECT_TRUE(run([&] { return relay->open() == 1; })) << "the old connection is closed";
  EXPECT_TRUE(agent.heard().detached.empty());
  EXPECT_TRUE(server.heard().detached.empty());
}

TEST_F(AcceptorTest, DialsAtOnceWhenThePathHasChanged) {
  connect();
  relay->stall();  // the mapping is gone: nobody says so
  agent.session->send(kControlChannel, as_bytes("lost on the way"));
  dialler->path_changed();
  ASSERT_TRUE(attached_again(2));
  EXPECT_TRUE(run([&] { return server.heard().text(kControlChannel) == "lost on the way"; }));
  EXPECT_TRUE(agent.heard().detached.empty());
}

TEST_F(AcceptorTest, AServerThatWasRestartedKnowsNoSessionAndANewOneBegins) {
  connect();
  acceptor.reset();
  relay->cut();
  open();
  ASSERT_TRUE(run([&] { return server.peers.size() == 2 && agent.session->attached(); }));
  ASSERT_EQ(agent.observers.size(), 2U);
  EXPECT_EQ(agent.observers[0]->gone.size(), 1U);
  EXPECT_EQ(agent.observers[0]->gone[0].what, "no_such_session");
  agent.session->send(kControlChannel, as_bytes("again"));
  EXPECT_TRUE(run([&] { return server.heard().text(kControlChannel) == "again"; }));
}

TEST_F(AcceptorTest, AStoppingServerTellsItsAgents) {
  connect();
  acceptor->stop();
  EXPECT_EQ(acceptor->sessions(), 0U);
  EXPECT_EQ(server.heard().gone.size(), 1U);
  ASSERT_TRUE(run([&] { return agent.observers[0]->gone.size() == 1; }));
  EXPECT_EQ(agent.observers[0]->gone[0].what, name(mux::CloseCode::Stopping));
  ASSERT_TRUE(run([&] { return !agent.refusals.empty(); }));
  EXPECT_EQ(agent.refusals[0].code, mux::RefusalCode::Stopping);
}

TEST_F(AcceptorTest, AnAgentThatIsStartedAgainIsLetInAtOnce) {
  connect();
  dialler.reset();  // as if it was killed: no goodbye
  connect();
  EXPECT_EQ(server.peers.size(), 2U);
  EXPECT_EQ(server.observers[0]->gone.size(), 1U);
  EXPECT_EQ(acceptor->sessions(), 1U);
}

TEST_F(AcceptorTest, ASecondProcessWithTheSameCertificateIsRefusedAndTheFirstGoesOn) {
  connect();
  Agent second;
  const auto intruder = make_dialler(second);
  ASSERT_TRUE(run([&] { return !second.refusals.empty(); }));
  EXPECT_EQ(second.refusals[0].code, mux::RefusalCode::AlreadyConnected);
  EXPECT_FALSE(second.session->attached());
  agent.session->send(kControlChannel, as_bytes("still me"));
  EXPECT_TRUE(run([&] { return server.heard().text(kControlChannel) == "still me"; }));
  EXPECT_EQ(server.peers.size(), 1U);
}

TEST_F(AcceptorTest, ASessionThatDoesNotAnswerGivesWayToANewProcess) {
  settings.proof_of_life = 100ms;
  acceptor.reset();
  open();
  connect();
  relay->stall();
  Agent second;
  const auto restarted = make_dialler(second);
  ASSERT_TRUE(run([&] { return second.session->attached(); }));
  EXPECT_EQ(server.observers[0]->gone.size(), 1U);
  EXPECT_EQ(acceptor->sessions(), 1U);
}

TEST_F(AcceptorTest, ARefusalSaysWhyAndWhatTimeItIs) {
  server.verdict = mux::Refusal{.code = mux::RefusalCode::RevokedAgent, .text = "revoked today"};
  dialler = make_dialler(agent);
  ASSERT_TRUE(run([&] { return !agent.refusals.empty(); }));
  EXPECT_EQ(agent.refusals[0].code, mux::RefusalCode::RevokedAgent);
  EXPECT_EQ(agent.refusals[0].text, "revoked today");
  ASSERT_TRUE(dialler->clock_offset());
  EXPECT_LT(std::chrono::abs(*dialler->clock_offset()), 1min);
  EXPECT_EQ(server.refused, std::vector{mux::RefusalCode::RevokedAgent});
}

TEST_F(AcceptorTest, ARevokedAgentsSessionIsEndedAtOnce) {
  connect();
  server.verdict = mux::Refusal{.code = mux::RefusalCode::RevokedAgent};
  acceptor->end_session(AgentId{7}, mux::CloseCode::Revoked);
  ASSERT_TRUE(run([&] { return !agent.refusals.empty(); }));
  EXPECT_EQ(agent.observers[0]->gone.size(), 1U);
  EXPECT_EQ(agent.refusals[0].code, mux::RefusalCode::RevokedAgent);
}

TEST_F(AcceptorTest, WhoShowsNoCertificateIsUnknown) {
  agent::Dialler::Settings without;
  without.tls = client_tls(mux::kAlpn, false);
  dialler = make_dialler(agent, without);
  ASSERT_TRUE(run([&] { return !agent.refusals.empty(); }));
  EXPECT_EQ(agent.refusals[0].code, mux::RefusalCode::UnknownAgent);
}

TEST_F(AcceptorTest, TooManyAtOnceAreToldWhenToComeAgainAndThenAreLetIn) {
  settings.burst = 1;
  settings.rate = 1;
  acceptor.reset();
  open();
  connect();
  relay->cut();
  ASSERT_TRUE(run([&] { return !agent.refusals.empty(); }));
  EXPECT_EQ(agent.refusals[0].code, mux::RefusalCode::Overloaded);
  EXPECT_GE(agent.refusals[0].retry_after, 1s);
  EXPECT_TRUE(attached_again(2)) << "the session waited";
  EXPECT_GE(acceptor->counts().rate_limited, 1U);
}

TEST_F(AcceptorTest, TheNextServerIsDialledWhenOneDoesNotAnswer) {
  const auto dead = network.listen(net::kAnyPort, {}, [](std::unique_ptr<net::Stream>) {});
  const TransportAddress closed = (*dead)->local();
  const_cast<std::unique_ptr<net::Listener>&>(*dead).reset();  // nobody listens there now
  agent::Dialler::Settings two;
  two.servers = {host_port(closed), host_port(relay->local())};
  two.first_wait = 1ms;
  dialler = make_dialler(agent, two);
  ASSERT_TRUE(run([&] { return agent.session->attached(); }));
  EXPECT_GE(agent.unreachable.size(), 1U);
  EXPECT_EQ(dialler->server(), relay->local());
}

TEST_F(AcceptorTest, JoinConnectionsAreHandedOver) {
  net::ConnectOptions options;
  options.tls = client_tls(kJoinAlpn, false);
  const auto stream = network.connect(acceptor->local(), options, {});
  EXPECT_TRUE(run([&] { return server.joined != nullptr; }));
}

// A TLS client that says something else than hello.
class AcceptorStrangerTest : public AcceptorTest {
 protected:
  void dial_and_send(const Buffer& octets) {
    net::ConnectOptions options;
    options.tls = client_tls(mux::kAlpn);
    net::Stream::Handler handler;
    handler.on_connected = [this, octets] { stream->send(octets); };
    handler.on_received = [this](Bytes more) { reader.feed(answer = to_buffer(more)); };
    handler.on_half_closed = [this] { ended = true; };
    handler.on_closed = [this](const Error& /*why*/) { ended = true; };
    stream = network.connect(acceptor->local(), options, std::move(handler));
  }
  std::unique_ptr<net::Stream> stream;
  Buffer answer;
  mux::RecordReader reader;
  bool ended = false;
};

TEST_F(AcceptorStrangerTest, GarbageIsRefused) {
  dial_and_send(to_buffer("GET / HTTP/1.1\r\n\r\n"));
  ASSERT_TRUE(run([&] { return ended; }));
  const auto record = reader.next();
  ASSERT_TRUE(record && *record);
  ASSERT_EQ((*record)->type, mux::RecordType::Refuse);
  EXPECT_EQ(mux::parse_refusal((*record)->body)->code, mux::RefusalCode::Malformed);
}

TEST_F(AcceptorStrangerTest, AnotherVersionIsRefused) {
  Buffer hello;
  encode(mux::Hello{.least_version = 2, .greatest_version = 3}, hello);
  dial_and_send(hello);
  ASSERT_TRUE(run([&] { return ended; }));
  EXPECT_EQ(server.refused, std::vector{mux::RefusalCode::WrongVersion});
}

TEST_F(AcceptorStrangerTest, AStolenSessionIdOpensNothing) {
  connect();
  mux::Hello hello{.connection = 99};
  hello.session = agent.session->session();
  Buffer octets;
  encode(hello, octets);
  dial_and_send(octets);
  ASSERT_TRUE(run([&] { return ended; }));
  EXPECT_EQ(server.refused, std::vector{mux::RefusalCode::BadProof});
  EXPECT_TRUE(agent.session->attached());
}

TEST_F(AcceptorStrangerTest, WhoSaysNothingIsDroppedInTime) {
  settings.hello_timeout = 50ms;
  acceptor.reset();
  open();
  dial_and_send({});
  EXPECT_TRUE(run([&] { return ended; }));
  EXPECT_EQ(acceptor->counts().unspoken, 1U);
}

TEST_F(AcceptorStrangerTest, SilentOnesCrowdEachOtherOut) {
  settings.max_greeting = 1;
  acceptor.reset();
  open();
  dial_and_send({});
  ASSERT_TRUE(run([&] { return acceptor->counts().accepted == 1; }));
  connect();
  EXPECT_TRUE(run([&] { return ended; }));
}

}  // namespace
}  // namespace sallyport::server
