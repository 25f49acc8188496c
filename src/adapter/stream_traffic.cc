#include "adapter/stream_traffic.h"

#include <algorithm>
#include <limits>
#include <memory>
#include <utility>

namespace sallyport::adapter {

media::Rate most_of(std::uint64_t packets, std::uint64_t bits) {
  constexpr std::uint64_t kLargest = std::numeric_limits<std::uint32_t>::max();
  return {.packets = static_cast<std::uint32_t>(std::min(4 * packets + 1000, kLargest)),
          .octets = static_cast<std::uint32_t>(std::min(4 * bits / 8 + 250'000, kLargest))};
}

void count_packets(const std::vector<MediaId>& ports,
                   std::function<void(std::uint64_t packets, Commands&)> on_count, Commands& out) {
  struct Sum {
    std::function<void(std::uint64_t, Commands&)> on_count;
    std::uint64_t packets = 0;
    std::size_t missing = 0;
  };
  if (ports.empty()) return on_count(0, out);
  const auto sum = std::make_shared<Sum>(Sum{std::move(on_count), 0, ports.size()});
  for (const MediaId port : ports) {
    out.media().count(port, [sum](const PathCounts& counts, Commands& at) {
      for (const auto& component : counts.port.components) sum->packets += component.packets_in;
      if (--sum->missing == 0) sum->on_count(sum->packets, at);
    });
  }
}

}  // namespace sallyport::adapter
