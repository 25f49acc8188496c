// The probing end of one component of a flow, at the agent: when to probe, and what the answers
// mean. It keeps times and counters only; Relay sends what it says is due. The timers are those of
// docs/PROTOCOL.md, "Media datagrams":
//
//  - Nothing is sent before media can start: the first local packet, or start().
//  - A round of probes goes out at 0, 20, 60, 140, 300 and 600 ms, then every 500 ms, until one is
//    confirmed or 10 s are over. Then it is retried every 5 s while there is traffic, and every
//    keepalive period if the flow was ever confirmed: a call on hold must find its way back.
//  - While a flow is in use it is probed once in 10 s, outside rounds, to know how long its packets
//    are under way. Nothing follows from such a probe that is lost.
//  - A new round begins when nothing was sent for the keepalive period; when a flow that was
//    receiving steadily has been silent for 300 ms, then 600, 1200, ... ms; and at start().
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>

#include "base/time.h"
#include "media/media.h"
#include "media/path_delay.h"
#include "media/probe.h"

namespace sallyport::media {

class Prober {
 public:
  Prober() = default;
  Prober(const FlowComponent& secret, Duration keepalive)
      : secret_(secret), keepalive_(std::max<Duration>(keepalive, milliseconds{100})) {}

  // Begins a round at `at`, unless one has just begun.
  void start(TimePoint at);
  // A stranger may have sent "probe please": begins a round at most every 500 ms.
  void on_probe_please(TimePoint now);
  // A packet is about to go out on the flow (or to wait for it), or has come in on it. True when
  // deadline() may now be sooner than it was.
  bool on_local_packet(TimePoint now);
  bool on_received(TimePoint now);
  // Nothing is to be received any more, so silence means nothing.
  void expect_nothing() {
    steady_ = 0;
    silences_ = 0;
  }

  enum class Outcome : std::uint8_t {
    BadTag,
    Replayed,   // it answers no probe that still waits for an answer
    Confirmed,  // for the first time
    Reconfirmed,
    Challenged,  // a probe with the echo is due now
  };
  Outcome on_confirmation(const Confirmation& confirmation, Bytes datagram, TimePoint now,
                          TagMaker& tags);

  // What is due at `now`; called when deadline() is reached, and again at the next.
  struct Due {
    bool probe = false;        // send next_probe()
    bool unconfirmed = false;  // the round has ended in vain
    bool silent = false;       // the flow should receive, and does not
  };
  Due on_time(TimePoint now);
  std::optional<TimePoint> deadline() const;

  ProbeDatagram next_probe(TimePoint now, TagMaker& tags);

  bool started() const { return phase_ != Phase::Deferred; }
  bool was_confirmed() const { return was_confirmed_; }
  // Of the latest probe that was answered before it was forgotten.
  const PathDelay& delay() const { return delay_; }

 private:
  static constexpr TimePoint kLongAgo{-std::chrono::hours{24}};

  enum class Phase : std::uint8_t {
    Deferred,   // nothing asked for it yet
    Probing,    // in a round
    Confirmed,  // until keepalive or silence
    Retrying,   // a round has ended in vain
  };
  void begin_round(TimePoint at);
  void schedule_next(TimePoint now);
  TimePoint last_probe() const { return sent_at_[counter_ % sent_at_.size()]; }

  FlowComponent secret_;
  Duration keepalive_{};
  Phase phase_ = Phase::Deferred;
  bool was_confirmed_ = false;
  bool has_traffic_ = false;   // since the last probe
  std::uint8_t step_ = 0;      // probes of this round, up to the end of the table
  std::uint8_t echoes_ = 0;    // of this round
  std::uint8_t steady_ = 0;    // packets received without a gap
  std::uint8_t silences_ = 0;  // how often this silence was probed
  std::uint64_t counter_ = 0;
  std::uint64_t round_first_ = 1;  // the counter of the first probe of this round
  std::uint64_t answered_ = 0;     // the highest counter that was confirmed
  Challenge echo_{};
  TimePoint round_began_{};
  TimePoint next_probe_{};
  TimePoint last_please_ = kLongAgo;
  std::array<TimePoint, 4> sent_at_{};  // of the latest probes, by counter
  PathDelay delay_;
  TimePoint last_sent_{};
  TimePoint last_received_{};
};

}  // namespace sallyport::media
