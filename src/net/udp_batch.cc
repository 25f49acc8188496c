#include "net/udp_batch.h"

#include <linux/sock_diag.h>

#include <algorithm>
#include <cassert>
#include <cerrno>

namespace sallyport::net {
namespace {

// The forced form goes beyond net.core.rmem_max, where we may.
void set_buffer(const Fd& socket, int forced, int plain, int octets) {
  if (octets == 0) return;
  if (::setsockopt(socket.get(), SOL_SOCKET, forced, &octets, sizeof octets) != 0)
    set_option(socket, SOL_SOCKET, plain, octets);
}

}  // namespace

UdpRoom::UdpRoom(const UdpRoomOptions& options)
    : options_(options),
      octets_(options.slots * (options.headroom + options.longest)),
      copies_(options.sends * options.longest_copy) {
  queued_.reserve(options.sends);
  dirty_.reserve(options.sends);
}

std::size_t UdpRoom::receive(int socket, std::size_t most) {
  // Slots are free again when nothing that lies in them waits to be sent.
  if (next_slot_ == options_.slots) flush();
  if (queued_.empty()) next_slot_ = 0;
  first_slot_ = next_slot_;
  const std::size_t room = std::min(most, options_.slots - next_slot_);
  for (std::size_t i = 0; i < room; ++i) {
    const MutableBytes whole = slot(first_slot_ + i);
    in_octets_[i] = {whole.data() + options_.headroom, options_.longest};
    msghdr& message = in_[i].msg_hdr;
    message.msg_name = &from_[i].any;
    message.msg_namelen = sizeof from_[i].v6;
    message.msg_iov = &in_octets_[i];
    message.msg_iovlen = 1;
    message.msg_control = nullptr;
    message.msg_controllen = 0;
    message.msg_flags = 0;
  }
  for (;;) {
    const int n =
        ::recvmmsg(socket, in_.data(), static_cast<unsigned>(room), MSG_DONTWAIT, nullptr);
    if (n < 0 && errno == EINTR) continue;
    // EAGAIN, or an ICMP error that was waiting: whatever there is comes with the next readiness.
    if (n < 0) return 0;
    const auto received = static_cast<std::size_t>(n);
    next_slot_ += received;
    counts_.received += received;
    for (std::size_t i = 0; i < received; ++i)
      if (was_cut(i)) ++counts_.too_long_in;
    return received;
  }
}

bool UdpRoom::was_cut(std::size_t i) const { return (in_[i].msg_hdr.msg_flags & MSG_TRUNC) != 0; }

std::uint32_t UdpRoom::append(const TransportAddress& to, std::uint8_t dscp, Bytes datagram) {
  queued_.push_back({.to = SocketAddress{to}, .datagram = datagram, .dscp = dscp, .next = kNone});
  return static_cast<std::uint32_t>(queued_.size() - 1);
}

Bytes UdpRoom::copy(Bytes datagram) {
  assert(datagram.size() <= options_.longest_copy);
  const MutableBytes place =
      MutableBytes{copies_}.subspan(queued_.size() * options_.longest_copy, options_.longest_copy);
  std::copy(datagram.begin(), datagram.end(), place.begin());
  return place.first(datagram.size());
}

std::size_t UdpRoom::flush() {
  const std::uint64_t dropped = counts_.dropped();
  for (UdpBatch* socket : dirty_) flush(*socket);
  dirty_.clear();
  queued_.clear();
  return static_cast<std::size_t>(counts_.dropped() - dropped);
}

void UdpRoom::flush(UdpBatch& socket) {
  std::uint32_t next = socket.first_;
  while (next != kNone) {
    const std::size_t n = fill(socket, next);
    send(socket.native(), n);
  }
  socket.first_ = socket.last_ = kNone;
}

// Makes one system call's arguments of what is queued from `next` on.
std::size_t UdpRoom::fill(const UdpBatch& socket, std::uint32_t& next) {
  std::size_t n = 0;
  for (; next != kNone && n < kBatch; ++n) {
    Queued& one = queued_[next];
    out_octets_[n] = {const_cast<std::uint8_t*>(one.datagram.data()), one.datagram.size()};
    msghdr& message = out_[n].msg_hdr;
    message = {};
    message.msg_name = &one.to.any;
    message.msg_namelen = one.to.size;
    message.msg_iov = &out_octets_[n];
    message.msg_iovlen = 1;
    if (one.dscp != socket.dscp_)
      info_[n].set_traffic_class(message, socket.local_.ip.is_v4(), one.dscp);
    next = one.next;
  }
  return n;
}

void UdpRoom::send(int socket, std::size_t count) {
  std::size_t done = 0;
  while (done < count) {
    const int n = ::sendmmsg(socket, out_.data() + done, static_cast<unsigned>(count - done),
                             MSG_DONTWAIT | MSG_NOSIGNAL);
    if (n >= 0) {
      counts_.sent += static_cast<std::uint64_t>(n);
      done += static_cast<std::size_t>(n);
      continue;
    }
    if (errno == EINTR) continue;
    if (errno == EAGAIN || errno == EWOULDBLOCK) {
      counts_.no_room += count - done;
      return;
    }
    // The first one failed; the others may go elsewhere.
    count_failure(errno);
    ++done;
  }
}

void UdpRoom::count_failure(int error) {
  switch (error) {
    case ENOBUFS:
    case ENOMEM:
      ++counts_.no_room;
      return;
    case ECONNREFUSED:
    case EHOSTUNREACH:
    case ENETUNREACH:
    case EHOSTDOWN:
    case ENETDOWN:
      ++counts_.unreachable;
      return;
    case EMSGSIZE:
      ++counts_.too_long_out;
      return;
    default:
      ++counts_.refused;
      return;
  }
}

Result<std::unique_ptr<UdpBatch>> UdpBatch::open(const TransportAddress& local,
                                                 const UdpOptions& options) {
  auto socket = open_socket(family_of(local.ip), SOCK_DGRAM);
  if (!socket) return tl::make_unexpected(socket.error());
  set_buffer(*socket, SO_RCVBUFFORCE, SO_RCVBUF, options.receive_buffer);
  set_buffer(*socket, SO_SNDBUFFORCE, SO_SNDBUF, options.send_buffer);
  if (options.share_port) set_option(*socket, SOL_SOCKET, SO_REUSEPORT, 1);
  set_dscp(*socket, local.ip.is_v4(), options.dscp);
  // Media is never fragmented: NATs and firewalls drop fragments, and one lost fragment loses all.
  // Of the two ways to say so PROBE does not believe ICMP, which anybody can forge to make the path
  // seem narrow: every datagram that fits the interface is sent.
  if (local.ip.is_v4())
    set_option(*socket, IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_PROBE);
  else
    set_option(*socket, IPPROTO_IPV6, IPV6_MTU_DISCOVER, IPV6_PMTUDISC_PROBE);
  if (const auto bound = bind_socket(*socket, local); !bound)
    return tl::make_unexpected(bound.error());
  return std::unique_ptr<UdpBatch>(new UdpBatch(std::move(*socket), options.dscp));
}

UdpBatch::~UdpBatch() { assert(first_ == UdpRoom::kNone); }

std::uint64_t UdpBatch::missed() const {
  std::array<std::uint32_t, SK_MEMINFO_VARS> memory{};
  socklen_t size = sizeof memory;
  if (::getsockopt(native(), SOL_SOCKET, SO_MEMINFO, memory.data(), &size) != 0) return 0;
  return memory[SK_MEMINFO_DROPS];
}

void UdpBatch::queue(UdpRoom& room, const TransportAddress& to, std::uint8_t dscp, Bytes datagram) {
  if (room.queued_.size() == room.options_.sends) room.flush();
  // Before the address is made: a family that this socket cannot send to is nobody's.
  if (to.ip.is_v4() != local_.ip.is_v4()) {
    ++room.counts_.refused;
    return;
  }
  const std::uint32_t place = room.append(to, dscp, datagram);
  if (first_ == UdpRoom::kNone) {
    first_ = place;
    room.dirty_.push_back(this);
  } else {
    room.queued_[last_].next = place;
  }
  last_ = place;
}

void UdpBatch::queue_copy(UdpRoom& room, const TransportAddress& to, std::uint8_t dscp,
                          Bytes datagram) {
  if (room.queued_.size() == room.options_.sends) room.flush();
  queue(room, to, dscp, room.copy(datagram));
}

}  // namespace sallyport::net
