#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <memory>
#include <tuple>
#include <vector>

#include "net/socket.h"
#include "net/testing.h"

namespace sallyport::net {
namespace {

// One end of a stream and what it was told.
struct End {
  std::unique_ptr<Stream> stream;
  std::string received;
  bool connected = false;
  bool half_closed = false;
  bool drained = false;
  std::optional<Error> closed;

  Stream::Handler handler() {
    Stream::Handler out;
    out.on_connected = [this] { connected = true; };
    out.on_received = [this](Bytes octets) { received += as_text(octets); };
    out.on_half_closed = [this] { half_closed = true; };
    out.on_closed = [this](const Error& error) { closed = error; };
    out.on_drained = [this] { drained = true; };
    return out;
  }
};

class HostStreamTest : public ::testing::Test {
 protected:
  void SetUp() override {
    auto made = network_.listen(kAnyPort, {}, [this](std::unique_ptr<Stream> stream) {
      there_.stream = std::move(stream);
      there_.stream->set_handler(there_.handler());
    });
    ASSERT_TRUE(made);
    listener_ = std::move(*made);
  }

  void connect(const ConnectOptions& options = {}) {
    here_.stream = network_.connect(listener_->local(), options, here_.handler());
    ASSERT_TRUE(run([&] { return here_.connected && there_.stream; }));
  }
  bool run(const std::function<bool()>& until) { return run_until(network_, until); }

  HostNetwork network_;
  std::unique_ptr<Listener> listener_;
  End here_;
  End there_;
};

TEST_F(HostStreamTest, CarriesOctetsBothWays) {
  connect();
  EXPECT_EQ(here_.stream->remote(), listener_->local());
  EXPECT_EQ(there_.stream->remote(), here_.stream->local());
  here_.stream->send(as_bytes("ping"));
  there_.stream->send(as_bytes("pong"));
  EXPECT_TRUE(run([&] { return here_.received == "pong" && there_.received == "ping"; }));
  EXPECT_TRUE(here_.drained);
  EXPECT_EQ(here_.stream->queued(), 0U);
  EXPECT_TRUE(here_.stream->peer_certificate().empty());
}

TEST_F(HostStreamTest, WhatIsSentBeforeTheConnectionIsMadeIsKept) {
  here_.stream = network_.connect(listener_->local(), {}, here_.handler());
  here_.stream->send(as_bytes("early"));
  EXPECT_EQ(here_.stream->queued(), 5U);
  EXPECT_TRUE(run([&] { return there_.received == "early"; }));
}

TEST_F(HostStreamTest, LeavesFromTheLocalAddressItIsGiven) {
  ConnectOptions options;
  options.local = IpAddress::v4({127, 0, 0, 7});
  options.dscp = 24;
  connect(options);
  EXPECT_EQ(there_.stream->remote().ip, options.local);
}

TEST_F(HostStreamTest, HalfClosedStreamStillReceives) {
  connect();
  here_.stream->send(as_bytes("request"));
  here_.stream->half_close();
  ASSERT_TRUE(run([&] { return there_.half_closed; }));
  EXPECT_EQ(there_.received, "request");
  EXPECT_FALSE(there_.closed);
  there_.stream->send(as_bytes("answer"));
  there_.stream->half_close();
  ASSERT_TRUE(run([&] { return here_.closed && there_.closed; }));
  EXPECT_EQ(here_.received, "answer");
  EXPECT_TRUE(here_.half_closed);
  EXPECT_EQ(here_.closed->code, Errc::Closed);
}

TEST_F(HostStreamTest, PausedReaderHoldsTheSenderBack) {
  connect();
  there_.stream->pause_reading(true);
  std::string sent(std::size_t{24} * 1024 * 1024, 'x');
  for (std::size_t i = 0; i < sent.size(); ++i) sent[i] = static_cast<char>('a' + i % 23);
  here_.stream->send(as_bytes(sent));
  run_ready(network_);
  EXPECT_GT(here_.stream->queued(), 0U);
  EXPECT_FALSE(here_.drained);
  EXPECT_TRUE(there_.received.empty());
  there_.stream->pause_reading(false);
  ASSERT_TRUE(run([&] { return there_.received.size() == sent.size(); }));
  EXPECT_TRUE(there_.received == sent);
  EXPECT_TRUE(run([&] { return here_.drained; }));
}

TEST_F(HostStreamTest, DestroyedStreamDeliversWhatWasQueued) {
  connect();
  there_.stream->send(as_bytes("never read by the end that is destroyed"));
  const std::string last(std::size_t{8} * 1024 * 1024, 'r');
  here_.stream->send(as_bytes(last));
  here_.stream.reset();
  ASSERT_TRUE(run([&] { return there_.half_closed; }));
  EXPECT_TRUE(there_.received == last);
  EXPECT_TRUE(here_.received.empty());
}

TEST_F(HostStreamTest, RefusedConnectionIsToldAfterTheCall) {
  const TransportAddress gone = listener_->local();
  listener_.reset();
  here_.stream = network_.connect(gone, {}, here_.handler());
  EXPECT_FALSE(here_.closed);
  ASSERT_TRUE(run([&] { return here_.closed.has_value(); }));
  EXPECT_EQ(here_.closed->code, Errc::Unreachable);
  EXPECT_FALSE(here_.connected);
}

TEST_F(HostStreamTest, AddressThatIsNotOursIsRefused) {
  ConnectOptions options;
  options.local = IpAddress::v4({192, 0, 2, 1});
  here_.stream = network_.connect(listener_->local(), options, here_.handler());
  ASSERT_TRUE(run([&] { return here_.closed.has_value(); }));
  EXPECT_EQ(here_.closed->code, Errc::System);
}

// A listener whose queue is full answers no SYN, as a firewall that drops.
TEST_F(HostStreamTest, DialEndsAtItsTimeout) {
  auto full = open_socket(AF_INET, SOCK_STREAM);
  ASSERT_TRUE(full);
  ASSERT_TRUE(bind_socket(*full, kAnyPort));
  ASSERT_EQ(::listen(full->get(), 0), 0);
  const SocketAddress address{local_address(*full)};
  std::vector<Fd> fill;
  for (int i = 0; i < 4; ++i) {
    fill.push_back(std::move(*open_socket(AF_INET, SOCK_STREAM)));
    std::ignore = ::connect(fill.back().get(), &address.any, address.size);
  }
  ConnectOptions options;
  options.timeout = std::chrono::milliseconds{50};
  here_.stream = network_.connect(local_address(*full), options, here_.handler());
  ASSERT_TRUE(run([&] { return here_.closed.has_value(); }));
  EXPECT_EQ(here_.closed->code, Errc::Unreachable);
  EXPECT_EQ(here_.closed->what, "no answer to connect");
}

TEST_F(HostStreamTest, ResetIsToldWithWhatCameBeforeIt) {
  connect();
  auto raw = open_socket(AF_INET, SOCK_STREAM);
  ASSERT_TRUE(raw);
  const SocketAddress address{listener_->local()};
  End first = std::move(there_);
  there_.stream = nullptr;
  std::ignore = ::connect(raw->get(), &address.any, address.size);
  ASSERT_TRUE(run([&] { return there_.stream != nullptr; }));
  ASSERT_EQ(::send(raw->get(), "last", 4, MSG_NOSIGNAL), 4);
  const linger at_once{.l_onoff = 1, .l_linger = 0};
  ::setsockopt(raw->get(), SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
  ASSERT_TRUE(run([&] { return there_.received == "last"; }));
  raw->reset();
  ASSERT_TRUE(run([&] { return there_.closed.has_value(); }));
  EXPECT_EQ(there_.closed->code, Errc::Closed);
}

TEST_F(HostStreamTest, ResetIsNoticedAfterTheFarEndHalfClosed) {
  auto raw = open_socket(AF_INET, SOCK_STREAM);
  ASSERT_TRUE(raw);
  const SocketAddress address{listener_->local()};
  std::ignore = ::connect(raw->get(), &address.any, address.size);
  ASSERT_TRUE(run([&] { return there_.stream != nullptr; }));
  ::shutdown(raw->get(), SHUT_WR);
  ASSERT_TRUE(run([&] { return there_.half_closed; }));
  const linger at_once{.l_onoff = 1, .l_linger = 0};
  ::setsockopt(raw->get(), SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
  raw->reset();
  EXPECT_TRUE(run([&] { return there_.closed.has_value(); }));
}

TEST_F(HostStreamTest, CarriesIpv6) {
  const auto local = TransportAddress::parse("[::1]:0");
  auto listener = network_.listen(*local, {}, [this](std::unique_ptr<Stream> stream) {
    there_.stream = std::move(stream);
    there_.stream->set_handler(there_.handler());
  });
  if (!listener) GTEST_SKIP() << "this host has no IPv6";
  here_.stream = network_.connect((*listener)->local(), {}, here_.handler());
  here_.stream->send(as_bytes("six"));
  ASSERT_TRUE(run([&] { return there_.received == "six"; }));
  EXPECT_EQ(there_.stream->remote(), here_.stream->local());
  EXPECT_TRUE(there_.stream->remote().ip.is_v6());
}

// Each callback in turn destroys the stream whose callback it is.
enum class Which { Connected, Received, HalfClosed, Closed, Drained };

class DestroyedByItsHandler : public HostStreamTest, public ::testing::WithParamInterface<Which> {};

TEST_P(DestroyedByItsHandler, IsSafe) {
  const Which which = GetParam();
  bool destroyed = false;
  int calls_after = 0;
  // Captured octets on the heap show a use after free in the handler's own state.
  const auto witness = std::make_shared<std::string>(100, 'w');
  const auto act = [&, witness](Which now) {
    if (destroyed) ++calls_after;
    if (now != which) return;
    here_.stream.reset();
    destroyed = true;
    EXPECT_EQ(witness->size(), 100U);
  };
  Stream::Handler handler;
  handler.on_connected = [act] { act(Which::Connected); };
  handler.on_received = [act](Bytes) { act(Which::Received); };
  handler.on_half_closed = [act] { act(Which::HalfClosed); };
  handler.on_closed = [act](const Error&) { act(Which::Closed); };
  handler.on_drained = [act] { act(Which::Drained); };
  here_.stream = network_.connect(listener_->local(), {}, std::move(handler));
  ASSERT_TRUE(run([&] { return destroyed || there_.stream; }));
  if (here_.stream) here_.stream->send(as_bytes("to be drained"));
  if (!destroyed) {
    there_.stream->send(as_bytes("to be received"));
    there_.stream->half_close();
    ASSERT_TRUE(run([&] { return destroyed || there_.closed || !there_.received.empty(); }));
    if (here_.stream) here_.stream->half_close();
  }
  EXPECT_TRUE(run([&] { return destroyed; }));
  run_ready(network_);
  EXPECT_EQ(calls_after, 0);
}

INSTANTIATE_TEST_SUITE_P(EveryCallback, DestroyedByItsHandler,
                         ::testing::Values(Which::Connected, Which::Received, Which::HalfClosed,
                                           Which::Closed, Which::Drained));

TEST_F(HostStreamTest, HandlerMayReplaceItself) {
  connect();
  std::string second;
  Stream::Handler first;
  first.on_received = [&](Bytes) {
    Stream::Handler next;
    next.on_received = [&](Bytes octets) { second += as_text(octets); };
    here_.stream->set_handler(std::move(next));
  };
  here_.stream->set_handler(std::move(first));
  there_.stream->send(as_bytes("one"));
  run_ready(network_);
  there_.stream->send(as_bytes("two"));
  EXPECT_TRUE(run([&] { return second == "two"; }));
}

TEST_F(HostStreamTest, NetworkMayEndWhileStreamsLinger) {
  auto network = std::make_unique<HostNetwork>();
  auto stream = network->connect(listener_->local(), {}, here_.handler());
  ASSERT_TRUE(run_until(*network, [&] { return here_.connected; }));
  stream->send(as_bytes("x"));
  run_ready(*network);
  stream->send(as_bytes("y"));
  stream.reset();
  network.reset();
  EXPECT_TRUE(run([&] { return there_.received == "xy"; }));
}

}  // namespace
}  // namespace sallyport::net
