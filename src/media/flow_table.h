// The awaiting ends of flows, at the server: which source each component is bound to. A component
// is found by the token in a probe, or by the server's socket and the source that its packets come
// from; both in constant time, however many there are. Used by Relay, on its thread.
//
// The rules of binding and moving (docs/PROTOCOL.md, "Media datagrams"):
//  - The first authentic probe binds at once.
//  - A component that was bound moves to another source only when a probe from there echoes the
//    challenge that was sent there: whoever copies or spoofs a probe never sees that challenge.
//  - The same is asked where the source is bound to another flow; then it is taken away from that
//    one, since a NAT gives one source to one socket at a time. (At once, it would let an agent
//    with a spoofed source hear what another agent's terminal says.)
//  - Counters rise. The latest counter is taken once more from another source, a few times: an
//    eavesdropper's copy may arrive before the probe that it copies, which must not make that one
//    a replay. It binds nothing without an echo.
#pragma once

#include <array>
#include <functional>
#include <optional>
#include <vector>

#include "base/random.h"
#include "base/result.h"
#include "media/holding_pool.h"
#include "media/media.h"
#include "media/meter.h"
#include "media/place_index.h"
#include "media/probe.h"
#include "media/socket_id.h"

namespace sallyport::media {

// One component of an awaiting flow.
struct AwaitingComponent {
  FlowComponent secret;
  std::uint64_t last_counter = 0;
  SocketId socket;  // where the flow is bound: 0 if it is not
  TransportAddress source;
  TransportAddress counted_source;  // where the probe with last_counter came from
  std::uint32_t end = 0;            // the relay's, as is all that follows
  std::uint8_t component = 0;
  std::uint8_t copies = 0;  // probes with last_counter from other sources that were answered
  bool used = false;
  bool was_bound = false;    // once
  bool asked_probe = false;  // WantsProbe was told since it was last bound
  WaitingLine waiting;
  Meter meter;

  bool bound() const { return static_cast<bool>(socket); }
};

class FlowTable {
 public:
  using Place = std::uint32_t;

  enum class Outcome : std::uint8_t {
    UnknownToken,
    BadTag,
    Replayed,
    Bound,       // for the first time
    Confirmed,   // the source is the one it was
    Moved,       // to this source, from another or from none after that was taken away
    Challenged,  // nothing has changed; the confirmation carries a challenge
  };
  struct OnProbe {
    Outcome outcome = Outcome::UnknownToken;
    Place place = PlaceIndex::kNone;
    Place taken_from = PlaceIndex::kNone;  // Bound, Moved: what had this source before
    // From Bound on: what to answer, to the source of the probe.
    ProbeDatagram confirmation{};
  };

  explicit FlowTable(Random& random, std::optional<FlowKey> challenge_key = {});

  // BadValue when the token is in use.
  Result<Place> add(const FlowComponent& secret, std::uint32_t end, std::uint8_t component);
  // One that was in another table, bound as it was there, if nobody else is bound there. BadValue
  // as for add().
  Result<Place> restore(const AwaitingComponent& component, std::uint32_t end);
  void remove(Place place);
  void release(Place place);  // from its source: it is not bound any more

  // `held`: its source is bound to something that is not in this table.
  OnProbe on_probe(SocketId socket, const TransportAddress& source, const Probe& probe,
                   Bytes datagram, TimePoint now, bool held = false);
  // Told of each binding after it was made, and before it is undone.
  using OnSource = std::function<void(const AwaitingComponent&, bool bound)>;
  void watch_sources(OnSource on_source) { on_source_ = std::move(on_source); }
  // Which component is bound to that source at that socket; kNone if none is.
  Place find(SocketId socket, const TransportAddress& source) const {
    return find(source_hash(socket, source), socket, source);
  }
  Place find(const Token& token) const;
  AwaitingComponent& operator[](Place place) { return components_[place]; }
  const AwaitingComponent& operator[](Place place) const { return components_[place]; }
  std::size_t places() const { return components_.size(); }

  std::uint32_t source_hash(SocketId socket, const TransportAddress& source) const;

 private:
  Place find(std::uint32_t hash, SocketId socket, const TransportAddress& source) const {
    return by_source_.find(hash, [&](Place place) {
      const AwaitingComponent& it = components_[place];
      return it.source == source && it.socket == socket;
    });
  }
  std::uint32_t token_hash(const Token& token) const;
  std::uint64_t clock(TimePoint now) const;  // of confirmations
  void bind(Place place, SocketId socket, const TransportAddress& source);
  bool echoes(const Probe& probe, SocketId socket, const TransportAddress& source, TimePoint now);
  Challenge challenge(const Token& token, SocketId socket, const TransportAddress& source,
                      std::int64_t slot);

  TagMaker tags_;
  FlowKey challenge_key_;
  std::uint64_t seed_;
  std::uint64_t clock_origin_;  // since when this host is up is nobody's business
  std::vector<AwaitingComponent> components_;
  std::vector<Place> free_;
  PlaceIndex by_token_;
  PlaceIndex by_source_;
  OnSource on_source_;
};

}  // namespace sallyport::media
