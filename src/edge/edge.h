// The edge: everything that a brain may ask of the sockets at one end, and everything that it is
// told in return. An edge knows sockets and nothing of SIP or H.323; the brain knows protocols and
// nothing of sockets. LocalEdge owns real sockets (after asking its policy and writing its audit
// log), RemoteEdge speaks the control protocol to a LocalEdge on the other side; a brain cannot
// tell which it holds. One thread: the one that runs the brain, or the control protocol's slave.
//
// Every command names what it is about by an id that the commander chooses (NewIds), so that
// commands can be sent one after another without waiting: open a port, open a flow and join the two
// takes one round trip. Only accepted connections are named by the edge, in its own half of the
// number space. A command never fails at once: what cannot be done is told by on_refused with that
// id.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/ids.h"
#include "base/result.h"
#include "base/time.h"
#include "base/transport_address.h"
#include "media/media.h"

namespace sallyport::edge {

using ListenerId = Id<struct ListenerTag>;      // a UDP port or a TCP/TLS listener
using ConnectionId = Id<struct ConnectionTag>;  // a TCP or TLS connection, dialled or accepted
using QueryId = Id<struct QueryTag>;            // a question: resolve, local address, counters
using media::MediaId;

// Ids chosen by an edge (accepted connections) have this bit, ids chosen by a commander do not.
constexpr std::uint64_t kChosenByEdge = std::uint64_t{1} << 63U;

enum class Transport : std::uint8_t { Udp, Tcp, Tls };

// Differentiated services code point, 0 to 63 (RFC 2474); ECN bits are never touched.
using Dscp = std::uint8_t;
constexpr Dscp kDscpSignalling = 24;  // CS3
constexpr Dscp kDscpVoice = 46;       // EF
constexpr Dscp kDscpVideo = 34;       // AF41

// TLS ends at the edge: keys never leave it, a certificate is chosen by name there.
struct TlsSpec {
  std::string certificate;  // name of a certificate known to this edge; empty: its default
  std::string
      server_name;  // connecting: name to send (SNI) and to verify (RFC 9525); empty: no check
  bool verify_peer =
      false;  // connecting: the chain must lead to a trusted root and carry server_name
};

struct ListenSpec {
  Transport transport = Transport::Udp;
  TransportAddress address;  // an unspecified IP listens on all addresses; port 0: the edge chooses
  std::optional<TlsSpec> tls;
  std::vector<IpAddress> multicast_groups;  // UDP: groups to join on this port
  Dscp dscp = kDscpSignalling;
  std::string protocol;  // "sip", "h323", ...: what it is for, asked of the policy and audited
};

struct ConnectSpec {
  Transport transport = Transport::Tcp;
  TransportAddress remote;
  std::optional<IpAddress> local;  // otherwise the route chooses
  std::optional<TlsSpec> tls;
  Dscp dscp = kDscpSignalling;
  std::string protocol;
};

struct Addresses {
  TransportAddress local;
  TransportAddress remote;
  friend bool operator==(const Addresses&, const Addresses&) = default;
};

struct Arrival {
  Transport transport = Transport::Udp;
  Addresses addresses;
};

// What to look up in that side's DNS.
enum class RecordType : std::uint8_t { Address, Srv, Naptr };
struct Record {
  RecordType type = RecordType::Address;
  IpAddress address;           // Address
  std::uint16_t priority = 0;  // SRV priority; NAPTR order
  std::uint16_t weight = 0;    // SRV weight; NAPTR preference
  std::uint16_t port = 0;      // SRV
  std::string target;          // SRV target; NAPTR replacement
  std::string service;         // NAPTR service, "SIP+D2U"
  std::string flags;           // NAPTR flags, "s"
  friend bool operator==(const Record&, const Record&) = default;
};

// ---- What an edge tells ----
class Observer {
 public:
  Observer() = default;
  Observer(const Observer&) = delete;
  Observer& operator=(const Observer&) = delete;
  virtual ~Observer() = default;

  virtual void on_listening(ListenerId, const TransportAddress& local) = 0;
  // `remote` of a datagram is where an answer goes; `local` is the address it was sent to.
  virtual void on_datagram(ListenerId, const Addresses& addresses, Bytes datagram) = 0;
  virtual void on_accepted(ListenerId, ConnectionId, const Arrival& arrival) = 0;
  virtual void on_connected(ConnectionId, const Addresses& addresses) = 0;
  virtual void on_received(ConnectionId, Bytes octets) = 0;
  virtual void on_half_closed(ConnectionId) = 0;  // the far end will send no more
  virtual void on_closed(ConnectionId, const Error& why) = 0;

  virtual void on_resolved(QueryId, const std::vector<Record>& records) = 0;  // empty: no such name
  virtual void on_local_address(QueryId, const IpAddress& local) = 0;

  // A port's own addresses, RTP first (one or two); for a flow's probing end none.
  virtual void on_media_opened(MediaId, const std::vector<TransportAddress>& addresses) = 0;
  virtual void on_media_event(MediaId, const media::Event& event) = 0;
  virtual void on_media_counts(QueryId, MediaId, const media::Counts& counts) = 0;

  // The command that chose this id (of any kind) cannot be done or is no longer done; the id is
  // free. `what` is for people; it may say which policy refused.
  virtual void on_refused(std::uint64_t id, Errc code, const std::string& what) = 0;

  // A remote edge only: its session is gone for good, and with it everything that it had open.
  virtual void on_lost() = 0;
};

// ---- What an edge can be told ----
class Edge {
 public:
  Edge() = default;
  Edge(const Edge&) = delete;
  Edge& operator=(const Edge&) = delete;
  virtual ~Edge() = default;

  // Signalling sockets.
  virtual void listen(ListenerId, const ListenSpec& spec) = 0;
  virtual void connect(ConnectionId, const ConnectSpec& spec) = 0;
  virtual void send(ConnectionId, Bytes octets) = 0;
  // From the listener's port; `local` unspecified: the route chooses among the host's addresses.
  virtual void send_datagram(ListenerId, const Addresses& addresses, Bytes datagram) = 0;
  virtual void start_tls(ConnectionId, const TlsSpec& spec, bool as_server) = 0;
  virtual void half_close(ConnectionId) = 0;
  virtual void pause_reading(ConnectionId, bool paused) = 0;
  virtual void set_dscp(ConnectionId, Dscp dscp) = 0;
  virtual void close(ConnectionId) = 0;
  virtual void close(ListenerId) = 0;

  // Questions.
  virtual void resolve(QueryId, const std::string& name, RecordType type) = 0;
  virtual void find_local_address(QueryId, const IpAddress& toward) = 0;  // by this host's routes

  // Media. A media path joins any two of {terminal port, agent flow, far-side port}.
  virtual void open_port(MediaId, const media::PortSpec& spec) = 0;
  virtual void open_flow(MediaId, const media::FlowSpec& spec) = 0;
  virtual void open_trunk(MediaId, const media::TrunkSpec& spec) = 0;
  virtual void set_remote(MediaId, const media::RemoteSpec& remote) = 0;
  virtual void join(MediaId, MediaId) = 0;  // leaves earlier joins of either
  virtual void leave(MediaId) = 0;
  // `by` takes the place of `old`; what is under way to `old` still arrives until that is closed.
  virtual void replace(MediaId old, MediaId by, media::ReplaceStep step) = 0;
  virtual void probe(MediaId) = 0;  // media can start: open the flow's NAT mapping now
  virtual void close(MediaId) = 0;
  virtual void count(QueryId, MediaId) = 0;
};

}  // namespace sallyport::edge
