#include "codec/sdp/sdp.h"

#include <gtest/gtest.h>

namespace sallyport::codec::sdp {
namespace {

TransportAddress at(const char* text) { return *TransportAddress::parse(text); }

// What a phone sends: one audio and one video stream, everything that may tell an address.
constexpr std::string_view kOffer =
    "v=0\r\n"
    "o=alice 2890844526 2890844527 IN IP4 10.1.1.2\r\n"
    "s=call from 10.1.1.2\r\n"
    "c=IN IP4 10.1.1.2\r\n"
    "b=AS:512\r\n"
    "t=0 0\r\n"
    "a=ice-lite\r\n"
    "a=source-filter: incl IN IP4 * 10.1.1.2\r\n"
    "m=audio 49170 RTP/SAVP 0 8 101\r\n"
    "a=rtpmap:101 telephone-event/8000\r\n"
    "a=rtcp:53020 IN IP4 10.1.1.3\r\n"
    "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz|2^20\r\n"
    "a=candidate:1 1 UDP 2130706431 10.1.1.2 49170 typ host\r\n"
    "a=ice-ufrag:F7gI\r\n"
    "a=ice-pwd:x9cml/YzichV2+XlhiMu8g\r\n"
    "a=ice-options:trickle\r\n"
    "a=remote-candidates:1 10.1.1.9 5000\r\n"
    "a=end-of-candidates\r\n"
    "m=video 51372/2 RTP/AVP 31\r\n"
    "i=the camera\r\n"
    "c=IN IP4 10.1.1.4/127\r\n"
    "c=IN IP4 10.1.1.5/127\r\n"
    "a=sendonly\r\n"
    "a=rtcp-mux\r\n"
    "a=fingerprint:sha-256 AA:BB\r\n";

TEST(Description, IsReadWithoutBeingChanged) {
  const auto offer = Description::parse(kOffer);
  ASSERT_TRUE(offer) << offer.error().what;
  ASSERT_EQ(offer->media().size(), 2U);
  const Media& audio = offer->media()[0];
  EXPECT_EQ(audio.kind, "audio");
  EXPECT_EQ(audio.protocol, "RTP/SAVP");
  EXPECT_EQ(audio.formats, "0 8 101");
  EXPECT_FALSE(audio.own_connection);
  EXPECT_TRUE(audio.has_candidates);
  EXPECT_TRUE(audio.has_ice);
  EXPECT_EQ(*audio.address(0), at("10.1.1.2:49170"));
  EXPECT_EQ(*audio.address(1), at("10.1.1.3:53020"));
  EXPECT_EQ(audio.direction, Direction::SendRecv);
  const Media& video = offer->media()[1];
  EXPECT_EQ(video.port_count, 2U);
  EXPECT_EQ(*video.address(0), at("10.1.1.4:51372"));
  EXPECT_EQ(*video.address(1), at("10.1.1.4:51372"));  // rtcp-mux
  EXPECT_EQ(video.direction, Direction::SendOnly);
  EXPECT_FALSE(video.has_ice);
  EXPECT_EQ(offer->session_name(), "call from 10.1.1.2");
  EXPECT_EQ(offer->attributes(0, "rtpmap").size(), 1U);
  EXPECT_EQ(offer->session_attributes("ice-lite").size(), 1U);
  EXPECT_EQ(Editor{*offer}.finish(), kOffer);
}

TEST(Description, RefusesWhatIsNoSdp) {
  for (const char* bad :
       {"", "v=1\r\n", "o=- 1 1 IN IP4 192.0.2.1\r\n", "\r\nv=0\r\n", "v=0\r\nm=audio\r\n",
        "v=0\r\nm=audio 70000 RTP/AVP 0\r\n", "v=0\r\nm=audio -1 RTP/AVP 0\r\n",
        "v=0\r\nm=audio 5000/0 RTP/AVP 0\r\n", "v=0\r\nm=audio 5000/ RTP/AVP 0\r\n",
        "v=0\r\nm=audio 5000\r\n", "v=0\r\nm=\r\n"})
    EXPECT_EQ(Description::parse(bad).error().code, Errc::BadValue) << bad;
  std::string many = "v=0\r\n";
  for (std::size_t i = 0; i < kMaxMedia; ++i) many += "m=audio 5000 RTP/AVP 0\r\n";
  EXPECT_TRUE(Description::parse(many));
  many += "m=audio 5000 RTP/AVP 0\r\n";
  EXPECT_EQ(Description::parse(many).error().code, Errc::Exhausted);
}

TEST(Description, InheritsWhatTheSessionSays) {
  const auto held = Description::parse(
      "v=0\nc=IN IP6 2001:db8::1\na=inactive\nm=audio 5000 RTP/AVP 0\nm=video 5002 RTP/AVP 31\n"
      "a=recvonly\n");
  ASSERT_TRUE(held);
  EXPECT_EQ(held->media()[0].direction, Direction::Inactive);
  EXPECT_EQ(held->media()[1].direction, Direction::RecvOnly);
  EXPECT_EQ(*held->media()[1].address(1), at("[2001:db8::1]:5003"));
}

TEST(Media, KnowsWhatCanBeRelayedAsDatagrams) {
  const auto media = [](std::string_view protocol) {
    const std::string text = "v=0\r\nm=x 5000 " + std::string{protocol} + " y\r\n";
    const auto parsed = Description::parse(text);
    return std::pair{parsed->media()[0].is_udp(), parsed->media()[0].is_rtp()};
  };
  using Is = std::pair<bool, bool>;  // UDP, RTP
  for (const char* rtp : {"RTP/AVP", "RTP/SAVPF", "UDP/TLS/RTP/SAVPF", "rtp/avp"})
    EXPECT_EQ(media(rtp), (Is{true, true})) << rtp;
  for (const char* udp : {"udptl", "UDPTL", "UDP/TLS/UDPTL", "UDP/BFCP", "UDP/TLS/BFCP",
                          "UDP/DTLS/SCTP", "DTLS/SCTP", "udp"})
    EXPECT_EQ(media(udp), (Is{true, false})) << udp;
  for (const char* tcp : {"TCP/BFCP", "TCP/TLS/BFCP", "TCP/MSRP", "TCP/DTLS/SCTP", "tcp", "vat"})
    EXPECT_EQ(media(tcp), (Is{false, false})) << tcp;
  EXPECT_EQ(media("TCP/RTP/AVP"), (Is{false, true}));
}

TEST(Media, HasNoAddressWhereNoneIsMeant) {
  for (const char* text : {"v=0\r\nc=IN IP4 192.0.2.1\r\nm=audio 0 RTP/AVP 0\r\n",
                           "v=0\r\nc=IN IP4 phone.example.com\r\nm=audio 5000 RTP/AVP 0\r\n",
                           "v=0\r\nc=IN IP4 0.0.0.0\r\nm=audio 5000 RTP/AVP 0\r\n",
                           "v=0\r\nc=ATM NSAP 47.0091\r\nm=audio 5000 RTP/AVP 0\r\n",
                           "v=0\r\nm=audio 5000 RTP/AVP 0\r\n"})
    EXPECT_EQ(Description::parse(text)->media()[0].address(0).error().code, Errc::NotFound) << text;
  const auto last = Description::parse("v=0\r\nc=IN IP4 192.0.2.1\r\nm=audio 65535 RTP/AVP 0\r\n");
  EXPECT_TRUE(last->media()[0].address(0));
  EXPECT_FALSE(last->media()[0].address(1));
}

TEST(Editor, PutsOtherAddressesAndTakesOtherWaysAway) {
  const auto offer = Description::parse(kOffer);
  Editor edit{*offer};
  edit.set_media(0, at("203.0.113.7:30000"), at("203.0.113.7:30001"));
  edit.set_media(1, at("203.0.113.8:30002"), std::nullopt);
  EXPECT_EQ(
      edit.finish(),
      "v=0\r\n"
      "o=alice 2890844526 2890844527 IN IP4 203.0.113.7\r\n"
      "s=call from 10.1.1.2\r\n"
      "c=IN IP4 203.0.113.7\r\n"
      "b=AS:512\r\n"
      "t=0 0\r\n"
      "m=audio 30000 RTP/SAVP 0 8 101\r\n"
      "a=rtpmap:101 telephone-event/8000\r\n"
      "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz|2^20\r\n"
      "m=video 30002 RTP/AVP 31\r\n"
      "i=the camera\r\n"
      "c=IN IP4 203.0.113.8\r\n"
      "a=sendonly\r\n"
      "a=rtcp-mux\r\n"
      "a=fingerprint:sha-256 AA:BB\r\n");
}

TEST(Editor, WritesRtcpWhereItIsNotTheNextPort) {
  const auto offer = Description::parse(kOffer);
  Editor apart{*offer};
  apart.set_media(0, at("203.0.113.7:2776"), at("203.0.113.7:2790"));
  EXPECT_NE(apart.finish().find("8000\r\na=rtcp:2790\r\na=crypto"), std::string::npos);
  Editor elsewhere{*offer};
  elsewhere.set_media(0, at("203.0.113.7:2776"), at("[2001:db8::1]:2777"));
  EXPECT_NE(elsewhere.finish().find("a=rtcp:2777 IN IP6 2001:db8::1\r\n"), std::string::npos);
  Editor muxed{*offer};
  muxed.set_media(0, at("203.0.113.7:2776"), at("203.0.113.7:2776"));
  EXPECT_EQ(muxed.finish().find("a=rtcp:"), std::string::npos);

  const auto none = Description::parse("v=0\nc=IN IP4 10.0.0.1\nm=audio 5000 RTP/AVP 0");
  Editor added{*none};
  added.set_media(0, at("203.0.113.7:2776"), at("203.0.113.7:2790"));
  EXPECT_EQ(added.finish(), "v=0\nc=IN IP4 203.0.113.7\nm=audio 2776 RTP/AVP 0\na=rtcp:2790\n");
}

TEST(Editor, EndsALineThatHadNoEnd) {
  for (const char* end : {"", "\r"}) {
    const std::string text =
        "v=0\r\nm=audio 5000 RTP/AVP 0\r\nc=IN IP4 10.0.0.1" + std::string{end};
    const auto cut = Description::parse(text);
    Editor edit{*cut};
    edit.set_media(0, at("203.0.113.7:2776"), at("203.0.113.7:2790"));
    EXPECT_EQ(edit.finish(),
              "v=0\r\nm=audio 2776 RTP/AVP 0\r\nc=IN IP4 203.0.113.7\r\na=rtcp:2790\r\n");
  }
}

TEST(Editor, GivesAMediaItsOwnConnectionWhereTheSessionsWouldBeWrong) {
  const auto offer = Description::parse(
      "v=0\r\no=- 1 1 IN IP4 10.0.0.1\r\ns=-\r\nc=IN IP4 10.0.0.1\r\nt=0 0\r\n"
      "m=audio 5000 RTP/AVP 0\r\nm=video 5002 RTP/AVP 31\r\ni=x\r\na=x\r\n");
  Editor edit{*offer};
  edit.set_session_address(*IpAddress::parse("203.0.113.7"));
  edit.set_media(0, at("203.0.113.7:1000"), std::nullopt);
  edit.set_media(1, at("[2001:db8::7]:1002"), std::nullopt);
  EXPECT_EQ(edit.finish(),
            "v=0\r\no=- 1 1 IN IP4 203.0.113.7\r\ns=-\r\nc=IN IP4 203.0.113.7\r\nt=0 0\r\n"
            "m=audio 1000 RTP/AVP 0\r\nm=video 1002 RTP/AVP 31\r\ni=x\r\n"
            "c=IN IP6 2001:db8::7\r\na=x\r\n");

  const auto bare = Description::parse("v=0\r\nm=audio 5000 RTP/AVP 0\r\n");
  Editor other{*bare};
  other.set_media(0, at("203.0.113.7:1000"), std::nullopt);
  EXPECT_EQ(other.finish(), "v=0\r\nm=audio 1000 RTP/AVP 0\r\nc=IN IP4 203.0.113.7\r\n");
}

TEST(Editor, LetsAnOldHoldBeOne) {
  for (const char* text : {"v=0\r\nc=IN IP4 0.0.0.0\r\nm=audio 5000 RTP/AVP 0\r\n",
                           "v=0\r\nm=audio 5000 RTP/AVP 0\r\nc=IN IP4 0.0.0.0\r\n"}) {
    const auto held = Description::parse(text);
    EXPECT_TRUE(held->media()[0].null_connection());
    Editor edit{*held};
    edit.set_media(0, at("203.0.113.7:1000"), std::nullopt);
    std::string expected = text;
    expected.replace(expected.find("5000"), 4, "1000");
    EXPECT_EQ(edit.finish(), expected);
  }
}

TEST(Editor, DoesNotTakeTrickleIceForAHold) {
  const auto offer = Description::parse(
      "v=0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 0\r\nc=IN IP4 0.0.0.0\r\na=ice-ufrag:x\r\n");
  EXPECT_FALSE(offer->media()[0].null_connection());
  EXPECT_FALSE(offer->media()[0].address(0));
  Editor edit{*offer};
  edit.set_media(0, at("203.0.113.7:1000"), std::nullopt);
  EXPECT_EQ(edit.finish(), "v=0\r\nm=audio 1000 UDP/TLS/RTP/SAVPF 0\r\nc=IN IP4 203.0.113.7\r\n");
}

TEST(Editor, RejectsAndHidesWhatCannotBeRelayed) {
  const auto offer = Description::parse(
      "v=0\r\nc=IN IP4 10.0.0.1\r\nm=audio 5000 RTP/AVP 0\r\n"
      "m=message 2855 TCP/MSRP *\r\nc=IN IP4 10.0.0.2\r\na=path:msrp://10.0.0.2:2855/x;tcp\r\n"
      "m=image 0 udptl t38\r\nc=IN IP4 10.0.0.3\r\na=rtcp:99 IN IP4 10.0.0.3\r\n");
  Editor edit{*offer};
  edit.set_media(0, at("203.0.113.7:1000"), std::nullopt);
  edit.set_media(2, at("203.0.113.7:1002"), std::nullopt);  // it had no port, and gets none
  edit.reject_media(1);
  EXPECT_EQ(edit.finish(),
            "v=0\r\nc=IN IP4 203.0.113.7\r\nm=audio 1000 RTP/AVP 0\r\n"
            "m=message 0 TCP/MSRP *\r\nc=IN IP4 203.0.113.7\r\n"
            "m=image 0 udptl t38\r\nc=IN IP4 203.0.113.7\r\n");
}

TEST(Editor, FindsTheAddressInAnOddOrigin) {
  const auto edited = [](std::string_view origin) {
    const std::string text = "v=0\r\no=" + std::string{origin} + "\r\n";
    const auto parsed = Description::parse(text);
    Editor edit{*parsed};
    edit.set_session_address(*IpAddress::parse("2001:db8::7"));
    return edit.finish().substr(7);
  };
  EXPECT_EQ(edited("a b c 1 2 IN IP4 pc33.example.com "), "a b c 1 2 IN IP6 2001:db8::7 \r\n");
  EXPECT_EQ(edited("-"), "-\r\n");
  EXPECT_EQ(edited(" "), " \r\n");
  EXPECT_EQ(edited(""), "\r\n");
}

TEST(Editor, RelaysFaxAsItIs) {
  const auto fax = Description::parse(
      "v=0\r\nc=IN IP4 10.0.0.1\r\nm=image 4000 udptl t38\r\na=T38FaxVersion:0\r\n"
      "a=T38FaxMaxBuffer:2000\r\n");
  ASSERT_TRUE(fax->media()[0].is_udp());
  Editor edit{*fax};
  edit.set_media(0, at("203.0.113.7:1000"), std::nullopt);
  EXPECT_EQ(edit.finish(),
            "v=0\r\nc=IN IP4 203.0.113.7\r\nm=image 1000 udptl t38\r\na=T38FaxVersion:0\r\n"
            "a=T38FaxMaxBuffer:2000\r\n");
}

}  // namespace
}  // namespace sallyport::codec::sdp
