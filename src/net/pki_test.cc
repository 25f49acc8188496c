#include "net/pki.h"

#include <gtest/gtest.h>

#include "base/hex.h"

namespace sallyport::net {
namespace {

const WallTime kStart{std::chrono::seconds{1'800'000'000}};
const Validity kYear{.not_before = kStart, .not_after = kStart + std::chrono::hours{24 * 365}};

struct Authority {
  PrivateKey key = PrivateKey::generate();
  Certificate certificate = make_ca(key, "Sallyport agents", "0102", kYear).value();
};

TEST(Pki, KeySurvivesPem) {
  const PrivateKey key = PrivateKey::generate();
  const auto again = PrivateKey::from_pem(key.to_pem());
  ASSERT_TRUE(again);
  EXPECT_EQ(again->public_key(), key.public_key());
  EXPECT_NE(PrivateKey::generate().public_key(), key.public_key());
  EXPECT_FALSE(
      PrivateKey::from_pem("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----"));
}

TEST(Pki, ClientCertificateSaysWhoseItIsAndForHowLong) {
  const Authority authority;
  const PrivateKey key = PrivateKey::generate();
  const auto made = sign_client_certificate({authority.certificate, authority.key},
                                            key.public_key(), "branch-7", "0a0b0c", kYear);
  ASSERT_TRUE(made);
  const auto read = Certificate::from_der(made->to_der());
  ASSERT_TRUE(read);
  EXPECT_EQ(read->common_name(), "branch-7");
  EXPECT_EQ(read->serial(), "0a0b0c");
  EXPECT_EQ(read->validity().not_before, kYear.not_before);
  EXPECT_EQ(read->validity().not_after, kYear.not_after);
  EXPECT_EQ(read->pin(), key.pin());
  EXPECT_EQ(read->public_key(), key.public_key());
  EXPECT_FALSE(read->is_ca());
  EXPECT_TRUE(authority.certificate.is_ca());
  EXPECT_TRUE(read->valid_at(kStart));
  EXPECT_TRUE(read->valid_at(kYear.not_after));
  EXPECT_FALSE(read->valid_at(kStart - std::chrono::seconds{1}));
  EXPECT_FALSE(read->valid_at(kYear.not_after + std::chrono::seconds{1}));
}

TEST(Pki, SignedByAnotherAuthorityOfTheSameNameIsNotSignedByOurs) {
  const Authority ours;
  const Authority theirs;
  const PrivateKey key = PrivateKey::generate();
  const auto made =
      sign_client_certificate({theirs.certificate, theirs.key}, key.public_key(), "a", "01", kYear);
  ASSERT_TRUE(made);
  EXPECT_TRUE(made->signed_by(theirs.certificate));
  EXPECT_FALSE(made->signed_by(ours.certificate));
}

TEST(Pki, ServerCertificateIsItsOwnIssuer) {
  const PrivateKey key = PrivateKey::generate();
  const auto made =
      make_server_certificate(key, {"server.example.org", "192.0.2.1", "2001:db8::1"}, "01", kYear);
  ASSERT_TRUE(made);
  EXPECT_EQ(made->common_name(), "server.example.org");
  EXPECT_TRUE(made->signed_by(*made));
  const auto read = Certificate::from_pem(made->to_pem());
  ASSERT_TRUE(read);
  EXPECT_EQ(read->pin(), key.pin());
}

TEST(Pki, RefusesNamesAndSerialsThatAreNone) {
  const PrivateKey key = PrivateKey::generate();
  EXPECT_FALSE(make_server_certificate(key, {}, "01", kYear));
  EXPECT_FALSE(make_server_certificate(key, {"a.example,DNS:b.example"}, "01", kYear));
  EXPECT_FALSE(make_server_certificate(key, {"a.example"}, "00", kYear));
  EXPECT_FALSE(make_server_certificate(key, {"a.example"}, "xy", kYear));
  EXPECT_FALSE(make_ca(key, std::string(65, 'a'), "01", kYear));
}

TEST(Pki, SignsOnlyPublicKeysThatWeMake) {
  const Authority authority;
  const Issuer issuer{authority.certificate, authority.key};
  EXPECT_FALSE(sign_client_certificate(issuer, as_bytes("nonsense"), "a", "01", kYear));
  Buffer longer = PrivateKey::generate().public_key();
  longer.push_back(0);
  EXPECT_FALSE(sign_client_certificate(issuer, longer, "a", "01", kYear));
  // Ed25519, RFC 8410 section 10.1: a good key, but not of the kind that join makes.
  const auto ed25519 = from_hex(
      "302a300506032b6570032100 19bf44096984cdfe8541bac167dc3b96c85086aa30b6b6cb0c5c38ad703166e1");
  EXPECT_FALSE(sign_client_certificate(issuer, *ed25519, "a", "01", kYear));
}

TEST(Pki, SigningRequestProvesThatItsSenderHoldsTheKey) {
  const PrivateKey key = PrivateKey::generate();
  const std::string pem = make_signing_request(key, "branch-7").value();
  const auto read = read_signing_request(pem);
  ASSERT_TRUE(read);
  EXPECT_EQ(read->common_name, "branch-7");
  EXPECT_EQ(read->public_key, key.public_key());

  EXPECT_FALSE(make_signing_request(key, std::string(65, 'a')));

  // One letter changed anywhere: the signature is wrong, or the request can no longer be read. (A
  // few letters do not count: the spare bits at the base64's end.)
  std::size_t refused = 0;
  const std::size_t first = pem.find('\n') + 1;
  for (std::size_t i = first; i < pem.find("\n-----END"); ++i) {
    std::string changed = pem;
    if (changed[i] == '\n') continue;
    changed[i] = changed[i] == 'A' ? 'B' : 'A';
    if (!read_signing_request(changed)) ++refused;
  }
  EXPECT_GT(refused, pem.size() / 2);
}

TEST(Pki, SerialsArePositiveAndDiffer) {
  SeededRandom random(1);
  const std::string one = make_serial(random);
  const std::string two = make_serial(random);
  EXPECT_NE(one, two);
  const PrivateKey key = PrivateKey::generate();
  EXPECT_EQ(make_ca(key, "ca", one, kYear)->serial(), one);
}

}  // namespace
}  // namespace sallyport::net
