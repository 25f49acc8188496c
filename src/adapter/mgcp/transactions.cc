#include "adapter/mgcp/transactions.h"

#include <algorithm>

namespace sallyport::adapter::mgcp {
namespace {

// RFC 3435 3.5.1: T-HIST, for which answers are kept; no repetition comes later than T-MAX (20 s)
// after the first. One that is answered provisionally is repeated for longer, but not without end.
constexpr Duration kHistory = seconds{30};
constexpr Duration kLongest = std::chrono::minutes{10};

constexpr std::size_t kOverhead = 512;  // of one, beside its texts

}  // namespace

// Numbers begin anywhere, so that those of an earlier life of this process are not met again soon.
Transactions::Transactions(Stack& stack)
    : stack_(stack),
      room_(stack.config.max_transaction_octets),
      last_(static_cast<TransactionId>(stack.random.below(codec::mgcp::kMaxTransactionId))) {}

TransactionId Transactions::new_id() {
  do last_ = last_ % codec::mgcp::kMaxTransactionId + 1;
  while (by_ours_.contains(last_));
  return last_;
}

Transaction* Transactions::find(const Peer& from, TransactionId theirs) {
  const auto it = by_theirs_.find(key(from, theirs));
  return it == by_theirs_.end() ? nullptr : find_ours(it->second);
}

Transaction* Transactions::find_ours(TransactionId ours) {
  const auto it = by_ours_.find(ours);
  return it == by_ours_.end() ? nullptr : it->second.get();
}

Transaction* Transactions::begin(const Peer& from, TransactionId theirs, std::size_t octets,
                                 Commands& out) {
  // Both the command and its answer.
  octets = 2 * octets + kOverhead;
  const Claimant claimant = claimant_of(stack_.config.limits.upstreams, from.hop, Place::outside());
  if (!room_.allows(claimant, octets)) return nullptr;
  room_.take(claimant, octets);
  auto made = std::make_unique<Transaction>();
  made->ours = new_id();
  made->theirs = theirs;
  made->from = from;
  made->claimant = claimant;
  made->octets = octets;
  made->begun = out.now();
  Transaction& transaction = *(by_ours_[made->ours] = std::move(made));
  by_theirs_[key(from, theirs)] = transaction.ours;
  touch(transaction, out);
  return &transaction;
}

void Transactions::touch(Transaction& transaction, Commands& out) {
  stack_.timers.stop(transaction.timer);
  const Duration left = transaction.begun + kLongest - out.now();
  transaction.timer = stack_.timers.start(
      std::clamp(left, Duration{}, Duration{kHistory}),
      [this, ours = transaction.ours](Commands& later) { end(ours, later); }, out);
}

void Transactions::end(TransactionId ours, Commands& out) {
  const auto node = by_ours_.extract(ours);
  if (node.empty()) return;
  const Transaction& transaction = *node.mapped();
  stack_.timers.stop(transaction.timer);
  room_.give_back(transaction.claimant, transaction.octets);
  by_theirs_.erase(key(transaction.from, transaction.theirs));
  if (transaction.answered) return;
  stack_.counters.add("unanswered");
  if (on_unanswered_) on_unanswered_(transaction.about, out);
}

std::vector<TransactionId> Transactions::ours_of(const Peer& from,
                                                 const std::vector<codec::mgcp::IdRange>& in,
                                                 const Peer& to) const {
  std::vector<TransactionId> out;
  for (const auto& [first, last] : in) {
    for (auto it = by_theirs_.lower_bound(key(from, first));
         it != by_theirs_.end() && it->first <= key(from, last); ++it) {
      const Transaction& each = *by_ours_.at(it->second);
      if (each.answered && each.to && each.to->hop.place == to.hop.place &&
          each.to->hop.remote.ip == to.hop.remote.ip && out.size() < codec::mgcp::kMaxAcknowledged)
        out.push_back(each.ours);
    }
  }
  return out;
}

void Transactions::on_edge_lost(Place place, Commands& out) {
  std::vector<TransactionId> gone;
  for (const auto& [ours, each] : by_ours_)
    if (each->from.hop.place == place || (each->to && each->to->hop.place == place))
      gone.push_back(ours);
  for (const TransactionId ours : gone) end(ours, out);
}

}  // namespace sallyport::adapter::mgcp
