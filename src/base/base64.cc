#include "base/base64.h"

namespace sallyport {
namespace {

constexpr std::string_view kAlphabet =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
constexpr std::string_view kUrlAlphabet =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

std::string encode(Bytes bytes, std::string_view alphabet) {
  std::string out;
  std::uint32_t bits = 0;
  unsigned count = 0;
  for (const std::uint8_t octet : bytes) {
    bits = bits << 8U | octet;
    for (count += 8; count >= 6; count -= 6) out += alphabet[bits >> (count - 6) & 63U];
  }
  if (count != 0) out += alphabet[bits << (6 - count) & 63U];
  return out;
}

}  // namespace

std::string to_base64(Bytes bytes) {
  std::string out = encode(bytes, kAlphabet);
  while (out.size() % 4 != 0) out += '=';
  return out;
}

std::string to_base64url(Bytes bytes) { return encode(bytes, kUrlAlphabet); }

Result<Buffer> from_base64url(std::string_view text) {
  Buffer out;
  std::uint32_t bits = 0;
  unsigned count = 0;
  for (const char c : text) {
    const std::size_t value = kUrlAlphabet.find(c);
    if (value == std::string_view::npos) return fail(Errc::BadValue, "not base64url");
    bits = bits << 6U | static_cast<std::uint32_t>(value);
    count += 6;
    if (count >= 8) {
      count -= 8;
      out.push_back(static_cast<std::uint8_t>(bits >> count));
    }
  }
  return out;
}

}  // namespace sallyport
