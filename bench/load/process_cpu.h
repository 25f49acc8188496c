// CPU time of another process: the scheduler's nanoseconds of all its threads
// (/proc/PID/task/*/schedstat), those that have ended not included.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <string>

namespace sallyport::bench {

inline std::uint64_t process_cpu_ns(pid_t pid) {
  std::uint64_t sum = 0;
  std::error_code gone;
  const std::string tasks = "/proc/" + std::to_string(pid) + "/task";
  for (const auto& task : std::filesystem::directory_iterator{tasks, gone}) {
    std::ifstream file{task.path() / "schedstat"};
    std::uint64_t running = 0;
    if (file >> running) sum += running;
  }
  return sum;
}

}  // namespace sallyport::bench
