// The agent's session with its server: says Hello, and, when the server is master, lets it command
// this agent's edge. The edge, and every socket in it, lives as long as the session: when that is
// gone for good, nothing is left open. The multiplex is the dialler's. One thread.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/log.h"
#include "control/control_session.h"
#include "control/negotiation.h"
#include "control/slave.h"
#include "edge/audit.h"
#include "edge/local_edge.h"
#include "edge/policy.h"
#include "media/plane.h"
#include "mux/multiplex.h"
#include "net/network.h"

namespace sallyport::agent {

// What every session of this agent uses; outlives them.
struct ServerSessionContext {
  net::Network& network;
  media::Plane& plane;
  const edge::Policy& policy;
  edge::Audit& audit;
  Log& log;
  std::vector<control::Mode> modes;  // offered, best first
  edge::Certificates certificates;
  std::vector<IpAddress> listen;  // where terminals reach us; empty: on all addresses of this host
  std::function<bool(const IpAddress&)> is_server;  // the connection goes there
  // The server's new certificate for us (PEM), or empty text and why not.
  std::function<void(const std::string& certificate, const std::string& what)> on_certificate;
  std::function<void(const control::Welcomed&)> on_ready;
  std::function<void(const media::Event&)> on_media_event;  // before the server is told of it
  // The session is over, or this server refuses. Called from inside its handlers: destroy it later.
  std::function<void(const Error& why)> on_over;
};

class ServerSession {
 public:
  ServerSession(mux::Multiplex& multiplex, const ServerSessionContext& context);
  ServerSession(const ServerSession&) = delete;
  ServerSession& operator=(const ServerSession&) = delete;
  ~ServerSession();

  bool ready() const { return edge_ != nullptr; }
  bool attached() const { return attached_; }
  const std::optional<control::Welcomed>& welcomed() const { return welcomed_; }
  const edge::LocalEdge* edge() const { return edge_.get(); }
  mux::Multiplex& multiplex() { return control_.multiplex(); }
  void request_certificate(const std::string& signing_request);

 private:
  Result<void> on_message(const control::wire::Envelope& message);
  Result<void> on_welcome(const control::wire::Envelope& message);
  void install_media_keys();

  const ServerSessionContext& context_;
  control::ControlSession control_;
  std::optional<control::Welcomed> welcomed_;
  control::Slave slave_;
  std::unique_ptr<edge::LocalEdge> edge_;
  bool attached_ = false;
};

}  // namespace sallyport::agent
