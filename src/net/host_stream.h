// Byte streams of HostNetwork: TCP or Unix-domain, plain or TLS, dialled or accepted. Internal to
// net/.
#pragma once

#include <chrono>
#include <memory>
#include <string>

#include "net/event_loop.h"
#include "net/fd.h"
#include "net/network.h"

namespace sallyport::net {

// What all streams of one network share. Outlives them.
struct StreamSettings {
  EventLoop& loop;
  MutableBytes scratch;  // received octets pass through here, one stream at a time
  std::chrono::seconds user_timeout;
  int max_segment;  // TCP_MAXSEG, not towards this host itself; 0: the kernel's choice
};

std::unique_ptr<Stream> dial(StreamSettings& settings, const TransportAddress& remote,
                             const ConnectOptions& options, Stream::Handler handler);
std::unique_ptr<Stream> dial_unix(StreamSettings& settings, const std::string& path,
                                  Stream::Handler handler);
// An accepted socket. Nothing is read before it has a handler.
std::unique_ptr<Stream> adopt(StreamSettings& settings, Fd socket, const TransportAddress& remote);

// The options of every TCP socket; listeners set them too, since accepted sockets inherit them.
void set_tcp_options(const StreamSettings& settings, const Fd& socket, const IpAddress& address);

}  // namespace sallyport::net
