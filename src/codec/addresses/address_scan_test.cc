#include "codec/addresses/address_scan.h"

#include <gtest/gtest.h>

#include <chrono>
#include <string>

namespace sallyport::codec {
namespace {

std::vector<std::string> found(std::string_view text) {
  std::vector<std::string> out;
  for (const FoundAddress& f : find_addresses(text)) out.push_back(f.address.to_string());
  return out;
}
using Texts = std::vector<std::string>;

TEST(AddressScan, FindsAddressesWhereverTheyStand) {
  EXPECT_EQ(found("Via: SIP/2.0/UDP 10.1.1.2:5060;received=192.0.2.1"),
            (Texts{"10.1.1.2", "192.0.2.1"}));
  EXPECT_EQ(found("Call-ID: a84b@10.0.0.1"), (Texts{"10.0.0.1"}));
  EXPECT_EQ(found("x10.0.0.1y_10.0.0.2"), (Texts{"10.0.0.1", "10.0.0.2"}));
  EXPECT_EQ(found("<sip:a@[2001:db8::1]:5060>"), (Texts{"2001:db8::1"}));
  EXPECT_EQ(found("c=IN IP6 fe80::1%eth0"), (Texts{"fe80::1"}));
  EXPECT_EQ(found("2001:db8:1:2:3:4:5:6."), (Texts{"2001:db8:1:2:3:4:5:6"}));
  EXPECT_EQ(found("udp:fe80::1"), (Texts{"fe80::1"}));
  EXPECT_EQ(found("IP6:fe80::1"), (Texts{"fe80::1"}));
  EXPECT_EQ(found("(fd00::1)"), (Texts{"fd00::1"}));
  EXPECT_EQ(found("fd00::"), (Texts{"fd00::"}));
  EXPECT_EQ(found("[::ffff:10.0.0.1]"), (Texts{"10.0.0.1", "10.0.0.1"}));
  EXPECT_EQ(found("010.001.001.002"), (Texts{"10.1.1.2"}));
}

TEST(AddressScan, SeesThroughPercentEscapes) {
  const std::string_view text = "Replaces=x%4010%2e0.0%2E1 %5B2001%3Adb8%3A%3A1%5D";
  EXPECT_EQ(found(text), (Texts{"10.0.0.1", "2001:db8::1"}));
  const auto first = find_addresses(text)[0];
  EXPECT_EQ(text.substr(first.offset, first.size), "10%2e0.0%2E1");
  EXPECT_EQ(found("x%10.0.0.1"), (Texts{"10.0.0.1"}));
  const auto second = find_addresses(text)[1];
  EXPECT_EQ(text.substr(second.offset, second.size), "2001%3Adb8%3A%3A1");
}

TEST(AddressScan, PassesOverWhatIsNoAddress) {
  constexpr auto kFingerprint =
      "4A:AD:B9:B1:3F:82:18:3B:54:02:12:DF:3E:5D:49:6B:19:E5:7C:AB:4A:AD:B9:B1:3F:82:18:3B:54:02"
      ":12:DF";
  for (const char* none :
       {"", "1.2.3", "1.2.3.256", "1234.1.1.1", "1..2.3.4", "10:20:30", "00:11:22:33:44:55", "a:b",
        kFingerprint, "12:00:00.1", "SIP/2.0", "sip:host:5060", "2001:db8::1::2"})
    EXPECT_EQ(found(none), Texts{}) << none;
}

TEST(AddressScan, FindsEveryFourOfMoreNumbers) {
  EXPECT_EQ(found("1.10.0.0.5"), (Texts{"1.10.0.0", "10.0.0.5"}));
  EXPECT_EQ(found("10.0.0.1.2776"), (Texts{"10.0.0.1"}));
}

TEST(AddressScan, LeavesToTheCallerWhichOnesMatter) {
  const auto hidden = find_addresses("User-Agent: Phone 1.2.3.4 at 192.168.1.7",
                                     [](const IpAddress& ip) { return ip.is_private(); });
  ASSERT_EQ(hidden.size(), 1U);
  EXPECT_EQ(hidden[0].address.to_string(), "192.168.1.7");
  EXPECT_EQ(hidden[0].offset, 29U);
  EXPECT_EQ(hidden[0].size, 11U);
}

TEST(AddressScan, CostsLinearTime) {
  const auto begin = std::chrono::steady_clock::now();
  for (const std::string_view filling :
       {"1.", "1:", "::", "a:", "%3a", "1", ".", "fe80::1 ", "%"}) {
    std::string text;
    while (text.size() < 65000) text += filling;
    (void)find_addresses(text);
  }
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds{5});
}

}  // namespace
}  // namespace sallyport::codec
