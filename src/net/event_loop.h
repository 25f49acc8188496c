// The loop under HostNetwork: readiness of descriptors, timers, posted work and signals. The one
// place where Asio is named. One thread runs it; post() and stop() may be called from any.
// Whatever is made from a loop is destroyed before it.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "net/network.h"

namespace sallyport::net {

class EventLoop {
 public:
  EventLoop();
  EventLoop(const EventLoop&) = delete;
  EventLoop& operator=(const EventLoop&) = delete;
  ~EventLoop();

  void run();                      // until stop(), also one that came before
  void stop();                     // any thread; a later run() goes on
  bool run_one(Duration at_most);  // at most one handler; false: nothing happened in that time
  void post(std::function<void()> work);  // any thread
  std::unique_ptr<Timer> make_timer();
  // Called on the loop for each of these signals; replaces an earlier call's.
  void on_signals(const std::vector<int>& signals, std::function<void(int)> on_signal);

  struct State;
  State& state() { return *state_; }

 private:
  std::unique_ptr<State> state_;
};

enum class Ready : std::uint8_t { Readable, Writable, Failed };

// Watches one descriptor, which it does not own and which must stay open as long as this lives.
// Each wait is answered once. Destroyed: no call comes any more, also from within a call.
class Readiness {
 public:
  // System when the kernel cannot watch this descriptor.
  static Result<std::unique_ptr<Readiness>> watch(EventLoop& loop, int fd,
                                                  std::function<void(Ready)> on_ready);
  Readiness(const Readiness&) = delete;
  Readiness& operator=(const Readiness&) = delete;
  ~Readiness();

  // Level-triggered: what was ready before counts. Asking again while a wait is under way is one.
  void wait(Ready what);

  struct State;

 private:
  explicit Readiness(std::shared_ptr<State> state) : state_(std::move(state)) {}
  std::shared_ptr<State> state_;
};

}  // namespace sallyport::net
