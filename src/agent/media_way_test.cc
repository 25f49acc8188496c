// UDP while it passes, a stream when it does not, and back.
#include "agent/media_way.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "media/probe.h"
#include "net/testing.h"

namespace sallyport::agent {
namespace {

using namespace std::chrono_literals;
using media::EventKind;
using media::MediaId;
using net::kAnyPort;

// The agent's media thread: its trunk's socket, and where that is told to send.
class FakePlane final : public media::Plane {
 public:
  explicit FakePlane(net::HostNetwork& network) : network_(network) {
    socket = std::move(*network.open_datagrams(
        kAnyPort, {}, [this](const TransportAddress&, const IpAddress&, Bytes datagram) {
          heard.emplace_back(as_text(datagram));
        }));
  }
  Result<media::OpenedPort> open_port(const media::PortSpec&, OnEvent) override {
    return fail(Errc::Unsupported, "not here");
  }
  Result<MediaId> open_flow(const media::FlowSpec&, OnEvent) override {
    return fail(Errc::Unsupported, "not here");
  }
  Result<MediaId> open_trunk(const media::TrunkSpec& spec, OnEvent told) override {
    on_event = std::move(told);
    token = spec.secret.token;
    probe_at(spec.server);
    return MediaId{1};
  }
  void install_keys(media::KeyRingId, const media::KeysOfConnection&) override {}
  void forget_keys(media::KeyRingId) override {}
  void set_remote(MediaId, const media::RemoteSpec& remote) override {
    probe_at(remote.addresses.front());
  }
  // Its probes go there now, and are answered if something is there.
  void probe_at(const TransportAddress& address) {
    server = address;
    socket->send({}, server, media::encode(media::Probe{.token = token}, {}, tags));
    network_.post([this, address] {
      if (server != address || !on_event || !answers(address)) return;
      on_event(MediaId{1},
               {.kind = std::exchange(bound, true) ? EventKind::Answered : EventKind::FlowBound,
                .component = 0,
                .source = address});
    });
  }
  void join(MediaId, MediaId) override {}
  void leave(MediaId) override {}
  void replace(MediaId, MediaId, media::ReplaceStep) override {}
  void probe(MediaId) override { probe_at(server); }
  void close(MediaId) override { on_event = {}; }
  void count(MediaId, OnCounts) override {}

  void say(std::string_view text) { socket->send({}, server, as_bytes(text)); }

  std::unique_ptr<net::DatagramSocket> socket;
  TransportAddress server;
  OnEvent on_event;
  std::function<bool(const TransportAddress&)> answers;
  bool bound = false;
  media::Token token{};
  media::TagMaker tags;
  std::vector<std::string> heard;

 private:
  net::HostNetwork& network_;
};

class MediaWayTest : public ::testing::Test {
 protected:
  MediaWayTest() : plane_(network_) {
    plane_.answers = [this](const TransportAddress& server) {
      const bool udp = server == x_->local() || server == other_x_->local();
      return udp ? server.port == open_ : !far_.empty() && !dead_;
    };
    x_ = open_x();
    other_x_ = open_x();
    listener_ = std::move(*network_.listen(kAnyPort, {}, [this](std::unique_ptr<net::Stream> made) {
      auto opened = edge::MediaStream::open(network_, std::move(made),
                                            {.local = kAnyPort.ip, .media = x_->local()},
                                            [this](const Error&) { ++ended_; });
      far_.push_back(std::move(*opened));
    }));
  }
  std::unique_ptr<net::DatagramSocket> open_x() {
    return std::move(*network_.open_datagrams(
        kAnyPort, {}, [this](const TransportAddress& source, const IpAddress&, Bytes datagram) {
          heard_.emplace_back(as_text(datagram));
          from_ = source;
        }));
  }
  void begin(config::MediaWay mode = config::MediaWay::Auto) {
    MediaWay::Settings settings;
    settings.mode = mode;
    settings.patience = 150ms;
    settings.check_every = 200ms;
    settings.try_again = 100ms;
    settings.linger = linger_;
    settings.dial_again = 20ms;
    settings.stream_patience = 300ms;
    settings.check_stream_every = 100ms;
    way_ = std::make_unique<MediaWay>(
        network_, plane_, *log_, settings,
        [this](const MediaWay::OnStream& on_stream,
               const MediaWay::OnFailed& on_failed) -> std::shared_ptr<void> {
          ++dialled_;
          if (hold_) return std::make_shared<int>();
          auto stream = std::make_shared<std::unique_ptr<net::Stream>>();
          net::Stream::Handler handler;
          handler.on_connected = [stream, on_stream] { on_stream(std::move(*stream)); };
          handler.on_closed = [on_failed](const Error& why) { on_failed(std::string{why.what}); };
          *stream = network_.connect(listener_->local(), {}, std::move(handler));
          return stream;
        });
    way_->set_alternative_port(other_x_->local().port);
    media::TrunkSpec spec;
    spec.end = media::FlowEnd::Probing;
    spec.server = x_->local();
    spec.secret.token.fill(7);
    ASSERT_TRUE(way_->open_trunk(
        spec, [this](MediaId, const media::Event& event) { told_.push_back(event.kind); }));
  }
  // It hears nothing, and its probes go out again.
  void fall_silent() {
    plane_.on_event(MediaId{1}, {.kind = EventKind::Silent, .component = 0, .source = {}});
    plane_.probe_at(plane_.server);
  }
  void open_udp(const std::unique_ptr<net::DatagramSocket>& at) { open_ = at->local().port; }
  void block_udp() { open_ = 0; }
  bool run(const std::function<bool()>& until) { return net::run_until(network_, until); }
  bool goes_by(std::string_view way) {
    return run([&] { return way_->describe() == way; });
  }
  // What the media thread says comes out at X, and what X answers arrives.
  void expect_both_ways() {
    const std::size_t before = plane_.heard.size();
    heard_.clear();
    ASSERT_TRUE(run([&] {
      plane_.say("to the server");  // among its probes
      return std::find(heard_.begin(), heard_.end(), "to the server") != heard_.end();
    }));
    x_->send({}, from_, as_bytes(std::string_view{"to the agent"}));
    ASSERT_TRUE(run([&] { return plane_.heard.size() > before; }));
    EXPECT_EQ(plane_.heard.back(), "to the agent");
  }

  net::HostNetwork network_;
  std::unique_ptr<Log> log_ = Log::silent();
  FakePlane plane_;
  std::uint16_t open_ = 0;
  std::vector<std::string> heard_;
  TransportAddress from_;
  std::unique_ptr<net::DatagramSocket> x_, other_x_;
  std::unique_ptr<net::Listener> listener_;
  std::vector<std::unique_ptr<edge::MediaStream>> far_;
  std::vector<EventKind> told_;
  Duration linger_ = 300ms;
  bool hold_ = false;  // dials lead to nothing
  bool dead_ = false;  // what goes into a stream goes nowhere
  int dialled_ = 0;
  int ended_ = 0;
  std::unique_ptr<MediaWay> way_;
};

TEST_F(MediaWayTest, IsUdpWhereThatPasses) {
  open_udp(x_);
  begin();
  const TimePoint until = network_.now() + 400ms;
  ASSERT_TRUE(run([&] { return network_.now() > until; }));
  EXPECT_EQ(dialled_, 0);
  EXPECT_EQ(way_->describe(), "udp");
  EXPECT_EQ(plane_.server, x_->local());
  EXPECT_EQ(told_, std::vector{EventKind::FlowBound}) << "the edge is told as before";
}

TEST_F(MediaWayTest, IsAStreamWhereUdpIsBlockedAndUdpAgainWhenThatPasses) {
  begin();
  ASSERT_TRUE(goes_by("stream"));
  expect_both_ways();
  EXPECT_EQ(dialled_, 1);
  open_udp(x_);
  ASSERT_TRUE(goes_by("udp"));
  EXPECT_EQ(plane_.server, x_->local());
  // What was still on its way arrives, and then the stream is given up.
  EXPECT_EQ(ended_, 0);
  ASSERT_TRUE(run([&] { return ended_ == 1; }));
  EXPECT_GT(way_->streamed().out, 0U) << "not forgotten with it";
}

TEST_F(MediaWayTest, ChangesDuringACallThatFallsSilent) {
  open_udp(x_);
  begin();
  ASSERT_TRUE(goes_by("udp"));
  block_udp();
  fall_silent();
  ASSERT_TRUE(goes_by("stream"));
  expect_both_ways();
}

TEST_F(MediaWayTest, ChangesWhenOnlyWhatItSendsIsBlocked) {
  open_udp(x_);
  begin();
  ASSERT_TRUE(goes_by("udp"));
  block_udp();  // it hears its calls all the same, so nothing falls silent
  ASSERT_TRUE(goes_by("stream"));
}

TEST_F(MediaWayTest, ChangesHoweverQuicklyCallsCome) {
  open_udp(x_);
  begin();
  ASSERT_TRUE(goes_by("udp"));
  block_udp();
  media::FlowSpec call;
  call.trunk = MediaId{1};
  ASSERT_TRUE(run([&] {
    (void)way_->open_flow(call, {});
    plane_.socket->send({}, plane_.socket->local(), as_bytes(std::string_view{"."}));  // run on
    return way_->describe() == "stream";
  }));
}

TEST_F(MediaWayTest, StaysWhenAPartyIsOnlyMuted) {
  open_udp(x_);
  begin();
  fall_silent();
  const TimePoint until = network_.now() + 400ms;
  ASSERT_TRUE(run([&] { return network_.now() > until; }));
  EXPECT_EQ(way_->describe(), "udp");
  EXPECT_EQ(dialled_, 0);
}

TEST_F(MediaWayTest, TakesAnotherPortWhereOnlyThatPasses) {
  open_udp(other_x_);
  begin();
  ASSERT_TRUE(goes_by("udp " + std::to_string(other_x_->local().port)));
  EXPECT_EQ(plane_.server, other_x_->local());
  EXPECT_EQ(dialled_, 0);
}

TEST_F(MediaWayTest, DialsAgainWhenTheStreamBreaks) {
  begin();
  ASSERT_TRUE(goes_by("stream"));
  far_.clear();
  ASSERT_TRUE(run([&] { return dialled_ == 2 && far_.size() == 1; }));
  ASSERT_TRUE(goes_by("stream"));
  expect_both_ways();
}

// A router on the way has forgotten it, say: TCP would find out in its own time.
TEST_F(MediaWayTest, DialsAgainWhenTheStreamIsDeadWithoutAWord) {
  for (const auto mode : {config::MediaWay::Auto, config::MediaWay::Stream}) {
    dead_ = false;
    begin(mode);
    ASSERT_TRUE(goes_by("stream"));
    const int dialled = dialled_;
    const TimePoint until = network_.now() + 800ms;
    ASSERT_TRUE(run([&] { return network_.now() > until; }));
    EXPECT_EQ(dialled_, dialled) << "one that answers stays";
    dead_ = true;
    ASSERT_TRUE(run([&] { return dialled_ > dialled; }));
    dead_ = false;
    ASSERT_TRUE(goes_by("stream"));
    expect_both_ways();
    way_->close(MediaId{1});
  }
}

// It is listened to for a while; should it end then, what has taken its place stands.
TEST_F(MediaWayTest, AStreamThatWasLeftMayEndWhileAnotherOneIsDialled) {
  linger_ = seconds{20};
  begin();
  ASSERT_TRUE(goes_by("stream"));
  open_udp(x_);
  ASSERT_TRUE(goes_by("udp"));
  block_udp();
  hold_ = true;  // the second dial takes its time
  fall_silent();
  ASSERT_TRUE(run([&] { return dialled_ == 2; }));
  ASSERT_EQ(ended_, 0);
  far_.clear();
  const TimePoint until = network_.now() + 100ms;
  ASSERT_TRUE(run([&] { return network_.now() > until; }));
  EXPECT_EQ(dialled_, 2) << "the dial that was under way goes on";
}

TEST_F(MediaWayTest, IsAStreamAtOnceWhereThatIsAskedFor) {
  open_udp(x_);
  begin(config::MediaWay::Stream);
  ASSERT_TRUE(goes_by("stream"));
  expect_both_ways();
  EXPECT_EQ(way_->describe(), "stream") << "whatever UDP does";
}

TEST_F(MediaWayTest, EndsWithItsTrunk) {
  begin();
  ASSERT_TRUE(goes_by("stream"));
  way_->close(MediaId{1});
  EXPECT_EQ(way_->describe(), "");
  ASSERT_TRUE(run([&] { return ended_ == 1; }));
}

}  // namespace
}  // namespace sallyport::agent
