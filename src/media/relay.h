// The relay: what carries media packets between ports and flows. It owns no socket and reads no
// clock: whoever does (edge/media_thread.h, or a simulation in virtual time) hands it each datagram
// with the time, and a Sender through which it answers. It belongs to one thread; two relays share
// nothing.
//
// on_datagram and on_time are the packet path: no lock, no allocation, no system call, no log line.
// The commands (add, join, close, ...) may allocate.
//
// Joined are any two ends: a port (sockets of its own, facing a terminal or the far side), the
// probing end of a flow (one socket for each component, facing the server), the awaiting end of a
// flow (no socket of its own: it is known at the server's sockets X and Y by its source). Component
// goes to component, RTP to RTP and RTCP to RTCP; where one end has one component only, the second
// of the other leads nowhere.
//
// Or a tagged flow at either end: it has no socket either, but a channel for each component in a
// trunk, which is itself the end of a flow with one component (media.h).
//
// Coordinates only: the work is done in FlowTable (awaiting flows), Prober (probing flows),
// PortComponent (whose packets a port takes), HoldingPool (packets that wait for a flow to be
// bound), the carriage (how a packet travels on a flow: carriage_bound.h; for the tagged one
// ChannelTable, Trunk, KeyRing and what these use: relay_trunks.cc), where there is another way
// than through here for established media, Offload (relay_offload.cc), and, where there is a relay
// for each of several cores, Directory and Neighbours (relay_neighbours.cc).
#pragma once

#include <array>
#include <boost/unordered/unordered_flat_map.hpp>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <variant>
#include <vector>

#include "base/bytes.h"
#include "base/random.h"
#include "base/result.h"
#include "base/time.h"
#include "base/traffic_class.h"
#include "base/transport_address.h"
#include "media/channel_table.h"
#include "media/deadlines.h"
#include "media/directory.h"
#include "media/flow_table.h"
#include "media/holding_pool.h"
#include "media/key_ring.h"
#include "media/media.h"
#include "media/meter.h"
#include "media/neighbours.h"
#include "media/offload.h"
#include "media/please_limiter.h"
#include "media/port_component.h"
#include "media/prober.h"
#include "media/reassembly.h"
#include "media/socket_id.h"
#include "media/totals.h"
#include "media/trunk.h"

namespace sallyport::media {

// Octets that must be writable before every datagram handed to on_datagram: a header may be put
// before it in place.
constexpr std::size_t kHeadroom = 8;

// Takes what the relay sends. Called from inside on_datagram and on_time only.
class Sender {
 public:
  Sender() = default;
  Sender(const Sender&) = delete;
  Sender& operator=(const Sender&) = delete;
  virtual ~Sender() = default;

  // `datagram` lies within the buffer (its headroom included) that on_datagram was given last. It
  // may be queued as it is, until the owner uses that buffer again.
  virtual void send(SocketId from, const TransportAddress& to, TrafficClass as, Bytes datagram) = 0;
  // `datagram` is the relay's own memory (a probe, a packet that has waited), valid during the call
  // only. At most kMaxCopied octets.
  virtual void send_copy(SocketId from, const TransportAddress& to, TrafficClass as,
                         Bytes datagram) = 0;
};
constexpr std::size_t kMaxCopied = HoldingPool::kSlotSize;

struct RelayOptions {
  std::size_t max_ends = 65536;     // ports and flows together; more are refused (Exhausted)
  std::size_t holding_slots = 512;  // packets that can wait for flows to be bound, all together
  std::uint32_t pleases_per_second = 1000;  // answers to data from unknown sources, all together
  FastPath* fast_path = nullptr;            // outlives the relay; null: there is none
  Core core = 0;  // which thread of this process: the number of its sealing contexts, too
  Neighbours* neighbours = nullptr;  // those of the other cores; outlive the relay; null: none
  // Of challenges, common to all cores: a flow that is challenged by one may be with another when
  // it answers. Nothing: a random one.
  std::optional<FlowKey> challenge_key;
};

class Relay {
 public:
  using OnEvent = std::function<void(MediaId, const Event&)>;

  // `on_event` is called from inside on_datagram, on_time and the commands; it must not call back.
  Relay(const RelayOptions& options, Random& random, OnEvent on_event);
  Relay(const Relay&) = delete;
  Relay& operator=(const Relay&) = delete;
  ~Relay() = default;

  // X, Y: a socket at which awaiting flows are probed and sent to. Which is which does not matter:
  // the token in a probe tells the component, so that one socket can serve both (one-port mode).
  // One socket for each local address, so that an answer leaves from the address it was sent to.
  Result<void> add_server_socket(SocketId socket);
  void remove_server_socket(SocketId socket);  // its flows become unbound

  // BadValue: the id is in use, or a socket is, or the number of components is not 1 or 2.
  // Exhausted: options.max_ends.
  Result<void> add_port(MediaId id, std::span<const SocketId> sockets, std::uint8_t dscp);
  // Probing: one socket for each component, and spec.server. Awaiting: no sockets. BadValue also
  // when an awaiting flow's token is in use. Tagged: no sockets; BadValue also when there is no
  // such trunk, or a channel is in use in it.
  Result<void> add_flow(MediaId id, const FlowSpec& spec, std::span<const SocketId> sockets);
  // Probing: one socket. Awaiting: none; BadValue also when its token is in use.
  Result<void> add_trunk(MediaId id, const TrunkSpec& spec, std::span<const SocketId> sockets);
  // The keys of one more TLS connection, for the trunks of that ring.
  void install_keys(KeyRingId ring, const KeysOfConnection& keys, TimePoint now);
  void forget_keys(KeyRingId ring);

  // Where there are other relays. An end that is another core's can be joined (or replaced by, and
  // so on) as if it were here; what is forwarded to it is passed on.
  void stand_in(MediaId id, Core core);
  bool is_joined(MediaId id) const;
  // A flow with that token is at that core, though it would be looked for here.
  void redirect(const Token& token, Core core) { directory_.redirect(token, core); }
  void forget_redirect(const Token& token) { directory_.forget(token); }

  // The rest ignore ids that are not there.
  //
  // Of a port: where to send, and from where to accept. Of a probing flow: the server's addresses
  // have changed; it is probed again there.
  void set_remote(MediaId id, const RemoteSpec& remote, TimePoint now);
  void join(MediaId a, MediaId b);  // leaves earlier joins of either
  void leave(MediaId id);
  // `by` takes the place of `old`, which is joined to some end. Receive: what arrives at `by` goes
  // to that end, too. Send: what that end receives leaves at `by`, and what still arrives at `old`
  // goes to it until `old` is closed.
  void replace(MediaId old, MediaId by, ReplaceStep step);
  // A probing flow's media can start: probe now (goes out at the next on_time, due at once).
  void probe(MediaId id, TimePoint now);
  // Forgets the end and its sockets. Packets that wait for it are dropped.
  void close(MediaId id);
  std::optional<Counts> count(MediaId id, TimePoint now);
  // This host's addresses, routes or links have changed: every probing flow in use is probed again,
  // a few at a time; the fast path begins anew.
  void path_changed(TimePoint now);

  // `datagram` has kHeadroom writable octets before it, and may be changed. What is sent on of it
  // has the same ECN.
  void on_datagram(SocketId socket, const TransportAddress& source, MutableBytes datagram,
                   TimePoint now, Sender& sender, Ecn ecn = Ecn::NotCapable);
  // Ends on their way to another core's relay, with all that they are (defined below).
  struct Moving;
  // Takes out an end, or two that are joined to each other; `to` will have them. Neither has to do
  // with any other end, nor with a trunk. Their sockets are the owner's to move. What still comes
  // here for them is passed on. Ids that cannot be taken are left out.
  Moving take(std::span<const MediaId> ids, Core to, TimePoint now);
  void put(Moving&& moving, TimePoint now);

  // What another core has passed on, with headroom as above, or told.
  void on_passed(const Arrival& arrival, MutableBytes datagram, TimePoint now, Sender& sender);
  void on_passed(const Departure& departure, MutableBytes packet, TimePoint now, Sender& sender);
  void on_told(Core from, const SourceNote& note);
  // To be called when next_deadline() is reached; earlier does no harm.
  void on_time(TimePoint now, Sender& sender);
  std::optional<TimePoint> next_deadline() const;

  const Totals& totals() const { return totals_; }
  std::size_t ends() const { return by_id_.size() - trunks() - stand_ins_; }  // ports and flows
  std::size_t trunks() const;
  std::size_t offloaded() const { return offload_.active().size(); }  // directions
  // Brings counts and totals up to what the fast path has done by now.
  void read_back();

 private:
  static constexpr std::uint32_t kNone = 0xffffffff;

  // One component of a flow's probing end.
  struct ProbingComponent {
    Prober prober;
    SocketId socket;
    TransportAddress server;
    // Where the server was before. What is still on its way from there is taken, and packets go
    // there until a probe to the new address was answered: the server would not know them before.
    // (If it asks for an echo, that travels ahead of them.)
    TransportAddress former;
    TimePoint former_until{};
    bool moving = false;
    bool doubted = false;  // told silent or unconfirmed, asked, or moved: an answer is news
    const TransportAddress& target(TimePoint now) const {
      return moving && now <= former_until ? former : server;
    }
    WaitingLine waiting;
    bool waited_enough = false;  // packets go out although nothing was confirmed yet
    Meter meter;
  };
  using PortComponents = std::array<PortComponent, kMaxComponents>;
  // On the heap, since they are large, and at a server, which has the most ends, there are none.
  class ProbingComponents {
   public:
    ProbingComponent& at(std::size_t component) { return both_->at(component); }
    const ProbingComponent& at(std::size_t component) const { return both_->at(component); }

   private:
    using Both = std::array<ProbingComponent, kMaxComponents>;
    std::unique_ptr<Both> both_ = std::make_unique<Both>();
  };
  using AwaitingPlaces = std::array<FlowTable::Place, kMaxComponents>;
  struct TaggedPlaces {
    std::array<ChannelTable::Place, kMaxComponents> channels{};
  };
  struct StandIn {  // of an end that another core has
    Core core = 0;
  };

  struct End {
    MediaId id;  // 0: free
    std::uint32_t joined = kNone;
    std::uint32_t also_from = kNone;  // an end whose packets come here, but not the other way
    std::uint32_t trunk = kNone;      // in trunks_: this end is one
    std::uint8_t components = 0;
    std::uint8_t dscp = 0;
    std::variant<PortComponents, ProbingComponents, AwaitingPlaces, TaggedPlaces, StandIn> kind;
  };

  // What waits for a component that is on its way.
  struct WaitingPacket {
    Buffer octets;
    Ecn ecn{};
  };
  struct MovingEnd {
    End end;
    std::array<AwaitingComponent, kMaxComponents> awaiting;  // if it is such an end
    std::array<std::vector<WaitingPacket>, kMaxComponents> waiting;
  };

  // One number for a component of an end.
  static constexpr std::uint32_t place_of(std::uint32_t end, std::uint8_t component) {
    return end * kMaxComponents + component;
  }
  // A trunk has one component, and a deadline more: in the place that the second would have.
  static constexpr std::uint8_t kTrunkTimer = 1;

  struct SocketUse {
    enum class Kind : std::uint8_t { None, Server, Port, Probing };
    Kind kind = Kind::None;
    std::uint8_t component = 0;
    std::uint32_t end = kNone;
  };

  // What one datagram, or one moment, is handled with.
  struct Turn {
    TimePoint now;
    Sender& sender;
    SocketId socket{};          // where the datagram arrived
    TransportAddress source{};  // and from where
    Ecn ecn{};                  // of the packet
    bool transient = false;     // the packet lies in memory of ours that is used again at once
    std::uint8_t passes = 0;    // from one core to another, on its way to here
    ComponentName holder{};     // of a probe: to whom its source belongs elsewhere
  };

  Result<std::uint32_t> new_end(MediaId id, std::size_t components,
                                std::span<const SocketId> sockets, std::uint8_t dscp);
  void use_sockets(std::uint32_t end, SocketUse::Kind kind, std::span<const SocketId> sockets);
  void free_end(std::uint32_t end);
  void detach(std::uint32_t end);  // leaves whatever it is joined to
  void forget_socket(SocketId socket);
  Result<AwaitingPlaces> add_awaiting(std::uint32_t end, const FlowSpec& spec);
  std::uint32_t find(MediaId id) const;
  Meter& meter_of(End& end, std::uint8_t component);
  PathDelay delay(const End& end, std::uint8_t component) const;

  void on_server_datagram(SocketId socket, const TransportAddress& source, MutableBytes datagram,
                          Turn& turn);
  void on_probe(SocketId socket, const TransportAddress& source, Bytes datagram, Turn& turn);
  void on_unknown_source(SocketId socket, const TransportAddress& source, Bytes datagram,
                         Turn& turn);
  void on_port_datagram(const SocketUse& use, const TransportAddress& source, MutableBytes datagram,
                        Turn& turn);
  void take_from_port(std::uint32_t end, std::uint8_t component, const TransportAddress& source,
                      MutableBytes datagram, Turn& turn);
  void wait_for_remote(const SocketUse& use, PortComponent& port, Bytes datagram, Turn& turn);
  void on_port_time(std::uint32_t end, std::uint8_t component, Turn& turn);
  void on_probing_datagram(const SocketUse& use, const TransportAddress& source,
                           MutableBytes datagram, Turn& turn);
  void on_confirmation(const SocketUse& use, Bytes datagram, Turn& turn);
  void on_probe_please(const SocketUse& use, Bytes datagram, Turn& turn);

  // `datagram` arrived at that end; it goes to the end that it is joined to.
  void forward(std::uint32_t end, std::uint8_t component, MutableBytes datagram, Turn& turn);
  void send_at(std::uint32_t end, std::uint8_t component, MutableBytes datagram, Turn& turn);
  void send_from_port(End& to, std::uint8_t component, Bytes datagram, Turn& turn);
  void send_on_awaiting(End& to, std::uint8_t component, MutableBytes datagram, Turn& turn);
  void send_on_probing(std::uint32_t end, std::uint8_t component, MutableBytes datagram,
                       Turn& turn);
  void send(SocketId from, const TransportAddress& to, const End& as, Bytes datagram, Turn& turn);
  void wait_for_probe(std::uint32_t end, std::uint8_t component, AwaitingComponent& flow,
                      Bytes wrapped, Turn& turn);
  // False: it need not wait (any longer).
  bool wait_for_confirmation(std::uint32_t end, std::uint8_t component, ProbingComponent& flow,
                             Bytes wrapped, Turn& turn);
  void let_go(std::uint32_t end, ProbingComponent& flow, Turn& turn);  // what waits
  void let_go(AwaitingComponent& flow, Turn& turn);
  void drop_waiting(WaitingLine& line);

  // ---- The fast path: relay_offload.cc ----
  void begin_offload(std::uint32_t end);  // it is joined anew
  // Of what arrives at that component of that end.
  void on_offload(std::uint32_t end, std::uint8_t component, Offload::Due due, const Turn& turn);
  std::optional<FastRule> rule(std::uint32_t end, std::uint8_t component, const Turn& turn);
  // Where it goes; nothing where it would wait, go nowhere, or change.
  bool rule_toward(const End& to, std::uint8_t component, FastRule& out) const;
  bool trunk_toward(const Trunk& trunk, FastRule& out) const;
  void read_back(std::uint32_t end, std::uint8_t component);
  // All directions from and to the end, and if it is a trunk, of all that rides on it. Before
  // anything changes of where its packets come from or go to.
  void take_back(std::uint32_t end);
  void take_back_riders(std::uint32_t trunk);
  // What the fast path has relayed for a flow on that trunk has come, or gone, over the trunk.
  void note_in(std::uint32_t trunk, FastCount more);
  void note_out(std::uint32_t trunk, FastCount more);

  // ---- Other cores: relay_neighbours.cc ----
  // True: the datagram is another core's to take, and was passed to it, or dropped.
  bool pass_if_steered_elsewhere(Bytes datagram, Turn& turn);
  bool pass_to_holder(Bytes datagram, Turn& turn);
  bool pass_by_token(const Token& token, Bytes datagram, Turn& turn);
  // Whether the source of a probe for that component belongs to another one elsewhere.
  bool is_held_elsewhere(const Token& token, const Turn& turn) const;
  ComponentName holder_of_source(const Turn& turn) const;
  ComponentName name_of(const AwaitingComponent& flow) const {
    return {.id = ends_[flow.end].id, .component = flow.component};
  }
  void pass(Core to, const ComponentName& holder, Bytes datagram, Turn& turn);
  void pass(const End& stand_in, std::uint8_t component, Bytes packet, Turn& turn);
  void on_source(const AwaitingComponent& flow, bool bound);
  void release_holder(SocketId socket, const TransportAddress& source, const ComponentName& of);
  void forget_idle_stand_ins();
  // ---- Handing over: relay_handover.cc ----
  MovingEnd take_end(std::uint32_t end, Core to, TimePoint now);
  void put_end(MovingEnd& moving, TimePoint now);
  std::vector<WaitingPacket> take_waiting(WaitingLine& line);
  void put_waiting(const std::vector<WaitingPacket>& packets, WaitingLine& line, TimePoint now);
  void forget_given_away(TimePoint now);

  // ---- Trunks: relay_trunks.cc ----
  Result<TaggedPlaces> add_tagged(std::uint32_t end, const FlowSpec& spec);
  void remove_tagged(const TaggedPlaces& places, std::uint8_t components);
  void remove_trunk(std::uint32_t trunk);
  void forget_parts(ChannelTable::Place place);
  void on_trunk_datagram(std::uint32_t end, MutableBytes datagram, Turn& turn);
  std::optional<MutableBytes> open_payload(Trunk& trunk, MutableBytes datagram, Channel& channel,
                                           TimePoint now);
  void on_records(std::uint32_t trunk, MutableBytes records, Turn& turn);
  void on_record(std::uint32_t trunk, const Record& record, Turn& turn);
  void on_part(ChannelTable::Place place, const Record& record, Turn& turn);
  void on_compressed(ChannelTable::Place place, const Record& record, Turn& turn);
  void on_path_record(std::uint32_t trunk, const Record& record, Turn& turn);
  void on_channel_packet(ChannelTable::Place place, MutableBytes packet, Turn& turn);
  void send_on_tagged(End& to, std::uint8_t component, MutableBytes packet, Turn& turn);
  void put(Trunk& trunk, TaggedComponent& flow, Bytes packet, Ecn ecn, Turn& turn);
  void put_parts(Trunk& trunk, TaggedComponent& flow, Bytes packet, TrafficClass as, Turn& turn);
  void put_waiting(std::uint32_t trunk, Bytes record, Ecn ecn, Turn& turn);
  void make_room(Trunk& trunk, std::size_t body, TrafficClass as, Turn& turn);
  void flush(Trunk& trunk, Turn& turn);
  void lose_bundle(Trunk& trunk, Drop why);
  std::optional<Drop> transmit(Trunk& trunk, Bundle::Payload payload, TrafficClass as, Turn& turn);
  void probe_path(Trunk& trunk, const PathMtu::Probe& probe, Turn& turn);
  void on_trunk_time(std::uint32_t trunk, Turn& turn);
  void rearm(const Trunk& trunk);
  void path_is_new(std::uint32_t end, bool v6);

  void on_probing_time(std::uint32_t end, std::uint8_t component, Turn& turn);
  void on_awaiting_time(AwaitingComponent& flow, TimePoint now);
  void rearm(std::uint32_t end, std::uint8_t component);

  void drop(Drop why) { ++totals_.drops[static_cast<std::size_t>(why)]; }
  void drop(const Error& malformed);
  void tell(std::uint32_t end, EventKind kind, std::uint8_t component,
            const TransportAddress& source = {});

  RelayOptions options_;
  OnEvent on_event_;
  TagMaker tags_;
  FlowTable flows_;
  HoldingPool holding_;
  PleaseLimiter pleases_;
  Deadlines deadlines_;  // by place_of()
  Offload offload_;      // likewise
  std::vector<End> ends_;
  std::vector<std::uint32_t> free_ends_;
  boost::unordered_flat_map<std::uint64_t, std::uint32_t> by_id_;
  std::vector<SocketUse> sockets_;  // by SocketId
  ChannelTable channels_;
  std::vector<std::unique_ptr<Trunk>> trunks_;
  boost::unordered_flat_map<std::uint64_t, std::unique_ptr<KeyRing>> rings_;  // by KeyRingId
  Reassembly reassembly_;
  Directory directory_;
  std::size_t stand_ins_ = 0;
  std::vector<std::uint32_t> left_;  // stand-ins that something has left
  // Sources of flows that another core has now, of whom their own core may not know it yet.
  struct GivenAway {
    SocketId socket;
    TransportAddress source;
    Directory::Holder holder;
    TimePoint until;
  };
  std::deque<GivenAway> given_away_;
  bool handing_over_ = false;
  std::array<std::uint8_t, kHeadroom + kMaxCopied> unpacked_{};  // a packet that was compressed
  Totals totals_;
};

struct Relay::Moving {
  std::vector<MovingEnd> ends;
  bool joined = false;  // the two
};

}  // namespace sallyport::media
