#include "codec/per/message.h"

#include <gtest/gtest.h>

#include <numeric>

#include "base/hex.h"

namespace sallyport::codec::per {
namespace {

// Types of the test's own, and the same as a later version of the schema has them.
constexpr Type kBoolean = boolean();
constexpr Type kNull = null();
constexpr Type kSmall = integer("Small", {0, 7});
constexpr Type kPort = integer("Port", {0, 65535});
constexpr Type kAnyInteger = integer("AnyInteger", {kUnlimitedBelow, kUnlimited});
constexpr Type kOnlyFive = integer("OnlyFive", {5, 5});
constexpr Type kOctets = octet_string("Octets", {});
constexpr Type kFour = octet_string("Four", {4, 4});
constexpr Type kUpToFive = octet_string("UpToFive", {0, 5});
constexpr Type kTwoCharacters = character_string("Two", {2, 2}, 128, 127);
constexpr Type kDigits = character_string("Digits", {1, 128}, 13, '9', "#*,0123456789");
constexpr Type kWide = character_string("Wide", {1, 128}, 65536, 65535);

constexpr Member kOldMembers[] = {{"a", &kSmall}};
constexpr Type kOld = sequence("Old", kOldMembers, 1, 1, true);
constexpr Member kNewMembers[] = {{"a", &kSmall}, {"b", &kOctets}, {"c", &kPort}};
constexpr Type kNew = sequence("New", kNewMembers, 1, 3, true);

constexpr Member kOldAlternatives[] = {{"none", &kNull}, {"old", &kOld}};
constexpr Type kOldChoice = choice("Choice", kOldAlternatives, 2, 2, true);
constexpr Member kNewAlternatives[] = {{"none", &kNull}, {"old", &kOld}, {"four", &kFour}};
constexpr Type kNewChoice = choice("Choice", kNewAlternatives, 2, 3, true);

constexpr Member kHolderMembers[] = {
    {"old", &kOld}, {"choice", &kOldChoice}, {"text", &kDigits, true}};
constexpr Type kHolder = sequence("Holder", kHolderMembers, 3, 3, false);
constexpr Member kNewHolderMembers[] = {
    {"old", &kNew}, {"choice", &kNewChoice}, {"text", &kDigits, true}};
constexpr Type kNewHolder = sequence("Holder", kNewHolderMembers, 3, 3, false);

extern const Type kNested;
constexpr Member kNestedMembers[] = {{"inner", &kNested, true}};
constexpr Type kNested = sequence("Nested", kNestedMembers, 1, 1, false);
constexpr Type kNulls = sequence_of("Nulls", {}, &kNull);
constexpr Type kHolding = octet_string("Holding", {}, &kNew);

Buffer encoded(const Message& message) {
  Buffer out;
  const auto written = message.encode(out);
  EXPECT_TRUE(written) << written.error().what;
  return out;
}

template <typename Set>
std::string written(const Type& type, Set set) {
  Message message;
  set(message.make(type));
  return to_hex(encoded(message));
}

// A value of the later version, with everything in it that the older one does not know.
Buffer later_holder() {
  Message message;
  NodeEdit holder = message.make(kNewHolder);
  NodeEdit grown = holder.member(0);
  grown.member(0).set(3);
  grown.member(1).set_octets(as_bytes("unknown"));
  grown.member(2).set(1720);
  holder.member(1).member(2).set_octets(*from_hex("c0000201"));
  holder.member(2).set_text("123");
  return encoded(message);
}

TEST(Message, KeepsUnknownExtensionsWhenSomethingElseChanges) {
  const Buffer octets = later_holder();
  Message message;
  ASSERT_TRUE(message.decode(kHolder, octets));
  const Node unknown = message.root().child(0).child(1);
  ASSERT_TRUE(unknown.is_opaque());
  EXPECT_EQ(to_hex(unknown.octets()), "07" + to_hex(as_bytes("unknown")));
  EXPECT_TRUE(message.root().child(1).chosen().is_opaque());
  EXPECT_EQ(to_hex(message.root().child(1).chosen().octets()), "c0000201");

  message.edit(message.root().child(2)).set_text("1234567");
  EXPECT_TRUE(message.is_changed());
  Message later;
  ASSERT_TRUE(later.decode(kNewHolder, encoded(message)));
  EXPECT_EQ(as_text(later.root().child(0).child(1).octets()), "unknown");
  EXPECT_EQ(later.root().child(0).child(2).integer(), 1720);
  EXPECT_EQ(to_hex(later.root().child(1).chosen().octets()), "c0000201");
  EXPECT_EQ(later.root().child(2).text(), "1234567");

  // Also when all of it is written anew, and when it is copied into another message.
  Buffer anew;
  ASSERT_TRUE(message.encode_anew(anew));
  EXPECT_EQ(to_hex(anew), to_hex(encoded(message)));
  Message copy;
  copy.make(kHolder).copy(message.root());
  EXPECT_EQ(to_hex(encoded(copy)), to_hex(anew));
}

TEST(Message, WritesOverWhatTakesTheSameBits) {
  Message message;
  ASSERT_TRUE(message.decode(kNewHolder, later_holder()));
  const Node grown = message.root().child(0);
  message.edit(grown.child(0)).set(6);                           // three bits within an octet
  message.edit(grown.child(1)).set_octets(as_bytes("changed"));  // in an extension
  message.edit(grown.child(2)).set(5060);
  message.edit(message.root().child(1).chosen()).set_octets(*from_hex("cb007107"));
  message.edit(message.root().child(2)).set_text("987");  // four bits a character
  EXPECT_FALSE(message.is_changed());
  Message again;
  ASSERT_TRUE(again.decode(kNewHolder, encoded(message)));
  EXPECT_EQ(again.root().child(0).child(0).integer(), 6);
  EXPECT_EQ(as_text(again.root().child(0).child(1).octets()), "changed");
  EXPECT_EQ(again.root().child(0).child(2).integer(), 5060);
  EXPECT_EQ(to_hex(again.root().child(1).chosen().octets()), "cb007107");
  EXPECT_EQ(again.root().child(2).text(), "987");
}

TEST(Message, WritesAnewWhatTakesOther) {
  Message message;
  ASSERT_TRUE(message.decode(kNewHolder, later_holder()));
  message.edit(message.root().child(0).child(1)).set_octets(as_bytes("longer than before"));
  message.edit(message.root()).remove(2);
  message.edit(message.root().child(1)).member(0);  // another alternative
  EXPECT_TRUE(message.is_changed());
  Message again;
  ASSERT_TRUE(again.decode(kNewHolder, encoded(message)));
  EXPECT_EQ(as_text(again.root().child(0).child(1).octets()), "longer than before");
  EXPECT_EQ(again.root().child(0).child(2).integer(), 1720);
  EXPECT_EQ(again.root().child(1).chosen().name(), "none");
  EXPECT_FALSE(again.root().child(2));
}

TEST(Message, IsRefusedWhereverItIsCut) {
  const Buffer octets = later_holder();
  for (std::size_t n = 0; n < octets.size(); ++n) {
    Message message;
    const auto read = message.decode(kNewHolder, Bytes{octets}.first(n));
    ASSERT_FALSE(read) << "cut at " << n;
    EXPECT_EQ(read.error().code, Errc::Truncated);
    EXPECT_TRUE(message.root().is_absent());
  }
}

TEST(Message, IsRefusedBeyondALimit) {
  Message message;
  const auto refused = [&](const Type& type, Bytes octets, const Limits& limits) {
    const auto read = message.decode(type, octets, limits);
    return !read && read.error().code == Errc::Exhausted;
  };
  const Buffer octets = later_holder();
  EXPECT_TRUE(refused(kNewHolder, octets, {.octets = octets.size() - 1}));
  EXPECT_FALSE(refused(kNewHolder, octets, {.octets = octets.size()}));
  EXPECT_TRUE(refused(kNewHolder, octets, {.nodes = 7}));
  EXPECT_FALSE(refused(kNewHolder, octets, {.nodes = 8}));

  const Buffer deep(100, 0xff);  // a value in a value for every bit
  EXPECT_TRUE(refused(kNested, deep, {}));
  EXPECT_TRUE(refused(kNested, *from_hex("e0"), {.depth = 3}));
  EXPECT_FALSE(refused(kNested, *from_hex("e0"), {.depth = 4}));

  // Values that take no bits: four octets that would be 65,536 of them.
  EXPECT_TRUE(refused(kNulls, *from_hex("c4c400"), {}));
  EXPECT_FALSE(refused(kNulls, *from_hex("c100"), {.nodes = 16385}));

  // A limit within what an octet string holds is a limit, not just other contents.
  Message holding;
  holding.make(kHolding).contents().member(0).set(1);
  EXPECT_TRUE(refused(kHolding, encoded(holding), {.nodes = 2}));
}

TEST(Message, KeepsOctetsThatHoldSomethingElse) {
  Message message;
  ASSERT_TRUE(message.decode(kHolding, *from_hex("02ffff")));
  EXPECT_EQ(message.unreadable_count(), 1U);
  EXPECT_FALSE(message.root().contents());
  EXPECT_EQ(to_hex(message.root().octets()), "ffff");
  Buffer anew;
  ASSERT_TRUE(message.encode_anew(anew));
  EXPECT_EQ(to_hex(anew), "02ffff");
}

TEST(Message, IsChangedThroughOctetsThatHoldIt) {
  Message message;
  NodeEdit inner = message.make(kHolding).contents();
  inner.member(0).set(1);
  inner.member(1).set_octets(as_bytes("x"));
  const Buffer octets = encoded(message);
  Message read;
  ASSERT_TRUE(read.decode(kHolding, octets));
  read.edit(read.root().contents().child(0)).set(2);
  EXPECT_FALSE(read.is_changed());
  read.edit(read.root().contents().child(1)).set_octets(Buffer(200, 0x55));
  EXPECT_TRUE(read.is_changed());
  Message again;
  ASSERT_TRUE(again.decode(kHolding, encoded(read)));
  EXPECT_EQ(again.root().contents().child(0).integer(), 2);
  EXPECT_EQ(again.root().contents().child(1).octets().size(), 200U);
}

// Fragments (X.691 10.9.3.8) of 16K, 32K, 48K and 64K, in a string and in an open type around it.
TEST(Message, TakesFragments) {
  for (const std::size_t size : {16383U, 16384U, 16385U, 49152U, 65536U, 65537U, 140000U}) {
    Buffer octets(size);
    std::iota(octets.begin(), octets.end(), std::uint8_t{0});
    Message message;
    NodeEdit made = message.make(kNew);
    made.member(0).set(1);
    made.member(1).set_octets(octets);
    made.member(2).set(9);
    const Buffer out = encoded(message);
    Message read;
    const Limits limits{.octets = std::size_t{1} << 20U};
    ASSERT_TRUE(read.decode(kNew, out, limits));
    const Bytes there = read.root().child(1).octets();
    EXPECT_TRUE(std::equal(there.begin(), there.end(), octets.begin(), octets.end())) << size;
    // What was put together out of fragments cannot be written over; it is written anew.
    octets[size / 2] ^= 0xffU;
    read.edit(read.root().child(1)).set_octets(octets);
    Message again;
    ASSERT_TRUE(again.decode(kNew, encoded(read), limits));
    const Bytes changed = again.root().child(1).octets();
    EXPECT_TRUE(std::equal(changed.begin(), changed.end(), octets.begin(), octets.end())) << size;
    EXPECT_EQ(again.root().child(2).integer(), 9);
  }
}

TEST(Message, KeepsNumbersThatAreTooLargeForIt) {
  const Buffer octets = *from_hex("0a0102030405060708090a");
  Message message;
  ASSERT_TRUE(message.decode(kAnyInteger, octets));
  EXPECT_EQ(message.root().integer(-1), -1);
  EXPECT_EQ(to_hex(message.root().octets()), "0102030405060708090a");
  Buffer anew;
  ASSERT_TRUE(message.encode_anew(anew));
  EXPECT_EQ(anew, octets);
  message.edit(message.root()).set(-129);
  EXPECT_EQ(to_hex(encoded(message)), "02ff7f");
}

// Where asn1ct, which writes the other vectors (wire/h323/shapes.schema), has it otherwise.
TEST(Message, IsWrittenAsX691Says) {
  static constexpr Member kMembers[] = {{"flag", &kBoolean},
                                        {"five", &kOnlyFive},
                                        {"two", &kTwoCharacters},
                                        {"some", &kUpToFive},
                                        {"end", &kBoolean}};
  static constexpr Type kShapes = sequence("Shapes", kMembers, 5, 5, false);
  // 10.5.4: one possible value, no bits; 27.5.6: 16 bits are not aligned; 10.9.3.3: nor is nothing.
  //   1 | "AB" 01000001 01000010 | length 000 | 1 | padding
  EXPECT_EQ(written(kShapes,
                    [](NodeEdit edit) {
                      edit.member(0).set(1);
                      edit.member(1).set(5);
                      edit.member(2).set_text("AB");
                      edit.member(3).set_octets({});
                      edit.member(4).set(1);
                    }),
            "a0a108");
  // 10.9.3.4: more than 64 additions have their number aligned.
  //   extended 1 | a 010 | more than 64: 1 | padding | 65 | 64 bits 0 and 1 | padding | 1 octet |
  //   80
  static constexpr auto kCrowd = [] {
    std::array<Member, 66> out{};
    out.fill({"x", &kBoolean, true});
    out[0] = {"a", &kSmall};
    return out;
  }();
  static constexpr Type kCrowded = sequence("Crowded", kCrowd.data(), 1, 66, true);
  const std::string crowded = "a841" + std::string(16, '0') + "800180";
  EXPECT_EQ(written(kCrowded,
                    [](NodeEdit edit) {
                      edit.member(0).set(2);
                      edit.member(65).set(1);
                    }),
            crowded);
  Message read;
  ASSERT_TRUE(read.decode(kCrowded, *from_hex(crowded)));
  EXPECT_TRUE(read.root().child(65).boolean());
}

TEST(Message, ReadsAndWritesTextInUtf8) {
  for (const std::string text : {"Alice", "Zo\u00eb", "\u6f22\u5b57", "\U0001f4de"}) {
    Message message;
    message.make(kWide).set_text(text);
    Message again;
    ASSERT_TRUE(again.decode(kWide, encoded(message)));
    EXPECT_EQ(again.root().text(), text);
    EXPECT_EQ(again.root().equals(text), text == "Alice");
  }
  // A half of a pair, and what is not UTF-8.
  Message message;
  ASSERT_TRUE(message.decode(kWide, *from_hex("02d83d0041")));
  EXPECT_EQ(message.root().text(), "\ufffdA");
  message.make(kWide).set_text("a\xff");
  EXPECT_EQ(to_hex(message.root().octets()), "0061fffd");
}

TEST(Message, WalksOnWhileNodesAreTakenAway) {
  Message message;
  ASSERT_TRUE(message.decode(kNulls, *from_hex("04")));
  int seen = 0;
  for (const Node node : message.walk()) {
    if (node.parent()) message.remove(node);
    ++seen;
  }
  EXPECT_EQ(seen, 5);
  EXPECT_EQ(message.root().child_count(), 0U);
  EXPECT_EQ(to_hex(encoded(message)), "00");
}

TEST(Message, TakesItsOwnOctetsForAValue) {
  Message message;
  ASSERT_TRUE(message.decode(kNewHolder, later_holder()));
  const Bytes own = message.root().child(0).child(1).octets();
  message.edit(message.root().child(0)).member(1).set_octets(own.subspan(2));
  EXPECT_EQ(as_text(message.root().child(0).child(1).octets()), "known");
}

}  // namespace
}  // namespace sallyport::codec::per
