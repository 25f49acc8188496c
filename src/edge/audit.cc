#include "edge/audit.h"

#include <fcntl.h>
#include <fmt/chrono.h>
#include <fmt/format.h>
#include <openssl/evp.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <charconv>
#include <fstream>

#include "base/hex.h"
#include "base/log.h"

namespace sallyport::edge {
namespace {

constexpr std::string_view kHashKey = R"(,"hash":")";
constexpr std::string_view kPrevKey = R"(,"prev":")";
constexpr std::string_view kLostKey = R"(,"lost":)";
constexpr std::size_t kHashDigits = 64;
constexpr std::size_t kMaxLine = 4096;

std::string first_hash() { return std::string(kHashDigits, '0'); }

std::string sha256(std::string_view text) {
  std::array<std::uint8_t, 32> digest{};
  unsigned length = 0;
  EVP_Digest(text.data(), text.size(), digest.data(), &length, EVP_sha256(), nullptr);
  return to_hex(digest);
}

// A line of the log, taken apart just far enough to check the chain.
struct Line {
  std::string_view hashed;  // what the hash is over
  std::string_view hash, prev;
  std::uint64_t number = 0;
  std::uint64_t lost = 0;
};

std::optional<std::uint64_t> number_at(std::string_view text) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{}) return std::nullopt;
  return value;
}

std::optional<Line> parse_line(std::string_view text) {
  Line line;
  const std::size_t at = text.rfind(kHashKey);
  if (at == std::string_view::npos || text.size() != at + kHashKey.size() + kHashDigits + 2)
    return std::nullopt;
  line.hashed = text.substr(0, at);
  line.hash = text.substr(at + kHashKey.size(), kHashDigits);
  const std::size_t prev = line.hashed.rfind(kPrevKey);
  if (prev == std::string_view::npos ||
      line.hashed.size() != prev + kPrevKey.size() + kHashDigits + 1)
    return std::nullopt;
  line.prev = line.hashed.substr(prev + kPrevKey.size(), kHashDigits);
  static constexpr std::string_view kStart = R"({"n":)";
  if (!text.starts_with(kStart)) return std::nullopt;
  const auto number = number_at(text.substr(kStart.size()));
  if (!number) return std::nullopt;
  line.number = *number;
  if (const std::size_t lost = line.hashed.rfind(kLostKey); lost != std::string_view::npos)
    line.lost = number_at(line.hashed.substr(lost + kLostKey.size())).value_or(0);
  return line;
}

// The last whole line of the file, without its line end; empty for an empty file.
Result<std::string> last_line(int fd) {
  struct stat status {};
  if (::fstat(fd, &status) != 0) return fail(Errc::System, "cannot read the audit log");
  const auto size = static_cast<std::size_t>(status.st_size);
  const std::size_t wanted = std::min(size, kMaxLine);
  std::string tail(wanted, '\0');
  if (::pread(fd, tail.data(), wanted, static_cast<off_t>(size - wanted)) !=
      static_cast<ssize_t>(wanted))
    return fail(Errc::System, "cannot read the audit log");
  if (tail.empty()) return tail;
  if (tail.back() != '\n')
    return fail(Errc::BadValue, "the audit log ends in the middle of a line");
  tail.pop_back();
  const std::size_t start = tail.rfind('\n');
  return start == std::string::npos ? tail : tail.substr(start + 1);
}

// Cuts off a line that a crash or a full disk left half-written, so that the next one starts
// afresh.
void drop_partial_line(int fd) {
  const off_t size = ::lseek(fd, 0, SEEK_END);
  for (off_t at = size; at > 0; --at) {
    char octet = 0;
    if (::pread(fd, &octet, 1, at - 1) != 1) return;
    if (octet != '\n') continue;
    if (at != size && ::ftruncate(fd, at) != 0) return;
    return;
  }
  if (size > 0 && ::ftruncate(fd, 0) != 0) return;
}

}  // namespace

Result<std::unique_ptr<Audit>> Audit::open(const std::string& path, WallClock clock) {
  const int fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  if (fd < 0) return fail(Errc::System, "cannot open the audit log");
  std::unique_ptr<Audit> audit{new Audit{fd, std::move(clock)}};
  drop_partial_line(fd);
  const auto last = last_line(fd);
  if (!last) return tl::make_unexpected(last.error());
  audit->previous_hash_ = first_hash();
  if (last->empty()) return audit;
  const auto line = parse_line(*last);
  if (!line) return fail(Errc::BadValue, "the last line of the audit log is not one of its lines");
  audit->number_ = line->number;
  audit->previous_hash_ = line->hash;
  return audit;
}

std::unique_ptr<Audit> Audit::none() { return std::unique_ptr<Audit>{new Audit{-1, {}}}; }

Audit::~Audit() {
  if (fd_ >= 0) ::close(fd_);
}

void Audit::record(std::string_view by, std::string_view act, std::string_view what,
                   std::uint64_t id, std::string_view result) {
  if (fd_ < 0) return;
  const auto now = std::chrono::floor<milliseconds>(clock_());
  const auto whole = std::chrono::floor<seconds>(now);
  std::string line =
      fmt::format(R"({{"n":{},"ts":"{:%Y-%m-%dT%H:%M:%S}.{:03}Z","by":)", number_ + 1,
                  fmt::gmtime(std::chrono::system_clock::to_time_t(whole)), (now - whole).count());
  append_json_string(line, by);
  line += R"(,"act":)";
  append_json_string(line, act);
  line += R"(,"what":)";
  append_json_string(line, what.substr(0, kMaxLine / 8));
  if (id != 0) line += fmt::format(R"(,"id":"{:x}")", id);
  line += R"(,"result":)";
  append_json_string(line, result.substr(0, kMaxLine / 8));
  if (lost_ != 0) line += fmt::format("{}{}", kLostKey, lost_);
  line += fmt::format("{}{}\"", kPrevKey, previous_hash_);
  std::string hash = sha256(line);
  line += fmt::format("{}{}\"}}\n", kHashKey, hash);

  const ssize_t written = ::write(fd_, line.data(), line.size());
  if (written != static_cast<ssize_t>(line.size())) {
    if (written > 0) drop_partial_line(fd_);
    ++lost_;
    ++lost_in_all_;
    return;
  }
  lost_ = 0;
  ++number_;
  previous_hash_ = std::move(hash);
}

Result<AuditVerdict> verify_audit(const std::string& path, std::string_view known) {
  std::ifstream file{path, std::ios::binary};
  if (!file) return fail(Errc::System, "cannot read the audit log");
  AuditVerdict verdict;
  verdict.known_found = known == first_hash();  // of a log without lines
  std::string text;
  std::string previous;
  std::uint64_t number = 0;
  const auto broken = [&](std::string what) {
    verdict.broken_line = verdict.lines;
    verdict.what = std::move(what);
    return verdict;
  };
  while (std::getline(file, text)) {
    ++verdict.lines;
    const auto line = parse_line(text);
    if (!line) return broken("not a line of an audit log");
    if (sha256(line->hashed) != line->hash)
      return broken("the line was changed after it was written");
    // A log that was rotated begins with any number and the hash of a line that is not here.
    if (verdict.lines > 1 && line->number != number + 1)
      return broken("a line is missing before this one");
    if (verdict.lines > 1 && line->prev != previous)
      return broken("the line does not follow from the one before");
    if (line->number == 1 && line->prev != first_hash())
      return broken("the first line claims a line before it");
    number = line->number;
    previous = line->hash;
    verdict.lost += line->lost;
    if (previous == known) verdict.known_found = true;
  }
  verdict.last_hash = previous;
  return verdict;
}

}  // namespace sallyport::edge
