// The trunks that agents have, and which flows ride on which: opened at both edges when they are
// first needed, as many as are wanted for each agent, and kept as long as the agent's edge. Used by
// MediaPaths; brain's thread.
#pragma once

#include <cstddef>
#include <map>
#include <optional>
#include <set>
#include <unordered_map>
#include <vector>

#include "adapter/adapter.h"
#include "base/random.h"
#include "brain/flow_watch.h"
#include "media/media.h"

namespace sallyport::brain {

struct TrunkOptions {
  unsigned most = 1;  // for each agent: each has a port and a NAT mapping of its own
  bool sealed = true;
  bool compress = false;
  Duration bundle = milliseconds{1};
  std::uint8_t dscp = 46;  // of probes, and of the connection where it goes over a stream
};

struct Trunk {
  media::MediaId probing, awaiting;  // the ends: at the agent's own edge, at the outside one
  TransportAddress server;
  std::uint8_t owner = 0;
  std::set<media::Channel> channels;
  FlowWatch::Flow watched{};
  bool bound = false;  // the awaiting end was
};

class Trunks {
 public:
  // `random` must be unpredictable. All outlive the trunks.
  Trunks(const TrunkOptions& options, Duration keepalive, Random& random, FlowWatch& watch,
         adapter::Commands& commands)
      : options_(options),
        keepalive_(keepalive),
        random_(random),
        watch_(watch),
        commands_(commands) {}

  // The one that a new flow of that agent is to ride on: the one with the fewest channels, a new
  // one while not all that there may be are in use. Both edges are there. Null: no trunk can be
  // had.
  Trunk* choose(adapter::Place place, const TransportAddress& server);
  // So many channels that are in use from now on.
  std::vector<media::Channel> take_channels(Trunk& trunk, unsigned count);
  void release(media::MediaId probing, const std::vector<media::Channel>& channels);

  Trunk* find(media::MediaId end);  // either end
  std::optional<adapter::Place> place_of(media::MediaId end) const;

  // One that the agent could not open: it has so many fewer from now on. False: it has none left.
  bool give_up(media::MediaId end);
  void close_all(adapter::Place place);
  void forget_all();  // the outside edge is gone with all of them

 private:
  struct Site {
    std::vector<Trunk> trunks;
    std::size_t given_up = 0;
  };

  Trunk& open(adapter::Place place, Site& site, const TransportAddress& server);
  std::uint8_t next_owner() const;
  void close(adapter::Place place, const Trunk& trunk);

  TrunkOptions options_;
  Duration keepalive_;
  Random& random_;
  FlowWatch& watch_;
  adapter::Commands& commands_;
  std::map<adapter::Place, Site> sites_;
  std::unordered_map<media::MediaId, adapter::Place> place_of_;  // by either end
};

}  // namespace sallyport::brain
