#include "server/admin_commands.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <boost/json.hpp>
#include <cstdlib>
#include <filesystem>
#include <thread>

#include "adapter/sip/digest.h"
#include "admin/admin_client.h"
#include "admin/wall_time.h"

namespace sallyport::server {
namespace {

namespace json = boost::json;
using admin::Answer;
using admin::Outcome;
using testing::HasSubstr;
using testing::Not;

// A server's admin socket with everything behind it, asked as the commands ask.
class Commands : public testing::Test {
 protected:
  Commands() {
    std::string pattern = testing::TempDir() + "sallyport-commands-XXXXXX";
    folder_ = ::mkdtemp(pattern.data());
    brain::SqliteStore::Options options;
    options.path = folder_ + "/server.db";
    store_ = brain::SqliteStore::open(options, *log_).value();
    authority_ =
        std::make_unique<Authority>(Authority::open(folder_, random_, network_.wall_now()).value());
    enrolment_ = Enrolment::open(*store_, *authority_, random_, {}).value();
    users_ = brain::SqliteUsers::open(*store_).value();
    serve({});
  }
  ~Commands() override {
    admin_.reset();
    users_.reset();
    enrolment_.reset();
    store_.reset();
    std::filesystem::remove_all(folder_);
  }

  // The server anew, of example.org and example.net, and with these domains relayed.
  void serve(std::vector<std::string> relayed) {
    admin_ = std::make_unique<admin::AdminServer>(network_, *log_);
    add_enrolment_commands(
        *admin_,
        {*enrolment_, network_,
         [] {
           return enrolment::Site{{{"192.0.2.1", 2776}}};
         },
         std::chrono::hours{24}, [](AgentId, json::object& agent) { agent["connected"] = true; }});
    add_user_commands(*admin_, {*users_,
                                "example.org",
                                {"example.org", "Example.net"},
                                std::move(relayed),
                                false,
                                [this](const std::string& name, const std::string& domain) {
                                  removed_.push_back(name + "@" + domain);
                                },
                                [this](const std::string& name, const std::string& domain) {
                                  unblocked_.push_back(name + "@" + domain);
                                  return name == "blocked";
                                }});
    EXPECT_TRUE(admin_->listen(network_, folder_ + "/sock"));
  }

  Answer ask(const std::string& command, const json::object& arguments) {
    std::atomic<bool> done{false};
    Answer answer;
    std::thread client{[&] {
      answer = admin::ask(folder_ + "/sock", command, arguments, seconds{20});
      done = true;
    }};
    while (!done) network_.run_one(milliseconds{20});
    client.join();
    return answer;
  }

  std::string folder_;
  SystemRandom random_;
  std::unique_ptr<Log> log_ = Log::silent();
  net::HostNetwork network_;
  std::unique_ptr<brain::SqliteStore> store_;
  std::unique_ptr<Authority> authority_;
  std::unique_ptr<Enrolment> enrolment_;
  std::unique_ptr<brain::SqliteUsers> users_;
  std::vector<std::string> removed_, unblocked_;
  std::unique_ptr<admin::AdminServer> admin_;
};

TEST_F(Commands, AnInviteIsATokenThatCanBeUsed) {
  const Answer answer = ask("invite", {{"name", "branch"}, {"life_seconds", 3600}});
  ASSERT_EQ(answer.outcome, Outcome::Done) << answer.what;
  const auto token = enrolment::parse_token(answer.result.at("token").get_string());
  ASSERT_TRUE(token);
  EXPECT_EQ(token->pin, authority_->pin());
  EXPECT_EQ(admin::to_text(token->expires), std::string{answer.result.at("expires").get_string()});
  EXPECT_LE(token->expires, network_.wall_now() + std::chrono::hours{1});
  EXPECT_EQ(json::serialize(ask("invites", {}).result.at(0).at("name")), "\"branch\"");

  const auto key = net::PrivateKey::generate();
  const auto reply = enrolment_->join(
      {token->secret, net::make_signing_request(key, "a").value(), ""}, {}, network_.wall_now());
  ASSERT_TRUE(std::holds_alternative<enrolment::Joined>(reply));
  const json::value agents = ask("agents", {}).result;
  EXPECT_EQ(agents.at(0).at("name").get_string(), "branch");
  EXPECT_TRUE(agents.at(0).at("connected").get_bool());
  EXPECT_TRUE(agents.at(0).at("revoked").is_null());

  EXPECT_EQ(ask("invite", {{"name", "branch"}}).code, "not_permitted");
  EXPECT_EQ(ask("revoke", {{"name", "branch"}}).outcome, Outcome::Done);
  EXPECT_EQ(ask("revoke", {{"name", "branch"}}).code, "not_found");
  EXPECT_EQ(ask("agents", {}).result.get_array().size(), 0U);
  EXPECT_TRUE(ask("agents", {{"all", true}}).result.at(0).at("revoked").is_string());
}

TEST_F(Commands, AnOpenInviteIsListedAndCanBeWithdrawn) {
  ask("invite", {{"name", "branch"}});
  EXPECT_EQ(ask("invites", {}).result.get_array().size(), 1U);
  EXPECT_EQ(ask("withdraw", {{"name", "other"}}).code, "not_found");
  EXPECT_EQ(ask("withdraw", {{"name", "branch"}}).outcome, Outcome::Done);
  EXPECT_EQ(ask("invites", {}).result.get_array().size(), 0U);
}

TEST_F(Commands, WhoHasANewPasswordMayTryAgainAtOnce) {
  ask("user.add", {{"name", "alice"}, {"password", "s3cret"}});
  EXPECT_EQ(unblocked_, std::vector<std::string>{"alice@example.org"});
  EXPECT_TRUE(ask("user.unblock", {{"name", "blocked"}}).result.at("was_blocked").get_bool());
  EXPECT_FALSE(ask("user.unblock", {{"name", "alice"}}).result.at("was_blocked").get_bool());
}

TEST_F(Commands, AnInvitesLifeIsBounded) {
  for (const std::int64_t life : {std::int64_t{0}, std::int64_t{-5}, std::int64_t{1} << 40})
    EXPECT_EQ(ask("invite", {{"name", "branch"}, {"life_seconds", life}}).code, "bad_value");
  EXPECT_EQ(ask("invite", {}).code, "bad_value");
}

TEST_F(Commands, UsersAreKeptAsHashesAndNeverShown) {
  ASSERT_EQ(ask("user.add", {{"name", "alice"}, {"password", "s3cret"}}).outcome, Outcome::Done);
  const auto user = users_->find("alice", "example.org");
  ASSERT_TRUE(user);
  EXPECT_EQ(user->ha1_md5, adapter::sip::digest_ha1(adapter::sip::DigestHash::Md5, "alice",
                                                    "example.org", "s3cret"));
  const std::string list = json::serialize(ask("user.list", {}).result);
  EXPECT_THAT(list, HasSubstr("alice"));
  EXPECT_THAT(list, Not(HasSubstr("s3cret")));
  EXPECT_THAT(list, Not(HasSubstr(user->ha1_md5)));
  EXPECT_EQ(ask("user.remove", {{"name", "alice"}, {"domain", "other"}}).code, "not_found");
  EXPECT_EQ(ask("user.remove", {{"name", "alice"}}).outcome, Outcome::Done);
  EXPECT_FALSE(users_->find("alice", "example.org"));
  EXPECT_EQ(removed_, std::vector<std::string>{"alice@example.org"});
}

TEST_F(Commands, AUserOfADomainThatIsNotServedIsRefusedWithThoseThatAre) {
  const Answer answer =
      ask("user.add", {{"name", "al"}, {"domain", "exmaple.org"}, {"password", "x"}});
  EXPECT_EQ(answer.code, "not_found");
  EXPECT_EQ(answer.what,
            "exmaple.org is not a domain that this server serves; sip.domains: example.org, "
            "Example.net");
  EXPECT_FALSE(users_->find("al", "exmaple.org"));

  // Challenges name domains in lower case.
  EXPECT_EQ(ask("user.add", {{"name", "al"}, {"domain", "EXAMPLE.NET"}, {"password", "x"}}).outcome,
            Outcome::Done);
  EXPECT_TRUE(users_->find("al", "example.net"));
  EXPECT_EQ(ask("user.remove", {{"name", "al"}, {"domain", "Example.Net"}}).outcome, Outcome::Done);
}

TEST_F(Commands, AnUnknownDomainIsWarnedOfWhereARegistrarElsewhereMayHaveAnyRealm) {
  admin_.reset();
  serve({"pbx.example.net"});
  const Answer pbx =
      ask("user.add", {{"name", "al"}, {"domain", "pbx.example.net"}, {"password", "x"}});
  EXPECT_EQ(pbx.result.get_object().if_contains("warning"), nullptr);
  const Answer realm = ask("user.add", {{"name", "al"}, {"domain", "Asterisk"}, {"password", "x"}});
  ASSERT_EQ(realm.outcome, Outcome::Done);
  EXPECT_THAT(std::string{realm.result.at("warning").get_string()},
              HasSubstr("sip.domains: example.org, Example.net; sip.relay: pbx.example.net"));
  EXPECT_TRUE(users_->find("al", "Asterisk"));
}

TEST_F(Commands, WhatIsNoUserIsRefused) {
  for (const char* name : {"", "a b", "a\"", "<a>", "a@b"})
    EXPECT_EQ(ask("user.add", {{"name", name}, {"password", "x"}}).code, "bad_value") << name;
  EXPECT_EQ(ask("user.add", {{"name", "alice"}, {"password", ""}}).code, "bad_value");
  EXPECT_EQ(ask("user.add", {{"name", "alice"}, {"domain", "a\"b"}, {"password", "x"}}).code,
            "bad_value");
}

}  // namespace
}  // namespace sallyport::server
