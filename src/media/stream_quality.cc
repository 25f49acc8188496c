#include "media/stream_quality.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdlib>

namespace sallyport::media {
namespace {

// RFC 3550 A.1: a sequence number that is further ahead than this comes from a sender that began
// anew, once another one follows it.
constexpr int kMaxDropout = 3000;
// Another source takes over when the one that is followed has been silent for so long.
constexpr Duration kHandover = milliseconds{100};
// A gap that long is a pause (hold, mute, silence suppression), not a fault of the network.
constexpr Duration kPause = seconds{2};

// The RTP clock's rate is not in the packets. Timestamps against arrival times tell it after a
// second: the rates in use lie further apart than any jitter can blur.
constexpr Duration kClockPeriod = seconds{1};
constexpr std::array<std::uint32_t, 10> kClockRates{8000,  11025, 12000, 16000, 22050,
                                                    24000, 32000, 44100, 48000, 90000};
constexpr double kClockTolerance = 0.04;

double microseconds(Duration duration) {
  return std::chrono::duration<double, std::micro>(duration).count();
}

std::uint32_t nearest_clock_rate(double rate) {
  for (const std::uint32_t known : kClockRates)
    if (std::abs(rate / known - 1) <= kClockTolerance) return known;
  return 0;
}

}  // namespace

// | V=2 P X CC | M PT | sequence number | timestamp (4) | SSRC (4) |
std::optional<StreamQuality::Header> StreamQuality::parse(Bytes datagram) {
  if (datagram.size() < 12 || datagram[0] >> 6U != 2) return std::nullopt;
  // RFC 5761 section 4: 192 to 223 in the second octet is RTCP.
  if (datagram[1] >= 192 && datagram[1] <= 223) return std::nullopt;
  Reader in{datagram.subspan(1)};
  Header header{};
  header.payload_type = in.u8() & 0x7fU;
  header.sequence = in.u16();
  header.timestamp = in.u32();
  header.ssrc = in.u32();
  return header;
}

void StreamQuality::on_packet(Bytes datagram, TimePoint now) {
  if (any_) {
    const Duration gap = now - last_packet_;
    if (gap >= kPause)
      ++pauses_;
    else
      largest_gap_ = std::max(largest_gap_, gap);
  }
  any_ = true;
  last_packet_ = now;

  const auto header = parse(datagram);
  if (!header) return;
  if (!follows_) {
    follow(*header, now);
  } else if (header->ssrc != ssrc_) {
    if (now - last_followed_ < kHandover) return;
    ++ssrc_changes_;
    follow(*header, now);
  } else if (count(header->sequence)) {
    measure_jitter(*header, now);
  }
  last_followed_ = now;
  ++packets_;
}

void StreamQuality::on_unseen(TimePoint last) {
  last_packet_ = any_ ? std::max(last_packet_, last) : last;
  any_ = true;
  follows_ = false;
}

void StreamQuality::follow(const Header& header, TimePoint now) {
  follows_ = true;
  may_restart_ = false;
  ssrc_ = header.ssrc;
  highest_ = header.sequence;
  window_ = 1;
  span_ = 1;
  payload_type_ = header.payload_type;
  clock_rate_ = 0;
  last_timestamp_ = anchor_timestamp_ = header.timestamp;
  last_timed_ = anchor_ = now;
}

bool StreamQuality::count(std::uint16_t sequence) {
  const int ahead = static_cast<std::int16_t>(static_cast<std::uint16_t>(sequence - highest_));
  if (std::abs(ahead) >= kMaxDropout) {
    if (!may_restart_ || sequence != restart_) {
      may_restart_ = true;
      restart_ = static_cast<std::uint16_t>(sequence + 1);
      return false;
    }
    highest_ = sequence;
    window_ = 0b11;
    span_ = 2;
    may_restart_ = false;
    return true;
  }
  may_restart_ = false;
  if (ahead > 0) {
    lost_ += ahead - 1;
    window_ = ahead < kWindow ? window_ << static_cast<unsigned>(ahead) | 1U : 1U;
    span_ = static_cast<std::uint8_t>(std::min(span_ + ahead, kWindow));
    highest_ = sequence;
    return true;
  }
  // From before the first one that came, or so late that it stays lost: nobody can hear it.
  if (-ahead >= span_) {
    ++reordered_;
    return false;
  }
  const std::uint64_t bit = std::uint64_t{1} << static_cast<unsigned>(-ahead);
  if ((window_ & bit) != 0) {
    ++duplicates_;
    return false;
  }
  window_ |= bit;
  ++reordered_;
  --lost_;  // as which it was counted when it was overtaken
  return false;
}

// RFC 3550 6.4.1, in microseconds instead of timestamp units.
void StreamQuality::measure_jitter(const Header& header, TimePoint now) {
  if (header.payload_type != payload_type_) {  // it may have another clock
    payload_type_ = header.payload_type;
    clock_rate_ = 0;
    last_timestamp_ = anchor_timestamp_ = header.timestamp;
    last_timed_ = anchor_ = now;
    return;
  }
  // Packets of one video frame, or of one telephone event, share a timestamp: they are not spaced.
  if (header.timestamp == last_timestamp_) return;
  if (clock_rate_ == 0) {
    estimate_clock(header, now);
  } else {
    const auto ticks = static_cast<std::int32_t>(header.timestamp - last_timestamp_);
    const double late = microseconds(now - last_timed_) - ticks * 1e6 / clock_rate_;
    // A timestamp that jumps (a talkspurt of a careless sender) says nothing of the network.
    if (std::abs(late) < microseconds(kPause))
      jitter_us_ += static_cast<float>((std::abs(late) - static_cast<double>(jitter_us_)) / 16);
  }
  last_timestamp_ = header.timestamp;
  last_timed_ = now;
}

void StreamQuality::estimate_clock(const Header& header, TimePoint now) {
  const Duration passed = now - anchor_;
  if (passed < kClockPeriod) return;
  const std::uint32_t ticks = header.timestamp - anchor_timestamp_;
  clock_rate_ = nearest_clock_rate(ticks * 1e6 / microseconds(passed));
  anchor_timestamp_ = header.timestamp;
  anchor_ = now;
}

Quality StreamQuality::read(TimePoint now) const {
  return {.rtp_packets = packets_,
          .lost = lost_ > 0 ? static_cast<std::uint64_t>(lost_) : 0,
          .reordered = reordered_,
          .duplicates = duplicates_,
          .ssrc_changes = ssrc_changes_,
          .pauses = pauses_,
          .clock_rate = clock_rate_,
          .jitter = std::chrono::microseconds{std::lround(jitter_us_)},
          .largest_gap = largest_gap_,
          .silence = any_ ? std::optional<Duration>{now - last_packet_} : std::nullopt};
}

}  // namespace sallyport::media
