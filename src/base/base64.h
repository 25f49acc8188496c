// Base64 (RFC 4648): section 4 with padding, section 5 ("url") without. Values only.
#pragma once

#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/result.h"

namespace sallyport {

std::string to_base64(Bytes bytes);
std::string to_base64url(Bytes bytes);
// BadValue on any character that is not of its alphabet. What follows the last whole octet is not
// looked at.
Result<Buffer> from_base64url(std::string_view text);

}  // namespace sallyport
