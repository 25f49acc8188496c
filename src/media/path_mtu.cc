#include "media/path_mtu.h"

#include <algorithm>
#include <array>

namespace sallyport::media {
namespace {

// What is left of 1500 (or of what a tunnel leaves of it) behind IP and UDP headers.
constexpr std::array<std::size_t, 3> kSizes{1400, 1452, 1472};

}  // namespace

std::optional<std::size_t> PathMtu::next_size() const {
  for (const std::size_t each : kSizes)
    if (each > size_ && (!v6_ || each + 48 <= 1500)) return each;
  return std::nullopt;
}

bool PathMtu::on_sent(std::size_t size, TimePoint now) {
  if (size > base()) large_sent_ = true;
  if (started_) return false;
  started_ = true;
  search_at_ = now;
  due_ = now;
  return true;
}

void PathMtu::reset(bool v6) {
  v6_ = v6;
  size_ = base();
  trying_ = 0;
  tries_ = 0;
  started_ = false;
  large_sent_ = false;
  due_.reset();
}

std::optional<PathMtu::Probe> PathMtu::on_time(TimePoint now) {
  if (!due_ || now < *due_) return std::nullopt;
  if (trying_ != 0 && tries_ == kTries) {
    // No answer. What was being confirmed has become too large; what was being tried is.
    if (trying_ == size_) size_ = base();
    search_at_ = now + kSearchAgainAfter;
    trying_ = 0;
    large_sent_ = false;
    rest(now);
    return std::nullopt;
  }
  if (trying_ == 0) {
    const auto larger = next_size();
    if (larger && now >= search_at_) {
      trying_ = *larger;
    } else if (size_ > base() && large_sent_) {
      trying_ = size_;
    } else {
      rest(now);
      return std::nullopt;
    }
    tries_ = 0;
  }
  ++tries_;
  ++number_;
  due_ = now + kAnswerWithin;
  return Probe{.number = number_, .size = trying_};
}

void PathMtu::on_answer(std::uint32_t number, TimePoint now) {
  // Of the tries for this size: their numbers are the last ones.
  if (trying_ == 0 || number_ - number >= tries_) return;
  const bool searched = trying_ > size_;
  size_ = trying_;
  trying_ = 0;
  large_sent_ = false;
  if (!next_size()) search_at_ = now + kSearchAgainAfter;
  if (searched && next_size())
    due_ = now;
  else
    rest(now);
}

// Nothing is under way: until the next confirmation or search.
void PathMtu::rest(TimePoint now) {
  due_ = size_ > base() ? now + kConfirmAfter : std::max(search_at_, now + kConfirmAfter);
}

}  // namespace sallyport::media
