#include <sys/socket.h>

#include <memory>
#include <tuple>

#include "net/socket.h"
#include "net/testing.h"
#include "net/tls.h"

namespace sallyport::net {
namespace {

Validity now_for_a_day() {
  const WallTime now = std::chrono::system_clock::now();
  return {.not_before = now - std::chrono::hours{1}, .not_after = now + std::chrono::hours{24}};
}

struct Keys {
  PrivateKey server_key = PrivateKey::generate();
  Certificate server = make_server_certificate(server_key, {"server.example.org", "127.0.0.1"},
                                               "01", now_for_a_day())
                           .value();
  PrivateKey ca_key = PrivateKey::generate();
  Certificate ca = make_ca(ca_key, "Agents", "02", now_for_a_day()).value();
  PrivateKey agent_key = PrivateKey::generate();
  Certificate agent = sign_client_certificate({ca, ca_key}, agent_key.public_key(), "branch-7",
                                              "03", now_for_a_day())
                          .value();
};

struct End {
  std::unique_ptr<Stream> stream;
  std::string received;
  bool connected = false;
  bool half_closed = false;
  std::optional<Error> closed;

  Stream::Handler handler() {
    Stream::Handler out;
    out.on_connected = [this] { connected = true; };
    out.on_received = [this](Bytes octets) { received += as_text(octets); };
    out.on_half_closed = [this] { half_closed = true; };
    out.on_closed = [this](const Error& error) { closed = error; };
    return out;
  }
};

class HostTlsTest : public ::testing::Test {
 protected:
  TlsServerConfig server_config() const {
    return {.identity = TlsIdentity::of(keys_.server, keys_.server_key),
            .alpn = {"sallyport/1"},
            .minimum = TlsVersion::Tls13,
            .client_certificate = ClientCertificate::Required};
  }
  TlsClientConfig client_config() const {
    TlsClientConfig config;
    config.identity = TlsIdentity::of(keys_.agent, keys_.agent_key);
    config.alpn = {"sallyport/1"};
    config.verify = VerifyServer::Pin;
    config.pins = {keys_.server_key.pin()};
    return config;
  }

  void listen(const TlsServerConfig& config, std::size_t max_handshakes = 256) {
    ListenOptions options;
    options.tls = TlsOptions{.context = TlsContext::server(config).value(), .server_name = {}};
    options.max_handshakes = max_handshakes;
    auto made = network_.listen(kAnyPort, options, [this](std::unique_ptr<Stream> stream) {
      there_.stream = std::move(stream);
      there_.stream->set_handler(there_.handler());
    });
    ASSERT_TRUE(made);
    listener_ = std::move(*made);
  }
  void dial(const TlsClientConfig& config, const std::string& server_name = {}) {
    ConnectOptions options;
    options.tls =
        TlsOptions{.context = TlsContext::client(config).value(), .server_name = server_name};
    here_.stream = network_.connect(listener_->local(), options, here_.handler());
  }
  // The handshake's end at the client: connected, or why not.
  bool connects() {
    EXPECT_TRUE(run([&] { return here_.connected || here_.closed; }));
    return here_.connected && !here_.closed;
  }
  bool run(const std::function<bool()>& until) { return run_until(network_, until); }

  Keys keys_;
  HostNetwork network_;
  std::unique_ptr<Listener> listener_;
  End here_;
  End there_;
};

TEST_F(HostTlsTest, PinnedServerAndKnownAgentMeet) {
  listen(server_config());
  dial(client_config());
  ASSERT_TRUE(connects());
  ASSERT_TRUE(run([&] { return there_.stream != nullptr; }));
  EXPECT_EQ(here_.stream->alpn(), "sallyport/1");
  EXPECT_EQ(there_.stream->alpn(), "sallyport/1");
  const auto agent = Certificate::from_der(there_.stream->peer_certificate());
  ASSERT_TRUE(agent);
  EXPECT_EQ(agent->common_name(), "branch-7");
  EXPECT_TRUE(agent->signed_by(keys_.ca));
  const auto server = Certificate::from_der(here_.stream->peer_certificate());
  ASSERT_TRUE(server);
  EXPECT_EQ(server->pin(), keys_.server_key.pin());

  std::array<std::uint8_t, 32> ours{};
  std::array<std::uint8_t, 32> theirs{};
  std::array<std::uint8_t, 32> other{};
  ASSERT_TRUE(here_.stream->export_key("EXPORTER-sallyport", as_bytes("1"), ours));
  ASSERT_TRUE(there_.stream->export_key("EXPORTER-sallyport", as_bytes("1"), theirs));
  ASSERT_TRUE(there_.stream->export_key("EXPORTER-sallyport", as_bytes("2"), other));
  EXPECT_EQ(ours, theirs);
  EXPECT_NE(ours, other);

  here_.stream->send(as_bytes("hello"));
  there_.stream->send(as_bytes("welcome"));
  EXPECT_TRUE(run([&] { return here_.received == "welcome" && there_.received == "hello"; }));
}

TEST_F(HostTlsTest, ServerWithAnotherKeyIsRefused) {
  listen(server_config());
  TlsClientConfig config = client_config();
  config.pins = {PrivateKey::generate().pin()};
  dial(config);
  ASSERT_FALSE(connects());
  EXPECT_EQ(here_.closed->code, Errc::NotPermitted);
  run_ready(network_);
  EXPECT_FALSE(there_.stream);
}

TEST_F(HostTlsTest, OneOfSeveralPinsIsEnough) {
  listen(server_config());
  TlsClientConfig config = client_config();
  config.pins.insert(config.pins.begin(), PrivateKey::generate().pin());
  dial(config);
  EXPECT_TRUE(connects());
}

TEST_F(HostTlsTest, ClientWithoutCertificateIsRefused) {
  listen(server_config());
  TlsClientConfig config = client_config();
  config.identity.reset();
  dial(config);
  // TLS 1.3 tells the client after it has finished: the alert comes instead of data.
  ASSERT_TRUE(run([&] { return here_.closed.has_value(); }));
  EXPECT_FALSE(there_.stream);
}

TEST_F(HostTlsTest, NoCommonProtocolIsRefused) {
  listen(server_config());
  TlsClientConfig config = client_config();
  config.alpn = {"sallyport/2"};
  dial(config);
  EXPECT_FALSE(connects());
  run_ready(network_);
  EXPECT_FALSE(there_.stream);
}

TEST_F(HostTlsTest, ChainAndNameAreVerified) {
  TlsServerConfig server = server_config();
  server.client_certificate = ClientCertificate::NotAsked;
  server.minimum = TlsVersion::Tls12;
  listen(server);
  TlsClientConfig config;
  config.alpn = {"sallyport/1"};
  config.ca_pem = keys_.server.to_pem();

  dial(config, "server.example.org");
  EXPECT_TRUE(connects());
  here_ = {};
  dial(config, "127.0.0.1");
  EXPECT_TRUE(connects());
  here_ = {};
  dial(config, "other.example.org");
  ASSERT_FALSE(connects());
  EXPECT_EQ(here_.closed->code, Errc::NotPermitted);
  here_ = {};
  dial(config, "");
  EXPECT_FALSE(connects());
  here_ = {};
  config.verify = VerifyServer::Chain;
  dial(config, "other.example.org");
  EXPECT_TRUE(connects());
  here_ = {};
  config.ca_pem = keys_.ca.to_pem();  // a root that did not sign it
  dial(config, "server.example.org");
  EXPECT_FALSE(connects());
}

TEST_F(HostTlsTest, HalfCloseIsCarriedByCloseNotify) {
  listen(server_config());
  dial(client_config());
  ASSERT_TRUE(run([&] { return here_.connected && there_.stream; }));
  here_.stream->send(as_bytes("request"));
  here_.stream->half_close();
  ASSERT_TRUE(run([&] { return there_.half_closed; }));
  EXPECT_EQ(there_.received, "request");
  there_.stream->send(as_bytes("answer"));
  there_.stream->half_close();
  ASSERT_TRUE(run([&] { return here_.closed && there_.closed; }));
  EXPECT_EQ(here_.received, "answer");
  EXPECT_EQ(here_.closed->what, "closed by both ends");
}

TEST_F(HostTlsTest, PausedReaderHoldsTheSenderBack) {
  listen(server_config());
  dial(client_config());
  ASSERT_TRUE(run([&] { return here_.connected && there_.stream; }));
  there_.stream->pause_reading(true);
  std::string sent(std::size_t{16} * 1024 * 1024, 'x');
  for (std::size_t i = 0; i < sent.size(); ++i) sent[i] = static_cast<char>('a' + i % 23);
  here_.stream->send(as_bytes(sent));
  run_ready(network_);
  EXPECT_GT(here_.stream->queued(), 0U);
  there_.stream->pause_reading(false);
  ASSERT_TRUE(run([&] { return there_.received.size() == sent.size(); }));
  EXPECT_TRUE(there_.received == sent);
}

TEST_F(HostTlsTest, DestroyedStreamDeliversWhatWasQueued) {
  listen(server_config());
  dial(client_config());
  ASSERT_TRUE(run([&] { return here_.connected && there_.stream; }));
  here_.stream->send(as_bytes("refused: agent is revoked"));
  here_.stream.reset();
  ASSERT_TRUE(run([&] { return there_.half_closed; }));
  EXPECT_EQ(there_.received, "refused: agent is revoked");
}

TEST_F(HostTlsTest, CutConnectionIsNotTakenForAnEnd) {
  listen(server_config());
  // A relay in between that cuts: plain streams joined by hand.
  End relay_in;
  End relay_out;
  auto relay = network_.listen(kAnyPort, {}, [&](std::unique_ptr<Stream> stream) {
    relay_in.stream = std::move(stream);
    Stream::Handler back;
    back.on_received = [&](Bytes octets) { relay_in.stream->send(octets); };
    relay_out.stream = network_.connect(listener_->local(), {}, std::move(back));
    Stream::Handler forth;
    forth.on_received = [&](Bytes octets) { relay_out.stream->send(octets); };
    relay_in.stream->set_handler(std::move(forth));
  });
  ASSERT_TRUE(relay);
  ConnectOptions options;
  options.tls =
      TlsOptions{.context = TlsContext::client(client_config()).value(), .server_name = {}};
  here_.stream = network_.connect((*relay)->local(), options, here_.handler());
  ASSERT_TRUE(run([&] { return here_.connected && there_.stream; }));
  relay_out.stream->half_close();
  ASSERT_TRUE(run([&] { return there_.closed.has_value(); }));
  EXPECT_FALSE(there_.half_closed);
}

TEST_F(HostTlsTest, PlainStreamBecomesTlsAfterWhatWasQueued) {
  auto made = network_.listen(kAnyPort, {}, [this](std::unique_ptr<Stream> stream) {
    there_.stream = std::move(stream);
    Stream::Handler handler = there_.handler();
    handler.on_received = [this](Bytes octets) {
      there_.received += as_text(octets);
      if (there_.received != "AUTH TLS\r\n") return;
      there_.stream->send(as_bytes("234 go ahead\r\n"));
      there_.stream->start_tls(
          {.context = TlsContext::server(server_config()).value(), .server_name = {}}, true);
    };
    there_.stream->set_handler(std::move(handler));
  });
  ASSERT_TRUE(made);
  Stream::Handler handler = here_.handler();
  handler.on_received = [this](Bytes octets) {
    here_.received += as_text(octets);
    if (here_.received != "234 go ahead\r\n") return;
    here_.connected = false;
    here_.stream->start_tls(
        {.context = TlsContext::client(client_config()).value(), .server_name = {}}, false);
    here_.stream->send(as_bytes("USER a\r\n"));
  };
  here_.stream = network_.connect((*made)->local(), {}, std::move(handler));
  here_.stream->send(as_bytes("AUTH TLS\r\n"));
  ASSERT_TRUE(run([&] { return there_.received == "AUTH TLS\r\nUSER a\r\n"; }));
  EXPECT_TRUE(here_.connected);
  EXPECT_TRUE(there_.connected);
  EXPECT_EQ(there_.stream->alpn(), "sallyport/1");
}

TEST_F(HostTlsTest, SilentServerEndsTheDialAtItsTimeout) {
  std::unique_ptr<Stream> silent;
  auto made = network_.listen(kAnyPort, {},
                              [&](std::unique_ptr<Stream> stream) { silent = std::move(stream); });
  ASSERT_TRUE(made);
  ConnectOptions options;
  options.tls =
      TlsOptions{.context = TlsContext::client(client_config()).value(), .server_name = {}};
  options.timeout = std::chrono::milliseconds{100};
  here_.stream = network_.connect((*made)->local(), options, here_.handler());
  ASSERT_TRUE(run([&] { return here_.closed.has_value(); }));
  EXPECT_EQ(here_.closed->what, "TLS handshake took too long");
}

TEST_F(HostTlsTest, GarbageInsteadOfAHandshakeEndsThatConnectionOnly) {
  listen(server_config());
  auto raw = open_socket(AF_INET, SOCK_STREAM);
  ASSERT_TRUE(raw);
  const SocketAddress address{listener_->local()};
  std::ignore = ::connect(raw->get(), &address.any, address.size);
  ::send(raw->get(), "GET / HTTP/1.1\r\n\r\n", 18, MSG_NOSIGNAL);
  char octet = 0;
  ASSERT_TRUE(run([&] {
    const ssize_t n = ::recv(raw->get(), &octet, 1, MSG_DONTWAIT);
    return n == 0 || (n < 0 && errno == ECONNRESET);
  }));
  dial(client_config());
  EXPECT_TRUE(connects());
}

TEST_F(HostTlsTest, SilentStrangersDoNotKeepOthersOut) {
  listen(server_config(), 3);
  const SocketAddress address{listener_->local()};
  std::vector<Fd> strangers;
  for (int i = 0; i < 6; ++i) {
    strangers.push_back(std::move(*open_socket(AF_INET, SOCK_STREAM)));
    std::ignore = ::connect(strangers.back().get(), &address.any, address.size);
  }
  run_ready(network_);
  dial(client_config());
  EXPECT_TRUE(connects());
  EXPECT_TRUE(run([&] { return there_.stream != nullptr; }));
}

TEST_F(HostTlsTest, OneStrangerWithManyConnectionsLeavesPlacesForOthers) {
  constexpr std::size_t kPlaces = 8;
  listen(server_config(), kPlaces);
  const SocketAddress address{listener_->local()};
  const SocketAddress stranger{{*IpAddress::parse("127.0.0.66"), 0}};
  std::vector<Fd> connections;
  for (std::size_t i = 0; i < 10 * kPlaces; ++i) {
    connections.push_back(std::move(*open_socket(AF_INET, SOCK_STREAM)));
    ASSERT_EQ(::bind(connections.back().get(), &stranger.any, stranger.size), 0);
    std::ignore = ::connect(connections.back().get(), &address.any, address.size);
  }
  run_ready(network_);
  const TimePoint began = Clock::now();
  dial(client_config());
  EXPECT_TRUE(connects());
  EXPECT_TRUE(run([&] { return there_.stream != nullptr; }));
  EXPECT_LT(Clock::now() - began, seconds{2}) << "nobody waited for the stranger's time to be over";
}

TEST_F(HostTlsTest, ListenerMayBeDestroyedByItsOwnHandlerAndDuringHandshakes) {
  ListenOptions options;
  options.tls =
      TlsOptions{.context = TlsContext::server(server_config()).value(), .server_name = {}};
  auto made = network_.listen(kAnyPort, options, [this](std::unique_ptr<Stream> stream) {
    listener_.reset();
    there_.stream = std::move(stream);
  });
  ASSERT_TRUE(made);
  listener_ = std::move(*made);
  const TransportAddress local = listener_->local();
  auto raw = open_socket(AF_INET, SOCK_STREAM);  // its handshake is under way then
  const SocketAddress address{local};
  std::ignore = ::connect(raw->get(), &address.any, address.size);
  dial(client_config());
  ASSERT_TRUE(run([&] { return there_.stream != nullptr; }));
  run_ready(network_);
  End late;
  late.stream = network_.connect(local, {}, late.handler());
  EXPECT_TRUE(run([&] { return late.closed.has_value(); }));
}

TEST_F(HostTlsTest, ReplacedIdentityIsShownFromThenOn) {
  TlsServerConfig config = server_config();
  auto context = TlsContext::server(config).value();
  ListenOptions options;
  options.tls = TlsOptions{.context = context, .server_name = {}};
  auto made = network_.listen(kAnyPort, options, [this](std::unique_ptr<Stream> stream) {
    there_.stream = std::move(stream);
  });
  ASSERT_TRUE(made);
  listener_ = std::move(*made);
  const PrivateKey renewed = PrivateKey::generate();
  const auto certificate =
      make_server_certificate(renewed, {"server.example.org"}, "09", now_for_a_day());
  EXPECT_FALSE(context->replace_identity(TlsIdentity::of(*certificate, keys_.server_key)));
  dial(client_config());
  EXPECT_TRUE(connects());
  ASSERT_TRUE(context->replace_identity(TlsIdentity::of(*certificate, renewed)));
  here_ = {};
  TlsClientConfig client = client_config();
  client.pins = {renewed.pin()};
  dial(client);
  EXPECT_TRUE(connects());
}

TEST(TlsContext, RefusesWhatCannotBeUsed) {
  const Keys keys;
  TlsServerConfig config{.identity = TlsIdentity::of(keys.server, keys.agent_key),
                         .alpn = {},
                         .minimum = TlsVersion::Tls13,
                         .client_certificate = ClientCertificate::NotAsked};
  EXPECT_FALSE(TlsContext::server(config));
  config.identity = TlsIdentity::of(keys.server, keys.server_key);
  EXPECT_TRUE(TlsContext::server(config));
  config.alpn = {std::string(256, 'a')};
  EXPECT_FALSE(TlsContext::server(config));
  TlsClientConfig client;
  client.verify = VerifyServer::Pin;
  EXPECT_FALSE(TlsContext::client(client));
  client.verify = VerifyServer::Chain;
  client.ca_pem = "none";
  EXPECT_FALSE(TlsContext::client(client));
  client.ca_pem.clear();
  client.ca_file = "/nonexistent/roots.pem";
  EXPECT_FALSE(TlsContext::client(client));
  EXPECT_FALSE(TlsIdentity::from_files("/nonexistent/a.pem", "/nonexistent/b.pem"));
}

}  // namespace
}  // namespace sallyport::net
