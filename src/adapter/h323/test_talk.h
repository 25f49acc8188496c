// A call between a caller and a callee that say what a test tells them to: the fixture of the tests
// of H.323 calls.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <string_view>

#include "adapter/h323/test_calls.h"
#include "adapter/h323/test_messages.h"
#include "codec/q931/elements.h"

namespace sallyport::adapter::h323::test {

class CallTest : public testing::Test {
 protected:
  explicit CallTest(Config config = {}) : world(std::move(config)) { world.enrol(callee); }

  // The oldest message that came over the link.
  static CallMessage hear(Link& link) {
    if (link.heard.empty()) {
      ADD_FAILURE() << "nothing was heard";
      return CallMessage{codec::q931::MessageType::Escape, "empty", {}};
    }
    const Buffer payload = link.heard.front();
    link.heard.pop_front();
    auto message = CallMessage::parse(payload);
    EXPECT_TRUE(message);
    return message ? std::move(*message)
                   : CallMessage{codec::q931::MessageType::Escape, "empty", {}};
  }
  static CallMessage hear(Link& link, codec::q931::MessageType type) {
    CallMessage message = hear(link);
    EXPECT_EQ(name(message.type()), name(type));
    return message;
  }
  static codec::q931::CauseValue cause_of(const CallMessage& message) {
    const auto contents = message.q931().contents(codec::q931::ElementId::Cause);
    const auto cause = contents ? codec::q931::parse_cause(*contents) : std::nullopt;
    EXPECT_TRUE(cause);
    return cause ? cause->value : codec::q931::CauseValue::Interworking;
  }
  static std::string reason_of(const CallMessage& message) {
    return std::string{message.field("reason").chosen().name()};
  }
  // It was released, with that cause and reason.
  static void expect_released(Link& link, codec::q931::CauseValue cause, std::string_view reason) {
    const CallMessage release = hear(link, codec::q931::MessageType::ReleaseComplete);
    EXPECT_EQ(cause_of(release), cause);
    EXPECT_EQ(reason_of(release), reason);
  }

  void say(Terminal& terminal, Link& link, const CallMessage& message) {
    terminal.say(link, encoded(message));
  }
  // The caller dials and says its Setup; the callee hears one.
  void call(const CallMessage& setup) {
    from = &caller.dial(world.signalling(caller.place));
    say(caller, *from, setup);
  }
  CallMessage ring(const CallMessage& setup) {
    call(setup);
    EXPECT_EQ(callee.links.size(), 1U);
    if (callee.links.empty()) return CallMessage{codec::q931::MessageType::Escape, "empty", {}};
    to = &callee.last_link();
    CallMessage heard = hear(*to, codec::q931::MessageType::Setup);
    answering.reference = heard.q931().call_reference().value;
    answering.from_destination = true;
    return heard;
  }
  // A call without fast connect that is answered. Both tunnel, or do not.
  void establish(bool caller_tunnels = true, bool callee_tunnels = true) {
    ring(calling.setup("callee", caller_tunnels));
    say(callee, *to, answering.connect(callee_tunnels));
    EXPECT_EQ(world.calls->calls().at(0).state, CallState::Established);
  }
  // H.245 in a Facility, and out of one.
  void tunnel(Terminal& terminal, Link& link, const Talk& talk, Bytes control) {
    CallMessage facility = talk.message(codec::q931::MessageType::Facility, "empty");
    facility.set_tunnels(true);
    facility.add_control(control);
    say(terminal, link, facility);
  }
  void caller_says(Bytes control) { tunnel(caller, *from, calling, control); }
  void callee_says(Bytes control) { tunnel(callee, *to, answering, control); }
  static Buffer hear_control(Link& link, std::string_view expected) {
    const CallMessage message = hear(link, codec::q931::MessageType::Facility);
    const auto controls = message.controls();
    EXPECT_EQ(controls.size(), 1U);
    if (controls.empty()) return {};
    Buffer octets = to_buffer(controls.front().octets());
    EXPECT_EQ(control_name(octets), expected);
    return octets;
  }
  // What is said to the side of our port at this address goes where?
  std::optional<TransportAddress> way(const TransportAddress& own, Place place) const {
    return world.paths.way_from(own, place);
  }

  World world;
  Terminal& caller = world.terminal(kSiteA, "caller", "10.1.1.10:1720");
  Terminal& callee = world.terminal(kSiteB, "callee", "10.2.2.20:1720");
  Talk calling;
  Talk answering;
  Link* from = nullptr;
  Link* to = nullptr;
};

}  // namespace sallyport::adapter::h323::test
