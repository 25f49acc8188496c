// Plays the agents (or phones) of so many calls against a relay, and tells what the relay lost, how
// long packets took, and what each cost it in CPU. One line of JSON.
//
//   media_load direct                            nothing between: the floor
//   media_load sallyport --targets F --seed N    bench_relay's flows, probed as an agent does
//   media_load ports --targets F                 bench_relay's ports
//   media_load rtpengine --control 127.0.0.1:P   calls set up by its control protocol
#include <CLI/CLI.hpp>
#include <cstdio>
#include <fstream>
#include <iostream>

#include "load/generator.h"
#include "load/process_cpu.h"
#include "load/rtpengine.h"
#include "media/probe.h"
#include "media/token.h"

using namespace sallyport;
using namespace sallyport::bench;
using std::chrono::milliseconds;

namespace {

struct Options {
  std::string relay;
  std::string targets;
  std::string control = "127.0.0.1:22222";
  std::uint32_t calls = 500;
  std::uint64_t seed = 1;
  std::uint16_t port = 7078;
  unsigned warm_up_ms = 2000;
  unsigned measured_ms = 10000;
  pid_t pid = 0;
};

bool read_targets(const std::string& path, Generator& generator) {
  std::ifstream file{path};
  std::string word;
  std::size_t n = 0;
  while (n < generator.streams().size() && file >> word) {
    if (word != "target") continue;
    file >> word;
    const auto target = TransportAddress::parse(word);
    if (!target) return false;
    generator.streams()[n++].target = *target;
  }
  return n == generator.streams().size();
}

// As an agent does it: a probe, and again until it is confirmed; a challenge is echoed.
bool probe_all(const Options& options, Generator& generator) {
  SeededRandom random{options.seed};
  media::TagMaker tags;
  struct Flow {
    media::FlowComponent secret;
    media::Challenge echo{};
    bool confirmed = false;
  };
  std::vector<Flow> flows(generator.streams().size());
  for (Flow& flow : flows) flow.secret = media::new_flow_component(random);
  std::size_t confirmed = 0;
  const auto on_datagram = [&](std::size_t stream, Bytes datagram) {
    const auto said = media::parse_confirmation(datagram);
    Flow& flow = flows[stream];
    if (!said || !media::authentic(datagram, said->tag, flow.secret.key, tags)) return;
    flow.echo = said->challenge;
    if (said->status != media::ConfirmationStatus::Bound || flow.confirmed) return;
    flow.confirmed = true;
    ++confirmed;
  };
  // A clock, since an earlier run against the same relay has used counters.
  auto counter = static_cast<std::uint64_t>(std::chrono::system_clock::now().time_since_epoch() /
                                            milliseconds{1});
  for (int round = 0; round < 100 && confirmed < flows.size(); ++round) {
    ++counter;
    for (std::size_t i = 0; i < flows.size(); ++i) {
      if (flows[i].confirmed) continue;
      generator.send(i, generator.streams()[i].target,
                     encode(media::Probe{.token = flows[i].secret.token,
                                         .counter = counter,
                                         .echo = flows[i].echo},
                            flows[i].secret.key, tags));
    }
    generator.listen_for(milliseconds{100}, on_datagram);
  }
  return confirmed == flows.size();
}

bool set_up_rtpengine(const Options& options, Generator& generator) {
  const auto control = TransportAddress::parse(options.control);
  if (!control) return false;
  Rtpengine rtpengine{*control};
  const std::string run =
      std::to_string(std::chrono::system_clock::now().time_since_epoch().count());
  for (std::size_t i = 0; i < generator.streams().size(); i += 2) {
    Stream& caller = generator.streams()[i];
    Stream& callee = generator.streams()[i + 1];
    const auto call = rtpengine.begin(run + "-" + std::to_string(i), caller.local, callee.local);
    if (!call) return false;
    caller.target = call->for_caller;
    callee.target = call->for_callee;
  }
  return true;
}

bool set_up(const Options& options, Generator& generator) {
  auto& streams = generator.streams();
  for (std::uint32_t i = 0; i < streams.size(); ++i) streams[i].peer = i ^ 1U;
  if (options.relay == "direct") {
    for (Stream& stream : streams) stream.target = streams[stream.peer].local;
    return true;
  }
  if (options.relay == "rtpengine") return set_up_rtpengine(options, generator);
  if (!read_targets(options.targets, generator)) return false;
  return options.relay == "ports" || probe_all(options, generator);
}

void print(const Options& options, const Figures& figures, std::uint64_t cpu_ns) {
  const double seconds = options.measured_ms / 1e3;
  const auto received = static_cast<double>(figures.received == 0 ? 1 : figures.received);
  std::printf(
      "{\"relay\":\"%s\",\"calls\":%u,\"sent\":%llu,\"received\":%llu,\"lost\":%lld,"
      "\"misdelivered\":%llu,\"missed_by_generator\":%llu,\"not_sent\":%llu,"
      "\"packets_per_second\":%.0f,\"p50_us\":%.1f,\"p99_us\":%.1f,\"p999_us\":%.1f,"
      "\"most_us\":%.1f,\"generator_late_p99_us\":%.1f,\"cpu_ns_per_packet\":%.0f,"
      "\"cpu_percent\":%.1f}\n",
      options.relay.c_str(), options.calls, static_cast<unsigned long long>(figures.sent),
      static_cast<unsigned long long>(figures.received),
      static_cast<long long>(figures.sent) - static_cast<long long>(figures.received),
      static_cast<unsigned long long>(figures.misdelivered),
      static_cast<unsigned long long>(figures.missed),
      static_cast<unsigned long long>(figures.not_sent),
      static_cast<double>(figures.sent) / seconds, figures.latency.percentile_us(0.5),
      figures.latency.percentile_us(0.99), figures.latency.percentile_us(0.999),
      figures.latency.most_us(), figures.lateness.percentile_us(0.99),
      static_cast<double>(cpu_ns) / received, static_cast<double>(cpu_ns) / seconds / 1e7);
}

}  // namespace

// NOLINTNEXTLINE(bugprone-exception-escape): an exception may end a start-up.
int main(int argc, char** argv) {
  Options options;
  CLI::App app{"Open-loop RTP load for a relay"};
  app.add_option("relay", options.relay)
      ->required()
      ->check(CLI::IsMember({"direct", "sallyport", "ports", "rtpengine"}));
  app.add_option("--targets", options.targets, "what bench_relay printed");
  app.add_option("--control", options.control, "rtpengine's control port");
  app.add_option("--calls", options.calls)->check(CLI::Range(1, 20000));
  app.add_option("--seed", options.seed, "bench_relay's");
  app.add_option("--port", options.port, "this tool's own");
  app.add_option("--warm-up", options.warm_up_ms, "milliseconds");
  app.add_option("--measure", options.measured_ms, "milliseconds");
  app.add_option("--pid", options.pid, "of the relay: its CPU time is told");
  CLI11_PARSE(app, argc, argv);
  try {
    Generator generator{options.port, std::size_t{options.calls} * 2};
    if (!set_up(options, generator)) {
      std::cerr << "the relay cannot be set up\n";
      return 1;
    }
    std::uint64_t cpu_before = 0;
    std::uint64_t cpu_after = 0;
    const Figures figures = generator.run(
        milliseconds{options.warm_up_ms}, milliseconds{options.measured_ms},
        [&] { cpu_before = options.pid == 0 ? 0 : process_cpu_ns(options.pid); },
        [&] { cpu_after = options.pid == 0 ? 0 : process_cpu_ns(options.pid); });
    print(options, figures, cpu_after - cpu_before);
  } catch (const std::exception& failed) {
    std::cerr << failed.what() << '\n';
    return 1;
  }
  return 0;
}
