// Room that several claimants use up, and that none of them is to take from the others: a claimant
// may hold as much as is left free by all together, and no more. So one alone gets half of the
// room, two get a third each, and whoever comes next finds some. (Dynamic thresholds, as switches
// share the memory of their queues: Choudhury and Hahne, IEEE/ACM Transactions on Networking 6(2),
// 1998.) What has been settled takes its room still, but is held against nobody: it can fill all of
// it.
#pragma once

#include <cstddef>
#include <map>

namespace sallyport::adapter {

template <typename Claimant>
class FairShare {
 public:
  explicit FairShare(std::size_t room) : room_(room) {}

  std::size_t left() const { return taken_ < room_ ? room_ - taken_ : 0; }
  bool allows(const Claimant& claimant, std::size_t amount = 1) const {
    const auto it = held_.find(claimant);
    return (it == held_.end() ? 0 : it->second) + amount <= left();
  }
  bool empty() const { return taken_ == 0; }
  std::size_t taken() const { return taken_; }

  // Whoever has asked allows() may act otherwise: what is taken beyond the room is kept count of.
  void take(const Claimant& claimant, std::size_t amount = 1) {
    held_[claimant] += amount;
    taken_ += amount;
  }
  void give_back(const Claimant& claimant, std::size_t amount = 1) {
    settle(claimant, amount);
    taken_ -= amount;
  }
  void settle(const Claimant& claimant, std::size_t amount = 1) {
    const auto it = held_.find(claimant);
    if ((it->second -= amount) == 0) held_.erase(it);
  }
  void take_settled(std::size_t amount = 1) { taken_ += amount; }
  void give_back_settled(std::size_t amount = 1) { taken_ -= amount; }

 private:
  std::size_t room_;
  std::size_t taken_ = 0;
  std::map<Claimant, std::size_t> held_;  // what is not settled
};

}  // namespace sallyport::adapter
