#include <memory>
#include <vector>

#include "net/socket.h"
#include "net/testing.h"

namespace sallyport::net {
namespace {

struct Got {
  TransportAddress remote;
  IpAddress local;
  std::string text;
};

class HostDatagramsTest : public ::testing::Test {
 protected:
  std::unique_ptr<DatagramSocket> open(HostNetwork& network, const TransportAddress& local,
                                       std::vector<Got>& into,
                                       const DatagramOptions& options = {}) {
    auto made = network.open_datagrams(
        local, options,
        [&into](const TransportAddress& remote, const IpAddress& to, Bytes datagram) {
          into.push_back({remote, to, std::string{as_text(datagram)}});
        });
    return made ? std::move(*made) : nullptr;
  }
  bool run(const std::function<bool()>& until) { return run_until(network_, until); }

  HostNetwork network_;
  std::vector<Got> here_;
  std::vector<Got> there_;
};

TEST_F(HostDatagramsTest, AnswerLeavesFromTheAddressThatWasAsked) {
  const auto phone = open(network_, kAnyPort, here_);
  const auto server = open(network_, {.ip = IpAddress::any_v4(), .port = 0}, there_);
  ASSERT_TRUE(phone && server);
  const IpAddress asked = IpAddress::v4({127, 0, 0, 5});
  phone->send({}, {.ip = asked, .port = server->local().port}, as_bytes("OPTIONS"));
  ASSERT_TRUE(run([&] { return !there_.empty(); }));
  EXPECT_EQ(there_[0].remote, phone->local());
  EXPECT_EQ(there_[0].local, asked);
  EXPECT_EQ(there_[0].text, "OPTIONS");
  server->send(there_[0].local, there_[0].remote, as_bytes("200"));
  ASSERT_TRUE(run([&] { return !here_.empty(); }));
  EXPECT_EQ(here_[0].remote, (TransportAddress{.ip = asked, .port = server->local().port}));
}

TEST_F(HostDatagramsTest, CarriesIpv6) {
  const auto phone = open(network_, *TransportAddress::parse("[::1]:0"), here_);
  if (!phone) GTEST_SKIP() << "this host has no IPv6";
  const auto server = open(network_, {.ip = IpAddress::any_v6(), .port = 0}, there_);
  ASSERT_TRUE(server);
  const IpAddress asked = *IpAddress::parse("::1");
  phone->send({}, {.ip = asked, .port = server->local().port}, as_bytes("six"));
  ASSERT_TRUE(run([&] { return !there_.empty(); }));
  EXPECT_EQ(there_[0].local, asked);
  EXPECT_EQ(there_[0].remote, phone->local());
  server->send(asked, there_[0].remote, as_bytes("back"));
  EXPECT_TRUE(run([&] { return !here_.empty() && here_[0].text == "back"; }));
}

TEST_F(HostDatagramsTest, BurstArrivesWholeAndInOrder) {
  const auto from = open(network_, kAnyPort, here_);
  const auto to = open(network_, kAnyPort, there_);
  for (int i = 0; i < 200; ++i) from->send({}, to->local(), as_bytes(std::to_string(i)));
  from->send({}, to->local(), {});  // an empty one is a datagram, too
  ASSERT_TRUE(run([&] { return there_.size() == 201; }));
  for (int i = 0; i < 200; ++i)
    EXPECT_EQ(there_[static_cast<std::size_t>(i)].text, std::to_string(i));
  EXPECT_TRUE(there_.back().text.empty());
}

TEST_F(HostDatagramsTest, TruncatedDatagramIsDropped) {
  HostNetworkOptions options;
  options.max_datagram = 100;
  HostNetwork narrow(options);
  const auto from = open(network_, kAnyPort, here_);
  const auto to = open(narrow, kAnyPort, there_);
  from->send({}, to->local(), as_bytes(std::string(101, 'x')));
  from->send({}, to->local(), as_bytes(std::string(100, 'y')));
  ASSERT_TRUE(run_until(narrow, [&] { return !there_.empty(); }));
  EXPECT_EQ(there_[0].text, std::string(100, 'y'));
  EXPECT_EQ(there_.size(), 1U);
}

TEST_F(HostDatagramsTest, LongestDatagramPasses) {
  const auto from = open(network_, kAnyPort, here_);
  const auto to = open(network_, kAnyPort, there_);
  const std::string longest(65507, 'z');
  from->send({}, to->local(), as_bytes(longest));
  ASSERT_TRUE(run([&] { return !there_.empty(); }));
  EXPECT_TRUE(there_[0].text == longest);
}

TEST_F(HostDatagramsTest, HandlerMayDestroyItsSocket) {
  const auto from = open(network_, kAnyPort, here_);
  std::unique_ptr<DatagramSocket> to;
  int calls = 0;
  auto made =
      network_.open_datagrams(kAnyPort, {}, [&](const TransportAddress&, const IpAddress&, Bytes) {
        ++calls;
        to.reset();
      });
  ASSERT_TRUE(made);
  to = std::move(*made);
  const TransportAddress address = to->local();
  for (int i = 0; i < 5; ++i) from->send({}, address, as_bytes("x"));
  ASSERT_TRUE(run([&] { return calls != 0; }));
  run_ready(network_);
  EXPECT_EQ(calls, 1);
}

TEST_F(HostDatagramsTest, PortInUseIsTold) {
  const auto first = open(network_, kAnyPort, here_);
  const auto second = network_.open_datagrams(first->local(), {}, {});
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, Errc::Exhausted);
  DatagramOptions options;
  options.multicast_groups = {IpAddress::v4({192, 0, 2, 1})};
  EXPECT_EQ(network_.open_datagrams(kAnyPort, options, {}).error().code, Errc::BadValue);
}

TEST_F(HostDatagramsTest, GroupIsHeardAndAnsweredFromOnesOwnAddress) {
  const bool entered = in_own_network([&] {
    ASSERT_EQ(std::system("ip link set lo multicast on && ip addr add 10.1.1.9/24 dev lo && "
                          "ip route add 224.0.0.0/4 dev lo src 10.1.1.9"),
              0);
    HostNetwork network;
    const IpAddress group = IpAddress::v4({224, 0, 1, 41});
    DatagramOptions options;
    options.multicast_groups = {group};
    const auto gatekeeper =
        open(network, {.ip = IpAddress::any_v4(), .port = 1718}, there_, options);
    const auto deaf = open(network, {.ip = IpAddress::any_v4(), .port = 1719}, there_);
    const auto terminal = open(network, {.ip = IpAddress::any_v4(), .port = 0}, here_);
    ASSERT_TRUE(gatekeeper && deaf && terminal);
    terminal->send({}, {.ip = group, .port = 1719}, as_bytes("nobody"));
    terminal->send({}, {.ip = group, .port = 1718}, as_bytes("GRQ"));
    ASSERT_TRUE(run_until(network, [&] { return !there_.empty(); }));
    EXPECT_EQ(there_[0].text, "GRQ");
    EXPECT_FALSE(there_[0].local.is_multicast());
    gatekeeper->send(there_[0].local, there_[0].remote, as_bytes("GCF"));
    EXPECT_TRUE(run_until(network, [&] { return !here_.empty(); }));

    there_.clear();
    options.multicast_interfaces = {IpAddress::v4({10, 1, 1, 9})};
    const auto by_interface = open(network, {.ip = group, .port = 1721}, there_, options);
    ASSERT_TRUE(by_interface);
    terminal->send({}, {.ip = group, .port = 1721}, as_bytes("GRQ"));
    EXPECT_TRUE(run_until(network, [&] { return !there_.empty(); }));
    options.multicast_interfaces = {IpAddress::v4({192, 0, 2, 1})};
    EXPECT_FALSE(network.open_datagrams({.ip = group, .port = 1722}, options, {}));
  });
  if (!entered) GTEST_SKIP() << "needs the right to make a network namespace, and ip(8)";
}

}  // namespace
}  // namespace sallyport::net
