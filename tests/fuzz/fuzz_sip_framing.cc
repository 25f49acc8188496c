// A SIP stream by any octets: how it is cut into pieces changes nothing, no octet is lost or
// doubled, and each message that is cut out parses as far as its header block goes.
#include <string>
#include <vector>

#include "codec/sip/framing.h"
#include "codec/sip/message.h"
#include "require.h"

namespace sallyport::codec::sip {
namespace {

struct Outcome {
  std::vector<std::string> messages;
  std::size_t taken = 0;  // octets, of all frames
  bool failed = false;
};

// The length of each piece is taken from the input as well.
Outcome frame(Bytes stream, Bytes pieces) {
  Outcome out;
  Framer framer;
  std::size_t turn = 0;
  for (std::size_t at = 0; at < stream.size() && !out.failed;) {
    const std::size_t size = pieces.empty() ? stream.size() : 1U + pieces[turn++ % pieces.size()];
    const Bytes piece = stream.subspan(at, std::min(size, stream.size() - at));
    framer.push(piece);
    at += piece.size();
    for (;;) {
      const auto next = framer.next();
      if (!next) {
        out.failed = next.error().code != Errc::Truncated;
        break;
      }
      out.taken += next->octets.size();
      if (next->kind == FrameKind::Message) out.messages.emplace_back(as_text(next->octets));
    }
    SALLYPORT_REQUIRE(out.taken + framer.buffered() == at);
  }
  if (out.failed) (void)Message::parse_head(framer.refused());
  return out;
}

}  // namespace
}  // namespace sallyport::codec::sip

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace sallyport;
  using namespace sallyport::codec::sip;
  if (size < 4) return 0;
  const Bytes pieces{data, 4};
  const Bytes stream = Bytes{data, size}.subspan(4);
  const Outcome whole = frame(stream, {});
  const Outcome cut = frame(stream, pieces);
  SALLYPORT_REQUIRE(whole.messages == cut.messages);
  SALLYPORT_REQUIRE(whole.failed == cut.failed);
  for (const std::string& text : whole.messages) {
    const auto message = Message::parse(text);
    if (message) SALLYPORT_REQUIRE(message->text() == text);
  }
  return 0;
}
