// Datagrams through a connection, and what becomes of them when it is slow or lies.
#include "edge/media_stream.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "net/testing.h"

namespace sallyport::edge {
namespace {

using net::kAnyPort;

// A media thread's socket.
struct Neighbour {
  explicit Neighbour(net::HostNetwork& network) {
    socket = std::move(*network.open_datagrams(
        kAnyPort, {}, [this](const TransportAddress& source, const IpAddress&, Bytes datagram) {
          from = source;
          heard.emplace_back(as_text(datagram));
        }));
  }
  void say(const TransportAddress& to, std::string_view text) {
    socket->send(IpAddress::any_v4(), to, as_bytes(text));
  }
  std::unique_ptr<net::DatagramSocket> socket;
  TransportAddress from;
  std::vector<std::string> heard;
};

class MediaStreamTest : public ::testing::Test {
 protected:
  void SetUp() override {
    listener_ =
        std::move(*network_.listen(kAnyPort, {}, [this](std::unique_ptr<net::Stream> stream) {
          accepted_ = std::move(stream);
        }));
    bool connected = false;
    net::Stream::Handler handler;
    handler.on_connected = [&] { connected = true; };
    dialled_ = network_.connect(listener_->local(), {}, std::move(handler));
    ASSERT_TRUE(run([&] { return connected && accepted_; }));
  }
  std::unique_ptr<MediaStream> open(std::unique_ptr<net::Stream> stream,
                                    std::optional<TransportAddress> media,
                                    Duration longest_wait = milliseconds{80}) {
    return std::move(
        *MediaStream::open(network_, std::move(stream),
                           {.local = kAnyPort.ip,
                            .media = media,
                            .is_media = [](Bytes first) { return as_text(first) == "probe"; },
                            .longest_wait = longest_wait},
                           [this](const Error& why) { closed_ = why; }));
  }
  bool run(const std::function<bool()>& until) { return net::run_until(network_, until); }

  net::HostNetwork network_;
  std::unique_ptr<net::Listener> listener_;
  std::unique_ptr<net::Stream> dialled_, accepted_;
  std::optional<Error> closed_;
};

TEST_F(MediaStreamTest, CarriesDatagramsBothWaysWholeAndInOrder) {
  Neighbour agent{network_};
  Neighbour server{network_};
  Neighbour stranger{network_};
  // Nothing is late here, however slow the machine.
  const auto inside = open(std::move(dialled_), std::nullopt, seconds{60});
  const auto outside = open(std::move(accepted_), server.socket->local(), seconds{60});
  stranger.say(inside->local(), "first");
  agent.say(inside->local(), "probe");
  ASSERT_TRUE(run([&] { return server.heard.size() == 1; }));
  EXPECT_EQ(server.heard.front(), "probe");
  stranger.say(inside->local(), "not mine");
  std::vector<std::string> packets;
  for (std::size_t i = 0; i < 200; ++i) packets.emplace_back(1 + i * 10, static_cast<char>(i));
  for (const std::string& packet : packets) {
    agent.say(inside->local(), packet);
    server.say(server.from, packet);
  }
  ASSERT_TRUE(run([&] { return server.heard.size() == 201 && agent.heard.size() == 200; }));
  EXPECT_EQ(agent.heard, packets);
  server.heard.erase(server.heard.begin());
  EXPECT_EQ(server.heard, packets);
  EXPECT_EQ(agent.from, inside->local());
  EXPECT_TRUE(stranger.heard.empty());
  EXPECT_EQ(inside->counts().out, 201U);
  EXPECT_EQ(inside->counts().in, 200U);
  EXPECT_EQ(inside->counts().late, 0U);
}

// A connection that takes nothing for a while: what comes after it is fresh, not seconds old.
TEST_F(MediaStreamTest, DropsTheOldestWhenTheConnectionIsSlow) {
  Neighbour agent{network_};
  const auto inside = open(std::move(dialled_), std::nullopt);
  std::string received;
  net::Stream::Handler handler;
  handler.on_received = [&](Bytes octets) { received += as_text(octets); };
  accepted_->set_handler(std::move(handler));
  accepted_->pause_reading(true);
  const std::string big(1200, 'x');
  agent.say(inside->local(), "probe");
  std::uint64_t said = 0;
  ASSERT_TRUE(run([&] {
    for (int i = 0; i < 20; ++i, ++said) agent.say(inside->local(), big);
    return inside->counts().late > 100;
  }));
  accepted_->pause_reading(false);
  const TimePoint resumed = network_.now();
  ASSERT_TRUE(run([&] {
    agent.say(inside->local(), "the newest");
    ++said;
    return received.find("the newest") != std::string::npos;
  }));
  EXPECT_LT(network_.now() - resumed, seconds{2});
  EXPECT_LE(inside->counts().out + inside->counts().late, said);
}

TEST_F(MediaStreamTest, EndsWhenTheFarEndSaysSomethingElse) {
  const auto outside = open(std::move(accepted_), kAnyPort);
  dialled_->send(as_bytes(std::string_view{"GET / HTTP/1.1\r\n"}));
  ASSERT_TRUE(run([&] { return closed_.has_value(); }));
  EXPECT_EQ(closed_->code, Errc::BadValue);
}

TEST_F(MediaStreamTest, MayBeDestroyedWhenItTellsThatItHasEnded) {
  std::unique_ptr<MediaStream> outside;
  bool told = false;
  outside = std::move(*MediaStream::open(
      network_, std::move(accepted_), {.local = kAnyPort.ip, .media = kAnyPort}, [&](const Error&) {
        outside.reset();
        told = true;
      }));
  dialled_->send(as_bytes(std::string_view{"GET / HTTP/1.1\r\n\r\n"}));
  ASSERT_TRUE(run([&] { return told; }));
}

TEST_F(MediaStreamTest, EndsWithItsConnection) {
  const auto outside = open(std::move(accepted_), kAnyPort);
  dialled_.reset();
  ASSERT_TRUE(run([&] { return closed_.has_value(); }));
  EXPECT_EQ(closed_->code, Errc::Closed);
}

}  // namespace
}  // namespace sallyport::edge
