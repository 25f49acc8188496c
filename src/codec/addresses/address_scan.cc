#include "codec/addresses/address_scan.h"

#include <algorithm>
#include <array>
#include <string>

#include "codec/text.h"

namespace sallyport::codec {
namespace {

// The longest textual IPv6 address: eight groups, or six and an IPv4 address.
constexpr std::size_t kLongestV6 = 45;

constexpr bool is_address_char(char c) { return hex_value(c) >= 0 || c == '.' || c == ':'; }

// The text with its percent-escapes taken off, and where each character came from.
struct Unescaped {
  std::string text;
  std::vector<std::size_t> offsets;  // one more than text: where each character stands, the end
};

Unescaped unescaped(std::string_view text) {
  Unescaped out;
  out.text.reserve(text.size());
  out.offsets.reserve(text.size() + 1);
  for (std::size_t i = 0; i < text.size(); ++i) {
    out.offsets.push_back(i);
    out.text += text[i];
    if (text[i] != '%' || i + 2 >= text.size()) continue;
    const int high = hex_value(text[i + 1]);
    const int low = hex_value(text[i + 2]);
    if (high < 0 || low < 0) continue;
    out.text.back() = static_cast<char>(high * 16 + low);
    i += 2;
  }
  out.offsets.push_back(text.size());
  return out;
}

struct Span {
  std::size_t begin, end;
  IpAddress address;
  friend auto operator<=>(const Span&, const Span&) = default;
};

// Groups of one to three digits; leading zeros are read as decimal, as people mean them.
struct Group {
  std::size_t begin, end;
  unsigned value;
};

// Every four numbers joined by dots.
void find_v4(std::string_view text, std::vector<Span>& out) {
  std::array<Group, 4> last{};
  std::size_t joined = 0;  // how many groups before this place are joined by dots
  for (std::size_t at = 0; at < text.size();) {
    if (!is_digit(text[at])) {
      ++at;
      continue;
    }
    Group group{at, at, 0};
    while (group.end < text.size() && is_digit(text[group.end])) {
      const auto digit = static_cast<unsigned>(text[group.end] - '0');
      group.value = std::min(group.value * 10 + digit, 1000U);
      ++group.end;
    }
    at = group.end;
    if (group.end - group.begin > 3 || group.value > 255) {
      joined = 0;
      continue;
    }
    const bool follows = joined > 0 && last[3].end + 1 == group.begin && text[last[3].end] == '.';
    joined = follows ? joined + 1 : 1;
    std::rotate(last.begin(), last.begin() + 1, last.end());
    last[3] = group;
    if (joined < 4) continue;
    const auto octet = [&](std::size_t i) { return static_cast<std::uint8_t>(last[i].value); };
    out.push_back(
        {last[0].begin, last[3].end, IpAddress::v4({octet(0), octet(1), octet(2), octet(3)})});
  }
}

// The address in a run of hex digits, colons and dots, which may have one thing stuck to it in
// front
// ("udp:fe80::1") and one behind ("fe80::1:5060" is ambiguous and read as it stands). Longer runs
// are fingerprints and the like, of which any eight groups would look like an address.
void find_v6_in(std::string_view run, std::size_t begin, bool inside_word, std::vector<Span>& out) {
  while (run.ends_with('.') || (run.ends_with(':') && !run.ends_with("::"))) run.remove_suffix(1);
  if (run.size() > 2 * kLongestV6 || std::count(run.begin(), run.end(), ':') < 2) return;
  const std::string_view without_first = run.substr(run.find(':') + 1);
  const std::size_t last = run.rfind(':');
  std::array candidates{
      run, without_first, run.substr(0, last),
      run.substr(run.size() - without_first.size(), last - (run.size() - without_first.size()))};
  // The first group is the end of a word: rather without it.
  if (inside_word) std::swap(candidates[0], candidates[1]);
  for (const std::string_view candidate : candidates) {
    const auto ip = IpAddress::parse(candidate);
    if (!ip || candidate.find(':') == std::string_view::npos) continue;
    const auto at = begin + static_cast<std::size_t>(candidate.data() - run.data());
    out.push_back({at, at + candidate.size(), *ip});
    return;
  }
}

void find_v6(std::string_view text, std::vector<Span>& out) {
  for (std::size_t at = 0; at < text.size();) {
    if (!is_address_char(text[at])) {
      ++at;
      continue;
    }
    std::size_t end = at;
    while (end < text.size() && is_address_char(text[end])) ++end;
    find_v6_in(text.substr(at, end - at), at, at > 0 && is_letter(text[at - 1]), out);
    at = end;
  }
}

}  // namespace

std::vector<FoundAddress> find_addresses(std::string_view text) {
  std::vector<Span> spans;
  find_v4(text, spans);
  find_v6(text, spans);
  // "%10.0.0.1" may be an escape or none: the text is read both ways.
  if (text.find('%') != std::string_view::npos) {
    const Unescaped other = unescaped(text);
    std::vector<Span> more;
    find_v4(other.text, more);
    find_v6(other.text, more);
    for (Span& span : more) {
      span.begin = other.offsets[span.begin];
      span.end = other.offsets[span.end];
    }
    spans.insert(spans.end(), more.begin(), more.end());
  }
  std::sort(spans.begin(), spans.end());
  spans.erase(std::unique(spans.begin(), spans.end()), spans.end());
  std::vector<FoundAddress> out;
  out.reserve(spans.size());
  for (const Span& span : spans) out.push_back({span.address, span.begin, span.end - span.begin});
  return out;
}

std::vector<FoundAddress> find_addresses(std::string_view text,
                                         const std::function<bool(const IpAddress&)>& matters) {
  std::vector<FoundAddress> out = find_addresses(text);
  std::erase_if(out, [&](const FoundAddress& found) { return !matters(found.address); });
  return out;
}

}  // namespace sallyport::codec
