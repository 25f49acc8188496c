// How packets are marked on one side (DSCP, RFC 4594). Values.
#pragma once

#include "edge/edge.h"

namespace sallyport::adapter {

struct Marks {
  edge::Dscp signalling = edge::kDscpSignalling;
  edge::Dscp audio = edge::kDscpVoice;  // and fax
  edge::Dscp video = edge::kDscpVideo;
  edge::Dscp other = edge::kDscpVideo;  // presentation, camera control
};

}  // namespace sallyport::adapter
