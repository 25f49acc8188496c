#include "agent/agent.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <boost/json.hpp>
#include <csignal>
#include <cstdio>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "admin/admin_server.h"
#include "admin/service_manager.h"
#include "admin/wall_time.h"
#include "agent/dialler.h"
#include "agent/http_proxy.h"
#include "agent/identity.h"
#include "agent/media_way.h"
#include "agent/server_session.h"
#include "agent/terminal_tls.h"
#include "agent/way_finder.h"
#include "base/log_limiter.h"
#include "base/random.h"
#include "edge/media_thread.h"
#include "net/host_network.h"
#include "net/tls.h"

namespace sallyport::agent {
namespace {

// A renewal is looked after when it is due, and at least and at most so often: the wall clock may
// be set, and a server that cannot renew now may be able to later.
constexpr Duration kRenewalCheckMost = std::chrono::hours{1};
constexpr Duration kRenewalCheckLeast = std::chrono::minutes{1};
// How long a server may take to show a sign of life when media says that the way to it has changed.
constexpr Duration kSignOfLife = std::chrono::seconds{1};
// Clocks that differ by less are as good as equal.
constexpr Duration kClockSlack = std::chrono::minutes{1};
// Between stopping and exiting: the server is told.
constexpr Duration kFarewell = milliseconds{300};

edge::PolicyRules policy_rules(const config::AgentConfig& config) {
  edge::PolicyRules rules;
  rules.reachable = config.policy.terminals;
  for (const media::PortRange& range : config.policy.listen_ports)
    for (std::uint32_t port = range.first; port <= range.last; ++port)
      rules.listen_ports.insert(static_cast<std::uint16_t>(port));
  rules.protocols = {config.policy.protocols.begin(), config.policy.protocols.end()};
  rules.max_sockets = config.policy.max_sockets;
  rules.max_connections_per_source = config.policy.max_connections;
  return rules;
}

// Of the addresses that the server names, the one of the family by which it is reached.
const TransportAddress& toward(const std::vector<TransportAddress>& addresses,
                               const std::optional<TransportAddress>& server) {
  const auto same = [&](const TransportAddress& each) {
    return server && each.ip.is_v4() == server->ip.is_v4();
  };
  const auto found = std::find_if(addresses.begin(), addresses.end(), same);
  return found == addresses.end() ? addresses.front() : *found;
}

std::unique_ptr<Log> open_log(const config::LogSection& log) {
  return log.file.empty() ? Log::to_stderr(log.level) : Log::to_file(log.file, log.level);
}

class Agent final : public Dialler::Observer {
 public:
  explicit Agent(const config::AgentConfig& config)
      : config_(config), log_(open_log(config.log)), policy_(policy_rules(config)) {}

  // Empty: it runs; else what a person needs to know.
  std::string start();
  int run() {
    network_.run();
    return 0;
  }

 private:
  // ---- Dialler::Observer ----
  void on_session(mux::Multiplex& session) override;
  void on_refused(const Way& way, const mux::Refusal& refusal) override;
  void on_unreachable(const std::vector<WayFailure>& tried) override;
  void on_way(const Way& way) override;

  std::string start_dialler();
  std::shared_ptr<void> dial_media(MediaWay::OnStream on_stream, MediaWay::OnFailed on_failed);
  void on_ready(const control::Welcomed& welcomed);
  void on_media_event(const media::Event& event);
  void note_media(const media::Event& event);
  void compare_addresses(const control::MediaAddresses& media);
  void on_routes_changed();
  void ask_for_life();
  std::optional<IpAddress> local_toward_server();
  WallTime server_time() const;
  std::string clock_problem() const;
  void check_renewal();
  void on_certificate(const std::string& certificate, const std::string& what);
  void stop();
  boost::json::object status() const;

  config::AgentConfig config_;
  std::unique_ptr<Log> log_;
  net::HostNetwork network_;
  SystemRandom random_;
  std::optional<Identity> identity_;
  std::optional<Renewal> renewal_;
  std::shared_ptr<net::TlsContext> tls_, media_tls_;
  edge::Policy policy_;
  std::unique_ptr<edge::Audit> audit_;
  std::unique_ptr<edge::MediaThread> media_;
  std::unique_ptr<MediaWay> media_way_;
  std::optional<ServerSessionContext> context_;
  std::unique_ptr<ServerSession> session_;
  std::unique_ptr<Dialler> dialler_;
  std::unique_ptr<admin::AdminServer> admin_;
  std::unique_ptr<admin::ServiceManager> service_;
  std::unique_ptr<net::Timer> renewal_timer_, stop_timer_, life_timer_;
  bool awaiting_life_ = false, ask_again_ = false;
  std::optional<IpAddress> local_;  // ours, on the way to the server
  std::string last_problem_, renewal_problem_;
  // Whether media flows are confirmed by the server, by component; what people should look at.
  std::uint64_t flows_confirmed_ = 0, flows_unconfirmed_ = 0;
  struct MediaProblem {
    std::string what;  // empty: none
    media::Carriage of{};
  };
  media::Carriage carriage() const;
  std::array<MediaProblem, media::kMaxComponents> media_problems_;
  std::string media_note_;
  LogLimiter media_log_;
};

std::string Agent::start() {
  auto identity = load_identity(config_.state_dir);
  if (!identity) {
    if (identity.error().code == Errc::NotFound)
      return "this agent has not joined a server yet: run `sallyport join TOKEN` with the token "
             "that "
             "`sallyport invite NAME` prints on the server";
    return "cannot read " + identity_file(config_.state_dir) + ": " +
           std::string{identity.error().what};
  }
  identity_ = std::move(*identity);

  auto audit = edge::Audit::open(config_.audit_file(), [this] { return network_.wall_now(); });
  if (!audit) return config_.audit_file() + ": " + std::string{audit.error().what};
  audit_ = std::move(*audit);

  auto media = edge::MediaThread::start(
      {.server_sockets = {},
       .threads = config_.relay.thread_count(),
       .nap = config_.relay.nap,
       .trunk_port = config_.media.trunk_port,
       .ports = config_.media.range,
       .quarantine = config_.media.quarantine},
      [this](std::function<void()> work) { network_.post(std::move(work)); },
      fastpath::open(config_.relay.fast_path, edge::MediaThread::kPlaces, *log_));
  if (!media) return "media ports: " + std::string{media.error().what};
  media_ = std::move(*media);
  media_way_ = std::make_unique<MediaWay>(
      network_, *media_, *log_, MediaWay::Settings{.mode = config_.media.way},
      [this](MediaWay::OnStream on_stream, MediaWay::OnFailed on_failed) {
        return dial_media(std::move(on_stream), std::move(on_failed));
      });

  auto certificates = terminal_certificates(config_, *identity_, random_, network_.wall_now());
  if (!certificates) return "TLS towards terminals: " + std::string{certificates.error().what};

  std::vector<control::Mode> modes;
  for (const config::Mode mode : config_.modes)
    if (mode == config::Mode::ServerMaster) modes.push_back(control::Mode::ServerMaster);
  context_.emplace(ServerSessionContext{
      .network = network_,
      .plane = *media_way_,
      .policy = policy_,
      .audit = *audit_,
      .log = *log_,
      .modes = std::move(modes),
      .certificates = std::move(*certificates),
      .listen = config_.terminals.listen,
      .is_server =
          [this](const IpAddress& ip) {
            const auto server = dialler_->server();
            return server && server->ip == ip;
          },
      .on_certificate = [this](const std::string& c,
                               const std::string& w) { on_certificate(c, w); },
      .on_ready = [this](const control::Welcomed& welcomed) { on_ready(welcomed); },
      .on_media_event = [this](const media::Event& event) { on_media_event(event); },
      .on_over = [this](const Error& why) { last_problem_ = std::string{why.what}; }});

  service_ = std::make_unique<admin::ServiceManager>(network_);
  admin_ = std::make_unique<admin::AdminServer>(network_, *log_);
  admin_->add("status", [this](const boost::json::object&, const admin::Reply& reply) {
    reply.ok(status());
  });
  if (const auto listening = admin_->listen(network_, config_.admin_socket); !listening)
    return config_.admin_socket + ": " + std::string{listening.error().what};

  network_.on_signals({SIGTERM, SIGINT, SIGHUP}, [this](int) { stop(); });
  renewal_timer_ = network_.make_timer();
  stop_timer_ = network_.make_timer();
  life_timer_ = network_.make_timer();
  return start_dialler();
}

std::string Agent::start_dialler() {
  for (const auto& [alpn, made] :
       {std::pair{mux::kAlpn, &tls_}, std::pair{edge::kMediaAlpn, &media_tls_}}) {
    auto tls = net::TlsContext::client({.identity = identity_->tls(),
                                        .alpn = {std::string{alpn}},
                                        .verify = net::VerifyServer::Pin,
                                        .pins = {identity_->pin}});
    if (!tls) return "certificate: " + std::string{tls.error().what};
    *made = std::move(*tls);
  }
  auto proxy = configured_proxy(config_);
  if (!proxy) return config_.multiplex.proxy_password_file + ": " + std::string{proxy.error().what};
  Dialler::Settings settings{.servers = config_.multiplex.servers.empty()
                                            ? identity_->site.servers
                                            : config_.multiplex.servers,
                             .proxy = std::move(*proxy),
                             .tls = {.context = tls_, .server_name = {}},
                             .multiplex = {},
                             .answer_timeout = config_.multiplex.dial_timeout,
                             .better_way_after = config_.multiplex.better_way_after,
                             .first_wait = config_.multiplex.backoff_first,
                             .longest_wait = config_.multiplex.backoff_max};
  settings.multiplex.max_unacknowledged = config_.session.replay.octets;
  settings.multiplex.dead_after =
      std::chrono::duration_cast<milliseconds>(config_.session.dead_after);
  settings.multiplex.life = std::chrono::duration_cast<milliseconds>(config_.session.detached_for);
  dialler_ = std::make_unique<Dialler>(network_, random_, std::move(settings), *this);
  network_.watch_routes([this] { on_routes_changed(); });
  log_->info("agent starts", {{"agent", identity_->name}, {"version", SALLYPORT_VERSION}});
  dialler_->start();
  // Ready to serve, also while the server is away: whoever starts us must neither wait for it nor
  // give us up.
  service_->ready("connecting as " + identity_->name);
  return {};
}

// By the way that the multiplex connection has found.
std::shared_ptr<void> Agent::dial_media(MediaWay::OnStream on_stream,
                                        MediaWay::OnFailed on_failed) {
  const Way* way = dialler_->way();
  if (way == nullptr) {
    auto waiting = std::make_shared<bool>(true);
    network_.post([alive = std::weak_ptr<bool>(waiting), on_failed = std::move(on_failed)] {
      if (!alive.expired()) on_failed("not connected to the server");
    });
    return waiting;
  }
  return std::make_shared<WayFinder>(
      network_,
      WayFinder::Settings{.tls = {.context = media_tls_, .server_name = {}},
                          .alpn = std::string{edge::kMediaAlpn}},
      std::vector{*way},
      [on_stream = std::move(on_stream)](WayFinder::Found found) {
        on_stream(std::move(found.stream));
      },
      [on_failed = std::move(on_failed)](const std::vector<WayFailure>& failures) {
        on_failed(to_string(failures));
      });
}

// ---- The session ----

void Agent::on_session(mux::Multiplex& session) {
  session_ = std::make_unique<ServerSession>(session, *context_);
}

void Agent::on_ready(const control::Welcomed& welcomed) {
  last_problem_.clear();
  local_ = local_toward_server();
  media_way_->set_alternative_port(welcomed.media.alternative_port);
  log_->info("agent ready", {{"agent", identity_->name},
                             {"mode", control::name(welcomed.mode)},
                             {"server", welcomed.server_software},
                             {"x", welcomed.media.rtp.front().to_string()},
                             {"y", welcomed.media.rtcp.front().to_string()}});
  compare_addresses(welcomed.media);
  service_->status("connected as " + identity_->name);
  check_renewal();
}

void Agent::on_refused(const Way& way, const mux::Refusal& refusal) {
  last_problem_ = way.to_string() + " refuses: " + refusal.text;
  if (const std::string clock = clock_problem(); !clock.empty()) last_problem_ += "; " + clock;
  log_->error(
      "refused by the server",
      {{"server", way.to_string()}, {"code", mux::name(refusal.code)}, {"why", last_problem_}});
  service_->status(last_problem_);
}

void Agent::on_unreachable(const std::vector<WayFailure>& tried) {
  last_problem_ = to_string(tried);
  log_->warning("server not reached",
                {{"server", tried.front().way.server.to_string()}, {"why", last_problem_}});
  service_->status(last_problem_);
}

void Agent::on_way(const Way& way) {
  log_->info("the server is reached", {{"way", mux::name(way.kind)}, {"by", way.to_string()}});
}

// A flow that has gone silent may only be a party that listens. But it may be that the NAT has lost
// or changed its mapping, and with it the one of the multiplex connection, which would be noticed
// by nobody for its dead time. A ping tells the two apart.
void Agent::on_media_event(const media::Event& event) {
  note_media(event);
  if (event.kind == media::EventKind::Silent || event.kind == media::EventKind::Unconfirmed)
    ask_for_life();
}

// A firewall that lets no UDP through makes calls silent, and says so to nobody.
// Before there was a call nobody has told; the server opens trunks when it has use for them.
media::Carriage Agent::carriage() const {
  const bool trunks = session_ && session_->edge() != nullptr && session_->edge()->trunks() > 0;
  return media_way_->carriage().value_or(trunks ? media::Carriage::Tagged : media::Carriage::Bound);
}

void Agent::note_media(const media::Event& event) {
  if (event.component >= media_problems_.size() || !session_ || !session_->welcomed()) return;
  std::string& problem = media_problems_[event.component].what;
  media_problems_[event.component].of = carriage();
  if (event.kind == media::EventKind::FlowBound) {
    ++flows_confirmed_;
    problem.clear();
  } else if (event.kind == media::EventKind::Unconfirmed) {
    ++flows_unconfirmed_;
    const bool rtp = event.component == 0;
    const control::MediaAddresses& media = session_->welcomed()->media;
    const auto server = dialler_->server();
    const TransportAddress& at = toward(rtp ? media.rtp : media.rtcp, server);
    problem = fmt::format("no answer from {} ({}): is UDP to there let out, and from there in?",
                          rtp ? 'X' : 'Y', at.to_string());
    if (const auto left_out = media_log_.may_log(problem, network_.now()))
      log_->warning("media not confirmed", {{"why", problem}, {"more_before", *left_out}});
  }
}

// The server says where X and Y are. That this is not where it was dialled can be right, with
// several addresses or a NAT on the way, and is more often a wrong address.advertised.
void Agent::compare_addresses(const control::MediaAddresses& media) {
  const auto server = dialler_->server();
  if (!server) return;
  const TransportAddress& x = toward(media.rtp, server);
  std::string note;
  if (x.ip != server->ip)
    note = fmt::format(
        "media goes to {}, but the server was dialled at {}: right only if both lead to it "
        "(address.advertised of the server)",
        x.ip.to_string(), server->ip.to_string());
  if (note == std::exchange(media_note_, note) || note.empty()) return;
  // From a public address to a private one no route leads.
  const bool wrong = x.ip.is_private() && !server->ip.is_private();
  log_->event(wrong ? Level::Warning : Level::Info, "media goes elsewhere", {{"what", note}});
}

// Many changes of routes and addresses have nothing to do with the way to the server.
void Agent::on_routes_changed() {
  media_->path_changed();
  const auto before = std::exchange(local_, local_toward_server());
  if (before == local_) return ask_for_life();
  log_->info("the way to the server has changed", {});
  dialler_->path_changed();
}

std::optional<IpAddress> Agent::local_toward_server() {
  const auto remote = dialler_->remote();
  if (!remote) return std::nullopt;
  const auto local = network_.local_address_for(remote->ip);
  return local ? std::optional{*local} : std::nullopt;
}

void Agent::ask_for_life() {
  if (!session_ || !session_->attached()) return;
  // What happens while an answer is awaited may be newer than that answer.
  ask_again_ = awaiting_life_;
  if (awaiting_life_) return;
  awaiting_life_ = true;
  const TimePoint asked = network_.now();
  session_->multiplex().probe(asked);
  life_timer_->start(asked + kSignOfLife, [this, asked] {
    awaiting_life_ = false;
    if (session_ && session_->attached() && session_->multiplex().last_heard() < asked)
      dialler_->path_changed();
    else if (std::exchange(ask_again_, false))
      ask_for_life();
  });
}

// ---- The clock ----

// The server's, which alone judges certificates.
WallTime Agent::server_time() const {
  return network_.wall_now() + std::chrono::duration_cast<WallTime::duration>(
                                   dialler_->clock_offset().value_or(Duration{}));
}

// For people; empty when the two clocks agree well enough.
std::string Agent::clock_problem() const {
  const auto offset = dialler_->clock_offset().value_or(Duration{});
  if (std::chrono::abs(offset) < kClockSlack) return {};
  const auto minutes = std::chrono::duration_cast<std::chrono::minutes>(std::chrono::abs(offset));
  return "this host's clock is " + std::to_string(minutes.count()) + " minutes " +
         (offset > Duration{} ? "behind" : "ahead of") + " the server's";
}

// ---- The certificate ----

void Agent::check_renewal() {
  const WallTime now = server_time();
  const WallTime due = renewal_due(*identity_);
  if (now >= due && session_ && session_->ready()) {
    if (auto renewal = begin_renewal(*identity_)) {
      renewal_ = std::move(*renewal);
      session_->request_certificate(renewal_->signing_request);
    }
  }
  const auto left = std::chrono::duration_cast<Duration>(due - now);
  renewal_timer_->start(network_.now() + std::clamp(left, kRenewalCheckLeast, kRenewalCheckMost),
                        [this] { check_renewal(); });
}

void Agent::on_certificate(const std::string& certificate, const std::string& what) {
  if (!renewal_) return;
  const auto renewal = *std::exchange(renewal_, std::nullopt);
  renewal_problem_ = what;
  if (!certificate.empty()) {
    const auto done = finish_renewal(config_.state_dir, *identity_, renewal, certificate);
    renewal_problem_ = done ? std::string{} : std::string{done.error().what};
  }
  if (!renewal_problem_.empty())
    return log_->error("certificate not renewed", {{"why", renewal_problem_}});
  // The connection that exists goes on; the next one shows the new certificate.
  for (const auto& tls : {tls_, media_tls_}) (void)tls->replace_identity(identity_->tls());
  log_->info("certificate renewed", {{"agent", identity_->name}});
}

// ---- The end, and how it does ----

void Agent::stop() {
  log_->info("agent stops", {{"agent", identity_->name}});
  if (dialler_) dialler_->stop(mux::CloseCode::Stopping);
  stop_timer_->start(network_.now() + kFarewell, [this] { network_.stop(); });
}

boost::json::object Agent::status() const {
  boost::json::object out{{"agent", identity_->name}, {"version", SALLYPORT_VERSION}};
  const bool ready = session_ && session_->ready();
  out["state"] = !ready ? "connecting" : session_->attached() ? "connected" : "reconnecting";
  const Way* way = dialler_->way();
  out["server"] = out["way"] = nullptr;
  if (way != nullptr) {
    out["server"] = way->server.to_string();
    out["way"] = mux::name(way->kind);
  }
  if (way != nullptr && way->proxy) out["proxy"] = way->proxy->address.to_string();
  if (!last_problem_.empty()) out["problem"] = last_problem_;
  if (const std::string clock = clock_problem(); !clock.empty()) out["clock_problem"] = clock;
  if (ready) {
    const control::Welcomed& welcomed = *session_->welcomed();
    const edge::LocalEdge& edge = *session_->edge();
    out["mode"] = control::name(welcomed.mode);
    out["media"] =
        boost::json::object{{"x", welcomed.media.rtp.front().to_string()},
                            {"y", welcomed.media.rtcp.front().to_string()},
                            {"ends", edge.media_ends()},
                            {"trunks", edge.trunks()},
                            {"confirmed", flows_confirmed_},
                            {"not_confirmed", flows_unconfirmed_},
                            {"carriage", media::name(carriage())},
                            {"way", media_way_->describe()},
                            {"stream_late", media_way_->streamed().late},
                            {"encrypted", carriage() == media::Carriage::Tagged && edge.seals()}};
    for (const MediaProblem& problem : media_problems_)
      if (!problem.what.empty() && problem.of == carriage()) out["media_problem"] = problem.what;
    if (!media_note_.empty()) out["media_note"] = media_note_;
    out["sockets"] = edge.sockets();
    out["commands_refused"] = edge.counts().refused;
    out["datagrams_refused"] = edge.counts().datagrams_refused;
    if (const auto trip = session_->multiplex().round_trip())
      out["round_trip_ms"] = std::chrono::duration<double, std::milli>(*trip).count();
  }
  out["certificate_ends"] = admin::to_text(identity_->certificate.validity().not_after);
  if (!renewal_problem_.empty()) out["certificate_problem"] = renewal_problem_;
  out["audit_hash"] = audit_->last_hash();
  out["audit_lost"] = audit_->lost();
  return out;
}

}  // namespace

int run(const config::AgentConfig& config) {
  Agent agent{config};
  if (const std::string problem = agent.start(); !problem.empty()) {
    std::fprintf(stderr, "sallyport agent: %s\n", problem.c_str());
    return 1;
  }
  return agent.run();
}

}  // namespace sallyport::agent
