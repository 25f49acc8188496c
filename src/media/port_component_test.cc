#include "media/port_component.h"

#include <gtest/gtest.h>

#include "base/hex.h"
#include "media/test_world.h"

namespace sallyport::media {
namespace {

using test::at;
using test::rtp;
using Verdict = PortComponent::Verdict;

const TransportAddress kSignalled = at("192.0.2.9:7000");
const TransportAddress kSameHost = at("192.0.2.9:7002");
const TransportAddress kBehindNat = at("203.0.113.20:61000");
const TransportAddress kStranger = at("198.51.100.66:9");

TEST(PortComponent, TakesNothingBeforeItIsToldAnAddressOrWhenThatHasNoPort) {
  for (const Accept accept :
       {Accept::SignalledAddress, Accept::SignalledHost, Accept::FirstPlausible}) {
    PortComponent port{SocketId{1}};
    EXPECT_EQ(port.judge(kSignalled, rtp(1)), Verdict::NoRemote);
    port.set_remote({kSignalled.ip, 0}, accept, true);
    EXPECT_EQ(port.judge(kSignalled, rtp(1)), Verdict::NoRemote);
    EXPECT_EQ(port.target().port, 0);
  }
}

TEST(PortComponent, TakesExactlyTheSignalledAddress) {
  PortComponent port{SocketId{1}};
  port.set_remote(kSignalled, Accept::SignalledAddress, true);
  EXPECT_EQ(port.judge(kSignalled, rtp(1)), Verdict::Taken);
  EXPECT_EQ(port.judge(kSameHost, rtp(1)), Verdict::WrongSource);
  EXPECT_EQ(port.judge(kStranger, rtp(1)), Verdict::WrongSource);
  EXPECT_EQ(port.target(), kSignalled);
}

TEST(PortComponent, TakesAnyPortOfTheSignalledHostAndSendsToTheSignalledOne) {
  PortComponent port{SocketId{1}};
  port.set_remote(kSignalled, Accept::SignalledHost, true);
  EXPECT_EQ(port.judge(kSameHost, rtp(1)), Verdict::Taken);
  EXPECT_EQ(port.judge(kSignalled, rtp(1)), Verdict::Taken);
  EXPECT_EQ(port.judge(kStranger, rtp(1)), Verdict::WrongSource);
  EXPECT_EQ(port.target(), kSignalled);
}

TEST(PortComponent, LearnsTheFirstPlausibleSourceAndIgnoresASecond) {
  PortComponent port{SocketId{1}};
  port.set_remote(kSignalled, Accept::FirstPlausible, true);
  EXPECT_EQ(port.target(), kSignalled) << "until it knows better";
  EXPECT_EQ(port.judge(kStranger, as_bytes("OPTIONS sip:x SIP/2.0")), Verdict::Implausible);
  EXPECT_EQ(port.judge(kBehindNat, rtp(1)), Verdict::Taken);
  EXPECT_EQ(port.target(), kBehindNat);
  EXPECT_EQ(port.judge(kStranger, rtp(1)), Verdict::WrongSource);
  EXPECT_EQ(port.judge(kSignalled, rtp(1)), Verdict::WrongSource);
  EXPECT_EQ(port.target(), kBehindNat);
}

TEST(PortComponent, UnlocksOnlyWhenTheSignallingNamesAnotherAddress) {
  PortComponent port{SocketId{1}};
  port.set_remote(kSignalled, Accept::FirstPlausible, true);
  EXPECT_EQ(port.judge(kBehindNat, rtp(1)), Verdict::Taken);
  port.set_remote(kSignalled, Accept::FirstPlausible, true);
  EXPECT_EQ(port.judge(kStranger, rtp(1)), Verdict::WrongSource);
  port.set_remote(kSameHost, Accept::FirstPlausible, true);
  EXPECT_EQ(port.target(), kSameHost);
  EXPECT_EQ(port.judge(kStranger, rtp(1)), Verdict::Taken);
}

TEST(PortComponent, FindsAnythingPlausibleWhereTheStreamIsNotRtp) {
  PortComponent port{SocketId{1}};
  port.set_remote(kSignalled, Accept::FirstPlausible, false);
  EXPECT_EQ(port.judge(kBehindNat, Buffer{0x00, 0x05}), Verdict::Taken);
}

TEST(PlausibleRtp, IsWhatSharesAPortWithRtp) {
  const auto plausible = [](std::string_view hex, std::size_t size) {
    Buffer octets = *from_hex(hex);
    octets.resize(size);
    return plausible_rtp(octets);
  };
  EXPECT_TRUE(plausible("80 00", 12)) << "RTP without payload";
  EXPECT_FALSE(plausible("80 00", 11));
  EXPECT_TRUE(plausible("80 c9", 8)) << "an empty receiver report";
  EXPECT_FALSE(plausible("80 c9", 7));
  EXPECT_FALSE(plausible("40 00", 172)) << "RTP version 1";
  EXPECT_FALSE(plausible("c0 00", 172)) << "RTP version 3";
  EXPECT_TRUE(plausible("0001 0000 2112a442", 20)) << "STUN binding request";
  EXPECT_FALSE(plausible("0001 0000 2112a443", 20));
  EXPECT_FALSE(plausible("0001 0000 2112a442", 19));
  EXPECT_TRUE(plausible("16 fefd", 13)) << "DTLS 1.2 handshake";
  EXPECT_FALSE(plausible("16 0301", 13)) << "TLS";
  EXPECT_TRUE(plausible("1000 0001 5a525450", 16)) << "ZRTP hello";
  EXPECT_FALSE(plausible("1000 0001 5a525451", 16));
  EXPECT_FALSE(plausible("", 0));
  EXPECT_FALSE(plausible("80", 1));
}

}  // namespace
}  // namespace sallyport::media
