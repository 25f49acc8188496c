// Logical channels and the media behind them.
#include <gtest/gtest.h>

#include "adapter/h323/test_talk.h"
#include "adapter/h323/tree.h"
#include "codec/h323/addresses.h"

namespace sallyport::adapter::h323::test {
namespace {

using codec::q931::CauseValue;
using codec::q931::MessageType;
using media::Accept;

const TransportAddress kCallerRtp = address("10.1.1.10:6000");
const TransportAddress kCallerRtcp = address("10.1.1.10:6001");
const TransportAddress kCalleeRtp = address("10.2.2.20:7000");
const TransportAddress kCalleeRtcp = address("10.2.2.20:7001");

class CallMediaTest : public CallTest {
 protected:
  using CallTest::CallTest;

  void begin() {
    establish();
    hear(*from, MessageType::Connect);
  }
  // The caller opens a channel and the callee takes it: where each is told to send.
  struct Told {
    TransportAddress media, media_control, back_control;
  };
  Told open(Channel offered, Channel taken) {
    caller_says(open_channel(offered));
    const Buffer request = hear_control(*to, "openLogicalChannel");
    Told told;
    told.back_control =
        address_in_control(request, "mediaControlChannel").value_or(TransportAddress{});
    callee_says(accept_channel(taken));
    const Buffer answer = hear_control(*from, "openLogicalChannelAck");
    told.media = address_in_control(answer, "mediaChannel").value_or(TransportAddress{});
    told.media_control =
        address_in_control(answer, "mediaControlChannel").value_or(TransportAddress{});
    return told;
  }
  Told open_back(Channel offered, Channel taken) {
    callee_says(open_channel(offered));
    const Buffer request = hear_control(*from, "openLogicalChannel");
    Told told;
    told.back_control =
        address_in_control(request, "mediaControlChannel").value_or(TransportAddress{});
    caller_says(accept_channel(taken));
    const Buffer answer = hear_control(*to, "openLogicalChannelAck");
    told.media = address_in_control(answer, "mediaChannel").value_or(TransportAddress{});
    told.media_control =
        address_in_control(answer, "mediaControlChannel").value_or(TransportAddress{});
    return told;
  }
  const FakePaths::Port* port(const TransportAddress& own, Place place) const {
    return world.paths.at(own, place);
  }
  std::string refusal_of(Link& link) {
    codec::per::Message message;
    EXPECT_TRUE(codec::h323::decode<codec::h245::MultimediaSystemControlMessage>(
        message, hear_control(link, "openLogicalChannelReject")));
    return std::string{child_named(message.root().chosen().chosen(), "cause").chosen().name()};
  }
};

TEST_F(CallMediaTest, AChannelHasAStreamWithRtcpBothWays) {
  begin();
  const Told told =
      open({.number = 1, .session = 1, .media_control = kCallerRtcp},
           {.number = 1, .session = 1, .media = kCalleeRtp, .media_control = kCalleeRtcp});
  EXPECT_EQ(world.paths.ports.size(), 2U);
  EXPECT_EQ(told.media.ip, *IpAddress::parse("10.1.1.2"));
  EXPECT_EQ(told.media_control.port, told.media.port + 1);
  EXPECT_EQ(told.back_control.ip, *IpAddress::parse("10.2.2.2"));
  EXPECT_EQ(way(told.media, kSiteA), kCalleeRtp);
  const auto* facing_caller = port(told.media, kSiteA);
  ASSERT_TRUE(facing_caller && facing_caller->remote);
  // Where the caller's RTP comes from is not said, only where it takes RTCP: beside that.
  const auto beside = static_cast<std::uint16_t>(kCallerRtcp.port - 1);
  EXPECT_EQ(facing_caller->remote->addresses,
            (std::vector{TransportAddress{kCallerRtcp.ip, beside}, kCallerRtcp}));
  EXPECT_EQ(facing_caller->remote->accept, Accept::SignalledHost);
  EXPECT_EQ(facing_caller->started, 1);
  const auto calls = world.calls->calls();
  ASSERT_EQ(calls[0].media[kCallee].size(), 1U);
  EXPECT_EQ(calls[0].media[kCallee][0].theirs, kCalleeRtp);
}

TEST_F(CallMediaTest, TheChannelsOfASessionShareAStream) {
  begin();
  const Told there =
      open({.number = 1, .session = 1, .media_control = kCallerRtcp},
           {.number = 1, .session = 1, .media = kCalleeRtp, .media_control = kCalleeRtcp});
  const Told back =
      open_back({.number = 5, .session = 1, .media_control = kCalleeRtcp},
                {.number = 5, .session = 1, .media = kCallerRtp, .media_control = kCallerRtcp});
  EXPECT_EQ(world.paths.ports.size(), 2U);
  EXPECT_EQ(way(back.media, kSiteB), kCallerRtp);
  EXPECT_EQ(way(there.media, kSiteA), kCalleeRtp);
  // The first is closed: the stream stays for the other. Then nothing is left.
  caller_says(close_channel_request(1));
  hear_control(*to, "closeLogicalChannel");
  EXPECT_EQ(world.paths.ports.size(), 2U);
  callee_says(close_channel_request(5));
  hear_control(*from, "closeLogicalChannel");
  EXPECT_TRUE(world.paths.ports.empty());
}

TEST_F(CallMediaTest, ASecondChannelOfASessionHasAStreamOfItsOwn) {
  begin();
  const Told first =
      open({.number = 1, .session = 1, .media_control = kCallerRtcp},
           {.number = 1, .session = 1, .media = kCalleeRtp, .media_control = kCalleeRtcp});
  const Told second = open({.number = 2, .session = 1, .media_control = kCallerRtcp},
                           {.number = 2,
                            .session = 1,
                            .media = address("10.2.2.20:7010"),
                            .media_control = address("10.2.2.20:7011")});
  EXPECT_EQ(way(first.media, kSiteA), kCalleeRtp);
  EXPECT_EQ(way(second.media, kSiteA), address("10.2.2.20:7010"));
  // One that replaces another takes its stream.
  const Told third = open({.number = 3, .session = 1, .media_control = kCallerRtcp, .replaces = 1},
                          {.number = 3,
                           .session = 1,
                           .media = address("10.2.2.20:7020"),
                           .media_control = address("10.2.2.20:7021")});
  EXPECT_EQ(third.media, first.media);
  EXPECT_EQ(way(first.media, kSiteA), address("10.2.2.20:7020"));
}

TEST_F(CallMediaTest, SessionsOfOneCallAreApart) {
  begin();
  open({.number = 1, .session = 1, .media_control = kCallerRtcp},
       {.number = 1, .session = 1, .media = kCalleeRtp, .media_control = kCalleeRtcp});
  const Told video =
      open({.number = 2, .session = 2, .kind = "video", .media_control = address("10.1.1.10:6003")},
           {.number = 2,
            .session = 2,
            .media = address("10.2.2.20:7002"),
            .media_control = address("10.2.2.20:7003")});
  // H.239's second picture: the master numbers its session.
  const Told slides =
      open({.number = 3, .session = 0, .kind = "video", .media_control = address("10.1.1.10:6005")},
           {.number = 3,
            .session = 32,
            .media = address("10.2.2.20:7004"),
            .media_control = address("10.2.2.20:7005")});
  const Told camera =
      open({.number = 4, .session = 3, .kind = "h224", .media_control = address("10.1.1.10:6007")},
           {.number = 4,
            .session = 3,
            .media = address("10.2.2.20:7006"),
            .media_control = address("10.2.2.20:7007")});
  EXPECT_EQ(world.paths.ports.size(), 8U);
  EXPECT_EQ(way(video.media, kSiteA), address("10.2.2.20:7002"));
  EXPECT_EQ(way(slides.media, kSiteA), address("10.2.2.20:7004"));
  EXPECT_EQ(way(camera.media, kSiteA), address("10.2.2.20:7006"));
  EXPECT_EQ(port(video.media, kSiteA)->dscp, edge::kDscpVideo);
  // What the callee opens in session 32 is the other direction of the slides.
  const Told back = open_back(
      {.number = 9, .session = 32, .kind = "video", .media_control = address("10.2.2.20:7005")},
      {.number = 9,
       .session = 32,
       .media = address("10.1.1.10:6004"),
       .media_control = address("10.1.1.10:6005")});
  EXPECT_EQ(world.paths.ports.size(), 8U);
  EXPECT_EQ(way(back.media, kSiteB), address("10.1.1.10:6004"));
}

TEST_F(CallMediaTest, FaxHasOnePort) {
  begin();
  const Told fax = open({.number = 1, .session = 3, .kind = "t38"},
                        {.number = 1, .session = 3, .media = address("10.2.2.20:7100")});
  const auto* facing = port(fax.media, kSiteA);
  ASSERT_TRUE(facing);
  EXPECT_EQ(facing->own.size(), 1U);
  EXPECT_FALSE(world.paths.ports.begin()->second.own.size() == 2);
  EXPECT_EQ(way(fax.media, kSiteA), address("10.2.2.20:7100"));
}

TEST_F(CallMediaTest, ARefusedChannelLeavesNothing) {
  begin();
  caller_says(open_channel({.number = 1, .session = 1, .media_control = kCallerRtcp}));
  hear_control(*to, "openLogicalChannel");
  EXPECT_EQ(world.paths.ports.size(), 2U);
  callee_says(reject_channel(1));
  hear_control(*from, "openLogicalChannelReject");
  EXPECT_TRUE(world.paths.ports.empty());
}

// ---- fast connect ----

std::vector<Channel> proposals() {
  return {{.number = 101, .session = 1, .media_control = kCallerRtcp},
          {.number = 102, .session = 1, .media_control = kCallerRtcp},
          {.number = 103,
           .session = 1,
           .media = kCallerRtp,
           .media_control = kCallerRtcp,
           .reverse = true}};
}
std::vector<Channel> answers() {
  return {{.number = 101, .session = 1, .media = kCalleeRtp, .media_control = kCalleeRtcp},
          {.number = 201, .session = 1, .media_control = kCalleeRtcp, .reverse = true}};
}

TEST_F(CallMediaTest, FastConnectOpensBothDirectionsAtOnce) {
  CallMessage setup = calling.setup("callee");
  add_fast_start(setup, proposals());
  const CallMessage heard = ring(setup);
  EXPECT_EQ(heard.field("fastStart").child_count(), 3U);
  const auto to_caller = address_in(heard.field("fastStart"), "mediaChannel");
  ASSERT_TRUE(to_caller);
  EXPECT_EQ(way(*to_caller, kSiteB), kCallerRtp);
  // It is answered in Alerting, and again in Connect.
  CallMessage alerting = answering.message(MessageType::Alerting, "alerting");
  add_fast_start(alerting, answers());
  say(callee, *to, alerting);
  CallMessage connect = answering.connect();
  add_fast_start(connect, answers());
  say(callee, *to, connect);
  for (const MessageType type : {MessageType::Alerting, MessageType::Connect}) {
    const CallMessage message = hear(*from, type);
    const auto to_callee = address_in(message.field("fastStart"), "mediaChannel");
    ASSERT_TRUE(to_callee);
    EXPECT_EQ(way(*to_callee, kSiteA), kCalleeRtp);
  }
  EXPECT_EQ(world.paths.ports.size(), 2U);
  // Either end may close what it sends.
  caller_says(close_channel_request(101));
  callee_says(close_channel_request(201));
  EXPECT_TRUE(world.paths.ports.empty());
}

TEST_F(CallMediaTest, AFastConnectThatIsNotTakenIsFollowedByH245) {
  CallMessage setup = calling.setup("callee");
  add_fast_start(setup, proposals());
  ring(setup);
  say(callee, *to, answering.connect());
  hear(*from, MessageType::Connect);
  open({.number = 1, .session = 1, .media_control = kCallerRtcp},
       {.number = 1, .session = 1, .media = kCalleeRtp, .media_control = kCalleeRtcp});
  EXPECT_EQ(world.paths.ports.size(), 2U);  // those that were there
  say(caller, *from, calling.message(MessageType::ReleaseComplete, "releaseComplete"));
  world.expect_drained();
}

TEST_F(CallMediaTest, ProposalsWithOthersAddressesAreLeftOut) {
  CallMessage setup = calling.setup("callee");
  auto channels = proposals();
  channels[1].media_control = address("198.51.100.99:9");
  add_fast_start(setup, channels);
  EXPECT_EQ(ring(setup).field("fastStart").child_count(), 2U);
  EXPECT_EQ(world.counters.get("channel_address_refused"), 1U);
}

TEST_F(CallMediaTest, ProposalsThatCannotBeReadAreLeftOut) {
  CallMessage setup = calling.setup("callee");
  add_fast_start(setup, proposals());
  setup.edit("fastStart")->append().set_octets(Buffer{0xff, 0xff, 0xff});
  EXPECT_EQ(ring(setup).field("fastStart").child_count(), 3U);
}

TEST_F(CallMediaTest, WithoutPortsThereIsNoFastConnect) {
  world.paths.limit = 0;
  CallMessage setup = calling.setup("callee");
  add_fast_start(setup, proposals());
  EXPECT_TRUE(ring(setup).field("fastStart").is_absent());
}

// ---- who may ask for what ----

TEST_F(CallMediaTest, AChannelToSomebodyElseIsRefused) {
  begin();
  for (const std::string_view elsewhere :
       {"198.51.100.99:9", "127.0.0.1:9", "169.254.169.254:80"}) {
    caller_says(open_channel({.number = 1, .session = 1, .media_control = address(elsewhere)}));
    EXPECT_EQ(refusal_of(*from), "securityDenied");
  }
  caller_says(open_channel({.number = 1, .session = 1, .media = address("239.1.2.3:9000")}));
  EXPECT_EQ(refusal_of(*from), "multicastChannelNotAllowed");
  EXPECT_TRUE(to->heard.empty());
  EXPECT_TRUE(world.paths.ports.empty());
  EXPECT_EQ(world.counters.get("channel_address_refused"), 3U);
}

TEST_F(CallMediaTest, AnAnswerWithSomebodyElsesAddressIsARefusal) {
  begin();
  caller_says(open_channel({.number = 1, .session = 1, .media_control = kCallerRtcp}));
  hear_control(*to, "openLogicalChannel");
  callee_says(accept_channel({.number = 1, .session = 1, .media = address("127.0.0.1:22")}));
  EXPECT_EQ(refusal_of(*from), "securityDenied");
  hear_control(*to, "closeLogicalChannel");
  EXPECT_TRUE(world.paths.ports.empty());
}

TEST_F(CallMediaTest, WithoutPortsAChannelIsRefused) {
  begin();
  world.paths.limit = 1;
  caller_says(open_channel({.number = 1, .session = 1, .media_control = kCallerRtcp}));
  EXPECT_EQ(refusal_of(*from), "dataTypeNotAvailable");
  EXPECT_TRUE(world.paths.ports.empty());
}

TEST_F(CallMediaTest, ChannelsAreLimited) {
  begin();
  for (std::uint16_t i = 1; i <= LogicalChannels::kMaxStreams; ++i) {
    caller_says(open_channel(
        {.number = i, .session = static_cast<std::uint8_t>(i), .media_control = kCallerRtcp}));
    hear_control(*to, "openLogicalChannel");
  }
  caller_says(open_channel({.number = 99, .session = 99, .media_control = kCallerRtcp}));
  EXPECT_EQ(refusal_of(*from), "dataTypeNotAvailable");
}

Config little_bandwidth() {
  Config config;
  config.limits.bandwidth_per_call = 400'000;
  return config;
}

class CallBandwidthTest : public CallMediaTest {
 protected:
  CallBandwidthTest() : CallMediaTest(little_bandwidth()) {}
};

TEST_F(CallBandwidthTest, AChannelThatTakesTooMuchIsRefused) {
  begin();
  open({.number = 1, .session = 1, .media_control = kCallerRtcp},
       {.number = 1, .session = 1, .media = kCalleeRtp, .media_control = kCalleeRtcp});
  caller_says(open_channel({.number = 2,
                            .session = 2,
                            .kind = "video",
                            .media_control = kCallerRtcp,
                            .bit_rate = 3840}));
  EXPECT_EQ(refusal_of(*from), "insufficientBandwidth");
  EXPECT_EQ(world.counters.get("no_bandwidth"), 1U);
  open({.number = 3, .session = 2, .kind = "video", .media_control = kCallerRtcp, .bit_rate = 3000},
       {.number = 3,
        .session = 2,
        .media = address("10.2.2.20:7002"),
        .media_control = address("10.2.2.20:7003")});
}

// ---- outside ----

TEST_F(CallMediaTest, OutsideIsHeardFromWhereItSays) {
  Terminal& other = world.terminal(kOutside, "other", "192.0.2.30:1720");
  world.destinations.known["callee"] = {world.destination(other)};
  call(calling.setup("callee"));
  to = &other.last_link();
  answering.reference = hear(*to, MessageType::Setup).q931().call_reference().value;
  answering.from_destination = true;
  say(other, *to, answering.connect());
  hear(*from, MessageType::Connect);
  caller_says(open_channel({.number = 1, .session = 1, .media_control = kCallerRtcp}));
  const Buffer request = hear_control(*to, "openLogicalChannel");
  const auto ours = address_in_control(request, "mediaControlChannel");
  ASSERT_TRUE(ours);
  EXPECT_EQ(ours->ip, *IpAddress::parse("198.51.100.1"));
  tunnel(other, *to, answering,
         accept_channel({.number = 1,
                         .session = 1,
                         .media = address("192.0.2.31:9000"),
                         .media_control = address("192.0.2.31:9001")}));
  hear_control(*from, "openLogicalChannelAck");
  const TransportAddress own{ours->ip, static_cast<std::uint16_t>(ours->port - 1)};
  ASSERT_TRUE(port(own, kOutside)->remote);
  EXPECT_EQ(port(own, kOutside)->remote->accept, Accept::SignalledHost);
  // One that names a private address is behind a NAT.
  tunnel(other, *to, answering,
         open_channel({.number = 1, .session = 2, .media_control = address("192.168.1.9:9003")}));
  hear_control(*from, "openLogicalChannel");
  EXPECT_TRUE(std::any_of(world.paths.ports.begin(), world.paths.ports.end(), [](const auto& each) {
    return each.second.place == kOutside && each.second.remote &&
           each.second.remote->accept == Accept::FirstPlausible;
  }));
}

// ---- TCP ----

TEST_F(CallMediaTest, T120IsCarriedOverItsOwnConnection) {
  begin();
  callee.listening.insert(address("10.2.2.20:1503"));
  const Channel data{.number = 1, .session = 3, .kind = "t120", .media = address("10.2.2.20:1503")};
  caller_says(open_channel({.number = 1, .session = 3, .kind = "t120", .media = {}}));
  hear_control(*to, "openLogicalChannel");
  callee_says(accept_channel(data));
  const Buffer answer = hear_control(*from, "openLogicalChannelAck");
  const auto where = address_in_control(answer, "localAreaAddress");
  ASSERT_TRUE(where);
  EXPECT_EQ(where->ip, *IpAddress::parse("10.1.1.2"));
  EXPECT_TRUE(world.paths.ports.empty());
  Link& link = caller.dial(*where);
  ASSERT_EQ(callee.links.size(), 2U);
  Link& far = callee.last_link();
  world.calls->on_received(kSiteA, link.id, as_bytes("hello"), world);
  world.calls->on_received(kSiteB, far.id, as_bytes("world"), world);
  world.settle();
  EXPECT_EQ(as_text(far.raw), "hello");
  EXPECT_EQ(as_text(link.raw), "world");
  caller_says(close_channel_request(1));
  EXPECT_TRUE(far.closed && link.closed);
  say(caller, *from, calling.message(MessageType::ReleaseComplete, "releaseComplete"));
  world.expect_drained();
}

}  // namespace
}  // namespace sallyport::adapter::h323::test
