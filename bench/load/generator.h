// Open-loop RTP load: so many streams, each a packet of 172 octets every 20 ms whatever becomes of
// it, and what arrives of them. All streams share one UDP socket: each has an address of its own
// out of 127/8, which the kernel lets a socket send from and receive at (IP_PKTINFO), so that two
// cores can play thousands of agents or phones. Sending times are spread evenly over the 20 ms.
//
// Latency is from just before the system call that sends a packet to the kernel's time stamp of
// its arrival (SO_TIMESTAMPNS), so that it does not depend on when this process reads it.
#pragma once

#include <netinet/in.h>

#include <array>
#include <chrono>
#include <cstdint>
#include <functional>
#include <vector>

#include "base/transport_address.h"
#include "load/histogram.h"

namespace sallyport::bench {

struct Stream {
  TransportAddress local;   // 127.a.b.c and the generator's port
  TransportAddress target;  // where its packets go
  std::uint32_t peer = 0;   // the stream at whose address they must arrive
  std::uint32_t sent = 0;   // within the measured time, as is what follows
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

  // Throws std::system_error when the socket cannot be had.
  Generator(std::uint16_t port, std::size_t streams);
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

  void send_due(std::int64_t now, Figures* figures);
  void flush(std::size_t count, Figures* figures);
  void fill(std::size_t slot, std::size_t stream);
  std::size_t receive(const std::function<void(std::size_t, Bytes, std::int64_t)>& handle);
  void count_received(std::size_t stream, Bytes datagram, std::int64_t arrived, Figures& figures);
  std::uint64_t missed() const;

  int socket_ = -1;
  std::uint16_t port_;
  std::vector<Stream> streams_;
  std::size_t talking_;
  Handle other_datagrams_;
  std::function<void()> between_;
  std::uint64_t next_ = 0;  // packets due since the start, all streams in turn
  std::int64_t began_ = 0;
  bool measuring_ = false;
  std::array<std::array<std::uint8_t, kPacket>, kSendBatch> out_{};
  std::array<sockaddr_in, kSendBatch> to_{};
  std::array<std::size_t, kSendBatch> from_stream_{};
  std::array<std::int64_t, kSendBatch> due_{};
};

}  // namespace sallyport::bench
