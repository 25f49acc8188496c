#include "adapter/sip/registration_relay.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "adapter/commands_fake.h"
#include "adapter/sip/digest.h"
#include "adapter/sip/registrar.h"
#include "adapter/users_fake.h"
#include "brain/memory_registrations.h"
#include "codec/sip/headers.h"

namespace sallyport::adapter::sip {
namespace {

using codec::sip::AuthValue;
using codec::sip::Builder;
using codec::sip::HeaderName;
using codec::sip::NameAddr;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::SizeIs;
using wire::Message;

const std::string kAlice = "sip:alice@pbx.example.net";

// The user part of a contact that the registrar was shown.
std::string handle_in(const std::string& contact) {
  return std::string{NameAddr::parse(contact)->uri.user};
}

// A request that the relay has sent, and the way to answer it as the upstream would.
struct Sent {
  Target target;
  Message request;
  Transactions::ResponseHandler handler;
};

class RelayTest : public ::testing::Test {
 protected:
  RelayTest() {
    domains_.set_own_address_check([](Place place, const IpAddress& ip) {
      return ip.to_string() == (place.is_outside() ? "192.0.2.100" : "10.1.1.1");
    });
    users_.put(make_user("alice", "pbx.example.net", "own"));
    users_.put(make_user("alice", "upstream realm", "theirs", "account-17"));
    from_.place = Place::inside(AgentId{7});
    from_.remote = *TransportAddress::parse("10.1.1.2:5060");
    hop_.local = *TransportAddress::parse("192.0.2.100:5060");
  }

  static RegistrationConfig config() {
    RegistrationConfig out;
    RelayDomain relay;
    relay.domain = "pbx.example.net";
    brain::Upstream first;
    first.host = "sbc1.example.net";
    first.port = 5070;
    first.transport = edge::Transport::Tcp;
    brain::Upstream second;
    second.host = "2001:db8::5";
    relay.upstreams = {first, second};
    out.relays = {relay};
    out.default_domain = "pbx.example.net";
    return out;
  }

  static std::string text(const std::string& contact = "<sip:alice@10.1.1.2:5060>", int cseq = 1,
                          const std::string& lines = {},
                          const std::string& domain = "pbx.example.net") {
    std::string out = "REGISTER sip:" + domain +
                      " SIP/2.0\r\nVia: SIP/2.0/UDP 10.1.1.2:5060;branch=z9hG4bK1\r\n"
                      "Max-Forwards: 70\r\nFrom: <sip:alice@" +
                      domain + ">;tag=1\r\nTo: <sip:alice@" + domain +
                      ">\r\nCall-ID: 77@10.1.1.2\r\nCSeq: " + std::to_string(cseq) +
                      " REGISTER\r\n";
    if (!contact.empty()) out += "Contact: " + contact + "\r\n";
    return out + lines + "Content-Length: 0\r\n\r\n";
  }
  // The terminal speaks; what it is answered at once, if it is.
  void say(const std::string& request_text) {
    const auto request = Message::parse(request_text);
    ASSERT_TRUE(request) << request_text;
    answers_.clear();
    relay_.on_register(
        *request, from_, config_.relays.front(),
        [&](const std::string& response, Commands&) {
          answers_.push_back(std::move(*Message::parse(response)));
        },
        commands_);
  }
  // The upstream answers the last request.
  void answer(int status, const std::string& lines = {}) {
    Sent sent = std::move(sent_.back());
    sent_.pop_back();
    const std::string head = Builder::response(sent.request, status, "As It Likes", "up").finish();
    const std::string text =
        head.substr(0, head.find("Content-Length")) + lines + "Content-Length: 0\r\n\r\n";
    const auto response = Message::parse(text);
    ASSERT_TRUE(response) << text;
    sent.handler.on_response(*response, commands_);
  }
  // As a registrar that takes what it is asked for.
  void take(const std::string& expires = "3600", const std::string& lines = {}) {
    std::string contacts;
    for (const std::string_view one : sent_.back().request.list(HeaderName::Contact))
      contacts += "Contact: <" + std::string{NameAddr::parse(one)->uri.text} +
                  ">;expires=" + expires + ";pub-gruu=\"sip:alice@pbx.example.net;gr=1\"\r\n" +
                  "Contact: <sip:other@203.0.113.9>;expires=7\r\n";
    answer(200, contacts + lines);
  }
  std::string contact(std::size_t i = 0) {
    return std::string{sent_.back().request.list(HeaderName::Contact).at(i)};
  }
  std::vector<brain::Binding> bindings() {
    std::vector<brain::Binding> out;
    registrations_.find(kAlice, commands_.wall, [&](auto found) { out = std::move(found); });
    return out;
  }
  // The answer to our own challenge, where the server holds the credentials.
  std::string proof(const std::string& password = "own") {
    const auto value = answer_challenge(
        answers_.back(), "REGISTER", "sip:10.1.1.1", "cn", 1,
        [&](std::string_view realm) { return make_user("alice", realm, password); });
    return "Authorization: " + *value + "\r\n";
  }

  RegistrationConfig config_ = config();
  Domains domains_{config_};
  FakeUsers users_;
  SeededRandom random_{1};
  Counters counters_;
  std::unique_ptr<Log> log_ = Log::silent();
  std::vector<IpRange> upstreams_;
  Refusals refusals_{upstreams_, counters_, *log_};
  brain::MemoryRegistrations registrations_;
  Authenticator authenticator_{{}, {1, 2, 3}, users_, random_};
  Config sip_config_;
  Topology topology_{sip_config_};
  FakeCommands commands_;
  std::vector<Sent> sent_;
  std::vector<Message> answers_;
  Hop from_, hop_;
  RegistrationRelay relay_{domains_,
                           registrations_,
                           users_,
                           authenticator_,
                           topology_,
                           random_,
                           counters_,
                           refusals_,
                           *log_,
                           [this](const Target& target, const Requester::Build& build,
                                  Transactions::ResponseHandler handler, Commands& out) {
                             auto request = Message::parse(build(hop_, out));
                             ASSERT_TRUE(request);
                             sent_.push_back({target, std::move(*request), std::move(handler)});
                           },
                           [](const Hop& hop) { return hop.local; }};
};

TEST_F(RelayTest, ShowsTheUpstreamATerminalAtAnAddressOfTheServer) {
  say(text("\"Alice\" <sip:alice@10.1.1.2:5060;ob>;q=0.5;+sip.instance=\"<urn:uuid:1>\";reg-id=1",
           1,
           "Supported: path, outbound, gruu\r\nPath: <sip:10.1.1.9;lr>\r\nAuthorization: Digest "
           "username=\"alice\",realm=\"r\",nonce=\"n\",uri=\"sip:pbx.example.net\"\r\n"));
  ASSERT_THAT(sent_, SizeIs(1));
  const Message& request = sent_[0].request;
  EXPECT_EQ(request.request_uri(), "sip:pbx.example.net");
  EXPECT_EQ(request.find(HeaderName::Authorization),
            "Digest username=\"alice\",realm=\"r\",nonce=\"n\",uri=\"sip:pbx.example.net\"");
  EXPECT_EQ(request.find(HeaderName::MaxForwards), "69");
  EXPECT_EQ(request.find(HeaderName::CSeq), "1 REGISTER");
  EXPECT_EQ(request.find(HeaderName::Supported), "gruu");
  EXPECT_FALSE(request.has(HeaderName::Via)) << "Transactions puts ours";
  EXPECT_THAT(std::string{request.text()}, Not(HasSubstr("10.1.1.")));
  EXPECT_THAT(contact(), AllOf(HasSubstr("@192.0.2.100:5060>;q=0.5"),
                               HasSubstr("+sip.instance=\"<urn:uuid:1>\""),
                               Not(HasSubstr("reg-id")), Not(HasSubstr("Alice"))));
  EXPECT_THAT(sent_[0].target.next_hops, ElementsAre("sip:sbc1.example.net:5070;transport=tcp"));
  EXPECT_TRUE(sent_[0].target.place.is_outside());
}

TEST_F(RelayTest, KeepsTheBindingAndAnswersWithTheTerminalsOwnContact) {
  say(text());
  const std::string handle = handle_in(contact());
  take("3600",
       "Service-Route: <sip:p1.example.net;lr>, <sip:p2.example.net;lr>\r\n"
       "P-Associated-URI: <sip:+491@pbx.example.net>\r\n");
  ASSERT_THAT(answers_, SizeIs(1));
  EXPECT_EQ(answers_[0].status(), 200);
  EXPECT_THAT(answers_[0].list(HeaderName::Contact),
              ElementsAre("<sip:alice@10.1.1.2:5060>;expires=60"
                          ";pub-gruu=\"sip:alice@pbx.example.net;gr=1\""));
  EXPECT_FALSE(answers_[0].has(HeaderName::ServiceRoute)) << "the terminal's way is the agent";
  EXPECT_TRUE(answers_[0].has(HeaderName::PAssociatedUri));
  ASSERT_THAT(bindings(), SizeIs(1));
  EXPECT_EQ(bindings()[0].handle, handle);
  EXPECT_EQ(bindings()[0].route, "<sip:p1.example.net;lr>, <sip:p2.example.net;lr>");
  EXPECT_EQ(bindings()[0].place, from_.place);
  EXPECT_EQ(bindings()[0].expires, commands_.wall + seconds{60 + 32});
}

TEST_F(RelayTest, PassesChallengesThroughWithoutAuthInt) {
  say(text());
  answer(401,
         "WWW-Authenticate: Digest realm=\"r\",  nonce=\"n\", qop=\"auth,auth-int\"\r\n"
         "X-Odd: kept\r\n");
  ASSERT_THAT(answers_, SizeIs(1));
  EXPECT_EQ(answers_[0].status(), 401);
  EXPECT_EQ(answers_[0].reason(), "As It Likes");
  EXPECT_EQ(answers_[0].find(HeaderName::WwwAuthenticate),
            "Digest realm=\"r\",  nonce=\"n\", qop=\"auth\"");
  EXPECT_EQ(answers_[0].find_other("X-Odd"), "kept");
  EXPECT_EQ(answers_[0].find(HeaderName::CallId), "77@10.1.1.2");
  EXPECT_TRUE(bindings().empty());
}

TEST_F(RelayTest, PassesEveryOtherRefusalThrough) {
  for (const int status : {403, 404, 407, 423, 500}) {
    say(text());
    answer(status, "Min-Expires: 600\r\n");
    ASSERT_THAT(answers_, SizeIs(1)) << status;
    EXPECT_EQ(answers_[0].status(), status);
    EXPECT_EQ(answers_[0].find(HeaderName::MinExpires), "600");
  }
}

TEST_F(RelayTest, AnswersRefreshesItselfUntilHalfOfTheGrantHasPassed) {
  say(text());
  take("600");
  const auto first = bindings()[0];
  commands_.advance(seconds{50});
  say(text("<sip:alice@10.1.1.2:5060>", 2));
  EXPECT_TRUE(sent_.empty());
  ASSERT_THAT(answers_, SizeIs(1));
  EXPECT_EQ(answers_[0].find(HeaderName::Contact), "<sip:alice@10.1.1.2:5060>;expires=60");
  EXPECT_EQ(bindings()[0].expires, commands_.wall + seconds{92});
  commands_.advance(seconds{250});
  ASSERT_TRUE(bindings().empty()) << "it has not come back for long";
  say(text("<sip:alice@10.1.1.2:5060>", 3));
  EXPECT_THAT(sent_, SizeIs(1)) << "half of the grant has passed, and nothing is known here";
}

TEST_F(RelayTest, KeepsATerminalsHandleFromOneRefreshToTheNext) {
  config_.relays[0].terminal_expires = seconds{0};
  say(text());
  const std::string handle = handle_in(contact());
  take("600");
  EXPECT_EQ(answers_[0].find(HeaderName::Contact)->find("expires=600") != std::string_view::npos,
            true);
  say(text("<sip:alice@10.1.1.2:5060>", 2));
  ASSERT_THAT(sent_, SizeIs(1)) << "told what the upstream says, so nothing is absorbed";
  EXPECT_EQ(handle_in(contact()), handle);
}

TEST_F(RelayTest, AsksTheUpstreamAgainWhenAnythingButTheTimeChanges) {
  const auto passes = [&](const std::string& contact_text, int cseq,
                          const std::string& lines = {}) {
    say(text(contact_text, cseq, lines));
    if (sent_.empty()) return false;
    sent_.clear();
    return true;
  };
  say(text());
  take();
  EXPECT_FALSE(passes("<sip:alice@10.1.1.2:5060>", 2));
  EXPECT_TRUE(passes("<sip:alice@10.1.1.2:5060>", 2)) << "repeated or overtaken";
  EXPECT_TRUE(passes("<sip:alice@10.1.1.2:5060>;q=0.1", 3));
  EXPECT_TRUE(passes("<sip:alice@10.1.1.2:5062>", 3));
  EXPECT_TRUE(passes("<sip:alice@10.1.1.2:5060>;expires=0", 3));
  EXPECT_TRUE(passes("", 3)) << "only asking";
  from_.remote = *TransportAddress::parse("10.1.1.3:5060");
  EXPECT_TRUE(passes("<sip:alice@10.1.1.2:5060>", 3)) << "somebody else's host";
}

TEST_F(RelayTest, DeregistersWhereTheUpstreamAgrees) {
  say(text());
  take();
  say(text("<sip:alice@10.1.1.2:5060>;expires=0", 2));
  EXPECT_THAT(contact(), HasSubstr(";expires=0"));
  EXPECT_THAT(bindings(), SizeIs(1)) << "not before it has";
  answer(200);
  EXPECT_TRUE(bindings().empty());
  EXPECT_FALSE(answers_[0].has(HeaderName::Contact));
  EXPECT_EQ(relay_.grants(), 0U);

  say(text("<sip:alice@10.1.1.2:5060>", 3));
  take();
  say(text("*", 4, "Expires: 0\r\n"));
  EXPECT_EQ(contact(), "*");
  EXPECT_EQ(sent_.back().request.find(HeaderName::Expires), "0");
  answer(200);
  EXPECT_TRUE(bindings().empty());
}

TEST_F(RelayTest, TellsATerminalThatOnlyAsksWhatItHasItself) {
  say(text());
  take();
  say(text("", 2));
  answer(200, "Contact: <sip:other@203.0.113.9>;expires=7\r\n");
  EXPECT_THAT(answers_[0].list(HeaderName::Contact),
              ElementsAre(HasSubstr("<sip:alice@10.1.1.2:5060>;expires=60")));
}

TEST_F(RelayTest, ForgetsAContactThatTheUpstreamDidNotTake) {
  say(text("<sip:alice@10.1.1.2:5060>, <sip:alice@10.1.1.2:5062>"));
  const std::string second_contact = contact(1);
  const std::string second{NameAddr::parse(second_contact)->uri.text};
  answer(200, "Contact: <" + second + ">\r\nExpires: 100\r\n");
  ASSERT_THAT(bindings(), SizeIs(1));
  EXPECT_EQ(bindings()[0].contact, "sip:alice@10.1.1.2:5062");
}

TEST_F(RelayTest, GoesToTheNextUpstreamWhenOneDoesNotAnswer) {
  say(text());
  auto failed = sent_.back().handler.on_failed;
  sent_.clear();
  failed(Errc::NotFound, commands_);
  ASSERT_THAT(sent_, SizeIs(1));
  EXPECT_THAT(sent_[0].target.next_hops, ElementsAre("sip:[2001:db8::5]"));
  EXPECT_TRUE(answers_.empty());
  failed = sent_.back().handler.on_failed;
  failed(Errc::Unreachable, commands_);
  ASSERT_THAT(answers_, SizeIs(1));
  EXPECT_EQ(answers_[0].status(), 503);
  EXPECT_EQ(answers_[0].find(HeaderName::RetryAfter), "30");

  sent_.clear();
  say(text());
  answer(503);
  ASSERT_THAT(sent_, SizeIs(1));
  take();
  EXPECT_EQ(answers_[0].status(), 200);
}

TEST_F(RelayTest, AnswersTheUpstreamsChallengeForATerminalThatKnowsOnlyTheAgent) {
  const auto by_address = [&](int cseq, const std::string& lines) {
    say(text("<sip:alice@10.1.1.2:5060>;expires=60", cseq, "Expires: 60\r\n" + lines, "10.1.1.1"));
  };
  by_address(1, "");
  ASSERT_THAT(answers_, SizeIs(1));
  EXPECT_EQ(answers_[0].status(), 401) << "our own challenge";
  EXPECT_TRUE(sent_.empty());
  by_address(2, proof());
  ASSERT_THAT(sent_, SizeIs(1));
  const Message first = sent_[0].request;
  EXPECT_EQ(first.request_uri(), "sip:pbx.example.net");
  EXPECT_THAT(std::string{*first.find(HeaderName::From)},
              AllOf(HasSubstr("<sip:alice@pbx.example.net>"), HasSubstr(";tag=1")));
  EXPECT_FALSE(first.has(HeaderName::Authorization));
  EXPECT_THAT(contact(), HasSubstr(";expires=3600"));
  EXPECT_THAT(std::string{first.text()}, Not(HasSubstr("10.1.1.")));

  answer(401, "WWW-Authenticate: Digest realm=\"upstream realm\", nonce=\"n1\", qop=\"auth\"\r\n");
  ASSERT_THAT(sent_, SizeIs(1));
  const Message second = sent_[0].request;
  const auto value = AuthValue::parse(*second.find(HeaderName::Authorization));
  ASSERT_TRUE(value);
  EXPECT_EQ(value->find("username"), "account-17");
  EXPECT_EQ(value->find("uri"), "sip:pbx.example.net");
  EXPECT_EQ(second.find(HeaderName::CallId), first.find(HeaderName::CallId));
  EXPECT_GT(codec::sip::CSeq::parse(*second.find(HeaderName::CSeq))->number,
            codec::sip::CSeq::parse(*first.find(HeaderName::CSeq))->number);

  answer(423, "Min-Expires: 7200\r\n");
  EXPECT_THAT(contact(), HasSubstr(";expires=7200"));
  answer(401, "WWW-Authenticate: Digest realm=\"upstream realm\", nonce=\"n2\", stale=TRUE\r\n");
  take("7200", "Authentication-Info: nextnonce=\"n3\"\r\n");
  ASSERT_THAT(answers_, SizeIs(1));
  EXPECT_EQ(answers_[0].status(), 200);
  EXPECT_FALSE(answers_[0].has(HeaderName::AuthenticationInfo));
  EXPECT_THAT(std::string{*answers_[0].find(HeaderName::Contact)}, HasSubstr(";expires=60"));
  EXPECT_THAT(bindings(), SizeIs(1)) << "under the upstream's domain";
}

TEST_F(RelayTest, GivesUpWhenTheUpstreamRefusesTheCredentialsThatAreHeld) {
  config_.relays[0].upstreams.clear();
  say(text("<sip:alice@10.1.1.2:5060>", 1, "", "10.1.1.1"));
  say(text("<sip:alice@10.1.1.2:5060>", 2, proof(), "10.1.1.1"));
  const std::string challenge =
      "WWW-Authenticate: Digest realm=\"upstream realm\", nonce=\"n\"\r\n";
  answer(401, challenge);
  ASSERT_THAT(sent_, SizeIs(1));
  EXPECT_TRUE(sent_[0].target.next_hops.empty()) << "found by the domain";
  EXPECT_EQ(sent_[0].target.uri, "sip:pbx.example.net");
  answer(401, challenge);
  EXPECT_TRUE(sent_.empty());
  ASSERT_THAT(answers_, SizeIs(1));
  EXPECT_EQ(answers_[0].status(), 403);
  EXPECT_FALSE(answers_[0].has(HeaderName::WwwAuthenticate));
}

TEST_F(RelayTest, NeverChasesAStaleNonceForEver) {
  say(text("<sip:alice@10.1.1.2:5060>", 1, "", "10.1.1.1"));
  say(text("<sip:alice@10.1.1.2:5060>", 2, proof(), "10.1.1.1"));
  int rounds = 0;
  while (!sent_.empty() && rounds < 20) {
    ++rounds;
    answer(401, "WWW-Authenticate: Digest realm=\"upstream realm\", nonce=\"n\", stale=true\r\n");
  }
  EXPECT_LT(rounds, 6);
  ASSERT_THAT(answers_, SizeIs(1));
  EXPECT_EQ(answers_[0].status(), 403);
}

TEST_F(RelayTest, LetsOnlyTheRightUserUseCredentialsThatAreHeld) {
  say(text("<sip:alice@10.1.1.2:5060>", 1, "", "10.1.1.1"));
  say(text("<sip:alice@10.1.1.2:5060>", 2, proof("guess"), "10.1.1.1"));
  EXPECT_TRUE(sent_.empty());
  EXPECT_EQ(answers_[0].status(), 401);
}

TEST_F(RelayTest, IsNoRelayForThePublicNetworkNorForOtherDomains) {
  from_.place = Place::outside();
  say(text());
  ASSERT_THAT(answers_, SizeIs(1));
  EXPECT_EQ(answers_[0].status(), 403);
  from_.place = Place::inside(AgentId{7});
  say("REGISTER sip:pbx.example.net SIP/2.0\r\nVia: SIP/2.0/UDP 10.1.1.2;branch=z9hG4bK1\r\n"
      "From: <sip:alice@example.com>;tag=1\r\nTo: <sip:alice@example.com>\r\nCall-ID: c\r\n"
      "CSeq: 1 REGISTER\r\nContent-Length: 0\r\n\r\n");
  ASSERT_THAT(answers_, SizeIs(1));
  EXPECT_EQ(answers_[0].status(), 404);
  EXPECT_TRUE(sent_.empty());
}

TEST_F(RelayTest, ForgetsGrantsThatHaveRunOut) {
  say(text());
  take("600");
  EXPECT_EQ(relay_.grants(), 1U);
  relay_.expire(commands_.wall + seconds{599});
  EXPECT_EQ(relay_.grants(), 1U);
  relay_.expire(commands_.wall + seconds{600});
  EXPECT_EQ(relay_.grants(), 0U);
}

}  // namespace
}  // namespace sallyport::adapter::sip
