#include "codec/q931/message.h"

#include <gtest/gtest.h>

#include <string>

#include "base/hex.h"

namespace sallyport::codec::q931 {
namespace {

Buffer hex(const std::string& text) { return from_hex(text).value_or(Buffer{}); }

// H323plus 1.28, tests/wire/h323: a Setup with the UUIE cut short.
const std::string kSetup =
    "08 02 00ca 05"       // from the originating side, SETUP
    "04 04 88188ca5"      // Bearer capability
    "28 06 616c69636500"  // Display "alice", NUL
    "7e 0004 05 20a806";  // User-user, ASN.1

Message parsed(const std::string& text) { return Message::parse(hex(text)).value(); }
std::string again(const std::string& text) { return to_hex(parsed(text).encode()); }
Errc refusal(const std::string& text) {
  const auto message = Message::parse(hex(text));
  return message ? Errc::Closed : message.error().code;
}

TEST(Q931Message, IsReadAndWrittenAgain) {
  const Message setup = parsed(kSetup);
  EXPECT_EQ(setup.type(), MessageType::Setup);
  EXPECT_EQ(setup.call_reference(), (CallReference{.value = 0xca}));
  ASSERT_EQ(setup.elements().size(), 3U);
  EXPECT_EQ(to_hex(*setup.contents(ElementId::BearerCapability)), "88188ca5");
  EXPECT_EQ(to_hex(*setup.user_user()), "20a806");
  EXPECT_FALSE(setup.has(ElementId::Cause));
  EXPECT_EQ(to_hex(setup.encode()), to_hex(hex(kSetup)));
}

TEST(Q931Message, KeepsWhatItDoesNotKnow) {
  for (const std::string text : {
           "08028001 7f",                                 // no such type
           "08028001 05 a1 28026162 b3 d1 a0",            // single octets
           "08028001 05 2600 330155 2803616263 2801 64",  // unknown ones, two of a kind, empty
           "08028001 05 7e0003420102 7e000105",           // User-user that is not ASN.1
           "0800 7d", "0801 8a 05 280161",                // other lengths of call reference
       })
    EXPECT_EQ(again(text), to_hex(hex(text)));
}

TEST(Q931Message, KnowsCallReferencesOfEveryLength) {
  EXPECT_EQ(parsed("0802ffff07").call_reference(),
            (CallReference{.value = 0x7fff, .from_destination = true}));
  EXPECT_EQ(parsed("08018a05").call_reference(),
            (CallReference{.value = 10, .from_destination = true, .length = 1}));
  EXPECT_EQ(parsed("08007d").call_reference(), (CallReference{.length = 0}));
  EXPECT_EQ(refusal("080300000005"), Errc::BadValue);
  EXPECT_EQ(refusal("08ff00"), Errc::Truncated);
}

TEST(Q931Message, FollowsShiftsToOtherCodesets) {
  // Non-locking to 6 for one element, then locking to 7 for the rest. 7e of another codeset has one
  // octet of length.
  const Message message = parsed("08020001 05 9e 280101 280161 97 7e0155 080102");
  ASSERT_EQ(message.elements().size(), 6U);
  EXPECT_EQ(message.elements()[1].codeset(), 6);
  EXPECT_EQ(to_hex(*message.contents(ElementId::Display)), "61");
  EXPECT_EQ(message.elements()[4].codeset(), 7);
  EXPECT_FALSE(message.has(ElementId::UserUser));
  EXPECT_FALSE(message.has(ElementId::Cause));
}

TEST(Q931Message, PutsElementsWhereTheyBelong) {
  Message message = parsed(kSetup);
  message.set(ElementId::Display, hex("626f62"));
  message.set(ElementId::CalledPartyNumber, hex("813130"));
  message.set(ElementId::Cause, hex("8090"));
  message.set_call_reference({.value = 0x1234, .from_destination = true});
  message.set_user_user(hex("0102"));
  EXPECT_EQ(to_hex(message.encode()), to_hex(hex("08 02 9234 05 0404 88188ca5 0802 8090 2803 626f62"
                                                 "7003 813130 7e 0003 05 0102")));
  message.remove(ElementId::BearerCapability);
  message.remove(ElementId::UserUser);
  message.remove(ElementId::Signal);
  EXPECT_EQ(to_hex(message.encode()),
            to_hex(hex("08 02 9234 05 0802 8090 2803 626f62 7003 813130")));
}

TEST(Q931Message, PutsElementsBeforeAShift) {
  Message message = parsed("08020001 05 a1 96 040155");
  message.set(ElementId::Display, hex("61"));
  EXPECT_EQ(to_hex(message.encode()), to_hex(hex("08020001 05 a1 280161 96 040155")));
}

TEST(Q931Message, IsMadeFromNothing) {
  Message message{{.call_reference = {.value = 7}, .type = MessageType::Status}};
  message.set(ElementId::CallState, hex("0a"));
  message.set(ElementId::Cause, hex("809e"));
  message.set(ElementId::SendingComplete, {});
  EXPECT_EQ(to_hex(message.encode()), to_hex(hex("08020007 7d 0802809e 14010a a1")));
}

TEST(Q931Message, IsRefusedWhereverItIsCutInAnElement) {
  const Buffer whole = hex(kSetup);
  int parsed = 0;
  for (std::size_t n = 0; n < whole.size(); ++n) {
    const auto message = Message::parse(Bytes{whole}.first(n));
    if (!message) {
      EXPECT_EQ(message.error().code, Errc::Truncated) << n;
      continue;
    }
    EXPECT_EQ(message->encode(), to_buffer(Bytes{whole}.first(n)));
    ++parsed;
  }
  EXPECT_EQ(parsed, 3);  // behind the header, and behind each element but the last
}

TEST(Q931Message, IsRefusedWithAReason) {
  EXPECT_EQ(refusal("04020001 05"), Errc::Unsupported);
  EXPECT_EQ(refusal(""), Errc::Truncated);
  EXPECT_EQ(refusal("08020001 05 7effff05"), Errc::Truncated);
  std::string many = "08020001 05";
  for (std::size_t i = 0; i < Message::kMaxElements; ++i) many += "a1";
  EXPECT_EQ(refusal(many), Errc::Closed);
  EXPECT_EQ(refusal(many + "a1"), Errc::Exhausted);
}

TEST(Q931Message, CanBeAnsweredWhereItIsBroken) {
  const auto header = Message::parse_header(hex("08020001 05 7effff05"));
  ASSERT_TRUE(header);
  EXPECT_EQ(header->call_reference.value, 1);
  EXPECT_EQ(header->type, MessageType::Setup);
}

TEST(Q931Message, TypesHaveNames) {
  EXPECT_EQ(name(MessageType::ReleaseComplete), "RELEASE COMPLETE");
  EXPECT_EQ(name(static_cast<MessageType>(0x4e)), "UNKNOWN");
}

}  // namespace
}  // namespace sallyport::codec::q931
