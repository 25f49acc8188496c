// Calls as RFC 3665 draws them, between two sites, and between a site and the public network.
#include <gtest/gtest.h>

#include "adapter/sip/test_world.h"
#include "codec/sdp/sdp.h"

namespace sallyport::adapter::sip::test {
namespace {

TransportAddress media_of(const wire::Message& message) {
  const auto description = codec::sdp::Description::parse(message.body());
  EXPECT_TRUE(description) << message.text();
  return description->media().front().address(0).value_or(TransportAddress{});
}

// Alice calls Bob; both are set to talk when this returns.
void establish(World& world, Phone& alice, Phone& bob) {
  alice.invite("sip:bob@example.com", alice.sdp(4000));
  const auto invite = bob.hear_request("INVITE");
  bob.learn_request(invite);
  bob.respond(invite, 180);
  alice.learn(alice.hear_response(180));
  bob.respond(invite, 200, bob.sdp(5000));
  alice.learn(alice.hear_response(200));
  alice.ack();
  bob.hear_request("ACK");
  EXPECT_FALSE(bob.has_heard());
  ASSERT_EQ(world.adapter->calls().size(), 1U);
  EXPECT_EQ(world.adapter->calls().front().state, CallState::Established);
}

TEST(Call, GoesFromOneSiteToAnotherAndIsHungUp) {
  World world;
  Phone& alice = world.phone(kSiteA, "alice", "10.1.1.5:5060");
  Phone& bob = world.phone(kSiteB, "bob", "10.2.2.6:5060");
  world.enrol(bob);

  alice.invite("sip:bob@example.com", alice.sdp(4000));
  const auto invite = bob.hear_request("INVITE");
  const auto toward_bob = media_of(invite);
  EXPECT_EQ(toward_bob.ip.to_string(), "10.2.2.2");
  bob.learn_request(invite);
  bob.respond(invite, 200, bob.sdp(5000));
  const auto ok = alice.hear_response(200);
  const auto toward_alice = media_of(ok);
  EXPECT_EQ(toward_alice.ip.to_string(), "10.1.1.2");
  alice.learn(ok);
  alice.ack();
  bob.hear_request("ACK");

  EXPECT_EQ(world.paths.way_from(toward_alice, kSiteA), address("10.2.2.6:5000"));
  EXPECT_EQ(world.paths.way_from(toward_bob, kSiteB), address("10.1.1.5:4000"));

  alice.in_dialog("BYE");
  bob.respond(bob.hear_request("BYE"), 200);
  alice.hear_response(200);
  EXPECT_TRUE(world.adapter->calls().empty());
  EXPECT_TRUE(world.paths.ports.empty());
  world.expect_nothing_leaked();
  world.expect_drained();
}

TEST(Call, IsHungUpByTheCalleeToo) {
  World world;
  Phone& alice = world.phone(kSiteA, "alice", "10.1.1.5:5060");
  Phone& bob = world.phone(kSiteB, "bob", "10.2.2.6:5060");
  world.enrol(bob);
  establish(world, alice, bob);
  bob.in_dialog("BYE");
  const auto bye = alice.hear_request("BYE");
  EXPECT_EQ(*bye.find(wire::HeaderName::CallId), alice.call_id);
  alice.respond(bye, 200);
  bob.hear_response(200);
  world.expect_nothing_leaked();
  world.expect_drained();
}

TEST(Call, GoesFromASiteToAPublicPhone) {
  World world;
  Phone& alice = world.phone(kSiteA, "alice", "10.1.1.5:5060");
  Phone& bob = world.phone(kOutside, "bob", "192.0.2.6:5060");
  world.enrol(bob);
  establish(world, alice, bob);
  EXPECT_EQ(bob.target.substr(bob.target.find('@')), "@198.51.100.1:5060");
  alice.in_dialog("BYE");
  bob.respond(bob.hear_request("BYE"), 200);
  alice.hear_response(200);
  world.expect_nothing_leaked();
  world.expect_drained();
}

TEST(Call, GoesFromAPublicPhoneToASite) {
  World world;
  Phone& bob = world.phone(kOutside, "bob", "192.0.2.6:5060");
  Phone& alice = world.phone(kSiteA, "alice", "10.1.1.5:5060");
  world.routing.targets["sip:bob@example.com"] = {world.binding(alice)};
  establish(world, bob, alice);
  alice.in_dialog("BYE");
  bob.respond(bob.hear_request("BYE"), 200);
  alice.hear_response(200);
  world.expect_nothing_leaked();
  world.expect_drained();
}

TEST(Call, GoesBetweenTwoPhonesOfOneSite) {
  World world;
  Phone& alice = world.phone(kSiteA, "alice", "10.1.1.5:5060");
  Phone& bob = world.phone(kSiteA, "bob", "10.1.1.6:5060");
  world.enrol(bob);
  establish(world, alice, bob);
  alice.in_dialog("BYE");
  bob.respond(bob.hear_request("BYE"), 200);
  alice.hear_response(200);
  world.expect_drained();
}

TEST(Call, GoesBetweenTheSameAddressAtBothSites) {
  World world;
  world.lose_edge(kSiteB);
  world.add_edge(kSiteB, *IpAddress::parse("10.1.1.2"), "site-b");
  Phone& alice = world.phone(kSiteA, "alice", "10.1.1.5:5060");
  Phone& bob = world.phone(kSiteB, "bob", "10.1.1.5:5060");
  world.enrol(bob);
  establish(world, alice, bob);
  bob.in_dialog("BYE");
  alice.respond(alice.hear_request("BYE"), 200);
  bob.hear_response(200);
  world.expect_drained();
}

}  // namespace
}  // namespace sallyport::adapter::sip::test
