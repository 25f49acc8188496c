// The media plane of a real host: one or several threads (workers), each with an epoll loop, UDP
// sockets and a media::Relay of its own. The edge's thread gives them commands through a queue
// each, in order, and gets events and counts back through another; so the packet path meets no lock
// and waits for nobody. Everything here but the threads themselves belongs to the edge's thread.
//
// Each worker has a socket at X and at Y, and the kernel gives it those datagrams that are its own
// (media/steering.h). Each media end lives with one worker; which one that is, is decided here.
// Where ends of several are joined, or a datagram comes to the wrong one, they pass packets to each
// other (media/neighbours.h).
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <thread>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/random.h"
#include "base/result.h"
#include "edge/held_orders.h"
#include "edge/media_commands.h"
#include "edge/port_allocator.h"
#include "fastpath/kernel_relay.h"
#include "media/plane.h"
#include "media/relay.h"
#include "net/udp_batch.h"

namespace sallyport::edge {

class WorkerWay;

struct MediaThreadOptions {
  // The server's X and Y, each with the local address that it is to be bound to, IPv4, IPv6 or
  // both; none at an agent. An unspecified address serves all of the host's: where there are
  // several, each has its socket, so that an answer leaves from the address it was sent to.
  std::vector<TransportAddress> server_sockets;
  unsigned threads = 1;  // at most media::kMaxCores
  Duration nap{};        // of a thread under load, at most (edge/napper.h); 0: none
  // From which trunks leave, so that a firewall can name it: this one and those that follow, one
  // for each trunk; 0: any.
  std::uint16_t trunk_port = 0;
  media::PortRange ports;  // of open_port
  Duration quarantine = kPortQuarantine;
  media::RelayOptions relay;
  std::size_t queued_commands = 4096;
  std::size_t queued_messages = 4096;
};

class MediaThread final : public media::Plane {
 public:
  // Runs work on the edge's thread; called from the media thread: net::HostNetwork::post.
  using Post = std::function<void(std::function<void()>)>;
  using OnTotals = std::function<void(const MediaTotals&)>;

  // Of the kernel's relay: as many directions as there can be with the usual options.
  static constexpr std::size_t kPlaces = media::RelayOptions{}.max_ends * media::kMaxComponents;

  // `kernel`: what established media is handed to, if there is such.
  // Errors: what binding the server's sockets said.
  static Result<std::unique_ptr<MediaThread>> start(
      const MediaThreadOptions& options, const Post& post,
      std::unique_ptr<fastpath::KernelRelay> kernel = nullptr);
  MediaThread(const MediaThread&) = delete;
  MediaThread& operator=(const MediaThread&) = delete;
  ~MediaThread() override;  // ends the thread; no event comes any more

  // Where options.server_sockets were bound, in that order.
  const std::vector<TransportAddress>& server_addresses() const { return server_addresses_; }

  Result<media::OpenedPort> open_port(const media::PortSpec& spec, OnEvent on_event) override;
  Result<media::MediaId> open_flow(const media::FlowSpec& spec, OnEvent on_event) override;
  Result<media::MediaId> open_trunk(const media::TrunkSpec& spec, OnEvent on_event) override;
  void install_keys(media::KeyRingId ring, const media::KeysOfConnection& keys) override;
  void forget_keys(media::KeyRingId ring) override;
  void set_remote(media::MediaId id, const media::RemoteSpec& remote) override;
  void join(media::MediaId a, media::MediaId b) override;
  void leave(media::MediaId id) override;
  void replace(media::MediaId old, media::MediaId by, media::ReplaceStep step) override;
  void probe(media::MediaId id) override;
  void close(media::MediaId id) override;
  // Of an id that is not there: no components.
  void count(media::MediaId id, OnCounts on_counts) override;

  // This host's addresses or routes have changed: flows in use are probed again, and the kernel
  // forgets what ways it was told.
  void path_changed();
  void totals(OnTotals on_totals);

  struct Shared;  // the queues between the edge's thread and a worker

 private:
  class Worker;
  struct Kernel;

  struct End {
    std::shared_ptr<OnEvent> on_event;
    media::Core home = 0;  // the worker that has it
    media::MediaId joined;
    media::MediaId also_from;  // as in the relay: what it took the place of, or what will take its
    bool rides = false;        // on a trunk, or is one: it stays where that is
    std::optional<media::Core> landing;  // that its source is steered to
    std::vector<media::SocketId> sockets;
    std::vector<media::Token> tokens;  // of an awaiting flow or trunk
    std::vector<std::pair<media::MediaId, media::Channel>> channels;  // of a tagged flow
    bool trunk = false;
    bool closed = false;                   // but on its way; nobody may know it any more
    std::uint8_t owner = 0;                // of a trunk
    std::optional<unsigned> trunk_port;    // of the fixed ones, which; from 0
    std::optional<TransportAddress> port;  // of a port: its first
  };
  using Ends = std::unordered_map<media::MediaId, End>;
  using Sockets = std::vector<std::unique_ptr<net::UdpBatch>>;

  MediaThread(const MediaThreadOptions& options, const Post& post,
              std::unique_ptr<fastpath::KernelRelay> kernel);

  unsigned threads() const { return static_cast<unsigned>(shared_.size()); }
  Result<void> open_server_sockets();
  Result<TransportAddress> open_server_socket(const TransportAddress& local, bool shared);
  Result<void> open_flow_sockets(const media::FlowSpec& spec, Sockets& out);
  Result<void> take_channels(const media::FlowSpec& spec, End& end);
  Result<std::unique_ptr<net::UdpBatch>> open_trunk_socket(const media::TrunkSpec& spec, End& end);
  bool add_tokens(const std::vector<media::Token>& tokens);
  std::vector<media::SocketId> take_socket_ids(std::size_t many);
  media::Core next_home();
  void redirect(const End& end);
  Home home_of(media::MediaId id) const;
  void unjoin(Ends::iterator end);
  void do_join(media::MediaId a, media::MediaId b);
  void do_leave(media::MediaId id);
  void do_replace(media::MediaId old, media::MediaId by, media::ReplaceStep step);
  void do_close(media::MediaId id);
  void hand_over(const std::vector<media::MediaId>& ids, media::Core to);
  void bring_together(media::MediaId a, media::MediaId b);
  void settle(media::MediaId id);
  void tell(media::Core core, MediaCommand&& command);
  void tell_home(media::MediaId id, MediaCommand&& command);  // nobody, if it is not there
  template <typename Command>
  void tell_all(const Command& command) {
    for (unsigned core = 0; core < threads(); ++core)
      tell(static_cast<media::Core>(core), Command{command});
  }
  void deliver(Shared& from);  // what a worker has told
  void on(Happened& message);
  void on(Counted& message);
  void on(CountedTotals& message);
  void on(HandedOver& message);

  MediaThreadOptions options_;
  SystemRandom random_;
  PortAllocator ports_;
  std::vector<std::shared_ptr<Shared>> shared_;  // by core, as are the workers
  std::vector<TransportAddress> server_addresses_;
  Ends ends_;
  HeldOrders orders_;
  std::set<media::Token> tokens_;  // of awaiting flows and trunks that are open
  std::set<std::pair<media::MediaId, media::Channel>> channels_;  // of tagged flows, by trunk
  std::array<bool, media::kMostTrunks> trunk_ports_{};            // of the fixed ones: in use
  std::vector<media::SocketId> free_sockets_;
  std::uint32_t next_socket_ = 1;
  std::uint64_t next_id_ = 1;
  std::uint64_t next_request_ = 1;
  std::unordered_map<std::uint64_t, OnCounts> counts_asked_;
  struct TotalsAsked {
    OnTotals on_totals;
    MediaTotals sum;
    unsigned missing = 0;
  };
  std::unordered_map<std::uint64_t, TotalsAsked> totals_asked_;
  media::Core next_home_ = 0;
  std::unique_ptr<Kernel> kernel_;
  std::vector<std::unique_ptr<WorkerWay>> ways_;
  std::vector<std::unique_ptr<Worker>> workers_;
  std::vector<std::thread> threads_;
};

}  // namespace sallyport::edge
