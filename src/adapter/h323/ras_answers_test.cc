#include "adapter/h323/ras_answers.h"

#include <gtest/gtest.h>

namespace sallyport::adapter::h323 {
namespace {

using Seen = RasAnswers::Seen;

const TimePoint kStart{std::chrono::hours{1}};
const Buffer kRequest{1, 2, 3};
const Buffer kOther{1, 2, 4};
const Buffer kAnswer{9};

RasAnswers::Key from(const char* address, std::uint16_t sequence = 7) {
  return {Place::inside(AgentId{1}), *TransportAddress::parse(address), sequence};
}

TEST(RasAnswers, TellARepetitionTheSameAgain) {
  RasAnswers answers;
  const auto key = from("10.1.1.5:1719");
  EXPECT_EQ(answers.on_request(key, kRequest, kStart), Seen::New);
  EXPECT_EQ(answers.on_request(key, kRequest, kStart + seconds{3}), Seen::Waiting);
  answers.on_answered(key, kAnswer);
  EXPECT_EQ(answers.on_request(key, kRequest, kStart + seconds{6}), Seen::Answered);
  EXPECT_EQ(to_buffer(answers.answer(key)), kAnswer);
}

TEST(RasAnswers, TakeAnotherRequestForNoRepetition) {
  RasAnswers answers;
  const auto key = from("10.1.1.5:1719");
  answers.on_request(key, kRequest, kStart);
  answers.on_answered(key, kAnswer);
  EXPECT_EQ(answers.on_request(from("10.1.1.5:1720"), kRequest, kStart), Seen::New);
  EXPECT_EQ(answers.on_request(from("10.1.1.5:1719", 8), kRequest, kStart), Seen::New);
  EXPECT_EQ(answers.on_request(key, kOther, kStart), Seen::New) << "it has restarted";
  EXPECT_TRUE(answers.answer(key).empty());
}

TEST(RasAnswers, AreForgottenAfterAWhileAndWhenThereAreTooMany) {
  RasAnswers answers;
  const auto key = from("10.1.1.5:1719");
  answers.on_request(key, kRequest, kStart);
  answers.on_answered(key, kAnswer);
  EXPECT_EQ(answers.on_request(key, kRequest, kStart + RasAnswers::kLife + seconds{1}), Seen::New);
  for (std::size_t i = 0; i < 2 * RasAnswers::kMost; ++i)
    answers.on_request({Place::inside(AgentId{static_cast<std::uint32_t>(i)}), key.remote, 1},
                       kRequest, kStart + seconds{30});
  EXPECT_LE(answers.size(), RasAnswers::kMost);
}

}  // namespace
}  // namespace sallyport::adapter::h323
