#include "adapter/h323/alias_codec.h"

#include "base/transport_address.h"
#include "codec/h323/addresses.h"

namespace sallyport::adapter::h323 {

namespace per = codec::per;
namespace h225 = codec::h225;
using h225::AliasAddress;
using h225::PartyNumber;
using Kind = Alias::Kind;

namespace {

std::optional<Alias> named(Kind kind, std::string text) {
  // Some end theirs with a NUL.
  while (!text.empty() && text.back() == '\0') text.pop_back();
  if (text.empty()) return std::nullopt;
  return Alias{kind, std::move(text)};
}

std::optional<Alias> read_party_number(per::View<PartyNumber> from) {
  if (const auto number = from[PartyNumber::kE164Number])
    return named(Kind::PublicNumber, number[h225::PublicPartyNumber::kPublicNumberDigits].text());
  if (const auto number = from[PartyNumber::kPrivateNumber])
    return named(Kind::PrivateNumber,
                 number[h225::PrivatePartyNumber::kPrivateNumberDigits].text());
  if (const auto number = from[PartyNumber::kDataPartyNumber])
    return named(Kind::DataNumber, number.text());
  if (const auto number = from[PartyNumber::kTelexPartyNumber])
    return named(Kind::TelexNumber, number.text());
  if (const auto number = from[PartyNumber::kNationalStandardPartyNumber])
    return named(Kind::NationalNumber, number.text());
  return std::nullopt;
}

}  // namespace

std::optional<Alias> read_alias(per::View<AliasAddress> from) {
  if (const auto digits = from[AliasAddress::kDialedDigits])
    return named(Kind::DialedDigits, digits.text());
  if (const auto id = from[AliasAddress::kH323ID]) return named(Kind::H323Id, id.text());
  if (const auto url = from[AliasAddress::kUrlID]) return named(Kind::UrlId, url.text());
  if (const auto email = from[AliasAddress::kEmailID]) return named(Kind::EmailId, email.text());
  if (const auto number = from[AliasAddress::kPartyNumber]) return read_party_number(number);
  if (const auto address = codec::h323::address(from[AliasAddress::kTransportID]))
    return Alias{Kind::TransportId, address->to_string()};
  return std::nullopt;
}

void write_alias(per::Edit<AliasAddress> to, const Alias& alias) {
  const auto party = [&] { return to[AliasAddress::kPartyNumber]; };
  switch (alias.kind) {
    case Kind::DialedDigits:
      return to[AliasAddress::kDialedDigits].set_text(alias.value);
    case Kind::H323Id:
      return to[AliasAddress::kH323ID].set_text(alias.value);
    case Kind::UrlId:
      return to[AliasAddress::kUrlID].set_text(alias.value);
    case Kind::EmailId:
      return to[AliasAddress::kEmailID].set_text(alias.value);
    case Kind::TransportId:
      if (const auto address = TransportAddress::parse(alias.value))
        codec::h323::set_address(to[AliasAddress::kTransportID], *address);
      return;
    case Kind::PublicNumber: {
      auto number = party()[PartyNumber::kE164Number];
      (void)
          number[h225::PublicPartyNumber::kPublicTypeOfNumber][h225::PublicTypeOfNumber::kUnknown];
      return number[h225::PublicPartyNumber::kPublicNumberDigits].set_text(alias.value);
    }
    case Kind::PrivateNumber: {
      auto number = party()[PartyNumber::kPrivateNumber];
      (void)number[h225::PrivatePartyNumber::kPrivateTypeOfNumber]
                  [h225::PrivateTypeOfNumber::kUnknown];
      return number[h225::PrivatePartyNumber::kPrivateNumberDigits].set_text(alias.value);
    }
    case Kind::DataNumber:
      return party()[PartyNumber::kDataPartyNumber].set_text(alias.value);
    case Kind::TelexNumber:
      return party()[PartyNumber::kTelexPartyNumber].set_text(alias.value);
    case Kind::NationalNumber:
      return party()[PartyNumber::kNationalStandardPartyNumber].set_text(alias.value);
  }
}

std::vector<Alias> read_aliases(per::View<AliasList> from) {
  std::vector<Alias> out;
  for (const auto& each : from)
    if (auto alias = read_alias(each)) out.push_back(std::move(*alias));
  return out;
}

void write_aliases(per::Edit<AliasList> to, const std::vector<Alias>& aliases) {
  for (const Alias& alias : aliases) write_alias(to.append(), alias);
}

}  // namespace sallyport::adapter::h323
