#include "base/random.h"

#include <sys/random.h>

#include <cerrno>
#include <cstdlib>

#include "base/hex.h"

namespace sallyport {

std::uint64_t Random::u64() {
  const auto octets = array<8>();
  return Reader{octets}.u64();
}

std::uint64_t Random::below(std::uint64_t bound) {
  // Rejection keeps it uniform: the part of the range that does not divide evenly is drawn again.
  const std::uint64_t limit = UINT64_MAX - UINT64_MAX % bound;
  for (;;) {
    const std::uint64_t value = u64();
    if (value < limit) return value % bound;
  }
}

std::string Random::hex(std::size_t octets) {
  Buffer raw(octets);
  fill(raw);
  return to_hex(raw);
}

void SystemRandom::fill(MutableBytes out) {
  std::size_t done = 0;
  while (done < out.size()) {
    const ssize_t n = ::getrandom(out.data() + done, out.size() - done, 0);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) std::abort();  // no randomness: nothing that we do would be safe
    done += static_cast<std::size_t>(n);
  }
}

void SeededRandom::fill(MutableBytes out) {
  for (std::uint8_t& octet : out) {
    state_ += 0x9e3779b97f4a7c15U;
    std::uint64_t z = state_;
    z = (z ^ z >> 30U) * 0xbf58476d1ce4e5b9U;
    z = (z ^ z >> 27U) * 0x94d049bb133111ebU;
    octet = static_cast<std::uint8_t>(z ^ z >> 31U);
  }
}

}  // namespace sallyport
