#include "codec/q931/elements.h"

#include <algorithm>

namespace sallyport::codec::q931 {
namespace {

constexpr std::uint8_t kLast = 0x80;  // the extension bit: no more octets of this group
constexpr std::uint8_t kMultirate = 0x18;
constexpr std::uint8_t kLayer1H221 = 0xa5;

// How many octets the group that begins here has; 0 if it does not end.
std::size_t group(Bytes octets) {
  const auto last = std::ranges::find_if(octets, [](std::uint8_t o) { return (o & kLast) != 0; });
  return last == octets.end() ? 0 : static_cast<std::size_t>(last - octets.begin()) + 1;
}

}  // namespace

std::optional<Cause> parse_cause(Bytes contents) {
  const std::size_t head = group(contents);
  if (head == 0 || head >= contents.size()) return std::nullopt;
  return Cause{.value = static_cast<CauseValue>(contents[head] & 0x7fU),
               .location = static_cast<std::uint8_t>(contents[0] & 15U),
               .coding = static_cast<std::uint8_t>(contents[0] >> 5U & 3U)};
}

Buffer encode(const Cause& cause) {
  return {static_cast<std::uint8_t>(kLast | cause.coding << 5U | cause.location),
          static_cast<std::uint8_t>(kLast | static_cast<unsigned>(cause.value))};
}

std::optional<PartyNumber> parse_party_number(Bytes contents) {
  const std::size_t head = group(contents);
  if (head == 0) return std::nullopt;
  return PartyNumber{.header = to_buffer(contents.first(head)),
                     .digits = std::string{as_text(contents.subspan(head))}};
}

PartyNumber make_party_number(std::string_view digits, std::uint8_t type, std::uint8_t plan) {
  return {.header = {static_cast<std::uint8_t>(kLast | type << 4U | plan)},
          .digits = std::string{digits}};
}

Buffer encode(const PartyNumber& number) {
  Buffer out = number.header;
  Writer{out}.bytes(as_bytes(number.digits));
  return out;
}

std::optional<BearerCapability> parse_bearer_capability(Bytes contents) {
  if (contents.size() < 2) return std::nullopt;
  BearerCapability bearer{.transfer = static_cast<std::uint8_t>(contents[0] & 0x1fU)};
  switch (contents[1] & 0x1fU) {
    case 0x10:
      return bearer;
    case 0x11:
      bearer.channels = 2;
      return bearer;
    case 0x13:
      bearer.channels = 6;
      return bearer;
    case 0x15:
      bearer.channels = 24;
      return bearer;
    case 0x17:
      bearer.channels = 30;
      return bearer;
    case kMultirate:
      if (contents.size() < 3) return std::nullopt;
      bearer.channels = contents[2] & 0x7fU;
      return bearer;
    default:
      return std::nullopt;
  }
}

Buffer encode(const BearerCapability& bearer) {
  const auto transfer = static_cast<std::uint8_t>(kLast | bearer.transfer);
  if (bearer.channels == 1) return {transfer, kLast | 0x10, kLayer1H221};
  return {transfer, kMultirate, static_cast<std::uint8_t>(kLast | std::min(bearer.channels, 127U)),
          kLayer1H221};
}

std::string_view text(Bytes contents) {
  const std::string_view all = as_text(contents);
  return all.substr(0, all.find('\0'));
}

}  // namespace sallyport::codec::q931
