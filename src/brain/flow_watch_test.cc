#include "brain/flow_watch.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/test_log.h"

namespace sallyport::brain {
namespace {

using adapter::Place;
using testing::HasSubstr;
using testing::IsEmpty;

const Place kOffice = Place::inside(AgentId{1});
const TimePoint kStart{std::chrono::hours{1}};

struct FlowWatchTest : testing::Test {
  TestLog log;
  FlowWatch watch{log};

  FlowWatchTest() { watch.on_agent(kOffice, "office"); }
  static FlowWatch::Flow flow() {
    return {.place = kOffice,
            .server = {*TransportAddress::parse("203.0.113.7:2776"),
                       *TransportAddress::parse("203.0.113.7:2777")},
            .started = kStart};
  }
};

TEST_F(FlowWatchTest, SaysWhatIsToBeCheckedWhenNoProbeArrives) {
  auto blocked = flow();
  watch.on_unconfirmed(blocked, 0, kStart + seconds{10});
  const std::string problem =
      "no probe of agent office arrived at X (203.0.113.7:2776): is UDP to there let out?";
  EXPECT_EQ(watch.problem_of(blocked), problem);
  EXPECT_EQ(watch.health(kOffice).problem, problem);
  ASSERT_EQ(log.lines.size(), 1U);
  EXPECT_THAT(log.lines[0], HasSubstr(R"("level":"warning","event":"media not confirmed")"));
  EXPECT_THAT(log.lines[0], HasSubstr(problem));
  watch.on_closed(blocked, kStart + seconds{20});
  EXPECT_EQ(log.lines.size(), 2U) << "of Y nobody has told";
  EXPECT_EQ(watch.health(kOffice).unconfirmed, 2U);
}

TEST_F(FlowWatchTest, TellsAnswersThatDoNotArriveFromProbesThatDoNot) {
  auto half = flow();
  FlowWatch::on_arrived(half, 0);
  watch.on_unconfirmed(half, 0, kStart + seconds{10});
  EXPECT_EQ(
      watch.problem_of(half),
      "no answer from X (203.0.113.7:2776) arrived at agent office: is UDP from there let in?");
}

TEST_F(FlowWatchTest, AConfirmedFlowIsNoProblemAndEndsAnEarlierOne) {
  auto blocked = flow();
  watch.on_unconfirmed(blocked, 0, kStart);
  auto fine = flow();
  for (const std::uint8_t component : {std::uint8_t{0}, std::uint8_t{1}}) {
    FlowWatch::on_arrived(fine, component);
    watch.on_confirmed(fine, component);
  }
  watch.on_unconfirmed(fine, 0, kStart + seconds{60});  // it broke later, which others see to
  watch.on_closed(fine, kStart + seconds{99});
  EXPECT_THAT(watch.problem_of(fine), IsEmpty());
  EXPECT_THAT(watch.health(kOffice).problem, IsEmpty());
  EXPECT_EQ(watch.health(kOffice).confirmed, 2U);
}

TEST_F(FlowWatchTest, AProblemOfOneCarriageIsForgottenWithIt) {
  auto blocked = flow();
  watch.on_unconfirmed(blocked, 1, kStart);
  EXPECT_THAT(watch.health(kOffice).problem, testing::Not(IsEmpty()));
  watch.on_carriage(kOffice);
  EXPECT_THAT(watch.health(kOffice).problem, IsEmpty());
  EXPECT_EQ(watch.health(kOffice).unconfirmed, 1U);
}

TEST_F(FlowWatchTest, ACallThatWasNotAnsweredOrIsOverAtOnceSaysNothing) {
  auto unanswered = flow();
  unanswered.started.reset();
  watch.on_closed(unanswered, kStart + seconds{60});
  auto brief = flow();
  watch.on_closed(brief, kStart + seconds{1});
  EXPECT_THAT(log.lines, IsEmpty());
}

TEST_F(FlowWatchTest, LogsEachProblemOnceAMinute) {
  for (int call = 0; call < 100; ++call) {
    auto blocked = flow();
    watch.on_unconfirmed(blocked, 0, kStart);
  }
  EXPECT_EQ(log.lines.size(), 1U);
  EXPECT_EQ(watch.health(kOffice).unconfirmed, 100U);
  watch.on_agent_lost(kOffice);
  EXPECT_EQ(watch.health(kOffice).unconfirmed, 0U);
}

}  // namespace
}  // namespace sallyport::brain
