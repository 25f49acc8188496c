#include "media/escape.h"

#include "media/datagram_type.h"

namespace sallyport::media {

MutableBytes escape(MutableBytes datagram) {
  std::uint8_t* const header = datagram.data() - kEscapeHeader;
  header[0] = static_cast<std::uint8_t>(DatagramType::Tagged);
  header[1] = kEscapeVersion;
  header[2] = 0;
  header[3] = 0;
  return {header, datagram.size() + kEscapeHeader};
}

Result<MutableBytes> unescape(MutableBytes record) {
  Reader in{record};
  const std::uint8_t type = in.u8();
  const std::uint8_t version = in.u8();
  const std::uint16_t channel = in.u16();
  if (!in.ok() || in.left() == 0) return fail(Errc::Truncated, "tagged record", in.offset());
  if (type != static_cast<std::uint8_t>(DatagramType::Tagged))
    return fail(Errc::BadValue, "not a tagged record", 0);
  if (version != kEscapeVersion) return fail(Errc::Unsupported, "version", 1);
  if (channel != 0) return fail(Errc::Unsupported, "channel", 2);
  return record.subspan(kEscapeHeader);
}

}  // namespace sallyport::media
