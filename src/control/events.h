// The slave's half of the control protocol: what an edge tells, as messages, and messages as calls
// of an observer. Octets received do not pass here: they travel in logical channels of their own,
// whose opening says that a connection was accepted or made.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "edge/edge.h"

namespace sallyport::control {

namespace wire {
class Envelope;
}

wire::Envelope encode_listening(edge::ListenerId id, const TransportAddress& local);
wire::Envelope encode_closed(edge::ConnectionId id, const Error& why);
wire::Envelope encode_resolved(edge::QueryId id, const std::vector<edge::Record>& records);
wire::Envelope encode_local_address(edge::QueryId id, const IpAddress& local);
wire::Envelope encode_media_opened(media::MediaId id,
                                   const std::vector<TransportAddress>& addresses);
wire::Envelope encode_media_event(media::MediaId id, const media::Event& event);
wire::Envelope encode_media_counts(edge::QueryId query, media::MediaId id,
                                   const media::Counts& counts);
wire::Envelope encode_tls_started(edge::ConnectionId id, const edge::Addresses& addresses);
wire::Envelope encode_refused(std::uint64_t id, Errc code, const std::string& what);

// The local address of a Listening. BadValue when it is none.
Result<TransportAddress> decode_listening(const wire::Envelope& message);

// Tells the observer what the message holds. Unsupported when it holds no event, BadValue when it
// holds a value that is none.
Result<void> apply_event(const wire::Envelope& message, edge::Observer& observer);

}  // namespace sallyport::control
