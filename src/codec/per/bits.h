// Bits out of octets and into them, most significant first, as PER packs them. Used by the decoder
// and the encoder alone.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "base/bytes.h"

namespace sallyport::codec::per {

// What BitReader may read at once, so what must lie behind the octets that it reads.
inline constexpr std::size_t kReadAhead = 8;

// Reads from a buffer that may grow meanwhile. Whoever reads has asked whether that much is left.
class BitReader {
 public:
  BitReader(const Buffer& from, std::uint64_t begin, std::uint64_t end)
      : from_(&from), at_(begin), end_(end) {}

  std::uint64_t at() const { return at_; }
  std::uint64_t left() const { return end_ - at_; }
  std::size_t octet() const { return static_cast<std::size_t>(at_ / 8); }

  std::uint64_t take(unsigned bits) {  // 0 to 57
    if (bits == 0) return 0;
    std::uint64_t word = 0;
    std::memcpy(&word, from_->data() + at_ / 8, sizeof word);
    if constexpr (std::endian::native == std::endian::little) word = __builtin_bswap64(word);
    word = word << (at_ % 8) >> (64 - bits);
    at_ += bits;
    return word;
  }
  void skip(std::uint64_t bits) { at_ += bits; }
  // Octets end at a multiple of eight, so this never passes the end.
  void align() { at_ = (at_ + 7) / 8 * 8; }

 private:
  const Buffer* from_;
  std::uint64_t at_;
  std::uint64_t end_;
};

// Appends to a buffer. finish() writes what is left of an octet.
class BitWriter {
 public:
  explicit BitWriter(Buffer& out) : out_(&out) {}

  void put(std::uint64_t value, unsigned bits) {  // 0 to 56
    pending_ = pending_ << bits | value;
    count_ += bits;
    while (count_ >= 8) {
      count_ -= 8;
      out_->push_back(static_cast<std::uint8_t>(pending_ >> count_));
    }
    pending_ &= (std::uint64_t{1} << count_) - 1;
  }
  void align() {
    if (count_ != 0) put(0, 8 - count_);
  }
  // Behind align() only.
  void octets(Bytes octets) { out_->insert(out_->end(), octets.begin(), octets.end()); }
  // `length` bits that begin at bit `offset` of `from`.
  void bits(Bytes from, std::uint64_t offset, std::uint64_t length) {
    while (length != 0) {
      const auto shift = static_cast<unsigned>(offset % 8);
      if (shift == 0 && count_ == 0 && length >= 8) {
        octets(from.subspan(static_cast<std::size_t>(offset / 8),
                            static_cast<std::size_t>(length / 8)));
        offset += length / 8 * 8;
        length %= 8;
        continue;
      }
      const unsigned now = length < 8 - shift ? static_cast<unsigned>(length) : 8 - shift;
      const unsigned octet = from[static_cast<std::size_t>(offset / 8)];
      put((octet >> (8 - shift - now)) & ((1U << now) - 1), now);
      offset += now;
      length -= now;
    }
  }
  // How many bits of the octet under way are written.
  unsigned phase() const { return count_; }
  Buffer& out() const { return *out_; }

 private:
  Buffer* out_;
  std::uint64_t pending_ = 0;
  unsigned count_ = 0;
};

}  // namespace sallyport::codec::per
