// The bound carriage: one agent socket for each component, packets told apart by their source, and
// nothing added to them. Other carriages stand beside this one: each turns a terminal's datagram
// into what travels on a flow and back, and the relay's ports and joins know none of them.
#pragma once

#include "base/bytes.h"
#include "base/result.h"
#include "media/datagram_type.h"
#include "media/escape.h"

namespace sallyport::media {

struct BoundCarriage {
  // What to put before a datagram at most; the relay's kHeadroom has room for it.
  static constexpr std::size_t kOverhead = kEscapeHeader;

  // `datagram` is not empty and has kOverhead writable octets before it.
  static MutableBytes wrap(MutableBytes datagram) {
    return is_ours(datagram.front()) ? escape(datagram) : datagram;
  }
  // How many octets of what wrap() made are the terminal's.
  static std::size_t inner_size(Bytes wrapped) {
    return is_ours(wrapped.front()) ? wrapped.size() - kEscapeHeader : wrapped.size();
  }
  // `received` is not empty, and if it is_ours() it is of type Tagged.
  static Result<MutableBytes> unwrap(MutableBytes received) {
    if (!is_ours(received.front())) return received;
    return unescape(received);
  }
};

}  // namespace sallyport::media
