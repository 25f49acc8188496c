// Transport addresses in H.323's messages, wherever they hide: found by their types in a walk over
// the whole tree, not by a list of places.
#pragma once

#include <optional>

#include "base/transport_address.h"
#include "codec/h323/h225.schema.h"
#include "codec/h323/h245.schema.h"
#include "codec/per/message.h"

namespace sallyport::codec::h323 {

// Whether the node is a transport address by its type, whatever kind of network it is of:
// h225::TransportAddress, h245::UnicastAddress or h245::MulticastAddress.
inline bool is_address(per::Node node) {
  const per::Type* type = &node.type();
  return type == h225::TransportAddress::kSchema || type == h245::UnicastAddress::kSchema ||
         type == h245::MulticastAddress::kSchema;
}

// The IP address and port of such a node, or of an h245::TransportAddress. Nothing for other
// networks than IP, and for an absent node. Of a source route, where it leads to.
std::optional<TransportAddress> address(per::Node node);

// Makes the node, of a type as above, this address. In place if it was an address of the same
// family; a source route becomes a plain address.
void set_address(per::NodeEdit node, const TransportAddress& address);

// Calls `on_address(node)` for every node of which is_address() is true. It may set the address,
// and take away nodes.
template <typename OnAddress>
void for_each_address(const per::Message& message, OnAddress on_address) {
  for (const per::Node node : message.walk())
    if (is_address(node)) on_address(node);
}

}  // namespace sallyport::codec::h323
