// Which ways to a server are tried, and when, in virtual time.
#include "agent/way_finder.h"

#include <gtest/gtest.h>

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "sim_network.h"

namespace sallyport::sim {
namespace {

using agent::HttpProxy;
using agent::Way;
using agent::WayFailure;
using agent::WayFinder;

// What the far end of an address does.
enum class Fate { Swallows, Refuses, HasTls, IsProxy };

class FatedStream final : public net::Stream {
 public:
  explicit FatedStream(net::Stream::Handler handler) : handler_(std::move(handler)) {}
  void set_handler(Handler handler) override { handler_ = std::move(handler); }
  void send(Bytes octets) override { sent += as_text(octets); }
  std::size_t queued() const override { return 0; }
  void half_close() override {}
  void pause_reading(bool /*paused*/) override {}
  void start_tls(const net::TlsOptions& /*options*/, bool /*as_server*/) override { tls = true; }
  void set_dscp(std::uint8_t /*dscp*/) override {}
  TransportAddress local() const override { return {}; }
  TransportAddress remote() const override { return {}; }
  Buffer peer_certificate() const override { return {}; }
  std::string alpn() const override { return tls ? "sallyport/1" : ""; }
  bool export_key(std::string_view /*label*/, Bytes /*context*/,
                  MutableBytes /*out*/) const override {
    return false;
  }
  // The test's hands. A handler may end the stream that calls it.
  void connect() { Handler{handler_}.on_connected(); }
  void receive(std::string_view text) { Handler{handler_}.on_received(as_bytes(text)); }
  void close(const Error& why) { Handler{handler_}.on_closed(why); }

  std::string sent;
  bool tls = false;
  std::shared_ptr<bool> alive = std::make_shared<bool>(true);

 private:
  Handler handler_;
};

class FatedNetwork final : public net::Network {
 public:
  explicit FatedNetwork(World& world)
      : began(world.now()),
        world_(world),
        base_(world, kPublic, *IpAddress::parse("198.51.100.1")) {}
  TimePoint now() const override { return base_.now(); }
  WallTime wall_now() const override { return base_.wall_now(); }
  std::unique_ptr<net::Timer> make_timer() override { return base_.make_timer(); }
  void post(std::function<void()> work) override { base_.post(std::move(work)); }
  Result<std::unique_ptr<net::DatagramSocket>> open_datagrams(const TransportAddress& local,
                                                              const net::DatagramOptions& options,
                                                              OnDatagram on_datagram) override {
    return base_.open_datagrams(local, options, std::move(on_datagram));
  }
  Result<std::unique_ptr<net::Listener>> listen(const TransportAddress& local,
                                                const net::ListenOptions& options,
                                                OnAccepted on_accepted) override {
    return base_.listen(local, options, std::move(on_accepted));
  }
  std::unique_ptr<net::Stream> connect(const TransportAddress& remote,
                                       const net::ConnectOptions& options,
                                       net::Stream::Handler handler) override {
    const std::string address = remote.to_string();
    dialled.emplace_back(address, now() - began);
    auto stream = std::make_unique<FatedStream>(std::move(handler));
    FatedStream* made = stream.get();
    newest = made;
    const Fate fate = fates.contains(address) ? fates.at(address) : Fate::Swallows;
    made->tls = options.tls.has_value();
    const std::weak_ptr<bool> alive = made->alive;
    if (fate == Fate::Swallows) {
      world_.after(options.timeout, [made, alive] {
        if (!alive.expired())
          made->close({.code = Errc::Unreachable, .what = "no answer to connect"});
      });
    } else {
      post([made, fate, alive] {
        if (alive.expired()) return;
        if (fate == Fate::Refuses)
          made->close({.code = Errc::Unreachable, .what = "connection refused"});
        else
          made->connect();
      });
    }
    return stream;
  }
  void resolve(const std::string& name, net::DnsType /*type*/, OnRecords on_records) override {
    std::vector<net::DnsRecord> records;
    for (const char* address : names[name])
      records.push_back({.address = *IpAddress::parse(address)});
    post([records, on_records = std::move(on_records)] { on_records(records); });
  }
  Result<IpAddress> local_address_for(const IpAddress& remote) override {
    return base_.local_address_for(remote);
  }
  void watch_routes(std::function<void()> /*on_change*/) override {}

  std::map<std::string, Fate> fates;
  std::map<std::string, std::vector<const char*>> names;
  std::vector<std::pair<std::string, Duration>> dialled;  // address, and when
  FatedStream* newest = nullptr;
  const TimePoint began;

 private:
  World& world_;
  SimNetwork base_;
};

class WayFinderTest : public testing::Test {
 protected:
  void find(const std::vector<HostPort>& servers, const std::optional<HttpProxy>& proxy = {}) {
    finder = std::make_unique<WayFinder>(
        network,
        WayFinder::Settings{
            .tls = {}, .alpn = "sallyport/1", .patience_with_others = patience_with_others},
        agent::ladders(servers, proxy).front().ways,
        [this](WayFinder::Found way) {
          found = std::move(way);
          found_after = network.now() - network.began;
          finder.reset();
        },
        [this](const std::vector<WayFailure>& failures) {
          tried = failures;
          failed_after = network.now() - network.began;
          finder.reset();
        });
  }
  bool done() const { return found || failed_after; }
  bool run() {
    return world.run_until([this] { return done(); }, std::chrono::minutes{2});
  }

  using Dialled = std::vector<std::pair<std::string, Duration>>;
  World world{1};
  FatedNetwork network{world};
  Duration patience_with_others = seconds{10};
  std::unique_ptr<WayFinder> finder;
  std::optional<WayFinder::Found> found;
  Duration found_after{};
  std::vector<WayFailure> tried;
  std::optional<Duration> failed_after;
};

const HostPort kZ{"203.0.113.7", 2776};
const HostPort kHttps{"203.0.113.7", 443};
const HttpProxy kProxy{.address = {"10.1.1.3", 3128}, .credentials = {}};

TEST_F(WayFinderTest, AWayThatWorksIsTheOnlyOneThatIsTried) {
  network.fates = {{"203.0.113.7:2776", Fate::HasTls}, {"203.0.113.7:443", Fate::HasTls}};
  find({kZ, kHttps}, kProxy);
  ASSERT_TRUE(run());
  world.run_for(seconds{30});
  EXPECT_EQ(network.dialled.size(), 1U);
  EXPECT_EQ(found->remote.port, 2776);
}

TEST_F(WayFinderTest, AFirewallThatSwallowsPacketsCostsTwoSecondsAWay) {
  network.fates = {{"10.1.1.3:3128", Fate::IsProxy}};
  find({kZ, kHttps}, kProxy);
  ASSERT_TRUE(world.run_until([this] { return network.dialled.size() == 3; }, seconds{30}));
  EXPECT_EQ(network.dialled, (Dialled{{"203.0.113.7:2776", seconds{0}},
                                      {"203.0.113.7:443", seconds{2}},
                                      {"10.1.1.3:3128", seconds{4}}}));
}

TEST_F(WayFinderTest, AFirewallThatRefusesCostsNothing) {
  network.fates = {{"203.0.113.7:2776", Fate::Refuses}, {"203.0.113.7:443", Fate::HasTls}};
  find({kZ, kHttps});
  ASSERT_TRUE(run());
  EXPECT_EQ(found_after, Duration::zero());
  EXPECT_EQ(found->way.to_string(), "203.0.113.7:443");
}

TEST_F(WayFinderTest, EveryWayIsToldWhenNoneLeadsThere) {
  network.fates = {{"203.0.113.7:443", Fate::Refuses}};
  find({kZ, kHttps}, HttpProxy{.address = {"proxy.example.net", 3128}, .credentials = {}});
  ASSERT_TRUE(run());
  EXPECT_EQ(failed_after, seconds{10}) << "the first one's patience, the others beside it";
  EXPECT_EQ(to_string(tried),
            "203.0.113.7:2776: no answer to connect; 203.0.113.7:443: connection refused; "
            "203.0.113.7:2776 through proxy proxy.example.net:3128: no address for the proxy's "
            "name; 203.0.113.7:443 through proxy proxy.example.net:3128: no address for the "
            "proxy's name");
}

TEST_F(WayFinderTest, TheOthersMayBeGivenLessTime) {
  patience_with_others = seconds{3};
  network.fates = {{"203.0.113.7:2776", Fate::Refuses}};
  find({kZ, kHttps});
  ASSERT_TRUE(run());
  EXPECT_EQ(failed_after, seconds{3});
}

TEST_F(WayFinderTest, TheAddressesOfANameAreTriedSideBySide) {
  network.names["server.example.org"] = {"192.0.2.1", "192.0.2.2", "2001:db8::1"};
  find({{"server.example.org", 2776}});
  ASSERT_TRUE(run());
  EXPECT_EQ(network.dialled, (Dialled{{"[2001:db8::1]:2776", milliseconds{0}},
                                      {"192.0.2.1:2776", milliseconds{250}},
                                      {"192.0.2.2:2776", milliseconds{500}}}));
  EXPECT_EQ(tried.size(), 1U) << "one way";
}

// The next address is not waited for once more when the last one is under way already.
TEST_F(WayFinderTest, AnAddressThatRefusesLateIsNotFollowedTwice) {
  network.names["server.example.org"] = {"192.0.2.1", "192.0.2.2"};
  network.fates = {{"192.0.2.1:2776", Fate::Refuses}};
  find({{"server.example.org", 2776}});
  ASSERT_TRUE(run());
  EXPECT_EQ(network.dialled,
            (Dialled{{"192.0.2.1:2776", milliseconds{0}}, {"192.0.2.2:2776", milliseconds{0}}}));
}

// What DNS here does not know, the proxy may: it is asked for the name.
TEST_F(WayFinderTest, ANameThatIsNotKnownHereGoesToTheProxy) {
  network.fates = {{"10.1.1.3:3128", Fate::IsProxy}};
  find({{"server.example.org", 2776}}, kProxy);
  ASSERT_TRUE(world.run_until([this] { return network.newest && !network.newest->sent.empty(); },
                              seconds{1}));
  EXPECT_EQ(network.newest->sent.substr(0, 45), "CONNECT server.example.org:2776 HTTP/1.1\r\nHos");
  network.newest->receive("HTTP/1.1 200 OK\r\n");
  EXPECT_FALSE(network.newest->tls);
  network.newest->receive("\r\n");
  ASSERT_TRUE(network.newest->tls) << "and nothing but TLS from now on";
  network.newest->connect();
  ASSERT_TRUE(found);
  EXPECT_EQ(found->way.kind, mux::WayKind::Proxy);
  EXPECT_EQ(found->remote.to_string(), "10.1.1.3:3128");
}

class WayFinderProxyTest : public WayFinderTest {
 protected:
  // Why the way through the proxy failed that gave this answer.
  std::string answered(std::string_view answer, bool with_credentials = false) {
    HttpProxy proxy = kProxy;
    if (with_credentials) proxy.credentials = codec::http::Credentials{"jo", "wrong"};
    network.fates = {{"203.0.113.7:2776", Fate::Refuses}, {"10.1.1.3:3128", Fate::IsProxy}};
    network.newest = nullptr;
    tried.clear();
    find({kZ}, proxy);
    EXPECT_TRUE(world.run_until([this] { return network.newest && !network.newest->sent.empty(); },
                                seconds{1}));
    if (!answer.empty()) network.newest->receive(answer);
    EXPECT_TRUE(world.run_until([this] { return !tried.empty(); }, seconds{60}));
    return tried.back().what;
  }
};

TEST_F(WayFinderProxyTest, SaysWhyItRefuses) {
  EXPECT_EQ(answered("HTTP/1.1 407 No\r\nProxy-Authenticate: Basic realm=\"x\"\r\n\r\n"),
            "the proxy wants a user and a password (407)");
  EXPECT_EQ(answered("HTTP/1.1 407 No\r\nProxy-Authenticate: Basic realm=\"x\"\r\n\r\n", true),
            "the proxy refuses this user and password (407)");
  EXPECT_EQ(answered("HTTP/1.1 407 No\r\nProxy-Authenticate: NTLM\r\n\r\n", true),
            "the proxy does not take Basic authentication (407)");
  EXPECT_EQ(answered("HTTP/1.1 403 Filtered\r\n\r\n<html>"), "the proxy does not allow it (403)");
  EXPECT_EQ(answered("HTTP/1.1 502 Bad Gateway\r\n\r\n"),
            "the proxy cannot reach the server (502)");
  EXPECT_EQ(answered("HTTP/1.1 418 Teapot\r\n\r\n"), "the proxy refuses (418)");
}

TEST_F(WayFinderProxyTest, IsNotBelievedWhateverItSays) {
  EXPECT_EQ(answered("SSH-2.0-OpenSSH\r\n"), "the proxy: not an HTTP answer");
  EXPECT_EQ(answered("HTTP/1.1 200 OK\r\n\r\nwelcome"),
            "the proxy says more than that the tunnel is open");
  EXPECT_EQ(answered("HTTP/1.1 200 OK\r\nA: " + std::string(20000, 'b')),
            "the proxy: an answer without an end");
}

TEST_F(WayFinderProxyTest, IsNotWaitedForForEver) {
  const TimePoint before = network.now();
  EXPECT_EQ(answered("HTTP/1.1 100 Continue\r\n\r\n"), "the proxy: no answer in time");
  EXPECT_EQ(network.now() - before, seconds{10});
}

}  // namespace
}  // namespace sallyport::sim
