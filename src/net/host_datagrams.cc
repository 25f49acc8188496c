#include "net/host_datagrams.h"

#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include "net/packet_info.h"
#include "net/socket.h"

namespace sallyport::net {
namespace {

// After so many batches the others get their turn.
constexpr int kBatches = 4;
// A burst of registrations after a power cut fits.
constexpr int kReceiveBuffer = 4 * 1024 * 1024;

class Receiving final : public std::enable_shared_from_this<Receiving> {
 public:
  Receiving(EventLoop& loop, DatagramScratch& scratch, Fd socket, Network::OnDatagram on_datagram)
      : loop_(loop),
        scratch_(scratch),
        socket_(std::move(socket)),
        local_(local_address(socket_)),
        on_datagram_(std::move(on_datagram)) {}

  Result<void> start() {
    auto readiness =
        Readiness::watch(loop_, socket_.get(), [weak = weak_from_this()](Ready /*what*/) {
          if (const auto self = weak.lock()) self->receive();
        });
    if (!readiness) return tl::make_unexpected(readiness.error());
    readiness_ = std::move(*readiness);
    readiness_->wait(Ready::Readable);
    return {};
  }

  void close() {
    closed_ = true;
    readiness_.reset();
    socket_.reset();
  }

  const TransportAddress& local() const { return local_; }

  void send(const IpAddress& from, const TransportAddress& to, Bytes datagram) {
    SocketAddress address{to};
    iovec octets{const_cast<std::uint8_t*>(datagram.data()), datagram.size()};
    PacketInfo info;
    msghdr message{};
    message.msg_name = &address.any;
    message.msg_namelen = address.size;
    message.msg_iov = &octets;
    message.msg_iovlen = 1;
    if (!from.is_unspecified() && from.is_v4() == to.ip.is_v4()) info.set_source(message, from);
    while (::sendmsg(socket_.get(), &message, MSG_NOSIGNAL) < 0 && errno == EINTR) {
    }
    // Anything else is loss, which every protocol over datagrams repairs by itself.
  }

 private:
  void receive() {
    for (int batch = 0; batch < kBatches; ++batch) {
      const int received = receive_batch();
      for (int i = 0; i < received; ++i) {
        deliver(messages_.at(static_cast<std::size_t>(i)), static_cast<std::size_t>(i));
        if (closed_) return;
      }
      if (received < static_cast<int>(DatagramScratch::kBatch)) break;
    }
    readiness_->wait(Ready::Readable);
  }

  int receive_batch() {
    for (std::size_t i = 0; i < DatagramScratch::kBatch; ++i) {
      const MutableBytes room = scratch_.slot(i);
      octets_.at(i) = {room.data(), room.size()};
      msghdr& message = messages_.at(i).msg_hdr;
      message = {};
      message.msg_name = &from_.at(i).any;
      message.msg_namelen = sizeof from_.at(i).v6;
      message.msg_iov = &octets_.at(i);
      message.msg_iovlen = 1;
      info_.at(i).receive_into(message);
    }
    for (;;) {
      const int n = ::recvmmsg(socket_.get(), messages_.data(), DatagramScratch::kBatch,
                               MSG_DONTWAIT, nullptr);
      if (n < 0 && errno == EINTR) continue;
      return n;
    }
  }

  void deliver(const mmsghdr& message, std::size_t i) {
    if ((message.msg_hdr.msg_flags & MSG_TRUNC) != 0) return;  // half a message is none
    const IpAddress to = destination_of(message.msg_hdr).value_or(local_.ip);
    on_datagram_(to_transport_address(&from_.at(i).any), to,
                 Bytes{scratch_.slot(i).first(message.msg_len)});
  }

  EventLoop& loop_;
  DatagramScratch& scratch_;
  Fd socket_;
  TransportAddress local_;
  std::unique_ptr<Readiness> readiness_;
  Network::OnDatagram on_datagram_;
  std::array<mmsghdr, DatagramScratch::kBatch> messages_{};
  std::array<iovec, DatagramScratch::kBatch> octets_{};
  std::array<SocketAddress, DatagramScratch::kBatch> from_{};
  std::array<PacketInfo, DatagramScratch::kBatch> info_{};
  bool closed_ = false;
};

class HostDatagramSocket final : public DatagramSocket {
 public:
  explicit HostDatagramSocket(std::shared_ptr<Receiving> receiving)
      : receiving_(std::move(receiving)) {}
  HostDatagramSocket(const HostDatagramSocket&) = delete;
  HostDatagramSocket& operator=(const HostDatagramSocket&) = delete;
  ~HostDatagramSocket() override { receiving_->close(); }

  TransportAddress local() const override { return receiving_->local(); }
  void send(const IpAddress& from, const TransportAddress& to, Bytes datagram) override {
    receiving_->send(from, to, datagram);
  }

 private:
  std::shared_ptr<Receiving> receiving_;
};

// By the interface that has the address `local`; unspecified: by the one that the route takes.
Result<void> join(const Fd& socket, const IpAddress& group, const IpAddress& local) {
  const SocketAddress address{{.ip = group, .port = 0}};
  int joined = -1;
  if (group.is_v4()) {
    ip_mreqn request{};
    request.imr_multiaddr = address.v4.sin_addr;
    if (!local.is_unspecified())
      request.imr_address = SocketAddress{{.ip = local, .port = 0}}.v4.sin_addr;
    joined = ::setsockopt(socket.get(), IPPROTO_IP, IP_ADD_MEMBERSHIP, &request, sizeof request);
  } else {
    ipv6_mreq request{};
    request.ipv6mr_multiaddr = address.v6.sin6_addr;
    joined =
        ::setsockopt(socket.get(), IPPROTO_IPV6, IPV6_ADD_MEMBERSHIP, &request, sizeof request);
  }
  if (joined != 0) return tl::make_unexpected(system_error(errno));
  return {};
}

}  // namespace

Result<std::unique_ptr<DatagramSocket>> open_datagram_socket(EventLoop& loop,
                                                             DatagramScratch& scratch,
                                                             const TransportAddress& local,
                                                             const DatagramOptions& options,
                                                             Network::OnDatagram on_datagram) {
  auto socket = open_socket(family_of(local.ip), SOCK_DGRAM);
  if (!socket) return tl::make_unexpected(socket.error());
  set_option(*socket, SOL_SOCKET, SO_RCVBUF, kReceiveBuffer);
  set_dscp(*socket, local.ip.is_v4(), options.dscp);
  ask_for_packet_info(*socket, local.ip.is_v4());
  // Otherwise Linux gives this socket what others on the host have joined, too.
  if (local.ip.is_v4())
    set_option(*socket, IPPROTO_IP, IP_MULTICAST_ALL, 0);
  else
    set_option(*socket, IPPROTO_IPV6, IPV6_MULTICAST_ALL, 0);
  // Signalling that is longer than the path allows is better fragmented than lost: no ICMP may come
  // back to tell (Table 1 of the specification lets none through).
  if (local.ip.is_v4()) set_option(*socket, IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_DONT);
  // Several programs of one host listen to a group; a port of one's own is never shared.
  if (local.ip.is_multicast()) set_option(*socket, SOL_SOCKET, SO_REUSEADDR, 1);
  if (const auto bound = bind_socket(*socket, local); !bound)
    return tl::make_unexpected(bound.error());
  for (const IpAddress& group : options.multicast_groups) {
    if (group.is_v4() != local.ip.is_v4() || !group.is_multicast())
      return fail(Errc::BadValue, "not a multicast group of the socket's address family");
    std::vector<IpAddress> interfaces = options.multicast_interfaces;
    std::erase_if(interfaces, [](const IpAddress& ip) { return !ip.is_v4(); });
    if (interfaces.empty() || !group.is_v4())
      interfaces = {local.ip.is_multicast() ? IpAddress::any_v4() : local.ip};
    for (const IpAddress& interface : interfaces)
      if (const auto joined = join(*socket, group, interface); !joined)
        return tl::make_unexpected(joined.error());
  }
  auto receiving =
      std::make_shared<Receiving>(loop, scratch, std::move(*socket), std::move(on_datagram));
  if (const auto started = receiving->start(); !started)
    return tl::make_unexpected(started.error());
  return std::make_unique<HostDatagramSocket>(std::move(receiving));
}

}  // namespace sallyport::net
