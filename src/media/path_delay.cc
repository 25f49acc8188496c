#include "media/path_delay.h"

#include <algorithm>

namespace sallyport::media {
namespace {

using std::chrono::microseconds;

constexpr std::int64_t in_microseconds(Duration duration) {
  return std::chrono::duration_cast<microseconds>(duration).count();
}

}  // namespace

void PathDelay::on_answer(TimePoint sent, std::uint64_t server_clock, TimePoint answered) {
  const std::uint64_t difference =
      server_clock - static_cast<std::uint64_t>(in_microseconds(sent.time_since_epoch()));
  auto there = static_cast<std::int64_t>(difference - origin_);
  const std::int64_t before = count_ == 0 ? 0 : latest().there;
  constexpr std::int64_t kMost = in_microseconds(kJump);
  clock_told_ = server_clock != 0;
  if (!clock_told_ || count_ == 0 || there > before + kMost || there < before - kMost) {
    count_ = 0;
    origin_ = difference;
    there = 0;
  }
  samples_.at(count_ % kSamples) = {
      .round_trip = static_cast<std::int32_t>(in_microseconds(answered - sent)),
      .there = static_cast<std::int32_t>(there)};
  ++count_;
}

std::optional<Duration> PathDelay::round_trip() const {
  if (count_ == 0) return std::nullopt;
  return microseconds{latest().round_trip};
}

microseconds PathDelay::there() const {
  const auto* const end = samples_.begin() + std::min<std::size_t>(count_, kSamples);
  const auto* const best = std::min_element(
      samples_.begin(), end,
      [](const Sample& a, const Sample& b) { return a.round_trip < b.round_trip; });
  const std::int32_t clocks_differ_by = best->there - best->round_trip / 2;
  // Clocks that drift apart must not make it less than nothing.
  return microseconds{std::clamp(latest().there - clocks_differ_by, 0, latest().round_trip)};
}

std::optional<Duration> PathDelay::to_server() const {
  if (count_ == 0 || !clock_told_) return std::nullopt;
  return there();
}

std::optional<Duration> PathDelay::to_agent() const {
  if (count_ == 0 || !clock_told_) return std::nullopt;
  return microseconds{latest().round_trip} - there();
}

}  // namespace sallyport::media
