// One agent's session as the server has it: answers its Hello, gives the brain the agent's edge
// (or, when the agent is master, nothing yet), renews its certificate, and tells when it is over.
// Owned by Agents (server/agents.h); the multiplex is the acceptor's. One thread.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "base/ids.h"
#include "base/log.h"
#include "brain/brain.h"
#include "control/control_session.h"
#include "control/negotiation.h"
#include "edge/remote_edge.h"
#include "media/plane.h"
#include "mux/multiplex.h"

namespace sallyport::server {

// What every session of this server uses; outlives them.
struct AgentSessionContext {
  brain::Brain& brain;
  media::Plane& plane;
  const Clocks& clocks;
  Log& log;
  std::vector<control::Mode> modes;  // accepted, best first
  control::MediaAddresses media;     // X and Y as agents reach them
  // How that agent's media is to travel, if it can.
  std::function<media::Carriage(const std::string& agent)> carriage;
  bool sealed = true;  // tagged only where it can be sealed
  // A new certificate (PEM) for a signing request (PEM), or why not.
  std::function<Result<std::string>(AgentId, const std::string& request)> renew;
  // A TLS connection was attached: the agent may come from another address now.
  std::function<void(AgentId)> on_attached;
  // The session is over for good. Called from inside its handlers: destroy it later.
  std::function<void(AgentId)> on_over;
};

class AgentSession {
 public:
  AgentSession(AgentId id, std::string name, mux::Multiplex& multiplex,
               const AgentSessionContext& context);
  AgentSession(const AgentSession&) = delete;
  AgentSession& operator=(const AgentSession&) = delete;
  ~AgentSession();

  AgentId id() const { return id_; }
  const std::string& name() const { return name_; }
  const std::string& software() const { return software_; }
  bool attached() const { return attached_; }
  bool ready() const { return remote_ != nullptr; }  // Hello answered with Welcome
  media::Carriage carriage() const { return carriage_; }
  // How this agent's media travels from now on. Unsupported: it cannot.
  Result<void> set_carriage(media::Carriage carriage);
  TimePoint since() const { return since_; }
  const mux::Multiplex& multiplex() const { return multiplex_; }

 private:
  void end(const Error& why);
  Result<std::string> renew(const std::string& request);
  Result<void> on_message(const control::wire::Envelope& message);
  Result<void> on_hello(const control::wire::Envelope& message);
  void install_media_keys();
  media::KeyRingId keys() const { return media::KeyRingId{id_.value}; }

  AgentId id_;
  std::string name_;
  mux::Multiplex& multiplex_;
  const AgentSessionContext& context_;
  control::ControlSession control_;
  std::unique_ptr<edge::RemoteEdge> remote_;
  std::string software_;
  std::optional<media::SealAlgorithm> aead_;
  bool can_tag_ = false;  // and seal, where that is wanted
  media::Carriage carriage_ = media::Carriage::Bound;
  bool attached_ = true;
  TimePoint since_;
  std::optional<TimePoint> renewed_at_;
};

}  // namespace sallyport::server
