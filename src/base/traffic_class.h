// How the networks on a packet's way are to treat it, and what they say of it: the octet that IPv4
// calls type of service and IPv6 traffic class. The upper six bits are the DSCP (RFC 2474), the
// lower two ECN (RFC 3168).
#pragma once

#include <cstdint>

namespace sallyport {

enum class Ecn : std::uint8_t {
  NotCapable = 0,
  Capable1 = 1,   // ECT(1): its sender heeds marks, those of L4S (RFC 9331)
  Capable0 = 2,   // ECT(0): likewise, those of RFC 3168
  Congested = 3,  // CE: some network on the way was full
};

struct TrafficClass {
  std::uint8_t dscp = 0;  // 0 to 63
  Ecn ecn = Ecn::NotCapable;

  constexpr TrafficClass() = default;
  // A DSCP alone is a class: that of a packet which takes no part in ECN.
  constexpr TrafficClass(std::uint8_t dscp_of_it, Ecn ecn_of_it = Ecn::NotCapable)
      : dscp(dscp_of_it), ecn(ecn_of_it) {}
  constexpr std::uint8_t octet() const {
    return static_cast<std::uint8_t>((dscp & 0x3fU) << 2U | static_cast<std::uint8_t>(ecn));
  }
  friend constexpr bool operator==(const TrafficClass&, const TrafficClass&) = default;
};
constexpr Ecn ecn_of(std::uint8_t traffic_class_octet) {
  return static_cast<Ecn>(traffic_class_octet & 3U);
}

}  // namespace sallyport
