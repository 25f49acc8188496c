// The registration store of a single server: memory answers, the disk mirrors it, so that after a
// restart every terminal can be called before it has registered again. A connection does not
// survive a restart and is not kept; the rest of a binding is. Writes are deferred (see
// SqliteStore): a power cut may cost the last moments, which the terminals' refreshes bring back.
// Brain's thread.
#pragma once

#include <memory>

#include "base/log.h"
#include "brain/memory_registrations.h"
#include "brain/sqlite_store.h"

namespace sallyport::brain {

class SqliteRegistrations final : public Registrations {
 public:
  // Reads what is live at `now`. `store` must outlive it.
  static Result<std::unique_ptr<SqliteRegistrations>> open(SqliteStore& store,
                                                           RegistrationLimits limits, WallTime now,
                                                           Log& log);

  void find(const std::string& identity, WallTime now,
            std::function<void(std::vector<Binding>)> on_found) override;
  void find_handle(const std::string& handle, WallTime now,
                   std::function<void(std::optional<Binding>)> on_found) override;
  void update(const RegistrationUpdate& update, WallTime now,
              std::function<void(Result<void>)> on_done) override;
  void expire(WallTime now) override;
  std::vector<Binding> all(WallTime now) const override;

 private:
  SqliteRegistrations(SqliteStore& store, RegistrationLimits limits)
      : store_(store), memory_(limits) {}
  Result<void> load(WallTime now, Log& log);

  SqliteStore& store_;
  MemoryRegistrations memory_;
};

}  // namespace sallyport::brain
