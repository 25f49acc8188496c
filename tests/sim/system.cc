#include "system.h"

#include <functional>
#include <utility>

namespace sallyport::sim {
namespace {

using adapter::Place;

class NoUsers final : public brain::Users {
 public:
  std::optional<brain::User> find(std::string_view, std::string_view) const override { return {}; }
  std::optional<brain::User> find_login(std::string_view, std::string_view, bool) const override {
    return {};
  }
  Result<void> add(const brain::User&) override { return fail(Errc::Unsupported, "no users"); }
  Result<void> remove(std::string_view, std::string_view) override {
    return fail(Errc::NotFound, "no users");
  }
  std::vector<brain::User> list() const override { return {}; }
};

std::vector<TransportAddress> server_sockets(const IpAddress& server, std::uint16_t y) {
  std::vector<TransportAddress> out{{server, kX}};
  if (y != kX) out.push_back({server, y});
  return out;
}

// So many addresses further on; the last octet has room for it.
IpAddress plus(const IpAddress& address, std::size_t n) {
  const auto advance = [n](auto octets) {
    octets.back() = static_cast<std::uint8_t>(octets.back() + n);
    return octets;
  };
  Reader octets{address.octets()};
  return address.is_v4() ? IpAddress::v4(advance(octets.array<4>()))
                         : IpAddress::v6(advance(octets.array<16>()));
}

// Nothing but that each connection brings keys.
control::ControlSession::Handler housekeeping(std::function<void()> on_attached) {
  return {.on_message = [](const auto&) { return Result<void>{}; },
          .on_attached = [on_attached](std::uint64_t) { on_attached(); },
          .on_detached = {},
          .on_gone = [](const Error&) {}};
}

}  // namespace

SimHost::SimHost(World& world, RealmId realm, const IpAddress& address, edge::PolicyRules rules,
                 const std::vector<TransportAddress>& sockets)
    : network(world, realm, address),
      plane(network, {30000, 39999}, sockets),
      policy(std::move(rules)) {}

System::Agent::Agent(System& system, std::size_t index, RealmId its_realm)
    : realm(its_realm),
      host(system.world, realm, system.agent_address(), edge::Policy::inside_default(), {}),
      pair({}, index + 1),
      at_agent(pair.dialling, system.world, housekeeping([this] {
                 install_keys(host.plane, pair.dialling, media::KeyRingId{1},
                              media::Direction::AgentToServer);
               })),
      at_server(pair.accepting, system.world,
                housekeeping([this, index, &plane = system.server_->plane] {
                  install_keys(plane, pair.accepting,
                               media::KeyRingId{static_cast<std::uint64_t>(index + 1)},
                               media::Direction::ServerToAgent);
                })) {}

void System::Agent::install_keys(SimPlane& plane, const mux::Multiplex& from, media::KeyRingId ring,
                                 media::Direction sends) {
  media::KeysOfConnection keys{.connection = from.connection_number(), .sends = sends};
  if (from.export_key(media::kMediaExporterLabel, {}, keys.secret)) plane.install_keys(ring, keys);
}

void System::set_carriage(std::size_t agent, media::Carriage carriage) {
  brain_->set_carriage(Place::inside(AgentId{static_cast<std::uint32_t>(agent + 1)}), carriage);
}

System::System(const SystemOptions& options)
    : world(options.seed), options_(options), users_(std::make_unique<NoUsers>()) {
  server_ =
      std::make_unique<SimHost>(world, kPublic, server_address(), edge::Policy::outside_default({}),
                                server_sockets(server_address(), options.y));
  start_brain();
  for (std::size_t i = 0; i < options.agents; ++i) {
    NatSettings its_nat = options.nat;
    its_nat.public_address = plus(options.nat.public_address, i);
    agents_.push_back(std::make_unique<Agent>(*this, i, world.add_site(its_nat)));
    attach(i);
  }
  pump();
  world.run_for(milliseconds{100});
}

System::~System() {
  // Edges tell the brain nothing any more, and the brain has none to tell.
  for (auto& agent : agents_) {
    agent->local.reset();
    agent->at_server_edge.reset();
  }
  outside_.reset();
}

void System::start_brain() {
  brain_ = std::make_unique<brain::Brain>(
      world, world.random(), *log_,
      brain::MediaPathsOptions{.rtp = {{server_address(), kX}},
                               .rtcp = {{server_address(), options_.y}},
                               .trunks = {.sealed = options_.encrypt}},
      [] {});
  registrar_ = std::make_unique<adapter::sip::RegistrationService>(
      adapter::sip::RegistrationConfig{.default_domain = "example.org",
                                       .domains = {"example.org"},
                                       .relays = {},
                                       .authenticate = false},
      registrations_, *users_, adapter::sip::RegistrationService::Secrets{});
  routing_ = std::make_unique<adapter::sip::ServerRouting>(
      registrar_->config(), registrar_->domains(), registrar_->gruu(), registrations_, *users_,
      routes_, world.random());
  adapter::sip::Config config;
  config.inside.tls = 0;
  config.outside.tls = 0;
  config.outside.tcp = 0;
  config.inside.tcp = 0;
  config.advertised = {server_address()};
  config.domain = "example.org";
  auto adapter = std::make_unique<adapter::sip::SipAdapter>(config, *registrar_, *routing_,
                                                            world.random(), *log_);
  sip_ = adapter.get();
  brain_->add(std::move(adapter));

  adapter::h323::Config h323_config;
  h323_config.advertised = {server_address()};
  h323_config.domain = "example.org";
  h323_config.authenticate = false;
  auto h323 = std::make_unique<adapter::h323::H323Adapter>(
      h323_config, adapter::h323::Stores{registrations_, *users_, routes_},
      adapter::Throttle::Limits{}, world.random(), *log_);
  h323_ = h323.get();
  brain_->add(std::move(h323));
  if (options_.brain_at == BrainAt::Agent)
    return;  // its outside edge comes with the agent's session
  outside_ = std::make_unique<edge::LocalEdge>(
      server_->network, server_->plane, server_->policy, *audit_, *log_,
      edge::LocalEdgeOptions{.commander = "brain", .advertised = {}, .certificates = {}},
      brain_->observer(Place::outside()));
  brain_->attach(Place::outside(), "outside", *outside_);
}

void System::attach(std::size_t index) {
  Agent& agent = *agents_[index];
  const AgentId id{static_cast<std::uint32_t>(index + 1)};
  const Place inside = Place::inside(id);
  set_carriage(index, options_.carriage);
  edge::LocalEdgeOptions options{
      .commander = "brain",
      .advertised = {},
      .certificates = {},
      .first_accepted_id = edge::kChosenByEdge | std::uint64_t{id.value} << 32U | 1U};
  (void)agent.pair.connect();
  const auto local_edge = [&](SimHost& host, edge::Observer& observer) {
    options.ring = media::KeyRingId{&host == server_.get() ? id.value : 1};
    return std::make_unique<edge::LocalEdge>(host.network, host.plane, host.policy, *audit_, *log_,
                                             options, observer);
  };
  if (options_.brain_at == BrainAt::Server) {
    agent.slave = std::make_unique<control::Slave>(agent.at_agent);
    agent.local = local_edge(agent.host, *agent.slave);
    agent.slave->set_edge(*agent.local);
    agent.at_agent.set_part(agent.slave.get());
    agent.remote = std::make_unique<edge::RemoteEdge>(agent.at_server, brain_->observer(inside),
                                                      options.first_accepted_id);
    agent.at_server.set_part(agent.remote.get());
    brain_->attach(inside, "agent", *agent.remote);
    return;
  }
  agent.slave = std::make_unique<control::Slave>(agent.at_server);
  agent.at_server_edge = local_edge(*server_, *agent.slave);
  agent.slave->set_edge(*agent.at_server_edge);
  agent.at_server.set_part(agent.slave.get());
  agent.remote = std::make_unique<edge::RemoteEdge>(
      agent.at_agent, brain_->observer(Place::outside()), options.first_accepted_id);
  agent.at_agent.set_part(agent.remote.get());
  agent.local = local_edge(agent.host, brain_->observer(inside));
  brain_->attach(Place::outside(), "outside", *agent.remote);
  brain_->attach(inside, "agent", *agent.local);
}

// Carries octets and runs timers once every millisecond.
void System::pump() {
  for (auto& agent : agents_) {
    agent->pair.now = world.now();
    agent->pair.dialling.on_time(world.now());
    agent->pair.accepting.on_time(world.now());
    agent->pair.run();
  }
  brain_->on_time();
  world.after(milliseconds{1}, [this] { pump(); });
}

std::unique_ptr<SimPhone> System::phone(std::size_t agent, const std::string& user,
                                        const std::string& host) {
  const IpAddress own = host.empty() ? plus(agent_address(), 1) : *IpAddress::parse(host);
  return std::make_unique<SimPhone>(world, site(agent), TransportAddress{own, kSip}, user,
                                    "example.org", TransportAddress{agent_address(), kSip});
}

std::unique_ptr<SimPhone> System::public_phone(const std::string& user,
                                               const std::string& address) {
  return std::make_unique<SimPhone>(world, kPublic,
                                    TransportAddress{*IpAddress::parse(address), kSip}, user,
                                    "elsewhere.example", TransportAddress{server_address(), kSip});
}

void System::break_multiplex(std::size_t agent, Duration away) {
  agents_[agent]->pair.break_connection();
  world.after(away, [this, agent] { (void)agents_[agent]->pair.connect(); });
}

}  // namespace sallyport::sim
