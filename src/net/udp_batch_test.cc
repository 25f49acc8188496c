#include "net/udp_batch.h"

#include <gtest/gtest.h>
#include <poll.h>

#include <string>
#include <vector>

namespace sallyport::net {
namespace {

const TransportAddress kLoopback{.ip = IpAddress::v4({127, 0, 0, 1}), .port = 0};

void wait_readable(const UdpBatch& socket) {
  pollfd ready{.fd = socket.native(), .events = POLLIN, .revents = 0};
  ASSERT_EQ(::poll(&ready, 1, 10'000), 1);
}

std::unique_ptr<UdpBatch> open(const TransportAddress& local, const UdpOptions& options = {}) {
  auto made = UdpBatch::open(local, options);
  EXPECT_TRUE(made);
  return made ? std::move(*made) : nullptr;
}

class UdpBatchTest : public ::testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    const TransportAddress local{.ip = *IpAddress::parse(GetParam()), .port = 0};
    auto made = UdpBatch::open(local, {});
    if (!made) GTEST_SKIP() << "this host has no such loopback";
    a_ = std::move(*made);
    b_ = open(local);
  }
  std::vector<std::string> receive(UdpBatch& socket, std::size_t many) {
    std::vector<std::string> out;
    while (out.size() < many && !HasFatalFailure()) {
      wait_readable(socket);
      socket.receive(room_, [&](const TransportAddress& source, MutableBytes datagram, Ecn) {
        source_ = source;
        out.emplace_back(as_text(datagram));
      });
    }
    return out;
  }

  UdpRoom room_;
  std::unique_ptr<UdpBatch> a_;
  std::unique_ptr<UdpBatch> b_;
  TransportAddress source_;
};

TEST_P(UdpBatchTest, CarriesABatchInOrder) {
  std::vector<std::string> sent;
  sent.reserve(150);
  for (int i = 0; i < 150; ++i) sent.push_back("packet " + std::to_string(i));
  for (const std::string& one : sent) a_->queue(room_, b_->local(), 0, as_bytes(one));
  EXPECT_EQ(room_.flush(), 0U);
  EXPECT_EQ(receive(*b_, sent.size()), sent);
  EXPECT_EQ(source_, a_->local());
  EXPECT_EQ(room_.counts().sent, 150U);
  EXPECT_EQ(room_.counts().received, 150U);
}

TEST_P(UdpBatchTest, RelaysFromWhereADatagramLies) {
  const auto far = open({.ip = a_->local().ip, .port = 0});
  for (int i = 0; i < 100; ++i) {
    const std::string one = "media " + std::to_string(i);
    far->queue_copy(room_, a_->local(), 46, as_bytes(one));
  }
  room_.flush();
  std::size_t relayed = 0;
  while (relayed < 100) {
    wait_readable(*a_);
    relayed += a_->receive(room_, [&](const TransportAddress&, MutableBytes datagram, Ecn) {
      // A header of four octets goes before it, in the headroom.
      const MutableBytes longer{datagram.data() - 4, datagram.size() + 4};
      std::fill_n(longer.begin(), 4, std::uint8_t{'#'});
      b_->queue(room_, far->local(), 0, longer);
    });
  }
  room_.flush();
  const auto received = receive(*far, 100);
  EXPECT_EQ(received.front(), "####media 0");
  EXPECT_EQ(received.back(), "####media 99");
  EXPECT_EQ(source_, b_->local());
}

TEST_P(UdpBatchTest, MoreThanTheRoomHoldsIsFlushedOnTheWay) {
  UdpRoomOptions small;
  small.sends = 4;
  small.slots = 8;
  UdpRoom room(small);
  for (int i = 0; i < 40; ++i) a_->queue_copy(room, b_->local(), 0, as_bytes(std::to_string(i)));
  room.flush();
  EXPECT_EQ(room.counts().sent, 40U);
  // Each is answered from where it lies, which has to flush within a batch and between batches.
  std::size_t received = 0;
  while (received < 40) {
    wait_readable(*b_);
    received += b_->receive(room, [&](const TransportAddress& source, MutableBytes datagram, Ecn) {
      b_->queue(room, source, 0, datagram);
    });
  }
  room.flush();
  const auto back = receive(*a_, 40);
  for (int i = 0; i < 40; ++i) EXPECT_EQ(back.at(static_cast<std::size_t>(i)), std::to_string(i));
}

TEST_P(UdpBatchTest, SetsTheClassOfEachDatagram) {
  const bool v4 = a_->local().ip.is_v4();
  const int on = 1;
  if (v4)
    ::setsockopt(b_->native(), IPPROTO_IP, IP_RECVTOS, &on, sizeof on);
  else
    ::setsockopt(b_->native(), IPPROTO_IPV6, IPV6_RECVTCLASS, &on, sizeof on);
  UdpOptions options;
  options.dscp = 34;
  const auto sender = open({.ip = a_->local().ip, .port = 0}, options);
  for (const int dscp : {46, 34, 0})
    sender->queue(room_, b_->local(), static_cast<std::uint8_t>(dscp), as_bytes("x"));
  room_.flush();
  for (const int dscp : {46, 34, 0}) {
    wait_readable(*b_);
    char octet = 0;
    iovec vector{&octet, 1};
    alignas(cmsghdr) std::array<char, 64> control{};
    msghdr message{};
    message.msg_iov = &vector;
    message.msg_iovlen = 1;
    message.msg_control = control.data();
    message.msg_controllen = control.size();
    ASSERT_EQ(::recvmsg(b_->native(), &message, 0), 1);
    const cmsghdr* header = CMSG_FIRSTHDR(&message);
    ASSERT_NE(header, nullptr);
    EXPECT_EQ(*CMSG_DATA(header) >> 2, dscp);
  }
}

TEST_P(UdpBatchTest, TellsTheEcnOfEachDatagram) {
  constexpr std::array kEach{Ecn::Capable0, Ecn::NotCapable, Ecn::Congested, Ecn::Capable1};
  UdpOptions grouped;
  grouped.many_from_one = true;
  const auto trains = open({.ip = a_->local().ip, .port = 0}, grouped);
  for (UdpBatch* const to : {b_.get(), trains.get()}) {
    // Of one size, several of each class one after another: the kernel may put those together.
    std::vector<Ecn> sent;
    for (const Ecn ecn : kEach)
      for (int i = 0; i < 3; ++i) {
        a_->queue(room_, to->local(), {46, ecn}, as_bytes("a packet"));
        sent.push_back(ecn);
      }
    room_.flush();
    std::vector<Ecn> told;
    while (told.size() < sent.size()) {
      wait_readable(*to);
      to->receive(room_,
                  [&](const TransportAddress&, MutableBytes, Ecn ecn) { told.push_back(ecn); });
    }
    EXPECT_EQ(told, sent);
  }
}

TEST_P(UdpBatchTest, OneThatCannotBeSentDoesNotStopTheOthers) {
  const std::string huge(65'530, 'x');  // longer than a datagram can be
  a_->queue(room_, b_->local(), 0, as_bytes("first"));
  a_->queue(room_, b_->local(), 0, as_bytes(huge));
  a_->queue(room_, b_->local(), 0, as_bytes("second"));
  const TransportAddress other_family{
      .ip = a_->local().ip.is_v4() ? *IpAddress::parse("::1") : IpAddress::v4({127, 0, 0, 1}),
      .port = 9};
  a_->queue(room_, other_family, 0, as_bytes("cannot go there"));
  a_->queue(room_, b_->local(), 0, as_bytes("third"));
  EXPECT_EQ(room_.flush(), 1U);
  EXPECT_EQ(receive(*b_, 3), (std::vector<std::string>{"first", "second", "third"}));
  EXPECT_EQ(room_.counts().too_long_out, 1U);
  EXPECT_EQ(room_.counts().refused, 1U);
}

TEST_P(UdpBatchTest, CutDatagramIsDropped) {
  const std::string longer(2041, 'x');
  const std::string fits(2040, 'y');
  a_->queue(room_, b_->local(), 0, as_bytes(longer));
  a_->queue(room_, b_->local(), 0, as_bytes(fits));
  room_.flush();
  EXPECT_EQ(receive(*b_, 1), std::vector<std::string>{fits});
  EXPECT_EQ(room_.counts().too_long_in, 1U);
}

// Of one size and to one place: the kernel cuts them from one, and puts them together where asked.
TEST_P(UdpBatchTest, ATrainOfDatagramsArrivesAsItWasSent) {
  UdpOptions options;
  options.many_from_one = true;
  const auto whole = open({.ip = a_->local().ip, .port = 0}, options);
  std::vector<std::string> sent;
  for (int i = 0; i < 200; ++i) sent.push_back("packet " + std::to_string(1000 + i));
  sent.emplace_back("short");  // ends a train
  sent.emplace_back("one that is longer");
  sent.emplace_back("packet");
  for (const auto* to : {b_.get(), whole.get()}) {
    const UdpCounts before = room_.counts();
    for (const std::string& one : sent) a_->queue(room_, to->local(), 46, as_bytes(one));
    EXPECT_EQ(room_.flush(), 0U);
    EXPECT_EQ(room_.counts().sent - before.sent, sent.size());
    EXPECT_GE(room_.counts().segmented - before.segmented, 200U);
    EXPECT_EQ(receive(to == whole.get() ? *whole : *b_, sent.size()), sent);
    EXPECT_EQ(source_, a_->local());
    EXPECT_EQ(room_.counts().received - before.received, sent.size());
  }
  EXPECT_GE(room_.counts().put_together, 200U);
}

TEST_P(UdpBatchTest, ATrainHasOneDestinationAndOneClass) {
  const auto c = open({.ip = a_->local().ip, .port = 0});
  for (int i = 0; i < 10; ++i) {
    a_->queue(room_, (i % 2 == 0 ? *b_ : *c).local(), 0, as_bytes("to two"));
    b_->queue(room_, a_->local(), static_cast<std::uint8_t>(i % 2), as_bytes("two classes"));
  }
  room_.flush();
  EXPECT_EQ(room_.counts().segmented, 0U);
  EXPECT_EQ(room_.counts().sent, 20U);
  EXPECT_EQ(receive(*b_, 5).size(), 5U);
  EXPECT_EQ(receive(*c, 5).size(), 5U);
  EXPECT_EQ(receive(*a_, 10).size(), 10U);
}

TEST_P(UdpBatchTest, WhatIsPutTogetherIsRelayedFromItsPlaceWithItsHeadroom) {
  UdpOptions options;
  options.many_from_one = true;
  const auto relay = open({.ip = a_->local().ip, .port = 0}, options);
  UdpRoomOptions small;  // fewer slots than datagrams in a train
  small.slots = 16;
  UdpRoom room(small);
  constexpr std::size_t kMany = 100;
  for (std::size_t i = 0; i < kMany; ++i)
    a_->queue_copy(room_, relay->local(), 0, as_bytes("media " + std::to_string(100 + i)));
  room_.flush();
  for (std::size_t n = 0; n < kMany;) {
    wait_readable(*relay);
    n += relay->receive(room, [&](const TransportAddress&, MutableBytes datagram, Ecn) {
      const MutableBytes longer{datagram.data() - 4, datagram.size() + 4};
      std::fill_n(longer.begin(), 4, std::uint8_t{'#'});
      relay->queue(room, b_->local(), 0, longer);
    });
  }
  room.flush();
  const auto received = receive(*b_, kMany);
  for (std::size_t i = 0; i < kMany; ++i)
    EXPECT_EQ(received.at(i), "####media " + std::to_string(100 + i));
}

// An interface that takes less than the train's datagrams: they fail one by one, and others do not.
TEST_P(UdpBatchTest, ATrainThatCannotGoIsTriedSingly) {
  const std::string huge(65'530, 'x');
  const std::string half(40'000, 'y');  // two of them are more than a message may carry
  for (const auto* one : {&huge, &huge, &half, &half})
    a_->queue(room_, b_->local(), 0, as_bytes(*one));
  a_->queue(room_, b_->local(), 0, as_bytes("after"));
  EXPECT_EQ(room_.flush(), 2U);
  EXPECT_EQ(room_.counts().too_long_out, 2U);
  EXPECT_EQ(room_.counts().sent, 3U);
  EXPECT_EQ(receive(*b_, 1).back(), "after");
}

TEST_P(UdpBatchTest, TellsWhatTheKernelDropped) {
  UdpOptions options;
  options.receive_buffer = 4096;
  const auto small = open({.ip = a_->local().ip, .port = 0}, options);
  const std::string one(1000, 'x');
  for (int i = 0; i < 200; ++i) a_->queue(room_, small->local(), 0, as_bytes(one));
  room_.flush();
  EXPECT_GT(small->missed(), 0U);
  EXPECT_EQ(a_->missed(), 0U);
}

INSTANTIATE_TEST_SUITE_P(BothFamilies, UdpBatchTest, ::testing::Values("127.0.0.1", "::1"));

TEST(UdpBatch, PortIsSharedOnlyWhereAsked) {
  UdpOptions shared;
  shared.share_port = true;
  const auto first = open(kLoopback, shared);
  EXPECT_TRUE(UdpBatch::open(first->local(), shared));
  const auto refused = UdpBatch::open(first->local(), {});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Errc::Exhausted);
  const auto elsewhere = UdpBatch::open({.ip = IpAddress::v4({192, 0, 2, 1}), .port = 0}, {});
  ASSERT_FALSE(elsewhere);
  EXPECT_EQ(elsewhere.error().code, Errc::System);
}

TEST(UdpBatch, BigBufferTakesABurst) {
  UdpOptions big;
  big.receive_buffer = 8 * 1024 * 1024;
  const auto to = open(kLoopback, big);
  const auto from = open(kLoopback);
  int granted = 0;
  socklen_t size = sizeof granted;
  ::getsockopt(to->native(), SOL_SOCKET, SO_RCVBUF, &granted, &size);
  int usual = 0;
  ::getsockopt(from->native(), SOL_SOCKET, SO_RCVBUF, &usual, &size);
  EXPECT_GE(granted, usual);
}

}  // namespace
}  // namespace sallyport::net
