#include "brain/users.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>

namespace sallyport::brain {
namespace {

class UsersTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string directory = ::testing::TempDir() + "users-XXXXXX";
    ASSERT_NE(::mkdtemp(directory.data()), nullptr);
    directory_ = directory;
    open();
  }
  void TearDown() override {
    users_.reset();
    store_.reset();
    std::filesystem::remove_all(directory_);
  }
  void open() {
    users_.reset();
    store_.reset();
    SqliteStore::Options options;
    options.path = directory_ + "/server.db";
    store_ = std::move(*SqliteStore::open(options, *log_));
    users_ = std::move(*SqliteUsers::open(*store_));
  }

  std::string directory_;
  std::unique_ptr<Log> log_ = Log::silent();
  std::unique_ptr<SqliteStore> store_;
  std::unique_ptr<SqliteUsers> users_;
};

const User kAlice{"alice", "example.org", "auth-alice", "md5", "sha", "hash-md5", "hash-sha"};

TEST_F(UsersTest, AreFoundByNameByLoginAndByHashInTheirRealmOnly) {
  ASSERT_TRUE(users_->add(kAlice));
  open();
  EXPECT_EQ(users_->find("alice", "example.org"), kAlice);
  EXPECT_EQ(users_->find_login("auth-alice", "example.org", false), kAlice);
  EXPECT_EQ(users_->find_login("hash-md5", "example.org", true), kAlice);
  EXPECT_EQ(users_->find_login("hash-sha", "example.org", true), kAlice);
  EXPECT_FALSE(users_->find("alice", "example.net"));
  EXPECT_FALSE(users_->find("auth-alice", "example.org"));
  EXPECT_FALSE(users_->find_login("hash-md5", "example.org", false));
  EXPECT_FALSE(users_->find_login("hash-md5", "example.net", true));
}

TEST_F(UsersTest, AreReplacedListedAndRemoved) {
  ASSERT_TRUE(users_->add(kAlice));
  User changed = kAlice;
  changed.ha1_md5 = "new";
  ASSERT_TRUE(users_->add(changed));
  User bob = kAlice;
  bob.name = bob.login = "bob";
  ASSERT_TRUE(users_->add(bob));
  EXPECT_EQ(users_->list(), (std::vector<User>{changed, bob}));
  ASSERT_TRUE(users_->remove("alice", "example.org"));
  EXPECT_EQ(users_->remove("alice", "example.org").error().code, Errc::NotFound);
  EXPECT_EQ(users_->list(), std::vector<User>{bob});
}

TEST_F(UsersTest, TwoCannotShareALogin) {
  ASSERT_TRUE(users_->add(kAlice));
  User other = kAlice;
  other.name = "mallory";
  EXPECT_FALSE(users_->add(other));
  EXPECT_EQ(users_->find_login("auth-alice", "example.org", false)->name, "alice");
}

}  // namespace
}  // namespace sallyport::brain
