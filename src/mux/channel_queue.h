// What waits in one logical channel to be committed to the session: octets, or whole datagrams that
// expire while they wait. Owned by Multiplex, one for each channel.
#pragma once

#include <cstddef>
#include <list>

#include "base/bytes.h"
#include "base/time.h"
#include "mux/byte_queue.h"

namespace sallyport::mux {

class ChannelQueue {
 public:
  std::size_t size() const { return octets_.size() + waiting_; }
  bool empty() const { return size() == 0; }

  void push(Bytes octets) { octets_.push(octets); }
  // `framed`: with its header. Goes after every octet and datagram pushed before.
  void push_datagram(Buffer framed, TimePoint expires);

  // What is next, contiguous: the octets pushed, or what is left of a datagram once begun.
  Bytes front();
  void pop(std::size_t n) { octets_.pop(n); }

  // Drops datagrams that are due and not begun; how many.
  std::size_t expire(TimePoint now);
  // Drops the oldest datagrams not begun until at most `limit` octets wait; how many.
  std::size_t shrink(std::size_t limit);

 private:
  struct Datagram {
    Buffer framed;
    TimePoint expires;
  };
  void drop_first();

  ByteQueue octets_;
  std::list<Datagram> datagrams_;
  std::size_t waiting_ = 0;  // octets in datagrams_
};

}  // namespace sallyport::mux
