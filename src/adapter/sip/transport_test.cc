// UDP, TCP and TLS (RFC 3261 section 18): where answers go, which connections are used, and all the
// things that come to a SIP port and are no message. And where requests go by name (RFC 3263).
#include "adapter/sip/test_call.h"
#include "codec/sip/headers.h"

namespace sallyport::adapter::sip::test {
namespace {

using edge::RecordType;
using edge::Transport;

TEST(Transport, ReachesATcpPhoneOverTheConnectionThatItOpened) {
  for (const Transport transport : {Transport::Tcp, Transport::Tls}) {
    World world;
    Phone& alice = world.phone(kSiteA, "alice", "10.1.1.5:5060");
    Phone& bob = world.phone(kSiteB, "bob", "10.2.2.6:49152", transport);
    bob.contact_host = "10.2.2.6:5060";  // where nobody listens
    bob.say(bob.request("REGISTER", "sip:example.com", "<sip:bob@example.com>;tag=1",
                        "<sip:bob@example.com>", "reg", 1));
    bob.hear_response(200);
    ASSERT_TRUE(bob.connection);
    world.enrol(bob);
    alice.invite("sip:bob@example.com", alice.sdp());
    const auto invite = bob.hear_request("INVITE");
    EXPECT_EQ(wire::Via::parse(invite.list(wire::HeaderName::Via).front())->transport,
              name(transport));
    bob.learn_request(invite);
    bob.respond(invite, 200, bob.sdp());
    alice.learn(alice.hear_response(200));
    alice.ack();
    bob.hear_request("ACK");
    bob.in_dialog("BYE");
    alice.respond(alice.hear_request("BYE"), 200);
    bob.hear_response(200);
    world.expect_nothing_leaked();
  }
}

TEST(Transport, ASiteFullOfForgedHostsIsNotServedMoreSlowly) {
  World world;
  Phone& phone = world.phone(kSiteB, "x", "10.2.2.6:5060");
  // How long so many requests take, each from a host of its own.
  std::uint32_t host = 0;
  const auto serve = [&](std::uint32_t many) {
    const auto began = Clock::now();
    for (std::uint32_t i = 0; i < many; ++i, ++host) {
      phone.at.ip =
          IpAddress::v4({10, static_cast<std::uint8_t>(host >> 16U),
                         static_cast<std::uint8_t>(host >> 8U), static_cast<std::uint8_t>(host)});
      phone.say(phone.request("OPTIONS", "sip:10.2.2.9", "<sip:x@example.com>;tag=1",
                              "<sip:10.2.2.9>", "q" + std::to_string(host), 1));
      phone.heard.clear();
    }
    return Clock::now() - began;
  };
  const Duration at_first = serve(2000);
  serve(60000);
  EXPECT_LT(serve(2000), 8 * at_first);
}

TEST(Transport, FollowsAPhoneToTheConnectionThatItRegistersAnew) {
  World world;
  Phone& alice = world.phone(kSiteA, "alice", "10.1.1.5:5060");
  Phone& bob = world.phone(kSiteB, "bob", "10.2.2.6:49152", Transport::Tcp);
  bob.contact_host = "10.2.2.6:5060";  // where nobody listens
  const auto enroll = [&] {
    bob.say(bob.request("REGISTER", "sip:example.com", "<sip:bob@example.com>;tag=1",
                        "<sip:bob@example.com>", "reg", 1));
    bob.hear_response(200);
  };
  enroll();
  world.enrol(bob);
  alice.invite("sip:bob@example.com", alice.sdp());
  const auto invite = bob.hear_request("INVITE");
  bob.learn_request(invite);
  bob.respond(invite, 200, bob.sdp());
  alice.learn(alice.hear_response(200));
  alice.ack();
  bob.hear_request("ACK");

  world.adapter->on_closed(kSiteB, bob.connection, {Errc::Closed, "reset"}, world);
  bob.connection = {};
  bob.at.port = 49153;
  enroll();
  alice.in_dialog("BYE");
  bob.respond(bob.hear_request("BYE"), 200);
  alice.hear_response(200);
}

TEST(Transport, DialsAPhoneThatIsKnownByItsContactOnly) {
  World world;
  Phone& alice = world.phone(kSiteA, "alice", "10.1.1.5:5060");
  Phone& bob = world.phone(kOutside, "bob", "192.0.2.6:5060", Transport::Tcp);
  Target target = world.binding(bob);
  target.hop.reset();
  target.route = {"<sip:192.0.2.6:5060;transport=tcp;lr>"};
  world.routing.targets["sip:bob@example.com"] = {target};
  alice.invite("sip:bob@example.com", alice.sdp());
  const auto invite = bob.hear_request("INVITE");
  EXPECT_EQ(invite.list(wire::HeaderName::Route).size(), 1U);
  bob.respond(invite, 486);
  bob.hear_request("ACK");
  alice.hear_response(486);
  world.expect_nothing_leaked();
}

TEST(Transport, AnswersWhereTheRequestCameFrom) {
  World world;
  Phone& phone = world.phone(kOutside, "phone", "192.0.2.6:31000");
  phone.via_host = "192.168.1.9:5060";
  phone.say(phone.request("OPTIONS", "sip:198.51.100.1", "<sip:a@b>;tag=1", "<sip:c@d>", "x", 1));
  const auto with_rport = phone.hear_response(200);
  const auto via = wire::Via::parse(with_rport.list(wire::HeaderName::Via).front());
  EXPECT_EQ(via->parameters.find("received"), "192.0.2.6");
  EXPECT_EQ(via->parameters.find("rport"), "31000");
  // Without rport: to the port that Via names (RFC 3261 18.2.2).
  phone.has_rport = false;
  phone.say(phone.request("OPTIONS", "sip:198.51.100.1", "<sip:a@b>;tag=1", "<sip:c@d>", "y", 1));
  EXPECT_EQ(world.sent.back().to, address("192.0.2.6:5060"));
}

TEST(Transport, AnswersKeepalivesAndNothingElse) {
  World world;
  Phone& phone = world.phone(kOutside, "phone", "192.0.2.6:31000");
  for (const std::string_view nothing : {"", "\r\n\r\n", "\r\n"}) phone.say(std::string(nothing));
  phone.say(std::string(4, '\0'));
  phone.say("\x01\x02\x03 no sip at all");
  phone.say("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_TRUE(world.sent.empty());
  // A STUN Binding request (RFC 5626 3.5.2).
  std::string stun(
      "\x00\x01\x00\x00\x21\x12\xa4\x42"
      "abcdefghijkl",
      20);
  phone.say(stun);
  ASSERT_EQ(world.sent.size(), 1U);
  const std::string answer = world.sent.back().text;
  ASSERT_EQ(answer.size(), 32U);
  EXPECT_EQ(answer.substr(8, 12), "abcdefghijkl");
  EXPECT_EQ(static_cast<std::uint8_t>(answer[0]), 0x01);
  EXPECT_EQ((static_cast<std::uint8_t>(answer[26]) << 8U | static_cast<std::uint8_t>(answer[27])) ^
                0x2112,
            31000);
}

TEST(Transport, AnswersPingsOnAConnectionAndCutsMessagesOutOfIt) {
  World world;
  Phone& phone = world.phone(kSiteA, "phone", "10.1.1.9:40000", Transport::Tcp);
  phone.say("\r\n\r\n");
  ASSERT_EQ(phone.keepalives.size(), 1U);
  EXPECT_EQ(phone.keepalives.front(), "\r\n");
  const std::string text =
      phone.request("OPTIONS", "sip:10.1.1.2", "<sip:a@b>;tag=1", "<sip:c@d>", "x", 1);
  phone.say(text.substr(0, 50));
  EXPECT_FALSE(phone.has_heard());
  phone.say(text.substr(50) +
            phone.request("OPTIONS", "sip:10.1.1.2", "<sip:a@b>;tag=1", "<sip:c@d>", "y", 1));
  phone.hear_response(200);
  phone.hear_response(200);
}

TEST(Transport, ClosesConnectionsOfStrangersThatSayNothing) {
  World world;
  Phone& phone = world.phone(kOutside, "phone", "192.0.2.6:40000", Transport::Tcp);
  phone.say("\r\n\r\n");
  ASSERT_TRUE(phone.connection);
  world.pass(seconds{80});
  EXPECT_FALSE(phone.connection);
  EXPECT_EQ(world.adapter->counters().get("connection_idle"), 1U);
  world.expect_drained();
}

TEST(Transport, BoundsConnections) {
  Config config;
  config.max_connections_outside = 3;
  World world(std::move(config));
  int served = 0;
  for (int i = 0; i < 5; ++i) {
    Phone& phone = world.phone(kOutside, "p" + std::to_string(i),
                               "192.0.2.6:" + std::to_string(40000 + i), Transport::Tcp);
    phone.say("\r\n\r\n");
    served += static_cast<int>(phone.keepalives.size());
  }
  EXPECT_EQ(served, 3);
  EXPECT_EQ(world.adapter->counters().get("connection_refused"), 2U);
}

TEST(Transport, AnswersWhatItCannotUnderstandWhereThatIsPossible) {
  World world;
  Phone& phone = world.phone(kOutside, "phone", "192.0.2.6:5060");
  const std::string good =
      phone.request("MESSAGE", "sip:a@example.com", "<sip:a@b>;tag=1", "<sip:c@d>", "x", 1);
  std::string bad = good;
  bad.replace(bad.find("CSeq: 1 MESSAGE"), 15, "CSeq: 1 INVITE ");
  phone.say(bad);
  phone.hear_response(400);
  bad = good;
  bad.replace(bad.find("Content-Length: 0"), 17, "Content-Length: 9");
  phone.say(bad);
  phone.hear_response(400);
  bad = good;
  bad.erase(bad.find("Call-ID"), bad.find("CSeq") - bad.find("Call-ID"));
  phone.say(bad);
  EXPECT_FALSE(phone.has_heard());
  world.expect_drained();
}

// ---- RFC 3263 ----

edge::Record srv(std::string target, std::uint16_t port, std::uint16_t priority) {
  return {.type = RecordType::Srv,
          .priority = priority,
          .weight = 1,
          .port = port,
          .target = std::move(target)};
}
edge::Record host(std::string_view ip) {
  return {.type = RecordType::Address, .address = *IpAddress::parse(ip)};
}

struct Upstream {
  Upstream() : alice(world.phone(kSiteA, "alice", "10.1.1.5:5060")) {
    world.routing.targets["sip:bob@example.net"] = {
        {.uri = "sip:bob@example.net", .place = kOutside, .route = {}, .hop = {}}};
    world.dns[{"_sip._udp.example.net", RecordType::Srv}] = {srv("second.example.net", 5062, 20),
                                                             srv("first.example.net", 5061, 10)};
    world.dns[{"first.example.net", RecordType::Address}] = {host("192.0.2.1")};
    world.dns[{"second.example.net", RecordType::Address}] = {host("192.0.2.2")};
  }
  World world;
  Phone& alice;
};

TEST(Locator, GoesToTheServiceOfTheBestPriority) {
  Upstream u;
  Phone& first = u.world.phone(kOutside, "first", "192.0.2.1:5061");
  u.alice.invite("sip:bob@example.net", u.alice.sdp());
  const auto invite = first.hear_request("INVITE");
  EXPECT_EQ(invite.request_uri(), "sip:bob@example.net");
  first.respond(invite, 486);
  first.hear_request("ACK");
  u.alice.hear_response(486);
  u.world.expect_drained();
}

TEST(Locator, GoesOnToTheNextWhenOneIsUnavailableOrSilent) {
  for (const bool silent : {false, true}) {
    Upstream u;
    Phone& first = u.world.phone(kOutside, "first", "192.0.2.1:5061");
    Phone& second = u.world.phone(kOutside, "second", "192.0.2.2:5062");
    u.alice.invite("sip:bob@example.net", u.alice.sdp());
    if (silent) {
      u.world.pass(seconds{4});
      EXPECT_EQ(first.heard.size(), 4U);
    } else {
      first.respond(first.hear_request("INVITE"), 503);
      first.hear_request("ACK");
    }
    EXPECT_FALSE(u.alice.has_heard());
    second.respond(second.hear_request("INVITE"), 486);
    second.hear_request("ACK");
    u.alice.hear_response(486);
    u.world.expect_drained();
  }
}

// Two upstreams, the first of which is silent at first: the second has got the call.
struct SilentUpstream : Upstream {
  SilentUpstream()
      : first(world.phone(kOutside, "first", "192.0.2.1:5061")),
        second(world.phone(kOutside, "second", "192.0.2.2:5062")) {
    alice.invite("sip:bob@example.net", alice.sdp());
    late = first.hear_request("INVITE");
    world.pass(seconds{4});
    first.heard.clear();
    invite = second.hear_request("INVITE");
  }
  // The first answers after all, and is told that it was too late.
  void expect_late_answer_is_ended() {
    first.learn_request(*late);
    first.respond(*late, 200, first.sdp());
    first.hear_request("ACK");
    first.respond(first.hear_request("BYE"), 200);
  }
  Phone& first;
  Phone& second;
  std::optional<wire::Message> late, invite;
};

TEST(Locator, StaysWithOneThatHasSaidAnything) {
  Upstream u;
  Phone& first = u.world.phone(kOutside, "first", "192.0.2.1:5061");
  Phone& second = u.world.phone(kOutside, "second", "192.0.2.2:5062");
  u.alice.invite("sip:bob@example.net", u.alice.sdp());
  const auto invite = first.hear_request("INVITE");
  u.world.pass(seconds{3});
  first.respond(invite, 100);
  u.world.pass(seconds{20});
  EXPECT_FALSE(second.has_heard());
}

TEST(Locator, WaitsForTheLastOne) {
  SilentUpstream u;
  u.world.pass(seconds{27});
  EXPECT_FALSE(u.alice.has_heard());
  EXPECT_FALSE(u.first.has_heard()) << "nobody waits for it: it is not asked again";
  u.second.respond(*u.invite, 486);
  u.alice.hear_response(486);
}

TEST(Locator, DoesNotGoOnForACallerWhoHasGivenUp) {
  Upstream u;
  Phone& second = u.world.phone(kOutside, "second", "192.0.2.2:5062");
  u.alice.invite("sip:bob@example.net", u.alice.sdp());
  u.alice.cancel();
  u.world.pass(seconds{40});
  EXPECT_FALSE(second.has_heard());
  u.alice.hear_response(200);
  u.alice.hear_response(487);
  u.world.expect_drained();
}

TEST(Locator, CancelsASilentOneThatWakesUp) {
  SilentUpstream u;
  u.first.respond(*u.late, 180);
  const auto cancel = u.first.hear_request("CANCEL");
  u.first.respond(cancel, 200);
  u.first.respond(*u.late, 487);
  u.first.hear_request("ACK");
  EXPECT_FALSE(u.alice.has_heard());
  u.second.respond(*u.invite, 486);
  u.second.hear_request("ACK");
  u.alice.hear_response(486);
  u.alice.ack();
  // It is there again: the next call goes to it.
  u.alice.invite("sip:bob@example.net", u.alice.sdp());
  u.first.respond(u.first.hear_request("INVITE"), 486);
  u.first.hear_request("ACK");
  u.alice.hear_response(486);
  u.world.expect_drained();
}

TEST(Locator, TakesTheAnswerOfASilentOneThatWakesUpFirst) {
  SilentUpstream u;
  u.second.respond(*u.invite, 180);
  u.alice.hear_response(180);
  u.first.learn_request(*u.late);
  u.first.respond(*u.late, 200, u.first.sdp());
  u.second.respond(u.second.hear_request("CANCEL"), 200);
  u.second.respond(*u.invite, 487);
  u.second.hear_request("ACK");
  u.alice.learn(u.alice.hear_response(200));
  u.alice.ack();
  u.first.hear_request("ACK");
  u.alice.in_dialog("BYE");
  u.first.respond(u.first.hear_request("BYE"), 200);
  u.alice.hear_response(200);
  EXPECT_FALSE(u.second.has_heard());
  u.world.expect_drained();
}

TEST(Locator, EndsTheAnswerOfASilentOneThatWakesUpTooLate) {
  for (const int status : {200, 486}) {
    SilentUpstream u;
    u.second.learn_request(*u.invite);
    u.second.respond(*u.invite, status, status == 200 ? u.second.sdp() : "");
    const auto answer = u.alice.hear_response(status);
    if (status == 200) u.alice.learn(answer);
    u.alice.ack();
    u.second.hear_request("ACK");
    u.expect_late_answer_is_ended();
    EXPECT_FALSE(u.second.has_heard());
    EXPECT_FALSE(u.alice.has_heard());
    if (status == 200) {
      u.alice.in_dialog("BYE");
      u.second.respond(u.second.hear_request("BYE"), 200);
      u.alice.hear_response(200);
    }
    u.world.expect_drained();
  }
}

TEST(Locator, TriesTheUpstreamsOfARouteInTheirOrderAndTheDeadOneLast) {
  Upstream u;
  Phone& first = u.world.phone(kOutside, "first", "192.0.2.1:5060");
  Phone& second = u.world.phone(kOutside, "second", "192.0.2.2:5062");
  u.world.routing.targets["sip:bob@example.net"] = {
      {.uri = "sip:bob@example.net",
       .place = kOutside,
       .route = {},
       .next_hops = {"sip:192.0.2.1:5060", "sip:second.example.net:5062"},
       .hop = {}}};
  const auto refused_by = [&](Phone& upstream) {
    const auto invite = upstream.hear_request("INVITE");
    EXPECT_EQ(invite.request_uri(), "sip:bob@example.net");
    EXPECT_FALSE(invite.has(wire::HeaderName::Route));
    upstream.respond(invite, 486);
    upstream.hear_request("ACK");
    u.alice.hear_response(486);
    u.alice.ack();
  };
  const auto ring = [&] { u.alice.invite("sip:bob@example.net", u.alice.sdp()); };
  ring();
  refused_by(first);
  ring();
  u.world.pass(seconds{4});
  first.heard.clear();
  refused_by(second);
  ring();
  refused_by(second);
  EXPECT_FALSE(first.has_heard()) << "nobody waits for it again so soon";
  u.world.pass(std::chrono::minutes{6});
  ring();
  refused_by(first);
  EXPECT_FALSE(second.has_heard());
  u.world.expect_nothing_leaked();
}

TEST(Locator, LeavesAnUpstreamAloneForAsLongAsItSays) {
  Upstream u;
  Phone& first = u.world.phone(kOutside, "first", "192.0.2.1:5061");
  Phone& second = u.world.phone(kOutside, "second", "192.0.2.2:5062");
  const auto refused_by = [&](Phone& upstream) {
    upstream.respond(upstream.hear_request("INVITE"), 486);
    upstream.hear_request("ACK");
    u.alice.hear_response(486);
    u.alice.ack();
  };
  u.alice.invite("sip:bob@example.net", u.alice.sdp());
  first.respond(first.hear_request("INVITE"), 503, {}, "Retry-After: 20 (maintenance)\r\n");
  first.hear_request("ACK");
  refused_by(second);
  u.alice.invite("sip:bob@example.net", u.alice.sdp());
  refused_by(second);
  u.world.pass(seconds{40});
  u.alice.invite("sip:bob@example.net", u.alice.sdp());
  refused_by(first);
}

TEST(Locator, FollowsNaptrToTcp) {
  Upstream u;
  u.world.dns[{"example.net", RecordType::Naptr}] = {{.type = RecordType::Naptr,
                                                      .priority = 1,
                                                      .target = "_sip._tcp.example.net",
                                                      .service = "SIP+D2T",
                                                      .flags = "s"}};
  u.world.dns[{"_sip._tcp.example.net", RecordType::Srv}] = {srv("first.example.net", 5099, 1)};
  Phone& first = u.world.phone(kOutside, "first", "192.0.2.1:5099", Transport::Tcp);
  u.alice.invite("sip:bob@example.net", u.alice.sdp());
  const auto invite = first.hear_request("INVITE");
  first.respond(invite, 486);
  first.hear_request("ACK");
  u.alice.hear_response(486);
}

TEST(Locator, TakesTheTransportThatTheUriNames) {
  for (const bool by_route : {false, true}) {
    Upstream u;
    u.world.dns[{"_sips._tcp.example.net", RecordType::Srv}] = {srv("first.example.net", 5099, 1)};
    Target target{.uri = "sip:bob@example.net", .place = kOutside, .route = {}, .hop = {}};
    if (by_route) {
      target.route = {"<sip:example.net;transport=tls;lr>"};
    } else {
      target.next_hops = {"sip:example.net;transport=tls"};
    }
    u.world.routing.targets["sip:bob@example.net"] = {target};
    Phone& first = u.world.phone(kOutside, "first", "192.0.2.1:5099", Transport::Tls);
    u.alice.invite("sip:bob@example.net", u.alice.sdp());
    first.respond(first.hear_request("INVITE"), 486);
    first.hear_request("ACK");
    u.alice.hear_response(486);
  }
}

TEST(Locator, RefusesANameThatLeadsNowhere) {
  Upstream u;
  u.world.dns.clear();
  u.alice.invite("sip:bob@example.net", u.alice.sdp());
  u.alice.hear_response(480);
  u.world.expect_drained();
}

TEST(Locator, PrefersTcpForLargeRequestsAndFallsBack) {
  for (const bool tcp_works : {true, false}) {
    Upstream u;
    u.world.dns[{"_sip._tcp.example.net", RecordType::Srv}] = {srv("first.example.net", 5061, 1)};
    Phone& by_udp = u.world.phone(kOutside, "udp", "192.0.2.1:5061");
    Phone* by_tcp =
        tcp_works ? &u.world.phone(kOutside, "tcp", "192.0.2.1:5061", Transport::Tcp) : nullptr;
    u.alice.invite("sip:bob@example.net", u.alice.sdp(),
                   "X-Long: " + std::string(1300, 'x') + "\r\n");
    EXPECT_EQ(u.world.adapter->counters().get("tcp_for_size"), 1U);
    Phone& reached = tcp_works ? *by_tcp : by_udp;
    reached.respond(reached.hear_request("INVITE"), 486);
    reached.hear_request("ACK");
    u.alice.hear_response(486);
  }
}

}  // namespace
}  // namespace sallyport::adapter::sip::test
