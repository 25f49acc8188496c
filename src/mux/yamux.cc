#include "mux/yamux.h"

#include <algorithm>
#include <limits>

namespace sallyport::mux {
namespace {

// What the far side can make us owe it while we cannot send: pongs, resets of streams refused.
constexpr std::size_t kMaxOwedFrames = std::size_t{256} << 10U;

}  // namespace

Yamux::Yamux(Role role, const Limits& limits, Observer& observer)
    : role_(role),
      limits_(limits),
      observer_(observer),
      // spec.md, "StreamID Field": "The client side should use odd ID's, and the server even."
      next_id_(role == Role::Client ? 1 : 2) {}

// ---- In ----

Result<void> Yamux::on_received(Bytes octets) {
  while (!octets.empty() && !failed_) {
    if (payload_left_ > 0) {
      const auto n = std::min<std::size_t>(payload_left_, octets.size());
      payload_left_ -= static_cast<std::uint32_t>(n);
      on_payload(octets.first(n));
      octets = octets.subspan(n);
      if (payload_left_ == 0) end_of_frame();
      continue;
    }
    const auto n = std::min(kFrameHeaderSize - header_have_, octets.size());
    std::copy_n(octets.begin(), n, header_.begin() + static_cast<std::ptrdiff_t>(header_have_));
    header_have_ += n;
    octets = octets.subspan(n);
    if (header_have_ < kFrameHeaderSize) break;
    header_have_ = 0;
    if (auto result = on_header(); !result) return result;
    if (frames_.size() > kMaxOwedFrames) {
      go_away(GoAway::InternalError);
      failed_ = true;
      return fail(Errc::Exhausted, "yamux: more to answer than is taken");
    }
  }
  return {};
}

// A frame (spec.md, "Framing"):
//   | version (1) = 0 | type (1) | flags (2) | stream (4) | length (4) | payload, Data only |
Result<void> Yamux::on_header() {
  Reader in{header_};
  const std::uint8_t version = in.u8();
  const std::uint8_t type = in.u8();
  const std::uint16_t flags = in.u16();
  const std::uint32_t id = in.u32();
  const std::uint32_t length = in.u32();
  if (version != 0) return protocol_error("yamux: version");
  if (flags > (kSyn | kAck | kFin | kRst)) return protocol_error("yamux: unknown flag");
  switch (static_cast<Type>(type)) {
    case Type::Data:
    case Type::WindowUpdate:
      return on_stream_frame(static_cast<Type>(type), flags, id, length);
    case Type::Ping:
    case Type::GoAway:
      return on_session_frame(static_cast<Type>(type), flags, id, length);
  }
  return protocol_error("yamux: unknown frame type");
}

Result<void> Yamux::on_session_frame(Type type, std::uint16_t flags, std::uint32_t id,
                                     std::uint32_t length) {
  // spec.md, "StreamID Field": "Both Ping and Go Away messages should always use the 0 StreamID."
  if (id != 0) return protocol_error("yamux: session frame with a stream number");
  if (type == Type::Ping) {
    if (flags == kSyn) {
      frame(Type::Ping, kAck, 0, length);
      return {};
    }
    if (flags != kAck) return protocol_error("yamux: flags of a ping");
    observer_.on_pong(length);
    return {};
  }
  if (length > static_cast<std::uint32_t>(GoAway::InternalError))
    return protocol_error("yamux: unknown go-away code");
  far_gone_away_ = true;
  observer_.on_go_away(static_cast<GoAway>(length));
  return {};
}

Result<void> Yamux::on_stream_frame(Type type, std::uint16_t flags, std::uint32_t id,
                                    std::uint32_t length) {
  if (id == 0) return protocol_error("yamux: stream 0 carries no data");
  // Nobody ever has more room than one window, known stream or not: a length is not believed.
  if (type == Type::Data && length > kWindow) return protocol_error("yamux: frame too long");
  if ((flags & kSyn) != 0) {
    auto accepted = accept_stream(id);
    if (!accepted) return tl::make_unexpected(accepted.error());
    if (*accepted) observer_.on_stream(ChannelId{id});
  }
  Stream* stream = find(id);
  if (stream == nullptr) {
    if (auto known = check_unknown(id); !known) return protocol_error(known.error().what);
    // It was reset or refused, and the far side did not know that yet.
    if (type == Type::Data) {
      payload_left_ = length;
      payload_stream_ = 0;
    }
    return {};
  }
  if ((flags & kAck) != 0) {
    if (!stream->ours || stream->acknowledged) return protocol_error("yamux: unexpected ACK");
    acknowledged(*stream);
    stream = find(id);  // streams that waited are told, and may do anything
    if (stream == nullptr) return {};
  }
  if ((flags & kRst) != 0) {
    on_reset_frame(id);
    if (type == Type::Data) {
      payload_left_ = length;
      payload_stream_ = 0;
    }
    return {};
  }
  if ((flags & kFin) != 0 && stream->fin_received) return protocol_error("yamux: second FIN");
  if (type == Type::WindowUpdate) {
    if (auto grown = grow_window(id, length); !grown) return grown;
    payload_fin_ = (flags & kFin) != 0;
    payload_stream_ = id;
    end_of_frame();
    return {};
  }
  if (stream->fin_received && length > 0) return protocol_error("yamux: data after FIN");
  if (length > stream->receive_window) return protocol_error("yamux: window exceeded");
  stream->receive_window -= length;
  payload_left_ = length;
  payload_stream_ = id;
  payload_fin_ = (flags & kFin) != 0;
  if (length == 0) end_of_frame();
  return {};
}

// A stream that we do not have must once have been.
Result<void> Yamux::check_unknown(std::uint32_t id) const {
  if (is_ours(id) ? id >= next_id_ : id > greatest_seen_)
    return fail(Errc::BadValue, "yamux: frame for a stream that was never opened");
  return {};
}

// True: the stream is new and ours to tell; false: it was refused.
Result<bool> Yamux::accept_stream(std::uint32_t id) {
  if (is_ours(id)) {
    return protocol_error("yamux: stream number of the wrong side").map([] { return false; });
  }
  if (streams_.contains(id)) {
    return protocol_error("yamux: stream opened twice").map([] { return false; });
  }
  // Not `next must be greater`: hashicorp's takes numbers and sends SYNs on separate threads.
  greatest_seen_ = std::max(greatest_seen_, id);
  if (gone_away_ || theirs_ >= limits_.max_streams) {
    frame(Type::WindowUpdate, kRst, id, 0);
    return false;
  }
  streams_.emplace(id, Stream{});
  ++theirs_;
  frame(Type::WindowUpdate, kAck, id, 0);
  return true;
}

Result<void> Yamux::grow_window(std::uint32_t id, std::uint32_t delta) {
  Stream& stream = *find(id);
  if (delta > std::numeric_limits<std::uint32_t>::max() - stream.send_window)
    return protocol_error("yamux: window too large");
  const bool was_closed = stream.send_window == 0;
  stream.send_window += delta;
  if (was_closed && delta > 0 && stream.syn_sent) observer_.on_writable(ChannelId{id});
  return {};
}

void Yamux::on_payload(Bytes octets) {
  if (find(payload_stream_) != nullptr) observer_.on_data(ChannelId{payload_stream_}, octets);
}

// The FIN flag takes effect after its frame's payload.
void Yamux::end_of_frame() {
  if (!std::exchange(payload_fin_, false)) return;
  Stream* stream = find(payload_stream_);
  if (stream == nullptr) return;  // reset by the handler of its data
  stream->fin_received = true;
  if (stream->fin_sent) forget(payload_stream_);
  observer_.on_fin(ChannelId{payload_stream_});
}

void Yamux::on_reset_frame(std::uint32_t id) {
  forget(id);
  observer_.on_reset(ChannelId{id});
}

// ---- Out ----

ChannelId Yamux::open() {
  if (failed_ || far_gone_away_ || next_id_ > std::numeric_limits<std::uint32_t>::max()) return {};
  const auto id = static_cast<std::uint32_t>(next_id_);
  next_id_ += 2;
  streams_.emplace(id, Stream{.ours = true, .syn_sent = false, .acknowledged = false});
  waiting_.push_back(id);
  send_waiting_syns();
  return ChannelId{id};
}

void Yamux::send_waiting_syns() {
  while (!waiting_.empty() && unacknowledged_ < limits_.backlog) {
    const std::uint32_t id = waiting_.front();
    waiting_.pop_front();
    Stream& stream = *find(id);
    stream.syn_sent = true;
    ++unacknowledged_;
    frame(Type::WindowUpdate, kSyn, id, 0);
    if (stream.fin_sent) {
      frame(Type::WindowUpdate, kFin, id, 0);
    } else {
      observer_.on_writable(ChannelId{id});
    }
  }
}

std::size_t Yamux::writable(ChannelId id) const {
  const auto it = streams_.find(id.value);
  if (it == streams_.end() || !it->second.syn_sent || it->second.fin_sent) return 0;
  return it->second.send_window;
}

std::size_t Yamux::write(ChannelId id, Bytes octets, Buffer& out, std::size_t room) {
  if (room <= kFrameHeaderSize || failed_) return 0;
  const std::size_t n = std::min({octets.size(), writable(id), room - kFrameHeaderSize});
  if (n == 0) return 0;
  const auto length = static_cast<std::uint32_t>(n);
  Writer{out}
      .u8(0)
      .u8(static_cast<std::uint8_t>(Type::Data))
      .u16(0)
      .u32(id.value)
      .u32(length)
      .bytes(octets.first(n));
  find(id.value)->send_window -= length;
  return n;
}

void Yamux::fin(ChannelId id) {
  Stream* stream = find(id.value);
  if (stream == nullptr || stream->fin_sent) return;
  stream->fin_sent = true;
  if (stream->syn_sent) frame(Type::WindowUpdate, kFin, id.value, 0);
  if (stream->fin_received) forget(id.value);
}

void Yamux::reset(ChannelId id) {
  const Stream* stream = find(id.value);
  if (stream == nullptr) return;
  if (stream->syn_sent) frame(Type::WindowUpdate, kRst, id.value, 0);
  forget(id.value);
}

void Yamux::consumed(ChannelId id, std::size_t octets) {
  Stream* stream = find(id.value);
  if (stream == nullptr || stream->fin_received) return;
  stream->credit += static_cast<std::uint32_t>(octets);
  if (stream->credit < kWindow / 2) return;
  stream->receive_window += stream->credit;
  frame(Type::WindowUpdate, 0, id.value, std::exchange(stream->credit, 0));
}

void Yamux::go_away(GoAway code) {
  gone_away_ = true;
  frame(Type::GoAway, 0, 0, static_cast<std::uint32_t>(code));
}

void Yamux::take_frames(Buffer& out, std::size_t room) {
  const std::size_t n = std::min(room, frames_.size());
  if (n == 0) return;
  const Bytes taken = frames_.view().first(n);
  out.insert(out.end(), taken.begin(), taken.end());
  frames_.pop(n);
}

// ---- Both ----

Yamux::Stream* Yamux::find(std::uint32_t id) {
  const auto it = streams_.find(id);
  return it == streams_.end() ? nullptr : &it->second;
}

void Yamux::acknowledged(Stream& stream) {
  stream.acknowledged = true;
  --unacknowledged_;
  send_waiting_syns();
}

void Yamux::forget(std::uint32_t id) {
  const auto it = streams_.find(id);
  if (it == streams_.end()) return;
  const Stream stream = it->second;
  streams_.erase(it);
  if (!stream.ours) {
    --theirs_;
  } else if (!stream.syn_sent) {
    waiting_.remove(id);
  } else if (!stream.acknowledged) {
    --unacknowledged_;
    send_waiting_syns();
  }
}

Result<void> Yamux::protocol_error(std::string_view what) {
  go_away(GoAway::ProtocolError);
  failed_ = true;
  return fail(Errc::BadValue, what);
}

void Yamux::frame(Type type, std::uint16_t flags, std::uint32_t id, std::uint32_t length) {
  Buffer octets;
  octets.reserve(kFrameHeaderSize);
  Writer{octets}.u8(0).u8(static_cast<std::uint8_t>(type)).u16(flags).u32(id).u32(length);
  frames_.push(octets);
}

}  // namespace sallyport::mux
