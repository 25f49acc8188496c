#include "adapter/sip/digest.h"

#include <openssl/evp.h>

#include <algorithm>
#include <array>
#include <cassert>

#include "base/hex.h"

namespace sallyport::adapter::sip {
namespace {

using codec::sip::AuthValue;
using codec::sip::HeaderName;

bool same_text(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](char x, char y) {
    const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; };
    return lower(x) == lower(y);
  });
}

std::string joined(std::initializer_list<std::string_view> parts) {
  std::string out;
  for (const std::string_view part : parts) {
    out += part;
    out += ':';
  }
  out.pop_back();
  return out;
}

// qop="auth,auth-int": a list of tokens.
std::vector<std::string_view> tokens(std::string_view list) {
  std::vector<std::string_view> out;
  while (!list.empty()) {
    const std::size_t comma = std::min(list.find(','), list.size());
    std::string_view token = list.substr(0, comma);
    while (!token.empty() && (token.front() == ' ' || token.front() == '\t'))
      token.remove_prefix(1);
    while (!token.empty() && (token.back() == ' ' || token.back() == '\t')) token.remove_suffix(1);
    if (!token.empty()) out.push_back(token);
    list.remove_prefix(std::min(comma + 1, list.size()));
  }
  return out;
}

bool has_token(const std::vector<std::string_view>& list, std::string_view wanted) {
  return std::any_of(list.begin(), list.end(),
                     [&](std::string_view token) { return same_text(token, wanted); });
}

// Can it stand between quotes as it is? (RFC 3261 25.1, quoted-string: a quote or backslash inside
// is escaped.) What cannot would let a challenge add parameters to our answer.
bool is_quotable(std::string_view text) {
  bool escaped = false;
  for (const char c : text) {
    if (!escaped && c == '"') return false;
    escaped = !escaped && c == '\\';
  }
  return !escaped;
}

std::string nonce_count_text(std::uint32_t count) {
  const std::array<std::uint8_t, 4> octets{
      static_cast<std::uint8_t>(count >> 24U), static_cast<std::uint8_t>(count >> 16U),
      static_cast<std::uint8_t>(count >> 8U), static_cast<std::uint8_t>(count)};
  return to_hex(octets);  // RFC 7616 3.4: 8LHEX
}

}  // namespace

std::optional<DigestAlgorithm> digest_algorithm(std::optional<std::string_view> name) {
  if (!name || same_text(*name, "MD5")) return DigestAlgorithm{DigestHash::Md5, false};
  if (same_text(*name, "MD5-sess")) return DigestAlgorithm{DigestHash::Md5, true};
  if (same_text(*name, "SHA-256")) return DigestAlgorithm{DigestHash::Sha256, false};
  if (same_text(*name, "SHA-256-sess")) return DigestAlgorithm{DigestHash::Sha256, true};
  return std::nullopt;
}

std::string_view name(DigestAlgorithm algorithm) {
  if (algorithm.hash == DigestHash::Md5) return algorithm.session ? "MD5-sess" : "MD5";
  return algorithm.session ? "SHA-256-sess" : "SHA-256";
}

std::string digest_hash(DigestHash hash, std::string_view text) {
  std::array<std::uint8_t, EVP_MAX_MD_SIZE> out{};
  unsigned size = 0;
  const EVP_MD* method = hash == DigestHash::Md5 ? EVP_md5() : EVP_sha256();
  [[maybe_unused]] const int done =
      EVP_Digest(text.data(), text.size(), out.data(), &size, method, nullptr);
  assert(done == 1);
  return to_hex(Bytes{out}.first(size));
}

std::string digest_ha1(DigestHash hash, std::string_view user, std::string_view realm,
                       std::string_view password) {
  return digest_hash(hash, joined({user, realm, password}));
}

brain::User make_user(std::string_view name, std::string_view realm, std::string_view password,
                      std::string_view login) {
  if (login.empty()) login = name;
  brain::User user;
  user.name = name;
  user.realm = realm;
  user.login = login;
  user.ha1_md5 = digest_ha1(DigestHash::Md5, login, realm, password);
  user.ha1_sha256 = digest_ha1(DigestHash::Sha256, login, realm, password);
  user.userhash_md5 = digest_hash(DigestHash::Md5, joined({login, realm}));
  user.userhash_sha256 = digest_hash(DigestHash::Sha256, joined({login, realm}));
  return user;
}

std::string digest_response(std::string_view ha1, const DigestInput& input) {
  const DigestHash hash = input.algorithm.hash;
  std::string first{ha1};
  if (input.algorithm.session) first = digest_hash(hash, joined({ha1, input.nonce, input.cnonce}));
  const std::string second = digest_hash(hash, joined({input.method, input.uri}));
  if (input.qop.empty()) return digest_hash(hash, joined({first, input.nonce, second}));
  return digest_hash(hash, joined({first, input.nonce, input.nc, input.cnonce, input.qop, second}));
}

namespace {

std::optional<std::string> answer_one(const AuthValue& challenge, std::string_view method,
                                      std::string_view uri, std::string_view cnonce,
                                      std::uint32_t nonce_count, const FindCredentials& find) {
  if (!same_text(challenge.scheme, "Digest")) return std::nullopt;
  const auto algorithm = digest_algorithm(challenge.find("algorithm"));
  const auto realm = challenge.find("realm");
  const auto nonce = challenge.find("nonce");
  if (!algorithm || !realm || !nonce) return std::nullopt;
  const auto qop = tokens(challenge.find("qop").value_or(std::string_view{}));
  const bool with_auth = has_token(qop, "auth");
  if (!qop.empty() && !with_auth) return std::nullopt;
  const auto opaque = challenge.find("opaque");
  if (!is_quotable(*realm) || !is_quotable(*nonce) || !is_quotable(opaque.value_or("")))
    return std::nullopt;
  const auto user = find(*realm);
  if (!user || !is_quotable(user->login)) return std::nullopt;

  const std::string nc = nonce_count_text(nonce_count);
  const std::string_view ha1 =
      algorithm->hash == DigestHash::Md5 ? user->ha1_md5 : user->ha1_sha256;
  DigestInput input{*algorithm, method, uri, *nonce, {}, {}, cnonce};
  if (with_auth) {
    input.qop = "auth";
    input.nc = nc;
  }
  std::string out = "Digest username=\"" + user->login + "\", realm=\"" + std::string{*realm} +
                    "\", nonce=\"" + std::string{*nonce} + "\", uri=\"" + std::string{uri} +
                    "\", response=\"" + digest_response(ha1, input) + '"';
  // RFC 3261 22.4 rule 7 wants algorithm repeated as it came; no name stays no name.
  if (const auto as_named = challenge.find("algorithm"))
    out += ", algorithm=" + std::string{*as_named};
  if (with_auth) out += ", qop=auth, nc=" + nc;
  if (with_auth || algorithm->session) out += ", cnonce=\"" + std::string{cnonce} + '"';
  if (opaque) out += ", opaque=\"" + std::string{*opaque} + '"';
  return out;
}

}  // namespace

std::optional<std::string> answer_challenge(const codec::sip::Message& response,
                                            std::string_view method, std::string_view uri,
                                            std::string_view cnonce, std::uint32_t nonce_count,
                                            const FindCredentials& find) {
  const HeaderName wanted =
      response.status() == 407 ? HeaderName::ProxyAuthenticate : HeaderName::WwwAuthenticate;
  for (const auto& header : response.headers()) {
    if (header.name != wanted) continue;
    const auto challenge = AuthValue::parse(header.value);
    if (!challenge) continue;
    auto answer = answer_one(*challenge, method, uri, cnonce, nonce_count, find);
    if (answer) return answer;
  }
  return std::nullopt;
}

std::optional<std::string> without_auth_int(std::string_view challenge) {
  const auto parsed = AuthValue::parse(challenge);
  if (!parsed || !same_text(parsed->scheme, "Digest")) return std::nullopt;
  std::string out{challenge};
  // From the back, so that earlier offsets stay right; a repeated qop is treated like the first.
  for (auto item = parsed->items.rbegin(); item != parsed->items.rend(); ++item) {
    if (!same_text(item->name, "qop")) continue;
    auto qualities = tokens(item->value);
    if (!has_token(qualities, "auth-int")) continue;
    const auto value_at = static_cast<std::size_t>(item->value.data() - challenge.data());
    if (has_token(qualities, "auth")) {
      out.replace(value_at, item->value.size(), "auth");
      continue;
    }
    const auto begin = static_cast<std::size_t>(item->name.data() - challenge.data());
    std::size_t end = value_at + item->value.size() + (item->quoted ? 1 : 0);
    // One of the commas around it goes with it: the next one, or for the last item the one before.
    const std::size_t next = out.find_first_not_of(" \t\r\n", end);
    if (next != std::string::npos && out[next] == ',') {
      end = std::min(out.find_first_not_of(" \t\r\n", next + 1), out.size());
      out.erase(begin, end - begin);
    } else {
      const std::size_t before = out.find_last_not_of(" \t\r\n", begin - 1);
      out.erase(out[before] == ',' ? before : begin, end - (out[before] == ',' ? before : begin));
    }
  }
  if (out == challenge) return std::nullopt;
  return out;
}

}  // namespace sallyport::adapter::sip
