#include "adapter/sdp_media.h"

#include <algorithm>
#include <optional>

#include "adapter/stream_traffic.h"
#include "codec/sdp/traffic.h"

namespace sallyport::adapter {

using codec::sdp::Description;

namespace {

media::Accept accept_from(const MediaParty& party, const IpAddress& signalled) {
  if (!party.place.is_outside()) return media::Accept::SignalledHost;
  if (party.behind_nat || signalled.is_private()) return media::Accept::FirstPlausible;
  return media::Accept::SignalledAddress;
}

}  // namespace

bool is_active(const codec::sdp::Media& media) { return media.port != 0 && media.is_udp(); }

unsigned components_of(const codec::sdp::Media& media) { return media.is_rtp() ? 2 : 1; }

edge::Dscp mark_of(const codec::sdp::Media& media, const Marks& marks) {
  if (media.kind == "audio" || media.kind == "image") return marks.audio;
  return media.kind == "video" ? marks.video : marks.other;
}

media::Rate most_of(const Description& offered, const Description& answered, std::size_t index) {
  const auto one = codec::sdp::traffic(offered, index);
  const auto other = codec::sdp::traffic(answered, index);
  return most_of(std::max(one.packets, other.packets), std::max(one.bits, other.bits));
}

media::RemoteSpec remote_of(const codec::sdp::Media& media, const MediaParty& party,
                            unsigned components) {
  media::RemoteSpec remote;
  const auto rtp = media.address(0);
  // A name instead of an address: media comes from where signalling comes from, as far as we know.
  const TransportAddress first = rtp ? *rtp : TransportAddress{party.signalling, 0};
  remote.accept = rtp ? accept_from(party, first.ip) : media::Accept::FirstPlausible;
  for (unsigned i = 0; i < components; ++i) {
    auto address = i == 0 ? rtp : media.address(i);
    const bool sends = address && !address->ip.is_unspecified() && (i == 0 || media.is_rtp());
    remote.addresses.push_back(sends ? *address : TransportAddress{first.ip, 0});
  }
  return remote;
}

std::string with_ports(
    const Description& description, const IpAddress& session,
    const std::function<const std::vector<TransportAddress>*(std::size_t)>& port) {
  codec::sdp::Editor editor{description};
  editor.set_session_address(session);
  for (std::size_t i = 0; i < description.media().size(); ++i) {
    if (description.media()[i].port == 0) continue;
    const auto* own = port(i);
    if (own == nullptr || own->empty()) {
      editor.reject_media(i);
      continue;
    }
    std::optional<TransportAddress> rtcp;
    if (own->size() > 1 && description.media()[i].is_rtp()) rtcp = (*own)[1];
    editor.set_media(i, own->front(), rtcp);
  }
  return editor.finish();
}

}  // namespace sallyport::adapter
