#include "media/tagged.h"

#include "media/datagram_type.h"

namespace sallyport::media {
namespace {

void put_u16(MutableBytes at, std::uint16_t value) {
  at[0] = static_cast<std::uint8_t>(value >> 8U);
  at[1] = static_cast<std::uint8_t>(value);
}

}  // namespace

void write_plain_header(MutableBytes at, Channel channel) {
  at[0] = static_cast<std::uint8_t>(DatagramType::Tagged);
  at[1] = kPlainVersion;
  put_u16(at.subspan(2), channel);
}

void write(const SealedHeader& header, MutableBytes at) {
  at[0] = static_cast<std::uint8_t>(static_cast<std::uint8_t>(DatagramType::Sealed) | header.epoch);
  at[1] = header.core;
  put_u16(at.subspan(2), header.channel);
  put_u16(at.subspan(4), static_cast<std::uint16_t>(header.counter >> 16U));
  put_u16(at.subspan(6), static_cast<std::uint16_t>(header.counter));
}

Result<Channel> parse_plain_header(Bytes datagram) {
  Reader in{datagram};
  const std::uint8_t type = in.u8();
  const std::uint8_t version = in.u8();
  const Channel channel = in.u16();
  if (!in.ok() || in.left() == 0) return fail(Errc::Truncated, "tagged datagram", in.offset());
  if (type != static_cast<std::uint8_t>(DatagramType::Tagged))
    return fail(Errc::BadValue, "another type", 0);
  if (version != kPlainVersion) return fail(Errc::Unsupported, "another version", 1);
  return channel;
}

Result<SealedHeader> parse_sealed_header(Bytes datagram) {
  Reader in{datagram};
  const std::uint8_t type = in.u8();
  SealedHeader out;
  out.epoch = type & 3U;
  out.core = in.u8();
  out.channel = in.u16();
  out.counter = in.u32();
  if (!in.ok() || in.left() <= kSealTag)
    return fail(Errc::Truncated, "sealed datagram", in.offset());
  if (!is_sealed(type)) return fail(Errc::BadValue, "another type", 0);
  return out;
}

void write_record_header(MutableBytes at, Form form, Channel channel, std::size_t length) {
  put_u16(at, static_cast<std::uint16_t>(static_cast<unsigned>(form) << 12U | length));
  put_u16(at.subspan(2), channel);
}

std::optional<Record> RecordReader::next() {
  if (rest_.empty() || rest_[0] >> 4U == static_cast<std::uint8_t>(Form::Padding))
    return std::nullopt;
  Reader in{rest_};
  const std::uint16_t first = in.u16();
  Record out{.channel = in.u16(), .body = {}};
  std::size_t length = first & 0xfffU;
  if ((first & 0x8000U) != 0) {
    if (!last_compressed_) return cut();
    out.form = Form::Compressed;
    out.compressed = static_cast<std::uint16_t>((first & 0x7c00U) << 1U | (first & 0x03ffU));
    length = *last_compressed_;
  } else {
    out.form = static_cast<Form>(first >> 12U);
  }
  if (!in.ok() || in.left() < length) return cut();
  out.body = rest_.subspan(kRecordHeader, length);
  rest_ = rest_.subspan(kRecordHeader + length);
  if (out.form != Form::Compressed) return out;
  if ((first & 0x8000U) == 0) {
    if (length < kCompressedHead) return cut();
    out.compressed = in.u16();
    out.body = out.body.subspan(kCompressedHead);
  }
  last_compressed_ = out.body.size();
  return out;
}

std::optional<Record> RecordReader::cut() {
  ok_ = false;
  rest_ = {};
  return std::nullopt;
}

}  // namespace sallyport::media
