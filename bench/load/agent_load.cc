// Plays many agents, each with a phone, against a whole server: nothing passes between the two but
// what an agent and its server say to each other, TLS to port Z and UDP to X and Y. Tells what came
// of it in lines of JSON.
//
//   agent_load enrol --state-dir D --server HOST:PORT   identities, before the server starts
//   agent_load idle    connects all; "ready"; then, whenever all were lost, "again"; ends with its
//                      input
//   agent_load calls   sets up calls at a rate, each for a while, and hangs all of them up
//   agent_load media   sets up calls, and measures RTP through them, from "measuring" on
//   agent_load churn   so many calls at a time, which come and go, with RTP; then as idle
#include <poll.h>
#include <sys/resource.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <deque>
#include <filesystem>
#include <iostream>
#include <stdexcept>

#include "brain/sqlite_store.h"
#include "load/churn.h"
#include "load/report.h"
#include "load/site.h"
#include "server/authority.h"
#include "server/enrolment.h"

using namespace sallyport;
using namespace sallyport::bench;

namespace {

struct Options {
  std::string mode;
  std::string identities;
  std::string state_dir;
  std::string server = "127.0.0.1:2776";
  std::size_t agents = 100;
  std::size_t calls = 500;
  double rate = 100;  // calls a second
  unsigned hold_ms = 2000;
  unsigned warm_up_ms = 2000;
  unsigned measured_ms = 10000;
  unsigned patience_s = 120;
  std::uint16_t port = 7078;
  std::string first = "127.1.0.1";
  bool registered = false;
  pid_t pid = 0;
};

template <typename T>
T require(Result<T> result, const char* what) {
  if (!result)
    throw std::runtime_error(std::string{what} + ": " + std::string{result.error().what});
  return std::move(*result);
}

double seconds_between(TimePoint from, TimePoint to) {
  return std::chrono::duration<double>(to - from).count();
}

// The value below which that part of all lie.
double percentile(std::vector<double> values, double part) {
  if (values.empty()) return 0;
  std::sort(values.begin(), values.end());
  const auto at = static_cast<std::size_t>(part * static_cast<double>(values.size()));
  return values[std::min(at, values.size() - 1)];
}

void raise_descriptor_limit(std::size_t needed) {
  rlimit limit{};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  if (limit.rlim_cur >= needed) return;
  limit.rlim_cur = needed;
  limit.rlim_max = std::max<rlim_t>(limit.rlim_max, needed);
  if (::setrlimit(RLIMIT_NOFILE, &limit) != 0)
    throw std::runtime_error("cannot open " + std::to_string(needed) + " files: see ulimit -n");
}

std::string identity_folder(const Options& options, std::size_t agent) {
  return options.identities + "/" + std::to_string(agent);
}

// By the server's own hand, since ten thousand joins over the wire measure something else.
void enrol(const Options& options) {
  const auto log = Log::silent();
  SystemRandom random;
  const WallTime now = std::chrono::system_clock::now();
  const auto authority =
      require(server::Authority::open(options.state_dir, random, now), "authority");
  const auto store = require(
      brain::SqliteStore::open({.path = options.state_dir + "/server.db"}, *log), "database");
  const auto enrolment =
      require(server::Enrolment::open(*store, authority, random, {}), "enrolment");
  enrolment::Site site;
  site.servers = {require(HostPort::parse(options.server, 2776), "server")};
  for (std::size_t i = 0; i < options.agents; ++i) {
    const std::string name = "site" + std::to_string(i);
    const auto token =
        require(enrolment->invite(name, site.servers, std::chrono::hours{1}, now), "invite");
    const auto key = net::PrivateKey::generate();
    const enrolment::JoinReply reply = enrolment->join(
        {.secret = token.secret,
         .signing_request = require(net::make_signing_request(key, name), "signing request"),
         .software = "agent_load"},
        site, now);
    const auto* joined = std::get_if<enrolment::Joined>(&reply);
    if (joined == nullptr) throw std::runtime_error(std::get<enrolment::Refused>(reply).what);
    std::filesystem::create_directories(identity_folder(options, i));
    const auto identity = require(agent::make_identity(*joined, token.pin, key), "identity");
    if (!agent::save_identity(identity_folder(options, i), identity))
      throw std::runtime_error("cannot write " + identity_folder(options, i));
  }
}

class Load {
 public:
  explicit Load(const Options& options)
      : options_(options),
        calls_(options.calls),
        generator_(options.port, Flows::streams(2 * options.calls, options.agents),
                   {side_at(options.first)}),
        flows_(generator_, 2 * options.calls, options.agents) {
    generator_.set_talking(2 * options.calls);
    generator_.set_besides([this](std::size_t stream, Bytes datagram) { on_udp(stream, datagram); },
                           [this] { turn(Duration::zero()); });
    for (std::size_t i = 0; i < options.agents; ++i)
      sites_.push_back(std::make_unique<Site>(
          i, network_, random_, *log_, *audit_, policy_, flows_, calls_,
          require(agent::load_identity(identity_folder(options, i)), "identity")));
  }

  void connect() {
    const TimePoint began = network_.now();
    for (const auto& site : sites_) site->start();
    const auto times = wait_for_all();
    std::printf("{\"phase\":\"ready\",\"agents\":%zu,\"seconds\":%.3f}\n", sites_.size(),
                seconds_between(began, *std::max_element(times.begin(), times.end())));
    std::fflush(stdout);
  }

  void register_phones() {
    // An agent's port towards its phones opens as soon as the server has said so.
    await("all phones registered", [this, next = network_.now()]() mutable {
      bool all = true;
      const bool again = network_.now() >= next;
      for (const auto& site : sites_) {
        if (site->phone().registered()) continue;
        all = false;
        if (again) site->phone().register_here();
      }
      if (again) next = network_.now() + seconds{2};
      return all;
    });
  }

  void idle() {
    pollfd input{STDIN_FILENO, POLLIN, 0};
    while (::poll(&input, 1, 0) == 0) {
      turn(milliseconds{10});
      if (lost() < sites_.size()) continue;
      const TimePoint began = network_.now();
      const auto times = wait_for_all();
      std::vector<double> taken;
      for (const TimePoint time : times) taken.push_back(seconds_between(began, time));
      std::printf("{\"phase\":\"again\",\"agents\":%zu,\"median_s\":%.3f,\"last_s\":%.3f}\n",
                  sites_.size(), percentile(taken, 0.5), percentile(taken, 1));
      std::fflush(stdout);
    }
  }

  void set_up_calls() {
    const TimePoint began = network_.now();
    const auto apart =
        std::chrono::duration_cast<Duration>(std::chrono::duration<double>(1 / options_.rate));
    std::size_t next = 0;
    std::size_t hung_up = 0;
    const bool hang_up = options_.mode == "calls";
    while (next < calls_.size() || (hang_up && hung_up < calls_.size())) {
      const TimePoint now = network_.now();
      for (; next < calls_.size() && began + apart * static_cast<std::int64_t>(next) <= now; ++next)
        caller_of(next).call(next, callee_of(next), now);
      for (; hang_up && hung_up < next &&
             calls_[hung_up].began + milliseconds{options_.hold_ms} <= now;
           ++hung_up)
        caller_of(hung_up).hang_up(hung_up);
      turn(milliseconds{1});
    }
    await("all calls answered", [this] {
      return std::all_of(calls_.begin(), calls_.end(),
                         [](const Call& one) { return one.answered || one.refused_with != 0; });
    });
    if (hang_up)
      await("all calls over", [this] {
        return std::all_of(calls_.begin(), calls_.end(),
                           [](const Call& one) { return one.over || one.refused_with != 0; });
      });
    std::vector<double> taken;
    for (const Call& one : calls_)
      if (one.answered) taken.push_back(seconds_between(one.began, one.established) * 1000);
    std::printf(
        "{\"phase\":\"calls\",\"calls\":%zu,\"answered\":%zu,\"rate\":%.1f,"
        "\"p50_ms\":%.2f,\"p99_ms\":%.2f,\"most_ms\":%.2f,\"flows_open\":%zu}\n",
        calls_.size(), taken.size(), options_.rate, percentile(taken, 0.5), percentile(taken, 0.99),
        percentile(taken, 1), flows_.in_use());
    std::fflush(stdout);
  }

  void measure_media() {
    for (const Call& call : calls_) {
      std::size_t one = 0;
      std::size_t other = 0;
      pair(call, sites_, generator_, one, other);
    }
    await("all flows confirmed", [this] {
      for (std::size_t i = 0; i < 2 * calls_.size(); ++i)
        if (!flows_.confirmed(i)) return false;
      return true;
    });
    CpuMeter cpu{options_.pid};
    const milliseconds measured{options_.measured_ms};
    const Figures figures = generator_.run(
        milliseconds{options_.warm_up_ms}, measured, [&] { begin(cpu); }, [&] { cpu.end(); });
    std::printf("{\"phase\":\"media\",%s}\n",
                report("server", calls_.size(), figures, cpu.spent(), measured).c_str());
    std::fflush(stdout);
  }

  void churn() {
    Churn calls{generator_,    flows_, sites_, calls_, random_, milliseconds{options_.hold_ms},
                network_.now()};
    generator_.set_besides([this](std::size_t stream, Bytes datagram) { on_udp(stream, datagram); },
                           [&] {
                             turn(Duration::zero());
                             calls.on_time(network_.now());
                           });
    CpuMeter cpu{options_.pid};
    const milliseconds measured{options_.measured_ms};
    const Figures figures = generator_.run(
        milliseconds{options_.warm_up_ms}, measured, [&] { begin(cpu); }, [&] { cpu.end(); });
    calls.wind_up();
    await("all calls over, and closed what they had opened", [&] {
      calls.on_time(network_.now());
      return calls.over() && flows_.in_use() == 0 &&
             std::all_of(sites_.begin(), sites_.end(),
                         [](const auto& site) { return site->plane().open_beside_trunks() == 0; });
    });
    const Churn::Counts& counts = calls.counts();
    std::printf(
        "{\"phase\":\"churn\",\"begun\":%llu,\"answered\":%llu,\"refused\":%llu,\"ended\":%llu,"
        "%s}\n",
        static_cast<unsigned long long>(counts.begun),
        static_cast<unsigned long long>(counts.answered),
        static_cast<unsigned long long>(counts.refused),
        static_cast<unsigned long long>(counts.ended),
        report("server", calls_.size(), figures, cpu.spent(), measured).c_str());
    std::fflush(stdout);
  }

  void stop() {
    for (const auto& site : sites_) site->stop();
    const TimePoint end = network_.now() + milliseconds{300};
    while (network_.now() < end) turn(milliseconds{10});
  }

 private:
  Telephone& caller_of(std::size_t call) { return sites_[call % sites_.size()]->phone(); }
  std::size_t callee_of(std::size_t call) const {
    return (call + sites_.size() / 2) % sites_.size();
  }

  // Signalling, and probes that are due.
  void turn(Duration at_most) {
    if (network_.run_one(at_most))
      for (int i = 0; i < 1000 && network_.run_one(Duration::zero()); ++i) {
      }
    const TimePoint now = network_.now();
    if (now < flows_due_) return;
    flows_due_ = now + milliseconds{5};
    flows_.on_time(now);
  }
  void on_udp(std::size_t stream, Bytes datagram) {
    flows_.on_datagram(stream, datagram, network_.now());
  }

  template <typename Condition>
  void await(const char* what, Condition condition) {
    const TimePoint end = network_.now() + seconds{options_.patience_s};
    while (!condition()) {
      if (network_.now() > end) throw std::runtime_error(std::string{"not in time: "} + what);
      turn(Duration::zero());
      generator_.listen_for(std::chrono::milliseconds{1},
                            [this](std::size_t stream, Bytes octets) { on_udp(stream, octets); });
    }
  }

  std::size_t lost() const {
    return static_cast<std::size_t>(std::count_if(sites_.begin(), sites_.end(),
                                                  [](const auto& site) { return !site->ready(); }));
  }

  // When each was ready.
  std::vector<TimePoint> wait_for_all() {
    std::vector<TimePoint> times(sites_.size());
    std::size_t missing = sites_.size();
    try {
      await("all agents connected", [&] {
        for (std::size_t i = 0; i < sites_.size(); ++i) {
          if (times[i] != TimePoint{} || !sites_[i]->ready()) continue;
          times[i] = network_.now();
          --missing;
        }
        return missing == 0;
      });
    } catch (const std::runtime_error& late) {
      for (const auto& site : sites_)
        if (!site->ready())
          throw std::runtime_error(std::string{late.what()} + ", " + std::to_string(missing) +
                                   " missing, the first says: " + site->problem());
      throw;
    }
    return times;
  }

  static void begin(CpuMeter& cpu) {
    cpu.begin();
    std::puts("{\"phase\":\"measuring\"}");
    std::fflush(stdout);
  }

  const Options& options_;
  std::unique_ptr<Log> log_ = Log::silent();
  std::unique_ptr<edge::Audit> audit_ = edge::Audit::none();
  edge::Policy policy_{edge::Policy::inside_default()};
  SystemRandom random_;
  net::HostNetwork network_;
  std::vector<Call> calls_;
  Generator generator_;
  Flows flows_;
  std::vector<std::unique_ptr<Site>> sites_;
  TimePoint flows_due_{};
};

void run(const Options& options) {
  if (options.mode == "enrol") return enrol(options);
  raise_descriptor_limit(options.agents + 256);
  Load load{options};
  load.connect();
  const bool calls = options.mode == "calls" || options.mode == "media";
  const bool churn = options.mode == "churn";
  if (calls || churn || options.registered) load.register_phones();
  if (options.registered) {
    std::puts("{\"phase\":\"registered\"}");
    std::fflush(stdout);
  }
  if (calls) load.set_up_calls();
  if (options.mode == "media") load.measure_media();
  if (churn) load.churn();
  if (churn || options.mode == "idle") load.idle();
  load.stop();
}

}  // namespace

// NOLINTNEXTLINE(bugprone-exception-escape): an exception may end a start-up.
int main(int argc, char** argv) {
  Options options;
  CLI::App app{"Many agents on one server"};
  app.add_option("mode", options.mode)
      ->required()
      ->check(CLI::IsMember({"enrol", "idle", "calls", "media", "churn"}));
  app.add_option("--identities", options.identities, "folder of the agents' identities")
      ->required();
  app.add_option("--state-dir", options.state_dir, "enrol: of the server, which is not running");
  app.add_option("--server", options.server, "enrol: where the agents are to dial");
  app.add_option("--agents", options.agents)->check(CLI::Range(1, 100000));
  app.add_option("--calls", options.calls)->check(CLI::Range(1, 20000));
  app.add_option("--rate", options.rate, "calls set up a second")->check(CLI::Range(0.1, 10000.0));
  app.add_option("--hold", options.hold_ms, "calls, churn: milliseconds of a call");
  app.add_option("--warm-up", options.warm_up_ms, "media, churn: milliseconds");
  app.add_option("--measure", options.measured_ms, "media, churn: milliseconds");
  app.add_option("--patience", options.patience_s, "seconds that a phase may take");
  app.add_option("--port", options.port, "UDP, of the agents' media");
  app.add_option("--first", options.first, "address of the first flow; the others follow it");
  app.add_flag("--register", options.registered, "idle: with a phone at each agent");
  app.add_option("--pid", options.pid, "of the server: its CPU time is told");
  CLI11_PARSE(app, argc, argv);
  try {
    run(options);
  } catch (const std::exception& failed) {
    std::cerr << "agent_load: " << failed.what() << '\n';
    return 1;
  }
  return 0;
}
