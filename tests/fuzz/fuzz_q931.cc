// A TPKT stream by any octets: how it is cut into pieces changes nothing, no octet is lost or
// doubled. Each Q.931 message that is cut out is encoded to the same octets, and an edit changes
// what it names and nothing else.
#include <algorithm>
#include <vector>

#include "codec/q931/elements.h"
#include "codec/q931/message.h"
#include "codec/q931/tpkt.h"
#include "require.h"

namespace sallyport::codec::q931 {
namespace {

struct Outcome {
  std::vector<Buffer> payloads;
  bool failed = false;
};

// The length of each piece is taken from the input as well.
Outcome split(Bytes stream, Bytes pieces) {
  Outcome out;
  TpktReader reader;
  std::size_t turn = 0;
  for (std::size_t at = 0; at < stream.size() && !out.failed;) {
    const std::size_t size = pieces.empty() ? stream.size() : 1U + pieces[turn++ % pieces.size()];
    const Bytes piece = stream.subspan(at, std::min(size, stream.size() - at));
    reader.push(piece);
    at += piece.size();
    for (;;) {
      const auto next = reader.next();
      if (!next) {
        out.failed = next.error().code != Errc::Truncated;
        break;
      }
      SALLYPORT_REQUIRE(!next->empty());
      out.payloads.push_back(to_buffer(*next));
    }
  }
  return out;
}

void try_edit(Message message, ElementId id, const Buffer& contents) {
  const std::size_t count = message.elements().size();
  const bool there = message.has(id);
  message.set(id, contents);
  SALLYPORT_REQUIRE(message.elements().size() == count + (there ? 0U : 1U));
  if (message.elements().size() > Message::kMaxElements) return;
  SALLYPORT_REQUIRE(Message::parse(message.encode()) == message);
  SALLYPORT_REQUIRE(to_buffer(*message.contents(id)) == contents);
}

void try_message(Bytes octets) {
  const auto message = Message::parse(octets);
  if (!message) {
    (void)Message::parse_header(octets);
    return;
  }
  SALLYPORT_REQUIRE(message->header() == *Message::parse_header(octets));
  SALLYPORT_REQUIRE(message->encode() == to_buffer(octets));
  for (const Element& element : message->elements()) {
    const Bytes contents = element.contents();
    (void)parse_cause(contents);
    (void)parse_bearer_capability(contents);
    (void)text(contents);
    if (const auto number = parse_party_number(contents))
      SALLYPORT_REQUIRE(encode(*number) == to_buffer(contents));
  }
  try_edit(*message, ElementId::Cause, encode(Cause{}));
  try_edit(*message, ElementId::CalledPartyNumber, encode(make_party_number("12")));
  Message other = *message;
  other.set_user_user(octets.first(std::min<std::size_t>(octets.size(), 300)));
  SALLYPORT_REQUIRE(other.user_user()->size() == std::min<std::size_t>(octets.size(), 300));
}

}  // namespace
}  // namespace sallyport::codec::q931

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace sallyport;
  using namespace sallyport::codec::q931;
  if (size < 4) return 0;
  const Bytes pieces{data, 4};
  const Bytes stream = Bytes{data, size}.subspan(4);
  const Outcome whole = split(stream, {});
  const Outcome cut = split(stream, pieces);
  SALLYPORT_REQUIRE(whole.payloads == cut.payloads);
  SALLYPORT_REQUIRE(whole.failed == cut.failed);
  for (const Buffer& payload : whole.payloads) try_message(payload);
  return 0;
}
