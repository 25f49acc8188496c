#include "adapter/sip/digest.h"

#include <gtest/gtest.h>

namespace sallyport::adapter::sip {
namespace {

using codec::sip::AuthValue;
using codec::sip::Message;

constexpr DigestAlgorithm kMd5{DigestHash::Md5, false};
constexpr DigestAlgorithm kMd5Sess{DigestHash::Md5, true};
constexpr DigestAlgorithm kSha256{DigestHash::Sha256, false};

// RFC 7616 3.9.1.
DigestInput rfc7616(DigestAlgorithm algorithm) {
  return {algorithm,
          "GET",
          "/dir/index.html",
          "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v",
          "auth",
          "00000001",
          "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ"};
}

TEST(Digest, ComputesTheExamplesOfRfc7616) {
  constexpr std::string_view kRealm = "http-auth@example.org";
  EXPECT_EQ(digest_response(digest_ha1(DigestHash::Md5, "Mufasa", kRealm, "Circle of Life"),
                            rfc7616(kMd5)),
            "8ca523f5e9506fed4657c9700eebdbec");
  EXPECT_EQ(digest_response(digest_ha1(DigestHash::Sha256, "Mufasa", kRealm, "Circle of Life"),
                            rfc7616(kSha256)),
            "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1");
}

TEST(Digest, ComputesTheExamplesOfRfc2617AndOfRfc2069) {
  DigestInput input{kMd5,   "GET",      "/dir/index.html", "dcd98b7102dd2f0e8b11d0f600bfb0c093",
                    "auth", "00000001", "0a4f113b"};
  EXPECT_EQ(
      digest_response(digest_ha1(DigestHash::Md5, "Mufasa", "testrealm@host.com", "Circle Of Life"),
                      input),
      "6629fae49393a05397450978507c4ef1");
  // RFC 2069 2.4, as its erratum 749 corrects it.
  input.qop = input.nc = input.cnonce = {};
  EXPECT_EQ(digest_response(
                digest_ha1(DigestHash::Md5, "Mufasa", "testrealm@host.com", "CircleOfLife"), input),
            "1949323746fe6a43ef61f9606e7febea");
}

TEST(Digest, CoversNonceAndCnonceOnceMoreInASession) {
  const std::string ha1 = digest_ha1(DigestHash::Md5, "u", "r", "p");
  DigestInput input = rfc7616(kMd5Sess);
  const std::string session = digest_hash(
      DigestHash::Md5, ha1 + ":" + std::string{input.nonce} + ":" + std::string{input.cnonce});
  EXPECT_EQ(digest_response(ha1, input), digest_response(session, rfc7616(kMd5)));
}

TEST(Digest, KnowsAlgorithmsByNameWithoutCase) {
  EXPECT_EQ(name(*digest_algorithm(std::nullopt)), "MD5");
  for (const char* known : {"MD5", "MD5-sess", "SHA-256", "SHA-256-sess"})
    EXPECT_EQ(name(*digest_algorithm(known)), known);
  EXPECT_EQ(name(*digest_algorithm("sha-256-SESS")), "SHA-256-sess");
  for (const char* other : {"", "SHA-512-256", "AKAv1-MD5", "MD5-session"})
    EXPECT_FALSE(digest_algorithm(other)) << other;
}

Message challenged(int status, const std::string& lines) {
  return std::move(*Message::parse("SIP/2.0 " + std::to_string(status) +
                                   " Unauthorized\r\n"
                                   "Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1\r\n"
                                   "From: <sip:alice@example.org>;tag=1\r\n"
                                   "To: <sip:alice@example.org>;tag=2\r\nCall-ID: c\r\n"
                                   "CSeq: 1 REGISTER\r\n" +
                                   lines + "Content-Length: 0\r\n\r\n"));
}

class DigestClient : public ::testing::Test {
 protected:
  std::optional<std::string> answer(const Message& response) {
    return answer_challenge(response, "REGISTER", "sip:example.org", "0a4f113b", 1,
                            [&](std::string_view realm) -> std::optional<brain::User> {
                              if (realm != "example.org") return std::nullopt;
                              return alice_;
                            });
  }
  brain::User alice_ = make_user("alice", "example.org", "secret", "login");
};

TEST_F(DigestClient, AnswersTheTopmostChallengeItCan) {
  const auto text = answer(
      challenged(401,
                 "WWW-Authenticate: Basic realm=\"example.org\"\r\n"
                 "WWW-Authenticate: Digest realm=\"example.com\", nonce=\"a\"\r\n"
                 "WWW-Authenticate: Digest realm=\"example.org\", nonce=\"a\", "
                 "algorithm=SHA-512-256, qop=\"auth\"\r\n"
                 "WWW-Authenticate: Digest realm=\"example.org\", nonce=\"b\", opaque=\"o\", "
                 "algorithm=sha-256, qop=\"auth-int,auth\"\r\n"
                 "WWW-Authenticate: Digest realm=\"example.org\", nonce=\"c\"\r\n"));
  ASSERT_TRUE(text);
  const auto value = AuthValue::parse(*text);
  ASSERT_TRUE(value);
  EXPECT_EQ(value->scheme, "Digest");
  EXPECT_EQ(value->find("username"), "login");
  EXPECT_EQ(value->find("realm"), "example.org");
  EXPECT_EQ(value->find("nonce"), "b");
  EXPECT_EQ(value->find("uri"), "sip:example.org");
  EXPECT_EQ(value->find("algorithm"), "sha-256");
  EXPECT_EQ(value->find("qop"), "auth");
  EXPECT_EQ(value->find("nc"), "00000001");
  EXPECT_EQ(value->find("cnonce"), "0a4f113b");
  EXPECT_EQ(value->find("opaque"), "o");
  EXPECT_EQ(value->find("response"),
            digest_response(alice_.ha1_sha256, {kSha256, "REGISTER", "sip:example.org", "b", "auth",
                                                "00000001", "0a4f113b"}));
}

TEST_F(DigestClient, AnswersWithoutQopAsRfc2069Says) {
  const auto text =
      answer(challenged(407, "Proxy-Authenticate: Digest realm=\"example.org\", nonce=\"c\"\r\n"));
  ASSERT_TRUE(text);
  const auto value = AuthValue::parse(*text);
  for (const char* absent : {"qop", "nc", "cnonce", "algorithm", "opaque"})
    EXPECT_FALSE(value->find(absent)) << absent;
  EXPECT_EQ(
      value->find("response"),
      digest_response(alice_.ha1_md5, {kMd5, "REGISTER", "sip:example.org", "c", {}, {}, {}}));
}

TEST_F(DigestClient, SendsItsCnonceInASessionEvenWithoutQop) {
  const auto text = answer(challenged(
      401, "WWW-Authenticate: Digest realm=\"example.org\", nonce=\"c\", algorithm=MD5-sess\r\n"));
  ASSERT_TRUE(text);
  EXPECT_EQ(AuthValue::parse(*text)->find("cnonce"), "0a4f113b");
}

TEST_F(DigestClient, LeavesAloneWhatItCannotOrMustNotAnswer) {
  for (const char* none :
       {"WWW-Authenticate: Digest realm=\"example.org\", nonce=\"c\", qop=\"auth-int\"\r\n",
        "WWW-Authenticate: Digest realm=\"other\", nonce=\"c\"\r\n",
        "WWW-Authenticate: Digest realm=\"example.org\"\r\n",
        "WWW-Authenticate: Digest realm=\"example.org\", nonce=\"c\", algorithm=XX\r\n",
        "Proxy-Authenticate: Digest realm=\"example.org\", nonce=\"c\"\r\n",
        "WWW-Authenticate: nonsense\r\n", ""})
    EXPECT_FALSE(answer(challenged(401, none))) << none;
}

TEST(Challenge, LosesAuthIntAndNothingElse) {
  const auto relayed = [](std::string_view challenge) {
    return without_auth_int(challenge).value_or("unchanged");
  };
  EXPECT_EQ(relayed(R"(Digest realm="a, b",  qop="auth,auth-int", nonce="n")"),
            R"(Digest realm="a, b",  qop="auth", nonce="n")");
  EXPECT_EQ(relayed(R"(Digest realm="a",qop="auth-int , AUTH")"), R"(Digest realm="a",qop="auth")");
  EXPECT_EQ(relayed(R"(Digest realm="a", qop="auth-int", nonce="n")"),
            R"(Digest realm="a", nonce="n")");
  EXPECT_EQ(relayed(R"(Digest realm="a", nonce="n", qop="auth-int")"),
            R"(Digest realm="a", nonce="n")");
  EXPECT_EQ(relayed(R"(Digest qop="auth-int", realm="a")"), R"(Digest realm="a")");
  EXPECT_EQ(relayed(R"(Digest realm="a", qop=auth-int)"), R"(Digest realm="a")");
  for (const char* kept :
       {R"(Digest realm="a", qop="auth", nonce="n")", R"(Digest realm="a", nonce="auth-int")",
        R"(Digest realm="qop=auth-int", nonce="n")", R"(Basic realm="a")", "", "Digest"})
    EXPECT_EQ(relayed(kept), "unchanged") << kept;
}

}  // namespace
}  // namespace sallyport::adapter::sip
