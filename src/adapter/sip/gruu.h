// GRUUs (RFC 5627): URIs that reach one device of an identity from anywhere. The public one names
// the device; the temporary one tells nobody whose it is: its user part is the binding's handle and
// a salt, encrypted as one block (appendix A.2), so that two of them cannot be linked and none
// needs memory. Values.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/random.h"

namespace sallyport::adapter::sip {

// The handle of a binding that has temporary GRUUs: 16 hexadecimal digits.
constexpr std::size_t kGruuHandleOctets = 8;

class Gruu {
 public:
  using Key = std::array<std::uint8_t, 16>;  // kept over a restart

  explicit Gruu(const Key& key) : key_(key) {}

  // "sip:alice@example.org;gr=urn:uuid:..."; `instance` as it is registered, "<urn:uuid:...>".
  static std::string public_uri(std::string_view identity, std::string_view instance);
  // Is `gr`, the parameter's value in a Request-URI, this instance?
  static bool names(std::string_view gr, std::string_view instance);

  // "sip:tgruu.<32 digits>@example.org;gr"; each call makes another one.
  std::string temporary_uri(std::string_view handle, std::string_view domain, Random& random) const;
  // The handle, if this user part may be that of a temporary GRUU of ours.
  std::optional<std::string> handle_of(std::string_view user) const;

 private:
  Key key_;
};

}  // namespace sallyport::adapter::sip
