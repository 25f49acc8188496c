#include "mux/channel_queue.h"

#include <utility>

namespace sallyport::mux {

void ChannelQueue::push_datagram(Buffer framed, TimePoint expires) {
  waiting_ += framed.size();
  datagrams_.push_back(Datagram{.framed = std::move(framed), .expires = expires});
}

Bytes ChannelQueue::front() {
  if (octets_.empty() && !datagrams_.empty()) {
    octets_.push(datagrams_.front().framed);
    drop_first();
  }
  return octets_.view();
}

std::size_t ChannelQueue::expire(TimePoint now) {
  std::size_t dropped = 0;
  for (; !datagrams_.empty() && datagrams_.front().expires <= now; ++dropped) drop_first();
  return dropped;
}

std::size_t ChannelQueue::shrink(std::size_t limit) {
  std::size_t dropped = 0;
  for (; size() > limit && !datagrams_.empty(); ++dropped) drop_first();
  return dropped;
}

void ChannelQueue::drop_first() {
  waiting_ -= datagrams_.front().framed.size();
  datagrams_.pop_front();
}

}  // namespace sallyport::mux
