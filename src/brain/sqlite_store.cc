#include "brain/sqlite_store.h"

#include <fcntl.h>
#include <sqlite3.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <condition_variable>
#include <list>
#include <mutex>
#include <optional>
#include <thread>
#include <unordered_map>
#include <utility>

#include "base/file.h"

namespace sallyport::brain {
namespace {

// user_version is one number for the whole file, and several owners share the file: so it versions
// the table below, and that table versions each owner's own tables.
constexpr std::int64_t kFileVersion = 1;
constexpr const char* kSchemaTable =
    "CREATE TABLE IF NOT EXISTS schema(owner TEXT PRIMARY KEY, version INTEGER NOT NULL)";
// How long a writer waits for the other one (our worker, or a command run beside the server).
constexpr int kBusyTimeoutMs = 5000;
constexpr std::uint32_t kNoPageLimit = 0xfffffffe;  // SQLite's own default
// FULL for what write() promised; NORMAL for the mirror, where a power cut may cost the last
// moments but never the file (sqlite.org/wal.html, "Performance Considerations").
constexpr const char* kSyncWrites = "FULL";
constexpr const char* kSyncDeferred = "NORMAL";

constexpr std::string_view kReplaced =
    "the database file was replaced while the server runs: restart the server to use the new file, "
    "or remove that, and the server writes its own again";
constexpr std::string_view kNotRestored =
    "the database file was removed while the server runs, and cannot be written again: see that "
    "its folder is there, writable and has room";

// The file must exist with its mode before SQLite sees it: its -wal and -shm take the same mode.
bool make_private(const std::string& path, Log& log) {
  const int fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (fd < 0) return false;
  struct stat status {};
  bool good = ::fstat(fd, &status) == 0;
  if (good && (status.st_mode & 0077U) != 0) {
    log.warning("store was readable by others", {{"path", path}});
    good = ::fchmod(fd, 0600) == 0;
  }
  ::close(fd);
  return good;
}

}  // namespace

std::int64_t integer(const SqlValue& value) {
  const auto* number = std::get_if<std::int64_t>(&value);
  return number != nullptr ? *number : 0;
}

const std::string& text(const SqlValue& value) {
  static const std::string empty;
  const auto* found = std::get_if<std::string>(&value);
  return found != nullptr ? *found : empty;
}

const Buffer& blob(const SqlValue& value) {
  static const Buffer empty;
  const auto* found = std::get_if<Buffer>(&value);
  return found != nullptr ? *found : empty;
}

// ---- One connection to the file, used by one thread at a time ----
class SqliteStore::Handle {
 public:
  static std::unique_ptr<Handle> open(const std::string& path, const char* synchronous) {
    std::unique_ptr<Handle> handle{new Handle};
    const int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX;
    if (sqlite3_open_v2(path.c_str(), &handle->db_, flags, nullptr) != SQLITE_OK) return nullptr;
    sqlite3_busy_timeout(handle->db_, kBusyTimeoutMs);
    sqlite3_extended_result_codes(handle->db_, 1);
    if (!handle->script("PRAGMA journal_mode=WAL; PRAGMA foreign_keys=ON;")) return nullptr;
    if (!handle->script(std::string{"PRAGMA synchronous="} + synchronous)) return nullptr;
    return handle;
  }

  Handle(const Handle&) = delete;
  Handle& operator=(const Handle&) = delete;
  ~Handle() {
    for (const auto& [sql, prepared] : prepared_) sqlite3_finalize(prepared);
    sqlite3_close_v2(db_);
  }

  // Several statements without values.
  bool script(const std::string& sql) {
    return sqlite3_exec(db_, sql.c_str(), nullptr, nullptr, nullptr) == SQLITE_OK;
  }

  bool run(const SqlStatement& statement, std::vector<SqlRow>* rows) {
    sqlite3_stmt* prepared = prepare(statement.sql);
    if (prepared == nullptr) return false;
    bool good = bind(prepared, statement.values);
    int step = SQLITE_DONE;
    while (good && (step = sqlite3_step(prepared)) == SQLITE_ROW) {
      if (rows != nullptr) rows->push_back(row(prepared));
    }
    good = good && step == SQLITE_DONE;
    if (!good) remember_error();
    sqlite3_reset(prepared);
    sqlite3_clear_bindings(prepared);
    return good;
  }

  // All or nothing. IMMEDIATE, because a transaction that begins by reading may find at its first
  // write that it can no longer become a writer.
  template <typename Body>
  bool transaction(Body body) {
    if (!script("BEGIN IMMEDIATE")) return remember_error();
    if (body()) {
      if (script("COMMIT")) return true;
      remember_error();
    }
    // A failed statement may have rolled back already: then there is nothing to roll back.
    if (sqlite3_get_autocommit(db_) == 0) script("ROLLBACK");
    return false;
  }

  // The whole database as a file holds it, with what is in the write-ahead log.
  std::optional<std::string> contents() {
    sqlite3_int64 size = 0;
    unsigned char* octets = sqlite3_serialize(db_, "main", &size, 0);
    if (octets == nullptr) return std::nullopt;
    std::string out{reinterpret_cast<const char*>(octets), static_cast<std::size_t>(size)};
    sqlite3_free(octets);
    return out;
  }
  // It is to be closed and another one is at its path: the last to close a database removes the
  // write-ahead log, by its name.
  void abandon() { sqlite3_db_config(db_, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, nullptr); }

  std::size_t changes() const { return static_cast<std::size_t>(sqlite3_changes(db_)); }
  const std::string& last_error() const { return last_error_; }
  // The disk or the other writer is the cause, and later it may go well; else the statement is.
  bool may_pass_later() const {
    switch (last_code_) {
      case SQLITE_ERROR:
      case SQLITE_CONSTRAINT:
      case SQLITE_MISMATCH:
      case SQLITE_RANGE:
      case SQLITE_TOOBIG:
        return false;
      default:
        return true;
    }
  }
  bool remember_error() {
    last_error_ = sqlite3_errmsg(db_);
    last_code_ = sqlite3_errcode(db_) & 0xff;
    return false;
  }

 private:
  Handle() = default;

  // Statements are few and come again and again, so each is compiled once.
  sqlite3_stmt* prepare(const std::string& sql) {
    const auto known = prepared_.find(sql);
    if (known != prepared_.end()) return known->second;
    sqlite3_stmt* made = nullptr;
    const int size = static_cast<int>(sql.size());
    if (sqlite3_prepare_v3(db_, sql.data(), size, SQLITE_PREPARE_PERSISTENT, &made, nullptr) !=
        SQLITE_OK) {
      remember_error();
      return nullptr;
    }
    prepared_.emplace(sql, made);
    return made;
  }

  // The values outlive the statement's run, so nothing is copied (a null destructor says so).
  static bool bind(sqlite3_stmt* prepared, const std::vector<SqlValue>& values) {
    int index = 0;
    for (const SqlValue& value : values) {
      ++index;
      int code = SQLITE_OK;
      if (const auto* number = std::get_if<std::int64_t>(&value)) {
        code = sqlite3_bind_int64(prepared, index, *number);
      } else if (const auto* string = std::get_if<std::string>(&value)) {
        code = sqlite3_bind_text64(prepared, index, string->data(), string->size(), nullptr,
                                   SQLITE_UTF8);
      } else if (const auto* octets = std::get_if<Buffer>(&value)) {
        // An empty vector's data() may be null, which would bind NULL.
        code = octets->empty()
                   ? sqlite3_bind_zeroblob(prepared, index, 0)
                   : sqlite3_bind_blob64(prepared, index, octets->data(), octets->size(), nullptr);
      } else {
        code = sqlite3_bind_null(prepared, index);
      }
      if (code != SQLITE_OK) return false;
    }
    return true;
  }

  static SqlRow row(sqlite3_stmt* prepared) {
    SqlRow out;
    const int columns = sqlite3_column_count(prepared);
    out.reserve(static_cast<std::size_t>(columns));
    for (int i = 0; i < columns; ++i) {
      switch (sqlite3_column_type(prepared, i)) {
        case SQLITE_INTEGER:
          out.emplace_back(std::int64_t{sqlite3_column_int64(prepared, i)});
          break;
        case SQLITE_TEXT: {
          const auto* data = sqlite3_column_text(prepared, i);
          const auto size = static_cast<std::size_t>(sqlite3_column_bytes(prepared, i));
          out.emplace_back(std::string{reinterpret_cast<const char*>(data), size});
          break;
        }
        case SQLITE_BLOB: {
          const auto* data = static_cast<const std::uint8_t*>(sqlite3_column_blob(prepared, i));
          const auto size = static_cast<std::size_t>(sqlite3_column_bytes(prepared, i));
          out.emplace_back(Buffer(data, data + size));
          break;
        }
        default:
          out.emplace_back(std::monostate{});
      }
    }
    return out;
  }

  sqlite3* db_ = nullptr;
  std::unordered_map<std::string, sqlite3_stmt*> prepared_;
  std::string last_error_;
  int last_code_ = SQLITE_OK;
};

// ---- The thread that commits what is deferred ----
class SqliteStore::Worker {
 public:
  Worker(std::unique_ptr<Handle> handle, const Options& options, Log& log)
      : handle_(std::move(handle)), options_(options), log_(log), thread_([this] { work(); }) {}

  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;
  ~Worker() {
    {
      const std::lock_guard lock{mutex_};
      ending_ = true;
    }
    wake_.notify_all();
    thread_.join();
  }

  void defer(std::string key, SqlStatement statement) {
    {
      const std::lock_guard lock{mutex_};
      enqueue({std::move(key), std::move(statement)}, true);
    }
    wake_.notify_all();
  }

  bool flush() {
    std::unique_lock lock{mutex_};
    const std::uint64_t mine = ++flushes_wanted_;
    wake_.notify_all();
    flushed_.wait(lock, [&] { return flushes_done_ >= mine; });
    return flush_good_;
  }

  // Calls it with the worker's own connection while the worker does not use that.
  template <typename Body>
  bool pause(Body body) {
    const std::lock_guard lock{handle_mutex_};
    return body(handle_);
  }

  std::size_t pending() const {
    const std::lock_guard lock{mutex_};
    return queue_.size() + writing_;
  }
  std::uint64_t dropped() const {
    const std::lock_guard lock{mutex_};
    return dropped_;
  }
  void limit_pages(std::uint32_t pages) {
    const std::lock_guard lock{mutex_};
    new_page_limit_ = pages;
  }

 private:
  struct Deferred {
    std::string key;
    SqlStatement statement;
  };
  using Queue = std::list<Deferred>;

  // A newer write takes the older one's place; one that comes back after a failure does not
  // displace what has been deferred meanwhile.
  void enqueue(Deferred write, bool newer) {
    const auto known = by_key_.find(write.key);
    if (known != by_key_.end()) {
      if (newer) known->second->statement = std::move(write.statement);
      return;
    }
    if (queue_.size() >= options_.max_pending) {
      ++dropped_;
      if (!newer) return;
      by_key_.erase(queue_.front().key);
      queue_.pop_front();
    }
    const auto at = queue_.insert(newer ? queue_.end() : queue_.begin(), std::move(write));
    by_key_.emplace(at->key, at);
  }

  void work() {
    std::unique_lock lock{mutex_};
    while (true) {
      wake_.wait(lock, [&] { return urgent() || !queue_.empty(); });
      // More writes gather meanwhile; after a failure it is the disk that is given time.
      const auto delay = failing_ ? options_.retry_delay : options_.batch_delay;
      wake_.wait_for(lock, delay, [&] { return urgent(); });
      const std::uint64_t flushing = flushes_wanted_;
      const bool last = ending_;
      const bool good = commit(lock);
      if (flushing != flushes_done_) {
        flushes_done_ = flushing;
        flush_good_ = good;
        flushed_.notify_all();
      }
      if (last) return;
    }
  }

  bool urgent() const { return ending_ || flushes_wanted_ != flushes_done_; }

  // Writes the whole queue in one transaction, without the lock.
  bool commit(std::unique_lock<std::mutex>& lock) {
    Queue batch;
    batch.swap(queue_);
    by_key_.clear();
    writing_ = batch.size();
    const std::optional<std::uint32_t> page_limit = std::exchange(new_page_limit_, std::nullopt);
    lock.unlock();
    std::unique_lock<std::mutex> using_handle{handle_mutex_};
    if (page_limit) handle_->script("PRAGMA max_page_count=" + std::to_string(*page_limit));
    const bool good = batch.empty() || handle_->transaction([&] {
      return std::all_of(batch.begin(), batch.end(), [&](const Deferred& write) {
        return handle_->run(write.statement, nullptr) || skip(write);
      });
    });
    const std::string cause = handle_->last_error();
    using_handle.unlock();
    lock.lock();
    writing_ = 0;
    if (!good) {
      for (auto write = batch.rbegin(); write != batch.rend(); ++write)
        enqueue(std::move(*write), false);
    }
    report(good, batch.size(), cause);
    return good;
  }

  // A statement that can never succeed must not hold up all others for ever.
  bool skip(const Deferred& write) {
    if (handle_->may_pass_later()) return false;
    log_.error("store dropped a write that it cannot understand",
               {{"sql", write.statement.sql}, {"cause", handle_->last_error()}});
    return true;
  }

  // One line when it begins, one when it ends: a full disk must not fill up with lines about it.
  void report(bool good, std::size_t writes, const std::string& cause) {
    if (good == !failing_) return;
    failing_ = !good;
    if (good) {
      log_.info("store writes again", {{"written", writes}, {"dropped", dropped_}});
    } else {
      log_.error("store cannot write, keeping it in memory and trying again",
                 {{"cause", cause}, {"waiting", writes}});
    }
  }

  std::mutex handle_mutex_;         // held while `handle_` is in use; before `mutex_`, never after
  std::unique_ptr<Handle> handle_;  // this thread's own
  const Options options_;
  Log& log_;

  mutable std::mutex mutex_;
  std::condition_variable wake_, flushed_;
  Queue queue_;
  std::unordered_map<std::string, Queue::iterator> by_key_;
  std::size_t writing_ = 0;
  std::uint64_t dropped_ = 0, flushes_wanted_ = 0, flushes_done_ = 0;
  bool flush_good_ = true, failing_ = false, ending_ = false;
  std::optional<std::uint32_t> new_page_limit_;
  std::thread thread_;  // last: it starts when all else is there
};

SqliteStore::SqliteStore(std::string path, Log& log, std::unique_ptr<Handle> own,
                         std::unique_ptr<Worker> worker)
    : path_(std::move(path)), log_(log), own_(std::move(own)), worker_(std::move(worker)) {
  note_files();
}

SqliteStore::~SqliteStore() = default;

Result<std::unique_ptr<SqliteStore>> SqliteStore::open(Options options, Log& log) {
  if (!make_private(options.path, log)) {
    log.error("store cannot be opened", {{"path", options.path}});
    return fail(Errc::System, "the store's file cannot be created or opened");
  }
  auto own = Handle::open(options.path, kSyncWrites);
  auto deferred = Handle::open(options.path, kSyncDeferred);
  if (!own || !deferred) {
    log.error("store is not usable", {{"path", options.path}});
    return fail(Errc::System, "the store's file is not a database of ours");
  }
  std::vector<SqlRow> rows;
  if (!own->run({"PRAGMA user_version", {}}, &rows) || rows.empty())
    return fail(Errc::System, "the store's file cannot be read");
  const std::int64_t version = integer(rows[0][0]);
  if (version > kFileVersion) {
    log.error("store was written by a newer version", {{"path", options.path}});
    return fail(Errc::Unsupported, "the store's file was written by a newer version");
  }
  const bool made = version == kFileVersion || own->transaction([&] {
    return own->script(kSchemaTable) &&
           own->script("PRAGMA user_version=" + std::to_string(kFileVersion));
  });
  if (!made) return fail(Errc::System, "the store's file cannot be written");
  auto worker = std::make_unique<Worker>(std::move(deferred), options, log);
  return std::unique_ptr<SqliteStore>{
      new SqliteStore(options.path, log, std::move(own), std::move(worker))};
}

// ---- The file under an open database ----

SqliteStore::FileId SqliteStore::FileId::at(const std::string& path) {
  struct stat status {};
  if (::stat(path.c_str(), &status) != 0) return {};
  return {status.st_dev, status.st_ino};
}

void SqliteStore::note_files() {
  file_ = FileId::at(path_);
  wal_ = FileId::at(path_ + "-wal");
}

// SQLite finds a write-ahead log by its name alone. Ours must not stay beside another database: it
// would be taken for that one's.
void SqliteStore::forget_log() const {
  const std::string log = path_ + "-wal";
  if (const FileId there = FileId::at(log); there == FileId{} || there != wal_) return;
  ::unlink(log.c_str());
  ::unlink((path_ + "-shm").c_str());
}

Result<void> SqliteStore::check() {
  const FileId there = FileId::at(path_);
  if (there == file_) {
    trouble_ = {};
    return {};
  }
  forget_log();
  if (there != FileId{}) return report(kReplaced);
  if (!restore()) return report(kNotRestored);
  trouble_ = {};
  ++restored_;
  log_.warning("store was removed while it was open, and has been written again",
               {{"path", path_}});
  return {};
}

Result<void> SqliteStore::report(std::string_view trouble) {
  if (trouble_ != trouble)
    log_.error("store is not at its place", {{"path", path_}, {"why", trouble}});
  trouble_ = trouble;
  return fail(Errc::System, trouble);
}

bool SqliteStore::restore() {
  return worker_->pause([&](std::unique_ptr<Handle>& deferred) {
    const auto contents = own_->contents();
    if (!contents || !write_file(path_, *contents, 0600)) return false;
    auto own = Handle::open(path_, kSyncWrites);
    auto other = Handle::open(path_, kSyncDeferred);
    if (!own || !other) return false;
    own_->abandon();
    deferred->abandon();
    own_ = std::move(own);
    deferred = std::move(other);
    note_files();
    return true;
  });
}

Result<void> SqliteStore::migrate(std::string_view owner, const std::vector<std::string>& steps) {
  const std::string who{owner};
  const auto rows = query({"SELECT version FROM schema WHERE owner=?", {who}});
  if (!rows) return tl::make_unexpected(rows.error());
  const auto version = rows->empty() ? 0 : static_cast<std::size_t>(integer((*rows)[0][0]));
  if (version > steps.size()) {
    log_.error("store was written by a newer version", {{"tables", owner}});
    return fail(Errc::Unsupported, "the store's tables were written by a newer version");
  }
  for (std::size_t step = version; step < steps.size(); ++step) {
    const bool done = own_->transaction([&] {
      if (!own_->script(steps[step])) return own_->remember_error();
      return own_->run({"INSERT INTO schema(owner,version) VALUES(?,?) "
                        "ON CONFLICT(owner) DO UPDATE SET version=excluded.version",
                        {who, static_cast<std::int64_t>(step + 1)}},
                       nullptr);
    });
    if (done) continue;
    log_.error("store tables cannot be made", {{"tables", owner}, {"cause", own_->last_error()}});
    return fail(Errc::System, "the store's tables cannot be made");
  }
  return {};
}

Result<std::vector<SqlRow>> SqliteStore::query(const SqlStatement& statement) {
  std::vector<SqlRow> rows;
  if (own_->run(statement, &rows)) return rows;
  log_.error("store cannot be read", {{"cause", own_->last_error()}});
  return fail(Errc::System, "the store cannot be read");
}

Result<std::size_t> SqliteStore::write_all(const std::vector<SqlStatement>& statements) {
  if (const auto there = check(); !there) return tl::make_unexpected(there.error());
  std::size_t changed = 0;
  const bool good = own_->transaction([&] {
    return std::all_of(statements.begin(), statements.end(), [&](const SqlStatement& statement) {
      const bool ran = own_->run(statement, nullptr);
      changed = own_->changes();
      return ran;
    });
  });
  if (good) return changed;
  log_.error("store cannot write", {{"cause", own_->last_error()}});
  return fail(Errc::System, "the store cannot write");
}

Result<std::size_t> SqliteStore::write(SqlStatement statement) {
  std::vector<SqlStatement> one;
  one.push_back(std::move(statement));
  return write_all(one);
}

void SqliteStore::defer(std::string key, SqlStatement statement) {
  worker_->defer(std::move(key), std::move(statement));
}

Result<void> SqliteStore::flush() {
  if (worker_->flush()) return {};
  return fail(Errc::System, "the store cannot write");
}

std::size_t SqliteStore::pending() const { return worker_->pending(); }
std::uint64_t SqliteStore::dropped() const { return worker_->dropped(); }

void SqliteStore::limit_pages(std::uint32_t pages) {
  const std::uint32_t limit = pages != 0 ? pages : kNoPageLimit;
  own_->script("PRAGMA max_page_count=" + std::to_string(limit));
  worker_->limit_pages(limit);
}

}  // namespace sallyport::brain
