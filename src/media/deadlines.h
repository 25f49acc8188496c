// One deadline for each of many small numbers, and the earliest of them: a binary heap that knows
// where each stands. Arming and disarming never allocate; only reserve() does. Whoever uses it
// arms late: a packet only notes its time, and when the deadline comes it is seen whether it still
// holds.
#pragma once

#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "base/time.h"

namespace sallyport::media {

class Deadlines {
 public:
  using Key = std::uint32_t;

  // Keys 0 to keys - 1 can be armed.
  void reserve(std::size_t keys) {
    if (keys <= places_.size()) return;
    places_.resize(keys, kNowhere);
    heap_.reserve(places_.capacity());
  }

  // Arming a key that is armed moves it.
  void arm(Key key, TimePoint due) {
    std::uint32_t at = places_[key];
    if (at == kNowhere) {
      at = static_cast<std::uint32_t>(heap_.size());
      heap_.emplace_back(due, key);
      places_[key] = at;
    }
    heap_[at].first = due;
    sift_down(sift_up(at));
  }

  void disarm(Key key) {
    const std::uint32_t at = places_[key];
    if (at == kNowhere) return;
    places_[key] = kNowhere;
    const Entry last = heap_.back();
    heap_.pop_back();
    if (at == heap_.size()) return;
    put(at, last);
    sift_down(sift_up(at));
  }

  std::optional<TimePoint> next() const {
    if (heap_.empty()) return std::nullopt;
    return heap_.front().first;
  }

  // The earliest key that is due at `now`, disarmed.
  std::optional<Key> expire(TimePoint now) {
    if (heap_.empty() || heap_.front().first > now) return std::nullopt;
    const Key key = heap_.front().second;
    disarm(key);
    return key;
  }

 private:
  using Entry = std::pair<TimePoint, Key>;
  static constexpr std::uint32_t kNowhere = 0xffffffff;

  void put(std::uint32_t at, const Entry& entry) {
    heap_[at] = entry;
    places_[entry.second] = at;
  }
  std::uint32_t sift_up(std::uint32_t at) {
    const Entry entry = heap_[at];
    while (at > 0 && entry < heap_[(at - 1) / 2]) {
      put(at, heap_[(at - 1) / 2]);
      at = (at - 1) / 2;
    }
    put(at, entry);
    return at;
  }
  void sift_down(std::uint32_t at) {
    const Entry entry = heap_[at];
    for (;;) {
      std::uint32_t child = at * 2 + 1;
      if (child >= heap_.size()) break;
      if (child + 1 < heap_.size() && heap_[child + 1] < heap_[child]) ++child;
      if (entry <= heap_[child]) break;
      put(at, heap_[child]);
      at = child;
    }
    put(at, entry);
  }

  std::vector<Entry> heap_;
  std::vector<std::uint32_t> places_;  // by key
};

}  // namespace sallyport::media
