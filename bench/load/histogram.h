// Durations by their logarithm, 32 buckets to a power of two (about 3 % wide), for percentiles of
// millions of packets in fixed memory.
#pragma once

#include <array>
#include <bit>
#include <cstdint>

namespace sallyport::bench {

class Histogram {
 public:
  void add(std::int64_t nanoseconds) {
    const auto value = static_cast<std::uint64_t>(nanoseconds < 0 ? 0 : nanoseconds);
    ++buckets_[bucket(value)];
    ++count_;
    if (nanoseconds > most_) most_ = nanoseconds;
  }
  std::uint64_t count() const { return count_; }
  double most_us() const { return static_cast<double>(most_) / 1e3; }
  // The value below which `fraction` of all lie; 0 when there is none.
  double percentile_us(double fraction) const {
    const auto wanted = static_cast<std::uint64_t>(fraction * static_cast<double>(count_));
    std::uint64_t seen = 0;
    for (std::size_t i = 0; i < buckets_.size(); ++i) {
      seen += buckets_[i];
      if (seen > wanted) return static_cast<double>(upper(i)) / 1e3;
    }
    return most_us();
  }

 private:
  static constexpr unsigned kFine = 5;  // 2^5 buckets to a power of two

  static std::size_t bucket(std::uint64_t value) {
    if (value < (1U << kFine)) return value;
    const auto power = static_cast<unsigned>(std::bit_width(value)) - 1 - kFine;
    return (std::size_t{power + 1} << kFine) + ((value >> power) & ((1U << kFine) - 1));
  }
  static std::uint64_t upper(std::size_t bucket) {
    if (bucket < (1U << kFine)) return bucket;
    const std::size_t power = (bucket >> kFine) - 1;
    return ((bucket & ((1U << kFine) - 1)) + (1U << kFine) + 1) << power;
  }

  std::array<std::uint64_t, 64U << kFine> buckets_{};
  std::uint64_t count_ = 0;
  std::int64_t most_ = 0;
};

}  // namespace sallyport::bench
