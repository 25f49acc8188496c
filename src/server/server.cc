#include "server/server.h"

#include <algorithm>
#include <boost/json.hpp>
#include <csignal>
#include <cstdio>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "adapter/adapter.h"
#include "admin/admin_server.h"
#include "admin/service_manager.h"
#include "base/file.h"
#include "brain/brain.h"
#include "edge/local_edge.h"
#include "edge/media_thread.h"
#include "net/host_network.h"
#include "net/tls.h"
#include "server/acceptor.h"
#include "server/addresses.h"
#include "server/admin_commands.h"
#include "server/agent_session.h"
#include "server/authority.h"
#include "server/call_report.h"
#include "server/directory.h"
#include "server/enrolment.h"
#include "server/h323_service.h"
#include "server/join_service.h"
#include "server/media_streams.h"
#include "server/mgcp_service.h"
#include "server/sip_service.h"

namespace sallyport::server {
namespace {

using adapter::Place;

// Between saying goodbye to terminals and exiting: what they are told must reach them.
constexpr Duration kFarewell = milliseconds{500};
// How long a database whose file was removed is written to nowhere at most.
constexpr Duration kCheckStore = seconds{10};

std::unique_ptr<Log> open_log(const config::LogSection& log) {
  return log.file.empty() ? Log::to_stderr(log.level) : Log::to_file(log.file, log.level);
}

edge::PolicyRules policy_rules(const config::ServerConfig& config) {
  edge::PolicyRules rules = edge::Policy::outside_default(config.address.private_destinations);
  rules.max_connections_per_source = config.limits.connections_per_address;
  return rules;
}

class Server final : public Acceptor::Observer {
 public:
  explicit Server(const config::ServerConfig& config)
      : config_(config), log_(open_log(config.log)), policy_(policy_rules(config)) {}

  // Empty: it runs; else what a person needs to know.
  std::string start();
  int run() {
    network_.run();
    return 0;
  }

 private:
  // ---- Acceptor::Observer ----
  Acceptor::Verdict judge(Bytes certificate, WallTime now) override;
  void on_session(const Acceptor::Peer& peer, mux::Multiplex& session) override;
  void on_join(std::unique_ptr<net::Stream> stream) override { join_->serve(std::move(stream)); }
  void on_media_stream(const Acceptor::Peer& peer, std::unique_ptr<net::Stream> stream) override {
    media_streams_->add(peer.agent, peer.name, std::move(stream));
  }
  void on_refused(const TransportAddress& remote, const mux::Refusal& refusal) override;

  std::string open_state();
  void check_store();
  std::string start_brain();
  std::string start_acceptor();
  std::string start_admin();
  void drive_brain();
  void learn_agent_address(AgentId agent);
  void stop();
  std::string name_of(Place place) const;
  std::string domain() const;
  std::vector<std::string> relayed_domains() const;
  boost::json::object status() const;
  void describe_session(AgentId agent, boost::json::object& out) const;
  boost::json::object agents_media() const;
  void set_carriage(const boost::json::object& arguments, const admin::Reply& reply);
  boost::json::object agents_by_carriage() const;
  bool encrypts(media::Carriage carriage) const {
    return carriage == media::Carriage::Tagged && config_.media.encrypt;
  }
  enrolment::Site site() const;

  config::ServerConfig config_;
  std::unique_ptr<Log> log_;
  net::HostNetwork network_;
  SystemRandom random_;
  Addresses addresses_;
  edge::Policy policy_;
  std::unique_ptr<brain::SqliteStore> store_;
  std::optional<Authority> authority_;
  std::unique_ptr<Enrolment> enrolment_;
  std::unique_ptr<edge::Audit> audit_;
  std::unique_ptr<edge::MediaThread> media_;
  std::unique_ptr<Directory> directory_;
  std::unique_ptr<SipService> sip_;
  std::unique_ptr<H323Service> h323_;
  std::unique_ptr<MgcpService> mgcp_;
  std::unique_ptr<brain::Brain> brain_;
  std::unique_ptr<edge::LocalEdge> outside_;
  std::optional<AgentSessionContext> session_context_;
  std::map<AgentId, std::unique_ptr<AgentSession>> sessions_;
  std::map<std::string, media::Carriage> carriages_;  // of agents, by name: chosen by command
  std::unique_ptr<JoinService> join_;
  std::unique_ptr<MediaStreams> media_streams_;
  std::unique_ptr<Acceptor> acceptor_;
  std::unique_ptr<admin::AdminServer> admin_;
  std::unique_ptr<admin::ServiceManager> service_;
  std::unique_ptr<net::Timer> brain_timer_, stop_timer_, store_timer_;
  TimePoint started_{};
};

std::string Server::start() {
  started_ = network_.now();
  brain_timer_ = network_.make_timer();
  stop_timer_ = network_.make_timer();
  store_timer_ = network_.make_timer();
  std::string problem;
  addresses_ = find_addresses(config_, network_, problem);
  if (!problem.empty()) return problem;
  using Step = std::string (Server::*)();
  for (const Step step :
       {&Server::open_state, &Server::start_brain, &Server::start_acceptor, &Server::start_admin}) {
    problem = (this->*step)();
    if (!problem.empty()) return problem;
  }
  network_.on_signals({SIGTERM, SIGINT, SIGHUP}, [this](int) { stop(); });
  log_->info("server ready", {{"version", SALLYPORT_VERSION},
                              {"z", acceptor_->local().to_string()},
                              {"x", addresses_.media.rtp.front().to_string()},
                              {"y", addresses_.media.rtcp.front().to_string()}});
  service_->ready("serving agents at " + acceptor_->local().to_string());
  return {};
}

std::string Server::open_state() {
  if (const auto made = make_folder(config_.state_dir); !made)
    return config_.state_dir + ": " + std::string{made.error().what};
  auto store = brain::SqliteStore::open({.path = config_.state_dir + "/server.db"}, *log_);
  if (!store) return config_.state_dir + "/server.db: " + std::string{store.error().what};
  store_ = std::move(*store);
  check_store();
  auto authority = Authority::open(config_.state_dir, random_, network_.wall_now());
  if (!authority) return config_.state_dir + ": " + std::string{authority.error().what};
  authority_.emplace(std::move(*authority));
  auto enrolment = Enrolment::open(*store_, *authority_, random_,
                                   {.certificate_life = config_.enrolment.certificate_life});
  if (!enrolment) return "enrolment: " + std::string{enrolment.error().what};
  enrolment_ = std::move(*enrolment);
  auto audit = edge::Audit::open(config_.audit_file(), [this] { return network_.wall_now(); });
  if (!audit) return config_.audit_file() + ": " + std::string{audit.error().what};
  audit_ = std::move(*audit);
  return {};
}

void Server::check_store() {
  (void)store_->check();  // it logs, and status() tells
  store_timer_->start(network_.now() + kCheckStore, [this] { check_store(); });
}

std::string Server::start_brain() {
  auto media = edge::MediaThread::start(
      {.server_sockets = addresses_.media_sockets,
       .threads = config_.media.relay.thread_count(),
       .nap = config_.media.relay.nap,
       .ports = config_.media.outside.range,
       .quarantine = config_.media.outside.quarantine},
      [this](std::function<void()> work) { network_.post(std::move(work)); },
      fastpath::open(config_.media.relay.fast_path, edge::MediaThread::kPlaces, *log_));
  if (!media) return "media ports X and Y: " + std::string{media.error().what};
  media_ = std::move(*media);
  // The kernel was told ways, which are those of now.
  if (config_.media.relay.fast_path != fastpath::Mode::Off)
    network_.watch_routes([this] { media_->path_changed(); });

  brain_ = std::make_unique<brain::Brain>(
      network_, random_, *log_,
      brain::MediaPathsOptions{.rtp = addresses_.media.rtp,
                               .rtcp = addresses_.media.rtcp,
                               .keepalive = config_.media.keepalive,
                               .trunks = {.most = config_.media.trunks,
                                          .sealed = config_.media.encrypt,
                                          .compress = config_.media.compress,
                                          .bundle = config_.media.bundle,
                                          .dscp = config_.inside_marks.audio}},
      [this] { drive_brain(); });
  auto directory = Directory::open(config_, *store_, *log_, network_.wall_now());
  if (!directory) return "registrations: " + std::string{directory.error().what};
  directory_ = std::move(*directory);
  if (config_.sip.enabled) {
    auto sip = SipService::make(config_, addresses_.advertised, *store_, *directory_, random_,
                                *log_, network_.wall_now());
    if (!sip) return "SIP: " + std::string{sip.error().what};
    sip_ = std::move(*sip);
    brain_->add(sip_->take_adapter());
  }
  if (config_.h323.enabled) {
    h323_ = std::make_unique<H323Service>(config_, domain(), addresses_.advertised, *directory_,
                                          random_, *log_);
    brain_->add(h323_->take_adapter());
  }
  if (config_.mgcp.enabled) {
    mgcp_ = std::make_unique<MgcpService>(config_, domain(), addresses_.advertised, *directory_,
                                          random_, *log_);
    brain_->add(mgcp_->take_adapter());
  }

  std::optional<net::TlsIdentity> identity;
  if (!config_.tls.certificate_file.empty()) {
    auto read = net::TlsIdentity::from_files(config_.tls.certificate_file, config_.tls.key_file);
    if (!read) return "tls: " + std::string{read.error().what};
    identity = std::move(*read);
  }
  auto certificates = edge::Certificates::make(identity, config_.tls.trusted_file);
  if (!certificates) return "tls: " + std::string{certificates.error().what};
  outside_ = std::make_unique<edge::LocalEdge>(
      network_, *media_, policy_, *audit_, *log_,
      edge::LocalEdgeOptions{.commander = "server",
                             .advertised = addresses_.shown,
                             .certificates = std::move(*certificates),
                             .reach_key = "address.private_destinations"},
      brain_->observer(Place::outside()));
  brain_->attach(Place::outside(), "outside", *outside_);
  return {};
}

// The brain's next timer, kept on the loop's.
void Server::drive_brain() {
  const auto due = brain_->next_deadline();
  if (!due) return brain_timer_->stop();
  brain_timer_->start(*due, [this] {
    brain_->on_time();
    drive_brain();
  });
}

std::string Server::start_acceptor() {
  session_context_.emplace(AgentSessionContext{
      .brain = *brain_,
      .plane = *media_,
      .clocks = network_,
      .log = *log_,
      .modes = {control::Mode::ServerMaster},
      .media = addresses_.media,
      .carriage =
          [this](const std::string& agent) {
            if (const auto it = carriages_.find(agent); it != carriages_.end()) return it->second;
            const auto& bound = config_.media.bound_agents;
            return std::find(bound.begin(), bound.end(), agent) == bound.end()
                       ? config_.media.carriage
                       : media::Carriage::Bound;
          },
      .sealed = config_.media.encrypt,
      .renew = [this](AgentId agent, const std::string& request) -> Result<std::string> {
        const auto renewed = enrolment_->renew(agent, request, network_.wall_now());
        if (!renewed) return tl::make_unexpected(renewed.error());
        return renewed->to_pem();
      },
      .on_attached = [this](AgentId agent) { learn_agent_address(agent); },
      .on_over =
          [this](AgentId agent) {
            media_streams_->end(agent);
            // Not from inside its own handler; a new session of this agent may be there by then.
            auto ended = std::make_shared<std::unique_ptr<AgentSession>>(
                std::move(sessions_.extract(agent).mapped()));
            network_.post([ended] { ended->reset(); });
          }});
  enrolment_->on_revoked(
      [this](AgentId agent) { acceptor_->end_session(agent, mux::CloseCode::Revoked); });
  media_streams_ = std::make_unique<MediaStreams>(
      network_, *log_, media_->server_addresses().front(), config_.inside_marks.audio);
  join_ = std::make_unique<JoinService>(*enrolment_, network_, *log_, [this] { return site(); });
  auto tls = net::TlsContext::server(
      {.identity = authority_->identity(),
       .alpn = {std::string{mux::kAlpn}, std::string{edge::kMediaAlpn}, std::string{kJoinAlpn}},
       .client_certificate = net::ClientCertificate::Optional});
  if (!tls) return "port Z: " + std::string{tls.error().what};
  Acceptor::Settings settings{.local = addresses_.multiplex,
                              .tls = {.context = std::move(*tls), .server_name = {}},
                              .multiplex = {},
                              .max_sessions = config_.limits.agents,
                              .rate = config_.multiplex.accepts_per_second,
                              .burst = 2 * config_.multiplex.accepts_per_second};
  settings.multiplex.max_unacknowledged = config_.session.replay.octets;
  settings.multiplex.dead_after =
      std::chrono::duration_cast<milliseconds>(config_.session.dead_after);
  settings.multiplex.life = std::chrono::duration_cast<milliseconds>(config_.session.detached_for);
  auto acceptor = Acceptor::open(network_, random_, std::move(settings), *this);
  if (!acceptor) return "port Z: " + std::string{acceptor.error().what};
  acceptor_ = std::move(*acceptor);
  return {};
}

// ---- Agents ----

Acceptor::Verdict Server::judge(Bytes certificate, WallTime now) {
  auto admitted = enrolment_->admit(certificate, now);
  if (auto* refusal = std::get_if<mux::Refusal>(&admitted)) return std::move(*refusal);
  const Agent& agent = std::get<Agent>(admitted);
  return Acceptor::Peer{.agent = agent.id, .name = agent.name};
}

void Server::on_session(const Acceptor::Peer& peer, mux::Multiplex& session) {
  sessions_[peer.agent] =
      std::make_unique<AgentSession>(peer.agent, peer.name, session, *session_context_);
}

void Server::on_refused(const TransportAddress& remote, const mux::Refusal& refusal) {
  log_->debug("agent refused", {{"remote", remote.to_string()}, {"code", mux::name(refusal.code)}});
}

// The address that the agent's network shows must not be seen by a destination, in no message; and
// the way that its multiplex connection takes is the one for its media.
void Server::learn_agent_address(AgentId agent) {
  acceptor_->for_each([&](const Acceptor::SessionView& view) {
    if (view.peer.agent != agent) return;
    brain_->prefer_family(Place::inside(agent), view.remote.ip.is_v4());
    if (sip_) sip_->hide(agent, view.remote.ip);
  });
}

std::string Server::name_of(Place place) const {
  if (place.is_outside()) return "outside";
  const auto agent = enrolment_->find(place.agent);
  return agent ? agent->name : "agent " + std::to_string(place.agent.value);
}

// Of users and terminals that are named without one.
std::string Server::domain() const {
  const std::string configured = config_.default_domain();
  if (!configured.empty() || addresses_.advertised.empty()) return configured;
  return addresses_.advertised.front().to_string();
}

// And the gatekeepers elsewhere, whose users have their realm by the relay's name.
std::vector<std::string> Server::relayed_domains() const {
  std::vector<std::string> out;
  if (sip_) out = sip_->relayed_domains();
  for (const auto& [name, relay] : config_.h323.relay) out.push_back(name);
  return out;
}

void Server::describe_session(AgentId agent, boost::json::object& out) const {
  const auto it = sessions_.find(agent);
  out["connected"] = it != sessions_.end() && it->second->attached();
  if (it == sessions_.end()) return;
  const AgentSession& session = *it->second;
  out["software"] = session.software();
  out["media_tls_connections"] = media_streams_->of(agent);
  if (session.ready()) {
    out["carriage"] = media::name(session.carriage());
    out["media_encrypted"] = encrypts(session.carriage());
  }
  out["seconds"] = std::chrono::duration_cast<seconds>(network_.now() - session.since()).count();
  if (const auto trip = session.multiplex().round_trip())
    out["round_trip_ms"] = std::chrono::duration<double, std::milli>(*trip).count();
  acceptor_->for_each([&](const Acceptor::SessionView& view) {
    if (view.peer.agent != agent) return;
    out["remote"] = view.remote.to_string();
    out["way"] = mux::name(view.way);
  });
  const auto health = brain_->media_health(Place::inside(agent));
  out["media"] = !health.problem.empty() ? "not confirmed"
                 : health.confirmed != 0 ? "confirmed"
                                         : "not tried";
  if (!health.problem.empty()) out["media_problem"] = health.problem;
  if (sip_) sip_->describe_bandwidth(agent, out);
}

// How many agents' media comes about, and whose does not, as far as it was tried; so many of them.
boost::json::object Server::agents_media() const {
  constexpr std::size_t kMost = 20;
  std::uint64_t confirmed = 0;
  std::uint64_t unconfirmed = 0;
  boost::json::array problems;
  for (const auto& [agent, session] : sessions_) {
    const auto health = brain_->media_health(Place::inside(agent));
    if (health.problem.empty()) {
      confirmed += health.confirmed != 0 ? 1 : 0;
      continue;
    }
    if (++unconfirmed <= kMost)
      problems.push_back({{"agent", session->name()},
                          {"ever_confirmed", health.confirmed != 0},
                          {"media_problem", health.problem}});
  }
  return {{"confirmed", confirmed},
          {"not_confirmed", unconfirmed},
          {"not_tried", sessions_.size() - confirmed - unconfirmed},
          {"problems", std::move(problems)}};
}

// Of a session that is there, and of those that the agent begins later, until this process ends.
// Those that are here, by what is in use: by configuration, or as a command has chosen.
boost::json::object Server::agents_by_carriage() const {
  boost::json::object out;
  for (const media::Carriage carriage : {media::Carriage::Tagged, media::Carriage::Bound})
    out[media::name(carriage)] =
        std::count_if(sessions_.begin(), sessions_.end(),
                      [carriage](const auto& each) { return each.second->carriage() == carriage; });
  return out;
}

void Server::set_carriage(const boost::json::object& arguments, const admin::Reply& reply) {
  const std::string name = admin::text_argument(arguments, "name");
  const auto carriage = media::carriage_named(admin::text_argument(arguments, "carriage"));
  if (!carriage) return reply.error(Errc::BadValue, "a carriage is tagged or bound");
  const std::vector<Agent> agents = enrolment_->agents(false);
  const auto agent = std::find_if(agents.begin(), agents.end(),
                                  [&](const Agent& each) { return each.name == name; });
  if (agent == agents.end()) return reply.error(Errc::NotFound, "there is no agent of that name");
  if (const auto it = sessions_.find(agent->id); it != sessions_.end() && it->second->ready())
    if (const auto set = it->second->set_carriage(*carriage); !set)
      return reply.error(set.error().code, set.error().what);
  carriages_[name] = *carriage;
  reply.ok(boost::json::object{
      {"name", name}, {"carriage", media::name(*carriage)}, {"encrypted", encrypts(*carriage)}});
}

// Where agents find this server.
enrolment::Site Server::site() const {
  return {.servers = addresses_.dial, .x = config_.media.x, .y = config_.media.y};
}

// ---- What people ask ----

std::string Server::start_admin() {
  service_ = std::make_unique<admin::ServiceManager>(network_);
  admin_ = std::make_unique<admin::AdminServer>(network_, *log_);
  admin_->add("status", [this](const boost::json::object&, const admin::Reply& reply) {
    media_->totals([this, reply](const edge::MediaTotals& totals) {
      boost::json::object out = status();
      boost::json::object drops;
      for (std::size_t i = 0; i < media::kDrops; ++i)
        drops[media::name(static_cast<media::Drop>(i))] = totals.relay.drops.at(i);
      out["media"] = boost::json::object{{"ends", totals.ends},
                                         {"trunks", totals.trunks},
                                         {"received", totals.relay.received},
                                         {"relayed", totals.relay.relayed},
                                         {"handled", totals.relay.handled},
                                         {"waiting", totals.relay.waiting},
                                         {"threads", config_.media.relay.thread_count()},
                                         {"passed", totals.relay.passed},
                                         {"taken", totals.relay.taken},
                                         {"relayed_by_kernel", totals.relay.fast},
                                         {"offloaded", totals.offloaded},
                                         {"missed", totals.missed},
                                         {"stream_in", media_streams_->counts().in},
                                         {"stream_out", media_streams_->counts().out},
                                         {"stream_late", media_streams_->counts().late},
                                         {"drops", std::move(drops)},
                                         {"carriage", media::name(config_.media.carriage)},
                                         {"encrypted", encrypts(config_.media.carriage)},
                                         {"agents_by_carriage", agents_by_carriage()}};
      reply.ok(out);
    });
  });
  admin_->add("calls", [this](const boost::json::object&, const admin::Reply& reply) {
    std::vector<adapter::CallInfo> up;
    if (sip_) up = sip_->calls();
    if (h323_)
      for (adapter::CallInfo& call : h323_->calls()) up.push_back(std::move(call));
    if (mgcp_)
      for (adapter::CallInfo& call : mgcp_->calls()) up.push_back(std::move(call));
    report_calls(std::move(up),
                 {.name_of = [this](Place place) { return name_of(place); },
                  .count = [this](media::MediaId port,
                                  OnPathCounts on) { brain_->count(port, std::move(on)); },
                  .problem = [this](media::MediaId port) { return brain_->media_problem(port); },
                  .network = network_},
                 [reply](const boost::json::array& calls) { reply.ok(calls); });
  });
  admin_->add("carriage", [this](const boost::json::object& arguments, const admin::Reply& reply) {
    set_carriage(arguments, reply);
  });
  admin_->add("registrations", [this](const boost::json::object&, const admin::Reply& reply) {
    std::vector<adapter::Throttle::Blocked> blocked;
    if (sip_) blocked = sip_->blocked(network_.now());
    if (h323_)
      for (auto& each : h323_->adapter().blocked(network_.now()))
        blocked.push_back(std::move(each));
    reply.ok(directory_->describe(
        blocked, [this](Place place) { return name_of(place); }, network_.wall_now()));
  });
  add_enrolment_commands(*admin_, {.enrolment = *enrolment_,
                                   .network = network_,
                                   .site = [this] { return site(); },
                                   .invite_life = config_.enrolment.invite_life,
                                   .describe_session =
                                       [this](AgentId agent, boost::json::object& out) {
                                         describe_session(agent, out);
                                       }});
  add_user_commands(*admin_,
                    {.users = directory_->users(),
                     .default_domain = domain(),
                     .domains = sip_ ? sip_->domains() : std::vector<std::string>{domain()},
                     .relayed = relayed_domains(),
                     .keep_passwords = config_.h323.keeps_passwords(),
                     .on_removed =
                         [this](const std::string& name, const std::string& of_domain) {
                           if (sip_) sip_->forget(name, of_domain, network_.wall_now());
                           if (h323_ && of_domain == domain())
                             h323_->adapter().forget_user(name, network_.wall_now());
                         },
                     .unblock =
                         [this](const std::string& name, const std::string& of_domain) {
                           const bool sip = sip_ && sip_->unblock(name, of_domain, network_.now());
                           const bool h323 = h323_ && of_domain == domain() &&
                                             h323_->adapter().unblock(name, network_.now());
                           return sip || h323;
                         }});
  if (const auto listening = admin_->listen(network_, config_.admin_socket); !listening)
    return config_.admin_socket + ": " + std::string{listening.error().what};
  return {};
}

boost::json::object Server::status() const {
  boost::json::array advertised;
  for (const IpAddress& ip : addresses_.advertised) advertised.emplace_back(ip.to_string());
  const Acceptor::Counts& counts = acceptor_->counts();
  boost::json::object out{
      {"version", SALLYPORT_VERSION},
      {"uptime_seconds", std::chrono::duration_cast<seconds>(network_.now() - started_).count()},
      {"advertised", std::move(advertised)},
      {"z", acceptor_->local().to_string()},
      {"x", addresses_.media.rtp.front().to_string()},
      {"y", addresses_.media.rtcp.front().to_string()},
      {"agents", sessions_.size()},
      {"agents_ready", std::count_if(sessions_.begin(), sessions_.end(),
                                     [](const auto& each) { return each.second->ready(); })},
      {"agents_media", agents_media()},
      {"connections", boost::json::object{{"accepted", counts.accepted},
                                          {"refused", counts.refused},
                                          {"resumed", counts.resumed},
                                          {"unspoken", counts.unspoken}}},
      {"outside", boost::json::object{{"sockets", outside_->sockets()},
                                      {"commands_refused", outside_->counts().refused},
                                      {"datagrams_refused", outside_->counts().datagrams_refused}}},
      {"database", store_->trouble().empty() ? "ok" : store_->trouble()},
      {"database_restored", store_->times_restored()},
      {"audit_hash", audit_->last_hash()},
      {"audit_lost", audit_->lost()}};
  if (sip_) out["bandwidth"] = sip_->bandwidth();
  if (sip_) out["calls_refused"] = sip_->refused_calls();
  if (sip_) out["sip"] = sip_->counters();
  if (h323_) out["h323"] = h323_->counters();
  if (mgcp_) out["mgcp"] = mgcp_->counters();
  return out;
}

// ---- The end ----

// Calls cannot go on without us, so their parties are told; then agents are, and the process ends.
void Server::stop() {
  log_->info("server stops", {{"agents", sessions_.size()}});
  brain_->shutdown();
  stop_timer_->start(network_.now() + kFarewell, [this] {
    acceptor_->stop();
    network_.post([this] { network_.stop(); });
  });
}

}  // namespace

int run(const config::ServerConfig& config) {
  Server server{config};
  if (const std::string problem = server.start(); !problem.empty()) {
    std::fprintf(stderr, "sallyport server: %s\n", problem.c_str());
    return 1;
  }
  return server.run();
}

}  // namespace sallyport::server
