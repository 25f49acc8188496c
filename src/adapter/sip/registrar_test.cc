#include "adapter/sip/registrar.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "adapter/sip/digest.h"
#include "adapter/users_fake.h"
#include "base/test_log.h"
#include "brain/memory_registrations.h"
#include "codec/sip/headers.h"

namespace sallyport::adapter::sip {
namespace {

using codec::sip::AuthValue;
using codec::sip::HeaderName;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::SizeIs;
using wire::Message;

const std::string kAlice = "sip:alice@example.org";

// What a phone says; each test changes what it is about.
struct Said {
  std::string uri = "sip:example.org", aor = kAlice, call_id = "call-1", password = "secret";
  int cseq = 1;
  std::string lines = "Contact: <sip:alice@10.1.1.2:5060>\r\n";
  bool with_credentials = true;
};

class RegistrarTest : public ::testing::Test {
 protected:
  RegistrarTest() {
    users_.put(make_user("alice", "example.org", "secret"));
    users_.put(make_user("bob", "example.org", "bob's"));
    domains_.set_own_address_check([](Place place, const IpAddress& ip) {
      return ip.to_string() == (place.is_outside() ? "192.0.2.100" : "10.1.1.1");
    });
    from_.place = Place::inside(AgentId{7});
    from_.remote = *TransportAddress::parse("10.1.1.2:5060");
  }

  std::string text(const Said& said, const std::string& authorization = {}) const {
    return "REGISTER " + said.uri +
           " SIP/2.0\r\nVia: SIP/2.0/UDP 10.1.1.2:5060;branch=z9hG4bK1;rport=5060\r\n"
           "Max-Forwards: 70\r\nFrom: <" +
           said.aor + ">;tag=1\r\nTo: <" + said.aor + ">\r\nCall-ID: " + said.call_id +
           "\r\nCSeq: " + std::to_string(said.cseq) + " REGISTER\r\n" + authorization + said.lines +
           "Content-Length: 0\r\n\r\n";
  }
  Message ask(const std::string& request_text) {
    const auto request = Message::parse(request_text);
    EXPECT_TRUE(request) << request_text;
    std::string response;
    registrar_.on_register(*request, from_, steady_, wall_, [&](std::string text) {
      EXPECT_TRUE(response.empty()) << "answered twice";
      response = std::move(text);
    });
    auto parsed = Message::parse(response);
    EXPECT_TRUE(parsed) << response;
    EXPECT_TRUE(parsed->find(HeaderName::To)->find(";tag=") != std::string_view::npos);
    return std::move(*parsed);
  }
  std::string credentials(const Said& said, const Message& challenge) {
    const auto answer =
        answer_challenge(challenge, "REGISTER", said.uri, "cn", 1, [&](std::string_view realm) {
          return make_user(codec::sip::Uri::parse(said.aor)->user, realm, said.password);
        });
    return answer ? "Authorization: " + *answer + "\r\n" : std::string{};
  }
  // As a phone does it: asks, is challenged, asks again.
  Message say(Said said) {
    Message first = ask(text(said));
    if (first.status() != 401 || !said.with_credentials) return first;
    const std::string authorization = credentials(said, first);
    ++said.cseq;
    return ask(text(said, authorization));
  }
  int status(const Said& said) { return say(said).status(); }

  std::vector<brain::Binding> bindings(const std::string& identity = kAlice) {
    std::vector<brain::Binding> out;
    registrations_.find(identity, wall_, [&](auto found) { out = std::move(found); });
    return out;
  }
  std::vector<std::string> contacts() {
    std::vector<std::string> out;
    for (const auto& binding : bindings()) out.push_back(binding.contact);
    return out;
  }
  static Said with(const std::string& lines, const std::string& call_id = "call-1", int cseq = 1) {
    Said said;
    said.lines = lines;
    said.call_id = call_id;
    said.cseq = cseq;
    return said;
  }

  static RegistrationConfig config() {
    RegistrationConfig out;
    out.default_domain = "example.org";
    out.domains = {"example.org", "example.com"};
    return out;
  }

  RegistrationConfig config_ = config();
  FakeUsers users_;
  SeededRandom random_{1};
  Counters counters_;
  TestLog log_;
  std::vector<IpRange> upstreams_;
  Refusals refusals_{upstreams_, counters_, log_};
  Domains domains_{config_};
  brain::MemoryRegistrations registrations_;
  Authenticator authenticator_{{}, {1, 2, 3}, users_, random_};
  Gruu gruu_{{4, 5, 6}};
  Registrar registrar_{config_, domains_, registrations_, authenticator_,
                       gruu_,   random_,  counters_,      refusals_};
  Hop from_;
  int cseq_ = 0;
  WallTime wall_{seconds{1'700'000'000}};  // 2023-11-14 22:13:20 UTC
  TimePoint steady_{std::chrono::hours{1}};
};

TEST_F(RegistrarTest, ChallengesAPhoneAndThenTakesIt) {
  Said said;
  said.with_credentials = false;
  const Message challenge = say(said);
  EXPECT_EQ(challenge.status(), 401);
  std::vector<std::string> algorithms;
  for (const auto& header : challenge.headers())
    if (header.name == HeaderName::WwwAuthenticate)
      algorithms.emplace_back(*AuthValue::parse(header.value)->find("algorithm"));
  EXPECT_THAT(algorithms, ElementsAre("SHA-256", "MD5"));
  EXPECT_TRUE(bindings().empty());

  said.with_credentials = true;
  said.cseq = 2;
  const Message done = say(said);
  EXPECT_EQ(done.status(), 200);
  EXPECT_EQ(done.find(HeaderName::Contact), "<sip:alice@10.1.1.2:5060>;expires=3600");
  EXPECT_EQ(done.find(HeaderName::Date), "Tue, 14 Nov 2023 22:13:20 GMT");
  ASSERT_THAT(bindings(), SizeIs(1));
  EXPECT_EQ(bindings()[0].place, Place::inside(AgentId{7}));
  EXPECT_EQ(bindings()[0].expires, wall_ + seconds{3600});
}

TEST_F(RegistrarTest, RefusesAWrongPasswordTwiceWithAChallengeAndThenForGood) {
  Said said;
  said.password = "guess";
  EXPECT_EQ(status(said), 401);
  EXPECT_EQ(status(said), 401);
  EXPECT_EQ(status(said), 403);
  said.password = "secret";
  EXPECT_EQ(status(said), 403) << "also the right one, for a while";
  steady_ += seconds{31};
  EXPECT_EQ(status(said), 200);
  EXPECT_EQ(counters_.get("register_wrong_password"), 2U);
  EXPECT_EQ(counters_.get("register_blocked"), 2U);
}

TEST_F(RegistrarTest, LogsTheFirstRefusalOfANameAndSourceAndThenOneAMinute) {
  refusals_.on_edge_up(from_.place, "office");
  Said said;
  EXPECT_EQ(status(said), 200);
  EXPECT_TRUE(log_.lines.empty()) << "a challenge is no refusal";

  said.password = "guess";
  status(said);
  ASSERT_EQ(log_.lines.size(), 1U);
  EXPECT_THAT(log_.lines[0],
              HasSubstr(R"("event":"registration refused","identity":"sip:alice@example.org",)"
                        R"("agent":"office","address":"10.1.1.2:5060","why":"wrong password",)"
                        R"("more_before":0)"));
  EXPECT_THAT(log_.lines[0], Not(HasSubstr("guess")));
  status(said);
  EXPECT_EQ(log_.lines.size(), 1U) << "not again within the minute";
  steady_ += seconds{60};
  said.aor = "sip:nobody@example.org";
  EXPECT_EQ(status(said), 401) << "as for a wrong password: the phone is not told";
  ASSERT_EQ(log_.lines.size(), 2U);
  EXPECT_THAT(log_.lines[1], HasSubstr(R"("why":"no such user")"));
}

TEST_F(RegistrarTest, StrangersFillNoLogAndHideNoPhoneAtAnAgent) {
  const Hop inside = from_;
  from_.place = Place::outside();
  Said said;
  said.password = "guess";
  for (int i = 0; i < 500; ++i) {
    from_.remote.ip = *IpAddress::parse("192.0.2." + std::to_string(i % 250));
    said.aor = "sip:guess" + std::to_string(i) + "@example.org";
    status(said);
  }
  EXPECT_EQ(log_.lines.size(), 20U);
  from_ = inside;
  said.aor = kAlice;
  status(said);
  EXPECT_EQ(log_.lines.size(), 21U);
}

TEST_F(RegistrarTest, TellsAPhoneWithAnOldNonceThatItIsStale) {
  Said said;
  const Message challenge = ask(text(said));
  const std::string old = credentials(said, challenge);
  wall_ += seconds{400};
  const Message again = ask(text(said, old));
  EXPECT_EQ(again.status(), 401);
  EXPECT_THAT(std::string{*again.find(HeaderName::WwwAuthenticate)}, HasSubstr("stale=true"));
}

TEST_F(RegistrarTest, LetsNobodyRegisterSomebodyElse) {
  Said said;
  const Message challenge = ask(text(said));
  said.aor = "sip:bob@example.org";
  const auto answer =
      answer_challenge(challenge, "REGISTER", said.uri, "cn", 1,
                       [](std::string_view realm) { return make_user("alice", realm, "secret"); });
  EXPECT_EQ(ask(text(said, "Authorization: " + *answer + "\r\n")).status(), 403);
  EXPECT_TRUE(bindings("sip:bob@example.org").empty());
}

TEST_F(RegistrarTest, TakesAnAddressOfOursForItsDefaultDomain) {
  Said said;
  said.uri = "sip:10.1.1.1";
  said.aor = "sip:alice@10.1.1.1";
  EXPECT_EQ(status(said), 200);
  EXPECT_THAT(bindings(), SizeIs(1));
  said.uri = "sip:10.1.1.9";
  said.aor = "sip:alice@10.1.1.9";
  EXPECT_EQ(status(said), 404);
  said.uri = "sip:EXAMPLE.org:5060;transport=udp";
  said.aor = "sip:alice@Example.ORG";
  said.cseq = 10;
  EXPECT_EQ(status(said), 200);
}

TEST_F(RegistrarTest, RefusesForeignDomainsAndIdentitiesOfAnotherDomain) {
  Said said;
  said.uri = "sip:example.net";
  EXPECT_EQ(status(said), 404);
  said.uri = "sip:example.org";
  said.aor = "sip:alice@example.com";
  EXPECT_EQ(status(said), 404) << "the registrar of one domain, an identity of another";
}

TEST_F(RegistrarTest, TakesSeveralContactsAndGivesThemAllBack) {
  const Message done =
      say(with("Contact: <sip:a@10.1.1.2>;q=0.5;expires=100, \"A, B\" "
               "<sip:b@10.1.1.2>;q=0.75\r\nm: sip:c@10.1.1.2;expires=60\r\n"
               "Expires: 200\r\n"));
  EXPECT_EQ(done.status(), 200);
  EXPECT_THAT(done.list(HeaderName::Contact),
              ElementsAre("<sip:c@10.1.1.2>;expires=60", "<sip:b@10.1.1.2>;expires=200;q=0.750",
                          "<sip:a@10.1.1.2>;expires=100;q=0.500"));
  EXPECT_THAT(say(with("", "call-1", 7)).list(HeaderName::Contact), SizeIs(3)) << "only asking";
}

TEST_F(RegistrarTest, KnowsTheSameAddressInTwoNetworksForTwoPhones) {
  const std::string lines = "Contact: <sip:alice@10.1.1.2:5060>\r\n";
  ASSERT_EQ(status(with(lines, "of site 7")), 200);
  from_.place = Place::inside(AgentId{8});
  const Message second = say(with(lines, "of site 8", 3));
  EXPECT_THAT(second.list(HeaderName::Contact), SizeIs(1)) << "its own";
  EXPECT_THAT(bindings(), SizeIs(2));
  ASSERT_EQ(status(with("Contact: <sip:alice@10.1.1.2:5060>;expires=0\r\n", "of site 8", 5)), 200);
  ASSERT_THAT(bindings(), SizeIs(1));
  EXPECT_EQ(bindings()[0].place, Place::inside(AgentId{7}));

  // Behind two home routers, seen from the public network.
  from_.place = Place::outside();
  for (const char* router : {"192.0.2.61:40000", "192.0.2.62:40000"}) {
    from_.remote = *TransportAddress::parse(router);
    const Message done = say(with("Contact: <sip:alice@192.168.1.50>\r\n", router));
    EXPECT_THAT(done.list(HeaderName::Contact), SizeIs(1)) << router;
  }
  EXPECT_THAT(bindings(), SizeIs(3));
}

TEST_F(RegistrarTest, ForgetsOneContactOrAll) {
  ASSERT_EQ(status(with("Contact: <sip:a@10.1.1.2>, <sip:b@10.1.1.2>, <sip:c@10.1.1.2>\r\n")), 200);
  EXPECT_EQ(status(with("Contact: <sip:a@10.1.1.2>;expires=0\r\n", "call-1", 5)), 200);
  EXPECT_THAT(contacts(), ElementsAre("sip:c@10.1.1.2", "sip:b@10.1.1.2"));
  EXPECT_EQ(status(with("Contact: *\r\n", "call-1", 7)), 400) << "without Expires: 0";
  EXPECT_EQ(status(with("Contact: *\r\nExpires: 60\r\n", "call-1", 9)), 400);
  EXPECT_EQ(status(with("Contact: *, <sip:d@10.1.1.2>\r\nExpires: 0\r\n", "call-1", 11)), 400);
  EXPECT_THAT(contacts(), SizeIs(2));
  const Message done = say(with("Contact: *\r\nExpires: 0\r\n", "call-1", 13));
  EXPECT_EQ(done.status(), 200);
  EXPECT_FALSE(done.has(HeaderName::Contact));
  EXPECT_TRUE(contacts().empty());
}

TEST_F(RegistrarTest, RefusesTooShortALifeAndCutsTooLongAOne) {
  const Message brief = say(with("Contact: <sip:a@10.1.1.2>;expires=59\r\n"));
  EXPECT_EQ(brief.status(), 423);
  EXPECT_EQ(brief.find(HeaderName::MinExpires), "60");
  EXPECT_TRUE(contacts().empty());
  const Message longer =
      say(with("Contact: <sip:a@10.1.1.2>;expires=99999999999\r\n", "call-1", 5));
  EXPECT_EQ(longer.find(HeaderName::Contact), "<sip:a@10.1.1.2>;expires=3600");
}

TEST_F(RegistrarTest, ChangesNothingAtAllWhenAnyPartOfARequestIsOutOfOrder) {
  ASSERT_EQ(status(with("Contact: <sip:a@10.1.1.2>\r\n", "call-1", 9)), 200);
  EXPECT_EQ(status(with("Contact: <sip:b@10.1.1.2>, <sip:a@10.1.1.2>;expires=0\r\n", "call-1", 8)),
            500);
  EXPECT_THAT(contacts(), ElementsAre("sip:a@10.1.1.2"));
  EXPECT_EQ(status(with("Contact: *\r\nExpires: 0\r\n", "call-1", 3)), 500);
  EXPECT_THAT(contacts(), SizeIs(1));
  EXPECT_EQ(status(with("Contact: <sip:a@10.1.1.2>\r\n", "call-2", 1)), 200)
      << "another Call-ID begins anew";
}

TEST_F(RegistrarTest, HoldsSoManyContactsAndSaysSoBeyond) {
  std::string lines;
  for (int i = 0; i < 17; ++i) lines += "Contact: <sip:" + std::to_string(i) + "@10.1.1.2>\r\n";
  EXPECT_EQ(status(with(lines)), 503);
  EXPECT_TRUE(contacts().empty());
  EXPECT_EQ(counters_.get("register_limit"), 1U);
}

TEST_F(RegistrarTest, KnowsAnEquivalentContactAgain) {
  ASSERT_EQ(status(with("Contact: <sip:alice@10.1.1.2:5060;transport=tcp>\r\n")), 200);
  ASSERT_EQ(status(with("Contact: <SIP:alice@10.1.1.2:5060;Transport=TCP>\r\n", "call-1", 5)), 200);
  EXPECT_THAT(contacts(), ElementsAre("SIP:alice@10.1.1.2:5060;Transport=TCP"));
}

TEST_F(RegistrarTest, APhoneThatWasRestartedReplacesItsOldPort) {
  const std::string agent = "User-Agent: Phone 1.0\r\n";
  ASSERT_EQ(status(with("Contact: <sip:alice@10.1.1.2:40000>\r\n" + agent, "before")), 200);
  ASSERT_EQ(status(with("Contact: <sip:alice@10.1.1.2:50000>\r\n" + agent, "after")), 200);
  EXPECT_THAT(contacts(), ElementsAre("sip:alice@10.1.1.2:50000"));
  // But not what another terminal, or the same one on purpose, has registered.
  ASSERT_EQ(status(with("Contact: <sip:alice@10.1.1.2:50002>\r\n" + agent, "after", 5)), 200);
  ASSERT_EQ(status(with("Contact: <sip:desk@10.1.1.2:50004>\r\n" + agent, "other")), 200);
  ASSERT_EQ(status(with("Contact: <sip:alice@10.1.1.2:50006>\r\nUser-Agent: Soft 2\r\n", "x")),
            200);
  from_.remote = *TransportAddress::parse("10.1.1.3:5060");
  ASSERT_EQ(status(with("Contact: <sip:alice@10.1.1.3:50000>\r\n" + agent, "y")), 200);
  EXPECT_THAT(contacts(), SizeIs(5));
}

TEST_F(RegistrarTest, ADeviceThatSaysWhichItIsReplacesItselfWhereverItComesFrom) {
  const std::string instance = ";+sip.instance=\"<urn:uuid:1>\"\r\n";
  ASSERT_EQ(status(with("Contact: <sip:a@10.1.1.2:40000>" + instance, "before")), 200);
  from_.remote = *TransportAddress::parse("10.1.1.77:1024");
  ASSERT_EQ(status(with("Contact: <sip:b@10.1.1.77:1024>" + instance, "after")), 200);
  EXPECT_THAT(contacts(), ElementsAre("sip:b@10.1.1.77:1024"));
}

TEST_F(RegistrarTest, KeepsEachFlowOfADeviceAsRfc5626Says) {
  const auto flow = [](int reg_id, const std::string& port) {
    return "Supported: path, outbound\r\nContact: <sip:a@10.1.1.2:" + port +
           ">;reg-id=" + std::to_string(reg_id) + ";+sip.instance=\"<urn:uuid:1>\"\r\n";
  };
  from_.transport = edge::Transport::Tcp;
  from_.connection = edge::ConnectionId{11};
  const Message first = say(with(flow(1, "1001"), "c1"));
  EXPECT_EQ(first.find(HeaderName::Require), "outbound");
  EXPECT_THAT(std::string{*first.find(HeaderName::Contact)},
              HasSubstr(";+sip.instance=\"<urn:uuid:1>\";reg-id=1"));
  from_.connection = edge::ConnectionId{12};
  ASSERT_EQ(status(with(flow(2, "1002"), "c2")), 200);
  ASSERT_THAT(bindings(), SizeIs(2));
  EXPECT_EQ(bindings()[0].connection, edge::ConnectionId{12});
  EXPECT_EQ(bindings()[1].connection, edge::ConnectionId{11});
  from_.connection = edge::ConnectionId{13};
  ASSERT_EQ(status(with(flow(1, "1003"), "c3")), 200);
  ASSERT_THAT(bindings(), SizeIs(2)) << "the same flow, opened again";
  EXPECT_EQ(bindings()[0].connection, edge::ConnectionId{13});
}

TEST_F(RegistrarTest, GivesGruusThatLeadBackToTheDevice) {
  const std::string lines =
      "Supported: gruu\r\nContact: <sip:a@10.1.1.2>;+sip.instance=\"<urn:uuid:f81d-4fae>\"\r\n";
  const auto gruu = [&](const Message& done, const char* which) {
    const auto contact = codec::sip::NameAddr::parse(*done.find(HeaderName::Contact));
    return std::string{contact->parameters.find(which).value_or("none")};
  };
  const Message done = say(with(lines));
  EXPECT_EQ(gruu(done, "pub-gruu"), "sip:alice@example.org;gr=urn:uuid:f81d-4fae");
  const std::string first = gruu(done, "temp-gruu");
  const std::string second = gruu(say(with(lines, "call-1", 5)), "temp-gruu");
  EXPECT_NE(first, second);
  const auto leads_to = [&](const std::string& temporary) {
    const auto uri = codec::sip::Uri::parse(temporary);
    EXPECT_TRUE(uri && uri->parameters.has("gr")) << temporary;
    EXPECT_THAT(temporary, Not(HasSubstr("alice")));
    std::string contact;
    const auto handle = gruu_.handle_of(uri->user);
    registrations_.find_handle(handle.value_or(""), wall_, [&](const auto& found) {
      contact = found ? found->contact : "gone";
    });
    return contact;
  };
  EXPECT_EQ(leads_to(first), "sip:a@10.1.1.2");
  EXPECT_EQ(leads_to(second), "sip:a@10.1.1.2");
  const std::string third = gruu(say(with(lines, "after a restart")), "temp-gruu");
  EXPECT_EQ(leads_to(third), "sip:a@10.1.1.2");
  EXPECT_EQ(leads_to(first), "gone") << "RFC 5627 5.1: another Call-ID ends the old ones";
  EXPECT_FALSE(gruu_.handle_of("tgruu.1234"));
  EXPECT_FALSE(gruu_.handle_of("alice"));
  EXPECT_TRUE(Gruu::names("urn:uuid:f81d-4fae", "<urn:uuid:f81d-4fae>"));
  EXPECT_TRUE(Gruu::names("urn%3auuid:f81d-4fae", "<urn:uuid:f81d-4fae>"));
  EXPECT_FALSE(Gruu::names("", ""));
}

TEST_F(RegistrarTest, KeepsThePathInItsOrderAndShowsIt) {
  const Message done =
      say(with("Supported: path\r\nPath: <sip:p1.example.org;lr>\r\nPath: <sip:p2.example.org;lr>"
               "\r\nContact: <sip:a@10.1.1.2>\r\n"));
  EXPECT_EQ(done.find(HeaderName::Path), "<sip:p1.example.org;lr>, <sip:p2.example.org;lr>");
  EXPECT_EQ(bindings()[0].path, "<sip:p1.example.org;lr>, <sip:p2.example.org;lr>");
}

TEST_F(RegistrarTest, SaysWhichExtensionItDoesNotKnow) {
  const Message refused = say(with("Require: path, sec-agree, gruu\r\nRequire: x\r\n"));
  EXPECT_EQ(refused.status(), 420);
  EXPECT_THAT(refused.list(HeaderName::Unsupported), ElementsAre("sec-agree", "x"));
}

TEST_F(RegistrarTest, ReachesAPhoneWhereItListensOrElseWhereItCameFrom) {
  const auto reached = [&](const std::string& contact) {
    ++cseq_;
    EXPECT_EQ(status(with("Contact: <" + contact + ">\r\n", "c" + std::to_string(cseq_))), 200);
    return bindings()[0].address.to_string();
  };
  from_.remote = *TransportAddress::parse("10.1.1.2:40000");
  EXPECT_EQ(reached("sip:a@10.1.1.2:5066"), "10.1.1.2:5066") << "sends from another port";
  EXPECT_EQ(reached("sip:b@10.1.1.2"), "10.1.1.2:5060");
  EXPECT_EQ(reached("sip:c@192.168.1.9:5060"), "10.1.1.2:40000") << "behind one more NAT";
  EXPECT_EQ(reached("sip:d@phone.local"), "10.1.1.2:40000");
  from_.transport = edge::Transport::Tls;
  EXPECT_EQ(reached("sip:e@10.1.1.2:5061"), "10.1.1.2:40000") << "over its connection";
}

TEST_F(RegistrarTest, RefusesContactsThatItCannotRead) {
  for (const char* bad :
       {"Contact: <sip:a@\r\n", "Contact: <tel:+49>\r\n", "Contact: <http://example.org>\r\n"})
    EXPECT_EQ(status(with(bad)), 400) << bad;
}

TEST_F(RegistrarTest, MayTakeEverybodyWhereItIsToldSo) {
  config_.authenticate = false;
  Said said;
  said.aor = "sip:anybody@example.org";
  said.with_credentials = false;
  EXPECT_EQ(status(said), 200);
  EXPECT_THAT(bindings("sip:anybody@example.org"), SizeIs(1));
}

}  // namespace
}  // namespace sallyport::adapter::sip
