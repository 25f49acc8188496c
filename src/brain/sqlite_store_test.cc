#include "brain/sqlite_store.h"

#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

namespace sallyport::brain {
namespace {

const std::vector<std::string> kTables = {
    "CREATE TABLE things(name TEXT PRIMARY KEY, size INTEGER, raw BLOB)"};

class SqliteStoreTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string directory = ::testing::TempDir() + "store-XXXXXX";
    ASSERT_NE(::mkdtemp(directory.data()), nullptr);
    directory_ = directory;
    path_ = directory + "/server.db";
  }
  void TearDown() override { std::filesystem::remove_all(directory_); }

  std::unique_ptr<SqliteStore> open(std::size_t max_pending = 1000) {
    SqliteStore::Options options;
    options.path = path_;
    options.batch_delay = milliseconds{1};
    options.retry_delay = milliseconds{3'600'000};  // only a flush makes it try again
    options.max_pending = max_pending;
    auto store = SqliteStore::open(options, *log_);
    EXPECT_TRUE(store);
    EXPECT_TRUE((*store)->migrate("things", kTables));
    return std::move(*store);
  }
  static SqlStatement put(const std::string& name, std::int64_t size, Buffer raw = {}) {
    return {"INSERT OR REPLACE INTO things(name,size,raw) VALUES(?,?,?)", {name, size, raw}};
  }
  static std::int64_t count(SqliteStore& store) {
    return integer((*store.query({"SELECT count(*) FROM things", {}}))[0][0]);
  }

  std::string directory_, path_;
  std::unique_ptr<Log> log_ = Log::silent();
};

TEST_F(SqliteStoreTest, KeepsEveryKindOfValueAcrossAReopening) {
  {
    const auto store = open();
    ASSERT_EQ(*store->write(put("direct", -7, {0, 1, 255})), 1U);
    ASSERT_TRUE(store->write(SqlStatement{"INSERT INTO things(name) VALUES(?)", {std::string()}}));
    store->defer("d", put("deferred", std::int64_t{1} << 40U));
  }  // the destructor commits what is deferred
  const auto store = open();
  const auto rows = *store->query({"SELECT name,size,raw FROM things ORDER BY name", {}});
  ASSERT_EQ(rows.size(), 3U);
  EXPECT_TRUE(std::holds_alternative<std::string>(rows[0][0]));
  EXPECT_TRUE(std::holds_alternative<std::monostate>(rows[0][1]));
  EXPECT_EQ(integer(rows[0][1]), 0);
  EXPECT_EQ(text(rows[1][0]), "deferred");
  EXPECT_EQ(integer(rows[1][1]), std::int64_t{1} << 40U);
  EXPECT_EQ(integer(rows[2][1]), -7);
  EXPECT_EQ(blob(rows[2][2]), (Buffer{0, 1, 255}));
}

TEST_F(SqliteStoreTest, CanBeReadByItsOwnerOnly) {
  const auto mode = [&](const std::string& suffix) {
    struct stat status {};
    EXPECT_EQ(::stat((path_ + suffix).c_str(), &status), 0);
    return status.st_mode & 0777U;
  };
  auto store = open();
  ASSERT_TRUE(store->write(put("a", 1)));
  EXPECT_EQ(mode(""), 0600U);
  EXPECT_EQ(mode("-wal"), 0600U);
  store.reset();
  ASSERT_EQ(::chmod(path_.c_str(), 0644), 0);
  store = open();
  EXPECT_EQ(mode(""), 0600U);
}

TEST_F(SqliteStoreTest, WritesAllOfATransactionOrNothing) {
  const auto store = open();
  EXPECT_FALSE(store->write_all({put("a", 1), {"INSERT INTO nowhere VALUES(1)", {}}}));
  EXPECT_EQ(count(*store), 0);
  EXPECT_EQ(*store->write_all({put("a", 1), put("b", 2)}), 1U);
  EXPECT_EQ(count(*store), 2);
}

TEST_F(SqliteStoreTest, BringsTablesUpToDateStepByStepAndRefusesNewerOnes) {
  {
    const auto store = open();
    ASSERT_TRUE(store->write(put("a", 1)));
    auto steps = kTables;
    steps.emplace_back("ALTER TABLE things ADD COLUMN colour TEXT DEFAULT 'red'");
    ASSERT_TRUE(store->migrate("things", steps));
    ASSERT_TRUE(store->migrate("things", steps)) << "again changes nothing";
    EXPECT_EQ(text((*store->query({"SELECT colour FROM things", {}}))[0][0]), "red");
    ASSERT_TRUE(store->migrate("others", {"CREATE TABLE others(x); CREATE TABLE more(y)"}));
    ASSERT_TRUE(store->query({"SELECT * FROM more", {}}));

    EXPECT_EQ(store->migrate("things", kTables).error().code, Errc::Unsupported);
    EXPECT_EQ(store->migrate("bad", {"CREATE NONSENSE"}).error().code, Errc::System);
    ASSERT_TRUE(store->write(SqlStatement{"PRAGMA user_version=99", {}}));
  }
  SqliteStore::Options options;
  options.path = path_;
  EXPECT_EQ(SqliteStore::open(options, *log_).error().code, Errc::Unsupported);
}

TEST_F(SqliteStoreTest, TheLaterOfTwoDeferredWritesForAKeyWins) {
  const auto store = open();
  for (int i = 0; i < 100; ++i) store->defer("a", put("a", i));
  store->defer("b", put("b", 1));
  store->defer("b", {"DELETE FROM things WHERE name=?", {std::string("b")}});
  ASSERT_TRUE(store->flush());
  EXPECT_EQ(store->pending(), 0U);
  EXPECT_EQ(integer((*store->query({"SELECT size FROM things WHERE name='a'", {}}))[0][0]), 99);
  EXPECT_EQ(count(*store), 1);
}

TEST_F(SqliteStoreTest, KeepsDeferredWritesWhileTheDiskIsFullAndSaysSoOnce) {
  const std::string log_path = directory_ + "/log";
  log_ = Log::to_file(log_path, Level::Info);
  {
    const auto store = open();
    ASSERT_TRUE(store->write(put("before", 1)));
    store->limit_pages(
        static_cast<std::uint32_t>(integer((*store->query({"PRAGMA page_count", {}}))[0][0])));
    const Buffer large(20'000, 7);
    store->defer("big", put("big", 1, large));
    EXPECT_FALSE(store->flush());
    EXPECT_FALSE(store->flush());
    EXPECT_EQ(store->pending(), 1U);
    store->defer("big", put("big", 2, large));  // newer than the one that failed
    store->defer("small", put("small", 1));
    EXPECT_FALSE(store->flush());
    EXPECT_EQ(store->pending(), 2U);
    EXPECT_EQ(count(*store), 1) << "reading goes on";

    store->limit_pages(0);
    ASSERT_TRUE(store->flush());
    EXPECT_EQ(store->pending(), 0U);
    EXPECT_EQ(integer((*store->query({"SELECT size FROM things WHERE name='big'", {}}))[0][0]), 2);
    EXPECT_EQ(count(*store), 3);
  }
  log_.reset();
  std::ifstream lines{log_path};
  const std::string written{std::istreambuf_iterator<char>{lines}, {}};
  const auto times = [&](std::string_view what) {
    std::size_t n = 0;
    for (auto at = written.find(what); at != std::string::npos; at = written.find(what, at + 1))
      ++n;
    return n;
  };
  EXPECT_EQ(times("store cannot write"), 1U) << written;
  EXPECT_EQ(times("store writes again"), 1U) << written;
}

TEST_F(SqliteStoreTest, ForgetsTheOldestBeyondItsLimitAndCountsIt) {
  const auto store = open(3);
  store->limit_pages(1);
  ASSERT_TRUE(store->flush());  // the limit is taken over
  const Buffer large(20'000, 7);
  for (const char* name : {"a", "b", "c", "d"}) store->defer(name, put(name, 1, large));
  EXPECT_FALSE(store->flush());
  store->defer("e", put("e", 1, large));
  EXPECT_EQ(store->pending(), 3U);
  EXPECT_GE(store->dropped(), 1U);
  store->limit_pages(0);
  ASSERT_TRUE(store->flush());
  EXPECT_EQ(count(*store), 3);
  EXPECT_EQ((*store->query({"SELECT 1 FROM things WHERE name='e'", {}})).size(), 1U);
}

TEST_F(SqliteStoreTest, AWriteThatCanNeverSucceedDoesNotHoldUpTheOthers) {
  const auto store = open();
  store->defer("wrong", {"INSERT INTO nowhere VALUES(1)", {}});
  store->defer("twice", {"INSERT INTO things(name) VALUES('a'),('a')", {}});
  store->defer("right", put("right", 1));
  EXPECT_TRUE(store->flush());
  EXPECT_EQ(count(*store), 1);
}

TEST_F(SqliteStoreTest, WritesAFileAgainThatWasRemovedWithAllThatWasAccepted) {
  for (const bool log_too : {false, true}) {
    {
      const auto store = open();
      ASSERT_TRUE(store->write(put("a", 1)));
      store->defer("b", put("b", 1));
      ASSERT_TRUE(store->flush());
      std::filesystem::remove(path_);
      if (log_too) {
        std::filesystem::remove(path_ + "-wal");
        std::filesystem::remove(path_ + "-shm");
      }
      store->defer("c", put("c", 1));  // into the file that is gone
      ASSERT_TRUE(store->flush());
      ASSERT_TRUE(store->write(put("d", 1)));
      EXPECT_EQ(store->times_restored(), 1U);
      EXPECT_TRUE(store->trouble().empty());
      store->defer("e", put("e", 1));
      ASSERT_TRUE(store->flush());
      ASSERT_TRUE(store->check());
      EXPECT_EQ(store->times_restored(), 1U);
      struct stat status {};
      ASSERT_EQ(::stat(path_.c_str(), &status), 0);
      EXPECT_EQ(status.st_mode & 0777U, 0600U);
    }
    const auto store = open();
    EXPECT_EQ(count(*store), 5);
    EXPECT_EQ(text((*store->query({"PRAGMA integrity_check", {}}))[0][0]), "ok");
    ASSERT_TRUE(store->write({"DELETE FROM things", {}}));
  }
}

TEST_F(SqliteStoreTest, WritesNothingInThePlaceOfAFileThatReplacedItsOwn) {
  {
    const auto other = open();
    ASSERT_TRUE(other->write(put("theirs", 1)));
  }
  std::filesystem::rename(path_, path_ + ".backup");
  {
    const auto store = open();
    ASSERT_TRUE(store->write(put("a", 1)));
    std::filesystem::copy(path_ + ".backup", path_ + ".new");
    std::filesystem::rename(path_ + ".new", path_);
    const auto refused = store->write(put("b", 1));
    ASSERT_FALSE(refused);
    EXPECT_NE(refused.error().what.find("restart the server"), std::string_view::npos);
    EXPECT_EQ(store->trouble(), refused.error().what);
    EXPECT_EQ(count(*store), 1) << "what is open is read on";
    EXPECT_FALSE(std::filesystem::exists(path_ + "-wal")) << "it is not the new file's";
  }
  {
    const auto store = open();
    EXPECT_EQ(text((*store->query({"SELECT name FROM things", {}}))[0][0]), "theirs");
    EXPECT_EQ(count(*store), 1);
  }
}

TEST_F(SqliteStoreTest, SaysWhenItCannotWriteItsFileAgainAndDoesAsSoonAsItCan) {
  const auto store = open();
  ASSERT_TRUE(store->write(put("a", 1)));
  std::filesystem::rename(directory_, directory_ + ".away");
  const auto refused = store->write(put("b", 1));
  ASSERT_FALSE(refused);
  EXPECT_EQ(store->trouble(), refused.error().what);
  std::filesystem::create_directory(directory_);
  ASSERT_TRUE(store->check());
  EXPECT_TRUE(store->trouble().empty());
  ASSERT_TRUE(store->write(put("b", 1)));
  EXPECT_EQ(count(*store), 2);
  std::filesystem::remove_all(directory_ + ".away");
}

TEST_F(SqliteStoreTest, RefusesAFileThatIsNoDatabase) {
  std::ofstream{path_} << "this is a shopping list, and a rather long one: milk, bread, butter";
  SqliteStore::Options options;
  options.path = path_;
  EXPECT_EQ(SqliteStore::open(options, *log_).error().code, Errc::System);
  options.path = directory_ + "/missing/server.db";
  EXPECT_EQ(SqliteStore::open(options, *log_).error().code, Errc::System);
}

}  // namespace
}  // namespace sallyport::brain
