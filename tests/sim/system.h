// Sallyport whole, in virtual time: a server in the public network, agents behind NATs, the brain
// at the server or at the agent, and everything between them that the product has but the TLS
// connection (whose octets mux::TestPair carries, and whose breaks it makes).
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "adapter/h323/h323_adapter.h"
#include "adapter/sip/registration_service.h"
#include "adapter/sip/server_routing.h"
#include "adapter/sip/sip_adapter.h"
#include "brain/brain.h"
#include "brain/memory_registrations.h"
#include "brain/routing.h"
#include "control/slave.h"
#include "edge/local_edge.h"
#include "edge/remote_edge.h"
#include "mux/test_pair.h"
#include "sim_network.h"
#include "sim_phone.h"
#include "sim_plane.h"

namespace sallyport::sim {

enum class BrainAt { Server, Agent };

inline const IpAddress kServer = *IpAddress::parse("203.0.113.1");
inline const IpAddress kServer6 = *IpAddress::parse("2001:db8:203::1");
inline const IpAddress kAgent = *IpAddress::parse("10.1.1.1");  // in every site
inline const IpAddress kAgent6 = *IpAddress::parse("fd00::1");
constexpr std::uint16_t kX = 2776;
constexpr std::uint16_t kSip = 5060;

struct SystemOptions {
  BrainAt brain_at = BrainAt::Server;
  std::size_t agents = 1;
  NatSettings nat;           // of the first agent's site; the others' addresses follow its own
  std::uint16_t y = kX + 1;  // kX: one-port mode
  bool v6 = false;           // all hosts, and nothing but that
  media::Carriage carriage = media::Carriage::Tagged;  // of every agent's media
  bool encrypt = true;                                 // what is tagged
  std::uint64_t seed = 1;
};

// One host of ours: sockets, media plane, policy.
struct SimHost {
  SimHost(World& world, RealmId realm, const IpAddress& address, edge::PolicyRules rules,
          const std::vector<TransportAddress>& server_sockets);
  SimNetwork network;
  SimPlane plane;
  edge::Policy policy;
};

class System {
 public:
  explicit System(const SystemOptions& options);
  ~System();

  World world;
  RealmId site(std::size_t agent) const { return agents_[agent]->realm; }
  // A phone at 10.1.1.2 (or another host; fd00::2) of that agent's site, told to use the agent.
  std::unique_ptr<SimPhone> phone(std::size_t agent, const std::string& user,
                                  const std::string& host = "");
  // A phone in the public network that calls by way of the server.
  std::unique_ptr<SimPhone> public_phone(const std::string& user, const std::string& address);

  // A new TLS connection beside the old one, with new keys, as cycling makes one.
  void renew_multiplex(std::size_t agent) { (void)agents_[agent]->pair.connect(); }
  void set_carriage(std::size_t agent, media::Carriage carriage);
  // The multiplex connection breaks; it is dialled again after `away`.
  void break_multiplex(std::size_t agent, Duration away);
  SimPlane& server_plane() { return server_->plane; }
  SimPlane& agent_plane(std::size_t agent) { return agents_[agent]->host.plane; }
  adapter::sip::SipAdapter& sip() { return *sip_; }
  adapter::h323::H323Adapter& h323() { return *h323_; }

 private:
  struct Agent {
    Agent(System& system, std::size_t index, RealmId its_realm);
    void install_keys(SimPlane& plane, const mux::Multiplex& from, media::KeyRingId ring,
                      media::Direction sends);
    RealmId realm;
    SimHost host;
    mux::TestPair pair;
    control::ControlSession at_agent, at_server;
    std::unique_ptr<control::Slave> slave;
    std::unique_ptr<edge::LocalEdge> local;           // the agent's sockets
    std::unique_ptr<edge::LocalEdge> at_server_edge;  // brain at the agent: the server's sockets
    std::unique_ptr<edge::RemoteEdge> remote;
    bool broken = false;
  };

  IpAddress server_address() const { return options_.v6 ? kServer6 : kServer; }
  IpAddress agent_address() const { return options_.v6 ? kAgent6 : kAgent; }
  void start_brain();
  void attach(std::size_t index);
  void pump();

  SystemOptions options_;
  std::unique_ptr<Log> log_ = Log::silent();
  std::unique_ptr<edge::Audit> audit_ = edge::Audit::none();
  std::unique_ptr<SimHost> server_;
  brain::MemoryRegistrations registrations_;
  std::unique_ptr<brain::Users> users_;
  brain::Routing routes_{{.routes = {}, .allow_dns = true}};
  std::unique_ptr<adapter::sip::RegistrationService> registrar_;
  std::unique_ptr<adapter::sip::ServerRouting> routing_;
  adapter::sip::SipAdapter* sip_ = nullptr;
  adapter::h323::H323Adapter* h323_ = nullptr;
  std::unique_ptr<brain::Brain> brain_;
  std::unique_ptr<edge::LocalEdge> outside_;
  std::vector<std::unique_ptr<Agent>> agents_;
};

}  // namespace sallyport::sim
