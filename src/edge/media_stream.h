// The stream carriage: an agent's trunk over a TLS connection of its own, where UDP does not pass.
// To the media threads of both sides it is a neighbour that they speak to by UDP on this host: what
// the agent's sends to local() comes out of the connection at the server, goes to the server's X
// from there, and the other way. So a trunk moves between UDP and a stream as it moves between two
// NAT mappings, by a probe, and no relay knows the difference.
//
// What has waited for `longest_wait` because the connection is slow is dropped, the oldest first:
// late media is worth nothing, and makes what follows late. Nothing is queued behind it in the
// kernel for long (TCP_NOTSENT_LOWAT). One thread, the network's.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>

#include "base/bytes.h"
#include "base/result.h"
#include "base/time.h"
#include "base/transport_address.h"
#include "edge/frame_queue.h"
#include "edge/media_frames.h"
#include "net/network.h"

namespace sallyport::edge {

// ALPN of these connections.
constexpr std::string_view kMediaAlpn = "sallyport-media/1";

// The loopback address of that one's family: where a media thread of this host can be spoken to.
IpAddress loopback_beside(const IpAddress& ip);

class MediaStream {
 public:
  struct Settings {
    // Of this host, where the media thread reaches it: a loopback address mostly.
    IpAddress local;
    // Where the media thread is: the server's X. None (agent): from where the first datagram comes
    // that `is_media` takes for the media thread's; others on this host may speak to local(), too.
    std::optional<TransportAddress> media;
    std::function<bool(Bytes)> is_media;
    Duration longest_wait = milliseconds{80};
    std::uint8_t dscp = 46;  // of the whole connection: what travels in it cannot have its own
  };
  struct Counts {
    std::uint64_t in = 0;    // from the connection
    std::uint64_t out = 0;   // into it
    std::uint64_t late = 0;  // had waited too long

    Counts& operator+=(const Counts& more) {
      in += more.in;
      out += more.out;
      late += more.late;
      return *this;
    }
  };

  // Owns the stream, whose TLS is done. `on_closed` is called once, when the connection has ended
  // or the far end spoke something else; destroy it then, from inside too. Errors as
  // Network::open_datagrams.
  static Result<std::unique_ptr<MediaStream>> open(net::Network& network,
                                                   std::unique_ptr<net::Stream> stream,
                                                   const Settings& settings,
                                                   std::function<void(const Error&)> on_closed);
  MediaStream(const MediaStream&) = delete;
  MediaStream& operator=(const MediaStream&) = delete;
  ~MediaStream() = default;

  TransportAddress local() const { return socket_->local(); }
  TransportAddress remote() const { return stream_->remote(); }
  const Counts& counts() const { return counts_; }

 private:
  MediaStream(net::Network& network, std::unique_ptr<net::Stream> stream, const Settings& settings,
              std::function<void(const Error&)> on_closed);
  void on_datagram(const TransportAddress& source, Bytes datagram);
  void on_drained();
  void on_received(Bytes octets);
  void close(const Error& why);

  net::Network& network_;
  Settings settings_;
  std::function<void(const Error&)> on_closed_;
  std::unique_ptr<net::Stream> stream_;
  std::unique_ptr<net::DatagramSocket> socket_;
  FrameQueue waiting_;
  MediaFrameReader reader_;
  Counts counts_;
};

}  // namespace sallyport::edge
