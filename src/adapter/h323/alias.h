// A name of a terminal, as RAS, Setup and facility messages carry it (H.225.0 AliasAddress), apart
// from its encoding. The registration store knows each by its identity, one text for everything
// that is the same name: digits dialled and an E.164 party number are one number. Values.
#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace sallyport::adapter::h323 {

struct Alias {
  enum class Kind : std::uint8_t {
    DialedDigits,   // "5551234"
    H323Id,         // any text, UTF-8
    UrlId,          // "h323:alice@example.org"
    TransportId,    // "10.1.2.3:1720"
    EmailId,        // "alice@example.org"
    PublicNumber,   // partyNumber.e164Number: "+49301234" without its plus
    PrivateNumber,  // partyNumber.privateNumber
    DataNumber,     // the other party numbers, which nothing here dials
    TelexNumber,
    NationalNumber,
  };
  Kind kind = Kind::H323Id;
  std::string value;
  friend auto operator<=>(const Alias&, const Alias&) = default;
};

// "h323-id:Alice", "number:5551234", "url:h323:alice@example.org", "email:...", "transport:...".
// What stands there without regard to case (host names, schemes) is in lower case.
std::string identity_of(const Alias& alias);
// The alias that an identity was made from, or one that is the same name.
std::optional<Alias> alias_of(std::string_view identity);

// What a gateway serves: every number that begins so. In the store it has an identity of its own.
std::string identity_of_prefix(std::string_view digits);
std::optional<std::string> prefix_of(std::string_view identity);

// The digits that this alias dials, if it dials any: of a number, of an h323-ID that is nothing
// else, of the user of an h323 URL.
std::optional<std::string> digits_of(const Alias& alias);

// "alice" and "example.org:1720" of an h323 URL, an email-ID, or an h323-ID that looks like one.
// Either part may be empty.
struct UserAtHost {
  std::string user;
  std::string host;  // in lower case, with its port if it has one
  friend bool operator==(const UserAtHost&, const UserAtHost&) = default;
};
std::optional<UserAtHost> address_of(const Alias& alias);

}  // namespace sallyport::adapter::h323
