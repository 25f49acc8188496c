// The media plane as an edge sees it: commands about media ends that take effect in order, and
// events that come back. The real one runs a Relay on a thread of its own (edge/media_thread.h), a
// simulation runs the same Relay in virtual time. Ids are the plane's: several edges can share one.
#pragma once

#include <functional>
#include <vector>

#include "base/result.h"
#include "media/key_ring.h"
#include "media/media.h"

namespace sallyport::media {

// Where a port's sockets may lie. Ports in the range are handed out at random; a closed port rests
// (quarantine) before it is used again, so that a late packet of an old call is not heard in a new
// one.
struct PortRange {
  std::uint16_t first = 30000;
  std::uint16_t last = 39999;
};

struct OpenedPort {
  MediaId id;
  std::vector<TransportAddress> addresses;  // RTP, RTCP
};

class Plane {
 public:
  using OnEvent = std::function<void(MediaId, const Event&)>;
  using OnCounts = std::function<void(const Counts&)>;

  Plane() = default;
  Plane(const Plane&) = delete;
  Plane& operator=(const Plane&) = delete;
  virtual ~Plane() = default;

  // Exhausted when the range has no free port (or pair) on that address; System when the address is
  // not this host's.
  virtual Result<OpenedPort> open_port(const PortSpec& spec, OnEvent on_event) = 0;
  // Exhausted, or BadValue when an awaiting flow's token is already in use, or a tagged one's trunk
  // is not there or its channel in use.
  virtual Result<MediaId> open_flow(const FlowSpec& spec, OnEvent on_event) = 0;
  // Errors as open_flow's; System when the fixed port for trunks is not to be had.
  virtual Result<MediaId> open_trunk(const TrunkSpec& spec, OnEvent on_event) = 0;
  // The keys of one more TLS connection of that agent's multiplex (or of this agent's). They come
  // from the session, and are nobody else's business.
  virtual void install_keys(KeyRingId, const KeysOfConnection& keys) = 0;
  virtual void forget_keys(KeyRingId) = 0;
  virtual void set_remote(MediaId, const RemoteSpec& remote) = 0;
  virtual void join(MediaId, MediaId) = 0;
  virtual void leave(MediaId) = 0;
  virtual void replace(MediaId old, MediaId by, ReplaceStep step) = 0;  // media/relay.h
  virtual void probe(MediaId) = 0;
  virtual void close(MediaId) = 0;  // no event of that id comes after this returns
  virtual void count(MediaId, OnCounts on_counts) = 0;
};

}  // namespace sallyport::media
