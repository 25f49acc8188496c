#include "h323_endpoint/proof.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <algorithm>
#include <array>

#include "base/hex.h"
#include "h323_endpoint/call.h"

namespace sallyport::h323_endpoint {
namespace {

namespace h225 = codec::h225;
namespace h235 = codec::h235;
namespace per = codec::per;

constexpr std::size_t kHashOctets = 12;
const Buffer kWholeMessage = *from_hex("0008816b000201");  // H.235.1 "A", "T" and "U"
const Buffer kClearToken = *from_hex("0008816b000205");
const Buffer kHmacSha1 = *from_hex("0008816b000206");
const Buffer kMd5 = *from_hex("2a864886f70d0205");      // 1.2.840.113549.2.5
const Buffer kCat = *from_hex("2a864886f70c0a010201");  // 1.2.840.113548.10.1.2.1
const Buffer kNothing = {0x00};                         // 0.0

Buffer digest(const EVP_MD* algorithm, Bytes of) {
  Buffer out(static_cast<std::size_t>(EVP_MD_get_size(algorithm)));
  EVP_Digest(of.data(), of.size(), out.data(), nullptr, algorithm, nullptr);
  return out;
}

const std::string& user_of(const Settings& settings) {
  return settings.user.empty() ? settings.name : settings.user;
}

per::NodeEdit member(per::Message& message, std::string_view name) {
  const per::Node holder = message.root().chosen();
  const per::Type& type = holder.type();
  std::uint16_t index = 0;
  while (index < type.member_count && type.members[index].name != name) ++index;
  return message.edit(holder).member(index);
}

Buffer encoded(const per::Message& message) {
  Buffer out;
  (void)message.encode(out);
  return out;
}

Buffer sign(per::Message& message, const Settings& settings, const std::string& gatekeeper,
            std::int64_t now, Random& random) {
  using Hashed = h235::CryptoToken::CryptoHashedToken;
  const auto pattern = random.array<kHashOctets>();
  per::Edit<h225::CryptoH323Token> element{member(message, "cryptoTokens").append()};
  auto token =
      element[h225::CryptoH323Token::kNestedcryptoToken][h235::CryptoToken::kCryptoHashedToken];
  token[Hashed::kTokenOID].set_octets(kWholeMessage);
  auto clear = token[Hashed::kHashedVals];
  clear[h235::ClearToken::kTokenOID].set_octets(kClearToken);
  clear[h235::ClearToken::kTimeStamp].set(now);
  clear[h235::ClearToken::kRandom].set(static_cast<std::int64_t>(random.below(1U << 30U)));
  if (!gatekeeper.empty()) clear[h235::ClearToken::kGeneralID].set_text(gatekeeper);
  clear[h235::ClearToken::kSendersID].set_text(user_of(settings));
  auto signature = token[Hashed::kToken];
  signature[Hashed::Token::kAlgorithmOID].set_octets(kHmacSha1);
  (void)signature[Hashed::Token::kParamS];
  signature[Hashed::Token::kHash].set_bits(pattern, 8 * kHashOctets);
  Buffer out = encoded(message);
  const auto at = std::search(out.begin(), out.end(), pattern.begin(), pattern.end());
  if (at == out.end()) return {};
  std::fill_n(at, kHashOctets, std::uint8_t{0});
  const Buffer key = digest(EVP_sha1(), as_bytes(settings.password));
  std::array<std::uint8_t, EVP_MAX_MD_SIZE> hash{};
  HMAC(EVP_sha1(), key.data(), static_cast<int>(key.size()), out.data(), out.size(), hash.data(),
       nullptr);
  std::copy_n(hash.begin(), kHashOctets, at);
  return out;
}

void put_md5(per::Message& message, const Settings& settings, std::int64_t now) {
  using Hash = h225::CryptoH323Token::CryptoEPPwdHash;
  per::Message hashed;
  auto clear = hashed.make<h235::ClearToken>();
  clear[h235::ClearToken::kTokenOID].set_octets(kNothing);
  clear[h235::ClearToken::kTimeStamp].set(now);
  clear[h235::ClearToken::kPassword].set_text(settings.password);
  clear[h235::ClearToken::kGeneralID].set_text(user_of(settings));
  per::Edit<h225::CryptoH323Token> element{member(message, "cryptoTokens").append()};
  auto token = element[h225::CryptoH323Token::kCryptoEPPwdHash];
  token[Hash::kAlias][h225::AliasAddress::kH323ID].set_text(user_of(settings));
  token[Hash::kTimeStamp].set(now);
  auto signature = token[Hash::kToken];
  signature[Hash::Token::kAlgorithmOID].set_octets(kMd5);
  (void)signature[Hash::Token::kParamS];
  const Buffer md5 = digest(EVP_md5(), encoded(hashed));
  signature[Hash::Token::kHash].set_bits(md5, static_cast<std::uint32_t>(8 * md5.size()));
}

void put_cat(per::Message& message, const Settings& settings, std::int64_t now, Random& random) {
  const auto number = static_cast<std::uint8_t>(random.below(128));
  Buffer hashed;
  Writer{hashed}.u8(number).bytes(as_bytes(settings.password)).u32(static_cast<std::uint32_t>(now));
  per::Edit<h235::ClearToken> token{member(message, "tokens").append()};
  token[h235::ClearToken::kTokenOID].set_octets(kCat);
  token[h235::ClearToken::kTimeStamp].set(now);
  token[h235::ClearToken::kChallenge].set_octets(digest(EVP_md5(), hashed));
  token[h235::ClearToken::kRandom].set(number);
  token[h235::ClearToken::kGeneralID].set_text(user_of(settings));
}

}  // namespace

Buffer prove(per::Message& message, const Settings& settings, const std::string& gatekeeper,
             WallTime now, Random& random) {
  const std::int64_t stamp = std::chrono::duration_cast<seconds>(now.time_since_epoch()).count();
  switch (settings.proof) {
    case Proof::H2351:
      return sign(message, settings, gatekeeper, stamp, random);
    case Proof::Md5:
      put_md5(message, settings, stamp);
      break;
    case Proof::Cat:
      put_cat(message, settings, stamp, random);
      break;
    case Proof::None:
      break;
  }
  return encoded(message);
}

void write_capability(per::Edit<h225::GatekeeperRequest> request, const Settings& settings) {
  if (settings.proof != Proof::H2351 && settings.proof != Proof::Md5) return;
  using T = h225::GatekeeperRequest;
  request[T::kAuthenticationCapability].append()[h235::AuthenticationMechanism::kPwdHash];
  request[T::kAlgorithmOIDs].append().set_octets(settings.proof == Proof::Md5 ? kMd5 : kHmacSha1);
}

}  // namespace sallyport::h323_endpoint
