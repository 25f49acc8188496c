// The torture messages of RFC 4475, all 49, and what must become of each in the codec: a valid one
// passes unchanged and can be relayed, an invalid one is refused with the reason. The vectors in
// rfc4475/ are the RFC's; the binary part of mpart01 (a signature there) has other octets, among
// them NUL, line ends and words that begin like the boundary.
#include <gtest/gtest.h>

#include <array>
#include <fstream>
#include <iterator>
#include <string>

#include "codec/addresses/address_scan.h"
#include "codec/sdp/sdp.h"
#include "codec/sip/headers.h"
#include "codec/sip/message.h"
#include "codec/sip/multipart.h"

namespace sallyport::codec::sip {
namespace {

enum class Fate : std::uint8_t {
  Carried,  // parses, is valid, passes unchanged; what remains to be said, the adapter says
  Invalid,  // parses, but validate() names what is wrong: 400 (505 for badvers)
  Refused,  // does not parse; its head can still be answered
  Dropped,  // does not parse, and is a response: nothing to answer
};

struct Torture {
  const char* name;
  const char* section;
  Fate fate;
  std::string_view reason;  // of Invalid, Refused and Dropped
};

constexpr std::array kTorture{
    Torture{"wsinv", "3.1.1.1", Fate::Carried, ""},
    Torture{"intmeth", "3.1.1.2", Fate::Carried, ""},
    Torture{"esc01", "3.1.1.3", Fate::Carried, ""},
    Torture{"escnull", "3.1.1.4", Fate::Carried, ""},
    Torture{"esc02", "3.1.1.5", Fate::Carried, ""},
    Torture{"lwsdisp", "3.1.1.6", Fate::Carried, ""},
    Torture{"longreq", "3.1.1.7", Fate::Carried, ""},
    Torture{"dblreq", "3.1.1.8", Fate::Carried, ""},  // the first; the second is discarded
    Torture{"semiuri", "3.1.1.9", Fate::Carried, ""},
    Torture{"transports", "3.1.1.10", Fate::Carried, ""},
    Torture{"mpart01", "3.1.1.11", Fate::Carried, ""},
    Torture{"unreason", "3.1.1.12", Fate::Carried, ""},
    Torture{"noreason", "3.1.1.13", Fate::Carried, ""},
    Torture{"badinv01", "3.1.2.1", Fate::Invalid, "malformed Via"},
    Torture{"clerr", "3.1.2.2", Fate::Refused, "Content-Length beyond the end"},
    Torture{"ncl", "3.1.2.3", Fate::Refused, "Content-Length is no number"},
    Torture{"scalar02", "3.1.2.4", Fate::Invalid, "malformed CSeq"},
    Torture{"scalarlg", "3.1.2.5", Fate::Invalid, "malformed CSeq"},
    Torture{"quotbal", "3.1.2.6", Fate::Invalid, "malformed To"},
    Torture{"ltgtruri", "3.1.2.7", Fate::Invalid, "malformed Request-URI"},
    Torture{"lwsruri", "3.1.2.8", Fate::Invalid, "malformed Request-URI"},
    Torture{"lwsstart", "3.1.2.9", Fate::Invalid, "malformed Request-URI"},
    Torture{"trws", "3.1.2.10", Fate::Invalid, "white space behind the start line"},
    Torture{"escruri", "3.1.2.11", Fate::Invalid, "headers in the Request-URI"},
    Torture{"baddate", "3.1.2.12", Fate::Invalid, "Date is not in GMT"},
    Torture{"regbadct", "3.1.2.13", Fate::Invalid, "malformed Contact"},
    Torture{"badaspec", "3.1.2.14", Fate::Invalid, "malformed To"},
    Torture{"baddn", "3.1.2.15", Fate::Invalid, "malformed From"},
    Torture{"badvers", "3.1.2.16", Fate::Invalid, "SIP version is not 2.0"},
    Torture{"mismatch01", "3.1.2.17", Fate::Invalid, "CSeq names another method than the request"},
    Torture{"mismatch02", "3.1.2.18", Fate::Invalid, "CSeq names another method than the request"},
    Torture{"bigcode", "3.1.2.19", Fate::Dropped, "status code is not 100 to 699"},
    Torture{"badbranch", "3.2.1", Fate::Invalid, "a branch that is nothing but the magic cookie"},
    Torture{"insuf", "3.3.1", Fate::Invalid, "no Call-ID"},
    Torture{"unkscm", "3.3.2", Fate::Carried, ""},    // the adapter: 416
    Torture{"novelsc", "3.3.3", Fate::Carried, ""},   // the adapter: 416
    Torture{"unksm2", "3.3.4", Fate::Carried, ""},    // a registrar: 400; a relay passes it
    Torture{"bext01", "3.3.5", Fate::Carried, ""},    // the adapter: 420 for Proxy-Require
    Torture{"invut", "3.3.6", Fate::Carried, ""},     // the callee: 415
    Torture{"regaut01", "3.3.7", Fate::Carried, ""},  // a registrar: a new challenge
    Torture{"multi01", "3.3.8", Fate::Invalid, "CSeq twice"},
    Torture{"mcl01", "3.3.9", Fate::Refused, "two Content-Lengths"},
    Torture{"bcast", "3.3.10", Fate::Carried, ""},   // the adapter: its own Via is not on top
    Torture{"zeromf", "3.3.11", Fate::Carried, ""},  // the adapter: 483
    Torture{"cparam01", "3.3.12", Fate::Carried, ""},
    Torture{"cparam02", "3.3.13", Fate::Carried, ""},
    Torture{"regescrt", "3.3.14", Fate::Carried, ""},
    Torture{"sdp01", "3.3.15", Fate::Carried, ""},   // the callee: 406
    Torture{"inv2543", "3.4.1", Fate::Carried, ""},  // RFC 2543 had no branch and no tags
};
static_assert(kTorture.size() == 49);

std::string vector_of(const char* name) {
  std::ifstream file{std::string{SALLYPORT_WIRE_VECTORS "/rfc4475/"} + name + ".dat",
                     std::ios::binary};
  EXPECT_TRUE(file) << name;
  return {std::istreambuf_iterator<char>{file}, {}};
}

class Rfc4475 : public testing::TestWithParam<Torture> {};

// What a relay does to each message: a Via on top, one hop less, a Record-Route.
void expect_relayed(const Message& message) {
  Editor edit{message};
  edit.add_first(HeaderName::Via, "SIP/2.0/UDP 203.0.113.1;branch=z9hG4bKrelayed");
  edit.add(HeaderName::RecordRoute, "<sip:203.0.113.1;lr>");
  const std::string text = edit.finish();
  const auto relayed = Message::parse(text);
  ASSERT_TRUE(relayed) << relayed.error().what;
  EXPECT_TRUE(relayed->validate());
  EXPECT_EQ(relayed->list(HeaderName::Via).size(), message.list(HeaderName::Via).size() + 1);
  EXPECT_EQ(relayed->list(HeaderName::Via).front(),
            "SIP/2.0/UDP 203.0.113.1;branch=z9hG4bKrelayed");
  EXPECT_EQ(relayed->body(), message.body());
  // Every line that was there is there, as it was.
  Editor back{*relayed};
  for (std::size_t i = 0; i < relayed->headers().size(); ++i)
    if (relayed->headers()[i].value.find("203.0.113.1") != std::string_view::npos) back.remove(i);
  if (message.has(HeaderName::ContentLength)) {
    EXPECT_EQ(back.finish(), message.text());
  }
}

TEST_P(Rfc4475, MeetsItsFate) {
  const Torture& torture = GetParam();
  SCOPED_TRACE(torture.section);
  const std::string text = vector_of(torture.name);
  const auto message = Message::parse(text);
  (void)codec::find_addresses(text);
  if (torture.fate == Fate::Refused || torture.fate == Fate::Dropped) {
    ASSERT_FALSE(message);
    EXPECT_EQ(message.error().what, torture.reason);
    const auto head = Message::parse_head(as_bytes(text));
    EXPECT_EQ(head.has_value(), torture.fate == Fate::Refused);
    if (!head) return;
    const std::string answer = Builder::response(*head, 400, torture.reason, "t").finish();
    EXPECT_TRUE(Message::parse(answer)->validate());
    return;
  }
  ASSERT_TRUE(message) << message.error().what;
  EXPECT_TRUE(text.starts_with(message->text()));
  EXPECT_EQ(Editor{*message}.finish(), message->text());
  if (std::string_view{torture.name} != "dblreq") {
    // multi01 and mcl01 have an empty line behind their bodies.
    EXPECT_LE(text.size(), message->text().size() + 2);
  }
  const auto valid = message->validate();
  if (torture.fate == Fate::Invalid) {
    ASSERT_FALSE(valid);
    EXPECT_EQ(valid.error().what, torture.reason);
    return;
  }
  ASSERT_TRUE(valid) << valid.error().what;
  expect_relayed(*message);
  if (const auto sdp = find_sdp(*message)) {
    EXPECT_TRUE(sdp::Description::parse(*sdp)) << torture.name;
  }
}

INSTANTIATE_TEST_SUITE_P(All, Rfc4475, testing::ValuesIn(kTorture),
                         [](const auto& torture) { return std::string{torture.param.name}; });

Message carried(const char* name) { return *Message::parse(vector_of(name)); }

TEST(Rfc4475Values, AreReadThroughAllSpellings) {
  const Message wsinv = carried("wsinv");
  EXPECT_EQ(*parse_number(*wsinv.find(HeaderName::MaxForwards)), 68U);
  EXPECT_EQ(CSeq::parse(*wsinv.find(HeaderName::CSeq))->number, 9U);
  EXPECT_EQ(NameAddr::parse(*wsinv.find(HeaderName::To))->tag(), "1918181833n");
  EXPECT_EQ(NameAddr::parse(*wsinv.find(HeaderName::From))->display, R"("J Rosenberg \\\"")");
  const auto vias = wsinv.list(HeaderName::Via);
  ASSERT_EQ(vias.size(), 3U);
  EXPECT_EQ(Via::parse(vias[1])->branch(), "z9hG4bK9ikj8");
  EXPECT_EQ(Via::parse(vias[2])->host, "192.168.255.111");
  EXPECT_EQ(wsinv.find(HeaderName::Subject), "");
  EXPECT_EQ(wsinv.find_other("unknownheaderwithunusualvalue"), ";;,,;;,;");
  const auto contact = NameAddr::parse(wsinv.list(HeaderName::Contact).at(0));
  EXPECT_EQ(contact->parameters.find("newparam"), "newvalue");
  EXPECT_EQ(contact->parameters.find("q"), "0.33");

  const Message intmeth = carried("intmeth");
  EXPECT_EQ(intmeth.method(), Method::Other);
  EXPECT_EQ(intmeth.method_text(), "!interesting-Method0123456789_*+`.%indeed'~");
  const auto uri = Uri::parse(intmeth.request_uri());
  EXPECT_EQ(uri->user, "1_unusual.URI~(to-be!sure)&isn't+it$/crazy?,/;;*");
  EXPECT_EQ(uri->password, "&it+has=1,weird!*pas$wo~d_too.(doesn't-it)");
  EXPECT_EQ(uri->host, "example.com");
  EXPECT_EQ(NameAddr::parse(*intmeth.find(HeaderName::From))->tag(), "_token~1'+`*%!-.");

  const Message esc01 = carried("esc01");
  EXPECT_EQ(address_of_record(*Uri::parse(esc01.request_uri())),
            "sip:sips%3Auser%40example.com@example.net");
  EXPECT_EQ(address_of_record(NameAddr::parse(*esc01.find(HeaderName::To))->uri),
            "sip:user@example.com");
  // %Z%45 is no escape, and a header name is never unescaped: C%6Fntact is no Contact.
  const Message esc02 = carried("esc02");
  EXPECT_EQ(esc02.list(HeaderName::Contact).size(), 2U);
  EXPECT_EQ(esc02.method(), Method::Other);
  EXPECT_NE(
      address_of_record(NameAddr::parse(carried("escnull").list(HeaderName::Contact)[0])->uri),
      address_of_record(NameAddr::parse(carried("escnull").list(HeaderName::Contact)[1])->uri));

  EXPECT_EQ(carried("longreq").list(HeaderName::Via).size(), 34U);
  EXPECT_EQ(Uri::parse(carried("semiuri").request_uri())->user, "user;par=u%40example.net");
  EXPECT_EQ(carried("dblreq").body(), "");
  EXPECT_EQ(carried("noreason").reason(), "");
  EXPECT_EQ(carried("unreason").status(), 200);
  // RFC 4475 3.3.12: without brackets the parameter is the header's, with them the URI's.
  EXPECT_FALSE(NameAddr::parse(*carried("cparam01").find(HeaderName::Contact))
                   ->uri.parameters.has("unknownparam"));
  EXPECT_TRUE(NameAddr::parse(*carried("cparam02").find(HeaderName::Contact))
                  ->uri.parameters.has("unknownparam"));
  EXPECT_EQ(NameAddr::parse(*carried("regescrt").find(HeaderName::Contact))->uri.headers,
            "Route=%3Csip:sip.example.com%3E");
}

TEST(Rfc4475Values, KeepABinaryPartAsItIs) {
  const Message mpart = carried("mpart01");
  const auto type = ContentType::parse(*mpart.find(HeaderName::ContentType));
  const auto parts = parse_multipart(mpart.body(), *type->parameters.find("boundary"));
  ASSERT_TRUE(parts) << parts.error().what;
  ASSERT_EQ(parts->size(), 2U);
  EXPECT_EQ((*parts)[0].body, "Hello");
  EXPECT_NE((*parts)[1].body.find('\0'), std::string_view::npos);
  EXPECT_EQ((*parts)[1].find("Content-Transfer-Encoding"), "binary");
}

}  // namespace
}  // namespace sallyport::codec::sip
