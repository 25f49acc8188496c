// IP_PKTINFO and IPV6_PKTINFO both ways: to which of the host's addresses a datagram was sent, and
// from which one leaves; beside it the traffic class of one datagram: on a socket that many flows
// share each has its own. Internal to net/.
#pragma once

#include <netinet/in.h>
#include <sys/socket.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "base/traffic_class.h"
#include "base/transport_address.h"
#include "net/fd.h"

namespace sallyport::net {

// Asks the kernel to tell the destination of what this socket receives.
void ask_for_packet_info(const Fd& socket, bool v4);
// The same for their traffic class.
void ask_for_traffic_class(const Fd& socket, bool v4);

// The ancillary data of one message. Lies still while the message is sent or received.
class PacketInfo {
 public:
  void receive_into(msghdr& message);
  // At most once each for a message.
  void set_source(msghdr& message, const IpAddress& from);
  void set_traffic_class(msghdr& message, bool v4, TrafficClass as);
  // The message is cut into datagrams of so many octets, the last one perhaps shorter
  // (UDP_SEGMENT).
  void set_segment(msghdr& message, std::uint16_t octets);

 private:
  cmsghdr* append(msghdr& message, int level, int type, std::size_t size);

  alignas(cmsghdr) std::array<std::byte, CMSG_SPACE(sizeof(in6_pktinfo)) + CMSG_SPACE(sizeof(int)) +
                                             CMSG_SPACE(sizeof(std::uint16_t))> room_{};
};

// The local address that a received datagram was sent to, which is the one to answer from; for a
// group's datagram that of the interface (IPv4), or unspecified. Nothing if the kernel did not say.
std::optional<IpAddress> destination_of(const msghdr& message);

// What the networks on its way have left of a received message's ECN. Of several datagrams that the
// kernel has put together it is that of each: it puts together what has one traffic class.
Ecn ecn_of(const msghdr& message);

// Of how many octets the datagrams are that the kernel has put together in a received message
// (UDP_GRO), the last one perhaps shorter; 0: it is one datagram.
std::size_t segment_of(const msghdr& message);

}  // namespace sallyport::net
