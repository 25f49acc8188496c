// Counts by name: refusals by reason, messages, retransmissions. A stranger's packet is counted
// here and nowhere logged. Names are literals or a routing answer's; their number is bounded.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

namespace sallyport::adapter {

class Counters {
 public:
  void add(std::string_view name, std::uint64_t n = 1) {
    const auto it = counts_.find(name);
    if (it != counts_.end()) {
      it->second += n;
    } else if (counts_.size() < kMaxNames) {
      counts_.emplace(std::string(name), n);
    }
  }
  std::uint64_t get(std::string_view name) const {
    const auto it = counts_.find(name);
    return it == counts_.end() ? 0 : it->second;
  }
  const std::map<std::string, std::uint64_t, std::less<>>& all() const { return counts_; }

 private:
  static constexpr std::size_t kMaxNames = 512;
  std::map<std::string, std::uint64_t, std::less<>> counts_;
};

}  // namespace sallyport::adapter
