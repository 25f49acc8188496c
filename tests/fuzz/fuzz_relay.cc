// A relay with ports and both ends of flows, fed with a script: each step hands it a datagram from
// some source at some socket, lets time pass, or commands something. It must neither crash nor
// lose count, nor answer a stranger with more than it was sent.
//
//   step: | operation | a | b | length | octets ... |
#include <array>

#include "media/relay.h"
#include "media/token.h"
#include "require.h"

using namespace sallyport;
using namespace sallyport::media;

namespace {

TransportAddress address(std::uint8_t n) {
  if (n % 8 == 7) return {IpAddress::v6({0x20, 1, 0xd, 0xb8, n}), 2776};
  return {IpAddress::v4({192, 0, 2, static_cast<std::uint8_t>(n % 8)}), 2776};
}

class CountingSender final : public Sender {
 public:
  void send(SocketId, const TransportAddress&, TrafficClass, Bytes datagram) override {
    octets += datagram.size();
    if (!datagram.empty()) last = datagram.back();  // it must be readable
  }
  void send_copy(SocketId from, const TransportAddress& to, TrafficClass as,
                 Bytes datagram) override {
    SALLYPORT_REQUIRE(datagram.size() <= kMaxCopied);
    copied += datagram.size();
    send(from, to, as, datagram);
  }
  std::size_t octets = 0;
  std::size_t copied = 0;
  volatile std::uint8_t last = 0;
};

// Sockets: 1 and 2 are X and Y, 3 and 4 a port, 5 and 6 a probing flow, 7 another port, 8 a probing
// trunk. Trunks: one in clear at each end, with a flow on each.
struct Machine {
  Machine() {
    for (const std::uint32_t socket : {1U, 2U}) require(relay.add_server_socket(SocketId{socket}));
    FlowSpec flow;
    flow.components = {{.token = {1}, .key = {1}}, {.token = {2}, .key = {2}}};
    require(relay.add_flow(MediaId{1}, flow, {}));
    flow.components = {{.token = {3}, .key = {3}}};
    require(relay.add_flow(MediaId{2}, flow, {}));
    const std::array<SocketId, 2> pair{SocketId{3}, SocketId{4}};
    require(relay.add_port(MediaId{3}, pair, 46));
    flow.components = {{.token = {4}, .key = {4}}, {.token = {5}, .key = {5}}};
    flow.end = FlowEnd::Probing;
    flow.server = {address(1), address(1)};
    const std::array<SocketId, 2> probing{SocketId{5}, SocketId{6}};
    require(relay.add_flow(MediaId{4}, flow, probing));
    const std::array<SocketId, 1> single{SocketId{7}};
    require(relay.add_port(MediaId{5}, single, 46));
    require(relay.add_trunk(MediaId{6},
                            {.secret = {.token = {6}, .key = {6}},
                             .sealed = false,
                             .compress = true,
                             .bundle = milliseconds{5}},
                            {}));
    const std::array<SocketId, 1> trunk{SocketId{8}};
    require(relay.add_trunk(MediaId{7},
                            {.end = FlowEnd::Probing,
                             .secret = {.token = {7}, .key = {7}},
                             .server = address(1),
                             .sealed = false},
                            trunk));
    FlowSpec tagged;
    tagged.channels = {1, 2};
    tagged.trunk = MediaId{6};
    require(relay.add_flow(MediaId{8}, tagged, {}));
    tagged.trunk = MediaId{7};
    require(relay.add_flow(MediaId{9}, tagged, {}));
  }
  static void require(const Result<void>& done) { SALLYPORT_REQUIRE(done); }

  void step(std::uint8_t operation, std::uint8_t a, std::uint8_t b, Bytes octets) {
    const MediaId first{a % 10U};
    const MediaId second{b % 10U};
    switch (operation < 240 ? operation % 12 : 12 + operation % 2) {
      case 0:
        return relay.join(first, second);
      case 1:
        return relay.leave(first);
      case 2:
        return relay.probe(first, now);
      case 3:
        return relay.set_remote(first,
                                {.addresses = {address(b), address(b)},
                                 .accept = static_cast<Accept>(b % 3U),
                                 .rtp = b > 127},
                                now);
      case 4:
        now += milliseconds{a * 8 + 1};
        return relay.on_time(now, sender);
      case 5:
        return relay.path_changed(now);
      case 6:
        if (a == 255) relay.close(second);
        return;
      case 12:
        return relay.replace(first, second, a > 127 ? ReplaceStep::Send : ReplaceStep::Receive);
      case 13: {  // records on a trunk, from where it is bound to
        Buffer datagram(kPlainHeader);
        write_plain_header(datagram, a % 4U);
        datagram.insert(datagram.end(), octets.begin(), octets.end());
        return receive(b > 127 ? 8 : 1, 1, datagram);
      }
      case 7: {  // an authentic probe: what only an agent can send
        constexpr std::array<std::uint8_t, 4> kAwaiting{1, 2, 3, 6};
        const std::uint8_t which = kAwaiting.at(b % kAwaiting.size());
        Probe probe{.token = {which}, .counter = octets.empty() ? a : octets[0]};
        if (octets.size() >= 9) std::copy_n(octets.begin() + 1, 8, probe.echo.begin());
        return receive(1, a, encode(probe, {which}, tags));
      }
      case 8: {  // an authentic confirmation: what only the server can send
        constexpr std::array<std::uint8_t, 3> kProbing{4, 5, 7};
        const std::uint8_t which = kProbing.at(b % kProbing.size());
        Confirmation said{.status = static_cast<ConfirmationStatus>(a % 2U + 1U),
                          .token = {which},
                          .counter = octets.empty() ? a : octets[0]};
        return receive(static_cast<std::uint32_t>(which) + 1, 1, encode(said, {which}, tags));
      }
      default:
        return receive(a % 9U, b, octets);
    }
  }
  void receive(std::uint32_t socket, std::uint8_t from, Bytes octets) {
    buffer.assign(kHeadroom, 0);
    buffer.insert(buffer.end(), octets.begin(), octets.end());
    const std::size_t before = sender.octets;
    const bool at_server = socket == 1 || socket == 2;
    const std::uint64_t relayed = relay.totals().relayed;
    const std::uint64_t probes = relay.totals().probes_sent;
    const std::uint64_t on_trunks = relay.totals().trunk_datagrams_sent;
    relay.on_datagram(SocketId{socket}, address(from), MutableBytes{buffer}.subspan(kHeadroom), now,
                      sender);
    // Where nothing was relayed, no bundle had to leave, and nobody was probed, all that went out
    // is an answer.
    if (at_server && relayed == relay.totals().relayed && probes == relay.totals().probes_sent &&
        on_trunks == relay.totals().trunk_datagrams_sent)
      SALLYPORT_REQUIRE(sender.octets - before <= octets.size());
  }
  void expect_balance() const {
    std::uint64_t all = relay.totals().relayed + relay.totals().handled + relay.totals().waiting;
    for (const std::uint64_t dropped : relay.totals().drops) all += dropped;
    SALLYPORT_REQUIRE(all == relay.totals().received);
  }

  SeededRandom random{1};
  TagMaker tags;
  TimePoint now{std::chrono::hours{1}};
  CountingSender sender;
  Relay relay{{.max_ends = 16, .holding_slots = 6, .pleases_per_second = 10},
              random,
              [](MediaId, const Event&) {}};
  Buffer buffer;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  Machine machine;
  Reader script{{data, size}};
  while (script.left() > 0) {
    const std::uint8_t operation = script.u8();
    const std::uint8_t a = script.u8();
    const std::uint8_t b = script.u8();
    const std::size_t length = std::min<std::size_t>(script.u8(), script.left());
    machine.step(operation, a, b, script.take(length));
    machine.expect_balance();
  }
  return 0;
}
