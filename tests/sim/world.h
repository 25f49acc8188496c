// A small internet in virtual time: realms (private networks, and the public one), hosts with UDP
// sockets, and NATs between a private realm and the public one that forget, rebind, lose, duplicate
// and reorder. Everything that happens is an event at a time; the same seed gives the same run.
// Nothing here knows Sallyport but the media sockets' owner, SimPlane (sim_plane.h).
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "base/random.h"
#include "base/time.h"
#include "base/transport_address.h"

namespace sallyport::sim {

using RealmId = int;
constexpr RealmId kPublic = 0;
class SimStreams;

// What a path does to datagrams, in each direction.
struct PathQuality {
  Duration latency = milliseconds{10};
  Duration jitter{};  // uniform on top; larger than the spacing of packets: reordering
  unsigned loss_percent = 0;
  unsigned duplicate_percent = 0;
};

struct NatSettings {
  IpAddress public_address;
  bool endpoint_dependent = true;  // a mapping for each destination ("symmetric"); else one for all
  Duration forgets_after = std::chrono::seconds{20};
  PathQuality quality;
};

class World final : public Clocks {
 public:
  using OnDatagram = std::function<void(const TransportAddress& source, Bytes)>;

  explicit World(std::uint64_t seed);
  ~World() override;

  TimePoint now() const override { return now_; }
  WallTime wall_now() const override {
    return WallTime{std::chrono::hours{24 * 365 * 56}} + (now_ - TimePoint{});
  }
  Random& random() { return random_; }

  void at(TimePoint when, std::function<void()> what);
  void after(Duration delay, std::function<void()> what) { at(now_ + delay, std::move(what)); }
  // Lets time pass. The first stops as soon as `done` holds; false if it does not within the time.
  bool run_until(const std::function<bool()>& done, Duration within);
  void run_for(Duration span);

  // A private network behind a NAT; kPublic is there from the start.
  RealmId add_site(const NatSettings& nat);
  void set_public_quality(const PathQuality& quality) { public_quality_ = quality; }
  PathQuality& quality(RealmId site) { return sites_.at(site).nat.quality; }
  void forget_mappings(RealmId site);  // conntrack -F
  void change_public_address(RealmId site, const IpAddress& address);
  const IpAddress& public_address(RealmId site) { return sites_.at(site).nat.public_address; }

  // A UDP socket. False if the address is taken. Unbinding is silent.
  bool bind(RealmId realm, const TransportAddress& address, const OnDatagram& on_datagram);
  void unbind(RealmId realm, const TransportAddress& address);
  void send(RealmId realm, const TransportAddress& from, const TransportAddress& to,
            Bytes datagram);

  // What is on its way without being lost, overtaken or late: byte streams (sim_streams.h).
  void travel_whole(RealmId realm, std::function<void()> arrive);
  void note_public(const TransportAddress& from, const TransportAddress& to, Bytes octets) {
    seen_.push_back({from, to, to_buffer(octets)});
  }
  SimStreams& streams() { return *streams_; }

  // Everything that was on the public network: source, destination, octets.
  struct Seen {
    TransportAddress from, to;
    Buffer octets;
  };
  const std::vector<Seen>& seen_in_public() const { return seen_; }

 private:
  struct Mapping {
    TransportAddress inside;
    std::optional<TransportAddress> destination;  // endpoint-dependent ones
    TimePoint last_used;
    std::vector<TransportAddress> peers;  // who may answer: a port-restricted filter
  };
  struct Site {
    NatSettings nat;
    std::map<std::uint16_t, Mapping> mappings;  // by public port
  };

  std::uint16_t map_out(Site& site, const TransportAddress& inside, const TransportAddress& to);
  void travel(const PathQuality& quality, const std::function<void()>& arrive);
  void in_public(const TransportAddress& from, const TransportAddress& to, Bytes datagram);
  void deliver(RealmId realm, const TransportAddress& from, const TransportAddress& to,
               Bytes datagram);

  TimePoint now_ = TimePoint{} + std::chrono::hours{1};
  SeededRandom random_;
  std::multimap<TimePoint, std::function<void()>> events_;
  std::map<RealmId, Site> sites_;
  PathQuality public_quality_{.latency = milliseconds{2}};
  std::map<std::pair<RealmId, TransportAddress>, OnDatagram> sockets_;
  std::vector<Seen> seen_;
  std::unique_ptr<SimStreams> streams_;
};

}  // namespace sallyport::sim
