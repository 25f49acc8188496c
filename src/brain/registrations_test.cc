// What every registration store must do, asked of the one in memory and of the one on disk; and
// what a restart must leave.
#include "brain/registrations.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>

#include "brain/memory_registrations.h"
#include "brain/sqlite_registrations.h"

namespace sallyport::brain {
namespace {

const WallTime kNow{std::chrono::hours{500'000}};
const std::string kAlice = "sip:alice@example.org";

Binding binding(const std::string& identity, const std::string& key, seconds life = seconds{60}) {
  Binding out;
  out.identity = identity;
  out.key = key;
  out.protocol = "sip";
  out.place = adapter::Place::inside(AgentId{7});
  out.contact = "<sip:x@10.1.1.2:5060;ob>;+sip.instance=\"<urn:uuid:1>\"";
  out.path = "<sip:edge.example.org;lr>";
  out.transport = edge::Transport::Tls;
  out.address = *TransportAddress::parse("[2001:db8::2]:5061");
  out.connection = edge::ConnectionId{99};
  out.expires = kNow + life;
  out.order = "call-1";
  out.number = 4'000'000'000U;
  out.preference = 500;
  out.details = "Phone 1.0";
  out.instance = "<urn:uuid:1>";
  out.route = "<sip:proxy.example.net;lr>";
  out.handle = "h-" + identity + key;
  return out;
}

class RegistrationsTest : public ::testing::TestWithParam<bool> {
 protected:
  void SetUp() override {
    std::string directory = ::testing::TempDir() + "registrations-XXXXXX";
    ASSERT_NE(::mkdtemp(directory.data()), nullptr);
    directory_ = directory;
    open({});
  }
  void TearDown() override {
    store_.reset();
    file_.reset();
    std::filesystem::remove_all(directory_);
  }

  void open(RegistrationLimits limits, WallTime now = kNow) {
    if (!GetParam()) {
      store_ = std::make_unique<MemoryRegistrations>(limits);
      return;
    }
    store_.reset();
    file_.reset();
    SqliteStore::Options options;
    options.path = directory_ + "/server.db";
    file_ = std::move(*SqliteStore::open(options, *log_));
    store_ = std::move(*SqliteRegistrations::open(*file_, limits, now, *log_));
  }

  Result<void> update(const std::string& identity, std::vector<Binding> put,
                      std::vector<std::string> remove = {}, WallTime now = kNow) {
    Result<void> out = fail(Errc::Closed, "no answer");
    store_->update({identity, std::move(remove), std::move(put)}, now,
                   [&](Result<void> done) { out = done; });
    return out;
  }
  Result<void> put(const Binding& one) { return update(one.identity, {one}); }
  std::vector<std::string> keys(const std::string& identity, WallTime now = kNow) {
    std::vector<std::string> out;
    store_->find(identity, now, [&](const std::vector<Binding>& found) {
      for (const Binding& one : found) out.push_back(one.key);
    });
    return out;
  }
  std::optional<Binding> by_handle(const std::string& handle, WallTime now = kNow) {
    std::optional<Binding> out;
    store_->find_handle(handle, now, [&](std::optional<Binding> found) { out = std::move(found); });
    return out;
  }

  std::string directory_;
  std::unique_ptr<Log> log_ = Log::silent();
  std::unique_ptr<SqliteStore> file_;
  std::unique_ptr<Registrations> store_;
};

using Keys = std::vector<std::string>;

TEST_P(RegistrationsTest, GivesTheBestPreferenceFirstAndThenTheNewest) {
  for (const char* key : {"a", "b", "c"}) ASSERT_TRUE(put(binding(kAlice, key)));
  Binding best = binding(kAlice, "best");
  best.preference = 900;
  ASSERT_TRUE(put(best));
  ASSERT_TRUE(put(binding(kAlice, "d")));
  EXPECT_EQ(keys(kAlice), (Keys{"best", "d", "c", "b", "a"}));
  ASSERT_TRUE(put(binding(kAlice, "a"))) << "a refresh makes it the newest";
  EXPECT_EQ(keys(kAlice), (Keys{"best", "a", "d", "c", "b"}));
  EXPECT_TRUE(keys("sip:bob@example.org").empty());
}

TEST_P(RegistrationsTest, ReplacesAndRemovesByKeyAndFindsByHandle) {
  ASSERT_TRUE(put(binding(kAlice, "a")));
  Binding again = binding(kAlice, "a");
  again.handle = "other";
  again.contact = "<sip:x@10.1.1.3>";
  ASSERT_TRUE(put(again));
  EXPECT_FALSE(by_handle("h-" + kAlice + "a")) << "the old handle is gone";
  ASSERT_TRUE(by_handle("other"));
  EXPECT_EQ(*by_handle("other"), again);
  ASSERT_TRUE(update(kAlice, {}, {"a", "never there"}));
  EXPECT_TRUE(keys(kAlice).empty());
  EXPECT_FALSE(by_handle("other"));
}

TEST_P(RegistrationsTest, ShowsNothingThatHasRunOut) {
  ASSERT_TRUE(put(binding(kAlice, "short", seconds{10})));
  ASSERT_TRUE(put(binding(kAlice, "long", seconds{20})));
  const WallTime later = kNow + seconds{10};
  EXPECT_EQ(keys(kAlice, later), Keys{"long"});
  EXPECT_FALSE(by_handle("h-" + kAlice + "short", later));
  EXPECT_EQ(store_->all(later).size(), 1U);
  EXPECT_EQ(store_->all(kNow).size(), 2U);
  store_->expire(later);
  EXPECT_EQ(store_->all(kNow).size(), 1U);
}

TEST_P(RegistrationsTest, HoldsSoManyBindingsOfAnIdentityAndChangesNothingBeyond) {
  for (int i = 0; i < 16; ++i) ASSERT_TRUE(put(binding(kAlice, std::to_string(i))));
  EXPECT_EQ(put(binding(kAlice, "one more")).error().code, Errc::Exhausted);
  EXPECT_EQ(update(kAlice, {binding(kAlice, "x"), binding(kAlice, "y")}, {"0"}).error().code,
            Errc::Exhausted);
  EXPECT_EQ(keys(kAlice).size(), 16U);
  EXPECT_EQ(keys(kAlice).back(), "0") << "what was to be removed is still there";
  EXPECT_TRUE(put(binding(kAlice, "3"))) << "a refresh is no new binding";
  EXPECT_TRUE(update(kAlice, {binding(kAlice, "x")}, {"0"}));
  EXPECT_TRUE(update("sip:bob@example.org", {binding("sip:bob@example.org", "0")}));
}

TEST_P(RegistrationsTest, HoldsSoManyIdentitiesOfAnAgentAndSoManyBindingsInAll) {
  RegistrationLimits limits;
  limits.identities_a_place = 2;
  limits.bindings = 4;
  limits.text = 200;
  open(limits);
  ASSERT_TRUE(put(binding("sip:1@x", "a")));
  ASSERT_TRUE(put(binding("sip:2@x", "a")));
  EXPECT_EQ(put(binding("sip:3@x", "a")).error().code, Errc::Exhausted);
  ASSERT_TRUE(put(binding("sip:2@x", "b"))) << "a second binding is no new identity";
  Binding other = binding("sip:3@x", "a");
  other.place = adapter::Place::inside(AgentId{8});
  ASSERT_TRUE(put(other)) << "one agent's flood takes nothing from another";
  EXPECT_EQ(put(binding("sip:1@x", "b")).error().code, Errc::Exhausted) << "four bindings in all";
  ASSERT_TRUE(update("sip:2@x", {}, {"a", "b"}));
  ASSERT_TRUE(put(binding("sip:4@x", "a"))) << "the place is free again";
  Binding verbose = binding("sip:4@x", "a");
  verbose.contact = std::string(300, 'x');
  EXPECT_EQ(put(verbose).error().code, Errc::Exhausted);
}

TEST_P(RegistrationsTest, WhatHasRunOutTakesNoPlace) {
  RegistrationLimits limits;
  limits.bindings = 1;
  open(limits);
  ASSERT_TRUE(put(binding(kAlice, "a", seconds{10})));
  EXPECT_FALSE(update("sip:2@x", {binding("sip:2@x", "a", seconds{100})}));
  EXPECT_TRUE(update("sip:2@x", {binding("sip:2@x", "a", seconds{100})}, {}, kNow + seconds{10}));
}

INSTANTIATE_TEST_SUITE_P(Memory, RegistrationsTest, ::testing::Values(false));
INSTANTIATE_TEST_SUITE_P(Disk, RegistrationsTest, ::testing::Values(true));

using Restart = RegistrationsTest;

TEST_P(Restart, BringsEveryLiveBindingBackWithoutItsConnection) {
  Binding first = binding(kAlice, "first", seconds{600});
  ASSERT_TRUE(put(first));
  ASSERT_TRUE(put(binding(kAlice, "gone")));
  ASSERT_TRUE(put(binding(kAlice, "short", seconds{10})));
  ASSERT_TRUE(update(kAlice, {}, {"gone"}));
  ASSERT_TRUE(put(binding(kAlice, "second", seconds{600})));

  open({}, kNow + seconds{30});
  EXPECT_EQ(keys(kAlice, kNow + seconds{30}), (Keys{"second", "first"}));
  first.connection = {};
  const auto found = by_handle(first.handle, kNow + seconds{30});
  ASSERT_TRUE(found);
  EXPECT_EQ(*found, first);
}

TEST_P(Restart, LeavesOutWhatHasBeenDamagedOnDisk) {
  ASSERT_TRUE(put(binding(kAlice, "good")));
  ASSERT_TRUE(put(binding(kAlice, "bad")));
  ASSERT_TRUE(file_->flush());
  ASSERT_TRUE(file_->write({"UPDATE bindings SET address='nowhere' WHERE key='bad'", {}}));
  open({});
  EXPECT_EQ(keys(kAlice), Keys{"good"});
}

TEST_P(Restart, FindsWhatWasPutWhileTheDiskWasFullOnceItHasRoom) {
  file_->limit_pages(1);
  Binding large = binding(kAlice, "large", seconds{600});
  large.contact = std::string(3000, 'x');
  for (int i = 0; i < 16; ++i) {
    large.key = std::to_string(i);
    ASSERT_TRUE(put(large)) << "memory goes on";
  }
  EXPECT_FALSE(file_->flush());
  EXPECT_EQ(keys(kAlice).size(), 16U);
  file_->limit_pages(0);
  ASSERT_TRUE(file_->flush());
  open({});
  EXPECT_EQ(keys(kAlice).size(), 16U);
}

TEST_P(Restart, ExpiredRowsLeaveTheDiskToo) {
  ASSERT_TRUE(put(binding(kAlice, "short", seconds{10})));
  ASSERT_TRUE(file_->flush());
  store_->expire(kNow + seconds{11});
  ASSERT_TRUE(file_->flush());
  EXPECT_EQ(integer((*file_->query({"SELECT count(*) FROM bindings", {}}))[0][0]), 0);
}

INSTANTIATE_TEST_SUITE_P(Disk, Restart, ::testing::Values(true));

}  // namespace
}  // namespace sallyport::brain
