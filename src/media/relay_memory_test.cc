// The packet path allocates nothing, and a flow takes little: measured by counting what operator
// new is asked for (OpenSSL does not ask it: setting the key of a probe's tag takes and gives back
// 64 octets). A binary of its own, since it replaces operator new for all of it.
#include <gtest/gtest.h>

#include <cstdlib>
#include <new>

#include "media/relay.h"
#include "media/token.h"

namespace {
std::size_t allocations = 0;
std::size_t octets_allocated = 0;  // less what was given back
constexpr std::size_t kBefore = alignof(std::max_align_t);
}  // namespace

// Each block has its size before it.
void* operator new(std::size_t size) {
  ++allocations;
  octets_allocated += size;
  void* const block = std::malloc(size + kBefore);
  if (block == nullptr) throw std::bad_alloc{};
  *static_cast<std::size_t*>(block) = size;
  return static_cast<char*>(block) + kBefore;
}
void operator delete(void* at) noexcept {
  if (at == nullptr) return;
  void* const block = static_cast<char*>(at) - kBefore;
  octets_allocated -= *static_cast<std::size_t*>(block);
  std::free(block);
}
void operator delete(void* at, std::size_t) noexcept { operator delete(at); }

namespace sallyport::media {
namespace {

class Nowhere final : public Sender {
 public:
  void send(SocketId, const TransportAddress&, TrafficClass, Bytes) override { ++sent; }
  void send_copy(SocketId, const TransportAddress&, TrafficClass, Bytes) override { ++sent; }
  std::size_t sent = 0;
};

TransportAddress source(std::uint32_t n) {
  return {IpAddress::v4({203, 0, static_cast<std::uint8_t>(n >> 8U), static_cast<std::uint8_t>(n)}),
          4000};
}

struct Loaded : testing::Test {
  static constexpr std::uint32_t kFlows = 2000;
  SeededRandom random{1};
  Relay relay{{}, random, [](MediaId, const Event&) {}};
  std::vector<FlowComponent> secrets;
  TagMaker tags;
  Nowhere sender;
  TimePoint now{std::chrono::hours{1}};
  std::vector<std::uint8_t> buffer = std::vector<std::uint8_t>(kHeadroom + 172, 0x80);

  Loaded() {
    EXPECT_TRUE(relay.add_server_socket(SocketId{1}));
    EXPECT_TRUE(relay.add_server_socket(SocketId{2}));
    for (std::uint32_t i = 0; i < kFlows * 2; ++i) secrets.push_back(new_flow_component(random));
  }
  // Each flow has RTP and RTCP; every two flows are joined.
  void open_flows() {
    for (std::uint32_t i = 0; i < kFlows; ++i) {
      FlowSpec spec;
      spec.components = {secrets[std::size_t{i} * 2], secrets[std::size_t{i} * 2 + 1]};
      ASSERT_TRUE(relay.add_flow(MediaId{i + 1}, spec, {}));
      if (i % 2 == 1) relay.join(MediaId{i}, MediaId{i + 1});
    }
  }
  void receive(std::uint32_t socket, const TransportAddress& from) {
    relay.on_datagram(SocketId{socket}, from, MutableBytes{buffer}.subspan(kHeadroom), now, sender);
  }
  void probe(std::uint32_t flow, std::uint64_t counter) {
    ProbeDatagram datagram =
        encode(Probe{.token = secrets[std::size_t{flow} * 2].token, .counter = counter},
               secrets[std::size_t{flow} * 2].key, tags);
    relay.on_datagram(SocketId{1}, source(flow), datagram, now, sender);
  }
};

TEST_F(Loaded, AFlowTakesLessThanTwoKilobytes) {
  const std::size_t before = octets_allocated;
  open_flows();
  const std::size_t each = (octets_allocated - before) / kFlows;
  RecordProperty("octets_per_flow", static_cast<int>(each));
  EXPECT_LT(each, 2048U);
  EXPECT_GT(each, 200U) << "or nothing was measured";
}

TEST_F(Loaded, BindingHoldingForwardingAndAnsweringStrangersAllocateNothing) {
  open_flows();
  const std::size_t before = allocations;
  for (std::uint32_t i = 0; i < kFlows; i += 2) probe(i, 1);            // every other side is bound
  for (std::uint32_t i = 0; i < kFlows; i += 2) receive(1, source(i));  // waits for the other
  EXPECT_EQ(relay.totals().waiting, 512U) << "all the room there is";
  for (std::uint32_t i = 1; i < kFlows; i += 2) probe(i, 1);
  for (int round = 0; round < 20; ++round)
    for (std::uint32_t i = 0; i < kFlows; ++i) receive(1, source(i));
  for (std::uint32_t i = 0; i < 5000; ++i) receive(2, source(i));  // strangers
  for (std::uint32_t i = 0; i < kFlows; ++i) probe(i, 2);
  now += seconds{1};
  relay.on_time(now, sender);
  EXPECT_EQ(allocations, before);
  EXPECT_EQ(relay.totals().relayed, 512U + 20U * kFlows);
}

// One trunk, sealed, bundled and compressed, with many flows: opened, taken apart, forwarded
// between flows, put together and sealed again.
TEST_F(Loaded, TrunksAllocateNothingAndATaggedFlowTakesLittle) {
  constexpr std::uint32_t kTrunks = 2;
  constexpr std::uint32_t kTagged = 400;  // on each
  KeyRing far;                            // the agents' side; both have the same keys here
  for (std::uint32_t t = 0; t < kTrunks; ++t) {
    const TrunkSpec spec{.secret = secrets[t],
                         .ring = KeyRingId{t + 1},
                         .compress = true,
                         .bundle = milliseconds{1}};
    ASSERT_TRUE(relay.add_trunk(MediaId{t + 1}, spec, {}));
    relay.install_keys(KeyRingId{t + 1}, {.connection = 1, .sends = Direction::ServerToAgent}, now);
    ProbeDatagram datagram =
        encode(Probe{.token = secrets[t].token, .counter = 1}, secrets[t].key, tags);
    relay.on_datagram(SocketId{1}, source(t), datagram, now, sender);
  }
  far.install({.connection = 1, .sends = Direction::AgentToServer}, now);
  const std::size_t octets_before = octets_allocated;
  for (std::uint32_t i = 0; i < kTagged; ++i) {
    for (std::uint32_t t = 0; t < kTrunks; ++t) {
      FlowSpec flow;
      flow.trunk = MediaId{t + 1};
      flow.channels = {static_cast<Channel>(i * 2 + 1), static_cast<Channel>(i * 2 + 2)};
      ASSERT_TRUE(relay.add_flow(MediaId{100 + i * 2 + t}, flow, {}));
    }
    relay.join(MediaId{100 + i * 2}, MediaId{101 + i * 2});
  }
  const std::size_t each = (octets_allocated - octets_before) / (std::size_t{kTagged} * kTrunks);
  RecordProperty("octets_per_tagged_flow", static_cast<int>(each));
  EXPECT_LT(each, 2048U);
  EXPECT_GT(each, 200U) << "or nothing was measured";

  std::array<std::uint8_t, kHeadroom + 1500> room{};
  const std::size_t before = allocations;
  for (std::uint16_t n = 0; n < 50; ++n) {
    now += milliseconds{20};
    for (std::uint32_t i = 0; i < kTagged; ++i) {
      // As records: a whole packet and one in two parts.
      Bundle bundle;
      const auto put = [&](Form form, std::size_t size) {
        const MutableBytes body = bundle.append(form, static_cast<Channel>(i * 2 + 1), size);
        std::fill(body.begin(), body.end(), static_cast<std::uint8_t>(n));
        return body;
      };
      const MutableBytes packet = put(Form::Packet, 172);
      packet[0] = 0x80;
      packet[1] = 18;
      packet[2] = 0;
      packet[3] = static_cast<std::uint8_t>(n);
      put(Form::FirstPart, 100);
      put(Form::SecondPart, 100);
      const auto sealed = far.seal(kNoChannel, bundle.payload().octets, now);
      ASSERT_TRUE(sealed);
      std::copy(sealed->begin(), sealed->end(), room.begin() + kHeadroom);
      relay.on_datagram(SocketId{1}, source(0),
                        MutableBytes{room}.subspan(kHeadroom, sealed->size()), now, sender);
    }
    relay.on_time(now + milliseconds{1}, sender);
  }
  EXPECT_EQ(allocations, before);
  EXPECT_EQ(relay.totals().relayed, 50U * 2 * kTagged);
  EXPECT_GT(relay.totals().trunk_datagrams_sent, 50U * 2 * kTagged / 10);
}

TEST_F(Loaded, ProbingAllocatesNothingEither) {
  constexpr std::uint32_t kProbing = 100;
  for (std::uint32_t i = 0; i < kProbing; ++i) {
    FlowSpec spec;
    spec.end = FlowEnd::Probing;
    spec.components = {secrets[i]};
    spec.server = {source(9)};
    const std::array<SocketId, 1> socket{SocketId{10 + i}};
    ASSERT_TRUE(relay.add_flow(MediaId{1 + i * 2}, spec, socket));
    const std::array<SocketId, 1> port{SocketId{1000 + i}};
    ASSERT_TRUE(relay.add_port(MediaId{2 + i * 2}, port, 46));
    relay.set_remote(MediaId{2 + i * 2}, {{source(7)}}, now);
    relay.join(MediaId{1 + i * 2}, MediaId{2 + i * 2});
  }
  const std::size_t before = allocations;
  for (int step = 0; step < 1000; ++step) {
    now += milliseconds{20};
    for (std::uint32_t i = 0; i < kProbing; ++i) receive(1000 + i, source(7));
    relay.on_time(now, sender);
  }
  EXPECT_EQ(allocations, before);
  EXPECT_GT(relay.totals().probes_sent, kProbing * 20U);
  EXPECT_EQ(relay.totals().relayed, 1000U * kProbing);
}

}  // namespace
}  // namespace sallyport::media
