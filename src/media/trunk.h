// One end of a trunk: one agent media socket and what goes over it to one server port, which is one
// NAT mapping. It is opened, bound, kept alive and moved as a flow with one component is, and it is
// such a flow's end; this is what it has beside: what is being put together to go out, and how
// large that may be. Used by Relay, on its thread.
#pragma once

#include <cstdint>

#include "media/bundle.h"
#include "media/key_ring.h"
#include "media/media.h"
#include "media/path_mtu.h"

namespace sallyport::media {

struct Trunk {
  Trunk(std::uint32_t of, const TrunkSpec& as) : end(of), spec(as) {}

  // What a datagram's payload may have.
  std::size_t limit() const {
    return path.size() - (spec.sealed ? kSealedHeader + kSealTag : kPlainHeader);
  }

  std::uint32_t end;  // of the flow that it is, in the relay
  TrunkSpec spec;
  KeyRing* ring = nullptr;  // of a sealed one, when there are keys; the relay's
  Bundle bundle;
  std::size_t channels = 0;  // in use
  std::size_t packets = 0;   // in the bundle: counted as relayed already
  PathMtu path;
};

}  // namespace sallyport::media
