// Records: what the two ends of a multiplex connection write on one TLS connection. A connection
// begins with hello (from the side that dialled) and hello-accept or refuse (from the side that
// accepted); then either side says with begin where its octets start, and sends data. Parsing and
// encoding only, stateless but for RecordReader, which collects octets into whole records.
// docs/PROTOCOL.md, "The multiplex connection", is the normative text.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/result.h"
#include "base/time.h"
#include "mux/byte_queue.h"

namespace sallyport::mux {

constexpr std::string_view kAlpn = "sallyport/1";
constexpr std::uint8_t kVersion = 1;  // of records, stream headers and the way they are used

// The label with which the key that binds a resume to its TLS connection is exported (no context).
constexpr std::string_view kResumeExporterLabel = "EXPORTER-sallyport-resume";

using SessionId = std::array<std::uint8_t, 16>;   // all zero: none
using InstanceId = std::array<std::uint8_t, 16>;  // random, one for each run of an agent process
using ResumeSecret = std::array<std::uint8_t, 32>;
using ResumeProof = std::array<std::uint8_t, 32>;
using ExporterKey = std::array<std::uint8_t, 32>;

enum class RecordType : std::uint8_t {
  Hello = 1,
  HelloAccept = 2,
  Refuse = 3,
  Begin = 4,  // the offset of this connection's first data octet
  Data = 5,   // octets; their offset is implied by what went before on this connection
  Ack = 6,    // every octet below this offset was received
  Ping = 7,   // an opaque stamp, sent back in
  Pong = 8,
  Switch = 9,  // the sender goes on, on another connection; all below this offset was sent here
  Close = 10,  // the session is over
};

constexpr std::size_t kRecordHeaderSize = 4;
constexpr std::size_t kHelloSize = 92;
constexpr std::size_t kHelloAcceptSize = 80;
// A whole record fits one TLS record (RFC 8446 5.1: 2^14 octets).
constexpr std::size_t kMaxRecordBody = 16384 - kRecordHeaderSize;

// By which way the agent dialled, as it says: for people at the server, nothing follows from it.
enum class WayKind : std::uint8_t { Untold = 0, Direct = 1, AlternativePort = 2, Proxy = 3 };
std::string_view name(WayKind kind);  // "alternative_port"; "untold" if it is not known

struct Hello {
  std::uint8_t least_version = kVersion;
  std::uint8_t greatest_version = kVersion;
  WayKind way = WayKind::Untold;
  InstanceId instance{};
  SessionId session{};           // all zero: begin a new session
  std::uint64_t connection = 1;  // greater than every number used in this session before
  std::uint64_t received = 0;    // every octet below this offset was received
  ResumeProof proof{};           // all zero with a new session
  bool resumes() const { return session != SessionId{}; }
  bool speaks(std::uint8_t version) const {
    return least_version <= version && version <= greatest_version;
  }
  friend bool operator==(const Hello&, const Hello&) = default;
};

struct HelloAccept {
  std::uint8_t version = kVersion;
  SessionId session{};
  ResumeSecret secret{};           // proves the next resume
  std::uint64_t received = 0;      // every octet below this offset was received; 0 in a new session
  milliseconds dead_after{15000};  // both sides: silence after which a connection is dead
  milliseconds life{60000};        // both sides: how long a session lives without a connection
  WallTime server_time{};          // millisecond resolution
  friend bool operator==(const HelloAccept&, const HelloAccept&) = default;
};

enum class RefusalCode : std::uint16_t {
  Malformed = 1,     // the hello cannot be read
  WrongVersion = 2,  // no version in common
  BadToken = 3,      // join: the invitation is unknown, used up or expired
  UnknownAgent = 4,  // this certificate was never enrolled here
  RevokedAgent = 5,
  CertificateExpired = 6,  // or not yet valid: compare server_time with your clock
  AlreadyConnected = 7,    // another process with this certificate is connected, and answers
  Overloaded = 8,          // try again after retry_after
  NoSuchSession = 9,       // it has ended, or the server was restarted: begin a new one
  BadProof = 10,
  StaleConnection = 11,  // the connection number was used before
  Stopping = 12,         // the server is being stopped: go to another one
};
std::string_view name(RefusalCode code);  // "revoked_agent"

struct Refusal {
  RefusalCode code = RefusalCode::Malformed;
  milliseconds retry_after{0};  // 0: as the dialling side sees fit
  WallTime server_time{};       // millisecond resolution
  std::string text{};           // for people, UTF-8, at most kMaxText octets
  friend bool operator==(const Refusal&, const Refusal&) = default;
};
constexpr std::size_t kMaxText = 512;

enum class CloseCode : std::uint16_t {
  Normal = 0,
  ProtocolError = 1,
  InternalError = 2,
  Stalled = 3,   // the control channel was not read
  Stopping = 4,  // the process is being stopped
  Replaced = 5,  // the agent has begun another session
  Revoked = 6,
};
std::string_view name(CloseCode code);

struct Close {
  CloseCode code = CloseCode::Normal;
  std::string text{};  // for people, at most kMaxText octets
  friend bool operator==(const Close&, const Close&) = default;
};

// Appends one whole record.
void encode(const Hello& hello, Buffer& out);
void encode(const HelloAccept& accept, Buffer& out);
void encode(const Refusal& refusal, Buffer& out);
void encode(const Close& close, Buffer& out);
void encode_number(RecordType type, std::uint64_t number, Buffer& out);  // begin, ack, ping, ...
void encode_data(Bytes octets, Buffer& out);  // 1 to kMaxRecordBody octets

// `body` as RecordReader gives it.
Result<Hello> parse_hello(Bytes body);
Result<HelloAccept> parse_hello_accept(Bytes body);
Result<Refusal> parse_refusal(Bytes body);
Result<Close> parse_close(Bytes body);
Result<std::uint64_t> parse_number(Bytes body);

struct Record {
  RecordType type;
  Bytes body;  // borrowed until the reader is next called
};

// Collects octets into records. Holds at most one record's octets more than it was given.
class RecordReader {
 public:
  // More octets; they are borrowed until next() has returned nothing.
  void feed(Bytes octets);
  // The next whole record; nothing if it is not there yet. An error is final: the far side does
  // not speak this protocol.
  Result<std::optional<Record>> next();
  // What was fed and is not yet part of a record returned: goes to whoever reads on.
  Buffer take_rest();

 private:
  void keep(Bytes input, bool from_partial);

  ByteQueue partial_;     // the beginning of a record whose end has not come
  std::size_t used_ = 0;  // octets of partial_ that the last record returned occupies
  Bytes fed_;
};

}  // namespace sallyport::mux
