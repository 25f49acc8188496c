// ECN through user space: what a packet says of it where it arrives is what it leaves with, in each
// carriage, and a mark made on the way between agent and server reaches who hears the packet.
#include <gtest/gtest.h>

#include "media/test_call.h"
#include "media/test_tagged_call.h"

namespace sallyport::media::test {
namespace {

constexpr std::array kEach{Ecn::NotCapable, Ecn::Capable1, Ecn::Capable0, Ecn::Congested};

TEST(Ecn, IsWhatThePacketCameWithInTheBoundCarriage) {
  World world;
  Call call{world};
  for (std::size_t i = 0; i < kEach.size(); ++i) {  // the first ones wait for the flow to be bound
    call.alice.ecn = kEach.at(i);
    call.alice.send(call.agent_rtp, rtp(static_cast<std::uint32_t>(i)));
  }
  world.run_for(seconds{1});
  EXPECT_EQ(call.bob.heard_ecn, std::vector(kEach.begin(), kEach.end()));
  for (const Ecn ecn : kEach) {
    call.bob.ecn = ecn;
    call.bob.send(call.server_rtp, rtp(0));
  }
  world.run_for(seconds{1});
  EXPECT_EQ(call.alice.heard_ecn, std::vector(kEach.begin(), kEach.end()));
}

TEST(Ecn, OfCongestionOnTheWayIsToldToWhoeverHearsThePacket) {
  World world;
  Call call{world};
  call.alice.ecn = Ecn::Capable0;
  call.alice.send(call.agent_rtp, rtp(0));
  world.run_for(seconds{1});
  world.congested = true;
  call.alice.send(call.agent_rtp, rtp(1));
  call.alice.ecn = Ecn::NotCapable;
  call.alice.send(call.agent_rtp, rtp(2));
  world.run_for(seconds{1});
  EXPECT_EQ(call.bob.heard_ecn, (std::vector{Ecn::Capable0, Ecn::Congested, Ecn::NotCapable}));
}

class TaggedEcn : public testing::TestWithParam<TaggedOptions> {
 protected:
  TaggedEcn() {
    x_ = server_.serve(agent_.x());
    const std::array<SocketId, 1> outside{server_.open(server_rtp_)};
    EXPECT_TRUE(server_.relay.add_port(MediaId{2}, outside, 46));
    server_.relay.set_remote(MediaId{2}, {{bob_.address}}, world_.now);
    alice_.emplace(agent_, 3);
    server_.relay.join(alice_->awaiting, MediaId{2});
  }
  ~TaggedEcn() override { server_.expect_balance(); }
  TaggedEcn(const TaggedEcn&) = delete;
  TaggedEcn& operator=(const TaggedEcn&) = delete;

  void say(Ecn ecn, const Buffer& packet) {
    alice_->rtp_terminal.ecn = ecn;
    alice_->rtp_terminal.send(alice_->rtp_port, packet);
  }
  std::map<Buffer, Ecn> heard() const {
    std::map<Buffer, Ecn> out;
    for (std::size_t i = 0; i < bob_.heard.size(); ++i)
      out.emplace(bob_.heard[i], bob_.heard_ecn[i]);
    return out;
  }

  World world_;
  Host server_{world_};
  TaggedAgent agent_{world_, server_, 1, GetParam()};
  TransportAddress server_rtp_ = at("198.51.100.1:30000");
  Terminal bob_{world_, at("192.0.2.9:7000")};
  SocketId x_;
  std::optional<TaggedLeg> alice_;
};

TEST_P(TaggedEcn, OfADatagramIsThatOfEachPacketInIt) {
  std::map<Buffer, Ecn> said;
  // At once, the first of them before the trunk is bound; and then in the middle of the call.
  for (const std::uint32_t first : {0U, 100U, 200U}) {
    for (std::uint32_t i = 0; i < 16; ++i) {
      const Ecn ecn = kEach.at(i / 3 % kEach.size());
      say(ecn, rtp(first + i));
      said.emplace(rtp(first + i), ecn);
      if (first == 0 && i == 3) world_.run_for(seconds{1});  // no more than four wait
    }
    world_.run_for(seconds{1});
  }
  EXPECT_EQ(heard(), said);
}

TEST_P(TaggedEcn, MarkedOnTheWayIsEveryPacketOfTheDatagramAndEachThatWasSplit) {
  say(Ecn::Capable0, rtp(0));
  world_.run_for(seconds{1});
  world_.congested = true;
  Buffer large = rtp(1);
  large.resize(1450, 0x77);
  std::map<Buffer, Ecn> said{{rtp(0), Ecn::Capable0}};
  for (const Buffer& one : {rtp(2), rtp(3), large}) {
    say(Ecn::Capable0, one);
    said.emplace(one, Ecn::Congested);
  }
  world_.run_for(seconds{1});
  EXPECT_EQ(heard(), said);
}

INSTANTIATE_TEST_SUITE_P(All, TaggedEcn,
                         testing::Values(TaggedOptions{}, TaggedOptions{.sealed = false},
                                         TaggedOptions{.bundle = milliseconds{2}},
                                         TaggedOptions{.compress = true,
                                                       .bundle = milliseconds{2}}),
                         [](const auto& point) {
                           const TaggedOptions& it = point.param;
                           return std::string(it.sealed ? "Sealed" : "Clear") +
                                  (it.compress ? "Compressed" : "") +
                                  (it.bundle > Duration{} ? "Bundled" : "");
                         });

// One part of a packet in two was marked: the packet is.
TEST(Ecn, OfAPacketInTwoPartsIsThatOfTheMarkedOne) {
  Reassembly parts{0};
  const Buffer part{1, 2, 3};
  for (const bool second : {false, true}) {
    ASSERT_EQ(parts.add(7, second, part, Ecn::Congested, TimePoint{}).outcome,
              Reassembly::Outcome::Waits);
    const auto whole = parts.add(7, !second, part, Ecn::Capable0, TimePoint{});
    ASSERT_EQ(whole.outcome, Reassembly::Outcome::Whole);
    EXPECT_EQ(whole.ecn, Ecn::Congested);
  }
}

}  // namespace
}  // namespace sallyport::media::test
