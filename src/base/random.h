// Unpredictable octets, handed in so that a simulation can replay them.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>

#include "base/bytes.h"

namespace sallyport {

class Random {
 public:
  Random() = default;
  Random(const Random&) = delete;
  Random& operator=(const Random&) = delete;
  virtual ~Random() = default;

  virtual void fill(MutableBytes out) = 0;

  template <std::size_t N>
  std::array<std::uint8_t, N> array() {
    std::array<std::uint8_t, N> out{};
    fill(out);
    return out;
  }
  std::uint64_t u64();
  // Uniform in [0, bound); bound > 0.
  std::uint64_t below(std::uint64_t bound);
  // `octets` random octets as lower-case hexadecimal, for branch, tag, nonce and the like.
  std::string hex(std::size_t octets);
};

// The kernel's generator (getrandom(2)): the only one in the product.
class SystemRandom final : public Random {
 public:
  void fill(MutableBytes out) override;
};

// A fixed sequence for tests and simulations (splitmix64). Not secret.
class SeededRandom final : public Random {
 public:
  explicit SeededRandom(std::uint64_t seed) : state_(seed) {}
  void fill(MutableBytes out) override;

 private:
  std::uint64_t state_;
};

}  // namespace sallyport
