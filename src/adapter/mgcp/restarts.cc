#include "adapter/mgcp/restarts.h"

#include <utility>

namespace sallyport::adapter::mgcp {

Restarts::Verdict Restarts::admit(Place place, const IpAddress& call_agent, Go go, Commands& out) {
  const Key key{place, call_agent};
  Line& line = lines_[key];
  const double a_second = stack_.config.restarts_a_second;
  if (line.waiting.empty() && line.rate.take(a_second, a_second, out.now())) return Verdict::Now;
  if (line.waiting.size() >= stack_.config.max_waiting_restarts) return Verdict::Dropped;
  line.waiting.push_back(std::move(go));
  if (line.waiting.size() == 1) arm(key, out);
  return Verdict::Waits;
}

// Half of the usual time between two to one and a half of it.
void Restarts::arm(const Key& key, Commands& out) {
  const Duration usual = Duration{seconds{1}} / static_cast<int>(stack_.config.restarts_a_second);
  const Duration after = usual / 2 + Duration{static_cast<Duration::rep>(stack_.random.below(
                                         static_cast<std::uint64_t>(usual.count()) + 1))};
  stack_.timers.start(
      after, [this, key](Commands& at) { next(key, at); }, out);
}

void Restarts::next(const Key& key, Commands& out) {
  Line& line = lines_[key];
  if (line.waiting.empty()) return;
  std::swap(line.waiting[stack_.random.below(line.waiting.size())], line.waiting.back());
  const Go go = std::move(line.waiting.back());
  line.waiting.pop_back();
  if (!line.waiting.empty()) arm(key, out);
  // It counts as one of those that go at once, too.
  (void)line.rate.take(stack_.config.restarts_a_second, stack_.config.restarts_a_second, out.now());
  go(out);
}

}  // namespace sallyport::adapter::mgcp
