#include "media/stream_quality.h"

#include <algorithm>
#include <array>
#include <cmath>

namespace sallyport::media {
namespace {

// The RTP clock's rate is not in the packets. Timestamps against arrival times tell it after a
// second: the rates in use lie further apart than any jitter can blur.
constexpr Duration kClockPeriod = seconds{1};
constexpr std::array<std::uint32_t, 10> kClockRates{8000,  11025, 12000, 16000, 22050,
                                                    24000, 32000, 44100, 48000, 90000};
constexpr double kClockTolerance = 0.04;
constexpr double kTicks = 256e9;  // of one hertz: nanoseconds in 256ths

std::uint32_t tick_of(double rate) {
  for (const std::uint32_t known : kClockRates)
    if (std::abs(rate / known - 1) <= kClockTolerance)
      return static_cast<std::uint32_t>(std::lround(kTicks / known));
  return 0;
}

std::uint64_t nanoseconds(TimePoint time) {
  return static_cast<std::uint64_t>(
      std::chrono::duration_cast<std::chrono::nanoseconds>(time.time_since_epoch()).count());
}
TimePoint time_point(std::uint64_t time) {
  return TimePoint{std::chrono::nanoseconds{static_cast<std::int64_t>(time)}};
}
Duration duration(std::uint64_t time) { return time_point(time).time_since_epoch(); }

}  // namespace

void StreamQuality::on_packet(Bytes datagram, TimePoint now) {
  const std::uint64_t at = nanoseconds(now);
  sallyport_rtp_any(&rtp_, at);
  if (datagram.size() < SALLYPORT_RTP_HEADER) return;
  sallyport_rtp_header(&rtp_, datagram.data(), at);
  estimate_clock(rtp_);
}

void StreamQuality::on_fast(const FastCount& more) {
  const sallyport_rtp& theirs = more.stream;
  rtp_.totals.packets += theirs.totals.packets;
  rtp_.totals.lost += theirs.totals.lost;
  rtp_.totals.reordered += theirs.totals.reordered;
  rtp_.totals.duplicates += theirs.totals.duplicates;
  rtp_.totals.ssrc_changes += theirs.totals.ssrc_changes;
  rtp_.totals.pauses += theirs.totals.pauses;
  rtp_.largest_gap = std::max<std::uint64_t>(rtp_.largest_gap, theirs.largest_gap);
  rtp_.last_packet = std::max<std::uint64_t>(rtp_.last_packet, nanoseconds(more.last));
  if (theirs.follows == 0) return;
  if (theirs.tick != 0) rtp_.jitter = theirs.jitter;
  if (theirs.payload_type != rtp_.payload_type) rtp_.tick = 0;
  rtp_.payload_type = theirs.payload_type;
  estimate_clock(theirs);
}

void StreamQuality::estimate_clock(const sallyport_rtp& followed) {
  if (rtp_.tick != 0) {
    anchor_ = {};
    return;
  }
  if (followed.follows == 0) return;
  const bool begun = anchor_.at != 0 && anchor_.ssrc == followed.ssrc;
  const Duration passed = duration(followed.last_timed - anchor_.at);
  if (begun && passed < kClockPeriod) return;
  if (begun) {
    const std::uint32_t ticks = followed.last_timestamp - anchor_.timestamp;
    rtp_.tick = tick_of(ticks / std::chrono::duration<double>(passed).count());
  }
  anchor_ = {
      .at = followed.last_timed, .timestamp = followed.last_timestamp, .ssrc = followed.ssrc};
}

Quality StreamQuality::read(TimePoint now) const {
  const sallyport_rtp_totals& totals = rtp_.totals;
  Quality out{.rtp_packets = totals.packets,
              .lost = static_cast<std::uint64_t>(std::max(totals.lost, 0)),
              .reordered = totals.reordered,
              .duplicates = totals.duplicates,
              .ssrc_changes = totals.ssrc_changes,
              .pauses = totals.pauses,
              .jitter = duration(std::uint64_t{rtp_.jitter} * 1024 / 16),
              .largest_gap = duration(rtp_.largest_gap)};
  if (rtp_.tick != 0) out.clock_rate = static_cast<std::uint32_t>(std::lround(kTicks / rtp_.tick));
  if (rtp_.last_packet != 0) out.silence = now - time_point(rtp_.last_packet);
  return out;
}

}  // namespace sallyport::media
