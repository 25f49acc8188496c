// Which directions of media the fast path has, for Relay, which knows what they are: when one is to
// be offered, and what came of it. A direction is known by its place, the number of the end and
// component at which its packets arrive.
//
//  - A direction's first packets go through the relay, which locks, binds and tells of them; so do
//    all packets of one that carries little.
//  - What the fast path declines is offered again after so many packets more.
//  - Packets of a direction that the fast path has, and leaves to the relay all the same (bundles),
//    are strays. It has taken them for lost. A direction with many is better relayed here.
//  - Offers take the fast path some microseconds each: not many are made at one time.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <vector>

#include "media/fast_path.h"

namespace sallyport::media {

class Offload {
 public:
  using Place = FastPath::Place;

  static constexpr std::uint16_t kFirstPackets = 10;
  static constexpr std::uint16_t kPacketsAfterRefusal = 1000;
  static constexpr std::uint16_t kMostStrays = 64;      // some had come already when it was taken
  static constexpr Duration kTick = milliseconds{100};  // between two readings
  static constexpr unsigned kOffersAtOnce = 16;         // in a millisecond

  // `path` outlives this object; null: nothing is ever offered.
  explicit Offload(FastPath* path) : path_(path) {}

  // Places 0 to places - 1 can be used.
  void reserve(std::size_t places) {
    if (path_ != nullptr) places_.resize(std::max(places_.size(), places));
  }

  // The relay has relayed a packet of that direction: what is to be done with it.
  enum class Due : std::uint8_t { Nothing, Offer, Stray, Refusal };
  Due on_relayed(Place place, TimePoint now) {
    if (path_ == nullptr) return Due::Nothing;
    State& it = places_[place];
    const bool stray = it.active != kNowhere;
    if (stray) ++it.strays;
    if (--it.packets_left != 0) return stray ? Due::Stray : Due::Nothing;
    if (stray) return Due::Refusal;
    return may_offer(it, now) ? Due::Offer : Due::Nothing;
  }
  // No rule: there is none as things are.
  void offer(Place place, const std::optional<FastRule>& rule, TimePoint now);
  bool has(Place place) const { return path_ != nullptr && places_[place].active != kNowhere; }
  // What it relayed until now is still to be read.
  void take_back(Place place);
  // It is better relayed here for the next kPacketsAfterRefusal packets.
  void refuse(Place place) {
    take_back(place);
    places_[place].packets_left = kPacketsAfterRefusal;
  }
  // The end in that place is a new one, or joined anew: its first packets are counted again.
  void begin(Place place) {
    if (path_ != nullptr && place < places_.size()) places_[place].packets_left = kFirstPackets;
  }

  // What was relayed in that place since it was last asked.
  FastCount read_new(Place place);
  void set_clock(Place place, const RtpClock& clock) {
    if (has(place)) path_->set_clock(place, clock);
  }
  const std::vector<Place>& active() const { return active_; }

  // When all active ones are to be read, and what says that the relay lives is due.
  std::optional<TimePoint> deadline() const {
    if (active_.empty()) return std::nullopt;
    return next_tick_;
  }
  void on_tick(TimePoint now);

 private:
  static constexpr std::uint32_t kNowhere = 0xffffffff;

  struct State {
    std::uint64_t packets_read = 0;
    std::uint64_t octets_read = 0;
    sallyport_rtp_totals stream_read{};
    std::int32_t strays = 0;          // since it was read
    std::int32_t strays_before = 0;   // since the time before, and not found among the lost yet
    std::uint32_t active = kNowhere;  // where it is in active_
    std::uint16_t packets_left = kFirstPackets;  // until it is offered, or, taken, given back
  };

  bool may_offer(State& state, TimePoint now);

  FastPath* path_;
  std::vector<State> places_;
  std::vector<Place> active_;
  TimePoint next_tick_{};
  TimePoint offers_since_{};
  unsigned offers_ = 0;
};

}  // namespace sallyport::media
