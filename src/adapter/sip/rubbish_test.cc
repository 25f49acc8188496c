// What a stranger can say: every line of every message of a call, emptied, cut and filled with
// rubbish, from outside and from inside. Nothing of it may stop the server from carrying the next
// call.
#include <gtest/gtest.h>

#include <array>
#include <string>
#include <vector>

#include "adapter/sip/test_call.h"

namespace sallyport::adapter::sip::test {
namespace {

constexpr std::array<std::string_view, 12> kRubbish{
    "", ",", ";", "<", "\"", "@", "sip:", "*", ",,,;", "=", "%", "sip:@;;=<>,\"\\\\"};

// The message with one line's value replaced, for every line and every kind of rubbish; and the
// message cut behind every line.
std::vector<std::string> spoilt(const std::string& message) {
  std::vector<std::string> out;
  for (std::size_t start = 0; start < message.size();) {
    const std::size_t end = std::min(message.find("\r\n", start), message.size());
    const std::size_t colon = message.find(':', start);
    const std::size_t value = colon < end && start != 0 ? colon + 1 : start;
    for (const std::string_view rubbish : kRubbish)
      out.push_back(message.substr(0, value) + std::string{rubbish} + message.substr(end));
    out.push_back(message.substr(0, end));
    if (end == message.size()) break;
    start = end + 2;
  }
  return out;
}

std::string invite_from(Phone& phone, int n) {
  return phone.request(
      "INVITE", "sip:bob@example.com", "<sip:x@example.com>;tag=a" + std::to_string(n),
      "<sip:bob@example.com>", "call" + std::to_string(n), 1,
      "Contact: " + phone.contact() +
          "\r\nRecord-Route: <sip:p.example.net;lr>\r\nRoute: <sip:q.example.net;lr>"
          "\r\nSupported: 100rel, timer\r\nSession-Expires: 1800;refresher=uac"
          "\r\nReplaces: a;to-tag=b;from-tag=c\r\nRefer-To: <sip:c@example.com>"
          "\r\nContent-Type: application/sdp\r\n",
      phone.sdp());
}

TEST(Rubbish, InRequestsHarmsNothing) {
  Pair p;
  Phone& stranger = p.world.phone(kOutside, "stranger", "192.0.2.66:5060");
  int n = 0;
  for (Phone* phone : {&p.alice, &stranger}) {
    for (const std::string& message : spoilt(invite_from(*phone, ++n))) {
      phone->say(message);
      p.world.settle();
    }
    for (const char* method : {"REGISTER", "BYE", "CANCEL", "ACK", "REFER", "SUBSCRIBE", "PRACK"})
      for (const std::string& message :
           spoilt(phone->request(method, "sip:bob@example.com", "<sip:x@example.com>;tag=1",
                                 "<sip:bob@example.com>;tag=2", "c" + std::to_string(++n), 2))) {
        phone->say(message);
        p.world.settle();
      }
  }
  p.world.pass(seconds{300});
  p.alice.heard.clear();
  p.bob.heard.clear();
  Pair other;
  other.establish();
  other.hang_up();
}

TEST(Rubbish, InResponsesHarmsNothing) {
  std::size_t variants = 1;
  for (std::size_t i = 0; i < variants; ++i) {
    Pair p;
    p.alice.invite("sip:bob@example.com", p.alice.sdp());
    const wire::Message invite = p.bob.hear_request("INVITE");
    const std::string good = wire::Builder::response(invite, i % 2 == 0 ? 200 : 183, "OK", "b1")
                                 .add(wire::HeaderName::Contact, p.bob.contact())
                                 .add(wire::HeaderName::Require, "100rel")
                                 .add(wire::HeaderName::RSeq, "1")
                                 .body("application/sdp", p.bob.sdp())
                                 .finish();
    const auto all = spoilt(good);
    variants = all.size();
    p.bob.say(all[i]);
    p.world.pass(seconds{400});  // whatever it made of that is over by then
  }
  EXPECT_GT(variants, 100U);
}

}  // namespace
}  // namespace sallyport::adapter::sip::test
