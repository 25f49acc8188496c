// Datagrams of the tagged carriage: how many streams share one agent socket and one server port (a
// trunk). Each component of a flow has a channel, a number that is unique in its trunk and not 0.
// All integers are in network byte order.
//
//   plain    | 0x04 | version 2 | channel (2) | payload ... |
//   sealed   | 0x0c + epoch | core | channel (2) | counter (4) | payload, encrypted ... | tag (16)
//   |
//
// The header of a sealed datagram is what the AEAD authenticates beside the payload (seal.h says
// which key). With a flow's channel, the payload is that channel's packet as it is. With another,
// whose bits but the owner's are 0, it is a sequence of records, and a record with channel 0
// (kNoChannel) is the trunk's own:
//
//   record   | form (4 bits) | length (12 bits) | channel (2) | length octets ... |
//
// Version 1 of the plain header is the escape of the bound carriage (escape.h). Works in place.
#pragma once

#include <optional>

#include "base/bytes.h"
#include "base/result.h"
#include "media/media.h"

namespace sallyport::media {

constexpr std::size_t kPlainHeader = 4;
constexpr std::uint8_t kPlainVersion = 2;
constexpr std::size_t kSealedHeader = 8;
constexpr std::size_t kSealTag = 16;

struct SealedHeader {
  std::uint8_t epoch = 0;  // 0 to 3
  std::uint8_t core = 0;
  Channel channel = kNoChannel;
  std::uint32_t counter = 0;  // its low 32 bits
  friend bool operator==(const SealedHeader&, const SealedHeader&) = default;
};

// `at` has room for the header.
void write_plain_header(MutableBytes at, Channel channel);
void write(const SealedHeader& header, MutableBytes at);

// Truncated: no whole header and tag, or nothing between. Unsupported (plain): another version.
Result<Channel> parse_plain_header(Bytes datagram);
Result<SealedHeader> parse_sealed_header(Bytes datagram);

enum class Form : std::uint8_t {
  Padding = 0,     // up to the end of the datagram; one octet of it is enough
  Packet = 1,      // a whole packet
  FirstPart = 2,   // of a packet that is too large for the path: | number (1) | octets |
  SecondPart = 3,  // the rest of it
  Compressed = 4,  // rtp_compression.h
  Reference = 5,   // rtp_compression.h
  PathProbe = 6,   // path_mtu.h; channel 0
  PathAnswer = 7,  // path_mtu.h; channel 0
  // 8 to 15 are a short form of Compressed, whose payload is as long as that of the compressed
  // record before it in this datagram:
  //   | 1 (1 bit) | generation (5 bits) | offset (10 bits) | channel (2) | payload |
};

constexpr std::size_t kRecordHeader = 4;
constexpr std::size_t kLongestRecord = 4095;

// Of a compressed record: the octets of its head, which the length counts.
constexpr std::size_t kCompressedHead = 2;

// `at` has room for the header; length is at most kLongestRecord.
void write_record_header(MutableBytes at, Form form, Channel channel, std::size_t length);

struct Record {
  Form form = Form::Padding;  // perhaps one that is not known
  Channel channel = kNoChannel;
  MutableBytes body;             // of a compressed packet: its payload
  std::uint16_t compressed = 0;  // of a compressed packet: its head (rtp_compression.h)
};

// Walks over records; padding ends them.
class RecordReader {
 public:
  explicit RecordReader(MutableBytes records) : rest_(records) {}
  std::optional<Record> next();
  bool ok() const { return ok_; }  // false: the last record is cut

 private:
  std::optional<Record> cut();

  MutableBytes rest_;
  std::optional<std::size_t> last_compressed_;  // octets of its payload
  bool ok_ = true;
};

}  // namespace sallyport::media
