// Digest access authentication as SIP uses it (RFC 3261 section 22, RFC 7616, RFC 8760): the
// hashes, the client's side (answering an upstream's challenge with credentials that the server
// holds), and what must be changed in a challenge that is only passed on. The server's side is
// authenticator.h. Passwords are met only where a hash is made of them. Values; no state.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "brain/users.h"
#include "codec/sip/headers.h"
#include "codec/sip/message.h"

namespace sallyport::adapter::sip {

enum class DigestHash : std::uint8_t { Md5, Sha256 };
struct DigestAlgorithm {
  DigestHash hash = DigestHash::Md5;
  bool session = false;  // "-sess": the first hash covers nonce and cnonce too
};
// By its name, without case; no name means MD5 (RFC 7616 3.3). Nothing for one we do not know.
std::optional<DigestAlgorithm> digest_algorithm(std::optional<std::string_view> name);
std::string_view name(DigestAlgorithm algorithm);

// H(text) as lower-case hexadecimal.
std::string digest_hash(DigestHash hash, std::string_view text);
// H(user:realm:password): what is stored of a password.
std::string digest_ha1(DigestHash hash, std::string_view user, std::string_view realm,
                       std::string_view password);
// A user as it is stored, made from a password; `login` may be empty (the same as `name`).
brain::User make_user(std::string_view name, std::string_view realm, std::string_view password,
                      std::string_view login = {});

// What goes into a response besides the first hash. Without qop: the form of RFC 2069.
struct DigestInput {
  DigestAlgorithm algorithm;
  std::string_view method, uri, nonce;
  std::string_view qop;  // "auth" or empty
  std::string_view nc, cnonce;
};
std::string digest_response(std::string_view ha1, const DigestInput& input);

// ---- Client ----
// The credentials for a realm; nothing if the server holds none.
using FindCredentials = std::function<std::optional<brain::User>(std::string_view realm)>;

// The value of Authorization (to a 401) or Proxy-Authorization (to a 407) that answers the first
// challenge of `response` which we hold credentials for and can answer: RFC 8760 2.4, the topmost
// one that is supported. Nothing if there is none; one that offers auth-int only is never answered,
// because bodies change on their way.
std::optional<std::string> answer_challenge(const codec::sip::Message& response,
                                            std::string_view method, std::string_view uri,
                                            std::string_view cnonce, std::uint32_t nonce_count,
                                            const FindCredentials& find);

// ---- Relay ----
// A challenge (one header value) without auth-int, or nothing if it needs no change. Of several
// qualities "auth" remains. If auth-int was the only one, qop goes altogether: "auth", which that
// server did not offer, would be refused for certain, while a response without qop has to be
// understood for the sake of older clients (RFC 2617 3.2.2, RFC 3261 22.4 rule 8).
std::optional<std::string> without_auth_int(std::string_view challenge);

}  // namespace sallyport::adapter::sip
