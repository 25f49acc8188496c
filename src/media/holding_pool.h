// Packets that wait for a flow to be bound. A call's first packets come before its path is open;
// they wait a moment rather than be lost, but few of them and not for long: at most kMostWaiting a
// component and kLongestWait each. The memory is one pool for a whole relay, taken at the start.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "base/bytes.h"
#include "base/time.h"
#include "base/traffic_class.h"

namespace sallyport::media {

constexpr std::size_t kMostWaiting = 4;
constexpr Duration kLongestWait = milliseconds{60};

// The packets that wait for one component, oldest first. Kept by HoldingPool.
struct WaitingLine {
  static constexpr std::uint16_t kNone = 0xffff;
  std::uint16_t first = kNone;
  std::uint16_t last = kNone;
  std::uint16_t count = 0;

  bool empty() const { return count == 0; }
};

class HoldingPool {
 public:
  static constexpr std::size_t kSlotSize = 1536;  // octets; longer packets do not wait
  static constexpr std::size_t kMostSlots = WaitingLine::kNone - 1;

  explicit HoldingPool(std::size_t slots) : slots_(std::min(slots, kMostSlots)) {
    octets_.resize(slots_.size() * kSlotSize);
    for (std::size_t i = slots_.size(); i-- > 0;) give_back(static_cast<std::uint16_t>(i));
  }

  // False when the packet is too long, the pool is empty, or the line is full.
  bool hold(WaitingLine& line, Bytes packet, Ecn ecn, TimePoint now) {
    if (packet.size() > kSlotSize || free_ == WaitingLine::kNone || line.count == kMostWaiting)
      return false;
    const std::uint16_t slot = free_;
    free_ = slots_[slot].next;
    slots_[slot] = {now, WaitingLine::kNone, static_cast<std::uint16_t>(packet.size()), ecn};
    std::copy(packet.begin(), packet.end(), octets_.begin() + offset(slot));
    (line.empty() ? line.first : slots_[line.last].next) = slot;
    line.last = slot;
    ++line.count;
    return true;
  }

  // Of a line that is not empty.
  Bytes oldest(const WaitingLine& line) const {
    return Bytes{octets_}.subspan(static_cast<std::size_t>(offset(line.first)),
                                  slots_[line.first].size);
  }
  Ecn oldest_ecn(const WaitingLine& line) const { return slots_[line.first].ecn; }
  TimePoint oldest_since(const WaitingLine& line) const { return slots_[line.first].since; }
  void drop_oldest(WaitingLine& line) {
    const std::uint16_t slot = line.first;
    line.first = slots_[slot].next;
    --line.count;
    give_back(slot);
  }

 private:
  struct Slot {
    TimePoint since;
    std::uint16_t next = WaitingLine::kNone;
    std::uint16_t size = 0;
    Ecn ecn = Ecn::NotCapable;
  };
  static std::ptrdiff_t offset(std::uint16_t slot) {
    return static_cast<std::ptrdiff_t>(slot * kSlotSize);
  }
  void give_back(std::uint16_t slot) {
    slots_[slot].next = free_;
    free_ = slot;
  }

  std::vector<Slot> slots_;
  std::vector<std::uint8_t> octets_;
  std::uint16_t free_ = WaitingLine::kNone;
};

}  // namespace sallyport::media
