// Registrations through the whole adapter: phones register at the server's own registrar or at a
// PBX elsewhere, and are then called where they are.
#include "adapter/sip/registration_service.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "adapter/sip/digest.h"
#include "adapter/sip/server_routing.h"
#include "adapter/sip/test_world.h"
#include "adapter/users_fake.h"
#include "brain/memory_registrations.h"
#include "codec/sip/headers.h"

namespace sallyport::adapter::sip::test {
namespace {

using codec::sip::HeaderName;
using codec::sip::NameAddr;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

class RegistrationServiceTest : public ::testing::Test {
 protected:
  RegistrationServiceTest() {
    users_.put(make_user("alice", "example.com", "secret"));
    users_.put(make_user("bob", "example.com", "secret"));
  }
  static RegistrationConfig config() {
    RegistrationConfig out;
    out.domains = {"example.com"};
    out.default_domain = "example.com";
    RelayDomain relay;
    relay.domain = "pbx.example.net";
    relay.upstreams.resize(1);
    relay.upstreams[0].host = "192.0.2.50";
    relay.upstreams[0].transport = edge::Transport::Udp;
    out.relays = {relay};
    return out;
  }

  void ask(Phone& phone, const std::string& domain, int cseq, const std::string& lines = {}) {
    const std::string identity = "<sip:" + phone.name + "@" + domain + ">";
    phone.say(phone.request("REGISTER", "sip:" + domain, identity + ";tag=r", identity,
                            "reg@" + phone.host(), cseq, lines));
  }
  static std::string proof(const wire::Message& challenge, const std::string& user,
                           const std::string& domain, const std::string& password = "secret") {
    const auto value =
        answer_challenge(challenge, "REGISTER", "sip:" + domain, "cn", 1,
                         [&](std::string_view realm) { return make_user(user, realm, password); });
    EXPECT_TRUE(value);
    return "Authorization: " + value.value_or("") + "\r\n";
  }
  void enrol(Phone& phone) {
    ask(phone, "example.com", 2, proof(challenge(phone, 1), phone.name, "example.com"));
    phone.hear_response(200);
  }

  wire::Message challenge(Phone& phone, int cseq) {
    ask(phone, "example.com", cseq);
    return phone.hear_response(401);
  }

  FakeUsers users_;
  brain::MemoryRegistrations registrations_;
  SeededRandom random_{3};
  RegistrationService service_{config(), registrations_, users_, {{1}, {2}}};
  brain::Routing routes_{{}};
  ServerRouting routing_{service_.config(),
                         service_.domains(),
                         service_.gruu(),
                         registrations_,
                         users_,
                         routes_,
                         random_};
  World world_{{}, &service_, &routing_};
};

TEST_F(RegistrationServiceTest, APhoneRegistersAndIsCalledWhereItIs) {
  Phone& alice = world_.phone(kSiteA, "alice", "10.1.1.5:5060");
  Phone& bob = world_.phone(kSiteB, "bob", "10.2.2.6:5080");
  alice.invite("sip:bob@example.com", alice.sdp(4000));
  alice.hear_response(480);
  alice.ack();
  enrol(bob);
  alice.invite("sip:bob@example.com", alice.sdp(4000));
  const auto invite = bob.hear_request("INVITE");
  EXPECT_EQ(invite.request_uri(), "sip:bob@10.2.2.6:5080");
  world_.expect_nothing_leaked();
}

TEST_F(RegistrationServiceTest, APhoneThatCanOnlyBeReachedOverItsConnectionIsReachedOverIt) {
  Phone& alice = world_.phone(kSiteA, "alice", "10.1.1.5:5060");
  Phone& bob = world_.phone(kSiteB, "bob", "10.2.2.6:40123", edge::Transport::Tcp);
  bob.contact_host = "192.168.7.7";  // nobody reaches that
  enrol(bob);
  alice.invite("sip:bob@example.com", alice.sdp(4000));
  EXPECT_EQ(bob.hear_request("INVITE").request_uri(), "sip:bob@192.168.7.7;transport=tcp");
}

TEST_F(RegistrationServiceTest, APhoneBlockedAfterWrongPasswordsMayTryAgainOnceItIsUnblocked) {
  Phone& alice = world_.phone(kSiteA, "alice", "10.1.1.5:5060");
  int cseq = 1;
  const auto try_with = [&](const std::string& password, int status) {
    const auto asked = challenge(alice, ++cseq);
    ask(alice, "example.com", ++cseq, proof(asked, "alice", "example.com", password));
    alice.hear_response(status);
  };
  for (const int status : {401, 401, 403}) try_with("guess", status);
  ask(alice, "example.com", ++cseq);
  alice.hear_response(403);
  ASSERT_EQ(service_.blocked(world_.now()).size(), 1U);
  EXPECT_FALSE(service_.unblock("sip:bob@example.com", world_.now()));
  EXPECT_TRUE(service_.unblock("sip:alice@example.com", world_.now()));
  EXPECT_TRUE(service_.blocked(world_.now()).empty());
  try_with("secret", 200);
}

TEST_F(RegistrationServiceTest, TheAgentsAddressIsANameOfTheDefaultDomain) {
  Phone& bob = world_.phone(kSiteB, "bob", "10.2.2.6:5060");
  ask(bob, "10.2.2.2", 1);
  const auto challenge = bob.hear_response(401);
  ask(bob, "10.2.2.2", 2, proof(challenge, "bob", "10.2.2.2"));
  bob.hear_response(200);
  Phone& alice = world_.phone(kSiteA, "alice", "10.1.1.5:5060");
  alice.invite("sip:bob@10.1.1.2", alice.sdp(4000));
  bob.hear_request("INVITE");
}

TEST_F(RegistrationServiceTest, APbxElsewhereSeesThePhoneAtTheServerAndCallsItThere) {
  Phone& alice = world_.phone(kSiteA, "alice", "10.1.1.5:5060");
  Phone& pbx = world_.phone(kOutside, "pbx", "192.0.2.50:5060");
  ask(alice, "pbx.example.net", 1);
  const auto first = pbx.hear_request("REGISTER");
  EXPECT_EQ(first.request_uri(), "sip:pbx.example.net");
  pbx.respond(first, 401, {},
              "WWW-Authenticate: Digest realm=\"pbx\", nonce=\"n\", qop=\"auth,auth-int\"\r\n");
  const auto challenge = alice.hear_response(401);
  EXPECT_EQ(challenge.find(HeaderName::WwwAuthenticate),
            "Digest realm=\"pbx\", nonce=\"n\", qop=\"auth\"");
  const std::string answer = proof(challenge, "alice", "pbx.example.net");
  ask(alice, "pbx.example.net", 2, answer);
  const auto second = pbx.hear_request("REGISTER");
  EXPECT_THAT(answer, HasSubstr(std::string{*second.find(HeaderName::Authorization)}));
  const std::string contact{*second.find(HeaderName::Contact)};
  EXPECT_THAT(contact, AllOf(StartsWith("<sip:"), HasSubstr("@198.51.100.1:5060")));
  pbx.respond(second, 200, {}, "Contact: " + contact + ";expires=3600\r\n");
  const auto ok = alice.hear_response(200);
  EXPECT_THAT(std::string{ok.text()},
              AllOf(HasSubstr("<sip:alice@10.1.1.5:5060>;expires=60"), Not(HasSubstr("198.51"))));

  ask(alice, "pbx.example.net", 3);
  alice.hear_response(200);
  EXPECT_FALSE(pbx.has_heard()) << "a refresh is answered by the server";

  pbx.invite(NameAddr::parse(contact)->uri.text, pbx.sdp(4000));
  const auto invite = alice.hear_request("INVITE");
  EXPECT_EQ(invite.request_uri(), "sip:alice@10.1.1.5:5060");
  world_.expect_nothing_leaked();
}

TEST_F(RegistrationServiceTest, APbxElsewhereLearnsNoAddressOfTheSiteFromAnyField) {
  Phone& alice = world_.phone(kSiteA, "alice", "10.1.1.5:5060");
  Phone& pbx = world_.phone(kOutside, "pbx", "192.0.2.50:5060");
  const std::string identity = "<sip:alice@pbx.example.net>";
  alice.say(alice.request("REGISTER", "sip:pbx.example.net",
                          "\"at 10.1.1.5\" " + identity + ";tag=r", identity, "reg@10.1.1.5", 1,
                          "User-Agent: phone 10.1.1.5 (203.0.113.10)\r\n"
                          "P-Preferred-Identity: <sip:alice@10.1.1.2>\r\n"
                          "X-Provisioned-By: http://192.168.0.9:8080/alice.cfg\r\n"
                          "Content-Type: application/x-status\r\n",
                          "wan=203.0.113.10;lan=10.1.1.5"));
  const auto seen = pbx.hear_request("REGISTER");
  EXPECT_TRUE(seen.has(HeaderName::UserAgent));
  EXPECT_EQ(seen.find(HeaderName::PPreferredIdentity), "<sip:alice@example.com>");
  EXPECT_EQ(seen.find(HeaderName::To), identity);
  world_.expect_nothing_leaked();
}

TEST_F(RegistrationServiceTest, TheSameUsersPhonesElsewhereAreNotShownToAPhone) {
  Phone& desk = world_.phone(kSiteA, "alice", "10.1.1.5:5060");
  Phone& kitchen = world_.phone(kSiteA, "alice", "10.1.1.6:5060");
  Phone& mobile = world_.phone(kOutside, "alice", "192.0.2.61:5060");
  enrol(desk);
  enrol(kitchen);
  enrol(mobile);
  ask(kitchen, "example.com", 4, proof(challenge(kitchen, 3), "alice", "example.com"));
  EXPECT_EQ(kitchen.hear_response(200).list(HeaderName::Contact).size(), 2U)
      << "those of its own site";
  world_.expect_nothing_leaked();
}

TEST_F(RegistrationServiceTest, ASilentPbxIsATimeoutForThePhone) {
  Phone& alice = world_.phone(kSiteA, "alice", "10.1.1.5:5060");
  ask(alice, "pbx.example.net", 1);
  world_.pass(seconds{33});
  alice.hear_response(408);
}

TEST_F(RegistrationServiceTest, WhatHasRunOutIsForgottenInTime) {
  Phone& bob = world_.phone(kSiteB, "bob", "10.2.2.6:5060");
  enrol(bob);
  EXPECT_EQ(registrations_.size(), 1U);
  world_.pass(seconds{3615});
  EXPECT_EQ(registrations_.size(), 0U);
}

TEST_F(RegistrationServiceTest, NobodyOutsideUsesItAsARelay) {
  Phone& mallory = world_.phone(kOutside, "mallory", "192.0.2.66:5060");
  mallory.invite("sip:victim@elsewhere.example", mallory.sdp(4000));
  mallory.hear_response(403);
  ask(mallory, "pbx.example.net", 1);
  mallory.hear_response(403);
}

}  // namespace
}  // namespace sallyport::adapter::sip::test
