// The logical channels of one call (H.245, and fast connect's): which there are, which media stream
// each belongs to, and what the addresses in their signalling mean. One rule holds wherever H.245
// says an address: what a side says is its own; the other side is shown ours in its place.
// Addresses are found by walking the message by type.
//
// A message is looked through twice: prepare() asks for what its channels need, which may take a
// while; pass() takes over what the message says and puts our addresses in.
//
// The channels of one session share a stream, one in each direction; a second one in the same
// direction (several audio channels, layered video) has a stream of its own, unless it replaces the
// first. Brain's thread.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "adapter/h323/pipe.h"
#include "adapter/h323/streams.h"
#include "codec/h323/messages.h"

namespace sallyport::adapter::h323 {

class LogicalChannels {
 public:
  static constexpr std::size_t kMaxChannels = 64;  // of a call
  static constexpr std::size_t kMaxStreams = 32;

  // The message is what the caller proposes in Setup, what the callee takes of it, or H.245 itself.
  enum class Role : std::uint8_t { Proposal, Answer, Control };
  // Why a channel is not opened, as OpenLogicalChannelReject has it.
  enum class Refusal : std::uint8_t {
    Unspecified,
    DataTypeNotAvailable,  // as many as there may be
    MulticastNotAllowed,
    InsufficientBandwidth,
    SecurityDenied,  // an address that is not that side's to give
  };

  struct Needs {
    struct Opening {
      std::uint32_t node = 0;  // the OpenLogicalChannel
      Streams::StreamPtr stream;
      std::optional<Refusal> refusal;
    };
    struct Connecting {
      std::uint32_t node = 0;  // the address
      PipePtr pipe;
    };
    std::vector<Opening> openings;
    std::vector<Connecting> connections;
    bool is_ready() const;
  };
  struct Refused {
    std::uint32_t node = 0;  // the OpenLogicalChannel, or its Ack
    std::uint16_t number = 0;
    Refusal why = Refusal::Unspecified;
    bool was_answer = false;
  };

  struct User {
    std::function<void(Commands&)> on_change;  // what prepare() asked for has come, or will not
    std::function<bool(std::uint64_t bits)> admits;  // may the call have so much in one direction?
    std::function<void(std::uint64_t bits)> settled;
  };

  LogicalChannels(Stack& stack, Connections& connections, User user);

  // May this side name that address as its own?
  static bool is_permitted(const Streams::Party& party, const IpAddress& ip);

  Streams& streams() { return streams_; }
  const Streams& streams() const { return streams_; }
  // Our own address at which we signal with that side: where the other one's TCP connections go.
  void set_local(Side side, const IpAddress& ip) { local_[side] = ip; }

  Needs prepare(Side from, codec::per::Node root, Role role, Commands& out);
  // `fallback` stands where an address is none of a channel's. What is refused is left as it came,
  // for the caller to take out.
  std::vector<Refused> pass(Side from, codec::per::Message& message, codec::per::Node root,
                            Role role, Needs& needs, const TransportAddress& fallback,
                            Commands& out);
  // What was prepared will not be passed.
  void abandon(Needs& needs, Commands& out);
  // The other side has been sent a refusal in place of the Ack: the channel is no more.
  void erase(Side opener, std::uint16_t number, Commands& out);
  void close_all(Commands& out);
  std::size_t size() const { return channels_.size(); }
  std::uint64_t bits() const;

 private:
  struct Medium {
    Streams::Kind kind = Streams::Kind::Data;
    bool tcp = false;
    std::uint64_t bits = 0;
    bool is_null = true;
  };
  struct Channel {
    Streams::StreamPtr stream;  // none: over TCP
    Medium medium;
    std::vector<PipePtr> pipes;
  };
  using Key = std::pair<Side, std::uint16_t>;  // who opened it, its number

  static std::optional<Refusal> refusal_of(const Needs::Opening* opening);
  static Medium medium_of(codec::per::Node data_type);
  static Medium medium_of(codec::per::View<codec::h245::OpenLogicalChannel> open);
  std::optional<Refusal> refuse(Side from, codec::per::Node open, const Medium& medium) const;
  bool is_permitted(Side from, const IpAddress& ip) const {
    return is_permitted(streams_.party(from), ip);
  }
  Streams::StreamPtr stream_for(Side from, codec::per::View<codec::h245::OpenLogicalChannel> open,
                                const Medium& medium, Role role, Commands& out);
  void prepare_open(Side from, codec::per::View<codec::h245::OpenLogicalChannel> open, Role role,
                    Needs& needs, Commands& out);
  void connect(Side from, codec::per::Node below, Needs& needs, Commands& out);
  void pass_open(Side from, codec::per::Message& message,
                 codec::per::View<codec::h245::OpenLogicalChannel> open, Role role,
                 const Needs::Opening& opening, const Needs& needs, Commands& out);
  void take_addresses(Side from, codec::per::Message& message, codec::per::Node below,
                      Channel& channel, const Needs& needs, const TransportAddress& fallback);
  void pass_ack(Side from, codec::per::Message& message,
                codec::per::View<codec::h245::OpenLogicalChannelAck> ack, const Needs& needs,
                const TransportAddress& fallback, std::vector<Refused>& refused, Commands& out);
  void release(const Streams::StreamPtr& stream, Commands& out);

  Stack& stack_;
  Connections& connections_;
  User user_;
  Streams streams_;
  std::array<IpAddress, 2> local_;
  std::map<Key, Channel> channels_;
};

}  // namespace sallyport::adapter::h323
