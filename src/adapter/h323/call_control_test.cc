// The ways of H.245: tunnelled on one side and not on the other, early, by whoever dials.
#include <gtest/gtest.h>

#include "adapter/h323/test_talk.h"
#include "adapter/h323/tree.h"
#include "codec/h323/addresses.h"

namespace sallyport::adapter::h323::test {
namespace {

namespace h225 = codec::h225;
using codec::q931::MessageType;

bool asks_to_dial(const CallMessage& message) {
  return message.field("reason").chosen().name() == "startH245";
}

class CallControlTest : public CallTest {
 protected:
  // This side is asked to dial for H.245, and does.
  Link& dial_as_asked(Terminal& terminal, Link& link) {
    const CallMessage message = hear(link, MessageType::Facility);
    EXPECT_TRUE(asks_to_dial(message));
    const auto where = codec::h323::address(message.field("h245Address"));
    EXPECT_TRUE(where);
    return terminal.dial(where.value_or(TransportAddress{}));
  }
  static std::string heard_control(Link& link) {
    if (link.heard.empty()) return "nothing";
    const Buffer payload = link.heard.front();
    link.heard.pop_front();
    return control_name(payload);
  }
};

TEST_F(CallControlTest, GoesThroughTunnelsOnBothSides) {
  establish();
  hear(*from, MessageType::Connect);
  caller_says(capabilities());
  hear_control(*to, "terminalCapabilitySet");
  callee_says(capabilities());
  hear_control(*from, "terminalCapabilitySet");
}

TEST_F(CallControlTest, SeveralGoThroughOneTunnelInTheirOrder) {
  establish();
  hear(*from, MessageType::Connect);
  CallMessage facility = calling.message(MessageType::Facility, "empty");
  facility.set_tunnels(true);
  facility.add_control(capabilities());
  facility.add_control(close_channel_request(1));
  facility.add_control(reject_channel(2));
  say(caller, *from, facility);
  const CallMessage heard = hear(*to, MessageType::Facility);
  std::vector<std::string> names;
  for (const auto& node : heard.controls()) names.push_back(control_name(node.octets()));
  EXPECT_EQ(names, (std::vector<std::string>{"terminalCapabilitySet", "closeLogicalChannel",
                                             "openLogicalChannelReject"}));
}

TEST_F(CallControlTest, TunnelsToACalleeThatDoesNotTunnel) {
  ring(calling.setup("callee"));
  // The callee says where it takes H.245, and hears nothing of tunnels.
  CallMessage connect = answering.connect(false);
  codec::h323::set_address(*connect.edit("h245Address"), address("10.2.2.20:4000"));
  callee.listening.insert(address("10.2.2.20:4000"));
  say(callee, *to, connect);
  const CallMessage heard = hear(*from, MessageType::Connect);
  EXPECT_EQ(heard.tunnels(), true);
  EXPECT_TRUE(heard.field("h245Address").is_absent());

  caller_says(capabilities());
  EXPECT_TRUE(to->heard.empty());
  ASSERT_EQ(callee.links.size(), 2U);
  Link& control = callee.last_link();
  EXPECT_EQ(heard_control(control), "terminalCapabilitySet");
  callee.say(control, capabilities());
  hear_control(*from, "terminalCapabilitySet");
  say(caller, *from, calling.message(MessageType::ReleaseComplete, "releaseComplete"));
  world.expect_drained();
}

TEST_F(CallControlTest, DoesNotTunnelToACalleeThatDoes) {
  ring(calling.setup("callee", false));
  say(callee, *to, answering.connect(true));
  const CallMessage heard = hear(*from, MessageType::Connect);
  EXPECT_EQ(heard.tunnels(), false);
  // Without an address it would have no way.
  const auto where = codec::h323::address(heard.field("h245Address"));
  ASSERT_TRUE(where);
  EXPECT_EQ(where->ip, *IpAddress::parse("10.1.1.2"));
  Link& control = caller.dial(*where);
  caller.say(control, capabilities());
  hear_control(*to, "terminalCapabilitySet");
  callee_says(capabilities());
  EXPECT_EQ(heard_control(control), "terminalCapabilitySet");
  caller.hang_up(control);
  EXPECT_EQ(world.calls->calls().size(), 1U);
  say(caller, *from, calling.message(MessageType::ReleaseComplete, "releaseComplete"));
  world.expect_drained();
}

TEST_F(CallControlTest, ACalleeThatNamesNoAddressIsAskedToDial) {
  establish(true, false);
  hear(*from, MessageType::Connect);
  caller_says(capabilities());
  Link& control = dial_as_asked(callee, *to);
  EXPECT_EQ(heard_control(control), "terminalCapabilitySet");
}

TEST_F(CallControlTest, IsEarlyOverAConnectionOfItsOwn) {
  // The caller names its address in Setup; the callee dials ours before it answers.
  CallMessage setup = calling.setup("callee", false);
  codec::h323::set_address(*setup.edit("h245Address"), address("10.1.1.10:5000"));
  caller.listening.insert(address("10.1.1.10:5000"));
  const CallMessage heard = ring(setup);
  const auto where = codec::h323::address(heard.field("h245Address"));
  ASSERT_TRUE(where);
  EXPECT_EQ(where->ip, *IpAddress::parse("10.2.2.2"));
  EXPECT_NE(where->port, 5000);
  Link& at_callee = callee.dial(*where);
  ASSERT_EQ(caller.links.size(), 2U);  // we have dialled the caller
  Link& at_caller = caller.last_link();
  callee.say(at_callee, capabilities());
  EXPECT_EQ(heard_control(at_caller), "terminalCapabilitySet");
  caller.say(at_caller, capabilities());
  EXPECT_EQ(heard_control(at_callee), "terminalCapabilitySet");
}

TEST_F(CallControlTest, InSetupIsSaidAgainToACalleeThatCouldNotReadIt) {
  CallMessage setup = calling.setup("callee");
  setup.add_control(capabilities());
  const CallMessage heard = ring(setup);
  ASSERT_EQ(heard.controls().size(), 1U);
  CallMessage proceeding = answering.message(MessageType::CallProceeding, "callProceeding");
  proceeding.set_tunnels(false);
  say(callee, *to, proceeding);
  Link& control = dial_as_asked(callee, *to);
  EXPECT_EQ(heard_control(control), "terminalCapabilitySet");
}

TEST_F(CallControlTest, WhatIsProvisionalIsNotTaken) {
  CallMessage setup = calling.setup("callee");
  setup.add_control(capabilities());
  ring(setup);
  CallMessage proceeding = answering.message(MessageType::CallProceeding, "callProceeding");
  proceeding.set_tunnels(false);
  proceeding.tree().edit(proceeding.pdu())[h225::H323UUPDU::kProvisionalRespToH245Tunneling];
  say(callee, *to, proceeding);
  EXPECT_TRUE(to->heard.empty());
  say(callee, *to, answering.connect(true));
  EXPECT_TRUE(to->heard.empty());  // it has read what was in Setup
}

TEST_F(CallControlTest, ASideThatAsksIsDialled) {
  establish();
  hear(*from, MessageType::Connect);
  CallMessage facility = calling.message(MessageType::Facility, "facility");
  auto uuie = facility.tree().edit(facility.body().as<h225::FacilityUUIE>());
  uuie[h225::FacilityUUIE::kReason][h225::FacilityReason::kStartH245];
  codec::h323::set_address(uuie[h225::FacilityUUIE::kH245Address], address("10.1.1.10:5000"));
  caller.listening.insert(address("10.1.1.10:5000"));
  say(caller, *from, facility);
  ASSERT_EQ(caller.links.size(), 2U);
  EXPECT_TRUE(to->heard.empty());  // that side goes on tunnelling
  callee_says(capabilities());
  EXPECT_EQ(heard_control(caller.last_link()), "terminalCapabilitySet");
}

TEST_F(CallControlTest, AnAddressThatIsNotTheSendersIsNotDialled) {
  ring(calling.setup("callee"));
  CallMessage connect = answering.connect(false);
  codec::h323::set_address(*connect.edit("h245Address"), address("198.51.100.77:22"));
  say(callee, *to, connect);
  EXPECT_EQ(world.counters.get("h245_address_refused"), 1U);
}

TEST_F(CallControlTest, WhatCannotBeReadIsAnsweredNotCarried) {
  establish();
  hear(*from, MessageType::Connect);
  caller_says(Buffer{0x3f, 0xff, 0xff});
  hear_control(*from, "functionNotSupported");
  EXPECT_TRUE(to->heard.empty());
  EXPECT_EQ(world.counters.get("h245_malformed"), 1U);
}

TEST_F(CallControlTest, WhoEndsItsConnectionEndsTheOther) {
  ring(calling.setup("callee", false));
  CallMessage connect = answering.connect(false);
  codec::h323::set_address(*connect.edit("h245Address"), address("10.2.2.20:4000"));
  callee.listening.insert(address("10.2.2.20:4000"));
  say(callee, *to, connect);
  const CallMessage heard = hear(*from, MessageType::Connect);
  Link& at_caller = caller.dial(*codec::h323::address(heard.field("h245Address")));
  ASSERT_EQ(callee.links.size(), 2U);
  caller.say(at_caller, capabilities());
  EXPECT_EQ(heard_control(callee.last_link()), "terminalCapabilitySet");
  caller.hang_up(at_caller);
  EXPECT_TRUE(callee.last_link().closed);
  EXPECT_FALSE(to->closed);
}

TEST_F(CallControlTest, TooMuchThatCannotGoOnEndsTheCall) {
  world.destinations.answers = false;
  call(calling.setup("callee"));
  for (int i = 0; i < 64; ++i) caller_says(capabilities());
  EXPECT_EQ(world.calls->calls().size(), 1U);
  caller_says(capabilities());
  EXPECT_EQ(world.calls->calls().size(), 0U);
  EXPECT_EQ(world.counters.get("too_many_messages"), 1U);
  world.expect_drained();
}

}  // namespace
}  // namespace sallyport::adapter::h323::test
