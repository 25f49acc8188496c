#include "agent/identity.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cstdlib>
#include <filesystem>

#include "base/file.h"
#include "base/random.h"

namespace sallyport::agent {
namespace {

constexpr auto kDay = std::chrono::hours{24};

class IdentityTest : public testing::Test {
 protected:
  IdentityTest() {
    std::string pattern = testing::TempDir() + "sallyport-identity-XXXXXX";
    folder_ = ::mkdtemp(pattern.data());
  }
  ~IdentityTest() override { std::filesystem::remove_all(folder_); }

  std::string certificate_for(const net::PrivateKey& key) {
    return net::sign_client_certificate(issuer_, key.public_key(), "branch",
                                        net::make_serial(random_), {start_, start_ + 90 * kDay})
        ->to_pem();
  }
  Identity some_identity() {
    auto key = net::PrivateKey::generate();
    const std::string certificate = certificate_for(key);
    return make_identity({AgentId{7}, "branch", certificate, {{{"192.0.2.1", 2776}}, 3001, 3002}},
                         random_.array<32>(), std::move(key))
        .value();
  }

  std::string folder_;
  SystemRandom random_;
  WallTime start_{seconds{1'790'000'000}};
  net::PrivateKey ca_key_ = net::PrivateKey::generate();
  net::Issuer issuer_{
      net::make_ca(ca_key_, "ca", net::make_serial(random_), {start_, start_ + 900 * kDay}).value(),
      ca_key_};
};

TEST_F(IdentityTest, IsReadBackFromAFileOfTheOwnerOnly) {
  EXPECT_EQ(load_identity(folder_).error().code, Errc::NotFound);
  const Identity identity = some_identity();
  ASSERT_TRUE(save_identity(folder_ + "/new", identity));
  const auto read = load_identity(folder_ + "/new");
  ASSERT_TRUE(read);
  EXPECT_EQ(read->id, AgentId{7});
  EXPECT_EQ(read->name, "branch");
  EXPECT_EQ(read->site, identity.site);
  EXPECT_EQ(read->pin, identity.pin);
  EXPECT_EQ(read->key.pin(), identity.key.pin());
  EXPECT_EQ(read->certificate.to_der(), identity.certificate.to_der());
  struct stat about {};
  ASSERT_EQ(::stat(identity_file(folder_ + "/new").c_str(), &about), 0);
  EXPECT_EQ(about.st_mode & 0777U, 0600U);
}

TEST_F(IdentityTest, ADamagedFileIsToldFromNone) {
  ASSERT_TRUE(save_identity(folder_, some_identity()));
  const std::string text = *read_file(identity_file(folder_));
  for (const std::string& damaged :
       {std::string{}, std::string{"{}"}, std::string{"[]"}, text.substr(0, text.size() / 2),
        std::string{text}.replace(text.find(":7,"), 3, ":0,"),
        std::string{text}.replace(text.find("2776"), 4, "x776")}) {
    ASSERT_TRUE(write_file(identity_file(folder_), damaged, 0600));
    EXPECT_EQ(load_identity(folder_).error().code, Errc::BadValue) << damaged;
  }
}

TEST_F(IdentityTest, ACertificateForAnotherKeyIsRefused) {
  EXPECT_FALSE(
      make_identity({AgentId{7}, "branch", certificate_for(net::PrivateKey::generate()), {}}, {},
                    net::PrivateKey::generate()));
}

TEST_F(IdentityTest, IsRenewedFromTwoThirdsOfTheCertificatesLife) {
  const Identity identity = some_identity();
  EXPECT_EQ(renewal_due(identity), start_ + 60 * kDay);
}

TEST_F(IdentityTest, RenewalReplacesKeyAndCertificateTogetherOrNeither) {
  Identity identity = some_identity();
  ASSERT_TRUE(save_identity(folder_, identity));
  const auto old_pin = identity.key.pin();
  const auto renewal = begin_renewal(identity).value();
  const auto request = net::read_signing_request(renewal.signing_request).value();
  EXPECT_EQ(request.common_name, "branch");
  EXPECT_NE(net::pin_of(request.public_key), old_pin);

  EXPECT_FALSE(finish_renewal(folder_, identity, renewal, "no certificate"));
  EXPECT_FALSE(finish_renewal(folder_, identity, renewal, certificate_for(identity.key)));
  EXPECT_FALSE(finish_renewal("/proc/none", identity, renewal, certificate_for(renewal.key)));
  EXPECT_EQ(identity.key.pin(), old_pin);
  EXPECT_EQ(load_identity(folder_)->key.pin(), old_pin);

  ASSERT_TRUE(finish_renewal(folder_, identity, renewal, certificate_for(renewal.key)));
  EXPECT_EQ(identity.key.pin(), renewal.key.pin());
  EXPECT_EQ(load_identity(folder_)->key.pin(), renewal.key.pin());
  EXPECT_EQ(load_identity(folder_)->id, AgentId{7});
}

}  // namespace
}  // namespace sallyport::agent
