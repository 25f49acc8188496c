// One datagram of a trunk while it is being put together: what leaves within a short time travels
// in one datagram, in place in this buffer. A packet that is alone at the end travels as its
// channel's payload, without a record's header. It knows neither keys nor sockets: whoever sends it
// has room for the datagram's header before the payload and for a tag behind it. Used by
// Relay, one for each trunk.
#pragma once

#include <array>
#include <optional>

#include "base/bytes.h"
#include "base/time.h"
#include "base/traffic_class.h"
#include "media/tagged.h"

namespace sallyport::media {

class Bundle {
 public:
  static constexpr std::size_t kLongestDatagram = 1472;  // of a path with 1500 octets, IPv4

  bool empty() const { return used_ == 0; }
  std::size_t records() const { return records_; }
  // Whether a record with a body of that size still fits into a payload of `limit` octets.
  bool fits(std::size_t body, std::size_t limit) const {
    return used_ + kRecordHeader + body <= limit;
  }
  // Whether a packet of that size fits if it is alone.
  static bool fits_alone(std::size_t packet, std::size_t limit) { return packet <= limit; }

  // Appends a record; its body is the caller's to fill. It fits, or is a packet that is alone.
  MutableBytes append(Form form, Channel channel, std::size_t body) {
    const MutableBytes record = octets().subspan(used_, kRecordHeader + body);
    write_record_header(record, form, channel, body);
    if (records_ == 0) {
      first_form_ = form;
      first_channel_ = channel;
    }
    used_ += record.size();
    ++records_;
    return record.subspan(kRecordHeader);
  }

  // The same for a compressed packet, in the shortest form that its place allows. It fits if a
  // record with a body of kCompressedHead octets more does.
  MutableBytes append_compressed(std::uint16_t head, Channel channel, std::size_t payload) {
    constexpr std::uint16_t kMarker = 1U << 10U;
    const bool is_short = last_compressed_ == payload && (head & kMarker) == 0;
    const MutableBytes body =
        append(Form::Compressed, channel, payload + (is_short ? 0 : kCompressedHead));
    const MutableBytes at = is_short ? MutableBytes{body.data() - kRecordHeader, 2} : body.first(2);
    const auto value = static_cast<std::uint16_t>(
        is_short ? 0x8000U | (head >> 1U & 0x7c00U) | (head & 0x03ffU) : head);
    at[0] = static_cast<std::uint8_t>(value >> 8U);
    at[1] = static_cast<std::uint8_t>(value);
    last_compressed_ = payload;
    return is_short ? body : body.subspan(kCompressedHead);
  }

  struct Payload {
    Channel channel = kNoChannel;
    MutableBytes octets{};  // kSealedHeader octets are writable before it, kSealTag behind
  };
  Payload payload() {
    if (records_ == 1 && first_form_ == Form::Packet)
      return {.channel = first_channel_,
              .octets = octets().subspan(kRecordHeader, used_ - kRecordHeader)};
    return {.octets = octets().first(used_)};
  }
  void clear() {
    used_ = 0;
    records_ = 0;
    last_compressed_.reset();
  }

  TrafficClass as;  // of every packet in it
  TimePoint due;    // when it is to leave

 private:
  MutableBytes octets() { return MutableBytes{room_}.subspan(kSealedHeader); }

  std::array<std::uint8_t, kRecordHeader + kLongestDatagram + kSealTag> room_{};
  std::size_t used_ = 0;
  std::size_t records_ = 0;
  std::optional<std::size_t> last_compressed_;  // octets of its payload
  Form first_form_ = Form::Packet;
  Channel first_channel_ = kNoChannel;
};

}  // namespace sallyport::media
