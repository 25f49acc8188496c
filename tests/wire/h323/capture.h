// Takes H.323's PER out of a capture: RAS out of UDP, what call signalling carries and H.245 out of
// TCP streams. For captures of our own (Ethernet, IPv4, microseconds, nothing lost or fragmented).
#pragma once

#include <string>
#include <vector>

#include "base/bytes.h"

namespace sallyport::tests {

struct RecordedMessage {
  enum class Kind : std::uint8_t { Ras, UserInformation, Control };
  Kind kind = Kind::Ras;
  std::string stream;  // "10.9.0.1:39542>10.9.0.2:1720"
  Buffer octets;
};

// In the order in which they were complete. Ends the program if this is no such capture.
std::vector<RecordedMessage> read_capture(const std::string& path);

// Every capture of wire/h323/captures, by name.
std::vector<std::string> capture_paths();

}  // namespace sallyport::tests
