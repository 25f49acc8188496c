// Octets, borrowed and owned, and the two ways to walk over them: Reader yields zeros past the end
// and remembers that it did, so a parser reads straight down and asks once; Writer appends. All
// integers are in network byte order (big-endian).
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace sallyport {

using Bytes = std::span<const std::uint8_t>;
using MutableBytes = std::span<std::uint8_t>;
using Buffer = std::vector<std::uint8_t>;

inline Bytes as_bytes(std::string_view text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}
inline std::string_view as_text(Bytes bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}
inline Buffer to_buffer(Bytes bytes) { return {bytes.begin(), bytes.end()}; }
inline Buffer to_buffer(std::string_view text) { return to_buffer(as_bytes(text)); }

class Reader {
 public:
  explicit Reader(Bytes input) : input_(input) {}

  std::uint8_t u8() { return static_cast<std::uint8_t>(integer(1)); }
  std::uint16_t u16() { return static_cast<std::uint16_t>(integer(2)); }
  std::uint32_t u32() { return static_cast<std::uint32_t>(integer(4)); }
  std::uint64_t u64() { return integer(8); }

  template <std::size_t N>
  std::array<std::uint8_t, N> array() {
    std::array<std::uint8_t, N> out{};
    const Bytes from = take(N);
    std::copy(from.begin(), from.end(), out.begin());
    return out;
  }
  // The next n octets, borrowed; empty, and no longer ok, if fewer are left.
  Bytes take(std::size_t n) {
    if (n > left()) {
      offset_ = input_.size();
      ok_ = false;
      return {};
    }
    const Bytes out = input_.subspan(offset_, n);
    offset_ += n;
    return out;
  }
  void skip(std::size_t n) { take(n); }
  Bytes rest() { return take(left()); }

  bool ok() const { return ok_; }
  std::size_t offset() const { return offset_; }
  std::size_t left() const { return input_.size() - offset_; }

 private:
  std::uint64_t integer(std::size_t n) {
    std::uint64_t value = 0;
    for (const std::uint8_t octet : take(n)) value = value << 8U | octet;
    return value;
  }

  Bytes input_;
  std::size_t offset_ = 0;
  bool ok_ = true;
};

class Writer {
 public:
  explicit Writer(Buffer& out) : out_(out) {}

  Writer& u8(std::uint8_t value) { return integer(value, 1); }
  Writer& u16(std::uint16_t value) { return integer(value, 2); }
  Writer& u32(std::uint32_t value) { return integer(value, 4); }
  Writer& u64(std::uint64_t value) { return integer(value, 8); }
  Writer& bytes(Bytes from) {
    out_.insert(out_.end(), from.begin(), from.end());
    return *this;
  }

 private:
  Writer& integer(std::uint64_t value, unsigned octets) {
    for (unsigned shift = octets * 8; shift != 0; shift -= 8)
      out_.push_back(static_cast<std::uint8_t>(value >> (shift - 8)));
    return *this;
  }

  Buffer& out_;
};

}  // namespace sallyport
