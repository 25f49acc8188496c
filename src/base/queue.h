// A bounded queue between exactly two threads: one pushes, one pops. No lock, no allocation after
// construction, wait-free. It is how the brain's thread and the media threads tell each other
// things (Lamport's ring; each side keeps a copy of the other's index so that it rarely touches
// that line).
#pragma once

#include <atomic>
#include <cstddef>
#include <optional>
#include <utility>
#include <vector>

namespace sallyport {

template <typename T>
// NOLINTNEXTLINE(clang-analyzer-optin.performance.Padding): each side has a cache line of its own
class Queue {
 public:
  // Holds `capacity` elements; rounded up to a power of two.
  explicit Queue(std::size_t capacity) : slots_(round_up(capacity)), mask_(slots_.size() - 1) {}

  // False when full; then `value` is untouched. The producer's thread only.
  bool push(T&& value) {
    const std::size_t tail = tail_.load(std::memory_order_relaxed);
    if (tail - head_seen_ == slots_.size()) {
      head_seen_ = head_.load(std::memory_order_acquire);
      if (tail - head_seen_ == slots_.size()) return false;
    }
    slots_[tail & mask_] = std::move(value);
    tail_.store(tail + 1, std::memory_order_release);
    return true;
  }

  // How many there are at least. The consumer's thread only.
  std::size_t size() const {
    return tail_.load(std::memory_order_acquire) - head_.load(std::memory_order_relaxed);
  }

  // Empty when there is nothing. The consumer's thread only.
  std::optional<T> pop() {
    const std::size_t head = head_.load(std::memory_order_relaxed);
    if (head == tail_seen_) {
      tail_seen_ = tail_.load(std::memory_order_acquire);
      if (head == tail_seen_) return std::nullopt;
    }
    std::optional<T> out{std::move(slots_[head & mask_])};
    head_.store(head + 1, std::memory_order_release);
    return out;
  }

 private:
  static std::size_t round_up(std::size_t n) {
    std::size_t power = 1;
    while (power < n) power *= 2;
    return power;
  }

  std::vector<T> slots_;
  std::size_t mask_;
  alignas(64) std::atomic<std::size_t> head_{0};
  std::size_t tail_seen_ = 0;  // consumer's
  alignas(64) std::atomic<std::size_t> tail_{0};
  std::size_t head_seen_ = 0;  // producer's
};

}  // namespace sallyport
