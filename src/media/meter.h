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
  // What was relayed elsewhere (media/fast_path.h), its headers unseen; `last` came the latest.
  void in_unseen(std::uint64_t packets, std::uint64_t octets, TimePoint last) {
    packets_in_ += packets;
    octets_in_ += octets;
    quality_.on_unseen(last);
  }
  void out_unseen(std::uint64_t packets, std::uint64_t octets) {
    packets_out_ += packets;
    octets_out_ += octets;
  }
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
