// A multipart body by any octets: the parts lie in it, in order and apart; replacing the session
// description by itself changes nothing, by another leaves all else as it was.
#include <string>

#include "codec/sip/multipart.h"
#include "require.h"

namespace sallyport::codec::sip {
namespace {

void try_body(std::string_view body) {
  const std::string text =
      "INVITE sip:x SIP/2.0\r\nContent-Type: multipart/mixed;boundary=b\r\n\r\n" +
      std::string{body};
  const auto message = Message::parse(text);
  if (!message) return;
  const auto parts = parse_multipart(message->body(), "b");
  if (parts) {
    const char* end = message->body().data();
    for (const Part& part : *parts) {
      SALLYPORT_REQUIRE(part.headers.data() >= end);
      SALLYPORT_REQUIRE(part.body.data() >= part.headers.data() + part.headers.size());
      end = part.body.data() + part.body.size();
      SALLYPORT_REQUIRE(end <= message->body().data() + message->body().size());
    }
  }
  const auto sdp = find_sdp(*message);
  if (!sdp) return;
  const auto before = static_cast<std::size_t>(sdp->data() - message->body().data());
  const std::size_t behind = message->body().size() - before - sdp->size();
  const std::string other = replace_sdp(*message, *sdp, "v=0\r\n");
  SALLYPORT_REQUIRE(other.size() >= behind + 5);
  SALLYPORT_REQUIRE(std::string_view{other}.substr(other.size() - behind) ==
                    message->body().substr(before + sdp->size()));
  Editor edit{*message};
  edit.set_body(other);
  const auto again = Message::parse(edit.finish());
  SALLYPORT_REQUIRE(again || again.error().code == Errc::Exhausted);
  if (again) SALLYPORT_REQUIRE(find_sdp(*again) == "v=0\r\n");
}

}  // namespace
}  // namespace sallyport::codec::sip

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  sallyport::codec::sip::try_body(sallyport::as_text({data, size}));
  return 0;
}
