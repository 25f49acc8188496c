// Octets as hexadecimal text, for tokens in files, logs of malformed input, and test vectors.
#pragma once

#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/result.h"

namespace sallyport {

// Lower case, two digits an octet, no separators.
std::string to_hex(Bytes bytes);

// Reads what to_hex writes, upper case too; white space between octets is skipped.
// BadValue on any other character or an odd number of digits.
Result<Buffer> from_hex(std::string_view text);

}  // namespace sallyport
