// An agent that reaches its server by other ways than straight to port Z, over loopback, with real
// TLS, and moves from one way to another.
#include <gtest/gtest.h>

#include <list>
#include <memory>
#include <string>

#include "server/connected_test.h"

namespace sallyport::server {
namespace {

using namespace std::chrono_literals;
using mux::kControlChannel;

// An HTTP proxy that opens a tunnel to one place, whatever it is asked for.
class FakeProxy {
 public:
  FakeProxy(net::HostNetwork& network, const TransportAddress& to) : network_(network), to_(to) {
    auto listener = network.listen(net::kAnyPort, {}, [this](std::unique_ptr<net::Stream> stream) {
      Pair& pair = pairs_.emplace_back();
      pair.near = std::move(stream);
      net::Stream::Handler handler;
      handler.on_received = [this, &pair](Bytes octets) { on_received(pair, octets); };
      handler.on_half_closed = [this, &pair] { end(pair); };
      handler.on_closed = [this, &pair](const Error& /*why*/) { end(pair); };
      pair.near->set_handler(std::move(handler));
    });
    listener_ = std::move(*listener);
  }
  TransportAddress local() const { return listener_->local(); }
  void cut() { pairs_.clear(); }
  std::size_t open() const { return pairs_.size(); }

  std::string answer = "HTTP/1.1 200 Connection established\r\n\r\n";
  std::vector<std::string> asked;

 private:
  struct Pair {
    std::string request;
    std::unique_ptr<net::Stream> near, far;
  };
  void on_received(Pair& pair, Bytes octets) {
    if (pair.far) return pair.far->send(octets);
    pair.request += as_text(octets);
    if (!pair.request.ends_with("\r\n\r\n")) return;
    asked.push_back(pair.request);
    net::Stream::Handler handler;
    handler.on_connected = [this, &pair] { pair.near->send(as_bytes(answer)); };
    handler.on_received = [&pair](Bytes back) { pair.near->send(back); };
    handler.on_half_closed = [this, &pair] { end(pair); };
    handler.on_closed = [this, &pair](const Error& /*why*/) { end(pair); };
    pair.far = network_.connect(to_, {}, std::move(handler));
  }
  void end(Pair& pair) {
    pairs_.remove_if([&pair](const Pair& other) { return &other == &pair; });
  }

  net::HostNetwork& network_;
  TransportAddress to_;
  std::unique_ptr<net::Listener> listener_;
  std::list<Pair> pairs_;
};

class LadderTest : public ConnectedTest {
 protected:
  LadderTest() {
    // Accepts and says nothing: TLS gets no answer there, as behind a firewall that swallows
    // packets.
    silent = network
                 .listen(net::kAnyPort, {},
                         [this](std::unique_ptr<net::Stream> stream) {
                           held.push_back(std::move(stream));
                         })
                 .value();
    proxy = std::make_unique<FakeProxy>(network, acceptor->local());
    dial.way_delay = 20ms;
    dial.first_wait = 1ms;
  }
  agent::HttpProxy proxy_settings() const {
    return {.address = host_port(proxy->local()), .credentials = {}};
  }
  void connect_by_ladder() {
    dialler = make_dialler(agent, dial);
    ASSERT_TRUE(run([&] { return agent.session->attached(); }));
  }
  mux::WayKind way_at_server() {
    mux::WayKind way{};
    acceptor->for_each([&](const Acceptor::SessionView& view) { way = view.way; });
    return way;
  }

  agent::Dialler::Settings dial;
  std::unique_ptr<net::Listener> silent;
  std::vector<std::unique_ptr<net::Stream>> held;
  std::unique_ptr<FakeProxy> proxy;
};

TEST_F(LadderTest, AnAlternativePortServesWhereZIsBlocked) {
  dial.servers = {host_port(silent->local()), host_port(relay->local())};
  connect_by_ladder();
  EXPECT_EQ(dialler->remote(), relay->local());
  ASSERT_NE(dialler->way(), nullptr);
  EXPECT_EQ(dialler->way()->kind, mux::WayKind::AlternativePort);
  EXPECT_EQ(way_at_server(), mux::WayKind::AlternativePort);
  EXPECT_EQ(agent.ways, std::vector{relay->local().to_string()});
  EXPECT_TRUE(agent.unreachable.empty());

  // Once known it is dialled first: the blocked way is not even tried.
  const std::size_t tried = held.size();
  relay->cut();
  ASSERT_TRUE(attached_again(2));
  EXPECT_EQ(held.size(), tried);
  EXPECT_EQ(agent.ways.size(), 1U) << "the same way is no news";
}

TEST_F(LadderTest, TheProxyServesWhereNothingElseDoes) {
  dial.servers = {host_port(silent->local())};
  dial.proxy = proxy_settings();
  dial.proxy->credentials = codec::http::Credentials{.user = "jo", .password = "let me out"};
  connect_by_ladder();
  EXPECT_EQ(dialler->remote(), proxy->local());
  EXPECT_EQ(dialler->server(), silent->local());
  EXPECT_EQ(way_at_server(), mux::WayKind::Proxy);
  ASSERT_EQ(proxy->asked.size(), 1U);
  EXPECT_TRUE(proxy->asked[0].starts_with("CONNECT " + silent->local().to_string() + " HTTP/1.1"));
  EXPECT_NE(proxy->asked[0].find("Basic am86bGV0IG1lIG91dA=="), std::string::npos);
  agent.session->send(kControlChannel, as_bytes("hello"));
  EXPECT_TRUE(run([&] { return server.heard().text(kControlChannel) == "hello"; }));
}

TEST_F(LadderTest, ASessionGoesOnByAnotherWay) {
  dial.servers = {host_port(relay->local())};
  dial.proxy = proxy_settings();
  connect_by_ladder();
  EXPECT_EQ(dialler->way()->kind, mux::WayKind::Direct);
  agent.session->send(kControlChannel, as_bytes("one "));
  ASSERT_TRUE(run([&] { return server.heard().text(kControlChannel) == "one "; }));
  // The straight way is closed in the middle of the session.
  agent.session->send(kControlChannel, as_bytes("two "));
  relay.reset();
  ASSERT_TRUE(attached_again(2));
  EXPECT_EQ(dialler->way()->kind, mux::WayKind::Proxy);
  EXPECT_EQ(way_at_server(), mux::WayKind::Proxy);
  agent.session->send(kControlChannel, as_bytes("three"));
  EXPECT_TRUE(run([&] { return server.heard().text(kControlChannel) == "one two three"; }));
  EXPECT_EQ(server.peers.size(), 1U) << "one session all along";
  EXPECT_EQ(agent.ways.size(), 2U);
  // And by the proxy it cycles, and outlives breaks, as by any other.
  dialler->cycle();
  ASSERT_TRUE(attached_again(3));
  EXPECT_TRUE(run([&] { return proxy->open() == 1; })) << "the old connection is closed";
  proxy->cut();
  ASSERT_TRUE(attached_again(4));
  EXPECT_EQ(server.peers.size(), 1U);
}

TEST_F(LadderTest, ABetterWayIsTakenOnceItIsThereWithoutABreak) {
  dial.servers = {host_port(relay->local())};
  dial.proxy = proxy_settings();
  dial.better_way_after = 50ms;
  const TransportAddress z = relay->local();
  relay.reset();
  connect_by_ladder();
  EXPECT_EQ(dialler->way()->kind, mux::WayKind::Proxy);
  // It is looked for in vain as yet, and nobody is troubled with that.
  std::vector<std::unique_ptr<net::Stream>> looked;
  auto blocked = network.listen(
      z, {}, [&](std::unique_ptr<net::Stream> stream) { looked.push_back(std::move(stream)); });
  ASSERT_TRUE(run([&] { return !looked.empty(); }));
  blocked.value().reset();
  looked.clear();
  relay = std::make_unique<TestRelay>(network, acceptor->local(), z);
  ASSERT_TRUE(run([&] { return dialler->way()->kind == mux::WayKind::Direct; }));
  EXPECT_TRUE(run([&] { return way_at_server() == mux::WayKind::Direct; }));
  EXPECT_TRUE(agent.heard().detached.empty()) << "made before it was broken";
  EXPECT_TRUE(agent.unreachable.empty());
  EXPECT_TRUE(run([&] { return proxy->open() == 0; }));
}

TEST_F(LadderTest, EveryWayIsToldWhenNoneLeadsToTheServer) {
  const TransportAddress closed = relay->local();
  relay.reset();
  proxy->answer = "HTTP/1.1 403 Filtered\r\n\r\n";
  dial.servers = {host_port(closed)};
  dial.proxy = proxy_settings();
  dialler = make_dialler(agent, dial);
  ASSERT_TRUE(run([&] { return !agent.unreachable.empty(); }));
  EXPECT_EQ(agent.unreachable[0].find(closed.to_string() + ": "), 0U) << agent.unreachable[0];
  EXPECT_NE(
      agent.unreachable[0].find(closed.to_string() + " through proxy " +
                                proxy->local().to_string() + ": the proxy does not allow it (403)"),
      std::string::npos)
      << agent.unreachable[0];
  EXPECT_EQ(dialler->way(), nullptr);
}

// A proxy that stands in the middle of TLS shows a key of its own.
TEST_F(LadderTest, AProxyThatIsNotTransparentIsNoWay) {
  const net::PrivateKey key = net::PrivateKey::generate();
  const net::Certificate certificate =
      net::make_server_certificate(key, {"127.0.0.1"}, "01", now_for_a_day()).value();
  net::ListenOptions options;
  options.tls = net::TlsOptions{
      .context = net::TlsContext::server({.identity = net::TlsIdentity::of(certificate, key),
                                          .alpn = {std::string{mux::kAlpn}}})
                     .value(),
      .server_name = {}};
  bool accepted = false;
  const auto intruder = network.listen(
      net::kAnyPort, options, [&](const std::unique_ptr<net::Stream>&) { accepted = true; });
  ASSERT_TRUE(intruder);
  FakeProxy curious{network, (*intruder)->local()};
  const TransportAddress closed = relay->local();
  relay.reset();
  dial.servers = {host_port(closed)};
  dial.proxy = agent::HttpProxy{.address = host_port(curious.local()), .credentials = {}};
  dialler = make_dialler(agent, dial);
  ASSERT_TRUE(run([&] { return !agent.unreachable.empty(); }));
  EXPECT_FALSE(agent.session->attached());
  EXPECT_TRUE(server.peers.empty());
}

}  // namespace
}  // namespace sallyport::server
