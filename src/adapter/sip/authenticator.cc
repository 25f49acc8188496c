#include "adapter/sip/authenticator.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <algorithm>

#include "adapter/sip/digest.h"
#include "base/hex.h"
#include "codec/sip/headers.h"
#include "codec/sip/uri.h"

namespace sallyport::adapter::sip {
namespace {

using codec::sip::AuthValue;
using codec::sip::HeaderName;
using codec::sip::Message;
using codec::sip::Uri;

// A nonce: milliseconds since the epoch (8), salt (8), the first 16 octets of an HMAC-SHA256 over
// both and the realm; in hexadecimal, because some terminals mishandle the = of base 64.
constexpr std::size_t kTimeAndSalt = 16;
constexpr std::size_t kMac = 16;

// A user that does not exist is computed with this, so that it takes as long as one that does.
constexpr std::string_view kNobody = "00000000000000000000000000000000";

bool equal_in_constant_time(std::string_view a, std::string_view b) {
  return a.size() == b.size() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

std::string lower(std::string_view text) {
  std::string out{text};
  for (char& c : out)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + 32);
  return out;
}

// RFC 7616 3.4: nc is eight hexadecimal digits. Counting begins at 1.
std::optional<std::uint32_t> nonce_count(std::string_view text) {
  if (text.size() != 8) return std::nullopt;
  const auto octets = from_hex(text);
  if (!octets || octets->size() != 4) return std::nullopt;
  const std::uint32_t count = Reader{*octets}.u32();
  if (count == 0) return std::nullopt;
  return count;
}

// A terminal may write the same resource in two ways (with and without port or parameters). What
// must not be is an answer made for one user or domain that is used for another.
bool same_resource(std::string_view digest_uri, std::string_view request_uri) {
  if (digest_uri == request_uri) return true;
  const auto a = Uri::parse(digest_uri);
  const auto b = Uri::parse(request_uri);
  return a && b && a->user == b->user && lower(a->host) == lower(b->host);
}

// What a terminal says; views into the request.
struct Answer {
  DigestAlgorithm algorithm;
  std::string login;
  bool hashed_login = false;
  std::string nonce;
  std::string_view response, uri, qop, nc, cnonce;
  std::uint32_t count = 1;
};

std::optional<Answer> read_answer(const AuthValue& value, std::string_view realm) {
  if (lower(value.scheme) != "digest" || value.find("realm") != realm) return std::nullopt;
  const auto algorithm = digest_algorithm(value.find("algorithm"));
  const auto nonce = value.find("nonce");
  const auto response = value.find("response");
  const auto uri = value.find("uri");
  if (!algorithm || !nonce || !response || !uri) return std::nullopt;
  Answer out;
  out.algorithm = *algorithm;
  out.nonce = *nonce;
  out.response = *response;
  out.uri = *uri;
  out.cnonce = value.find("cnonce").value_or(std::string_view{});
  out.hashed_login = lower(value.find("userhash").value_or(std::string_view{})) == "true";
  if (const auto plain = value.find("username")) {
    out.login = out.hashed_login ? lower(*plain) : std::string{*plain};
  } else if (const auto extended = value.find("username*")) {
    // RFC 7616 3.4.4, RFC 5987 3.2.1: UTF-8''per%20cent
    if (!lower(*extended).starts_with("utf-8'")) return std::nullopt;
    const std::size_t quote = extended->find('\'', 6);
    if (quote == std::string_view::npos) return std::nullopt;
    out.login = codec::sip::unescape(extended->substr(quote + 1));
  } else {
    return std::nullopt;
  }
  if (const auto qop = value.find("qop")) {
    const auto count = nonce_count(value.find("nc").value_or(std::string_view{}));
    // auth-int was not offered.
    if (lower(*qop) != "auth" || !count || out.cnonce.empty()) return std::nullopt;
    out.qop = *qop;
    out.nc = *value.find("nc");
    out.count = *count;
  }
  return out;
}

}  // namespace

std::string Authenticator::sign(Bytes time_and_salt, std::string_view realm) const {
  Buffer input = to_buffer(time_and_salt);
  Writer{input}.bytes(as_bytes(realm));
  std::array<std::uint8_t, EVP_MAX_MD_SIZE> mac{};
  unsigned size = 0;
  HMAC(EVP_sha256(), secret_.data(), static_cast<int>(secret_.size()), input.data(), input.size(),
       mac.data(), &size);
  return to_hex(Bytes{mac}.first(kMac));
}

std::string Authenticator::make_nonce(std::string_view realm, WallTime now) {
  Buffer head;
  const auto time = std::chrono::duration_cast<milliseconds>(now.time_since_epoch()).count();
  Writer{head}.u64(static_cast<std::uint64_t>(time)).bytes(random_.array<8>());
  return to_hex(head) + sign(head, realm);
}

std::optional<WallTime> Authenticator::made_at(std::string_view nonce,
                                               std::string_view realm) const {
  if (nonce.size() != 2 * (kTimeAndSalt + kMac)) return std::nullopt;
  const auto head = from_hex(nonce.substr(0, 2 * kTimeAndSalt));
  if (!head || head->size() != kTimeAndSalt) return std::nullopt;
  if (!equal_in_constant_time(sign(*head, realm), nonce.substr(2 * kTimeAndSalt)))
    return std::nullopt;
  return WallTime{milliseconds{static_cast<std::int64_t>(Reader{*head}.u64())}};
}

std::vector<std::string> Authenticator::challenges(std::string_view realm, bool stale,
                                                   WallTime now) {
  const std::string nonce = make_nonce(realm, now);
  std::vector<std::string> out;
  for (const DigestHash hash : limits_.offered) {
    std::string value = "Digest realm=\"" + std::string{realm} + "\", nonce=\"" + nonce +
                        "\", algorithm=" + std::string{name(DigestAlgorithm{hash, false})} +
                        ", qop=\"auth\"";
    if (stale) value += ", stale=true";
    out.push_back(std::move(value));
  }
  return out;
}

Authenticator::Judgement Authenticator::judge(const Message& request, HeaderName header,
                                              std::string_view realm, const Suspect& suspect,
                                              WallTime now, TimePoint steady_now) {
  if (throttle_.blocked(suspect, steady_now)) return {Verdict::Blocked, {}};

  std::optional<Answer> answer;
  for (const auto& line : request.headers()) {
    if (line.name != header) continue;
    const auto value = AuthValue::parse(line.value);
    if (value && (answer = read_answer(*value, realm))) break;
  }
  if (!answer) return {Verdict::Unanswered, {}};

  const auto user = users_.find_login(answer->login, realm, answer->hashed_login);
  const bool md5 = answer->algorithm.hash == DigestHash::Md5;
  const std::string_view ha1 = !user ? kNobody : md5 ? user->ha1_md5 : user->ha1_sha256;
  const DigestInput input{answer->algorithm, request.method_text(), answer->uri,
                          answer->nonce,     answer->qop,           answer->nc,
                          answer->cnonce};
  const bool right = equal_in_constant_time(digest_response(ha1, input), lower(answer->response));
  if (!user || !right) {
    const bool blocked = throttle_.on_failure(suspect, steady_now);
    return {blocked ? Verdict::Blocked : user ? Verdict::Wrong : Verdict::Unknown, {}};
  }
  if (!same_resource(answer->uri, request.request_uri())) return {Verdict::Mismatch, {}};
  // RFC 7616 3.3: stale only to who has shown the password, else it would ask nobody for a new one.
  if (!is_fresh(answer->nonce, realm, answer->count, now)) return {Verdict::Stale, {}};
  throttle_.on_success(suspect);
  return {Verdict::Accepted, user};
}

bool Authenticator::is_fresh(const std::string& nonce, std::string_view realm, std::uint32_t count,
                             WallTime now) {
  const auto made = made_at(nonce, realm);
  if (!made || now - *made > limits_.nonce_life) return false;
  forget_old(now);
  const auto found = used_.find(nonce);
  if (found == used_.end()) {
    if (*made <= forgotten_until_) return false;
    used_.emplace(nonce, Used{count, 0});
    used_order_.emplace_back(*made, nonce);
    return true;
  }
  // Answers overtake one another on their way, so the last 64 are told apart one by one.
  Used& used = found->second;
  if (count > used.highest) {
    const std::uint32_t step = count - used.highest;
    used.below = step < 64 ? used.below << step : 0;
    if (step <= 64) used.below |= std::uint64_t{1} << (step - 1);
    used.highest = count;
    return true;
  }
  const std::uint32_t back = used.highest - count;
  if (back == 0 || back > 64) return false;
  const std::uint64_t bit = std::uint64_t{1} << (back - 1);
  if ((used.below & bit) != 0) return false;
  used.below |= bit;
  return true;
}

void Authenticator::forget_old(WallTime now) {
  // In the order of first use, which is nearly that of age: one that is kept too long does no harm.
  while (!used_order_.empty()) {
    const auto& [made, nonce] = used_order_.front();
    const bool expired = now - made > limits_.nonce_life;
    if (!expired && used_.size() < limits_.nonces) return;
    if (!expired) forgotten_until_ = std::max(forgotten_until_, made);
    used_.erase(nonce);
    used_order_.pop_front();
  }
}

}  // namespace sallyport::adapter::sip
