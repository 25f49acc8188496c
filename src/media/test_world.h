// For tests only: agents and a server, each a Relay, terminals, and a NAT between them, in virtual
// time. Addresses are those of RFC 5737 and, behind the NATs, of 10.0.0.0/8.
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <map>
#include <memory>
#include <queue>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/random.h"
#include "media/relay.h"

namespace sallyport::media::test {

inline TransportAddress at(std::string_view text) {
  const auto parsed = TransportAddress::parse(text);
  EXPECT_TRUE(parsed) << text;
  return *parsed;
}

// A packet that RTP would call one: 172 octets, its number in the sequence and, whole, in the
// payload.
inline Buffer rtp(std::uint32_t number) {
  Buffer out;
  Writer write{out};
  write.u8(0x80).u8(0).u16(static_cast<std::uint16_t>(number)).u32(number * 160).u32(0xfeedface);
  write.u32(number);
  out.resize(172, 0x55);
  return out;
}
inline Buffer rtcp(std::uint32_t number) {
  Buffer out;
  Writer{out}.u8(0x80).u8(200).u16(6).u32(0xfeedface).u32(number);
  out.resize(28, 0x66);
  return out;
}

// What a NAT does between one private side and the public network. Mapping and filtering are
// address- and port-dependent (RFC 4787 calls it so; people say symmetric): the worst there is.
struct Nat {
  IpAddress outside;
  Duration forgets_after = std::chrono::seconds{120};  // since the last packet from inside
  struct Mapping {
    std::uint16_t port = 0;
    TimePoint used;
  };
  std::map<std::pair<TransportAddress, TransportAddress>, Mapping> mappings;  // inside, far
  std::uint16_t next_port = 20000;

  TransportAddress translate(const TransportAddress& inside, const TransportAddress& far,
                             TimePoint now) {
    Mapping& it = mappings[{inside, far}];
    if (it.port == 0 || now - it.used >= forgets_after) it.port = next_port++;
    it.used = now;
    return {outside, it.port};
  }
  std::optional<TransportAddress> back(std::uint16_t port, const TransportAddress& far,
                                       TimePoint now) const {
    for (const auto& [who, it] : mappings)
      if (it.port == port && who.second == far && now - it.used < forgets_after) return who.first;
    return std::nullopt;
  }
  void reboot(const IpAddress& new_outside) {
    mappings.clear();
    outside = new_outside;
    next_port = static_cast<std::uint16_t>(next_port + 1000);
  }
};

class World {
 public:
  using OnDatagram = std::function<void(const TransportAddress& source, Bytes datagram, Ecn ecn)>;

  explicit World(std::uint64_t seed = 1) : random(seed) {}

  SeededRandom random;
  TimePoint now{std::chrono::hours{1}};
  Duration delay = milliseconds{10};
  Duration jitter{};          // up to so much more: reorders
  unsigned loss_percent = 0;  // between private and public only, as are the next two
  unsigned duplicate_percent = 0;
  std::function<bool(const TransportAddress& from, const TransportAddress& to, Bytes)> tap;
  bool congested = false;  // there: what takes part in ECN is marked

  void listen(const TransportAddress& address, OnDatagram handler) {
    listeners_[address] = std::move(handler);
  }
  Nat& add_nat(const IpRange& inside, const IpAddress& outside) {
    nats_.emplace_back(inside, std::make_unique<Nat>());
    nats_.back().second->outside = outside;
    return *nats_.back().second;
  }
  void add_clock(std::function<std::optional<TimePoint>()> next, std::function<void()> run) {
    clocks_.emplace_back(std::move(next), std::move(run));
  }

  // From a host at `from`, through its NAT if it has one.
  void send(TransportAddress from, const TransportAddress& to, Bytes datagram,
            Ecn ecn = Ecn::NotCapable) {
    Nat* nat = nat_of(from.ip);
    const bool crosses = nat != nullptr && nat_of(to.ip) != nat;
    if (crosses) from = nat->translate(from, to, now);
    inject(from, to, datagram, crosses || is_outside(to.ip), ecn);
  }
  // As an attacker can: with any source.
  void inject(const TransportAddress& from, const TransportAddress& to, Bytes datagram,
              bool crosses = true, Ecn ecn = Ecn::NotCapable) {
    if (tap && !tap(from, to, datagram)) return;
    if (crosses && random.below(100) < loss_percent) return;
    if (crosses && congested && ecn != Ecn::NotCapable) ecn = Ecn::Congested;
    const bool twice = crosses && random.below(100) < duplicate_percent;
    for (int i = 0; i < (twice ? 2 : 1); ++i) {
      const Duration extra = jitter == Duration{} || !crosses
                                 ? Duration{}
                                 : Duration{static_cast<std::int64_t>(
                                       random.below(static_cast<std::uint64_t>(jitter.count())))};
      in_flight_.push({now + delay + extra, sequence_++, from, to, to_buffer(datagram), ecn});
    }
  }

  void at_time(TimePoint when, std::function<void()> work) {
    scheduled_.emplace(when, std::move(work));
  }
  void run_for(Duration how_long) {
    const TimePoint end = now + how_long;
    for (;;) {
      TimePoint next = end;
      if (!in_flight_.empty()) next = std::min(next, in_flight_.top().due);
      if (!scheduled_.empty()) next = std::min(next, scheduled_.begin()->first);
      for (const auto& clock : clocks_)
        if (const auto due = clock.first()) next = std::min(next, *due);
      now = std::max(now, next);
      for (const auto& clock : clocks_)
        if (const auto due = clock.first(); due && *due <= now) clock.second();
      while (!scheduled_.empty() && scheduled_.begin()->first <= now) {
        const auto work = std::move(scheduled_.begin()->second);
        scheduled_.erase(scheduled_.begin());
        work();
      }
      while (!in_flight_.empty() && in_flight_.top().due <= now) {
        const InFlight one = in_flight_.top();
        in_flight_.pop();
        arrive(one);
      }
      if (now >= end) return;
    }
  }

 private:
  struct InFlight {
    TimePoint due;
    std::uint64_t sequence;
    TransportAddress from;
    TransportAddress to;
    Buffer octets;
    Ecn ecn;
    bool operator<(const InFlight& other) const {
      return std::tie(due, sequence) > std::tie(other.due, other.sequence);
    }
  };
  Nat* nat_of(const IpAddress& ip) {
    for (const auto& [inside, nat] : nats_)
      if (inside.contains(ip)) return nat.get();
    return nullptr;
  }
  bool is_outside(const IpAddress& ip) {
    for (const auto& [inside, nat] : nats_)
      if (nat->outside == ip) return true;
    return false;
  }
  void arrive(const InFlight& one) {
    TransportAddress to = one.to;
    for (const auto& [inside, nat] : nats_) {
      if (nat->outside != to.ip) continue;
      const auto host = nat->back(to.port, one.from, now);
      if (!host) return;
      to = *host;
      break;
    }
    const auto it = listeners_.find(to);
    if (it != listeners_.end()) it->second(one.from, one.octets, one.ecn);
  }

  std::priority_queue<InFlight> in_flight_;
  std::uint64_t sequence_ = 0;
  std::multimap<TimePoint, std::function<void()>> scheduled_;
  std::map<TransportAddress, OnDatagram> listeners_;
  std::vector<std::pair<IpRange, std::unique_ptr<Nat>>> nats_;
  std::vector<std::pair<std::function<std::optional<TimePoint>()>, std::function<void()>>> clocks_;
};

// A Relay with its sockets in a World.
class Host final : public Sender {
 public:
  explicit Host(World& world, const RelayOptions& options = {})
      : relay(options, world.random,
              [this](MediaId id, const Event& event) { events.emplace_back(id, event); }),
        world_(world) {
    world.add_clock([this] { return relay.next_deadline(); },
                    [this] { relay.on_time(world_.now, *this); });
  }

  Relay relay;
  std::vector<std::pair<MediaId, Event>> events;

  SocketId open(const TransportAddress& address) {
    sockets_.push_back(address);
    const SocketId id{static_cast<std::uint32_t>(sockets_.size())};
    world_.listen(address, [this, id](const TransportAddress& source, Bytes datagram, Ecn ecn) {
      receive(id, source, datagram, ecn);
    });
    return id;
  }
  SocketId serve(const TransportAddress& address) {
    const SocketId id = open(address);
    EXPECT_TRUE(relay.add_server_socket(id));
    return id;
  }
  void receive(SocketId id, const TransportAddress& source, Bytes datagram,
               Ecn ecn = Ecn::NotCapable) {
    buffer_.assign(kHeadroom, 0xee);
    buffer_.insert(buffer_.end(), datagram.begin(), datagram.end());
    relay.on_datagram(id, source, MutableBytes{buffer_}.subspan(kHeadroom), world_.now, *this, ecn);
  }
  std::size_t count(EventKind kind) const {
    std::size_t out = 0;
    for (const auto& [id, event] : events) out += event.kind == kind ? 1 : 0;
    return out;
  }
  // Every datagram is accounted for.
  void expect_balance() const {
    const Totals& all = relay.totals();
    std::uint64_t dropped = 0;
    for (const std::uint64_t n : all.drops) dropped += n;
    EXPECT_EQ(all.received, all.relayed + all.handled + all.waiting + dropped);
  }

  void send(SocketId from, const TransportAddress& to, TrafficClass as, Bytes datagram) override {
    world_.send(sockets_.at(from.value - 1), to, datagram, as.ecn);
  }
  void send_copy(SocketId from, const TransportAddress& to, TrafficClass as,
                 Bytes datagram) override {
    EXPECT_LE(datagram.size(), kMaxCopied);
    send(from, to, as, datagram);
  }

 private:
  World& world_;
  std::vector<TransportAddress> sockets_;
  Buffer buffer_;
};

// A phone: what it has heard, in order.
class Terminal {
 public:
  Terminal(World& world, const TransportAddress& where) : address(where), world_(world) {
    world.listen(where, [this](const TransportAddress& source, Bytes datagram, Ecn marked) {
      heard.push_back(to_buffer(datagram));
      heard_ecn.push_back(marked);
      heard_from.insert(source);
      heard_at.push_back(world_.now);
    });
  }
  TransportAddress address;
  std::vector<Buffer> heard;
  std::vector<TimePoint> heard_at;
  std::vector<Ecn> heard_ecn;
  Ecn ecn = Ecn::NotCapable;  // of what it sends
  std::set<TransportAddress> heard_from;

  void send(const TransportAddress& to, Bytes datagram) { world_.send(address, to, datagram, ecn); }
  // `count` packets, one each 20 ms, from now on.
  void talk(const TransportAddress& to, std::uint32_t first, std::uint32_t count) {
    for (std::uint32_t i = 0; i < count; ++i)
      world_.at_time(world_.now + milliseconds{20} * i,
                     [this, to, number = first + i] { send(to, rtp(number)); });
  }
  std::size_t heard_since(TimePoint when) const {
    std::size_t out = 0;
    for (const TimePoint heard_then : heard_at) out += heard_then >= when ? 1 : 0;
    return out;
  }

 private:
  World& world_;
};

}  // namespace sallyport::media::test
