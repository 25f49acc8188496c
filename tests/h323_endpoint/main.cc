// h323_endpoint: the endpoint on real sockets, for network namespaces. Options are its settings;
// commands come one a line on standard input, and everything that happens goes one JSON object a
// line to standard output:
//
//   call bob | call - 192.0.2.50:1720 | answer | hang-up | hold | resume | digit 5 | keypad 5
//   bandwidth 1280 | unregister | report | load bob RATE COUNT HOLD_MS | quit
//
// They are about the newest call. `report` tells all calls and what was heard in them.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <boost/json.hpp>
#include <cstdio>
#include <functional>
#include <iostream>
#include <map>
#include <memory>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "base/random.h"
#include "h323_endpoint/endpoint.h"
#include "net/host_network.h"

namespace sallyport::h323_endpoint {
namespace {

namespace json = boost::json;

double in_seconds(WallTime time) {
  return std::chrono::duration<double>(time.time_since_epoch()).count();
}
double in_milliseconds(Duration span) {
  return std::chrono::duration<double, std::milli>(span).count();
}

void print(const json::object& line) { std::cout << json::serialize(line) << "\n" << std::flush; }

json::object describe(const Heard& heard) {
  return {{"packets", heard.packets},
          {"control_packets", heard.control_packets},
          {"missing", heard.missing},
          {"late", heard.late},
          {"last", heard.last}};
}

json::object describe(Call& call) {
  json::object heard, sends;
  for (const auto& [who, what] : call.media().everything_heard()) heard[who] = describe(what);
  for (const Kind kind : kKinds)
    if (call.media().sends(kind)) sends[name(kind)] = call.media().target(kind).to_string();
  json::array complaints;
  for (const std::string& complaint : call.complaints()) complaints.emplace_back(complaint);
  json::object out{{"call", call.id()},
                   {"state", name(call.state())},
                   {"calling", call.calling()},
                   {"called", call.called()},
                   {"fast", call.fast_connected()},
                   {"tunnels", call.tunnels()},
                   {"digits", call.control().digits()},
                   {"keypad", call.keypad()},
                   {"refusal", call.refusal()},
                   {"heard", heard},
                   {"sends", sends},
                   {"complaints", complaints}};
  if (call.cause()) out["cause"] = static_cast<unsigned>(*call.cause());
  if (call.setup_at() && call.connected_at())
    out["connect_ms"] = in_milliseconds(*call.connected_at() - *call.setup_at());
  if (call.setup_at() && call.media().first_heard_at())
    out["first_media_ms"] = in_milliseconds(*call.media().first_heard_at() - *call.setup_at());
  return out;
}

// Calls at a rate, each held for a while: how many succeed, and how long Setup to Connect takes.
class Load {
 public:
  Load(net::Network& network, Endpoint& endpoint, std::string whom, double rate, std::size_t count,
       Duration hold)
      : network_(network),
        endpoint_(endpoint),
        whom_(std::move(whom)),
        every_(std::chrono::duration_cast<Duration>(std::chrono::duration<double>{1 / rate})),
        count_(count),
        hold_(hold),
        timer_(network.make_timer()),
        next_(network.now()) {
    tick();
  }

 private:
  void tick() {
    const TimePoint now = network_.now();
    while (dialled_ < count_ && next_ <= now) {
      endpoint_.dial(whom_);
      ++dialled_;
      next_ += every_;
    }
    for (const auto& call : endpoint_.calls()) {
      if (call->state() == Call::State::Connected && now - *call->connected_at() >= hold_)
        call->hang_up();
      if (call->state() != Call::State::Ended) continue;
      if (call->connected_at())
        took_.push_back(in_milliseconds(*call->connected_at() - *call->setup_at()));
      else
        ++failures_[call->refusal()];
    }
    endpoint_.forget_ended();
    if (dialled_ == count_ && endpoint_.calls().empty()) return report();
    timer_->start(now + milliseconds{1}, [this] { tick(); });
  }

  void report() {
    std::sort(took_.begin(), took_.end());
    const auto at = [this](double part) {
      return took_.empty()
                 ? 0
                 : took_[static_cast<std::size_t>(static_cast<double>(took_.size() - 1) * part)];
    };
    json::object failures;
    for (const auto& [why, times] : failures_) failures[why] = times;
    print({{"what", "load"},
           {"established", took_.size()},
           {"failures", failures},
           {"median_ms", at(0.5)},
           {"p99_ms", at(0.99)},
           {"worst_ms", at(1)}});
  }

  net::Network& network_;
  Endpoint& endpoint_;
  std::string whom_;
  Duration every_;
  std::size_t count_;
  Duration hold_;
  std::unique_ptr<net::Timer> timer_;
  TimePoint next_;
  std::size_t dialled_ = 0;
  std::vector<double> took_;
  std::map<std::string, std::size_t> failures_;
};

class Program {
 public:
  Program(const IpAddress& own, const Settings& settings, bool forgets)
      : endpoint_(network_, own, settings, random_,
                  [this](std::uint64_t call, const std::string& what, const std::string& detail) {
                    if (!quiet_)
                      print({{"time", in_seconds(network_.wall_now())},
                             {"call", call},
                             {"what", what},
                             {"detail", detail}});
                  }),
        quiet_(forgets) {
    if (forgets) forget();
  }

  int run() {
    endpoint_.start();
    print({{"what", "ready"}, {"complaints", endpoint_.complaints().size()}});
    std::thread input{[this] {
      for (std::string line; std::getline(std::cin, line);)
        network_.post([this, line] { obey(line); });
      network_.post([this] { network_.stop(); });
    }};
    network_.run();
    input.detach();  // it may be waiting for a line
    return 0;
  }

 private:
  void forget() {
    endpoint_.forget_ended();
    timer_->start(network_.now() + milliseconds{50}, [this] { forget(); });
  }

  void obey(const std::string& line) {
    std::istringstream words{line};
    std::string verb, first, second;
    words >> verb >> first;
    Call* call = endpoint_.last_call();
    if (verb == "call") {
      words >> second;
      const auto to = TransportAddress::parse(second);
      endpoint_.dial(first == "-" ? "" : first,
                     to ? std::optional<TransportAddress>{*to} : std::nullopt);
    } else if (verb == "load") {
      double rate = 1;
      std::size_t count = 1;
      long hold = 0;
      words >> rate >> count >> hold;
      quiet_ = true;
      load_ = std::make_unique<Load>(network_, endpoint_, first, rate, count, milliseconds{hold});
    } else if (verb == "report") {
      json::array calls, complaints;
      for (const auto& each : endpoint_.calls()) calls.push_back(describe(*each));
      for (const std::string& complaint : endpoint_.complaints())
        complaints.emplace_back(complaint);
      print({{"what", "report"},
             {"registered", endpoint_.registered()},
             {"calls", calls},
             {"complaints", complaints}});
    } else if (verb == "unregister") {
      endpoint_.ras().unregister();
    } else if (verb == "quit") {
      network_.stop();
    } else if (call == nullptr) {
      print({{"what", "no-call"}});
    } else if (verb == "answer") {
      call->answer();
    } else if (verb == "hang-up") {
      call->hang_up();
    } else if (verb == "hold" || verb == "resume") {
      call->hold(verb == "hold");
    } else if (verb == "digit" && !first.empty()) {
      call->send_digit(first.front());
    } else if (verb == "keypad" && !first.empty()) {
      call->send_keypad(first.front());
    } else if (verb == "bandwidth") {
      endpoint_.ras().request_bandwidth(
          *call, static_cast<std::uint32_t>(std::strtoul(first.c_str(), nullptr, 10)));
    } else {
      print({{"what", "unknown-command"}, {"detail", verb}});
    }
  }

  net::HostNetwork network_;
  SystemRandom random_;
  Endpoint endpoint_;
  std::unique_ptr<net::Timer> timer_ = network_.make_timer();
  std::unique_ptr<Load> load_;
  bool quiet_ = false;
};

template <class T>
using Names = std::map<std::string, T>;

const Names<At> kMoments = {{"setup", At::Setup},
                            {"proceeding", At::CallProceeding},
                            {"alerting", At::Alerting},
                            {"connect", At::Connect},
                            {"after", At::AfterConnect}};
const Names<Proof> kProofs = {
    {"none", Proof::None}, {"h235.1", Proof::H2351}, {"md5", Proof::Md5}, {"cat", Proof::Cat}};

int main_of(int argc, char** argv) {
  CLI::App app{"An H.323 endpoint for tests"};
  Settings settings;
  std::string own, gatekeeper;
  std::vector<std::string> channels, answers;
  unsigned collects = 0, answers_after = 0, every = 20, cause = 0, reference = 0;
  bool slow = false, untunnelled = false, silent = false, forgets = false, rings = false;
  Names<Kind> kinds;
  for (const Kind kind : kKinds) kinds[std::string{name(kind)}] = kind;
  app.add_option("--own", own, "own address")->required();
  app.add_option("--name", settings.name);
  app.add_option("--number", settings.numbers);
  app.add_option("--url", settings.url);
  app.add_option("--prefix", settings.prefixes);
  app.add_option("--version-of-h225", settings.version);
  app.add_option("--gatekeeper", gatekeeper, "address and port of RAS");
  app.add_flag("--discover", settings.discovers);
  app.add_flag("!--no-arq", settings.asks_admission);
  app.add_option("--time-to-live", settings.time_to_live);
  app.add_option("--proof", settings.proof)->transform(CLI::CheckedTransformer(kProofs));
  app.add_option("--password", settings.password);
  app.add_option("--user", settings.user);
  app.add_option("--ras-port", settings.ras_port);
  app.add_option("--call-port", settings.call_port);
  app.add_option("--media-port", settings.first_media_port);
  app.add_flag("--slow", slow, "does not offer fast connect");
  app.add_option("--fast-answer", answers, "in which messages; \"never\"");
  app.add_flag("--no-tunnel", untunnelled);
  app.add_option("--control", settings.control, "where H.245 begins")
      ->transform(CLI::CheckedTransformer(kMoments));
  app.add_flag("--caller-begins", settings.caller_begins_control);
  app.add_flag("--facility-body", settings.tunnels_in_body);
  app.add_flag("!--no-proceeding", settings.proceeds);
  app.add_flag("!--no-alerting", settings.alerts);
  app.add_option("--answer-after", answers_after, "milliseconds");
  app.add_flag("--ring", rings, "does not answer by itself");
  app.add_option("--reject", cause);
  app.add_option("--collect", collects, "milliseconds");
  app.add_option("--cut", settings.cuts_into, "octets");
  app.add_option("--reference", reference);
  app.add_option("--channel", channels, "audio, video, slides, camera, data, fax");
  app.add_flag("--data-opener-listens", settings.data_opener_listens);
  app.add_flag("--silent", silent, "sends no media");
  app.add_option("--every", every, "milliseconds from packet to packet");
  app.add_flag("--forget", forgets, "calls that are over, and tells no events");
  CLI11_PARSE(app, argc, argv);

  const auto address = IpAddress::parse(own);
  if (!address) return 2;
  if (!gatekeeper.empty()) {
    const auto to = TransportAddress::parse(gatekeeper);
    if (!to) return 2;
    settings.gatekeeper = *to;
  }
  settings.offers_fast_connect = !slow;
  settings.tunnels = !untunnelled;
  settings.sends_media = !silent;
  settings.answers = !rings;
  settings.answers_after = milliseconds{answers_after};
  settings.collects = milliseconds{collects};
  settings.packet_every = milliseconds{every};
  if (cause != 0) settings.rejects_with = static_cast<std::uint8_t>(cause);
  if (reference != 0) settings.call_reference = static_cast<std::uint16_t>(reference);
  if (!answers.empty()) settings.fast_answer.clear();
  for (const std::string& moment : answers)
    if (const auto it = kMoments.find(moment); it != kMoments.end())
      settings.fast_answer.insert(it->second);
  if (!channels.empty()) settings.channels.clear();
  for (const std::string& channel : channels) settings.channels.push_back(kinds.at(channel));
  return Program{*address, settings, forgets}.run();
}

}  // namespace
}  // namespace sallyport::h323_endpoint

int main(int argc, char** argv) { return sallyport::h323_endpoint::main_of(argc, argv); }
