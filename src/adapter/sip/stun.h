// The one STUN exchange that SIP ports see: a Binding request as a keepalive (RFC 5626
// section 3.5.2, RFC 8489), answered with the source address that it came from. Values; no I/O.
#pragma once

#include <optional>

#include "base/bytes.h"
#include "base/transport_address.h"

namespace sallyport::adapter::sip {

// True for what begins like a STUN message (RFC 8489 section 5: two zero bits, the magic cookie).
bool is_stun(Bytes datagram);
// The success response to a Binding request; nothing for any other STUN message.
std::optional<Buffer> stun_answer(Bytes datagram, const TransportAddress& source);

}  // namespace sallyport::adapter::sip
