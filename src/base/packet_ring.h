// A bounded queue of short runs of octets between exactly two threads: one puts, one takes. No
// lock, no allocation after construction. What was taken stays where it lies, writable, until the
// taker gives all of it back; so a packet can be sent on from here. How one media thread passes
// packets to another.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>

#include "base/bytes.h"

namespace sallyport {

// NOLINTNEXTLINE(clang-analyzer-optin.performance.Padding): each side has a cache line of its own
class PacketRing {
 public:
  // `octets` is a power of two. Each record takes its own and up to kHead + kAlignment - 1 more.
  explicit PacketRing(std::size_t octets)
      : size_(octets),
        octets_(std::make_unique_for_overwrite<std::uint8_t[]>(octets)) {}  // NOLINT(*-c-arrays)

  // ---- The thread that puts ----
  // Where a record of that size is to be written, before publish(); no data: there is no room.
  MutableBytes reserve(std::size_t size) {
    const std::size_t whole = whole_of(size);
    std::size_t skipped = 0;  // at the end of the memory, where the record does not fit
    if (const std::size_t left = size_ - (put_ & (size_ - 1)); left < whole) skipped = left;
    if (size_ - (put_ - taken_seen_) < skipped + whole) {
      taken_seen_ = given_back_.load(std::memory_order_acquire);
      if (size_ - (put_ - taken_seen_) < skipped + whole) return {};
    }
    if (skipped != 0) write_head(put_, kSkip);
    put_ += skipped;
    write_head(put_, static_cast<std::uint32_t>(size));
    reserved_ = whole;
    return at(put_ + kHead, size);
  }
  void publish() {
    put_ += reserved_;
    published_.store(put_, std::memory_order_release);
  }

  // ---- The thread that takes ----
  // What has been published by now; take() hands out no more than that.
  void look() { seen_ = published_.load(std::memory_order_acquire); }
  bool has_more() const { return taken_ != published_.load(std::memory_order_acquire); }
  // The next record; no data: all that was there at the last look is taken.
  MutableBytes take() {
    if (taken_ == seen_) return {};
    std::uint32_t size = read_head(taken_);
    if (size == kSkip) {
      taken_ += size_ - (taken_ & (size_ - 1));
      size = read_head(taken_);
    }
    const MutableBytes record = at(taken_ + kHead, size);
    taken_ += whole_of(size);
    return record;
  }
  void give_back() { given_back_.store(taken_, std::memory_order_release); }

 private:
  static constexpr std::size_t kAlignment = 8;
  static constexpr std::size_t kHead = 8;
  static constexpr std::uint32_t kSkip = 0xffffffff;

  static std::size_t whole_of(std::size_t size) {
    return (kHead + size + kAlignment - 1) / kAlignment * kAlignment;
  }
  MutableBytes at(std::size_t position, std::size_t size) {
    return {octets_.get() + (position & (size_ - 1)), size};
  }
  void write_head(std::size_t position, std::uint32_t size) {
    std::memcpy(at(position, sizeof size).data(), &size, sizeof size);
  }
  std::uint32_t read_head(std::size_t position) {
    std::uint32_t size = 0;
    std::memcpy(&size, at(position, sizeof size).data(), sizeof size);
    return size;
  }

  std::size_t size_;
  std::unique_ptr<std::uint8_t[]> octets_;  // NOLINT(*-c-arrays)
  // Positions only grow; where they lie is their remainder.
  alignas(64) std::atomic<std::size_t> published_{0};
  std::size_t put_ = 0;
  std::size_t reserved_ = 0;
  std::size_t taken_seen_ = 0;
  alignas(64) std::atomic<std::size_t> given_back_{0};
  std::size_t taken_ = 0;
  std::size_t seen_ = 0;
};

}  // namespace sallyport
