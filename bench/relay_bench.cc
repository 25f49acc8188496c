// What one datagram costs in the relay itself, without the system calls around it.
#include <benchmark/benchmark.h>

#include <vector>

#include "media/relay.h"
#include "media/token.h"

namespace sallyport::media {
namespace {

class Nowhere final : public Sender {
 public:
  void send(SocketId, const TransportAddress& to, TrafficClass, Bytes datagram) override {
    benchmark::DoNotOptimize(to.port);
    benchmark::DoNotOptimize(datagram.data());
  }
  void send_copy(SocketId from, const TransportAddress& to, TrafficClass as,
                 Bytes datagram) override {
    send(from, to, as, datagram);
  }
};

TransportAddress source(std::uint32_t n) {
  return {IpAddress::v4({203, static_cast<std::uint8_t>(n >> 16U),
                         static_cast<std::uint8_t>(n >> 8U), static_cast<std::uint8_t>(n)}),
          static_cast<std::uint16_t>(4000 + n)};
}

// A server with so many calls between two agents each, all bound.
struct Server {
  explicit Server(std::uint32_t flows) : count(flows) {
    static_cast<void>(relay.add_server_socket(SocketId{1}));
    for (std::uint32_t i = 0; i < flows; ++i) {
      FlowSpec spec;
      spec.components = {new_flow_component(random)};
      static_cast<void>(relay.add_flow(MediaId{i + 1}, spec, {}));
      if (i % 2 == 1) relay.join(MediaId{i}, MediaId{i + 1});
      probe(spec.components[0], i, 1);
      secrets.push_back(spec.components[0]);
    }
  }
  void probe(const FlowComponent& secret, std::uint32_t flow, std::uint64_t counter) {
    ProbeDatagram datagram =
        encode(Probe{.token = secret.token, .counter = counter}, secret.key, tags);
    relay.on_datagram(SocketId{1}, source(flow), datagram, now, sender);
  }
  void receive(const TransportAddress& from) {
    relay.on_datagram(SocketId{1}, from, MutableBytes{packet}.subspan(kHeadroom, 172), now, sender);
  }

  std::uint32_t count;
  SeededRandom random{1};
  Relay relay{{.max_ends = 200000}, random, [](MediaId, const Event&) {}};
  TagMaker tags;
  Nowhere sender;
  TimePoint now{std::chrono::hours{1}};
  std::vector<FlowComponent> secrets;
  std::vector<std::uint8_t> packet = std::vector<std::uint8_t>(kHeadroom + 172, 0x80);
};

// Flows take turns in an order that no cache foresees, as packets do.
std::uint32_t next(std::uint32_t& state, std::uint32_t count) {
  state = state * 1664525U + 1013904223U;
  return static_cast<std::uint32_t>((std::uint64_t{state} * count) >> 32U);
}

void agent_to_agent(benchmark::State& state) {
  Server server{static_cast<std::uint32_t>(state.range(0))};
  std::vector<TransportAddress> sources;
  for (std::uint32_t i = 0; i < server.count; ++i) sources.push_back(source(i));
  std::uint32_t order = 1;
  // NOLINTNEXTLINE(clang-analyzer-deadcode.DeadStores): the library's loop.
  for (auto _ : state) server.receive(sources[next(order, server.count)]);
  if (server.relay.totals().dropped(Drop::UnknownSource) != 0) state.SkipWithError("not bound");
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(agent_to_agent)->Arg(10)->Arg(1000)->Arg(10000)->Arg(100000);

void stranger(benchmark::State& state) {
  Server server{1000};
  std::uint32_t order = 1;
  // NOLINTNEXTLINE(clang-analyzer-deadcode.DeadStores): the library's loop.
  for (auto _ : state) server.receive(source(0x800000U + next(order, 1000000)));
}
BENCHMARK(stranger);

void probe_and_confirmation(benchmark::State& state) {
  Server server{1000};
  std::uint64_t counter = 1;
  // Half of this is making the probe.
  // NOLINTNEXTLINE(clang-analyzer-deadcode.DeadStores): the library's loop.
  for (auto _ : state) {
    ++counter;
    server.probe(server.secrets[counter % 1000], static_cast<std::uint32_t>(counter % 1000),
                 counter);
  }
}
BENCHMARK(probe_and_confirmation);

void escaped(benchmark::State& state) {
  Server server{1000};
  const TransportAddress from = source(0);
  // NOLINTNEXTLINE(clang-analyzer-deadcode.DeadStores): the library's loop.
  for (auto _ : state) {
    server.packet[kHeadroom] = 4;
    server.packet[kHeadroom + 1] = 1;
    server.packet[kHeadroom + 2] = 0;
    server.packet[kHeadroom + 3] = 0;
    server.packet[kHeadroom + 4] = 5;
    server.receive(from);
  }
}
BENCHMARK(escaped);

}  // namespace
}  // namespace sallyport::media

BENCHMARK_MAIN();
