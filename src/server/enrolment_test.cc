#include "server/enrolment.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cstdlib>
#include <filesystem>

#include "base/file.h"

namespace sallyport::server {
namespace {

using enrolment::Joined;
using enrolment::JoinRefusal;
using enrolment::JoinReply;
using enrolment::Refused;

const std::vector<HostPort> kServers{{"192.0.2.1", 2776}};
const enrolment::Site kSite{kServers, 2776, 2777};
constexpr auto kHour = std::chrono::hours{1};
constexpr auto kDay = std::chrono::hours{24};

// An agent as seen from the server: a key, and what it sends.
struct Terminal {
  net::PrivateKey key = net::PrivateKey::generate();
  std::string request(const std::string& name = "sallyport") const {
    return net::make_signing_request(key, name).value();
  }
};

class EnrolmentTest : public testing::Test {
 protected:
  EnrolmentTest() {
    std::string pattern = testing::TempDir() + "sallyport-enrolment-XXXXXX";
    folder_ = ::mkdtemp(pattern.data());
    open();
  }
  ~EnrolmentTest() override {
    enrolment_.reset();
    store_.reset();
    std::filesystem::remove_all(folder_);
  }

  // As a start of the server does; again: a restart.
  void open() {
    enrolment_.reset();
    store_.reset();
    brain::SqliteStore::Options options;
    options.path = folder_ + "/server.db";
    store_ = brain::SqliteStore::open(options, *log_).value();
    authority_ = std::make_unique<Authority>(Authority::open(folder_, random_, now_).value());
    enrolment_ = Enrolment::open(*store_, *authority_, random_, {}).value();
  }

  enrolment::Token invite(const std::string& name) {
    return enrolment_->invite(name, kServers, kDay, now_).value();
  }
  JoinReply join(const enrolment::Token& token, const Terminal& terminal) {
    return enrolment_->join({token.secret, terminal.request(), "test"}, kSite, now_);
  }
  static JoinRefusal refusal(const JoinReply& reply) {
    const Refused* refused = std::get_if<Refused>(&reply);
    EXPECT_NE(refused, nullptr);
    return refused == nullptr ? JoinRefusal::Internal : refused->code;
  }
  static Buffer certificate(const std::string& pem) {
    return net::Certificate::from_pem(pem).value().to_der();
  }
  // Nothing when admitted.
  std::optional<mux::RefusalCode> refused(const Buffer& der) {
    const auto answer = enrolment_->admit(der, now_);
    if (const auto* refusal = std::get_if<mux::Refusal>(&answer)) return refusal->code;
    return std::nullopt;
  }

  std::string folder_;
  SystemRandom random_;
  std::unique_ptr<Log> log_ = Log::silent();
  WallTime now_{seconds{1'790'000'000}};
  std::unique_ptr<brain::SqliteStore> store_;
  std::unique_ptr<Authority> authority_;
  std::unique_ptr<Enrolment> enrolment_;
};

TEST_F(EnrolmentTest, AnInvitedAgentJoinsAndIsAdmitted) {
  const auto token = invite("branch");
  EXPECT_EQ(token.pin, authority_->pin());
  EXPECT_EQ(enrolment_->invites(now_).size(), 1U);
  const Terminal terminal;
  const JoinReply reply = join(token, terminal);
  ASSERT_TRUE(std::holds_alternative<Joined>(reply)) << std::get<Refused>(reply).what;
  const auto& joined = std::get<Joined>(reply);
  EXPECT_EQ(joined.name, "branch");
  EXPECT_EQ(joined.site, kSite);
  EXPECT_TRUE(enrolment_->invites(now_).empty());

  const auto made = net::Certificate::from_pem(joined.certificate).value();
  EXPECT_EQ(made.pin(), terminal.key.pin());
  EXPECT_EQ(made.common_name(), "branch");
  const auto admitted = enrolment_->admit(made.to_der(), now_);
  ASSERT_TRUE(std::holds_alternative<Agent>(admitted));
  EXPECT_EQ(std::get<Agent>(admitted).id, joined.id);
  EXPECT_EQ(std::get<Agent>(admitted).name, "branch");
}

TEST_F(EnrolmentTest, AnInviteLetsOneAgentInOnce) {
  const auto token = invite("branch");
  const Terminal first;
  const Terminal second;
  ASSERT_TRUE(std::holds_alternative<Joined>(join(token, first)));
  EXPECT_EQ(refusal(join(token, second)), JoinRefusal::Used);
  EXPECT_EQ(enrolment_->agents(true).size(), 1U);
}

TEST_F(EnrolmentTest, AJoinWhoseReplyWasLostMayBeRepeatedWithTheSameKeyOnly) {
  const auto token = invite("branch");
  const Terminal terminal;
  const JoinReply first = join(token, terminal);
  open();
  const JoinReply again = join(token, terminal);
  ASSERT_TRUE(std::holds_alternative<Joined>(again));
  EXPECT_EQ(std::get<Joined>(again).id, std::get<Joined>(first).id);
  EXPECT_EQ(enrolment_->agents(true).size(), 1U);

  ASSERT_TRUE(enrolment_->revoke("branch", now_));
  EXPECT_EQ(refusal(join(token, terminal)), JoinRefusal::Used);
}

TEST_F(EnrolmentTest, AnExpiredInviteIsToldFromAnUnknownOne) {
  const auto token = invite("branch");
  now_ += kDay;
  Terminal terminal;
  EXPECT_EQ(refusal(enrolment_->join({{}, terminal.request(), ""}, kSite, now_)),
            JoinRefusal::BadToken);
  now_ += 2 * kHour;
  const JoinReply late = join(token, terminal);
  EXPECT_EQ(refusal(late), JoinRefusal::Expired);
  EXPECT_EQ(std::get<Refused>(late).what, "this invitation expired 2 hours ago");
  EXPECT_TRUE(enrolment_->agents(true).empty());
}

TEST_F(EnrolmentTest, AnInviteIsGoodUntilTheSecondItExpires) {
  const auto token = invite("branch");
  now_ += kDay;
  EXPECT_TRUE(std::holds_alternative<Joined>(join(token, {})));
}

TEST_F(EnrolmentTest, ANewInviteOfTheSameNameWithdrawsTheOlder) {
  const auto older = invite("branch");
  const auto newer = invite("branch");
  EXPECT_EQ(refusal(join(older, {})), JoinRefusal::BadToken);
  EXPECT_TRUE(std::holds_alternative<Joined>(join(newer, {})));
}

TEST_F(EnrolmentTest, ARequestThatItsKeyDidNotSignUsesNothingUp) {
  const auto token = invite("branch");
  EXPECT_EQ(refusal(enrolment_->join({token.secret, "no request", ""}, kSite, now_)),
            JoinRefusal::Malformed);
  EXPECT_TRUE(std::holds_alternative<Joined>(join(token, {})));
}

TEST_F(EnrolmentTest, TheSecretIsNotInTheFile) {
  const auto token = invite("branch");
  ASSERT_TRUE(store_->flush());
  for (const char* name : {"/server.db", "/server.db-wal"}) {
    const auto text = read_file(folder_ + name);
    ASSERT_TRUE(text);
    EXPECT_EQ(text->find(std::string{as_text(token.secret)}), std::string::npos) << name;
  }
}

TEST_F(EnrolmentTest, NamesAreRestrictedAndTakenOnlyOnce) {
  for (const char* name : {"", "a b", "a/b", "\xc3\xa4", "a\n"})
    EXPECT_FALSE(enrolment_->invite(name, kServers, kDay, now_)) << name;
  EXPECT_FALSE(enrolment_->invite(std::string(65, 'a'), kServers, kDay, now_));
  ASSERT_TRUE(std::holds_alternative<Joined>(join(invite("branch"), {})));
  EXPECT_EQ(enrolment_->invite("branch", kServers, kDay, now_).error().code, Errc::NotPermitted);
}

TEST_F(EnrolmentTest, OpenInvitesAreLimited) {
  Enrolment::Options options;
  options.max_invites = 2;
  enrolment_ = Enrolment::open(*store_, *authority_, random_, options).value();
  invite("a");
  invite("b");
  EXPECT_EQ(enrolment_->invite("c", kServers, kDay, now_).error().code, Errc::Exhausted);
  now_ += 2 * kDay;  // expired ones do not count
  EXPECT_TRUE(enrolment_->invite("c", kServers, kDay, now_));
}

TEST_F(EnrolmentTest, ARevokedAgentIsToldSoAndItsIdIsNeverUsedAgain) {
  std::vector<AgentId> revoked;
  enrolment_->on_revoked([&](AgentId id) { revoked.push_back(id); });
  const auto first = std::get<Joined>(join(invite("branch"), {}));
  ASSERT_TRUE(enrolment_->revoke("branch", now_));
  EXPECT_THAT(revoked, testing::ElementsAre(first.id));
  EXPECT_EQ(refused(certificate(first.certificate)), mux::RefusalCode::RevokedAgent);
  EXPECT_EQ(enrolment_->revoke("branch", now_).error().code, Errc::NotFound);

  const auto second = std::get<Joined>(join(invite("branch"), {}));
  EXPECT_NE(second.id, first.id);
  EXPECT_EQ(refused(certificate(second.certificate)), std::nullopt);
  EXPECT_EQ(refused(certificate(first.certificate)), mux::RefusalCode::RevokedAgent);
  EXPECT_EQ(enrolment_->agents(false).size(), 1U);
  EXPECT_EQ(enrolment_->agents(true).size(), 2U);
}

TEST_F(EnrolmentTest, AnInviteCanBeWithdrawnUntilItIsUsed) {
  const auto token = invite("branch");
  EXPECT_EQ(enrolment_->withdraw("office", now_).error().code, Errc::NotFound);
  ASSERT_TRUE(enrolment_->withdraw("branch", now_));
  EXPECT_TRUE(enrolment_->invites(now_).empty());
  EXPECT_EQ(refusal(join(token, Terminal{})), JoinRefusal::BadToken);
  EXPECT_EQ(enrolment_->withdraw("branch", now_).error().code, Errc::NotFound);

  const auto used = invite("branch");
  ASSERT_TRUE(std::holds_alternative<Joined>(join(used, Terminal{})));
  EXPECT_EQ(enrolment_->withdraw("branch", now_).error().code, Errc::NotFound);
}

TEST_F(EnrolmentTest, RevokingANameThatIsOnlyInvitedWithdrawsTheInvite) {
  const auto token = invite("branch");
  EXPECT_FALSE(enrolment_->revoke("branch", now_));
  EXPECT_EQ(refusal(join(token, {})), JoinRefusal::BadToken);
}

TEST_F(EnrolmentTest, CertificatesOfOthersAndOldOnesAreRefused) {
  const auto joined = std::get<Joined>(join(invite("branch"), {}));
  // Another authority with the same name.
  const auto key = net::PrivateKey::generate();
  const net::Validity life{now_ - kHour, now_ + kHour};
  const auto ca = net::make_ca(key, "Sallyport agents", net::make_serial(random_), life).value();
  const auto forged =
      net::sign_client_certificate({ca, key}, net::PrivateKey::generate().public_key(), "branch",
                                   net::make_serial(random_), life);
  EXPECT_EQ(refused(forged->to_der()), mux::RefusalCode::UnknownAgent);
  EXPECT_EQ(refused(to_buffer("no certificate")), mux::RefusalCode::UnknownAgent);
  EXPECT_EQ(refused({}), mux::RefusalCode::UnknownAgent);
  // Signed by this authority, but never written down: a backup was restored.
  const auto unknown =
      net::sign_client_certificate(authority_->issuer(), net::PrivateKey::generate().public_key(),
                                   "branch", net::make_serial(random_), life);
  EXPECT_EQ(refused(unknown->to_der()), mux::RefusalCode::UnknownAgent);

  now_ -= kDay;
  EXPECT_EQ(refused(certificate(joined.certificate)), mux::RefusalCode::CertificateExpired);
  now_ += 91 * kDay + kHour;
  EXPECT_EQ(refused(certificate(joined.certificate)), mux::RefusalCode::CertificateExpired);
}

TEST_F(EnrolmentTest, ARenewedCertificateReplacesTheOldOneAtItsFirstUse) {
  const auto joined = std::get<Joined>(join(invite("branch"), {}));
  now_ += 60 * kDay;
  const Terminal renewed;
  const auto fresh = enrolment_->renew(joined.id, renewed.request("branch"), now_);
  ASSERT_TRUE(fresh) << fresh.error().what;
  // Until the agent has used it, both are good: it may crash before it has stored the new one.
  EXPECT_EQ(refused(certificate(joined.certificate)), std::nullopt);
  EXPECT_EQ(refused(fresh->to_der()), std::nullopt);
  EXPECT_EQ(refused(certificate(joined.certificate)), mux::RefusalCode::UnknownAgent);
  now_ += 60 * kDay;
  EXPECT_EQ(refused(fresh->to_der()), std::nullopt);
}

TEST_F(EnrolmentTest, RenewalsThatAreNeverUsedDoNotPileUp) {
  const auto joined = std::get<Joined>(join(invite("branch"), {}));
  std::optional<net::Certificate> last;
  for (int i = 0; i < 5; ++i)
    last = enrolment_->renew(joined.id, Terminal{}.request("branch"), now_).value();
  EXPECT_EQ(store_->query({"SELECT 1 FROM agent_keys", {}})->size(), 2U);
  EXPECT_EQ(refused(certificate(joined.certificate)), std::nullopt);
  EXPECT_EQ(refused(last->to_der()), std::nullopt);
}

TEST_F(EnrolmentTest, RenewalIsForTheAgentItselfOnly) {
  const Terminal own;
  const auto joined = std::get<Joined>(join(invite("branch"), own));
  const auto other = std::get<Joined>(join(invite("other"), {}));
  EXPECT_EQ(enrolment_->renew(joined.id, Terminal{}.request("other"), now_).error().code,
            Errc::NotPermitted);
  EXPECT_EQ(enrolment_->renew(other.id, own.request("other"), now_).error().code,
            Errc::NotPermitted);
  EXPECT_FALSE(enrolment_->renew(joined.id, "no request", now_));
  EXPECT_FALSE(enrolment_->renew(AgentId{999}, Terminal{}.request("branch"), now_));
  ASSERT_TRUE(enrolment_->revoke("branch", now_));
  EXPECT_FALSE(enrolment_->renew(joined.id, Terminal{}.request("branch"), now_));
}

TEST_F(EnrolmentTest, TheSameKeyMayBeRenewed) {
  const Terminal terminal;
  const auto joined = std::get<Joined>(join(invite("branch"), terminal));
  now_ += 60 * kDay;
  const auto fresh = enrolment_->renew(joined.id, terminal.request("branch"), now_);
  ASSERT_TRUE(fresh);
  EXPECT_EQ(refused(fresh->to_der()), std::nullopt);
  EXPECT_EQ(enrolment_->find(joined.id)->certificate_ends, fresh->validity().not_after);
}

TEST_F(EnrolmentTest, KeysAndAgentsOutliveARestart) {
  const net::SpkiPin pin = authority_->pin();
  const auto joined = std::get<Joined>(join(invite("branch"), {}));
  open();
  EXPECT_EQ(authority_->pin(), pin);
  EXPECT_EQ(refused(certificate(joined.certificate)), std::nullopt);
  for (const char* name : {"/ca.pem", "/server.pem", "/server.db"}) {
    struct stat about {};
    ASSERT_EQ(::stat((folder_ + name).c_str(), &about), 0);
    EXPECT_EQ(about.st_mode & 0777U, 0600U) << name;
  }
}

TEST_F(EnrolmentTest, ADamagedKeyFileIsNeverOverwritten) {
  ASSERT_TRUE(write_file(folder_ + "/server.pem", "damaged", 0600));
  EXPECT_EQ(Authority::open(folder_, random_, now_).error().code, Errc::BadValue);
  EXPECT_EQ(*read_file(folder_ + "/server.pem"), "damaged");
}

}  // namespace
}  // namespace sallyport::server
