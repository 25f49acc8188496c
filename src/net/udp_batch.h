// UDP for the packet path: one socket each, received and sent in batches. The memory of the batches
// (UdpRoom) is shared by all sockets of one thread, taken at the start; nothing is allocated per
// packet, and a received datagram is sent on from where it lies. One thread; opening and binding a
// socket may happen on another before.
//
// Where many datagrams of one size go to one destination, one after another, the kernel is given
// them as one large one that it (or the interface) cuts (UDP_SEGMENT): a send costs the same for
// sixty of them as for one. A socket that asks for it (UdpOptions::many_from_one) is given what
// came together in the same way (UDP_GRO). Both are the kernel's offer: where it has none,
// everything works without.
#pragma once

#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "base/traffic_class.h"
#include "base/transport_address.h"
#include "net/fd.h"
#include "net/packet_info.h"
#include "net/socket.h"

namespace sallyport::net {

class UdpBatch;

// What became of datagrams, all sockets of a room together.
struct UdpCounts {
  std::uint64_t received = 0;
  std::uint64_t too_long_in = 0;  // longer than a slot: dropped
  std::uint64_t sent = 0;
  std::uint64_t segmented = 0;     // of those sent: cut by the kernel from a larger one
  std::uint64_t put_together = 0;  // of those received: came in a larger one
  std::uint64_t no_room = 0;       // not sent: the socket's or the interface's queue is full
  std::uint64_t unreachable = 0;   // not sent: no route, or an ICMP error that was waiting
  std::uint64_t too_long_out = 0;  // not sent: longer than the interface takes
  std::uint64_t refused = 0;       // not sent for another reason: a local firewall, a bad address
  std::uint64_t dropped() const { return no_room + unreachable + too_long_out + refused; }
  UdpCounts& operator+=(const UdpCounts& more) {
    received += more.received;
    too_long_in += more.too_long_in;
    sent += more.sent;
    segmented += more.segmented;
    put_together += more.put_together;
    no_room += more.no_room;
    unreachable += more.unreachable;
    too_long_out += more.too_long_out;
    refused += more.refused;
    return *this;
  }
};

struct UdpRoomOptions {
  std::size_t headroom = 8;    // octets that are writable before each received datagram
  std::size_t longest = 2040;  // octets; a longer datagram is dropped
  std::size_t slots = 256;     // received datagrams that can wait to be sent on
  std::size_t sends = 256;     // datagrams queued, all sockets together; then they are flushed
  std::size_t longest_copy = 1536;
};

class UdpRoom {
 public:
  static constexpr std::size_t kBatch = 64;   // messages in one system call
  static constexpr std::size_t kTrains = 16;  // of those that may have many datagrams
  static constexpr std::size_t kLongestTrain = 65535;
  static constexpr std::size_t kMostSegments = 64;  // UDP_MAX_SEGMENTS of older kernels

  explicit UdpRoom(const UdpRoomOptions& options = {});
  UdpRoom(const UdpRoom&) = delete;
  UdpRoom& operator=(const UdpRoom&) = delete;
  ~UdpRoom() = default;

  // Sends everything queued, in order for each socket. What cannot be sent now is dropped and
  // counted: late media is worth nothing. Returns how many were dropped.
  std::size_t flush();

  const UdpCounts& counts() const { return counts_; }
  // One for each flush().
  std::uint64_t rounds() const { return rounds_; }

 private:
  friend class UdpBatch;
  static constexpr std::uint32_t kNone = 0xffffffff;

  struct Queued {
    SocketAddress to;
    Bytes datagram;
    TrafficClass as;
    std::uint32_t next = kNone;  // of the same socket
  };

  MutableBytes slot(std::size_t i) {
    return MutableBytes{octets_}.subspan(i * (options_.headroom + options_.longest),
                                         options_.headroom + options_.longest);
  }
  // At most `most`; they lie at first_slot_ and on. Returns how many.
  std::size_t receive(int socket, std::size_t most);
  int receive_one(int socket);
  // At most `most` messages, and kTrains, each of one datagram or of many that the kernel has put
  // together. They lie in trains_.
  std::size_t receive_trains(int socket, std::size_t most);
  // The datagram at `offset` of that message, moved into a slot; empty: there is none. `next` is
  // the offset of the one behind it.
  MutableBytes take(std::size_t train, std::size_t offset, std::size_t& next);
  bool was_cut(std::size_t i) const;
  TransportAddress source(std::size_t i) const { return to_transport_address(&from_[i].any); }
  MutableBytes datagram(std::size_t i) {
    return slot(first_slot_ + i).subspan(options_.headroom, in_[i].msg_len);
  }
  Ecn ecn(std::size_t i) const { return ecn_of(in_[i].msg_hdr); }
  std::uint32_t append(const TransportAddress& to, TrafficClass as, Bytes datagram);
  Bytes copy(Bytes datagram);
  void flush(UdpBatch& socket);
  std::size_t fill(UdpBatch& socket, std::uint32_t& next);
  std::size_t count_train(const UdpBatch& socket, std::uint32_t first) const;
  void send(UdpBatch& socket, std::size_t count);
  static int send_one(int socket, const msghdr& message);
  bool send_singly(int socket, const msghdr& train);
  void count_failure(int error);

  UdpRoomOptions options_;
  Buffer octets_;               // the slots
  std::size_t first_slot_ = 0;  // of the batch received last
  std::size_t next_slot_ = 0;
  std::vector<Queued> queued_;
  std::vector<UdpBatch*> dirty_;  // sockets with something queued
  Buffer copies_;                 // one place for each queued datagram
  UdpCounts counts_;
  std::uint64_t rounds_ = 0;
  // The arguments of a system call that receives, and of one that sends: a flush may come while
  // what was received is still being handed over.
  std::array<mmsghdr, kBatch> in_{};
  std::array<iovec, kBatch> in_octets_{};
  std::array<SocketAddress, kBatch> from_{};
  std::array<PacketInfo, kBatch> told_{};  // of what was received
  std::array<mmsghdr, kBatch> out_{};
  std::array<iovec, kBatch> out_octets_{};
  std::array<PacketInfo, kBatch> info_{};
  // Of receive_trains(): taken when a socket first needs it.
  std::unique_ptr<std::array<std::array<std::uint8_t, kLongestTrain>, kTrains>> trains_;
  std::array<std::size_t, kTrains> train_segment_{};
};

struct UdpOptions {
  int receive_buffer = 0;  // octets; 0: the kernel's default, enough for one call
  int send_buffer = 0;
  bool share_port = false;     // SO_REUSEPORT: several sockets on one address, one for each core
  std::uint8_t dscp = 0;       // what most of its datagrams will have
  bool many_from_one = false;  // much comes from one far end: let the kernel put it together
};

class UdpBatch {
 public:
  // Errors as bind_socket().
  static Result<std::unique_ptr<UdpBatch>> open(const TransportAddress& local,
                                                const UdpOptions& options);
  UdpBatch(const UdpBatch&) = delete;
  UdpBatch& operator=(const UdpBatch&) = delete;
  ~UdpBatch();  // nothing of it may be queued

  int native() const { return socket_.get(); }
  const TransportAddress& local() const { return local_; }
  // Datagrams that the kernel dropped because they were not read in time.
  std::uint64_t missed() const;

  // Calls on_datagram(const TransportAddress& source, MutableBytes datagram, Ecn ecn) for each
  // datagram of one batch; it may queue them, or parts of them, at any socket of the room, and
  // change them and the headroom before them. Returns how many came; 0: nothing is left. A socket
  // that had few asks for few, since each place in a batch costs time even when it stays empty.
  template <typename OnDatagram>
  std::size_t receive(UdpRoom& room, OnDatagram&& on_datagram) {
    if (trains_) return receive_trains(room, on_datagram);
    const std::size_t n = room.receive(native(), ask_);
    for (std::size_t i = 0; i < n; ++i)
      if (!room.was_cut(i)) on_datagram(room.source(i), room.datagram(i), room.ecn(i));
    ask_anew(room, n, UdpRoom::kBatch);
    return n;
  }

  // `datagram` lies in a slot of the room, or in other memory that stays until the flush.
  void queue(UdpRoom& room, const TransportAddress& to, TrafficClass as, Bytes datagram);
  // `datagram` is copied; at most options.longest_copy octets.
  void queue_copy(UdpRoom& room, const TransportAddress& to, TrafficClass as, Bytes datagram);

 private:
  friend class UdpRoom;
  UdpBatch(Fd socket, std::uint8_t dscp)
      : socket_(std::move(socket)), local_(local_address(socket_)), as_(dscp) {}

  template <typename OnDatagram>
  std::size_t receive_trains(UdpRoom& room, OnDatagram& on_datagram) {
    const std::size_t trains = room.receive_trains(native(), ask_);
    std::size_t n = 0;
    for (std::size_t i = 0; i < trains; ++i) {
      const TransportAddress from = room.source(i);
      const Ecn ecn = room.ecn(i);
      std::size_t next = 0;
      for (;; ++n) {
        const MutableBytes datagram = room.take(i, next, next);
        if (datagram.data() == nullptr) break;
        on_datagram(from, datagram, ecn);
      }
    }
    ask_anew(room, trains, UdpRoom::kTrains);
    return n;
  }

  // Twice as many when as many came as were asked for; fewer when half of that would have done. A
  // socket that one packet comes to now and then (a phone's) asks for one, which spares the kernel
  // to look for another; more than one when it is read in each round.
  void ask_anew(const UdpRoom& room, std::size_t came, std::size_t most) {
    const bool often = room.rounds() - asked_ <= 1;
    asked_ = room.rounds();
    if (came == ask_ && (came > 1 || often))
      ask_ = std::min(ask_ * 2, most);
    else if (came <= ask_ / 2)
      ask_ = std::max(ask_ / 2, std::size_t{1});
  }

  Fd socket_;
  TransportAddress local_;
  TrafficClass as_;      // the socket's own; a datagram with another carries it in ancillary data
  std::size_t ask_ = 4;  // messages, at the next receive()
  std::uint64_t asked_ = 0;               // in which round of the room
  bool trains_ = false;                   // the kernel puts together what is received
  bool segments_ = true;                  // it cuts what is sent; false: it has refused to
  std::uint32_t first_ = UdpRoom::kNone;  // of what is queued
  std::uint32_t last_ = UdpRoom::kNone;
};

}  // namespace sallyport::net
