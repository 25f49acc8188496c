// Which of the latest counters of one sealing context have been seen: a datagram that comes twice,
// by the network's doing or an attacker's, is taken once (RFC 4303 section 3.4.3). What is older
// than the window is not told from a replay and is refused. Used by Opener (seal.h); values only.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace sallyport::media {

class ReplayWindow {
 public:
  static constexpr std::uint64_t kSize = 1024;

  // The counter of which `low` are the low 32 bits: the one nearest to the highest that was seen.
  std::uint64_t expand(std::uint32_t low) const {
    constexpr std::uint64_t kTurn = std::uint64_t{1} << 32U;
    const std::uint64_t near = (highest_ & ~(kTurn - 1)) | low;
    if (near > highest_ && near - highest_ > kTurn / 2 && near >= kTurn) return near - kTurn;
    if (near < highest_ && highest_ - near > kTurn / 2) return near + kTurn;
    return near;
  }

  bool is_fresh(std::uint64_t counter) const {
    if (!any_ || counter > highest_) return true;
    return highest_ - counter < kSize && (word(counter) & bit(counter)) == 0;
  }

  // Of a counter that is fresh, and whose datagram proved to be authentic.
  void mark(std::uint64_t counter) {
    if (!any_ || counter > highest_) {
      slide(any_ ? counter - highest_ : kSize, counter);
      highest_ = counter;
      any_ = true;
    }
    word(counter) |= bit(counter);
  }

 private:
  static constexpr std::uint64_t bit(std::uint64_t counter) {
    return std::uint64_t{1} << counter % 64;
  }
  std::uint64_t& word(std::uint64_t counter) { return seen_[counter / 64 % seen_.size()]; }
  std::uint64_t word(std::uint64_t counter) const { return seen_[counter / 64 % seen_.size()]; }

  // The counters between the highest and the new highest have not been seen.
  void slide(std::uint64_t by, std::uint64_t highest) {
    if (by >= kSize) return seen_.fill(0);
    for (std::uint64_t i = 0; i < by; ++i) word(highest - i) &= ~bit(highest - i);
  }

  std::array<std::uint64_t, kSize / 64> seen_{};  // a ring of bits, by counter
  std::uint64_t highest_ = 0;
  bool any_ = false;
};

}  // namespace sallyport::media
