// What every stream but the control channel begins with: which association it belongs to and what
// it carries; and how a datagram is framed inside a stream of kind Datagrams. Used by Multiplex
// only; the layers above see the values. Stateless.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/bytes.h"
#include "base/result.h"
#include "base/transport_address.h"
#include "mux/logical_channel.h"

namespace sallyport::mux {

// Numbers are the wire's.
enum class StreamKind : std::uint8_t {
  ByteStream = 1,  // octets of one TCP or TLS connection
  Datagrams = 2,   // datagrams of one UDP port, boundaries and addresses preserved
  Bulk = 3,        // reserved for file transfers
  Media = 4,       // reserved for the stream carriage
};

struct StreamHeader {
  StreamKind kind = StreamKind::ByteStream;
  Priority priority = Priority::Signalling;  // both directions of the stream have it
  std::uint64_t association = 0;  // edge::ConnectionId of a byte stream, edge::ListenerId of a port
  std::uint64_t listener = 0;     // accepted connections: the edge::ListenerId it came by; else 0
  TransportAddress local{};       // accepted connections: as the edge that accepted sees them;
  TransportAddress remote{};      // else 0.0.0.0:0
  friend bool operator==(const StreamHeader&, const StreamHeader&) = default;
};

constexpr std::uint8_t kStreamHeaderVersion = 1;
constexpr std::size_t kStreamHeaderSize = 58;

void encode(const StreamHeader& header, Buffer& out);
// `octets` is exactly kStreamHeaderSize long, or longer: the rest is the stream's first content.
Result<StreamHeader> parse_stream_header(Bytes octets);

// ---- Datagrams inside a stream ----
struct DatagramHeader {
  std::uint16_t length = 0;   // of the datagram that follows
  TransportAddress local{};   // the edge's own address: that it arrived at, or is to leave from
  TransportAddress remote{};  // the terminal's or the destination's
  friend bool operator==(const DatagramHeader&, const DatagramHeader&) = default;
};

constexpr std::size_t kDatagramHeaderSize = 40;

void encode(const DatagramHeader& header, Buffer& out);
Result<DatagramHeader> parse_datagram_header(Bytes octets);

}  // namespace sallyport::mux
