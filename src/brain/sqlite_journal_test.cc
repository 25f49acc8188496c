#include "brain/sqlite_journal.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>

namespace sallyport::brain {
namespace {

using adapter::CallId;
using adapter::Hop;
using adapter::Place;
using adapter::sip::LastWord;

const WallTime kNow{std::chrono::hours{500'000}};

class JournalTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string directory = ::testing::TempDir() + "journal-XXXXXX";
    ASSERT_NE(::mkdtemp(directory.data()), nullptr);
    directory_ = directory;
    restart();
  }
  void TearDown() override {
    journal_.reset();
    store_.reset();
    std::filesystem::remove_all(directory_);
  }
  void restart(WallTime now = kNow) {
    journal_.reset();
    store_.reset();
    SqliteStore::Options options;
    options.path = directory_ + "/server.db";
    store_ = std::move(*SqliteStore::open(options, *log_));
    journal_ = std::move(*SqliteJournal::open(*store_, now, *log_));
  }
  static Hop hop(Place place) {
    Hop out;
    out.place = place;
    out.transport = edge::Transport::Tls;
    out.remote = *TransportAddress::parse("[2001:db8::5]:5061");
    out.local = *TransportAddress::parse("192.0.2.100:5061");
    out.server_name = "pbx.example.net";
    out.connection = edge::ConnectionId{9};
    return out;
  }

  static LastWord bye(Place place, std::string message) {
    return {LastWord::Kind::Bye, hop(place), std::move(message)};
  }

  std::string directory_;
  std::unique_ptr<Log> log_ = Log::silent();
  std::unique_ptr<SqliteStore> store_;
  std::unique_ptr<SqliteJournal> journal_;
};

const Place kInside = Place::inside(AgentId{7});

TEST_F(JournalTest, LeavesToTheNextLifeWhatWasEstablishedAndNotWhatHadEnded) {
  journal_->on_leg(CallId{1}, 0, bye(kInside, "BYE 1"));
  journal_->on_leg(CallId{1}, 1, bye(Place::outside(), "BYE 2"));
  journal_->on_leg(CallId{1}, 1, bye(Place::outside(), "BYE 3"));
  journal_->on_leg(CallId{2}, 0, bye(kInside, "BYE 4"));
  journal_->on_ended(CallId{2});
  EXPECT_EQ(journal_->left_over(), 0U) << "its own calls are not left over";

  restart();
  EXPECT_EQ(journal_->left_over(), 2U);
  EXPECT_TRUE(journal_->take_left_over(Place::inside(AgentId{8})).empty());
  const auto inside = journal_->take_left_over(kInside);
  ASSERT_EQ(inside.size(), 1U);
  EXPECT_EQ(inside[0].message, "BYE 1");
  Hop expected = hop(kInside);
  expected.connection = {};
  EXPECT_EQ(inside[0].to, expected);
  EXPECT_TRUE(journal_->take_left_over(kInside).empty()) << "each once";

  restart();
  const auto outside = journal_->take_left_over(Place::outside());
  ASSERT_EQ(outside.size(), 1U);
  EXPECT_EQ(outside[0].message, "BYE 3") << "as it was last told";
  EXPECT_EQ(journal_->left_over(), 0U);
}

TEST_F(JournalTest, TellsTheSameCallIdOfTwoLivesApart) {
  journal_->on_leg(CallId{1}, 0, bye(kInside, "old"));
  restart();
  journal_->on_leg(CallId{1}, 0, bye(kInside, "new"));
  journal_->on_ended(CallId{1});
  restart();
  const auto legs = journal_->take_left_over(kInside);
  ASSERT_EQ(legs.size(), 1U);
  EXPECT_EQ(legs[0].message, "old");
}

TEST_F(JournalTest, KeepsWhatIsToBeSaidAtAPlaceThatIsLost) {
  const LastWord cancel{LastWord::Kind::Cancel, hop(kInside), "INVITE"};
  const auto lose = [&] {
    journal_->on_leg(CallId{1}, 0, bye(Place::outside(), "BYE 1"));
    journal_->on_leg(CallId{1}, 1, bye(kInside, "old"));
    journal_->on_leg(CallId{1}, 1, cancel);
    journal_->on_leg(CallId{1}, 2, bye(kInside, "BYE 2"));
    journal_->on_leg_ended(CallId{1}, 2);
    journal_->on_edge_lost(kInside);
    journal_->on_leg_ended(CallId{1}, 1);
    journal_->on_ended(CallId{1});
  };
  const auto expect_it_once = [&] {
    const auto words = journal_->take_left_over(kInside);
    ASSERT_EQ(words.size(), 1U);
    EXPECT_EQ(words[0].kind, LastWord::Kind::Cancel);
    EXPECT_EQ(words[0].message, "INVITE");
    EXPECT_FALSE(words[0].to.connection) << "it is gone";
    EXPECT_EQ(journal_->left_over(), 0U);
  };
  lose();
  expect_it_once();
  restart();
  EXPECT_EQ(journal_->left_over(), 0U);

  lose();
  restart();
  expect_it_once();
}

TEST_F(JournalTest, ForgetsWhatNobodyCameBackForInADay) {
  journal_->on_leg(CallId{1}, 0, bye(kInside, "old"));
  restart(kNow + std::chrono::hours{1000});
  EXPECT_EQ(journal_->left_over(), 1U) << "however long that life was";
  restart(kNow + std::chrono::hours{1024});
  EXPECT_EQ(journal_->left_over(), 1U);
  restart(kNow + std::chrono::hours{1025});
  EXPECT_EQ(journal_->left_over(), 0U);
}

}  // namespace
}  // namespace sallyport::brain
