#include "base/hex.h"

namespace sallyport {
namespace {

int digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

}  // namespace

std::string to_hex(Bytes bytes) {
  static constexpr std::string_view kDigits = "0123456789abcdef";
  std::string out;
  out.reserve(bytes.size() * 2);
  for (const std::uint8_t octet : bytes) {
    out.push_back(kDigits[octet >> 4U]);
    out.push_back(kDigits[octet & 0xfU]);
  }
  return out;
}

Result<Buffer> from_hex(std::string_view text) {
  Buffer out;
  int high = -1;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (high < 0 && (c == ' ' || c == '\n' || c == '\t' || c == '\r')) continue;
    const int value = digit(c);
    if (value < 0) return fail(Errc::BadValue, "not a hexadecimal digit", i);
    if (high < 0) {
      high = value;
      continue;
    }
    out.push_back(static_cast<std::uint8_t>(high << 4 | value));
    high = -1;
  }
  if (high >= 0) return fail(Errc::BadValue, "odd number of hexadecimal digits", text.size());
  return out;
}

}  // namespace sallyport
