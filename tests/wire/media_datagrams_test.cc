// Probe, confirmation, "probe please" and the escape, octet for octet as docs/PROTOCOL.md prints
// them. The tags were made by Python's hmac and hashlib, not by us.
#include <gtest/gtest.h>

#include <string>

#include "base/hex.h"
#include "media/escape.h"
#include "media/probe.h"

namespace sallyport::media {
namespace {

const std::string kKey = "a0a1a2a3a4a5a6a7a8a9aaabacadaeaf";
const std::string kToken = "101112131415161718191a1b1c1d1e1f";

Buffer hex(const std::string& text) { return from_hex(text).value_or(Buffer{}); }

FlowKey key() {
  FlowKey out{};
  const Buffer octets = hex(kKey);
  std::copy(octets.begin(), octets.end(), out.begin());
  return out;
}
Token token() {
  Token out{};
  const Buffer octets = hex(kToken);
  std::copy(octets.begin(), octets.end(), out.begin());
  return out;
}

const std::string kProbe =
    "08 01 0000"                         // probe, version 1, reserved
    "101112131415161718191a1b1c1d1e1f"   // token
    "000000000000002a"                   // counter 42
    "0000000000000000"                   // nothing to echo
    "917701bd789684cc7ac324f335794fce";  // tag
const std::string kProbeWithEcho =
    "08 01 0000"
    "101112131415161718191a1b1c1d1e1f"
    "000000000000002b"  // counter 43
    "c0c1c2c3c4c5c6c7"  // the challenge of the confirmation below
    "8bc6819ffc65ad8b325b4a4e925bbc3a";
const std::string kBound =
    "09 01 01 00"  // confirmation, version 1, bound, reserved
    "101112131415161718191a1b1c1d1e1f"
    "000000000000002a"  // answers the probe with counter 42
    "0000000000000000"
    "6c1f05525b59f862591244860330955f";
const std::string kBoundWithClock =
    "09 01 01 00"
    "101112131415161718191a1b1c1d1e1f"
    "000000000000002a"
    "0000018bcfe56800"  // 1,700,000,000,000 us
    "024d237ce220a80c352bdae8103d8784";
const std::string kChallenged =
    "09 01 02 00"  // confirmation, version 1, challenged, reserved
    "101112131415161718191a1b1c1d1e1f"
    "000000000000002a"
    "c0c1c2c3c4c5c6c7"  // challenge
    "59111c912d526696251837c3dbb913af";

TEST(MediaDatagrams, ProbesAreWhatTheyWere) {
  TagMaker tags;
  Probe probe{.token = token(), .counter = 42};
  EXPECT_EQ(to_hex(encode(probe, key(), tags)), to_hex(hex(kProbe)));
  probe.counter = 43;
  probe.echo = {0xc0, 0xc1, 0xc2, 0xc3, 0xc4, 0xc5, 0xc6, 0xc7};
  EXPECT_EQ(to_hex(encode(probe, key(), tags)), to_hex(hex(kProbeWithEcho)));
  for (const std::string& vector : {kProbe, kProbeWithEcho}) {
    const auto parsed = parse_probe(hex(vector));
    ASSERT_TRUE(parsed);
    EXPECT_TRUE(authentic(hex(vector), parsed->tag, key(), tags));
  }
}

TEST(MediaDatagrams, ConfirmationsAreWhatTheyWere) {
  TagMaker tags;
  Confirmation said{.status = ConfirmationStatus::Bound, .token = token(), .counter = 42};
  EXPECT_EQ(to_hex(encode(said, key(), tags)), to_hex(hex(kBound)));
  said.clock = 1'700'000'000'000;
  EXPECT_EQ(to_hex(encode(said, key(), tags)), to_hex(hex(kBoundWithClock)));
  said.status = ConfirmationStatus::Challenged;
  said.challenge = {0xc0, 0xc1, 0xc2, 0xc3, 0xc4, 0xc5, 0xc6, 0xc7};
  EXPECT_EQ(to_hex(encode(said, key(), tags)), to_hex(hex(kChallenged)));
  for (const std::string& vector : {kBound, kBoundWithClock, kChallenged}) {
    const auto parsed = parse_confirmation(hex(vector));
    ASSERT_TRUE(parsed);
    EXPECT_TRUE(authentic(hex(vector), parsed->tag, key(), tags));
  }
}

TEST(MediaDatagrams, ProbePleaseIsWhatItWas) {
  EXPECT_EQ(to_hex(encode_probe_please()), "0a010000");
}

TEST(MediaDatagrams, AnEscapedPacketIsWhatItWas) {
  // A UDPTL packet (RFC 7345) with sequence number 0x0c35 and its escape.
  Buffer packet = hex("00000000 0c35 01 06 0000");
  const MutableBytes record = escape(MutableBytes{packet}.subspan(kEscapeHeader));
  EXPECT_EQ(to_hex(record),
            "04010000"
            "0c3501060000");
}

}  // namespace
}  // namespace sallyport::media
