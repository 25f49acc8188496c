#include "edge/media_stream.h"

#include <algorithm>
#include <utility>

namespace sallyport::edge {

IpAddress loopback_beside(const IpAddress& ip) {
  return ip.is_v4() ? IpAddress::v4({127, 0, 0, 1}) : *IpAddress::parse("::1");
}

Result<std::unique_ptr<MediaStream>> MediaStream::open(
    net::Network& network, std::unique_ptr<net::Stream> stream, const Settings& settings,
    std::function<void(const Error&)> on_closed) {
  std::unique_ptr<MediaStream> out{
      new MediaStream(network, std::move(stream), settings, std::move(on_closed))};
  auto socket = network.open_datagrams(
      {.ip = settings.local, .port = 0}, {},
      [made = out.get()](const TransportAddress& source, const IpAddress& /*local*/,
                         Bytes datagram) { made->on_datagram(source, datagram); });
  if (!socket) return tl::make_unexpected(socket.error());
  out->socket_ = std::move(*socket);
  out->stream_->set_dscp(settings.dscp);
  return out;
}

MediaStream::MediaStream(net::Network& network, std::unique_ptr<net::Stream> stream,
                         const Settings& settings, std::function<void(const Error&)> on_closed)
    : network_(network),
      settings_(settings),
      on_closed_(std::move(on_closed)),
      stream_(std::move(stream)) {
  net::Stream::Handler handler;
  handler.on_received = [this](Bytes octets) { on_received(octets); };
  handler.on_drained = [this] { on_drained(); };
  handler.on_half_closed = [this] { close({Errc::Closed, "the far end has closed it"}); };
  handler.on_closed = [this](const Error& why) { close(why); };
  stream_->set_handler(std::move(handler));
}

void MediaStream::on_datagram(const TransportAddress& source, Bytes datagram) {
  if (!settings_.media && settings_.is_media(datagram)) settings_.media = source;
  if (!settings_.media || source != *settings_.media || datagram.empty() ||
      datagram.size() > kLongestFrame)
    return;
  const TimePoint now = network_.now();
  for (; !waiting_.empty() && now - waiting_.front_since() > settings_.longest_wait; waiting_.pop())
    ++counts_.late;
  counts_.late += waiting_.push(datagram, now);
  if (stream_->queued() == 0) on_drained();
}

// The connection takes more: once it is encrypted a packet cannot be dropped any more, so no more
// is given than what goes to the kernel at once.
void MediaStream::on_drained() {
  const TimePoint now = network_.now();
  for (; !waiting_.empty() && stream_->queued() == 0; waiting_.pop()) {
    if (now - waiting_.front_since() > settings_.longest_wait) {
      ++counts_.late;
      continue;
    }
    ++counts_.out;
    stream_->send(waiting_.front());
  }
}

void MediaStream::on_received(Bytes octets) {
  const bool sound = reader_.feed(octets, [this](Bytes datagram) {
    ++counts_.in;
    // Before the media thread has spoken nobody waits for anything.
    if (settings_.media) socket_->send(settings_.local, *settings_.media, datagram);
  });
  if (!sound) close({Errc::BadValue, "what comes on the media stream is no datagram"});
}

// The last thing in each handler: the owner destroys it in here.
void MediaStream::close(const Error& why) {
  waiting_.clear();
  if (const auto on_closed = std::exchange(on_closed_, {})) on_closed(why);
}

}  // namespace sallyport::edge
