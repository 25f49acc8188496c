#include "load/trunk_end.h"

#include "media/datagram_type.h"

namespace sallyport::bench {

void TrunkEnd::add(media::Channel channel, std::size_t stream) {
  streams_[channel] = stream;
  channels_[stream] = channel;
}

void TrunkEnd::remove(std::size_t stream) {
  const auto it = channels_.find(stream);
  if (it == channels_.end()) return;
  streams_.erase(it->second);
  channels_.erase(it);
}

Bytes TrunkEnd::wrap(std::size_t stream, MutableBytes packet) {
  const auto channel = channels_.find(stream);
  if (channel == channels_.end()) return {};
  const auto sealed = ring_.seal(channel->second, packet, Clock::now());
  return sealed ? Bytes{*sealed} : Bytes{};
}

bool TrunkEnd::unwrap(MutableBytes datagram, const Each& each) {
  if (datagram.empty() || !media::is_sealed(datagram.front())) return false;
  const auto header = media::parse_sealed_header(datagram);
  if (!header) return true;
  const auto opened = ring_.open(*header, datagram, Clock::now());
  if (opened.outcome != media::KeyRing::Outcome::Opened) return true;
  if (media::is_of_a_flow(header->channel)) {
    deliver(header->channel, opened.payload, each);
    return true;
  }
  media::RecordReader records{opened.payload};
  while (const auto record = records.next())
    if (record->form == media::Form::Packet) deliver(record->channel, record->body, each);
  return true;
}

void TrunkEnd::deliver(media::Channel channel, Bytes packet, const Each& each) const {
  if (const auto it = streams_.find(channel); it != streams_.end()) each(it->second, packet);
}

}  // namespace sallyport::bench
