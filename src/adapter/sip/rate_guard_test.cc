// Who floods is refused a little, and not heard for the rest; the others never notice.
#include "adapter/rate_guard.h"

#include "adapter/sip/test_call.h"

namespace sallyport::adapter::sip::test {
namespace {

using Verdict = RateGuard::Verdict;

struct Guard {
  static Config make_config() {
    Config out;
    out.limits.requests_a_second = 100;
    out.limits.new_calls_a_second = 10;
    out.limits.upstreams = {*IpRange::parse("203.0.113.0/28")};
    return out;
  }
  static Hop from(Place place, std::string_view ip,
                  edge::Transport transport = edge::Transport::Udp) {
    return {.place = place, .transport = transport, .remote = {*IpAddress::parse(ip), 5060}};
  }
  // How many of so many at once pass, and are refused with an answer.
  std::pair<int, int> ask(const Hop& hop, bool new_call, int times = 10000) {
    std::pair<int, int> out;
    for (int i = 0; i < times; ++i) {
      const Verdict verdict = guard.admits(hop, new_call, now);
      out.first += verdict == Verdict::Pass ? 1 : 0;
      out.second += verdict == Verdict::Refuse ? 1 : 0;
    }
    return out;
  }

  Config config = make_config();
  std::unique_ptr<Log> log = Log::silent();
  RateGuard guard{config.limits, "sip", *log};
  TimePoint now = TimePoint{} + std::chrono::hours{1};
};

TEST(RateGuard, LetsSoManyPassAndRefusesAFewOfTheRest) {
  Guard at;
  const Hop one = Guard::from(kSiteA, "10.1.1.5");
  EXPECT_EQ(at.ask(one, false), std::make_pair(200, 40));
  EXPECT_EQ(at.ask(Guard::from(kSiteA, "10.1.1.6"), false), std::make_pair(0, 0)) << "one network";
  at.now += seconds{1};
  EXPECT_EQ(at.ask(one, false), std::make_pair(100, 20));
  at.now += std::chrono::hours{1};
  EXPECT_EQ(at.ask(one, false), std::make_pair(200, 40)) << "never more than two seconds' worth";
  EXPECT_EQ(at.ask(Guard::from(kSiteB, "10.2.2.6"), false), std::make_pair(200, 40));
}

TEST(RateGuard, LeavesRoomForOtherRequestsWhereNewCallsAreTooMany) {
  Guard at;
  const Hop one = Guard::from(kSiteA, "10.1.1.5");
  EXPECT_EQ(at.ask(one, true).first, 20);
  EXPECT_EQ(at.ask(one, false).first, 180);
}

TEST(RateGuard, HearsOnlySoMuchBeforeItLooksAtAnything) {
  Guard at;
  int heard = 0;
  for (int i = 0; i < 10000; ++i) heard += at.guard.hears(Guard::from(kSiteA, "10.1.1.5"), at.now);
  EXPECT_EQ(heard, 800);
  EXPECT_TRUE(at.guard.hears(Guard::from(kSiteB, "10.2.2.6"), at.now));
}

TEST(RateGuard, GivesAStrangerAFifthAndAnUpstreamAsMuchAsAnAgent) {
  Guard at;
  EXPECT_EQ(at.ask(Guard::from(kOutside, "192.0.2.66"), false).first, 40);
  EXPECT_EQ(at.ask(Guard::from(kOutside, "2001:db8::1"), true).first, 4);
  EXPECT_EQ(at.ask(Guard::from(kOutside, "2001:db8::2"), true).first, 0);
  EXPECT_EQ(at.ask(Guard::from(kOutside, "203.0.113.1"), false).first, 200);
  EXPECT_EQ(at.ask(Guard::from(kOutside, "203.0.113.2"), false).first, 200);
  const Hop connected = Guard::from(kOutside, "203.0.113.1", edge::Transport::Tcp);
  EXPECT_EQ(at.ask(connected, false).first, 200) << "datagrams may have been forged";
}

TEST(RateGuard, TakesStrangersBeyondItsTableForOneAndForgetsTheQuietOnes) {
  Guard at;
  const auto stranger = [](unsigned n) {
    const auto octet = [n](unsigned shift) { return static_cast<std::uint8_t>(n >> shift); };
    Hop hop = Guard::from(kOutside, "192.0.2.1");
    hop.remote.ip = IpAddress::v4({11, octet(16), octet(8), octet(0)});
    return hop;
  };
  for (unsigned n = 0; n < 10000; ++n) EXPECT_TRUE(at.guard.hears(stranger(n), at.now));
  int heard = 0;
  for (unsigned n = 10000; n < 30000; ++n) heard += at.guard.hears(stranger(n), at.now);
  EXPECT_EQ(heard, 160);
  EXPECT_LE(at.guard.size(), 10001U);
  EXPECT_TRUE(at.guard.hears(Guard::from(kSiteA, "10.1.1.5"), at.now));
  EXPECT_TRUE(at.guard.hears(Guard::from(kOutside, "203.0.113.1"), at.now));
  at.now += seconds{61};
  EXPECT_TRUE(at.guard.hears(stranger(99999), at.now));
  EXPECT_LE(at.guard.size(), 2U);
}

TEST(RateGuard, LetsOneSiteFloodAndAnothersCallsGoOn) {
  Config config;
  config.limits.requests_a_second = 100;
  config.limits.new_calls_a_second = 10;
  World world{config};
  Phone& rogue = world.phone(kSiteA, "rogue", "10.1.1.66:5060");
  Phone& alice = world.phone(kSiteA, "alice", "10.1.1.5:5060");
  Phone& bob = world.phone(kSiteB, "bob", "10.2.2.6:5060");
  Phone& dead = world.phone(kSiteB, "dead", "10.2.2.99:5060");
  Phone& paul = world.phone(kOutside, "paul", "192.0.2.6:5060");
  world.enrol(bob);
  world.enrol(dead);
  const auto call = [&](Phone& caller) {
    caller.invite("sip:bob@example.com", caller.sdp(4000));
    const auto invite = bob.hear_request("INVITE");
    bob.learn_request(invite);
    bob.respond(invite, 200, bob.sdp(5000));
    caller.learn(caller.hear_response(200));
    caller.ack();
    bob.hear_request("ACK");
  };
  call(alice);
  for (int n = 0; n < 5000; ++n) rogue.invite("sip:dead@example.com", rogue.sdp(4000));
  const Counters& counters = world.adapter->counters();
  EXPECT_EQ(world.adapter->calls().size(), 20U) << "alice's call and two seconds' worth";
  EXPECT_EQ(counters.get("flood_refused"), 40U);
  EXPECT_GT(counters.get("flood_dropped"), 0U);
  EXPECT_GT(counters.get("flood_unheard"), 4000U) << "most are not even parsed";
  EXPECT_TRUE(rogue.hear_response(503).has(wire::HeaderName::RetryAfter));
  rogue.heard.clear();
  call(paul);
  paul.in_dialog("BYE");
  bob.respond(bob.hear_request("BYE"), 200);
  paul.hear_response(200);
  world.pass(seconds{40});
  rogue.heard.clear();
  dead.heard.clear();
  alice.in_dialog("OPTIONS");
  bob.respond(bob.hear_request("OPTIONS"), 200);
  alice.hear_response(200);
}

}  // namespace
}  // namespace sallyport::adapter::sip::test
