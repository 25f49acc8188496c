#include "codec/sip/message.h"

#include <gtest/gtest.h>

#include <chrono>

namespace sallyport::codec::sip {
namespace {

constexpr std::string_view kInvite =
    "INVITE sip:bob@example.com SIP/2.0\r\n"
    "Via: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK1, SIP/2.0/TCP 192.0.2.9;branch=z9hG4bK0\r\n"
    "v :SIP/2.0/UDP [2001:db8::9]:5070;branch=z9hG4bK-1\r\n"
    "Max-Forwards: 70\r\n"
    "From: \"Alice, A.\" <sip:alice@example.com>;tag=1928301774\r\n"
    "t: <sip:bob@example.com>\r\n"
    "CALL-ID: a84b4c76e66710@192.0.2.1\r\n"
    "CSeq: 314159 INVITE\r\n"
    "m: <sip:alice@192.0.2.1>\r\n"
    "Supported: 100rel,\r\n\t timer , replaces\r\n"
    "X-Odd:\r\n"
    "Content-Type: text/plain\r\n"
    "l: 0004\r\n"
    "\r\n"
    "body";

std::string replaced(std::string text, std::string_view what, std::string_view with) {
  const std::size_t at = text.find(what);
  EXPECT_NE(at, std::string::npos) << what;
  return text.replace(at, what.size(), with);
}

TEST(Message, IsIndexedWithoutBeingChanged) {
  const auto invite = Message::parse(kInvite);
  ASSERT_TRUE(invite) << invite.error().what;
  EXPECT_TRUE(invite->is_request());
  EXPECT_EQ(invite->method(), Method::Invite);
  EXPECT_EQ(invite->request_uri(), "sip:bob@example.com");
  EXPECT_EQ(invite->headers().size(), 12U);
  EXPECT_EQ(invite->find(HeaderName::CallId), "a84b4c76e66710@192.0.2.1");
  EXPECT_EQ(invite->find(HeaderName::To), "<sip:bob@example.com>");
  EXPECT_EQ(invite->find_other("x-odd"), "");
  EXPECT_EQ(invite->find(HeaderName::Route), std::nullopt);
  EXPECT_EQ(invite->body(), "body");
  EXPECT_EQ(invite->text(), kInvite);
  EXPECT_TRUE(invite->validate()) << invite->validate().error().what;
  EXPECT_EQ(Editor{*invite}.finish(), kInvite);
}

TEST(Message, ReadsAResponse) {
  const auto ringing = Message::parse(
      "SIP/2.0 180 Es \xc3\xa4utet\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1\r\n"
      "From: <sip:a@example.com>;tag=1\r\nTo: sip:b@example.com;tag=2\r\nCall-ID: 1\r\n"
      "CSeq: 7 UPDATE\r\n\r\n");
  ASSERT_TRUE(ringing) << ringing.error().what;
  EXPECT_FALSE(ringing->is_request());
  EXPECT_EQ(ringing->status(), 180);
  EXPECT_EQ(ringing->reason(), "Es \xc3\xa4utet");
  EXPECT_EQ(ringing->method(), Method::Update);
  EXPECT_TRUE(ringing->validate()) << ringing->validate().error().what;
}

TEST(Message, ListsElementsOverAllLinesOfAHeader) {
  const auto invite = Message::parse(kInvite);
  ASSERT_TRUE(invite);
  const std::vector<std::string_view> vias{"SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK1",
                                           "SIP/2.0/TCP 192.0.2.9;branch=z9hG4bK0",
                                           "SIP/2.0/UDP [2001:db8::9]:5070;branch=z9hG4bK-1"};
  EXPECT_EQ(invite->list(HeaderName::Via), vias);
  EXPECT_EQ(invite->list(HeaderName::From).size(), 1U);  // a comma in quotes does not separate
  EXPECT_TRUE(invite->lists(HeaderName::Supported, "TIMER"));
  EXPECT_FALSE(invite->lists(HeaderName::Supported, "time"));
}

TEST(Message, IsValueThatMayBeCopiedAndMoved) {
  auto invite = Message::parse(kInvite);
  ASSERT_TRUE(invite);
  Message copy = *invite;
  Message moved = std::move(*invite);
  invite = Message::parse("BYE sip:x SIP/2.0\r\n\r\n");
  EXPECT_EQ(copy.text(), kInvite);
  EXPECT_EQ(copy.find(HeaderName::CallId), moved.find(HeaderName::CallId));
  EXPECT_NE(copy.find(HeaderName::CallId)->data(), moved.find(HeaderName::CallId)->data());
  copy = moved;
  EXPECT_EQ(copy.method_text(), "INVITE");
  EXPECT_EQ(Editor{moved}.finish(), kInvite);
}

TEST(Message, TakesBareLineFeedsAndLeadingEmptyLines) {
  const auto bye = Message::parse("\r\n\r\nBYE sip:x@example.com SIP/2.0\nFrom: a\n b\n\nrest");
  ASSERT_TRUE(bye) << bye.error().what;
  EXPECT_EQ(bye->method(), Method::Bye);
  EXPECT_EQ(bye->find(HeaderName::From), "a\n b");
  EXPECT_EQ(bye->body(), "rest");
  Editor edit{*bye};
  edit.set(HeaderName::From, "c");
  EXPECT_EQ(edit.finish(),
            "\r\n\r\nBYE sip:x@example.com SIP/2.0\nFrom: c\nContent-Length: 4\r\n\nrest");
}

TEST(Message, KeepsNulsAndEightBitOctets) {
  using namespace std::string_view_literals;
  const auto text = "INFO sip:x SIP/2.0\r\nSubject: \0\xff\x80\r\n\r\n\0\0"sv;
  const auto info = Message::parse(text);
  ASSERT_TRUE(info);
  EXPECT_EQ(info->find(HeaderName::Subject), "\0\xff\x80"sv);
  EXPECT_EQ(info->text(), text);
  EXPECT_EQ(info->body(), "\0\0"sv);
}

TEST(Message, EndsWhereContentLengthSays) {
  const auto more = Message::parse("INFO sip:x SIP/2.0\r\nl: 2\r\n\r\nabcd");
  ASSERT_TRUE(more);
  EXPECT_EQ(more->body(), "ab");
  EXPECT_EQ(more->text(), "INFO sip:x SIP/2.0\r\nl: 2\r\n\r\nab");
  EXPECT_EQ(Message::parse("INFO sip:x SIP/2.0\r\nl: 5\r\n\r\nabcd").error().code, Errc::Truncated);
  EXPECT_EQ(Message::parse("INFO sip:x SIP/2.0\r\nl: 1\r\nl: 2\r\n\r\nabcd").error().code,
            Errc::BadValue);
  for (const char* bad : {"-1", "+1", "1 1", "0x1", "", "1;x"})
    EXPECT_FALSE(Message::parse("INFO sip:x SIP/2.0\r\nl: " + std::string{bad} + "\r\n\r\nabcd"))
        << bad;
  EXPECT_EQ(Message::parse("INFO sip:x SIP/2.0\r\nl: 99999999999999999999999\r\n\r\n").error().code,
            Errc::BadValue);
}

TEST(Message, GivesItsHeadForAnAnswerWhereItCannotBeFollowed) {
  const std::string text = replaced(std::string{kInvite}, "l: 0004", "l: 4000");
  EXPECT_FALSE(Message::parse(text));
  const auto head = Message::parse_head(as_bytes(text));
  ASSERT_TRUE(head);
  EXPECT_EQ(head->body(), "");
  const std::string answer = Builder::response(*head, 400, "Bad Content-Length", "t1").finish();
  EXPECT_EQ(answer,
            "SIP/2.0 400 Bad Content-Length\r\n"
            "Via: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK1, "
            "SIP/2.0/TCP 192.0.2.9;branch=z9hG4bK0\r\n"
            "Via: SIP/2.0/UDP [2001:db8::9]:5070;branch=z9hG4bK-1\r\n"
            "From: \"Alice, A.\" <sip:alice@example.com>;tag=1928301774\r\n"
            "To: <sip:bob@example.com>;tag=t1\r\n"
            "Call-ID: a84b4c76e66710@192.0.2.1\r\n"
            "CSeq: 314159 INVITE\r\n"
            "Content-Length: 0\r\n\r\n");
  EXPECT_TRUE(Message::parse_head(as_bytes("INVITE sip:x SIP/2.0\r\nVia: a")));
}

TEST(Message, IsRefusedWithoutAStartLineOrAnEnd) {
  for (const char* bad :
       {"", "\r\n", "\r\n\r\n", "INVITE", "INVITE sip:x\r\n\r\n", "INVITE SIP/2.0\r\n\r\n",
        "IN[ITE sip:x SIP/2.0\r\n\r\n", "INVITE sip:x SIP/x\r\n\r\n", "SIP/2.0 99 x\r\n\r\n",
        "SIP/2.0 700 x\r\n\r\n", "SIP/2.0 4294967301 x\r\n\r\n", "SIP/2.0 +20 x\r\n\r\n",
        "INVITE sip:x SIP/2.0\r\n folded\r\n\r\n", "INVITE sip:x SIP/2.0\r\nVia: x\r\n",
        "HTTP/1.1 200 OK\r\n\r\n"})
    EXPECT_FALSE(Message::parse(bad)) << bad;
}

TEST(Message, IsBounded) {
  std::string text = "OPTIONS sip:x SIP/2.0\r\n";
  for (std::size_t i = 0; i < kMaxHeaders; ++i) text += "a:\r\n";
  EXPECT_TRUE(Message::parse(text + "\r\n"));
  EXPECT_EQ(Message::parse(text + "a:\r\n\r\n").error().code, Errc::Exhausted);
  EXPECT_EQ(Message::parse(std::string(kMaxMessage + 1, 'a')).error().code, Errc::Exhausted);
}

// Twice the input must not take four times the time; a quadratic walk over 60000 commas would take
// seconds.
TEST(Message, CostsLinearTimeHoweverItIsFilled) {
  const auto begin = std::chrono::steady_clock::now();
  for (const std::string_view filling : {",", "\"", "<", "\\", ";", "\r\n ", "=", "@", "%", ":"}) {
    for (const char* header : {"Via", "Contact", "From", "To", "Supported", "Route"}) {
      std::string text = "OPTIONS sip:x@example.com SIP/2.0\r\n" + std::string{header} + ": ";
      while (text.size() < 65000) text += filling;
      text += "\r\n\r\n";
      const auto message = Message::parse(text);
      ASSERT_TRUE(message);
      EXPECT_FALSE(message->validate());
      (void)message->list(HeaderName::Via);
      (void)message->lists(HeaderName::Supported, "x");
      Editor edit{*message};
      edit.set(HeaderName::Via, "x");
      EXPECT_FALSE(edit.finish().empty());
    }
  }
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds{10});
}

TEST(Message, IsInvalidWithTheReasonNamed) {
  const auto reason = [](std::string_view what, std::string_view with) {
    const auto message = Message::parse(replaced(std::string{kInvite}, what, with));
    EXPECT_TRUE(message) << with;
    const auto valid = message->validate();
    return valid ? std::string_view{"valid"} : valid.error().what;
  };
  EXPECT_EQ(reason("CALL-ID", "X-ID"), "no Call-ID");
  EXPECT_EQ(reason("X-Odd:", "From: sip:x@example.com"), "From twice");
  EXPECT_EQ(reason("X-Odd:", "c: x"), "Content-Type twice");
  EXPECT_EQ(reason("X-Odd:", "no colon"), "a line that is no header");
  EXPECT_EQ(reason("314159 INVITE", "314159 BYE"), "CSeq names another method than the request");
  EXPECT_EQ(reason("314159", "2147483648"), "malformed CSeq");
  EXPECT_EQ(reason("314159", "2147483647"), "valid");
  EXPECT_EQ(reason("Forwards: 70", "Forwards: 256"), "Max-Forwards is not 0 to 255");
  EXPECT_EQ(reason("sip:bob@example.com SIP", "<sip:bob@example.com> SIP"),
            "malformed Request-URI");
  EXPECT_EQ(reason("sip:bob@example.com SIP", "sip:bob@example.com?a=b SIP"),
            "headers in the Request-URI");
  EXPECT_EQ(reason("sip:bob@example.com SIP", "urn:service:sos SIP"), "valid");
  EXPECT_EQ(reason(" SIP/2.0\r", " SIP/2.0 \r"), "white space behind the start line");
  EXPECT_EQ(reason(" SIP/2.0\r", " SIP/3.0\r"), "SIP version is not 2.0");
  EXPECT_EQ(reason("branch=z9hG4bK1", "branch=z9hG4bK"),
            "a branch that is nothing but the magic cookie");
  EXPECT_EQ(reason("X-Odd:", "Date: Fri, 01 Jan 2010 16:00:00 EST"), "Date is not in GMT");
  EXPECT_EQ(reason("m: <", "m: <<"), "malformed Contact");
  EXPECT_EQ(reason("\"Alice, A.\"", "\"Alice, A."), "malformed From");
}

TEST(Editor, SplicesWithoutTouchingTheRest) {
  const auto invite = Message::parse(kInvite);
  ASSERT_TRUE(invite);
  Editor edit{*invite};
  edit.set_request_uri("sip:bob@198.51.100.7:5060");
  edit.add_first(HeaderName::Via, "SIP/2.0/UDP 203.0.113.1;branch=z9hG4bKa");
  edit.add(HeaderName::RecordRoute, "<sip:203.0.113.1;lr>");
  edit.set(HeaderName::MaxForwards, "69");
  edit.remove(HeaderName::Supported);
  edit.set(HeaderName::UserAgent, "none");
  edit.set_body("longer body");
  std::string expected{kInvite};
  expected = replaced(expected, "sip:bob@example.com", "sip:bob@198.51.100.7:5060");
  expected = replaced(expected, "Via: ",
                      "Record-Route: <sip:203.0.113.1;lr>\r\n"
                      "Via: SIP/2.0/UDP 203.0.113.1;branch=z9hG4bKa\r\nVia: ");
  expected = replaced(expected, "Max-Forwards: 70", "Max-Forwards: 69");
  expected = replaced(expected, "Supported: 100rel,\r\n\t timer , replaces\r\n", "");
  expected = replaced(expected, "l: 0004\r\n", "l: 11\r\nUser-Agent: none\r\n");
  expected = replaced(expected, "\r\n\r\nbody", "\r\n\r\nlonger body");
  EXPECT_EQ(edit.finish(), expected);
  EXPECT_TRUE(Message::parse(edit.finish())->validate());
}

TEST(Editor, PutsTheLastOneAddedUppermost) {
  const auto invite = Message::parse(kInvite);
  Editor edit{*invite};
  edit.add(HeaderName::Route, "<sip:b;lr>");
  edit.add_first(HeaderName::Route, "<sip:a;lr>");
  const std::string text = edit.finish();
  const auto out = Message::parse(text);
  ASSERT_TRUE(out);
  const std::vector<std::string_view> routes{"<sip:a;lr>", "<sip:b;lr>"};
  EXPECT_EQ(out->list(HeaderName::Route), routes);
}

TEST(Editor, LeavesARightContentLengthAsItCameAndAddsAMissingOne) {
  const auto invite = Message::parse(kInvite);
  Editor edit{*invite};
  edit.set_body("BODY");
  EXPECT_EQ(edit.finish(), replaced(std::string{kInvite}, "\r\n\r\nbody", "\r\n\r\nBODY"));

  const auto bare = Message::parse("BYE sip:x SIP/2.0\r\nFrom: x\r\n\r\n");
  Editor other{*bare};
  other.remove(HeaderName::From);
  EXPECT_EQ(other.finish(), "BYE sip:x SIP/2.0\r\nContent-Length: 0\r\n\r\n");
}

TEST(Editor, RemovesABodyWithWhatDescribesIt) {
  const auto invite = Message::parse(kInvite);
  Editor edit{*invite};
  edit.remove_body();
  const auto out = Message::parse(edit.finish());
  ASSERT_TRUE(out);
  EXPECT_FALSE(out->has(HeaderName::ContentType));
  EXPECT_EQ(out->find(HeaderName::ContentLength), "0");
  EXPECT_EQ(out->body(), "");
}

TEST(Editor, NeverLetsAValueBreakOutOfItsLine) {
  const auto invite = Message::parse(kInvite);
  Editor edit{*invite};
  edit.set(HeaderName::To, "<sip:x>\r\nEvil: 1");
  edit.add_other("X\r\nEvil", "2\r\n\r\n");
  edit.set_request_uri("sip:x\r\nEvil: 3");
  const std::string text = edit.finish();
  const auto out = Message::parse_head(as_bytes(text));
  EXPECT_EQ(text.find("\nEvil"), std::string::npos);
  EXPECT_EQ(edit.finish().size(), text.size());
}

TEST(Editor, ChangesAStatusLine) {
  const auto busy = Message::parse("\r\nSIP/2.0 486 Busy\r\nCSeq: 1 INVITE\r\nl: 0\r\n\r\n");
  Editor edit{*busy};
  edit.set_status(480, "Temporarily Unavailable");
  EXPECT_EQ(edit.finish(),
            "\r\nSIP/2.0 480 Temporarily Unavailable\r\nCSeq: 1 INVITE\r\nl: 0\r\n\r\n");
}

TEST(Builder, WritesWhatMessageReads) {
  const std::string text = Builder::request("MESSAGE", "sip:x@example.com")
                               .add(HeaderName::Via, "SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKx")
                               .add(HeaderName::From, "<sip:a@example.com>;tag=1")
                               .add(HeaderName::To, "<sip:x@example.com>")
                               .add(HeaderName::CallId, "1")
                               .add(HeaderName::CSeq, "1 MESSAGE")
                               .add_other("X-More", "1")
                               .body("text/plain", "hi")
                               .finish();
  const auto message = Message::parse(text);
  ASSERT_TRUE(message);
  EXPECT_TRUE(message->validate());
  EXPECT_EQ(message->body(), "hi");
  EXPECT_EQ(message->find_other("x-more"), "1");
}

TEST(Builder, FillsTheReasonAndKeepsATagThatIsThere) {
  const auto ack = Message::parse("ACK sip:x SIP/2.0\r\nt: sip:x;tag=9\r\nTimestamp: 5\r\n\r\n");
  EXPECT_EQ(Builder::response(*ack, 481, "", "new").finish(),
            "SIP/2.0 481 Call/Transaction Does Not Exist\r\nTo: sip:x;tag=9\r\n"
            "Content-Length: 0\r\n\r\n");
  EXPECT_EQ(Builder::response(*ack, 100, "").finish(),
            "SIP/2.0 100 Trying\r\nTo: sip:x;tag=9\r\nTimestamp: 5\r\nContent-Length: 0\r\n\r\n");
}

TEST(Names, AreKnownWithoutCaseAndInCompactForm) {
  EXPECT_EQ(header_name_of("call-id"), HeaderName::CallId);
  EXPECT_EQ(header_name_of("I"), HeaderName::CallId);
  EXPECT_EQ(header_name_of("P-Asserted-Identity"), HeaderName::PAssertedIdentity);
  EXPECT_EQ(header_name_of("Content\rLength"), HeaderName::Other);
  EXPECT_EQ(header_name_of(""), HeaderName::Other);
  EXPECT_EQ(header_name_of(std::string(300, 'x')), HeaderName::Other);
  EXPECT_EQ(method_of("INVITE"), Method::Invite);
  EXPECT_EQ(method_of("invite"), Method::Other);  // RFC 3261 7.1: methods are case-sensitive
  EXPECT_EQ(method_of("INFO"), Method::Info);
  for (auto h = HeaderName::Accept; h <= HeaderName::WwwAuthenticate;
       h = static_cast<HeaderName>(static_cast<int>(h) + 1))
    EXPECT_EQ(header_name_of(name(h)), h) << name(h);
  EXPECT_EQ(name(Method::Subscribe), "SUBSCRIBE");
  EXPECT_EQ(default_reason(499), "Bad Request");
}

}  // namespace
}  // namespace sallyport::codec::sip
