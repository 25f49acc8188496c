// The media thread's own side: its loop, its sockets and its relay. Made by MediaThread, which
// calls run() on the thread and talks to it by the queues of Shared from then on. Internal to
// media_thread.cc.
#pragma once

#include <sys/epoll.h>

#include <array>
#include <atomic>
#include <deque>
#include <variant>

#include "base/queue.h"
#include "edge/media_thread.h"
#include "net/fd.h"

namespace sallyport::edge {

struct MediaThread::Shared {
  Shared(const MediaThreadOptions& options, Post on_edge)
      : commands(options.queued_commands),
        messages(options.queued_messages),
        post(std::move(on_edge)) {}

  Queue<MediaCommand> commands;
  Queue<MediaMessage> messages;
  // The other side has been woken and has not looked yet: it need not be woken again.
  std::atomic<bool> commands_announced{false};
  std::atomic<bool> messages_announced{false};
  net::Fd wake;  // an eventfd in the worker's epoll
  Post post;
  MediaThread* owner = nullptr;  // the edge's thread's; null when it has gone
};

class MediaThread::Worker final : public media::Sender {
 public:
  Worker(std::shared_ptr<Shared> shared, const media::RelayOptions& options,
         std::unique_ptr<fastpath::KernelRelay> kernel);
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

 private:
  static constexpr std::size_t kEvents = 128;

  // The kernel, as the relay knows it: the relay names sockets, the kernel their addresses.
  class KernelPath final : public media::FastPath {
   public:
    KernelPath(const Worker& worker, std::unique_ptr<fastpath::KernelRelay> kernel)
        : worker_(worker), kernel_(std::move(kernel)) {}
    bool there() const { return kernel_ != nullptr; }
    bool offload(Place place, const media::FastRule& rule) override;
    void unload(Place place) override { kernel_->unload(place); }
    media::FastCount read(Place place) const override { return kernel_->read(place); }
    void beat(TimePoint now) override { kernel_->beat(now); }

   private:
    const Worker& worker_;
    std::unique_ptr<fastpath::KernelRelay> kernel_;
  };
  media::RelayOptions with_kernel(media::RelayOptions options);

  int wait_time() const;  // milliseconds, as epoll_wait(2) has them
  void receive(std::uint32_t socket, TimePoint now);
  void run_commands();
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
  void on(SetRemote& command);
  void on(Join& command);
  void on(Leave& command);
  void on(Replace& command);
  void on(Probe& command);
  void on(Close& command);
  void on(Count& command);
  void on(CountTotals& command);
  void on(PathChanged& command);

  std::shared_ptr<Shared> shared_;
  SystemRandom random_;
  KernelPath kernel_;
  media::Relay relay_;
  net::UdpRoom room_;
  net::Fd epoll_;
  std::array<epoll_event, kEvents> events_{};
  std::vector<std::unique_ptr<net::UdpBatch>> sockets_;  // by SocketId
  std::vector<media::SocketId> server_sockets_;
  // What did not fit into the queue of messages; beyond kMostBacklog it is lost.
  static constexpr std::size_t kMostBacklog = 65536;
  std::deque<MediaMessage> backlog_;
  std::uint64_t lost_messages_ = 0;
  bool told_ = false;  // something in this round
  bool stopped_ = false;
};

}  // namespace sallyport::edge
