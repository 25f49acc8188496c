#include "adapter/sip/server_routing.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "adapter/commands_fake.h"
#include "adapter/sip/digest.h"
#include "adapter/users_fake.h"
#include "brain/memory_registrations.h"

namespace sallyport::adapter::sip {
namespace {

using ::testing::ElementsAre;
using ::testing::SizeIs;
using wire::Message;

const std::string kAlice = "sip:alice@example.org";
const auto kInside = Place::inside(AgentId{7});
const auto kOther = Place::inside(AgentId{8});

class RoutingTest : public ::testing::Test {
 protected:
  RoutingTest() {
    domains_.set_own_address_check([](Place place, const IpAddress& ip) {
      return ip.to_string() == (place.is_outside() ? "192.0.2.100" : "10.1.1.1");
    });
    domains_.on_edge_up(kInside);
    users_.put(make_user("alice", "example.org", "x"));
    users_.put(make_user("absent", "example.org", "x"));
    users_.put(make_user("desk", "upstream realm", "x"));
  }
  static RegistrationConfig config() {
    RegistrationConfig out;
    out.domains = {"example.org"};
    out.default_domain = "example.org";
    RelayDomain relay;
    relay.domain = "pbx.example.net";
    relay.upstreams.resize(1);
    relay.upstreams[0].host = "192.0.2.50";
    out.relays = {relay};
    return out;
  }
  static brain::Routing::Config routes() {
    brain::Routing::Config out;
    out.allow_dns = true;
    brain::StaticRoute number;
    number.prefix = "+49";
    number.upstreams.resize(2);
    number.upstreams[0].host = "provider.example.com";
    number.upstreams[1].host = "spare.example.com";
    number.upstreams[1].port = 5070;
    out.routes = {number};
    return out;
  }

  brain::Binding& put(const std::string& identity, const std::string& contact, Place place) {
    brain::Binding binding;
    binding.identity = identity;
    binding.key = binding.contact = contact;
    binding.place = place;
    binding.address = *TransportAddress::parse("10.1.1.2:40000");
    binding.expires = commands_.wall + seconds{60};
    last_ = binding;
    return last_;
  }
  void store() {
    registrations_.update({last_.identity, {}, {last_}}, commands_.wall,
                          [](Result<void> done) { ASSERT_TRUE(done); });
  }
  Targets ask(const std::string& uri, Place place, const std::string& caller = kAlice) {
    const auto request = Message::parse(
        "INVITE " + uri + " SIP/2.0\r\nVia: SIP/2.0/UDP 10.1.1.2;branch=z9hG4bK1\r\nFrom: <" +
        caller + ">;tag=1\r\nTo: <" + (uri.starts_with("http") ? kAlice : uri) +
        ">\r\nCall-ID: c\r\nCSeq: 1 INVITE\r\nContent-Length: 0\r\n\r\n");
    EXPECT_TRUE(request) << uri;
    Hop from;
    from.place = place;
    from.remote = *TransportAddress::parse("10.1.1.2:5060");
    Targets out;
    int answers = 0;
    routing_.find(*request, from, commands_, [&](Targets targets, Commands&) {
      out = std::move(targets);
      ++answers;
    });
    EXPECT_EQ(answers, 1);
    EXPECT_EQ(out.targets.empty(), out.status != 0);
    return out;
  }
  int refused(const std::string& uri, Place place, const std::string& caller = kAlice) {
    return ask(uri, place, caller).status;
  }
  static std::vector<std::string> uris(const Targets& targets) {
    std::vector<std::string> out;
    for (const Target& target : targets.targets) out.push_back(target.uri);
    return out;
  }

  RegistrationConfig config_ = config();
  Domains domains_{config_};
  FakeUsers users_;
  SeededRandom random_{1};
  brain::MemoryRegistrations registrations_;
  Gruu gruu_{{4, 5, 6}};
  brain::Routing routes_{routes()};
  FakeCommands commands_;
  brain::Binding last_;
  ServerRouting routing_{config_, domains_, gruu_, registrations_, users_, routes_, random_};
};

TEST_F(RoutingTest, LeadsToEveryTerminalOfAnIdentityTheBestFirst) {
  put(kAlice, "sip:a@10.1.1.2:5060", kInside).preference = 100;
  store();
  put(kAlice, "sip:b@10.1.1.2:5060", kOther);
  store();
  for (const auto place : {kInside, Place::outside()}) {
    const Targets found = ask("sip:Alice@EXAMPLE.org:5060;user=phone", place);
    EXPECT_TRUE(found.targets.empty()) << "users are told apart by case";
    const Targets right = ask("sips:alice@EXAMPLE.org:5060", place);
    EXPECT_THAT(uris(right), ElementsAre("sip:b@10.1.1.2:5060", "sip:a@10.1.1.2:5060"));
    EXPECT_EQ(right.targets[0].place, kOther);
    EXPECT_EQ(right.targets[1].preference, 100);
  }
  EXPECT_THAT(ask("sip:alice@10.1.1.1", kInside).targets, SizeIs(2)) << "by the agent's address";
  EXPECT_THAT(ask("sip:alice@192.0.2.100", Place::outside()).targets, SizeIs(2));
}

TEST_F(RoutingTest, KnowsWhereATerminalIsReached) {
  brain::Binding binding = put(kAlice, "sip:a@10.1.1.2:5066", kInside);
  EXPECT_EQ(target_of(binding).hop->remote.to_string(), "10.1.1.2:40000");
  binding.transport = edge::Transport::Tls;
  binding.connection = edge::ConnectionId{5};
  EXPECT_EQ(target_of(binding).hop->remote.to_string(), "10.1.1.2:5066")
      << "once the connection is closed";
  EXPECT_EQ(target_of(binding).hop->connection, edge::ConnectionId{5});
  binding.path = "<sip:p1.example.org;lr>, \"a, b\" <sip:p2.example.org;x=\",\";lr>";
  EXPECT_FALSE(target_of(binding).hop);
  EXPECT_THAT(target_of(binding).route,
              ElementsAre("<sip:p1.example.org;lr>", "\"a, b\" <sip:p2.example.org;x=\",\";lr>"));
}

TEST_F(RoutingTest, TellsUnknownAwayAndGoneApart) {
  EXPECT_EQ(refused("sip:nobody@example.org", kInside), 404);
  EXPECT_EQ(refused("sip:absent@example.org", kInside), 480);
  put(kAlice, "sip:a@10.1.1.2", kInside);
  store();
  commands_.away.insert(kInside);
  EXPECT_EQ(refused(kAlice, Place::outside()), 480);
  EXPECT_EQ(ask(kAlice, Place::outside()).counter, "agent_away");
  put(kAlice, "sip:b@10.1.1.2", kOther);
  store();
  EXPECT_THAT(uris(ask(kAlice, Place::outside())), ElementsAre("sip:b@10.1.1.2"));
}

TEST_F(RoutingTest, FollowsAGruuToItsDeviceOnly) {
  for (const char* device : {"1", "2"}) {
    auto& binding = put(kAlice, std::string("sip:") + device + "@10.1.1.2", kInside);
    binding.instance = std::string("<urn:uuid:") + device + ">";
    binding.handle = std::string("000000000000000") + device;
    store();
  }
  EXPECT_THAT(uris(ask(kAlice + ";gr=urn:uuid:1", Place::outside())),
              ElementsAre("sip:1@10.1.1.2"));
  EXPECT_EQ(refused(kAlice + ";gr=urn:uuid:3", Place::outside()), 480);
  const std::string temporary = gruu_.temporary_uri("0000000000000002", "example.org", random_);
  EXPECT_THAT(uris(ask(temporary, Place::outside())), ElementsAre("sip:2@10.1.1.2"));
  EXPECT_EQ(refused("sip:0000000000000002@example.org", kInside), 404) << "the bare handle";
  EXPECT_EQ(refused("sip:tgruu.00000000000000000000000000000000@example.org;gr", kInside), 480);
}

TEST_F(RoutingTest, LetsAnUpstreamReachATerminalAtItsAddressHere) {
  put("sip:alice@pbx.example.net", "sip:a@10.1.1.2", kInside).handle = "00112233445566778899";
  store();
  EXPECT_THAT(uris(ask("sip:00112233445566778899@192.0.2.100:5060", Place::outside(),
                       "sip:bob@pbx.example.net")),
              ElementsAre("sip:a@10.1.1.2"));
  commands_.away.insert(kInside);
  EXPECT_EQ(refused("sip:00112233445566778899@192.0.2.100:5060", Place::outside()), 480);
  EXPECT_EQ(refused("sip:99112233445566778899@192.0.2.100:5060", Place::outside()), 404);
}

TEST_F(RoutingTest, LeavesTheCallsOfARelayedDomainToItsUpstream) {
  auto& binding = put("sip:desk@pbx.example.net", "sip:d@10.1.1.2", kInside);
  binding.route = "<sip:edge.example.net;lr>";
  store();
  const Targets found = ask("sip:bob@pbx.example.net;x=1", kInside, "sip:desk@pbx.example.net");
  ASSERT_THAT(found.targets, SizeIs(1));
  EXPECT_EQ(found.targets[0].uri, "sip:bob@pbx.example.net;x=1") << "octet for octet";
  EXPECT_THAT(found.targets[0].route, ElementsAre("<sip:edge.example.net;lr>"));
  EXPECT_EQ(found.targets[0].credentials, "");
  EXPECT_EQ(refused("sip:bob@pbx.example.net", kInside, "sip:stranger@pbx.example.net"), 403);
  EXPECT_EQ(refused("sip:bob@pbx.example.net", Place::outside()), 403);
  config_.registered_callers_only = false;
  const Targets free = ask("sip:bob@pbx.example.net", kInside, "sip:stranger@pbx.example.net");
  EXPECT_THAT(free.targets[0].next_hops, ElementsAre("sip:192.0.2.50"));
}

TEST_F(RoutingTest, AnswersChallengesForCallersWhoseCredentialsItHolds) {
  config_.relays[0].holds_credentials = true;
  put("sip:desk@pbx.example.net", "sip:d@10.1.1.2", kInside);
  store();
  const Targets found = ask("sip:bob@pbx.example.net", kInside, "sip:desk@pbx.example.net");
  ASSERT_THAT(found.targets, SizeIs(1));
  EXPECT_EQ(found.targets[0].credentials, "desk");
  const auto challenge = Message::parse(
      "SIP/2.0 407 x\r\nVia: SIP/2.0/UDP 192.0.2.100;branch=z9hG4bK1\r\nFrom: <sip:a@b>;tag=1\r\n"
      "To: <sip:a@b>;tag=2\r\nCall-ID: c\r\nCSeq: 1 INVITE\r\nProxy-Authenticate: Digest "
      "realm=\"upstream realm\", nonce=\"n\"\r\nContent-Length: 0\r\n\r\n");
  EXPECT_TRUE(routing_.answer_challenge(found.targets[0], *challenge, "INVITE", "sip:bob@x"));
  EXPECT_FALSE(routing_.answer_challenge(Target{}, *challenge, "INVITE", "sip:bob@x"));
}

TEST_F(RoutingTest, RoutesNumbersAndForeignDomainsForRegisteredCallersOnly) {
  EXPECT_EQ(refused("tel:+49-30-1", kInside), 403);
  put(kAlice, "sip:a@10.1.1.2", kInside);
  store();
  const Targets number = ask("tel:+49-30-1", kInside);
  ASSERT_THAT(number.targets, SizeIs(1));
  EXPECT_EQ(number.targets[0].uri, "tel:+49-30-1");
  EXPECT_THAT(number.targets[0].next_hops,
              ElementsAre("sip:provider.example.com", "sip:spare.example.com:5070"));
  EXPECT_THAT(ask("sip:+49301@example.org;user=phone", kInside).targets, SizeIs(1));
  EXPECT_EQ(refused("sip:+331@example.org", kInside), 404);
  const Targets foreign = ask("sip:bob@example.com", kInside);
  ASSERT_THAT(foreign.targets, SizeIs(1));
  EXPECT_TRUE(foreign.targets[0].next_hops.empty()) << "found by its own DNS";
  EXPECT_TRUE(foreign.targets[0].place.is_outside());
  EXPECT_EQ(refused("sip:bob@example.com", kOther), 403) << "registered, but not there";
  EXPECT_EQ(refused("http://example.com", kInside), 416);
}

TEST_F(RoutingTest, ANumberThatIsRegisteredHereStaysHere) {
  put("sip:+49301@example.org", "sip:n@10.1.1.2", kOther);
  store();
  EXPECT_THAT(uris(ask("tel:+49-30-1", kInside)), ElementsAre("sip:n@10.1.1.2"));
  EXPECT_THAT(uris(ask("sip:+49301@example.org", Place::outside())), ElementsAre("sip:n@10.1.1.2"));
}

TEST_F(RoutingTest, IsNoOpenRelay) {
  put(kAlice, "sip:a@10.1.1.2", kInside);
  store();
  EXPECT_EQ(refused("sip:bob@example.com", Place::outside()), 403);
  EXPECT_EQ(refused("tel:+49301", Place::outside()), 404);
  EXPECT_EQ(refused("sip:+49301@example.org", Place::outside()), 404);
  EXPECT_EQ(refused("sip:+49301@192.0.2.100", Place::outside()), 404);
}

TEST_F(RoutingTest, KnowsItsDomains) {
  for (const char* ours :
       {"example.org", "EXAMPLE.ORG", "example.org.", "pbx.example.net", "192.0.2.100", "10.1.1.1"})
    EXPECT_TRUE(routing_.is_our_domain(ours)) << ours;
  for (const char* other : {"example.com", "10.1.1.2", "", "org"})
    EXPECT_FALSE(routing_.is_our_domain(other)) << other;
}

}  // namespace
}  // namespace sallyport::adapter::sip
