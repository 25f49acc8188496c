// The one file that holds what must outlive the process (users, agents, invites, registrations, the
// call journal), and the one place that names SQLite. Each owner brings its own tables through
// migrate(). There are two ways to write:
//
//  - write(): done when it returns. For what a person ordered and was told is done (a user added,
//    an invite used up). It costs a sync of the disk, so never per message.
//  - defer(): for state that memory holds and the disk only mirrors (registrations, the journal).
//    A worker thread gathers such writes and commits them together: a transaction of its own costs
//    64 us on a fast disk and whole seconds on a busy one, and neither the brain's thread nor a
//    call waits for that.
//
// A disk that is full or gone never loses what is in memory: deferred writes stay queued, the first
// failure and the recovery are logged, and the worker tries again. Nor does a file that is removed
// while it is open: check() puts it back. One thread (the one that opened it) calls query(),
// write(), migrate() and check(); any thread calls defer() and flush().
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/bytes.h"
#include "base/log.h"
#include "base/result.h"
#include "base/time.h"

namespace sallyport::brain {

using SqlValue = std::variant<std::monostate, std::int64_t, std::string, Buffer>;
using SqlRow = std::vector<SqlValue>;

// What a column holds; zero or empty for a column of another type (NULL among them).
std::int64_t integer(const SqlValue& value);
const std::string& text(const SqlValue& value);
const Buffer& blob(const SqlValue& value);

struct SqlStatement {
  std::string sql;  // one statement, with ? for each value
  std::vector<SqlValue> values;
};

class SqliteStore {
 public:
  struct Options {
    std::string path = "/var/lib/sallyport/server.db";
    milliseconds batch_delay{100};   // how long deferred writes gather before they are committed
    milliseconds retry_delay{5000};  // between attempts while the disk refuses
    // Deferred writes that wait at most (a later write for the same key replaces the earlier, so
    // only a long disk failure comes near it); beyond, the oldest is dropped and counted. What may
    // then be found after a restart is stale, not wrong: a binding carries its own expiry.
    std::size_t max_pending = 200'000;
  };

  // Creates the file with mode 0600, and narrows the mode of one that others could read. Fails with
  // System when it cannot be opened, Unsupported when a newer version of this program wrote it.
  static Result<std::unique_ptr<SqliteStore>> open(Options options, Log& log);

  SqliteStore(const SqliteStore&) = delete;
  SqliteStore& operator=(const SqliteStore&) = delete;
  ~SqliteStore();  // commits what is deferred, trying once

  // Brings the tables of `owner` up to date: steps[i] leads from its version i to i + 1, each in a
  // transaction of its own and each a list of statements. Steps that have shipped never change; new
  // ones are appended. Unsupported if the file is ahead of `steps`.
  Result<void> migrate(std::string_view owner, const std::vector<std::string>& steps);

  // Rows of a SELECT. What is deferred and not yet committed is not seen.
  Result<std::vector<SqlRow>> query(const SqlStatement& statement);
  // In one transaction, durable on return; how many rows the last statement changed. Fails as
  // check() does, with nothing written.
  Result<std::size_t> write_all(const std::vector<SqlStatement>& statements);
  Result<std::size_t> write(SqlStatement statement);

  // Soon. The statement must by itself make the row that `key` names what it is to be (a whole
  // upsert, or a delete), for a later one with the same key replaces it.
  void defer(std::string key, SqlStatement statement);
  // Waits until all that was deferred before is committed, or has failed (System).
  Result<void> flush();

  // Is the file still the one at its path? One that was removed (or renamed) is written again from
  // what is open here, with all that was ever accepted. In the place of one that was replaced by
  // another nothing is put: somebody may want that one. System, logged once, with what to do about
  // it. To be called from time to time.
  Result<void> check();
  std::string_view trouble() const { return trouble_; }       // what check() last said; empty: none
  std::uint64_t times_restored() const { return restored_; }  // the file was written again

  std::size_t pending() const;    // deferred writes not yet committed
  std::uint64_t dropped() const;  // deferred writes lost beyond max_pending
  // The file may not grow beyond this many pages of 4 KiB from now on; 0 lifts the limit.
  void limit_pages(std::uint32_t pages);

 private:
  class Handle;
  class Worker;

  // Which file stands at a path; equal: the same one.
  struct FileId {
    std::uint64_t device = 0, node = 0;  // none: there is no file
    static FileId at(const std::string& path);
    friend bool operator==(const FileId&, const FileId&) = default;
  };

  SqliteStore(std::string path, Log& log, std::unique_ptr<Handle> own,
              std::unique_ptr<Worker> worker);
  void note_files();
  void forget_log() const;
  bool restore();
  Result<void> report(std::string_view trouble);

  std::string path_;
  Log& log_;
  FileId file_, wal_;  // of what is open
  std::string_view trouble_;
  std::uint64_t restored_ = 0;
  std::unique_ptr<Handle> own_;
  std::unique_ptr<Worker> worker_;
};

}  // namespace sallyport::brain
