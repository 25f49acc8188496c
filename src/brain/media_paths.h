// Media paths over edges: knows which ports and flows a path needs. Two ports at one edge are
// joined there; a port inside needs a flow to the outside edge (its uplink), made when it is first
// connected to something elsewhere; ports of two agents need two flows, which the outside edge
// joins. Used by adapters through adapter/media_paths.h; the Brain feeds it what edges tell.
// Brain's thread.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "adapter/adapter.h"
#include "adapter/media_paths.h"
#include "base/random.h"

namespace sallyport::brain {

struct MediaPathsOptions {
  // The server's X and Y as agents reach them: one of each for each address family.
  std::vector<TransportAddress> rtp;
  std::vector<TransportAddress> rtcp;
  Duration keepalive = std::chrono::seconds{10};
};

class MediaPaths final : public adapter::MediaPaths {
 public:
  using OnCounts = std::function<void(const adapter::PathCounts&, adapter::Commands&)>;

  // For the adapter that acts with `commands`. `random` makes tokens and keys: it must be
  // unpredictable. Both must outlive the paths.
  MediaPaths(MediaPathsOptions options, Random& random, adapter::Commands& commands);
  ~MediaPaths() override = default;

  // Where the X and Y of flows lie from now on (a family that is not listed cannot be used).
  void set_server_addresses(std::vector<TransportAddress> rtp, std::vector<TransportAddress> rtcp);

  // By which family an agent reaches the server: its flows go there. Otherwise to the first
  // address.
  void prefer_family(adapter::Place place, bool v4) { prefers_v4_[place] = v4; }

  media::MediaId open_port(adapter::Place place, const media::PortSpec& spec,
                           Handler handler) override;
  void set_remote(media::MediaId port, const media::RemoteSpec& remote) override;
  void connect(media::MediaId a, media::MediaId b) override;
  void start(media::MediaId port) override;
  void close(media::MediaId port) override;
  void count(media::MediaId port, OnCounts on_counts) override;

  // ---- What edges tell, by way of the brain; false: not one of ours ----
  bool on_media_opened(media::MediaId id, const std::vector<TransportAddress>& addresses);
  bool on_media_event(media::MediaId id, const media::Event& event);
  bool on_media_counts(edge::QueryId query, const media::Counts& counts);
  bool on_refused(std::uint64_t id, Errc code, const std::string& what);
  // Everything at that place is gone with its edge.
  void on_edge_lost(adapter::Place place);

  std::size_t ports() const { return ports_.size(); }
  std::size_t flows() const { return flow_owner_.size(); }

 private:
  // A flow pair: its probing end at the port's own edge, its awaiting end at the outside one.
  struct Uplink {
    media::MediaId probing, awaiting;
  };
  struct Port {
    adapter::Place place;
    media::PortSpec spec;
    Handler handler;
    media::MediaId peer;  // connected to
    std::optional<Uplink> uplink;
  };

  struct Query {
    adapter::Place place;  // whose edge is asked
    std::function<void(const media::Counts&)> on_counts;
  };

  struct Gathered;  // the answers of one count()

  void ask(adapter::Place place, media::MediaId id, const std::shared_ptr<Gathered>& gathered,
           media::Counts adapter::PathCounts::*where);
  void answered(Gathered& gathered);
  std::size_t server_address_for(adapter::Place place) const;
  void ensure_uplink(media::MediaId id, Port& port);
  void close_uplink(Port& port);
  // What stands for this port at the outside edge: itself, or its uplink's awaiting end.
  media::MediaId outside_end(media::MediaId id, const Port& port) const;
  void probe(const Port& port);
  void failed(media::MediaId id, Errc code, const std::string& what);

  MediaPathsOptions options_;
  Random& random_;
  adapter::Commands& commands_;
  std::map<adapter::Place, bool> prefers_v4_;
  std::unordered_map<media::MediaId, Port> ports_;
  std::unordered_map<media::MediaId, media::MediaId> flow_owner_;  // either end -> its port
  std::map<edge::QueryId, Query> queries_;
};

}  // namespace sallyport::brain
