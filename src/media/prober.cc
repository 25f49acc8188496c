#include "media/prober.h"

#include <algorithm>
#include <array>

namespace sallyport::media {
namespace {

// From the beginning of a round; what comes later comes kLaterStep after the one before.
constexpr std::array<Duration, 6> kSteps{milliseconds{0},   milliseconds{20},  milliseconds{60},
                                         milliseconds{140}, milliseconds{300}, milliseconds{600}};
constexpr Duration kLaterStep = milliseconds{500};
constexpr Duration kRound = seconds{10};
constexpr Duration kRetry = seconds{5};
constexpr Duration kMeasureEvery = seconds{10};
constexpr Duration kPleaseEvery = milliseconds{500};
// A round is not begun anew when one has begun so recently: its probes are still under way.
constexpr Duration kJustBegun = milliseconds{20};
// A NAT that gives every datagram a mapping of its own would be challenged for ever.
constexpr std::uint8_t kMostEchoes = 8;

// A flow should receive when so many packets have come with no gap longer than this. Voice comes
// every 10 to 60 ms; RTCP, and comfort noise, do not count as steady.
constexpr std::uint8_t kSteadyPackets = 10;
constexpr Duration kSteadyGap = milliseconds{250};
constexpr Duration kSilence = milliseconds{300};
constexpr std::uint8_t kMostSilences = 6;  // 300 ms to 9.6 s; from there on keepalive does

}  // namespace

void Prober::start(TimePoint at) {
  if (phase_ == Phase::Probing && step_ <= 1 && at - round_began_ < kJustBegun) return;
  begin_round(at);
}

void Prober::on_probe_please(TimePoint now) {
  if (phase_ == Phase::Deferred || now - last_please_ < kPleaseEvery) return;
  last_please_ = now;
  start(now);
}

bool Prober::on_local_packet(TimePoint now) {
  last_sent_ = now;
  if (phase_ == Phase::Deferred) {
    begin_round(now);
    return true;
  }
  if (phase_ != Phase::Retrying || has_traffic_) return false;
  has_traffic_ = true;
  next_probe_ = std::min(next_probe_, std::max(now, round_began_ + kRetry));
  return true;
}

bool Prober::on_received(TimePoint now) {
  if (now - last_received_ > kSteadyGap) {
    steady_ = 0;
    silences_ = 0;
  }
  last_received_ = now;
  if (steady_ == kSteadyPackets) return false;
  return ++steady_ == kSteadyPackets;
}

Prober::Outcome Prober::on_confirmation(const Confirmation& confirmation, Bytes datagram,
                                        TimePoint now, TagMaker& tags) {
  if (confirmation.token != secret_.token) return Outcome::BadTag;
  if (confirmation.counter <= answered_ || confirmation.counter < round_first_ ||
      confirmation.counter > counter_)
    return Outcome::Replayed;
  if (!authentic(datagram, confirmation.tag, secret_.key, tags)) return Outcome::BadTag;
  answered_ = confirmation.counter;
  if (counter_ - confirmation.counter < sent_at_.size())
    delay_.on_answer(sent_at_[confirmation.counter % sent_at_.size()], confirmation.clock, now);
  if (confirmation.status == ConfirmationStatus::Challenged) {
    echo_ = confirmation.challenge;
    if (phase_ != Phase::Probing) begin_round(now);
    if (echoes_ < kMostEchoes) {
      ++echoes_;
      next_probe_ = now;
    }
    return Outcome::Challenged;
  }
  phase_ = Phase::Confirmed;
  const bool first = !was_confirmed_;
  was_confirmed_ = true;
  return first ? Outcome::Confirmed : Outcome::Reconfirmed;
}

Prober::Due Prober::on_time(TimePoint now) {
  Due out;
  if (phase_ == Phase::Confirmed) {
    if (steady_ == kSteadyPackets && now >= last_received_ + kSilence * (1 << silences_)) {
      out.silent = silences_ == 0;
      ++silences_;
      if (silences_ == kMostSilences) steady_ = 0;
      begin_round(now);
    } else if (now >= last_sent_ + keepalive_) {
      begin_round(now);
    } else if (now >= last_probe() + kMeasureEvery) {
      out.probe = true;
      return out;
    }
  }
  if (phase_ == Phase::Probing && now - round_began_ >= kRound) {
    phase_ = Phase::Retrying;
    has_traffic_ = false;
    round_began_ = now;
    next_probe_ = was_confirmed_ ? now + keepalive_ : TimePoint::max();
    out.unconfirmed = true;
    return out;
  }
  if ((phase_ == Phase::Probing || phase_ == Phase::Retrying) && now >= next_probe_)
    out.probe = true;
  return out;
}

std::optional<TimePoint> Prober::deadline() const {
  switch (phase_) {
    case Phase::Deferred:
      return std::nullopt;
    case Phase::Probing:
      return std::min(next_probe_, round_began_ + kRound);
    case Phase::Retrying:
      if (next_probe_ == TimePoint::max()) return std::nullopt;
      return next_probe_;
    case Phase::Confirmed:
      break;
  }
  const TimePoint due = std::min(last_sent_ + keepalive_, last_probe() + kMeasureEvery);
  if (steady_ < kSteadyPackets) return due;
  return std::min(due, last_received_ + kSilence * (1 << silences_));
}

ProbeDatagram Prober::next_probe(TimePoint now, TagMaker& tags) {
  ++counter_;
  const ProbeDatagram out =
      encode(Probe{.token = secret_.token, .counter = counter_, .echo = echo_}, secret_.key, tags);
  sent_at_[counter_ % sent_at_.size()] = now;
  // One that measures keeps nothing alive, since nobody sees to it that it arrives.
  if (phase_ == Phase::Confirmed) return out;
  last_sent_ = now;
  schedule_next(now);
  return out;
}

void Prober::begin_round(TimePoint at) {
  phase_ = Phase::Probing;
  round_began_ = at;
  next_probe_ = at;
  round_first_ = counter_ + 1;
  step_ = 0;
  echoes_ = 0;
}

void Prober::schedule_next(TimePoint now) {
  if (phase_ == Phase::Retrying) {
    // What answers this probe counts, however long after the round that was in vain.
    has_traffic_ = false;
    round_began_ = now;
    next_probe_ = was_confirmed_ ? now + keepalive_ : TimePoint::max();
    return;
  }
  // A probe that goes out between two steps (an echo) does not stand for the next one.
  while (step_ < kSteps.size() && round_began_ + kSteps[step_] <= now) ++step_;
  next_probe_ = step_ < kSteps.size() ? round_began_ + kSteps[step_]
                                      : std::max(now, round_began_ + kSteps.back()) + kLaterStep;
}

}  // namespace sallyport::media
