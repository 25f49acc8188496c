#include "net/tls.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <iterator>

namespace sallyport::net {
namespace {

using X509Ptr = std::unique_ptr<X509, decltype(&X509_free)>;
using BioPtr = std::unique_ptr<BIO, decltype(&BIO_free_all)>;

constexpr unsigned char kSessionContext[] = "sallyport";

// The handshake proves possession of the key; whose key it is, the caller judges.
int accept_any(X509_STORE_CTX* /*store*/, void* /*user*/) { return 1; }

int accept_pinned(X509_STORE_CTX* store, void* user) {
  const auto& context = *static_cast<const TlsContext*>(user);
  X509* leaf = X509_STORE_CTX_get0_cert(store);
  if (leaf != nullptr) {
    X509_up_ref(leaf);
    const SpkiPin pin = Certificate{leaf}.pin();
    if (std::find(context.pins().begin(), context.pins().end(), pin) != context.pins().end())
      return 1;
  }
  X509_STORE_CTX_set_error(store, X509_V_ERR_CERT_UNTRUSTED);
  return 0;
}

int select_alpn(SSL* /*ssl*/, const unsigned char** out, unsigned char* out_size,
                const unsigned char* offered, unsigned offered_size, void* user) {
  const std::string& ours = static_cast<const TlsContext*>(user)->alpn_wire();
  unsigned char* selected = nullptr;
  const int found = SSL_select_next_proto(
      &selected, out_size, reinterpret_cast<const unsigned char*>(ours.data()),
      static_cast<unsigned>(ours.size()), offered, offered_size);
  // RFC 7301 3.2: no protocol in common is a fatal alert.
  if (found != OPENSSL_NPN_NEGOTIATED) return SSL_TLSEXT_ERR_ALERT_FATAL;
  *out = selected;
  return SSL_TLSEXT_ERR_OK;
}

Result<void> use_identity(SSL_CTX* context, const TlsIdentity& identity) {
  const auto key = PrivateKey::from_pem(identity.key_pem);
  if (!key) return tl::make_unexpected(key.error());
  const BioPtr pem{BIO_new_mem_buf(identity.certificate_pem.data(),
                                   static_cast<int>(identity.certificate_pem.size())),
                   BIO_free_all};
  const X509Ptr leaf{PEM_read_bio_X509(pem.get(), nullptr, nullptr, nullptr), X509_free};
  if (!leaf) return fail(Errc::BadValue, "no certificate in PEM");

  STACK_OF(X509)* chain = sk_X509_new_null();
  while (X509* next = PEM_read_bio_X509(pem.get(), nullptr, nullptr, nullptr))
    sk_X509_push(chain, next);
  ERR_clear_error();  // the end of the text counts as an error
  // Checks that key and certificate belong together before it changes anything.
  const int used = SSL_CTX_use_cert_and_key(context, leaf.get(), key->native(), chain, 1);
  sk_X509_pop_free(chain, X509_free);
  if (used == 1) return {};
  ERR_clear_error();
  return fail(Errc::BadValue, "certificate and key do not belong together");
}

void harden(SSL_CTX* context, TlsVersion minimum) {
  SSL_CTX_set_min_proto_version(context,
                                minimum == TlsVersion::Tls12 ? TLS1_2_VERSION : TLS1_3_VERSION);
  // A resumed handshake with a client certificate saves hardly anything, and tickets cost memory
  // for each of many idle connections.
  SSL_CTX_set_options(context, SSL_OP_NO_TICKET | SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
  SSL_CTX_set_num_tickets(context, 0);
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_session_id_context(context, kSessionContext, sizeof kSessionContext - 1);
  SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                                SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  SSL_CTX_set_read_ahead(context, 1);  // one recv() a record instead of two
  SSL_CTX_set1_groups_list(context, "X25519:P-256");
}

Result<void> trust_pem(SSL_CTX* context, const std::string& text) {
  const BioPtr pem{BIO_new_mem_buf(text.data(), static_cast<int>(text.size())), BIO_free_all};
  X509_STORE* store = SSL_CTX_get_cert_store(context);
  bool any = false;
  while (X509* next = PEM_read_bio_X509(pem.get(), nullptr, nullptr, nullptr)) {
    const X509Ptr root{next, X509_free};
    any |= X509_STORE_add_cert(store, root.get()) == 1;
  }
  ERR_clear_error();
  if (!any) return fail(Errc::BadValue, "no certificate among the roots");
  return {};
}

Result<void> trust_roots(SSL_CTX* context, const TlsClientConfig& config) {
  if (!config.ca_pem.empty()) return trust_pem(context, config.ca_pem);
  const bool loaded = config.ca_file.empty()
                          ? SSL_CTX_set_default_verify_paths(context) == 1
                          : SSL_CTX_load_verify_file(context, config.ca_file.c_str()) == 1;
  ERR_clear_error();
  if (!loaded) return fail(Errc::BadValue, "cannot load the trusted roots");
  return {};
}

Result<std::string> read_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return fail(Errc::NotFound, "cannot read the file of a certificate or key");
  return std::string{std::istreambuf_iterator<char>(file), {}};
}

}  // namespace

TlsIdentity TlsIdentity::of(const Certificate& certificate, const PrivateKey& key) {
  return {.certificate_pem = certificate.to_pem(), .key_pem = key.to_pem()};
}

Result<TlsIdentity> TlsIdentity::from_files(const std::string& certificate_path,
                                            const std::string& key_path) {
  auto certificate = read_file(certificate_path);
  if (!certificate) return tl::make_unexpected(certificate.error());
  auto key = read_file(key_path);
  if (!key) return tl::make_unexpected(key.error());
  return TlsIdentity{.certificate_pem = std::move(*certificate), .key_pem = std::move(*key)};
}

TlsContext::~TlsContext() { SSL_CTX_free(context_); }

Result<std::shared_ptr<TlsContext>> TlsContext::server(const TlsServerConfig& config) {
  SSL_CTX* native = SSL_CTX_new(TLS_server_method());
  if (native == nullptr) return fail(Errc::System, "cannot make a TLS context");
  std::shared_ptr<TlsContext> context{new TlsContext(native)};
  harden(native, config.minimum);
  if (const auto used = use_identity(native, config.identity); !used)
    return tl::make_unexpected(used.error());
  if (const auto set = context->set_alpn(config.alpn, true); !set)
    return tl::make_unexpected(set.error());
  if (config.client_certificate != ClientCertificate::NotAsked) {
    int mode = SSL_VERIFY_PEER;
    if (config.client_certificate == ClientCertificate::Required)
      mode |= SSL_VERIFY_FAIL_IF_NO_PEER_CERT;
    SSL_CTX_set_verify(native, mode, nullptr);
    SSL_CTX_set_cert_verify_callback(native, accept_any, nullptr);
  }
  return context;
}

Result<std::shared_ptr<TlsContext>> TlsContext::client(const TlsClientConfig& config) {
  SSL_CTX* native = SSL_CTX_new(TLS_client_method());
  if (native == nullptr) return fail(Errc::System, "cannot make a TLS context");
  std::shared_ptr<TlsContext> context{new TlsContext(native)};
  harden(native, config.minimum);
  if (config.identity) {
    if (const auto used = use_identity(native, *config.identity); !used)
      return tl::make_unexpected(used.error());
  }
  if (const auto set = context->set_alpn(config.alpn, false); !set)
    return tl::make_unexpected(set.error());

  switch (config.verify) {
    case VerifyServer::ChainAndName:
    case VerifyServer::Chain:
      if (const auto trusted = trust_roots(native, config); !trusted)
        return tl::make_unexpected(trusted.error());
      context->verifies_name_ = config.verify == VerifyServer::ChainAndName;
      SSL_CTX_set_verify(native, SSL_VERIFY_PEER, nullptr);
      break;
    case VerifyServer::Pin:
      if (config.pins.empty()) return fail(Errc::BadValue, "no pin to verify by");
      context->pins_ = config.pins;
      SSL_CTX_set_verify(native, SSL_VERIFY_PEER, nullptr);
      SSL_CTX_set_cert_verify_callback(native, accept_pinned, context.get());
      break;
    case VerifyServer::Nothing:
      SSL_CTX_set_verify(native, SSL_VERIFY_NONE, nullptr);
      break;
  }
  return context;
}

Result<void> TlsContext::replace_identity(const TlsIdentity& identity) {
  return use_identity(context_, identity);
}

Result<void> TlsContext::set_alpn(const std::vector<std::string>& protocols, bool server) {
  for (const std::string& protocol : protocols) {
    if (protocol.empty() || protocol.size() > 255) return fail(Errc::BadValue, "ALPN name");
    alpn_wire_.push_back(static_cast<char>(protocol.size()));
    alpn_wire_ += protocol;
  }
  if (alpn_wire_.empty()) return {};
  if (server) {
    SSL_CTX_set_alpn_select_cb(context_, select_alpn, this);
    return {};
  }
  const int refused =
      SSL_CTX_set_alpn_protos(context_, reinterpret_cast<const unsigned char*>(alpn_wire_.data()),
                              static_cast<unsigned>(alpn_wire_.size()));
  if (refused != 0) return fail(Errc::BadValue, "ALPN list");
  return {};
}

}  // namespace sallyport::net
