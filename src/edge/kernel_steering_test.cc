#include "edge/kernel_steering.h"

#include <gtest/gtest.h>

#include "media/steering.h"

namespace sallyport::edge {
namespace {

// The kernel's choice, datagram by datagram, beside that of media::steered().
class KernelSteering : public ::testing::TestWithParam<std::tuple<const char*, unsigned>> {
 protected:
  void SetUp() override {
    ip_ = *IpAddress::parse(std::get<0>(GetParam()));
    cores_ = std::get<1>(GetParam());
    auto first = net::UdpBatch::open({.ip = ip_, .port = 0}, {.share_port = true});
    if (!first) GTEST_SKIP() << "this host has no such loopback";
    sockets_.push_back(std::move(*first));
    ASSERT_TRUE(steer_in_kernel(*sockets_.front(), cores_));
    while (sockets_.size() < cores_) {
      auto next = net::UdpBatch::open(sockets_.front()->local(), {.share_port = true});
      ASSERT_TRUE(next);
      sockets_.push_back(std::move(*next));
    }
  }
  // The number of the socket that gets it. Loopback delivers before sending returns.
  std::optional<std::size_t> gets(net::UdpBatch& from, const Buffer& datagram) {
    from.queue_copy(room_, sockets_.front()->local(), 0, datagram);
    room_.flush();
    std::optional<std::size_t> out;
    for (std::size_t i = 0; i < sockets_.size(); ++i)
      if (sockets_[i]->receive(room_, [](const TransportAddress&, MutableBytes, Ecn) {}) != 0)
        out = i;
    return out;
  }

  IpAddress ip_;
  unsigned cores_ = 0;
  std::vector<std::unique_ptr<net::UdpBatch>> sockets_;
  net::UdpRoom room_;
};

TEST_P(KernelSteering, IsWhatTheRelaysExpect) {
  std::vector<Buffer> datagrams;
  for (const int first : {0x04, 0x08, 0x0c, 0x0d, 0x0f, 0x0b, 0x10, 0x80, 0xff})
    for (const int second : {1, 2})
      for (const int channel : {0x00, 0x1f, 0x20, 0x45, 0x60, 0x9a, 0xbf, 0xc1, 0xff})
        datagrams.push_back({static_cast<std::uint8_t>(first), static_cast<std::uint8_t>(second),
                             static_cast<std::uint8_t>(channel), 7, 8, 9});
  for (int i = 0; i < 32; ++i) {
    const auto from = net::UdpBatch::open({.ip = ip_, .port = 0}, {});
    ASSERT_TRUE(from);
    for (const Buffer& datagram : datagrams)
      EXPECT_EQ(gets(**from, datagram), media::steered(datagram, (*from)->local(), cores_))
          << static_cast<int>(datagram[0]) << ' ' << static_cast<int>(datagram[2]);
  }
}

INSTANTIATE_TEST_SUITE_P(All, KernelSteering,
                         ::testing::Combine(::testing::Values("127.0.0.1", "::1"),
                                            ::testing::Values(1U, 2U, 3U, 8U)));

}  // namespace
}  // namespace sallyport::edge
