// Loads and attaches bare_tc.bpf.c, tells it who talks to whom, and waits for the end.
#include "load/bare_tc.h"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <net/if.h>

#include <CLI/CLI.hpp>
#include <array>
#include <csignal>
#include <cstdio>
#include <cstring>

#include "bare_tc.skel.h"
#include "load/generator.h"

using namespace sallyport;

namespace {

// One side of the relay: who is there, and by which way.
struct Way {
  bench::Side side;
  std::string device;
  std::string gateway;
};

bare_tc_target target(const Way& way, const IpAddress& relay, const TransportAddress& to) {
  bare_tc_target out{};
  std::memcpy(&out.relay, relay.octets().data(), 4);
  std::memcpy(&out.address, to.ip.octets().data(), 4);
  out.port = htons(to.port);
  ::inet_pton(AF_INET, way.gateway.c_str(), &out.gateway);
  out.device = ::if_nametoindex(way.device.c_str());
  return out;
}

bool attach(const bare_tc* program, const std::string& device) {
  bpf_tc_hook hook{};
  hook.sz = sizeof hook;
  hook.ifindex = static_cast<int>(::if_nametoindex(device.c_str()));
  hook.attach_point = BPF_TC_INGRESS;
  bpf_tc_hook_create(&hook);  // that it is there already is no error
  bpf_tc_opts options{};
  options.sz = sizeof options;
  options.prog_fd = bpf_program__fd(program->progs.bare_tc);
  return bpf_tc_attach(&hook, &options) == 0;
}

}  // namespace

// NOLINTNEXTLINE(bugprone-exception-escape): an exception may end a start-up.
int main(int argc, char** argv) {
  CLI::App app{"A bare relay in the kernel, to compare with"};
  std::string listen;
  std::array<std::string, 2> first;
  std::array<std::string, 2> device;
  std::array<std::string, 2> gateway;
  std::uint32_t streams = 1000;
  std::uint16_t generator_port = 7078;
  app.add_option("--listen", listen)->required();
  app.add_option("--streams", streams, "two for each call");
  app.add_option("--first", first[0], "media_load's")->required();
  app.add_option("--far-first", first[1], "media_load's")->required();
  app.add_option("--device", device[0], "toward the callers")->required();
  app.add_option("--far-device", device[1], "toward the callees")->required();
  app.add_option("--gateway", gateway[0], "toward the callers")->required();
  app.add_option("--far-gateway", gateway[1], "toward the callees")->required();
  app.add_option("--generator-port", generator_port, "media_load's");
  CLI11_PARSE(app, argc, argv);

  const auto relay = TransportAddress::parse(listen);
  bare_tc* const program = bare_tc::open_and_load();
  if (!relay || program == nullptr) return 1;
  const std::array<Way, 2> ways{Way{bench::side_at(first[0]), device[0], gateway[0]},
                                Way{bench::side_at(first[1]), device[1], gateway[1]}};
  const int table = bpf_map__fd(program->maps.targets);
  for (std::uint32_t i = 0; i < streams; ++i) {
    const Way& from = ways.at(i % 2);
    const Way& to = ways.at((i + 1) % 2);
    const TransportAddress source = bench::address_of(from.side, i, generator_port);
    bare_tc_source key{};
    std::memcpy(&key.relay, relay->ip.octets().data(), 4);
    std::memcpy(&key.address, source.ip.octets().data(), 4);
    key.port = htons(source.port);
    const bare_tc_target value =
        target(to, relay->ip, bench::address_of(to.side, i ^ 1U, generator_port));
    if (bpf_map_update_elem(table, &key, &value, BPF_ANY) != 0) return 1;
    std::printf("target %s\n", listen.c_str());
  }
  for (const std::string& one : device)
    if (!attach(program, one)) return 1;
  std::printf("ready\n");
  std::fflush(stdout);
  sigset_t ends{};
  ::sigemptyset(&ends);
  ::sigaddset(&ends, SIGTERM);
  ::sigaddset(&ends, SIGINT);
  ::sigprocmask(SIG_BLOCK, &ends, nullptr);
  int which = 0;
  ::sigwait(&ends, &which);
  return 0;  // the filters go with the namespace that script/bench made
}
