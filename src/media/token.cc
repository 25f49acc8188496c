#include "media/token.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/params.h>

#include <algorithm>
#include <stdexcept>

namespace sallyport::media {

FlowComponent new_flow_component(Random& random) {
  FlowComponent out;
  random.fill(out.token);
  random.fill(out.key);
  return out;
}

// The context is set up with the digest once; setting another key then costs two blocks of SHA-256
// and no look-up. It is what keeps a flow small: a context of its own would take 1 KB.
struct TagMaker::Context {
  EVP_MAC* hmac = nullptr;
  EVP_MAC_CTX* keyed = nullptr;

  Context() {
    hmac = EVP_MAC_fetch(nullptr, "HMAC", nullptr);
    keyed = hmac == nullptr ? nullptr : EVP_MAC_CTX_new(hmac);
    std::array<char, 7> digest{"SHA256"};
    const std::array<OSSL_PARAM, 2> params{
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest.data(), 0),
        OSSL_PARAM_construct_end()};
    if (keyed == nullptr || EVP_MAC_CTX_set_params(keyed, params.data()) != 1) {
      release();
      throw std::runtime_error("this OpenSSL has no HMAC-SHA256");
    }
  }
  Context(const Context&) = delete;
  Context& operator=(const Context&) = delete;
  ~Context() { release(); }

  void release() {
    EVP_MAC_CTX_free(keyed);
    EVP_MAC_free(hmac);
  }
};

TagMaker::TagMaker() : context_(std::make_unique<Context>()) {}
TagMaker::~TagMaker() = default;

TagMaker::Tag TagMaker::make(const FlowKey& key, Bytes message) {
  std::array<std::uint8_t, 32> whole{};
  std::size_t length = 0;
  EVP_MAC_CTX* keyed = context_->keyed;
  if (EVP_MAC_init(keyed, key.data(), key.size(), nullptr) != 1 ||
      EVP_MAC_update(keyed, message.data(), message.size()) != 1 ||
      EVP_MAC_final(keyed, whole.data(), &length, whole.size()) != 1)
    // Only memory can be wanting here. A tag that nobody can guess is as good as a lost datagram.
    std::copy(key.begin(), key.end(), whole.begin());
  Tag tag{};
  std::copy_n(whole.begin(), tag.size(), tag.begin());
  return tag;
}

bool TagMaker::verify(const FlowKey& key, Bytes message, const Tag& tag) {
  const Tag expected = make(key, message);
  return CRYPTO_memcmp(expected.data(), tag.data(), tag.size()) == 0;
}

}  // namespace sallyport::media
