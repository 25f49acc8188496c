#include "codec/sip/dialog_info.h"

#include <gmock/gmock.h>

namespace sallyport::codec::sip {
namespace {

using testing::IsEmpty;

TEST(DialogInfo, NamesTheDialogsOfTheExampleOfTheRfc) {
  // RFC 4235 4.4, with a prefix, and RFC 4235 4.1.2's element of a transfer.
  const std::string_view body =
      "<?xml version=\"1.0\" call-id=\"no\" local-tag=\"no\" remote-tag=\"no\"?>\r\n"
      "<!-- <dialog call-id='no' local-tag='no' remote-tag='no'> -->\r\n"
      "<d:dialog-info xmlns:d=\"urn:ietf:params:xml:ns:dialog-info\" version=\"0\" state=\"full\""
      " entity=\"sip:alice@example.com\">\r\n"
      "<d:dialog id=\"as7d900as8\"\r\n call-id=\"a84b4c76e66710\" local-tag = '1928301774'"
      " remote-tag=\"456248\" direction=\"initiator\">\r\n<d:state>early</d:state>\r\n"
      "<d:replaces call-id=\"b&lt;2&gt;\" local-tag=\"x\" remote-tag=\"y\"/></d:dialog>\r\n"
      "<d:dialog id=\"z\" call-id=\"trying-only\" local-tag=\"l\"/></d:dialog-info>\r\n";
  const auto named = find_named_dialogs(body);
  ASSERT_EQ(named.size(), 2U);
  EXPECT_EQ(named[0].call_id, "a84b4c76e66710");
  EXPECT_EQ(named[0].local_tag, "1928301774");
  EXPECT_EQ(named[0].remote_tag, "456248");
  EXPECT_EQ(named[1].call_id, "b&lt;2&gt;");
  EXPECT_EQ(xml_unescape(named[1].call_id), "b<2>");
}

TEST(DialogInfo, NamesNoneInWhatIsNoXml) {
  for (const std::string_view body :
       {"", "<", "<dialog", "<dialog call-id", "<dialog call-id=", "<dialog call-id=\"1",
        "<dialog call-id=1 local-tag=2 remote-tag=3>", "<!--<dialog call-id='1' local-tag='2'",
        "call-id=\"1\" local-tag=\"2\" remote-tag=\"3\"", "<<<>>>==\"\"''"})
    EXPECT_THAT(find_named_dialogs(body), IsEmpty()) << body;
}

TEST(DialogInfo, EscapesAsItUnescapes) {
  const std::string_view text = "a&b<c>d\"e'f&amp;";
  EXPECT_EQ(xml_escape(text), "a&amp;b&lt;c&gt;d&quot;e&apos;f&amp;amp;");
  EXPECT_EQ(xml_unescape(xml_escape(text)), text);
  EXPECT_EQ(xml_unescape("&nbsp;&"), "&nbsp;&");
}

}  // namespace
}  // namespace sallyport::codec::sip
