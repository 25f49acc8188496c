// How large a datagram the path of a trunk takes, found without believing ICMP: by probes that are
// padded to a size and answered by the far end (RFC 8899 in spirit). It begins with what every path
// takes, tries the usual sizes upwards, and confirms a larger size while it is in use, so that a
// path that has become narrower is noticed within seconds. Each end finds out for what it sends.
//
//   probe    record of form PathProbe:  | number (4) |, and padding up to the size
//   answer   record of form PathAnswer: | number (4) |
//
// It keeps times and numbers only; Relay sends what it says is due.
#pragma once

#include <cstdint>
#include <optional>

#include "base/time.h"

namespace sallyport::media {

class PathMtu {
 public:
  static constexpr std::size_t kBase = 1200;    // of the UDP payload, IPv4
  static constexpr std::size_t kBaseV6 = 1232;  // 1280 (RFC 8200 section 5) less the headers
  static constexpr std::size_t kBody = 4;       // of a probe's and an answer's record

  explicit PathMtu(bool v6 = false, std::uint32_t first_number = 0)
      : v6_(v6), number_(first_number), size_(base()) {}

  std::size_t size() const { return size_; }

  // A datagram of that size has gone out on a path that is open. True when deadline() may be sooner
  // now.
  bool on_sent(std::size_t size, TimePoint now);
  // The path is another one (perhaps): begins anew.
  void reset(bool v6);

  struct Probe {
    std::uint32_t number = 0;
    std::size_t size = 0;  // of the whole UDP payload
  };
  std::optional<Probe> on_time(TimePoint now);  // when deadline() is reached, and again
  std::optional<TimePoint> deadline() const { return due_; }
  // Of an authentic answer.
  void on_answer(std::uint32_t number, TimePoint now);

 private:
  static constexpr Duration kAnswerWithin = milliseconds{500};
  static constexpr unsigned kTries = 3;
  static constexpr Duration kConfirmAfter = seconds{10};
  static constexpr Duration kSearchAgainAfter = std::chrono::minutes{10};

  std::size_t base() const { return v6_ ? kBaseV6 : kBase; }
  std::optional<std::size_t> next_size() const;
  void rest(TimePoint now);

  bool v6_;
  std::uint32_t number_;
  std::size_t size_;        // known to pass
  std::size_t trying_ = 0;  // 0: nothing under way; size_: that is being confirmed
  unsigned tries_ = 0;      // of what is under way
  bool started_ = false;
  bool large_sent_ = false;  // more than the base, since the last answer
  std::optional<TimePoint> due_;
  TimePoint search_at_{};  // for a larger size
};

}  // namespace sallyport::media
