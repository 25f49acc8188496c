#include "adapter/h323/test_messages.h"

#include <gtest/gtest.h>

#include "adapter/h323/alias_codec.h"
#include "adapter/h323/tree.h"
#include "codec/h323/addresses.h"

namespace sallyport::adapter::h323::test {
namespace {

namespace per = codec::per;
namespace h225 = codec::h225;
namespace h245 = codec::h245;
using Root = h245::MultimediaSystemControlMessage;

Buffer encoded(const Control& message) {
  Buffer out;
  EXPECT_TRUE(message.encode(out));
  return out;
}

void set_data_type(per::Edit<h245::DataType> type, const Channel& channel) {
  using Application = h245::DataApplicationCapability;
  if (channel.kind == "audio") {
    type[h245::DataType::kAudioData][h245::AudioCapability::kG711Alaw64k].set(20);
  } else if (channel.kind == "video") {
    using Video = h245::H261VideoCapability;
    auto video = type[h245::DataType::kVideoData][h245::VideoCapability::kH261VideoCapability];
    video[Video::kQcifMPI].set(1);
    video[Video::kTemporalSpatialTradeOffCapability].set(0);
    video[Video::kMaxBitRate].set(channel.bit_rate == 0 ? 3840 : channel.bit_rate);
    video[Video::kStillImageTransmission].set(0);
  } else {
    auto data = type[h245::DataType::kData];
    auto application = data[Application::kApplication];
    if (channel.kind == "h224") {
      application[Application::Application::kH224]
                 [h245::DataProtocolCapability::kHdlcFrameTunnelling];
    } else if (channel.kind == "t120") {
      application[Application::Application::kT120][h245::DataProtocolCapability::kSeparateLANStack];
    } else {
      using Fax = Application::Application::T38fax;
      auto fax = application[Application::Application::kT38fax];
      fax[Fax::kT38FaxProtocol][h245::DataProtocolCapability::kUdp];
      auto profile = fax[Fax::kT38FaxProfile];
      profile[h245::T38FaxProfile::kFillBitRemoval].set(0);
      profile[h245::T38FaxProfile::kTranscodingJBIG].set(0);
      profile[h245::T38FaxProfile::kTranscodingMMR].set(0);
    }
    data[Application::kMaxBitRate].set(channel.bit_rate == 0 ? 144 : channel.bit_rate);
  }
}

void set_parameters(per::Edit<h245::H2250LogicalChannelParameters> parameters,
                    const Channel& channel) {
  using T = h245::H2250LogicalChannelParameters;
  parameters[T::kSessionID].set(channel.session);
  if (channel.media) codec::h323::set_address(parameters[T::kMediaChannel], *channel.media);
  if (channel.media_control)
    codec::h323::set_address(parameters[T::kMediaControlChannel], *channel.media_control);
}

}  // namespace

CallMessage Talk::message(codec::q931::MessageType type, std::string_view body) const {
  CallMessage made{type, body, call};
  made.q931().set_call_reference({.value = reference, .from_destination = from_destination});
  return made;
}

CallMessage Talk::setup(std::string_view called, bool tunnels) const {
  using T = h225::SetupUUIE;
  CallMessage made = message(codec::q931::MessageType::Setup, "setup");
  made.set_tunnels(tunnels);
  auto uuie = made.tree().edit(made.body().as<T>());
  uuie[T::kSourceInfo][h225::EndpointType::kMc].set(0);
  uuie[T::kSourceInfo][h225::EndpointType::kUndefinedNode].set(0);
  const bool number = called.find_first_not_of("0123456789") == std::string_view::npos;
  write_alias(uuie[T::kDestinationAddress].append(),
              {number ? Alias::Kind::DialedDigits : Alias::Kind::H323Id, std::string{called}});
  uuie[T::kActiveMC].set(0);
  uuie[T::kConferenceID].set_octets(conference);
  uuie[T::kConferenceGoal][T::ConferenceGoal::kCreate];
  uuie[T::kCallType][h225::CallType::kPointToPoint];
  uuie[T::kMediaWaitForConnect].set(0);
  uuie[T::kCanOverlapSend].set(0);
  return made;
}

CallMessage Talk::connect(bool tunnels) const {
  CallMessage made = message(codec::q931::MessageType::Connect, "connect");
  made.set_tunnels(tunnels);
  made.tree()
      .edit(made.body().as<h225::ConnectUUIE>())[h225::ConnectUUIE::kConferenceID]
      .set_octets(conference);
  return made;
}

Buffer encoded(const CallMessage& message) {
  const auto octets = message.encode();
  EXPECT_TRUE(octets);
  return octets.value_or(Buffer{});
}

void fill(per::Edit<h245::OpenLogicalChannel> open, const Channel& channel) {
  using T = h245::OpenLogicalChannel;
  using Forward = T::ForwardLogicalChannelParameters;
  using Reverse = T::ReverseLogicalChannelParameters;
  open[T::kForwardLogicalChannelNumber].set(channel.number);
  auto forward = open[T::kForwardLogicalChannelParameters];
  if (channel.kind == "t120") {
    set_data_type(forward[Forward::kDataType], channel);
    set_parameters(forward[Forward::kMultiplexParameters]
                          [Forward::MultiplexParameters::kH2250LogicalChannelParameters],
                   {.session = channel.session});
    if (!channel.media) return;
    using Stack = h245::NetworkAccessParameters;
    auto stack = open[T::kSeparateStack];
    codec::h323::set_address(
        stack[Stack::kNetworkAddress][Stack::NetworkAddress::kLocalAreaAddress], *channel.media);
    stack[Stack::kAssociateConference].set(0);
  } else if (channel.reverse) {
    forward[Forward::kDataType][h245::DataType::kNullData];
    forward[Forward::kMultiplexParameters][Forward::MultiplexParameters::kNone];
    auto reverse = open[T::kReverseLogicalChannelParameters];
    set_data_type(reverse[Reverse::kDataType], channel);
    set_parameters(reverse[Reverse::kMultiplexParameters]
                          [Reverse::MultiplexParameters::kH2250LogicalChannelParameters],
                   channel);
  } else {
    set_data_type(forward[Forward::kDataType], channel);
    set_parameters(forward[Forward::kMultiplexParameters]
                          [Forward::MultiplexParameters::kH2250LogicalChannelParameters],
                   channel);
    if (channel.replaces != 0) forward[Forward::kReplacementFor].set(channel.replaces);
  }
}

Buffer open_channel(const Channel& channel) {
  Control message;
  fill(message.make<Root>()[Root::kRequest][h245::RequestMessage::kOpenLogicalChannel], channel);
  return encoded(message);
}

Buffer accept_channel(const Channel& channel) {
  using T = h245::OpenLogicalChannelAck;
  using Parameters = h245::H2250LogicalChannelAckParameters;
  Control message;
  auto ack = message.make<Root>()[Root::kResponse][h245::ResponseMessage::kOpenLogicalChannelAck];
  ack[T::kForwardLogicalChannelNumber].set(channel.number);
  if (channel.kind == "t120") {
    if (!channel.media) return encoded(message);
    using Stack = h245::NetworkAccessParameters;
    auto stack = ack[T::kSeparateStack];
    codec::h323::set_address(
        stack[Stack::kNetworkAddress][Stack::NetworkAddress::kLocalAreaAddress], *channel.media);
    stack[Stack::kAssociateConference].set(0);
    return encoded(message);
  }
  auto parameters = ack[T::kForwardMultiplexAckParameters]
                       [T::ForwardMultiplexAckParameters::kH2250LogicalChannelAckParameters];
  if (channel.session != 0) parameters[Parameters::kSessionID].set(channel.session);
  if (channel.media)
    codec::h323::set_address(parameters[Parameters::kMediaChannel], *channel.media);
  if (channel.media_control)
    codec::h323::set_address(parameters[Parameters::kMediaControlChannel], *channel.media_control);
  parameters[Parameters::kFlowControlToZero].set(0);
  return encoded(message);
}

Buffer reject_channel(std::uint16_t number) {
  using T = h245::OpenLogicalChannelReject;
  Control message;
  auto reject =
      message.make<Root>()[Root::kResponse][h245::ResponseMessage::kOpenLogicalChannelReject];
  reject[T::kForwardLogicalChannelNumber].set(number);
  reject[T::kCause][T::Cause::kDataTypeNotSupported];
  return encoded(message);
}

Buffer close_channel_request(std::uint16_t number) {
  using T = h245::CloseLogicalChannel;
  Control message;
  auto close = message.make<Root>()[Root::kRequest][h245::RequestMessage::kCloseLogicalChannel];
  close[T::kForwardLogicalChannelNumber].set(number);
  close[T::kSource][T::Source::kUser];
  return encoded(message);
}

Buffer capabilities() {
  using T = h245::TerminalCapabilitySet;
  Control message;
  auto set = message.make<Root>()[Root::kRequest][h245::RequestMessage::kTerminalCapabilitySet];
  set[T::kSequenceNumber].set(1);
  set[T::kProtocolIdentifier].set_octets(Buffer{0x00, 0x08, 0x81, 0x75, 0x00, 0x0d});
  return encoded(message);
}

void add_fast_start(CallMessage& message, const std::vector<Channel>& channels) {
  auto list = message.edit("fastStart");
  ASSERT_TRUE(list);
  for (const Channel& channel : channels) {
    Control one;
    fill(one.make<h245::OpenLogicalChannel>(), channel);
    list->append().set_octets(encoded(one));
  }
}

std::optional<TransportAddress> address_in(per::Node root, std::string_view name) {
  std::optional<TransportAddress> found;
  for_each_below(root, [&](per::Node node) {
    if (!found && node.name() == name) found = codec::h323::address(node);
    return !found;
  });
  return found;
}

std::string control_name(Bytes control) {
  Control message;
  if (!codec::h323::decode<Root>(message, control)) return "unreadable";
  return std::string{message.root().chosen().chosen().name()};
}

std::optional<TransportAddress> address_in_control(Bytes control, std::string_view name) {
  Control message;
  if (!codec::h323::decode<Root>(message, control)) return std::nullopt;
  return address_in(message.root(), name);
}

}  // namespace sallyport::adapter::h323::test
