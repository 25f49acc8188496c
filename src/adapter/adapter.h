// An adapter is a function of messages and edges: bytes in, commands and bytes out, timers by
// handle. It owns no socket, reads no clock, and cannot tell at which side it runs. The brain calls
// it, on the brain's thread, and gives it Commands to act with.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "adapter/media_paths.h"
#include "base/ids.h"
#include "base/time.h"
#include "base/timer_queue.h"
#include "edge/edge.h"

namespace sallyport::adapter {

// Which edge: the outside one, or the inside one of an agent.
struct Place {
  AgentId agent;  // none: outside

  static Place outside() { return {}; }
  static Place inside(AgentId agent) { return {agent}; }
  bool is_outside() const { return !agent; }
  friend auto operator<=>(const Place&, const Place&) = default;
};

// What an adapter acts with. Valid for the length of the call that handed it in.
class Commands {
 public:
  Commands() = default;
  Commands(const Commands&) = delete;
  Commands& operator=(const Commands&) = delete;
  virtual ~Commands() = default;

  virtual TimePoint now() const = 0;
  virtual WallTime wall_now() const = 0;

  // The edge at that place; null while an agent's session is gone. A detached session that may
  // still resume is not gone: commands to it wait.
  virtual edge::Edge* edge(Place place) = 0;
  // A fresh id for a listener, connection, media end or query; what comes back about it comes to
  // the adapter that asked for it.
  virtual std::uint64_t new_id() = 0;

  // A fresh timer of this adapter, not running.
  virtual TimerId new_timer() = 0;
  virtual void start_timer(TimerId, Duration after) = 0;
  virtual void stop_timer(TimerId) = 0;

  // What this adapter may put media on; see adapter/media_paths.h.
  virtual MediaPaths& media() = 0;
};

class Adapter {
 public:
  Adapter() = default;
  Adapter(const Adapter&) = delete;
  Adapter& operator=(const Adapter&) = delete;
  virtual ~Adapter() = default;

  virtual std::string_view protocol() const = 0;  // "sip"

  // An edge has come (the outside one at the start, an inside one when its agent's session begins)
  // or is gone for good with everything that it had open. `name` is the agent's, for people.
  virtual void on_edge_up(Place, const std::string& name, Commands&) = 0;
  virtual void on_edge_lost(Place, Commands&) = 0;

  virtual void on_listening(Place, edge::ListenerId, const TransportAddress& local, Commands&) = 0;
  virtual void on_datagram(Place, edge::ListenerId, const edge::Addresses&, Bytes, Commands&) = 0;
  virtual void on_accepted(Place, edge::ListenerId, edge::ConnectionId, const edge::Arrival&,
                           Commands&) = 0;
  virtual void on_connected(Place, edge::ConnectionId, const edge::Addresses&, Commands&) = 0;
  virtual void on_received(Place, edge::ConnectionId, Bytes, Commands&) = 0;
  virtual void on_half_closed(Place, edge::ConnectionId, Commands&) = 0;
  virtual void on_closed(Place, edge::ConnectionId, const Error& why, Commands&) = 0;
  virtual void on_resolved(Place, edge::QueryId, const std::vector<edge::Record>&, Commands&) = 0;
  virtual void on_local_address(Place, edge::QueryId, const IpAddress&, Commands&) = 0;
  virtual void on_refused(Place, std::uint64_t id, Errc code, const std::string& what,
                          Commands&) = 0;
  virtual void on_timer(TimerId, Commands&) = 0;
  // The process is to end: say goodbye to terminals (a BYE for each call) before edges close.
  virtual void on_shutdown(Commands&) = 0;
};

}  // namespace sallyport::adapter
