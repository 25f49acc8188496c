// Plays the agents (or phones) of so many calls against a relay, and tells what the relay lost, how
// long packets took, and what each cost it in CPU. One line of JSON.
//
//   media_load direct                          nothing between: the floor
//   media_load flows --targets F --seed N      bench_relay's flows, probed as an agent does
//   media_load fixed --targets F               whatever relays between addresses that it was told
//   media_load rtpengine --control IP:PORT     calls set up by its control protocol
//   media_load turn --control IP:PORT          calls of which one end has a TURN allocation
#include <CLI/CLI.hpp>
#include <fstream>
#include <iostream>

#include "load/generator.h"
#include "load/report.h"
#include "load/rtpengine.h"
#include "load/turn.h"
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
  std::string first = "127.1.0.1";
  std::string far_first;
  std::string far_namespace;
  unsigned warm_up_ms = 2000;
  unsigned measured_ms = 10000;
  bool rtcp = false;
  pid_t pid = 0;

  std::size_t talking() const { return std::size_t{2} * calls; }
};

// RTCP of stream n is stream n + talking(), which sends nothing but probes.
bool read_targets(const Options& options, Generator& generator) {
  std::ifstream file{options.targets};
  std::string word;
  std::size_t n = 0;
  while (n < options.talking() && file >> word) {
    if (word != "target") continue;
    file >> word;
    const auto target = TransportAddress::parse(word);
    if (!target) return false;
    generator.streams()[n].target = *target;
    if (options.rtcp) generator.streams()[n + options.talking()].target = *target;
    ++n;
  }
  return n == options.talking();
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
  for (std::size_t i = 0; i < options.talking(); ++i)
    for (std::size_t at = i; at < flows.size(); at += options.talking())
      flows[at].secret = media::new_flow_component(random);
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

// The caller of each call has a TURN allocation; the callee sends to its relayed address.
bool set_up_turn(const Options& options, Generator& generator) {
  const auto server = TransportAddress::parse(options.control);
  if (!server) return false;
  auto& streams = generator.streams();
  for (std::size_t i = 0; i < streams.size(); i += 2) streams[i].target = *server;
  std::size_t bound = 0;
  bool refused = false;
  const auto on_datagram = [&](std::size_t stream, Bytes datagram) {
    const auto said = turn::parse_response(datagram);
    if (!said || stream % 2 != 0) return;
    switch (said->kind) {
      case turn::Response::Kind::Allocated:
        streams[stream + 1].target = said->relayed;
        break;
      case turn::Response::Kind::ChannelBound:
        if (streams[stream].channel == 0) ++bound;
        streams[stream].channel = turn::kChannel;
        break;
      case turn::Response::Kind::Refused:
        refused = true;
        break;
    }
  };
  for (int round = 0; round < 100 && 2 * bound < streams.size() && !refused; ++round) {
    for (std::uint32_t i = 0; i < streams.size(); i += 2) {
      if (streams[i].channel != 0) continue;
      const bool allocated = streams[i + 1].target.port != 0;
      generator.send(i, *server,
                     allocated ? turn::channel_bind_request(i, streams[i + 1].local)
                               : turn::allocate_request(i));
    }
    generator.listen_for(milliseconds{100}, on_datagram);
  }
  return 2 * bound == streams.size();
}

bool set_up(const Options& options, Generator& generator) {
  auto& streams = generator.streams();
  for (std::uint32_t i = 0; i < streams.size(); ++i) streams[i].peer = i ^ 1U;
  if (options.relay == "direct") {
    for (Stream& stream : streams) stream.target = streams[stream.peer].local;
    return true;
  }
  if (options.relay == "rtpengine") return set_up_rtpengine(options, generator);
  if (options.relay == "turn") return set_up_turn(options, generator);
  if (!read_targets(options, generator)) return false;
  return options.relay == "fixed" || probe_all(options, generator);
}

std::vector<Side> sides(const Options& options) {
  std::vector<Side> out{side_at(options.first)};
  if (!options.far_first.empty()) out.push_back(side_at(options.far_first, options.far_namespace));
  return out;
}

}  // namespace

// NOLINTNEXTLINE(bugprone-exception-escape): an exception may end a start-up.
int main(int argc, char** argv) {
  Options options;
  CLI::App app{"Open-loop RTP load for a relay"};
  app.add_option("relay", options.relay)
      ->required()
      ->check(CLI::IsMember({"direct", "flows", "fixed", "rtpengine", "turn"}));
  app.add_option("--targets", options.targets, "what the relay printed");
  app.add_option("--control", options.control, "where rtpengine, or a TURN server, listens");
  app.add_option("--calls", options.calls)->check(CLI::Range(1, 30000));
  app.add_option("--seed", options.seed, "bench_relay's");
  app.add_option("--port", options.port, "this tool's own");
  app.add_option("--first", options.first, "address of the first stream; the others follow it");
  app.add_option("--far-first", options.far_first, "the callees have addresses of their own");
  app.add_option("--far-namespace", options.far_namespace, "and are in this network namespace");
  app.add_option("--warm-up", options.warm_up_ms, "milliseconds");
  app.add_option("--measure", options.measured_ms, "milliseconds");
  app.add_flag("--rtcp", options.rtcp, "flows: as bench_relay's");
  app.add_option("--pid", options.pid, "of the relay: its CPU time is told");
  CLI11_PARSE(app, argc, argv);
  try {
    Generator generator{options.port, options.talking() * (options.rtcp ? 2 : 1), sides(options)};
    generator.set_talking(options.talking());
    if (!set_up(options, generator)) {
      std::cerr << "the relay cannot be set up\n";
      return 1;
    }
    CpuMeter cpu{options.pid};
    const milliseconds measured{options.measured_ms};
    const Figures figures = generator.run(
        milliseconds{options.warm_up_ms}, measured, [&] { cpu.begin(); }, [&] { cpu.end(); });
    std::cout << '{' << report(options.relay, options.calls, figures, cpu.spent(), measured)
              << "}\n";
  } catch (const std::exception& failed) {
    std::cerr << failed.what() << '\n';
    return 1;
  }
  return 0;
}
