// The messages that the tests of H.323 calls say: small ones, each with what it must have and what
// a test is about.
#pragma once

#include <optional>
#include <string_view>

#include "adapter/h323/alias.h"
#include "adapter/h323/call_message.h"
#include "base/transport_address.h"

namespace sallyport::adapter::h323::test {

inline Guid guid(std::uint8_t number) {
  Guid out{};
  out.fill(number);
  return out;
}

// A call between two scripts: one call reference, one identifier.
struct Talk {
  Guid call = guid(7);
  Guid conference = guid(8);
  std::uint16_t reference = 0x1234;
  bool from_destination = false;

  // With every component that its UUIE must have.
  CallMessage message(codec::q931::MessageType type, std::string_view body) const;
  CallMessage setup(std::string_view called, bool tunnels = true) const;
  CallMessage connect(bool tunnels = true) const;
};
Buffer encoded(const CallMessage& message);

// H.245.
using Control = codec::per::Message;
struct Channel {
  std::uint16_t number = 1;
  std::uint8_t session = 1;
  std::string_view kind = "audio";  // "video", "t38", "h224", "t120"
  std::optional<TransportAddress> media, media_control;
  bool reverse = false;  // fast connect: what the caller is to receive
  std::uint16_t replaces = 0;
  std::uint32_t bit_rate = 0;  // in units of 100 bit/s, where the kind has one
};
void fill(codec::per::Edit<codec::h245::OpenLogicalChannel> open, const Channel& channel);
Buffer open_channel(const Channel& channel);
Buffer accept_channel(const Channel& channel);
Buffer reject_channel(std::uint16_t number);
Buffer close_channel_request(std::uint16_t number);
Buffer capabilities();
void add_fast_start(CallMessage& message, const std::vector<Channel>& channels);

// What the first address of that name in the message says.
std::optional<TransportAddress> address_in(codec::per::Node root, std::string_view name);
// "openLogicalChannel", "openLogicalChannelAck", ...: which H.245 message it is.
std::string control_name(Bytes control);
std::optional<TransportAddress> address_in_control(Bytes control, std::string_view name);

}  // namespace sallyport::adapter::h323::test
