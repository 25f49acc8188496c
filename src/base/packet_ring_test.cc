#include "base/packet_ring.h"

#include <gtest/gtest.h>

#include <thread>

namespace sallyport {
namespace {

// Records that can be told from one another, of sizes that make them wrap at every offset.
Buffer record(std::uint32_t number) {
  Buffer out((number * 7) % 90 + 4, static_cast<std::uint8_t>(number));
  std::memcpy(out.data(), &number, sizeof number);
  return out;
}

bool put(PacketRing& ring, const Buffer& octets) {
  const MutableBytes place = ring.reserve(octets.size());
  if (place.data() == nullptr) return false;
  std::copy(octets.begin(), octets.end(), place.begin());
  ring.publish();
  return true;
}

TEST(PacketRing, GivesWhatWasPutInOrder) {
  PacketRing ring{256};
  std::uint32_t next_in = 0;
  std::uint32_t next_out = 0;
  while (next_out < 1000) {
    while (put(ring, record(next_in))) ++next_in;
    EXPECT_GT(next_in, next_out);
    ring.look();
    for (MutableBytes one = ring.take(); one.data() != nullptr; one = ring.take())
      EXPECT_EQ(to_buffer(one), record(next_out++));
    EXPECT_EQ(next_in, next_out);
    ring.give_back();
  }
}

TEST(PacketRing, IsFullUntilWhatWasTakenIsGivenBack) {
  PacketRing ring{256};
  const Buffer octets(56, 1);  // 64 with its head
  for (int i = 0; i < 4; ++i) EXPECT_TRUE(put(ring, octets));
  EXPECT_FALSE(put(ring, octets));
  EXPECT_TRUE(ring.has_more());
  ring.look();
  const MutableBytes first = ring.take();
  EXPECT_FALSE(put(ring, octets)) << "it may still be sent from where it lies";
  EXPECT_EQ(to_buffer(first), octets);
  ring.give_back();
  EXPECT_TRUE(put(ring, octets));
  EXPECT_FALSE(put(ring, octets));
}

TEST(PacketRing, TakesNoMoreThanWasThereAtTheLook) {
  PacketRing ring{1024};
  put(ring, record(1));
  ring.look();
  put(ring, record(2));
  EXPECT_EQ(to_buffer(ring.take()), record(1));
  EXPECT_EQ(ring.take().data(), nullptr);
  EXPECT_TRUE(ring.has_more());
  ring.look();
  EXPECT_EQ(to_buffer(ring.take()), record(2));
  EXPECT_FALSE(ring.has_more());
}

TEST(PacketRing, JoinsTwoThreads) {
  constexpr std::uint32_t kRecords = 200'000;
  PacketRing ring{4096};
  std::thread producer{[&] {
    for (std::uint32_t i = 0; i < kRecords; ++i)
      while (!put(ring, record(i))) std::this_thread::yield();
  }};
  std::uint32_t next = 0;
  std::uint32_t wrong = 0;
  while (next < kRecords) {
    ring.look();
    for (MutableBytes one = ring.take(); one.data() != nullptr; one = ring.take())
      if (to_buffer(one) != record(next++)) ++wrong;
    ring.give_back();
  }
  producer.join();
  EXPECT_EQ(wrong, 0U);
}

}  // namespace
}  // namespace sallyport
