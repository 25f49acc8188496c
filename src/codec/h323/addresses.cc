#include "codec/h323/addresses.h"

#include <algorithm>

namespace sallyport::codec::h323 {
namespace {

std::optional<TransportAddress> ip_and_port(per::Node ip, per::Node port) {
  const auto read = IpAddress::from_octets(ip.octets());
  if (!read || port.is_absent()) return std::nullopt;
  return TransportAddress{*read, static_cast<std::uint16_t>(port.integer())};
}

template <typename Edit, typename Ip, typename Port>
void set_ip_and_port(Edit node, Ip ip, Port port, const TransportAddress& address) {
  node[ip].set_octets(address.ip.octets());
  node[port].set(address.port);
}

std::optional<TransportAddress> address(per::View<h225::TransportAddress> node) {
  using Address = h225::TransportAddress;
  if (const auto v4 = node[Address::kIpAddress])
    return ip_and_port(v4[Address::IpAddress::kIp], v4[Address::IpAddress::kPort]);
  if (const auto route = node[Address::kIpSourceRoute])
    return ip_and_port(route[Address::IpSourceRoute::kIp], route[Address::IpSourceRoute::kPort]);
  const auto v6 = node[Address::kIp6Address];
  return ip_and_port(v6[Address::Ip6Address::kIp], v6[Address::Ip6Address::kPort]);
}

std::optional<TransportAddress> address(per::View<h245::UnicastAddress> node) {
  using Address = h245::UnicastAddress;
  if (const auto v4 = node[Address::kIPAddress])
    return ip_and_port(v4[Address::IPAddress::kNetwork], v4[Address::IPAddress::kTsapIdentifier]);
  if (const auto route = node[Address::kIPSourceRouteAddress])
    return ip_and_port(route[Address::IPSourceRouteAddress::kNetwork],
                       route[Address::IPSourceRouteAddress::kTsapIdentifier]);
  const auto v6 = node[Address::kIP6Address];
  return ip_and_port(v6[Address::IP6Address::kNetwork], v6[Address::IP6Address::kTsapIdentifier]);
}

std::optional<TransportAddress> address(per::View<h245::MulticastAddress> node) {
  using Address = h245::MulticastAddress;
  if (const auto v4 = node[Address::kIPAddress])
    return ip_and_port(v4[Address::IPAddress::kNetwork], v4[Address::IPAddress::kTsapIdentifier]);
  const auto v6 = node[Address::kIP6Address];
  return ip_and_port(v6[Address::IP6Address::kNetwork], v6[Address::IP6Address::kTsapIdentifier]);
}

// H.245's two kinds have the same names for the same things.
template <typename Address>
void set_control_address(per::Edit<Address> node, const TransportAddress& address) {
  if (address.ip.is_v4()) {
    set_ip_and_port(node[Address::kIPAddress], Address::IPAddress::kNetwork,
                    Address::IPAddress::kTsapIdentifier, address);
  } else {
    set_ip_and_port(node[Address::kIP6Address], Address::IP6Address::kNetwork,
                    Address::IP6Address::kTsapIdentifier, address);
  }
}

}  // namespace

std::optional<TransportAddress> address(per::Node node) {
  if (node.is<h245::TransportAddress>()) node = node.chosen();
  if (const auto ras = node.as<h225::TransportAddress>()) return address(ras);
  if (const auto unicast = node.as<h245::UnicastAddress>()) return address(unicast);
  return address(node.as<h245::MulticastAddress>());
}

void set_address(per::NodeEdit node, const TransportAddress& address) {
  const per::Type& type = node.node().type();
  if (&type == h245::TransportAddress::kSchema) {
    per::Edit<h245::TransportAddress> either{node};
    if (address.ip.is_multicast()) {
      set_control_address(either[h245::TransportAddress::kMulticastAddress], address);
    } else {
      set_control_address(either[h245::TransportAddress::kUnicastAddress], address);
    }
  } else if (&type == h245::UnicastAddress::kSchema) {
    set_control_address(per::Edit<h245::UnicastAddress>{node}, address);
  } else if (&type == h245::MulticastAddress::kSchema) {
    set_control_address(per::Edit<h245::MulticastAddress>{node}, address);
  } else if (&type == h225::TransportAddress::kSchema) {
    using Address = h225::TransportAddress;
    per::Edit<Address> ras{node};
    if (address.ip.is_v4()) {
      set_ip_and_port(ras[Address::kIpAddress], Address::IpAddress::kIp, Address::IpAddress::kPort,
                      address);
    } else {
      set_ip_and_port(ras[Address::kIp6Address], Address::Ip6Address::kIp,
                      Address::Ip6Address::kPort, address);
    }
  }
}

}  // namespace sallyport::codec::h323
