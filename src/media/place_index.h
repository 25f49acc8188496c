// A hash index from what a datagram shows (a token, or a socket and a source) to a place in a table
// of ours. Open addressing, linear probing, deletion by shifting back: looking up, putting in and
// taking out never allocate; only reserve() does, which commands call. Eight octets a slot, at most
// half of them taken. What is equal is asked of the table: the index keeps hashes and places only.
// Hashes are made with a secret seed, so nobody outside can choose keys that collide.
#pragma once

#include <cstdint>
#include <cstring>
#include <vector>

#include "base/transport_address.h"

namespace sallyport::media {

class PlaceIndex {
 public:
  static constexpr std::uint32_t kNone = 0xffffffff;

  // Room for `places` entries without allocating.
  void reserve(std::size_t places) {
    std::size_t slots = slots_.empty() ? 16 : slots_.size();
    while (slots < places * 2) slots *= 2;
    if (slots == slots_.size()) return;
    std::vector<Slot> old(slots);
    old.swap(slots_);
    for (const Slot& slot : old)
      if (slot.place != kNone) insert(slot.hash, slot.place);
  }

  // The place for which `is_it(place)`, or kNone.
  template <typename IsIt>
  std::uint32_t find(std::uint32_t hash, IsIt is_it) const {
    if (slots_.empty()) return kNone;
    for (std::size_t at = hash & mask();; at = (at + 1) & mask()) {
      const Slot& slot = slots_[at];
      if (slot.place == kNone) return kNone;
      if (slot.hash == hash && is_it(slot.place)) return slot.place;
    }
  }

  void insert(std::uint32_t hash, std::uint32_t place) {
    std::size_t at = hash & mask();
    while (slots_[at].place != kNone) at = (at + 1) & mask();
    slots_[at] = {hash, place};
  }

  void erase(std::uint32_t hash, std::uint32_t place) {
    if (slots_.empty()) return;
    std::size_t at = hash & mask();
    while (slots_[at].place != place) {
      if (slots_[at].place == kNone) return;
      at = (at + 1) & mask();
    }
    // Move back whatever was pushed on by the one that goes (Knuth, 6.4 algorithm R).
    for (std::size_t next = at;;) {
      slots_[at].place = kNone;
      std::size_t home = 0;
      do {
        next = (next + 1) & mask();
        if (slots_[next].place == kNone) return;
        home = slots_[next].hash & mask();
      } while (at <= next ? (at < home && home <= next) : (at < home || home <= next));
      slots_[at] = slots_[next];
      at = next;
    }
  }

 private:
  struct Slot {
    std::uint32_t hash = 0;
    std::uint32_t place = kNone;
  };
  std::size_t mask() const { return slots_.size() - 1; }

  std::vector<Slot> slots_;
};

// Mixes 64 bits well enough for a table (the finaliser of splitmix64).
constexpr std::uint64_t mix(std::uint64_t x) {
  x = (x ^ (x >> 30U)) * 0xbf58476d1ce4e5b9U;
  x = (x ^ (x >> 27U)) * 0x94d049bb133111ebU;
  return x ^ (x >> 31U);
}

inline std::uint32_t hash_octets(const std::uint8_t* sixteen, std::uint64_t other,
                                 std::uint64_t seed) {
  std::uint64_t low = 0;
  std::uint64_t high = 0;
  std::memcpy(&low, sixteen, 8);
  std::memcpy(&high, sixteen + 8, 8);
  return static_cast<std::uint32_t>(mix(mix(mix(low ^ seed) ^ high) ^ other));
}

}  // namespace sallyport::media
