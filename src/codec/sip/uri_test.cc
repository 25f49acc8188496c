#include "codec/sip/uri.h"

#include <gtest/gtest.h>

namespace sallyport::codec::sip {
namespace {

TEST(Uri, IsReadInItsParts) {
  const auto uri =
      Uri::parse("SIPS:alice;day=tuesday:pw@Atlanta.com:5061;transport=TCP;lr?a=b&c=%20");
  ASSERT_TRUE(uri) << uri.error().what;
  EXPECT_TRUE(uri->is_sip());
  EXPECT_TRUE(uri->is_sips());
  EXPECT_EQ(uri->user, "alice;day=tuesday");
  EXPECT_EQ(uri->password, "pw");
  EXPECT_EQ(uri->host, "Atlanta.com");
  EXPECT_EQ(uri->port, 5061);
  EXPECT_EQ(uri->parameters.find("Transport"), "TCP");
  EXPECT_TRUE(uri->parameters.has("lr"));
  EXPECT_EQ(uri->headers, "a=b&c=%20");

  EXPECT_EQ(Uri::parse("sip:[2001:db8::1]:5070;x")->host, "[2001:db8::1]");
  EXPECT_EQ(Uri::parse("sip:[2001:db8::1]:5070;x")->port, 5070);
  EXPECT_EQ(Uri::parse("sip:*98#@host_1")->user, "*98#");
  EXPECT_EQ(Uri::parse("tel:+1-201-555-0123;x=y")->user, "+1-201-555-0123");
}

TEST(Uri, IsRefusedWhereMalformed) {
  for (const char* bad : {"",           "alice",           "sip:",
                          ":x",         "sip:@host",       "sip:a@",
                          "sip:a@h:",   "sip:a@h:x",       "sip:a@h:65536",
                          "sip:a@h:0",  "sip:a b@h",       "sip:a@h i",
                          "sip:<a@h>",  "sip:2001:db8::1", "sip:[2001:db8::1",
                          "sip:[]",     "sip:[x]",         "sip:[192.0.2.1]",
                          "sip:a@h,b",  " sip:a@h",        "1sip:a",
                          "tel:",       "tel:alice",       "sip:a@h\"x",
                          "sip:a\r\n@h"})
    EXPECT_EQ(Uri::parse(bad).error().code, Errc::BadValue) << bad;
  for (const char* other :
       {"urn:service:sos", "http://example.com/", "soap.beep://192.0.2.103:3002"})
    EXPECT_EQ(Uri::parse(other).error().code, Errc::Unsupported) << other;
}

TEST(Uri, HasOneAddressOfRecordInAllSpellings) {
  const auto aor = [](const char* text) { return address_of_record(*Uri::parse(text)); };
  EXPECT_EQ(aor("sips:%41lice:pw@Example.COM:5061;x?y=z"), "sip:Alice@example.com");
  EXPECT_EQ(aor("sip:a%40b%3b@h."), "sip:a%40b;@h");
  EXPECT_EQ(aor("sip:a%00%0D%0a@h"), "sip:a%00%0D%0A@h");
  EXPECT_EQ(aor("sip:#1@h"), "sip:%231@h");
  EXPECT_EQ(aor("sip:[2001:DB8:0::1]"), "sip:[2001:db8::1]");
  EXPECT_EQ(aor("tel:+1-(201).555"), "tel:+1201555");
  EXPECT_EQ(aor("tel:7042;phone-context=Example.com"), "tel:7042;phone-context=example.com");
  EXPECT_EQ(address_of_record(*Uri::parse("sip:bob@10.1.1.1"), "Example.com"),
            "sip:bob@example.com");
}

// RFC 3261 19.1.4, its own examples.
TEST(Uri, IsComparedByTheRules) {
  const auto same = [](const char* a, const char* b) {
    const bool there = equivalent(*Uri::parse(a), *Uri::parse(b));
    EXPECT_EQ(there, equivalent(*Uri::parse(b), *Uri::parse(a)));
    return there;
  };
  EXPECT_TRUE(same("sip:%61lice@atlanta.com;transport=TCP", "sip:alice@AtLanTa.CoM;Transport=tcp"));
  EXPECT_TRUE(same("sip:carol@chicago.com", "sip:carol@chicago.com;newparam=5"));
  EXPECT_TRUE(same("sip:carol@chicago.com;newparam=5", "sip:carol@chicago.com;security=on"));
  EXPECT_TRUE(same("sip:biloxi.com;transport=tcp;method=REGISTER?to=sip:bob%40biloxi.com",
                   "sip:biloxi.com;method=REGISTER;transport=tcp?to=sip:bob%40biloxi.com"));
  EXPECT_TRUE(same("sip:alice@atlanta.com?subject=project%20x&priority=urgent",
                   "sip:alice@atlanta.com?priority=urgent&subject=project%20x"));
  EXPECT_FALSE(same("SIP:ALICE@AtLanTa.CoM;Transport=udp", "sip:alice@AtLanTa.CoM;Transport=UDP"));
  EXPECT_FALSE(same("sip:bob@biloxi.com", "sip:bob@biloxi.com:5060"));
  EXPECT_FALSE(same("sip:bob@biloxi.com:6000;transport=tcp", "sip:bob@biloxi.com"));
  EXPECT_FALSE(same("sip:carol@chicago.com", "sip:carol@chicago.com?Subject=next%20meeting"));
  EXPECT_FALSE(same("sip:bob@phone21.boxesbybob.com", "sip:bob@192.0.2.4"));
  EXPECT_FALSE(same("sip:a@b;maddr=192.0.2.1", "sip:a@b"));
  EXPECT_FALSE(same("sip:a@b;security=on", "sip:a@b;security=off"));
  EXPECT_FALSE(same("sip:a@b", "sips:a@b"));
  EXPECT_TRUE(same("tel:+1-201", "tel:+1201"));
}

TEST(Parameters, AreFoundRemovedAndSet) {
  const Parameters p{";a=1 ; B = \"x;y\\\"\" ;c;;a=2"};
  EXPECT_EQ(p.find("a"), "1");
  EXPECT_EQ(p.find("b"), "x;y\\\"");
  EXPECT_EQ(p.find("c"), "");
  EXPECT_EQ(p.find("d"), std::nullopt);
  EXPECT_EQ(p.list().size(), 4U);
  EXPECT_FALSE(p.well_formed());
  EXPECT_EQ(p.without("a"), " ; B = \"x;y\\\"\" ;c;");
  EXPECT_EQ(p.without("d"), p.text());
  EXPECT_EQ(p.with("b", "2"), ";a=1 ;b=2 ;c;;a=2");
  EXPECT_EQ(p.with("d", ""), std::string{p.text()} + ";d");
  EXPECT_TRUE(Parameters{""}.well_formed());
  EXPECT_TRUE(Parameters{" ;\r\n a"}.well_formed());
  for (const char* bad : {";", ";a;", ";=x", ";a=\"", ";a=\"x\"y"})
    EXPECT_FALSE(Parameters{bad}.well_formed()) << bad;
}

TEST(NameAddr, IsReadInEveryForm) {
  const auto full = NameAddr::parse(
      "\"A \\\"<x>\\\"\"  <sip:a@h;lr?b=c>\r\n ; tag = 98asjd8;+sip.instance=\"<u>\"");
  ASSERT_TRUE(full) << full.error().what;
  EXPECT_EQ(full->display, "\"A \\\"<x>\\\"\"");
  EXPECT_EQ(full->uri.text, "sip:a@h;lr?b=c");
  EXPECT_EQ(full->tag(), "98asjd8");
  EXPECT_EQ(full->parameters.find("+sip.instance"), "<u>");

  // RFC 3261 20.10: without brackets, parameters belong to the header.
  const auto bare = NameAddr::parse("sip:a@h;tag=1;x=\"<\"");
  ASSERT_TRUE(bare);
  EXPECT_EQ(bare->uri.text, "sip:a@h");
  EXPECT_FALSE(bare->uri.parameters.has("tag"));
  EXPECT_EQ(bare->tag(), "1");

  EXPECT_EQ(NameAddr::parse("caller<sip:a@h>")->display, "caller");
  EXPECT_EQ(NameAddr::parse("J\xc3\xb6rg M. <sip:a@h>")->display, "J\xc3\xb6rg M.");
  EXPECT_TRUE(NameAddr::parse("*")->is_wildcard);
  const auto other = NameAddr::parse("<name:John_Smith>;q=1");
  ASSERT_TRUE(other);
  EXPECT_FALSE(other->uri.is_sip());
  EXPECT_EQ(other->uri.scheme, "name");
}

TEST(NameAddr, IsRefusedWhereMalformed) {
  for (const char* bad :
       {"", "<>", "\"x", "\"x\"", "\"x\" sip:a@h", "<sip:a@h", "sip:a@h>", "< sip:a@h >",
        "Bell, A <sip:a@h>", "sip:a@h?x=y", "sip:a@h,b", "<sip:a@h> x", "<sip:a@h>;;", "*;q=1",
        "<sip:a@h>;tag=\"", "x<y<sip:a@h>"})
    EXPECT_FALSE(NameAddr::parse(bad)) << bad;
}

TEST(NameAddr, GetsAnotherUriAndKeepsTheRest) {
  EXPECT_EQ(NameAddr::parse("\"A\"  <sip:a@h;x>\t;tag=1")->with_uri("sip:b"),
            "\"A\"  <sip:b>\t;tag=1");
  EXPECT_EQ(NameAddr::parse("sip:a@h ;tag=1")->with_uri("sip:b;lr"), "<sip:b;lr> ;tag=1");
  EXPECT_EQ(NameAddr::parse("*")->with_uri("sip:b"), "*");
}

}  // namespace
}  // namespace sallyport::codec::sip
