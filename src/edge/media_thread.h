// The media plane of a real host: a thread with an epoll loop of its own, the UDP sockets of all
// media and one media::Relay. The edge's thread gives it commands through a queue, in order, and
// gets events and counts back through another; so the packet path meets no lock and waits for
// nobody. Everything here but the thread itself belongs to the edge's thread.
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
#include "edge/media_commands.h"
#include "edge/port_allocator.h"
#include "fastpath/kernel_relay.h"
#include "media/plane.h"
#include "media/relay.h"
#include "net/udp_batch.h"

namespace sallyport::edge {

struct MediaThreadOptions {
  // The server's X and Y, each with the local address that it is to be bound to, IPv4, IPv6 or
  // both; none at an agent. An unspecified address serves all of the host's: where there are
  // several, each has its socket, so that an answer leaves from the address it was sent to.
  std::vector<TransportAddress> server_sockets;
  bool share_server_ports = false;  // with other threads that do the same (SO_REUSEPORT)
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
      const MediaThreadOptions& options, Post post,
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

  struct Shared;  // the queues between the two threads

 private:
  class Worker;

  struct End {
    std::shared_ptr<OnEvent> on_event;
    std::vector<media::SocketId> sockets;
    std::vector<media::Token> tokens;  // of an awaiting flow or trunk
    std::vector<std::pair<media::MediaId, media::Channel>> channels;  // of a tagged flow
    bool trunk = false;
    std::uint8_t owner = 0;                // of a trunk
    std::optional<unsigned> trunk_port;    // of the fixed ones, which; from 0
    std::optional<TransportAddress> port;  // of a port: its first
  };
  using Sockets = std::vector<std::unique_ptr<net::UdpBatch>>;

  MediaThread(const MediaThreadOptions& options, Post post,
              std::unique_ptr<fastpath::KernelRelay> kernel);

  Result<void> open_server_sockets(Worker& worker);
  Result<TransportAddress> open_server_socket(Worker& worker, const TransportAddress& local,
                                              bool shared);
  Result<void> open_flow_sockets(const media::FlowSpec& spec, Sockets& out);
  Result<void> take_channels(const media::FlowSpec& spec, End& end);
  Result<std::unique_ptr<net::UdpBatch>> open_trunk_socket(const media::TrunkSpec& spec, End& end);
  bool add_tokens(const std::vector<media::Token>& tokens);
  std::vector<media::SocketId> take_socket_ids(std::size_t many);
  void tell(MediaCommand&& command);
  void wake();
  void deliver();  // what the media thread has told
  void on(Happened& message);
  void on(Counted& message);
  void on(CountedTotals& message);

  MediaThreadOptions options_;
  SystemRandom random_;
  PortAllocator ports_;
  std::shared_ptr<Shared> shared_;
  std::vector<TransportAddress> server_addresses_;
  std::unordered_map<media::MediaId, End> ends_;
  std::set<media::Token> tokens_;  // of awaiting flows and trunks that are open
  std::set<std::pair<media::MediaId, media::Channel>> channels_;  // of tagged flows, by trunk
  std::array<bool, media::kMostTrunks> trunk_ports_{};            // of the fixed ones: in use
  std::vector<media::SocketId> free_sockets_;
  std::uint32_t next_socket_ = 1;
  std::uint64_t next_id_ = 1;
  std::uint64_t next_request_ = 1;
  std::unordered_map<std::uint64_t, OnCounts> counts_asked_;
  std::unordered_map<std::uint64_t, OnTotals> totals_asked_;
  std::unique_ptr<Worker> worker_;
  std::thread thread_;
};

}  // namespace sallyport::edge
