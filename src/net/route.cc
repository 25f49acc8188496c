#include "net/route.h"

#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "net/socket.h"

namespace sallyport::net {
namespace {

// A request for one route, as it is sent.
class Question {
 public:
  Question(const IpAddress& remote, const std::optional<IpAddress>& local) {
    header_.nlmsg_type = RTM_GETROUTE;
    header_.nlmsg_flags = NLM_F_REQUEST;
    route_.rtm_family = static_cast<unsigned char>(family_of(remote));
    route_.rtm_dst_len = static_cast<unsigned char>(remote.octets().size() * 8);
    add(RTA_DST, remote.octets());
    if (local && !local->is_unspecified()) {
      route_.rtm_src_len = static_cast<unsigned char>(local->octets().size() * 8);
      add(RTA_SRC, local->octets());
    }
  }
  Bytes octets() {
    header_.nlmsg_len = static_cast<std::uint32_t>(size_);
    std::memcpy(octets_.data(), &header_, sizeof header_);
    std::memcpy(octets_.data() + NLMSG_HDRLEN, &route_, sizeof route_);
    return Bytes{octets_}.first(size_);
  }

 private:
  void add(unsigned short type, Bytes value) {
    const rtattr header{.rta_len = static_cast<unsigned short>(RTA_LENGTH(value.size())),
                        .rta_type = type};
    std::memcpy(octets_.data() + size_, &header, sizeof header);
    std::memcpy(octets_.data() + size_ + RTA_LENGTH(0), value.data(), value.size());
    size_ += RTA_SPACE(value.size());
  }

  nlmsghdr header_{};
  rtmsg route_{};
  std::array<std::uint8_t, 128> octets_{};
  std::size_t size_ = NLMSG_SPACE(sizeof(rtmsg));
};

template <typename T>
T value_of(Bytes attribute) {
  T out{};
  std::memcpy(&out, attribute.data(), std::min(sizeof out, attribute.size()));
  return out;
}

// RTA_VIA: a gateway of the other family (RFC 5549).
Result<IpAddress> via_address(Bytes via) {
  if (via.size() < sizeof(rtvia)) return fail(Errc::Truncated, "RTA_VIA");
  return IpAddress::from_octets(via.subspan(sizeof(rtvia)));
}

Result<Route> parse_answer(Bytes message, const IpAddress& remote) {
  const auto header = value_of<nlmsghdr>(message);
  if (message.size() < NLMSG_SPACE(sizeof(rtmsg)) || header.nlmsg_type != RTM_NEWROUTE)
    return fail(Errc::Unreachable, "no route");
  const auto route = value_of<rtmsg>(message.subspan(NLMSG_HDRLEN));
  if (route.rtm_type != RTN_UNICAST) return fail(Errc::Unreachable, "no route out of this host");
  Route out{.device = 0, .local = {}, .next_hop = remote, .mtu = 0};
  message = message.subspan(NLMSG_SPACE(sizeof(rtmsg)));
  while (message.size() >= sizeof(rtattr)) {
    const auto attribute = value_of<rtattr>(message);
    if (attribute.rta_len < sizeof(rtattr) || attribute.rta_len > message.size()) break;
    const Bytes value = message.subspan(RTA_LENGTH(0), attribute.rta_len - RTA_LENGTH(0));
    Result<IpAddress> address = fail(Errc::BadValue, "no address");
    switch (attribute.rta_type) {
      case RTA_OIF:
        out.device = value_of<std::uint32_t>(value);
        break;
      case RTA_PREFSRC:
        if (address = IpAddress::from_octets(value); address) out.local = *address;
        break;
      case RTA_GATEWAY:
        if (address = IpAddress::from_octets(value); address) out.next_hop = *address;
        break;
      case RTA_VIA:
        if (address = via_address(value); address) out.next_hop = *address;
        break;
      default:
        break;
    }
    message = message.subspan(std::min<std::size_t>(message.size(), RTA_ALIGN(attribute.rta_len)));
  }
  return out;
}

Result<void> look_at_device(Route& route) {
  const auto socket = open_socket(AF_INET, SOCK_DGRAM);
  if (!socket) return tl::make_unexpected(socket.error());
  ifreq request{};
  if (::if_indextoname(route.device, request.ifr_name) == nullptr ||
      ::ioctl(socket->get(), SIOCGIFHWADDR, &request) != 0)
    return fail(Errc::Unreachable, "the route's device is gone");
  if (request.ifr_hwaddr.sa_family != ARPHRD_ETHER)
    return fail(Errc::Unsupported, "the route's device is no Ethernet");
  if (::ioctl(socket->get(), SIOCGIFMTU, &request) != 0)
    return tl::make_unexpected(system_error(errno));
  route.mtu = static_cast<unsigned>(request.ifr_mtu);
  return {};
}

}  // namespace

Result<Route> find_route(const IpAddress& remote, const std::optional<IpAddress>& local) {
  const Fd socket{::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE)};
  if (!socket) return tl::make_unexpected(system_error(errno));
  Question question{remote, local};
  const Bytes asked = question.octets();
  if (::send(socket.get(), asked.data(), asked.size(), 0) < 0)
    return tl::make_unexpected(system_error(errno));
  std::array<std::uint8_t, 4096> answer{};
  const ssize_t n = ::recv(socket.get(), answer.data(), answer.size(), 0);
  if (n < 0) return tl::make_unexpected(system_error(errno));
  auto route = parse_answer(Bytes{answer}.first(static_cast<std::size_t>(n)), remote);
  if (!route) return route;
  if (local && !local->is_unspecified()) route->local = *local;
  if (const auto looked = look_at_device(*route); !looked)
    return tl::make_unexpected(looked.error());
  return route;
}

}  // namespace sallyport::net
