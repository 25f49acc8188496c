#include "codec/sdp/traffic.h"

#include <gtest/gtest.h>

#include <string>

namespace sallyport::codec::sdp {
namespace {

Traffic of(const std::string& media, const std::string& session = {}) {
  const std::string text = "v=0\r\no=a 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\n" +
                           session + "t=0 0\r\n" + media;
  const auto description = Description::parse(text);
  EXPECT_TRUE(description);
  return description ? traffic(*description) : Traffic{};
}

TEST(Traffic, OfACallIsThatOfItsDearestCodec) {
  // 160 octets and 40 of headers, 50 times a second.
  EXPECT_EQ(of("m=audio 4000 RTP/AVP 0\r\n"), (Traffic{50, 80'000}));
  EXPECT_EQ(of("m=audio 4000 RTP/AVP 18 101\r\na=rtpmap:101 telephone-event/8000\r\n"),
            (Traffic{50, 24'000}));
  EXPECT_EQ(of("m=audio 4000 RTP/AVP 18 8 3\r\n"), (Traffic{50, 80'000}));
  EXPECT_EQ(of("m=audio 4000 RTP/AVP 97\r\na=rtpmap:97 iLBC/8000\r\na=ptime:30\r\n"),
            (Traffic{33, 15'200 + 33 * 320}));
  EXPECT_EQ(of("m=audio 4000 RTP/AVP 96\r\na=rtpmap:96 amr-wb/16000\r\n").bits, 24'600U + 16'000U);
  EXPECT_EQ(of("m=audio 4000 RTP/AVP 96\r\na=rtpmap:96 new/48000/2\r\n").bits, 128'000U + 16'000U);
  EXPECT_EQ(of("m=audio 4000 RTP/AVP 0\r\na=ptime:10\r\n"), (Traffic{100, 96'000}));
  EXPECT_EQ(of("m=audio 4000 RTP/AVP 0\r\na=ptime:0\r\n").packets, 1000U) << "not by nothing";
}

TEST(Traffic, OfWhatIsNotWantedIsNone) {
  EXPECT_EQ(of("m=audio 4000 RTP/AVP 0\r\nm=video 0 RTP/AVP 31\r\n"), (Traffic{50, 80'000}));
}

TEST(Traffic, IsWhatBandwidthLinesSay) {
  EXPECT_EQ(of("m=video 4000 RTP/AVP 96\r\nb=AS:768\r\n").bits, 768'000U);
  const Traffic tias = of("m=video 4000 RTP/AVP 96\r\nb=TIAS:960000\r\nb=AS:9999\r\n");
  EXPECT_EQ(tias, (Traffic{101, 960'000 + 101 * 320}));
  EXPECT_EQ(of("m=video 4000 RTP/AVP 96\r\n").bits / 100'000, 20U) << "silent: 2 Mbit/s";
  // Of the session: a ceiling for all of it.
  EXPECT_EQ(of("m=audio 4000 RTP/AVP 0\r\nm=video 4002 RTP/AVP 96\r\n", "b=AS:384\r\n").bits,
            384'000U);
  EXPECT_EQ(of("m=audio 4000 RTP/AVP 0\r\n", "b=AS:384\r\n").bits, 80'000U);
  EXPECT_EQ(of("m=audio 4000 RTP/AVP 0\r\nb=AS:much\r\n").bits, 80'000U) << "no number";
  EXPECT_EQ(of("m=audio 4000 RTP/AVP 0\r\nb=AS:99999999999999999999\r\n").bits, 80'000U);
}

TEST(Traffic, OfFaxAndDataIsSmall) {
  EXPECT_EQ(of("m=image 4000 udptl t38\r\n"), (Traffic{50, 64'000}));
  EXPECT_EQ(of("m=application 4000 UDP/BFCP *\r\n"), (Traffic{50, 64'000}));
}

}  // namespace
}  // namespace sallyport::codec::sdp
