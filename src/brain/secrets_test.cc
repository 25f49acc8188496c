#include "brain/secrets.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>

namespace sallyport::brain {
namespace {

TEST(Secret, IsMadeOnceAndKeptOverARestart) {
  std::string directory = ::testing::TempDir() + "secrets-XXXXXX";
  ASSERT_NE(::mkdtemp(directory.data()), nullptr);
  const auto log = Log::silent();
  SqliteStore::Options options;
  options.path = directory + "/server.db";
  SeededRandom random{1};
  std::array<std::uint8_t, 32> first{};
  {
    const auto store = std::move(*SqliteStore::open(options, *log));
    first = *secret<32>(*store, "nonces", random);
    EXPECT_EQ(*secret<32>(*store, "nonces", random), first);
    EXPECT_NE(*secret<32>(*store, "other", random), first);
    EXPECT_EQ(secret<16>(*store, "nonces", random).error().code, Errc::BadValue);
  }
  const auto store = std::move(*SqliteStore::open(options, *log));
  EXPECT_EQ(*secret<32>(*store, "nonces", random), first);
  std::filesystem::remove_all(directory);
}

}  // namespace
}  // namespace sallyport::brain
