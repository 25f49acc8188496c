#include "media/flow_table.h"

#include <gtest/gtest.h>

#include <vector>

#include "media/test_world.h"

namespace sallyport::media {
namespace {

using std::chrono::seconds;
using test::at;
using Outcome = FlowTable::Outcome;

constexpr TimePoint kStart{std::chrono::hours{1}};
constexpr SocketId kX{1};
constexpr SocketId kY{2};
const TransportAddress kHome = at("203.0.113.7:20000");
const TransportAddress kElsewhere = at("203.0.113.8:30000");
const TransportAddress kMallory = at("198.51.100.66:666");

struct Binding : testing::Test {
  SeededRandom random{11};
  FlowTable table{random};
  TagMaker tags;
  FlowComponent flow = new_flow_component(random);
  FlowTable::Place place = *table.add(flow, 0, 0);

  FlowTable::OnProbe probe(const TransportAddress& source, std::uint64_t counter,
                           const Challenge& echo = {}, TimePoint now = kStart) {
    return probe_of(flow, source, counter, echo, now);
  }
  FlowTable::OnProbe probe_of(const FlowComponent& whose, const TransportAddress& source,
                              std::uint64_t counter, const Challenge& echo = {},
                              TimePoint now = kStart, SocketId socket = kX) {
    const ProbeDatagram datagram =
        encode(Probe{.token = whose.token, .counter = counter, .echo = echo}, whose.key, tags);
    return table.on_probe(socket, source, *parse_probe(datagram), datagram, now);
  }
  static Challenge challenge(const FlowTable::OnProbe& done) {
    return parse_confirmation(done.confirmation)->challenge;
  }
};

TEST_F(Binding, TheFirstAuthenticProbeBindsAtOnce) {
  EXPECT_FALSE(table[place].bound());
  const auto done = probe(kHome, 1);
  EXPECT_EQ(done.outcome, Outcome::Bound);
  EXPECT_EQ(table.find(kX, kHome), place);
  EXPECT_EQ(table.find(kY, kHome), PlaceIndex::kNone) << "at another socket it is a stranger";
  const auto answer = parse_confirmation(done.confirmation);
  EXPECT_EQ(answer->status, ConfirmationStatus::Bound);
  EXPECT_EQ(answer->counter, 1U);
  EXPECT_TRUE(authentic(done.confirmation, answer->tag, flow.key, tags));
}

TEST_F(Binding, AGuessedTokenOrKeyBindsNothing) {
  FlowComponent guess = new_flow_component(random);
  EXPECT_EQ(probe_of(guess, kMallory, 1).outcome, Outcome::UnknownToken);
  guess.token = flow.token;
  EXPECT_EQ(probe_of(guess, kMallory, 1).outcome, Outcome::BadTag);
  EXPECT_FALSE(table[place].bound());
  EXPECT_EQ(probe(kHome, 1).outcome, Outcome::Bound) << "and takes no counter";
}

TEST_F(Binding, ALiveFlowMovesOnlyWithTheEchoOfWhatWasSentToItsNewSource) {
  probe(kHome, 1);
  const auto asked = probe(kElsewhere, 2);
  EXPECT_EQ(asked.outcome, Outcome::Challenged);
  EXPECT_EQ(parse_confirmation(asked.confirmation)->status, ConfirmationStatus::Challenged);
  EXPECT_EQ(table[place].source, kHome);

  EXPECT_EQ(probe(kElsewhere, 3, {1, 2, 3}).outcome, Outcome::Challenged) << "a wrong echo";
  EXPECT_EQ(probe(kMallory, 4, challenge(asked)).outcome, Outcome::Challenged)
      << "the echo of what was sent to somebody else";
  EXPECT_EQ(probe(kElsewhere, 5, challenge(asked)).outcome, Outcome::Moved);
  EXPECT_EQ(table[place].source, kElsewhere);
  EXPECT_EQ(table.find(kX, kHome), PlaceIndex::kNone);
  EXPECT_EQ(table.find(kX, kElsewhere), place);
}

TEST_F(Binding, AChallengeHoldsForOneSlotOfTimeAndTheNext) {
  probe(kHome, 1);
  const Challenge given = challenge(probe(kElsewhere, 2));
  EXPECT_EQ(probe(kElsewhere, 3, given, kStart + seconds{200}).outcome, Outcome::Challenged);
  const Challenge later = challenge(probe(kElsewhere, 4, {}, kStart + seconds{200}));
  EXPECT_EQ(probe(kElsewhere, 5, later, kStart + seconds{230}).outcome, Outcome::Moved);
}

TEST_F(Binding, CountersRiseAndAReplayIsRefused) {
  probe(kHome, 5);
  EXPECT_EQ(probe(kHome, 5).outcome, Outcome::Replayed);
  EXPECT_EQ(probe(kHome, 4).outcome, Outcome::Replayed);
  EXPECT_EQ(probe(kMallory, 4).outcome, Outcome::Replayed);
  EXPECT_EQ(probe(kHome, 6).outcome, Outcome::Confirmed);
}

TEST_F(Binding, ACounterOfZeroIsAReplay) { EXPECT_EQ(probe(kHome, 0).outcome, Outcome::Replayed); }

TEST_F(Binding, ACopyThatArrivesFirstIsUndoneByThatWhichItCopied) {
  EXPECT_EQ(probe(kMallory, 1).outcome, Outcome::Bound) << "nobody can tell yet";
  const auto asked = probe(kHome, 1);
  ASSERT_EQ(asked.outcome, Outcome::Challenged) << "not taken for a replay";
  // The copy of the next one comes first as well; its echo is of no use to Mallory.
  EXPECT_EQ(probe(kMallory, 2, challenge(asked)).outcome, Outcome::Confirmed);
  EXPECT_EQ(probe(kHome, 2, challenge(asked)).outcome, Outcome::Moved);
  EXPECT_EQ(table[place].source, kHome);
  EXPECT_EQ(probe(kMallory, 3).outcome, Outcome::Challenged);
  EXPECT_EQ(table[place].source, kHome);
}

TEST_F(Binding, FewCopiesOfAProbeAreAnswered) {
  probe(kHome, 1);
  int answered = 0;
  for (std::uint16_t port = 1; port < 100; ++port)
    answered += probe({kMallory.ip, port}, 1).outcome == Outcome::Challenged ? 1 : 0;
  EXPECT_EQ(answered, 4);
}

TEST_F(Binding, ABindToAnotherFlowsSourceTakesItAwayOnceItIsProven) {
  probe(kHome, 1);
  const FlowComponent other = new_flow_component(random);
  const FlowTable::Place second = *table.add(other, 1, 0);
  const auto asked = probe_of(other, kHome, 1);
  EXPECT_EQ(asked.outcome, Outcome::Challenged) << "the source may be spoofed";
  EXPECT_EQ(table.find(kX, kHome), place);
  EXPECT_EQ(probe_of(other, kHome, 2, challenge(asked)).outcome, Outcome::Bound);
  EXPECT_EQ(table.find(kX, kHome), second);
  EXPECT_FALSE(table[place].bound());

  const auto again = probe(kElsewhere, 2);
  EXPECT_EQ(again.outcome, Outcome::Challenged) << "it was bound before";
  EXPECT_EQ(probe(kElsewhere, 3, challenge(again)).outcome, Outcome::Moved);
}

TEST_F(Binding, TheComponentsOfAFlowAreToldApartByTheirTokensAtOneSocket) {
  const FlowComponent rtcp = new_flow_component(random);
  const FlowTable::Place second = *table.add(rtcp, 0, 1);
  probe(kHome, 1);
  probe_of(rtcp, kElsewhere, 1);
  EXPECT_EQ(table.find(kX, kHome), place);
  EXPECT_EQ(table.find(kX, kElsewhere), second);
}

TEST_F(Binding, ATokenIsUsedOnceAtATime) {
  EXPECT_EQ(table.add(flow, 3, 0).error().code, Errc::BadValue);
  table.remove(place);
  EXPECT_TRUE(table.add(flow, 3, 0));
}

TEST_F(Binding, AFlowThatIsRemovedIsForgotten) {
  probe(kHome, 1);
  table.remove(place);
  EXPECT_EQ(table.find(kX, kHome), PlaceIndex::kNone);
  EXPECT_EQ(probe(kHome, 2).outcome, Outcome::UnknownToken);
}

TEST_F(Binding, TenThousandFlowsAreEachFoundByTheirSource) {
  std::vector<FlowTable::Place> places;
  const auto source = [](std::uint32_t i) {
    return TransportAddress{IpAddress::v4({203, 0, static_cast<std::uint8_t>(i >> 8U), 1}),
                            static_cast<std::uint16_t>(1024 + i)};
  };
  for (std::uint32_t i = 0; i < 10000; ++i) {
    const FlowComponent one = new_flow_component(random);
    places.push_back(*table.add(one, i, 0));
    ASSERT_EQ(probe_of(one, source(i), 1).outcome, Outcome::Bound);
  }
  for (std::uint32_t i = 0; i < 10000; i += 2) table.remove(places[i]);
  for (std::uint32_t i = 0; i < 10000; ++i)
    ASSERT_EQ(table.find(kX, source(i)), i % 2 == 0 ? PlaceIndex::kNone : places[i]);
}

}  // namespace
}  // namespace sallyport::media
