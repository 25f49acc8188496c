#include "net/event_loop.h"

#include <array>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>
#include <utility>

namespace sallyport::net {

namespace asio = boost::asio;
using boost::system::error_code;

struct EventLoop::State {
  asio::io_context io{1};
  asio::executor_work_guard<asio::io_context::executor_type> work{io.get_executor()};
  asio::signal_set signals{io};
  std::shared_ptr<std::function<void(int)>> on_signal;

  void await_signal() {
    signals.async_wait([this](const error_code& error, int signal) {
      if (error) return;
      const auto handler = on_signal;  // it may install another
      (*handler)(signal);
      await_signal();
    });
  }
};

namespace {

class LoopTimer final : public Timer {
 public:
  explicit LoopTimer(asio::io_context& io) : timer_(std::make_shared<Running>(io)) {}
  LoopTimer(const LoopTimer&) = delete;
  LoopTimer& operator=(const LoopTimer&) = delete;
  ~LoopTimer() override { stop(); }

  void start(TimePoint due, std::function<void()> on_due) override {
    const std::uint64_t turn = ++timer_->turn;
    timer_->timer.expires_at(due);  // cancels the wait before
    // A wait that has expired but not run yet is not cancelled any more: the turn tells.
    timer_->timer.async_wait(
        [timer = timer_, turn, on_due = std::move(on_due)](const error_code& error) {
          if (!error && timer->turn == turn) on_due();
        });
  }
  void stop() override {
    ++timer_->turn;
    timer_->timer.cancel();
  }

 private:
  struct Running {
    explicit Running(asio::io_context& io) : timer(io) {}
    asio::steady_timer timer;
    std::uint64_t turn = 0;
  };
  std::shared_ptr<Running> timer_;
};

}  // namespace

EventLoop::EventLoop() : state_(std::make_unique<State>()) {}
EventLoop::~EventLoop() = default;

void EventLoop::run() {
  state_->io.run();
  state_->io.restart();  // afterwards: a stop() that came before run() counts
}

void EventLoop::stop() { state_->io.stop(); }

bool EventLoop::run_one(Duration at_most) {
  // Given no time, run_one_for() does not even look.
  const bool done =
      (at_most > Duration::zero() ? state_->io.run_one_for(at_most) : state_->io.poll_one()) != 0;
  if (state_->io.stopped()) state_->io.restart();
  return done;
}

void EventLoop::post(std::function<void()> work) { asio::post(state_->io, std::move(work)); }

std::unique_ptr<Timer> EventLoop::make_timer() { return std::make_unique<LoopTimer>(state_->io); }

void EventLoop::on_signals(const std::vector<int>& signals, std::function<void(int)> on_signal) {
  const bool awaiting = state_->on_signal != nullptr;
  state_->on_signal = std::make_shared<std::function<void(int)>>(std::move(on_signal));
  error_code ignored;  // a signal that cannot be caught stays with the system
  for (const int signal : signals) state_->signals.add(signal, ignored);
  if (!awaiting) state_->await_signal();
}

struct Readiness::State : std::enable_shared_from_this<Readiness::State> {
  State(asio::io_context& io, std::function<void(Ready)> handler)
      : descriptor(io), on_ready(std::move(handler)) {}
  State(const State&) = delete;
  State& operator=(const State&) = delete;
  ~State() { end(); }

  void end() {
    ended = true;
    if (descriptor.is_open()) descriptor.release();
  }

  asio::posix::stream_descriptor descriptor;
  std::function<void(Ready)> on_ready;
  std::array<bool, 3> waiting{};
  bool ended = false;
};

Result<std::unique_ptr<Readiness>> Readiness::watch(EventLoop& loop, int fd,
                                                    std::function<void(Ready)> on_ready) {
  auto state = std::make_shared<State>(loop.state().io, std::move(on_ready));
  error_code error;
  state->descriptor.assign(fd, error);
  if (error) return fail(Errc::System, "cannot watch a descriptor");
  return std::unique_ptr<Readiness>(new Readiness(std::move(state)));
}

Readiness::~Readiness() { state_->end(); }

void Readiness::wait(Ready what) {
  bool& waiting = state_->waiting.at(static_cast<std::size_t>(what));
  if (waiting) return;
  waiting = true;
  constexpr std::array kKinds = {asio::posix::descriptor_base::wait_read,
                                 asio::posix::descriptor_base::wait_write,
                                 asio::posix::descriptor_base::wait_error};
  state_->descriptor.async_wait(kKinds.at(static_cast<std::size_t>(what)),
                                [state = state_, what](const error_code& error) {
                                  state->waiting.at(static_cast<std::size_t>(what)) = false;
                                  if (!error && !state->ended) state->on_ready(what);
                                });
}

}  // namespace sallyport::net
