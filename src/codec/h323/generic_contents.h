// Generic data (H.225.0 GenericData, H.245 GenericMessage) carries octets of which only its
// identifiers tell what they are. This knows those of H.460.x that hold an encoding, and opens
// them, so that a walk over the message comes to what is in them. Used by decode() in messages.h.
#pragma once

#include "codec/per/message.h"

namespace sallyport::codec::h323 {

// Octets that are something else than their identifiers say stay as they are.
void open_generic_contents(per::Message& message, const per::Limits& limits);

}  // namespace sallyport::codec::h323
