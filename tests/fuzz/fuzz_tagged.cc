// What may come on a trunk once it is authentic, and before: headers and records are encoded again
// as they were parsed; nothing that is not sealed is opened; compressed packets and packets in two
// parts neither crash nor leave their room.
#include <algorithm>

#include "media/key_ring.h"
#include "media/reassembly.h"
#include "media/rtp_compression.h"
#include "require.h"

using namespace sallyport;
using namespace sallyport::media;

namespace {

constexpr TimePoint kNow{std::chrono::hours{1}};

void check_headers(Bytes datagram) {
  std::array<std::uint8_t, kSealedHeader> again{};
  if (const auto channel = parse_plain_header(datagram)) {
    write_plain_header(again, *channel);
    SALLYPORT_REQUIRE(std::equal(again.begin(), again.begin() + kPlainHeader, datagram.begin()));
  }
  const auto header = parse_sealed_header(datagram);
  if (!header) return;
  write(*header, again);
  SALLYPORT_REQUIRE(std::equal(again.begin(), again.end(), datagram.begin()));
  static KeyRing ring = [] {
    KeyRing made;
    made.install({.connection = 1}, kNow);
    return made;
  }();
  Buffer copy = to_buffer(datagram);
  SALLYPORT_REQUIRE(ring.open(*header, copy, kNow).outcome != KeyRing::Outcome::Opened);
}

void check_records(Bytes octets) {
  Buffer copy = to_buffer(octets);
  RecordReader reader{copy};
  RtpDecompressor decompressor;
  Reassembly reassembly{8, 2};
  std::array<std::uint8_t, 1600> room{};
  std::size_t at = 0;
  while (const auto record = reader.next()) {
    if (record->form == Form::Compressed) {
      const auto size = decompressor.on_compressed(record->compressed, record->body, kNow, room);
      if (size) SALLYPORT_REQUIRE(*size == record->body.size() + kRtpHeader);
      at = static_cast<std::size_t>(record->body.data() - copy.data()) + record->body.size();
      continue;
    }
    std::array<std::uint8_t, kRecordHeader> header{};
    write_record_header(header, record->form, record->channel, record->body.size());
    SALLYPORT_REQUIRE(
        std::equal(header.begin(), header.end(), octets.begin() + static_cast<std::ptrdiff_t>(at)));
    at += kRecordHeader + record->body.size();
    switch (record->form) {
      case Form::FirstPart:
      case Form::SecondPart: {
        const auto added = reassembly.add(record->channel, record->form == Form::SecondPart,
                                          record->body, Ecn::NotCapable, kNow);
        if (added.outcome == Reassembly::Outcome::Whole)
          SALLYPORT_REQUIRE(added.packet.size() <= Reassembly::kLongestPacket);
        break;
      }
      case Form::Reference:
        if (const auto packet = decompressor.on_reference(record->body, kNow))
          SALLYPORT_REQUIRE(packet->size() + kReferenceHead == record->body.size());
        break;
      default:
        break;
    }
  }
  SALLYPORT_REQUIRE(at <= octets.size());
}

// What is compressed comes out as it was, whatever the packets are.
void check_compression(Reader script) {
  RtpCompressor compressor;
  RtpDecompressor decompressor;
  TimePoint now = kNow;
  std::array<std::uint8_t, 600> room{};
  std::array<std::uint8_t, 600> out{};
  while (script.left() > 0) {
    now += milliseconds{script.u8()};
    const Bytes packet = script.take(std::min<std::size_t>(script.u8(), script.left()));
    const auto plan = compressor.plan(packet, now);
    const MutableBytes body = MutableBytes{room}.first(plan.size);
    RtpCompressor::write(plan, packet, body);
    Bytes again = body;
    if (plan.how == RtpCompressor::How::Reference) {
      const auto said = decompressor.on_reference(body, now);
      SALLYPORT_REQUIRE(said);
      again = *said;
    } else if (plan.how == RtpCompressor::How::Compressed) {
      const auto size = decompressor.on_compressed(plan.head, body, now, out);
      SALLYPORT_REQUIRE(size);
      again = Bytes{out}.first(*size);
    }
    SALLYPORT_REQUIRE(std::equal(again.begin(), again.end(), packet.begin(), packet.end()));
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const Bytes octets{data, size};
  check_headers(octets);
  check_records(octets);
  check_compression(Reader{octets});
  return 0;
}
