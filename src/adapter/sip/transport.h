// SIP over UDP, TCP and TLS at every edge (RFC 3261 section 18): listeners, framing, keepalives,
// connections kept and reused, and where responses go (18.2.2, RFC 3581). It knows messages as
// octets with a top Via, nothing of transactions. Brain's thread.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <tuple>
#include <unordered_map>
#include <vector>

#include "adapter/counters.h"
#include "adapter/rate_guard.h"
#include "adapter/sip/config.h"
#include "adapter/sip/hop.h"
#include "adapter/timers.h"
#include "base/log.h"
#include "codec/sip/framing.h"

namespace sallyport::adapter::sip {

class TransportUser {
 public:
  TransportUser() = default;
  TransportUser(const TransportUser&) = delete;
  TransportUser& operator=(const TransportUser&) = delete;
  virtual ~TransportUser() = default;
  // A message that parses. A request's top Via has got received and rport.
  virtual void on_message(const wire::Message& message, const Hop& from, Commands& out) = 0;
  // The head of a request that cannot be understood as a whole, and why.
  virtual void on_malformed(const wire::Message& head, std::string_view what, const Hop& from,
                            Commands& out) = 0;
  virtual void on_connection_closed(Place place, edge::ConnectionId id, Commands& out) = 0;
};

class Transport {
 public:
  // A message that was accepted by send() could not be sent after all.
  using OnUnsent = std::function<void(Errc why, Commands&)>;

  Transport(const Config& config, RateGuard& guard, Timers& timers, Counters& counters, Log& log)
      : config_(config), guard_(guard), timers_(timers), counters_(counters), log_(log) {}

  void set_user(TransportUser& user) { user_ = &user; }

  // Sends along the hop; dials when it has no open connection. The hop that was really taken, with
  // its connection. `on_unsent` may be called before this returns, or never; it may be empty.
  Hop send(const Hop& to, std::string_view message, OnUnsent on_unsent, Commands& out);

  // Our address as the other side of this hop is to see it, for Via and Contact: the advertised
  // address outside, the host's own inside, with the port that listens for this transport. An
  // unspecified address when nothing listens there.
  TransportAddress shown_address(const Hop& hop) const;
  // The same for a place whose hop is not known, by the family of `toward`.
  TransportAddress shown_address(Place place, edge::Transport transport,
                                 const IpAddress& toward) const;
  // Is this one of our own addresses at that place (bound, shown or learnt from arriving packets)?
  bool is_own_address(Place place, const IpAddress& ip) const;
  // Do we listen at that port at that place, on any transport?
  bool is_own_port(Place place, std::uint16_t port) const;
  bool listens(Place place, edge::Transport transport, bool v6) const;
  bool is_open(edge::ConnectionId id) const { return connections_.contains(id); }
  // An open connection to or from exactly this address: whoever is there takes this transport.
  bool has_connection(Place place, edge::Transport transport, const TransportAddress& remote) const;
  // The local address on which something from `remote` last came, if it did.
  std::optional<IpAddress> learnt_local(Place place, const IpAddress& remote) const;

  // Where the response to this request goes (RFC 3261 18.2.2, RFC 3581 section 4).
  static Hop response_hop(const wire::Message& request, const Hop& from);

  // ---- from the adapter ----
  void on_edge_up(Place place, Commands& out);
  void on_edge_lost(Place place, Commands& out);
  bool on_listening(Place place, edge::ListenerId id, const TransportAddress& local);
  void on_datagram(Place place, edge::ListenerId id, const edge::Addresses& addresses,
                   Bytes datagram, Commands& out);
  void on_accepted(Place place, edge::ListenerId id, edge::ConnectionId connection,
                   const edge::Arrival& arrival, Commands& out);
  void on_connected(Place place, edge::ConnectionId id, const edge::Addresses& addresses,
                    Commands& out);
  void on_received(Place place, edge::ConnectionId id, Bytes octets, Commands& out);
  void on_half_closed(Place place, edge::ConnectionId id, Commands& out);
  void on_closed(Place place, edge::ConnectionId id, Errc why, Commands& out);
  bool on_refused(Place place, std::uint64_t id, Errc code, const std::string& what, Commands& out);
  // A valid message came over it: the connection is not a stranger's any more.
  void vouch(edge::ConnectionId id);
  std::size_t connections() const { return connections_.size(); }

 private:
  struct Listener {
    Place place;
    edge::Transport transport = edge::Transport::Udp;
    TransportAddress local;  // port 0 until it listens
  };
  struct Waiting {
    std::string octets;
    OnUnsent on_unsent;
  };
  struct Connection {
    Place place;
    edge::Transport transport = edge::Transport::Tcp;
    edge::Addresses addresses;
    bool open = false;
    bool dialled = false;
    bool known = false;  // has said something valid, or we dialled it
    std::vector<Waiting> waiting;
    std::size_t waiting_octets = 0;
    codec::sip::Framer framer;
    TimePoint last_used;
    TimerId dial_timer;
  };

  const std::pair<const edge::ListenerId, Listener>* find_listener(Place place,
                                                                   edge::Transport transport,
                                                                   bool v6) const;
  edge::ConnectionId find_connection(const Hop& hop) const;
  edge::ConnectionId dial(const Hop& hop, Commands& out);
  void deliver(Bytes octets, const Hop& from, Commands& out);
  void deliver_malformed(Bytes octets, std::string_view what, const Hop& from, Commands& out);
  void answer_stun(const Hop& from, edge::ListenerId id, Bytes datagram, Commands& out);
  void drop(edge::ConnectionId id, Errc why, Commands& out);
  void sweep(Commands& out);
  void start_sweeping(Commands& out);
  void learn_local(Place place, const edge::Addresses& addresses);

  // Our own addresses at a place, as arriving packets name them; any host there can add entries.
  struct Learnt {
    std::map<IpAddress, IpAddress> toward;  // a host there -> our address that it reached
    std::set<IpAddress> own;
  };

  const Config& config_;
  RateGuard& guard_;
  Timers& timers_;
  Counters& counters_;
  Log& log_;
  TransportUser* user_ = nullptr;
  std::map<edge::ListenerId, Listener> listeners_;
  std::unordered_map<edge::ConnectionId, std::unique_ptr<Connection>> connections_;
  std::map<std::tuple<Place, edge::Transport, TransportAddress>, edge::ConnectionId> by_remote_;
  std::map<Place, Learnt> learnt_;
  std::map<Place, std::size_t> count_;  // connections at each place
  bool sweeping_ = false;
};

}  // namespace sallyport::adapter::sip
