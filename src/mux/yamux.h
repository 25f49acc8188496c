// yamux: many streams over one byte stream, each with its own window, so that a stalled one cannot
// starve the others. The public specification is hashicorp/yamux spec.md; both roles. Octets come
// in with on_received(); frames go out when the owner asks (take_frames, write), so that nothing is
// committed before its time. Knows nothing of sessions, priorities or headers. One owner, one
// thread. Handlers may call back into this object.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <list>
#include <string_view>
#include <unordered_map>

#include "base/bytes.h"
#include "base/result.h"
#include "mux/byte_queue.h"
#include "mux/logical_channel.h"

namespace sallyport::mux {

class Yamux {
 public:
  enum class Role : std::uint8_t { Client, Server };  // a client opens odd streams
  // spec.md, "Session termination".
  enum class GoAway : std::uint32_t { Normal = 0, ProtocolError = 1, InternalError = 2 };

  struct Limits {
    std::size_t max_streams = 4096;  // opened by the far side; more are reset
    // Streams that we opened and the far side has not acknowledged; more wait here. 256 is what
    // hashicorp's implementation accepts before it resets.
    std::size_t backlog = 256;
  };

  class Observer {
   public:
    Observer() = default;
    Observer(const Observer&) = delete;
    Observer& operator=(const Observer&) = delete;
    virtual ~Observer() = default;
    virtual void on_stream(ChannelId) = 0;  // the far side opened it
    virtual void on_data(ChannelId, Bytes octets) = 0;
    virtual void on_fin(ChannelId) = 0;
    virtual void on_reset(ChannelId) = 0;     // the stream is gone
    virtual void on_writable(ChannelId) = 0;  // writable() was 0 and is no more
    virtual void on_pong(std::uint32_t value) = 0;
    virtual void on_go_away(GoAway code) = 0;
  };

  // spec.md, "Flow Control": "Yamux initially starts each stream with a 256KB window size."
  static constexpr std::uint32_t kWindow = 256 * 1024;
  static constexpr std::size_t kFrameHeaderSize = 12;

  Yamux(Role role, const Limits& limits, Observer& observer);

  // An error is final: a go-away with its code waits to be sent, and what is received later is
  // ignored. The session is to be ended.
  Result<void> on_received(Bytes octets);

  // Zero when the far side has gone away, or no stream number is left.
  ChannelId open();
  bool is_open(ChannelId id) const { return streams_.contains(id.value); }
  std::size_t streams() const { return streams_.size(); }
  // Octets that write() takes now: what the far side's window has room for.
  std::size_t writable(ChannelId id) const;
  // Appends one data frame with as much of `octets` as window and `room` (of `out`, the frame's
  // header included) allow; how many octets went. Everything of take_frames() goes first.
  std::size_t write(ChannelId id, Bytes octets, Buffer& out, std::size_t room);
  // We send no more on it. The stream is gone once both sides have said so.
  void fin(ChannelId id);
  void reset(ChannelId id);
  // `octets` of the stream's data have been taken in; the window opens again for the far side.
  void consumed(ChannelId id, std::size_t octets);
  void ping(std::uint32_t value) { frame(Type::Ping, kSyn, 0, value); }
  // The far side is to open no more streams; those that are open go on.
  void go_away(GoAway code);

  // Frames that are not data wait here until they are taken; at most `room` octets are appended.
  void take_frames(Buffer& out, std::size_t room);
  bool has_frames() const { return !frames_.empty(); }

 private:
  enum class Type : std::uint8_t { Data = 0, WindowUpdate = 1, Ping = 2, GoAway = 3 };
  static constexpr std::uint16_t kSyn = 1, kAck = 2, kFin = 4, kRst = 8;

  struct Stream {
    std::uint32_t send_window = kWindow;
    std::uint32_t receive_window = kWindow;
    std::uint32_t credit = 0;  // taken in, not yet told to the far side
    bool ours = false;
    bool syn_sent = true;  // ours only: false while it waits for a place in the backlog
    bool acknowledged = true;
    bool fin_sent = false;
    bool fin_received = false;
  };

  Result<void> on_header();
  Result<void> on_stream_frame(Type type, std::uint16_t flags, std::uint32_t id,
                               std::uint32_t length);
  Result<void> on_session_frame(Type type, std::uint16_t flags, std::uint32_t id,
                                std::uint32_t length);
  Result<bool> accept_stream(std::uint32_t id);
  Result<void> grow_window(std::uint32_t id, std::uint32_t delta);
  Result<void> check_unknown(std::uint32_t id) const;
  void on_payload(Bytes octets);
  void end_of_frame();
  void on_reset_frame(std::uint32_t id);
  void acknowledged(Stream& stream);
  void forget(std::uint32_t id);
  void send_waiting_syns();
  Result<void> protocol_error(std::string_view what);
  void frame(Type type, std::uint16_t flags, std::uint32_t id, std::uint32_t length);
  bool is_ours(std::uint32_t id) const { return id % 2 == (role_ == Role::Client ? 1U : 0U); }
  Stream* find(std::uint32_t id);

  Role role_;
  Limits limits_;
  Observer& observer_;
  std::unordered_map<std::uint32_t, Stream> streams_;
  std::uint64_t next_id_;             // wider than a stream number, so that it shows exhaustion
  std::uint32_t greatest_seen_ = 0;   // of the streams the far side opened
  std::size_t theirs_ = 0;            // open streams that the far side opened
  std::size_t unacknowledged_ = 0;    // SYN sent, no answer yet
  std::list<std::uint32_t> waiting_;  // ours, SYN not sent yet
  ByteQueue frames_;
  bool failed_ = false;
  bool gone_away_ = false;      // we take no more streams
  bool far_gone_away_ = false;  // the far side takes no more streams

  // The frame that is being received.
  std::array<std::uint8_t, kFrameHeaderSize> header_{};
  std::size_t header_have_ = 0;
  std::uint32_t payload_left_ = 0;
  std::uint32_t payload_stream_ = 0;
  bool payload_fin_ = false;
};

}  // namespace sallyport::mux
