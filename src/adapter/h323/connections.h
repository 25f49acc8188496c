// The TCP connections of call signalling, of H.245 and of what else terminals open beside them
// (T.120): accepted, dialled, and listened for one at a time; cut into the payloads of TPKT where
// that is spoken. It knows nothing of what is in them: whoever opens one hands in what is to
// happen. Brain's thread.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>

#include "adapter/h323/stack.h"
#include "codec/q931/tpkt.h"

namespace sallyport::adapter::h323 {

class Connections {
 public:
  enum class Framing : std::uint8_t { Tpkt, None };

  // Any of them may close the connection, and may be empty.
  struct Handler {
    // Dialled ones only.
    std::function<void(edge::ConnectionId, const edge::Addresses&, Commands&)> on_open;
    std::function<void(edge::ConnectionId, Bytes payload, Commands&)> on_payload;
    // It is gone, or never came to be. Not told after close() or finish().
    std::function<void(edge::ConnectionId, Errc, Commands&)> on_gone;
  };
  struct ListenHandler {
    std::function<void(const TransportAddress& local, Commands&)> on_listening;
    // The listener is closed with the first that comes; adopt() it or close it.
    std::function<void(edge::ConnectionId, const edge::Arrival&, Commands&)> on_accepted;
    std::function<void(Commands&)> on_failed;
  };

  explicit Connections(Stack& stack) : stack_(stack) {}

  edge::ConnectionId dial(Place place, const TransportAddress& remote, Framing framing,
                          Handler handler, Commands& out);
  // False, and closed: there are too many at this place.
  bool adopt(Place place, edge::ConnectionId id, const edge::Arrival& arrival, Framing framing,
             Handler handler, Commands& out);
  // For one connection, at a port that the edge chooses. It fails if none comes within `limit`;
  // without one whoever listens closes it.
  edge::ListenerId listen(Place place, const IpAddress& local, std::optional<Duration> limit,
                          ListenHandler handler, Commands& out);

  // Waits while it is being dialled. Nothing happens if it is gone.
  void send(edge::ConnectionId id, Bytes payload, Commands& out);
  // What was sent still goes out. finish() waits a moment for the far end to close first, so that
  // what it said meanwhile does not reset the connection under what we said last.
  void close(edge::ConnectionId id, Commands& out);
  void finish(edge::ConnectionId id, Commands& out);
  void close(edge::ListenerId id, Commands& out);

  // What is kept of a connection; nothing if it is gone.
  std::optional<edge::Addresses> addresses(edge::ConnectionId id) const;
  std::optional<Hop> hop(edge::ConnectionId id) const;
  std::size_t size() const { return connections_.size() + listeners_.size(); }

  // ---- from the adapter: false, or nothing happens, if it is not one of these ----
  void on_accepted(Place place, edge::ListenerId id, edge::ConnectionId connection,
                   const edge::Arrival& arrival, Commands& out);
  bool on_listening(edge::ListenerId id, const TransportAddress& local, Commands& out);
  void on_connected(edge::ConnectionId id, const edge::Addresses& addresses, Commands& out);
  void on_received(edge::ConnectionId id, Bytes octets, Commands& out);
  void on_half_closed(edge::ConnectionId id, Commands& out);
  void on_closed(edge::ConnectionId id, Errc why, Commands& out);
  bool on_refused(std::uint64_t id, Errc why, Commands& out);
  void on_edge_lost(Place place, Commands& out);
  bool listens(edge::ListenerId id) const { return listeners_.contains(id); }

 private:
  struct Connection {
    Place place;
    edge::Addresses addresses;
    Framing framing = Framing::Tpkt;
    Handler handler;
    codec::q931::TpktReader reader;
    bool open = false;
    bool finishing = false;
    Buffer waiting;  // to be sent when it is open
    TimerId timer;   // of dialling and finishing
  };
  struct Listener {
    Place place;
    ListenHandler handler;
    TimerId timer;
  };
  using ConnectionPtr = std::shared_ptr<Connection>;

  ConnectionPtr add(Place place, edge::ConnectionId id, Framing framing, Handler handler);
  ConnectionPtr find(edge::ConnectionId id) const;
  void forget(edge::ConnectionId id);
  void drop(edge::ConnectionId id, Errc why, Commands& out);
  void fail_listener(edge::ListenerId id, Commands& out);

  Stack& stack_;
  std::unordered_map<edge::ConnectionId, ConnectionPtr> connections_;
  std::unordered_map<edge::ListenerId, Listener> listeners_;
  std::map<Place, std::size_t> count_;
};

}  // namespace sallyport::adapter::h323
