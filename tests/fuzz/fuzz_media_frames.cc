// A media stream's octets, in any pieces: the datagrams that come out are those that went in, and
// no more is kept than one that has not come whole.
#include <string>
#include <vector>

#include "edge/media_frames.h"
#include "require.h"

namespace {

using namespace sallyport;

struct Read {
  std::vector<Buffer> datagrams;
  bool sound = true;
};

Read read(Bytes octets, std::size_t piece) {
  Read out;
  edge::MediaFrameReader reader;
  for (std::size_t at = 0; at < octets.size() && out.sound; at += piece) {
    out.sound =
        reader.feed(octets.subspan(at, std::min(piece, octets.size() - at)), [&](Bytes one) {
          SALLYPORT_REQUIRE(!one.empty() && one.size() <= edge::kLongestFrame);
          out.datagrams.emplace_back(one.begin(), one.end());
        });
    SALLYPORT_REQUIRE(!out.sound || reader.waiting() < 2 + edge::kLongestFrame);
  }
  return out;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const Bytes octets{data, size};
  const Read whole = read(octets, std::max<std::size_t>(size, 1));
  const Read pieces = read(octets, size == 0 ? 1 : 1 + data[0] % 7);
  SALLYPORT_REQUIRE(whole.sound == pieces.sound);
  SALLYPORT_REQUIRE(whole.datagrams == pieces.datagrams);
  Buffer again;
  for (const Buffer& one : whole.datagrams) {
    const Buffer frame = edge::media_frame(one);
    again.insert(again.end(), frame.begin(), frame.end());
  }
  SALLYPORT_REQUIRE(std::equal(again.begin(), again.end(), octets.begin()));
  return 0;
}
