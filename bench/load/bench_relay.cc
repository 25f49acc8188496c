// Sallyport's media plane alone, as a process to be measured: the media thread of the server with
// X, or of an agent with ports, and nothing that makes calls. Its flows' secrets come from a seed,
// so that media_load can play the agents.
#include <CLI/CLI.hpp>
#include <atomic>
#include <condition_variable>
#include <csignal>
#include <cstdio>
#include <deque>
#include <mutex>

#include "edge/media_thread.h"
#include "fastpath/open.h"
#include "load/generator.h"
#include "media/token.h"

using namespace sallyport;

namespace {

std::atomic<bool> stopping{false};

// The edge's thread: here it only sets up, and then waits for the end.
class Loop {
 public:
  void post(std::function<void()> work) {
    const std::lock_guard lock{mutex_};
    work_.push_back(std::move(work));
    ready_.notify_one();
  }
  void run_for(std::chrono::milliseconds how_long) {
    std::unique_lock lock{mutex_};
    ready_.wait_for(lock, how_long, [&] { return !work_.empty(); });
    while (!work_.empty()) {
      const auto one = std::move(work_.front());
      work_.pop_front();
      lock.unlock();
      one();
      lock.lock();
    }
  }

 private:
  std::mutex mutex_;
  std::condition_variable ready_;
  std::deque<std::function<void()>> work_;
};

void print_totals(const edge::MediaTotals& totals) {
  std::printf("received %llu relayed %llu fast %llu missed %llu not sent %llu\n",
              static_cast<unsigned long long>(totals.relay.received),
              static_cast<unsigned long long>(totals.relay.relayed),
              static_cast<unsigned long long>(totals.relay.fast),
              static_cast<unsigned long long>(totals.missed),
              static_cast<unsigned long long>(totals.udp.dropped()));
  for (std::size_t i = 0; i < media::kDrops; ++i)
    if (totals.relay.drops.at(i) != 0)
      std::printf("dropped %s %llu\n",
                  std::string(media::name(static_cast<media::Drop>(i))).c_str(),
                  static_cast<unsigned long long>(totals.relay.drops.at(i)));
}

}  // namespace

// NOLINTNEXTLINE(bugprone-exception-escape): an exception may end a start-up.
int main(int argc, char** argv) {
  CLI::App app{"Sallyport's media plane, to be measured"};
  std::string listen = "127.0.0.1:2776";
  std::uint32_t streams = 1000;
  std::uint64_t seed = 1;
  std::uint16_t generator_port = 7078;
  std::string first = "127.1.0.1";
  std::string far_first;
  bool ports = false;
  bool fast_path = false;
  bool rtcp = false;
  app.add_option("--listen", listen, "X");
  app.add_option("--streams", streams, "two for each call");
  app.add_option("--seed", seed, "of the flows' tokens and keys");
  app.add_option("--generator-port", generator_port, "media_load's");
  app.add_option("--first", first, "--ports: media_load's");
  app.add_option("--far-first", far_first, "--ports: media_load's");
  app.add_flag("--ports", ports, "join ports, not flows at X; at X's address");
  app.add_flag("--rtcp", rtcp, "flows have a second component, as calls have");
  app.add_flag("--fast-path", fast_path, "established media is relayed by the kernel");
  CLI11_PARSE(app, argc, argv);

  const auto x = TransportAddress::parse(listen);
  if (!x) return 1;
  const bench::Side near = bench::side_at(first);
  const bench::Side far = bench::side_at(far_first.empty() ? first : far_first);
  const auto log = Log::to_stderr(Level::Warning);
  Loop loop;
  edge::MediaThreadOptions options;
  if (!ports) options.server_sockets = {*x};
  options.ports = {30000, 49999};
  auto plane = edge::MediaThread::start(
      options, [&](std::function<void()> work) { loop.post(std::move(work)); },
      fastpath::open(fast_path ? fastpath::Mode::Ebpf : fastpath::Mode::Off,
                     edge::MediaThread::kPlaces, *log));
  if (!plane) {
    std::fprintf(stderr, "cannot start: %s\n", std::string(plane.error().what).c_str());
    return 1;
  }
  SeededRandom random{seed};
  const auto ignore = [](media::MediaId, const media::Event&) {};
  media::MediaId last;
  for (std::uint32_t i = 0; i < streams; ++i) {
    media::MediaId id;
    if (ports) {
      const auto opened =
          (*plane)->open_port({.components = 1, .toward = {}, .local = x->ip}, ignore);
      if (!opened) return 1;
      id = opened->id;
      const bench::Side& side = i % 2 == 0 ? near : far;
      (*plane)->set_remote(id, {.addresses = {bench::address_of(side, i, generator_port)}});
      std::printf("target %s\n", opened->addresses[0].to_string().c_str());
    } else {
      media::FlowSpec flow;
      flow.components = {media::new_flow_component(random)};
      if (rtcp) flow.components.push_back(media::new_flow_component(random));
      const auto opened = (*plane)->open_flow(flow, ignore);
      if (!opened) return 1;
      id = *opened;
      std::printf("target %s\n", listen.c_str());
    }
    if (i % 2 == 1) (*plane)->join(last, id);
    last = id;
  }
  std::printf("ready\n");
  std::fflush(stdout);
  std::signal(SIGTERM, [](int) { stopping = true; });
  std::signal(SIGINT, [](int) { stopping = true; });
  while (!stopping) loop.run_for(std::chrono::milliseconds{50});
  bool told = false;
  (*plane)->totals([&](const edge::MediaTotals& totals) {
    print_totals(totals);
    told = true;
  });
  while (!told) loop.run_for(std::chrono::milliseconds{50});
  return 0;
}
