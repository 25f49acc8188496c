// Where calls go that no terminal here is meant by: routes, neighbours, DNS, addresses; and who may
// make them.
#include "adapter/h323/router.h"

#include "adapter/h323/test_ras.h"

namespace sallyport::adapter::h323::test {
namespace {

class RouterTest : public ::testing::Test {
 protected:
  static Config config() {
    Config out = RasWorld::open_config();
    out.neighbours = {*HostPort::parse("192.0.2.10:1719"), *HostPort::parse("192.0.2.11:1719")};
    return out;
  }
  static brain::Routing::Config routes() {
    const auto to = [](std::string host, std::uint16_t port, edge::Transport transport) {
      return brain::Upstream{
          .host = std::move(host), .port = port, .transport = transport, .place = {}};
    };
    brain::Routing::Config out;
    out.routes.push_back({.domain = "",
                          .prefix = "0",
                          .upstreams = {to("192.0.2.20", 0, edge::Transport::Tcp),
                                        to("gateway.example.com", 0, edge::Transport::Tcp)}});
    out.routes.push_back({.domain = "pbx.example.net",
                          .prefix = "",
                          .upstreams = {to("192.0.2.30", 0, edge::Transport::Udp)}});
    out.allow_dns = true;
    return out;
  }
  // The edge outside, which is asked for names.
  class Dns final : public edge::test::SilentEdge {
   public:
    void resolve(edge::QueryId id, const std::string& name, edge::RecordType type) override {
      asked.push_back(name);
      open = id;
      last = type;
    }
    std::vector<std::string> asked;
    edge::QueryId open{};
    edge::RecordType last{};
  };

  void SetUp() override {
    world.out.outside = &dns;
    EXPECT_EQ(what(alice.register_as({id("Alice"), number("100")})), "registrationConfirm");
    world.sent.clear();
  }
  CallQuery query(const Alias& called) {
    CallQuery out;
    out.from = alice.hop;
    out.called = {called};
    out.caller = {id("Alice")};
    out.endpoint = alice.endpoint;
    return out;
  }
  void find(const CallQuery& query) {
    found.reset();
    world.router.find(query, world.out, [this](const Found& result, Commands&) { found = result; });
  }
  std::vector<std::string> where() {
    std::vector<std::string> out;
    if (!found) return {"not yet"};
    for (const Destination& destination : found->destinations)
      out.push_back(destination.hop.remote.to_string());
    if (out.empty()) out.push_back(found->counter);
    return out;
  }
  void answer_dns(const std::vector<edge::Record>& records) {
    ASSERT_TRUE(world.router.on_resolved(dns.open, records, world.out));
  }
  static edge::Record address(std::string_view ip) {
    return {.type = edge::RecordType::Address, .address = *IpAddress::parse(ip)};
  }
  static edge::Record service(std::uint16_t priority, std::uint16_t port, std::string target) {
    return {.type = edge::RecordType::Srv,
            .priority = priority,
            .port = port,
            .target = std::move(target)};
  }
  // What a gatekeeper answers to the LRQ that it was sent.
  void answer_location(const RasWorld::Sent& asked, std::optional<std::string_view> call_address) {
    const auto number = static_cast<std::uint16_t>(
        child_named(asked.message->root().chosen(), "requestSeqNum").integer());
    per::Message message;
    if (call_address) {
      auto confirm = begin_ras(message, RasMessage::kLocationConfirm, number);
      codec::h323::set_address(confirm[h225::LocationConfirm::kCallSignalAddress],
                               at(*call_address));
      codec::h323::set_address(confirm[h225::LocationConfirm::kRasAddress], asked.to.remote);
    } else {
      auto reject = begin_ras(message, RasMessage::kLocationReject, number);
      (void)reject[h225::LocationReject::kRejectReason][h225::LocationRejectReason::kNotRegistered];
    }
    Buffer octets;
    ASSERT_TRUE(message.encode(octets));
    world.send(asked.to, octets);
  }

  RasWorld world{config(), routes()};
  Dns dns;
  RasTerminal alice{world, kSiteA, "10.1.1.5:1719", "10.1.1.2:1719"};
  std::optional<Found> found;
};

using Strings = std::vector<std::string>;

TEST_F(RouterTest, FindsATerminalHoweverItsNameIsSpelt) {
  for (const Alias& alias : {id("Alice"), number("100"), Alias{Alias::Kind::PublicNumber, "100"},
                             id("100"), Alias{Alias::Kind::UrlId, "h323:Alice@example.org"},
                             Alias{Alias::Kind::UrlId, "h323:100@198.51.100.1"},
                             Alias{Alias::Kind::EmailId, "Alice@Example.org"}}) {
    find(query(alias));
    EXPECT_EQ(where(), Strings{"10.1.1.5:1720"}) << identity_of(alias);
    EXPECT_EQ(found->destinations.front().endpoint, alice.endpoint);
  }
}

TEST_F(RouterTest, SendsANumberWhereItsRouteSaysAndTriesAllOfIt) {
  find(query(number("0301")));
  EXPECT_EQ(dns.asked, Strings{"gateway.example.com"});
  answer_dns({address("192.0.2.21"), address("192.0.2.22")});
  EXPECT_EQ(where(), (Strings{"192.0.2.20:1720", "192.0.2.21:1720", "192.0.2.22:1720"}));
  EXPECT_TRUE(found->destinations.front().hop.place.is_outside());
}

TEST_F(RouterTest, AsksAGatekeeperThatARouteNames) {
  find(query({Alias::Kind::UrlId, "h323:bob@pbx.example.net"}));
  ASSERT_EQ(world.sent.size(), 1U);
  const RasWorld::Sent asked = world.sent.front();
  EXPECT_EQ(asked.to.remote, at("192.0.2.30:1719"));
  const auto request = asked.message->root<RasMessage>()[RasMessage::kLocationRequest];
  EXPECT_EQ(codec::h323::address(request[h225::LocationRequest::kReplyAddress]),
            at("198.51.100.1:1719"));
  EXPECT_EQ(read_aliases(request[h225::LocationRequest::kSourceInfo]),
            std::vector<Alias>{id("Alice")});
  answer_location(asked, "192.0.2.31:1721");
  EXPECT_EQ(where(), Strings{"192.0.2.31:1721"});
}

TEST_F(RouterTest, AsksAllNeighboursForWhatNobodyKnows) {
  find(query(id("Bob")));
  EXPECT_EQ(where(), Strings{"not yet"});
  ASSERT_EQ(world.sent.size(), 2U);
  answer_location(world.sent[0], std::nullopt);
  EXPECT_EQ(where(), Strings{"not yet"});
  answer_location(world.sent[1], "192.0.2.12:1720");
  EXPECT_EQ(where(), Strings{"192.0.2.12:1720"});
  find(query(id("Carol")));
  for (int i = 0; i < 3; ++i) world.advance(seconds{5});
  EXPECT_EQ(where(), Strings{"unknown_callee"});
  EXPECT_EQ(found->refusal, Refusal::CalledPartyNotRegistered);
}

TEST_F(RouterTest, TakesAnAnswerOfNobodyElse) {
  find(query({Alias::Kind::UrlId, "h323:bob@pbx.example.net"}));
  ASSERT_EQ(world.sent.size(), 1U);
  RasWorld::Sent forged = world.sent.front();
  forged.to.remote = at("192.0.2.66:1719");
  answer_location(forged, "192.0.2.66:1720");
  EXPECT_EQ(where(), Strings{"not yet"});
  world.config.limits.upstreams = {*IpRange::parse("192.0.2.32/28")};
  forged.to.remote = at("192.0.2.33:1719");
  answer_location(forged, "192.0.2.34:1720");
  EXPECT_EQ(where(), Strings{"192.0.2.34:1720"}) << "one that it was passed on to";
}

TEST_F(RouterTest, AsksOnceForAnArqAndTheSetupThatFollows) {
  CallQuery both = query(number("0301"));
  both.call = {1, 2, 3};
  find(both);
  answer_dns({address("192.0.2.21")});
  const auto first = where();
  find(both);
  EXPECT_EQ(where(), first);
  EXPECT_EQ(dns.asked.size(), 1U);
  world.advance(Router::kRemembered + seconds{1});
  find(both);
  EXPECT_EQ(dns.asked.size(), 2U);
}

TEST_F(RouterTest, FollowsAnnexOToALocationServiceFirst) {
  find(query({Alias::Kind::UrlId, "h323:bob@example.com"}));
  EXPECT_EQ(dns.asked.back(), "_h323ls._udp.example.com");
  answer_dns({service(10, 1719, "gk.example.com")});
  EXPECT_EQ(dns.asked.back(), "gk.example.com");
  answer_dns({address("192.0.2.40")});
  ASSERT_EQ(world.sent.size(), 1U);
  EXPECT_EQ(world.sent.front().to.remote, at("192.0.2.40:1719"));
  answer_location(world.sent.front(), "192.0.2.41:1720");
  EXPECT_EQ(where(), Strings{"192.0.2.41:1720"});
}

TEST_F(RouterTest, FollowsAnnexOToCallSignallingAndToTheNameItself) {
  find(query({Alias::Kind::UrlId, "h323:bob@example.com"}));
  answer_dns({});
  EXPECT_EQ(dns.asked.back(), "_h323cs._tcp.example.com");
  answer_dns({service(20, 1723, "b.example.com"), service(10, 1722, "a.example.com")});
  EXPECT_EQ(dns.asked.back(), "a.example.com");
  answer_dns({address("192.0.2.50")});
  EXPECT_EQ(dns.asked.back(), "b.example.com");
  answer_dns({address("192.0.2.51")});
  EXPECT_EQ(where(), (Strings{"192.0.2.50:1722", "192.0.2.51:1723"}));

  find(query({Alias::Kind::UrlId, "h323:bob@example.com"}));
  answer_dns({});
  answer_dns({});
  EXPECT_EQ(dns.asked.back(), "example.com");
  answer_dns({address("192.0.2.60")});
  EXPECT_EQ(where(), Strings{"192.0.2.60:1720"});

  find(query({Alias::Kind::UrlId, "h323:bob@example.com:1799"}));
  EXPECT_EQ(dns.asked.back(), "example.com") << "a port says that it is no service";
  answer_dns({address("192.0.2.60")});
  EXPECT_EQ(where(), Strings{"192.0.2.60:1799"});

  find(query({Alias::Kind::UrlId, "h323:bob@192.0.2.70"}));
  EXPECT_EQ(where(), Strings{"192.0.2.70:1720"});

  find(query({Alias::Kind::UrlId, "h323:bob@example.com"}));
  answer_dns({});
  answer_dns({});
  answer_dns({});
  EXPECT_EQ(where(), Strings{"dns_unknown"});
  EXPECT_EQ(found->refusal, Refusal::Unreachable);
}

TEST_F(RouterTest, CallsAnAddressOutsideForARegisteredTerminal) {
  CallQuery direct = query(id("x"));
  direct.called.clear();
  direct.address = at("192.0.2.80:1720");
  find(direct);
  EXPECT_EQ(where(), Strings{"192.0.2.80:1720"});
  direct.address = at("10.1.1.5:1720");
  find(direct);
  EXPECT_EQ(where(), Strings{"10.1.1.5:1720"}) << "a neighbour in its own network";
  EXPECT_EQ(found->destinations.front().hop.place, kSiteA);
  direct.address.reset();
  find(direct);
  EXPECT_EQ(where(), Strings{"no_callee"});
}

TEST_F(RouterTest, IsNoOpenRelay) {
  CallQuery stranger = query(number("0301"));
  stranger.from = {.place = Place::outside(), .remote = at("192.0.2.90:5000")};
  stranger.endpoint = alice.endpoint;
  find(stranger);
  EXPECT_EQ(where(), Strings{"unknown_callee"});
  stranger.called = {{Alias::Kind::UrlId, "h323:bob@example.com"}};
  find(stranger);
  EXPECT_EQ(where(), Strings{"open_relay"});
  stranger.called.clear();
  stranger.address = at("192.0.2.80:1720");
  find(stranger);
  EXPECT_EQ(where(), Strings{"no_callee"});
  stranger.called = {id("Alice")};
  find(stranger);
  EXPECT_EQ(where(), Strings{"10.1.1.5:1720"}) << "our own can be called by anybody";
  EXPECT_TRUE(dns.asked.empty());
  EXPECT_TRUE(world.sent.empty());

  CallQuery unregistered = query(number("0301"));
  unregistered.from.remote = at("10.1.1.77:5000");
  find(unregistered);
  EXPECT_EQ(where(), Strings{"caller_not_registered"});
  EXPECT_EQ(found->refusal, Refusal::CallerNotRegistered);
}

TEST_F(RouterTest, ShowsACallerByItsOwnNamesOnly) {
  CallQuery liar = query(number("0301"));
  liar.caller = {id("Bob"), {Alias::Kind::TransportId, "10.1.1.5:1720"}};
  find(liar);
  answer_dns({address("192.0.2.21")});
  EXPECT_EQ(found->destinations.front().caller, (std::vector<Alias>{id("Alice"), number("100")}));
  liar.caller = {number("100")};
  find(liar);
  answer_dns({address("192.0.2.21")});
  EXPECT_EQ(found->destinations.front().caller, std::vector<Alias>{number("100")});
}

TEST_F(RouterTest, AnswersWhenTheEdgeIsLost) {
  find(query(number("0301")));
  world.router.on_edge_lost(Place::outside(), world.out);
  EXPECT_EQ(where(), Strings{"192.0.2.20:1720"}) << "what was found before";
  EXPECT_EQ(world.router.size(), 0U);
}

}  // namespace
}  // namespace sallyport::adapter::h323::test
