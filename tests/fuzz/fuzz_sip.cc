// A SIP message by any octets: it parses or not, nothing reads beyond it, what no edit touches
// comes out as it went in, and what an edit makes of it parses again.
#include "base/bytes.h"
#include "codec/addresses/address_scan.h"
#include "codec/sip/headers.h"
#include "codec/sip/message.h"
#include "codec/sip/multipart.h"
#include "codec/sip/uri.h"
#include "require.h"

namespace sallyport::codec::sip {
namespace {

bool lies_in(std::string_view part, std::string_view whole) {
  return part.empty() ||
         (part.data() >= whole.data() && part.data() + part.size() <= whole.data() + whole.size());
}

void read_values(const Message& message) {
  for (const Header& header : message.headers()) {
    SALLYPORT_REQUIRE(lies_in(header.name_text, message.text()));
    SALLYPORT_REQUIRE(lies_in(header.value, message.text()));
    (void)CSeq::parse(header.value);
    (void)RAck::parse(header.value);
    (void)DialogId::parse(header.value);
    (void)AuthValue::parse(header.value);
    (void)ContentType::parse(header.value);
    (void)parse_number(header.value);
    (void)parse_leading_number(header.value);
    if (const auto via = Via::parse(header.value)) (void)via->magic();
  }
  for (const auto header : {HeaderName::Via, HeaderName::Contact, HeaderName::Route,
                            HeaderName::RecordRoute, HeaderName::From, HeaderName::ReferTo}) {
    for (const std::string_view element : message.list(header)) {
      const auto address = NameAddr::parse(element);
      if (!address || address->is_wildcard) continue;
      SALLYPORT_REQUIRE(lies_in(address->uri.text, element));
      SALLYPORT_REQUIRE(equivalent(address->uri, address->uri));
      const std::string other = address->with_uri("sip:other@192.0.2.1;lr");
      const auto again = NameAddr::parse(other);
      SALLYPORT_REQUIRE(again && again->uri.text == "sip:other@192.0.2.1;lr");
      SALLYPORT_REQUIRE(again->parameters.text() == address->parameters.text());
      const std::string tagged = address->parameters.with("tag", "x");
      SALLYPORT_REQUIRE(Parameters{tagged}.find("tag") == "x");
      const std::string untagged = address->parameters.without("tag");
      SALLYPORT_REQUIRE(!Parameters{untagged}.has("tag"));
      const std::string identity = address_of_record(address->uri);
      if (!address->uri.is_sip()) continue;
      const auto canonical = Uri::parse(identity);
      SALLYPORT_REQUIRE(canonical && address_of_record(*canonical) == identity);
    }
  }
}

void edit_and_reread(const Message& message) {
  Editor edit{message};
  edit.set_request_uri("sip:x@192.0.2.9");
  edit.add_first(HeaderName::Via, "SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKx");
  edit.add(HeaderName::RecordRoute, "<sip:192.0.2.1;lr>");
  edit.set(HeaderName::MaxForwards, "69");
  edit.remove(HeaderName::Supported);
  if (!message.headers().empty()) edit.set(message.headers().size() / 2, message.body());
  edit.set_body("body");
  const std::string text = edit.finish();
  const auto out = Message::parse(text);
  if (!out) {  // an edit may bring it over a limit, and into nothing else
    SALLYPORT_REQUIRE(out.error().code == Errc::Exhausted);
    return;
  }
  SALLYPORT_REQUIRE(out->text() == text);
  SALLYPORT_REQUIRE(out->body() == "body");
  SALLYPORT_REQUIRE(out->is_request() == message.is_request());
  SALLYPORT_REQUIRE(out->list(HeaderName::Via).front() == "SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKx");
  if (out->is_request()) SALLYPORT_REQUIRE(out->request_uri() == "sip:x@192.0.2.9");
}

void try_message(Bytes octets) {
  if (const auto head = Message::parse_head(octets)) {
    const std::string answer = Builder::response(*head, 400, {}, "t").finish();
    const auto read = Message::parse(answer);
    SALLYPORT_REQUIRE(read || read.error().code == Errc::Exhausted);
    (void)head->validate();
    (void)Editor{*head}.finish();
  }
  const auto message = Message::parse(octets);
  if (!message) return;
  SALLYPORT_REQUIRE(as_text(octets).starts_with(message->text()));
  SALLYPORT_REQUIRE(Editor{*message}.finish() == message->text());
  const auto again = Message::parse(message->text());
  SALLYPORT_REQUIRE(again && again->text() == message->text());
  const Message copy = *message;  // NOLINT(performance-unnecessary-copy-initialization): the test
  const bool valid = message->validate().has_value();
  SALLYPORT_REQUIRE(copy.validate().has_value() == valid);
  read_values(*message);
  if (const auto sdp = find_sdp(*message)) SALLYPORT_REQUIRE(lies_in(*sdp, message->body()));
  edit_and_reread(*message);
}

}  // namespace
}  // namespace sallyport::codec::sip

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const sallyport::Bytes octets{data, size};
  sallyport::codec::sip::try_message(octets);
  for (const auto& found : sallyport::codec::find_addresses(sallyport::as_text(octets)))
    SALLYPORT_REQUIRE(found.size > 0 && found.offset + found.size <= size);
  return 0;
}
