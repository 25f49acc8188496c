// An agent's Dialler and the server's Acceptor over loopback, with real TLS, through a relay that
// can cut connections, stall them, and move them to another address. What the tests of this folder
// share.
#pragma once

#include <gtest/gtest.h>

#include <list>
#include <memory>
#include <string>
#include <vector>

#include "agent/dialler.h"
#include "edge/media_stream.h"
#include "mux/test_pair.h"
#include "net/host_network.h"
#include "net/testing.h"
#include "net/tls.h"
#include "server/acceptor.h"

namespace sallyport::server {
inline net::Validity now_for_a_day() {
  const WallTime now = std::chrono::system_clock::now();
  return {.not_before = now - std::chrono::hours{1}, .not_after = now + std::chrono::hours{24}};
}

// Forwards TCP connections to the server, until told otherwise.
class TestRelay {
 public:
  TestRelay(net::Network& network, const TransportAddress& server,
            const TransportAddress& local = net::kAnyPort)
      : network_(network), server_(server) {
    auto listener = network.listen(
        local, {}, [this](std::unique_ptr<net::Stream> stream) { on_stream(std::move(stream)); });
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

struct TestServer : Acceptor::Observer {
  Acceptor::Verdict judge(Bytes /*certificate*/, WallTime /*now*/) override { return verdict; }
  void on_session(const Acceptor::Peer& peer, mux::Multiplex& session) override {
    peers.push_back(peer);
    session.set_observer(*observers.emplace_back(std::make_unique<mux::TestObserver>()));
    sessions.push_back(&session);
  }
  void on_join(std::unique_ptr<net::Stream> stream) override { joined = std::move(stream); }
  void on_media_stream(const Acceptor::Peer& peer, std::unique_ptr<net::Stream> stream) override {
    media_of = peer.name;
    media_stream = std::move(stream);
  }
  void on_refused(const TransportAddress& /*remote*/, const mux::Refusal& refusal) override {
    refused.push_back(refusal.code);
  }
  mux::TestObserver& heard() { return *observers.back(); }

  Acceptor::Verdict verdict = Acceptor::Peer{.agent = AgentId{7}, .name = "branch-7"};
  std::vector<Acceptor::Peer> peers;
  std::vector<mux::Multiplex*> sessions;
  std::vector<std::unique_ptr<mux::TestObserver>> observers;
  std::unique_ptr<net::Stream> joined, media_stream;
  std::string media_of;
  std::vector<mux::RefusalCode> refused;
};

struct TestAgent : agent::Dialler::Observer {
  void on_session(mux::Multiplex& made) override {
    session = &made;
    made.set_observer(*observers.emplace_back(std::make_unique<mux::TestObserver>()));
  }
  void on_refused(const agent::Way& /*way*/, const mux::Refusal& refusal) override {
    refusals.push_back(refusal);
  }
  void on_unreachable(const std::vector<agent::WayFailure>& tried) override {
    unreachable.push_back(to_string(tried));
  }
  void on_way(const agent::Way& way) override { ways.push_back(way.to_string()); }
  mux::TestObserver& heard() { return *observers.back(); }

  mux::Multiplex* session = nullptr;
  std::vector<std::unique_ptr<mux::TestObserver>> observers;
  std::vector<mux::Refusal> refusals;
  std::vector<std::string> unreachable;
  std::vector<std::string> ways;
};

class ConnectedTest : public testing::Test {
 protected:
  ConnectedTest() {
    settings.local = {net::kAnyPort};
    net::TlsServerConfig config{
        .identity = net::TlsIdentity::of(server_cert, server_key),
        .alpn = {std::string{mux::kAlpn}, std::string{edge::kMediaAlpn}, std::string{kJoinAlpn}},
        .client_certificate = net::ClientCertificate::Optional};
    settings.tls.context = net::TlsContext::server(config).value();
    open();
    relay = std::make_unique<TestRelay>(network, acceptor->local());
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
  std::unique_ptr<agent::Dialler> make_dialler(TestAgent& of,
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
  TestServer server;
  TestAgent agent;
  std::unique_ptr<Acceptor> acceptor;
  std::unique_ptr<TestRelay> relay;
  std::unique_ptr<agent::Dialler> dialler;
};

}  // namespace sallyport::server
