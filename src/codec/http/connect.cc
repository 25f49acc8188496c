#include "codec/http/connect.h"

#include <algorithm>
#include <string_view>

#include "base/base64.h"
#include "codec/text.h"

namespace sallyport::codec::http {
namespace {

constexpr unsigned kLeastFinalStatus = 200;

// RFC 9112 section 4: HTTP/1.x, a space, three digits; then a space and a reason, or nothing: the
// space is left out by some.
std::optional<unsigned> parse_status_line(std::string_view line) {
  constexpr std::string_view kVersion = "HTTP/1.";
  if (!line.starts_with(kVersion) || line.size() < kVersion.size() + 5) return std::nullopt;
  line.remove_prefix(kVersion.size());
  if (!is_digit(line[0]) || line[1] != ' ') return std::nullopt;
  if (line.size() > 5 && line[5] != ' ') return std::nullopt;
  const auto status = decimal(line.substr(2, 3), 599);
  if (!status || *status < 100) return std::nullopt;
  return static_cast<unsigned>(*status);
}

bool has_bad_octet(std::string_view line) {
  return std::any_of(line.begin(), line.end(), [](char c) { return is_control(c) && c != '\t'; });
}

// RFC 9110 section 11.6.1: a list of challenges, each a scheme with parameters behind it. A scheme
// stands at the beginning, or behind a comma.
bool names_basic(std::string_view challenges) {
  while (!challenges.empty()) {
    std::string_view one = trim(take_until(challenges, ','));
    if (equals_without_case(take_until(one, ' '), "basic")) return true;
  }
  return false;
}

}  // namespace

bool are_fit(const Credentials& credentials) {
  const auto fits = [](const std::string& text) {
    return std::none_of(text.begin(), text.end(), is_control);
  };
  return fits(credentials.user) && fits(credentials.password) &&
         credentials.user.find(':') == std::string::npos;
}

std::string encode_connect(const HostPort& target, const std::optional<Credentials>& credentials) {
  const std::string authority = target.to_string();
  std::string out =
      "CONNECT " + authority + " HTTP/1.1\r\nHost: " + authority + "\r\nUser-Agent: Sallyport\r\n";
  if (credentials)
    out += "Proxy-Authorization: Basic " +
           to_base64(as_bytes(credentials->user + ":" + credentials->password)) + "\r\n";
  return out + "\r\n";
}

// The next whole line without its end: CRLF, or LF alone (RFC 9112 section 2.2 allows to take it).
std::optional<std::string_view> ConnectAnswerReader::next_line() {
  const std::size_t end = text_.find('\n', read_);
  if (end == std::string::npos) return std::nullopt;
  std::string_view line = std::string_view{text_}.substr(read_, end - read_);
  read_ = end + 1;
  if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
  return line;
}

Result<std::optional<ConnectAnswer>> ConnectAnswerReader::feed(Bytes octets) {
  text_ += as_text(octets);
  while (const auto line = next_line()) {
    if (read_ > kMaxAnswer) break;
    auto taken = take(*line);
    if (!taken || *taken) return taken;
  }
  if (text_.size() > kMaxAnswer) return fail(Errc::Exhausted, "an answer without an end");
  // Whoever speaks another protocol may never send an end of line.
  const std::string_view begun = std::string_view{text_}.substr(read_);
  if (!answer_ && !std::string_view{"HTTP/1."}.starts_with(begun.substr(0, 7)))
    return fail(Errc::BadValue, "not an HTTP answer");
  return std::optional<ConnectAnswer>{};
}

Result<std::optional<ConnectAnswer>> ConnectAnswerReader::take(std::string_view line) {
  if (has_bad_octet(line)) return fail(Errc::BadValue, "a control character in the answer");
  if (!answer_) {
    const auto status = parse_status_line(line);
    if (!status) return fail(Errc::BadValue, "not an HTTP answer");
    answer_ = ConnectAnswer{.status = *status};
    return std::optional<ConnectAnswer>{};
  }
  if (line.empty()) {
    const ConnectAnswer answer = *answer_;
    answer_.reset();
    // RFC 9110 section 15.2: another answer follows. (101 was not asked for, and is none.)
    if (answer.status < kLeastFinalStatus) return std::optional<ConnectAnswer>{};
    return std::optional{answer};
  }
  if (line.front() == ' ' || line.front() == '\t') return std::optional<ConnectAnswer>{};  // folded
  std::string_view value = line;
  const std::string_view name = take_until(value, ':');
  if (name.empty() || name.size() == line.size() || std::any_of(name.begin(), name.end(), is_space))
    return fail(Errc::BadValue, "not a header in the answer");
  if (equals_without_case(name, "Proxy-Authenticate") && names_basic(value))
    answer_->takes_basic = true;
  return std::optional<ConnectAnswer>{};
}

}  // namespace sallyport::codec::http
