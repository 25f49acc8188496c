// CPU time of a measured stretch, by who spent it. The scheduler's nanoseconds of all threads of a
// process (/proc/PID/task/*/schedstat), those that have ended not included.
//
// A packet's way through the kernel is paid by whoever happens to run: a veth pair delivers within
// the sender's system call, so a relay inside the kernel appears in the load generator's time, and
// what is put off appears in ksoftirqd's. Therefore all three are taken: what a relay adds is their
// sum with it less their sum without. (This holds where the scheduler counts softirq time as the
// interrupted task's: kernels without CONFIG_IRQ_TIME_ACCOUNTING, or booted with tsc=noirqtime.)
// Unlike the machine's idle time, it leaves out what others do at the same moment.
#pragma once

#include <sys/types.h>
#include <unistd.h>

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

namespace sallyport::bench {

inline std::uint64_t process_cpu_ns(const std::string& pid) {
  std::uint64_t sum = 0;
  std::error_code gone;
  for (const auto& task : std::filesystem::directory_iterator{"/proc/" + pid + "/task", gone}) {
    std::ifstream file{task.path() / "schedstat"};
    std::uint64_t running = 0;
    if (file >> running) sum += running;
  }
  return sum;
}

struct CpuTime {
  std::uint64_t relay = 0;  // nanoseconds, as are the others
  std::uint64_t load = 0;   // this process
  std::uint64_t softirq = 0;
};

class CpuMeter {
 public:
  // `relay`: 0 where there is none.
  explicit CpuMeter(pid_t relay) : relay_(relay) {
    std::error_code gone;
    for (const auto& process : std::filesystem::directory_iterator{"/proc", gone}) {
      std::string name;
      if (std::getline(std::ifstream{process.path() / "comm"}, name) &&
          name.starts_with("ksoftirqd/"))
        softirqs_.push_back(process.path().filename());
    }
  }

  void begin() { before_ = now(); }
  void end() {
    const CpuTime after = now();
    spent_ = {.relay = after.relay - before_.relay,
              .load = after.load - before_.load,
              .softirq = after.softirq - before_.softirq};
  }
  const CpuTime& spent() const { return spent_; }

 private:
  CpuTime now() const {
    CpuTime out;
    if (relay_ != 0) out.relay = process_cpu_ns(std::to_string(relay_));
    out.load = process_cpu_ns(std::to_string(::getpid()));
    for (const std::string& one : softirqs_) out.softirq += process_cpu_ns(one);
    return out;
  }

  pid_t relay_;
  std::vector<std::string> softirqs_;
  CpuTime before_;
  CpuTime spent_;
};

}  // namespace sallyport::bench
