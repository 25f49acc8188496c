// What goes in and out at one component of a media end, counted: the terminals' own octets, without
// what a carriage puts before them. Used by Relay and what it is made of, on its thread.
#pragma once

#include "media/media.h"
#include "media/path_delay.h"
#include "media/stream_quality.h"

namespace sallyport::media {

class Meter {
 public:
  void in(Bytes datagram, TimePoint now) {
    ++packets_in_;
    octets_in_ += datagram.size();
    quality_.on_packet(datagram, now);
  }
  void out(std::size_t octets) {
    ++packets_out_;
    octets_out_ += octets;
  }
  // What was relayed elsewhere (media/fast_path.h).
  void in_fast(const FastCount& more) {
    packets_in_ += more.packets;
    octets_in_ += more.octets;
    quality_.on_fast(more);
  }
  void out_fast(const FastCount& more) {
    packets_out_ += more.packets;
    octets_out_ += more.octets;
  }
  void leave_to_fast_path() { quality_.leave_to_fast_path(); }
  RtpClock clock() const { return quality_.clock(); }
  void refuse() { ++refused_; }

  ComponentCounts read(TimePoint now, const PathDelay& path = {}) const {
    return {.packets_in = packets_in_,
            .octets_in = octets_in_,
            .packets_out = packets_out_,
            .octets_out = octets_out_,
            .refused = refused_,
            .in = quality_.read(now),
            .round_trip = path.round_trip(),
            .to_server = path.to_server(),
            .to_agent = path.to_agent()};
  }

 private:
  std::uint64_t packets_in_ = 0;
  std::uint64_t octets_in_ = 0;
  std::uint64_t packets_out_ = 0;
  std::uint64_t octets_out_ = 0;
  std::uint64_t refused_ = 0;
  StreamQuality quality_;
};

}  // namespace sallyport::media
