// Which media streams there are, and that one which was given up tells nobody anything any more.
#include "server/media_streams.h"

#include <gtest/gtest.h>

#include <tuple>
#include <vector>

#include "media/media.h"
#include "net/socket.h"
#include "net/testing.h"

namespace sallyport::server {
namespace {

constexpr AgentId kAgent{7};

class MediaStreamsTest : public ::testing::Test {
 protected:
  // A connection from an agent. The agent's end is a bare socket: it ends at once, whatever the
  // loop does.
  std::unique_ptr<net::Stream> connect() {
    accepted_.reset();
    const net::SocketAddress address{listener_->local()};
    auto socket = net::open_socket(AF_INET, SOCK_STREAM);
    std::ignore = ::connect(socket->get(), &address.any, address.size);
    agent_.push_back(std::move(*socket));
    EXPECT_TRUE(net::run_until(network_, [&] { return accepted_ != nullptr; }));
    return std::move(accepted_);
  }
  void add() { streams_.add(kAgent, "office", connect()); }

  net::HostNetwork network_;
  std::unique_ptr<Log> log_ = Log::silent();
  std::unique_ptr<net::Stream> accepted_;
  std::unique_ptr<net::Listener> listener_ =
      std::move(*network_.listen(net::kAnyPort, {}, [this](std::unique_ptr<net::Stream> stream) {
        accepted_ = std::move(stream);
      }));
  std::vector<net::Fd> agent_;
  MediaStreams streams_{network_, *log_, net::kAnyPort, 46};
};

// An agent that stops closes all its connections at once: the server may see both in one look.
TEST_F(MediaStreamsTest, ASessionAndItsStreamMayEndInTheSameMoment) {
  const std::unique_ptr<net::Stream> session = connect();
  bool over = false;
  net::Stream::Handler handler;
  handler.on_received = [](Bytes) {};
  handler.on_half_closed = [&] {
    streams_.end(kAgent);
    over = true;
  };
  session->set_handler(std::move(handler));
  add();
  net::run_ready(network_);
  agent_.clear();  // the session's end first
  ASSERT_TRUE(net::run_until(network_, [&] { return over; }));
  net::run_ready(network_);
  EXPECT_EQ(streams_.of(kAgent), 0U);
}

TEST_F(MediaStreamsTest, AnAgentHasTwoForEachOfItsTrunksAndThenLosesTheOldest) {
  constexpr std::size_t kMost = 2 * std::size_t{media::kMostTrunks};
  for (std::size_t i = 0; i <= kMost; ++i) {
    EXPECT_EQ(streams_.of(kAgent), i);
    add();
  }
  EXPECT_EQ(streams_.of(kAgent), kMost);
  agent_.clear();
  ASSERT_TRUE(net::run_until(network_, [&] { return streams_.of(kAgent) == 0; }));
}

}  // namespace
}  // namespace sallyport::server
