// What many calls cost on the line between an agent and its server, as counted on a wire: IP and
// UDP headers, bundles, compressed headers, sealing and all. Thirty calls of G.729 with random
// phases.
#include <gtest/gtest.h>

#include <algorithm>

#include "media/test_tagged_call.h"

namespace sallyport::media::test {
namespace {

constexpr std::size_t kCalls = 30;
constexpr std::uint32_t kPackets = 500;  // of each party: ten seconds
constexpr std::size_t kHeaders = 28;     // IPv4 and UDP
constexpr std::size_t kPacket = 32;      // RTP and 20 ms of G.729

// What a party says: its own sequence, time stamps and SSRC, and a payload that occurs once.
Buffer g729(std::uint32_t party, std::uint32_t number) {
  Buffer out;
  Writer write{out};
  write.u8(0x80).u8(18).u16(static_cast<std::uint16_t>(party * 977 + number));
  write.u32(party * 31337 + number * 160).u32(0xabc00000 + party).u32(party).u32(number);
  out.resize(kPacket, static_cast<std::uint8_t>(number * 7));
  return out;
}

struct Line {
  std::size_t packets = 0;
  std::size_t octets = 0;
};

// A party and when each of its packets left.
struct Party {
  Terminal* at = nullptr;
  TransportAddress to;
  std::vector<TimePoint> sent;
};

struct ThinLine {
  explicit ThinLine(bool tagged, Duration window)
      : agent(world, server, 1, {.compress = true, .bundle = window}) {
    server.serve(agent.x());
    for (std::uint32_t i = 0; i < kCalls; ++i) {
      legs.push_back(std::make_unique<TaggedLeg>(agent, 20 + i, tagged));
      const auto port = static_cast<std::uint16_t>(31000 + i * 2);
      const TransportAddress ours{*IpAddress::parse("198.51.100.1"), port};
      far.push_back(std::make_unique<Terminal>(
          world, TransportAddress{*IpAddress::parse("192.0.2.10"), port}));
      const std::array<SocketId, 1> socket{server.open(ours)};
      EXPECT_TRUE(server.relay.add_port(MediaId{100 + i}, socket, 46));
      server.relay.set_remote(MediaId{100 + i}, {{far.back()->address}}, world.now);
      server.relay.join(legs.back()->awaiting, MediaId{100 + i});
      parties.push_back({&legs.back()->rtp_terminal, legs.back()->rtp_port, {}});
      parties.push_back({far.back().get(), ours, {}});
    }
    world.run_for(seconds{1});
    world.tap = [this](const TransportAddress& from, const TransportAddress& to, Bytes datagram) {
      if (from != agent.x() && to != agent.x()) return true;
      Line& way = to == agent.x() ? up : down;
      ++way.packets;
      way.octets += kHeaders + datagram.size();
      return true;
    };
    for (std::uint32_t party = 0; party < parties.size(); ++party) {
      const Duration phase = std::chrono::microseconds{world.random.below(20'000)};
      for (std::uint32_t n = 0; n < kPackets; ++n)
        world.at_time(world.now + phase + milliseconds{20} * n, [this, party, n] {
          parties[party].sent.push_back(world.now);
          parties[party].at->send(parties[party].to, g729(party, n));
        });
    }
    world.run_for(seconds{12});
  }

  // From mouth to ear, of all packets; each is heard as it was said.
  Duration median_delay() const {
    std::vector<Duration> all;
    for (std::uint32_t party = 0; party < parties.size(); ++party) {
      const Terminal& hearer = *parties[party ^ 1U].at;
      EXPECT_EQ(hearer.heard.size(), kPackets);
      for (std::uint32_t n = 0; n < hearer.heard.size(); ++n) {
        EXPECT_EQ(hearer.heard[n], g729(party, n));
        all.push_back(hearer.heard_at[n] - parties[party].sent[n]);
      }
    }
    const auto middle = all.begin() + static_cast<std::ptrdiff_t>(all.size() / 2);
    std::nth_element(all.begin(), middle, all.end());
    return *middle;
  }

  World world;
  Host server{world};
  TaggedAgent agent;
  std::vector<std::unique_ptr<TaggedLeg>> legs;
  std::vector<std::unique_ptr<Terminal>> far;
  std::vector<Party> parties;
  Line up, down;
};

struct Promise {
  const char* name;
  Duration window;
  double packets;  // bound has so many times as many
  double octets;   // of what bound has
};
class ThirtyCalls : public testing::TestWithParam<Promise> {};

TEST_P(ThirtyCalls, CostAFractionOfWhatTheyCostBound) {
  const Promise& promise = GetParam();
  const ThinLine bound{false, {}};
  const ThinLine tagged{true, promise.window};
  for (const auto& [before, now] :
       {std::pair{bound.up, tagged.up}, std::pair{bound.down, tagged.down}}) {
    EXPECT_GE(static_cast<double>(before.packets),
              promise.packets * static_cast<double>(now.packets));
    EXPECT_LE(static_cast<double>(now.octets), promise.octets * static_cast<double>(before.octets));
    EXPECT_GE(before.octets, kCalls * kPackets * (kHeaders + kPacket)) << "nothing was left out";
  }
  EXPECT_LE(tagged.median_delay() - bound.median_delay(), promise.window);
}

INSTANTIATE_TEST_SUITE_P(All, ThirtyCalls,
                         testing::Values(Promise{"TwoMilliseconds", milliseconds{2}, 3, 0.65},
                                         Promise{"EightMilliseconds", milliseconds{8}, 10, 0.5}),
                         [](const auto& one) { return std::string{one.param.name}; });

}  // namespace
}  // namespace sallyport::media::test
