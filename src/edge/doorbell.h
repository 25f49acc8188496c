// Wakes a thread that sleeps in epoll_wait(2), and costs next to nothing while it does not. Whoever
// has put something where that thread looks rings; the thread says that it goes to sleep, looks
// once more, and sleeps only if there is nothing. Both sides exchange one flag: either the ringer
// sees that the other sleeps, or the other sees what was put.
#pragma once

#include <sys/eventfd.h>
#include <unistd.h>

#include <atomic>
#include <cstdint>

#include "net/fd.h"

namespace sallyport::edge {

class Doorbell {
 public:
  Doorbell() : event_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {}

  // For the sleeper's epoll; negative: there is none to be had.
  int native() const { return event_.get(); }

  void ring() {
    if (!sleeps_.exchange(false, std::memory_order_acq_rel)) return;
    const std::uint64_t one = 1;
    static_cast<void>(::write(event_.get(), &one, sizeof one));
  }

  // ---- The sleeper ----
  void fall_asleep() { sleeps_.exchange(true, std::memory_order_acq_rel); }
  void wake_up() { sleeps_.store(false, std::memory_order_relaxed); }
  void silence() {  // it was heard
    std::uint64_t ignored = 0;
    static_cast<void>(::read(event_.get(), &ignored, sizeof ignored));
  }

 private:
  net::Fd event_;
  std::atomic<bool> sleeps_{false};
};

}  // namespace sallyport::edge
