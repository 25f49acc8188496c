// Features of H.460 that a terminal offers and we do not take: its ways through NATs (H.460.17,
// .18, .19, .23, .24), which need a partner in the gatekeeper. They are taken out of what crosses,
// so the terminal does without, as H.460.1 has it; what one cannot do without is refused.
#pragma once

#include "codec/per/message.h"

namespace sallyport::adapter::h323 {

// Does it say that it cannot do without one of them?
bool needs_declined_feature(const codec::per::Message& message);
void decline_features(codec::per::Message& message);

}  // namespace sallyport::adapter::h323
