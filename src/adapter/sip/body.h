// The session description inside a message's body: alone, or as a part of a multipart body
// (RFC 5621). Values; no I/O.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "codec/sip/message.h"

namespace sallyport::adapter::sip {

struct SdpPart {
  std::string_view text;  // the SDP, borrowed from the message
  std::size_t offset = 0;
  std::size_t size = 0;  // where in the body it lies
};

// The first application/sdp in the body; nothing if there is none (or the body is encoded).
std::optional<SdpPart> find_sdp(const codec::sip::Message& message);
// The body with another description in that place.
std::string with_sdp(const codec::sip::Message& message, const SdpPart& part, std::string_view sdp);
// Is the body encoded in a way that hides what is in it (Content-Encoding other than identity)?
bool is_encoded(const codec::sip::Message& message);
// Media type without parameters, in lower case: "application/sdp".
std::string media_type(std::string_view content_type);

}  // namespace sallyport::adapter::sip
