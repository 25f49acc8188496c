// Our yamux against hashicorp's own Go implementation (peer.go), in both roles, over a socket pair.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <openssl/sha.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <functional>
#include <map>
#include <set>
#include <stdexcept>
#include <string>

#include "base/hex.h"
#include "mux/yamux.h"

namespace sallyport::mux {
namespace {

std::string sha256(std::string_view text) {
  std::array<std::uint8_t, SHA256_DIGEST_LENGTH> digest{};
  SHA256(as_bytes(text).data(), text.size(), digest.data());
  return to_hex(digest);
}

std::string pattern(std::size_t size) {
  std::string text(size, '\0');
  for (std::size_t i = 0; i < size; ++i) text[i] = static_cast<char>(i * 7 & 0xffU);
  return text;
}

// The Go program as a child process, and the socket to it.
class Peer {
 public:
  explicit Peer(const char* role) {
    std::array<int, 2> pair{};
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair.data()) != 0) return;
    child_ = fork();
    if (child_ == 0) {
      dup2(pair[1], 3);
      fcntl(3, F_SETFD, 0);  // dup2 to itself would leave it close-on-exec
      execl(YAMUX_PEER, YAMUX_PEER, role, nullptr);
      _exit(127);
    }
    close(pair[1]);
    fd_ = pair[0];
    fcntl(fd_, F_SETFL, fcntl(fd_, F_GETFL) | O_NONBLOCK);
  }
  Peer(const Peer&) = delete;
  Peer& operator=(const Peer&) = delete;
  ~Peer() {
    close(fd_);
    int status = 0;
    waitpid(child_, &status, 0);  // it ends when its connection does
    EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << "status " << status;
  }
  int fd() const { return fd_; }

 private:
  pid_t child_ = -1;
  int fd_ = -1;
};

class YamuxInterop : public testing::TestWithParam<Yamux::Role>, private Yamux::Observer {
 protected:
  YamuxInterop()
      : peer_(GetParam() == Yamux::Role::Client ? "server" : "client"),
        yamux(GetParam(), Yamux::Limits{}, *this) {}

  ChannelId open(std::string text, bool finish) {
    const ChannelId id = yamux.open();
    out_[id.value] = std::move(text);
    if (finish) finish_.insert(id.value);
    return id;
  }
  void send(ChannelId id, std::string_view text, bool finish) {
    out_[id.value] += text;
    if (finish) finish_.insert(id.value);
  }
  // Moves octets until `done`, or fails the test after half a minute.
  void until(const std::function<bool()>& done, std::string_view what) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds{30};
    while (!done()) {
      write_streams();
      pollfd poll_fd{.fd = peer_.fd(), .events = POLLIN, .revents = 0};
      if (!wire_.empty()) poll_fd.events |= POLLOUT;
      poll(&poll_fd, 1, 100);
      if ((poll_fd.revents & POLLOUT) != 0) write_wire();
      if ((poll_fd.revents & (POLLIN | POLLHUP)) != 0 && reads_) read_wire();
      if (std::chrono::steady_clock::now() > deadline)
        throw std::runtime_error{"waited too long for " + std::string{what}};
    }
  }
  void until_finished(ChannelId id) {
    until([&] { return finished_.contains(id.value); }, "the end of a stream");
  }
  // Whether what can be read has a go-away frame in it; nothing is read meanwhile.
  bool go_away_is_waiting() {
    std::array<std::uint8_t, 1200> octets{};
    const ssize_t n = recv(peer_.fd(), octets.data(), octets.size(), MSG_PEEK);
    bool found = false;  // frames without payload only: this far side was sent no data to answer
    for (ssize_t at = 0; at + 12 <= n; at += 12)
      found = found || octets.at(static_cast<std::size_t>(at) + 1) == 3;
    reads_ = found;
    return found;
  }
  std::string& received(ChannelId id) { return received_[id.value]; }

  bool takes_in_ = true;
  bool reads_ = true;
  bool echo_accepted_ = false;
  bool peer_ended_ = false;
  std::map<std::uint32_t, std::string> received_;
  std::set<std::uint32_t> finished_, reset_, opened_;
  std::map<std::uint32_t, std::size_t> not_taken_in_;
  std::map<std::uint32_t, std::string> out_;
  std::vector<std::uint32_t> pongs_;

 private:
  void on_stream(ChannelId id) override { opened_.insert(id.value); }
  void on_data(ChannelId id, Bytes octets) override {
    received_[id.value] += as_text(octets);
    if (echo_accepted_ && opened_.contains(id.value)) send(id, as_text(octets), false);
    if (takes_in_) {
      yamux.consumed(id, octets.size());
    } else {
      not_taken_in_[id.value] += octets.size();
    }
  }
  void on_fin(ChannelId id) override {
    finished_.insert(id.value);
    if (echo_accepted_ && opened_.contains(id.value)) send(id, "", true);
  }
  void on_reset(ChannelId id) override { reset_.insert(id.value); }
  void on_writable(ChannelId /*id*/) override {}
  void on_pong(std::uint32_t value) override { pongs_.push_back(value); }
  void on_go_away(Yamux::GoAway /*code*/) override {}

  void write_streams() {
    Buffer out;
    yamux.take_frames(out, 10'000'000);
    for (auto it = out_.begin(); it != out_.end();) {
      const ChannelId id{it->first};
      const std::size_t n = yamux.write(id, as_bytes(it->second), out, 10'000'000);
      it->second.erase(0, n);
      const bool done = it->second.empty();
      if (done && finish_.contains(it->first)) yamux.fin(id);
      it = done ? out_.erase(it) : std::next(it);
    }
    yamux.take_frames(out, 10'000'000);
    wire_.push(out);
  }
  void write_wire() {
    const ssize_t n = ::write(peer_.fd(), wire_.view().data(), wire_.size());
    if (n > 0) wire_.pop(static_cast<std::size_t>(n));
  }
  void read_wire() {
    std::array<std::uint8_t, 65536> octets{};
    const ssize_t n = ::read(peer_.fd(), octets.data(), octets.size());
    if (n == 0) peer_ended_ = true;
    if (n > 0) {
      EXPECT_TRUE(yamux.on_received(Bytes{octets}.first(static_cast<std::size_t>(n))));
    }
  }

  Peer peer_;
  ByteQueue wire_;
  std::set<std::uint32_t> finish_;

 protected:
  Yamux yamux;
};

TEST_P(YamuxInterop, EchoesAStream) {
  const ChannelId id = open("echo\nhello, Go", true);
  until_finished(id);
  EXPECT_EQ(received(id), "hello, Go");
  EXPECT_EQ(yamux.streams(), 0U);
}

TEST_P(YamuxInterop, CarriesAThousandStreamsAtOnce) {
  std::map<std::uint32_t, std::string> sent;
  for (int i = 0; i < 1000; ++i) {
    const std::string text = "stream " + std::to_string(i) + pattern(static_cast<std::size_t>(i));
    sent[open("echo\n" + text, true).value] = text;
  }
  until([&] { return finished_.size() == sent.size(); }, "all streams");
  EXPECT_EQ(received_, sent);
  EXPECT_TRUE(reset_.empty());
}

TEST_P(YamuxInterop, HalfClosesAndIsAnsweredAfterwards) {
  const std::string text = pattern(3'000'000);
  const ChannelId id = open("count\n" + text, true);
  until_finished(id);
  EXPECT_EQ(received(id), "3000000 " + sha256(text));
}

TEST_P(YamuxInterop, WaitsForTheFarWindow) {
  const std::string text = pattern(1'000'000);
  const ChannelId stalled = open("stall\n" + text, true);
  // Others go on while this one stands still with its window exhausted.
  const ChannelId lively = open("echo\nstill here", true);
  until_finished(lively);
  EXPECT_EQ(yamux.writable(stalled), 0U);
  EXPECT_GE(out_[stalled.value].size(), text.size() - Yamux::kWindow);
  open("release\n", true);
  until_finished(stalled);
  EXPECT_EQ(received(stalled), "1000000 " + sha256(text));
}

TEST_P(YamuxInterop, HoldsTheFarSideBackWithOurWindow) {
  takes_in_ = false;
  const ChannelId id = open("generate 1000000\n", true);
  until([&] { return received(id).size() == Yamux::kWindow; }, "one window");
  const ChannelId lively = open("echo\nstill here", true);
  until_finished(lively);
  EXPECT_EQ(received(id).size(), Yamux::kWindow);
  takes_in_ = true;
  yamux.consumed(id, not_taken_in_[id.value]);
  until_finished(id);
  EXPECT_EQ(received(id), pattern(1'000'000));
}

TEST_P(YamuxInterop, AResetOfOursReachesTheFarSide) {
  const ChannelId id = open("await-reset\n", false);
  until([&] { return received(id) == "ready"; }, "the command to be read");
  yamux.reset(id);
  until([&] { return finished_.size() == 1; }, "the report");
  ASSERT_EQ(opened_.size(), 1U);
  EXPECT_EQ(received_[*opened_.begin()], "connection reset");
}

TEST_P(YamuxInterop, OpensNoStreamsAfterTheFarSidesGoAway) {
  until_finished(open("go-away\n", true));  // it says so before it ends that stream
  EXPECT_FALSE(yamux.open());
}

TEST_P(YamuxInterop, AStreamThatTheFarSideRefusesIsReset) {
  open("go-away\n", true);
  until([&] { return go_away_is_waiting(); }, "the go-away");  // on the wire, not read yet
  const ChannelId id = open("echo\ntoo late", true);
  until([&] { return reset_.contains(id.value); }, "the reset");
  EXPECT_TRUE(received(id).empty());
}

TEST_P(YamuxInterop, PingsBothWays) {
  yamux.ping(0xdeadbeef);
  const ChannelId id = open("ping\n", true);
  until_finished(id);
  EXPECT_EQ(received(id), "pong");
  until([&] { return !pongs_.empty(); }, "the pong");
  EXPECT_EQ(pongs_, std::vector<std::uint32_t>{0xdeadbeef});
}

TEST_P(YamuxInterop, TakesStreamsThatTheFarSideOpens) {
  echo_accepted_ = true;
  const ChannelId id = open("open 500\n", true);
  until_finished(id);
  EXPECT_EQ(received(id), "500");
  EXPECT_EQ(opened_.size(), 500U);
  until([&] { return yamux.streams() == 0; }, "the last streams to be closed");
}

TEST_P(YamuxInterop, TakesNoStreamsAfterItsGoAwayAndTheFarSideLivesWithIt) {
  echo_accepted_ = true;
  yamux.go_away(Yamux::GoAway::Normal);
  const ChannelId id = open("open 5\n", true);
  until_finished(id);
  EXPECT_EQ(received(id), "0");
  EXPECT_TRUE(opened_.empty());
}

TEST_P(YamuxInterop, AnErrorGoAwayEndsTheFarSide) {
  const ChannelId id = open("echo\nx", true);
  until_finished(id);
  yamux.go_away(Yamux::GoAway::ProtocolError);
  until([&] { return peer_ended_; }, "the far side to end the connection");
}

INSTANTIATE_TEST_SUITE_P(BothRoles, YamuxInterop,
                         testing::Values(Yamux::Role::Client, Yamux::Role::Server),
                         [](const auto& param) {
                           return param.param == Yamux::Role::Client ? "AsClient" : "AsServer";
                         });

}  // namespace
}  // namespace sallyport::mux
