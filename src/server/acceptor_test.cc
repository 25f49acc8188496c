#include "server/acceptor.h"

#include <gtest/gtest.h>

#include <memory>

#include "server/connected_test.h"

namespace sallyport::server {
namespace {

using namespace std::chrono_literals;
using mux::kControlChannel;

using AcceptorTest = ConnectedTest;

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

TEST_F(AcceptorTest, MediaStreamsAreOfAgentsThatHaveASession) {
  bool media_closed = false;
  const auto dial = [&](const net::TlsOptions& tls) {
    media_closed = false;
    net::Stream::Handler handler;
    handler.on_received = [](Bytes) {};
    handler.on_half_closed = [&] { media_closed = true; };
    handler.on_closed = [&](const Error&) { media_closed = true; };
    return network.connect(acceptor->local(), {.local = {}, .tls = tls}, std::move(handler));
  };
  auto early = dial(client_tls(edge::kMediaAlpn));
  ASSERT_TRUE(run([&] { return media_closed; })) << "before its session";
  connect();
  auto nobodys = dial(client_tls(edge::kMediaAlpn, false));
  ASSERT_TRUE(run([&] { return media_closed; })) << "without a certificate";
  EXPECT_EQ(server.media_stream, nullptr);
  const auto its = dial(client_tls(edge::kMediaAlpn));
  ASSERT_TRUE(run([&] { return server.media_stream != nullptr; }));
  EXPECT_EQ(server.media_of, "branch-7");
  server.verdict = mux::Refusal{.code = mux::RefusalCode::RevokedAgent};
  const auto revoked = dial(client_tls(edge::kMediaAlpn));
  EXPECT_TRUE(run([&] { return media_closed; }));
  EXPECT_EQ(acceptor->counts().refused, 3U);
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
  TestAgent second;
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
  TestAgent second;
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

TEST_F(AcceptorTest, WhoIsNotLetInTakesNoPlaceOfThoseWhoAre) {
  settings.burst = 1;
  settings.rate = 1;
  acceptor.reset();
  open();
  TestAgent stranger;
  agent::Dialler::Settings without;
  without.tls = client_tls(mux::kAlpn, false);
  const auto knocking = make_dialler(stranger, without);
  ASSERT_TRUE(run([&] { return !stranger.refusals.empty(); }));
  connect();
  EXPECT_EQ(acceptor->counts().rate_limited, 0U);
}

TEST_F(AcceptorTest, TheNextServerIsDialledWhenOneDoesNotAnswer) {
  const TransportAddress closed{IpAddress::v4({127, 0, 0, 2}), relay->local().port};
  agent::Dialler::Settings two;
  two.servers = {host_port(closed), host_port(relay->local())};
  two.first_wait = 1ms;
  dialler = make_dialler(agent, two);
  ASSERT_TRUE(run([&] { return agent.session->attached(); }));
  EXPECT_GE(agent.unreachable.size(), 1U);
  EXPECT_EQ(dialler->remote(), relay->local());
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
