// Sallyport's media plane alone, as a process to be measured: the media thread of the server with
// X, or of an agent with ports, and nothing that makes calls. Its flows' secrets come from a seed,
// so that media_load can play the agents. Or the media planes of an agent and of its server, with
// a trunk between them that carries all streams (--trunk): then the process is both.
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

struct Options {
  std::string listen = "127.0.0.1:2776";
  std::uint32_t streams = 1000;
  std::uint64_t seed = 1;
  std::uint16_t generator_port = 7078;
  std::string first = "127.1.0.1";
  std::string far_first;
  std::string trunk;
  bool ports = false;
  bool fast_path = false;
  bool rtcp = false;
};

using Plane = std::unique_ptr<edge::MediaThread>;

void ignore(media::MediaId, const media::Event&) {}

class Bench {
 public:
  Bench(Options options, const TransportAddress& x)
      : options_(std::move(options)),
        x_(x),
        near_(bench::side_at(options_.first)),
        far_(bench::side_at(options_.far_first.empty() ? options_.first : options_.far_first)) {}

  // False: it said why.
  bool open() { return options_.trunk.empty() ? open_one() : open_trunk(); }

  void print_all_totals() {
    for (const Plane& plane : planes_) {
      bool told = false;
      plane->totals([&](const edge::MediaTotals& totals) {
        print_totals(totals);
        told = true;
      });
      while (!told) loop_.run_for(std::chrono::milliseconds{50});
    }
  }
  void run() { loop_.run_for(std::chrono::milliseconds{50}); }

 private:
  edge::MediaThread* start(bool server, media::PortRange ports) {
    edge::MediaThreadOptions options;
    if (server) options.server_sockets = {x_};
    options.ports = ports;
    auto plane = edge::MediaThread::start(
        options, [this](std::function<void()> work) { loop_.post(std::move(work)); },
        fastpath::open(options_.fast_path ? fastpath::Mode::Ebpf : fastpath::Mode::Off,
                       edge::MediaThread::kPlaces, *log_));
    if (!plane) {
      std::fprintf(stderr, "cannot start: %s\n", std::string(plane.error().what).c_str());
      return nullptr;
    }
    planes_.push_back(std::move(*plane));
    return planes_.back().get();
  }

  // A port that faces that stream.
  std::optional<media::MediaId> open_port(edge::MediaThread& plane, std::uint32_t stream) {
    const auto opened = plane.open_port({.components = 1, .toward = {}, .local = x_.ip}, ignore);
    if (!opened) return std::nullopt;
    const bench::Side& side = stream % 2 == 0 ? near_ : far_;
    plane.set_remote(opened->id,
                     {.addresses = {bench::address_of(side, stream, options_.generator_port)}});
    std::printf("target %s\n", opened->addresses[0].to_string().c_str());
    return opened->id;
  }

  std::optional<media::MediaId> open_flow(edge::MediaThread& plane) {
    media::FlowSpec flow;
    flow.components = {media::new_flow_component(random_)};
    if (options_.rtcp) flow.components.push_back(media::new_flow_component(random_));
    const auto opened = plane.open_flow(flow, ignore);
    if (!opened) return std::nullopt;
    std::printf("target %s\n", options_.listen.c_str());
    return *opened;
  }

  bool open_one() {
    edge::MediaThread* plane = start(!options_.ports, {30000, 49999});
    if (plane == nullptr) return false;
    media::MediaId last;
    for (std::uint32_t i = 0; i < options_.streams; ++i) {
      const auto id = options_.ports ? open_port(*plane, i) : open_flow(*plane);
      if (!id) return false;
      if (i % 2 == 1) plane->join(last, *id);
      last = *id;
    }
    return true;
  }

  // Near streams at the agent's ports, far ones at the server's, and each call a channel.
  bool open_trunk() {
    edge::MediaThread* server = start(true, {30000, 39999});
    edge::MediaThread* agent = start(false, {40000, 49999});
    if (server == nullptr || agent == nullptr) return false;
    const bool sealed = options_.trunk == "sealed";
    const media::KeyRingId ring{1};
    if (sealed) {
      media::KeysOfConnection keys{
          .secret = {}, .connection = 1, .algorithm = media::SealAlgorithm::Aes128Gcm};
      random_.fill(keys.secret);
      keys.sends = media::Direction::AgentToServer;
      agent->install_keys(ring, keys);
      keys.sends = media::Direction::ServerToAgent;
      server->install_keys(ring, keys);
    }
    media::TrunkSpec spec{.secret = media::new_flow_component(random_),
                          .sealed = sealed,
                          .ring = ring,
                          .bundle = milliseconds{1}};
    const auto awaiting = server->open_trunk(spec, ignore);
    spec.end = media::FlowEnd::Probing;
    spec.server = x_;
    bool bound = false;
    const auto probing = agent->open_trunk(spec, [&](media::MediaId, const media::Event& event) {
      bound = bound || event.kind == media::EventKind::FlowBound;
    });
    if (!awaiting || !probing) return false;
    agent->probe(*probing);
    for (std::uint32_t i = 0; i < options_.streams; i += 2) {
      const auto channel = static_cast<media::Channel>(i / 2 + 1);
      if (!open_half(*agent, *probing, media::FlowEnd::Probing, channel, i) ||
          !open_half(*server, *awaiting, media::FlowEnd::Awaiting, channel, i + 1))
        return false;
    }
    while (!bound && !stopping) loop_.run_for(std::chrono::milliseconds{50});
    return true;
  }

  bool open_half(edge::MediaThread& plane, media::MediaId trunk, media::FlowEnd end,
                 media::Channel channel, std::uint32_t stream) {
    media::FlowSpec spec;
    spec.end = end;
    spec.trunk = trunk;
    spec.channels = {channel};
    const auto flow = plane.open_flow(spec, ignore);
    const auto port = open_port(plane, stream);
    if (!flow || !port) return false;
    plane.join(*flow, *port);
    return true;
  }

  Options options_;
  TransportAddress x_;
  bench::Side near_;
  bench::Side far_;
  std::unique_ptr<Log> log_ = Log::to_stderr(Level::Warning);
  SeededRandom random_{options_.seed};
  Loop loop_;
  std::vector<Plane> planes_;
};

}  // namespace

// NOLINTNEXTLINE(bugprone-exception-escape): an exception may end a start-up.
int main(int argc, char** argv) {
  CLI::App app{"Sallyport's media plane, to be measured"};
  Options options;
  app.add_option("--listen", options.listen, "X");
  app.add_option("--streams", options.streams, "two for each call");
  app.add_option("--seed", options.seed, "of the flows' tokens and keys");
  app.add_option("--generator-port", options.generator_port, "media_load's");
  app.add_option("--first", options.first, "--ports, --trunk: media_load's");
  app.add_option("--far-first", options.far_first, "--ports, --trunk: media_load's");
  app.add_flag("--ports", options.ports, "join ports, not flows at X; at X's address");
  app.add_option("--trunk", options.trunk, "an agent and its server, tagged media between them")
      ->check(CLI::IsMember({"clear", "sealed"}));
  app.add_flag("--rtcp", options.rtcp, "flows have a second component, as calls have");
  app.add_flag("--fast-path", options.fast_path, "established media is relayed by the kernel");
  CLI11_PARSE(app, argc, argv);

  const auto x = TransportAddress::parse(options.listen);
  if (!x) return 1;
  std::signal(SIGTERM, [](int) { stopping = true; });
  std::signal(SIGINT, [](int) { stopping = true; });
  Bench bench{options, *x};
  if (!bench.open()) return 1;
  std::printf("ready\n");
  std::fflush(stdout);
  while (!stopping) bench.run();
  bench.print_all_totals();
  return 0;
}
