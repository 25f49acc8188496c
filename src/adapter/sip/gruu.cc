#include "adapter/sip/gruu.h"

#include <openssl/evp.h>

#include <algorithm>
#include <cassert>
#include <memory>

#include "base/hex.h"
#include "codec/sip/headers.h"

namespace sallyport::adapter::sip {
namespace {

constexpr std::string_view kPrefix = "tgruu.";
using Block = std::array<std::uint8_t, 16>;

// One block, so that ECB is no mode of operation here but the plain cipher.
Block aes_block(const Gruu::Key& key, const Block& in, bool encrypt) {
  const std::unique_ptr<EVP_CIPHER_CTX, decltype(&EVP_CIPHER_CTX_free)> context{
      EVP_CIPHER_CTX_new(), &EVP_CIPHER_CTX_free};
  Block out{};
  int size = 0;
  [[maybe_unused]] const bool done =
      EVP_CipherInit_ex(context.get(), EVP_aes_128_ecb(), nullptr, key.data(), nullptr,
                        encrypt ? 1 : 0) == 1 &&
      EVP_CIPHER_CTX_set_padding(context.get(), 0) == 1 &&
      EVP_CipherUpdate(context.get(), out.data(), &size, in.data(), 16) == 1;
  assert(done && size == 16);
  return out;
}

std::string_view without_brackets(std::string_view instance) {
  if (instance.size() >= 2 && instance.front() == '<' && instance.back() == '>')
    return instance.substr(1, instance.size() - 2);
  return instance;
}

// RFC 3261 25.1: paramchar is unreserved or one of []/:&+$ ; all else is escaped.
std::string escape_parameter(std::string_view text) {
  constexpr std::string_view kPlain = "-_.!~*'()[]/:&+$";
  std::string out;
  for (const char c : text) {
    const bool alphanumeric =
        (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    if (alphanumeric || kPlain.find(c) != std::string_view::npos) {
      out += c;
    } else {
      const std::array<std::uint8_t, 1> octet{static_cast<std::uint8_t>(c)};
      out += '%' + to_hex(octet);
    }
  }
  return out;
}

}  // namespace

std::string Gruu::public_uri(std::string_view identity, std::string_view instance) {
  return std::string{identity} + ";gr=" + escape_parameter(without_brackets(instance));
}

bool Gruu::names(std::string_view gr, std::string_view instance) {
  return !instance.empty() && codec::sip::unescape(gr) == without_brackets(instance);
}

std::string Gruu::temporary_uri(std::string_view handle, std::string_view domain,
                                Random& random) const {
  const auto octets = from_hex(handle);
  assert(octets && octets->size() == kGruuHandleOctets);
  Block block{};
  const auto salt = random.array<8>();
  std::copy(octets->begin(), octets->end(), block.begin());
  std::copy(salt.begin(), salt.end(), block.begin() + kGruuHandleOctets);
  return "sip:" + std::string{kPrefix} + to_hex(aes_block(key_, block, true)) + "@" +
         std::string{domain} + ";gr";
}

std::optional<std::string> Gruu::handle_of(std::string_view user) const {
  if (!user.starts_with(kPrefix)) return std::nullopt;
  const auto octets = from_hex(user.substr(kPrefix.size()));
  if (!octets || octets->size() != 16) return std::nullopt;
  Block block{};
  std::copy(octets->begin(), octets->end(), block.begin());
  return to_hex(Bytes{aes_block(key_, block, false)}.first(kGruuHandleOctets));
}

}  // namespace sallyport::adapter::sip
