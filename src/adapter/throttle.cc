#include "adapter/throttle.h"

#include <algorithm>
#include <utility>

#include "adapter/claimant.h"

namespace sallyport::adapter {

Suspect suspect_of(std::string identity, const Hop& from) {
  return {std::move(identity), from.place, source_network(from.remote.ip)};
}

bool Throttle::blocked(const Suspect& suspect, TimePoint now) const {
  const auto found = by_suspect_.find(suspect);
  return found != by_suspect_.end() && now < found->second->blocked_until;
}

bool Throttle::on_failure(const Suspect& suspect, TimePoint now) {
  const auto found = by_suspect_.find(suspect);
  if (found != by_suspect_.end()) {
    entries_.splice(entries_.begin(), entries_, found->second);
  } else {
    if (entries_.size() >= limits_.suspects) {
      by_suspect_.erase(entries_.back().suspect);
      entries_.pop_back();
    }
    entries_.push_front({suspect, 0, limits_.block, {}, now});
    by_suspect_.emplace(suspect, entries_.begin());
  }
  Entry& entry = entries_.front();
  if (now - entry.last > limits_.memory) entry = {suspect, 0, limits_.block, {}, now};
  entry.last = now;
  if (++entry.failures < limits_.failures) return false;
  // Every failure after a block blocks again, for twice as long.
  entry.blocked_until = now + entry.next_block;
  entry.next_block = std::min(entry.next_block * 2, limits_.longest_block);
  return true;
}

std::vector<Throttle::Blocked> Throttle::all_blocked(TimePoint now) const {
  std::vector<Blocked> out;
  for (const Entry& entry : entries_)
    if (now < entry.blocked_until)
      out.push_back({entry.suspect, entry.failures, entry.blocked_until - now});
  return out;
}

void Throttle::on_success(const Suspect& suspect) {
  const auto found = by_suspect_.find(suspect);
  if (found == by_suspect_.end()) return;
  entries_.erase(found->second);
  by_suspect_.erase(found);
}

bool Throttle::forget(const std::string& identity, TimePoint now) {
  bool was_blocked = false;
  auto it = by_suspect_.lower_bound(Suspect{identity, Place::outside(), IpAddress::any_v6()});
  while (it != by_suspect_.end() && it->first.identity == identity) {
    was_blocked = was_blocked || now < it->second->blocked_until;
    entries_.erase(it->second);
    it = by_suspect_.erase(it);
  }
  return was_blocked;
}

}  // namespace sallyport::adapter
