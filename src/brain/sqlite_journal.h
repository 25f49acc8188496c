// The call journal on disk: for each leg of an established call a BYE and where it goes.
// A server that comes back from a crash sends what is left over, so that no terminal stays in a
// call that nobody carries any more. Writes are deferred (see SqliteStore). Brain's thread.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "adapter/sip/call.h"
#include "base/log.h"
#include "brain/sqlite_store.h"

namespace sallyport::brain {

class SqliteJournal final : public adapter::sip::Journal {
 public:
  using Leg = adapter::sip::Journal::LeftOver;

  // What earlier lives of this process left over is read; what was found a day ago and nobody
  // came back for is forgotten: a terminal ends such a call by itself. `store` must outlive it.
  static Result<std::unique_ptr<SqliteJournal>> open(SqliteStore& store, WallTime now, Log& log);

  // The legs of earlier lives at that place, to be ended now that its edge is there. They are
  // forgotten with this: a BYE that is not heard is answered 481 or by the session timer.
  std::vector<Leg> take_left_over(adapter::Place place) override;
  std::size_t left_over() const { return left_over_.size(); }

  void on_leg(adapter::sip::CallId call, adapter::sip::Side side, const adapter::sip::Hop& to,
              const std::string& bye) override;
  void on_ended(adapter::sip::CallId call) override;

 private:
  struct Row {
    std::int64_t life, call, side;
    Leg leg;
  };
  explicit SqliteJournal(SqliteStore& store) : store_(store) {}
  Result<void> load(WallTime now, Log& log);
  void erase(std::int64_t life, std::int64_t call, std::int64_t side);

  SqliteStore& store_;
  std::int64_t life_ = 1;  // call ids begin anew in each life of the process
  std::vector<Row> left_over_;
};

}  // namespace sallyport::brain
