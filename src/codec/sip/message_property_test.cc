// What must hold for every message, tried on random ones.
#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include "codec/addresses/address_scan.h"
#include "codec/sip/framing.h"
#include "codec/sip/message.h"

namespace sallyport::codec::sip {
namespace {

rc::Gen<std::string> text_of(std::string_view characters) {
  return rc::gen::container<std::string>(
      rc::gen::elementOf(std::vector<char>{characters.begin(), characters.end()}));
}

// Header values with what can go wrong in them: folds, quotes, brackets, commas, 8-bit octets.
rc::Gen<std::string> header_value() {
  return rc::gen::map(
      rc::gen::container<std::vector<std::string>>(rc::gen::elementOf(std::vector<std::string>{
          "a", "sip:", "@", ";tag=1", "\"", "<", ">", ",", "\\", "\r\n ", "\n\t", " ", "\xff",
          "10.0.0.1", "[2001:db8::1]", "%41", ":", "="})),
      [](const std::vector<std::string>& parts) {
        std::string out;
        for (const std::string& part : parts) out += part;
        return out;
      });
}

struct RandomMessage {
  std::string text, body;
  std::size_t headers = 0;
};

RandomMessage random_message() {
  RandomMessage out;
  const std::string end = *rc::gen::element<std::string>("\r\n", "\n");
  out.text = *rc::gen::element<std::string>("INVITE sip:x@example.com SIP/2.0", "SIP/2.0 200 OK",
                                            "X sip:y SIP/2.0") +
             end;
  const auto values = *rc::gen::container<std::vector<std::string>>(header_value());
  for (const std::string& value : values) {
    out.text += *rc::gen::element<std::string>("Via", "v", "From", "To", "Contact", "CSeq", "Route",
                                               "X-Other", "SUPPORTED", "Record-Route ") +
                ":" + value + end;
  }
  out.headers = values.size();
  out.body = *rc::gen::arbitrary<std::string>();
  out.text += "Content-Length: " + std::to_string(out.body.size()) + end + end + out.body;
  return out;
}

RC_GTEST_PROP(MessageProperty, ComesOutAsItWentInWhenNothingIsEdited, ()) {
  const RandomMessage random = random_message();
  const auto message = Message::parse(random.text);
  RC_ASSERT(message.has_value());
  RC_ASSERT(message->headers().size() == random.headers + 1);
  RC_ASSERT(message->body() == random.body);
  RC_ASSERT(Editor{*message}.finish() == random.text);
  RC_ASSERT(Editor{Message{*message}}.empty());
}

RC_GTEST_PROP(MessageProperty, KeepsWhatNoEditNames, ()) {
  const RandomMessage random = random_message();
  const auto message = Message::parse(random.text);
  RC_ASSERT(message.has_value());
  Editor edit{*message};
  const auto index = *rc::gen::inRange<std::size_t>(0, random.headers + 1);
  const std::string value = *header_value();
  const bool removes = *rc::gen::arbitrary<bool>();
  if (removes)
    edit.remove(index);
  else
    edit.set(index, value);
  edit.add(HeaderName::Via, "added");
  const std::string body = *rc::gen::arbitrary<std::string>();
  edit.set_body(body);

  const std::string text = edit.finish();
  const auto out = Message::parse(text);
  RC_ASSERT(out.has_value());
  RC_ASSERT(out->body() == body);
  RC_ASSERT(out->find(HeaderName::Via) == "added");
  // All others stand as they stood, in their order.
  std::vector<std::pair<std::string, std::string>> before;
  std::vector<std::pair<std::string, std::string>> after;
  for (std::size_t i = 0; i < message->headers().size(); ++i) {
    const Header& h = message->headers()[i];
    if (h.name != HeaderName::ContentLength && i != index)
      before.emplace_back(h.name_text, h.value);
  }
  bool passed_added = false;
  std::size_t left = index + 1;  // of the original headers, up to and with the edited one
  for (const Header& h : out->headers()) {
    if (!passed_added && h.name == HeaderName::Via) {
      passed_added = true;
      continue;
    }
    const bool edited = !removes && --left == 0;
    if (h.name != HeaderName::ContentLength && !edited) after.emplace_back(h.name_text, h.value);
  }
  RC_ASSERT(before == after);
}

RC_GTEST_PROP(MessageProperty, IsReadBackAsItWasBuilt, ()) {
  const std::string value = *text_of("abc ,;<>\"=\xc3\xa4");
  const std::string body = *rc::gen::arbitrary<std::string>();
  const std::string text = Builder::request("MESSAGE", "sip:x")
                               .add(HeaderName::Subject, value)
                               .add(HeaderName::CallId, "1")
                               .body("text/plain", body)
                               .finish();
  const auto message = Message::parse(text);
  RC_ASSERT(message.has_value());
  RC_ASSERT(message->find(HeaderName::CallId) == "1");
  RC_ASSERT(message->body() == body);
  std::string trimmed = value;
  while (trimmed.ends_with(' ')) trimmed.pop_back();
  RC_ASSERT(message->find(HeaderName::Subject) ==
            trimmed.substr(std::min(trimmed.find_first_not_of(' '), trimmed.size())));
}

RC_GTEST_PROP(MessageProperty, IsFramedHoweverTheStreamIsCut, ()) {
  std::vector<std::string> sent;
  std::string stream;
  const int count = *rc::gen::inRange(1, 5);
  for (int i = 0; i < count; ++i) {
    sent.push_back(random_message().text);
    stream += sent.back();
  }
  Framer framer;
  std::vector<std::string> got;
  for (std::size_t at = 0; at < stream.size();) {
    const auto size = *rc::gen::inRange<std::size_t>(1, 200);
    framer.push(as_bytes(std::string_view{stream}.substr(at, size)));
    at += size;
    while (const auto frame = framer.next()) got.emplace_back(as_text(frame->octets));
  }
  RC_ASSERT(got == sent);
  RC_ASSERT(framer.buffered() == 0U);
}

RC_GTEST_PROP(AddressProperty, IsFoundInAnySurroundings, (std::array<std::uint8_t, 16> octets)) {
  const bool v4 = *rc::gen::arbitrary<bool>();
  const auto ip =
      v4 ? IpAddress::v4({octets[0], octets[1], octets[2], octets[3]}) : IpAddress::v6(octets);
  const std::string before = *text_of("x =@;<[\"") + *rc::gen::element<std::string>(" ", "=", "[");
  const std::string behind = *rc::gen::element<std::string>("", "]", ":5060", ";", " ", ">");
  if (!v4 && behind == ":5060") return;  // ambiguous without brackets
  const std::string text = before + ip.to_string() + behind;
  const auto found = codec::find_addresses(text);
  RC_ASSERT(!found.empty());
  RC_ASSERT(found[0].address == *IpAddress::parse(ip.to_string()));
}

}  // namespace
}  // namespace sallyport::codec::sip
