// The first octet of what agent and server send each other over UDP. RFC 9443 section 2 leaves 4 to
// 15 to nobody: what begins so is ours, and everything else is a terminal's own packet (RTP and
// RTCP 128 to 191, STUN 0 to 3, ZRTP 16 to 19, DTLS 20 to 63, ...), so both share one port.
// Used by the relay, the carriages and the formats (probe.h, escape.h, tagged.h); values only.
#pragma once

#include <cstdint>

namespace sallyport::media {

enum class DatagramType : std::uint8_t {
  Tagged = 4,        // escape.h, tagged.h: a terminal's packet, or records, behind a short header
  Probe = 8,         // probe.h
  Confirmation = 9,  // probe.h
  ProbePlease = 10,  // probe.h
  Sealed = 12,       // tagged.h; 12 to 15, the key's epoch is in the low two bits
};

constexpr std::uint8_t kFirstOfOurs = 4;
constexpr std::uint8_t kLastOfOurs = 15;

constexpr bool is_ours(std::uint8_t first_octet) {
  return first_octet >= kFirstOfOurs && first_octet <= kLastOfOurs;
}
constexpr bool is_sealed(std::uint8_t first_octet) { return (first_octet & 0xfcU) == 12; }

}  // namespace sallyport::media
