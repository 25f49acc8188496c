#include "server/join_service.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <set>

#include "agent/join.h"
#include "net/host_network.h"

namespace sallyport::server {
namespace {

using testing::HasSubstr;

constexpr auto kDay = std::chrono::hours{24};
const TransportAddress kAnyPort{IpAddress::v4({127, 0, 0, 1}), 0};

// A server's port Z on loopback, real sockets and real TLS.
class JoinTest : public testing::Test {
 protected:
  JoinTest() {
    std::string pattern = testing::TempDir() + "sallyport-join-XXXXXX";
    folder_ = ::mkdtemp(pattern.data());
    brain::SqliteStore::Options options;
    options.path = folder_ + "/server.db";
    store_ = brain::SqliteStore::open(options, *log_).value();
    authority_ =
        std::make_unique<Authority>(Authority::open(folder_, random_, network_.wall_now()).value());
    enrolment_ = Enrolment::open(*store_, *authority_, random_, {}).value();
    service_ = std::make_unique<JoinService>(
        *enrolment_, network_, *log_,
        [this] {
          return enrolment::Site{servers_, 3001, 3002};
        },
        JoinService::Limits{4, std::chrono::milliseconds{300}});
    listener_ = listen(*authority_);
    servers_ = {{"127.0.0.1", listener_->local().port}};
  }
  ~JoinTest() override {
    listener_.reset();
    service_.reset();
    enrolment_.reset();
    store_.reset();
    std::filesystem::remove_all(folder_);
  }

  std::unique_ptr<net::Listener> listen(const Authority& authority) {
    net::TlsServerConfig config;
    config.identity = authority.identity();
    config.alpn = {std::string{mux::kAlpn}, std::string{enrolment::kJoinAlpn}};
    config.client_certificate = net::ClientCertificate::Optional;
    net::ListenOptions options;
    options.tls = net::TlsOptions{net::TlsContext::server(config).value(), ""};
    return network_
        .listen(kAnyPort, options,
                [this](std::unique_ptr<net::Stream> stream) {
                  EXPECT_EQ(stream->alpn(), enrolment::kJoinAlpn);
                  service_->serve(std::move(stream));
                })
        .value();
  }

  bool run_until(const std::function<bool()>& true_now) {
    const TimePoint limit = Clock::now() + seconds{20};
    while (!true_now()) {
      if (Clock::now() > limit) return false;
      network_.run_one(milliseconds{20});
    }
    return true;
  }

  struct Outcome {
    Result<agent::Identity> result = fail(Errc::Closed, "not done");
    agent::Join::Failure failure;
  };
  Outcome join(const enrolment::Token& token) {
    std::optional<Outcome> out;
    agent::Join attempt{
        network_, token, std::nullopt,
        [&](const Result<agent::Identity>& result, const agent::Join::Failure& failure) {
          out = Outcome{std::move(result), failure};
        }};
    EXPECT_TRUE(run_until([&] { return out.has_value(); }));
    return out.value_or(Outcome{});
  }
  enrolment::Token invite(const std::string& name) {
    return enrolment_->invite(name, servers_, kDay, network_.wall_now()).value();
  }
  // A client that says what it likes; what it was told until the end.
  std::string say(const std::string& octets) {
    net::TlsClientConfig config;
    config.alpn = {std::string{enrolment::kJoinAlpn}};
    config.verify = net::VerifyServer::Pin;
    config.pins = {authority_->pin()};
    net::ConnectOptions options;
    options.tls = net::TlsOptions{net::TlsContext::client(config).value(), ""};
    std::string heard;
    bool closed = false;
    std::unique_ptr<net::Stream> stream;
    net::Stream::Handler handler;
    handler.on_connected = [&] { stream->send(as_bytes(octets)); };
    handler.on_received = [&](Bytes received) { heard += as_text(received); };
    handler.on_half_closed = [&] { closed = true; };
    handler.on_closed = [&](const Error&) { closed = true; };
    stream = network_.connect(listener_->local(), options, std::move(handler));
    EXPECT_TRUE(run_until([&] { return closed; }));
    return heard;
  }

  std::string folder_;
  SystemRandom random_;
  std::unique_ptr<Log> log_ = Log::silent();
  net::HostNetwork network_;
  std::vector<HostPort> servers_;
  std::unique_ptr<brain::SqliteStore> store_;
  std::unique_ptr<Authority> authority_;
  std::unique_ptr<Enrolment> enrolment_;
  std::unique_ptr<JoinService> service_;
  std::unique_ptr<net::Listener> listener_;
};

TEST_F(JoinTest, AnAgentComesBackWithAnIdentityThatTheServerAdmits) {
  const Outcome outcome = join(invite("branch"));
  ASSERT_TRUE(outcome.result) << outcome.failure.what;
  EXPECT_EQ(outcome.result->name, "branch");
  EXPECT_EQ(outcome.result->site.servers, servers_);
  EXPECT_EQ(outcome.result->site.x, 3001);
  EXPECT_EQ(outcome.result->site.y, 3002);
  EXPECT_EQ(outcome.result->pin, authority_->pin());
  const auto admitted =
      enrolment_->admit(outcome.result->certificate.to_der(), network_.wall_now());
  EXPECT_TRUE(std::holds_alternative<Agent>(admitted));
}

TEST_F(JoinTest, AUsedTokenIsRefusedWithItsReason) {
  const auto token = invite("branch");
  ASSERT_TRUE(join(token).result);
  const Outcome again = join(token);
  ASSERT_FALSE(again.result);
  EXPECT_EQ(again.failure.kind, agent::JoinFailure::Refused);
  EXPECT_THAT(again.failure.what, HasSubstr("was used"));
}

TEST_F(JoinTest, OfTwoAgentsWithOneTokenAtOnceOneGetsIn) {
  const auto token = invite("branch");
  int joined = 0;
  int refused = 0;
  const auto count = [&](const Result<agent::Identity>& result, const agent::Join::Failure&) {
    (result ? joined : refused)++;
  };
  agent::Join first{network_, token, std::nullopt, count};
  agent::Join second{network_, token, std::nullopt, count};
  agent::Join third{network_, token, std::nullopt, count};
  ASSERT_TRUE(run_until([&] { return joined + refused == 3; }));
  EXPECT_EQ(joined, 1);
  EXPECT_EQ(refused, 2);
  EXPECT_EQ(enrolment_->agents(true).size(), 1U);
}

TEST_F(JoinTest, AServerWithAnotherKeyIsNotToldTheSecret) {
  const Authority other = Authority::open(folder_ + "/other", random_, network_.wall_now()).value();
  auto token = invite("branch");
  const auto impostor = listen(other);
  token.servers = {{"127.0.0.1", impostor->local().port}};
  const Outcome outcome = join(token);
  ASSERT_FALSE(outcome.result);
  EXPECT_EQ(outcome.failure.kind, agent::JoinFailure::WrongServer);
  EXPECT_EQ(enrolment_->invites(network_.wall_now()).size(), 1U);
}

TEST_F(JoinTest, AddressesAreTriedInOrderUntilOneAnswers) {
  auto token = invite("branch");
  // A port that was ours and is closed again.
  const std::uint16_t closed = listen(*authority_)->local().port;
  token.servers = {{"127.0.0.1", closed}, servers_.front()};
  EXPECT_TRUE(join(token).result);

  token.servers = {{"127.0.0.1", closed}};
  const Outcome outcome = join(token);
  EXPECT_EQ(outcome.failure.kind, agent::JoinFailure::Unreachable);
  EXPECT_THAT(outcome.failure.what, HasSubstr("127.0.0.1:" + std::to_string(closed)));
}

TEST_F(JoinTest, WhatIsNoRequestIsAnsweredOrCutOff) {
  EXPECT_THAT(say("GET / HTTP/1.1\r\n\r\n"), HasSubstr("\"refused\":\"malformed\""));
  EXPECT_EQ(say(std::string(enrolment::kMaxLine + 100, 'x')), "");
  EXPECT_EQ(say("{\"secret\":"), "");  // and then nothing: its time runs out
}

TEST_F(JoinTest, MoreConversationsThanAllowedAreToldToComeAgain) {
  std::vector<std::unique_ptr<net::Stream>> silent;
  net::TlsClientConfig config;
  config.alpn = {std::string{enrolment::kJoinAlpn}};
  config.verify = net::VerifyServer::Nothing;
  net::ConnectOptions options;
  options.tls = net::TlsOptions{net::TlsContext::client(config).value(), ""};
  int connected = 0;
  std::set<int> closed;
  for (int i = 0; i < 4; ++i) {
    net::Stream::Handler handler;
    handler.on_connected = [&] { ++connected; };
    handler.on_received = [](Bytes) {};  // a stream without it does not read
    handler.on_half_closed = [&closed, i] { closed.insert(i); };
    handler.on_closed = [&closed, i](const Error&) { closed.insert(i); };
    silent.push_back(network_.connect(listener_->local(), options, std::move(handler)));
  }
  ASSERT_TRUE(run_until([&] { return connected == 4; }));
  EXPECT_THAT(say("x"), HasSubstr("overloaded"));
  // The silent ones lose their places in time.
  ASSERT_TRUE(run_until([&] { return closed.size() == 4; })) << closed.size();
  EXPECT_TRUE(join(invite("branch")).result);
}

}  // namespace
}  // namespace sallyport::server
