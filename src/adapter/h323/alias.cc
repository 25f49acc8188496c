#include "adapter/h323/alias.h"

#include <algorithm>
#include <array>
#include <utility>

namespace sallyport::adapter::h323 {
namespace {

using Kind = Alias::Kind;

// What stands before an identity's value. Of kinds that are one name the first is the usual one.
constexpr std::array<std::pair<Kind, std::string_view>, 9> kSchemes = {{
    {Kind::DialedDigits, "number:"},
    {Kind::PublicNumber, "number:"},
    {Kind::H323Id, "h323-id:"},
    {Kind::UrlId, "url:"},
    {Kind::EmailId, "email:"},
    {Kind::PrivateNumber, "private-number:"},
    {Kind::DataNumber, "data-number:"},
    {Kind::TelexNumber, "telex-number:"},
    {Kind::NationalNumber, "national-number:"},
}};
constexpr std::string_view kPrefixScheme = "prefix:";

bool is_digits(std::string_view text) {
  return !text.empty() && text.find_first_not_of("0123456789#*,") == std::string_view::npos;
}

std::string lower(std::string_view text) {
  std::string out{text};
  for (char& c : out)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + 32);
  return out;
}

// Scheme and host in lower case; the user keeps its own.
std::string lower_host(std::string_view url) {
  const std::size_t at = url.rfind('@');
  const std::size_t colon = url.find(':');
  std::string out{url};
  const auto lower_part = [&](std::size_t from, std::size_t to) {
    const std::string part = lower(url.substr(from, to - from));
    out.replace(from, to - from, part);
  };
  if (colon != std::string_view::npos && (at == std::string_view::npos || colon < at))
    lower_part(0, colon);
  if (at != std::string_view::npos) lower_part(at, url.size());
  return out;
}

}  // namespace

std::string identity_of(const Alias& alias) {
  for (const auto& [kind, scheme] : kSchemes) {
    if (kind != alias.kind) continue;
    const bool has_host = kind == Kind::UrlId || kind == Kind::EmailId;
    return std::string{scheme} + (has_host ? lower_host(alias.value) : alias.value);
  }
  return "transport:" + alias.value;
}

std::optional<Alias> alias_of(std::string_view identity) {
  for (const auto& [kind, scheme] : kSchemes)
    if (identity.starts_with(scheme))
      return Alias{kind, std::string{identity.substr(scheme.size())}};
  return std::nullopt;
}

std::string identity_of_prefix(std::string_view digits) {
  return std::string{kPrefixScheme} + std::string{digits};
}

std::optional<std::string> prefix_of(std::string_view identity) {
  if (!identity.starts_with(kPrefixScheme)) return std::nullopt;
  return std::string{identity.substr(kPrefixScheme.size())};
}

std::optional<std::string> digits_of(const Alias& alias) {
  switch (alias.kind) {
    case Kind::DialedDigits:
    case Kind::PublicNumber:
      return alias.value;
    case Kind::H323Id:
      if (is_digits(alias.value)) return alias.value;
      return std::nullopt;
    case Kind::UrlId:
    case Kind::EmailId: {
      const auto address = address_of(alias);
      if (address && is_digits(address->user)) return address->user;
      return std::nullopt;
    }
    default:
      return std::nullopt;
  }
}

std::optional<UserAtHost> address_of(const Alias& alias) {
  std::string_view text = alias.value;
  if (alias.kind == Kind::UrlId) {
    // H.323 Annex O: "h323:" user "@" hostport, or a host alone; parameters say nothing here.
    if (lower(text.substr(0, 5)) != "h323:") return std::nullopt;
    text.remove_prefix(5);
    text = text.substr(0, text.find(';'));
  } else if (alias.kind != Kind::EmailId && alias.kind != Kind::H323Id) {
    return std::nullopt;
  }
  const std::size_t at = text.rfind('@');
  if (at == std::string_view::npos) {
    if (alias.kind != Kind::UrlId || text.empty()) return std::nullopt;
    // Annex O: without @ it is a user if nothing says that it is a host.
    const bool host = text.find('.') != std::string_view::npos;
    return host ? UserAtHost{{}, lower(text)} : UserAtHost{std::string{text}, {}};
  }
  if (at + 1 == text.size()) return std::nullopt;
  return UserAtHost{std::string{text.substr(0, at)}, lower(text.substr(at + 1))};
}

}  // namespace sallyport::adapter::h323
