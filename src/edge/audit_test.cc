#include "edge/audit.h"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <iterator>

namespace sallyport::edge {
namespace {

class AuditTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (std::filesystem::temp_directory_path() / "audit-XXXXXX").string();
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
    path_ = folder_ + "/audit.log";
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  std::unique_ptr<Audit> open() {
    auto audit = Audit::open(path_, [] { return WallTime{std::chrono::hours{490000}}; });
    EXPECT_TRUE(audit) << audit.error().what;
    return std::move(*audit);
  }
  std::string read() {
    std::ifstream file{path_, std::ios::binary};
    return {std::istreambuf_iterator<char>{file}, {}};
  }
  void write(const std::string& text) { std::ofstream{path_, std::ios::binary} << text; }

  std::string folder_, path_;
};

TEST_F(AuditTest, ChainsItsLinesAcrossARestart) {
  open()->record("server", "listen", "sip udp 0.0.0.0:5060", 1, "done");
  auto audit = open();
  audit->record("server", "open_port", "2 toward 10.1.1.2", 2, "done");
  audit->record("server", "connect", "say \"no\"\n", 3, "not permitted");
  const auto verdict = verify_audit(path_);
  ASSERT_TRUE(verdict);
  EXPECT_EQ(verdict->lines, 3U);
  EXPECT_FALSE(verdict->broken_line) << verdict->what;
  struct stat status {};
  ASSERT_EQ(::stat(path_.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777U, 0600U);
}

TEST_F(AuditTest, ShowsALineThatWasChangedRemovedOrPutIn) {
  {
    auto audit = open();
    for (std::uint64_t i = 1; i <= 5; ++i) audit->record("server", "open_port", "x", i, "done");
  }
  const std::string good = read();
  const auto broken_at = [&](const std::string& text) {
    write(text);
    return verify_audit(path_)->broken_line;
  };
  std::string changed = good;
  changed.replace(changed.find("open_port", changed.find('\n')), 9, "open_pork");
  EXPECT_EQ(broken_at(changed), 2U);
  const std::size_t first_end = good.find('\n') + 1;
  const std::size_t second_end = good.find('\n', first_end) + 1;
  EXPECT_EQ(broken_at(good.substr(0, first_end) + good.substr(second_end)), 2U) << "removed";
  EXPECT_EQ(broken_at(good.substr(0, second_end) + good.substr(first_end)), 3U) << "doubled";
  EXPECT_EQ(broken_at(good.substr(0, second_end) + "{}\n" + good.substr(second_end)), 3U);
  EXPECT_EQ(broken_at(good), std::nullopt);
}

TEST_F(AuditTest, ShowsThatItsEndWasCutOffToWhomKnowsAHashOfIt) {
  std::string early, last;
  {
    auto audit = open();
    audit->record("server", "open_port", "x", 1, "done");
    early = audit->last_hash();
    audit->record("server", "open_port", "y", 2, "done");
    last = audit->last_hash();
  }
  EXPECT_TRUE(verify_audit(path_, early)->known_found);
  EXPECT_TRUE(verify_audit(path_, last)->known_found);
  EXPECT_EQ(verify_audit(path_)->last_hash, last);
  const std::string good = read();
  write(good.substr(0, good.find('\n') + 1));
  const auto cut = verify_audit(path_, last);
  EXPECT_FALSE(cut->broken_line) << "the rest is whole";
  EXPECT_FALSE(cut->known_found);
  EXPECT_TRUE(verify_audit(path_, early)->known_found);
}

TEST_F(AuditTest, GoesOnAfterAHalfWrittenLine) {
  open()->record("server", "listen", "x", 1, "done");
  write(read() + R"({"n":2,"ts":"20)");
  open()->record("server", "listen", "y", 2, "done");
  const auto verdict = verify_audit(path_);
  ASSERT_TRUE(verdict);
  EXPECT_EQ(verdict->lines, 2U);
  EXPECT_FALSE(verdict->broken_line) << verdict->what;
}

// A limit on the file's size fails writes as a full disk does.
TEST_F(AuditTest, CountsWhatAFullDiskLosesAndSaysSoLater) {
  auto audit = open();
  audit->record("server", "listen", "x", 1, "done");
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &before), 0);
  auto* const handler = std::signal(SIGXFSZ, SIG_IGN);
  rlimit tight = before;
  tight.rlim_cur = std::filesystem::file_size(path_) + 20;
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &tight), 0);
  audit->record("server", "listen", "lost", 2, "done");
  audit->record("server", "listen", "lost", 3, "done");
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &before), 0);
  std::signal(SIGXFSZ, handler);
  EXPECT_EQ(audit->lost(), 2U);
  audit->record("server", "listen", "z", 4, "done");
  const auto verdict = verify_audit(path_);
  ASSERT_TRUE(verdict);
  EXPECT_FALSE(verdict->broken_line) << verdict->what;
  EXPECT_EQ(verdict->lines, 2U);
  EXPECT_EQ(verdict->lost, 2U);
}

}  // namespace
}  // namespace sallyport::edge
