#include "adapter/h323/h235.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <algorithm>
#include <array>

#include "adapter/h323/tree.h"
#include "base/hex.h"
#include "codec/h323/h225.schema.h"
#include "codec/h323/h235.schema.h"

namespace sallyport::adapter::h323 {

namespace per = codec::per;
namespace h225 = codec::h225;
namespace h235 = codec::h235;

namespace {

constexpr std::size_t kHashOctets = 12;  // HMAC-SHA1-96
constexpr std::size_t kMostShown = 100'000;

// Object identifiers, as their content octets (X.690 8.19). H.235.1 table 3: {itu-t(0)
// recommendation(0) h(8) 235 version(0) 2 N}; version 1 has 1 in place of 2.
using Oid = std::array<std::uint8_t, 7>;
constexpr Oid h235_oid(std::uint8_t version, std::uint8_t number) {
  return {0x00, 0x08, 0x81, 0x6b, 0x00, version, number};
}
constexpr std::uint8_t kVersion1 = 1;
constexpr std::uint8_t kVersion2 = 2;
constexpr std::uint8_t kWholeMessage = 1;  // "A": what is hashed is the whole message
constexpr std::uint8_t kClearToken = 5;    // "T": the clear token of that procedure
constexpr std::uint8_t kHmacSha1 = 6;      // "U": HMAC-SHA1-96
// 1.2.840.113548.10.1.2.1
constexpr std::array<std::uint8_t, 10> kCat = {0x2a, 0x86, 0x48, 0x86, 0xf7,
                                               0x0c, 0x0a, 0x01, 0x02, 0x01};
constexpr std::array<std::uint8_t, 1> kNoOid = {0x00};  // 0.0

bool same(Bytes a, Bytes b) { return std::equal(a.begin(), a.end(), b.begin(), b.end()); }
bool same_secret(Bytes a, Bytes b) {
  return a.size() == b.size() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

// Some end their identifiers with a NUL.
std::string trimmed(std::string text) {
  while (!text.empty() && text.back() == '\0') text.pop_back();
  return text;
}

Buffer digest(const EVP_MD* algorithm, Bytes of) {
  Buffer out(static_cast<std::size_t>(EVP_MD_get_size(algorithm)));
  EVP_Digest(of.data(), of.size(), out.data(), nullptr, algorithm, nullptr);
  return out;
}

std::array<std::uint8_t, kHashOctets> hmac(Bytes key, Bytes of) {
  std::array<std::uint8_t, EVP_MAX_MD_SIZE> all{};
  HMAC(EVP_sha1(), key.data(), static_cast<int>(key.size()), of.data(), of.size(), all.data(),
       nullptr);
  std::array<std::uint8_t, kHashOctets> out{};
  std::copy_n(all.begin(), kHashOctets, out.begin());
  return out;
}

std::int64_t in_seconds(WallTime time) {
  return std::chrono::duration_cast<seconds>(time.time_since_epoch()).count();
}

// The hash of cryptoEPPwdHash: MD5 over the encoding of a ClearToken with name, time and password
// (H.235.0, PwdCertToken).
Buffer md5_of(std::string_view name, std::string_view password, std::int64_t stamp,
              std::string_view end) {
  per::Message message;
  auto token = message.make<h235::ClearToken>();
  token[h235::ClearToken::kTokenOID].set_octets(kNoOid);
  token[h235::ClearToken::kTimeStamp].set(stamp);
  token[h235::ClearToken::kPassword].set_text(std::string{password} + std::string{end});
  token[h235::ClearToken::kGeneralID].set_text(std::string{name} + std::string{end});
  Buffer encoded;
  if (!message.encode(encoded)) return {};
  return digest(EVP_md5(), encoded);
}

}  // namespace

struct H235::Context {
  const per::Message& message;
  Bytes octets;
  const std::vector<std::string>& known_as;
  WallTime now;
};

Buffer H235::key_of(std::string_view password) { return digest(EVP_sha1(), as_bytes(password)); }

Proof H235::check(const per::Message& message, per::Node holder, Bytes octets,
                  const std::vector<std::string>& known_as, WallTime now) {
  const Context context{message, octets, known_as, now};
  Proof best;
  // One that is right is enough: a sender may not know which of them we read.
  const auto note = [&](Proof proof) {
    const bool better = proof.state == Proof::State::Good || best.state == Proof::State::Absent ||
                        best.state == Proof::State::NotAllowed;
    if (best.state != Proof::State::Good && better && proof.state != Proof::State::Absent)
      best = std::move(proof);
  };
  for (per::Node token = child_named(holder, "cryptoTokens").first_child(); token;
       token = token.next()) {
    const per::Node chosen = token.chosen();
    if (chosen.name() == "nestedcryptoToken") note(check_hashed(context, chosen.chosen()));
    if (chosen.name() == "cryptoEPPwdHash") note(check_md5(context, chosen));
  }
  for (per::Node token = child_named(holder, "tokens").first_child(); token; token = token.next())
    if (same(child_named(token, "tokenOID").octets(), kCat)) note(check_cat(context, token));
  return best;
}

Proof H235::check_hashed(const Context& context, per::Node token) {
  Proof out{.state = Proof::State::Absent, .user = {}, .method = Method::H2351, .sealing = {}};
  if (token.name() != "cryptoHashedToken") return out;
  const Bytes oid = child_named(token, "tokenOID").octets();
  const bool version_1 = same(oid, h235_oid(kVersion1, kWholeMessage));
  if (!version_1 && !same(oid, h235_oid(kVersion2, kWholeMessage))) return out;
  const per::Node clear = child_named(token, "hashedVals");
  const per::Node sender = child_named(clear, "sendersID");
  const std::string recipient = trimmed(child_named(clear, "generalID").text());
  const std::int64_t stamp = child_named(clear, "timeStamp").integer();
  out.state = Proof::State::Stale;
  if (!is_timely(stamp, context.now)) return out;

  out.state = Proof::State::NoUser;
  const auto user = find_user(trimmed(sender.text()), context.known_as);
  if (!user || user->password_sha1.empty()) return out;
  out.user = user->name;
  out.state = Proof::State::Wrong;
  if (!recipient.empty() && recipient != config_.gatekeeper) return out;
  const per::Node hash = child_named(child_named(token, "token"), "hash");
  const std::uint64_t end = (hash.source().offset + hash.source().length) / 8;
  if (hash.bit_count() != 8 * kHashOctets || end > context.octets.size() || end < kHashOctets)
    return out;
  Buffer zeroed = to_buffer(context.octets);
  std::fill_n(zeroed.begin() + static_cast<std::ptrdiff_t>(end - kHashOctets), kHashOctets, 0);
  const Buffer key = from_hex(user->password_sha1).value_or(Buffer{});
  if (!same_secret(hash.octets(), hmac(key, zeroed))) return out;

  out.state = Proof::State::Stale;
  if (!is_new(user->name, stamp, child_named(clear, "random").integer(), context.now)) return out;
  out.state = Proof::State::Good;
  out.sealing = Sealing{.key = key, .peer = to_buffer(sender.octets()), .version_1 = version_1};
  return out;
}

Proof H235::check_md5(const Context& context, per::Node token) {
  Proof out{.state = Proof::State::NotAllowed, .user = {}, .method = Method::Md5, .sealing = {}};
  if (!config_.accept_md5) return out;
  const std::string named = trimmed(child_named(token, "alias").chosen().text());
  const std::int64_t stamp = child_named(token, "timeStamp").integer();
  out.state = Proof::State::Stale;
  if (!is_timely(stamp, context.now)) return out;
  out.state = Proof::State::NoUser;
  const auto user = find_user(named, context.known_as);
  if (!user || user->password.empty()) return out;
  out.user = user->name;
  const Bytes hash = child_named(child_named(token, "token"), "hash").octets();
  // The strings in it end with a NUL or not, as the stack goes.
  const bool right = same_secret(hash, md5_of(named, user->password, stamp, {"\0", 1})) ||
                     same_secret(hash, md5_of(named, user->password, stamp, {}));
  out.state = right ? Proof::State::Good : Proof::State::Wrong;
  return out;
}

Proof H235::check_cat(const Context& context, per::Node token) {
  Proof out{.state = Proof::State::NotAllowed, .user = {}, .method = Method::Cat, .sealing = {}};
  if (!config_.accept_cat) return out;
  const std::int64_t stamp = child_named(token, "timeStamp").integer();
  out.state = Proof::State::Stale;
  if (!is_timely(stamp, context.now)) return out;
  out.state = Proof::State::NoUser;
  const auto user = find_user(trimmed(child_named(token, "generalID").text()), context.known_as);
  if (!user || user->password.empty()) return out;
  out.user = user->name;
  // The challenge is MD5(random octet | password | time stamp).
  Buffer hashed;
  Writer write{hashed};
  write.u8(static_cast<std::uint8_t>(child_named(token, "random").integer()));
  write.bytes(as_bytes(user->password)).u32(static_cast<std::uint32_t>(stamp));
  const bool right =
      same_secret(child_named(token, "challenge").octets(), digest(EVP_md5(), hashed));
  out.state = right ? Proof::State::Good : Proof::State::Wrong;
  return out;
}

bool H235::is_timely(std::int64_t stamp, WallTime now) const {
  const std::int64_t tolerance =
      std::chrono::duration_cast<seconds>(config_.clock_tolerance).count();
  const std::int64_t away = stamp - in_seconds(now);
  return -tolerance <= away && away <= tolerance;
}

bool H235::is_new(const std::string& user, std::int64_t stamp, std::int64_t random, WallTime now) {
  // Whoever is older than this is not timely any more.
  const auto kept = std::chrono::duration_cast<WallTime::duration>(2 * config_.clock_tolerance);
  while (!shown_ages_.empty() &&
         (now - shown_ages_.front().first > kept || shown_ages_.size() >= kMostShown)) {
    shown_.erase(shown_ages_.front().second);
    shown_ages_.pop_front();
  }
  const auto [it, fresh] = shown_.emplace(user, stamp, random);
  if (fresh) shown_ages_.emplace_back(now, *it);
  return fresh;
}

std::optional<brain::User> H235::find_user(const std::string& named,
                                           const std::vector<std::string>& known_as) const {
  if (!named.empty())
    if (auto user = users_.find(named, config_.domain)) return user;
  for (const std::string& other : known_as)
    if (auto user = users_.find(other, config_.domain)) return user;
  return std::nullopt;
}

Result<void> H235::seal(per::Message& message, per::Node holder, const Sealing& sealing,
                        WallTime now, Buffer& out) {
  const std::uint8_t version = sealing.version_1 ? kVersion1 : kVersion2;
  const auto member = member_named(holder.type(), "cryptoTokens");
  if (!member) return fail(Errc::BadValue, "no place for a token");

  // Where the hash goes is found by a pattern that stands nowhere else (H.235.1 7.1).
  const auto pattern = random_.array<kHashOctets>();
  per::Edit<h225::CryptoH323Token> element{message.edit(holder).member(*member).append()};
  auto token =
      element[h225::CryptoH323Token::kNestedcryptoToken][h235::CryptoToken::kCryptoHashedToken];
  using Hashed = h235::CryptoToken::CryptoHashedToken;
  token[Hashed::kTokenOID].set_octets(h235_oid(version, kWholeMessage));
  auto clear = token[Hashed::kHashedVals];
  clear[h235::ClearToken::kTokenOID].set_octets(h235_oid(version, kClearToken));
  clear[h235::ClearToken::kTimeStamp].set(in_seconds(now));
  clear[h235::ClearToken::kRandom].set(static_cast<std::int64_t>(random_.below(1U << 31U)));
  clear[h235::ClearToken::kGeneralID].set_octets(sealing.peer);
  const bool ends_with_nul = sealing.peer.size() >= 2 && sealing.peer.back() == 0 &&
                             sealing.peer[sealing.peer.size() - 2] == 0;
  const std::string& self = sealing.self.empty() ? config_.gatekeeper : sealing.self;
  clear[h235::ClearToken::kSendersID].set_text(ends_with_nul ? self + std::string{"\0", 1} : self);
  auto signature = token[Hashed::kToken];
  signature[Hashed::Token::kAlgorithmOID].set_octets(h235_oid(version, kHmacSha1));
  (void)signature[Hashed::Token::kParamS];
  signature[Hashed::Token::kHash].set_bits(pattern, 8 * kHashOctets);

  const std::size_t start = out.size();
  if (const auto encoded = message.encode(out); !encoded) return encoded;
  const auto begin = out.begin() + static_cast<std::ptrdiff_t>(start);
  const auto at = std::search(begin, out.end(), pattern.begin(), pattern.end());
  if (at == out.end()) return fail(Errc::BadValue, "the token is not in the message");
  std::fill_n(at, kHashOctets, std::uint8_t{0});
  const auto hash = hmac(sealing.key, Bytes{out}.subspan(start));
  std::copy(hash.begin(), hash.end(), at);
  return {};
}

}  // namespace sallyport::adapter::h323
