// A media thread's own side: its loop, its sockets and its relay. Made by MediaThread, which calls
// run() on the thread and talks to it by the queues of Shared from then on; the threads talk to
// each other by WorkerWays. Internal to media_thread.cc.
//
// A round takes what others have passed, one batch of each socket that is ready, and what is due;
// sends all that came of it; and then does what it was ordered. The kernel hands out ready sockets
// in turn, so a flood at one takes from the others one batch a round.
#pragma once

#include <sys/epoll.h>

#include <array>
#include <atomic>
#include <deque>
#include <variant>

#include "base/queue.h"
#include "edge/doorbell.h"
#include "edge/media_thread.h"
#include "edge/napper.h"
#include "edge/worker_way.h"

namespace sallyport::edge {

struct MediaThread::Shared {
  Shared(const MediaThreadOptions& options, Post on_edge)
      : commands(options.queued_commands),
        messages(options.queued_messages),
        post(std::move(on_edge)) {}

  Queue<MediaCommand> commands;
  Queue<MediaMessage> messages;
  Doorbell bell;  // the worker's: for commands, and for what other workers pass
  // The edge's thread has been called and has not looked yet: it need not be called again.
  std::atomic<bool> messages_announced{false};
  Post post;
  MediaThread* owner = nullptr;  // the edge's thread's; null when it has gone
};

// The kernel's relay, which the workers share. Each takes places in it when it first needs them.
struct MediaThread::Kernel {
  std::unique_ptr<fastpath::KernelRelay> relay;
  std::atomic<std::uint32_t> places_taken{0};
};

class MediaThread::Worker final : public media::Sender, public media::Neighbours {
 public:
  // To another worker, and from it.
  struct Link {
    WorkerWay* out = nullptr;
    WorkerWay* in = nullptr;
    Doorbell* bell = nullptr;
  };

  // `links`: by core; alone, one that leads nowhere.
  Worker(std::shared_ptr<Shared> shared, const media::RelayOptions& options, Duration nap,
         Kernel& kernel, std::vector<Link> links);
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;
  ~Worker() override = default;

  Result<void> open();  // before anything else
  Result<void> add_server_socket(media::SocketId id, std::unique_ptr<net::UdpBatch> socket);
  void run();

  void send(media::SocketId from, const TransportAddress& to, TrafficClass as,
            Bytes datagram) override;
  void send_copy(media::SocketId from, const TransportAddress& to, TrafficClass as,
                 Bytes datagram) override;

  unsigned cores() const override { return static_cast<unsigned>(links_.size()); }
  bool pass(media::Core to, const media::Arrival& arrival, Bytes datagram) override {
    return links_[to].out->pass(arrival, datagram);
  }
  bool pass(media::Core to, const media::Departure& departure, Bytes packet) override {
    return links_[to].out->pass(departure, packet);
  }
  void tell(media::Core to, const media::SourceNote& note) override { links_[to].out->tell(note); }

 private:
  static constexpr std::size_t kEvents = 128;

  // The kernel, as the relay knows it: the relay names sockets, the kernel their addresses. A place
  // of the relay's that was ever offloaded keeps its place in the kernel, since counts there only
  // grow.
  class KernelPath final : public media::FastPath {
   public:
    KernelPath(const Worker& worker, Kernel& kernel) : worker_(worker), kernel_(kernel) {}
    bool there() const { return kernel_.relay != nullptr; }
    bool offload(Place place, const media::FastRule& rule) override;
    void unload(Place place) override { kernel_.relay->unload(places_[place]); }
    media::FastCount read(Place place) const override;
    void set_clock(Place place, const media::RtpClock& clock) override {
      kernel_.relay->set_clock(places_[place], clock);
    }
    void beat(TimePoint now) override { kernel_.relay->beat(now); }

   private:
    static constexpr Place kNone = 0xffffffff;
    const Worker& worker_;
    Kernel& kernel_;
    std::vector<Place> places_;  // in the kernel, by the relay's
  };
  media::RelayOptions complete(media::RelayOptions options);

  int wait();             // until there are events; how many
  int wait_time() const;  // milliseconds, as epoll_wait(2) has them
  bool has_something_to_do() const;
  bool all_told() const;
  void take_passed(TimePoint now);
  void settle_handovers(TimePoint now);
  void receive(std::uint32_t socket, TimePoint now);
  void run_commands(std::size_t count);
  void announce();
  bool add_socket(media::SocketId id, std::unique_ptr<net::UdpBatch> socket);
  void remove_socket(media::SocketId id);
  void tell(MediaMessage&& message);
  void send_messages();

  void on(Stop& command);
  void on(AddPort& command);
  void on(AddFlow& command);
  void on(AddTrunk& command);
  void on(InstallKeys& command);
  void on(ForgetKeys& command);
  void on(Redirect& command);
  void on(HandOver& command);
  void on(SetRemote& command);
  void on(Join& command);
  void on(Leave& command);
  void on(Replace& command);
  void on(Probe& command);
  void on(Close& command);
  void on(Count& command);
  void on(CountTotals& command);
  void on(PathChanged& command);

  void stand_in(const Home& end);

  std::shared_ptr<Shared> shared_;
  media::Core core_;
  std::vector<Link> links_;
  SystemRandom random_;
  KernelPath kernel_;
  media::Relay relay_;
  net::UdpRoom room_;
  Napper napper_;
  net::Fd epoll_;
  std::array<epoll_event, kEvents> events_{};
  std::vector<std::unique_ptr<net::UdpBatch>> sockets_;  // by SocketId
  std::vector<media::SocketId> server_sockets_;
  std::vector<Handover> handovers_;  // to this worker, in this round
  // What did not fit into the queue of messages; beyond kMostBacklog it is lost.
  static constexpr std::size_t kMostBacklog = 65536;
  std::deque<MediaMessage> backlog_;
  std::uint64_t lost_messages_ = 0;
  bool told_ = false;  // something in this round
  bool stopped_ = false;
};

}  // namespace sallyport::edge
