// Finds every textual IPv4 and IPv6 address in a text, wherever it stands: in headers, URIs
// (percent-escaped too), session descriptions, free text. For the safety net of topology hiding and
// for the tests that no private address leaves. It reads digits, not meaning: a version number like
// 1.2.3.4 is found as well, so the caller says by a predicate which addresses matter.
#pragma once

#include <functional>
#include <string_view>
#include <vector>

#include "base/transport_address.h"

namespace sallyport::codec {

struct FoundAddress {
  IpAddress address;
  std::size_t offset = 0;  // in octets, where its text begins
  std::size_t size = 0;    // of its text, in octets
};

// In order of their places. Of five and more numbers joined by dots, every four in a row are one
// find. An IPv4-mapped IPv6 address counts as the IPv4 address that it means.
std::vector<FoundAddress> find_addresses(std::string_view text);

// Only those for which `matters` holds, for instance IpAddress::is_private.
std::vector<FoundAddress> find_addresses(std::string_view text,
                                         const std::function<bool(const IpAddress&)>& matters);

}  // namespace sallyport::codec
