// TLS contexts: what a listener or a dialled connection shows and demands. Made once for each
// purpose (the multiplex connection, SIP over TLS, the upstream's TLS) and handed to net::Network
// by TlsOptions. TLS 1.3 is the minimum unless said otherwise; no session tickets, no
// renegotiation, no 0-RTT. One thread: the one of the network that uses it. OpenSSL stays behind
// this header.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "net/pki.h"

struct ssl_ctx_st;  // OpenSSL's SSL_CTX

namespace sallyport::net {

// PEM text: the certificate with its chain after it, and its private key.
struct TlsIdentity {
  std::string certificate_pem;
  std::string key_pem;

  static TlsIdentity of(const Certificate& certificate, const PrivateKey& key);
  // NotFound when a file cannot be read.
  static Result<TlsIdentity> from_files(const std::string& certificate_path,
                                        const std::string& key_path);
};

enum class TlsVersion : std::uint8_t { Tls12, Tls13 };

// A client's certificate is taken as it is, whoever signed it: the handshake proves that the client
// holds its key, and the caller judges Stream::peer_certificate.
enum class ClientCertificate : std::uint8_t { NotAsked, Optional, Required };

struct TlsServerConfig {
  TlsIdentity identity;
  std::vector<std::string> alpn;  // in order of preference; empty: none is negotiated
  TlsVersion minimum = TlsVersion::Tls13;
  ClientCertificate client_certificate = ClientCertificate::NotAsked;
};

enum class VerifyServer : std::uint8_t {
  ChainAndName,  // the chain leads to a trusted root, the name is TlsOptions::server_name (RFC
                 // 9525)
  Chain,         // the chain only
  Pin,           // its key is one of `pins`; names and dates are not looked at, so a wrong clock or
                 // an expired self-signed certificate locks nobody out
  Nothing,       // encrypts, but to whom is unknown
};

struct TlsClientConfig {
  std::optional<TlsIdentity> identity;
  std::vector<std::string> alpn;
  TlsVersion minimum = TlsVersion::Tls13;
  VerifyServer verify = VerifyServer::ChainAndName;
  std::string ca_file;  // PEM; empty, and ca_pem too: the system's roots
  std::string ca_pem;   // or the text itself
  std::vector<SpkiPin> pins;
};

class TlsContext {
 public:
  // BadValue when the identity, the roots or the ALPN list cannot be used.
  static Result<std::shared_ptr<TlsContext>> server(const TlsServerConfig& config);
  static Result<std::shared_ptr<TlsContext>> client(const TlsClientConfig& config);
  TlsContext(const TlsContext&) = delete;
  TlsContext& operator=(const TlsContext&) = delete;
  ~TlsContext();

  // Handshakes from now on show this identity; connections that exist keep theirs. BadValue, and
  // nothing changed, when it cannot be used.
  Result<void> replace_identity(const TlsIdentity& identity);

  // For the stream: the context, and whether a server name must be given and verified.
  ssl_ctx_st* native() const { return context_; }
  bool verifies_name() const { return verifies_name_; }

  // For OpenSSL's callbacks, which are given this object.
  const std::string& alpn_wire() const { return alpn_wire_; }
  const std::vector<SpkiPin>& pins() const { return pins_; }

 private:
  explicit TlsContext(ssl_ctx_st* owned) : context_(owned) {}
  Result<void> set_alpn(const std::vector<std::string>& protocols, bool server);

  ssl_ctx_st* context_;
  std::string alpn_wire_;  // length-prefixed names, as the handshake has them (RFC 7301 3.1)
  std::vector<SpkiPin> pins_;
  bool verifies_name_ = false;
};

}  // namespace sallyport::net
