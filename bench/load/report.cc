#include "load/report.h"

#include <fmt/format.h>

#include <algorithm>

namespace sallyport::bench {

std::string report(std::string_view relay, std::size_t calls, const Figures& figures,
                   const CpuTime& cpu, std::chrono::milliseconds measured) {
  const double seconds = std::chrono::duration<double>(measured).count();
  const auto packets = static_cast<double>(std::max<std::uint64_t>(figures.received, 1));
  const auto each = [&](std::uint64_t ns) { return static_cast<double>(ns) / packets; };
  return fmt::format(
      R"("relay":"{}","calls":{},"sent":{},"received":{},"lost":{},"misdelivered":{},)"
      R"("missed_by_generator":{},"not_sent":{},"packets_per_second":{:.0f},"p50_us":{:.1f},)"
      R"("p99_us":{:.1f},"p999_us":{:.1f},"most_us":{:.1f},"generator_late_p99_us":{:.1f},)"
      R"("relay_ns":{:.0f},"load_ns":{:.0f},"softirq_ns":{:.0f},"relay_percent":{:.1f})",
      relay, calls, figures.sent, figures.received,
      static_cast<std::int64_t>(figures.sent) - static_cast<std::int64_t>(figures.received),
      figures.misdelivered, figures.missed, figures.not_sent,
      static_cast<double>(figures.sent) / seconds, figures.latency.percentile_us(0.5),
      figures.latency.percentile_us(0.99), figures.latency.percentile_us(0.999),
      figures.latency.most_us(), figures.lateness.percentile_us(0.99), each(cpu.relay),
      each(cpu.load), each(cpu.softirq), static_cast<double>(cpu.relay) / seconds / 1e7);
}

}  // namespace sallyport::bench
