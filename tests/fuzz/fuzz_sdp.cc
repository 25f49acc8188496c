// A session description by any octets: what no edit touches comes out as it went in; after an edit
// it parses again, every stream is where the edit put it, and nothing is left of what told another
// place.
#include <string>

#include "codec/sdp/sdp.h"
#include "codec/sdp/traffic.h"
#include "require.h"

namespace sallyport::codec::sdp {
namespace {

void try_description(std::string_view text) {
  const auto description = Description::parse(text);
  if (!description) return;
  SALLYPORT_REQUIRE(Editor{*description}.finish() == text);
  const auto& media = description->media();
  SALLYPORT_REQUIRE(traffic(*description).bits < std::uint64_t{1} << 50);
  for (const Media& m : media) {
    (void)m.address(0);
    (void)m.address(1);
  }
  Editor edit{*description};
  const auto rtp = [](std::size_t i) {
    return TransportAddress{IpAddress::v4({203, 0, 113, static_cast<std::uint8_t>(i % 3)}),
                            static_cast<std::uint16_t>(30000 + 2 * i)};
  };
  const auto rtcp = [&](std::size_t i) {
    TransportAddress out = rtp(i);
    out.port = static_cast<std::uint16_t>(out.port + i % 3);
    return out;
  };
  edit.set_session_address(*IpAddress::parse("203.0.113.0"));
  for (std::size_t i = 0; i < media.size(); ++i) {
    if (media[i].is_udp())
      edit.set_media(i, rtp(i), rtcp(i));
    else
      edit.reject_media(i);
  }
  const std::string edited = edit.finish();
  const auto again = Description::parse(edited);
  SALLYPORT_REQUIRE(again.has_value());
  SALLYPORT_REQUIRE(again->media().size() == media.size());
  for (std::size_t i = 0; i < media.size(); ++i) {
    const Media& m = again->media()[i];
    SALLYPORT_REQUIRE(!m.has_candidates);
    SALLYPORT_REQUIRE(m.kind == media[i].kind && m.formats == media[i].formats);
    SALLYPORT_REQUIRE(m.direction == media[i].direction);
    if (media[i].port == 0 || !media[i].is_udp()) {
      SALLYPORT_REQUIRE(m.port == 0);
      continue;
    }
    SALLYPORT_REQUIRE(m.port == rtp(i).port);
    SALLYPORT_REQUIRE(m.null_connection() == media[i].null_connection());
    if (media[i].null_connection()) continue;
    SALLYPORT_REQUIRE(*m.address(0) == rtp(i));
    if (!m.rtcp_mux && i % 3 != 0) SALLYPORT_REQUIRE(*m.address(1) == rtcp(i));
  }
}

}  // namespace
}  // namespace sallyport::codec::sdp

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size > 65535) return 0;
  sallyport::codec::sdp::try_description(sallyport::as_text({data, size}));
  return 0;
}
