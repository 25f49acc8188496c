// The agents' ends of media flows, all of them on the generator's one socket: each component of a
// flow has an address of its own there, and is probed and confirmed as an agent does it, by the
// product's own Prober. RTP of flow n is the generator's stream n, RTCP its stream capacity + n.
#pragma once

#include <optional>
#include <vector>

#include "load/generator.h"
#include "media/plane.h"
#include "media/prober.h"
#include "media/token.h"

namespace sallyport::bench {

class Flows {
 public:
  Flows(Generator& generator, std::size_t capacity) : generator_(generator), flows_(capacity) {
    for (std::size_t n = capacity; n > 0; --n) free_.push_back(n - 1);
  }

  // A flow's number; nothing when all are in use.
  std::optional<std::size_t> open(media::MediaId id, const media::FlowSpec& spec,
                                  media::Plane::OnEvent on_event);
  void probe(std::size_t flow, TimePoint now);
  void close(std::size_t flow);
  std::size_t in_use() const { return flows_.size() - free_.size(); }
  bool confirmed(std::size_t flow) const;  // all of its components

  void on_datagram(std::size_t stream, Bytes datagram, TimePoint now);
  void on_time(TimePoint now);

 private:
  struct Component {
    media::FlowComponent secret;
    TransportAddress server;
    media::Prober prober;
  };
  struct Flow {
    media::MediaId id;
    media::Plane::OnEvent on_event;
    std::vector<Component> components;
  };
  std::size_t stream_of(std::size_t flow, std::size_t component) const {
    return component * flows_.size() + flow;
  }

  Generator& generator_;
  std::vector<Flow> flows_;
  std::vector<std::size_t> free_;
  media::TagMaker tags_;
};

}  // namespace sallyport::bench
