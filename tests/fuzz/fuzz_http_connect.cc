// A proxy's answer by any octets: how it is cut into pieces changes nothing, an answer has a code
// that may be, and what follows it is left octet for octet.
#include <algorithm>
#include <string>

#include "codec/http/connect.h"
#include "require.h"

namespace sallyport::codec::http {
namespace {

struct Outcome {
  bool failed = false;
  std::optional<ConnectAnswer> answer;
  std::size_t header = 0;  // octets of it, with what came before
};

// The length of each piece is taken from the input as well.
Outcome read(Bytes stream, Bytes pieces) {
  Outcome out;
  ConnectAnswerReader reader;
  std::size_t turn = 0;
  for (std::size_t at = 0; at < stream.size() && !out.failed && !out.answer;) {
    const std::size_t size = pieces.empty() ? stream.size() : 1U + pieces[turn++ % pieces.size()];
    const Bytes piece = stream.subspan(at, std::min(size, stream.size() - at));
    at += piece.size();
    const auto answer = reader.feed(piece);
    out.failed = !answer;
    if (!answer || !*answer) continue;
    out.answer = **answer;
    out.header = at - reader.rest().size();
    SALLYPORT_REQUIRE(
        std::ranges::equal(reader.rest(), stream.subspan(out.header, at - out.header)));
  }
  return out;
}

}  // namespace
}  // namespace sallyport::codec::http

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace sallyport;
  using namespace sallyport::codec::http;
  if (size < 4) return 0;
  const Bytes stream = Bytes{data, size}.subspan(4);
  const Outcome whole = read(stream, {});
  const Outcome cut = read(stream, Bytes{data, 4});
  SALLYPORT_REQUIRE(whole.failed == cut.failed);
  SALLYPORT_REQUIRE(whole.answer.has_value() == cut.answer.has_value());
  SALLYPORT_REQUIRE(whole.header == cut.header);
  if (!whole.answer) return 0;
  SALLYPORT_REQUIRE(whole.answer->status == cut.answer->status);
  SALLYPORT_REQUIRE(whole.answer->takes_basic == cut.answer->takes_basic);
  SALLYPORT_REQUIRE(whole.answer->status >= 200 && whole.answer->status <= 599);
  SALLYPORT_REQUIRE(whole.header <= ConnectAnswerReader::kMaxAnswer);
  return 0;
}
