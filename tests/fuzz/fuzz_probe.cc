// Whatever is parsed as one of the media datagrams is encoded again as it was, but for reserved
// octets, the tag, and what lies behind it.
#include <algorithm>

#include "media/escape.h"
#include "media/probe.h"
#include "require.h"

using namespace sallyport;

namespace {

void expect_same(Bytes datagram, Bytes encoded, std::size_t reserved_from) {
  for (std::size_t i = 0; i < media::kProbeSigned; ++i) {
    if (i >= reserved_from && i < 4) continue;
    SALLYPORT_REQUIRE(datagram[i] == encoded[i]);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static media::TagMaker tags;
  const Bytes datagram{data, size};
  if (const auto probe = media::parse_probe(datagram))
    expect_same(datagram, media::encode(*probe, {}, tags), 2);
  if (const auto confirmation = media::parse_confirmation(datagram))
    expect_same(datagram, media::encode(*confirmation, {}, tags), 3);
  if (media::parse_probe_please(datagram)) SALLYPORT_REQUIRE(datagram.front() == 10);
  Buffer copy = to_buffer(datagram);
  if (const auto inner = media::unescape(copy)) {
    const MutableBytes again = media::escape(*inner);
    SALLYPORT_REQUIRE(std::equal(again.begin(), again.end(), datagram.begin(), datagram.end()));
  }
  return 0;
}
