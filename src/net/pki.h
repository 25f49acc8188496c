// Keys and certificates: what enrolment makes (a server's own key, an agent's client certificate)
// and what a handshake is judged by (common name, validity, serial, pin). P-256 keys, X.509 v3,
// PEM and DER. Values; any thread, one at a time. OpenSSL stays behind this header.
#pragma once

#include <array>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/random.h"
#include "base/result.h"
#include "base/time.h"

struct evp_pkey_st;  // OpenSSL's EVP_PKEY and X509
struct x509_st;

namespace sallyport::net {

// SHA-256 over a certificate's SubjectPublicKeyInfo: it names a key, whatever certificate the key
// is in. An invite token carries the server's.
using SpkiPin = std::array<std::uint8_t, 32>;

struct Validity {
  WallTime not_before;
  WallTime not_after;  // whole seconds; inclusive
};

// A private key; the one secret here. Copies share it.
class PrivateKey {
 public:
  static PrivateKey generate();  // ECDSA over P-256
  // PKCS#8 or SEC 1, not encrypted. BadValue if it is none.
  static Result<PrivateKey> from_pem(std::string_view pem);

  std::string to_pem() const;  // PKCS#8: write it to files of mode 0600 only
  Buffer public_key() const;   // SubjectPublicKeyInfo, DER
  SpkiPin pin() const;
  evp_pkey_st* native() const { return key_.get(); }

 private:
  explicit PrivateKey(evp_pkey_st* owned);
  std::shared_ptr<evp_pkey_st> key_;
};

class Certificate {
 public:
  // The first certificate in `pem`. BadValue if there is none that can be read.
  static Result<Certificate> from_pem(std::string_view pem);
  static Result<Certificate> from_der(Bytes der);  // what Stream::peer_certificate gives
  explicit Certificate(x509_st* owned);

  std::string to_pem() const;
  Buffer to_der() const;
  std::string common_name() const;  // of the subject; empty if it has none
  std::string serial() const;       // lower-case hexadecimal, two digits an octet
  Validity validity() const;
  bool valid_at(WallTime time) const;
  Buffer public_key() const;  // SubjectPublicKeyInfo, DER
  SpkiPin pin() const;
  bool is_ca() const;
  // The issuer's name matches and its key made the signature. Says nothing about validity.
  bool signed_by(const Certificate& ca) const;
  x509_st* native() const { return certificate_.get(); }

 private:
  std::shared_ptr<x509_st> certificate_;
};

// The SHA-256 of a SubjectPublicKeyInfo in DER.
SpkiPin pin_of(Bytes public_key);

// 16 random octets in hexadecimal, positive and not zero as RFC 5280 4.1.2.2 wants.
std::string make_serial(Random& random);

// A certificate authority: it signs certificates and nothing else, at path length 0.
Result<Certificate> make_ca(const PrivateKey& key, const std::string& common_name,
                            const std::string& serial, const Validity& validity);

// A server's own, self-signed. `names`: DNS names and IP addresses (told apart by their form); the
// first is also the common name. BadValue without a name.
Result<Certificate> make_server_certificate(const PrivateKey& key,
                                            const std::vector<std::string>& names,
                                            const std::string& serial, const Validity& validity);

struct Issuer {
  Certificate certificate;
  PrivateKey key;
};

// An agent's: `public_key` (SubjectPublicKeyInfo, DER) signed into a client certificate whose
// common name is the agent's. BadValue when the public key cannot be read or is not one that we
// make (P-256), or the serial is not hexadecimal.
Result<Certificate> sign_client_certificate(const Issuer& issuer, Bytes public_key,
                                            const std::string& agent_name,
                                            const std::string& serial, const Validity& validity);

// A certificate signing request: proves that its sender holds the key (RFC 2986).
struct SigningRequest {
  std::string common_name;
  Buffer public_key;  // SubjectPublicKeyInfo, DER
};
// PEM. BadValue when the name is empty, not UTF-8, or longer than 64 characters.
Result<std::string> make_signing_request(const PrivateKey& key, const std::string& common_name);
// BadValue when it cannot be read; NotPermitted when its signature is not by the key it carries.
Result<SigningRequest> read_signing_request(std::string_view pem);

}  // namespace sallyport::net
