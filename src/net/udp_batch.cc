#include "net/udp_batch.h"

#include <linux/sock_diag.h>
#include <netinet/udp.h>

#include <algorithm>
#include <cassert>
#include <cerrno>
#include <cstring>

namespace sallyport::net {
namespace {

// What one message may carry that the kernel cuts: an IP datagram's octets less the headers.
constexpr std::size_t kLongestSent = 65535 - 40 - 8;
constexpr int kSendFlags = MSG_DONTWAIT | MSG_NOSIGNAL;

// The forced form goes beyond net.core.rmem_max, where we may.
void set_buffer(const Fd& socket, int forced, int plain, int octets) {
  if (octets == 0) return;
  if (::setsockopt(socket.get(), SOL_SOCKET, forced, &octets, sizeof octets) != 0)
    set_option(socket, SOL_SOCKET, plain, octets);
}

bool same(const SocketAddress& a, const SocketAddress& b) {
  return a.size == b.size && std::memcmp(&a.any, &b.any, a.size) == 0;
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
    told_[i].receive_into(message);
    message.msg_flags = 0;
  }
  for (;;) {
    const int n = room == 1 ? receive_one(socket)
                            : ::recvmmsg(socket, in_.data(), static_cast<unsigned>(room),
                                         MSG_DONTWAIT, nullptr);
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

// As recvmmsg() of one.
int UdpRoom::receive_one(int socket) {
  const auto octets = ::recvmsg(socket, &in_.front().msg_hdr, MSG_DONTWAIT);
  if (octets < 0) return -1;
  in_.front().msg_len = static_cast<unsigned>(octets);
  return 1;
}

std::size_t UdpRoom::receive_trains(int socket, std::size_t most) {
  if (!trains_)
    trains_ = std::make_unique_for_overwrite<
        std::array<std::array<std::uint8_t, kLongestTrain>, kTrains>>();
  for (std::size_t i = 0; i < most; ++i) {
    in_octets_[i] = {(*trains_)[i].data(), kLongestTrain};
    msghdr& message = in_[i].msg_hdr;
    message = {};
    message.msg_name = &from_[i].any;
    message.msg_namelen = sizeof from_[i].v6;
    message.msg_iov = &in_octets_[i];
    message.msg_iovlen = 1;
    told_[i].receive_into(message);
  }
  for (;;) {
    const int n =
        ::recvmmsg(socket, in_.data(), static_cast<unsigned>(most), MSG_DONTWAIT, nullptr);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return 0;
    const auto received = static_cast<std::size_t>(n);
    for (std::size_t i = 0; i < received; ++i) train_segment_[i] = segment_of(in_[i].msg_hdr);
    return received;
  }
}

MutableBytes UdpRoom::take(std::size_t train, std::size_t offset, std::size_t& next) {
  const MutableBytes all = MutableBytes{(*trains_)[train]}.first(in_[train].msg_len);
  const std::size_t segment = train_segment_[train] == 0 ? all.size() : train_segment_[train];
  for (;; offset = next) {
    // An empty datagram is one, too; but it comes alone.
    if (offset >= all.size() && (offset > 0 || segment > 0)) return {};
    const Bytes datagram = all.subspan(offset, std::min(segment, all.size() - offset));
    next = offset + std::max<std::size_t>(datagram.size(), 1);
    ++counts_.received;
    if (train_segment_[train] != 0 && datagram.size() < all.size()) ++counts_.put_together;
    if (datagram.size() > options_.longest) {
      ++counts_.too_long_in;
      continue;
    }
    if (next_slot_ == options_.slots) flush();
    if (queued_.empty()) next_slot_ = 0;
    const MutableBytes to = slot(next_slot_++).subspan(options_.headroom, datagram.size());
    std::copy(datagram.begin(), datagram.end(), to.begin());
    return to;
  }
}

bool UdpRoom::was_cut(std::size_t i) const { return (in_[i].msg_hdr.msg_flags & MSG_TRUNC) != 0; }

std::uint32_t UdpRoom::append(const TransportAddress& to, TrafficClass as, Bytes datagram) {
  queued_.push_back({.to = SocketAddress{to}, .datagram = datagram, .as = as, .next = kNone});
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
  ++rounds_;
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
    send(socket, n);
  }
  socket.first_ = socket.last_ = kNone;
}

// How many datagrams from `first` on can go as one that the kernel cuts: those that have one size,
// destination and class; the last may be shorter.
std::size_t UdpRoom::count_train(const UdpBatch& socket, std::uint32_t first) const {
  const Queued& head = queued_[first];
  const std::size_t size = head.datagram.size();
  if (!socket.segments_ || size == 0) return 1;
  const std::size_t most = std::min(kMostSegments, kLongestSent / size);
  std::size_t n = 1;
  for (std::uint32_t at = head.next; at != kNone && n < most; at = queued_[at].next, ++n) {
    const Queued& one = queued_[at];
    if (one.as != head.as || one.datagram.empty() || one.datagram.size() > size ||
        !same(one.to, head.to))
      break;
    if (one.datagram.size() < size) return n + 1;
  }
  return std::max<std::size_t>(n, 1);
}

// Makes one system call's arguments of what is queued from `next` on.
std::size_t UdpRoom::fill(UdpBatch& socket, std::uint32_t& next) {
  std::size_t n = 0;
  for (std::size_t octets = 0; next != kNone && n < kBatch; ++n) {
    const std::size_t train = count_train(socket, next);
    if (octets + train > out_octets_.size()) break;
    Queued& head = queued_[next];
    msghdr& message = out_[n].msg_hdr;
    message = {};
    message.msg_name = &head.to.any;
    message.msg_namelen = head.to.size;
    message.msg_iov = &out_octets_[octets];
    message.msg_iovlen = train;
    for (std::size_t i = 0; i < train; ++i) {
      const Bytes datagram = queued_[next].datagram;
      out_octets_[octets++] = {const_cast<std::uint8_t*>(datagram.data()), datagram.size()};
      next = queued_[next].next;
    }
    if (head.as != socket.as_)
      info_[n].set_traffic_class(message, socket.local_.ip.is_v4(), head.as);
    if (train > 1) info_[n].set_segment(message, static_cast<std::uint16_t>(head.datagram.size()));
  }
  return n;
}

void UdpRoom::send(UdpBatch& socket, std::size_t count) {
  std::size_t done = 0;
  while (done < count) {
    const int n = count - done == 1 ? send_one(socket.native(), out_[done].msg_hdr)
                                    : ::sendmmsg(socket.native(), out_.data() + done,
                                                 static_cast<unsigned>(count - done), kSendFlags);
    if (n >= 0) {
      for (const std::size_t end = done + static_cast<std::size_t>(n); done < end; ++done) {
        const std::size_t datagrams = out_[done].msg_hdr.msg_iovlen;
        counts_.sent += datagrams;
        if (datagrams > 1) counts_.segmented += datagrams;
      }
      continue;
    }
    if (errno == EINTR) continue;
    if (errno == EAGAIN || errno == EWOULDBLOCK) {
      for (; done < count; ++done) counts_.no_room += out_[done].msg_hdr.msg_iovlen;
      return;
    }
    // The first one failed; the others may go elsewhere.
    const msghdr& failed = out_[done].msg_hdr;
    if (failed.msg_iovlen > 1) {
      // Either these cannot be sent, or this kernel or interface does not cut (it has no such
      // option, no checksums in hardware): where they go singly, it is not asked again.
      if (send_singly(socket.native(), failed)) socket.segments_ = false;
    } else {
      count_failure(errno);
    }
    ++done;
  }
}

// As sendmmsg() of one; but what has no ancillary data, which is most of what goes to a phone,
// spares the kernel the copying of headers that say nothing.
int UdpRoom::send_one(int socket, const msghdr& message) {
  const bool plain = message.msg_iovlen == 1 && message.msg_control == nullptr;
  const auto sent =
      plain ? ::sendto(socket, message.msg_iov->iov_base, message.msg_iov->iov_len, kSendFlags,
                       static_cast<const sockaddr*>(message.msg_name), message.msg_namelen)
            : ::sendmsg(socket, &message, kSendFlags);
  return sent < 0 ? -1 : 1;
}

// Whether all of them were sent.
bool UdpRoom::send_singly(int socket, const msghdr& train) {
  const std::uint64_t dropped = counts_.dropped();
  for (std::size_t i = 0; i < train.msg_iovlen; ++i) {
    msghdr one = train;
    one.msg_iov = train.msg_iov + i;
    one.msg_iovlen = 1;
    one.msg_controllen -= CMSG_SPACE(sizeof(std::uint16_t));  // the segment's size: it is last
    if (one.msg_controllen == 0) one.msg_control = nullptr;
    if (send_one(socket, one) > 0)
      ++counts_.sent;
    else if (errno == EAGAIN || errno == EWOULDBLOCK)
      ++counts_.no_room;
    else
      count_failure(errno);
  }
  return counts_.dropped() == dropped;
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
  ask_for_traffic_class(*socket, local.ip.is_v4());
  // Media is never fragmented: NATs and firewalls drop fragments, and one lost fragment loses all.
  // Of the two ways to say so PROBE does not believe ICMP, which anybody can forge to make the path
  // seem narrow: every datagram that fits the interface is sent.
  if (local.ip.is_v4())
    set_option(*socket, IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_PROBE);
  else
    set_option(*socket, IPPROTO_IPV6, IPV6_MTU_DISCOVER, IPV6_PMTUDISC_PROBE);
  if (const auto bound = bind_socket(*socket, local); !bound)
    return tl::make_unexpected(bound.error());
  std::unique_ptr<UdpBatch> out{new UdpBatch(std::move(*socket), options.dscp)};
  const int on = 1;
  out->trains_ = options.many_from_one &&
                 ::setsockopt(out->native(), IPPROTO_UDP, UDP_GRO, &on, sizeof on) == 0;
  return out;
}

UdpBatch::~UdpBatch() { assert(first_ == UdpRoom::kNone); }

std::uint64_t UdpBatch::missed() const {
  std::array<std::uint32_t, SK_MEMINFO_VARS> memory{};
  socklen_t size = sizeof memory;
  if (::getsockopt(native(), SOL_SOCKET, SO_MEMINFO, memory.data(), &size) != 0) return 0;
  return memory[SK_MEMINFO_DROPS];
}

void UdpBatch::queue(UdpRoom& room, const TransportAddress& to, TrafficClass as, Bytes datagram) {
  if (room.queued_.size() == room.options_.sends) room.flush();
  // Before the address is made: a family that this socket cannot send to is nobody's.
  if (to.ip.is_v4() != local_.ip.is_v4()) {
    ++room.counts_.refused;
    return;
  }
  const std::uint32_t place = room.append(to, as, datagram);
  if (first_ == UdpRoom::kNone) {
    first_ = place;
    room.dirty_.push_back(this);
  } else {
    room.queued_[last_].next = place;
  }
  last_ = place;
}

void UdpBatch::queue_copy(UdpRoom& room, const TransportAddress& to, TrafficClass as,
                          Bytes datagram) {
  if (room.queued_.size() == room.options_.sends) room.flush();
  queue(room, to, as, room.copy(datagram));
}

}  // namespace sallyport::net
