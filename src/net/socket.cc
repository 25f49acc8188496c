#include "net/socket.h"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <net/if.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace sallyport::net {

SocketAddress::SocketAddress(const TransportAddress& address) : v6{} {
  const Bytes octets = address.ip.octets();
  if (address.ip.is_v4()) {
    v4.sin_family = AF_INET;
    v4.sin_port = htons(address.port);
    std::copy(octets.begin(), octets.end(), reinterpret_cast<std::uint8_t*>(&v4.sin_addr));
    size = sizeof v4;
  } else {
    v6.sin6_family = AF_INET6;
    v6.sin6_port = htons(address.port);
    std::copy(octets.begin(), octets.end(), reinterpret_cast<std::uint8_t*>(&v6.sin6_addr));
    size = sizeof v6;
  }
}

IpAddress to_ip_address(const in_addr& address) {
  std::array<std::uint8_t, 4> octets{};
  std::memcpy(octets.data(), &address, octets.size());
  return IpAddress::v4(octets);
}

IpAddress to_ip_address(const in6_addr& address) {
  std::array<std::uint8_t, 16> octets{};
  std::memcpy(octets.data(), &address, octets.size());
  return IpAddress::v6(octets);
}

TransportAddress to_transport_address(const sockaddr* address) {
  if (address->sa_family == AF_INET) {
    const auto* v4 = reinterpret_cast<const sockaddr_in*>(address);
    return {.ip = to_ip_address(v4->sin_addr), .port = ntohs(v4->sin_port)};
  }
  if (address->sa_family == AF_INET6) {
    const auto* v6 = reinterpret_cast<const sockaddr_in6*>(address);
    return {.ip = to_ip_address(v6->sin6_addr), .port = ntohs(v6->sin6_port)};
  }
  return {};
}

Result<Fd> open_socket(int family, int type) {
  Fd socket{::socket(family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)};
  if (!socket) return tl::make_unexpected(system_error(errno));
  if (family == AF_INET6) set_option(socket, IPPROTO_IPV6, IPV6_V6ONLY, 1);
  return socket;
}

Result<void> bind_socket(const Fd& socket, const TransportAddress& local) {
  const SocketAddress address{local};
  if (::bind(socket.get(), &address.any, address.size) != 0)
    return tl::make_unexpected(system_error(errno));
  return {};
}

void set_option(const Fd& socket, int level, int name, int value) {
  ::setsockopt(socket.get(), level, name, &value, sizeof value);
}

void set_dscp(const Fd& socket, bool v4, std::uint8_t dscp) {
  const int traffic_class = (dscp & 0x3f) << 2;
  if (v4)
    set_option(socket, IPPROTO_IP, IP_TOS, traffic_class);
  else
    set_option(socket, IPPROTO_IPV6, IPV6_TCLASS, traffic_class);
}

TransportAddress local_address(const Fd& socket) {
  SocketAddress address;
  address.size = sizeof address.v6;
  if (::getsockname(socket.get(), &address.any, &address.size) != 0) return {};
  return to_transport_address(&address.any);
}

TransportAddress remote_address(const Fd& socket) {
  SocketAddress address;
  address.size = sizeof address.v6;
  if (::getpeername(socket.get(), &address.any, &address.size) != 0) return {};
  return to_transport_address(&address.any);
}

Result<IpAddress> find_local_address(const IpAddress& remote) {
  auto socket = open_socket(family_of(remote), SOCK_DGRAM);
  if (!socket) return tl::make_unexpected(socket.error());
  // Connecting a datagram socket sends nothing; it only asks the routing table. Any port will do.
  const SocketAddress address{{.ip = remote, .port = 9}};
  if (::connect(socket->get(), &address.any, address.size) != 0)
    return fail(Errc::Unreachable, "no route");
  return local_address(*socket).ip;
}

std::vector<IpAddress> host_addresses() {
  ifaddrs* found = nullptr;
  if (::getifaddrs(&found) != 0) return {};
  std::vector<IpAddress> out;
  for (const ifaddrs* it = found; it != nullptr; it = it->ifa_next) {
    if (it->ifa_addr == nullptr || (it->ifa_flags & IFF_UP) == 0) continue;
    const IpAddress address = to_transport_address(it->ifa_addr).ip;
    if (!address.is_unspecified() && !address.is_loopback() && !address.is_link_local())
      out.push_back(address);
  }
  ::freeifaddrs(found);
  return out;
}

Error system_error(int error_number) {
  switch (error_number) {
    case ECONNREFUSED:
      return {.code = Errc::Unreachable, .what = "connection refused"};
    case EHOSTUNREACH:
      return {.code = Errc::Unreachable, .what = "host unreachable"};
    case ENETUNREACH:
      return {.code = Errc::Unreachable, .what = "network unreachable"};
    case ETIMEDOUT:
      return {.code = Errc::Unreachable, .what = "timed out"};
    case ECONNRESET:
      return {.code = Errc::Closed, .what = "connection reset"};
    case EPIPE:
      return {.code = Errc::Closed, .what = "connection closed by the far end"};
    case EADDRINUSE:
      return {.code = Errc::Exhausted, .what = "address in use"};
    case EADDRNOTAVAIL:
      return {.code = Errc::System, .what = "not an address of this host"};
    case EACCES:
    case EPERM:
      return {.code = Errc::NotPermitted, .what = "not permitted by the operating system"};
    case EMFILE:
    case ENFILE:
      return {.code = Errc::Exhausted, .what = "no more file descriptors"};
    case ENOBUFS:
    case ENOMEM:
      return {.code = Errc::Exhausted, .what = "no more memory for sockets"};
    case ENOENT:
      return {.code = Errc::NotFound, .what = "no such file"};
    case EAFNOSUPPORT:
      return {.code = Errc::Unsupported, .what = "address family not supported by this host"};
    default:
      return {.code = Errc::System,
              .what = ::strerrordesc_np(error_number) != nullptr ? ::strerrordesc_np(error_number)
                                                                 : "unknown system error"};
  }
}

}  // namespace sallyport::net
