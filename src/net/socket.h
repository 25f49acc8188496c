// The few things that every socket here has in common: addresses to and from the kernel's form, and
// options. Plain system calls, no loop.
#pragma once

#include <netinet/in.h>
#include <sys/socket.h>

#include <cstdint>
#include <vector>

#include "base/result.h"
#include "base/transport_address.h"
#include "net/fd.h"

namespace sallyport::net {

struct SocketAddress {
  union {
    sockaddr any;
    sockaddr_in v4;
    sockaddr_in6 v6;
  };
  socklen_t size = 0;

  SocketAddress() : v6{} {}
  explicit SocketAddress(const TransportAddress& address);
};

// AF_INET or AF_INET6; anything else is the default value.
TransportAddress to_transport_address(const sockaddr* address);
IpAddress to_ip_address(const in_addr& address);
IpAddress to_ip_address(const in6_addr& address);

inline int family_of(const IpAddress& address) { return address.is_v4() ? AF_INET : AF_INET6; }

// Non-blocking, close-on-exec; IPv6 sockets carry IPv6 only, so that no IPv4 address ever appears
// in its mapped form. `type` SOCK_STREAM or SOCK_DGRAM. Exhausted at the descriptor limit.
Result<Fd> open_socket(int family, int type);

// System when the address is not this host's, Exhausted when it is in use.
Result<void> bind_socket(const Fd& socket, const TransportAddress& local);

void set_option(const Fd& socket, int level, int name, int value);  // best effort
// 0 to 63; the ECN bits stay the kernel's.
void set_dscp(const Fd& socket, bool v4, std::uint8_t dscp);

TransportAddress local_address(const Fd& socket);
TransportAddress remote_address(const Fd& socket);

// The local address from which `remote` is reached by this host's routes. Unreachable if none.
Result<IpAddress> find_local_address(const IpAddress& remote);
// This host's own, without loopback and link-local ones.
std::vector<IpAddress> host_addresses();

// Why a system call failed, as a literal for Error::what.
Error system_error(int error_number);

}  // namespace sallyport::net
