#include "net/pki.h"

#include <openssl/bn.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/sha.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <cassert>
#include <cstdlib>
#include <ctime>

#include "base/hex.h"
#include "base/transport_address.h"

namespace sallyport::net {
namespace {

template <auto Free>
struct Freer {
  template <typename T>
  void operator()(T* object) const {
    Free(object);
  }
};
void free_openssl(void* memory) { OPENSSL_free(memory); }

using BioPtr = std::unique_ptr<BIO, Freer<BIO_free_all>>;
using BignumPtr = std::unique_ptr<BIGNUM, Freer<BN_free>>;
using KeyPtr = std::unique_ptr<EVP_PKEY, Freer<EVP_PKEY_free>>;
using RequestPtr = std::unique_ptr<X509_REQ, Freer<X509_REQ_free>>;
using ExtensionPtr = std::unique_ptr<X509_EXTENSION, Freer<X509_EXTENSION_free>>;
using TimePtr = std::unique_ptr<ASN1_TIME, Freer<ASN1_STRING_free>>;
using OpensslPtr = std::unique_ptr<void, Freer<free_openssl>>;

// What can only fail for want of memory is not ordinary: stop rather than go on with half a key.
void must(bool done) {
  if (!done) std::abort();
}

BioPtr reading(std::string_view text) {
  BioPtr bio{BIO_new_mem_buf(text.data(), static_cast<int>(text.size()))};
  must(bio != nullptr);
  return bio;
}

BioPtr writing() {
  BioPtr bio{BIO_new(BIO_s_mem())};
  must(bio != nullptr);
  return bio;
}

std::string text_of(const BioPtr& bio) {
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio.get(), &data);
  return {data, static_cast<std::size_t>(size)};
}

// An encrypted key is refused, never asked a password for on a terminal.
int no_password(char* /*out*/, int /*size*/, int /*writing*/, void* /*user*/) { return -1; }

Buffer public_key_der(EVP_PKEY* key) {
  unsigned char* der = nullptr;
  const int size = i2d_PUBKEY(key, &der);
  must(size > 0);
  const OpensslPtr owned{der};
  return {der, der + size};
}

std::string common_name_of(const X509_NAME* name) {
  const int index = X509_NAME_get_index_by_NID(name, NID_commonName, -1);
  if (index < 0) return {};
  const ASN1_STRING* value = X509_NAME_ENTRY_get_data(X509_NAME_get_entry(name, index));
  unsigned char* utf8 = nullptr;
  const int size = ASN1_STRING_to_UTF8(&utf8, value);
  if (size < 0) return {};
  const OpensslPtr owned{utf8};
  return {reinterpret_cast<const char*>(utf8), static_cast<std::size_t>(size)};
}

WallTime wall_time(const ASN1_TIME* time) {
  std::tm broken_down{};
  if (time == nullptr || ASN1_TIME_to_tm(time, &broken_down) != 1) return {};
  return WallTime{std::chrono::seconds{::timegm(&broken_down)}};
}

TimePtr asn1_time(WallTime time) {
  TimePtr out{ASN1_TIME_set(nullptr, std::chrono::system_clock::to_time_t(time))};
  must(out != nullptr);
  return out;
}

bool set_serial(X509* certificate, const std::string& serial) {
  const auto octets = from_hex(serial);
  // RFC 5280 4.1.2.2: positive, not longer than 20 octets.
  if (!octets || octets->empty() || octets->size() > 20) return false;
  const BignumPtr number{BN_bin2bn(octets->data(), static_cast<int>(octets->size()), nullptr)};
  must(number != nullptr);
  if (BN_is_zero(number.get())) return false;
  return BN_to_ASN1_INTEGER(number.get(), X509_get_serialNumber(certificate)) != nullptr;
}

bool set_common_name(X509_NAME* name, const std::string& common_name) {
  // RFC 5280's ub-common-name is 64 characters; OpenSSL refuses what is longer or not UTF-8.
  return X509_NAME_add_entry_by_NID(name, NID_commonName, MBSTRING_UTF8,
                                    reinterpret_cast<const unsigned char*>(common_name.data()),
                                    static_cast<int>(common_name.size()), -1, 0) == 1;
}

bool add_extension(X509* certificate, X509* issuer, int nid, const std::string& value) {
  X509V3_CTX context;
  X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
  const ExtensionPtr extension{X509V3_EXT_conf_nid(nullptr, &context, nid, value.c_str())};
  return extension != nullptr && X509_add_ext(certificate, extension.get(), -1) == 1;
}

// Names go into OpenSSL's small extension language, in which comma and newline would begin another
// entry. A name has neither.
bool is_plain_name(const std::string& name) {
  return !name.empty() && name.find_first_not_of(
                              "abcdefghijklmnopqrstuvwxyz"
                              "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                              "0123456789-._:*") == std::string::npos;
}

struct Subject {
  EVP_PKEY* key;
  const std::string& common_name;
  const std::string& serial;
  const Validity& validity;
};

// Everything but extensions and signature. Null when the serial or name cannot be used.
X509* begin_certificate(const Subject& subject, X509* issuer) {
  std::unique_ptr<X509, Freer<X509_free>> certificate{X509_new()};
  must(certificate != nullptr);
  must(X509_set_version(certificate.get(), X509_VERSION_3) == 1);
  if (!set_serial(certificate.get(), subject.serial)) return nullptr;
  X509_NAME* name = X509_get_subject_name(certificate.get());
  if (!set_common_name(name, subject.common_name)) return nullptr;
  must(X509_set_issuer_name(certificate.get(),
                            issuer != nullptr ? X509_get_subject_name(issuer) : name) == 1);
  must(X509_set1_notBefore(certificate.get(), asn1_time(subject.validity.not_before).get()) == 1);
  must(X509_set1_notAfter(certificate.get(), asn1_time(subject.validity.not_after).get()) == 1);
  must(X509_set_pubkey(certificate.get(), subject.key) == 1);
  return certificate.release();
}

}  // namespace

PrivateKey::PrivateKey(evp_pkey_st* owned) : key_(owned, EVP_PKEY_free) {}

PrivateKey PrivateKey::generate() {
  EVP_PKEY* key = EVP_EC_gen("P-256");
  must(key != nullptr);
  return PrivateKey{key};
}

Result<PrivateKey> PrivateKey::from_pem(std::string_view pem) {
  EVP_PKEY* key = PEM_read_bio_PrivateKey(reading(pem).get(), nullptr, no_password, nullptr);
  if (key == nullptr) return fail(Errc::BadValue, "no private key in PEM, or an encrypted one");
  return PrivateKey{key};
}

std::string PrivateKey::to_pem() const {
  const BioPtr bio = writing();
  must(PEM_write_bio_PrivateKey(bio.get(), key_.get(), nullptr, nullptr, 0, nullptr, nullptr) == 1);
  return text_of(bio);
}

Buffer PrivateKey::public_key() const { return public_key_der(key_.get()); }
SpkiPin PrivateKey::pin() const { return pin_of(public_key()); }

Certificate::Certificate(x509_st* owned) : certificate_(owned, X509_free) {}

Result<Certificate> Certificate::from_pem(std::string_view pem) {
  X509* certificate = PEM_read_bio_X509(reading(pem).get(), nullptr, no_password, nullptr);
  if (certificate == nullptr) return fail(Errc::BadValue, "no certificate in PEM");
  return Certificate{certificate};
}

Result<Certificate> Certificate::from_der(Bytes der) {
  const unsigned char* at = der.data();
  X509* certificate = d2i_X509(nullptr, &at, static_cast<long>(der.size()));
  if (certificate == nullptr) return fail(Errc::BadValue, "not a certificate");
  return Certificate{certificate};
}

std::string Certificate::to_pem() const {
  const BioPtr bio = writing();
  must(PEM_write_bio_X509(bio.get(), certificate_.get()) == 1);
  return text_of(bio);
}

Buffer Certificate::to_der() const {
  unsigned char* der = nullptr;
  const int size = i2d_X509(certificate_.get(), &der);
  must(size > 0);
  const OpensslPtr owned{der};
  return {der, der + size};
}

std::string Certificate::common_name() const {
  return common_name_of(X509_get_subject_name(certificate_.get()));
}

std::string Certificate::serial() const {
  const BignumPtr number{ASN1_INTEGER_to_BN(X509_get0_serialNumber(certificate_.get()), nullptr)};
  must(number != nullptr);
  Buffer octets(static_cast<std::size_t>(BN_num_bytes(number.get())));
  BN_bn2bin(number.get(), octets.data());
  return to_hex(octets);
}

Validity Certificate::validity() const {
  return {.not_before = wall_time(X509_get0_notBefore(certificate_.get())),
          .not_after = wall_time(X509_get0_notAfter(certificate_.get()))};
}

bool Certificate::valid_at(WallTime time) const {
  const Validity between = validity();
  return between.not_before <= time && time < between.not_after + std::chrono::seconds{1};
}

Buffer Certificate::public_key() const {
  unsigned char* der = nullptr;
  const int size = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(certificate_.get()), &der);
  must(size > 0);
  const OpensslPtr owned{der};
  return {der, der + size};
}

SpkiPin Certificate::pin() const { return pin_of(public_key()); }

bool Certificate::is_ca() const { return X509_check_ca(certificate_.get()) == 1; }

bool Certificate::signed_by(const Certificate& ca) const {
  if (X509_NAME_cmp(X509_get_issuer_name(certificate_.get()), X509_get_subject_name(ca.native())) !=
      0)
    return false;
  EVP_PKEY* key = X509_get0_pubkey(ca.native());
  return key != nullptr && X509_verify(certificate_.get(), key) == 1;
}

SpkiPin pin_of(Bytes public_key) {
  SpkiPin pin{};
  SHA256(public_key.data(), public_key.size(), pin.data());
  return pin;
}

std::string make_serial(Random& random) {
  auto octets = random.array<16>();
  octets[0] = static_cast<std::uint8_t>((octets[0] & 0x7fU) | 0x40U);
  return to_hex(octets);
}

Result<Certificate> make_ca(const PrivateKey& key, const std::string& common_name,
                            const std::string& serial, const Validity& validity) {
  X509* made = begin_certificate({key.native(), common_name, serial, validity}, nullptr);
  if (made == nullptr) return fail(Errc::BadValue, "CA name or serial");
  Certificate certificate{made};
  must(add_extension(made, made, NID_basic_constraints, "critical,CA:TRUE,pathlen:0") &&
       add_extension(made, made, NID_key_usage, "critical,keyCertSign,cRLSign") &&
       add_extension(made, made, NID_subject_key_identifier, "hash"));
  must(X509_sign(made, key.native(), EVP_sha256()) > 0);
  return certificate;
}

Result<Certificate> make_server_certificate(const PrivateKey& key,
                                            const std::vector<std::string>& names,
                                            const std::string& serial, const Validity& validity) {
  if (names.empty()) return fail(Errc::BadValue, "server certificate without a name");
  std::string alternatives;
  for (const std::string& name : names) {
    if (!is_plain_name(name)) return fail(Errc::BadValue, "server certificate's name");
    if (!alternatives.empty()) alternatives += ',';
    alternatives += (IpAddress::parse(name) ? "IP:" : "DNS:") + name;
  }
  X509* made = begin_certificate({key.native(), names.front(), serial, validity}, nullptr);
  if (made == nullptr) return fail(Errc::BadValue, "server certificate's name or serial");
  Certificate certificate{made};
  if (!add_extension(made, made, NID_subject_alt_name, alternatives))
    return fail(Errc::BadValue, "server certificate's alternative names");
  must(add_extension(made, made, NID_basic_constraints, "critical,CA:FALSE") &&
       add_extension(made, made, NID_key_usage, "critical,digitalSignature") &&
       add_extension(made, made, NID_ext_key_usage, "serverAuth") &&
       add_extension(made, made, NID_subject_key_identifier, "hash"));
  must(X509_sign(made, key.native(), EVP_sha256()) > 0);
  return certificate;
}

Result<Certificate> sign_client_certificate(const Issuer& issuer, Bytes public_key,
                                            const std::string& agent_name,
                                            const std::string& serial, const Validity& validity) {
  const unsigned char* at = public_key.data();
  const KeyPtr key{d2i_PUBKEY(nullptr, &at, static_cast<long>(public_key.size()))};
  if (!key || at != public_key.data() + public_key.size())
    return fail(Errc::BadValue, "public key");
  std::array<char, 32> group{};
  std::size_t length = 0;
  if (EVP_PKEY_is_a(key.get(), "EC") != 1 ||
      EVP_PKEY_get_group_name(key.get(), group.data(), group.size(), &length) != 1 ||
      std::string_view(group.data(), length) != SN_X9_62_prime256v1)
    return fail(Errc::BadValue, "public key is not on P-256");

  X509* ca = issuer.certificate.native();
  X509* made = begin_certificate({key.get(), agent_name, serial, validity}, ca);
  if (made == nullptr) return fail(Errc::BadValue, "agent's name or serial");
  Certificate certificate{made};
  must(add_extension(made, ca, NID_basic_constraints, "critical,CA:FALSE") &&
       add_extension(made, ca, NID_key_usage, "critical,digitalSignature") &&
       add_extension(made, ca, NID_ext_key_usage, "clientAuth") &&
       add_extension(made, ca, NID_subject_key_identifier, "hash") &&
       add_extension(made, ca, NID_authority_key_identifier, "keyid:always"));
  must(X509_sign(made, issuer.key.native(), EVP_sha256()) > 0);
  return certificate;
}

Result<std::string> make_signing_request(const PrivateKey& key, const std::string& common_name) {
  const RequestPtr request{X509_REQ_new()};
  must(request != nullptr);
  must(X509_REQ_set_version(request.get(), X509_REQ_VERSION_1) == 1);
  if (!set_common_name(X509_REQ_get_subject_name(request.get()), common_name))
    return fail(Errc::BadValue, "name for a signing request");
  must(X509_REQ_set_pubkey(request.get(), key.native()) == 1);
  must(X509_REQ_sign(request.get(), key.native(), EVP_sha256()) > 0);
  const BioPtr bio = writing();
  must(PEM_write_bio_X509_REQ(bio.get(), request.get()) == 1);
  return text_of(bio);
}

Result<SigningRequest> read_signing_request(std::string_view pem) {
  const RequestPtr request{
      PEM_read_bio_X509_REQ(reading(pem).get(), nullptr, no_password, nullptr)};
  if (!request) return fail(Errc::BadValue, "no signing request in PEM");
  EVP_PKEY* key = X509_REQ_get0_pubkey(request.get());
  if (key == nullptr) return fail(Errc::BadValue, "signing request's public key");
  if (X509_REQ_verify(request.get(), key) != 1)
    return fail(Errc::NotPermitted, "signing request is not signed by its key");
  return SigningRequest{.common_name = common_name_of(X509_REQ_get_subject_name(request.get())),
                        .public_key = public_key_der(key)};
}

}  // namespace sallyport::net
