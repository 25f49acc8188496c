// Stream and datagram headers: what parses is the same after encoding and parsing again.
#include "mux/stream_header.h"
#include "require.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace sallyport;
  const Bytes input{data, size};
  if (const auto header = mux::parse_stream_header(input)) {
    Buffer again;
    encode(*header, again);
    SALLYPORT_REQUIRE(again.size() == mux::kStreamHeaderSize);
    SALLYPORT_REQUIRE(mux::parse_stream_header(again) == *header);
  }
  if (const auto header = mux::parse_datagram_header(input)) {
    Buffer again;
    encode(*header, again);
    SALLYPORT_REQUIRE(again.size() == mux::kDatagramHeaderSize);
    SALLYPORT_REQUIRE(mux::parse_datagram_header(again) == *header);
  }
  return 0;
}
