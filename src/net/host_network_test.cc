#include "net/host_network.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <csignal>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <tuple>
#include <vector>

#include "net/socket.h"
#include "net/testing.h"
#include "net/unix_address.h"

namespace sallyport::net {
namespace {

using std::chrono::milliseconds;

TEST(HostNetwork, TimerFiresOnceNotBeforeItsTime) {
  HostNetwork network;
  const auto timer = network.make_timer();
  int fired = 0;
  const TimePoint due = network.now() + milliseconds{20};
  timer->start(due, [&] {
    ++fired;
    EXPECT_GE(network.now(), due);
  });
  EXPECT_TRUE(run_until(network, [&] { return fired != 0; }));
  run_ready(network);
  EXPECT_EQ(fired, 1);
}

TEST(HostNetwork, TimerStartedAgainMovesAndStoppedIsSilent) {
  HostNetwork network;
  const auto moved = network.make_timer();
  const auto stopped = network.make_timer();
  auto destroyed = network.make_timer();
  std::string order;
  const TimePoint now = network.now();
  moved->start(now, [&] { order += "never"; });
  moved->start(now + milliseconds{30}, [&] { order += "moved"; });
  stopped->start(now, [&] { order += "stopped"; });
  stopped->stop();
  destroyed->start(now, [&] { order += "destroyed"; });
  destroyed.reset();
  EXPECT_TRUE(run_until(network, [&] { return !order.empty(); }));
  EXPECT_EQ(order, "moved");
}

TEST(HostNetwork, TimerMayDestroyItselfInItsHandler) {
  HostNetwork network;
  auto timer = network.make_timer();
  const auto witness = std::make_shared<int>(7);
  bool fired = false;
  timer->start(network.now(), [&, witness] {
    timer.reset();
    fired = *witness == 7;
  });
  EXPECT_TRUE(run_until(network, [&] { return fired; }));
}

TEST(HostNetwork, WorkPostedFromAnotherThreadRunsOnTheLoop) {
  HostNetwork network;
  std::size_t done = 0;
  const auto loop = std::this_thread::get_id();
  std::thread other([&] {
    for (int i = 0; i < 1000; ++i) {
      network.post([&] {
        EXPECT_EQ(std::this_thread::get_id(), loop);
        if (++done == 1000) network.stop();
      });
    }
  });
  network.run();
  other.join();
  EXPECT_EQ(done, 1000U);
}

TEST(HostNetwork, StopBeforeRunCountsOnce) {
  HostNetwork network;
  network.stop();
  network.run();
  bool ran = false;
  network.post([&] {
    ran = true;
    network.stop();
  });
  network.run();
  EXPECT_TRUE(ran);
}

TEST(HostNetwork, SignalsAreHandledOnTheLoop) {
  HostNetwork network;
  std::vector<int> signals;
  network.on_signals({SIGHUP, SIGTERM}, [&](int signal) { signals.push_back(signal); });
  ::raise(SIGHUP);
  ASSERT_TRUE(run_until(network, [&] { return signals.size() == 1; }));
  ::raise(SIGTERM);
  ASSERT_TRUE(run_until(network, [&] { return signals.size() == 2; }));
  EXPECT_EQ(signals, (std::vector<int>{SIGHUP, SIGTERM}));
}

TEST(HostNetwork, FindsTheLocalAddressByTheRoute) {
  HostNetwork network;
  EXPECT_EQ(network.local_address_for(IpAddress::v4({127, 0, 0, 9})),
            IpAddress::v4({127, 0, 0, 1}));
}

TEST(HostNetwork, TellsOfRoutesOnceForABurst) {
  const bool entered = in_own_network([] {
    HostNetwork network;
    int told = 0;
    network.watch_routes([] { ADD_FAILURE() << "this watcher was replaced"; });
    network.watch_routes([&] { ++told; });
    EXPECT_FALSE(network.local_address_for(IpAddress::v4({192, 0, 2, 1})));
    ASSERT_EQ(std::system("ip addr add 10.1.1.1/24 dev lo && ip addr add 10.1.2.1/24 dev lo && "
                          "ip route add 192.0.2.0/24 dev lo src 10.1.2.1"),
              0);
    ASSERT_TRUE(run_until(network, [&] { return told != 0; }));
    run_ready(network);
    EXPECT_EQ(told, 1);
    EXPECT_EQ(network.local_address_for(IpAddress::v4({192, 0, 2, 1})),
              IpAddress::v4({10, 1, 2, 1}));
    ASSERT_EQ(std::system("ip route del 192.0.2.0/24"), 0);
    EXPECT_TRUE(run_until(network, [&] { return told == 2; }));
  });
  if (!entered) GTEST_SKIP() << "needs the right to make a network namespace, and ip(8)";
}

TEST(HostNetwork, EndsWithWorkStillToBeDone) {
  auto network = std::make_unique<HostNetwork>();
  const auto witness = std::make_shared<int>(1);
  network->post([witness] {});
  network->resolve("localhost", DnsType::Address, [witness](const std::vector<DnsRecord>&) {});
  auto timer = network->make_timer();
  timer->start(network->now() + std::chrono::hours{1}, [witness] {});
  timer.reset();
  network.reset();
  EXPECT_EQ(witness.use_count(), 1);
}

// A listener without descriptors neither spins nor forgets those who wait.
TEST(HostNetwork, ListenerWaitsForDescriptors) {
  HostNetwork network;
  std::unique_ptr<Stream> accepted;
  auto listener = network.listen(
      kAnyPort, {}, [&](std::unique_ptr<Stream> stream) { accepted = std::move(stream); });
  ASSERT_TRUE(listener);
  auto stranger = open_socket(AF_INET, SOCK_STREAM);
  ASSERT_TRUE(stranger);
  const SocketAddress address{(*listener)->local()};
  // UBSan looks at each type of object once, and needs descriptors for that.
  network.make_timer()->start(network.now(), [] {});

  rlimit before{};
  ::getrlimit(RLIMIT_NOFILE, &before);
  const rlimit few{.rlim_cur = 128, .rlim_max = before.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &few), 0);
  std::vector<Fd> all;
  for (;;) {
    Fd one{::open("/dev/null", O_RDONLY | O_CLOEXEC)};
    if (!one) break;
    all.push_back(std::move(one));
  }
  std::ignore = ::connect(stranger->get(), &address.any, address.size);
  int turns = 0;
  const TimePoint end = Clock::now() + milliseconds{350};
  while (Clock::now() < end)
    if (network.run_one(milliseconds{10})) ++turns;
  EXPECT_FALSE(accepted);
  EXPECT_LT(turns, 30);
  all.clear();
  ::setrlimit(RLIMIT_NOFILE, &before);
  EXPECT_TRUE(run_until(network, [&] { return accepted != nullptr; }));
}

TEST(HostNetwork, RunsWhatIsReadyWhenItIsGivenNoTime) {
  HostNetwork network;
  int ran = 0;
  network.post([&] { ++ran; });
  EXPECT_TRUE(network.run_one(Duration::zero()));
  EXPECT_FALSE(network.run_one(Duration::zero()));
  EXPECT_EQ(ran, 1);
}

TEST(HostNetwork, AcceptsAFlood) {
  HostNetwork network;
  std::vector<std::unique_ptr<Stream>> accepted;
  auto listener = network.listen(
      kAnyPort, {}, [&](std::unique_ptr<Stream> stream) { accepted.push_back(std::move(stream)); });
  ASSERT_TRUE(listener);
  const SocketAddress address{(*listener)->local()};
  std::vector<Fd> many;
  for (int i = 0; i < 300; ++i) {
    many.push_back(std::move(*open_socket(AF_INET, SOCK_STREAM)));
    std::ignore = ::connect(many.back().get(), &address.any, address.size);
  }
  EXPECT_TRUE(run_until(network, [&] { return accepted.size() == 300; }));
  const auto taken = network.listen((*listener)->local(), {}, {});
  ASSERT_FALSE(taken);
  EXPECT_EQ(taken.error().code, Errc::Exhausted);
}

class UnixSocketTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (std::filesystem::temp_directory_path() / "sallyport-XXXXXX").string();
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    directory_ = pattern;
    path_ = directory_ + "/admin.sock";
  }
  void TearDown() override { std::filesystem::remove_all(directory_); }
  Result<std::unique_ptr<Listener>> listen() {
    return network_.listen_unix(path_, [this](std::unique_ptr<Stream> stream) {
      accepted_ = std::move(stream);
      Stream::Handler handler;
      handler.on_received = [this](Bytes octets) { accepted_->send(octets); };
      accepted_->set_handler(std::move(handler));
    });
  }

  HostNetwork network_;
  std::string directory_;
  std::string path_;
  std::unique_ptr<Stream> accepted_;
};

TEST_F(UnixSocketTest, CarriesOctetsAndIsForItsOwnerOnly) {
  auto listener = listen();
  ASSERT_TRUE(listener);
  struct stat file {};
  ASSERT_EQ(::stat(path_.c_str(), &file), 0);
  EXPECT_EQ(file.st_mode & 0777U, 0600U);
  std::string answer;
  Stream::Handler handler;
  handler.on_received = [&](Bytes octets) { answer += as_text(octets); };
  const auto stream = network_.connect_unix(path_, std::move(handler));
  stream->send(as_bytes("status"));
  EXPECT_TRUE(run_until(network_, [&] { return answer == "status"; }));
  listener->reset();
  EXPECT_FALSE(std::filesystem::exists(path_));
}

TEST_F(UnixSocketTest, FileOfADeadProcessIsReplacedThatOfALivingOneIsNot) {
  {
    auto dead = open_socket(AF_UNIX, SOCK_STREAM);
    const auto address = UnixAddress::of(path_);
    ASSERT_EQ(::bind(dead->get(), address->any(), UnixAddress::size()), 0);
  }
  ASSERT_TRUE(std::filesystem::exists(path_));
  auto listener = listen();
  ASSERT_TRUE(listener);
  const auto second = listen();
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, Errc::Exhausted);
}

TEST_F(UnixSocketTest, OtherFilesAreLeftAlone) {
  std::fclose(std::fopen(path_.c_str(), "w"));
  const auto refused = listen();
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Errc::BadValue);
  EXPECT_TRUE(std::filesystem::exists(path_));
  path_ = directory_ + "/" + std::string(200, 'x');
  EXPECT_EQ(listen().error().code, Errc::BadValue);
  path_ = directory_ + "/missing/admin.sock";
  EXPECT_EQ(listen().error().code, Errc::NotFound);
}

TEST_F(UnixSocketTest, FileThatAnotherHasPutThereStays) {
  auto listener = listen();
  ASSERT_TRUE(listener);
  std::filesystem::remove(path_);
  auto later = listen();
  ASSERT_TRUE(later);
  listener->reset();
  EXPECT_TRUE(std::filesystem::exists(path_));
}

TEST_F(UnixSocketTest, NobodyThereIsTold) {
  std::optional<Error> closed;
  Stream::Handler handler;
  handler.on_closed = [&](const Error& error) { closed = error; };
  const auto stream = network_.connect_unix(path_, std::move(handler));
  ASSERT_TRUE(run_until(network_, [&] { return closed.has_value(); }));
  EXPECT_EQ(closed->code, Errc::NotFound);
}

}  // namespace
}  // namespace sallyport::net
