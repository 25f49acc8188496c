// What most tests of calls begin with.
#pragma once

#include <gtest/gtest.h>

#include <string>

#include "adapter/sip/test_world.h"
#include "codec/sdp/sdp.h"

namespace sallyport::adapter::sip::test {

// Where a message's SDP asks for media of its first (or that) m= line.
inline TransportAddress media_of(const wire::Message& message, std::size_t index = 0) {
  const auto description = codec::sdp::Description::parse(message.body());
  EXPECT_TRUE(description) << message.text();
  if (!description || description->media().size() <= index) return {};
  return description->media()[index].address(0).value_or(TransportAddress{});
}

// Alice of site A and Bob, who talk to each other (or not yet).
struct Pair {
  explicit Pair(Place place_of_bob = kSiteB, Config config = {})
      : world(std::move(config)),
        alice(world.phone(kSiteA, "alice", "10.1.1.5:5060")),
        bob(world.phone(place_of_bob, "bob",
                        place_of_bob.is_outside() ? "192.0.2.6:5060" : "10.2.2.6:5060")) {
    world.enrol(bob);
  }

  // Alice calls Bob, who answers.
  void establish(std::string_view extra = {}) {
    alice.invite("sip:bob@example.com", alice.sdp(4000), extra);
    const auto invite = bob.hear_request("INVITE");
    bob.learn_request(invite);
    toward_bob = media_of(invite);
    bob.respond(invite, 200, bob.sdp(5000));
    const auto ok = alice.hear_response(200);
    toward_alice = media_of(ok);
    alice.learn(ok);
    alice.ack();
    bob.hear_request("ACK");
  }
  void hang_up() {
    alice.in_dialog("BYE");
    bob.respond(bob.hear_request("BYE"), 200);
    alice.hear_response(200);
  }
  // Hang up, and nothing was shown or is left.
  void finish() {
    hang_up();
    world.expect_nothing_leaked();
    world.expect_drained();
  }
  void expect_audio_both_ways(std::uint16_t to_alice = 4000, std::uint16_t to_bob = 5000) const {
    EXPECT_EQ(world.paths.way_from(toward_alice, alice.place),
              (TransportAddress{bob.at.ip, to_bob}));
    EXPECT_EQ(world.paths.way_from(toward_bob, bob.place),
              (TransportAddress{alice.at.ip, to_alice}));
  }

  World world;
  Phone& alice;
  Phone& bob;
  TransportAddress toward_alice, toward_bob;  // our ports, as each side was told
};

}  // namespace sallyport::adapter::sip::test
