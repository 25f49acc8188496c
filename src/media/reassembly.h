// Packets that came in two parts, since they were too large for the path (Form::FirstPart and
// SecondPart of tagged.h). Of each channel one packet at most is put together, kLongest at most;
// the memory is one pool for a whole relay, taken at the start. The parts may come in either order.
// Used by Relay, on its thread.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "base/bytes.h"
#include "base/time.h"
#include "base/traffic_class.h"

namespace sallyport::media {

class Reassembly {
 public:
  static constexpr std::size_t kSlots = 32;
  static constexpr std::size_t kLongestPacket = 1536;
  static constexpr Duration kLongest = milliseconds{200};

  explicit Reassembly(std::size_t headroom, std::size_t slots = kSlots)
      : headroom_(headroom), slots_(slots), octets_(slots * slot_size()) {}

  enum class Outcome : std::uint8_t { Malformed, NoRoom, Waits, Whole };
  struct Added {
    Outcome outcome = Outcome::Malformed;
    bool gave_up = false;  // another packet of this channel that was not whole
    // Whole: the packet, with `headroom` writable octets before it; valid until the next add().
    MutableBytes packet{};
    Ecn ecn = Ecn::NotCapable;  // its own: a part that was marked marks it (RFC 3168 section 5.3)
  };
  // `body`: | number of the packet (1) | octets |. `channel` is any number that names it.
  Added add(std::uint32_t channel, bool second, Bytes body, Ecn ecn, TimePoint now);

  // How many packets were given up since they did not become whole in time.
  std::size_t expire(TimePoint now);
  std::size_t forget(std::uint32_t channel);  // 1 if there was one
  std::size_t waiting() const { return waiting_; }
  std::optional<TimePoint> deadline() const;

 private:
  struct Slot {
    bool used = false;
    bool second = false;  // the part that is here
    std::uint8_t number = 0;
    Ecn ecn = Ecn::NotCapable;  // of that part
    std::uint32_t channel = 0;
    std::size_t size = 0;  // of that part
    TimePoint since;
  };
  std::size_t slot_size() const { return headroom_ + kLongestPacket; }
  MutableBytes room(std::size_t slot) {
    return MutableBytes{octets_}.subspan(slot * slot_size() + headroom_, kLongestPacket);
  }
  void free(Slot& slot) {
    slot.used = false;
    --waiting_;
  }

  std::size_t headroom_;
  std::vector<Slot> slots_;
  Buffer octets_;
  std::size_t waiting_ = 0;
};

}  // namespace sallyport::media
