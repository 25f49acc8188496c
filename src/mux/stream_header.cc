#include "mux/stream_header.h"

#include <algorithm>
#include <array>

namespace sallyport::mux {
namespace {

// A transport address inside a stream (19 octets):
//   | family (1): 0 none, 4, 6 | port (2) | address (16): IPv4 in the first 4, the others zero |
void encode_address(const TransportAddress& address, Writer& out) {
  const Bytes ip = address.ip.octets();
  const bool none = address == TransportAddress{};
  std::array<std::uint8_t, 16> padded{};
  std::copy(ip.begin(), ip.end(), padded.begin());
  const std::uint8_t family = address.ip.is_v4() ? 4 : 6;
  out.u8(none ? std::uint8_t{0} : family).u16(address.port).bytes(padded);
}

Result<TransportAddress> parse_address(Reader& in) {
  const std::uint8_t family = in.u8();
  const std::uint16_t port = in.u16();
  const auto octets = in.array<16>();
  switch (family) {
    case 0:
      return TransportAddress{};
    case 4: {
      std::array<std::uint8_t, 4> v4{};
      std::copy_n(octets.begin(), 4, v4.begin());
      return TransportAddress{IpAddress::v4(v4), port};
    }
    case 6:
      return TransportAddress{IpAddress::v6(octets), port};
    default:
      return fail(Errc::BadValue, "address family", in.offset());
  }
}

}  // namespace

// The stream header (58 octets):
//   | version (1) = 1 | kind (1) | priority (1) | reserved (1) = 0 | association (8) |
//   | listener (8) | local address (19) | remote address (19) |
void encode(const StreamHeader& header, Buffer& out) {
  Writer writer{out};
  writer.u8(kStreamHeaderVersion)
      .u8(static_cast<std::uint8_t>(header.kind))
      .u8(static_cast<std::uint8_t>(header.priority))
      .u8(0)
      .u64(header.association)
      .u64(header.listener);
  encode_address(header.local, writer);
  encode_address(header.remote, writer);
}

Result<StreamHeader> parse_stream_header(Bytes octets) {
  if (octets.size() < kStreamHeaderSize)
    return fail(Errc::Truncated, "stream header", octets.size());
  Reader in{octets};
  if (in.u8() != kStreamHeaderVersion) return fail(Errc::Unsupported, "stream header version", 0);
  StreamHeader header;
  const std::uint8_t kind = in.u8();
  // Bulk and Media are reserved: whoever cannot serve a kind resets its streams.
  if (kind != static_cast<std::uint8_t>(StreamKind::ByteStream) &&
      kind != static_cast<std::uint8_t>(StreamKind::Datagrams))
    return fail(Errc::Unsupported, "stream kind", 1);
  header.kind = static_cast<StreamKind>(kind);
  const std::uint8_t priority = in.u8();
  if (priority > static_cast<std::uint8_t>(Priority::Bulk))
    return fail(Errc::BadValue, "stream priority", 2);
  header.priority = static_cast<Priority>(priority);
  in.skip(1);
  header.association = in.u64();
  header.listener = in.u64();
  const auto local = parse_address(in);
  if (!local) return tl::make_unexpected(local.error());
  const auto remote = parse_address(in);
  if (!remote) return tl::make_unexpected(remote.error());
  header.local = *local;
  header.remote = *remote;
  return header;
}

// Before each datagram in a stream of kind Datagrams (40 octets):
//   | length of the datagram (2) | local address (19) | remote address (19) |
void encode(const DatagramHeader& header, Buffer& out) {
  Writer writer{out};
  writer.u16(header.length);
  encode_address(header.local, writer);
  encode_address(header.remote, writer);
}

Result<DatagramHeader> parse_datagram_header(Bytes octets) {
  if (octets.size() < kDatagramHeaderSize)
    return fail(Errc::Truncated, "datagram header", octets.size());
  Reader in{octets};
  DatagramHeader header;
  header.length = in.u16();
  const auto local = parse_address(in);
  if (!local) return tl::make_unexpected(local.error());
  const auto remote = parse_address(in);
  if (!remote) return tl::make_unexpected(remote.error());
  header.local = *local;
  header.remote = *remote;
  return header;
}

}  // namespace sallyport::mux
