#include "net/packet_info.h"

#include <netinet/udp.h>

#include <cstring>

#include "net/socket.h"

namespace sallyport::net {

void ask_for_packet_info(const Fd& socket, bool v4) {
  if (v4)
    set_option(socket, IPPROTO_IP, IP_PKTINFO, 1);
  else
    set_option(socket, IPPROTO_IPV6, IPV6_RECVPKTINFO, 1);
}

void ask_for_traffic_class(const Fd& socket, bool v4) {
  if (v4)
    set_option(socket, IPPROTO_IP, IP_RECVTOS, 1);
  else
    set_option(socket, IPPROTO_IPV6, IPV6_RECVTCLASS, 1);
}

void PacketInfo::receive_into(msghdr& message) {
  message.msg_control = room_.data();
  message.msg_controllen = room_.size();
}

cmsghdr* PacketInfo::append(msghdr& message, int level, int type, std::size_t size) {
  const std::size_t used = message.msg_control == nullptr ? 0 : message.msg_controllen;
  message.msg_control = room_.data();
  message.msg_controllen = used + CMSG_SPACE(size);
  auto* header = reinterpret_cast<cmsghdr*>(room_.data() + used);
  std::memset(header, 0, CMSG_SPACE(size));
  header->cmsg_level = level;
  header->cmsg_type = type;
  header->cmsg_len = CMSG_LEN(size);
  return header;
}

void PacketInfo::set_source(msghdr& message, const IpAddress& from) {
  const SocketAddress address{{.ip = from, .port = 0}};
  if (from.is_v4()) {
    in_pktinfo info{};
    info.ipi_spec_dst = address.v4.sin_addr;
    std::memcpy(CMSG_DATA(append(message, IPPROTO_IP, IP_PKTINFO, sizeof info)), &info,
                sizeof info);
  } else {
    in6_pktinfo info{};
    info.ipi6_addr = address.v6.sin6_addr;
    std::memcpy(CMSG_DATA(append(message, IPPROTO_IPV6, IPV6_PKTINFO, sizeof info)), &info,
                sizeof info);
  }
}

void PacketInfo::set_traffic_class(msghdr& message, bool v4, TrafficClass as) {
  const int traffic_class = as.octet();
  cmsghdr* header = v4 ? append(message, IPPROTO_IP, IP_TOS, sizeof traffic_class)
                       : append(message, IPPROTO_IPV6, IPV6_TCLASS, sizeof traffic_class);
  std::memcpy(CMSG_DATA(header), &traffic_class, sizeof traffic_class);
}

void PacketInfo::set_segment(msghdr& message, std::uint16_t octets) {
  std::memcpy(CMSG_DATA(append(message, IPPROTO_UDP, UDP_SEGMENT, sizeof octets)), &octets,
              sizeof octets);
}

std::optional<IpAddress> destination_of(const msghdr& message) {
  // CMSG_NXTHDR of glibc wants a msghdr that is not const, and does not change it.
  auto* from = const_cast<msghdr*>(&message);
  for (cmsghdr* header = CMSG_FIRSTHDR(from); header != nullptr;
       header = CMSG_NXTHDR(from, header)) {
    if (header->cmsg_level == IPPROTO_IP && header->cmsg_type == IP_PKTINFO) {
      in_pktinfo info{};
      std::memcpy(&info, CMSG_DATA(header), sizeof info);
      // Not ipi_addr: of a multicast datagram that is the group, which nobody can answer from.
      return to_ip_address(info.ipi_spec_dst);
    }
    if (header->cmsg_level == IPPROTO_IPV6 && header->cmsg_type == IPV6_PKTINFO) {
      in6_pktinfo info{};
      std::memcpy(&info, CMSG_DATA(header), sizeof info);
      const IpAddress to = to_ip_address(info.ipi6_addr);
      return to.is_multicast() ? IpAddress::any_v6() : to;
    }
  }
  return std::nullopt;
}

Ecn ecn_of(const msghdr& message) {
  auto* from = const_cast<msghdr*>(&message);
  for (cmsghdr* header = CMSG_FIRSTHDR(from); header != nullptr;
       header = CMSG_NXTHDR(from, header)) {
    // IPv4 tells one octet, IPv6 an int.
    if (header->cmsg_level == IPPROTO_IP && header->cmsg_type == IP_TOS)
      return sallyport::ecn_of(*CMSG_DATA(header));
    if (header->cmsg_level != IPPROTO_IPV6 || header->cmsg_type != IPV6_TCLASS) continue;
    int traffic_class = 0;
    std::memcpy(&traffic_class, CMSG_DATA(header), sizeof traffic_class);
    return sallyport::ecn_of(static_cast<std::uint8_t>(traffic_class));
  }
  return Ecn::NotCapable;
}

std::size_t segment_of(const msghdr& message) {
  auto* from = const_cast<msghdr*>(&message);
  for (cmsghdr* header = CMSG_FIRSTHDR(from); header != nullptr;
       header = CMSG_NXTHDR(from, header)) {
    if (header->cmsg_level != IPPROTO_UDP || header->cmsg_type != UDP_GRO) continue;
    int octets = 0;
    std::memcpy(&octets, CMSG_DATA(header), sizeof octets);
    return octets > 0 ? static_cast<std::size_t>(octets) : 0;
  }
  return 0;
}

}  // namespace sallyport::net
