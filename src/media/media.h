// The words of media that edges, brains and the relay share: values only.
//
// A media end is one end of a path through an edge. A *port* faces a terminal or the far side with
// sockets of its own. A *flow* faces the other side of the NAT: its probing end (at the agent)
// sends probes with the flow's token, its awaiting end (at the server) learns from them where the
// flow comes from. An end has one component (a single port) or two: RTP first, then RTCP; each
// component of a flow is bound by its own probe, since outside a NAT n+1 is not promised (RFC 4787
// REQ-4).
//
// In the bound carriage a flow has a socket at the agent for each component. In the tagged one it
// rides on a *trunk*, with others: a trunk is opened and bound as a flow with one component is, and
// each component of a tagged flow has a channel in it.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "base/ids.h"
#include "base/time.h"
#include "base/transport_address.h"

namespace sallyport::media {

using MediaId = Id<struct MediaTag>;
// Whose keys seal a trunk: a server has a ring for each agent, numbered like it; an agent has one.
using KeyRingId = Id<struct KeyRingTag>;
using Channel = std::uint16_t;                 // unique in a trunk
constexpr Channel kNoChannel = 0;              // no flow's
using Token = std::array<std::uint8_t, 16>;    // unguessable; says which flow a probe is for
using FlowKey = std::array<std::uint8_t, 16>;  // authenticates the flow's probes and confirmations

// The top three bits of a channel are its trunk's owner: a number that says which of a receiver's
// threads all of the trunk's datagrams are for (media/steering.h). The other bits are 0 in the
// header of a datagram with records, and in no flow's channel.
constexpr unsigned kMaxOwners = 8;
constexpr Channel kChannelsOfOwner = 0x2000;
constexpr std::uint8_t owner_of(Channel channel) {
  return static_cast<std::uint8_t>(channel / kChannelsOfOwner);
}
constexpr Channel records_of(std::uint8_t owner) {
  return static_cast<Channel>(owner * kChannelsOfOwner);
}
constexpr bool is_of_a_flow(Channel channel) { return channel % kChannelsOfOwner != 0; }

constexpr unsigned kMaxComponents = 2;
constexpr unsigned kMostTrunks = 8;  // of one agent, at a time

// How a flow travels between an agent and its server.
enum class Carriage : std::uint8_t { Bound, Tagged };
constexpr std::string_view name(Carriage carriage) {
  return carriage == Carriage::Tagged ? "tagged" : "bound";
}
constexpr std::optional<Carriage> carriage_named(std::string_view name) {
  for (const Carriage each : {Carriage::Bound, Carriage::Tagged})
    if (media::name(each) == name) return each;
  return std::nullopt;
}

struct PortSpec {
  unsigned components = 2;         // 2: an even/odd pair (RFC 3550 section 11); 1: a single port
  IpAddress toward;                // the port opens on the local address from which this is reached
  std::optional<IpAddress> local;  // or on this one
  std::uint8_t dscp = 46;          // for what this port sends, 0 to 63
};

enum class FlowEnd : std::uint8_t { Probing, Awaiting };

struct FlowComponent {
  Token token{};
  FlowKey key{};
};

struct FlowSpec {
  FlowEnd end = FlowEnd::Awaiting;
  std::vector<FlowComponent> components;  // RTP, RTCP
  // Probing end: where the probes go, one for each component (the server's X and Y).
  std::vector<TransportAddress> server;
  std::uint8_t dscp = 46;
  Duration keepalive = std::chrono::seconds{10};  // probe again when idle for so long
  // Tagged carriage: the trunk that it rides on, and a channel for each component; then it has
  // neither components nor server nor keepalive of its own.
  MediaId trunk;
  std::vector<Channel> channels;

  bool tagged() const { return static_cast<bool>(trunk); }
  std::size_t count() const { return tagged() ? channels.size() : components.size(); }
};

struct TrunkSpec {
  FlowEnd end = FlowEnd::Awaiting;
  FlowComponent secret;
  TransportAddress server;  // probing end: where the probes go
  std::uint8_t dscp = 46;   // of probes; packets have that of their flow
  Duration keepalive = std::chrono::seconds{10};
  bool sealed = true;
  KeyRingId ring;          // of a sealed one
  bool compress = false;   // RTP headers, in what this end sends
  Duration bundle{};       // what leaves within so long travels together; 0: nothing waits
  std::uint8_t owner = 0;  // of its channels; below kMaxOwners
};

// How one flow takes another's place during a call, in two steps, so that nothing is lost on the
// way: first both edges take what arrives on the new one, then they send on it.
enum class ReplaceStep : std::uint8_t { Receive, Send };

// From where a port's media is accepted. The first packet of a plausible source may lock a port
// whose owner is known to be behind a NAT; only new signalling opens it again.
enum class Accept : std::uint8_t {
  SignalledAddress,  // exactly the signalled address and port
  SignalledHost,   // the signalled IP address, any port (terminals that do not send symmetrically)
  FirstPlausible,  // the first source whose packet could be this media; then only that one
};

// Of one stream in one direction, a second; 0: no limit.
struct Rate {
  std::uint32_t packets = 0;
  std::uint32_t octets = 0;
  friend bool operator==(const Rate&, const Rate&) = default;
};

struct RemoteSpec {
  // One for each component; port 0: nothing is sent there (a stream that is not wanted yet). An
  // unspecified IP address with a port: it is wanted, and with Accept::FirstPlausible goes to where
  // its media comes from.
  std::vector<TransportAddress> addresses;
  Accept accept = Accept::SignalledAddress;
  // What is plausible under FirstPlausible: RTP, RTCP, STUN, DTLS, ZRTP; false (T.38 and whatever
  // else an m-line may carry): any datagram.
  bool rtp = true;
  Rate most;  // of what is taken from there, for each component; the rest is dropped
};

enum class EventKind : std::uint8_t {
  FlowBound,    // a probe was accepted for the first time (awaiting end) or confirmed (probing end)
  FlowMoved,    // the flow comes from a new source: the NAT made a new mapping
  WantsProbe,   // awaiting end: packets wait for a flow that has not been probed yet
  FirstPacket,  // a port received its first packet
  Unconfirmed,  // probing end: the schedule ended without a confirmation
  Silent,       // a flow that should receive has been silent for 300 ms
  Answered,     // probing end of a trunk: confirmed after one of these two, or at a new address
};

struct Event {
  EventKind kind = EventKind::FirstPacket;
  std::uint8_t component = 0;
  TransportAddress source;  // FlowBound, FlowMoved, FirstPacket
  friend bool operator==(const Event&, const Event&) = default;
};

// How what arrived at a component got there (media/stream_quality.h).
struct Quality {
  std::uint64_t rtp_packets = 0;  // of the source that is followed
  std::uint64_t lost = 0;         // did not come, or came too late to be heard
  std::uint64_t reordered = 0;
  std::uint64_t duplicates = 0;
  std::uint64_t ssrc_changes = 0;
  std::uint64_t pauses = 0;         // gaps of 2 s and more: hold, mute, silence suppression
  std::uint32_t clock_rate = 0;     // of the RTP timestamps, in Hz, as found out; 0: not known
  Duration jitter{};                // RFC 3550 6.4.1; zero while the clock rate is not known
  Duration largest_gap{};           // between packets, pauses not counted
  std::optional<Duration> silence;  // since the last packet of any kind; none came: nothing
  friend bool operator==(const Quality&, const Quality&) = default;
};

// Per component: what an end received and sent. `refused` are packets that were dropped because of
// where they came from, or because there were too many.
struct ComponentCounts {
  std::uint64_t packets_in = 0;
  std::uint64_t octets_in = 0;
  std::uint64_t packets_out = 0;
  std::uint64_t octets_out = 0;
  std::uint64_t refused = 0;
  Quality in;
  // Probing end: from a probe to its confirmation, and how long each way took (path_delay.h).
  std::optional<Duration> round_trip;
  std::optional<Duration> to_server;
  std::optional<Duration> to_agent;
  friend bool operator==(const ComponentCounts&, const ComponentCounts&) = default;
};
struct Counts {
  std::vector<ComponentCounts> components;
  friend bool operator==(const Counts&, const Counts&) = default;
};

}  // namespace sallyport::media
