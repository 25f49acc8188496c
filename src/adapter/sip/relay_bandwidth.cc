// How much media a call may have: asked before an offer goes on, settled by the answer.
#include "adapter/sip/relay.h"
#include "codec/sdp/traffic.h"
#include "codec/sip/multipart.h"

namespace sallyport::adapter::sip {
namespace {

// What cannot be read is refused for that, elsewhere.
std::optional<std::uint64_t> bits_of(std::string_view sdp) {
  const auto description = codec::sdp::Description::parse(sdp);
  if (!description) return std::nullopt;
  return codec::sdp::traffic(*description).bits;
}

}  // namespace

bool Relay::admit_media(const Exchange& exchange, Place callee, std::string_view sdp) {
  const auto bits = bits_of(sdp);
  return !bits || bandwidth_limits_.offer(exchange.call->id, exchange.from.place, callee, *bits);
}

void Relay::settle_media(const Exchange& exchange, Place callee, const wire::Message& response) {
  const auto part = wire::find_sdp(response);
  const auto bits = part ? bits_of(*part) : std::nullopt;
  if (bits) bandwidth_limits_.settled(exchange.call->id, exchange.from.place, callee, *bits);
}

}  // namespace sallyport::adapter::sip
