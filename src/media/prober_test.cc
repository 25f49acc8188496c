#include "media/prober.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <vector>

#include "base/random.h"

namespace sallyport::media {
namespace {

using std::chrono::seconds;
using testing::ElementsAre;

constexpr TimePoint kStart{std::chrono::hours{1}};
// Three packets a round trip; what the far side of a test says.
struct Path {
  explicit Path(Duration keepalive = seconds{10}) : prober(secret, keepalive) {}

  // Lets time pass; returns when probes went out, in milliseconds from kStart.
  std::vector<long> run_until(long end_ms) {
    std::vector<long> sent;
    for (;;) {
      const auto due = prober.deadline();
      if (!due || *due > kStart + milliseconds{end_ms}) break;
      now = std::max(now, *due);
      const Prober::Due what = prober.on_time(now);
      if (what.unconfirmed) ++unconfirmed;
      if (what.silent) ++silent;
      if (!what.probe) continue;
      last_probe = prober.next_probe(now, tags);
      sent.push_back(std::chrono::duration_cast<milliseconds>(now - kStart).count());
      if (answering) confirm();
    }
    now = std::max(now, kStart + milliseconds{end_ms});
    return sent;
  }
  Prober::Outcome confirm(ConfirmationStatus status = ConfirmationStatus::Bound) {
    const Confirmation said{.status = status,
                            .token = secret.token,
                            .counter = parse_probe(last_probe)->counter,
                            .challenge = {7, 7}};
    const ProbeDatagram datagram = encode(said, secret.key, tags);
    return prober.on_confirmation(*parse_confirmation(datagram), datagram, now, tags);
  }
  void receive(long at_ms) {
    now = kStart + milliseconds{at_ms};
    prober.on_received(now);
  }

  FlowComponent secret = [] {
    SeededRandom random{5};
    return new_flow_component(random);
  }();
  TagMaker tags;
  Prober prober;
  TimePoint now = kStart;
  ProbeDatagram last_probe{};
  bool answering = false;
  int unconfirmed = 0;
  int silent = 0;
};

TEST(Prober, SendsNothingBeforeMediaCanStart) {
  Path path;
  EXPECT_FALSE(path.prober.deadline());
  path.prober.on_probe_please(kStart);
  EXPECT_FALSE(path.prober.deadline()) << "a stranger cannot start it either";
}

TEST(Prober, ProbesAt0And20And60And140And300And600MsThenEvery500UpTo10Seconds) {
  Path path;
  path.prober.start(kStart);
  const std::vector<long> sent = path.run_until(60000);
  EXPECT_THAT(std::vector<long>(sent.begin(), sent.begin() + 8),
              ElementsAre(0, 20, 60, 140, 300, 600, 1100, 1600));
  EXPECT_EQ(sent.back(), 9600);
  EXPECT_EQ(path.unconfirmed, 1);
  EXPECT_FALSE(path.prober.deadline()) << "without traffic there is nothing to probe for";
}

TEST(Prober, BeginsAtTheFirstLocalPacket) {
  Path path;
  EXPECT_TRUE(path.prober.on_local_packet(kStart));
  EXPECT_FALSE(path.prober.on_local_packet(kStart + milliseconds{1}));
  EXPECT_THAT(path.run_until(20), ElementsAre(0, 20));
}

TEST(Prober, StopsOnceConfirmed) {
  Path path;
  path.prober.start(kStart);
  EXPECT_THAT(path.run_until(100), ElementsAre(0, 20, 60));
  EXPECT_EQ(path.confirm(), Prober::Outcome::Confirmed);
  EXPECT_THAT(path.run_until(9000), ElementsAre());
}

TEST(Prober, RetriesEvery5SecondsWhileThereIsTrafficAfterARoundInVain) {
  Path path;
  path.prober.start(kStart);
  path.run_until(10000);
  std::vector<long> sent;
  for (long ms = 10020; ms < 30000; ms += 20) {
    path.now = kStart + milliseconds{ms};
    path.prober.on_local_packet(path.now);
    for (const long one : path.run_until(ms)) sent.push_back(one);
  }
  EXPECT_THAT(sent, ElementsAre(15000, 20000, 25000));
  EXPECT_THAT(path.run_until(100000), ElementsAre(30000)) << "what was sent last";
  EXPECT_EQ(path.unconfirmed, 1);
  EXPECT_EQ(path.confirm(), Prober::Outcome::Confirmed) << "a late answer counts";
}

TEST(Prober, KeepsTryingWithoutTrafficWhenItWasOnceConfirmed) {
  Path path;
  path.prober.start(kStart);
  path.run_until(0);
  path.confirm();
  path.run_until(21000);  // keepalive at 10 s, in vain until 20 s
  EXPECT_EQ(path.unconfirmed, 1);
  EXPECT_THAT(path.run_until(51000), ElementsAre(30000, 40000, 50000));
  path.answering = true;
  EXPECT_THAT(path.run_until(75000), ElementsAre(60000, 70000)) << "found its way back";
}

TEST(Prober, ProbesAgainWhenNothingWasSentForTheKeepaliveTimeUntilConfirmed) {
  Path path{seconds{4}};
  path.answering = true;
  path.prober.start(kStart);
  EXPECT_THAT(path.run_until(13000), ElementsAre(0, 4000, 8000, 12000));
  path.answering = false;
  EXPECT_THAT(path.run_until(16300), ElementsAre(16000, 16020, 16060, 16140, 16300));
}

TEST(Prober, NeedsNoKeepaliveWhilePacketsAreSent) {
  Path path{seconds{4}};
  path.answering = true;
  path.prober.start(kStart);
  path.run_until(0);
  for (long ms = 0; ms < 9000; ms += 3000) {
    path.now = kStart + milliseconds{ms};
    path.prober.on_local_packet(path.now);
    EXPECT_THAT(path.run_until(ms + 2999), ElementsAre());
  }
}

TEST(Prober, MeasuresThePathOfAFlowInUseOnceIn10Seconds) {
  Path path;
  path.answering = true;
  path.prober.start(kStart);
  path.run_until(0);
  const auto use_until = [&](long begin, long end) {
    std::vector<long> sent;
    for (long ms = begin; ms < end; ms += 100) {
      path.now = kStart + milliseconds{ms};
      path.prober.on_local_packet(path.now);
      for (const long one : path.run_until(ms + 99)) sent.push_back(one);
    }
    return sent;
  };
  EXPECT_THAT(use_until(100, 35000), ElementsAre(10000, 20000, 30000));
  EXPECT_EQ(path.prober.delay().round_trip(), Duration{});
  path.answering = false;
  EXPECT_THAT(use_until(35000, 65000), ElementsAre(40000, 50000, 60000)) << "lost: so what";
  EXPECT_EQ(path.confirm(ConfirmationStatus::Challenged), Prober::Outcome::Challenged);
  EXPECT_THAT(path.run_until(65100).size(), testing::Ge(3U)) << "but it was moved";
}

TEST(Prober, WhatMeasuresKeepsNothingAlive) {
  Path path;
  path.answering = true;
  path.prober.start(kStart);
  path.run_until(0);
  path.prober.on_local_packet(kStart + seconds{5});
  EXPECT_THAT(path.run_until(14999), ElementsAre(10000));
  path.answering = false;
  EXPECT_THAT(path.run_until(15100), ElementsAre(15000, 15020, 15060));
}

TEST(Prober, ProbesWhenASteadyFlowIsSilentFor300MsAndThenBacksOff) {
  Path path{seconds{60}};
  path.answering = true;
  path.prober.start(kStart);
  path.run_until(0);
  for (long ms = 20; ms <= 1000; ms += 20) {
    path.receive(ms);
    EXPECT_THAT(path.run_until(ms), ElementsAre());
  }
  EXPECT_THAT(path.run_until(40000), ElementsAre(1300, 1600, 2200, 3400, 5800, 10600, 20600, 30600))
      << "and then nothing but what measures";
  EXPECT_EQ(path.silent, 1) << "told once for one silence";
}

TEST(Prober, DoesNotMissWhatNeverCameSteadily) {
  Path path{seconds{60}};
  path.answering = true;
  path.prober.start(kStart);
  path.run_until(0);
  for (long ms = 0; ms <= 50000; ms += 5000) path.receive(ms);  // RTCP
  EXPECT_THAT(path.run_until(55000), ElementsAre(50000)) << "it measures, once";
  EXPECT_EQ(path.silent, 0);
}

TEST(Prober, EchoesAChallengeAtOnce) {
  Path path;
  path.prober.start(kStart);
  path.run_until(0);
  path.now = kStart + milliseconds{7};
  EXPECT_EQ(path.confirm(ConfirmationStatus::Challenged), Prober::Outcome::Challenged);
  EXPECT_THAT(path.run_until(7), ElementsAre(7));
  const Challenge echoed{7, 7};
  EXPECT_EQ(parse_probe(path.last_probe)->echo, echoed);
  EXPECT_EQ(path.confirm(), Prober::Outcome::Confirmed);
}

TEST(Prober, EchoesAtMostEightTimesARoundHoweverOftenItIsChallenged) {
  Path path;
  path.prober.start(kStart);
  path.run_until(0);
  int echoes = 0;
  for (int i = 1; i < 20; ++i) {
    path.now += std::chrono::microseconds{100};
    path.confirm(ConfirmationStatus::Challenged);
    const Prober::Due due = path.prober.on_time(path.now);
    if (!due.probe) continue;
    path.last_probe = path.prober.next_probe(path.now, path.tags);
    ++echoes;
  }
  EXPECT_EQ(echoes, 8);
}

TEST(Prober, IgnoresConfirmationsThatAnswerNothing) {
  Path path;
  path.prober.start(kStart);
  path.run_until(100);
  const ProbeDatagram third = path.last_probe;
  EXPECT_EQ(path.confirm(), Prober::Outcome::Confirmed);
  EXPECT_EQ(path.confirm(), Prober::Outcome::Replayed) << "the same again";
  path.prober.start(path.now);  // the path may have changed
  path.last_probe = third;
  EXPECT_EQ(path.confirm(), Prober::Outcome::Replayed) << "of the round before";

  Confirmation early{.token = path.secret.token, .counter = 99};
  ProbeDatagram datagram = encode(early, path.secret.key, path.tags);
  EXPECT_EQ(path.prober.on_confirmation(early, datagram, path.now, path.tags),
            Prober::Outcome::Replayed)
      << "of a probe not sent yet";
}

TEST(Prober, IgnoresConfirmationsThatItsServerDidNotMake) {
  Path path;
  path.prober.start(kStart);
  path.run_until(0);
  Confirmation forged{.token = path.secret.token, .counter = 1};
  const ProbeDatagram datagram = encode(forged, FlowKey{1}, path.tags);
  EXPECT_EQ(
      path.prober.on_confirmation(*parse_confirmation(datagram), datagram, path.now, path.tags),
      Prober::Outcome::BadTag);
  EXPECT_FALSE(path.prober.was_confirmed());
}

TEST(Prober, BeginsARoundForProbePleaseAtMostTwiceASecond) {
  Path path;
  path.answering = true;
  path.prober.start(kStart);
  path.run_until(0);
  int sent = 0;
  for (long ms = 1000; ms < 6000; ++ms) {
    path.now = kStart + milliseconds{ms};
    path.prober.on_probe_please(path.now);
    sent += static_cast<int>(path.run_until(ms).size());
  }
  EXPECT_EQ(sent, 10);
}

}  // namespace
}  // namespace sallyport::media
