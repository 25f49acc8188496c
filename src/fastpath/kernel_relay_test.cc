// The kernel's part itself, in network namespaces made for it: near -- relay -- far, two veth
// pairs. Takes root and a kernel that permits BPF; skipped where it is not to be had.
#include "fastpath/kernel_relay.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <thread>

#include "net/socket.h"

namespace sallyport::fastpath {
namespace {

using media::FastCount;

TransportAddress at(const std::string& text) { return *TransportAddress::parse(text); }

net::Fd this_namespace() {
  return net::Fd{::open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC)};
}

class Namespace {
 public:
  Namespace() {
    const net::Fd home = this_namespace();
    made_ = ::unshare(CLONE_NEWNET) == 0;
    if (!made_) return;
    fd_ = this_namespace();
    ::setns(home.get(), CLONE_NEWNET);
    run("ip link set lo up");
  }
  bool made() const { return made_; }
  std::string path() const {
    return "/proc/" + std::to_string(::getpid()) + "/fd/" + std::to_string(fd_.get());
  }
  template <typename Work>
  auto inside(Work work) const {
    const net::Fd home = this_namespace();
    EXPECT_EQ(::setns(fd_.get(), CLONE_NEWNET), 0);
    auto out = work();
    EXPECT_EQ(::setns(home.get(), CLONE_NEWNET), 0);
    return out;
  }
  void run(const std::string& command) const {
    EXPECT_EQ(inside([&] { return std::system(command.c_str()); }), 0) << command;
  }

 private:
  bool made_ = false;
  net::Fd fd_;
};

struct Arrived {
  Buffer payload;
  TransportAddress source;
  int ttl = 0;
  int traffic_class = 0;  // DSCP and ECN
};

// A UDP socket in a namespace.
class Socket {
 public:
  Socket(const Namespace& where, const TransportAddress& local) : address(local) {
    socket_ = where.inside([&] { return *net::open_socket(net::family_of(local.ip), SOCK_DGRAM); });
    EXPECT_TRUE(net::bind_socket(socket_, local)) << local.to_string();
    address = net::local_address(socket_);
    const bool v4 = local.ip.is_v4();
    set(v4 ? IPPROTO_IP : IPPROTO_IPV6, v4 ? IP_RECVTTL : IPV6_RECVHOPLIMIT, 1);
    set(v4 ? IPPROTO_IP : IPPROTO_IPV6, v4 ? IP_RECVTOS : IPV6_RECVTCLASS, 1);
  }
  TransportAddress address;

  void set(int level, int name, int value) {
    EXPECT_EQ(::setsockopt(socket_.get(), level, name, &value, sizeof value), 0);
  }
  void set_octets(int level, int name, const Buffer& value) {
    EXPECT_EQ(::setsockopt(socket_.get(), level, name, value.data(),
                           static_cast<socklen_t>(value.size())),
              0);
  }
  void send(const TransportAddress& to, const Buffer& payload) {
    const net::SocketAddress target{to};
    EXPECT_EQ(::sendto(socket_.get(), payload.data(), payload.size(), 0, &target.any, target.size),
              static_cast<ssize_t>(payload.size()));
  }
  std::optional<Arrived> receive(milliseconds patience = seconds{5}) {
    pollfd readable{socket_.get(), POLLIN, 0};
    if (::poll(&readable, 1, static_cast<int>(patience.count())) != 1) return std::nullopt;
    Arrived out;
    out.payload.resize(65536);
    net::SocketAddress from;
    iovec octets{out.payload.data(), out.payload.size()};
    alignas(cmsghdr) std::array<char, 256> control{};
    msghdr message{};
    message.msg_name = &from.any;
    message.msg_namelen = sizeof from.v6;
    message.msg_iov = &octets;
    message.msg_iovlen = 1;
    message.msg_control = control.data();
    message.msg_controllen = control.size();
    const ssize_t n = ::recvmsg(socket_.get(), &message, 0);
    if (n < 0) return std::nullopt;
    out.payload.resize(static_cast<std::size_t>(n));
    out.source = net::to_transport_address(&from.any);
    for (cmsghdr* it = CMSG_FIRSTHDR(&message); it != nullptr; it = CMSG_NXTHDR(&message, it)) {
      int value = 0;
      std::memcpy(&value, CMSG_DATA(it),
                  std::min<std::size_t>(sizeof value, it->cmsg_len - CMSG_LEN(0)));
      const bool ttl = (it->cmsg_level == IPPROTO_IP && it->cmsg_type == IP_TTL) ||
                       (it->cmsg_level == IPPROTO_IPV6 && it->cmsg_type == IPV6_HOPLIMIT);
      (ttl ? out.ttl : out.traffic_class) = value;
    }
    return out;
  }

 private:
  net::Fd socket_;
};

Buffer rtp(std::size_t octets = 172) {
  Buffer out(octets, 0x55);
  out[0] = 0x80;
  return out;
}

struct Variant {
  bool v4;
  bool tcx;
};

class KernelRelayTest : public testing::TestWithParam<Variant> {
 protected:
  void SetUp() override {
    if (!near_.made() || !relay_.made() || !far_.made())
      GTEST_SKIP() << "network namespaces are not permitted here";
    join(near_, "1");
    join(far_, "2");
    open();
    if (!kernel_) GTEST_SKIP() << "BPF is not to be had here: " << why_;
    kernel_->beat(Clock::now());
    left_.emplace(relay_, at(left_address()));
    right_.emplace(relay_, at(GetParam().v4 ? "198.51.2.1:30000" : "[2001:db8:2::1]:30000"));
    caller_.emplace(near_, at(GetParam().v4 ? "198.51.1.2:4000" : "[2001:db8:1::2]:4000"));
    callee_.emplace(far_, at(GetParam().v4 ? "198.51.2.2:5000" : "[2001:db8:2::2]:5000"));
  }

  static std::string left_address() {
    return GetParam().v4 ? "198.51.1.1:2776" : "[2001:db8:1::1]:2776";
  }
  // A veth pair between that namespace and the relay's. Checksums are not left to the device, so
  // that receivers verify what the program has made of them.
  void join(const Namespace& side, const std::string& number) {
    relay_.run("ip link add side" + number + " type veth peer relay netns " + side.path());
    const auto up = [&](const Namespace& where, const std::string& device,
                        const std::string& last) {
      where.run("ip address add 198.51." + number + "." + last + "/24 dev " + device);
      where.run("ip address add 2001:db8:" + number + "::" + last + "/64 nodad dev " + device);
      where.run("ip link set " + device + " up");
      EXPECT_EQ(where.inside([&] { return checksums_in_software(device); }), 0);
    };
    up(relay_, "side" + number, "1");
    up(side, "relay", "2");
  }
  static int checksums_in_software(const std::string& device) { return checksums(device, 0); }
  static int checksums(const std::string& device, unsigned left_to_the_device) {
    const net::Fd socket{::socket(AF_INET, SOCK_DGRAM, 0)};
    ethtool_value off{.cmd = ETHTOOL_STXCSUM, .data = left_to_the_device};
    ifreq request{};
    device.copy(request.ifr_name, IFNAMSIZ - 1);
    request.ifr_data = reinterpret_cast<char*>(&off);
    return ::ioctl(socket.get(), SIOCETHTOOL, &request);
  }
  void TearDown() override { close(); }
  // Where its interfaces are.
  void close() {
    relay_.inside([&] {
      kernel_.reset();
      return true;
    });
  }
  void open() {
    close();
    kernel_ = relay_.inside([&]() -> std::unique_ptr<KernelRelay> {
      auto opened = KernelRelay::open({.places = 8, .tcx = GetParam().tcx});
      if (opened) return std::move(*opened);
      why_ = opened.error().what;
      return nullptr;
    });
  }
  bool offload(KernelRelay::Place place, const KernelRule& rule) {
    return relay_.inside([&] { return kernel_->offload(place, rule); });
  }
  KernelRule there() const {
    return {.local = left_->address,
            .source = caller_->address,
            .from = right_->address,
            .target = callee_->address,
            .dscp = 46};
  }
  KernelRule back() const {
    return {.local = right_->address,
            .source = callee_->address,
            .from = left_->address,
            .target = caller_->address,
            .dscp = 46};
  }
  void expect_left_alone(const Buffer& payload = rtp()) {
    const std::uint64_t before = kernel_->read(0).packets;
    caller_->send(left_->address, payload);
    const auto arrived = left_->receive();
    ASSERT_TRUE(arrived) << "it arrived nowhere";
    EXPECT_EQ(arrived->payload, payload);
    EXPECT_EQ(kernel_->read(0).packets, before);
  }
  std::string filters() const {
    return relay_.inside([] {
      std::string out;
      FILE* const pipe = ::popen("tc filter show dev side1 ingress", "r");
      for (int c = std::fgetc(pipe); c != EOF; c = std::fgetc(pipe)) out += static_cast<char>(c);
      ::pclose(pipe);
      return out;
    });
  }

  Namespace near_, relay_, far_;
  std::string why_;
  std::unique_ptr<KernelRelay> kernel_;
  std::optional<Socket> left_, right_, caller_, callee_;
};

TEST_P(KernelRelayTest, RelaysBothWaysBetweenTwoInterfaces) {
  ASSERT_TRUE(offload(0, there()));
  ASSERT_TRUE(offload(1, back()));
  caller_->send(left_->address, rtp());
  const auto heard = callee_->receive();
  ASSERT_TRUE(heard);
  EXPECT_EQ(heard->payload, rtp());
  EXPECT_EQ(heard->source, right_->address);
  callee_->send(right_->address, rtp(60));
  const auto answer = caller_->receive();
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->payload, rtp(60));
  EXPECT_EQ(answer->source, left_->address);
  EXPECT_FALSE(left_->receive(milliseconds{0})) << "and user space does not see it";
  EXPECT_FALSE(right_->receive(milliseconds{0}));
}

TEST_P(KernelRelayTest, CountsWhatItRelays) {
  ASSERT_TRUE(offload(0, there()));
  const TimePoint before = Clock::now();
  for (int i = 0; i < 10; ++i) caller_->send(left_->address, rtp());
  for (int i = 0; i < 10; ++i) ASSERT_TRUE(callee_->receive());
  const FastCount count = kernel_->read(0);
  EXPECT_EQ(count.packets, 10U);
  EXPECT_EQ(count.octets, 1720U);
  EXPECT_GE(count.last, before - milliseconds{20}) << "its clock is a few milliseconds coarse";
  EXPECT_LE(count.last, Clock::now());
  EXPECT_EQ(kernel_->read(1).packets, 0U);
}

// Numbers that came, and one that came twice.
TEST_P(KernelRelayTest, FollowsTheRtpStreamThatItRelays) {
  KernelRule rule = there();
  rule.clock = {.tick = 125000 * 256, .payload_type = 0};  // 8000 Hz
  ASSERT_TRUE(offload(0, rule));
  const auto say = [&](unsigned number) {
    Buffer packet = rtp();
    packet[1] = 0;
    packet[2] = static_cast<std::uint8_t>(number >> 8U);
    packet[3] = static_cast<std::uint8_t>(number);
    packet[5] = packet[4] = 0;
    packet[6] = static_cast<std::uint8_t>(number * 160 >> 8U);
    packet[7] = static_cast<std::uint8_t>(number * 160);
    caller_->send(left_->address, packet);
    const auto heard = callee_->receive();
    ASSERT_TRUE(heard);
    EXPECT_EQ(heard->payload, packet);
  };
  for (const unsigned number : {10U, 11U, 12U, 15U, 14U, 16U, 16U, 20U}) say(number);
  const FastCount count = kernel_->read(0);
  EXPECT_EQ(count.packets, 8U);
  const sallyport_rtp_totals& totals = count.stream.totals;
  EXPECT_EQ(totals.packets, 8U);
  EXPECT_EQ(totals.lost, 4) << "13, 17, 18 and 19";
  EXPECT_EQ(totals.reordered, 1U) << "14";
  EXPECT_EQ(totals.duplicates, 1U) << "16";
  EXPECT_EQ(totals.ssrc_changes, 0U);
  // All at once what was spoken in 200 ms: each is up to 80 ms early.
  const auto jitter = std::chrono::nanoseconds{std::uint64_t{count.stream.jitter} * 64};
  EXPECT_GT(jitter, milliseconds{1});
  EXPECT_LT(jitter, milliseconds{80});

  kernel_->unload(0);
  ASSERT_TRUE(offload(0, there()));
  say(1000);
  const FastCount after = kernel_->read(0);
  EXPECT_EQ(after.stream.totals.lost, 4) << "another stream begins anew, on the same sums";
  EXPECT_EQ(after.stream.totals.packets, 9U);
  EXPECT_EQ(after.stream.jitter, 0U);
}

Buffer tagged(media::Channel channel, const Buffer& packet) {
  Buffer out;
  Writer{out}.u8(4).u8(2).u16(channel).bytes(packet);
  return out;
}

TEST_P(KernelRelayTest, PutsTheHeaderOfAChannelOnAndOff) {
  struct Case {
    media::Channel in, out;
  };
  constexpr std::array kCases{Case{0, 0x1234}, Case{0xabcd, 0}, Case{0xabcd, 0x1234}};
  for (const unsigned left_to_the_device : {0U, 1U}) {
    EXPECT_EQ(near_.inside([&] { return checksums("relay", left_to_the_device); }), 0);
    for (const Case& each : kCases) {
      KernelRule rule = there();
      rule.in_channel = each.in;
      rule.out_channel = each.out;
      rule.longest = 1196;
      ASSERT_TRUE(offload(0, rule));
      for (const std::size_t size : {1U, 2U, 3U, 12U, 171U, 172U, 1195U, 1196U}) {
        Buffer packet = rtp(size);
        for (std::size_t i = 1; i < size; ++i) packet[i] = static_cast<std::uint8_t>(i * 7 + size);
        const std::uint64_t before = kernel_->read(0).octets;
        caller_->send(left_->address, each.in == 0 ? packet : tagged(each.in, packet));
        const auto heard = callee_->receive();
        ASSERT_TRUE(heard) << size << " octets, " << each.in << " to " << each.out;
        EXPECT_EQ(heard->payload, each.out == 0 ? packet : tagged(each.out, packet));
        EXPECT_EQ(kernel_->read(0).octets, before + size);
      }
      const Buffer longer = rtp(1197);
      expect_left_alone(each.in == 0 ? longer : tagged(each.in, longer));
      kernel_->unload(0);
    }
  }
}

TEST_P(KernelRelayTest, LeavesEverythingElseOfATrunkToUserSpace) {
  KernelRule rule = there();
  rule.in_channel = 0xabcd;
  ASSERT_TRUE(offload(0, rule));
  expect_left_alone(rtp());                  // a bound flow's
  expect_left_alone(tagged(0xabce, rtp()));  // another channel's
  expect_left_alone(tagged(0, rtp()));       // records
  expect_left_alone(tagged(0xabcd, {}));
  expect_left_alone(tagged(0xabcd, Buffer(20, 8)));  // would be escaped on a bound flow
  Buffer escaped = tagged(0xabcd, rtp());
  escaped[1] = 1;
  expect_left_alone(escaped);
  Buffer sealed = tagged(0xabcd, rtp());
  sealed[0] = 12;
  expect_left_alone(sealed);
  Socket stranger{near_, {caller_->address.ip, 4001}};
  stranger.send(left_->address, tagged(0xabcd, rtp()));
  const auto arrived = left_->receive();
  ASSERT_TRUE(arrived) << "of somewhere else";
  EXPECT_EQ(arrived->source, stranger.address);
  caller_->send(left_->address, tagged(0xabcd, rtp()));
  EXPECT_TRUE(callee_->receive());
}

TEST_P(KernelRelayTest, SetsDscpKeepsEcnAndTakesOneFromTtl) {
  ASSERT_TRUE(offload(0, there()));
  const bool v4 = GetParam().v4;
  caller_->set(v4 ? IPPROTO_IP : IPPROTO_IPV6, v4 ? IP_TTL : IPV6_UNICAST_HOPS, 33);
  caller_->set(v4 ? IPPROTO_IP : IPPROTO_IPV6, v4 ? IP_TOS : IPV6_TCLASS, 10 << 2 | 2);
  caller_->send(left_->address, rtp());
  const auto heard = callee_->receive();
  ASSERT_TRUE(heard);
  EXPECT_EQ(heard->ttl, 32);
  EXPECT_EQ(heard->traffic_class, 46 << 2 | 2);
}

TEST_P(KernelRelayTest, FindsTheLocalAddressWhereASocketHasNone) {
  KernelRule rule = there();
  rule.local.ip = GetParam().v4 ? IpAddress::any_v4() : IpAddress::any_v6();
  rule.from.ip = rule.local.ip;
  ASSERT_TRUE(offload(0, rule));
  caller_->send(left_->address, rtp());
  const auto heard = callee_->receive();
  ASSERT_TRUE(heard);
  EXPECT_EQ(heard->source, right_->address);
}

TEST_P(KernelRelayTest, LeavesWhatIsUnusualToUserSpace) {
  ASSERT_TRUE(offload(0, there()));
  for (std::uint8_t first = 4; first <= 15; ++first) {
    Buffer ours = rtp();
    ours[0] = first;
    expect_left_alone(ours);
  }
  expect_left_alone({});         // no payload
  expect_left_alone(rtp(3000));  // in fragments
  const bool v4 = GetParam().v4;
  caller_->set(v4 ? IPPROTO_IP : IPPROTO_IPV6, v4 ? IP_TTL : IPV6_UNICAST_HOPS, 1);
  expect_left_alone();
  caller_->set(v4 ? IPPROTO_IP : IPPROTO_IPV6, v4 ? IP_TTL : IPV6_UNICAST_HOPS, 64);
  if (v4) {
    caller_->set(SOL_SOCKET, SO_NO_CHECK, 1);  // no UDP checksum
    expect_left_alone();
    caller_->set(SOL_SOCKET, SO_NO_CHECK, 0);
    caller_->set_octets(IPPROTO_IP, IP_OPTIONS, {1, 1, 1, 0});  // three times nothing, and the end
    expect_left_alone();
    caller_->set_octets(IPPROTO_IP, IP_OPTIONS, {});
  }
  caller_->send(left_->address, rtp());
  EXPECT_TRUE(callee_->receive()) << "the usual packet is relayed";
}

TEST_P(KernelRelayTest, LeavesOtherSourcesAndOtherPortsToUserSpace) {
  ASSERT_TRUE(offload(0, there()));
  Socket stranger{near_, {caller_->address.ip, 4001}};
  stranger.send(left_->address, rtp());
  const auto arrived = left_->receive();
  ASSERT_TRUE(arrived);
  EXPECT_EQ(arrived->source, stranger.address);
  Socket other{relay_, {left_->address.ip, 2777}};
  caller_->send(other.address, rtp());
  EXPECT_TRUE(other.receive());
  EXPECT_FALSE(callee_->receive(milliseconds{0}));
}

TEST_P(KernelRelayTest, LeavesWhatIsTooLongForTheNextLinkToUserSpace) {
  relay_.run("ip link set side2 mtu 1300");
  ASSERT_TRUE(offload(0, there()));
  expect_left_alone(rtp(1300));
  caller_->send(left_->address, rtp(1200));
  EXPECT_TRUE(callee_->receive());
}

TEST_P(KernelRelayTest, RelaysNoMoreOnceItIsUnloaded) {
  ASSERT_TRUE(offload(0, there()));
  caller_->send(left_->address, rtp());
  ASSERT_TRUE(callee_->receive());
  kernel_->unload(0);
  expect_left_alone();
  EXPECT_EQ(kernel_->read(0).packets, 1U) << "what it counted stays";
  ASSERT_TRUE(offload(0, there())) << "and the place is free";
}

TEST_P(KernelRelayTest, DeclinesWhatLeadsNowhereOrToThisHost) {
  KernelRule rule = there();
  rule.target = right_->address;
  EXPECT_FALSE(offload(0, rule)) << "its own address";
  rule.target = GetParam().v4 ? at("127.0.0.1:9") : at("[::1]:9");
  EXPECT_FALSE(offload(0, rule)) << "loopback";
  rule.target = GetParam().v4 ? at("203.0.113.1:9") : at("[2001:db8:ffff::1]:9");
  EXPECT_FALSE(offload(0, rule)) << "no route";
  rule.target = GetParam().v4 ? at("[2001:db8:2::2]:5000") : at("198.51.2.2:5000");
  EXPECT_FALSE(offload(0, rule)) << "the other family";
  rule.target = {};
  EXPECT_FALSE(offload(0, rule));
  expect_left_alone();
}

TEST_P(KernelRelayTest, RelaysNothingWhenUserSpaceHasNotShownThatItLives) {
  ASSERT_TRUE(offload(0, there()));
  kernel_->beat(Clock::now() - seconds{2});
  expect_left_alone();
  kernel_->beat(Clock::now());
  caller_->send(left_->address, rtp());
  EXPECT_TRUE(callee_->receive()) << "and goes on when it does";
}

// The process that holds everything is killed: the relay's socket, here, hears what comes then.
TEST_P(KernelRelayTest, RelaysNothingTwoSecondsAfterAKillAndTheNextOneCleansUp) {
  close();
  std::array<int, 2> ready{};
  ASSERT_EQ(::pipe(ready.data()), 0);
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    open();
    kernel_->beat(Clock::now());
    const char done = kernel_ && offload(0, there()) ? 'y' : 'n';
    static_cast<void>(::write(ready[1], &done, 1));
    for (;;) ::pause();
  }
  char done = 0;
  ASSERT_EQ(::read(ready[0], &done, 1), 1);
  ASSERT_EQ(done, 'y');
  caller_->send(left_->address, rtp());
  EXPECT_TRUE(callee_->receive()) << "it works";
  const TimePoint killed = Clock::now();
  ASSERT_EQ(::kill(child, SIGKILL), 0);
  ASSERT_EQ(::waitpid(child, nullptr, 0), child);
  if (!GetParam().tcx) {
    EXPECT_THAT(filters(), testing::HasSubstr("sallyport_relay"));
  }
  std::this_thread::sleep_until(killed + seconds{2});
  caller_->send(left_->address, rtp());
  EXPECT_TRUE(left_->receive());
  open();
  ASSERT_TRUE(kernel_) << why_;
  EXPECT_THAT(filters(), testing::Not(testing::HasSubstr("sallyport_relay")));
  ::close(ready[0]);
  ::close(ready[1]);
}

TEST_P(KernelRelayTest, LeavesTheInterfaceAsItWas) {
  ASSERT_TRUE(offload(0, there()));
  close();
  EXPECT_THAT(filters(), testing::Not(testing::HasSubstr("sallyport_relay")));
  caller_->send(left_->address, rtp());
  EXPECT_TRUE(left_->receive());
}

// How it is attached and what it relays have nothing to do with each other: two pairs are enough.
INSTANTIATE_TEST_SUITE_P(Kernel, KernelRelayTest,
                         testing::Values(Variant{.v4 = true, .tcx = true},
                                         Variant{.v4 = false, .tcx = false}),
                         [](const auto& one) {
                           return std::string{one.param.v4 ? "Ipv4Tcx" : "Ipv6Clsact"};
                         });

}  // namespace
}  // namespace sallyport::fastpath
