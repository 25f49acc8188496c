// Media paths over edges: knows which ports and flows a path needs. Two ports at one edge are
// joined there; a port inside needs a flow to the outside edge (its uplink), made when it is first
// connected to something elsewhere; ports of two agents need two flows, which the outside edge
// joins. A flow is bound, with sockets of its own, or tagged: then it rides on a trunk of its agent
// (brain/trunks.h). Used by adapters through adapter/media_paths.h; the Brain feeds it what edges
// tell. Brain's thread.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "adapter/adapter.h"
#include "adapter/media_paths.h"
#include "base/random.h"
#include "brain/flow_watch.h"
#include "brain/trunks.h"

namespace sallyport::brain {

struct MediaPathsOptions {
  // The server's X and Y as agents reach them: one of each for each address family.
  std::vector<TransportAddress> rtp;
  std::vector<TransportAddress> rtcp;
  Duration keepalive = std::chrono::seconds{10};
  TrunkOptions trunks;
};

class MediaPaths final : public adapter::MediaPaths {
 public:
  using OnCounts = std::function<void(const adapter::PathCounts&, adapter::Commands&)>;

  // For the adapter that acts with `commands`. `random` makes tokens and keys: it must be
  // unpredictable. All must outlive the paths.
  MediaPaths(MediaPathsOptions options, Random& random, FlowWatch& watch,
             adapter::Commands& commands);
  ~MediaPaths() override = default;

  // Where the X and Y of flows lie from now on (a family that is not listed cannot be used).
  void set_server_addresses(std::vector<TransportAddress> rtp, std::vector<TransportAddress> rtcp);

  // How flows of that place travel from now on, those of calls that are under way too: these move
  // one by one, each when its new flow is open, so that nothing is lost on the way. Bound unless
  // told.
  void set_carriage(adapter::Place place, media::Carriage carriage);

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
  bool on_timer(TimerId timer);
  // Everything at that place is gone with its edge.
  void on_edge_lost(adapter::Place place);

  // What keeps this port's media from coming about, for people; empty when nothing is known to.
  std::string problem_of(media::MediaId port);

  std::size_t ports() const { return ports_.size(); }
  std::size_t flows() const { return flow_owner_.size(); }

 private:
  // A flow: its probing end at the agent's own edge, its awaiting end at the outside one.
  struct Uplink {
    media::MediaId probing, awaiting;
    media::Carriage carriage = media::Carriage::Bound;
    media::MediaId trunk{};  // its probing end
    std::vector<media::Channel> channels{};
    FlowWatch::Flow watched{};  // of a flow that rides on a trunk: nothing, it is the trunk's
    bool open = false;          // tagged: the agent has its end; bound: the awaiting end was bound
  };
  struct Port {
    adapter::Place place;
    media::PortSpec spec;
    Handler handler;
    media::MediaId peer;  // connected to
    std::optional<Uplink> uplink;
    std::optional<Uplink> next;  // takes the uplink's place when it is open
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
  media::Carriage carriage_of(adapter::Place place) const;
  void ensure_uplink(media::MediaId id, Port& port);
  // Both ends; nothing is joined to them yet. Nothing when an edge is gone.
  std::optional<Uplink> open_uplink(media::MediaId id, const Port& port);
  void open_bound(const Port& port, Uplink& uplink);
  void open_tagged(const Port& port, Uplink& uplink, Trunk& trunk);
  std::vector<media::MediaId> ports_at(adapter::Place place) const;
  void close_uplinks(Port& port);
  void close(const Port& port, const Uplink& uplink);
  void begin_move(media::MediaId id, Port& port);
  void replace(const Port& port, const Uplink& old, const Uplink& by, media::ReplaceStep step);
  void finish_move(Port& port);  // if it can be
  void on_trunk_event(media::MediaId id, const media::Event& event);
  void on_trunk_refused(media::MediaId id);
  void tell(media::MediaId port, const media::Event& event);
  // What stands for this port at the outside edge: itself, or its uplink's awaiting end.
  media::MediaId outside_end(media::MediaId id, const Port& port) const;
  void probe(Uplink& flow, edge::Edge& inside);
  void probe(Port& port);
  void reopen(media::MediaId id, Port& port);
  template <typename Ends>
  void note(Ends& ends, media::MediaId end, const media::Event& event);
  void failed(media::MediaId id, Errc code, const std::string& what);

  MediaPathsOptions options_;
  Random& random_;
  FlowWatch& watch_;
  adapter::Commands& commands_;
  std::map<adapter::Place, bool> prefers_v4_;
  std::unordered_map<media::MediaId, Port> ports_;
  std::unordered_map<media::MediaId, media::MediaId> flow_owner_;  // either end -> its port
  std::map<adapter::Place, media::Carriage> carriages_;
  Trunks trunks_;
  // Uplinks that were replaced: what is under way to them may still arrive for a moment.
  std::unordered_map<TimerId, std::pair<adapter::Place, Uplink>> leaving_;
  std::map<edge::QueryId, Query> queries_;
};

}  // namespace sallyport::brain
