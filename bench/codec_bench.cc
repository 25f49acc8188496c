// What one SIP message costs the brain: to index it, and to index, rewrite and write it out with
// another session description, as a relay does with every INVITE.
#include <benchmark/benchmark.h>

#include <string>

#include "codec/addresses/address_scan.h"
#include "codec/sdp/sdp.h"
#include "codec/sip/headers.h"
#include "codec/sip/message.h"
#include "codec/sip/multipart.h"

namespace sallyport::codec {
namespace {

// 1.3 KB, as a desk phone sends it.
std::string invite() {
  const std::string body =
      "v=0\r\n"
      "o=- 3879345711 3879345711 IN IP4 10.1.1.2\r\n"
      "s=phone\r\n"
      "c=IN IP4 10.1.1.2\r\n"
      "t=0 0\r\n"
      "m=audio 49170 RTP/AVP 9 8 0 101\r\n"
      "a=rtpmap:9 G722/8000\r\n"
      "a=rtpmap:8 PCMA/8000\r\n"
      "a=rtpmap:0 PCMU/8000\r\n"
      "a=rtpmap:101 telephone-event/8000\r\n"
      "a=fmtp:101 0-16\r\n"
      "a=ptime:20\r\n"
      "a=rtcp:49171 IN IP4 10.1.1.2\r\n"
      "a=sendrecv\r\n";
  return "INVITE sip:bob@example.com SIP/2.0\r\n"
         "Via: SIP/2.0/UDP 10.1.1.2:5060;rport;branch=z9hG4bKPjTa8h1dnrxWwWBOoBwEXQ.a9zPhZOlSl3\r\n"
         "Max-Forwards: 70\r\n"
         "From: \"Alice Example\" <sip:alice@example.com>;tag=zRUaAQpjDzvlrjTXg7yJZkhc0yYZUvXb\r\n"
         "To: <sip:bob@example.com>\r\n"
         "Contact: \"Alice Example\" <sip:alice@10.1.1.2:5060;ob>;+sip.instance=\"<urn:uuid:"
         "0b2b7e4c-2f0e-4ae1-9f26-0e4c2a1b6a55>\"\r\n"
         "Call-ID: XLSYsb0P4zbRXUtIMkGjVBdyRcMlYTXd\r\n"
         "CSeq: 20391 INVITE\r\n"
         "Route: <sip:10.1.1.1;lr>\r\n"
         "Allow: PRACK, INVITE, ACK, BYE, CANCEL, UPDATE, INFO, SUBSCRIBE, NOTIFY, REFER, MESSAGE, "
         "OPTIONS\r\n"
         "Supported: replaces, 100rel, timer, norefersub\r\n"
         "Session-Expires: 1800\r\n"
         "Min-SE: 90\r\n"
         "User-Agent: A Desk Phone 10.1.86.0\r\n"
         "P-Preferred-Identity: <sip:alice@example.com>\r\n"
         "P-Early-Media: supported\r\n"
         "Accept: application/sdp, application/dtmf-relay, multipart/mixed, message/sipfrag\r\n"
         "Allow-Events: presence, message-summary, refer, dialog, talk, hold, conference\r\n"
         "Accept-Language: en, de;q=0.8\r\n"
         "Content-Type: application/sdp\r\n"
         "Content-Length: " +
         std::to_string(body.size()) + "\r\n\r\n" + body;
}

void index(benchmark::State& state) {
  const std::string text = invite();
  for ([[maybe_unused]] auto _ : state) {
    auto message = sip::Message::parse(text);
    benchmark::DoNotOptimize(message);
  }
  state.counters["octets"] = static_cast<double>(text.size());
}
BENCHMARK(index);

void index_and_validate(benchmark::State& state) {
  const std::string text = invite();
  for ([[maybe_unused]] auto _ : state) {
    auto message = sip::Message::parse(text);
    benchmark::DoNotOptimize(message->validate());
  }
}
BENCHMARK(index_and_validate);

std::string rewrite(const std::string& text) {
  const auto message = sip::Message::parse(text);
  sip::Editor edit{*message};
  edit.set_request_uri("sip:bob@198.51.100.20:5060");
  edit.set(sip::HeaderName::Via, "SIP/2.0/UDP 203.0.113.1:5060;rport;branch=z9hG4bKf00f00f00f00");
  edit.set(sip::HeaderName::MaxForwards, "69");
  edit.set(sip::HeaderName::Contact, "<sip:a1b2c3d4@203.0.113.1:5060>");
  edit.set(sip::HeaderName::CallId, "5e6f7a8b9c0d1e2f@sallyport");
  edit.remove(sip::HeaderName::Route);
  const auto sdp = sip::find_sdp(*message);
  const auto offer = sdp::Description::parse(*sdp);
  sdp::Editor place{*offer};
  const IpAddress ours = IpAddress::v4({203, 0, 113, 1});
  place.set_media(0, {ours, 30000}, TransportAddress{ours, 30001});
  edit.set_body(sip::replace_sdp(*message, *sdp, place.finish()));
  return edit.finish();
}

void index_and_rewrite(benchmark::State& state) {
  const std::string text = invite();
  for ([[maybe_unused]] auto _ : state) {
    auto out = rewrite(text);
    benchmark::DoNotOptimize(out);
  }
}
BENCHMARK(index_and_rewrite);

void find_addresses(benchmark::State& state) {
  const std::string text = invite();
  for ([[maybe_unused]] auto _ : state) {
    auto found = codec::find_addresses(text);
    benchmark::DoNotOptimize(found);
  }
}
BENCHMARK(find_addresses);

}  // namespace
}  // namespace sallyport::codec

BENCHMARK_MAIN();
