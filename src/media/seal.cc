#include "media/seal.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <sys/auxv.h>

#include <algorithm>
#include <stdexcept>

namespace sallyport::media {
namespace {

using Nonce = std::array<std::uint8_t, 12>;

EVP_CIPHER_CTX* native(const CipherContextPtr& context) {
  return reinterpret_cast<EVP_CIPHER_CTX*>(context.get());
}

CipherContextPtr make_cipher(const SealKey& key, SealAlgorithm algorithm, bool encrypt) {
  const EVP_CIPHER* cipher =
      algorithm == SealAlgorithm::Aes128Gcm ? EVP_aes_128_gcm() : EVP_chacha20_poly1305();
  CipherContextPtr out{reinterpret_cast<CipherContext*>(EVP_CIPHER_CTX_new())};
  if (!out || EVP_CipherInit_ex(native(out), cipher, nullptr, key.key.data(), nullptr,
                                encrypt ? 1 : 0) != 1)
    throw std::runtime_error("this OpenSSL has no AEAD for media");
  return out;
}

Nonce nonce(const Nonce& iv, std::uint64_t counter) {
  Nonce out = iv;
  for (std::size_t i = 0; i < 8; ++i)
    out[11 - i] = static_cast<std::uint8_t>(out[11 - i] ^ (counter >> (8 * i)));
  return out;
}

int length(Bytes of) { return static_cast<int>(of.size()); }

}  // namespace

void CipherContextDeleter::operator()(CipherContext* context) const {
  EVP_CIPHER_CTX_free(reinterpret_cast<EVP_CIPHER_CTX*>(context));
}

bool has_fast_aes() {
#if defined(__x86_64__) || defined(__i386__)
  return __builtin_cpu_supports("aes") != 0 && __builtin_cpu_supports("pclmul") != 0;
#elif defined(__aarch64__)
  constexpr unsigned long kAes = 1UL << 3U;    // HWCAP_AES
  constexpr unsigned long kPmull = 1UL << 4U;  // HWCAP_PMULL
  return (::getauxval(AT_HWCAP) & (kAes | kPmull)) == (kAes | kPmull);
#else
  return false;
#endif
}

SealKey derive(const MediaSecret& secret, Direction direction, std::uint8_t core,
               SealAlgorithm algorithm) {
  // RFC 5869 2.3: T(n) = HMAC(PRK, T(n-1) | info | n). Here key and iv take two blocks at most.
  Buffer info = to_buffer(std::string_view{"sallyport media 1"});
  Writer{info}
      .u8(static_cast<std::uint8_t>(direction))
      .u8(core)
      .u8(static_cast<std::uint8_t>(algorithm));
  std::array<std::uint8_t, 64> okm{};
  Buffer message;
  for (std::uint8_t n = 1; n <= 2; ++n) {
    MutableBytes block = MutableBytes{okm}.subspan((n - 1U) * 32U, 32);
    if (n > 1) message.assign(okm.begin(), okm.begin() + 32);
    Writer{message}.bytes(info).u8(n);
    unsigned size = 0;
    if (HMAC(EVP_sha256(), secret.data(), static_cast<int>(secret.size()), message.data(),
             message.size(), block.data(), &size) == nullptr)
      throw std::runtime_error("this OpenSSL has no HMAC-SHA256");
  }
  SealKey out;
  const std::ptrdiff_t key_size = algorithm == SealAlgorithm::Aes128Gcm ? 16 : 32;
  std::copy_n(okm.begin(), key_size, out.key.begin());
  std::copy_n(okm.begin() + key_size, out.iv.size(), out.iv.begin());
  OPENSSL_cleanse(okm.data(), okm.size());
  OPENSSL_cleanse(message.data(), message.size());
  return out;
}

Sealer::Sealer(const SealKey& key, SealAlgorithm algorithm)
    : cipher_(make_cipher(key, algorithm, true)), iv_(key.iv) {}

MutableBytes Sealer::seal(SealedHeader header, MutableBytes payload) {
  const std::uint64_t counter = counter_++;
  header.counter = static_cast<std::uint32_t>(counter);
  const MutableBytes whole{payload.data() - kSealedHeader,
                           kSealedHeader + payload.size() + kSealTag};
  write(header, whole);
  const Nonce here = nonce(iv_, counter);
  int done = 0;
  EVP_CIPHER_CTX* cipher = native(cipher_);
  const bool sealed =
      EVP_EncryptInit_ex(cipher, nullptr, nullptr, nullptr, here.data()) == 1 &&
      EVP_EncryptUpdate(cipher, nullptr, &done, whole.data(), int{kSealedHeader}) == 1 &&
      EVP_EncryptUpdate(cipher, payload.data(), &done, payload.data(), length(payload)) == 1 &&
      EVP_EncryptFinal_ex(cipher, payload.data() + done, &done) == 1 &&
      EVP_CIPHER_CTX_ctrl(cipher, EVP_CTRL_AEAD_GET_TAG, int{kSealTag},
                          payload.data() + payload.size()) == 1;
  // It cannot fail; if it did, a lost datagram must not be one in clear.
  if (!sealed) std::fill(payload.begin(), payload.end(), std::uint8_t{0});
  return whole;
}

Opener::Opener(const SealKey& key, SealAlgorithm algorithm)
    : cipher_(make_cipher(key, algorithm, false)), iv_(key.iv) {}

Opener::Result Opener::open(const SealedHeader& header, MutableBytes datagram) {
  const std::uint64_t counter = window_.expand(header.counter);
  if (!window_.is_fresh(counter)) return {.outcome = Outcome::Replayed};  // costs no decryption
  const MutableBytes payload =
      datagram.subspan(kSealedHeader, datagram.size() - kSealedHeader - kSealTag);
  const Nonce here = nonce(iv_, counter);
  int done = 0;
  EVP_CIPHER_CTX* cipher = native(cipher_);
  if (EVP_DecryptInit_ex(cipher, nullptr, nullptr, nullptr, here.data()) != 1 ||
      EVP_DecryptUpdate(cipher, nullptr, &done, datagram.data(), int{kSealedHeader}) != 1 ||
      EVP_DecryptUpdate(cipher, payload.data(), &done, payload.data(), length(payload)) != 1 ||
      EVP_CIPHER_CTX_ctrl(cipher, EVP_CTRL_AEAD_SET_TAG, int{kSealTag},
                          payload.data() + payload.size()) != 1 ||
      EVP_DecryptFinal_ex(cipher, payload.data() + done, &done) != 1)
    return {.outcome = Outcome::BadTag};
  window_.mark(counter);
  return {.outcome = Outcome::Opened, .payload = payload};
}

}  // namespace sallyport::media
