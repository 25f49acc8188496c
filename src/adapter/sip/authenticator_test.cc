#include "adapter/sip/authenticator.h"

#include <gtest/gtest.h>

#include "adapter/sip/digest.h"
#include "adapter/users_fake.h"
#include "base/hex.h"
#include "codec/sip/headers.h"

namespace sallyport::adapter::sip {
namespace {

using codec::sip::AuthValue;
using codec::sip::HeaderName;
using codec::sip::Message;
using Verdict = Authenticator::Verdict;

const std::string kRealm = "example.org";

class AuthenticatorTest : public ::testing::Test {
 protected:
  AuthenticatorTest() { users_.put(alice_); }

  std::string nonce() {
    const std::string challenge = authenticator_.challenges(kRealm, false, wall_).front();
    return std::string{*AuthValue::parse(challenge)->find("nonce")};
  }

  struct Said {
    std::string password = "secret", login = "alice", nc = "00000001";
    DigestAlgorithm algorithm{DigestHash::Sha256, false};
    std::string uri = "sip:example.org", qop = "auth", more, realm = kRealm;
  };
  std::string authorization(const std::string& nonce, const Said& said) {
    const DigestInput input{said.algorithm, "REGISTER", said.uri, nonce, said.qop, said.nc, "cn"};
    const std::string ha1 = digest_ha1(said.algorithm.hash, said.login, said.realm, said.password);
    std::string out = "Digest realm=\"" + said.realm + "\", nonce=\"" + nonce + "\", uri=\"" +
                      said.uri + "\", algorithm=" + std::string{name(said.algorithm)} +
                      ", response=\"" + digest_response(ha1, input) + "\"";
    if (!said.qop.empty()) out += ", qop=" + said.qop + ", nc=" + said.nc + ", cnonce=\"cn\"";
    if (said.more.empty()) return out + ", username=\"" + said.login + "\"";
    return out + said.more;
  }
  Verdict judge(const std::vector<std::string>& authorizations,
                const std::string& source = "192.0.2.1") {
    std::string text =
        "REGISTER sip:example.org SIP/2.0\r\n"
        "Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1\r\nMax-Forwards: 70\r\n"
        "From: <sip:alice@example.org>;tag=1\r\nTo: <sip:alice@example.org>\r\n"
        "Call-ID: c\r\nCSeq: 1 REGISTER\r\n";
    for (const std::string& one : authorizations) text += "Authorization: " + one + "\r\n";
    const auto request = Message::parse(text + "Content-Length: 0\r\n\r\n");
    EXPECT_TRUE(request);
    const auto judgement = authenticator_.judge(
        *request, HeaderName::Authorization, kRealm,
        {"sip:alice@example.org", Place::outside(), *IpAddress::parse(source)}, wall_, steady_);
    EXPECT_EQ(judgement.user.has_value(), judgement.verdict == Verdict::Accepted);
    return judgement.verdict;
  }
  Verdict judge(const std::string& nonce, const Said& said) {
    return judge({authorization(nonce, said)});
  }
  static Said count(int n) {
    Said said;
    said.nc = "000000" + to_hex(std::array<std::uint8_t, 1>{static_cast<std::uint8_t>(n)});
    return said;
  }

  const brain::User alice_ = make_user("alice", kRealm, "secret");
  FakeUsers users_;
  SeededRandom random_{1};
  Authenticator::Limits limits_;
  Authenticator authenticator_{limits_, {1, 2, 3}, users_, random_};
  WallTime wall_{std::chrono::hours{500'000}};
  TimePoint steady_{std::chrono::hours{1}};
};

TEST_F(AuthenticatorTest, OffersSha256FirstAndThenMd5) {
  const auto challenges = authenticator_.challenges(kRealm, true, wall_);
  ASSERT_EQ(challenges.size(), 2U);
  EXPECT_EQ(AuthValue::parse(challenges[0])->find("algorithm"), "SHA-256");
  EXPECT_EQ(AuthValue::parse(challenges[1])->find("algorithm"), "MD5");
  for (const std::string& challenge : challenges) {
    EXPECT_EQ(AuthValue::parse(challenge)->find("qop"), "auth");
    EXPECT_EQ(AuthValue::parse(challenge)->find("stale"), "true");
    EXPECT_EQ(AuthValue::parse(challenge)->find("realm"), kRealm);
  }
  EXPECT_NE(nonce(), nonce());
}

TEST_F(AuthenticatorTest, AcceptsThePasswordInEveryFormItOffers) {
  Said said;
  EXPECT_EQ(judge(nonce(), said), Verdict::Accepted);
  said.algorithm.hash = DigestHash::Md5;
  EXPECT_EQ(judge(nonce(), said), Verdict::Accepted);
  said.algorithm.session = true;
  EXPECT_EQ(judge(nonce(), said), Verdict::Accepted);
  said.algorithm = {};
  said.qop.clear();
  EXPECT_EQ(judge(nonce(), said), Verdict::Accepted) << "RFC 2069";
}

TEST_F(AuthenticatorTest, KnowsAHashedAndAnExtendedUserName) {
  Said said;
  said.more = ", username=\"" + alice_.userhash_sha256 + "\", userhash=true";
  EXPECT_EQ(judge(nonce(), said), Verdict::Accepted);
  said.more = ", username*=UTF-8''%61lice";
  EXPECT_EQ(judge(nonce(), said), Verdict::Accepted);
  said.more = ", username*=ISO-8859-1''alice";
  EXPECT_EQ(judge(nonce(), said), Verdict::Unanswered);
}

TEST_F(AuthenticatorTest, ChoosesTheCredentialsOfItsRealm) {
  Said other;
  other.realm = "example.net";
  EXPECT_EQ(judge({authorization("x", other), "Basic abc", authorization(nonce(), {})}),
            Verdict::Accepted);
  EXPECT_EQ(judge({authorization("x", other)}), Verdict::Unanswered);
  EXPECT_EQ(judge(std::vector<std::string>{}), Verdict::Unanswered);
}

TEST_F(AuthenticatorTest, NeverTakesAnAnswerTwice) {
  const std::string one = nonce();
  EXPECT_EQ(judge(one, count(1)), Verdict::Accepted);
  EXPECT_EQ(judge(one, count(1)), Verdict::Stale);
  EXPECT_EQ(judge(one, count(2)), Verdict::Accepted);
  EXPECT_EQ(judge(one, count(70)), Verdict::Accepted);
  EXPECT_EQ(judge(one, count(69)), Verdict::Accepted) << "overtaken on the way";
  EXPECT_EQ(judge(one, count(69)), Verdict::Stale);
  EXPECT_EQ(judge(one, count(6)), Verdict::Accepted) << "the last of the window";
  EXPECT_EQ(judge(one, count(6)), Verdict::Stale);
  EXPECT_EQ(judge(one, count(5)), Verdict::Stale) << "behind the window";
  EXPECT_EQ(judge(one, count(2)), Verdict::Stale);
  Said without_qop;
  without_qop.qop.clear();
  const std::string other = nonce();
  EXPECT_EQ(judge(other, without_qop), Verdict::Accepted);
  EXPECT_EQ(judge(other, without_qop), Verdict::Stale);
}

TEST_F(AuthenticatorTest, CallsANonceStaleOnlyToWhoKnowsThePassword) {
  const std::string old = nonce();
  wall_ += seconds{301};
  EXPECT_EQ(judge(old, {}), Verdict::Stale);
  EXPECT_EQ(judge("somebody else's", {}), Verdict::Stale);
  std::string forged = nonce();
  forged.front() = forged.front() == '0' ? '1' : '0';
  EXPECT_EQ(judge(forged, {}), Verdict::Stale);
  Said wrong;
  wrong.password = "guess";
  EXPECT_EQ(judge(old, wrong), Verdict::Wrong);
  EXPECT_EQ(authenticator_.nonces(), 0U) << "none of these takes memory";
}

TEST_F(AuthenticatorTest, KeepsNoncesOverARestartWithTheSameSecret) {
  Authenticator before{limits_, {1, 2, 3}, users_, random_};
  const auto challenge = before.challenges(kRealm, false, wall_).front();
  EXPECT_EQ(judge(std::string{*AuthValue::parse(challenge)->find("nonce")}, {}), Verdict::Accepted);
  Authenticator other{limits_, {9}, users_, random_};
  const auto foreign = other.challenges(kRealm, false, wall_).front();
  EXPECT_EQ(judge(std::string{*AuthValue::parse(foreign)->find("nonce")}, {}), Verdict::Stale);
}

TEST_F(AuthenticatorTest, BlocksAfterWrongPasswordsEvenTheRightOneButOnlyFromThere) {
  Said wrong;
  wrong.password = "guess";
  EXPECT_EQ(judge(nonce(), wrong), Verdict::Wrong);
  EXPECT_EQ(judge(nonce(), wrong), Verdict::Wrong);
  EXPECT_EQ(judge(nonce(), wrong), Verdict::Blocked);
  EXPECT_EQ(judge(nonce(), {}), Verdict::Blocked);
  EXPECT_EQ(judge({authorization(nonce(), {})}, "192.0.2.2"), Verdict::Accepted);
  steady_ += seconds{30};
  EXPECT_EQ(judge(nonce(), {}), Verdict::Accepted);
  EXPECT_EQ(authenticator_.throttle().size(), 0U);
}

TEST_F(AuthenticatorTest, CountsAnUnknownUserLikeAWrongPassword) {
  Said nobody;
  nobody.login = "mallory";
  EXPECT_EQ(judge(nonce(), nobody), Verdict::Unknown);
  EXPECT_EQ(judge(nonce(), nobody), Verdict::Unknown);
  EXPECT_EQ(judge(nonce(), nobody), Verdict::Blocked);
}

TEST_F(AuthenticatorTest, RefusesAnAnswerMadeForAnotherResource) {
  Said said;
  said.uri = "sip:EXAMPLE.org:5060;transport=udp";
  EXPECT_EQ(judge(nonce(), said), Verdict::Accepted) << "the same resource, written otherwise";
  said.uri = "sip:example.net";
  EXPECT_EQ(judge(nonce(), said), Verdict::Mismatch);
  said.uri = "sip:bob@example.org";
  EXPECT_EQ(judge(nonce(), said), Verdict::Mismatch);
}

TEST_F(AuthenticatorTest, DoesNotTakeWhatItDidNotOfferOrCannotRead) {
  Said said;
  said.qop = "auth-int";
  EXPECT_EQ(judge(nonce(), said), Verdict::Unanswered);
  for (const char* nc : {"00000000", "1", "0000000g", "000000001"}) {
    Said bad;
    bad.nc = nc;
    EXPECT_EQ(judge(nonce(), bad), Verdict::Unanswered) << nc;
  }
}

TEST_F(AuthenticatorTest, RemembersSoManyNoncesAndTakesNoneTwiceForAllThat) {
  limits_.nonces = 3;
  Authenticator small{limits_, {1, 2, 3}, users_, random_};
  std::vector<std::string> all;
  for (int i = 0; i < 5; ++i) {
    const auto challenge = small.challenges(kRealm, false, wall_).front();
    all.emplace_back(*AuthValue::parse(challenge)->find("nonce"));
    wall_ += milliseconds{1};
  }
  const auto ask = [&](const std::string& one) {
    const auto request = Message::parse(
        "REGISTER sip:example.org SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1\r\n"
        "From: <sip:alice@example.org>;tag=1\r\nTo: <sip:alice@example.org>\r\n"
        "Call-ID: c\r\nCSeq: 1 REGISTER\r\nAuthorization: " +
        authorization(one, {}) + "\r\nContent-Length: 0\r\n\r\n");
    return small
        .judge(*request, HeaderName::Authorization, kRealm,
               {"sip:alice@example.org", Place::outside(), {}}, wall_, steady_)
        .verdict;
  };
  for (const std::string& one : all) EXPECT_EQ(ask(one), Verdict::Accepted);
  EXPECT_LE(small.nonces(), 3U);
  for (const std::string& one : all) EXPECT_EQ(ask(one), Verdict::Stale);
}

}  // namespace
}  // namespace sallyport::adapter::sip
