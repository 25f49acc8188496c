// The journal of calls (adapter/sip/journal.h) on disk. Writes are deferred (see SqliteStore).
// Brain's thread.
#pragma once

#include <cstdint>
#include <memory>
#include <unordered_map>
#include <vector>

#include "adapter/sip/journal.h"
#include "base/log.h"
#include "brain/sqlite_store.h"

namespace sallyport::brain {

class SqliteJournal final : public adapter::sip::Journal {
 public:
  // What earlier lives of this process left over is read; what was found a day ago and nobody
  // came back for is forgotten: a terminal ends such a call by itself. `store` must outlive it.
  static Result<std::unique_ptr<SqliteJournal>> open(SqliteStore& store, WallTime now, Log& log);

  void on_leg(adapter::CallId call, int leg, adapter::sip::LastWord word) override;
  void on_leg_ended(adapter::CallId call, int leg) override;
  void on_ended(adapter::CallId call) override;
  void on_edge_lost(adapter::Place place) override;
  std::vector<adapter::sip::LastWord> take_left_over(adapter::Place place) override;
  std::size_t left_over() const { return left_over_.size(); }

 private:
  struct Leg {
    std::int64_t life, call, leg;
    adapter::sip::LastWord word;
  };
  explicit SqliteJournal(SqliteStore& store) : store_(store) {}
  Result<void> load(WallTime now, Log& log);
  void erase(const Leg& leg);

  SqliteStore& store_;
  std::int64_t life_ = 1;  // call ids begin anew in each life of the process
  std::unordered_map<adapter::CallId, std::vector<Leg>> live_;
  std::vector<Leg> left_over_;
};

}  // namespace sallyport::brain
