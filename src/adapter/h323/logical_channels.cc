#include "adapter/h323/logical_channels.h"

#include <algorithm>
#include <array>

#include "adapter/h323/tree.h"
#include "codec/h323/addresses.h"

namespace sallyport::adapter::h323 {
namespace {

namespace per = codec::per;
namespace h245 = codec::h245;
using codec::h323::address;
using codec::h323::is_address;
using codec::h323::set_address;

constexpr std::uint64_t kAudioBits = 80'000;     // G.711, 20 ms, with RTP, UDP and IP
constexpr std::uint64_t kVideoBits = 2'000'000;  // that says nothing
constexpr std::uint64_t kDataBits = 64'000;
constexpr std::uint64_t kBitRateUnit = 100;  // of H.245's maxBitRate

per::Node first_named(per::Node below, std::string_view name) {
  per::Node found;
  for_each_below(below, [&](per::Node node) {
    if (!found && node.name() == name) found = node;
    return !found;
  });
  return found;
}

unsigned session_of(per::Node below) {
  return static_cast<unsigned>(first_named(below, "sessionID").integer());
}

std::uint16_t number_of(per::Node node) { return static_cast<std::uint16_t>(node.integer()); }

// What an address in a channel's signalling is for.
enum class Use : std::uint8_t { Media, MediaControl, Stack, Other };
Use use_of(per::Node node) {
  const std::string_view name = node.parent().name();
  if (name == "mediaChannel") return Use::Media;
  if (name == "mediaControlChannel") return Use::MediaControl;
  if (name == "localAreaAddress") return Use::Stack;
  return Use::Other;
}

// Every address below, found before any is changed.
std::vector<per::Node> addresses_below(per::Node below) {
  std::vector<per::Node> found;
  for_each_below(below, [&](per::Node node) {
    if (is_address(node)) found.push_back(node);
    return true;
  });
  return found;
}

// A multicast address cannot become ours in its own alternative.
void put(per::Message& message, per::Node node, const TransportAddress& ours) {
  const bool of_h245 = node.parent().is<h245::TransportAddress>();
  set_address(message.edit(of_h245 ? node.parent() : node), ours);
}

}  // namespace

bool LogicalChannels::Needs::is_ready() const {
  return std::all_of(openings.begin(), openings.end(),
                     [](const Opening& opening) {
                       return !opening.stream || opening.stream->is_open() ||
                              opening.stream->has_failed();
                     }) &&
         std::all_of(connections.begin(), connections.end(), [](const Connecting& each) {
           return each.pipe->own() || each.pipe->has_failed();
         });
}

// In the end: what was not asked for in time, or cannot be had, is not there.
std::optional<LogicalChannels::Refusal> LogicalChannels::refusal_of(const Needs::Opening* opening) {
  if (opening == nullptr || (opening->stream && opening->stream->has_failed()))
    return Refusal::DataTypeNotAvailable;
  return opening->refusal;
}

LogicalChannels::LogicalChannels(Stack& stack, Connections& connections, User user)
    : stack_(stack),
      connections_(connections),
      user_(std::move(user)),
      streams_([this](Commands& out) { user_.on_change(out); }) {}

// ---- what a channel is ----

LogicalChannels::Medium LogicalChannels::medium_of(per::Node data_type) {
  Medium medium;
  std::uint64_t greatest = 0;
  for_each_below(data_type, [&](per::Node node) {
    const std::string_view name = node.name();
    if (medium.is_null && (name == "audioData" || name == "videoData" || name == "data")) {
      medium.is_null = false;
      medium.kind = name == "audioData"   ? Streams::Kind::Audio
                    : name == "videoData" ? Streams::Kind::Video
                                          : Streams::Kind::Data;
    }
    if (name == "t38fax") medium.kind = Streams::Kind::Fax;
    if (name == "tcp" || name == "separateLANStack") medium.tcp = true;
    if (name == "maxBitRate")
      greatest = std::max(greatest, static_cast<std::uint64_t>(node.integer()) * kBitRateUnit);
    return true;
  });
  switch (medium.kind) {
    case Streams::Kind::Audio:
    case Streams::Kind::Fax:
      medium.bits = kAudioBits;
      break;
    case Streams::Kind::Video:
      medium.bits = greatest == 0 ? kVideoBits : greatest;
      break;
    case Streams::Kind::Data:
      medium.bits = greatest == 0 ? kDataBits : greatest;
      break;
  }
  return medium;
}

// Of the direction that has any: fast connect offers the reverse one with nothing in the forward.
LogicalChannels::Medium LogicalChannels::medium_of(per::View<h245::OpenLogicalChannel> open) {
  using T = h245::OpenLogicalChannel;
  const auto forward = open[T::kForwardLogicalChannelParameters];
  const Medium medium = medium_of(forward[T::ForwardLogicalChannelParameters::kDataType]);
  if (!medium.is_null) return medium;
  const auto reverse = open[T::kReverseLogicalChannelParameters];
  return medium_of(reverse[T::ReverseLogicalChannelParameters::kDataType]);
}

std::uint64_t LogicalChannels::bits() const {
  std::array<std::uint64_t, 2> sums{};
  for (const auto& [key, channel] : channels_) sums[key.first] += channel.medium.bits;
  return std::max(sums[kCaller], sums[kCallee]);
}

// ---- before ----

bool LogicalChannels::is_permitted(const Streams::Party& party, const IpAddress& ip) {
  if (ip == party.signalling || ip.is_unspecified()) return true;
  if (ip.is_loopback() || ip.is_link_local() || ip.is_multicast()) return false;
  // Media may be on another host: beside a gateway or a conference bridge, but in the same kind of
  // network; which hosts exactly is the edge's policy to say. An outside party that names a private
  // address is behind a NAT.
  return party.place.is_outside() || ip.is_private();
}

std::optional<LogicalChannels::Refusal> LogicalChannels::refuse(Side from, per::Node open,
                                                                const Medium& medium) const {
  for (const per::Node node : addresses_below(open)) {
    const auto theirs = address(node);
    if (!theirs) return Refusal::Unspecified;  // of another network than IP
    if (theirs->ip.is_multicast()) return Refusal::MulticastNotAllowed;
    if (!is_permitted(from, theirs->ip)) return Refusal::SecurityDenied;
  }
  if (channels_.size() >= kMaxChannels) return Refusal::DataTypeNotAvailable;
  if (!user_.admits(bits() + medium.bits)) return Refusal::InsufficientBandwidth;
  return std::nullopt;
}

Streams::StreamPtr LogicalChannels::stream_for(Side from, per::View<h245::OpenLogicalChannel> open,
                                               const Medium& medium, Role role, Commands& out) {
  const unsigned session = session_of(open);
  const std::uint16_t replaced = number_of(first_named(open, "replacementFor"));
  const auto in_use = [&](const Streams::StreamPtr& stream) {
    return std::any_of(channels_.begin(), channels_.end(), [&](const auto& entry) {
      return entry.second.stream == stream && entry.first.first == from &&
             entry.first.second != replaced;
    });
  };
  for (const Streams::StreamPtr& stream : streams_.all()) {
    if (session == 0 || stream->session != session || stream->has_failed()) continue;
    if (stream->kind != medium.kind) continue;
    if (role != Role::Control || !in_use(stream)) return stream;
  }
  if (streams_.all().size() >= kMaxStreams) return nullptr;
  return streams_.open(medium.kind, session, out);
}

void LogicalChannels::prepare_open(Side from, per::View<h245::OpenLogicalChannel> open, Role role,
                                   Needs& needs, Commands& out) {
  const Medium medium = medium_of(open);
  Needs::Opening opening{.node = open.index(), .stream = nullptr, .refusal = {}};
  opening.refusal = refuse(from, open, medium);
  if (!opening.refusal && medium.tcp) {
    connect(from, open, needs, out);
  } else if (!opening.refusal) {
    opening.stream = stream_for(from, open, medium, role, out);
    if (!opening.stream) opening.refusal = Refusal::DataTypeNotAvailable;
  }
  needs.openings.push_back(std::move(opening));
}

// Something will dial what this side names: listens for it on the other side.
void LogicalChannels::connect(Side from, per::Node below, Needs& needs, Commands& out) {
  const Side toward = other_side(from);
  for (const per::Node node : addresses_below(below)) {
    const auto theirs = address(node);
    const Use use = use_of(node);
    if (!theirs || theirs->port == 0 || (use != Use::Media && use != Use::Stack)) continue;
    if (!is_permitted(from, theirs->ip)) continue;
    needs.connections.push_back(
        {node.index(), Pipe::open(connections_,
                                  {streams_.party(toward).place, streams_.party(from).place,
                                   local_[toward], *theirs},
                                  user_.on_change, out)});
  }
}

LogicalChannels::Needs LogicalChannels::prepare(Side from, per::Node root, Role role,
                                                Commands& out) {
  Needs needs;
  for_each_below(root, [&](per::Node node) {
    if (const auto open = node.as<h245::OpenLogicalChannel>()) {
      prepare_open(from, open, role, needs, out);
      return false;
    }
    if (const auto ack = node.as<h245::OpenLogicalChannelAck>()) {
      const auto it = channels_.find(
          {other_side(from),
           number_of(ack[h245::OpenLogicalChannelAck::kForwardLogicalChannelNumber])});
      if (it != channels_.end() && it->second.medium.tcp) connect(from, ack, needs, out);
      return false;
    }
    return true;
  });
  return needs;
}

// ---- after ----

// Takes what this side says of itself, and puts ours in its place.
void LogicalChannels::take_addresses(Side from, per::Message& message, per::Node below,
                                     Channel& channel, const Needs& needs,
                                     const TransportAddress& fallback) {
  const Side toward = other_side(from);
  for (const per::Node node : addresses_below(below)) {
    const auto pipe = std::find_if(needs.connections.begin(), needs.connections.end(),
                                   [&](const auto& each) { return each.node == node.index(); });
    if (pipe != needs.connections.end()) {
      const auto& own = pipe->pipe->own();
      put(message, node, own ? TransportAddress{fallback.ip, own->port} : fallback);
      channel.pipes.push_back(pipe->pipe);
      continue;
    }
    const Use use = use_of(node);
    if (!channel.stream || (use != Use::Media && use != Use::MediaControl)) {
      put(message, node, {fallback.ip, 0});
      continue;
    }
    const std::size_t component = use == Use::Media ? 0 : 1;
    const auto theirs = address(node);
    if (theirs && theirs->port != 0 && !theirs->ip.is_unspecified())
      channel.stream->ports[from].theirs[component] = theirs;
    const auto& own = channel.stream->ports[toward].own;
    put(message, node, own.empty() ? fallback : own[std::min(component, own.size() - 1)]);
  }
}

void LogicalChannels::pass_open(Side from, per::Message& message,
                                per::View<h245::OpenLogicalChannel> open, Role role,
                                const Needs::Opening& opening, const Needs& needs, Commands& out) {
  using T = h245::OpenLogicalChannel;
  const std::uint16_t number = number_of(open[T::kForwardLogicalChannelNumber]);
  const Medium medium = medium_of(open);
  Channel proposed{.stream = opening.stream, .medium = medium, .pipes = {}};
  Channel* channel = &proposed;
  if (role != Role::Proposal) {
    // What the callee answers to fast connect opens both: the one that the caller offered to send,
    // and the one that it offered to receive.
    const auto forward = open[T::kForwardLogicalChannelParameters];
    const bool is_reverse =
        medium_of(forward[T::ForwardLogicalChannelParameters::kDataType]).is_null;
    const Side opener = role == Role::Control || is_reverse ? from : other_side(from);
    channel = &channels_.insert_or_assign(Key{opener, number}, proposed).first->second;
  }
  take_addresses(from, message, open, *channel, needs, {local_[other_side(from)], 0});
  if (!channel->stream) return;
  channel->stream->bits = std::max(channel->stream->bits, medium.bits);
  streams_.apply(*channel->stream, role == Role::Answer, out);
}

void LogicalChannels::pass_ack(Side from, per::Message& message,
                               per::View<h245::OpenLogicalChannelAck> ack, const Needs& needs,
                               const TransportAddress& fallback, std::vector<Refused>& refused,
                               Commands& out) {
  const std::uint16_t number =
      number_of(ack[h245::OpenLogicalChannelAck::kForwardLogicalChannelNumber]);
  const auto it = channels_.find({other_side(from), number});
  for (const per::Node node : addresses_below(ack)) {
    const auto theirs = address(node);
    if (theirs && is_permitted(from, theirs->ip)) continue;
    refused.push_back({ack.index(), number, Refusal::SecurityDenied, true});
    return;
  }
  Channel unknown;
  Channel& channel = it == channels_.end() ? unknown : it->second;
  if (it == channels_.end()) stack_.counters.add("ack_of_no_channel");
  take_addresses(from, message, ack, channel, needs, fallback);
  if (!channel.stream) return;
  // The master numbers what the slave opened without a number.
  if (const unsigned session = session_of(ack); channel.stream->session == 0)
    channel.stream->session = session;
  streams_.apply(*channel.stream, true, out);
  user_.settled(bits());
}

std::vector<LogicalChannels::Refused> LogicalChannels::pass(Side from, per::Message& message,
                                                            per::Node root, Role role, Needs& needs,
                                                            const TransportAddress& fallback,
                                                            Commands& out) {
  std::vector<Refused> refused;
  std::vector<per::Node> elsewhere;  // addresses of no channel
  for_each_below(root, [&](per::Node node) {
    if (const auto open = node.as<h245::OpenLogicalChannel>()) {
      const auto opening =
          std::find_if(needs.openings.begin(), needs.openings.end(),
                       [&](const Needs::Opening& each) { return each.node == node.index(); });
      const auto refusal = refusal_of(opening == needs.openings.end() ? nullptr : &*opening);
      if (refusal)
        refused.push_back({open.index(),
                           number_of(open[h245::OpenLogicalChannel::kForwardLogicalChannelNumber]),
                           *refusal, false});
      else
        pass_open(from, message, open, role, *opening, needs, out);
      return false;
    }
    if (const auto ack = node.as<h245::OpenLogicalChannelAck>()) {
      pass_ack(from, message, ack, needs, fallback, refused, out);
      return false;
    }
    if (const auto reject = node.as<h245::OpenLogicalChannelReject>())
      erase(other_side(from),
            number_of(reject[h245::OpenLogicalChannelReject::kForwardLogicalChannelNumber]), out);
    if (const auto close = node.as<h245::CloseLogicalChannel>())
      erase(from, number_of(close[h245::CloseLogicalChannel::kForwardLogicalChannelNumber]), out);
    if (is_address(node)) elsewhere.push_back(node);
    return true;
  });
  for (const per::Node node : elsewhere) {
    const Use use = use_of(node);
    Channel of_session;
    if (use == Use::Media || use == Use::MediaControl) {
      // A conference's table of sessions.
      const unsigned session = session_of(node.parent().parent());
      for (const Streams::StreamPtr& stream : streams_.all())
        if (session != 0 && stream->session == session) of_session.stream = stream;
      take_addresses(from, message, node.parent(), of_session, needs, fallback);
      if (of_session.stream) streams_.apply(*of_session.stream, false, out);
    } else {
      put(message, node, fallback);
    }
  }
  for (const Needs::Opening& each : needs.openings)
    if (each.stream && each.stream->has_failed()) streams_.close(each.stream, out);
  for (const Refused& each : refused) {
    switch (each.why) {
      case Refusal::SecurityDenied:
        stack_.counters.add("channel_address_refused");
        break;
      case Refusal::InsufficientBandwidth:
        stack_.counters.add("no_bandwidth");
        break;
      default:
        stack_.counters.add("channel_refused");
        break;
    }
  }
  if (role != Role::Control && !channels_.empty()) user_.settled(bits());
  return refused;
}

// ---- ends ----

void LogicalChannels::release(const Streams::StreamPtr& stream, Commands& out) {
  if (!stream) return;
  const bool in_use = std::any_of(channels_.begin(), channels_.end(),
                                  [&](const auto& entry) { return entry.second.stream == stream; });
  if (!in_use) streams_.close(stream, out);
}

void LogicalChannels::erase(Side opener, std::uint16_t number, Commands& out) {
  const auto it = channels_.find({opener, number});
  if (it == channels_.end()) return;
  const Channel channel = std::move(it->second);
  channels_.erase(it);
  for (const PipePtr& pipe : channel.pipes) pipe->close(out);
  release(channel.stream, out);
  user_.settled(bits());
}

void LogicalChannels::abandon(Needs& needs, Commands& out) {
  for (const Needs::Connecting& each : needs.connections) each.pipe->close(out);
  for (const Needs::Opening& each : needs.openings) release(each.stream, out);
  needs = {};
}

void LogicalChannels::close_all(Commands& out) {
  for (auto& [key, channel] : channels_)
    for (const PipePtr& pipe : channel.pipes) pipe->close(out);
  channels_.clear();
  streams_.close_all(out);
}

}  // namespace sallyport::adapter::h323
