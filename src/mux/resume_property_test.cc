// Whatever happens to the connections, and however their octets are cut, each channel's octets
// arrive each once and in order: random schedules of sending, partial delivery, breaks seen by one
// side, both or none, answers lost, cycling, and time.
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <optional>
#include <string>
#include <vector>

#include "mux/multiplex.h"
#include "mux/test_pair.h"

namespace sallyport::mux {
namespace {

using namespace std::chrono_literals;

class Schedule {
 public:
  Schedule() : pair_(settings()) {
    pair_.dialling.set_observer(agent_);
    pair_.accepting.set_observer(server_);
    pair_.connect();
    streams_.push_back({true, kControlChannel, {}});
    streams_.push_back({false, kControlChannel, {}});
    for (const bool up : {true, false}) {
      const StreamHeader header{.priority = Priority::Signalling, .association = 1};
      const ChannelId id = (up ? pair_.dialling : pair_.accepting).open(header);
      const ChannelId bulk =
          (up ? pair_.dialling : pair_.accepting).open({.priority = Priority::Bulk});
      streams_.push_back({up, id, {}});
      streams_.push_back({!up, id, {}});
      streams_.push_back({up, bulk, {}});
    }
    // The far side can only answer on a channel that it knows.
    pair_.run();
  }

  void step(unsigned what, std::size_t number) {
    const bool side = number % 2 == 0;
    switch (what) {
      case 0:
      case 1:
        return send(streams_[number % streams_.size()], number % 9000);
      case 2:
        return pair_.flush();
      case 3:
      case 4:
      case 5:
      case 6:
        pair_.carry(pair_.connections() - 1 - number % 2, side, 1 + number % 5000);
        return;
      case 7:
        if (number % 4 == 0) pair_.break_connection(side, number % 3 != 0);
        return;
      case 8:
        return dial();
      case 9:
      case 10:
      case 11:
        return reach_or_finish();
      case 12:
        if (number % 3 != 0 || !dialled_) return;
        if (reached_) pair_.lose(*dialled_);
        dialled_.reset();
        return;
      default:
        pair_.now += milliseconds{number % 700};
        pair_.dialling.on_time(pair_.now);
        pair_.accepting.on_time(pair_.now);
        return;
    }
  }

  void check() {
    for (int i = 0; i < 3; ++i) {
      pair_.break_connection();
      RC_ASSERT(!pair_.connect());
      pair_.advance(10s);
    }
    RC_ASSERT(agent_.gone.empty());
    RC_ASSERT(server_.gone.empty());
    for (const Sent& sent : streams_) {
      const Buffer& received = (sent.up ? server_ : agent_).received[sent.channel];
      RC_ASSERT(received.size() == sent.octets.size());
      const bool same = received == sent.octets;  // not printed octet by octet
      RC_ASSERT(same);
    }
  }

 private:
  struct Sent {
    bool up;
    ChannelId channel;
    Buffer octets;
  };

  // Small limits, so that pushing back happens within a schedule.
  static Multiplex::Settings settings() {
    Multiplex::Settings settings;
    settings.max_unacknowledged = 20000;
    settings.life = 24h;
    return settings;
  }

  void send(Sent& to, std::size_t size) {
    Multiplex& from = to.up ? pair_.dialling : pair_.accepting;
    if (from.queued(to.channel) + size > kMaxQueued) return;
    Buffer octets(size);
    for (auto& octet : octets) octet = static_cast<std::uint8_t>(counter_++ * 2654435761U >> 13U);
    from.send(to.channel, octets);
    to.octets.insert(to.octets.end(), octets.begin(), octets.end());
  }

  void dial() {
    if (dialled_ && reached_) pair_.lose(*dialled_);
    dialled_ = pair_.dial();
    reached_ = false;
  }

  void reach_or_finish() {
    if (!dialled_) return;
    if (!reached_) {
      const auto refusal = pair_.reach(*dialled_);
      RC_ASSERT(!refusal);
      reached_ = true;
    } else {
      const auto refused = pair_.finish(std::move(*dialled_));
      RC_ASSERT(!refused);
      dialled_.reset();
    }
  }

  TestObserver agent_;
  TestObserver server_;
  TestPair pair_;
  std::vector<Sent> streams_;
  std::optional<TestPair::Dialled> dialled_;
  bool reached_ = false;
  std::uint32_t counter_ = 0;
};

RC_GTEST_PROP(ResumableSession, LosesDoublesAndReordersNothingUnderAnySchedule, ()) {
  Schedule schedule;
  // All of them at full size: rapidcheck's first, small cases would hardly move an octet.
  const auto steps = *rc::gen::resize(
      rc::kNominalSize, rc::gen::container<std::vector<std::pair<unsigned, std::size_t>>>(
                            400, rc::gen::pair(rc::gen::inRange(0U, 14U),
                                               rc::gen::inRange<std::size_t>(0, 1000003))));
  for (const auto& [what, number] : steps) schedule.step(what, number);
  schedule.check();
}

}  // namespace
}  // namespace sallyport::mux
