// What a session description says of one stream, as media paths want it, and the description as the
// other side of us is to see it: shared by the protocols that carry SDP (SIP, MGCP). Values.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "adapter/adapter.h"
#include "adapter/marks.h"
#include "codec/sdp/sdp.h"

namespace sallyport::adapter {

// One side of an exchange: whose SDP it is, and where media of that side is reached.
struct MediaParty {
  Place place;
  IpAddress signalling;  // where its signalling comes from
  IpAddress shown;       // our own address as that side sees it: for SDP without any port
  bool behind_nat = false;
  Marks marks;
};

// Can we relay it, and is it wanted? TCP/MSRP, TCP/BFCP and the like would need connections.
bool is_active(const codec::sdp::Media& media);
// A muxed stream is still given a pair: the answerer may not know rtcp-mux (RFC 5761 5.1.1).
unsigned components_of(const codec::sdp::Media& media);
edge::Dscp mark_of(const codec::sdp::Media& media, const Marks& marks);
// What a stream of this kind may send and still be one.
media::Rate most_of(const codec::sdp::Description& offered, const codec::sdp::Description& answered,
                    std::size_t index);
// Where that side's media goes, and from where it is taken.
media::RemoteSpec remote_of(const codec::sdp::Media& media, const MediaParty& party,
                            unsigned components);
// With our ports in the place of its own. A stream for which `port` has none is rejected.
std::string with_ports(
    const codec::sdp::Description& description, const IpAddress& session,
    const std::function<const std::vector<TransportAddress>*(std::size_t)>& port);

}  // namespace sallyport::adapter
