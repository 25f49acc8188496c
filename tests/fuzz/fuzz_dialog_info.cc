// The dialogs that any octets name: their Call-IDs lie in the text, in order and apart; escaping
// what was unescaped keeps its meaning.
#include "base/bytes.h"
#include "codec/sip/dialog_info.h"
#include "require.h"

namespace sallyport::codec::sip {
namespace {

void try_body(std::string_view body) {
  const char* end = body.data();
  for (const NamedDialog& named : find_named_dialogs(body)) {
    SALLYPORT_REQUIRE(!named.call_id.empty() && named.call_id.data() >= end);
    end = named.call_id.data() + named.call_id.size();
    SALLYPORT_REQUIRE(end <= body.data() + body.size());
    const std::string meant = xml_unescape(named.call_id);
    SALLYPORT_REQUIRE(xml_unescape(xml_escape(meant)) == meant);
  }
}

}  // namespace
}  // namespace sallyport::codec::sip

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  sallyport::codec::sip::try_body(sallyport::as_text({data, size}));
  return 0;
}
