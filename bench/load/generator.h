// Open-loop RTP load: so many streams, each a packet of 172 octets every 20 ms whatever becomes of
// it, and what arrives of them. The streams of one side of the relay share one UDP socket: each has
// an address of its own out of a range that is local there (127/8, or `ip route add local`), which
// the kernel lets a socket send from and receive at (IP_PKTINFO), so that two cores can play
// thousands of agents or phones. Sending times are spread evenly over the 20 ms.
//
// Latency is from just before the system call that sends a packet to the kernel's time stamp of
// its arrival (SO_TIMESTAMPNS), so that it does not depend on when this process reads it.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "base/transport_address.h"
#include "load/histogram.h"

namespace sallyport::bench {

// Where streams have their addresses: stream n at `first` + n.
struct Side {
  std::uint32_t first = 0x7f010001;  // an IPv4 address
  std::string network_namespace;     // its file; empty: this process's own
};

// Throws std::invalid_argument if `first` is no IPv4 address.
Side side_at(const std::string& first, const std::string& network_namespace = {});

TransportAddress address_of(const Side& side, std::size_t stream, std::uint16_t port);

// What several streams travel in together, over the address of one: an agent's trunk.
class Wrapping {
 public:
  static constexpr std::size_t kBefore = 8;
  static constexpr std::size_t kBehind = 16;
  using Each = std::function<void(std::size_t stream, Bytes packet)>;

  Wrapping() = default;
  Wrapping(const Wrapping&) = delete;
  Wrapping& operator=(const Wrapping&) = delete;
  virtual ~Wrapping() = default;

  // `packet` has so many writable octets before it and behind it. Empty: it cannot be sent.
  virtual Bytes wrap(std::size_t stream, MutableBytes packet) = 0;
  // False: it is something else than packets.
  virtual bool unwrap(MutableBytes datagram, const Each& each) = 0;
};

struct Stream {
  static constexpr std::uint32_t kItself = 0xffffffff;
  TransportAddress local;   // its address and the generator's port
  TransportAddress target;  // where its packets go
  std::uint32_t peer = 0;   // the stream at whose address they must arrive
  // TURN's ChannelData (RFC 8656 section 12.4): what it sends, and what comes to it, is framed as
  // data of this channel; 0: RTP as it is.
  std::uint16_t channel = 0;
  // A trunk's: the stream that has its address, and how packets travel there. That one has the same
  // wrapping.
  std::uint32_t carrier = kItself;
  Wrapping* wrapping = nullptr;
  bool silent = false;     // sends nothing
  std::uint32_t sent = 0;  // within the measured time, as is what follows
  std::uint32_t received = 0;
};

struct Figures {
  std::uint64_t sent = 0;
  std::uint64_t received = 0;
  std::uint64_t misdelivered = 0;  // at another stream than the right one
  std::uint64_t missed = 0;        // dropped by the kernel before this process read them
  std::uint64_t not_sent = 0;      // the kernel refused
  Histogram latency;
  Histogram lateness;  // of the generator itself: how long after its time a packet was sent
};

class Generator {
 public:
  static constexpr std::size_t kPacket = 172;
  static constexpr std::chrono::milliseconds kInterval{20};

  // One side, or two, whose streams then alternate: even ones on the first, odd ones on the second.
  // Throws std::system_error when a socket cannot be had.
  Generator(std::uint16_t port, std::size_t streams, std::vector<Side> sides = {Side{}});
  Generator(const Generator&) = delete;
  Generator& operator=(const Generator&) = delete;
  ~Generator();

  std::vector<Stream>& streams() { return streams_; }
  // Only the first `count` of the streams send RTP; the others have their addresses. At first all.
  void set_talking(std::size_t count) { talking_ = count; }
  TransportAddress local_of(std::size_t stream) const;

  // One datagram from that stream's address, as it is.
  void send(std::size_t stream, const TransportAddress& to, Bytes datagram);
  // Reads for so long; `handle` is given every datagram with the stream at whose address it came.
  using Handle = std::function<void(std::size_t stream, Bytes datagram)>;
  // What run() gives everything to that is not one of its own packets, and what it does between
  // them, about every millisecond.
  void set_besides(Handle other_datagrams, std::function<void()> between) {
    other_datagrams_ = std::move(other_datagrams);
    between_ = std::move(between);
  }
  void listen_for(std::chrono::milliseconds how_long, const Handle& handle);

  // Sends for `warm_up` without looking, then measures for `measured`, then waits for stragglers.
  // `begin` and `end` are called around the measured time.
  Figures run(std::chrono::milliseconds warm_up, std::chrono::milliseconds measured,
              const std::function<void()>& begin, const std::function<void()>& end);

 private:
  static constexpr std::size_t kSendBatch = 16;
  static constexpr std::size_t kReceiveBatch = 64;
  static constexpr std::size_t kChannelHeader = 4;
  static constexpr std::size_t kRoom = Wrapping::kBefore + kPacket + Wrapping::kBehind;

  // One side's socket, and what is about to leave through it.
  struct Leg {
    Side side;
    int socket = -1;
    std::size_t filled = 0;
    std::array<std::array<std::uint8_t, kRoom>, kSendBatch> out{};
    std::array<std::size_t, kSendBatch> stream{};
    std::array<std::int64_t, kSendBatch> due{};
  };
  using Arrival = std::function<void(std::size_t, MutableBytes, std::int64_t)>;

  Leg& leg_of(std::size_t stream) { return legs_[stream % legs_.size()]; }
  void send_due(std::int64_t now, Figures* figures);
  void flush(Leg& leg, Figures* figures);
  void fill(Leg& leg, std::size_t stream);
  Bytes finish(Leg& leg, std::size_t place, std::int64_t now);
  bool receive_all(const Arrival& handle);
  std::size_t receive(const Leg& leg, const Arrival& handle);
  void wait_readable(std::int64_t nanoseconds) const;
  void on_received(std::size_t stream, MutableBytes datagram, std::int64_t arrived,
                   Figures& figures);
  void count_received(std::size_t stream, Bytes datagram, std::int64_t arrived, Figures& figures);
  std::uint64_t missed() const;

  std::uint16_t port_;
  std::vector<Leg> legs_;
  std::vector<Stream> streams_;
  std::size_t talking_;
  Handle other_datagrams_;
  std::function<void()> between_;
  std::uint64_t next_ = 0;  // packets due since the start, all streams in turn
  std::int64_t began_ = 0;
  bool measuring_ = false;
};

}  // namespace sallyport::bench
