#include "enrolment/token.h"

#include <openssl/sha.h>

#include <algorithm>

#include "base/base64.h"

namespace sallyport::enrolment {
namespace {

constexpr std::string_view kPrefix = "sallyport1.";
constexpr std::uint8_t kVersion = 1;
constexpr std::size_t kCheckSize = 4;
constexpr std::size_t kMaxText = 4096;

std::array<std::uint8_t, 32> sha256(Bytes bytes) {
  std::array<std::uint8_t, 32> out{};
  SHA256(bytes.data(), bytes.size(), out.data());
  return out;
}

}  // namespace

std::string encode(const Token& token) {
  Buffer body;
  Writer out{body};
  const auto seconds_since_1970 =
      std::chrono::duration_cast<seconds>(token.expires.time_since_epoch()).count();
  out.u8(kVersion)
      .u64(static_cast<std::uint64_t>(seconds_since_1970))
      .bytes(token.pin)
      .bytes(token.secret)
      .u8(static_cast<std::uint8_t>(token.servers.size()));
  for (const HostPort& server : token.servers) {
    const std::string text = server.to_string();
    out.u8(static_cast<std::uint8_t>(text.size())).bytes(as_bytes(text));
  }
  out.bytes(Bytes{sha256(body)}.first(kCheckSize));
  return std::string{kPrefix} + to_base64url(body);
}

Result<Token> parse_token(std::string_view text) {
  if (text.size() > kMaxText) return fail(Errc::BadValue, "not a token: too long");
  std::string clean;
  std::copy_if(text.begin(), text.end(), std::back_inserter(clean),
               [](char c) { return c != ' ' && c != '\n' && c != '\r' && c != '\t'; });
  if (!clean.starts_with(kPrefix))
    return fail(Errc::BadValue, "not a token: it does not begin with sallyport1.");
  const auto body = from_base64url(std::string_view{clean}.substr(kPrefix.size()));
  if (!body) return fail(Errc::BadValue, "not a token");
  if (body->size() <= kCheckSize) return fail(Errc::BadValue, "the token is cut");
  const Bytes checked = Bytes{*body}.first(body->size() - kCheckSize);
  const Bytes check = Bytes{*body}.last(kCheckSize);
  if (!std::ranges::equal(Bytes{sha256(checked)}.first(kCheckSize), check))
    return fail(Errc::BadValue, "the token is damaged: a character is wrong or missing");

  Reader in{checked};
  if (in.u8() != kVersion) return fail(Errc::Unsupported, "the token is of a newer version");
  Token token;
  const std::uint64_t expires = in.u64();
  constexpr std::uint64_t kYear2200 = 7'258'118'400;  // WallTime counts nanoseconds to 2262
  if (expires >= kYear2200) return fail(Errc::BadValue, "the token's expiry");
  token.expires = WallTime{seconds{static_cast<std::int64_t>(expires)}};
  token.pin = in.array<32>();
  token.secret = in.array<16>();
  const std::uint8_t count = in.u8();
  if (count == 0 || count > kMaxServers) return fail(Errc::BadValue, "the token's servers");
  for (unsigned i = 0; i < count; ++i) {
    const auto server = HostPort::parse(as_text(in.take(in.u8())));
    if (!server) return fail(Errc::BadValue, "the token's server address");
    token.servers.push_back(*server);
  }
  if (!in.ok() || in.left() != 0) return fail(Errc::BadValue, "the token's length");
  return token;
}

SecretHash hash_of(const Secret& secret) { return sha256(secret); }

}  // namespace sallyport::enrolment
