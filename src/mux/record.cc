#include "mux/record.h"

#include <algorithm>

namespace sallyport::mux {
namespace {

// A record:
//   | type (1) | reserved (1) = 0 | length of the body (2), at most 16380 | body |
void encode_header(RecordType type, std::size_t length, Buffer& out) {
  Writer{out}.u8(static_cast<std::uint8_t>(type)).u8(0).u16(static_cast<std::uint16_t>(length));
}

std::uint64_t to_milliseconds(WallTime time) {
  return static_cast<std::uint64_t>(
      std::chrono::duration_cast<milliseconds>(time.time_since_epoch()).count());
}

// WallTime counts nanoseconds and ends in the year 2262: what does not fit it is not a time.
Result<WallTime> from_milliseconds(std::uint64_t count, std::size_t offset) {
  constexpr std::uint64_t kYear2200 = 7258118400000;
  if (count > kYear2200) return fail(Errc::BadValue, "time", offset);
  return WallTime{} + milliseconds{static_cast<std::int64_t>(count)};
}

std::string_view shortened(std::string_view text) { return text.substr(0, kMaxText); }

Result<std::string> parse_text(Reader& in) {
  const Bytes text = in.rest();
  if (text.size() > kMaxText) return fail(Errc::BadValue, "text too long", in.offset());
  return std::string{as_text(text)};
}

}  // namespace

std::string_view name(RefusalCode code) {
  switch (code) {
    case RefusalCode::Malformed:
      return "malformed";
    case RefusalCode::WrongVersion:
      return "wrong_version";
    case RefusalCode::BadToken:
      return "bad_token";
    case RefusalCode::UnknownAgent:
      return "unknown_agent";
    case RefusalCode::RevokedAgent:
      return "revoked_agent";
    case RefusalCode::CertificateExpired:
      return "certificate_expired";
    case RefusalCode::AlreadyConnected:
      return "already_connected";
    case RefusalCode::Overloaded:
      return "overloaded";
    case RefusalCode::NoSuchSession:
      return "no_such_session";
    case RefusalCode::BadProof:
      return "bad_proof";
    case RefusalCode::StaleConnection:
      return "stale_connection";
    case RefusalCode::Stopping:
      return "stopping";
  }
  return "unknown";
}

std::string_view name(CloseCode code) {
  switch (code) {
    case CloseCode::Normal:
      return "normal";
    case CloseCode::ProtocolError:
      return "protocol_error";
    case CloseCode::InternalError:
      return "internal_error";
    case CloseCode::Stalled:
      return "stalled";
    case CloseCode::Stopping:
      return "stopping";
    case CloseCode::Replaced:
      return "replaced";
    case CloseCode::Revoked:
      return "revoked";
  }
  return "unknown";
}

std::string_view name(WayKind kind) {
  switch (kind) {
    case WayKind::Untold:
      return "untold";
    case WayKind::Direct:
      return "direct";
    case WayKind::AlternativePort:
      return "alternative_port";
    case WayKind::Proxy:
      return "proxy";
  }
  return "untold";
}

// hello (92 octets):
//   | least version (1) | greatest version (1) | way (1) | reserved (1) = 0 | instance (16) |
//   | session (16) | connection (8) | received (8) | reserved (8) = 0 | proof (32) |
// The proof is HMAC-SHA256 over what stands before it: resumption.cc.
void encode(const Hello& hello, Buffer& out) {
  encode_header(RecordType::Hello, kHelloSize, out);
  Writer{out}
      .u8(hello.least_version)
      .u8(hello.greatest_version)
      .u8(static_cast<std::uint8_t>(hello.way))
      .u8(0)
      .bytes(hello.instance)
      .bytes(hello.session)
      .u64(hello.connection)
      .u64(hello.received)
      .u64(0)
      .bytes(hello.proof);
}

Result<Hello> parse_hello(Bytes body) {
  Reader in{body};
  Hello hello;
  hello.least_version = in.u8();
  hello.greatest_version = in.u8();
  hello.way = WayKind{in.u8()};  // a later version's as it is: the proof covers it
  in.skip(1);
  hello.instance = in.array<16>();
  hello.session = in.array<16>();
  hello.connection = in.u64();
  hello.received = in.u64();
  in.skip(8);
  hello.proof = in.array<32>();
  if (!in.ok()) return fail(Errc::Truncated, "hello", in.offset());
  if (hello.least_version > hello.greatest_version) return fail(Errc::BadValue, "versions", 0);
  if (hello.connection == 0) return fail(Errc::BadValue, "connection number", 36);
  return hello;  // octets after the proof are room for a later version
}

// hello-accept (80 octets):
//   | version (1) | reserved (3) = 0 | session (16) | secret (32) | received (8) |
//   | dead after, ms (4) | life, ms (4) | reserved (4) = 0 | server's time, ms since 1970 (8) |
void encode(const HelloAccept& accept, Buffer& out) {
  encode_header(RecordType::HelloAccept, kHelloAcceptSize, out);
  Writer{out}
      .u8(accept.version)
      .u8(0)
      .u16(0)
      .bytes(accept.session)
      .bytes(accept.secret)
      .u64(accept.received)
      .u32(static_cast<std::uint32_t>(accept.dead_after.count()))
      .u32(static_cast<std::uint32_t>(accept.life.count()))
      .u32(0)
      .u64(to_milliseconds(accept.server_time));
}

Result<HelloAccept> parse_hello_accept(Bytes body) {
  Reader in{body};
  HelloAccept accept;
  accept.version = in.u8();
  in.skip(3);
  accept.session = in.array<16>();
  accept.secret = in.array<32>();
  accept.received = in.u64();
  accept.dead_after = milliseconds{in.u32()};
  accept.life = milliseconds{in.u32()};
  in.skip(4);
  const auto time = from_milliseconds(in.u64(), 72);
  if (!in.ok()) return fail(Errc::Truncated, "hello-accept", in.offset());
  if (!time) return tl::make_unexpected(time.error());
  if (accept.version != kVersion) return fail(Errc::Unsupported, "version", 0);
  if (accept.session == SessionId{}) return fail(Errc::BadValue, "session", 4);
  if (accept.dead_after < milliseconds{100}) return fail(Errc::BadValue, "dead after", 60);
  accept.server_time = *time;
  return accept;
}

// refuse:
//   | code (2) | reserved (2) = 0 | retry after, ms (4) | server's time, ms since 1970 (8) | text |
void encode(const Refusal& refusal, Buffer& out) {
  const std::string_view text = shortened(refusal.text);
  encode_header(RecordType::Refuse, 16 + text.size(), out);
  Writer{out}
      .u16(static_cast<std::uint16_t>(refusal.code))
      .u16(0)
      .u32(static_cast<std::uint32_t>(refusal.retry_after.count()))
      .u64(to_milliseconds(refusal.server_time))
      .bytes(as_bytes(text));
}

Result<Refusal> parse_refusal(Bytes body) {
  Reader in{body};
  Refusal refusal;
  refusal.code = static_cast<RefusalCode>(in.u16());  // an unknown one is a refusal all the same
  in.skip(2);
  refusal.retry_after = milliseconds{in.u32()};
  const auto time = from_milliseconds(in.u64(), 8);
  if (!in.ok()) return fail(Errc::Truncated, "refuse", in.offset());
  if (!time) return tl::make_unexpected(time.error());
  auto text = parse_text(in);
  if (!text) return tl::make_unexpected(text.error());
  refusal.server_time = *time;
  refusal.text = std::move(*text);
  return refusal;
}

// close:
//   | code (2) | text |
void encode(const Close& close, Buffer& out) {
  const std::string_view text = shortened(close.text);
  encode_header(RecordType::Close, 2 + text.size(), out);
  Writer{out}.u16(static_cast<std::uint16_t>(close.code)).bytes(as_bytes(text));
}

Result<Close> parse_close(Bytes body) {
  Reader in{body};
  Close close;
  close.code = static_cast<CloseCode>(in.u16());
  if (!in.ok()) return fail(Errc::Truncated, "close", in.offset());
  auto text = parse_text(in);
  if (!text) return tl::make_unexpected(text.error());
  close.text = std::move(*text);
  return close;
}

// begin, ack and switch carry an offset, ping and pong a stamp:
//   | number (8) |
void encode_number(RecordType type, std::uint64_t number, Buffer& out) {
  encode_header(type, 8, out);
  Writer{out}.u64(number);
}

Result<std::uint64_t> parse_number(Bytes body) {
  if (body.size() != 8) return fail(Errc::BadValue, "number", body.size());
  return Reader{body}.u64();
}

void encode_data(Bytes octets, Buffer& out) {
  encode_header(RecordType::Data, octets.size(), out);
  Writer{out}.bytes(octets);
}

// ---- RecordReader ----

void RecordReader::feed(Bytes octets) {
  partial_.pop(std::exchange(used_, 0));
  if (partial_.empty() && fed_.empty()) {
    fed_ = octets;
  } else {
    if (!fed_.empty()) partial_.push(fed_);
    fed_ = {};
    partial_.push(octets);
  }
}

Result<std::optional<Record>> RecordReader::next() {
  partial_.pop(std::exchange(used_, 0));
  // Whole records are read where they lie; only a record's beginning is copied.
  const bool from_partial = !partial_.empty();
  const Bytes input = from_partial ? partial_.view() : fed_;
  if (input.size() < kRecordHeaderSize) {
    keep(input, from_partial);
    return std::nullopt;
  }
  Reader in{input};
  const std::uint8_t type = in.u8();
  in.skip(1);
  const std::size_t length = in.u16();
  if (type < static_cast<std::uint8_t>(RecordType::Hello) ||
      type > static_cast<std::uint8_t>(RecordType::Close))
    return fail(Errc::BadValue, "record type");
  if (length > kMaxRecordBody) return fail(Errc::BadValue, "record too long");
  if (in.left() < length) {
    keep(input, from_partial);
    return std::nullopt;
  }
  const std::size_t whole = kRecordHeaderSize + length;
  if (from_partial) {
    used_ = whole;
  } else {
    fed_ = fed_.subspan(whole);
  }
  return Record{static_cast<RecordType>(type), input.subspan(kRecordHeaderSize, length)};
}

void RecordReader::keep(Bytes input, bool from_partial) {
  if (from_partial) return;
  partial_.push(input);
  fed_ = {};
}

Buffer RecordReader::take_rest() {
  partial_.pop(std::exchange(used_, 0));
  if (!fed_.empty()) partial_.push(fed_);
  fed_ = {};
  return partial_.take();
}

}  // namespace sallyport::mux
