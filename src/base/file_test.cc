#include "base/file.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cstdlib>
#include <filesystem>

namespace sallyport {
namespace {

class File : public testing::Test {
 protected:
  File() {
    std::string pattern = testing::TempDir() + "sallyport-file-XXXXXX";
    folder_ = ::mkdtemp(pattern.data());
  }
  ~File() override { std::filesystem::remove_all(folder_); }
  std::string folder_;
};

TEST_F(File, IsReplacedWholeAndWithItsMode) {
  const std::string path = folder_ + "/a";
  ASSERT_TRUE(write_file(path, "old and longer", 0644));
  ASSERT_TRUE(write_file(path, "new", 0600));
  EXPECT_EQ(*read_file(path), "new");
  struct stat about {};
  ASSERT_EQ(::stat(path.c_str(), &about), 0);
  EXPECT_EQ(about.st_mode & 0777U, 0600U);
  // Nothing is left beside it.
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator{folder_}, {}), 1);
}

TEST_F(File, ThatCannotBeReplacedStaysAndLeavesNothingBeside) {
  std::filesystem::create_directories(folder_ + "/taken/inside");
  EXPECT_FALSE(write_file(folder_ + "/taken", "x", 0600));
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator{folder_}, {}), 1);
  EXPECT_FALSE(write_file(folder_ + "/none/a", "x", 0600));
}

TEST_F(File, IsNotReadBeyondTheLimit) {
  ASSERT_TRUE(write_file(folder_ + "/a", std::string(100, 'x'), 0600));
  EXPECT_EQ(read_file(folder_ + "/a", 99).error().code, Errc::Exhausted);
  EXPECT_EQ(read_file(folder_ + "/a", 100)->size(), 100U);
  EXPECT_EQ(read_file(folder_ + "/b").error().code, Errc::NotFound);
}

TEST_F(File, FoldersAreMadeWithThoseAboveThem) {
  EXPECT_TRUE(make_folder(folder_ + "/a/b/c"));
  EXPECT_TRUE(make_folder(folder_ + "/a/b/c"));
  EXPECT_TRUE(std::filesystem::is_directory(folder_ + "/a/b/c"));
  ASSERT_TRUE(write_file(folder_ + "/f", "", 0600));
  EXPECT_FALSE(make_folder(folder_ + "/f"));
  EXPECT_FALSE(make_folder(folder_ + "/f/g"));
}

}  // namespace
}  // namespace sallyport
