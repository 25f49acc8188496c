// The agents' ends of media flows and trunks, all of them on the generator's one socket: each
// component of a bound flow, and each trunk, has an address of its own there, and is probed and
// confirmed as an agent does it, by the product's own Prober. RTP of flow n is the generator's
// stream n, RTCP its stream capacity + n; the trunks' addresses are those of the streams behind.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "load/generator.h"
#include "load/trunk_end.h"
#include "media/plane.h"
#include "media/prober.h"
#include "media/token.h"

namespace sallyport::bench {

class Flows {
 public:
  using OnEvent = media::Plane::OnEvent;

  // How many streams the generator must have.
  static std::size_t streams(std::size_t capacity, std::size_t trunks) {
    return 2 * capacity + trunks;
  }
  Flows(Generator& generator, std::size_t capacity, std::size_t trunks);

  // A flow's number; nothing when all are in use. Tagged: `trunk` is that of open_trunk().
  std::optional<std::size_t> open(media::MediaId id, const media::FlowSpec& spec, OnEvent on_event);
  std::optional<std::size_t> open_tagged(const media::FlowSpec& spec, std::size_t trunk);
  std::optional<std::size_t> open_trunk(media::MediaId id, const media::TrunkSpec& spec,
                                        media::KeyRing& ring, OnEvent on_event);
  void probe(std::size_t flow, TimePoint now);
  void probe_trunk(std::size_t trunk, TimePoint now);
  void close(std::size_t flow);
  void close_trunk(std::size_t trunk);
  std::size_t in_use() const { return flows_.size() - free_.size(); }
  bool confirmed(std::size_t flow) const;  // all of its components, or its trunk

  void on_datagram(std::size_t stream, Bytes datagram, TimePoint now);
  void on_time(TimePoint now);

 private:
  // What is probed: a component of a bound flow, or a trunk.
  struct Component {
    media::FlowComponent secret;
    TransportAddress server;
    media::Prober prober;
  };
  struct Probed {
    media::MediaId id;
    OnEvent on_event;
    std::vector<Component> components;
  };
  struct Flow {
    Probed bound;  // no components: it is tagged, or not there
    std::optional<std::size_t> trunk;
  };
  struct Trunk {
    Probed bound;
    std::unique_ptr<TrunkEnd> end;
  };

  std::size_t stream_of(std::size_t flow, std::size_t component) const {
    return component * flows_.size() + flow;
  }
  std::size_t carrier_of(std::size_t trunk) const { return 2 * flows_.size() + trunk; }
  void on_confirmation(Probed& probed, std::size_t component, std::size_t stream, Bytes datagram,
                       TimePoint now);
  void send_due(Component& component, std::size_t stream, TimePoint now);

  Generator& generator_;
  std::vector<Flow> flows_;
  std::vector<std::size_t> free_;
  std::vector<Trunk> trunks_;
  std::vector<std::size_t> free_trunks_;
  media::TagMaker tags_;
};

}  // namespace sallyport::bench
