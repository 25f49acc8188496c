// One TLS connection as the session sees it: octets go out here; what comes in, and its end, are
// told to the Multiplex that the link is attached to (on_received, on_drained, on_broken).
// StreamLink (stream_link.h) puts one on a net::Stream; tests have their own.
#pragma once

#include <cstddef>
#include <string_view>

#include "base/bytes.h"

namespace sallyport::mux {

class Link {
 public:
  Link() = default;
  Link(const Link&) = delete;
  Link& operator=(const Link&) = delete;
  virtual ~Link() = default;  // closes at once

  virtual void send(Bytes octets) = 0;     // all of them are taken
  virtual std::size_t queued() const = 0;  // octets not yet handed to the kernel
  virtual void close() = 0;                // after what is queued; nothing is told any more
  // TLS exporter (RFC 8446 section 7.5) of this connection; false where there is none.
  virtual bool export_key(std::string_view label, Bytes context, MutableBytes out) const = 0;
};

}  // namespace sallyport::mux
